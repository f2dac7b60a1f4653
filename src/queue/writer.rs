//! The one thread that writes: takes all the work that waits, runs it in one transaction, commits, then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::gate::Gate;
use super::{Result, StoreError};

/// Work in one transaction at most, so that one caller does not wait for a thousand.
const BATCH: usize = 256;

/// Says how the work ended, once it is known whether the commit did.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// Work to do on the connection, or, where no transaction could begin, none.
type Work = Box<dyn FnOnce(Option<&Connection>) -> Answer + Send>;

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
            let result = connection.map(|connection| in_savepoint(connection, work));
            Box::new(move |committed| {
                let done = result
                    .ok_or(StoreError::Stopped)
                    .and_then(|r| r.map_err(StoreError::from));
                let _ = answer.send(committed.and(done));
            })
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
    while let Ok(first) = inbox.recv() {
        let mut answers: Vec<Answer> = Vec::new();
        let outcome = match gate.begin(connection) {
            Ok(()) => run_batch(connection, first, inbox, &mut answers),
            Err(e) => {
                answers.push(first(None));
                Err(e)
            }
        };
        for answer in answers {
            answer(outcome.as_ref().copied().map_err(copy_of));
        }
    }
}

fn run_batch(
    connection: &Connection,
    first: Work,
    inbox: &Receiver<Work>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<()> {
    answers.push(first(Some(connection)));
    // A full disk ends the transaction by itself; what came after it would commit on its own.
    while answers.len() < BATCH && !connection.is_autocommit() {
        match inbox.try_recv() {
            Ok(work) => answers.push(work(Some(connection))),
            Err(_) => break,
        }
    }
    let committed = connection.execute_batch("COMMIT");
    if committed.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    committed
}

/// The same failure for each of those who shared the transaction.
fn copy_of(e: &rusqlite::Error) -> StoreError {
    match e {
        rusqlite::Error::SqliteFailure(code, message) => {
            rusqlite::Error::SqliteFailure(*code, message.clone()).into()
        }
        other => StoreError::Database(rusqlite::Error::ToSqlConversionFailure(
            other.to_string().into(),
        )),
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT work")?;
    // A panic is our bug and one caller's failure; this thread is everybody's.
    let done = catch_unwind(AssertUnwindSafe(|| work(connection)))
        .unwrap_or(Err(rusqlite::Error::UnwindingPanic));
    match done {
        Ok(value) => connection.execute_batch("RELEASE work").map(|()| value),
        Err(e) => {
            // A full disk may have rolled the whole transaction back already.
            let _ = connection.execute_batch("ROLLBACK TO work; RELEASE work");
            Err(e)
        }
    }
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
        assert_eq!(
            count(&writer).await,
            said_yes as i64,
            "a yes that is not there, or a no that is"
        );
        assert!(insert(10).await.is_ok(), "and goes on when there is room");
    }
}
