//! RTP (RFC 3550) as a fax call needs it: headers in and out, and packets put back in order.
//!
//! Bytes and times go in, bytes come out; sockets and clocks are the caller's.

mod event;
mod receiver;

pub use event::{FaxTone, fax_tone};
pub use receiver::{Playout, Receiver, Tally};

/// Samples in a packet of 20 ms at 8 kHz.
pub const FRAME: usize = 160;

/// A packet taken apart; the payload points into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// RFC 3551 payload type.
    pub payload_type: u8,
    /// Set on the first packet after silence.
    pub marker: bool,
    /// Number of the packet.
    pub seq: u16,
    /// Time of its first sample, in samples.
    pub timestamp: u32,
    /// Who sends it.
    pub ssrc: u32,
    /// The audio.
    pub payload: &'a [u8],
}

/// A packet that is not RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header or its padding says.
    #[error("is shorter than its header says")]
    Short,
    /// Not version 2.
    #[error("is not RTP version 2")]
    Version,
    /// RTCP on the same port (RFC 5761 4).
    #[error("is RTCP")]
    Rtcp,
}

impl<'a> Packet<'a> {
    /// Takes a packet apart.
    ///
    /// # Errors
    /// What makes it unusable.
    pub fn decode(octets: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let (head, mut rest) = octets.split_first_chunk::<12>().ok_or(Malformed::Short)?;
        if head[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        if (192..=223).contains(&head[1]) {
            return Err(Malformed::Rtcp);
        }
        rest = skip(rest, usize::from(head[0] & 0x0f) * 4)?;
        if head[0] & 0x10 != 0 {
            // RFC 3550 5.3.1: the extension's length counts words behind its first one.
            let (ext, _) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            let words = usize::from(u16::from_be_bytes([ext[2], ext[3]]));
            rest = skip(rest, 4 + words * 4)?;
        }
        if head[0] & 0x20 != 0 {
            // RFC 3550 5.1: the last octet counts the padding, itself included.
            let padding = usize::from(*rest.last().ok_or(Malformed::Short)?);
            let keep = rest.len().checked_sub(padding).ok_or(Malformed::Short)?;
            rest = &rest[..keep];
        }
        Ok(Packet {
            payload_type: head[1] & 0x7f,
            marker: head[1] & 0x80 != 0,
            seq: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload: rest,
        })
    }
}

fn skip(octets: &[u8], len: usize) -> Result<&[u8], Malformed> {
    octets.get(len..).ok_or(Malformed::Short)
}

/// Numbers and wraps the audio we send.
#[derive(Debug)]
pub struct Sender {
    payload_type: u8,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    first: bool,
}

impl Sender {
    /// A sender with random starting points (RFC 3550 5.1), taken from `seed`.
    ///
    /// The number begins in the upper half, some minutes before it wraps. Debian's Asterisk, where it is a gateway for
    /// T.38, gives the audio of its own modem the number 0; behind a number of ours below 32768 it takes that for late
    /// packets, throws all of it away, and the machine behind it hears nothing of us any more.
    pub fn new(payload_type: u8, seed: u64) -> Sender {
        Sender {
            payload_type,
            seq: 0x8000 + seed as u16 % 0x6000,
            timestamp: (seed >> 16) as u32,
            ssrc: (seed >> 32) as u32 | 1,
            first: true,
        }
    }

    /// Another codec from here on; numbers and time go on.
    pub fn set_payload_type(&mut self, payload_type: u8) {
        self.payload_type = payload_type;
    }

    /// The packet for this payload, one octet a sample.
    pub fn wrap(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + payload.len());
        out.push(0x80);
        out.push(self.payload_type | if self.first { 0x80 } else { 0 });
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(payload);
        self.first = false;
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(payload.len() as u32);
        out
    }
}

#[cfg(test)]
mod tests;
