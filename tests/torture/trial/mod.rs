//! A gateway that is killed again and again while mails pour in, calls go both ways, and everything else goes wrong:
//! the disk, the clock, the relay, and what `trouble` has. What is left is what others know of it.

mod bell;
pub mod books;
mod clerk;
mod disk;
mod evidence;
mod machines;
mod trouble;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::Timestamp;

use crate::harness::Site;
use crate::harness::process::PROGRAM;
use crate::harness::relay::{Mood, Relay};
use bell::Bell;
use books::{BUSY_DELAY, Behind, Evidence, Millis};
use clerk::{Clerk, Office};
pub use disk::Disk;
use evidence::Album;
use machines::Machines;

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

/// Times that the machine is off before the last kill: what is given up after two days is not given up by that.
const OFF_AT_MOST: usize = 4;

/// Until everything is settled after the last kill: a document in whose rendering the daemon was killed eight times waits for ten
/// minutes.
const PEACE: Duration = Duration::from_secs(1200);

/// A trial.
pub struct Trial {
    /// How often the daemon is killed.
    pub kills: u32,
    /// The dice.
    pub seed: u64,
    /// Lives long enough for a call; else the most go no further than a mail. The machine may be off for hours then, too:
    /// its mounts are ours alone.
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
        let clerk = Clerk::new(
            scene.site.config.smtp.listen[0],
            bell,
            shares,
            self.long_lives,
        );
        let machines = Machines::of(&scene.site);
        let stop = AtomicBool::new(false);
        let office = Desk {
            clerk: &clerk,
            relay: scene.relay.clone(),
            config: scene.site.path("config.toml"),
        };
        std::thread::scope(|scope| {
            // Whoever panics here leaves nobody behind.
            let _over = Over(&stop);
            let (one, other, calls) = (rng.fork(), rng.fork(), rng.fork());
            scope.spawn(|| clerk.write(one, &stop, &office));
            scope.spawn(|| clerk.write(other, &stop, &office));
            scope.spawn(|| machines.call(calls, &stop));
            for kill in 1..=self.kills {
                scene.live_and_die(self.long_lives);
                if kill % 10 == 0 {
                    scene.tell(kill, &clerk);
                }
            }
            stop.store(true, Ordering::Relaxed);
            scene.peace(&clerk, self.long_lives);
        });
        let evidence = scene.wait_for_the_last_word(&clerk);
        println!(
            "{} freezes, {} times without pages, {} previews altered, {} older databases, off {} times; {} cancelled, {} sent again",
            scene.frozen.len(),
            scene.away,
            scene.altered,
            scene.put_back,
            scene.off.len(),
            evidence
                .accepted
                .iter()
                .filter(|mail| mail.cancelled)
                .count(),
            evidence
                .accepted
                .iter()
                .map(|mail| mail.again)
                .sum::<usize>(),
        );
        evidence
    }
}

/// Ends the work of the others with it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The clerk's office.
struct Desk<'a> {
    clerk: &'a Clerk,
    relay: Relay,
    config: PathBuf,
}

