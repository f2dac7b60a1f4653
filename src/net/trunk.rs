//! The trunks: which one a number takes, what each may carry, which of its servers answer, who may call us.
//!
//! A fax reserves a channel before it is claimed, so that it waits in the queue and not in a call. The line then tries
//! the [`Seat`]s in their order and tells each what became of it.

mod bucket;
mod care;
mod choice;
pub mod failover;
pub mod health;
pub mod inbound;
pub mod invite;
mod lookup;
mod refusals;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::config::{self, Config};
use crate::proto::sip::registration::{Registration, State};
use bucket::Bucket;
use health::{Health, Sign};
use lookup::Places;
use refusals::Refusals;

/// A server that was down when a call tried it is tried again after this long where no OPTIONS tells us sooner.
const FORGIVEN: Duration = Duration::from_secs(60);

/// All trunks. Cheap to clone.
#[derive(Clone)]
pub struct Trunks {
    all: Arc<Vec<Arc<Trunk>>>,
}

/// One trunk as it stands.
pub struct Trunk {
    /// As the file says.
    pub config: config::Trunk,
    calls: AtomicUsize,
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

/// A channel for a fax, on the first trunk that has one.
pub struct Reservation {
    channel: Channel,
    /// The trunks that carry the number behind that one, the next choice first.
    others: Vec<Arc<Trunk>>,
}

/// Why no fax to a number can go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// Every channel is taken.
    Busy,
    /// Calls per second, or a server that asked for rest: ask again then.
    Until(Instant),
    /// No trunk carries it.
    NoTrunk,
}

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

impl Trunks {
    /// The trunks of a configuration.
    pub fn of(config: &Config) -> Trunks {
        let trunk =
            |trunk: &config::Trunk| Arc::new(Trunk::new(trunk.clone(), config.sip.channels));
        Trunks {
            all: Arc::new(config.trunks.iter().map(trunk).collect()),
        }
    }

    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.all.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A channel for a fax to `number` (as [`for_prefixes`](config::numbers::Numbering::for_prefixes) gives it) that
    /// is dialled now.
    ///
    /// # Errors
    /// Why there is none; the fax waits.
    pub fn reserve(&self, number: &str) -> Result<Reservation, NotNow> {
        self.reserve_at(number, Instant::now())
    }

    fn reserve_at(&self, number: &str, now: Instant) -> Result<Reservation, NotNow> {
        let mut order = self.order(number, now);
        let mut not_now = NotNow::NoTrunk;
        for nth in 0..order.len() {
            let trunk = &order[nth];
            if let Some(until) = trunk.rests_until(now) {
                not_now = NotNow::Until(until);
                continue;
            }
            let Some(channel) = trunk.channel() else {
                not_now = not_now.or_busy();
                continue;
            };
            // Another trunk takes over where this one is full or down, not because it is asked to be slow.
            trunk.lock_bucket().take(now).map_err(NotNow::Until)?;
            order.remove(nth);
            return Ok(Reservation {
                channel,
                others: order,
            });
        }
        Err(not_now)
    }

    /// Whether any trunk carries a number.
    pub fn carries(&self, number: &str) -> bool {
        !self.leading_to(number).is_empty()
    }

    /// The trunks that carry a number, the first choice first.
    pub fn leading_to(&self, number: &str) -> Vec<Arc<Trunk>> {
        self.order(number, Instant::now())
    }

    fn order(&self, number: &str, now: Instant) -> Vec<Arc<Trunk>> {
        let configs: Vec<&config::Trunk> = self.all.iter().map(|trunk| &trunk.config).collect();
        let order = choice::order(&configs, number, |nth| self.all[nth].is_down_at(now));
        order.into_iter().map(|nth| self.all[nth].clone()).collect()
    }

    /// The trunk whose calls come from `source`: by its peers, then by the addresses of its servers.
    pub fn whose(&self, source: IpAddr) -> Option<&Arc<Trunk>> {
        self.all.iter().find(|trunk| trunk.is_peer(source))
    }
}

impl NotNow {
    fn or_busy(self) -> NotNow {
        match self {
            NotNow::Until(_) => self,
            _ => NotNow::Busy,
        }
    }
}

impl Reservation {
    /// The trunk of its channel.
    pub fn trunk(&self) -> &Arc<Trunk> {
        &self.channel.0
    }

    /// Where the call may go, the first choice first, names being looked up where that is due; and why there are fewer
    /// places than there should be.
    pub async fn seats(self) -> (Channel, Vec<Seat>, Vec<String>) {
        let (mut seats, mut troubles) = (Vec::new(), Vec::new());
        let first = self.channel.0.clone();
        for trunk in std::iter::once(first).chain(self.others) {
            troubles.extend(trunk.look_up(Instant::now()).await);
            seats.extend(trunk.seats(Instant::now()));
        }
        (self.channel, seats, troubles)
    }
}

