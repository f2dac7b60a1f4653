//! SIP on real sockets: one task owns the [`Endpoint`] and the sockets; everybody else holds a [`SipEndpoint`].
//!
//! Takes over: a call to place, or one that came in from an allowed address.
//! Promises: every [`SipCall`] that ends says so with one last event; a [`SipCall`] that is dropped hangs up; a
//! trunk that is silent is noticed after [`Invite::silence`], not after the 32 s of timer B. Whoever is not allowed
//! gets no answer, and costs one look for a Call-ID.
//! When it dies: its dialogs are forgotten; the far ends notice by silence or by their session timers.

mod driver;
pub mod resolve;
#[cfg(test)]
mod tests;
pub mod transport;

#[cfg(test)]
pub(crate) use tests::InviteRequest;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use super::random;
use super::tls::TlsFiles;
pub use crate::proto::sip::endpoint::{
    Credentials, Holds, Invite, LocalAddress, NoResponse, OutOfDialog, Party, SipCommand, SipEvent,
};
use crate::proto::sip::endpoint::{Endpoint, EndpointConfig, IncomingInvite};
pub use crate::proto::sip::{Flow, Message, Transport};
use driver::{Driver, Order};
use transport::{TransportConfig, TransportError, Transports};

/// Calls waiting for someone to take them; more are refused. A whole switchboard may call in the same moment.
const INCOMING_BACKLOG: usize = 1024;

/// Calls at once that an endpoint keeps; the limits that count are those of the trunks.
const MOST_CALLS: usize = 10_000;

/// How long a close may take: calls that were refused are waited for, until their ACK or its time is over.
const CLOSING: Duration = Duration::from_secs(10);

/// How to set up an endpoint.
#[derive(Debug, Clone)]
pub struct SipConfig {
    /// Where to listen; port 0 takes a free one. The first is the one that [`SipEndpoint::contact`] names.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Certificate and key, for listeners over TLS.
    pub tls: Option<TlsFiles>,
    /// Authorities that may vouch for a far end, beside the system's: a PEM file.
    pub authorities: Option<PathBuf>,
    /// The address that others reach us at, where it is not the one we listen on. `None`: what far ends over UDP say.
    pub advertised: Option<IpAddr>,
    /// `User-Agent`.
    pub user_agent: String,
    /// Whose calls and OPTIONS are taken; everybody else meets silence.
    pub allowed: Vec<IpNet>,
    /// An INVITE without any response for this long means that the trunk is down, where [`Invite::silence`] names no
    /// other.
    pub silence: Duration,
    /// The shortest session interval we agree to (RFC 4028).
    pub min_session: Duration,
}

impl SipConfig {
    /// On `listen` over UDP, for calls from `allowed`.
    pub fn new(listen: SocketAddr, allowed: Vec<IpNet>) -> SipConfig {
        SipConfig {
            listen: vec![(Transport::Udp, listen)],
            tls: None,
            authorities: None,
            advertised: None,
            user_agent: concat!("Postfax/", env!("CARGO_PKG_VERSION")).to_owned(),
            allowed,
            silence: Duration::from_secs(3),
            min_session: crate::proto::sip::session_timer::MIN_SE,
        }
    }
}

/// One call. Dropping it hangs up.
#[derive(Debug)]
pub struct SipCall {
    number: u64,
    orders: mpsc::UnboundedSender<Order>,
    events: mpsc::UnboundedReceiver<SipEvent>,
}

impl SipCall {
    /// Does something; where the call is over already, nothing.
    pub fn send(&self, command: SipCommand) {
        let _ = self.orders.send(Order::Command(self.number, command));
    }

    /// What happens next; `None` once the call is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<SipEvent> {
        self.events.recv().await
    }
}

