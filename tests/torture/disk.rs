//! A small file system for the state: it can be filled, and be made one that cannot be written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Octets of it.
const SIZE: u64 = 256 << 20;

/// A mounted tmpfs; gone with this.
pub struct Disk(TempDir);

impl Disk {
    /// Mounts it, which takes root.
    pub fn mount() -> Disk {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={SIZE},mode=700");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path());
        run(&mut mount);
        Disk(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
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

    /// Whether its folders can be written. The database is open for writing, so that the file system as a whole stays as it
    /// is; over the folders of blobs lies a mount of themselves, read only, that whoever opens a path there comes to.
    pub fn read_only(&self, read_only: bool) {
        for folder in ["incoming", "blobs"] {
            let folder = self.path().join("state").join(folder);
            if read_only && folder.exists() {
                run(Command::new("mount").arg("--bind").args([&folder, &folder]));
                run(Command::new("mount")
                    .args(["-o", "remount,bind,ro"])
                    .arg(&folder));
            } else if !read_only {
                // It is no mount where it was writable.
                let _ = Command::new("umount").arg("-l").arg(&folder).output();
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.read_only(false);
        run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) {
    let done = command.output().expect("mount(8) is there");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "it takes root to mount a small disk: {said}"
    );
}
