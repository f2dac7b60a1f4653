use std::time::Instant;

use super::super::timers::Timers;
use super::{Event, PATIENCE};

/// RFC 3261 17.2.2, table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// Absorb repeated requests.
    J,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// Server transaction of any request but INVITE (RFC 3261 17.2.2).
#[derive(Debug)]
pub struct Server {
    state: State,
    timers: Timers<Timer>,
    reliable: bool,
}

impl Server {
    /// A request came.
    pub fn new(reliable: bool) -> Server {
        Server {
            state: State::Trying,
            timers: Timers::new(),
            reliable,
        }
    }

    /// The user sends a response. `false`: there was a final one already, and this one must not leave.
    #[must_use]
    pub fn respond(&mut self, code: u16, now: Instant) -> bool {
        match self.state {
            State::Trying | State::Proceeding if code < 200 => self.state = State::Proceeding,
            State::Trying | State::Proceeding => {
                self.timers
                    .set(Timer::J, now + super::unless(self.reliable, PATIENCE));
                self.state = State::Completed;
            }
            State::Completed | State::Terminated => return false,
        }
        true
    }

    /// The request came again.
    pub fn handle_request(&self) -> Option<Event> {
        matches!(self.state, State::Proceeding | State::Completed).then_some(Event::Retransmit)
    }

    /// Time went by; to be called until it says nothing more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        let Timer::J = self.timers.due(now)?;
        self.state = State::Terminated;
        Some(Event::Terminated)
    }

    /// When the next timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
