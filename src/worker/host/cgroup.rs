//! A control group for each converter (cgroups(7), version 2), where the service manager delegated the service's own to it:
//! `Delegate=` in the unit. The kernel then limits its processes and their memory, and ends all of them at once.
//!
//! Where there is none, the supervisor in [`super::bounds`] counts; the size of the folder is its matter in any case.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::getxattr;

/// The attribute by which systemd marks a delegated group (251 and later).
const DELEGATED: &str = "user.delegate";

/// Ours while the daemon runs: a group with processes of its own can have no controllers for its children
/// (cgroups(7), "no internal processes").
const DAEMON: &str = "daemon";

/// The group of the service, which belongs to us.
#[derive(Debug)]
pub struct ServiceGroup {
    path: PathBuf,
    made: AtomicU64,
}

impl ServiceGroup {
    /// Moves this process into a group below the service's, if that one was delegated; `None` where it was not, and
    /// where it has no pids controller.
    pub fn claim() -> Option<ServiceGroup> {
        let path = own_group(
            &fs::read_to_string("/proc/self/cgroup").ok()?,
            &fs::read_to_string("/proc/self/mountinfo").ok()?,
        )?;
        let mut mark = [0; 1];
        if getxattr(&path, DELEGATED, &mut mark).ok()? != 1 || mark != *b"1" {
            return None;
        }
        let claimed = move_to(&path.join(DAEMON)).and_then(|()| ServiceGroup::new(path));
        claimed
            .inspect_err(|e| tracing::warn!("no control groups for converters: {e}"))
            .ok()
    }

    /// A group in which there is no process, and whose groups get limits.
    ///
    /// # Errors
    /// Those of the file system: there is no pids controller, processes are in the group, it is not ours.
    pub fn new(path: PathBuf) -> io::Result<ServiceGroup> {
        let control = path.join("cgroup.subtree_control");
        fs::write(&control, "+pids")?;
        if let Err(e) = fs::write(&control, "+memory") {
            tracing::warn!("control groups of converters have no limit on memory: {e}");
        }
        Ok(ServiceGroup {
            path,
            made: AtomicU64::new(0),
        })
    }

    /// A group for one converter: so many processes, so many megabytes in all.
    pub(super) fn make(&self, processes: usize, memory_mb: u64) -> io::Result<ConverterGroup> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("converter-{number}"));
        fs::create_dir(&path)?;
        let group = ConverterGroup { path, memory_mb };
        fs::write(group.path.join("pids.max"), processes.to_string())?;
        let memory = group.path.join("memory.max");
        if memory.exists() {
            fs::write(memory, (memory_mb << 20).to_string())?;
            // The death of one is the end of all: what is left of a converter would hang.
            fs::write(group.path.join("memory.oom.group"), "1")?;
            let swap = group.path.join("memory.swap.max");
            if swap.exists() {
                fs::write(swap, "0")?;
            }
        }
        Ok(group)
    }
}

/// The group of one converter: its processes end with it.
#[derive(Debug)]
pub(super) struct ConverterGroup {
    path: PathBuf,
    memory_mb: u64,
}

impl ConverterGroup {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The limit that the processes met, as half a sentence; `None` if they met none.
    pub(super) fn exceeded(&self, processes: usize) -> Option<String> {
        if self.count("pids.events", "max") > 0 {
            return Some(format!("it started more than {processes} processes"));
        }
        let killed = self.count("memory.events", "oom_kill") > 0;
        killed.then(|| format!("it used more than {} MB of memory", self.memory_mb))
    }

    fn count(&self, file: &str, key: &str) -> u64 {
        let events = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let line = events.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for ConverterGroup {
    fn drop(&mut self) {
        /// How long the kernel may take to end them all.
        const TRIES: u32 = 100;
        const PAUSE: Duration = Duration::from_millis(20);
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        if fs::remove_dir(&self.path).is_ok() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        std::thread::spawn(move || {
            for _ in 0..TRIES {
                std::thread::sleep(PAUSE);
                if fs::remove_dir(&path).is_ok() {
                    return;
                }
            }
            tracing::warn!("the control group {} stays", path.display());
        });
    }
}

/// Moves the calling process into a group, which is made if it is missing.
///
/// # Errors
/// Those of the file system.
pub fn move_to(group: &Path) -> io::Result<()> {
    if !group.is_dir() {
        fs::create_dir(group)?;
    }
    // 0 stands for the process that writes.
    fs::write(group.join("cgroup.procs"), "0")
}

/// The folder of the group that a process is in, by its /proc/self/cgroup and mountinfo.
fn own_group(cgroup: &str, mountinfo: &str) -> Option<PathBuf> {
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        if file_system.split(' ').next()? != "cgroup2" {
            return None;
        }
        // proc_pid_mountinfo(5): id, parent, device, root in that file system, where it is mounted.
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::own_group;

    #[test]
    fn the_group_of_a_process_is_found() {
        let mounts = "24 1 0:22 / /proc rw - proc proc rw\n\
            30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let service = "0::/system.slice/postfax.service\n";
        let found = |cgroup, mounts| {
            own_group(cgroup, mounts).map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(
            found(service, mounts).as_deref(),
            Some("/sys/fs/cgroup/system.slice/postfax.service")
        );
        // A machine that still has version 1 beside it.
        let hybrid = format!("9:pids:/system.slice/postfax.service\n{service}");
        let both = "31 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            found(&hybrid, both).as_deref(),
            Some("/sys/fs/cgroup/unified/system.slice/postfax.service")
        );
        // A container that sees a part of the tree only.
        let part = "30 23 0:26 /system.slice /sys/fs/cgroup rw master:2 - cgroup2 cgroup rw\n";
        assert_eq!(
            found(service, part).as_deref(),
            Some("/sys/fs/cgroup/postfax.service")
        );
        assert_eq!(found("9:pids:/\n", mounts), None);
        assert_eq!(
            found(service, "24 1 0:22 / /proc rw - proc proc rw\n"),
            None
        );
        assert_eq!(found("0::/\n", part), None);
    }
}
