//! What comes in: in order, each packet once, the lost ones recovered where it can be done.

use std::collections::BTreeMap;

use super::{Datagram, Malformed, Recovery, fec};

/// A packet this far ahead is not a loss but a new numbering.
const JUMP: u64 = 256;
/// Packets waiting for an earlier one; with more, the earlier one is given up.
const REORDER_PACKETS: usize = 8;
/// Calls of [`Receiver::age`] after which a missing packet is given up.
const REORDER_AGE: u32 = 6;
/// Packets kept to recover others from parity.
const HISTORY: u64 = 64;
/// Datagrams out of the window after which the far end has started anew.
const STRAYS_TO_RESYNC: u32 = 4;

/// Puts what arrives in order.
///
/// Give it datagrams with [`Receiver::handle`], call [`Receiver::age`] every 10 ms, take packets with
/// [`Receiver::poll`]. A gap in the numbers that `poll` gives out is a loss.
#[derive(Debug, Default)]
pub struct Receiver {
    /// Next number to give out, unwrapped to 64 bits (bit 16 upwards counts the turns).
    next: Option<u64>,
    pub(super) waiting: BTreeMap<u64, Vec<u8>>,
    /// What was given out or waits, for parity.
    pub(super) history: BTreeMap<u64, Vec<u8>>,
    age: u32,
    strays: u32,
    recovered: u64,
    lost: u64,
}

impl Receiver {
    /// A receiver that takes the first number it sees for the start.
    pub fn new() -> Receiver {
        Receiver::default()
    }

    /// Takes a datagram in.
    ///
    /// # Errors
    /// Not UDPTL; nothing changed.
    pub fn handle(&mut self, datagram: &[u8]) -> Result<(), Malformed> {
        let datagram = Datagram::decode(datagram)?;
        let Some(seq) = self.unwrap_number(datagram.seq) else {
            return Ok(());
        };
        match &datagram.recovery {
            Recovery::Redundancy(repeats) => {
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
                self.keep(seq, datagram.primary);
                for (number, octets) in fec::recover(seq, *span, fields, &self.history) {
                    self.recovered += u64::from(self.keep(number, &octets));
                }
            }
        }
        Ok(())
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
        let patience_over = self.waiting.len() > REORDER_PACKETS || self.age >= REORDER_AGE;
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

    /// The 64-bit number of a packet near the one expected, or `None` where it is out of the window.
    fn unwrap_number(&mut self, seq: u16) -> Option<u64> {
        let Some(next) = self.next else {
            return Some(self.start_at(seq));
        };
        let ahead = seq.wrapping_sub(next as u16);
        if u64::from(ahead) < JUMP {
            self.strays = 0;
            return Some(next + u64::from(ahead));
        }
        let behind = u64::from(seq.wrapping_neg().wrapping_add(next as u16));
        if behind <= JUMP {
            self.strays = 0;
            return next.checked_sub(behind);
        }
        self.strays += 1;
        if self.strays < STRAYS_TO_RESYNC {
            return None;
        }
        Some(self.start_at(seq))
    }

    /// Starts, or starts anew, at this number. The base leaves room for repeats of earlier packets.
    fn start_at(&mut self, seq: u16) -> u64 {
        let number = (1 << 32) + u64::from(seq);
        self.waiting.clear();
        self.history.clear();
        self.next = Some(number);
        self.strays = 0;
        number
    }

    /// Keeps a packet for its turn; false where it is old or known.
    fn keep(&mut self, number: u64, packet: &[u8]) -> bool {
        let next = self.next.unwrap_or(number);
        self.history
            .entry(number)
            .or_insert_with(|| packet.to_vec());
        self.history = self.history.split_off(&next.saturating_sub(HISTORY));
        if number < next || self.waiting.contains_key(&number) {
            return false;
        }
        self.waiting.insert(number, packet.to_vec());
        true
    }
}
