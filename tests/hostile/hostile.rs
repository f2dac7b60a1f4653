//! `make hostile MINUTES=30`: the daemon against far ends that garble everything, in both directions.
//!
//! A relay between the daemon and a well-behaved carrier garbles SIP, SDP, UDPTL, T.30 and RTP in the middle of calls
//! (`relay.rs`); strangers with a carrier's address send mutated messages and media from the first octet on
//! (`stranger.rs`). All the while good faxes go through the same daemon. It fails when the daemon stops, a call outlives
//! its limits, memory grows, a good fax does not arrive, or anything is left when all is quiet.
//!
//! `SEED=...` throws the same dice again.

#[allow(dead_code)] // Shared with the whole-program tests; not all of it is needed here.
#[path = "../whole/harness/mod.rs"]
mod harness;
mod mutate;
mod relay;
mod seeds;
mod stranger;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use postfax::config::{Config, Trunk};
use postfax::pages::sample;

use harness::process::Process;
use harness::{OURS, Site, wait_until};
use relay::{Addresses, GOOD, Relay};
use stranger::{Deeds, Stranger};

/// Strangers, garbled faxes waiting or on their way, and machines whose calls to us are garbled: at a time.
const STRANGERS: usize = 4;
const FAXES_OUT: usize = 6;
const FAXES_IN: usize = 3;

/// One page takes 20 s; with every frame garbled now and then, tries, retrainings and T.30's patience make that
/// minutes, but not these.
const OLDEST_CALL: u64 = 600;

/// From one look at the daemon to the next, and minutes after which a run is long enough to say that memory is flat.
const LOOK: Duration = Duration::from_secs(5);
const LONG_RUN: f64 = 25.0;

/// Until nothing is heard for the limits of a call (30 s) and all that follows is done.
const QUIET: u64 = 120;

