//! Mails and pages that no row names: what a kill left between a file and its row, and what a database no longer knows
//! that is older than the files beside it (one put back from a backup, a lost log).
//!
//! Nobody can tell the two apart, so none is deleted at once: once the store was found sound, they are moved to the
//! folder `orphans` under their names, and retention deletes them [`KEPT_DAYS`] later. What a row names again (the newer
//! database was put back) returns to its place.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::blobs::{make_folder, sync_folder};
use super::check::{self, ALL};
use super::origin::Origin;
use super::{Blobs, Millis, Result, Store, StoreError};

/// Days that an orphan is kept.
pub const KEPT_DAYS: u64 = 30;

const DAY_MILLIS: i64 = 86_400_000;

/// A file without a row that is younger may be waiting for one.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// What an orphan is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanKind {
    /// A mail as it came.
    Mail,
    /// A page of a fax that came in, T.6.
    ReceivedPage,
    /// The pages made of a mail, TIFF.
    RenderedPages,
    /// A cover page, TIFF.
    CoverPage,
    /// A first page as a small picture, PNG.
    Preview,
    /// None of ours.
    Unknown,
}

impl OrphanKind {
    fn of(key: &str) -> OrphanKind {
        let (kind, _) = key.split_once('-').unwrap_or_default();
        match kind {
            "m" => OrphanKind::Mail,
            "d" => OrphanKind::RenderedPages,
            "c" => OrphanKind::CoverPage,
            "v" => OrphanKind::Preview,
            page if page.starts_with('p') && page[1..].parse::<u32>().is_ok() => {
                OrphanKind::ReceivedPage
            }
            _ => OrphanKind::Unknown,
        }
    }

    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            OrphanKind::Mail => "mail",
            OrphanKind::ReceivedPage => "received page",
            OrphanKind::RenderedPages => "rendered pages",
            OrphanKind::CoverPage => "cover page",
            OrphanKind::Preview => "preview",
            OrphanKind::Unknown => "unknown file",
        }
    }
}

/// A mail or page that no row names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its name.
    pub key: String,
    /// What it is.
    pub kind: OrphanKind,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub written_at: Millis,
    /// When it was moved to `orphans`; none: the next start of the daemon moves it.
    pub orphaned_at: Option<Millis>,
    /// Where it is.
    pub path: PathBuf,
    /// Where it came from, where that is known.
    pub origin: Option<Origin>,
}

impl Orphan {
    fn at(key: &str, path: PathBuf, file: &Metadata, is_set_aside: bool) -> Orphan {
        let millis = |seconds: i64, nanos: i64| Millis(seconds * 1000 + nanos / 1_000_000);
        Orphan {
            key: key.to_owned(),
            kind: OrphanKind::of(key),
            size: file.len(),
            written_at: millis(file.mtime(), file.mtime_nsec()),
            orphaned_at: is_set_aside.then(|| millis(file.ctime(), file.ctime_nsec())),
            origin: Origin::read(&path),
            path,
        }
    }

    /// Whether it has been here for longer than orphans are kept.
    fn is_expired(&self, now: Millis) -> bool {
        let kept = KEPT_DAYS as i64 * DAY_MILLIS;
        self.orphaned_at.is_some_and(|since| now.0 - since.0 > kept)
    }
}

