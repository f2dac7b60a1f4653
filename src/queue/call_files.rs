//! What the process of a call writes down itself, for a daemon that does not live to: one file in `calls` below the state
//! folder for each call that is placed.
//!
//! A daemon that is killed leaves the processes of its calls behind. Each notices, waits for what the far end says to a page
//! that is out, says DCN and exits (`worker::call`). Until then the next daemon must not dial the same number, and a page
//! whose MCF came meanwhile counts. So the process is handed this file, under a lock that lives as long as the daemon or the
//! process has it open (flock), and adds the number of each page that was confirmed, before it tells the daemon. The next
//! start waits for the locks, ends a process that keeps one for too long, and takes in what the files say
//! ([`Store::recover`](super::Store::recover)).
//!
//! A page is still sent twice where its MCF does not come to be in the file: the process was killed, too, or the MCF was
//! lost on the line. Nothing here is synced: whatever ends the whole machine ends its calls, and what the daemon has said to
//! be on disk is in the database.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::faxes::{ClaimedFax, confirm};
use super::{Result, Store, StoreError};

/// Looks at the locks that the processes of a daemon that died get for their farewells: ten seconds, for the far end's word
/// takes five, and DCN.
const FAREWELL: u32 = 500;
/// The same for one that was killed to be gone.
const DEATH: u32 = 250;
/// Between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(20);
/// The octets of a file that are read. Only its process could have written more.
const MOST: u64 = 1 << 20;
/// What the process of a call is called (`worker::nursery`).
const PROCESS: &str = "postfax-call";

/// The file of a call that is about to be placed.
#[derive(Debug)]
pub struct CallFile {
    path: PathBuf,
    file: Arc<File>,
}

impl CallFile {
    /// For the process of the call.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// The attempts of the call are settled.
    pub fn remove(self) {
        // What is left is found again by the next start, and says nothing of attempts that have ended.
        let _ = fs::remove_file(&self.path);
    }
}

/// Its first line: whose the pages of the call are.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    fax: String,
    attempt: i64,
    /// How many of the pages are its own.
    pages: u32,
}

/// What a file says of a call that is over.
#[derive(Debug)]
pub(super) struct Said {
    path: PathBuf,
    parts: Vec<Part>,
    /// Pages of the call that were confirmed.
    confirmed: u32,
}

impl Said {
    /// How many pages of each attempt were confirmed.
    fn shares(&self) -> impl Iterator<Item = (&Part, u32)> {
        let mut left = self.confirmed;
        self.parts.iter().map(move |part| {
            let own = left.min(part.pages);
            left -= own;
            (part, own)
        })
    }
}

impl Store {
    /// Makes the file of a call that these faxes share, with so many pages of each.
    ///
    /// # Errors
    /// As the file system says; then the call must not be placed.
    pub async fn call_file<'a>(
        &self,
        faxes: impl Iterator<Item = (&'a ClaimedFax, u32)>,
    ) -> Result<CallFile> {
        let part = |(fax, pages): (&ClaimedFax, u32)| Part {
            fax: fax.id.clone(),
            attempt: fax.attempt,
            pages,
        };
        let parts: Vec<Part> = faxes.map(part).collect();
        let folder = self.call_folder();
        let make = tokio::task::spawn_blocking(move || make(&folder, &parts));
        Ok(make.await.map_err(|_| StoreError::Stopped)??)
    }

    fn call_folder(&self) -> PathBuf {
        self.blobs().incoming().with_file_name("calls")
    }

    /// What the files say of the calls of the daemon before this one, once those are over; or, for one fax, of the call in
    /// which it was and whose process was killed.
    pub(super) async fn calls_left_behind(&self, of: Option<String>) -> Result<Vec<Said>> {
        let folder = self.call_folder();
        let read = tokio::task::spawn_blocking(move || left_behind(&folder, of.as_deref()));
        Ok(read.await.map_err(|_| StoreError::Stopped)??)
    }
}

/// Takes in what was confirmed of attempts that nobody has ended.
pub(super) fn take_in(db: &Connection, said: &[Said]) -> rusqlite::Result<()> {
    for (part, pages) in said.iter().flat_map(Said::shares) {
        // Where an older database was put back, the number may be another's by now.
        let open = "SELECT 1 FROM attempts WHERE id = ?1 AND fax = ?2 AND ended_at IS NULL";
        if db
            .prepare_cached(open)?
            .exists(params![part.attempt, part.fax])?
        {
            confirm(db, &part.fax, part.attempt, pages)?;
        }
    }
    Ok(())
}

/// Removes the files whose attempts have ended.
pub(super) async fn remove(said: Vec<Said>) {
    let removed = tokio::task::spawn_blocking(move || {
        for said in said {
            if let Err(e) = fs::remove_file(&said.path) {
                tracing::warn!(file = %said.path.display(), "the file of a call that is over stays: {e}");
            }
        }
    });
    let _ = removed.await;
}

