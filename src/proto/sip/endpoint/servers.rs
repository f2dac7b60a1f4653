//! The requests that came and are being answered.

use std::net::SocketAddr;
use std::time::Instant;

use super::CallId;
use super::alarms::Alarm;
use super::core::Core;
use crate::proto::sip::transaction::{Event, InviteServer, Server};
use crate::proto::sip::{Flow, Message, Method, Name};

/// A server transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ServerKey(u64);

#[derive(Debug)]
pub(super) struct ServerEntry {
    machine: Machine,
    request: Message,
    /// Where its responses go.
    flow: Flow,
    last: Vec<u8>,
    name: String,
    /// Whose request it is.
    call: CallId,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
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
}

/// A response to be.
#[derive(Debug)]
pub(super) struct Answer {
    code: u16,
    tag: String,
    headers: Vec<(Name, String)>,
    body: Option<Vec<u8>>,
}

impl Answer {
    pub fn new(code: u16, tag: &str) -> Answer {
        Answer {
            code,
            tag: tag.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn with(mut self, name: Name, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    pub fn with_sdp(mut self, sdp: Option<Vec<u8>>) -> Answer {
        self.body = sdp.filter(|sdp| !sdp.is_empty());
        self
    }

    fn write(self, request: &Message, server: &str) -> Message {
        let mut response = Message::response_to(request, self.code, "");
        add_tag(&mut response, &self.tag);
        for (name, value) in self.headers {
            response.headers.push(name, value);
        }
        response.headers.push(Name::Server, server);
        match self.body {
            Some(body) => response.with_body("application/sdp", body),
            None => response,
        }
    }
}

/// RFC 3261 8.2.6.2: our tag on `To`, where it has none.
fn add_tag(response: &mut Message, tag: &str) {
    let Some(to) = response.to().filter(|to| to.tag().is_none()) else {
        return;
    };
    if response.code() != Some(100) {
        let to = to.with_tag(tag).to_string();
        response.headers.set(Name::To, to);
    }
}

impl Core {
    /// A request that is one of those we know already, or an ACK to a refusal of ours: done with. `false`: it is new.
    pub fn absorb(&mut self, request: &Message, now: Instant) -> bool {
        let is_ack = request.method() == Some(&Method::Ack);
        let Some(key) = self.server_of(request) else {
            return false;
        };
        let Some(entry) = self.servers.get_mut(&key) else {
            return false;
        };
        match (&mut entry.machine, is_ack) {
            (Machine::Invite(machine), true) => {
                machine.handle_ack(now);
                let next = machine.next_timeout();
                let refused = machine.is_refused();
                self.alarms.set(Alarm::Server(key), next);
                // A peer that gives the ACK to a 200 the branch of its INVITE means the 200.
                refused
            }
            (Machine::Invite(machine), false) => {
                let again = machine.handle_request();
                self.repeat(key, again);
                true
            }
            (Machine::Other(machine), _) => {
                let again = machine.handle_request();
                self.repeat(key, again);
                true
            }
        }
    }

    /// A transaction for a new request of a call; an INVITE gets its 100 at once.
    pub fn open(&mut self, request: Message, from: &Flow, call: CallId) -> ServerKey {
        self.serial += 1;
        let key = ServerKey(self.serial);
        let name = name_of(&request, request.method()).unwrap_or_default();
        let reliable = from.transport.is_reliable();
        let is_invite = request.method() == Some(&Method::Invite);
        let machine = match is_invite {
            true => Machine::Invite(InviteServer::new(reliable)),
            false => Machine::Other(Server::new(reliable)),
        };
        let mut entry = ServerEntry {
            machine,
            flow: way_back(&request, from),
            request,
            last: Vec::new(),
            name: name.clone(),
            call,
        };
        if is_invite {
            entry.last = Message::response_to(&entry.request, 100, "").encode();
            let (flow, octets) = (entry.flow.clone(), entry.last.clone());
            self.transmit(&flow, octets);
        }
        self.names.insert(name, key);
        self.servers.insert(key, entry);
        key
    }

    /// Answers a request. Says what left and where to, for the user's own retransmissions of a 200; `None`: it had its
    /// final response already.
    pub fn respond(
        &mut self,
        key: ServerKey,
        answer: Answer,
        now: Instant,
    ) -> Option<(Flow, Vec<u8>)> {
        let entry = self.servers.get_mut(&key)?;
        let may = match &mut entry.machine {
            Machine::Invite(machine) => machine.respond(answer.code, now),
            Machine::Other(machine) => machine.respond(answer.code, now),
        };
        if !may {
            return None;
        }
        entry.last = answer
            .write(&entry.request, &self.config.user_agent)
            .encode();
        let (flow, octets) = (entry.flow.clone(), entry.last.clone());
        let next = entry.machine.next_timeout();
        self.alarms.set(Alarm::Server(key), next);
        self.transmit(&flow, octets.clone());
        Some((flow, octets))
    }

    /// The request, as it came.
    pub fn request(&self, key: ServerKey) -> Option<&Message> {
        self.servers.get(&key).map(|entry| &entry.request)
    }

    /// The INVITE that a CANCEL means (RFC 3261 9.2): whose it is, and whether it still waits for its answer.
    pub fn cancelled_by(&self, cancel: &Message) -> Option<(ServerKey, CallId, bool)> {
        let name = name_of(cancel, Some(&Method::Invite))?;
        let key = *self.names.get(&name)?;
        let entry = self.servers.get(&key)?;
        let pending = matches!(&entry.machine, Machine::Invite(machine) if machine.is_pending());
        Some((key, entry.call, pending))
    }

    /// Whose INVITE this is, if it had a 2xx.
    pub fn accepted_by(&self, invite: &Message) -> Option<CallId> {
        let entry = self.servers.get(&self.server_of(invite)?)?;
        matches!(&entry.machine, Machine::Invite(machine) if machine.is_accepted())
            .then_some(entry.call)
    }

    /// RFC 3261 8.2.7: answers without remembering that it did.
    pub fn refuse(&mut self, request: &Message, from: &Flow, mut refusal: Message) {
        if request.method() == Some(&Method::Ack) {
            return;
        }
        refusal
            .headers
            .push(Name::Server, self.config.user_agent.clone());
        self.transmit(&way_back(request, from), refusal.encode());
    }

    /// The timers of one transaction.
    pub fn handle_server_timeout(&mut self, key: ServerKey, now: Instant) {
        let Some(entry) = self.servers.get_mut(&key) else {
            return;
        };
        let mut again = None;
        while let Some(event) = entry.machine.handle_timeout(now) {
            if event == Event::Terminated {
                let name = std::mem::take(&mut entry.name);
                self.servers.remove(&key);
                if self.names.get(&name) == Some(&key) {
                    self.names.remove(&name);
                }
                return;
            }
            again = Some(event);
        }
        let next = entry.machine.next_timeout();
        self.alarms.set(Alarm::Server(key), next);
        self.repeat(key, again);
    }

    fn repeat(&mut self, key: ServerKey, event: Option<Event>) {
        let entry = self.servers.get(&key);
        if let (Some(Event::Retransmit), Some(entry)) = (event, entry)
            && !entry.last.is_empty()
        {
            let (flow, octets) = (entry.flow.clone(), entry.last.clone());
            self.transmit(&flow, octets);
        }
    }

    fn server_of(&self, request: &Message) -> Option<ServerKey> {
        let method = request.method()?;
        let method = match method {
            Method::Ack => &Method::Invite,
            other => other,
        };
        self.names.get(&name_of(request, Some(method))?).copied()
    }
}

/// What tells a transaction from any other (RFC 3261 17.2.3): branch, sent-by and method. Call-ID and number are the
/// same in whatever belongs to it, and tell apart what a client of RFC 2543, or one that is careless with its branches,
/// does not.
fn name_of(request: &Message, method: Option<&Method>) -> Option<String> {
    let via = request.top_via()?;
    let branch = via.branch().unwrap_or_default();
    let (host, port) = (&via.host, via.port.unwrap_or(0));
    let (number, call_id) = (request.cseq()?.number, request.call_id());
    let method = method?;
    Some(format!(
        "{branch} {host}:{port} {call_id} {number} {method}"
    ))
}

/// RFC 3261 18.2.2, RFC 3581 4: back to where it came from; without `rport`, to the port that the peer named.
pub(super) fn way_back(request: &Message, from: &Flow) -> Flow {
    let mut flow = from.clone();
    if from.transport.is_reliable() {
        return flow;
    }
    if let Some(via) = request.top_via()
        && !via.params.has("rport")
    {
        let port = via.port.unwrap_or(from.transport.default_port());
        flow.remote = SocketAddr::new(from.remote.ip(), port);
    }
    flow
}