impl Drop for SipCall {
    fn drop(&mut self) {
        self.send(SipCommand::Bye("dropped".to_owned()));
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
    /// Request-URI as it came.
    pub uri: String,
    /// Which way it came.
    pub flow: Flow,
    /// The header lines in order, names spelled out: for `To`, `Diversion`, `History-Info`, `P-Asserted-Identity`.
    pub headers: Vec<(String, String)>,
    /// To answer it with. Dropped, the call is refused.
    pub call: SipCall,
}

impl IncomingCall {
    fn new(invite: IncomingInvite, call: SipCall) -> IncomingCall {
        IncomingCall {
            called: invite.called,
            caller: invite.caller,
            caller_display: invite.caller_display,
            source: invite.source.remote,
            call_id: invite.call_id,
            offer: invite.offer,
            uri: invite.uri,
            flow: invite.source,
            headers: invite.headers,
            call,
        }
    }
}

/// A SIP endpoint. Cheap to clone; the last clone closes the sockets.
#[derive(Clone)]
pub struct SipEndpoint {
    shared: Arc<Shared>,
}

struct Shared {
    orders: mpsc::UnboundedSender<Order>,
    silence: Duration,
    addresses: Vec<LocalAddress>,
    learns_address: bool,
    calls: Arc<AtomicUsize>,
    numbers: Arc<AtomicUsize>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
    }
}

impl SipEndpoint {
    /// Opens the sockets and starts to serve them.
    ///
    /// # Errors
    /// When an address cannot be bound, or a certificate cannot be read.
    pub async fn bind(
        config: SipConfig,
    ) -> Result<(SipEndpoint, mpsc::Receiver<IncomingCall>), TransportError> {
        let transports = Transports::bind(TransportConfig {
            tls: config.tls,
            authorities: config.authorities,
            peers: config.allowed.clone(),
            ..TransportConfig::new(config.listen)
        })
        .await?;
        let bound = transports.addresses().iter();
        let addresses: Vec<LocalAddress> = bound
            .map(|(transport, bound)| LocalAddress {
                transport: *transport,
                bound: *bound,
                advertised: advertised(*bound, config.advertised),
            })
            .collect();
        let endpoint = Endpoint::new(EndpointConfig {
            addresses: addresses.clone(),
            learns_address: config.advertised.is_none(),
            user_agent: config.user_agent,
            min_session: config.min_session,
            max_calls: MOST_CALLS,
            seed: random::seed(),
        });
        let (orders, order_receiver) = mpsc::unbounded_channel();
        let (incoming, calls) = mpsc::channel(INCOMING_BACKLOG);
        let shared = Arc::new(Shared {
            orders,
            silence: config.silence,
            addresses,
            learns_address: config.advertised.is_none(),
            calls: Arc::default(),
            numbers: Arc::default(),
        });
        let driver = Driver::new(endpoint, transports, config.allowed, incoming, &shared);
        tokio::spawn(driver.run(order_receiver));
        Ok((SipEndpoint { shared }, calls))
    }

    /// Where others reach us.
    pub fn contact(&self) -> SocketAddr {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let first = self.shared.addresses.first();
        first.map_or(nowhere, |address| address.advertised)
    }

    /// All addresses of ours, in the order of [`SipConfig::listen`].
    pub fn addresses(&self) -> &[LocalAddress] {
        &self.shared.addresses
    }

    /// Where others reach us over this transport; where we do not listen on it, as [`SipEndpoint::contact`].
    pub fn contact_over(&self, transport: Transport) -> SocketAddr {
        let mut addresses = self.shared.addresses.iter();
        let found = addresses.find(|address| address.transport == transport);
        found.map_or_else(|| self.contact(), |address| address.advertised)
    }

    /// Where whoever sent this response over `transport` reaches us: what it says itself, from behind NAT over UDP
    /// (RFC 3581), where nobody has said what to advertise.
    pub fn contact_for(&self, response: &Message, transport: Transport) -> SocketAddr {
        let ours = self.contact_over(transport);
        let learns = self.shared.learns_address && transport == Transport::Udp;
        let seen = learns.then(|| response.seen_at(ours.ip())).flatten();
        seen.unwrap_or(ours)
    }

