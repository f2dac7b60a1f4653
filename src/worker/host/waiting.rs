//! Whether a child was slow, or was not let run: a machine with too much to do is not the document's fault.

use std::fs;

/// Whether the process `id`, of the last so many seconds, spent most waiting for a processor, or is stopped (SIGSTOP).
/// Where the kernel does not say, it was not.
pub(super) fn was_kept_waiting(id: u32, seconds: u64) -> bool {
    is_stopped(id)
        || waited_for_a_processor(id).is_some_and(|waited| waited > seconds * 1_000_000_000 / 2)
}

/// proc_pid_stat(5): the state behind the name, which may hold anything.
fn is_stopped(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

/// Nanoseconds on the run queue: the second figure of schedstat (Documentation/scheduler/sched-stats.rst).
fn waited_for_a_processor(id: u32) -> Option<u64> {
    let figures = fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?;
    figures.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn who_sleeps_waits_for_nothing_and_who_is_stopped_is_kept_waiting() {
        let child = Ended(Command::new("sleep").arg("60").spawn().unwrap());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!was_kept_waiting(child.0.id(), 1));
        let id = Pid::from_raw(child.0.id().cast_signed()).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(was_kept_waiting(child.0.id(), 1));
    }
}
