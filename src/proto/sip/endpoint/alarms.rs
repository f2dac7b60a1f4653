//! When what is due, over all transactions and calls.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::CallId;
use super::clients::ClientKey;
use super::servers::ServerKey;

/// Whose timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Alarm {
    Client(ClientKey),
    Server(ServerKey),
    Call(CallId),
}

/// One instant each: a machine has more timers, and says when its next one is.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    order: BTreeSet<(Instant, Alarm)>,
    set: HashMap<Alarm, Instant>,
}

impl Alarms {
    /// Replaces what was set for it.
    pub fn set(&mut self, alarm: Alarm, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.set.insert(alarm, at),
            None => self.set.remove(&alarm),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, alarm));
        }
        if let Some(at) = at {
            self.order.insert((at, alarm));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The first that is due; it is set no more.
    pub fn due(&mut self, now: Instant) -> Option<Alarm> {
        let (_, alarm) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.set(alarm, None);
        Some(alarm)
    }
}
