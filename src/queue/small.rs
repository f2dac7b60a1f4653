//! Small octets in the database itself: durable with the row that names them, by one fsync for both. Larger ones are
//! files beside it (blobs.rs), each durable before its row.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::seal::{self, Seal};
use super::{Result, Store, StoreError};

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
    /// As the database says; `InvalidData` where a row holds others than those that were kept.
    pub async fn kept(&self, key: &str) -> Result<Kept> {
        let row = key.to_owned();
        match self.read(move |db| look_up(db, &row)).await? {
            None => Ok(Kept::File(self.blobs().path(key))),
            Some(Row::Whole(octets)) => Ok(Kept::Row(Arc::new(octets))),
            Some(Row::Altered) => {
                let what = format!("{key} in the database: {}", seal::altered());
                let altered = Err(io::Error::new(ErrorKind::InvalidData, what).into());
                self.heard_of(key, altered).await
            }
        }
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
                let read = read.await.map_err(io::Error::other)?;
                self.heard_of(key, read.map_err(StoreError::from)).await
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
        "INSERT INTO small_blobs (key, octets, sha256) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE SET octets = excluded.octets, sha256 = excluded.sha256",
    )?
    .execute(params![key, octets, seal::of(octets)])?;
    Ok(())
}

/// What a row holds.
enum Row {
    /// What was kept in it.
    Whole(Vec<u8>),
    /// Something else.
    Altered,
}

fn look_up(db: &Connection, key: &str) -> rusqlite::Result<Option<Row>> {
    db.prepare_cached("SELECT octets, sha256 FROM small_blobs WHERE key = ?1")?
        .query_row([key], |row| {
            let (octets, sealed): (Vec<u8>, Option<Seal>) = (row.get(0)?, row.get(1)?);
            Ok(match seal::is_other(&octets, sealed) {
                false => Row::Whole(octets),
                true => Row::Altered,
            })
        })
        .optional()
}

/// Whether a row holds others than the octets that were kept under `key`.
pub(super) fn is_altered(db: &Connection, key: &str) -> rusqlite::Result<bool> {
    Ok(matches!(look_up(db, key)?, Some(Row::Altered)))
}

/// The keys of a query under which a row holds others than the octets that were kept.
pub(super) fn altered(db: &Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    let sql =
        format!("SELECT key, octets, sha256 FROM small_blobs WHERE key IN ({query}) ORDER BY key");
    let mut look = db.prepare(&sql)?;
    let mut rows = look.query([])?;
    let mut altered = Vec::new();
    while let Some(row) = rows.next()? {
        if seal::is_other(row.get_ref(1)?.as_blob()?, row.get(2)?) {
            altered.push(row.get(0)?);
        }
    }
    Ok(altered)
}
