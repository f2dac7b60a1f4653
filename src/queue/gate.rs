//! Whose turn it is to write: the daemon and the commands beside it take turns. SQLite alone lets him write who happens to
//! ask when the other has just finished; a daemon into which mails pour has begun anew by then, and a command that holds ten
//! thousand faxes waited until its patience was over.
//!
//! Who wants to write holds the gate until its transaction has begun, and nobody else begins one meanwhile: so each waits
//! for one transaction of the other at most.

use std::fs::File;
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};

/// The gate, a lock on a file beside the database; `None`: there is no such file, and everybody tries his luck.
pub struct Gate(Option<File>);

/// Looks at the gate, two seconds of them: whoever holds it for longer was stopped in the middle of it (SIGSTOP).
const LOOKS: u32 = 2_000;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a transaction of others is waited for, in pauses: a disk may be slow.
const LONGEST: i32 = 20_000;

impl Gate {
    /// The gate at this file.
    pub fn at(file: Option<File>) -> Gate {
        Gate(file)
    }

    /// Begins a transaction that writes, when it is our turn.
    ///
    /// # Errors
    /// As the database says; busy where another transaction lasts for twenty seconds.
    pub fn begin(&self, connection: &Connection) -> rusqlite::Result<()> {
        let held = self.hold();
        let begun = connection.execute_batch("BEGIN IMMEDIATE");
        if let (true, Some(file)) = (held, &self.0) {
            let _ = flock(file, FlockOperation::Unlock);
        }
        begun
    }

    fn hold(&self) -> bool {
        self.0.as_ref().is_some_and(|file| lock(file, LOOKS, PAUSE))
    }
}

/// Locks a file for us alone, in so many tries with a pause behind each. Whether it is ours.
pub fn lock(file: &File, tries: u32, pause: Duration) -> bool {
    (0..tries).any(|_| {
        let is_ours = flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !is_ours {
            std::thread::sleep(pause);
        }
        is_ours
    })
}

/// Waits for a transaction of others: with the gate in hand it is the last one, and the next is ours.
pub fn wait(tries: i32) -> bool {
    std::thread::sleep(PAUSE);
    tries < LONGEST
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn open(folder: &Path) -> (Gate, Connection) {
        let file = File::options()
            .create(true)
            .append(true)
            .open(folder.join("turn"));
        let mut db = Connection::open(folder.join("db")).unwrap();
        db.busy_handler(Some(wait)).unwrap();
        (Gate::at(file.ok()), db)
    }

    #[test]
    fn one_who_writes_without_a_pause_lets_the_other_in() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, db) = open(folder.path());
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
            .unwrap();
        let over = AtomicBool::new(false);
        let write = |gate: &Gate, db: &Connection| {
            gate.begin(db).unwrap();
            db.execute("INSERT INTO t VALUES (1)", []).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            db.execute_batch("COMMIT").unwrap();
        };
        let (busy, ours) = std::thread::scope(|scope| {
            let busy = scope.spawn(|| {
                let (gate, db) = open(folder.path());
                let mut writes = 0;
                while !over.load(Ordering::Relaxed) {
                    write(&gate, &db);
                    writes += 1;
                }
                writes
            });
            while count(&db) == 0 {
                std::thread::sleep(PAUSE);
            }
            for _ in 0..20 {
                write(&gate, &db);
            }
            over.store(true, Ordering::Relaxed);
            (busy.join().unwrap(), 20)
        });
        // Without the gate it is a matter of luck: fifty to one.
        assert!(busy <= 10 * ours, "{ours} writes waited for {busy}");
    }

    fn count(db: &Connection) -> i64 {
        let count = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        count.unwrap()
    }

    #[test]
    fn one_who_was_stopped_with_the_gate_in_hand_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (stopped, _) = open(folder.path());
        assert!(stopped.hold());
        let (gate, db) = open(folder.path());
        gate.begin(&db).unwrap();
    }
}
