//! The running child of one call.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout_at;

use super::super::mishaps::Kind;
use super::super::stall::{RunningTime, WORTH_A_WORD, timeout};
use super::super::wire::{self, FromCall, StartCall, ToCall};
use super::frames::Frames;
use super::nursery::Infant;
use super::{Children, how_it_ended};
use crate::call::outcome::Outcome;

/// A call child that says nothing for this long hangs: it gives a sign of life every five seconds. Sooner than the far
/// end is blamed for the silence. As all times here, it counts only while this process runs.
const SILENCE: Duration = Duration::from_secs(11);
/// The same until it is ready.
const READY: Duration = Duration::from_secs(10);
/// The same while it waits for us: 20 s for a page to be stored, or all of its start.
const PATIENCE: Duration = Duration::from_secs(30);

impl Children {
    /// Starts the child of one call and hands it its two sockets and, for a sender, the TIFF and the file in which it
    /// notes what is confirmed.
    ///
    /// # Errors
    /// When the process cannot be started (limits of the system) or its control socket cannot be made.
    pub async fn call(
        &self,
        mut start: StartCall,
        tiff: &[u8],
        rtp: &std::net::UdpSocket,
        udptl: &std::net::UdpSocket,
        file: Option<&std::fs::File>,
    ) -> io::Result<CallChild> {
        start.mishap = start.mishap.or_else(|| self.mishaps.next(Kind::Call));
        let (ours, theirs) = StdUnixStream::pair()?;
        // A nursery that hangs must not hold the call either.
        let process = timeout(PATIENCE, self.infant(OwnedFd::from(theirs))).await??;
        let frame = wire::encode(&ToCall::Start(start), tiff)?;
        let sockets = [rtp.as_fd(), udptl.as_fd()].into_iter();
        let descriptors: Vec<_> = sockets.chain(file.map(AsFd::as_fd)).collect();
        let sent = wire::send_with_descriptors(&ours, &frame[..1], &descriptors)?;
        ours.set_nonblocking(true)?;
        let (from, mut to) = tokio::net::UnixStream::from_std(ours)?.into_split();
        // A child that does not read must not hold the call, its fax and its channel.
        timeout(PATIENCE, to.write_all(&frame[sent..])).await??;
        Ok(CallChild {
            process,
            from: Frames::new(from),
            to: Some(to),
            ready: false,
            waits: false,
            done: false,
            silence: RunningTime::new(Instant::now()),
            stalled: Stalled::default(),
        })
    }
}

/// For how long somebody stood still in a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stalled {
    /// This process.
    pub daemon: Duration,
    /// The child, by its own report.
    pub child: Duration,
}

/// The running child of one call.
#[derive(Debug)]
pub struct CallChild {
    process: Infant,
    from: Frames<OwnedReadHalf>,
    to: Option<OwnedWriteHalf>,
    ready: bool,
    /// For us to store what it told.
    waits: bool,
    done: bool,
    /// Since it said something.
    silence: RunningTime,
    stalled: Stalled,
}

/// What comes from a call child.
#[derive(Debug)]
pub enum ChildEvent {
    /// It said something; the octets are the frame's blob.
    Said(FromCall, Vec<u8>),
    /// It ended without [`FromCall::Done`].
    Died {
        /// [`Outcome::ChildCrashed`] or [`Outcome::ChildHung`].
        outcome: Outcome,
        /// "crashed (signal 6)".
        how: String,
    },
}

impl CallChild {
    /// Tells the child something. A child that is gone shows in [`CallChild::next`], not here.
    pub async fn send(&mut self, message: ToCall) {
        if matches!(
            message,
            ToCall::Stored | ToCall::StoredAndEnough | ToCall::NotStored
        ) {
            self.waits = false;
        }
        let frame = wire::encode(&message, &[]).expect("these messages always serialise");
        if let Some(to) = &mut self.to
            && to.write_all(&frame).await.is_err()
        {
            self.to = None;
        }
    }

