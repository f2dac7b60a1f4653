//! Our telephone line: runs fax calls, each a [`CallMachine`] between a SIP call and a child process.
//!
//! Takes over: a TIFF and a number to dial, or a call to answer.
//! Promises: one [`CallReport`] per call; a page is confirmed to the far end only after whoever runs the journey said
//! that it is stored; a journey that drops or panics takes its call with it (BYE, child killed, count given back).
//! When it dies: the children notice, say DCN and exit.

mod dial;
mod drive;
mod media;
pub mod policy;
mod redirect;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::random;
use super::sip::{self, SipCommand, SipEndpoint, SipEvent};
use super::trunk::inbound::{self, Numbers};
use super::trunk::{Seat, Trunk};
use crate::call::machine::CallMachine;
use crate::call::outcome::{CallReport, FarEnd, Outcome};
use crate::call::policy::{CallConfig, CallPolicy};
use crate::config::Config;
use crate::config::trunk::CalledNumber;
use crate::pages::FaxPage;
use crate::proto::sdp::Codec;
use crate::proto::sip::endpoint::{Invite, Party};
use crate::proto::sip::escape_user;
use crate::proto::sip::flow::Flow;
use crate::worker::host::Children;
use crate::worker::wire::{FaxRole, Mishap, StartCall};
use drive::Driver;
use media::MediaSockets;

/// The machine ends a call at its limit; the child's own limit stands this far behind.
const BACKSTOP: Duration = Duration::from_secs(60);
/// Pages for which the child of a receiver stands by; the machine counts them as they come.
const PAGES_TO_COME: u32 = 1000;

/// How long the answers to our last BYEs are waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a line is set up.
#[derive(Debug, Clone)]
pub struct LineConfig {
    /// Where the media sockets are bound.
    pub bind: IpAddr,
    /// The address the far end reaches them at.
    pub advertised: IpAddr,
    /// First and last port for media, two a call; (0, 0): any.
    pub media_ports: (u16, u16),
    /// The rules for calls that we take, where nothing else is said of one.
    pub incoming: CallPolicy,
}

/// How our fax terminal behaves.
#[derive(Debug, Clone)]
pub struct FaxSettings {
    /// Station identification, at most 20 digits, `+` and spaces.
    pub ident: String,
    /// Error correction mode.
    pub ecm: bool,
    /// Highest speed, bit/s.
    pub max_bit_rate: u32,
    /// The sub-address to send with the fax (T.33).
    pub sub_address: Option<String>,
    /// The password to send with it (SID); for receivers, the one without which no page is taken.
    pub password: Option<String>,
    /// T.85 (JBIG) for far ends that have it.
    pub t85: bool,
    /// Seconds after which a caller who talks is hung up on; 0: never.
    pub voice_seconds: u32,
    /// Seconds of silence after which a call is given up.
    pub inactivity_seconds: u32,
    /// Bits a second by which a page must get on; 0: any.
    pub min_rate: u32,
    /// CED is said in full behind a switch to T.38.
    pub whole_ced: bool,
    /// For tests and simulated machines.
    pub mishap: Option<Mishap>,
}

impl Default for FaxSettings {
    fn default() -> FaxSettings {
        FaxSettings {
            ident: String::new(),
            ecm: true,
            max_bit_rate: 14400,
            sub_address: None,
            password: None,
            t85: true,
            voice_seconds: 20,
            inactivity_seconds: 30,
            min_rate: 600,
            whole_ced: false,
            mishap: None,
        }
    }
}

impl FaxSettings {
    /// As the settings in force want it.
    pub fn of(config: &Config) -> FaxSettings {
        FaxSettings {
            ident: config.fax.station_id.clone(),
            ecm: config.fax.ecm,
            t85: config.fax.t85,
            voice_seconds: config.fax.voice_seconds,
            max_bit_rate: config.fax.max_bit_rate,
            min_rate: config.fax.min_rate,
            whole_ced: config.fax.whole_ced,
            ..FaxSettings::default()
        }
    }
}

