//! SIP over UDP: one endpoint, many calls; the stack itself does not show outside of this module.
//!
//! Takes over: an INVITE to send, or one that came in from an allowed address.
//! Promises: every [`SipCall`] that ends says so with one last event; a [`SipCall`] that is dropped hangs up; a
//! trunk that is silent is noticed after [`SipConfig::silence`], not after the 32 s of timer B.
//! When it dies: its dialogs are forgotten; the far ends notice by silence.
//!
//! The stack logs every message at INFO, with whatever stands in it: append [`LOG_FILTER`] to the log filter.

mod dispatch;
mod established;
mod incoming;
mod outgoing;
pub mod resolve;
mod socket;
#[cfg(test)]
mod tests;
pub mod transport;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::{HasHeaders, Header, Method};
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::call::cause;

/// What a `tracing` filter needs so that no SIP message (with its credentials) is logged.
pub const LOG_FILTER: &str = "rsipstack=warn";

/// The methods we take, for `Allow`.
const ALLOW: [Method; 6] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Update,
];

/// Calls waiting for someone to take them; more are refused.
const INCOMING_BACKLOG: usize = 64;

/// How to set up an endpoint.
#[derive(Debug, Clone)]
pub struct SipConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that others reach us at, where it is not the one we listen on.
    pub advertised: Option<IpAddr>,
    /// `User-Agent`.
    pub user_agent: String,
    /// Whose calls and OPTIONS are taken; everybody else meets silence.
    pub allowed: Vec<IpNet>,
    /// An INVITE without any response for this long means that the trunk is down.
    pub silence: Duration,
}

impl SipConfig {
    /// On `listen`, for calls from `allowed`.
    pub fn new(listen: SocketAddr, allowed: Vec<IpNet>) -> SipConfig {
        SipConfig {
            listen,
            advertised: None,
            user_agent: concat!("Postfax/", env!("CARGO_PKG_VERSION")).to_owned(),
            allowed,
            silence: Duration::from_secs(5),
        }
    }
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct InviteRequest {
    /// Where to send it.
    pub target: SocketAddr,
    /// The host part of the called URI, where it is not `target`.
    pub domain: Option<String>,
    /// The called number.
    pub to_user: String,
    /// The calling number.
    pub from_user: String,
    /// The caller's name.
    pub from_display: Option<String>,
    /// The session description.
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
    },
    /// Nobody responds, or nothing can be sent. The last event.
    TrunkDown(String),
    /// The ACK to our 200, with its body if it had one.
    Confirmed(Option<Vec<u8>>),
    /// A re-INVITE (or an UPDATE with an offer); to be answered with [`SipCommand::AnswerReinvite`].
    Reinvite(Vec<u8>),
    /// The final response to our re-INVITE: the body of a 200, or the status code; 408 where none came.
    ReinviteAnswered(Result<Vec<u8>, u16>),
    /// The far end ended the call, by BYE or CANCEL, with its `Reason`; or the stack gave it up. The last event.
    Bye(Option<String>),
}

/// What to do in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum SipCommand {
    /// 180, for a call that came in.
    Ringing,
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

/// One call. Dropping it hangs up.
#[derive(Debug)]
pub struct SipCall {
    commands: mpsc::UnboundedSender<SipCommand>,
    events: mpsc::UnboundedReceiver<SipEvent>,
}

impl SipCall {
    /// Does something; where the call is over already, nothing.
    pub fn send(&self, command: SipCommand) {
        let _ = self.commands.send(command);
    }

    /// What happens next; `None` once the call is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<SipEvent> {
        self.events.recv().await
    }
}

/// The far end of [`SipCall`]'s channels, held by the task of the call.
struct Ends {
    commands: mpsc::UnboundedReceiver<SipCommand>,
    events: mpsc::UnboundedSender<SipEvent>,
}

impl Ends {
    fn pair() -> (SipCall, Ends) {
        let (command_sender, commands) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        let call = SipCall {
            commands: command_sender,
            events: event_receiver,
        };
        (call, Ends { commands, events })
    }

    fn say(&self, event: SipEvent) {
        let _ = self.events.send(event);
    }
}

/// A call that came in and waits for an answer.
#[derive(Debug)]
pub struct IncomingCall {
    /// The number called: the user of the Request-URI.
    pub called: String,
    /// The calling number: the user of `From`.
    pub caller: String,
    /// The caller's name.
    pub caller_display: Option<String>,
    /// Where the INVITE came from.
    pub source: SocketAddr,
    /// Its `Call-ID`.
    pub call_id: String,
    /// The session description offered; empty where there is none.
    pub offer: Vec<u8>,
    /// To answer it with. Dropped, the call is refused.
    pub call: SipCall,
}

