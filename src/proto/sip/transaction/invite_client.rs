use std::time::{Duration, Instant};

use super::super::timers::Timers;
use super::{Event, PATIENCE, T1};

/// RFC 3261 17.1.1, table 4; M of RFC 6026 8.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// Retransmit the INVITE.
    A,
    /// Give it up.
    B,
    /// Absorb repeated refusals.
    D,
    /// Hand repeated 2xx and those of other forks to the user.
    M,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Calling,
    Proceeding,
    /// A 2xx came (RFC 6026 8.4).
    Accepted,
    Completed,
    Terminated,
}

/// INVITE client transaction (RFC 3261 17.1.1).
#[derive(Debug)]
pub struct InviteClient {
    state: State,
    timers: Timers<Timer>,
    interval: Duration,
    reliable: bool,
}

impl InviteClient {
    /// The INVITE has just left.
    pub fn new(reliable: bool, now: Instant) -> InviteClient {
        let mut timers = Timers::new();
        if !reliable {
            timers.set(Timer::A, now + T1);
        }
        timers.set(Timer::B, now + PATIENCE);
        InviteClient {
            state: State::Calling,
            timers,
            interval: T1,
            reliable,
        }
    }

    /// A response came.
    pub fn handle_response(&mut self, code: u16, now: Instant) -> Option<Event> {
        match (self.state, code) {
            (State::Calling | State::Proceeding, 100..200) => {
                self.timers.stop_all();
                self.state = State::Proceeding;
                Some(Event::Deliver)
            }
            (State::Calling | State::Proceeding, 200..300) => {
                self.timers.stop_all();
                self.timers.set(Timer::M, now + PATIENCE);
                self.state = State::Accepted;
                Some(Event::Deliver)
            }
            (State::Accepted, 200..300) => Some(Event::Deliver),
            (State::Calling | State::Proceeding, 300..700) => {
                self.complete(now);
                Some(Event::DeliverAndAck)
            }
            (State::Completed, 300..700) => Some(Event::Ack),
            _ => None,
        }
    }

    /// Nobody waits for an answer any longer: no more retransmissions, but a late response is still ours. Says
    /// whether a final response is outstanding.
    pub fn give_up(&mut self, now: Instant) -> bool {
        self.timers.stop(Timer::A);
        let waiting = matches!(self.state, State::Calling | State::Proceeding);
        if waiting {
            // RFC 3261 9.1: a cancelled INVITE without a final response ends after 64*T1.
            self.timers.set(Timer::B, now + PATIENCE);
        }
        waiting
    }

    /// The transport failed (RFC 3261 17.1.4).
    pub fn handle_unreachable(&mut self) -> Option<Event> {
        // Once a response came, a stray ICMP message is no verdict.
        (self.state == State::Calling).then(|| self.time_out())
    }

    /// Time went by; to be called until it says nothing more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        match self.timers.due(now)? {
            Timer::A => {
                // RFC 3261 17.1.1.2: timer A knows no upper bound but B.
                self.interval *= 2;
                self.timers.set(Timer::A, now + self.interval);
                Some(Event::Retransmit)
            }
            Timer::B => Some(self.time_out()),
            Timer::D | Timer::M => {
                self.state = State::Terminated;
                Some(Event::Terminated)
            }
        }
    }

    /// When the next timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn complete(&mut self, now: Instant) {
        self.timers.stop_all();
        self.timers
            .set(Timer::D, now + super::unless(self.reliable, PATIENCE));
        self.state = State::Completed;
    }

    fn time_out(&mut self) -> Event {
        self.timers.stop_all();
        self.state = State::Terminated;
        Event::TimedOut
    }
}
