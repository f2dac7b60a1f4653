//! What goes into an endpoint and what comes out.

use std::net::SocketAddr;
use std::time::Duration;

use super::Credentials;
use crate::proto::sip::{Flow, Transport};

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Where others reach us; the first of a flow's transport (and of its `local`) is the one we name.
    pub addresses: Vec<LocalAddress>,
    /// Nobody has said where we are reached: from behind NAT, far ends are told the address that they see us at
    /// (RFC 3581).
    pub learns_address: bool,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// The shortest session interval we agree to (RFC 4028 5).
    pub min_session: Duration,
    /// Calls at once, those of strangers' making and ours; more are refused with 503.
    pub max_calls: usize,
    /// What tags, branches, Call-IDs and cnonces are drawn from; 32 bytes of the system's generator.
    pub seed: [u8; 32],
}

/// An address of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAddress {
    /// What is spoken there.
    pub transport: Transport,
    /// As it was bound.
    pub bound: SocketAddr,
    /// As others reach it; for `Via` and `Contact`.
    pub advertised: SocketAddr,
}

/// One call of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(super) u64);

/// One request outside of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// The name and address in `From`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The name shown.
    pub display: Option<String>,
    /// The number; escaped by us where a URI needs it.
    pub user: String,
    /// The host part, with its port if it has one. Empty: our own address.
    pub host: String,
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Where it goes.
    pub flow: Flow,
    /// Request-URI, whole: `sip:+12025550123@trunk.example;user=phone`.
    pub uri: String,
    /// URI in `To`; mostly the same.
    pub to: String,
    /// Who calls.
    pub from: Party,
    /// The user part of our `Contact`. Empty: that of `from`.
    pub contact_user: String,
    /// `P-Asserted-Identity`, `Privacy`, `Diversion` and their like, in this order.
    pub headers: Vec<(String, String)>,
    /// For 401 and 407, in the INVITE and in whatever follows it in the call.
    pub credentials: Option<Credentials>,
    /// `Session-Expires` that we ask for (RFC 4028 7.1); `None`: we ask for none, and agree to what the far end asks.
    pub session_expires: Option<Duration>,
    /// No response at all within this: [`SipEvent::TrunkDown`].
    pub silence: Duration,
    /// The session description.
    pub offer: Vec<u8>,
}

/// A request outside of calls: OPTIONS or REGISTER. 401 and 407 are answered inside.
#[derive(Debug, Clone)]
pub struct OutOfDialog {
    /// `OPTIONS`, `REGISTER`.
    pub method: String,
    /// Where it goes.
    pub flow: Flow,
    /// Request-URI.
    pub uri: String,
    /// URI in `To`.
    pub to: String,
    /// URI in `From`.
    pub from: String,
    /// `Contact` value, whole, where it shall have one (`<sip:7@192.0.2.1>;expires=300`).
    pub contact: Option<String>,
    /// Other headers.
    pub headers: Vec<(String, String)>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// A series of requests bears one Call-ID (REGISTER, RFC 3261 10.2); `None`: a new one.
    pub call_id: Option<String>,
    /// Its number in the series, from 1. Each challenge takes one more: the response's `CSeq` says which was last.
    pub cseq: u32,
    /// No final response within this: [`NoResponse::Silence`].
    pub patience: Duration,
}

/// Why a request has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoResponse {
    /// Nothing came in time.
    Silence,
    /// It cannot be sent: connection refused, TLS failed, ICMP.
    Unreachable(String),
}

/// A call that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingInvite {
    /// Request-URI as it came.
    pub uri: String,
    /// The number called: the user of the Request-URI, unescaped.
    pub called: String,
    /// The calling number: the user of `From`, unescaped.
    pub caller: String,
    /// The caller's name.
    pub caller_display: Option<String>,
    /// Its `Call-ID`.
    pub call_id: String,
    /// Where the INVITE came from.
    pub source: Flow,
    /// The header lines in order, names spelled out: for `To`, `Diversion`, `History-Info`, `P-Asserted-Identity`.
    pub headers: Vec<(String, String)>,
    /// The session description offered; empty where there is none (RFC 3261 13.2.1).
    pub offer: Vec<u8>,
}

/// What happens in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum SipEvent {
    /// 1xx other than 100.
    Progress(u16),
    /// 200 with its description, or with that of an earlier 183.
    Answered(Vec<u8>),
    /// A final refusal. The last event.
    Failed {
        /// Status code.
        code: u16,
        /// Reason phrase.
        reason: String,
        /// Q.850 cause of its `Reason` header (RFC 3326).
        q850: Option<u16>,
        /// `Contact` URIs of a 3xx, best first; nobody has followed them.
        contacts: Vec<String>,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
    },
    /// Nobody responds, or nothing can be sent. The last event.
    TrunkDown(String),
    /// The ACK to our 200, with its body if it had one; and the ACK to a re-INVITE without an offer that we answered
    /// with one, with its answer.
    Confirmed(Option<Vec<u8>>),
    /// A re-INVITE (or an UPDATE with an offer); to be answered with [`SipCommand::AnswerReinvite`]. Empty: the far
    /// end wants our offer in the 200 and says its answer in the ACK ([`SipEvent::Confirmed`]).
    Reinvite(Vec<u8>),
    /// The final response to our re-INVITE: the body of a 200, or the status code; 408 where none came, 491 where
    /// theirs was first.
    ReinviteAnswered(Result<Vec<u8>, u16>),
    /// The far end ended the call, by BYE or CANCEL, with its `Reason`; or it is lost. The last event.
    Bye(Option<String>),
}

/// What to do in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum SipCommand {
    /// 180, for a call that came in.
    Ringing,
    /// 183 with this description, for a call that came in.
    Progress(Vec<u8>),
    /// 200 with this description, for a call that came in.
    Accept(Vec<u8>),
    /// A refusal, for a call that came in.
    Reject(u16),
    /// Give up an INVITE that is not answered yet. [`SipEvent::Failed`] follows.
    Cancel,
    /// Change the session.
    Reinvite(Vec<u8>),
    /// The answer to [`SipEvent::Reinvite`].
    AnswerReinvite {
        /// Status code.
        code: u16,
        /// The description of a 200.
        sdp: Option<Vec<u8>>,
    },
    /// End the call. No event follows.
    Bye(String),
}
