//! The timers of one machine.

use std::time::Instant;

/// Timers by their names in the standard. A machine has a handful, so a list will do.
#[derive(Debug, Clone)]
pub(super) struct Timers<T> {
    running: Vec<(Instant, T)>,
}

impl<T: Copy + PartialEq> Timers<T> {
    pub fn new() -> Timers<T> {
        Timers {
            running: Vec::new(),
        }
    }

    /// Starts it, or starts it anew.
    pub fn set(&mut self, timer: T, at: Instant) {
        self.stop(timer);
        self.running.push((at, timer));
    }

    pub fn stop(&mut self, timer: T) {
        self.running.retain(|(_, running)| *running != timer);
    }

    pub fn stop_all(&mut self) {
        self.running.clear();
    }

    /// When the next one fires.
    pub fn next(&self) -> Option<Instant> {
        self.running.iter().map(|(at, _)| *at).min()
    }

    /// The earliest that is due, which runs no more.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let (at, timer) = *self.running.iter().min_by_key(|(at, _)| *at)?;
        (at <= now).then(|| {
            self.stop(timer);
            timer
        })
    }
}
