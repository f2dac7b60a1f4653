//! Calls per second: a token bucket that holds one second's calls, and at least one.

use std::time::{Duration, Instant};

/// The tokens of one trunk.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Tokens a second; 0: no limit.
    rate: f64,
    tokens: f64,
    at: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: f64) -> Bucket {
        Bucket {
            rate,
            tokens: rate.max(1.0),
            at: None,
        }
    }

    /// Takes a token for a call that begins now; `Err`: there will be one then.
    ///
    /// # Errors
    /// When to ask again.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if self.rate == 0.0 {
            return Ok(());
        }
        let gone = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.tokens = (self.tokens + gone.as_secs_f64() * self.rate).min(self.rate.max(1.0));
        // A sum of many small parts falls short of its whole.
        if self.tokens >= 1.0 - 1e-9 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun_in(seconds: u64, bucket: &mut Bucket, start: Instant) -> usize {
        let ticks = (0..seconds * 100).map(|tick| start + Duration::from_millis(tick * 10));
        ticks.filter(|now| bucket.take(*now).is_ok()).count()
    }

    #[test]
    fn a_carrier_that_takes_two_a_second_gets_no_more() {
        let start = Instant::now();
        assert_eq!(begun_in(10, &mut Bucket::new(2.0), start), 2 + 19);
        assert_eq!(begun_in(10, &mut Bucket::new(0.5), start), 1 + 4);
        assert_eq!(begun_in(1, &mut Bucket::new(0.0), start), 100);
    }

    #[test]
    fn it_says_when_to_come_again() {
        let start = Instant::now();
        let mut bucket = Bucket::new(0.5);
        bucket.take(start).unwrap();
        let again = bucket.take(start).unwrap_err();
        assert_eq!(again, start + Duration::from_secs(2));
        assert!(bucket.take(again - Duration::from_millis(5)).is_err());
        bucket.take(again).unwrap();
    }

    #[test]
    fn a_quiet_hour_does_not_save_up_a_flood() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3.0);
        bucket.take(start).unwrap();
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take(later).is_ok()).count(), 3);
    }
}
