//! RTP (RFC 3550) as a fax call needs it: headers in and out, and packets put back in order.

use std::collections::BTreeMap;

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
    pub fn new(payload_type: u8, seed: u64) -> Sender {
        Sender {
            payload_type,
            seq: seed as u16,
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

/// Packets ahead of the next one that may wait for it: 60 ms, enough for the reordering seen in networks, and
/// small against the timers of T.30.
const WAIT: usize = 3;
/// A number this far away is a new stream.
const JUMP: i16 = 64;
/// Samples of loss that are reported as such; a longer hole is a pause of the sender.
const MAX_GAP: u16 = 25;

/// What to play next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Playout {
    /// Audio as it came.
    Audio(Vec<u8>),
    /// A packet is lost: keep the modems going for this many samples.
    Lost(usize),
}

/// Puts the audio we receive in order and says what is lost.
///
/// It gives out audio as soon as it is complete and not by a clock: a modem must get every sample once, whatever
/// the far end's clock does.
#[derive(Debug, Default)]
pub struct Receiver {
    next: Option<u16>,
    /// By distance from `next`.
    waiting: BTreeMap<u16, Vec<u8>>,
    frame: usize,
}

impl Receiver {
    /// A receiver that takes the first number it sees for the start.
    pub fn new() -> Receiver {
        Receiver {
            frame: FRAME,
            ..Receiver::default()
        }
    }

    /// Takes a packet in. Late ones and duplicates are dropped.
    pub fn handle(&mut self, packet: &Packet<'_>) {
        let next = *self.next.get_or_insert(packet.seq);
        let distance = packet.seq.wrapping_sub(next) as i16;
        if !(-JUMP..JUMP).contains(&distance) {
            self.waiting.clear();
            self.next = Some(packet.seq);
            self.waiting.insert(0, packet.payload.to_vec());
        } else if distance >= 0 {
            self.waiting
                .entry(distance as u16)
                .or_insert_with(|| packet.payload.to_vec());
        }
    }

    /// The next audio in order, or a loss; `None` until more arrives.
    pub fn poll(&mut self) -> Option<Playout> {
        let (&distance, _) = self.waiting.first_key_value()?;
        if distance == 0 {
            let (_, payload) = self.waiting.pop_first()?;
            self.advance(1);
            self.frame = payload.len();
            return Some(Playout::Audio(payload));
        }
        if self.waiting.len() < WAIT {
            return None;
        }
        self.advance(distance);
        Some(Playout::Lost(
            usize::from(distance.min(MAX_GAP)) * self.frame,
        ))
    }

    fn advance(&mut self, by: u16) {
        self.next = self.next.map(|n| n.wrapping_add(by));
        self.waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(distance, payload)| (distance - by, payload))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(receiver: &mut Receiver, seqs: &[u16]) -> Vec<Playout> {
        let mut out = Vec::new();
        for &seq in seqs {
            let mut wire = Sender::new(0, 0).wrap(&[seq as u8; FRAME]);
            wire[2..4].copy_from_slice(&seq.to_be_bytes());
            receiver.handle(&Packet::decode(&wire).unwrap());
            out.extend(std::iter::from_fn(|| receiver.poll()));
        }
        out
    }

    fn audio(seq: u16) -> Playout {
        Playout::Audio(vec![seq as u8; FRAME])
    }

    #[test]
    fn header_with_csrc_extension_and_padding_is_peeled_off() {
        let mut wire = vec![0xb1, 0x88, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
        wire.extend([1, 1, 1, 1]); // one CSRC
        wire.extend([0, 0, 0, 1, 2, 2, 2, 2]); // extension of one word
        wire.extend([42, 43, 0, 0, 3]); // two octets of audio, three of padding
        let packet = Packet::decode(&wire).unwrap();
        assert_eq!(packet.payload, [42, 43]);
        assert_eq!((packet.payload_type, packet.marker), (8, true));
        assert_eq!((packet.seq, packet.timestamp, packet.ssrc), (7, 9, 5));
    }

    #[test]
    fn sender_counts_packets_and_samples() {
        let mut sender = Sender::new(8, 0xffff);
        let first = sender.wrap(&[0; FRAME]);
        let second = sender.wrap(&[0; FRAME]);
        let (a, b) = (
            Packet::decode(&first).unwrap(),
            Packet::decode(&second).unwrap(),
        );
        assert_eq!((a.marker, b.marker), (true, false));
        assert_eq!((a.seq, b.seq), (0xffff, 0));
        assert_eq!(b.timestamp.wrapping_sub(a.timestamp), FRAME as u32);
        assert_eq!(a.ssrc, b.ssrc);
    }

    #[test]
    fn swapped_packets_come_out_in_order() {
        let got = feed(&mut Receiver::new(), &[65535, 1, 0, 0, 2]);
        assert_eq!(got, [audio(65535), audio(0), audio(1), audio(2)]);
    }

    #[test]
    fn lost_packet_is_reported_once_three_wait_behind_it() {
        let got = feed(&mut Receiver::new(), &[10, 12, 13, 14]);
        assert_eq!(
            got,
            [
                audio(10),
                Playout::Lost(FRAME),
                audio(12),
                audio(13),
                audio(14)
            ]
        );
    }

    #[test]
    fn new_stream_is_followed() {
        let got = feed(&mut Receiver::new(), &[10, 9000, 9001]);
        assert_eq!(got, [audio(10), audio(9000), audio(9001)]);
    }

    #[test]
    fn survives_mutated_packets() {
        let mut rng = fastrand::Rng::with_seed(3550);
        let mut receiver = Receiver::new();
        let mut sender = Sender::new(0, 1);
        for _ in 0..100_000 {
            let mut wire = sender.wrap(&[0; 20]);
            for _ in 0..rng.usize(0..4) {
                let at = rng.usize(..wire.len());
                wire[at] = rng.u8(..);
            }
            wire.truncate(rng.usize(..=wire.len()));
            if let Ok(packet) = Packet::decode(&wire) {
                receiver.handle(&packet);
            }
            while receiver.poll().is_some() {}
            assert!(receiver.waiting.len() <= JUMP as usize);
        }
    }
}