/// A fax to send.
#[derive(Clone)]
pub struct DialRequest {
    /// Where it may go, the first choice first. It goes to the next where nothing rang and
    /// [`failover`](super::trunk::failover) says so.
    pub candidates: Vec<Candidate>,
    /// The pages: 1-bit, G4, 1728 wide.
    pub tiff: Vec<u8>,
    /// How many there are of each fax, where several go in one call.
    pub documents: Vec<u32>,
    /// Cancelled: the fax that is under way is the last of the call.
    pub enough: CancellationToken,
    /// No INVITE leaves from then on, by the wall clock.
    pub not_after: Option<jiff::Timestamp>,
    /// Where the call's process writes down which pages were confirmed, and shows that it lives by having it open.
    pub file: Option<Arc<File>>,
    /// Our terminal.
    pub fax: FaxSettings,
}

impl DialRequest {
    /// Pages of all of it.
    pub fn pages(&self) -> u32 {
        self.documents.iter().sum()
    }
}

/// Where a call went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The name of the trunk; empty where it went over none.
    pub trunk: String,
    /// The server: `udp:198.51.100.7:5060`.
    pub target: String,
}

/// One place that a call may go to.
#[derive(Clone)]
pub struct Candidate {
    /// The seat at a trunk, which is told what becomes of the call; `None`: nobody is.
    pub seat: Option<Seat>,
    /// The INVITE, its offer still missing.
    pub invite: Invite,
    /// The rules for the call.
    pub policy: CallPolicy,
}

impl Candidate {
    /// The place as it is written down.
    pub fn place(&self) -> Place {
        let seat = self.seat.as_ref();
        let trunk = seat.map(|seat| seat.trunk.config.name.clone());
        Place {
            trunk: trunk.unwrap_or_default(),
            target: self.invite.flow.to_string(),
        }
    }

    /// At an address, over UDP, without a trunk.
    pub fn direct(target: SocketAddr, called: &str, caller: &str, policy: CallPolicy) -> Candidate {
        let uri = format!("sip:{}@{target}", escape_user(called));
        Candidate {
            seat: None,
            invite: Invite {
                flow: Flow::udp(target),
                to: uri.clone(),
                uri,
                from: Party {
                    user: caller.to_owned(),
                    ..Party::default()
                },
                contact_user: String::new(),
                headers: Vec::new(),
                credentials: None,
                session_expires: None,
                silence: Duration::from_secs(5),
                offer: Vec::new(),
            },
            policy,
        }
    }
}

/// What happens in a call, for the journey that wants to know.
#[derive(Debug)]
pub enum LineEvent {
    /// The INVITE has left; another one may follow it, to another place.
    Placed(Place),
    /// 1xx: 180 rings.
    Ringing(u16),
    /// Somebody or something answered.
    Answered,
    /// The call is in T.38 now.
    Switched,
    /// The terminals agreed.
    Negotiated(FarEnd),
    /// A page is on its way.
    Progress {
        /// Number, from 1.
        page: u32,
        /// Octets so far.
        bytes: u64,
        /// Octets of the page where known.
        of: Option<u64>,
    },
    /// A page came and waits to be confirmed: say `true` when it is on disk. Dropped: `false`.
    PageReceived {
        /// Number, from 1.
        page: u32,
        /// No page follows it (EOP).
        last: bool,
        /// Packets of it that never came, in T.38 without error correction: rows are missing.
        lost_packets: u32,
        /// Its picture.
        picture: FaxPage,
        /// The answer.
        stored: oneshot::Sender<bool>,
    },
    /// The last page of a fax is about to leave: say `true` when that is on disk, and from then on that fax may have
    /// arrived.
    LastPageLeaving {
        /// Number of the page in this call, from 1.
        page: u32,
        /// The answer.
        stored: oneshot::Sender<bool>,
    },
    /// The far end confirmed a page.
    PageConfirmed {
        /// Number, from 1.
        page: u32,
    },
}

/// The line. Cheap to clone.
#[derive(Clone)]
pub struct Line {
    endpoint: SipEndpoint,
    children: Children,
    config: Arc<LineConfig>,
    calls: Arc<AtomicUsize>,
    stopping: CancellationToken,
    closing: CancellationToken,
}

