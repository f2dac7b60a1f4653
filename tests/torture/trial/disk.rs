//! A small file system for the state: it can be filled, and be made one that cannot be written.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Octets of it.
const SIZE: u64 = 256 << 20;

/// A mounted tmpfs; gone with this.
pub struct Disk {
    folder: TempDir,
    /// Folders of it that cannot be written now.
    read_only: RefCell<Vec<PathBuf>>,
}

impl Disk {
    /// Mounts it, which takes root; else what mount(8) says.
    pub fn mount() -> Result<Disk, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let options = format!("size={SIZE},mode=700");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path());
        run(&mut mount)?;
        Ok(Disk {
            folder,
            read_only: RefCell::default(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it but for so many octets.
    pub fn fill(&self, room: u64) {
        let mut filler = File::create(self.filler()).expect("an entry in a folder takes no room");
        while filler.write_all(&[0; 65536]).is_ok() {}
        let size = filler.metadata().expect("it is open").len();
        filler
            .set_len(size.saturating_sub(room))
            .expect("smaller is possible");
    }

    /// Nothing but the state is on it.
    pub fn make_room(&self) {
        if let Ok(filler) = OpenOptions::new().write(true).open(self.filler()) {
            filler.set_len(0).expect("smaller is possible");
        }
    }

    /// These folders of the state cannot be written from now on. A file system with files that are open for writing stays
    /// as it is; over the folder lies a mount of itself, read only, that whoever opens a path there comes to.
    pub fn read_only(&self, folders: &[&str]) {
        for folder in folders {
            let folder = self.path().join("state").join(folder);
            // A file that the daemon opens for writing between the two mounts keeps it from becoming read only.
            for _ in 0..20 {
                if !folder.exists() || over_itself(&folder).is_ok() {
                    break;
                }
            }
            self.read_only.borrow_mut().push(folder);
        }
    }

    /// All of it can be written.
    pub fn writable(&self) {
        for folder in self.read_only.borrow_mut().drain(..) {
            // It is no mount where it was not there, or never became one.
            let _ = unmount(&folder);
        }
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.writable();
        let _ = unmount(self.path());
    }
}

/// Mounts a folder over itself, read only; or not at all.
fn over_itself(folder: &Path) -> Result<(), String> {
    run(Command::new("mount").arg("--bind").args([folder, folder]))?;
    let mut read_only = Command::new("mount");
    read_only.args(["-o", "remount,bind,ro"]).arg(folder);
    run(&mut read_only).inspect_err(|_| drop(unmount(folder)))
}

/// Lazily: somebody may have a file open there.
fn unmount(folder: &Path) -> Result<(), String> {
    run(Command::new("umount").arg("-l").arg(folder))
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|e| e.to_string())?;
    match done.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
    }
}