impl Trunk {
    fn new(config: config::Trunk, total: usize) -> Trunk {
        let channels = match config.channels {
            0 => total,
            some => some.min(total),
        };
        Trunk {
            calls: AtomicUsize::new(0),
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

    fn set_registration(&self, registration: &Registration) {
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
    fn looks_up_again(&self) -> Instant {
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
    fn seats_at_all(self: &Arc<Trunk>) -> Vec<Seat> {
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

    fn is_down_at(&self, now: Instant) -> bool {
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
    fn seats(self: &Arc<Trunk>, now: Instant) -> Vec<Seat> {
        let servers = self.servers();
        let mut targets: Vec<&Target> = servers.targets.iter().collect();
        targets.retain(|target| !target.health.rests(now));
        targets.sort_by_key(|target| self.is_target_down(target, now));
        targets.into_iter().map(|it| self.seat(it)).collect()
    }

    /// When the first of its servers may be asked again, if all of them asked for rest.
    fn rests_until(&self, now: Instant) -> Option<Instant> {
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
    fn set_places(&self, places: Places) {
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

    fn is_peer(&self, source: IpAddr) -> bool {
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

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunks(text: &str) -> Trunks {
        Trunks::of(&Config::parse(text, "config.toml").unwrap())
    }

    const TWO: &str = "[[trunk]]\nname = \"a\"\nserver = [\"192.0.2.1\", \"192.0.2.2:5080\"]\nchannels = 1\n\
                       calls_per_second = 1.0\n[[trunk]]\nname = \"b\"\nserver = \"198.51.100.1\"\npriority = 20\n\
                       peers = [\"203.0.113.0/24\"]\n";

    fn name(reserved: Result<Reservation, NotNow>) -> Result<String, NotNow> {
        reserved.map(|it| it.channel.trunk().config.name.clone())
    }

    #[tokio::test]
    async fn a_full_trunk_leaves_the_call_to_the_next_and_gets_its_channel_back() {
        let (trunks, now) = (trunks(TWO), Instant::now());
        let first = trunks.reserve_at("+1", now).ok().unwrap();
        assert_eq!(first.channel.trunk().config.name, "a");
        assert_eq!(name(trunks.reserve_at("+1", now)), Ok("b".into()));
        drop(first);
        let later = now + Duration::from_secs(1);
        assert_eq!(name(trunks.reserve_at("+1", later)), Ok("a".into()));
        assert!(trunks.iter().all(|trunk| trunk.calls() == 0));
    }

    #[tokio::test]
    async fn a_fax_waits_for_its_second_and_does_not_take_the_dearer_trunk() {
        let (trunks, now) = (trunks(TWO), Instant::now());
        drop(trunks.reserve_at("+1", now).ok().unwrap());
        let again = trunks.reserve_at("+1", now).err();
        assert_eq!(again, Some(NotNow::Until(now + Duration::from_secs(1))));
    }

    #[tokio::test]
    async fn a_server_that_asked_for_rest_is_skipped_and_a_trunk_of_such_waits() {
        let (trunks, now) = (trunks(TWO), Instant::now());
        let a = trunks.all[0].clone();
        a.look_up(now).await;
        let [one, two] = ["192.0.2.1:5060", "192.0.2.2:5080"].map(|it| it.parse().unwrap());
        a.heard(one, Sign::Rest(30), now);
        let seats = a.seats(now);
        assert_eq!((seats.len(), seats[0].address), (1, two));
        a.heard(two, Sign::Rest(20), now);
        assert_eq!(name(trunks.reserve_at("+1", now)), Ok("b".into()));
        let b = &trunks.all[1];
        b.look_up(now).await;
        b.heard("198.51.100.1:5060".parse().unwrap(), Sign::Rest(10), now);
        let until = now + Duration::from_secs(10);
        assert!(matches!(trunks.reserve_at("+1", now), Err(NotNow::Until(at)) if at >= until));
    }

    #[tokio::test]
    async fn a_dead_server_is_tried_last_and_again_after_a_minute_without_options() {
        let (trunks, now) = (
            trunks("[[trunk]]\nserver = [\"192.0.2.1\", \"192.0.2.2\"]\noptions_seconds = 0\n"),
            Instant::now(),
        );
        let trunk = trunks.all[0].clone();
        trunk.look_up(now).await;
        let dead = "192.0.2.1:5060".parse().unwrap();
        trunk.heard(dead, Sign::Nothing("no response".into()), now);
        assert_eq!(trunk.seats(now).last().unwrap().address, dead);
        assert!(!trunk.is_down_at(now));
        assert_eq!(trunk.seats(now + FORGIVEN)[0].address, dead);
    }

    #[tokio::test]
    async fn calls_come_from_peers_and_servers_and_nobody_else() {
        let trunks = trunks(TWO);
        for trunk in trunks.iter() {
            trunk.look_up(Instant::now()).await;
        }
        let whose = |ip: &str| {
            trunks
                .whose(ip.parse().unwrap())
                .map(|it| it.config.name.as_str())
        };
        assert_eq!(whose("192.0.2.2"), Some("a"));
        assert_eq!(whose("::ffff:192.0.2.2"), Some("a"));
        assert_eq!(whose("203.0.113.77"), Some("b"));
        assert_eq!(whose("192.0.2.3"), None);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_keeps_its_addresses() {
        let (trunks, now) = (
            trunks("[[trunk]]\nserver = \"sip.invalid\"\n"),
            Instant::now(),
        );
        let trunk = trunks.all[0].clone();
        let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let place = lookup::Place {
            server: "sip.invalid".into(),
            address,
            name: None,
        };
        trunk.set_places(Places {
            found: vec![place],
            ..Places::default()
        });
        trunk.heard(address, Sign::Options(200), now);
        trunk.set_places(Places {
            missing: vec!["no such name".into()],
            ..Places::default()
        });
        let targets = trunk.targets();
        assert_eq!((targets.len(), targets[0].health.is_up()), (1, Some(true)));
        assert!(!trunk.is_down_at(now) && trunk.trouble().is_some());
    }

    #[test]
    fn a_number_that_no_trunk_carries_says_so() {
        let trunks = trunks("[[trunk]]\nserver = \"a\"\nprefixes = [\"+1\"]\n");
        assert_eq!(
            name(trunks.reserve_at("+49", Instant::now())),
            Err(NotNow::NoTrunk)
        );
    }
}
