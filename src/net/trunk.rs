//! The trunks: which one a number takes, what each may carry, which of its servers answer, who may call us.
//!
//! A fax reserves a channel before it is claimed, so that it waits in the queue and not in a call. The line then tries
//! the [`Seat`]s in their order and tells each what became of it.

mod bucket;
mod care;
mod choice;
pub mod failover;
pub mod health;
pub mod inbound;
pub mod invite;
mod lookup;
mod refusals;
mod state;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{self, Config};
pub use state::{Channel, OverdueAck, Registered, Seat, Target, Trunk};

/// All trunks. Cheap to clone.
#[derive(Clone)]
pub struct Trunks {
    all: Arc<Vec<Arc<Trunk>>>,
}

/// A channel for a fax, on the first trunk that has one.
pub struct Reservation {
    channel: Channel,
    /// The trunks that carry the number behind that one, the next choice first.
    others: Vec<Arc<Trunk>>,
}

/// Why no fax to a number can go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// Every channel is taken.
    Busy,
    /// Calls per second, or a server that asked for rest: ask again then.
    Until(Instant),
    /// No trunk carries it.
    NoTrunk,
}

impl Trunks {
    /// The trunks of a configuration.
    pub fn of(config: &Config) -> Trunks {
        let trunk =
            |trunk: &config::Trunk| Arc::new(Trunk::new(trunk.clone(), config.sip.channels));
        Trunks {
            all: Arc::new(config.trunks.iter().map(trunk).collect()),
        }
    }

    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.all.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A channel for a fax to `number` (as [`for_prefixes`](config::numbers::Numbering::for_prefixes) gives it) that
    /// is dialled now, on one of the trunks that it `may_take`.
    ///
    /// # Errors
    /// Why there is none; the fax waits.
    pub fn reserve(
        &self,
        number: &str,
        may_take: impl Fn(&config::Trunk) -> bool,
    ) -> Result<Reservation, NotNow> {
        self.reserve_at(number, may_take, Instant::now())
    }

    fn reserve_at(
        &self,
        number: &str,
        may_take: impl Fn(&config::Trunk) -> bool,
        now: Instant,
    ) -> Result<Reservation, NotNow> {
        let mut order = self.order(number, now);
        order.retain(|trunk| may_take(&trunk.config));
        let mut not_now = NotNow::NoTrunk;
        let mut is_full = false;
        for nth in 0..order.len() {
            let trunk = &order[nth];
            if is_full && !trunk.config.overflow {
                continue;
            }
            if let Some(until) = trunk.rests_until(now) {
                not_now = not_now.or_until(until);
                continue;
            }
            let Some(channel) = trunk.channel() else {
                (not_now, is_full) = (not_now.or_busy(), true);
                continue;
            };
            // Another trunk takes over where this one is full or down, not because it is asked to be slow.
            if let Some(at) = trunk.may_begin(now) {
                return Err(not_now.or_until(at));
            }
            order.remove(nth);
            return Ok(Reservation {
                channel,
                others: order,
            });
        }
        Err(not_now)
    }

    /// Whether any trunk carries a number.
    pub fn carries(&self, number: &str) -> bool {
        !self.leading_to(number).is_empty()
    }

    /// The trunks that carry a number, the first choice first.
    pub fn leading_to(&self, number: &str) -> Vec<Arc<Trunk>> {
        self.order(number, Instant::now())
    }

    fn order(&self, number: &str, now: Instant) -> Vec<Arc<Trunk>> {
        let configs: Vec<&config::Trunk> = self.all.iter().map(|trunk| &trunk.config).collect();
        let order = choice::order(&configs, number, |nth| self.all[nth].is_down_at(now));
        order.into_iter().map(|nth| self.all[nth].clone()).collect()
    }

    /// The trunk whose calls come from `source`: by its peers, then by the addresses of its servers.
    pub fn whose(&self, source: IpAddr) -> Option<&Arc<Trunk>> {
        self.all.iter().find(|trunk| trunk.is_peer(source))
    }
}

impl NotNow {
    fn or_until(self, at: Instant) -> NotNow {
        match self {
            NotNow::Until(sooner) => NotNow::Until(sooner.min(at)),
            _ => NotNow::Until(at),
        }
    }

    fn or_busy(self) -> NotNow {
        match self {
            NotNow::Until(_) => self,
            _ => NotNow::Busy,
        }
    }
}

impl Reservation {
    /// The trunk of its channel.
    pub fn trunk(&self) -> &Arc<Trunk> {
        self.channel.trunk()
    }

    /// Where the call may go, the first choice first, names being looked up where that is due; and why there are fewer
    /// places than there should be.
    pub async fn seats(self) -> (Channel, Vec<Seat>, Vec<String>) {
        let (mut seats, mut troubles) = (Vec::new(), Vec::new());
        let first = self.channel.trunk().clone();
        // The others are looked up beside calls; no call waits for their name servers.
        troubles.extend(first.look_up(Instant::now()).await);
        for trunk in std::iter::once(first).chain(self.others) {
            troubles.extend(trunk.trouble());
            seats.extend(trunk.seats(Instant::now()));
        }
        troubles.dedup();
        (self.channel, seats, troubles)
    }
}
