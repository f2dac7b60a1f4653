//! `make torture KILLS=300`: `kill -9` at random moments, with a full disk, a disk that cannot be written, a clock that
//! jumps and a relay that flaps in the schedule, while mails pour in and calls run against scripted machines.
//!
//! At the end the books are balanced by what others know: the client's list of mails that got a `250`, the machines' own
//! list of calls and pages, and the relay's mailbox. The daemon's store is not asked. It fails when a mail is lost, a
//! page came twice that was confirmed, or somebody was not told.
//!
//! `SEED=...` throws the same dice again. Root, for the small disk; `faketime` (Debian package), for the clock.

mod books;
mod client;
mod disk;
#[allow(dead_code)] // Shared with the whole-program tests; not all of it is needed here.
#[path = "../whole/harness/mod.rs"]
mod harness;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use books::Books;
use client::Clerk;
use disk::Disk;
use harness::Site;
use harness::relay::{Mood, Relay};

/// Where Debian puts the library that lies about the time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// How far the clock may jump at a start, in hours.
const JUMPS: [i32; 7] = [0, 0, 0, 1, -1, 36, -36];

/// Until everything is settled after the last kill.
const PEACE: Duration = Duration::from_secs(1200);

fn main() {
    let kills = number("KILLS").unwrap_or(300);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{kills} kills, SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let disk = Disk::mount();
    let mut scene = Scene::set(&disk, rng.fork());
    let clerk = Clerk::new(scene.site.config.smtp.listen[0], rng.fork());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| clerk.writes(&stop));
        for kill in 1..=kills {
            scene.live_and_die();
            if kill % 10 == 0 {
                println!(
                    "{kill} kills, {} mails taken, {} told",
                    clerk.accepted().len(),
                    scene.relay.taken().len()
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
        scene.peace();
    });
    scene.wait_for_the_last_receipt(&clerk);
    let books = Books::balance(
        &clerk.accepted(),
        &scene.site.machine_calls(),
        &scene.relay.taken(),
    );
    println!("RESULT kills={kills} {books}");
    books.judge();
    scene.site.check();
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

struct Scene<'a> {
    site: Site,
    disk: &'a Disk,
    relay: Relay,
    rng: Rng,
    jumps: bool,
}

impl Scene<'_> {
    fn set(disk: &Disk, rng: Rng) -> Scene<'_> {
        let mut site = Site::prepared(|config| {
            config.state_dir = disk.path().join("state");
            config.mail.maildir = None;
            config.sip.channels = 6;
            // What is tried again is tried soon, so that an hour of trouble fits into minutes.
            config.retry = toml::from_str(
                "gateway_stopped = { delays = [0, 1], attempts = 1000 }\nstorage_failed = { delays = [1], attempts = 1000 }\n\
                 far_end_hung_up = { delays = [1], attempts = 1000 }\nfar_end_silent = { delays = [1], attempts = 1000 }\n\
                 child_crashed = { delays = [1], attempts = 1000 }\nprotocol_error = { delays = [1], attempts = 1000 }\n\
                 training_failed = { delays = [1], attempts = 1000 }\nt38_silent = { delays = [1], attempts = 1000 }\n\
                 t38_failed = { delays = [1], attempts = 1000 }\nno_fax = { delays = [1], attempts = 1000 }\n\
                 trunk_down = { delays = [1], attempts = 1000 }\n",
            )
            .expect("a table of retries");
        });
        site.config.mail.relay = site.address(2526).to_string();
        let relay = Relay::start(site.address(2526), Mood::Takes);
        let jumps = Path::new(FAKETIME).exists();
        if jumps {
            site.set_env("LD_PRELOAD", FAKETIME);
            site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            site.set_env("DONT_FAKE_MONOTONIC", "1");
        } else {
            println!(
                "SKIPPED the clock that jumps: there is no {FAKETIME} (apt-get install faketime)"
            );
        }
        site.start_carrier();
        let mut scene = Scene {
            site,
            disk,
            relay,
            rng,
            jumps,
        };
        scene.start(0);
        scene
    }

    fn start(&mut self, hours: i32) {
        if self.jumps {
            self.site.set_env("FAKETIME", &format!("{hours:+}h"));
        }
        self.site.start();
    }

    /// A while of work, with some trouble in it or none, and a sudden end.
    fn live_and_die(&mut self) {
        let moods = [Mood::Takes, Mood::Takes, Mood::SaysLater, Mood::Silent];
        self.relay.set_mood(moods[self.rng.usize(..moods.len())]);
        match self.rng.u32(0..10) {
            0 => {
                self.pause();
                self.disk.fill(self.rng.u64(0..64) * 1024);
            }
            1 => {
                self.pause();
                self.disk.read_only(true);
            }
            _ => {}
        }
        self.pause();
        self.site.kill();
        self.disk.read_only(false);
        self.disk.make_room();
        let jump = JUMPS[self.rng.usize(..JUMPS.len())];
        self.start(jump);
    }

    /// Mostly too short for a call, sometimes long enough for one.
    fn pause(&mut self) {
        let most = [500, 2_000, 5_000, 30_000][self.rng.usize(..4)];
        std::thread::sleep(Duration::from_millis(self.rng.u64(100..most)));
    }

    /// The right time again, and a relay that takes everything.
    fn peace(&mut self) {
        self.relay.set_mood(Mood::Takes);
        self.site.kill();
        self.start(0);
    }

    fn wait_for_the_last_receipt(&self, clerk: &Clerk) {
        let until = Instant::now() + PEACE;
        let mut settled = None;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_secs(1));
            let untold = books::untold(&clerk.accepted(), &self.relay.taken());
            match (untold, settled) {
                (0, None) => settled = Some(Instant::now()),
                // A second receipt would have come by now.
                (0, Some(since)) if since.elapsed() > Duration::from_secs(10) => return,
                (0, Some(_)) => {}
                (_, _) => settled = None,
            }
        }
        println!("not everything was settled after {} s", PEACE.as_secs());
    }
}
