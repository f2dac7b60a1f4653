//! What is said of a handful of durations.

use std::time::Duration;

/// Milliseconds.
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The longest.
    pub max: f64,
}

/// Of at least one duration.
pub fn median_and_max(durations: &[Duration]) -> Spread {
    let mut sorted = durations.to_vec();
    sorted.sort();
    let milliseconds = |d: Duration| d.as_secs_f64() * 1000.0;
    Spread {
        median: milliseconds(sorted[sorted.len() / 2]),
        max: milliseconds(sorted[sorted.len() - 1]),
    }
}
