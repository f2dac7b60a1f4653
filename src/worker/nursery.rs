//! The nursery of the call processes: forks one for each call, without exec, and sees them to their graves.
//!
//! Takes over: a request from the daemon, one octet and two descriptors, for a process that will serve one call.
//! Promises: the process is a fork of a nursery that never met a stranger's byte; the daemon gets a handle on it that
//! no later process can inherit (pidfd), and hears how it ended.
//! When it dies: the calls in progress go on, each on a control channel of its own; only how their processes end is
//! then unknown. The daemon starts another one for the next call. When the daemon dies, the nursery takes no more
//! requests, and ends with the last of its children.
//!
//! Why not exec: a call's own memory is its terminal, half a megabyte. Loading a program of 30 MB for it, with its
//! relocations and its start, costs several times that, and more CPU than the fax.
//!
//! What forks share: the places of everything in memory (ASLR), stack protector and hash keys are those of the
//! nursery. Who crashes a call could learn something for the next one. So a nursery one of whose children crashed gets
//! no further request, and the next call is forked by a new one, with other places. What a call chooses at random is
//! seeded anew in each (`reseed`). Nothing else is there to be found: no environment, no descriptor but those that
//! are handed over, and no memory of another call, for the nursery has none itself.

mod letters;

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use fork::Fork;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use super::call;
pub(super) use letters::{Birth, FromNursery, receive, send};

/// What a child is called in `ps` and `top`.
const NAME: &std::ffi::CStr = c"postfax-call";

/// Nanoseconds by which a child may sleep too long: those that are due in this time wake up together, which with many
/// calls saves a quarter of the CPU. To a page it is nothing: a far end must bear far more from the network.
const SLACK: NonZeroU64 = NonZeroU64::new(4_000_000).expect("it is not zero");

/// Runs the hidden command `postfax worker nursery`: requests come over standard input.
pub fn run() -> ExitCode {
    match Nursery::open().and_then(Nursery::tend) {
        // This is the child, and nothing of the nursery is left in it.
        Ok(Some(infant)) => infant.live(),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The process that forks.
struct Nursery {
    daemon: OwnedFd,
    /// Whether requests may still come.
    open: bool,
    children: Vec<Child>,
}

struct Child {
    birth: u64,
    handle: OwnedFd,
}

/// What a new process was handed.
struct Infant {
    control: OwnedFd,
    complaints: OwnedFd,
}

impl Nursery {
    fn open() -> io::Result<Nursery> {
        call::warm_up();
        // Handed down to every child.
        rustix::thread::set_current_timer_slack(Some(SLACK))?;
        Ok(Nursery {
            daemon: io::stdin().as_fd().try_clone_to_owned()?,
            open: true,
            children: Vec::new(),
        })
    }

    /// Forks and buries until there is nothing left to do. `Some` is returned in each child, with nothing else of the
    /// nursery left open there.
    fn tend(mut self) -> io::Result<Option<Infant>> {
        while self.open || !self.children.is_empty() {
            let asked = self.wait()?;
            self.bury();
            if asked && let Some(infant) = self.next_request()? {
                return Ok(Some(infant));
            }
        }
        Ok(None)
    }

    /// Sleeps until a request comes or a child ends; true for a request.
    fn wait(&self) -> io::Result<bool> {
        let handles = self.children.iter().map(|child| &child.handle);
        let daemon = self.open.then_some(&self.daemon);
        let mut fds: Vec<PollFd<'_>> = handles
            .chain(daemon)
            .map(|fd| PollFd::new(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        let last = fds.last().filter(|_| self.open);
        Ok(last.is_some_and(|fd| !fd.revents().is_empty()))
    }

    /// Takes note of who has died, and tells.
    fn bury(&mut self) {
        let daemon = &self.daemon;
        self.children.retain(|child| {
            let id = WaitId::PidFd(child.handle.as_fd());
            match waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(None) => true,
                Ok(Some(status)) => {
                    let death = FromNursery::Died {
                        birth: child.birth,
                        signal: status.terminating_signal(),
                        code: status.exit_status(),
                    };
                    // A daemon that is gone needs no news.
                    let _ = send(daemon, &death, &[]);
                    false
                }
                Err(_) => false,
            }
        });
    }

    /// Reads a request and forks. `Some` in the child.
    fn next_request(&mut self) -> io::Result<Option<Infant>> {
        let Some((Birth { birth }, fds)) = receive(&self.daemon)? else {
            self.open = false;
            return Ok(None);
        };
        let told = match self.fork(fds) {
            Ok(Forked::Child(infant)) => return Ok(Some(infant)),
            Ok(Forked::Parent(pid, handle)) => {
                let told = send(
                    &self.daemon,
                    &FromNursery::Born {
                        birth,
                        pid: pid.as_raw_pid().cast_unsigned(),
                    },
                    &[handle.as_fd()],
                );
                self.children.push(Child { birth, handle });
                told
            }
            Err(e) => {
                let why = e.to_string();
                send(&self.daemon, &FromNursery::NotBorn { birth, why }, &[])
            }
        };
        if told.is_err() {
            self.open = false;
        }
        Ok(None)
    }

    fn fork(&mut self, fds: Vec<OwnedFd>) -> io::Result<Forked> {
        let [control, complaints] = <[OwnedFd; 2]>::try_from(fds)
            .map_err(|_| io::Error::other("control and complaints must come with a request"))?;
        if threads()? != 1 {
            return Err(io::Error::other("a nursery with threads must not fork"));
        }
        match fork::fork()? {
            Fork::Child => Ok(Forked::Child(Infant {
                control,
                complaints,
            })),
            Fork::Parent(pid) => {
                let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process"))?;
                // Nobody else waits for it, so the number is still its own.
                Ok(Forked::Parent(pid, pidfd_open(pid, PidfdFlags::empty())?))
            }
        }
    }
}

enum Forked {
    Parent(Pid, OwnedFd),
    Child(Infant),
}

impl Infant {
    /// Takes the place of the nursery's standard streams, and serves its call.
    fn live(self) -> ExitCode {
        let moved = || -> io::Result<()> {
            rustix::stdio::dup2_stdin(&self.control)?;
            rustix::stdio::dup2_stderr(&self.complaints)?;
            rustix::thread::set_name(NAME)?;
            reseed()
        };
        if let Err(error) = moved() {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        drop(self);
        call::run()
    }
}

/// A fork has its parent's chances: without this, every call would begin with the same RTP source and time.
fn reseed() -> io::Result<()> {
    let mut seed = [0; 8];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())?;
    fastrand::seed(u64::from_ne_bytes(seed));
    Ok(())
}

/// How many threads this process has. Forking beside others would leave their locks locked for ever in the child.
fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_with_threads_does_not_fork() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut nursery = Nursery {
            daemon: ours.try_clone().unwrap().into(),
            open: true,
            children: Vec::new(),
        };
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        let forked = nursery.fork(vec![ours.into(), theirs.into()]);
        let error = forked.err().expect("it did not fork").to_string();
        assert_eq!(error, "a nursery with threads must not fork");
        drop(stop);
        other.join().unwrap().unwrap_err();
    }
}
