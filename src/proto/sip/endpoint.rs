//! A SIP endpoint without I/O: many calls over any number of flows.
//!
//! Octets and `now` go in through `handle_*`, wishes through [`Endpoint::invite`], [`Endpoint::command`] and
//! [`Endpoint::request`]; [`Endpoint::poll`] gives out what is to be sent and what happened.
//!
//! | file | what it is |
//! |---|---|
//! | `api` | what goes in and comes out |
//! | `arrivals` | which call a message belongs to, and what the others are answered |
//! | `clients`, `servers` | the transactions that are under way |
//! | `calling`, `called`, `session`, `ended` | the stages of a call |
//! | `outside` | OPTIONS and REGISTER of ours |

mod acks;
mod alarms;
mod api;
mod arrivals;
mod auth;
mod body;
mod call;
mod called;
mod calling;
mod clients;
mod core;
mod ended;
mod outside;
mod reliable;
mod servers;
mod session;
#[cfg(test)]
mod tests;
mod words;

pub use super::digest::Credentials;
pub use api::{
    CallId, EndpointConfig, IncomingInvite, Invite, LocalAddress, NoResponse, OutOfDialog, Party,
    RequestId, SipCommand, SipEvent,
};

use std::collections::HashMap;
use std::time::Instant;

use super::{Flow, Message};
use alarms::Alarm;
use call::{Call, Stage};
use calling::Calling;
use clients::{Unanswered, User};
use core::Core;
use outside::Outside;

/// What an endpoint wants done, or has to tell.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit {
        /// Where.
        to: Flow,
        /// What.
        octets: Vec<u8>,
    },
    /// Something happened in a call.
    Call(CallId, SipEvent),
    /// Nothing more will be said of this call.
    Over(CallId),
    /// A call came in; 100 is on its way already.
    Incoming(CallId, Box<IncomingInvite>),
    /// The final response to a request outside of calls; last of its kind.
    Response(RequestId, Result<Box<Message>, NoResponse>),
}

/// Many calls. See the module.
#[derive(Debug)]
pub struct Endpoint {
    core: Core,
    calls: HashMap<CallId, Call>,
    requests: HashMap<RequestId, Outside>,
    /// Calls by our tag.
    tags: HashMap<String, CallId>,
    /// How many calls and requests there are by a Call-ID.
    call_ids: HashMap<Box<[u8]>, usize>,
}

/// What an endpoint holds, for figures and for tests that look for leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Calls that their users know.
    pub calls: usize,
    /// Calls that are over and remembered for stragglers.
    pub ended: usize,
    /// BYEs that wait for their answer.
    pub hanging_up: usize,
    /// Transactions of ours and of theirs.
    pub transactions: usize,
    /// Requests outside of calls.
    pub requests: usize,
}

impl Endpoint {
    /// An endpoint without calls.
    pub fn new(config: EndpointConfig) -> Endpoint {
        Endpoint {
            core: Core::new(config),
            calls: HashMap::new(),
            requests: HashMap::new(),
            tags: HashMap::new(),
            call_ids: HashMap::new(),
        }
    }

    /// How it is set up.
    pub fn config(&self) -> &EndpointConfig {
        &self.core.config
    }

    /// Places a call.
    pub fn invite(&mut self, invite: Invite, now: Instant) -> CallId {
        let id = self.next_call();
        let (call_id, tag) = (self.core.call_id(), self.core.tag());
        let calling = Calling::new(&mut self.core, id, invite, &call_id, &tag, now);
        let mut call = Call {
            id,
            call_id,
            tag,
            stage: Stage::Calling(Box::new(calling)),
        };
        call.go_on(&mut self.core, None, now);
        self.keep(call);
        id
    }

    /// Does something in a call; where that is over already, nothing.
    pub fn command(&mut self, call: CallId, command: SipCommand, now: Instant) {
        self.with(call, |call, core| call.handle_command(core, command, now));
    }

    /// Sends a request outside of calls.
    pub fn request(&mut self, request: OutOfDialog, now: Instant) -> RequestId {
        self.core.serial += 1;
        let id = RequestId(self.core.serial);
        let outside = Outside::new(&mut self.core, id, request, now);
        *self.count(&outside.call_id) += 1;
        self.requests.insert(id, outside);
        id
    }

    /// ICMP said so, or a connection failed or was lost: what waits for a first sign from there fails at once.
    pub fn handle_unreachable(&mut self, to: &Flow, why: &str, now: Instant) {
        for unanswered in self.core.handle_flow_failure(to, why) {
            self.on_unanswered(unanswered, now);
        }
    }

    /// Time went by.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(alarm) = self.core.alarms.due(now) {
            match alarm {
                Alarm::Client(key) => {
                    if let Some(unanswered) = self.core.handle_client_timeout(key, now) {
                        self.on_unanswered(unanswered, now);
                    }
                }
                Alarm::Server(key) => self.core.handle_server_timeout(key, now),
                Alarm::Call(id) => {
                    let kept = self.calls.get_mut(&id);
                    if kept.is_some_and(|call| !call.handle_timeout(&mut self.core, now)) {
                        self.forget(id);
                    }
                }
            }
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.core.out.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.core.alarms.next()
    }

    /// What it holds.
    pub fn holds(&self) -> Holds {
        let live = self.live_calls();
        let hanging_up = self.calls.values().filter(|call| match &call.stage {
            Stage::Ended(ended) => ended.is_hanging_up(),
            _ => false,
        });
        Holds {
            calls: live,
            ended: self.calls.len() - live,
            hanging_up: hanging_up.count(),
            transactions: self.core.clients.len() + self.core.servers.len(),
            requests: self.requests.len(),
        }
    }

    // ---- books ----

    fn live_calls(&self) -> usize {
        self.calls.values().filter(|call| call.is_live()).count()
    }

    fn next_call(&mut self) -> CallId {
        self.core.serial += 1;
        CallId(self.core.serial)
    }

    fn keep(&mut self, call: Call) {
        *self.count(&call.call_id) += 1;
        self.tags.insert(call.tag.clone(), call.id);
        self.calls.insert(call.id, call);
    }

    fn forget(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            self.tags.remove(&call.tag);
            self.uncount(&call.call_id);
        }
    }

    fn forget_request(&mut self, id: RequestId) {
        if let Some(request) = self.requests.remove(&id) {
            self.uncount(&request.call_id);
        }
    }

    fn count(&mut self, call_id: &str) -> &mut usize {
        self.call_ids.entry(call_id.as_bytes().into()).or_default()
    }

    fn uncount(&mut self, call_id: &str) {
        let count = self.count(call_id);
        *count -= 1;
        if *count == 0 {
            self.call_ids.remove(call_id.as_bytes());
        }
    }

    fn with(&mut self, id: CallId, what: impl FnOnce(&mut Call, &mut Core)) {
        if let Some(call) = self.calls.get_mut(&id) {
            what(call, &mut self.core);
        }
    }

    fn on_unanswered(&mut self, what: Unanswered, now: Instant) {
        match what.user {
            User::Call(id) => {
                self.with(id, |call, core| call.handle_unanswered(core, &what, now));
            }
            User::Request(id) => {
                let done = self.requests.get(&id).is_some_and(|request| {
                    request.handle_unanswered(&mut self.core, what.key, what.why.clone())
                });
                if done {
                    self.forget_request(id);
                }
            }
            User::Nobody => {}
        }
    }
}
