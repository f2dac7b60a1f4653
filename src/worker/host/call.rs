//! The running child of one call.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::time::timeout;

use super::super::mishaps::Kind;
use super::super::wire::{self, FromCall, StartCall, ToCall};
use super::frames::Frames;
use super::{Children, how_it_ended};
use crate::call::outcome::Outcome;

/// A call child that says nothing for this long hangs: it gives a sign of life every second, but for the 20 s that it
/// may wait for us to store a page.
const SILENCE: Duration = Duration::from_secs(30);

impl Children {
    /// Starts the child of one call and hands it its two sockets and, for a sender, the TIFF.
    ///
    /// # Errors
    /// When the process cannot be started (limits of the system) or its control socket cannot be made.
    pub async fn call(
        &self,
        mut start: StartCall,
        tiff: &[u8],
        rtp: &std::net::UdpSocket,
        udptl: &std::net::UdpSocket,
    ) -> io::Result<CallChild> {
        start.mishap = start.mishap.or_else(|| self.mishaps.next(Kind::Call));
        let (ours, theirs) = StdUnixStream::pair()?;
        let mut command = self.command("call");
        command
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null());
        let process = Children::spawn(command, "call")?;
        let frame = wire::encode(&ToCall::Start(start), tiff)?;
        let sent = wire::send_with_descriptors(&ours, &frame[..1], &[rtp.as_fd(), udptl.as_fd()])?;
        ours.set_nonblocking(true)?;
        let (from, mut to) = tokio::net::UnixStream::from_std(ours)?.into_split();
        // A child that does not read must not hold the call, its fax and its channel.
        timeout(SILENCE, to.write_all(&frame[sent..])).await??;
        Ok(CallChild {
            process,
            from: Frames::new(from),
            to: Some(to),
            done: false,
        })
    }
}

/// The running child of one call.
#[derive(Debug)]
pub struct CallChild {
    process: Child,
    from: Frames<OwnedReadHalf>,
    to: Option<OwnedWriteHalf>,
    done: bool,
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
        let frame = wire::encode(&message, &[]).expect("these messages always serialise");
        if let Some(to) = &mut self.to
            && to.write_all(&frame).await.is_err()
        {
            self.to = None;
        }
    }

    /// The next thing the child says, or how it died. After [`FromCall::Done`] or a death: `None`. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChildEvent> {
        loop {
            if self.done {
                return None;
            }
            match timeout(SILENCE, self.from.next()).await {
                Ok(Ok(Some((FromCall::Alive, _)))) => {}
                Ok(Ok(Some((message, blob)))) => {
                    self.done = matches!(message, FromCall::Done(_));
                    return Some(ChildEvent::Said(message, blob));
                }
                Ok(Ok(None)) => return Some(self.died().await),
                Ok(Err(e)) => {
                    return Some(
                        self.kill(Outcome::ChildCrashed, format!("said nonsense: {e}"))
                            .await,
                    );
                }
                Err(_) => {
                    let how = format!("said nothing for {} s", SILENCE.as_secs());
                    return Some(self.kill(Outcome::ChildHung, how).await);
                }
            }
        }
    }

    /// The child's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Dropped while it waits, it is asked again, and finds the same end: only then is the child done with.
    async fn died(&mut self) -> ChildEvent {
        match timeout(SILENCE, self.process.wait()).await {
            Ok(Ok(status)) => {
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
            _ => {
                self.kill(
                    Outcome::ChildHung,
                    "closed its control socket and did not end".to_owned(),
                )
                .await
            }
        }
    }

    async fn kill(&mut self, outcome: Outcome, how: String) -> ChildEvent {
        let _ = self.process.kill().await;
        self.done = true;
        ChildEvent::Died { outcome, how }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::worker::wire::FaxRole;

    fn start() -> StartCall {
        StartCall {
            role: FaxRole::Receiver,
            calling: false,
            ident: String::new(),
            pages: 0,
            ecm: true,
            max_bit_rate: 14400,
            sub_address: None,
            password: None,
            redundancy: 3,
            inactivity_seconds: 30,
            total_seconds: 60,
            mishap: None,
        }
    }

    /// A program that hears its order out, closes its ears, and takes its time to die.
    fn slow_to_die(folder: &std::path::Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let program = folder.join("child");
        let script = "#!/bin/sh\ntimeout 0.2 cat > /dev/null\nexec 0<&-\nexec sleep 0.3\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        program
    }

    #[tokio::test]
    async fn a_death_is_told_to_the_next_who_asks_if_the_first_did_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let mut children = Children::new(None, 60);
        children.program = slow_to_die(folder.path());
        let socket = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut child = loop {
            match children.call(start(), &[], &socket(), &socket()).await {
                // Another test forked while the script was still open for writing.
                Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy => {}
                child => break child.unwrap(),
            }
        };
        let told = async {
            loop {
                // As a select! does that has other things to hear.
                if let Ok(event) = timeout(Duration::from_millis(20), child.next()).await {
                    break event;
                }
            }
        };
        let told = timeout(Duration::from_secs(10), told).await.unwrap();
        assert!(matches!(told, Some(ChildEvent::Died { .. })), "{told:?}");
        assert!(child.next().await.is_none(), "and once only");
    }
}
