//! Large octets beside the database: files named by key, durable before any row names them.
//!
//! The three calls (keep, read, remove) are what an object store would have to offer in their place.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::seal;

/// The folder of blobs: `blobs/XY/KEY`, where XY are the last two characters of the key.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
    incoming: PathBuf,
    /// Folders whose own entries are known to be on disk.
    synced: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Blobs {
    /// Opens, and makes where missing, `blobs` and `incoming` below the state folder.
    ///
    /// # Errors
    /// As the file system says, with the path.
    pub fn open(state: &Path) -> io::Result<Blobs> {
        let blobs = Blobs {
            root: state.join("blobs"),
            incoming: state.join("incoming"),
            synced: Arc::default(),
        };
        make_folder(&blobs.root)?;
        make_folder(&blobs.incoming)?;
        Ok(blobs)
    }

    /// Where files grow before they are kept; emptied at each start.
    pub fn incoming(&self) -> &Path {
        &self.incoming
    }

    /// Makes [`Blobs::incoming`] again where somebody took it away.
    ///
    /// # Errors
    /// As the file system says, with the path.
    pub fn make_incoming(&self) -> io::Result<()> {
        make_folder(&self.incoming)
    }

    /// Removes what never became a blob. Nobody was told yes for any of it. What is no file is not ours, and stays.
    ///
    /// # Errors
    /// As the file system says.
    pub fn clear_incoming(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.incoming)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Keeps octets under `key`, in place of what it held: made once more, they belong to the same row. On return they
    /// are durable: written, fsynced, renamed, folder fsynced.
    ///
    /// # Errors
    /// As the file system says (`StorageFull` among them), with the path; then the key holds what it held before.
    pub fn keep(&self, key: &str, octets: &[u8]) -> io::Result<()> {
        self.keep_written(key, |file| file.write_all(octets))
    }

    /// As [`Blobs::keep`], of what `fill` writes into the file.
    pub(super) fn keep_written(
        &self,
        key: &str,
        fill: impl Fn(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = self.incoming.join(key);
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            fill(&mut options.open(&temporary)?)
        };
        let written = write().or_else(|e| match e.kind() {
            io::ErrorKind::NotFound => self.make_incoming().and_then(|()| write()),
            _ => Err(e),
        });
        let kept = written.map_err(|e| named(e, &temporary)).and_then(|()| {
            match self.take_in(&temporary, &self.path(key), Place::Free) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    self.take_in(&temporary, &self.path(key), Place::Replaced)
                }
                done => done,
            }
        });
        kept.inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    /// Keeps a complete file from [`Blobs::incoming`] under a `key` that is not in use; durable on return.
    ///
    /// # Errors
    /// `AlreadyExists` where the key is in use: the file is still where it was, and wants another key. Else as
    /// [`Blobs::keep`], and the file is gone, so that a full disk is not filled up by those who try.
    pub fn keep_file(&self, key: &str, file: &Path) -> io::Result<()> {
        let kept = self.take_in(file, &self.path(key), Place::Free);
        kept.inspect_err(|e| {
            if e.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(file);
            }
        })
    }

    /// In a free place the file goes first, and then everything is made durable: where one commit of the file system's
    /// journal holds the octets and the names, what is synced behind it costs nothing. A crash between leaves a blob that
    /// no row names. What is replaced may be named already: it goes when the new octets are durable.
    fn take_in(&self, file: &Path, path: &Path, place: Place) -> io::Result<()> {
        let folder = path.parent().expect("a key lies in a folder");
        let open = File::open(file).map_err(|e| named(e, file))?;
        let mut is_synced = self.synced().contains(folder);
        if !is_synced {
            make_folder(folder)?;
        }
        seal::seal(&open).map_err(|e| named(e, file))?;
        if place == Place::Replaced {
            open.sync_all().map_err(|e| named(e, file))?;
        }
        let moved = place.fill(file, path).or_else(|e| match e.kind() {
            // Somebody took the folder away.
            io::ErrorKind::NotFound => {
                self.synced().remove(folder);
                is_synced = false;
                make_folder(folder)?;
                place.fill(file, path)
            }
            _ => Err(e),
        });
        moved.map_err(|e| named(e, path))?;
        let durable = || {
            open.sync_all().map_err(|e| named(e, path))?;
            sync_folder(folder)?;
            if !is_synced {
                // That the folder is there proves nothing: whoever made it may have died, or be on its way to the sync.
                sync_folder(&self.root)?;
                self.root.parent().map_or(Ok(()), sync_folder)?;
                self.synced().insert(folder.to_owned());
            }
            Ok(())
        };
        durable().inspect_err(|_| {
            if place == Place::Free {
                // Nobody knows of it yet.
                let _ = fs::remove_file(path);
            }
        })
    }

    /// Whether `key` is gone for good, as far as can be seen: its folder was there when it was kept, `at` that time, is
    /// there, and does not hold it. A folder that is away, or was made again, may be brought back.
    pub fn is_lost(&self, key: &str, at: SystemTime) -> bool {
        let file = fs::metadata(self.path(key));
        let is_missing = file.is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let Ok(folder) = fs::metadata(self.folder(key)) else {
            return false;
        };
        // Not every file system knows when a folder was made.
        let is_new = folder.created().is_ok_and(|made| made > at + SAME_TIME);
        is_missing && !is_new
    }

    fn synced(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.synced.lock().expect("nobody panics while holding it")
    }

    /// The octets kept under `key`.
    ///
    /// # Errors
    /// As the file system says, with the path; `InvalidData` where they are others than those that were kept.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        seal::read(&self.path(key))
    }

    /// Where `key` lies once it is kept.
    pub fn path(&self, key: &str) -> PathBuf {
        self.folder(key).join(key)
    }

    /// Removes `key`; one that is already gone is no error.
    ///
    /// # Errors
    /// As the file system says, with the path.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        let place = self.path(key);
        match fs::remove_file(&place) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(named(e, &place)),
            _ => Ok(()),
        }
    }

    /// Every key that is kept and was so long ago, in no order.
    ///
    /// # Errors
    /// As the file system says.
    pub fn older_than(&self, age: Duration) -> io::Result<Vec<String>> {
        let is_old = |key: &String| {
            let written = fs::metadata(self.path(key)).and_then(|it| it.modified());
            // A time to come is no age.
            written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed > age))
        };
        Ok(self.keys()?.into_iter().filter(is_old).collect())
    }

    /// Every key that is kept, in no order.
    ///
    /// # Errors
    /// As the file system says.
    ///
    /// What lies in the folder and is none of ours, a stray file or `lost+found`, is passed over.
    pub fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            if folder.file_name().len() > FOLDER_NAME || !folder.file_type()?.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder.path())? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    keys.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
        Ok(keys)
    }

    fn folder(&self, key: &str) -> PathBuf {
        self.root
            .join(&key[key.len().saturating_sub(FOLDER_NAME)..])
    }
}

