//! A gateway that is killed again and again while mails pour in, calls go both ways, and everything else goes wrong:
//! the disk, the clock, the relay. What is left is what others know of it.

mod bell;
pub mod books;
mod clerk;
mod disk;
mod evidence;
mod machines;
mod troubles;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::Timestamp;

use crate::harness::Site;
use crate::harness::relay::{Mood, Relay};
use bell::Bell;
use books::{Accepted, Behind, Evidence, Millis, PERSON_PAUSE};
use clerk::Clerk;
pub use disk::Disk;
use evidence::Album;
use machines::Machines;
use troubles::{State, Still};

/// Where Debian puts the library that lies about the time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// How far from the truth the clock may be, in hours. What a clock that ran ahead by less than an hour has put off waits
/// for as long (queue/schema.sql), and so would we.
const JUMPS: [i32; 8] = [0, 0, 0, 0, 11, -11, 36, -36];

/// How the relay may be.
const MOODS: [Mood; 10] = [
    Mood::Takes,
    Mood::Takes,
    Mood::Takes,
    Mood::SaysLater,
    Mood::KnowsThePostmasterOnly,
    Mood::Silent,
    Mood::HangsUp,
    Mood::SilentAfterTheText,
    Mood::ForgetsTheText,
    Mood::LosesTheYes,
];

/// Recipients who wait to be told, at most: more are written only when some were.
const PATIENT: usize = 60;

/// Until everything is settled after the last kill.
const PEACE: Duration = Duration::from_secs(600);

/// A trial.
pub struct Trial {
    /// How often the daemon is killed.
    pub kills: u32,
    /// The dice.
    pub seed: u64,
    /// Lives long enough for a call; else the most go no further than a mail.
    pub long_lives: bool,
}

impl Trial {
    /// Plays it on this disk; what others know at the end. The daemon has settled everything, or its time was up.
    pub fn run(&self, disk: &Disk) -> Evidence {
        let mut rng = Rng::with_seed(self.seed);
        let bell = Bell::default();
        let shares = rng.bool();
        println!("faxes to one number share calls: {shares}");
        let mut scene = Scene::set(disk, rng.fork(), bell.clone(), shares);
        let (gateway, clock) = (scene.site.config.smtp.listen[0], scene.ahead.clone());
        let clerk = Clerk::new(gateway, bell, shares, clock);
        let machines = Machines::of(&scene.site);
        let (stop, relay) = (AtomicBool::new(false), scene.relay.clone());
        let is_enough = || clerk.knows().0.len() > told(&relay) + PATIENT;
        std::thread::scope(|scope| {
            let (one, other, calls) = (rng.fork(), rng.fork(), rng.fork());
            scope.spawn(|| clerk.write(one, &stop, is_enough));
            scope.spawn(|| clerk.write(other, &stop, is_enough));
            scope.spawn(|| clerk.write_again(&stop, |mail| has_failed(&relay, mail)));
            scope.spawn(|| machines.call(calls, &stop));
            for kill in 1..=self.kills {
                scene.live_and_die(self.long_lives);
                if kill == self.kills / 2 {
                    scene.copy_database();
                }
                if kill % 10 == 0 {
                    scene.tell(kill, &clerk);
                }
            }
            stop.store(true, Ordering::Relaxed);
            scene.peace();
        });
        let evidence = scene.wait_for_the_last_word(&clerk);
        let swept = scene.older_database();
        Evidence { swept, ..evidence }
    }
}

struct Scene<'a> {
    site: Site,
    disk: &'a Disk,
    relay: Relay,
    album: Album,
    rng: Rng,
    bell: Bell,
    jumps: bool,
    kills: Vec<Millis>,
    full: Vec<(Millis, Millis)>,
    frozen: Vec<(Millis, Millis)>,
    clock: Vec<(Millis, Millis)>,
    /// How far the daemon's clock is ahead, milliseconds.
    ahead: Arc<AtomicI64>,
    /// Subject and number.
    cancelled: Vec<(String, String)>,
    /// A database of an earlier moment.
    older: Option<tempfile::TempDir>,
}