impl Line {
    /// A line over `endpoint`, whose calls run in `children`.
    pub fn new(endpoint: SipEndpoint, children: Children, config: LineConfig) -> Line {
        Line {
            endpoint,
            children,
            config: Arc::new(config),
            calls: Arc::default(),
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
        }
    }

    /// The address that far ends reach us at.
    pub fn contact(&self) -> SocketAddr {
        self.endpoint.contact()
    }

    /// What it calls over.
    pub fn endpoint(&self) -> &SipEndpoint {
        &self.endpoint
    }

    /// Calls in progress, both directions.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// From now on no fax follows in a call that several share: the one under way is the last.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// For [`DialRequest::enough`]: cancelled by its holder, and by [`Line::close`].
    pub fn enough(&self) -> CancellationToken {
        self.closing.child_token()
    }

    /// Ends every call as [`Outcome::GatewayStopped`], and every later one at once.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// After [`Line::stop`], and the end of its calls: lets the far ends hear it.
    pub async fn farewell(&self) {
        self.endpoint.farewell(FAREWELL).await;
    }

    /// Sends a fax. `cancel` ends it as [`Outcome::Cancelled`].
    pub async fn dial(
        &self,
        request: DialRequest,
        events: mpsc::Sender<LineEvent>,
        cancel: CancellationToken,
    ) -> CallReport {
        let _count = Count::new(&self.calls);
        let Some(Candidate { policy, .. }) = request.candidates.first() else {
            let detail = "there is no server to call".to_owned();
            return CallReport::never_placed(Outcome::TrunkDown, detail);
        };
        let documents = request.documents.clone();
        let start = start_call(FaxRole::Sender, documents, policy, &request.fax);
        let (mut driver, sockets) = match self
            .driver(start, &request.tiff, request.file.as_deref(), events)
            .await
        {
            Ok(ready) => ready,
            Err(report) => return *report,
        };
        driver.stop_between_faxes(request.enough.clone());
        if self.stopping.is_cancelled() {
            return CallReport::never_placed(Outcome::GatewayStopped, String::new());
        }
        let attempt = dial::Attempt {
            line: self,
            request: &request,
            sockets,
            cancel,
        };
        attempt.run(&mut driver).await
    }

    /// A call that came in, as this line's.
    pub fn incoming(&self, call: sip::IncomingCall) -> IncomingCall {
        IncomingCall {
            called: call.called.clone(),
            caller: call.caller.clone(),
            caller_display: call.caller_display.clone(),
            source: call.source,
            count: Count::new(&self.calls),
            policy: self.config.incoming.clone(),
            trunk: None,
            line: self.clone(),
            call,
        }
    }

    /// Starts the child and waits until it can read what it needs, before anybody's telephone rings.
    async fn driver(
        &self,
        start: StartCall,
        tiff: &[u8],
        file: Option<&File>,
        events: mpsc::Sender<LineEvent>,
    ) -> Result<(Driver, MediaSockets), Box<CallReport>> {
        let config = &self.config;
        let failed = |how: String| Box::new(CallReport::never_placed(Outcome::ChildCrashed, how));
        let sockets = MediaSockets::bind(config.bind, config.media_ports)
            .map_err(|e| failed(format!("no media ports: {e}")))?;
        let child = self
            .children
            .call(start, tiff, &sockets.rtp, &sockets.udptl, file)
            .await
            .map_err(|e| failed(format!("the call's process did not start: {e}")))?;
        let driver = Driver::ready(child, events).await.map_err(Box::new)?;
        Ok((driver, sockets))
    }

    fn call_config(
        &self,
        policy: &CallPolicy,
        sip_peer: IpAddr,
        sockets: &MediaSockets,
        fax: &FaxSettings,
        pages: u32,
    ) -> CallConfig {
        CallConfig {
            policy: policy.clone(),
            address: self.config.advertised,
            sip_peer: Some(sip_peer),
            rtp_port: sockets.rtp_port,
            udptl_port: sockets.udptl_port,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            max_bit_rate: fax.max_bit_rate,
            pages,
            session: random::u64(),
        }
    }
}