/// Characters in the name of a folder.
const FOLDER_NAME: usize = 2;

/// A folder is made for a blob a moment before the row that names it has its time.
const SAME_TIME: Duration = Duration::from_secs(60);

/// What a file that is kept finds where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing; else it does not go there.
    Free,
    /// What it takes the place of, or nothing.
    Replaced,
}

impl Place {
    /// Moves the file there.
    fn fill(self, file: &Path, path: &Path) -> io::Result<()> {
        if self == Place::Replaced {
            return fs::rename(file, path);
        }
        match renameat_with(CWD, file, CWD, path, RenameFlags::NOREPLACE) {
            // A file system that knows no such rename: a link is never put in place of another.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::hard_link(file, path)?;
                fs::remove_file(file)
            }
            moved => Ok(moved?),
        }
    }
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| match e.kind() {
            // A file in its place; of a key, the same kind says that it is in use.
            io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
            _ => e,
        })
        .map_err(|e| named(e, path))
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(|e| named(e, path))
}

fn named(e: io::Error, path: &Path) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_reads_lists_and_removes() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        blobs.keep("0abc-m", b"octets").unwrap();
        assert_eq!(blobs.read("0abc-m").unwrap(), b"octets");
        assert_eq!(blobs.keys().unwrap(), ["0abc-m"]);
        blobs.remove("0abc-m").unwrap();
        blobs.remove("0abc-m").unwrap();
        assert_eq!(
            blobs.read("0abc-m").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn what_cannot_be_kept_leaves_nothing() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        // A file where its folder has to be.
        fs::write(state.path().join("blobs/-m"), b"in the way").unwrap();
        assert!(blobs.keep("0abc-m", b"octets").is_err());
        assert_eq!(fs::read_dir(blobs.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_that_is_in_use_is_not_taken_over() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let spooled = blobs.incoming().join("spooled");
        fs::write(&spooled, b"another mail").unwrap();
        blobs.keep("m-0abc", b"accepted").unwrap();
        let refused = blobs.keep_file("m-0abc", &spooled).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(blobs.read("m-0abc").unwrap(), b"accepted");
        blobs.keep_file("m-0abd", &spooled).unwrap();
        assert_eq!(blobs.read("m-0abd").unwrap(), b"another mail");
        assert_eq!(fs::read_dir(blobs.incoming()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_made_once_more_replaces_the_first_and_what_fails_does_not() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        blobs.keep("d-0abc", b"pages").unwrap();
        blobs.keep("d-0abc", b"pages, drawn again").unwrap();
        assert_eq!(blobs.read("d-0abc").unwrap(), b"pages, drawn again");
        // A folder where the file has to be written.
        fs::create_dir(blobs.incoming().join("d-0abc")).unwrap();
        assert!(blobs.keep("d-0abc", b"third").is_err());
        assert_eq!(blobs.read("d-0abc").unwrap(), b"pages, drawn again");
    }

    #[test]
    fn a_folder_that_was_taken_away_is_made_again() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let away = |name: &str| fs::remove_dir_all(state.path().join(name)).unwrap();
        blobs.keep("d-0abc", b"1").unwrap();
        away("blobs/bc");
        blobs.keep("d-1abc", b"2").unwrap();
        away("blobs");
        blobs.keep("d-2abc", b"3").unwrap();
        away("incoming");
        blobs.keep("d-3abc", b"4").unwrap();
        let mut keys = blobs.keys().unwrap();
        keys.sort();
        assert_eq!(keys, ["d-2abc", "d-3abc"]);
    }

    #[test]
    fn what_is_none_of_ours_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        blobs.keep("m-0abc", b"octets").unwrap();
        fs::write(state.path().join("blobs/README"), b"stray").unwrap();
        fs::write(state.path().join("blobs/xy"), b"stray").unwrap();
        fs::create_dir_all(state.path().join("blobs/lost+found/x")).unwrap();
        fs::create_dir(state.path().join("blobs/bc/bc")).unwrap();
        fs::create_dir(blobs.incoming().join("stray")).unwrap();
        assert_eq!(blobs.keys().unwrap(), ["m-0abc"]);
        blobs.clear_incoming().unwrap();
    }

    #[test]
    fn a_blob_is_lost_where_its_folder_is_there_without_it() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        let kept_at = fs::metadata(state.path()).unwrap().modified().unwrap();
        blobs.keep("m-0abc", b"octets").unwrap();
        assert!(!blobs.is_lost("m-0abc", kept_at));
        let (folder, elsewhere) = (state.path().join("blobs/bc"), state.path().join("bc"));
        fs::rename(&folder, &elsewhere).unwrap();
        assert!(!blobs.is_lost("m-0abc", kept_at), "its folder is away");
        blobs.keep("m-1abc", b"octets").unwrap();
        let long_before = kept_at - Duration::from_secs(3600);
        let is_known = fs::metadata(&folder).unwrap().created().is_ok();
        assert_eq!(
            blobs.is_lost("m-0abc", long_before),
            !is_known,
            "made again"
        );
        fs::remove_dir_all(&folder).unwrap();
        fs::rename(&elsewhere, &folder).unwrap();
        blobs.remove("m-0abc").unwrap();
        assert!(blobs.is_lost("m-0abc", kept_at));
    }

    #[test]
    fn what_was_never_kept_is_cleared() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        fs::write(blobs.incoming().join("half"), b"a mail nobody said 250 to").unwrap();
        blobs.clear_incoming().unwrap();
        assert_eq!(fs::read_dir(blobs.incoming()).unwrap().count(), 0);
    }
}
