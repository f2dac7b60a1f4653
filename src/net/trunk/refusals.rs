//! The calls that were not taken: counted all, logged once per caller and minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A caller is not named in the log again within this.
const QUIET: Duration = Duration::from_secs(60);

/// Callers remembered at a time; when there are more, somebody makes numbers up, and they share one line a minute.
const MOST: usize = 1000;

/// The count of one trunk.
#[derive(Debug, Default)]
pub struct Refusals {
    count: u64,
    logged: HashMap<String, Instant>,
}

impl Refusals {
    /// Counts one; true: log it.
    pub fn count(&mut self, caller: &str, now: Instant) -> bool {
        self.count += 1;
        if self.logged.len() >= MOST {
            self.logged.retain(|_, at| now < *at + QUIET);
        }
        let caller = if self.logged.len() < MOST { caller } else { "" };
        let is_quiet = self.logged.get(caller).is_some_and(|at| now < *at + QUIET);
        if !is_quiet {
            self.logged.insert(caller.to_owned(), now);
        }
        !is_quiet
    }

    /// All since the start.
    pub fn total(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_calls_every_second_is_one_line_a_minute() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let logged = (0..180)
            .filter(|second| refusals.count("+12025550123", start + Duration::from_secs(*second)));
        assert_eq!(logged.count(), 3);
        assert!(refusals.count("+12025550124", start));
        assert_eq!(refusals.total(), 181);
    }

    #[test]
    fn made_up_callers_fill_neither_the_log_nor_the_memory() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let logged = (0..50_000)
            .filter(|n| refusals.count(&n.to_string(), now))
            .count();
        assert!(logged <= MOST + 1, "{logged}");
        assert!(refusals.logged.len() <= MOST + 1);
    }
}