impl Office for Desk<'_> {
    fn cancel(&self, fax: &str) -> bool {
        let mut cancel = Command::new(PROGRAM);
        cancel
            .arg("--config")
            .arg(&self.config)
            .args(["cancel", fax]);
        cancel.output().is_ok_and(|done| done.status.success())
    }

    fn failures(&self) -> Vec<String> {
        let taken = self.relay.taken();
        let about = taken
            .iter()
            .map(|(_, mail)| mail.attached.as_deref().unwrap_or(mail));
        let subjects = about.map(|mail| &mail.subject);
        let failed = [
            "Fax NOT delivered",
            "Fax cancelled",
            "Fax perhaps delivered",
        ];
        let says = |subject: &&String| failed.iter().any(|words| subject.contains(words));
        subjects.filter(says).cloned().collect()
    }

    fn is_enough(&self) -> bool {
        self.clerk.knows().0.len() > told(&self.relay) + PATIENT
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
    frozen: Vec<(Millis, Millis, bool)>,
    off: Vec<(Millis, Millis)>,
    swept: Vec<String>,
    /// How often pages were away, previews were altered, an older database was put back.
    away: u32,
    altered: u32,
    put_back: u32,
    /// Hours by which the clock is off.
    jump: i32,
    /// A database of before.
    older: Option<trouble::Database>,
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
            off: Vec::new(),
            swept: Vec::new(),
            away: 0,
            altered: 0,
            put_back: 0,
            jump: 0,
            older: None,
        };
        scene.launch(0);
        scene
    }

    fn launch(&mut self, hours: i32) {
        self.jump = hours;
        if self.jumps {
            let off: Millis = self.off.iter().map(|(_, long)| long).sum();
            let hours = i64::from(hours) + off / 3_600_000;
            self.site.set_env("FAKETIME", &format!("{hours:+}h"));
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
        match trouble {
            2 => self.freeze(long_lives),
            3 => self.take_pages_away(long_lives),
            _ => {}
        }
        self.pause(long_lives);
        let log = self.site.log().text();
        assert!(self.site.daemon().is_running(), "it died by itself: {log}");
        if self.rng.u32(0..10) == 0 {
            // In the middle of a stop in order.
            self.site.terminate();
            std::thread::sleep(Duration::from_millis(self.rng.u64(0..1_500)));
        }
        self.kill();
        match self.rng.u32(0..16) {
            0 => self.alter_previews(),
            1 => self.keep_database(),
            2 | 3 => self.put_older_database_back(),
            4 if long_lives && self.off.len() < OFF_AT_MOST => self.switch_off(),
            _ => {}
        }
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

    /// The right time again, and a relay that takes everything. What was to wait for two hours has waited.
    fn peace(&mut self, clerk: &Clerk, long_lives: bool) {
        self.relay.set_mood(Mood::Takes);
        self.kill();
        // A busy number is called twice; a kill may have cut off a call of it.
        for _ in 0..if long_lives { 3 } else { 0 } {
            self.launch(0);
            let since = now();
            let until = Instant::now() + Duration::from_secs(120);
            while self.has_busy_numbers_to_call(clerk, since) && Instant::now() < until {
                std::thread::sleep(Duration::from_secs(1));
            }
            // What has been dialled is settled by then.
            std::thread::sleep(Duration::from_secs(5));
            self.kill();
            self.switch_off();
        }
        self.launch(0);
    }

    /// Whether a fax to a busy number is open and was not dialled since.
    fn has_busy_numbers_to_call(&self, clerk: &Clerk, since: Millis) -> bool {
        let evidence = self.evidence(clerk);
        let mut busy = evidence.accepted.iter();
        busy.any(|mail| {
            let is_new = |(at, number): &&(Millis, String)| *at >= since && *number == mail.number;
            mail.behind == Behind::Busy
                && evidence.is_untold(mail)
                && !evidence.dialled.iter().any(|call| is_new(&call))
        })
    }

    fn evidence(&self, clerk: &Clerk) -> Evidence {
        let known = evidence::gather(&self.site, &self.album, &self.relay.taken());
        let (accepted, refused) = clerk.knows();
        Evidence {
            accepted,
            refused,
            kills: self.kills.clone(),
            full: self.full.clone(),
            frozen: self.frozen.clone(),
            off: self.off.clone(),
            swept: self.swept.clone(),
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

    fn wait_for_the_last_word(&self, clerk: &Clerk) -> Evidence {
        let until = Instant::now() + PEACE;
        let mut settled = None;
        loop {
            std::thread::sleep(Duration::from_secs(1));
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

/// What is tried again is tried soon, so that an hour of trouble fits into minutes, and as often as it takes.
fn soon() -> String {
    let outcomes = [
        "gateway_stopped",
        "storage_failed",
        "no_pages",
        "gateway_stalled",
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
    // What is busy is left alone for two hours, and called twice.
    let busy = format!(
        "busy = {{ delays = [{}], attempts = 2 }}\n",
        BUSY_DELAY / 1000
    );
    again.concat() + &busy
}

fn now() -> Millis {
    Timestamp::now().as_millisecond()
}
