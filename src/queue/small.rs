//! Small octets in the database itself: durable with the row that names them, by one fsync for both. Larger ones are
//! files beside it (blobs.rs), each durable before its row.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, Store, StoreError, seal};

/// Octets of the largest that is kept in a row: a letter without attachments, the pages made of it. What is larger
/// would be written twice, to the log and to the database, where a file is written once.
pub const SMALL: usize = 64 * 1024;

/// Octets that the store keeps.
#[derive(Debug, Clone)]
pub enum Kept {
    /// In the database, and here.
    Row(Arc<Vec<u8>>),
    /// In a file.
    File(PathBuf),
}

impl Kept {
    /// To read some of them. Blocks, where they are in a file.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(&self) -> io::Result<Box<dyn io::Read + '_>> {
        Ok(match self {
            Kept::Row(octets) => Box::new(octets.as_slice()),
            Kept::File(path) => Box::new(fs::File::open(path)?),
        })
    }

    /// All of them. Blocks, where they are in a file.
    ///
    /// # Errors
    /// As the file system says, with the path; `InvalidData` where they are others than those that were kept.
    pub fn read(&self) -> io::Result<Arc<Vec<u8>>> {
        match self {
            Kept::Row(octets) => Ok(octets.clone()),
            Kept::File(path) => seal::read(path).map(Arc::new),
        }
    }
}

/// Octets about to be named by a row.
#[derive(Debug, Clone, Default)]
pub struct NewOctets {
    /// What the row calls them.
    pub key: String,
    /// They, where they are small; none: they are the durable blob of that key already.
    pub small: Option<Arc<Vec<u8>>>,
}

impl NewOctets {
    /// A durable blob.
    pub fn blob(key: &str) -> NewOctets {
        NewOctets {
            key: key.to_owned(),
            small: None,
        }
    }
}

impl Store {
    /// Octets about to be named by a row. Large ones are a durable blob on return, small ones will be kept with the row.
    ///
    /// # Errors
    /// As [`Blobs::keep`](super::Blobs::keep).
    pub async fn new_octets(&self, key: String, octets: Vec<u8>) -> Result<NewOctets> {
        if octets.len() <= SMALL {
            let small = Some(Arc::new(octets));
            return Ok(NewOctets { key, small });
        }
        let (blobs, kept) = (self.blobs().clone(), key.clone());
        let keep = tokio::task::spawn_blocking(move || blobs.keep(&kept, &octets));
        keep.await.map_err(io::Error::other)??;
        Ok(NewOctets { key, small: None })
    }

    /// The octets that a row calls `key`, or where they are.
    ///
    /// # Errors
    /// As the database says.
    pub async fn kept(&self, key: &str) -> Result<Kept> {
        let (key, blobs) = (key.to_owned(), self.blobs().clone());
        self.read(move |db| {
            let small = look_up(db, &key)?.map(|octets| Kept::Row(Arc::new(octets)));
            Ok(small.unwrap_or_else(|| Kept::File(blobs.path(&key))))
        })
        .await
    }

    /// The octets that a row calls `key`.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn octets(&self, key: &str) -> Result<Arc<Vec<u8>>> {
        let kept = self.kept(key).await?;
        match &kept {
            Kept::Row(octets) => Ok(octets.clone()),
            Kept::File(_) => {
                let read = tokio::task::spawn_blocking(move || kept.read());
                self.heard(
                    read.await
                        .map_err(io::Error::other)?
                        .map_err(StoreError::from),
                )
            }
        }
    }
}

/// Keeps small octets in this very transaction; none are a blob already.
pub(super) fn keep(db: &Connection, key: &str, octets: Option<&Vec<u8>>) -> rusqlite::Result<()> {
    let Some(octets) = octets else {
        return Ok(());
    };
    // A rendering that is done once more has the key of the one before.
    db.prepare_cached(
        "INSERT INTO small_blobs (key, octets) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET octets = excluded.octets",
    )?
    .execute(params![key, octets])?;
    Ok(())
}

fn look_up(db: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT octets FROM small_blobs WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}