    /// Places a call.
    pub fn invite(&self, invite: impl Into<Invite>) -> SipCall {
        let mut invite = invite.into();
        if invite.silence.is_zero() {
            invite.silence = self.shared.silence;
        }
        let (call, events) = self.shared.call();
        let _ = self.shared.orders.send(Order::Invite {
            number: call.number,
            invite: Box::new(invite),
            events,
        });
        call
    }

    /// Sends a request outside of calls (OPTIONS, REGISTER) and waits for its final response. 401 and 407 are answered
    /// inside.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn request(&self, request: OutOfDialog) -> Result<Message, NoResponse> {
        let (answer, response) = oneshot::channel();
        let request = Box::new(request);
        let _ = self.shared.orders.send(Order::Request(request, answer));
        let gone = || NoResponse::Unreachable("the SIP endpoint is closed".to_owned());
        response.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Whose calls are taken from now on; calls that are there stay.
    pub fn set_allowed(&self, allowed: Vec<IpNet>) {
        let _ = self.shared.orders.send(Order::Allow(allowed));
    }

    /// Calls in progress.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Waits until every BYE is answered, before the program ends; no longer than `patience`.
    pub async fn farewell(&self, patience: Duration) {
        let said = async {
            while let Some(holds) = self.holds().await
                && holds.calls + holds.hanging_up > 0
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(patience, said).await;
    }

    /// Closes the sockets. Where this is the last clone, others may bind their addresses on return.
    pub async fn close(self) {
        let addresses = self.addresses().to_vec();
        drop(self);
        let until = Instant::now() + CLOSING;
        for LocalAddress {
            transport, bound, ..
        } in addresses
        {
            while !is_free(transport, bound) && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// What it holds, for figures.
    pub async fn holds(&self) -> Option<Holds> {
        let (answer, holds) = oneshot::channel();
        let _ = self.shared.orders.send(Order::Holds(answer));
        holds.await.ok()
    }
}

impl Shared {
    /// A call, and where its events are put.
    fn call(&self) -> (SipCall, mpsc::UnboundedSender<SipEvent>) {
        let (sender, events) = mpsc::unbounded_channel();
        let call = SipCall {
            number: self.numbers.fetch_add(1, Ordering::Relaxed) as u64,
            orders: self.orders.clone(),
            events,
        };
        (call, sender)
    }
}

/// Whether nobody is bound to an address.
fn is_free(transport: Transport, address: SocketAddr) -> bool {
    match transport {
        Transport::Udp => std::net::UdpSocket::bind(address).is_ok(),
        Transport::Tcp | Transport::Tls => std::net::TcpListener::bind(address).is_ok(),
    }
}

/// Where others reach a socket. One that is bound to every address names the one that leads out.
fn advertised(bound: SocketAddr, configured: Option<IpAddr>) -> SocketAddr {
    let configured = configured.filter(|ip| ip.is_ipv4() == bound.is_ipv4());
    let ip = configured.unwrap_or_else(|| match bound.ip().is_unspecified() {
        true => way_out(bound.ip()).unwrap_or(bound.ip()),
        false => bound.ip(),
    });
    SocketAddr::new(ip, bound.port())
}

/// The source address of datagrams to the world; none is sent.
fn way_out(any: IpAddr) -> Option<IpAddr> {
    // RFC 5737, RFC 3849: nobody's addresses.
    let nobody = match any {
        IpAddr::V4(_) => "192.0.2.1:9",
        IpAddr::V6(_) => "[2001:db8::1]:9",
    };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(nobody).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// An IPv4 address in IPv6 clothes counts as IPv4.
fn is_allowed(allowed: &[IpNet], from: SocketAddr) -> bool {
    let ip = from.ip().to_canonical();
    allowed.iter().any(|net| net.contains(&ip))
}
