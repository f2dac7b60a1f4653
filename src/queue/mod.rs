//! Custody: one SQLite file and a folder of blobs, through which everything accepted passes.
//!
//! Takes over: mails (at `250`), received pages (before their MCF), every mail the gateway writes.
//! Promises: what a method here returned `Ok` for is on disk. Nothing is given out twice while its claim stands.
//! When the process dies: [`Store::recover`] gives every claim of the dead owner its honest end.
//!
//! This is the only room with SQL. All writes go through one thread that commits whatever waits in one transaction,
//! so that a hundred mails share one fsync.

mod adopt;
mod beside;
mod blobs;
mod call_files;
mod check;
mod clock;
mod covers;
mod duplicates;
mod faxes;
mod gate;
mod health;
pub mod id;
mod line;
mod logins;
pub mod memory;
mod messages;
mod numbers;
mod orders;
mod origin;
mod orphans;
mod outgoing;
mod previews;
mod readers;
mod received;
mod recovery;
mod report;
mod rests;
mod seal;
mod settle;
mod small;
mod told;
mod upgrade;
pub mod usage;
mod view;
mod waits;
mod wal;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use adopt::AdoptedFax;
pub use beside::Room;
pub use blobs::Blobs;
pub use call_files::CallFile;
pub use check::Violation;
pub use clock::SinceBoot;
pub use covers::CoverRow;
pub use duplicates::{DuplicateCandidate, FurtherRecipient, Join, Standing};
pub use faxes::{CallSoFar, Claim, ClaimedFax, DueFax};
use gate::Gate;
use health::Damage;
pub use line::Choice;
pub use messages::{ClaimedDocument, Drawn, NewFax, NewMessage};
pub use orders::Ordered;
pub use origin::{Addressee, Envelope, Origin, ReceivedPage};
pub use orphans::{KEPT_DAYS, Orphan, OrphanKind};
pub use outgoing::{ClaimedMail, MailKind};
use readers::Readers;
pub use received::{NewReceived, ReceivedFax};
pub use settle::{Final, Settled};
pub use small::{Kept, NewOctets, SMALL};
pub use told::{ToldFax, ToldMail};
pub use view::{AttemptRow, Counts, FaxRow, MessageRow, OutgoingRow, ReceivedRow, Wanted};
pub use waits::Waits;
use writer::Writer;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// So many seconds later.
    pub fn plus_seconds(self, seconds: u64) -> Millis {
        Millis(self.0.saturating_add(seconds.saturating_mul(1000) as i64))
    }
}

/// Seconds a claim stands before another node may take the work over; renewed while the work goes on.
const LEASE_SECONDS: u64 = 3600;

/// The detail of what was under way when its owner died.
const CUT_OFF: &str = "the gateway was stopped, or lost its power, in the middle of the call";

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("the disk that holds the queue is full")]
    Full,
    /// Another daemon holds the state folder.
    #[error("{0} is in use by another postfax; stop it first, or set another state_dir")]
    InUse(PathBuf),
    /// We may not look into it.
    #[error(
        "{0}: permission denied; the queue belongs to the user that `postfax run` runs as, so run this as that user \
         (sudo -u postfax postfax ...) or as root"
    )]
    Forbidden(PathBuf),
    /// There is none yet.
    #[error(
        "{0} is not there: the first `postfax run` makes it, at state_dir of the configuration"
    )]
    NoQueue(PathBuf),
    /// Its file is gone or empty, and the mails and pages that it named are there.
    #[error(
        "{0}: the database of the queue is gone, and its mails and pages are not: stop postfax and put queue.db back, \
         or, where all of it may be forgotten, move the folder blobs away"
    )]
    Lost(PathBuf),
    /// The file was written by a newer version.
    #[error(
        "the queue is of version {found}, and this program knows versions up to {known}; install the newer postfax"
    )]
    TooNew {
        /// Version of the file.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The file was written by an older version, and only the daemon upgrades it.
    #[error("the queue is of the older version {0}; start the daemon once, which upgrades it")]
    TooOld(i64),
    /// It was examined, and may not be worked with.
    #[error("the queue is damaged: {0}")]
    Damaged(String),
    /// It is large, and not examined yet; or the start waits for calls of the daemon before it.
    #[error(
        "the queue is still being examined, or calls that the last daemon left behind come to their end"
    )]
    Examining,
    /// SQLite says no.
    #[error("the queue's database failed: {0}")]
    Database(rusqlite::Error),
    /// The file system says no.
    #[error("the state folder failed: {0}")]
    Files(std::io::Error),
    /// The writer thread is gone, which is our bug.
    #[error("the queue has stopped")]
    Stopped,
}

