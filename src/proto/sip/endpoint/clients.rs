//! The requests that we sent and that are under way.

use std::time::{Duration, Instant};

use super::alarms::Alarm;
use super::core::Core;
use super::{CallId, NoResponse, RequestId};
use crate::proto::sip::transaction::{Client, Event, InviteClient};
use crate::proto::sip::{Flow, Message, Method, Name};

/// A client transaction by its branch (RFC 3261 17.1.3); a CANCEL bears the branch of its INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClientKey {
    branch: u64,
    is_cancel: bool,
}

/// Who hears of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Call(CallId),
    Request(RequestId),
    Nobody,
}

/// One client transaction.
#[derive(Debug)]
pub(super) struct ClientEntry {
    machine: Machine,
    request: Message,
    octets: Vec<u8>,
    flow: Flow,
    user: User,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

impl Machine {
    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Machine::Invite(machine) => machine.next_timeout(),
            Machine::Other(machine) => machine.next_timeout(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        match self {
            Machine::Invite(machine) => machine.handle_timeout(now),
            Machine::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn handle_unreachable(&mut self) -> Option<Event> {
        match self {
            Machine::Invite(machine) => machine.handle_unreachable(),
            Machine::Other(machine) => machine.handle_unreachable(),
        }
    }
}

/// A transaction that ended without a final response.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub user: User,
    pub key: ClientKey,
    pub why: NoResponse,
}

const COOKIE: &str = "z9hG4bK";

impl Core {
    /// Sends a request, in a transaction of its own. `patience` is for what is no INVITE.
    pub fn send(
        &mut self,
        mut request: Message,
        flow: &Flow,
        user: User,
        patience: Duration,
        now: Instant,
    ) -> ClientKey {
        let key = ClientKey {
            branch: self.random.u64(),
            is_cancel: false,
        };
        let via = self.via(flow, &format!("{COOKIE}{:016x}", key.branch));
        request.headers.insert_first(Name::Via, via);
        self.start(key, request, flow.clone(), user, patience, now);
        key
    }

    /// Sends a message outside of any transaction: the ACK to a 2xx (RFC 3261 13.2.2.4). Says what it sent.
    pub fn send_ack(&mut self, mut ack: Message, flow: &Flow) -> Vec<u8> {
        let branch = format!("{COOKIE}{:016x}", self.random.u64());
        let via = self.via(flow, &branch);
        ack.headers.insert_first(Name::Via, via);
        let octets = ack.encode();
        self.transmit(flow, octets.clone());
        octets
    }

    /// RFC 3261 9.1: the INVITE's way, branch and number.
    pub fn cancel(&mut self, invite: ClientKey, reason: Option<String>, now: Instant) {
        let key = ClientKey {
            is_cancel: true,
            ..invite
        };
        let Some(entry) = self.clients.get(&invite) else {
            return;
        };
        if self.clients.contains_key(&key) {
            return;
        }
        let mut cancel = same_hop(&entry.request, Method::Cancel, &entry.request);
        if let Some(reason) = reason {
            cancel.headers.push(Name::Reason, reason);
        }
        let flow = entry.flow.clone();
        let patience = crate::proto::sip::transaction::PATIENCE;
        self.start(key, cancel, flow, User::Nobody, patience, now);
    }

    /// Nobody waits for the answer to this INVITE: no more retransmissions; a late answer still comes to its user.
    pub fn give_up(&mut self, key: ClientKey, now: Instant) {
        if let Some(ClientEntry {
            machine: Machine::Invite(machine),
            ..
        }) = self.clients.get_mut(&key)
        {
            machine.give_up(now);
            let next = machine.next_timeout();
            self.alarms.set(Alarm::Client(key), next);
        }
    }

    /// A response came. Says who has to hear of it; retransmissions are swallowed, refusals of an INVITE acknowledged.
    pub fn handle_response(
        &mut self,
        response: &Message,
        now: Instant,
    ) -> Option<(User, ClientKey)> {
        let key = key_of(response)?;
        let code = response.code()?;
        let entry = self.clients.get_mut(&key)?;
        // RFC 3261 17.1.3: the branch alone might be guessed; the call cannot.
        if entry.request.call_id() != response.call_id() || entry.request.cseq() != response.cseq()
        {
            return None;
        }
        let event = match &mut entry.machine {
            Machine::Invite(machine) => machine.handle_response(code, now),
            Machine::Other(machine) => machine.handle_response(code, now),
        };
        let (user, flow) = (entry.user, entry.flow.clone());
        let next = entry.machine.next_timeout();
        self.alarms.set(Alarm::Client(key), next);
        let event = event?;
        self.learn_address(response, &flow);
        if matches!(event, Event::Ack | Event::DeliverAndAck) {
            self.acknowledge_refusal(key, response);
        }
        (event != Event::Ack).then_some((user, key))
    }

