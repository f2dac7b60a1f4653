//! One trunk as it stands: its channels, its servers and what is known of them, its registration.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::health::{Health, Sign};
use super::lookup::{self, Places};
use super::refusals::Refusals;
use crate::config;
use crate::proto::sip::registration::{Registration, State};

/// A server that was down when a call tried it is tried again after this long where no OPTIONS tells us sooner.
const FORGIVEN: Duration = Duration::from_secs(60);

/// So many answered calls whose ACK is overdue, and no further INVITE is answered until one of them ends: over UDP anybody
/// can send INVITEs in the carrier's name, and each would hold a channel.
const MOST_OVERDUE: usize = 2;

/// One trunk as it stands.
pub struct Trunk {
    /// As the file says.
    pub config: config::Trunk,
    calls: AtomicUsize,
    /// Calls that we answered and whose ACK is overdue.
    overdue_acks: AtomicUsize,
    channels: usize,
    bucket: Mutex<Bucket>,
    servers: Mutex<Servers>,
    /// Where it wants one.
    registration: Mutex<Option<Registered>>,
    refusals: Mutex<Refusals>,
}

/// How our registration at a trunk stands.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// Calls reach us until then; `None`: they do not.
    pub until: Option<Instant>,
    /// Since when they do or do not.
    pub since: Option<Instant>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// The servers of a trunk by their addresses.
#[derive(Default)]
struct Servers {
    targets: Vec<Target>,
    /// When to look them up again.
    again: Option<Instant>,
    /// Why there are none, or fewer than there should be.
    trouble: Option<String>,
}

/// A server at one address.
#[derive(Clone)]
pub struct Target {
    /// As the file names it.
    pub server: String,
    /// Its address.
    pub address: SocketAddr,
    /// What its certificate has to bear (TLS).
    pub name: Option<Arc<str>>,
    /// What is known of it.
    pub health: Health,
}

/// A channel of a trunk, given back when it is dropped.
pub struct Channel(Arc<Trunk>);

/// A call whose ACK is overdue, as its trunk counts it until this is dropped.
pub struct OverdueAck(Arc<Trunk>);

/// A place to send a call to.
#[derive(Clone)]
pub struct Seat {
    /// Its trunk.
    pub trunk: Arc<Trunk>,
    /// As the file names the server.
    pub server: String,
    /// Where it is.
    pub address: SocketAddr,
    /// What its certificate has to bear (TLS).
    pub name: Option<Arc<str>>,
}

impl Seat {
    /// Whether both are seats at one trunk.
    pub fn is_with(&self, other: &Seat) -> bool {
        Arc::ptr_eq(&self.trunk, &other.trunk)
    }
}

impl Trunk {
    pub(super) fn new(config: config::Trunk, total: usize) -> Trunk {
        let channels = match config.channels {
            0 => total,
            some => some.min(total),
        };
        Trunk {
            calls: AtomicUsize::new(0),
            overdue_acks: AtomicUsize::new(0),
            channels,
            bucket: Mutex::new(Bucket::new(config.calls_per_second)),
            servers: Mutex::default(),
            registration: Mutex::new(config.register.then(Registered::default)),
            refusals: Mutex::default(),
            config,
        }
    }