impl StoreError {
    /// Whether it is known that nothing of what was asked for is on disk. Where a commit failed otherwise (an fsync of
    /// the log), its rows may come back after a crash.
    pub fn is_undone(&self) -> bool {
        match self {
            StoreError::Full => true,
            // Another row has drawn the same identifier.
            StoreError::Database(e) => {
                let code = e.sqlite_error().map(|e| e.extended_code);
                code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
            }
            _ => false,
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(e: std::io::Error) -> StoreError {
        match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Files(e),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> StoreError {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Database(e),
        }
    }
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Before the writer, whose connection is the last to close: it tidies up the log.
    readers: Readers,
    writer: Writer,
    blobs: Blobs,
    owner: String,
    /// What is wrong with it, once that is known.
    damage: Mutex<Option<Damage>>,
    /// What is not as it should be and costs nothing: by blob or rule, in words.
    notes: Mutex<BTreeMap<String, String>>,
    /// Damage was noted that no look has found.
    suspicion: Notify,
    /// The lock that makes us the only daemon here; `None` for a command beside the daemon.
    _lock: Option<File>,
}

/// Tries for the lock, and the pause between two of them: three seconds.
const LOCK_TRIES: u32 = 60;
const BETWEEN_LOCK_TRIES: Duration = Duration::from_millis(50);

/// The lock that makes us the only daemon on this folder. A child of a daemon that was killed holds it between its fork
/// and its exec, which takes a moment on a busy machine; another daemon holds it for good.
fn lock(state: &Path) -> Result<File> {
    let lock = private_file(&state.join("lock"))?;
    match gate::lock(&lock, LOCK_TRIES, BETWEEN_LOCK_TRIES) {
        true => Ok(lock),
        false => Err(StoreError::InUse(state.to_owned())),
    }
}

impl Store {
    /// Opens the store for the daemon: takes the lock, makes or upgrades the file. [`Store::begin`] comes next.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another daemon runs here; else what the disk or the file says.
    pub fn open(state: &Path) -> Result<Store> {
        // Who faxes what to whom is nobody else's business.
        let folder = DirBuilder::new().recursive(true).mode(0o700).create(state);
        folder.map_err(|e| told(e, state))?;
        let lock = lock(state)?;
        health::is_not_lost(state)?;
        // SQLite gives its side files the rights of the database: who faxes whom is nobody's business.
        private_file(&state.join("queue.db"))?;
        let connection = connect(&state.join("queue.db"), OpenFlags::default());
        let mut connection = connection.map_err(wal::perhaps_mixed)?;
        // What is damaged stays as it is.
        if let Err(StoreError::TooOld(_)) = upgrade::is_newest(&connection)
            && let Some(what) = health::unsound(&connection)?
        {
            return Err(StoreError::Damaged(what));
        }
        upgrade::to_newest(&mut connection).map_err(wal::perhaps_mixed)?;
        let gate = Gate::at(Some(private_file(&state.join("turn"))?));
        let store = Store::open_with(state, connection, gate, Some(lock))?;
        blobs::sync_folder(state)?;
        if let Some(parent) = state
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            // Not ours, so perhaps not ours to read.
            let _ = blobs::sync_folder(parent);
        }
        Ok(store)
    }

    /// Opens the store for a command that runs beside the daemon (`postfax queue`, `cancel`).
    ///
    /// # Errors
    /// When there is no store yet, it cannot be read, or it is of another version: a command does not upgrade the
    /// store under a daemon.
    pub fn open_beside(state: &Path) -> Result<Store> {
        let database = state.join("queue.db");
        let open = File::options().read(true).write(true).open(&database);
        open.map_err(|e| told(e, &database))?;
        health::is_not_lost(state)?;
        let connection = connect(&database, OpenFlags::default())?;
        upgrade::is_newest(&connection)?;
        // A command may be root's, and makes no file that the daemon could not open.
        let turn = File::open(state.join("turn")).ok();
        Store::open_with(state, connection, Gate::at(turn), None)
    }

    fn open_with(
        state: &Path,
        connection: Connection,
        gate: Gate,
        lock: Option<File>,
    ) -> Result<Store> {
        let database = state.join("queue.db");
        let blobs = Blobs::open(state)?;
        let owner = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let writer = Writer::start(connection, gate)?;
        Ok(Store {
            inner: Arc::new(Inner {
                readers: Readers::new(database),
                writer,
                blobs,
                owner,
                damage: Mutex::new(None),
                notes: Mutex::default(),
                suspicion: Notify::new(),
                _lock: lock,
            }),
        })
    }

    /// The folder of blobs. Its calls block; keep them off the async threads.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// For a command that is going to change the store: where no daemon runs, which has examined it, it is examined now.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; else what the database says.
    pub async fn examine_unless_served(&self) -> Result<()> {
        let lock = self.inner.readers.database().with_file_name("lock");
        let is_served = File::open(lock).is_ok_and(|lock| !gate::lock(&lock, 1, Duration::ZERO));
        if is_served {
            return Ok(());
        }
        match self.look().await? {
            Some(what) => Err(StoreError::Damaged(what)),
            None => self.is_sound().await,
        }
    }

    /// It was found sound: it is to be one file again when it is closed.
    async fn is_sound(&self) -> Result<()> {
        let keep_the_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let told = self.write(move |db| db.set_db_config(keep_the_log, false));
        told.await.map(drop)
    }

    fn owner(&self) -> String {
        self.inner.owner.clone()
    }

    /// Runs `work` in a transaction on the writer thread; on `Ok` it is durable.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.heard(self.inner.writer.run(work).await)
    }

