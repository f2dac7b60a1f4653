use std::time::{Duration, Instant};

use super::super::timers::Timers;
use super::{Event, PATIENCE, T1, T2, T4};

/// RFC 3261 17.1.2, table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// Retransmit the request.
    E,
    /// Give it up.
    F,
    /// Absorb repeated responses.
    K,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// Client transaction of any request but INVITE (RFC 3261 17.1.2).
#[derive(Debug)]
pub struct Client {
    state: State,
    timers: Timers<Timer>,
    interval: Duration,
    reliable: bool,
}

impl Client {
    /// The request has just left; it is given up after `patience`, which RFC 3261 sets to 64*T1.
    pub fn new(reliable: bool, patience: Duration, now: Instant) -> Client {
        let mut timers = Timers::new();
        if !reliable {
            timers.set(Timer::E, now + T1);
        }
        timers.set(Timer::F, now + patience.min(PATIENCE));
        Client {
            state: State::Trying,
            timers,
            interval: T1,
            reliable,
        }
    }

    /// A response came.
    pub fn handle_response(&mut self, code: u16, now: Instant) -> Option<Event> {
        match (self.state, code) {
            (State::Trying | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                self.interval = T2;
                Some(Event::Deliver)
            }
            (State::Trying | State::Proceeding, 200..700) => {
                self.timers.stop_all();
                self.timers
                    .set(Timer::K, now + super::unless(self.reliable, T4));
                self.state = State::Completed;
                Some(Event::Deliver)
            }
            _ => None,
        }
    }

    /// The transport failed (RFC 3261 17.1.4).
    pub fn handle_unreachable(&mut self) -> Option<Event> {
        (self.state == State::Trying).then(|| self.time_out())
    }

    /// Time went by; to be called until it says nothing more.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event> {
        match self.timers.due(now)? {
            Timer::E => {
                self.interval = match self.state {
                    State::Proceeding => T2,
                    _ => super::doubled(self.interval),
                };
                self.timers.set(Timer::E, now + self.interval);
                Some(Event::Retransmit)
            }
            Timer::F => Some(self.time_out()),
            Timer::K => {
                self.state = State::Terminated;
                Some(Event::Terminated)
            }
        }
    }

    /// When the next timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn time_out(&mut self) -> Event {
        self.timers.stop_all();
        self.state = State::Terminated;
        Event::TimedOut
    }
}