impl Store {
    /// Every mail and page that no row names, in the order of their names.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn orphans(&self) -> Result<Vec<Orphan>> {
        let blobs = self.blobs().clone();
        let named = self.read_afresh(|db| check::named_blobs(db, ALL)).await?;
        let look = tokio::task::spawn_blocking(move || {
            let mut found = set_aside_before(&blobs)?;
            let old = blobs.older_than(AN_HOUR)?.into_iter();
            for key in old.filter(|key| !named.contains(key)) {
                let path = blobs.path(&key);
                if let Ok(file) = fs::metadata(&path) {
                    found.push(Orphan::at(&key, path, &file, false));
                }
            }
            found.retain(|orphan| !named.contains(&orphan.key));
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found.dedup_by(|a, b| a.key == b.key);
            Ok(found)
        });
        look.await.map_err(|_| StoreError::Stopped)?
    }

    /// Files in `orphans` that rows name return to their place. Returns how many.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub(super) async fn bring_back_named(&self) -> Result<usize> {
        let blobs = self.blobs().clone();
        if set_aside_before(&blobs)?.is_empty() {
            return Ok(0);
        }
        let named = self.read_afresh(|db| check::named_blobs(db, FILES)).await?;
        let work = tokio::task::spawn_blocking(move || bring_back(&named, &blobs));
        Ok(work.await.map_err(|_| StoreError::Stopped)??)
    }

    /// Moves what no row names to `orphans`. Only where the store was found sound, with the lock held, and before
    /// anything is accepted.
    ///
    /// # Errors
    /// As the disk or the database says; what could not be moved stays where it is.
    pub(super) async fn set_orphans_aside(&self, now: Millis) -> Result<usize> {
        let blobs = self.blobs().clone();
        let named = self.read_afresh(|db| check::named_blobs(db, ALL)).await?;
        let work = tokio::task::spawn_blocking(move || set_aside(&named, &blobs));
        let moved = work.await.map_err(|_| StoreError::Stopped)??;
        for orphan in &moved {
            log_orphan(orphan, now);
        }
        Ok(moved.len() + self.set_rows_aside(now).await?)
    }

    /// Bytes in the database that no row names become files in `orphans`.
    async fn set_rows_aside(&self, now: Millis) -> Result<usize> {
        let rows = self.read_afresh(unnamed_rows).await?;
        let count = rows.len();
        for (key, bytes) in rows {
            let (blobs, kept) = (self.blobs().clone(), key.clone());
            let work = tokio::task::spawn_blocking(move || write_aside(&kept, &bytes, &blobs));
            let orphan = work.await.map_err(|_| StoreError::Stopped)??;
            self.write(move |db| {
                let is_named = format!("SELECT 1 FROM ({ALL}) WHERE text_key = ?1");
                let sql =
                    format!("DELETE FROM small_blobs WHERE key = ?1 AND NOT EXISTS ({is_named})");
                db.execute(&sql, [key])
            })
            .await?;
            log_orphan(&orphan, now);
        }
        Ok(count)
    }

    /// The orphans that have been kept for [`KEPT_DAYS`].
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn expired_orphans(&self, now: Millis) -> Result<Vec<String>> {
        let mut orphans = self.orphans().await?;
        orphans.retain(|orphan| orphan.is_expired(now));
        Ok(orphans.into_iter().map(|orphan| orphan.key).collect())
    }

    /// Deletes those of the files in `orphans` that have been kept for [`KEPT_DAYS`] and that no row names; not while
    /// the store is known to be damaged. Returns how many.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn delete_expired_orphans(
        &self,
        keys: HashSet<String>,
        now: Millis,
    ) -> Result<usize> {
        let mut orphans = self.orphans().await?;
        orphans.retain(|orphan| orphan.is_expired(now) && keys.contains(&orphan.key));
        if self.damage().is_some() {
            return Ok(0);
        }
        let count = orphans.len();
        for orphan in orphans {
            fs::remove_file(&orphan.path)?;
            let age = age(orphan.written_at, now);
            tracing::warn!(
                key = orphan.key,
                age,
                "an orphan ({}, {} bytes) was deleted: it had been in orphans for {KEPT_DAYS} days",
                orphan.kind.in_words(),
                orphan.size
            );
        }
        Ok(count)
    }

    /// Makes an orphan a blob again, so that a row may name it: durable on return. It stays in `orphans`, too, until
    /// [`Store::orphan_adopted`] says that a row names it: who dies in between loses nothing.
    ///
    /// # Errors
    /// As the file system says.
    pub async fn place_orphan(&self, orphan: &Orphan) -> Result<()> {
        let (blobs, orphan) = (self.blobs().clone(), orphan.clone());
        let work = tokio::task::spawn_blocking(move || place(&orphan, &blobs));
        Ok(work.await.map_err(|_| StoreError::Stopped)??)
    }

    /// A row names the orphan now.
    ///
    /// # Errors
    /// As the file system says: its file is in its place all the same.
    pub async fn orphan_adopted(&self, orphan: &Orphan) -> Result<()> {
        let (blobs, orphan) = (self.blobs().clone(), orphan.clone());
        let work = tokio::task::spawn_blocking(move || -> io::Result<()> {
            // A start of the daemon in this very moment may have set it aside again.
            place(&orphan, &blobs)?;
            let named = HashSet::from([orphan.key.clone()]);
            bring_back(&named, &blobs).map(drop)
        });
        Ok(work.await.map_err(|_| StoreError::Stopped)??)
    }

    /// The orphan was refused: it is in `orphans` only, unless a row names it by now.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn orphan_refused(&self, orphan: &Orphan) -> Result<()> {
        let named = self.read_afresh(|db| check::named_blobs(db, ALL)).await?;
        // One that was never set aside is where it was.
        if named.contains(&orphan.key) || orphan.orphaned_at.is_none() {
            return Ok(());
        }
        let (blobs, orphan) = (self.blobs().clone(), orphan.clone());
        let work = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let (place, aside) = (blobs.path(&orphan.key), folder(&blobs).join(&orphan.key));
            match is_same_file(&place, &aside) {
                true => fs::remove_file(&place),
                false => rename(&place, &aside),
            }
        });
        Ok(work.await.map_err(|_| StoreError::Stopped)??)
    }
}