/// A call that came in. Dropped, it is refused.
pub struct IncomingCall {
    /// The number called.
    pub called: String,
    /// The calling number.
    pub caller: String,
    /// The caller's name.
    pub caller_display: Option<String>,
    /// Where it came from.
    pub source: SocketAddr,
    /// The rules of the call.
    pub policy: CallPolicy,
    /// The trunk that it came over, which is told where the ACK to our 200 is overdue.
    pub trunk: Option<Arc<Trunk>>,
    count: Count,
    line: Line,
    call: sip::IncomingCall,
}

impl IncomingCall {
    /// Whom it calls and who calls, read from where its trunk writes it.
    pub fn parties(&self, from: CalledNumber) -> Numbers {
        inbound::numbers(&self.call.uri, &self.call.headers, from)
    }

    /// Lets the caller hear that we ring.
    pub fn ringing(&self) {
        self.call.call.send(SipCommand::Ringing);
    }

    /// Refuses it: 486 busy, 404 no such number, 603.
    pub fn reject(self, code: u16) {
        self.call.call.send(SipCommand::Reject(code));
    }

    /// Answers it and receives its fax. `cancel` ends it as [`Outcome::Cancelled`].
    pub async fn answer(
        self,
        fax: FaxSettings,
        events: mpsc::Sender<LineEvent>,
        cancel: CancellationToken,
    ) -> CallReport {
        let IncomingCall {
            line,
            call: sip::IncomingCall {
                offer, mut call, ..
            },
            count: _count,
            policy,
            trunk,
            source,
            ..
        } = self;
        let start = start_call(FaxRole::Receiver, Vec::new(), &policy, &fax);
        let (mut driver, sockets) = match line.driver(start, &[], None, events).await {
            Ok(ready) => ready,
            Err(report) => {
                call.send(SipCommand::Reject(503));
                return *report;
            }
        };
        driver.came_over(trunk);
        let config = line.call_config(&policy, source.ip(), &sockets, &fax, 0);
        drop(sockets);
        let offer = drive::with_addresses(offer).await;
        let mut machine = CallMachine::incoming(config, &offer, Instant::now());
        let calls = drive::Calls {
            invite: &|_| unreachable!("a call that came in sends no INVITE"),
            too_late: &|| false,
            elsewhere: &|_| None::<Infallible>,
        };
        let driven = driver.run(&mut machine, &mut call, calls, cancel, &line.stopping);
        let Ok(report) = driven.await;
        report
    }

    /// Waits until the caller gives up; for machines that never answer.
    pub async fn given_up(&mut self) {
        while !matches!(self.call.call.next().await, None | Some(SipEvent::Bye(_))) {}
    }
}

fn start_call(
    role: FaxRole,
    documents: Vec<u32>,
    policy: &CallPolicy,
    fax: &FaxSettings,
) -> StartCall {
    let pages = documents.iter().sum();
    StartCall {
        role,
        calling: role == FaxRole::Sender,
        ident: fax.ident.clone(),
        pages,
        documents,
        ecm: fax.ecm,
        max_bit_rate: fax.max_bit_rate,
        sub_address: fax.sub_address.clone(),
        password: fax.password.clone(),
        t85: fax.t85 && role == FaxRole::Sender,
        voice_seconds: fax.voice_seconds,
        inactivity_seconds: fax.inactivity_seconds,
        min_rate: fax.min_rate,
        whole_ced: fax.whole_ced,
        total_seconds: child_limit(policy, pages).as_secs() as u32,
        mishap: fax.mishap,
    }
}

/// Ringing counts for the child, too.
fn child_limit(policy: &CallPolicy, pages: u32) -> Duration {
    let pages = match pages {
        0 => PAGES_TO_COME,
        pages => pages,
    };
    policy.ring + policy.total.of(pages) + BACKSTOP
}

/// One call in the count of calls in progress.
struct Count(Arc<AtomicUsize>);

impl Count {
    fn new(calls: &Arc<AtomicUsize>) -> Count {
        calls.fetch_add(1, Ordering::Relaxed);
        Count(calls.clone())
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
