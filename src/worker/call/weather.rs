//! A wire in memory, and the weather on it, for calls in virtual time.

use std::collections::BTreeMap;

/// Ticks of 10 ms that a packet takes at least.
const TRANSIT: u32 = 2;

/// What happens to packets on their way, all of it from one seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Of 100 packets, those that are lost.
    pub loss: f64,
    /// Packets that are lost in a row; 0 and 1: each by itself.
    pub burst: u32,
    /// Of 100 packets, those that come twice.
    pub twice: f64,
    /// Of 100 packets, those that are late, ...
    pub late: f64,
    /// ... by up to this many ticks of 10 ms, and so behind packets that left later.
    pub lateness: u32,
    /// Seed of it all.
    pub seed: u64,
}

/// One direction.
pub(super) struct Wire {
    weather: Weather,
    rng: fastrand::Rng,
    /// By the tick of their arrival and the order of their sending.
    flying: BTreeMap<(u32, u32), Vec<u8>>,
    /// Packets that left since they were last asked for, lost ones too.
    sent: Vec<Vec<u8>>,
    carried: u32,
    losing: u32,
}

impl Wire {
    pub(super) fn new(weather: Weather, way: u64) -> Wire {
        Wire {
            weather,
            rng: fastrand::Rng::with_seed(weather.seed * 2 + way),
            flying: BTreeMap::new(),
            sent: Vec::new(),
            carried: 0,
            losing: 0,
        }
    }

    pub(super) fn send(&mut self, now: u32, packet: &[u8]) {
        self.sent.push(packet.to_vec());
        let copies = 1 + u32::from(self.happens(self.weather.twice));
        for _ in 0..copies {
            self.carried += 1;
            if self.is_lost() {
                continue;
            }
            let late = match self.happens(self.weather.late) {
                true => self.rng.u32(0..=self.weather.lateness),
                false => 0,
            };
            let arrival = (now + TRANSIT + late, self.carried);
            self.flying.insert(arrival, packet.to_vec());
        }
    }

    /// A packet that was cut off before the weather could have it.
    #[cfg(test)]
    pub(super) fn lose(&mut self) {
        self.carried += 1;
    }

    /// The next packet that has arrived by now.
    pub(super) fn arrived(&mut self, now: u32) -> Option<Vec<u8>> {
        let first = self.flying.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// What was sent since the last time.
    pub(super) fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    /// Packets so far.
    pub(super) fn carried(&self) -> u32 {
        self.carried
    }

    fn is_lost(&mut self) -> bool {
        if self.losing > 0 {
            self.losing -= 1;
            return true;
        }
        let burst = f64::from(self.weather.burst.max(1));
        // Of 100 packets outside of bursts, those that begin one, so that `loss` is what is lost of all.
        let begins = self.weather.loss / (burst - (burst - 1.0) * self.weather.loss / 100.0);
        let begins = self.happens(begins);
        self.losing = if begins { burst as u32 - 1 } else { 0 };
        begins
    }

    fn happens(&mut self, percent: f64) -> bool {
        self.rng.f64() * 100.0 < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(loss: f64, burst: u32) -> f64 {
        let weather = Weather {
            loss,
            burst,
            seed: 4,
            ..Weather::default()
        };
        let mut wire = Wire::new(weather, 0);
        (0..100_000).for_each(|_| wire.send(0, &[1]));
        let arrived = std::iter::from_fn(|| wire.arrived(TRANSIT)).count();
        (100_000 - arrived) as f64 / 1000.0
    }

    #[test]
    fn weather_is_as_bad_as_was_ordered() {
        for (loss, burst) in [(0.0, 0), (10.0, 0), (20.0, 1), (10.0, 3)] {
            let lost = lost(loss, burst);
            assert!((lost - loss).abs() < 0.5, "{lost} of {loss} in {burst}");
        }
    }

    #[test]
    fn late_packets_are_overtaken_and_none_is_forgotten() {
        let weather = Weather {
            late: 50.0,
            lateness: 5,
            twice: 10.0,
            seed: 9,
            ..Weather::default()
        };
        let mut wire = Wire::new(weather, 1);
        (0..200).for_each(|n| wire.send(n, &[n as u8]));
        let order: Vec<u8> = std::iter::from_fn(|| wire.arrived(1000))
            .map(|packet| packet[0])
            .collect();
        assert!(!order.is_sorted());
        assert!((0..200).all(|n| order.contains(&n)) && order.len() > 205);
    }
}