/// What rows name that is no row itself.
const FILES: &str =
    "SELECT text_key FROM messages UNION SELECT pages_key FROM documents UNION SELECT preview_key FROM documents
     UNION SELECT cover_key FROM faxes UNION SELECT g4_key FROM received_pages UNION SELECT preview_key FROM received
     EXCEPT SELECT key FROM small_blobs";

fn folder(blobs: &Blobs) -> PathBuf {
    blobs.incoming().with_file_name("orphans")
}

/// What is in the folder; none where there is no folder.
fn set_aside_before(blobs: &Blobs) -> io::Result<Vec<Orphan>> {
    let entries = match fs::read_dir(folder(blobs)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file = entry.metadata()?;
        if file.is_file() {
            let key = entry.file_name().to_string_lossy().into_owned();
            found.push(Orphan::at(&key, entry.path(), &file, true));
        }
    }
    Ok(found)
}

/// Moves files; durable on return.
fn set_aside(named: &HashSet<String>, blobs: &Blobs) -> io::Result<Vec<Orphan>> {
    let unnamed = blobs.keys()?.into_iter().filter(|key| !named.contains(key));
    let unnamed: Vec<String> = unnamed.collect();
    if unnamed.is_empty() {
        return Ok(Vec::new());
    }
    let aside = make_orphans(blobs)?;
    let (mut moved, mut left) = (Vec::new(), HashSet::new());
    for key in unnamed {
        let (from, to) = (blobs.path(&key), aside.join(&key));
        // An adoption that was cut off, or is under way.
        if is_same_file(&from, &to) {
            continue;
        }
        let to = free_name(to);
        rename(&from, &to)?;
        moved.push(Orphan::at(&key, to.clone(), &fs::metadata(&to)?, true));
        left.extend(from.parent().map(Path::to_owned));
    }
    // First where they are, then where they were: at no time are they nowhere.
    sync_folder(&aside)?;
    left.iter().try_for_each(|folder| sync_folder(folder))?;
    Ok(moved)
}

fn make_orphans(blobs: &Blobs) -> io::Result<PathBuf> {
    let aside = folder(blobs);
    make_folder(&aside)?;
    aside.parent().map_or(Ok(()), sync_folder)?;
    Ok(aside)
}

/// Another of that name is kept, too.
fn free_name(path: PathBuf) -> PathBuf {
    let numbered = |n: u32| path.with_extension(n.to_string());
    match path.exists() {
        false => path,
        true => (2..).map(numbered).find(|it| !it.exists()).unwrap_or(path),
    }
}

