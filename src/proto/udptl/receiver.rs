//! What comes in: in order, each packet once, the lost ones recovered where it can be done.

use std::collections::BTreeMap;

use super::fec::Parity;
use super::{Datagram, Malformed, Recovery};

/// A packet this far ahead is not a loss but a new numbering.
const JUMP: u64 = 256;
/// Packets kept to recover others from parity.
pub(super) const HISTORY: u64 = 64;
/// Datagrams out of the window after which the far end has started anew.
const STRAYS_TO_RESYNC: u32 = 4;
/// Datagrams of a numbering that runs on behind the expected one, unknown ones, after which it is a new one. A burst
/// that the network held back is shorter, and known from repeats.
const BACKWARDS_TO_RESYNC: u32 = 8;

/// How long packets wait for an earlier one before it is given up.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Packets that may wait.
    packets: usize,
    /// Calls of [`Receiver::age`].
    age: u32,
}

/// The datagram behind a loss has all that repeats can give: only reordering is waited for, 60 ms.
const REPEATS: Patience = Patience { packets: 8, age: 6 };

/// Puts what arrives in order.
///
/// Give it datagrams with [`Receiver::handle`], call [`Receiver::age`] every 10 ms, take packets with
/// [`Receiver::poll`]. A gap in the numbers that `poll` gives out is a loss.
#[derive(Debug)]
pub struct Receiver {
    /// Next number to give out, unwrapped to 64 bits (bit 16 upwards counts the turns).
    next: Option<u64>,
    pub(super) waiting: BTreeMap<u64, Vec<u8>>,
    /// What was given out or waits, for parity.
    pub(super) history: BTreeMap<u64, Vec<u8>>,
    parity: Parity,
    patience: Patience,
    age: u32,
    strays: u32,
    /// The last number of a run behind the expected one, and the run's length.
    backwards: (u16, u32),
    /// The next datagram may begin a new numbering.
    moved: bool,
    recovered: u64,
    lost: u64,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver::new()
    }
}

impl Receiver {
    /// A receiver that takes the first number it sees for the start.
    pub fn new() -> Receiver {
        Receiver {
            next: None,
            waiting: BTreeMap::new(),
            history: BTreeMap::new(),
            parity: Parity::default(),
            patience: REPEATS,
            age: 0,
            strays: 0,
            backwards: (0, 0),
            moved: false,
            recovered: 0,
            lost: 0,
        }
    }

    /// Takes a datagram in.
    ///
    /// # Errors
    /// Not UDPTL; nothing changed.
    pub fn handle(&mut self, datagram: &[u8]) -> Result<(), Malformed> {
        let datagram = Datagram::decode(datagram)?;
        let Some(seq) = self.unwrap_number(&datagram) else {
            return Ok(());
        };
        match &datagram.recovery {
            Recovery::Redundancy(repeats) => {
                self.patience = REPEATS;
                for (distance, repeat) in (1..).zip(repeats) {
                    if let Some(number) = seq.checked_sub(distance)
                        && !repeat.is_empty()
                    {
                        self.recovered += u64::from(self.keep(number, repeat));
                    }
                }
                self.keep(seq, datagram.primary);
            }
            Recovery::Parity { span, fields } => {
                self.patience = patience_for_parity(*span, fields.len());
                self.keep(seq, datagram.primary);
                self.parity.keep(seq, *span, fields);
            }
        }
        self.recover();
        Ok(())
    }

    /// What one parity field gives back may be what another lacked.
    fn recover(&mut self) {
        while let Some((number, octets)) = self.parity.recover(&self.history, self.oldest()) {
            self.recovered += u64::from(self.keep(number, &octets));
        }
    }

    /// Packets before this one are forgotten.
    fn oldest(&self) -> u64 {
        self.next.map_or(0, |next| next.saturating_sub(HISTORY))
    }

    /// Ten milliseconds have passed: packets that wait too long for an earlier one go on without it.
    pub fn age(&mut self) {
        if self.waiting.is_empty() {
            self.age = 0;
        } else {
            self.age += 1;
        }
    }

