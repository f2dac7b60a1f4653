//! Time in which this process ran.
//!
//! A process that was stopped, swapped out or starved of CPU for half a minute has not waited for anybody for half a
//! minute: what the others said meanwhile lies unread in its sockets, and after a stop epoll_wait(2) returns before it
//! has looked at them. A timeout that counts such time ends healthy calls, and what they had reported is lost.

use std::time::{Duration, Instant};

use tokio::time::{Instant as Clock, timeout_at};

/// From one look at the clock to the next.
const LOOK: Duration = Duration::from_secs(1);
/// Who wakes up this much later than intended was not running.
const STALL: Duration = Duration::from_secs(1);
/// Stalls from here on are worth a word: shorter ones are a busy machine.
pub const WORTH_A_WORD: Duration = Duration::from_secs(3);

/// A clock that counts only the time in which this process ran. Somebody has to look at it at least every second
/// ([`RunningTime::next_look`]); what lies between two looks that are much farther apart is a stall.
#[derive(Debug, Clone, Copy)]
pub struct RunningTime {
    looked: Instant,
    ran: Duration,
}

impl RunningTime {
    /// Starts at zero.
    pub fn new(now: Instant) -> RunningTime {
        RunningTime {
            looked: now,
            ran: Duration::ZERO,
        }
    }

    /// The time counted so far, at the last look.
    pub fn ran(&self) -> Duration {
        self.ran
    }

    /// When to look again.
    pub fn next_look(&self) -> Instant {
        self.looked + LOOK
    }

    /// Counts the time since the last look, or returns how long it was if the process stood still in it; then nothing
    /// of it counts. So no limit is ever reached by the look that ends a stall.
    pub fn look(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        if passed > LOOK + STALL {
            return Some(passed);
        }
        self.ran += passed;
        None
    }

    /// Counts from zero again, and takes the time since the last look for idle.
    pub fn restart(&mut self, now: Instant) {
        *self = RunningTime::new(now);
    }

    /// The result of `work`, unless it takes so long that this clock goes past `limit`.
    ///
    /// # Errors
    /// [`TooLong`]; the work is dropped.
    pub async fn within<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, TooLong> {
        let mut work = std::pin::pin!(work);
        loop {
            let left = limit.saturating_sub(self.ran);
            let until = Clock::from_std(self.looked + left.min(LOOK));
            let done = timeout_at(until, &mut work).await;
            self.look(Clock::now().into_std());
            match done {
                Ok(result) => return Ok(result),
                Err(_) if self.ran >= limit => return Err(TooLong),
                Err(_) => {}
            }
        }
    }
}

/// A limit of running time was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it took too long")]
pub struct TooLong;

impl From<TooLong> for std::io::Error {
    fn from(_: TooLong) -> std::io::Error {
        std::io::ErrorKind::TimedOut.into()
    }
}

/// As tokio's timeout, in running time.
///
/// # Errors
/// [`TooLong`]; the work is dropped.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TooLong> {
    let mut clock = RunningTime::new(Clock::now().into_std());
    clock.within(limit, work).await
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use tokio::io::AsyncReadExt;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn time_in_which_the_process_stood_still_does_not_count() {
        let began = Instant::now();
        let mut clock = RunningTime::new(began);
        let looks = [1, 2, 42, 43, 83, 84].map(|at| clock.look(began + S(at)));
        let stalls = [None, None, Some(S(40)), None, Some(S(40)), None];
        assert_eq!((looks, clock.ran()), (stalls, S(4)));
        clock.restart(began + S(100));
        assert_eq!(clock.look(began + S(101)), None);
        assert_eq!(clock.ran(), S(1));
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_dropped_at_its_limit() {
        let (began, limit) = (Instant::now(), Duration::from_millis(1300));
        let ended = timeout(limit, std::future::pending::<()>()).await;
        assert_eq!(ended, Err(TooLong));
        assert!(began.elapsed() >= limit);
        assert_eq!(timeout(S(2), async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn what_came_while_the_process_stood_still_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let stalls = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            theirs.write_all(b"x").unwrap();
            // The only thread of this runtime.
            std::thread::sleep(S(4));
        };
        let (read, ()) = tokio::join!(timeout(S(3), ours.read_u8()), stalls);
        assert_eq!(read.unwrap().unwrap(), b'x');
    }
}