    /// A channel, if one is free.
    pub fn channel(self: &Arc<Trunk>) -> Option<Channel> {
        let free = |calls| (calls < self.channels).then_some(calls + 1);
        self.calls
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, free)
            .ok()
            .map(|_| Channel(self.clone()))
    }

    /// Calls on it, both directions.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a call that we answered and whose ACK is overdue.
    pub fn ack_overdue(self: &Arc<Trunk>) -> OverdueAck {
        self.overdue_acks.fetch_add(1, Ordering::Relaxed);
        OverdueAck(self.clone())
    }

    /// Whether so many ACKs are overdue that no further INVITE is to be answered.
    pub fn lacks_acks(&self) -> bool {
        self.overdue_acks.load(Ordering::Relaxed) >= MOST_OVERDUE
    }

    /// Calls it may carry.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Counts a call that was not taken; true: log it.
    pub fn refused(&self, caller: &str) -> bool {
        self.lock_refusals().count(caller, Instant::now())
    }

    /// Calls that were not taken since the start.
    pub fn refusals(&self) -> u64 {
        self.lock_refusals().total()
    }

    /// How our registration stands; `None`: it wants none.
    pub fn registration(&self) -> Option<Registered> {
        self.lock_registration().clone()
    }

    pub(super) fn set_registration(&self, registration: &Registration) {
        let until = match registration.state() {
            State::Registered { until } => Some(until),
            _ => None,
        };
        let now = Some(Registered {
            until,
            since: Some(registration.since()),
            error: registration.error().map(str::to_owned),
        });
        let before = std::mem::replace(&mut *self.lock_registration(), now);
        let was = before.is_some_and(|before| before.until.is_some());
        if was != until.is_some() {
            let (trunk, registered) = (&self.config.name, until.is_some());
            tracing::info!(trunk, registered, "registration");
        }
    }

    /// When its names are to be looked up.
    pub(super) fn looks_up_again(&self) -> Instant {
        self.servers().again.unwrap_or_else(Instant::now)
    }

    /// A place on one of its hosts, at another port perhaps; `None`: that is somebody else's.
    pub fn seat_at(self: &Arc<Trunk>, host: &str, port: Option<u16>) -> Option<Seat> {
        let host = host.trim_matches(['[', ']']);
        let servers = self.servers();
        let mut targets = servers.targets.iter();
        let target = targets.find(|target| {
            let name = target.server.split(':').next();
            target.address.ip().to_string() == host
                || name.is_some_and(|name| name.eq_ignore_ascii_case(host))
        })?;
        let mut seat = self.seat(target);
        seat.address.set_port(port.unwrap_or(target.address.port()));
        Some(seat)
    }

    /// All its servers, in the order of the file.
    pub(super) fn seats_at_all(self: &Arc<Trunk>) -> Vec<Seat> {
        let servers = self.servers();
        servers.targets.iter().map(|it| self.seat(it)).collect()
    }

    fn seat(self: &Arc<Trunk>, target: &Target) -> Seat {
        Seat {
            trunk: self.clone(),
            server: target.server.clone(),
            address: target.address,
            name: target.name.clone(),
        }
    }

    /// Its servers as they stand.
    pub fn targets(&self) -> Vec<Target> {
        self.servers().targets.clone()
    }

    /// Why its servers have no address, where that is so.
    pub fn trouble(&self) -> Option<String> {
        self.servers().trouble.clone()
    }

    /// Takes in what a server did.
    pub fn heard(&self, address: SocketAddr, sign: Sign, now: Instant) {
        let mut servers = self.servers();
        let target = servers.targets.iter_mut().find(|t| t.address == address);
        let Some(target) = target else {
            return;
        };
        if target.health.heard(sign, now) {
            let (trunk, up) = (&self.config.name, target.health.is_up() == Some(true));
            let detail = target.health.detail();
            tracing::info!(trunk, server = %address, up, "{detail}");
        }
    }

    /// Whether no call is likely to go through: it does not know us, or no server answers.
    pub fn is_down(&self) -> bool {
        self.is_down_at(Instant::now())
    }

    pub(super) fn is_down_at(&self, now: Instant) -> bool {
        let servers = self.servers();
        let targets = &servers.targets;
        let registration = self.registration();
        registration.is_some_and(|it| it.until.is_none())
            || (!targets.is_empty() && targets.iter().all(|it| self.is_target_down(it, now)))
            || (targets.is_empty() && servers.trouble.is_some())
    }

    fn is_target_down(&self, target: &Target, now: Instant) -> bool {
        let forgiven = self.config.options_seconds == 0
            && target
                .health
                .since()
                .is_some_and(|since| now >= since + FORGIVEN);
        target.health.rests(now) || (target.health.is_up() == Some(false) && !forgiven)
    }

    /// Where its calls go, those that answer first; servers that rest are left alone.
    pub(super) fn seats(self: &Arc<Trunk>, now: Instant) -> Vec<Seat> {
        let servers = self.servers();
        let mut targets: Vec<&Target> = servers.targets.iter().collect();
        targets.retain(|target| !target.health.rests(now));
        targets.sort_by_key(|target| self.is_target_down(target, now));
        targets.into_iter().map(|it| self.seat(it)).collect()
    }

    /// When the first of its servers may be asked again, if all of them asked for rest.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        let servers = self.servers();
        let rests: Option<Vec<Instant>> = servers
            .targets
            .iter()
            .map(|target| target.health.rests_until(now))
            .collect();
        rests?.into_iter().min()
    }

    /// Looks its servers up where that is due; what went wrong.
    pub async fn look_up(&self, now: Instant) -> Vec<String> {
        if self.servers().again.is_some_and(|again| now < again) {
            return Vec::new();
        }
        let places = lookup::places(&self.config, now).await;
        let name = &self.config.name;
        let troubles = places.missing.iter().map(|why| format!("{name}: {why}"));
        let troubles = troubles.collect();
        self.set_places(places);
        troubles
    }

    /// What is known of an address outlives a new look at the names. Names that have no address any more keep what
    /// they had: a name server that is down must not cut off a trunk.
    pub(super) fn set_places(&self, places: Places) {
        let Places {
            found,
            missing,
            again,
        } = places;
        let mut servers = self.servers();
        let old = std::mem::take(&mut servers.targets);
        let lost = |target: &&Target| !found.iter().any(|place| place.server == target.server);
        let lost: Vec<Target> = old.iter().filter(lost).cloned().collect();
        for place in found {
            let known = old.iter().find(|old| old.address == place.address);
            let health = known.map(|old| old.health.clone()).unwrap_or_default();
            let is_there = |target: &Target| target.address == place.address;
            if !servers.targets.iter().any(is_there) {
                servers.targets.push(Target {
                    server: place.server,
                    address: place.address,
                    name: place.name,
                    health,
                });
            }
        }
        servers.targets.extend(lost);
        servers.trouble = missing.into_iter().next();
        servers.again = again;
    }

    pub(super) fn is_peer(&self, source: IpAddr) -> bool {
        // An IPv4 address in IPv6 clothes counts as IPv4.
        let source = source.to_canonical();
        let mut peers = self.config.peers.iter();
        peers.any(|net| net.contains(&source))
            || self
                .servers()
                .targets
                .iter()
                .any(|target| target.address.ip().to_canonical() == source)
    }

    /// When the next call may begin; `None`: now, and it counts.
    pub fn may_begin(&self, now: Instant) -> Option<Instant> {
        self.lock_bucket().take(now).err()
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().expect("nobody panics while holding it")
    }

    fn lock_registration(&self) -> MutexGuard<'_, Option<Registered>> {
        self.registration
            .lock()
            .expect("nobody panics while holding it")
    }

    fn lock_refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals
            .lock()
            .expect("nobody panics while holding it")
    }

    fn lock_bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().expect("nobody panics while holding it")
    }
}

impl Channel {
    /// The trunk whose it is.
    pub fn trunk(&self) -> &Arc<Trunk> {
        &self.0
    }
}

impl Drop for OverdueAck {
    fn drop(&mut self) {
        self.0.overdue_acks.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
