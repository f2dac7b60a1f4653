//! What else goes wrong: somebody stands still, pages are away, previews are altered, an older database is put back, the
//! machine is off for hours.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;

use super::books::{BUSY_DELAY, Millis};
use super::{Scene, now};

/// The files of a database.
const FILES: [&str; 3] = ["queue.db", "queue.db-wal", "queue.db-shm"];

/// The kernel's name of this boot, by which the gateway knows whether its clocks go on.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A database as it was at a kill.
pub type Database = Vec<(&'static str, Vec<u8>)>;

impl Scene<'_> {
    /// The daemon, the processes of its calls, or all of them stand still for a while.
    pub fn freeze(&mut self, long: bool) {
        let daemon = self.site.daemon();
        let (us, calls) = (daemon.id(), daemon.calls());
        let frozen: Vec<u32> = match self.rng.u32(0..3) {
            0 => vec![us],
            1 => calls.clone(),
            _ => [&[us], &calls[..]].concat(),
        };
        let signal = |name: &str| {
            for id in &frozen {
                // A call may have ended meanwhile.
                let id = id.to_string();
                let _ = Command::new("kill").args(["-s", name, &id]).output();
            }
        };
        let longest = if long { 60_000 } else { 2_000 };
        let pause = match self.rng.bool() {
            true => self.rng.u64(5_000.min(longest)..=longest),
            false => self.rng.u64(500..8_000.min(longest)),
        };
        let from = now();
        signal("STOP");
        std::thread::sleep(Duration::from_millis(pause));
        signal("CONT");
        let of_calls = frozen.iter().any(|id| *id != us);
        self.frozen.push((from, now(), of_calls));
    }

    /// The folder of mails and pages is not there for a while.
    pub fn take_pages_away(&mut self, long: bool) {
        let (folder, away) = (self.state("blobs"), self.state("blobs-away"));
        // A mount over it, of a disk that cannot be written, stays where it is.
        if fs::rename(&folder, &away).is_err() {
            return;
        }
        self.full.push((now(), Millis::MAX));
        let longest = if long && self.rng.u32(0..3) == 0 {
            120_000
        } else {
            5_000
        };
        std::thread::sleep(Duration::from_millis(self.rng.u64(100..longest)));
        merge(&away, &folder);
        self.away += 1;
        self.mend();
    }

    /// A bit of every third preview of a fax that is over is another one.
    pub fn alter_previews(&mut self) {
        let db = Connection::open(self.state("queue.db")).expect("the database opens");
        let over = "SELECT d.preview_key FROM documents d WHERE d.preview_key IS NOT NULL AND NOT EXISTS
                        (SELECT 1 FROM faxes f WHERE f.document = d.id AND f.ended_at IS NULL)
                    UNION SELECT preview_key FROM received WHERE preview_key IS NOT NULL AND ended_at IS NOT NULL";
        let mut keys = db.prepare(over).expect("the tables are there");
        let keys = keys
            .query_map([], |row| row.get(0))
            .expect("they can be read");
        let keys: Vec<String> = keys.map(|key| key.expect("a key")).collect();
        for key in &keys {
            if self.rng.u32(0..3) != 0 {
                continue;
            }
            let small = "SELECT octets FROM small_blobs WHERE key = ?1";
            let octets: Option<Vec<u8>> = db.query_row(small, [key], |row| row.get(0)).ok();
            if let Some(mut octets) = octets {
                let place = self.rng.usize(..octets.len());
                octets[place] ^= 1;
                let changed = "UPDATE small_blobs SET octets = ?2 WHERE key = ?1";
                db.execute(changed, (key, octets))
                    .expect("a row can be changed");
            }
        }
    }

    /// Remembers the database as it is.
    pub fn keep_database(&mut self) {
        self.older = Some(self.database());
    }

    /// The database of before is started with, and nobody may send anything there. All that was accepted since is there
    /// afterwards, and listed; then the newer one is put back.
    pub fn put_older_database_back(&mut self) {
        let Some(older) = self.older.take() else {
            return;
        };
        let newer = self.database();
        let before = self.keys();
        self.write_database(&older);
        let config = self.site.config.clone();
        let own = |port| self.site.address(port);
        let (smtp, sip, nowhere) = (own(2599), own(5099), own(9).to_string());
        self.site.config.smtp.listen = vec![smtp];
        self.site.config.sip.listen[0].address = sip;
        self.site.config.trunks.clear();
        self.site.config.mail.relay = nowhere;
        self.site.launch();
        // It may wait for ten seconds for calls that the daemon before left behind.
        self.site.daemon().wait_for_line("calls are taken on", 40);
        let checked = self.site.command(&["check"]);
        let listed = String::from_utf8_lossy(&checked.stdout).into_owned();
        self.site.kill();
        let kept = self.keys();
        let aside = keys_in(&self.state("orphans"));
        let gone = before.difference(&kept).cloned();
        let unlisted = aside
            .iter()
            .filter(|key| before.contains(*key) && !listed.contains(*key));
        let swept: Vec<String> = gone.chain(unlisted.cloned()).collect();
        if !swept.is_empty() {
            println!("swept: {swept:?}; check said: {listed}");
        }
        self.swept.extend(swept);
        self.put_back += 1;
        self.site.config = config;
        self.write_database(&newer);
    }

    /// The machine is off for longer than a busy number is left alone. Another boot: the clock on the wall counts.
    pub fn switch_off(&mut self) {
        if !self.jumps {
            return;
        }
        let id = format!("00000000-0000-4000-8000-{:012x}\n", self.off.len() + 1);
        let file = self.site.path("boot-id");
        fs::write(&file, id).expect("the folder can be written");
        let mut mount = Command::new("mount");
        mount.arg("--bind").arg(&file).arg(BOOT);
        assert!(mount.status().is_ok_and(|done| done.success()), "mount(8)");
        self.off.push((now(), BUSY_DELAY + 3_600_000));
        // What was set before the machine went off stays so.
        let jump = self.jump;
        self.launch(jump);
        std::thread::sleep(Duration::from_millis(self.rng.u64(2_000..8_000)));
        self.kill();
    }

    fn state(&self, name: &str) -> PathBuf {
        self.disk.path().join("state").join(name)
    }

    fn database(&self) -> Database {
        let read = |name| Some((name, fs::read(self.state(name)).ok()?));
        FILES.into_iter().filter_map(read).collect()
    }

    fn write_database(&self, database: &Database) {
        for name in FILES {
            let _ = fs::remove_file(self.state(name));
        }
        for (name, octets) in database {
            fs::write(self.state(name), octets).expect("there is room");
        }
    }

    /// All mails and pages that are files.
    fn keys(&self) -> BTreeSet<String> {
        let (blobs, orphans) = (self.state("blobs"), self.state("orphans"));
        &keys_in(&blobs) | &keys_in(&orphans)
    }
}

fn keys_in(folder: &Path) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => keys.append(&mut keys_in(&entry.path())),
            false => drop(keys.insert(plain(entry.file_name()))),
        }
    }
    keys
}

fn plain(name: OsString) -> String {
    name.into_string().expect("a plain name")
}

/// What lies in `from` lies in `to` afterwards, as an administrator would bring it back.
fn merge(from: &Path, to: &Path) {
    if !to.exists() {
        // The daemon may make it at this moment.
        if fs::rename(from, to).is_ok() {
            return;
        }
    }
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => merge(&entry.path(), &target),
            false => fs::rename(entry.path(), target).expect("a file can be renamed"),
        }
    }
    fs::remove_dir(from).expect("it is empty");
}
