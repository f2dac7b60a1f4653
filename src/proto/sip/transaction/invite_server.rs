use std::time::{Duration, Instant};

use super::super::timers::Timers;
use super::{Event, PATIENCE, T1, T4};

/// RFC 3261 17.2.1, table 4; L of RFC 6026 8.7. The 100 is sent at once, so there is no timer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// Retransmit the refusal.
    G,
    /// No ACK came.
    H,
    /// Absorb repeated ACKs.
    I,
    /// Absorb repeated INVITEs after a 2xx.
    L,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Proceeding,
    /// A 2xx was sent; its retransmissions are the user's (RFC 6026 7.1).
    Accepted,
    Completed,
    Confirmed,
    Terminated,
}

/// INVITE server transaction (RFC 3261 17.2.1).
#[derive(Debug)]
pub struct InviteServer {
    state: State,
    timers: Timers<Timer>,
    interval: Duration,
    reliable: bool,
}

impl InviteServer {
    /// An INVITE came, and its 100 leaves at once.
    pub fn new(reliable: bool) -> InviteServer {
        InviteServer {
            state: State::Proceeding,
            timers: Timers::new(),
            interval: T1,
            reliable,
        }
    }

    /// The user sends a response. `false`: there was a final one already, and this one must not leave.
    #[must_use]
    pub fn respond(&mut self, code: u16, now: Instant) -> bool {
        if self.state != State::Proceeding {
            return false;
        }
        match code {
            100..200 => {}
            200..300 => {
                self.timers.set(Timer::L, now + PATIENCE);
                self.state = State::Accepted;
            }
            _ => {
                if !self.reliable {
                    self.timers.set(Timer::G, now + T1);
                }
                self.timers.set(Timer::H, now + PATIENCE);
                self.state = State::Completed;
            }
        }
        true
    }

    /// Whether a CANCEL can still do something (RFC 3261 9.2).
    pub fn is_pending(&self) -> bool {
        self.state == State::Proceeding
    }

    /// Whether what it was answered with is a refusal.
    pub fn is_refused(&self) -> bool {
        matches!(self.state, State::Completed | State::Confirmed)
    }

    /// Whether it was answered with a 2xx.
    pub fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// The INVITE came again.
    pub fn handle_request(&self) -> Option<Event> {
        matches!(self.state, State::Proceeding | State::Completed).then_some(Event::Retransmit)
    }

    /// The ACK to a refusal came.
    pub fn handle_ack(&mut self, now: Instant) {
        if self.state == State::Completed {
            self.timers.stop_all();
            self.timers
                .set(Timer::I, now + super::unless(self.reliable, T4));
            self.state = State::Confirmed;
        }
    }

    /// Time went by; to be called until it says nothing more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        match self.timers.due(now)? {
            Timer::G => {
                self.interval = super::doubled(self.interval);
                self.timers.set(Timer::G, now + self.interval);
                Some(Event::Retransmit)
            }
            // RFC 3261 17.2.1 tells the user; ours has nothing to do about a refusal that nobody acknowledged.
            Timer::H | Timer::I | Timer::L => {
                self.timers.stop_all();
                self.state = State::Terminated;
                Some(Event::Terminated)
            }
        }
    }

    /// When the next timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
