//! UDPTL, the transport of T.38 over UDP (T.38 clause 9.1 and annex A): sequence numbers, repeats of earlier
//! packets inside each datagram or parity over them, recovery of lost ones.
//!
//! Bytes go in and out; sockets and clocks are the caller's. [`Sender`] numbers packets and adds what repairs the
//! loss of earlier ones. [`Receiver`] recovers from redundancy and from parity, puts packets in order, drops
//! duplicates and survives a far end that starts its numbering anew.

mod datagram;
mod fec;
mod receiver;
mod sender;

pub use datagram::{Datagram, Malformed, Recovery};
pub use receiver::Receiver;
pub use sender::{MAX_FEC, MAX_REDUNDANCY, Repair, Sender};

#[cfg(test)]
mod tests;
