//! A SIP endpoint without I/O: many calls over any number of flows.
//!
//! Octets and `now` go in through `handle_*`, wishes through [`Endpoint::invite`], [`Endpoint::command`] and
//! [`Endpoint::request`]; [`Endpoint::poll`] gives out what is to be sent and what happened.

mod api;

pub use api::{
    CallId, Credentials, EndpointConfig, IncomingInvite, Invite, LocalAddress, NoResponse,
    OutOfDialog, Party, RequestId, SipCommand, SipEvent,
};

use std::collections::VecDeque;
use std::time::Instant;

use super::flow::Flow;

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
    /// A call came in; 100 is on its way already.
    Incoming(CallId, Box<IncomingInvite>),
}

/// Many calls. See the module.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    out: VecDeque<Output>,
}

impl Endpoint {
    /// An endpoint without calls.
    pub fn new(config: EndpointConfig) -> Endpoint {
        Endpoint {
            config,
            out: VecDeque::new(),
        }
    }

    /// A message came. Of one that is not `trusted`, only what belongs to a call or transaction of ours is looked at;
    /// the rest meets silence.
    pub fn handle_message(&mut self, _octets: &[u8], _from: &Flow, _trusted: bool, _now: Instant) {}

    /// ICMP said so, or a connection failed or was lost.
    pub fn handle_unreachable(&mut self, _to: &Flow, _why: &str, _now: Instant) {}

    /// Time went by.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Places a call.
    pub fn invite(&mut self, _invite: Invite, _now: Instant) -> CallId {
        CallId(0)
    }

    /// Does something in a call; where that is over already, nothing.
    pub fn command(&mut self, _call: CallId, _command: SipCommand, _now: Instant) {}

    /// Sends a request outside of calls.
    pub fn request(&mut self, _request: OutOfDialog, _now: Instant) -> RequestId {
        RequestId(0)
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// How it is set up.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }
}
