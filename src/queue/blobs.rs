//! Large octets beside the database: files named by key, durable before any row names them.
//!
//! The three calls (keep, read, remove) are what an object store would have to offer in their place.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

    /// Removes what never became a blob. Nobody was told yes for any of it.
    ///
    /// # Errors
    /// As the file system says.
    pub fn clear_incoming(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.incoming)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Keeps octets under `key`. On return they are durable: written, fsynced, renamed, folder fsynced.
    ///
    /// # Errors
    /// As the file system says (`StorageFull` among them), with the path; then nothing is kept.
    pub fn keep(&self, key: &str, octets: &[u8]) -> io::Result<()> {
        let temporary = self.incoming.join(key);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(octets));
        if let Err(e) = written {
            let _ = fs::remove_file(&temporary);
            return Err(named(e, &temporary));
        }
        self.keep_file(key, &temporary)
    }

    /// Keeps a complete file from [`Blobs::incoming`] under `key`; durable on return.
    ///
    /// # Errors
    /// As [`Blobs::keep`]: the file is gone, too, so that a full disk is not filled up by those who try.
    pub fn keep_file(&self, key: &str, file: &Path) -> io::Result<()> {
        let place = self.folder(key).join(key);
        self.take_in(file, &place).inspect_err(|_| {
            // It is in one of the two places, depending on how far it came.
            let _ = fs::remove_file(file);
            let _ = self.remove(key);
        })
    }

    /// The file gets its place first, and then everything is made durable: where one commit of the file system's journal
    /// holds the octets and the names, what is synced behind it costs nothing. A crash between leaves a blob that no
    /// row names, which the next start sweeps.
    fn take_in(&self, file: &Path, place: &Path) -> io::Result<()> {
        let folder = place.parent().expect("a key lies in a folder");
        let open = File::open(file).map_err(|e| named(e, file))?;
        let is_synced = self.synced().contains(folder);
        if !is_synced {
            make_folder(folder)?;
        }
        seal::seal(&open).map_err(|e| named(e, file))?;
        fs::rename(file, place).map_err(|e| named(e, place))?;
        open.sync_all().map_err(|e| named(e, place))?;
        sync_folder(folder)?;
        if !is_synced {
            // That the folder is there proves nothing: whoever made it may have died, or be on its way to the sync.
            sync_folder(&self.root)?;
            self.synced().insert(folder.to_owned());
        }
        Ok(())
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
    pub fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            for entry in fs::read_dir(folder?.path())? {
                keys.push(entry?.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(keys)
    }

    fn folder(&self, key: &str) -> PathBuf {
        self.root.join(&key[key.len().saturating_sub(2)..])
    }
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
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
    fn what_was_never_kept_is_cleared() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(state.path()).unwrap();
        fs::write(blobs.incoming().join("half"), b"a mail nobody said 250 to").unwrap();
        blobs.clear_incoming().unwrap();
        assert_eq!(fs::read_dir(blobs.incoming()).unwrap().count(), 0);
    }
}
