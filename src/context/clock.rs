//! The wall clock, held against the time since boot: where it was set, the queue follows before anything is counted by it.

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Mutex;

use super::{Context, now};
use crate::queue::{Millis, Result, SinceBoot};

/// Milliseconds that the clocks may differ by more than before until the queue is asked; it judges for itself.
const TOLERANCE: i64 = 1000;

/// Milliseconds without a look at the clock after which the daemon itself has not run: it looks twice a minute.
const FROZEN: i64 = 180_000;

/// What was last seen of the clocks.
#[derive(Default)]
pub(super) struct Clock(Mutex<Option<Seen>>);

struct Seen {
    /// Milliseconds by which the wall clock was ahead of the time since boot.
    ahead: i64,
    /// Milliseconds since boot.
    at: i64,
}

impl Context {
    /// The time by the wall clock, once a step of it has been taken out of what waits in the queue.
    ///
    /// # Errors
    /// As the store says; then nothing may be counted by that clock yet.
    pub async fn followed_clock(&self) -> Result<Millis> {
        let mut seen = self.clock.0.lock().await;
        let (since_boot, now) = (since_boot(), now());
        let (at, ahead) = (since_boot.millis, now.0 - since_boot.millis);
        let was_frozen = seen.as_ref().is_some_and(|seen| at - seen.at > FROZEN);
        let is_off = |seen: &Seen| (ahead - seen.ahead).abs() > TOLERANCE;
        if seen.as_ref().is_none_or(is_off) {
            self.store.follow_clock(since_boot, now).await?;
            *seen = Some(Seen { ahead, at });
        }
        if was_frozen {
            tracing::warn!("the gateway, or the whole machine, stood still for a while");
            let policy = self.config().retry_policy();
            self.store.give_grace(&policy, now).await?;
        }
        if let Some(seen) = seen.as_mut() {
            seen.at = at;
        }
        Ok(now)
    }
}

/// The time since boot. Where the system does not name its boots, each start of ours is one.
pub fn since_boot() -> SinceBoot {
    let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let boot = named.map(|id| id.trim().to_owned());
    let since = clock_gettime(ClockId::Boottime);
    SinceBoot {
        boot: boot.unwrap_or_else(|_| format!("process {}", std::process::id())),
        millis: since.tv_sec * 1000 + since.tv_nsec / 1_000_000,
    }
}