    /// The next packet in order, with its number.
    pub fn poll(&mut self) -> Option<(u16, Vec<u8>)> {
        let (&number, _) = self.waiting.first_key_value()?;
        let next = self.next.unwrap_or(number);
        let Patience { packets, age } = self.patience;
        let patience_over = self.waiting.len() > packets || self.age >= age;
        if number != next && !patience_over {
            return None;
        }
        self.lost += number - next;
        self.age = 0;
        self.next = Some(number + 1);
        let (_, packet) = self.waiting.pop_first()?;
        Some((number as u16, packet))
    }

    /// Packets recovered from repeats or parity, and packets lost for good.
    pub fn counts(&self) -> (u64, u64) {
        (self.recovered, self.lost)
    }

    /// The far end has said that it moves: whatever number its next datagram has is taken for right.
    pub fn far_end_moved(&mut self) {
        self.moved = true;
    }

    /// The 64-bit number of a packet near the one expected, or `None` where it is out of the window.
    fn unwrap_number(&mut self, datagram: &Datagram<'_>) -> Option<u64> {
        let seq = datagram.seq;
        let Some(next) = self.next else {
            return Some(self.start_at(seq));
        };
        let ahead = u64::from(seq.wrapping_sub(next as u16));
        if ahead < JUMP {
            self.strays = 0;
            self.backwards = (0, 0);
            self.moved = false;
            return Some(next + ahead);
        }
        if std::mem::take(&mut self.moved) {
            return Some(self.start_at(seq));
        }
        let behind = u64::from((next as u16).wrapping_sub(seq));
        if behind <= JUMP {
            self.strays = 0;
            let number = next.checked_sub(behind)?;
            return match self.runs_on_behind(number, datagram) {
                true => Some(self.start_at(seq)),
                false => Some(number),
            };
        }
        self.strays += 1;
        if self.strays < STRAYS_TO_RESYNC {
            return None;
        }
        Some(self.start_at(seq))
    }

    /// Whether a far end that began anew has come as far as this, with nobody going on where the old one was.
    fn runs_on_behind(&mut self, number: u64, datagram: &Datagram<'_>) -> bool {
        let known = self.history.get(&number);
        if known.is_some_and(|packet| packet.starts_with(datagram.primary)) {
            return false;
        }
        let (last, run) = self.backwards;
        let run = match datagram.seq.wrapping_sub(last) {
            0 => run,
            1 => run + 1,
            _ => 1,
        };
        self.backwards = (datagram.seq, run);
        run >= BACKWARDS_TO_RESYNC
    }

    /// Starts, or starts anew, at this number. The base leaves room for repeats of earlier packets.
    fn start_at(&mut self, seq: u16) -> u64 {
        let number = (1 << 32) + u64::from(seq);
        self.waiting.clear();
        self.history.clear();
        self.parity.clear();
        self.next = Some(number);
        self.strays = 0;
        self.backwards = (0, 0);
        self.moved = false;
        number
    }

    /// Keeps a packet for its turn; false where it is old or known.
    fn keep(&mut self, number: u64, packet: &[u8]) -> bool {
        let next = self.next.unwrap_or(number);
        let oldest = self.oldest();
        if number >= oldest {
            let kept = self.history.entry(number);
            kept.or_insert_with(|| packet.to_vec());
        }
        while self
            .history
            .first_key_value()
            .is_some_and(|(n, _)| *n < oldest)
        {
            self.history.pop_first();
        }
        if number < next || self.waiting.contains_key(&number) {
            return false;
        }
        self.waiting.insert(number, packet.to_vec());
        true
    }
}

/// The parity over a packet is spread over as many datagrams as it covers, which come at up to 40 ms each.
fn patience_for_parity(span: usize, fields: usize) -> Patience {
    let packets = (span * fields).min(HISTORY as usize / 2);
    Patience {
        packets: packets.max(REPEATS.packets),
        age: (packets as u32 * 4).clamp(REPEATS.age, 40),
    }
}