    /// The next thing the child says, or how it died. After [`FromCall::Done`] or a death: `None`. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChildEvent> {
        if self.done {
            return None;
        }
        loop {
            let look = self.silence.next_look().into();
            let said = timeout_at(look, self.from.next()).await;
            self.look();
            match said {
                Ok(Ok(Some((message, blob)))) => return Some(self.said(message, blob)),
                Ok(Ok(None)) => return Some(self.died().await),
                Ok(Err(e)) => {
                    let how = format!("said nonsense: {e}");
                    return Some(self.kill(Outcome::ChildCrashed, how));
                }
                Err(_) if self.silence.ran() < self.patience() => {}
                Err(_) => {
                    // Nothing is judged that was not read.
                    if let Some(event) = self.already() {
                        return Some(event);
                    }
                    let how = format!("said nothing for {} s", self.patience().as_secs());
                    return Some(self.kill(Outcome::ChildHung, how));
                }
            }
        }
    }

    /// What the child has said and nobody has read yet; does not wait.
    pub fn already(&mut self) -> Option<ChildEvent> {
        if self.done {
            return None;
        }
        let (message, blob) = self.from.already()?;
        Some(self.said(message, blob))
    }

    /// Looks at the clock: true if this process stood still since the last look, so that nobody can be blamed for his
    /// silence yet.
    pub fn look(&mut self) -> bool {
        let stall = self.silence.look(Instant::now());
        if let Some(stall) = stall.filter(|it| *it >= WORTH_A_WORD) {
            self.stalled.daemon += stall;
        }
        stall.is_some()
    }

    /// For how long somebody stood still in this call.
    pub fn stalled(&self) -> Stalled {
        self.stalled
    }

    fn said(&mut self, message: FromCall, blob: Vec<u8>) -> ChildEvent {
        self.silence.restart(Instant::now());
        match &message {
            FromCall::Ready => self.ready = true,
            FromCall::PageReceived { .. } | FromCall::LastPageLeaving { .. } => self.waits = true,
            FromCall::Done(done) => {
                self.done = true;
                self.stalled.child = Duration::from_secs(done.stood_still.into());
            }
            _ => {}
        }
        ChildEvent::Said(message, blob)
    }

    fn patience(&self) -> Duration {
        match (self.ready, self.waits) {
            (false, _) => READY,
            (true, false) => SILENCE,
            (true, true) => PATIENCE,
        }
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.process.pid
    }

    /// Dropped while it waits, it is asked again, and finds the same end: only then is the child done with.
    async fn died(&mut self) -> ChildEvent {
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(Some(status)) => {
                self.done = true;
                let outcome = match status.signal() {
                    Some(libc::SIGXCPU) => Outcome::ChildHung,
                    _ => Outcome::ChildCrashed,
                };
                ChildEvent::Died {
                    outcome,
                    how: how_it_ended(status),
                }
            }
            Ok(None) => {
                let how = "ended, and so did the nursery that would know how";
                self.kill(Outcome::ChildCrashed, how.to_owned())
            }
            Err(_) => {
                let how = "closed its control socket and did not end";
                self.kill(Outcome::ChildHung, how.to_owned())
            }
        }
    }

    fn kill(&mut self, outcome: Outcome, how: String) -> ChildEvent {
        self.process.kill();
        self.done = true;
        ChildEvent::Died { outcome, how }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, ExitStatus};

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// A call whose process has closed its control channel, and still runs; and the nursery's voice.
    fn hung_up() -> (CallChild, Child, oneshot::Sender<ExitStatus>) {
        let process = Command::new("sleep").arg("60").spawn().unwrap();
        let (infant, died) = Infant::adopted(&process);
        let (ours, _) = tokio::net::UnixStream::pair().unwrap();
        let (from, to) = ours.into_split();
        let child = CallChild {
            process: infant,
            from: Frames::new(from),
            to: Some(to),
            ready: true,
            waits: false,
            done: false,
            silence: RunningTime::new(Instant::now()),
            stalled: Stalled::default(),
        };
        (child, process, died)
    }

    #[tokio::test]
    async fn a_death_is_told_to_the_next_who_asks_if_the_first_did_not_wait() {
        let (mut child, mut process, died) = hung_up();
        for _ in 0..3 {
            // As a select! does that has other things to hear.
            let told = timeout(Duration::from_millis(20), child.next()).await;
            assert!(told.is_err(), "{told:?}");
        }
        died.send(ExitStatus::from_raw(libc::SIGXCPU)).unwrap();
        let Some(ChildEvent::Died { outcome, how }) = child.next().await else {
            panic!("nothing was told");
        };
        assert_eq!(outcome, Outcome::ChildHung);
        assert_eq!(how, "used up its CPU time");
        assert!(child.next().await.is_none(), "and once only");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_whose_nursery_is_gone_is_ended_when_its_call_is() {
        let (mut child, mut process, died) = hung_up();
        drop(died);
        let told = child.next().await;
        assert!(
            matches!(&told, Some(ChildEvent::Died { outcome: Outcome::ChildCrashed, how }) if how.contains("nursery")),
            "{told:?}"
        );
        assert_eq!(process.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_takes_its_process_with_it() {
        let (child, mut process, _died) = hung_up();
        drop(child);
        assert_eq!(process.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