/// A SIP endpoint on one UDP socket. Cheap to clone; the last clone closes the socket.
#[derive(Clone)]
pub struct SipEndpoint {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

/// What the tasks of an endpoint share.
struct Shared {
    layer: Arc<DialogLayer>,
    config: SipConfig,
    /// Where others reach us.
    contact: SocketAddr,
    calls: Calls,
}

impl SipEndpoint {
    /// Opens the socket and starts to serve it.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(
        config: SipConfig,
    ) -> io::Result<(SipEndpoint, mpsc::Receiver<IncomingCall>)> {
        let socket = tokio::net::UdpSocket::bind(config.listen).await?;
        let bound = socket.local_addr()?;
        let contact = SocketAddr::new(config.advertised.unwrap_or(bound.ip()), bound.port());
        let stop = CancellationToken::new();
        let transports = TransportLayer::new(stop.clone());
        let inner = UdpInner {
            conn: Arc::new(socket::Repairing::new(socket, config.allowed.clone())),
            addr: bound.into(),
        };
        let connection = UdpConnection::attach(inner, Some(contact), Some(stop.clone())).await;
        transports.add_transport(connection.into());
        let endpoint = EndpointBuilder::new()
            .with_user_agent(&config.user_agent)
            .with_transport_layer(transports)
            .with_cancel_token(stop.clone())
            .with_allows(ALLOW.to_vec())
            .build();
        let transactions = endpoint
            .incoming_transactions()
            .expect("a new endpoint has its receiver");
        let shared = Arc::new(Shared {
            layer: Arc::new(DialogLayer::new(endpoint.inner.clone())),
            config,
            contact,
            calls: Calls::default(),
        });
        let (incoming, calls) = mpsc::channel(INCOMING_BACKLOG);
        tokio::spawn(async move { endpoint.serve().await });
        tokio::spawn(dispatch::run(shared.clone(), transactions, incoming));
        let endpoint = SipEndpoint {
            shared,
            _stop: Arc::new(stop.drop_guard()),
        };
        Ok((endpoint, calls))
    }

    /// Where others reach us.
    pub fn contact(&self) -> SocketAddr {
        self.shared.contact
    }

    /// Places a call.
    pub fn invite(&self, request: InviteRequest) -> SipCall {
        let (call, ends) = Ends::pair();
        tokio::spawn(outgoing::run(self.shared.clone(), request, ends));
        call
    }

    /// Calls that the endpoint knows, for tests that look for leaks.
    pub fn calls(&self) -> usize {
        self.shared
            .calls
            .known
            .lock()
            .expect("no panic holds it")
            .len()
    }
}

/// How long a call that is over is remembered: so long may a BYE be repeated (64*T1, RFC 3261 17.1.2.2).
const REMEMBERED: Duration = Duration::from_secs(32);

/// The calls we know, by Call-ID, with the `Reason` of a BYE that came: the stack passes on that there was one only.
#[derive(Default)]
struct Calls {
    known: Mutex<HashMap<String, Option<String>>>,
    /// The calls that are over, and since when.
    ended: Mutex<VecDeque<(Instant, String)>>,
}

impl Calls {
    fn know(shared: &Arc<Shared>, call_id: String) -> KnownCall {
        let mut known = shared.calls.known.lock().expect("no panic holds it");
        known.insert(call_id.clone(), None);
        KnownCall {
            shared: shared.clone(),
            call_id,
        }
    }

    fn knows(&self, call_id: &str) -> bool {
        let known = self.known.lock().expect("no panic holds it");
        known.contains_key(call_id)
    }

    /// Whether a call by this Call-ID was there a moment ago.
    fn knew(&self, call_id: &str) -> bool {
        let ended = self.ended.lock().expect("no panic holds it");
        ended.iter().any(|(_, id)| id == call_id)
    }

    fn forget(&self, call_id: &str) {
        if let (Ok(mut known), Ok(mut ended)) = (self.known.lock(), self.ended.lock()) {
            known.remove(call_id);
            let now = Instant::now();
            ended.retain(|(since, _)| now.duration_since(*since) < REMEMBERED);
            ended.push_back((now, call_id.to_owned()));
        }
    }

    fn note_bye(&self, call_id: &str, reason: Option<String>) {
        let mut known = self.known.lock().expect("no panic holds it");
        if let Some(noted) = known.get_mut(call_id) {
            *noted = reason;
        }
    }
}

/// Keeps a call known until it is dropped.
struct KnownCall {
    shared: Arc<Shared>,
    call_id: String,
}

impl KnownCall {
    fn bye_reason(&self) -> Option<String> {
        let known = self.shared.calls.known.lock().expect("no panic holds it");
        known.get(&self.call_id).cloned().flatten()
    }
}

impl Drop for KnownCall {
    fn drop(&mut self) {
        self.shared.calls.forget(&self.call_id);
    }
}

/// An IPv4 address in IPv6 clothes counts as IPv4.
fn is_allowed(allowed: &[IpNet], from: SocketAddr) -> bool {
    let ip = from.ip().to_canonical();
    allowed.iter().any(|net| net.contains(&ip))
}

fn sdp_headers() -> Option<Vec<Header>> {
    Some(vec![Header::ContentType("application/sdp".into())])
}

fn allow_header() -> Header {
    let methods: Vec<String> = ALLOW.iter().map(Method::to_string).collect();
    Header::Allow(methods.join(", ").into())
}

/// A stranger's words for logs, mails and terminals: no control characters, and no more than `limit`.
fn plain(words: &str, limit: usize) -> String {
    let visible = words.chars().filter(|c| !c.is_control());
    visible.take(limit).collect()
}

/// The values of the `Reason` headers (RFC 3326).
fn reason_of(message: &impl HasHeaders) -> Option<String> {
    let reasons: Vec<&str> = message
        .headers()
        .iter()
        .filter_map(|h| match h {
            Header::Reason(reason) => Some(reason.value()),
            _ => None,
        })
        .collect();
    (!reasons.is_empty()).then(|| plain(&reasons.join(", "), 200))
}

fn q850_of(message: &impl HasHeaders) -> Option<u16> {
    cause::q850_of_reason(&reason_of(message)?)
}
