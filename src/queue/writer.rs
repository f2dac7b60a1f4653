//! The one thread that writes: takes all the work that waits, runs it in one transaction, commits, then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::gate::Gate;
use super::wal::Log;
use super::{Result, StoreError};

/// Work in one transaction at most, so that one caller does not wait for a thousand.
const BATCH: usize = 256;

/// Says how the work ended, once it is known whether the commit did.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// Work to do on the connection, or, where no transaction could begin, none. What it did cannot be undone by itself where
/// it says an error: then nothing of its transaction may stand.
type Work = Box<dyn FnOnce(Option<&Connection>) -> (Answer, rusqlite::Result<()>) + Send>;

/// Handle to the thread; dropping it lets the thread finish what waits and ends it.
pub struct Writer {
    work: Option<SyncSender<Work>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, which writes when the gate lets it.
    pub fn start(connection: Connection, gate: Gate) -> std::io::Result<Writer> {
        let (work, inbox) = sync_channel(BATCH * 4);
        let thread = std::thread::Builder::new()
            .name("queue".into())
            .spawn(move || write_on(&connection, &gate, &inbox))?;
        Ok(Writer {
            work: Some(work),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` in a transaction; on `Ok` it is durable. Work that fails leaves no trace, whatever shared its
    /// transaction.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let mut boxed: Work = Box::new(move |connection| {
            let (result, undone) = match connection.map(|connection| in_savepoint(connection, work))
            {
                None => (Err(StoreError::Stopped), Ok(())),
                Some(Ok(value)) => (Ok(value), Ok(())),
                Some(Err(Failed { why, is_undone })) => {
                    let undone = if is_undone {
                        Ok(())
                    } else {
                        Err(copy_of(&why))
                    };
                    (Err(why.into()), undone)
                }
            };
            let answer = move |committed: Result<()>| {
                let _ = answer.send(committed.and(result));
            };
            (Box::new(answer), undone)
        });
        let inbox = self.work.as_ref().expect("taken only on drop");
        // The inbox is full only when the disk is far behind; wait without blocking the async threads.
        while let Err(refused) = inbox.try_send(boxed) {
            match refused {
                std::sync::mpsc::TrySendError::Full(back) => boxed = back,
                std::sync::mpsc::TrySendError::Disconnected(_) => return Err(StoreError::Stopped),
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.lock().ok().and_then(|mut t| t.take()) {
            let _ = thread.join();
        }
    }
}

fn write_on(connection: &Connection, gate: &Gate, inbox: &Receiver<Work>) {
    let mut log = Log::of(connection);
    while let Ok(first) = inbox.recv() {
        let mut answers: Vec<Answer> = Vec::new();
        let outcome = match begin(connection, gate) {
            Ok(()) => run_batch(connection, &mut log, first, inbox, &mut answers),
            Err(e) => {
                answers.push(first(None).0);
                Err(e)
            }
        };
        if outcome.is_ok() {
            // Nobody's work fails for it: it is noted behind a later commit.
            let _ = log.note(connection, gate);
        }
        for answer in answers {
            answer(outcome.as_ref().copied().map_err(|e| copy_of(e).into()));
        }
    }
}

/// Begins a transaction; one that could not be rolled back before is no place for new work.
fn begin(connection: &Connection, gate: &Gate) -> rusqlite::Result<()> {
    roll_back(connection)?;
    gate.begin(connection)
}

/// Ends a transaction, if there is one, without a trace.
fn roll_back(connection: &Connection) -> rusqlite::Result<()> {
    match connection.is_autocommit() {
        true => Ok(()),
        false => connection.execute_batch("ROLLBACK"),
    }
}

fn run_batch(
    connection: &Connection,
    log: &mut Log,
    first: Work,
    inbox: &Receiver<Work>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<()> {
    let worked = work_off(connection, first, inbox, answers);
    let counted = worked.and_then(|()| log.count(connection));
    let committed = counted.and_then(|()| connection.execute_batch("COMMIT"));
    if committed.is_err() {
        // One that fails is tried again before the next transaction.
        let _ = roll_back(connection);
    }
    committed
}

/// Does all the work that waits. An error is everybody's: nothing of it may stand.
fn work_off(
    connection: &Connection,
    first: Work,
    inbox: &Receiver<Work>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<()> {
    let mut next = Some(first);
    while let Some(work) = next {
        let (answer, undone) = work(Some(connection));
        answers.push(answer);
        undone?;
        next = match answers.len() < BATCH {
            true => inbox.try_recv().ok(),
            false => None,
        };
    }
    Ok(())
}

/// The same failure for each of those who shared the transaction.
fn copy_of(e: &rusqlite::Error) -> rusqlite::Error {
    match e {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone())
        }
        other => rusqlite::Error::ToSqlConversionFailure(other.to_string().into()),
    }
}

/// Why work failed.
struct Failed {
    why: rusqlite::Error,
    /// It left no trace, and what shares its transaction may stand.
    is_undone: bool,
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> std::result::Result<T, Failed> {
    // A panic is our bug and one caller's failure; this thread is everybody's.
    let work = || {
        catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or(Err(rusqlite::Error::UnwindingPanic))
    };
    let begun = connection.execute_batch("SAVEPOINT work");
    let done = begun.and_then(|()| {
        let value = work()?;
        connection.execute_batch("RELEASE work").map(|()| value)
    });
    done.map_err(|why| {
        // A full disk rolls the whole transaction back by itself, and then there is no savepoint either.
        let undone = connection.execute_batch("ROLLBACK TO work; RELEASE work");
        let is_undone = undone.is_ok() && !connection.is_autocommit();
        Failed { why, is_undone }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(writer: &Writer) -> i64 {
        writer
            .run(|db| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn work_that_fails_takes_nobody_with_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)")
            .unwrap();
        let writer = Writer::start(db, Gate::at(None)).unwrap();
        let insert = |x: i64| writer.run(move |db| db.execute("INSERT INTO t VALUES (?1)", [x]));
        let (a, b, c) = tokio::join!(insert(1), insert(1), insert(2));
        assert!(a.is_ok() && c.is_ok());
        assert!(matches!(b, Err(StoreError::Database(_))), "{b:?}");
        assert_eq!(count(&writer).await, 2);
    }

    #[tokio::test]
    async fn work_that_panics_takes_nobody_with_it() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)")
            .unwrap();
        let writer = Writer::start(db, Gate::at(None)).unwrap();
        let panics = writer.run(|db| {
            db.execute("INSERT INTO t VALUES (1)", [])?;
            panic!("a bug") as rusqlite::Result<()>
        });
        let inserts = writer.run(|db| db.execute("INSERT INTO t VALUES (2)", []));
        let (panicked, inserted) = tokio::join!(panics, inserts);
        assert!(panicked.is_err() && inserted.is_ok());
        assert_eq!(count(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_to_everybody_and_leaves_no_trace() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE t (x INTEGER PRIMARY KEY, big BLOB); PRAGMA max_page_count = 20",
        )
        .unwrap();
        let writer = Writer::start(db, Gate::at(None)).unwrap();
        let insert = |size: u32| {
            writer.run(move |db| db.execute("INSERT INTO t (big) VALUES (zeroblob(?1))", [size]))
        };
        let results = tokio::join!(insert(10), insert(1_000_000), insert(10), insert(10));
        let said_yes = [&results.0, &results.1, &results.2, &results.3]
            .iter()
            .filter(|result| result.is_ok())
            .count();
        assert!(results.1.is_err());
        for result in [&results.0, &results.1, &results.2, &results.3] {
            let is_full = matches!(result, Ok(_) | Err(StoreError::Full));
            assert!(is_full, "{result:?}");
        }
        assert_eq!(
            count(&writer).await,
            said_yes as i64,
            "a yes that is not there, or a no that is"
        );
        assert!(insert(10).await.is_ok(), "and goes on when there is room");
    }

    /// Work that others join in its transaction: it goes on when they wait.
    fn slow() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    #[tokio::test]
    async fn a_full_disk_in_the_middle_is_told_as_that_to_all_who_shared_the_transaction() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE t (x INTEGER PRIMARY KEY, big BLOB); PRAGMA max_page_count = 20",
        )
        .unwrap();
        let writer = Writer::start(db, Gate::at(None)).unwrap();
        let insert = |size: u32| {
            writer.run(move |db| {
                slow();
                db.execute("INSERT INTO t (big) VALUES (zeroblob(?1))", [size])
            })
        };
        let (before, cause) = tokio::join!(insert(10), insert(1_000_000));
        assert!(matches!(before, Err(StoreError::Full)), "{before:?}");
        assert!(matches!(cause, Err(StoreError::Full)), "{cause:?}");
        assert_eq!(count(&writer).await, 0);
    }

    #[tokio::test]
    async fn work_that_cannot_be_undone_by_itself_is_undone_with_all_that_shared_its_transaction() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)")
            .unwrap();
        let writer = Writer::start(db, Gate::at(None)).unwrap();
        let before = writer.run(|db| {
            slow();
            db.execute("INSERT INTO t VALUES (1)", [])
        });
        let half_done = writer.run(|db| {
            // ROLLBACK TO finds no savepoint then, as it does on a disk that fails.
            db.execute_batch("INSERT INTO t VALUES (2); RELEASE work")?;
            db.execute("INSERT INTO t VALUES (2)", [])
        });
        let (before, half_done) = tokio::join!(before, half_done);
        assert!(half_done.is_err());
        assert!(before.is_err(), "a yes for what was rolled back");
        assert_eq!(count(&writer).await, 0, "half of it was committed");
        let after = writer.run(|db| db.execute("INSERT INTO t VALUES (3)", []));
        assert!(after.await.is_ok());
    }
}