    /// RFC 3261 17.1.1.3.
    fn acknowledge_refusal(&mut self, key: ClientKey, response: &Message) {
        let Some(entry) = self.clients.get(&key) else {
            return;
        };
        let mut ack = same_hop(&entry.request, Method::Ack, response);
        ack.headers
            .copy(Name::Authorization, &entry.request.headers);
        ack.headers
            .copy(Name::ProxyAuthorization, &entry.request.headers);
        let flow = entry.flow.clone();
        self.transmit(&flow, ack.encode());
    }

    /// The timers of one transaction.
    pub fn handle_client_timeout(&mut self, key: ClientKey, now: Instant) -> Option<Unanswered> {
        let entry = self.clients.get_mut(&key)?;
        let mut again = false;
        let mut ended = None;
        while let Some(event) = entry.machine.handle_timeout(now) {
            match event {
                Event::Retransmit => again = true,
                Event::TimedOut => ended = Some(true),
                Event::Terminated => ended = Some(false),
                Event::Deliver | Event::Ack | Event::DeliverAndAck => {}
            }
        }
        if let Some(silent) = ended {
            let user = entry.user;
            self.clients.remove(&key);
            let why = NoResponse::Silence;
            return silent.then_some(Unanswered { user, key, why });
        }
        let next = entry.machine.next_timeout();
        if again {
            let (flow, octets) = (entry.flow.clone(), entry.octets.clone());
            self.transmit(&flow, octets);
        }
        self.alarms.set(Alarm::Client(key), next);
        None
    }

    /// A flow failed: the transactions that wait for a first sign over it.
    pub fn handle_flow_failure(&mut self, flow: &Flow, why: &str) -> Vec<Unanswered> {
        let same = |entry: &ClientEntry| {
            entry.flow.transport == flow.transport && entry.flow.remote == flow.remote
        };
        let mut failed = Vec::new();
        for (key, entry) in self.clients.iter_mut().filter(|(_, entry)| same(entry)) {
            if entry.machine.handle_unreachable().is_some() {
                failed.push(Unanswered {
                    user: entry.user,
                    key: *key,
                    why: NoResponse::Unreachable(why.to_owned()),
                });
            }
        }
        for unanswered in &failed {
            self.clients.remove(&unanswered.key);
            self.alarms.set(Alarm::Client(unanswered.key), None);
        }
        failed
    }

    fn start(
        &mut self,
        key: ClientKey,
        request: Message,
        flow: Flow,
        user: User,
        patience: Duration,
        now: Instant,
    ) {
        let reliable = flow.transport.is_reliable();
        let machine = match request.method() {
            Some(Method::Invite) => Machine::Invite(InviteClient::new(reliable, now)),
            _ => Machine::Other(Client::new(reliable, patience, now)),
        };
        let octets = request.encode();
        self.transmit(&flow, octets.clone());
        self.alarms.set(Alarm::Client(key), machine.next_timeout());
        let entry = ClientEntry {
            machine,
            request,
            octets,
            flow,
            user,
        };
        self.clients.insert(key, entry);
    }

    /// RFC 3261 18.1.1, RFC 3581 3.
    fn via(&self, flow: &Flow, branch: &str) -> String {
        let transport = flow.transport.via();
        let sent_by = self.address(flow);
        format!("SIP/2.0/{transport} {sent_by};branch={branch};rport")
    }
}

/// A CANCEL or ACK that goes the way of `request` hop by hop; its `To` is that of `to`.
fn same_hop(request: &Message, method: Method, to: &Message) -> Message {
    let name = method.to_string();
    let mut message = Message::request(method, request.uri().unwrap_or_default());
    if let Some(via) = request.headers.get(Name::Via) {
        message.headers.push(Name::Via, via);
    }
    message.headers.copy(Name::MaxForwards, &request.headers);
    message.headers.copy(Name::Route, &request.headers);
    message.headers.copy(Name::From, &request.headers);
    message.headers.copy(Name::To, &to.headers);
    message.headers.copy(Name::CallId, &request.headers);
    let number = request.cseq().map_or(0, |cseq| cseq.number);
    message.headers.push(Name::CSeq, format!("{number} {name}"));
    message
}

fn key_of(response: &Message) -> Option<ClientKey> {
    let via = response.top_via()?;
    let branch = via.branch()?.get(COOKIE.len()..)?;
    let branch = Some(branch).filter(|branch| branch.len() == 16)?;
    Some(ClientKey {
        branch: u64::from_str_radix(branch, 16).ok()?,
        is_cancel: response.cseq()?.method == Method::Cancel,
    })
}
