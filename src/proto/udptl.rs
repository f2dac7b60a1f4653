//! UDPTL, the transport of T.38 over UDP (T.38 clause 9.1 and annex A): sequence numbers, repeats of earlier
//! packets inside each datagram, recovery of lost ones.
//!
//! Bytes go in and out; sockets and clocks are the caller's. [`Sender`] repeats the last packets in every datagram
//! (redundancy). [`Receiver`] recovers from redundancy and from parity, puts packets in order, drops duplicates
//! and survives a far end that starts its numbering anew.

mod datagram;
mod fec;
mod receiver;

pub use datagram::{Datagram, Malformed, Recovery};
pub use receiver::Receiver;

use std::collections::VecDeque;

/// Most secondary packets that a datagram of ours carries.
pub const MAX_REDUNDANCY: usize = 8;

/// Numbers and wraps the packets we send.
#[derive(Debug)]
pub struct Sender {
    next: u16,
    redundancy: usize,
    max_datagram: usize,
    /// The packets sent last, newest first.
    recent: VecDeque<Vec<u8>>,
}

impl Sender {
    /// A sender that repeats the last `redundancy` packets (at most [`MAX_REDUNDANCY`]) in every datagram, as far
    /// as they fit into `max_datagram` octets. `T38FaxMaxDatagram` means the largest datagram or the largest
    /// packet, depending on who reads it; keeping to the former satisfies both.
    pub fn new(redundancy: usize, max_datagram: usize) -> Sender {
        Sender {
            next: 0,
            redundancy: redundancy.min(MAX_REDUNDANCY),
            max_datagram,
            recent: VecDeque::with_capacity(MAX_REDUNDANCY),
        }
    }

    /// The datagram for this packet. The packet itself always goes out, whatever its size.
    pub fn wrap(&mut self, ifp: &[u8]) -> Vec<u8> {
        let mut repeats = Vec::with_capacity(self.redundancy);
        let mut size = datagram::size_without_repeats(ifp.len());
        for earlier in self.recent.iter().take(self.redundancy) {
            size += datagram::size_of_field(earlier.len());
            if size > self.max_datagram {
                break;
            }
            repeats.push(earlier.as_slice());
        }
        let datagram = datagram::encode(self.next, ifp, &repeats);
        self.remember(ifp);
        self.next = self.next.wrapping_add(1);
        datagram
    }

    fn remember(&mut self, ifp: &[u8]) {
        self.recent.push_front(ifp.to_vec());
        self.recent.truncate(self.redundancy);
    }
}

#[cfg(test)]
mod tests;