    /// Runs `look` on a connection that can only read.
    async fn read<T, F>(&self, look: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = self.inner.clone();
        let read = tokio::task::spawn_blocking(move || inner.readers.look(look)).await;
        self.heard(read.map_err(|_| StoreError::Stopped).flatten())
    }

    /// As [`Store::read`], on a connection that has read nothing before: what it sees is what the disk holds.
    async fn read_afresh<T, F>(&self, look: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = self.inner.clone();
        let read = tokio::task::spawn_blocking(move || Ok(look(&inner.readers.open()?)?)).await;
        self.heard(read.map_err(|_| StoreError::Stopped).flatten())
    }

    fn damage_note(&self) -> MutexGuard<'_, Option<Damage>> {
        self.inner
            .damage
            .lock()
            .expect("nobody panics while holding it")
    }

    /// A number that changes whenever a command beside the daemon has committed something.
    ///
    /// # Errors
    /// As the database says.
    pub async fn version(&self) -> Result<i64> {
        self.write(|db| db.query_row("PRAGMA data_version", [], |row| row.get(0)))
            .await
    }
}

/// A file that only our user can open.
fn private_file(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.create(true).append(true).mode(0o600);
    options.open(path).map_err(|e| told(e, path))
}

/// What the file system says of a path, with what to do about it.
fn told(e: std::io::Error, path: &Path) -> StoreError {
    match e.kind() {
        ErrorKind::PermissionDenied => StoreError::Forbidden(path.to_owned()),
        ErrorKind::NotFound => StoreError::NoQueue(path.to_owned()),
        kind => std::io::Error::new(kind, format!("{}: {e}", path.display())).into(),
    }
}

/// Pages of the database that a connection keeps in memory, KiB (as SQLite wants it: negative): the writer's, and those of
/// readers, which live for one look.
const CACHES: (i32, i32) = (-2000, -500);

fn connect(database: &Path, flags: OpenFlags) -> Result<Connection> {
    let mut connection = Connection::open_with_flags(database, flags)?;
    // The last connection to close would write the log into the file, damaged or not: Store::begin lets it, once the store
    // was found sound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_handler(Some(gate::wait))?;
    connection.set_prepared_statement_cache_capacity(128);
    let reads = flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY);
    let cache = if reads { CACHES.1 } else { CACHES.0 };
    connection.pragma_update(None, "cache_size", cache)?;
    if !reads {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
    }
    Ok(connection)
}