/// Replaces nothing. The time of the change is that of the move, also where a file system does not say so of a rename.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", to.display()));
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
            fs::rename(from, to)
        }
        renamed => renamed.map_err(io::Error::from),
    }
    .map_err(named)?;
    let file = File::open(to).map_err(named)?;
    file.set_permissions(file.metadata()?.permissions())
        .and_then(|()| file.sync_all())
        .map_err(named)
}

fn write_aside(key: &str, bytes: &[u8], blobs: &Blobs) -> io::Result<Orphan> {
    let aside = make_orphans(blobs)?;
    let (temporary, place) = (blobs.incoming().join(key), free_name(aside.join(key)));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let mut file = options.mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    super::seal::seal(&file)?;
    file.sync_all()?;
    rename(&temporary, &place)?;
    sync_folder(&aside)?;
    Ok(Orphan::at(key, place.clone(), &fs::metadata(&place)?, true))
}

fn bring_back(named: &HashSet<String>, blobs: &Blobs) -> io::Result<usize> {
    let mut count = 0;
    for orphan in set_aside_before(blobs)? {
        if !named.contains(&orphan.key) {
            continue;
        }
        let place = blobs.path(&orphan.key);
        match place.exists() {
            // Another file of that name is somebody's to look at.
            true if !is_same_file(&place, &orphan.path) => continue,
            true => fs::remove_file(&orphan.path)?,
            false => {
                make_place(&place, blobs)?;
                rename(&orphan.path, &place)?;
                sync_folder(place.parent().unwrap_or(&place))?;
                tracing::info!(key = orphan.key, "a row names an orphan again: it is back");
            }
        }
        count += 1;
    }
    if count > 0 {
        sync_folder(&folder(blobs))?;
    }
    Ok(count)
}

/// A second name for it among the blobs.
fn place(orphan: &Orphan, blobs: &Blobs) -> io::Result<()> {
    let place = blobs.path(&orphan.key);
    if place.exists() {
        return Ok(());
    }
    make_place(&place, blobs)?;
    let from = match orphan.path.exists() {
        true => orphan.path.clone(),
        false => folder(blobs).join(&orphan.key),
    };
    match fs::hard_link(&from, &place) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(e),
        // A file system without second names.
        Err(_) => rename(&from, &place)?,
        Ok(()) => {}
    }
    sync_folder(place.parent().unwrap_or(&place))
}

/// The folder of a blob. A command may be root's, and makes no folder that the daemon could not open.
fn make_place(place: &Path, blobs: &Blobs) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    if folder.exists() {
        return Ok(());
    }
    make_folder(folder)?;
    let daemon = fs::metadata(blobs.incoming())?;
    let _ = chown(folder, Some(daemon.uid()), Some(daemon.gid()));
    folder.parent().map_or(Ok(()), sync_folder)
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino()));
    matches!((file(a), file(b)), (Ok(a), Ok(b)) if a == b)
}

fn unnamed_rows(db: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let named = check::named_blobs(db, ALL)?;
    let keys = check::named_blobs(db, "SELECT key FROM small_blobs")?;
    let unnamed = keys.into_iter().filter(|key| !named.contains(key));
    let bytes = |key: String| {
        let sql = "SELECT octets FROM small_blobs WHERE key = ?1";
        let bytes = db.query_row(sql, [&key], |row| row.get(0))?;
        Ok((key, bytes))
    };
    unnamed.map(bytes).collect()
}

fn log_orphan(orphan: &Orphan, now: Millis) {
    let age = age(orphan.written_at, now);
    tracing::warn!(
        key = orphan.key,
        age,
        "no row of the queue names this {} of {} bytes: it was moved to the folder orphans, which keeps it for {KEPT_DAYS} days \
         (`postfax check` lists it, `postfax adopt` takes it back in)",
        orphan.kind.in_words(),
        orphan.size
    );
}

/// An age in words.
fn age(since: Millis, now: Millis) -> String {
    let minutes = (now.0 - since.0).max(0) / 60_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}
