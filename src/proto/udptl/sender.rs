//! What goes out: a number, the packet, and what repairs the loss of earlier ones.

use std::collections::VecDeque;

use super::{datagram, fec};

/// Most secondary packets that a datagram of ours carries.
pub const MAX_REDUNDANCY: usize = 8;
/// Most parity fields of a datagram of ours, and most packets behind each.
pub const MAX_FEC: usize = 8;

/// What a datagram carries besides its own packet (T.38 9.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Nothing.
    Nothing,
    /// The last `packets` packets again (9.1.4.1); at most [`MAX_REDUNDANCY`].
    Redundancy {
        /// How many.
        packets: usize,
    },
    /// Parity over earlier packets (9.1.4.2); both numbers at most [`MAX_FEC`].
    Fec {
        /// Packets behind each field.
        span: usize,
        /// Fields in each datagram; so many packets in a row may be lost.
        entries: usize,
    },
}

impl Repair {
    /// How many earlier packets it needs.
    fn memory(self) -> usize {
        match self {
            Repair::Nothing => 0,
            Repair::Redundancy { packets } => packets.min(MAX_REDUNDANCY),
            Repair::Fec { span, entries } => span.min(MAX_FEC) * entries.min(MAX_FEC),
        }
    }
}

/// Numbers and wraps the packets we send.
#[derive(Debug)]
pub struct Sender {
    next: u16,
    repair: Repair,
    max_datagram: usize,
    /// The packets sent last, newest first.
    recent: VecDeque<Vec<u8>>,
}

impl Sender {
    /// A sender whose datagrams carry as much of `repair` as fits into `max_datagram` octets.
    /// `T38FaxMaxDatagram` means the largest datagram or the largest packet, depending on who reads it; keeping to
    /// the former satisfies both.
    pub fn new(repair: Repair, max_datagram: usize) -> Sender {
        Sender {
            next: 0,
            repair,
            max_datagram,
            recent: VecDeque::new(),
        }
    }

    /// A new agreement: the numbers go on.
    pub fn renegotiate(&mut self, repair: Repair, max_datagram: usize) {
        self.repair = repair;
        self.max_datagram = max_datagram;
        self.recent.truncate(repair.memory());
    }

    /// The datagram for this packet. The packet itself always goes out, whatever its size.
    pub fn wrap(&mut self, ifp: &[u8]) -> Vec<u8> {
        let datagram = match self.repair {
            Repair::Nothing => datagram::with_repeats(self.next, ifp, &[]),
            Repair::Redundancy { .. } => datagram::with_repeats(self.next, ifp, &self.repeats(ifp)),
            Repair::Fec { span, entries } => self.with_parity(ifp, span, entries.min(MAX_FEC)),
        };
        self.recent.push_front(ifp.to_vec());
        self.recent.truncate(self.repair.memory());
        self.next = self.next.wrapping_add(1);
        datagram
    }

    /// The newest packets, as many as fit beside this one.
    fn repeats(&self, ifp: &[u8]) -> Vec<&[u8]> {
        let mut size = datagram::size_without_repair(ifp.len());
        self.recent
            .iter()
            .map(Vec::as_slice)
            .take_while(|earlier| {
                size += datagram::size_of_field(earlier.len());
                size <= self.max_datagram
            })
            .collect()
    }

    /// With fewer fields where `entries` do not fit, or where not so many packets were sent yet.
    fn with_parity(&self, ifp: &[u8], span: usize, entries: usize) -> Vec<u8> {
        for entries in (1..=entries.min(self.recent.len())).rev() {
            let span = span.min(MAX_FEC).min(self.recent.len() / entries);
            let fields = fec::protect(&self.recent, span, entries);
            let size = datagram::size_with_parity(ifp.len(), fields.iter().map(Vec::len));
            if size <= self.max_datagram {
                return datagram::with_parity(self.next, ifp, span, &fields);
            }
        }
        datagram::with_repeats(self.next, ifp, &[])
    }
}