impl Scene<'_> {
    fn set(disk: &Disk, rng: Rng, bell: Bell, shares: bool) -> Scene<'_> {
        let mut site = Site::prepared(|config| {
            config.state_dir = disk.path().join("state");
            config.mail.maildir = None;
            config.sip.channels = 40;
            if shares {
                config.queue.share_calls = vec!["(|+).".to_owned()];
            }
            for route in &mut config.routes {
                (route.to, route.maildir) = (vec!["office@example.com".to_owned()], None);
            }
            config.retry = toml::from_str(&soon()).expect("a table of retries");
        });
        site.config.mail.relay = site.address(2526).to_string();
        let relay = Relay::start(site.address(2526), Mood::Takes);
        let rings = bell.clone();
        relay.set_bell(move || rings.ring());
        let jumps = Path::new(FAKETIME).exists();
        if jumps {
            site.set_env("LD_PRELOAD", FAKETIME);
            site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            site.set_env("DONT_FAKE_MONOTONIC", "1");
        } else {
            println!("SKIPPED the clock that jumps: no {FAKETIME} (apt-get install faketime)");
        }
        site.start_carrier();
        bell::ring_for_pages(site.path("machines-5070"), bell.clone());
        let album = Album::of(&site);
        let mut scene = Scene {
            site,
            disk,
            relay,
            album,
            rng,
            bell,
            jumps,
            kills: Vec::new(),
            full: Vec::new(),
            frozen: Vec::new(),
            clock: Vec::new(),
            ahead: Arc::default(),
            cancelled: Vec::new(),
            older: None,
        };
        scene.launch(0);
        scene
    }

    fn launch(&mut self, hours: i32) {
        if self.jumps {
            self.site.set_env("FAKETIME", &format!("{hours:+}h"));
            let ahead = Millis::from(hours) * 3_600_000;
            self.ahead.store(ahead, Ordering::Relaxed);
            self.clock.push((now(), ahead));
        }
        self.site.launch();
    }

    /// A while of work, with some trouble in it or none, and a sudden end.
    fn live_and_die(&mut self, long_lives: bool) {
        self.relay.set_mood(MOODS[self.rng.usize(..MOODS.len())]);
        let trouble = self.rng.u32(0..12);
        if trouble < 2 {
            self.pause(long_lives);
            self.spoil(trouble);
        }
        self.pause(long_lives);
        self.disturb(long_lives);
        let log = self.site.log().text();
        assert!(self.site.daemon().is_running(), "it died by itself: {log}");
        if self.rng.u32(0..10) == 0 {
            // In the middle of a stop in order.
            self.site.terminate();
            std::thread::sleep(Duration::from_millis(self.rng.u64(0..1_500)));
        }
        self.kill();
        let jump = JUMPS[self.rng.usize(..JUMPS.len())];
        // Some starts find the disk spoilt, and some of these live to see it mended.
        let trouble = self.rng.u32(0..24);
        if trouble < 3 {
            self.spoil(trouble);
        }
        self.launch(jump);
        if trouble < 3 && self.rng.bool() {
            std::thread::sleep(Duration::from_millis(self.rng.u64(100..2_000)));
            self.mend();
        }
    }

    fn state(&self) -> State {
        State(self.disk.path().join("state"))
    }

    /// Something that the daemon lives through, or nothing.
    fn disturb(&mut self, long_lives: bool) {
        match self.rng.u32(0..24) {
            0 | 1 => {
                self.state().take_blobs_away();
                let most = if long_lives { 20_000 } else { 3_000 };
                std::thread::sleep(Duration::from_millis(self.rng.u64(500..most)));
                self.state().bring_blobs_back();
            }
            2 | 3 => self.state().alter_a_preview(),
            4..8 => self.cancel_one(),
            8 | 9 => self.freeze(long_lives),
            _ => return,
        }
        self.pause(long_lives);
    }

    /// Processes stand still: seconds mostly, sometimes for a minute.
    fn freeze(&mut self, long_lives: bool) {
        let which = [Still::Daemon, Still::Calls, Still::Both][self.rng.usize(..3)];
        let most = match self.rng.u32(0..4) {
            0 if long_lives => 60_000,
            _ if long_lives => 20_000,
            _ => 6_000,
        };
        let from = now();
        troubles::freeze(
            &self.site,
            which,
            Duration::from_millis(self.rng.u64(5_000..most)),
        );
        if which != Still::Daemon {
            self.frozen.push((from, now()));
        }
    }

    /// Somebody cancels a fax, whatever it is doing.
    fn cancel_one(&mut self) {
        let open = troubles::open_faxes(&self.site);
        if !open.is_empty() {
            let fax = open[self.rng.usize(..open.len())].clone();
            self.cancel(fax);
        }
    }

    fn cancel(&mut self, (id, number, subject): (String, String, String)) {
        // Whether it had an effect shows in what its sender is told.
        self.site.command(&["cancel", &id]);
        self.cancelled.push((subject, number));
    }

    /// A database to be put back at the end.
    fn copy_database(&mut self) {
        self.kill();
        let older = tempfile::tempdir().expect("a folder");
        self.state().copy_database(older.path());
        self.older = Some(older);
        self.launch(0);
    }

    /// Puts the older database back, and lets the daemon have a look at it. The files that are gone then, or that are put
    /// aside and not listed.
    fn older_database(&mut self) -> Vec<String> {
        let Some(older) = self.older.take() else {
            return Vec::new();
        };
        self.kill();
        let state = self.state();
        let before = state.names("blobs");
        state.put_database_back(older.path());
        // It would send again what was sent since: nobody is there to take it.
        self.site.kill_carrier();
        self.launch(0);
        std::thread::sleep(Duration::from_secs(10));
        self.kill();
        let (after, aside) = (state.names("."), state.names("orphans"));
        let listed = self.site.command(&["check"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let gone = before.into_iter().filter(|file| !after.contains(file));
        let unlisted = aside.into_iter().filter(|file| !listed.contains(file));
        gone.chain(unlisted).collect()
    }

    /// The disk takes nothing from now on.
    fn spoil(&mut self, how: u32) {
        self.full.push((now(), Millis::MAX));
        match how {
            0 => self.disk.fill(self.rng.u64(0..64) * 1024),
            1 => self.disk.read_only(&["incoming", "blobs"]),
            _ => self.disk.read_only(&["."]),
        }
    }

    fn mend(&mut self) {
        self.disk.writable();
        self.disk.make_room();
        if let Some((_, until)) = self.full.last_mut() {
            *until = (*until).min(now());
        }
    }

    fn kill(&mut self) {
        self.site.kill();
        self.kills.push(now());
        self.mend();
    }

    /// Mostly too short for a call, sometimes long enough for one. Half of them end just behind something.
    fn pause(&mut self, long_lives: bool) {
        let most = match self.rng.u32(0..12) {
            0 | 1 if long_lives => 40_000,
            2 if long_lives => 15_000,
            3..6 => 3_000,
            _ => 800,
        };
        let pause = Duration::from_millis(self.rng.u64(100..most));
        if self.rng.bool() {
            std::thread::sleep(pause);
        } else {
            std::thread::sleep(pause / 2);
            self.bell.wait(pause);
            // The confirmation of a page takes a second and a half to arrive.
            let longest = [5, 50, 2_500][self.rng.usize(..3)];
            std::thread::sleep(Duration::from_millis(self.rng.u64(0..longest)));
        }
    }

    /// The right time again, and a relay that takes everything.
    fn peace(&mut self) {
        self.relay.set_mood(Mood::Takes);
        self.kill();
        self.launch(0);
        std::thread::sleep(Duration::from_secs(5));
        self.give_up_on_persons();
    }

    /// Two hours are too long to wait for.
    fn give_up_on_persons(&mut self) {
        for fax in troubles::open_faxes(&self.site) {
            if fax.1.ends_with("0011") {
                self.cancel(fax);
            }
        }
    }

    fn evidence(&self, clerk: &Clerk) -> Evidence {
        let known = evidence::gather(&self.site, &self.album, &self.relay.taken());
        let (accepted, refused) = clerk.knows();
        let cancelled = |mail: &&Accepted| {
            let mut cancelled = self.cancelled.iter();
            cancelled.any(|(subject, number)| subject.contains(&mail.tag) && *number == mail.number)
        };
        let names = accepted.iter().filter(cancelled);
        let cancelled = names
            .map(|mail| (mail.tag.clone(), mail.number.clone()))
            .collect();
        Evidence {
            accepted,
            refused,
            cancelled,
            kills: self.kills.clone(),
            full: self.full.clone(),
            frozen: self.frozen.clone(),
            clock: self.clock.clone(),
            ..known
        }
    }

    fn tell(&self, kill: u32, clerk: &Clerk) {
        let evidence = self.evidence(clerk);
        println!(
            "{kill} kills, {} recipients, {} of them untold, {} calls, {} faxes received",
            evidence.accepted.len(),
            evidence.untold(),
            evidence.calls.len(),
            evidence.arrived.len()
        );
    }

    fn wait_for_the_last_word(&mut self, clerk: &Clerk) -> Evidence {
        let until = Instant::now() + PEACE;
        let mut settled = None;
        loop {
            std::thread::sleep(Duration::from_secs(1));
            self.give_up_on_persons();
            let evidence = self.evidence(clerk);
            let open = evidence.untold() + evidence.missing();
            match settled.filter(|_| open == 0) {
                _ if Instant::now() > until => {
                    println!("not everything was settled after {} s", PEACE.as_secs());
                    return evidence;
                }
                // A second word would have come by now.
                Some(since) if Instant::now() > since => {
                    self.site.check();
                    return evidence;
                }
                Some(_) => {}
                None => settled = (open == 0).then(|| Instant::now() + Duration::from_secs(10)),
            }
        }
    }
}

/// How many recipients have heard the end.
fn told(relay: &Relay) -> usize {
    let taken = relay.taken();
    let subjects = taken
        .iter()
        .map(|(_, mail)| mail.attached.as_deref().unwrap_or(mail));
    let ends = subjects.zip(&taken).filter(|(about, _)| {
        about.subject.contains("torture-") && !about.subject.contains("Fax delayed")
    });
    let ids: BTreeSet<&str> = ends
        .map(|(_, (_, mail))| mail.message_id.as_str())
        .collect();
    ids.len()
}

/// Whether somebody was told that a fax did not arrive.
fn has_failed(relay: &Relay, mail: &Accepted) -> bool {
    debug_assert!(mail.behind == Behind::Declines);
    relay.taken().iter().any(|(_, taken)| {
        let about = taken.attached.as_deref().unwrap_or(taken);
        about.subject.contains("Fax NOT delivered") && about.subject.contains(&mail.tag)
    })
}

/// What is tried again is tried soon, so that an hour of trouble fits into minutes, and as often as it takes.
fn soon() -> String {
    let outcomes = [
        "gateway_stopped",
        "storage_failed",
        "far_end_hung_up",
        "far_end_silent",
        "child_crashed",
        "protocol_error",
        "training_failed",
        "t38_silent",
        "t38_failed",
        "no_fax",
        "trunk_down",
    ];
    let again =
        outcomes.map(|outcome| format!("{outcome} = {{ delays = [1], attempts = 1000 }}\n"));
    let person = PERSON_PAUSE / 1000;
    again.concat() + &format!("voice_answered = {{ delays = [{person}], attempts = 2 }}\n")
}

fn now() -> Millis {
    Timestamp::now().as_millisecond()
}
