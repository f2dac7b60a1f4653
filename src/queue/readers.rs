//! Connections that only read, kept for the next look: opening one means reading the whole schema, which costs more
//! than most looks do.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, OpenFlags};

use super::{Result, connect};

/// Connections that are kept; more are opened where more look at a time.
const KEPT: usize = 4;

/// The connections nobody looks through now.
pub struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Of the database at this path.
    pub fn new(database: PathBuf) -> Readers {
        Readers {
            database,
            idle: Mutex::default(),
        }
    }

    /// The path of the database.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Looks through one. After a look that failed the next gets another one: what is wrong with the file is to be told
    /// as it is then.
    pub fn look<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let found = look(&connection)?;
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(found)
    }

    /// One of its own.
    pub fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        connect(&self.database, flags)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nobody panics while holding it")
    }
}
