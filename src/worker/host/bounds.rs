//! How many processes a converter has, and what its folder takes: looked at ten times a second.
//!
//! Limits of a process do not do it: `RLIMIT_NPROC` counts all processes of the user, and `RLIMIT_FSIZE` one file. Where there
//! are control groups, they count the processes first ([`super::cgroup`]).

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(100);

/// Bytes that an entry of a folder counts for, however short: names and inodes take room, too.
const ENTRY: u64 = 4096;

/// What the processes of one converter may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Processes at a time.
    pub processes: usize,
    /// Megabytes of its folder, files that it removed and still has open included.
    pub folder_mb: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            processes: 64,
            folder_mb: 256,
        }
    }
}

/// Returns when the process group, whose folder that is, takes more than it may: half a sentence that says of what.
pub(super) async fn exceeded(group: Pid, folder: &Path, bounds: Bounds) -> String {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let folder = folder.to_owned();
        let look = tokio::task::spawn_blocking(move || look(group, &folder, bounds));
        // A look that could not be had says nothing.
        if let Ok(Some(how)) = look.await {
            return how;
        }
    }
}

fn look(group: Pid, folder: &Path, bounds: Bounds) -> Option<String> {
    let members = members(group);
    if members.len() > bounds.processes {
        return Some(format!(
            "it started more than {} processes",
            bounds.processes
        ));
    }
    let most = bounds.folder_mb << 20;
    let mut taken = below(folder, most);
    if taken <= most {
        taken += removed(&members, folder, most);
    }
    (taken > most).then(|| format!("it wrote more than {} MB", bounds.folder_mb))
}

/// The processes of a group.
fn members(group: Pid) -> Vec<Pid> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(Pid::from_raw)
        .filter(|pid| group_of(*pid) == Some(group.as_raw_pid()))
        .collect()
}

/// The fifth field of proc_pid_stat(5); the second, the name, may hold spaces. getpgid(2) as rustix has it takes the group
/// of kernel threads, 0, for an error of ours.
fn group_of(pid: Pid) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    behind_the_name
        .split_ascii_whitespace()
        .nth(2)?
        .parse()
        .ok()
}

/// Bytes that the files below a folder take on the disk; counts no further once they are more than `most`.
fn below(folder: &Path, most: u64) -> u64 {
    let (mut taken, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            }
            taken += on_disk(&data);
            if taken > most {
                return taken;
            }
        }
    }
    taken
}

/// Bytes of files that these processes have open or mapped below `folder`, and that no folder names any more. One that is
/// only mapped has no length that could be asked for: it counts as the largest that may be written, which is `most`.
fn removed(members: &[Pid], folder: &Path, most: u64) -> u64 {
    let (mut seen, mut taken) = (HashSet::new(), 0);
    for pid in members {
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_pid()));
        for open in fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            // Follows the link to the file, whatever its name was.
            let Ok(data) = fs::metadata(open.path()) else {
                continue;
            };
            let is_ours = || fs::read_link(open.path()).is_ok_and(|name| name.starts_with(folder));
            if data.is_file()
                && data.nlink() == 0
                && seen.insert((data.dev(), data.ino()))
                && is_ours()
            {
                taken += on_disk(&data);
            }
        }
        let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
        for line in maps.lines().filter(|line| line.ends_with(" (deleted)")) {
            let name = line.find('/').map(|at| Path::new(&line[at..]));
            let inode = line
                .split_ascii_whitespace()
                .nth(4)
                .and_then(|inode| inode.parse::<u64>().ok());
            let (Some(name), Some(inode)) = (name, inode) else {
                continue;
            };
            let is_open = seen.iter().any(|(_, open)| *open == inode);
            if name.starts_with(folder) && !is_open {
                taken += most + 1;
            }
        }
    }
    taken
}

fn on_disk(data: &fs::Metadata) -> u64 {
    /// Bytes (stat(2)).
    const BLOCK: u64 = 512;
    ENTRY.max(data.blocks() * BLOCK)
}