fn make(folder: &Path, parts: &[Part]) -> io::Result<CallFile> {
    let folders = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    folders?;
    let first = parts.first().map_or(0, |part| part.attempt);
    let path = folder.join(first.to_string());
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = File::options();
    let mut file = options
        .create_new(true)
        .append(true)
        .mode(0o600)
        .open(&path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let mut line = serde_json::to_vec(parts)?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(CallFile {
        path,
        file: Arc::new(file),
    })
}

fn left_behind(folder: &Path, of: Option<&str>) -> io::Result<Vec<Said>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut looks = FAREWELL;
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_string_lossy().parse::<i64>().is_ok() && entry.file_type()?.is_file();
        if !is_ours {
            continue;
        }
        match once_over(entry.path(), of, &mut looks) {
            Ok(said) => all.extend(said),
            // The call has been settled meanwhile.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => tracing::error!("{}: {e}", entry.path().display()),
        }
    }
    Ok(all)
}

/// What a file says once its call is over; `None`: it is not about this fax.
fn once_over(path: PathBuf, of: Option<&str>, looks: &mut u32) -> io::Result<Option<Said>> {
    let file = File::open(&path)?;
    let is_of = |said: &Said| of.is_none_or(|fax| said.parts.iter().any(|part| part.fax == fax));
    if !is_of(&read(&path)?) {
        return Ok(None);
    }
    wait_for(&file, looks);
    read(&path).map(Some)
}

/// Waits until nobody holds the lock of a call; when no look is left, its process is killed.
fn wait_for(file: &File, looks: &mut u32) {
    if is_free(file) {
        return;
    }
    tracing::warn!("a call of the daemon before this one is not over yet; it gets its time");
    if gets_free(file, looks) {
        return;
    }
    tracing::error!(
        "the process of a call of the daemon before this one does not end, and is killed"
    );
    match kill_holders(file).map(|()| gets_free(file, &mut { DEATH })) {
        Ok(true) => {}
        Ok(false) => tracing::error!("it is still there: its call may go on"),
        Err(e) => tracing::error!("it cannot be killed, so its call may go on: {e}"),
    }
}

fn is_free(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether a lock gets free while there are looks left.
fn gets_free(file: &File, looks: &mut u32) -> bool {
    while *looks > 0 {
        if is_free(file) {
            return true;
        }
        sleep(PAUSE);
        *looks -= 1;
    }
    is_free(file)
}

/// Kills the processes of calls that have this file open.
fn kill_holders(file: &File) -> io::Result<()> {
    let is_it = |other: fs::Metadata, file: &fs::Metadata| {
        (other.dev(), other.ino()) == (file.dev(), file.ino())
    };
    let file = file.metadata()?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let number = entry.file_name().to_string_lossy().parse();
        let Some(pid) = number.ok().and_then(Pid::from_raw) else {
            continue;
        };
        // Before the look: the number may be another's after it.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let name = fs::read_to_string(entry.path().join("comm"));
        if name.is_ok_and(|name| name.trim_end() == PROCESS)
            && let Ok(open) = fs::read_dir(entry.path().join("fd"))
            && open
                .flatten()
                .any(|fd| fs::metadata(fd.path()).is_ok_and(|other| is_it(other, &file)))
        {
            pidfd_send_signal(&handle, Signal::KILL)?;
        }
    }
    Ok(())
}

/// What a file says; one whose first line is not whole has no call.
fn read(path: &Path) -> io::Result<Said> {
    let mut octets = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut octets)?;
    let mut lines = octets.split_inclusive(|octet| *octet == b'\n');
    let parts = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok());
    let page = |line: &[u8]| {
        let whole = line.strip_suffix(b"\n")?;
        std::str::from_utf8(whole).ok()?.parse::<u32>().ok()
    };
    Ok(Said {
        path: path.to_owned(),
        parts: parts.unwrap_or_default(),
        confirmed: lines.filter_map(page).max().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(fax: &str, attempt: i64, pages: u32) -> Part {
        Part {
            fax: fax.to_owned(),
            attempt,
            pages,
        }
    }

    #[test]
    fn pages_of_a_call_are_those_of_its_faxes_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let parts = [part("a", 7, 2), part("b", 8, 1), part("c", 9, 3)];
        let call = make(folder.path(), &parts).unwrap();
        for page in ["1\n", "2\n", "3\n", "4\n", "5"] {
            call.file().write_all(page.as_bytes()).unwrap();
        }
        drop(call);
        let said = left_behind(folder.path(), None).unwrap();
        let shares: Vec<_> = said[0]
            .shares()
            .map(|(part, own)| (part.attempt, own))
            .collect();
        // The last line is not whole.
        assert_eq!(shares, [(7, 2), (8, 1), (9, 1)]);
        assert_eq!(left_behind(folder.path(), Some("b")).unwrap().len(), 1);
        assert_eq!(left_behind(folder.path(), Some("x")).unwrap().len(), 0);
    }

    #[test]
    fn a_file_without_its_first_line_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("7"), "[{\"fax\"").unwrap();
        let said = left_behind(folder.path(), None).unwrap();
        assert_eq!(said[0].shares().count(), 0);
    }

    #[test]
    fn a_call_is_waited_for_as_long_as_anybody_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let call = make(folder.path(), &[part("a", 7, 2)]).unwrap();
        let of_the_process = call.file().try_clone().unwrap();
        drop(call);
        let process = std::thread::spawn(move || {
            sleep(Duration::from_millis(300));
            (&of_the_process).write_all(b"1\n").unwrap();
        });
        let said = left_behind(folder.path(), None).unwrap();
        assert_eq!(said[0].confirmed, 1);
        process.join().unwrap();
    }
}