fn main() {
    let minutes = number("MINUTES").unwrap_or(30);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{minutes} minutes, SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let scene = Scene::set(rng.fork());
    let stop = AtomicBool::new(false);
    let figures = std::thread::scope(|scope| {
        for _ in 0..STRANGERS {
            let at = last_octet(&scene.site, 5).into();
            let stranger = Stranger::new(at, scene.gateway(), rng.fork(), &scene.deeds);
            let stop = &stop;
            scope.spawn(move || stranger.roam(stop));
        }
        let (out, into) = (rng.fork(), rng.fork());
        scope.spawn(|| scene.send_garbled(out, &stop));
        scope.spawn(|| scene.receive_garbled(into, &stop));
        let good = scope.spawn(|| scene.send_and_receive_good(&stop));
        let until = Instant::now() + Duration::from_secs(minutes * 60);
        // A good fax that failed ends it at once.
        let figures = scene.watch(|| Instant::now() > until || good.is_finished());
        stop.store(true, Ordering::Relaxed);
        let good = good.join().expect("good faxes go through");
        Figures { good, ..figures }
    });
    scene.is_quiet_at_last();
    println!("RESULT {}", scene.result(&figures));
    figures.judge();
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

/// The daemon, the carrier, and what lies between.
struct Scene {
    site: Site,
    deeds: Deeds,
    relay: Arc<Relay>,
    tiff: PathBuf,
    _carrier: Process,
    _runtime: tokio::runtime::Runtime,
}

/// What was seen.
#[derive(Default)]
struct Figures {
    good: usize,
    /// The daemon's memory, every five seconds; its files left out, of which more is read in as more of its code runs,
    /// and which the kernel may drop.
    memory_kb: Vec<u64>,
    oldest_call: u64,
    most_processes: usize,
}

impl Scene {
    fn set(rng: Rng) -> Scene {
        let mut site = Site::prepared(|_| {});
        let addresses = addresses(&site);
        let strangers = last_octet(&site, 5);
        configure(&mut site.config, addresses.near, strangers);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let relay = runtime
            .block_on(Relay::start(addresses, rng))
            .expect("free addresses");
        site.start();
        let carrier = machine(&site, addresses, 5060, &[]);
        carrier.wait_for_line("a simulated carrier listens", 20);
        let tiff = site.rendered(&sample::numbered_pages(1));
        Scene {
            site,
            deeds: Deeds::default(),
            relay,
            tiff,
            _carrier: carrier,
            _runtime: runtime,
        }
    }

    fn gateway(&self) -> SocketAddr {
        self.site.address(5060)
    }

    // ---- those who call ----

    /// Mails to numbers whose calls are garbled; failures come again by themselves.
    fn send_garbled(&self, mut rng: Rng, stop: &AtomicBool) {
        let pdf = sample::numbered_pages(1);
        while !stop.load(Ordering::Relaxed) {
            if self.unfinished() < FAXES_OUT {
                let number = format!("555123{:04}", rng.u32(1000..10_000));
                self.site.submit(&[&number], std::slice::from_ref(&pdf));
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Faxes that are due or being sent; those that wait for a later try make no trouble now.
    fn unfinished(&self) -> usize {
        let queue = &self.site.status()["queue"];
        ["rendering", "ready", "calling"]
            .iter()
            .map(|state| queue[state].as_u64().expect("a count") as usize)
            .sum()
    }

    /// Machines that fax to us through the garbling relay, one behind the other at each port.
    fn receive_garbled(&self, mut rng: Rng, stop: &AtomicBool) {
        let mut machines: Vec<Option<(Process, Instant)>> = (0..FAXES_IN).map(|_| None).collect();
        while !stop.load(Ordering::Relaxed) {
            for (port, machine) in (5071..).zip(&mut machines) {
                let busy = machine.as_mut().is_some_and(|(process, since)| {
                    !process.is_over() && since.elapsed() < Duration::from_secs(300)
                });
                if !busy {
                    let from = format!("555123{:04}", rng.u32(1000..10_000));
                    *machine = Some((self.fax_in(port, &from), Instant::now()));
                }
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn fax_in(&self, port: u16, from: &str) -> Process {
        let file = self.tiff.to_str().expect("a plain path");
        let more = ["--send", file, "--to", OURS, "--from", from];
        machine(&self.site, addresses(&self.site), port, &more)
    }

    /// A fax each way, and again, until told to stop: each arrives whole at its first call.
    fn send_and_receive_good(&self, stop: &AtomicBool) -> usize {
        let pdf = sample::numbered_pages(1);
        let mut good = 0;
        while !stop.load(Ordering::Relaxed) {
            let number = format!("{GOOD}{:04}", 1000 + good);
            self.site.submit(&[&number], std::slice::from_ref(&pdf));
            let machine = self.fax_in(5079, &format!("{GOOD}9999"));
            assert!(machine.ended(180), "a good fax did not come in");
            wait_until("a good fax goes out", 180, || {
                self.site.fax_to(&number).ended_at.is_some()
            });
            let fax = self.site.fax_to(&number);
            let told = format!("{number}: {} {:?} {}", fax.state, fax.outcome, fax.detail);
            assert_eq!((fax.state.as_str(), fax.calls), ("delivered", 1), "{told}");
            good += 2;
        }
        good
    }

    // ---- the watch ----

    /// Looks again and again until it is over.
    fn watch(&self, over: impl Fn() -> bool) -> Figures {
        let mut seen = Figures::default();
        let began = Instant::now();
        let mut said = 0;
        while !over() {
            std::thread::sleep(LOOK);
            assert!(self.site.daemon().is_running(), "the daemon has stopped");
            let calls = self.site.status()["calls"].clone();
            let ages = calls.as_array().expect("a list").iter();
            let oldest = ages.filter_map(|call| call["seconds"].as_u64()).max();
            seen.oldest_call = seen.oldest_call.max(oldest.unwrap_or(0));
            seen.memory_kb.push(self.site.daemon().memory_kb("RssAnon"));
            seen.most_processes = seen.most_processes.max(self.site.daemon().calls().len());
            let minute = began.elapsed().as_secs() / 60;
            if minute > said {
                said = minute;
                println!("minute {minute}: {}", self.result(&seen));
            }
        }
        seen
    }

    /// When nobody calls any more, no call and no process of a call is left.
    fn is_quiet_at_last(&self) {
        for fax in self.site.faxes() {
            if fax.ended_at.is_none() {
                self.site.command(&["cancel", &fax.id]);
            }
        }
        wait_until("no call is left", QUIET, || {
            self.site.status()["calls"]
                .as_array()
                .is_some_and(Vec::is_empty)
        });
        wait_until("no process of a call is left", 30, || {
            self.site.daemon().calls().is_empty()
        });
        self.site.check();
    }

    fn result(&self, seen: &Figures) -> String {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "hostile_good={} strangers_messages={} strangers_calls={} strangers_media={} garbled={} \
             anon_minute1_kb={} anon_half_kb={} anon_end_kb={} kb_per_min={} oldest_call_s={} most_processes={}",
            seen.good,
            count(&self.deeds.messages),
            count(&self.deeds.calls),
            count(&self.deeds.media),
            count(&self.relay.garbled),
            seen.memory_at(1.0),
            seen.memory_at(seen.minutes() / 2.0),
            seen.memory_at(seen.minutes()),
            seen.kb_per_minute(),
            seen.oldest_call,
            seen.most_processes,
        )
    }
}

impl Figures {
    fn judge(&self) {
        assert!(self.good > 0, "no good fax went through");
        assert!(
            self.oldest_call < OLDEST_CALL,
            "a call lasted {} s",
            self.oldest_call
        );
        // What is kept of far ends and calls has its limits, and they are reached by half time of a run that is long
        // enough; after that, only what the allocator keeps varies.
        let growth =
            self.memory_at(self.minutes()) as i64 - self.memory_at(self.minutes() / 2.0) as i64;
        let limit = if self.minutes() < LONG_RUN {
            8192
        } else {
            2048
        };
        assert!(
            growth < limit,
            "memory grew by {growth} KB in half the time"
        );
    }

    fn minutes(&self) -> f64 {
        self.memory_kb.len() as f64 * LOOK.as_secs_f64() / 60.0
    }

    /// Memory in the minute that ends here, in the mean.
    fn memory_at(&self, minute: f64) -> u64 {
        let end = (minute * 60.0 / LOOK.as_secs_f64()) as usize;
        let end = end.clamp(self.memory_kb.len().min(1), self.memory_kb.len());
        let minute = &self.memory_kb[end.saturating_sub(12)..end];
        minute.iter().sum::<u64>() / minute.len().max(1) as u64
    }

    /// By how much memory grows, in the second half.
    fn kb_per_minute(&self) -> i64 {
        let growth =
            self.memory_at(self.minutes()) as f64 - self.memory_at(self.minutes() / 2.0) as f64;
        (growth / (self.minutes() / 2.0).max(0.1)) as i64
    }
}

/// The one place where the daemon is told of its far ends.
fn configure(config: &mut Config, relay: Ipv4Addr, strangers: Ipv4Addr) {
    config.trunks = vec![Trunk {
        peers: vec![IpAddr::from(strangers).into()],
        ring_seconds: 20,
        ..Trunk::to(format!("{relay}:5060"))
    }];
    config.sip.channels = 100;
}

/// The carrier itself, or a machine of it that calls.
fn machine(site: &Site, addresses: Addresses, port: u16, more: &[&str]) -> Process {
    let listen = format!("{}:{port}", addresses.carrier);
    let (gateway, client) = (
        format!("{}:5060", addresses.far),
        format!("{}/32", addresses.far),
    );
    let folder = site.path(&format!("machines-{port}"));
    let mut arguments = vec!["carrier", "--listen", &listen, "--gateway", &gateway];
    arguments.extend(["--client", &client, "--folder", plain(&folder)]);
    arguments.extend(more);
    Process::start(&arguments, &site.path(&format!("carrier-{port}.log")), &[])
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// The daemon has the first address of its site, whoever surrounds it those behind it.
fn addresses(site: &Site) -> Addresses {
    assert_eq!(
        site.address(0).ip(),
        last_octet(site, 1),
        "the first site of this run"
    );
    Addresses {
        gateway: last_octet(site, 1),
        near: last_octet(site, 2),
        far: last_octet(site, 3),
        carrier: last_octet(site, 4),
    }
}

fn last_octet(site: &Site, last: u8) -> Ipv4Addr {
    let IpAddr::V4(ip) = site.address(0).ip() else {
        panic!("sites are in 127.0.0.0/8")
    };
    let [a, b, c, _] = ip.octets();
    Ipv4Addr::new(a, b, c, last)
}
