//! The control channel to the daemon: frames both ways over one unix stream socket.
//!
//! A daemon that stands still is waited for: what it does not read yet is kept here, and nothing that was reported is
//! lost. Only one that is gone is gone.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::super::wire::{self, FromCall, ToCall};

/// How long the daemon may take to store a page. The far end asks three times at 3 s intervals (T.30 T4), so
/// a later answer is of no use.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a far end waits behind a page for what follows it, at least (T.30 T2 is 6 s, give or take one). One that was
/// kept waiting for longer has given the page up: what is sent to it then is not confirmed, and only looks as if it might
/// have been.
pub(super) const T2: Duration = Duration::from_secs(5);

/// How long a child that is done waits for the daemon to read its report.
const LAST_REPORT: Duration = Duration::from_secs(600);

/// Why the daemon's word did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unheld {
    /// It could not store what it was told, or is gone.
    NotStored,
    /// The far end waits no longer.
    TooLate,
}

pub(super) struct Control {
    socket: UnixStream,
    inbox: Vec<u8>,
    /// What the socket has no room for yet.
    outbox: Vec<u8>,
    /// What came while we waited for something else.
    later: VecDeque<ToCall>,
    gone: bool,
    /// Time spent in [`Control::hold`], until it is taken.
    held: Duration,
}

impl Control {
    /// Takes a blocking socket.
    pub(super) fn new(socket: UnixStream) -> io::Result<Control> {
        Ok(Control {
            socket,
            inbox: Vec::new(),
            outbox: Vec::new(),
            later: VecDeque::new(),
            gone: false,
            held: Duration::ZERO,
        })
    }

    /// Whether the daemon is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether something was read that [`Control::poll`] has not handed out.
    pub(super) fn has_more(&self) -> bool {
        !self.later.is_empty() || !self.inbox.is_empty()
    }

    pub(super) fn send(&mut self, message: &FromCall, blob: &[u8]) {
        // What only says that we live, and how far we are, is worth nothing later.
        let passes = matches!(message, FromCall::Alive | FromCall::Progress { .. });
        if passes && !self.outbox.is_empty() {
            self.flush();
            return;
        }
        match wire::encode(message, blob) {
            Ok(frame) => self.outbox.extend_from_slice(&frame),
            Err(_) => self.gone = true,
        }
        self.flush();
    }

    /// Sends what there is room for.
    fn flush(&mut self) {
        while !self.gone && !self.outbox.is_empty() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match send(&self.socket, &self.outbox, flags) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.gone = true,
            }
        }
    }

    /// Waits until the daemon has room for all that was said, or is gone.
    pub(super) fn finish(&mut self) {
        let deadline = Instant::now() + LAST_REPORT;
        self.flush();
        while !self.gone && !self.outbox.is_empty() && self.wait(deadline).is_ok() {
            self.flush();
            self.drop_what_comes();
        }
    }

    /// Reads on, so that the end of the daemon is noticed.
    fn drop_what_comes(&mut self) {
        while self.receive().is_some() {}
    }

    /// The next message, if there is one; does not wait.
    pub(super) fn poll(&mut self) -> Option<ToCall> {
        self.flush();
        self.later.pop_front().or_else(|| self.receive())
    }

    /// Tells the daemon and waits until it has stored what it was told. Whether another document may follow.
    pub(super) fn hold(&mut self, message: &FromCall, blob: &[u8]) -> Result<bool, Unheld> {
        let patience = match message {
            FromCall::LastPageLeaving { .. } => T2,
            _ => PATIENCE,
        };
        let began = Instant::now();
        self.send(message, blob);
        let answer = self.wait_for_answer(began + patience);
        let held = began.elapsed();
        self.held += held;
        // The answer may lie there all the same, where this process stood still meanwhile.
        let is_late = patience == T2 && held > T2;
        match is_late && !self.gone {
            true => Err(Unheld::TooLate),
            false => answer,
        }
    }

    /// How long the terminal was held, each time told once.
    pub(super) fn take_held(&mut self) -> Duration {
        std::mem::take(&mut self.held)
    }

    fn wait_for_answer(&mut self, deadline: Instant) -> Result<bool, Unheld> {
        while !self.gone {
            self.flush();
            match self.receive() {
                Some(ToCall::Stored) => return Ok(true),
                Some(ToCall::StoredAndEnough) => return Ok(false),
                Some(ToCall::NotStored) => return Err(Unheld::NotStored),
                Some(other) => self.later.push_back(other),
                None => self.wait(deadline)?,
            }
        }
        Err(Unheld::NotStored)
    }

    fn wait(&self, deadline: Instant) -> Result<(), Unheld> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unheld::TooLate);
        }
        let timeout = left.try_into().map_err(|_| Unheld::TooLate)?;
        let writes = match self.outbox.is_empty() {
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN | writes)];
        // An interrupted wait is tried again by the caller.
        let _ = poll(&mut fds, Some(&timeout));
        Ok(())
    }

    /// One message from the socket; an end or a broken frame means that the daemon is gone.
    fn receive(&mut self) -> Option<ToCall> {
        loop {
            match wire::take_frame(&mut self.inbox) {
                Ok(Some((message, _))) => return Some(message),
                Ok(None) => {}
                Err(_) => self.gone = true,
            }
            if self.gone || !self.fill() {
                return None;
            }
        }
    }

    /// Reads what is there; false when nothing is.
    fn fill(&mut self) -> bool {
        let mut chunk = [0u8; 4096];
        match recv(&self.socket, &mut chunk, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => {
                self.gone = true;
                false
            }
            Ok((_, len)) => {
                self.inbox.extend_from_slice(&chunk[..len]);
                true
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => false,
            Err(_) => {
                self.gone = true;
                false
            }
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
