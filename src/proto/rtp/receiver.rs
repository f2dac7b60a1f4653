//! The jitter buffer: puts the audio we receive in order, and says what is lost.
//!
//! It has no clock of its own: it gives out audio as soon as it is complete. A modem must get every sample once, and
//! does not mind when; so what paces the receiving side is the far end's clock, whatever it differs from ours by, and
//! there is never a sample to slip nor to resample. What adapts is how long a missing packet is waited for: by the
//! lateness seen, at once upwards and slowly down.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::{FRAME, Packet};

/// A number this far away is a new stream.
const JUMP: i16 = 64;
/// Samples of a loss that are made up for, half a second; with more the modem has lost its way.
const MOST_LOST: usize = 4000;
/// Samples a second.
const RATE: f64 = 8000.0;
/// Packets that wait at most for an earlier one.
const MOST_WAITING: usize = 32;
/// The shortest and the longest wait for a missing packet. T.30 has seconds; the longest is what a listener of the
/// far end's silence would notice.
const WAIT: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(240));
/// Losses of which we remember since when they were waited for.
const REMEMBERED: usize = 8;

/// What to play next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Playout {
    /// A packet as it came.
    Packet {
        /// Its RFC 3551 payload type.
        payload_type: u8,
        /// Samples of time before it in which the far end sent nothing, by its time stamps.
        pause: usize,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Audio of this many samples is lost: keep the modems going.
    Lost(usize),
}

/// What came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets given out.
    pub played: u64,
    /// Packets that never came in time.
    pub lost: u64,
    /// Those of them that came after all, too late.
    pub late: u64,
}

/// Puts what arrives in order.
#[derive(Debug, Default)]
pub struct Receiver {
    stream: Option<Stream>,
    waiting: BTreeMap<u64, Waiting>,
    /// The first packet of another stream; a second one makes it ours.
    other: Option<(u32, u16, Waiting)>,
    lateness: Lateness,
    /// Numbers given up, from the first to behind the last, and since when they were waited for.
    given_up: VecDeque<(u64, u64, Instant)>,
    tally: Tally,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Number of the next packet to give out, unwrapped to 64 bits.
    next: u64,
    /// Time stamp that the next audio should have.
    time: Option<u32>,
    /// Samples in the last packet of audio.
    frame: usize,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    payload_type: u8,
    audio: bool,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Receiver {
    /// A receiver that takes the first number it sees for the start.
    pub fn new() -> Receiver {
        Receiver::default()
    }

    /// Takes a packet in; `audio` where its payload has one octet a sample. Late ones and duplicates are dropped.
    pub fn handle(&mut self, packet: &Packet<'_>, audio: bool, now: Instant) {
        let waiting = Waiting {
            since: now,
            payload_type: packet.payload_type,
            audio,
            timestamp: packet.timestamp,
            payload: packet.payload.to_vec(),
        };
        if audio {
            self.lateness.arrived(packet.timestamp, now);
        }
        match &self.stream {
            Some(stream) if stream.ssrc == packet.ssrc => {
                let distance = packet.seq.wrapping_sub(stream.next as u16) as i16;
                self.other = None;
                match distance {
                    0..JUMP => self.keep(stream.next + distance as u64, waiting),
                    d if (-JUMP..0).contains(&d) => {
                        let number = stream.next.saturating_sub(d.unsigned_abs().into());
                        self.came_late(number, now);
                    }
                    _ => self.begin(packet.ssrc, packet.seq, waiting),
                }
            }
            Some(_) => self.consider(packet, waiting),
            None => self.begin(packet.ssrc, packet.seq, waiting),
        }
    }

    /// The next in order, or a loss; `None` until more arrives or time goes on.
    pub fn poll(&mut self, now: Instant) -> Option<Playout> {
        let stream = self.stream.as_mut()?;
        let (&number, first) = self.waiting.first_key_value()?;
        let missing = number - stream.next;
        if missing == 0 {
            let (_, packet) = self.waiting.pop_first()?;
            self.tally.played += 1;
            return Some(stream.play(packet));
        }
        let waited = now.saturating_duration_since(first.since);
        if waited < self.lateness.wait() && self.waiting.len() < MOST_WAITING {
            return None;
        }
        self.tally.lost += missing;
        self.given_up.push_back((stream.next, number, first.since));
        if self.given_up.len() > REMEMBERED {
            self.given_up.pop_front();
        }
        let lost = stream.skip(number, first);
        Some(Playout::Lost(lost))
    }

    /// How long a missing packet is waited for now.
    pub fn wait(&self) -> Duration {
        self.lateness.wait()
    }

    /// What came so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn keep(&mut self, number: u64, packet: Waiting) {
        if let Some((_, later)) = self.waiting.range(number + 1..).next() {
            let by = packet.since.saturating_duration_since(later.since);
            self.lateness.out_of_order(by);
        }
        self.waiting.entry(number).or_insert(packet);
    }

    fn came_late(&mut self, number: u64, now: Instant) {
        let since = self
            .given_up
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&number))
            .map(|(_, _, since)| *since);
        if let Some(since) = since {
            self.tally.late += 1;
            self.lateness
                .out_of_order(now.saturating_duration_since(since));
        }
    }

    /// RFC 3550 8.2: a new SSRC is a new source. Two packets in a row of it, for one may be astray.
    fn consider(&mut self, packet: &Packet<'_>, waiting: Waiting) {
        match self.other.take() {
            Some((ssrc, seq, first)) if ssrc == packet.ssrc => {
                self.begin(ssrc, seq, first);
                let distance = packet.seq.wrapping_sub(seq) as i16;
                if (1..JUMP).contains(&distance) {
                    let number = BASE + u64::from(seq) + distance as u64;
                    self.keep(number, waiting);
                }
            }
            _ => self.other = Some((packet.ssrc, packet.seq, waiting)),
        }
    }

    fn begin(&mut self, ssrc: u32, seq: u16, packet: Waiting) {
        let frame = self.stream.as_ref().map_or(FRAME, |stream| stream.frame);
        let next = BASE + u64::from(seq);
        self.waiting.clear();
        self.given_up.clear();
        self.lateness.new_stream();
        self.stream = Some(Stream {
            ssrc,
            next,
            time: None,
            frame,
        });
        self.waiting.insert(next, packet);
    }
}

/// Where unwrapped numbers begin, so that there are earlier ones.
const BASE: u64 = 1 << 32;

impl Stream {
    fn play(&mut self, packet: Waiting) -> Playout {
        self.next += 1;
        let mut pause = 0;
        if packet.audio {
            pause = self.ahead_of_time(packet.timestamp).unwrap_or(0);
            self.frame = packet.payload.len();
            self.time = Some(packet.timestamp.wrapping_add(packet.payload.len() as u32));
        }
        Playout::Packet {
            payload_type: packet.payload_type,
            pause,
            payload: packet.payload,
        }
    }

    /// Goes on at packet `number`; returns the samples that are missing before it.
    fn skip(&mut self, number: u64, packet: &Waiting) -> usize {
        let missing = usize::try_from(number - self.next).unwrap_or(usize::MAX);
        let by_number = missing.saturating_mul(self.frame);
        self.next = number;
        // Time stamps know better, but for a pause of the far end, which is no loss.
        let by_time = self
            .ahead_of_time(packet.timestamp)
            .filter(|_| packet.audio);
        let lost = by_time.unwrap_or(by_number).min(by_number).min(MOST_LOST);
        self.time = self.time.map(|time| time.wrapping_add(lost as u32));
        lost
    }

    /// Samples from where we are to this time stamp; `None` where they make no sense.
    fn ahead_of_time(&self, timestamp: u32) -> Option<usize> {
        let ahead = timestamp.wrapping_sub(self.time?);
        (ahead < 60 * RATE as u32).then_some(ahead as usize)
    }
}

/// How late packets are.
#[derive(Debug, Default)]
struct Lateness {
    /// When the last packet of audio came, and its time stamp.
    last: Option<(Instant, u32)>,
    /// RFC 3550 6.4.1: the mean deviation of the time between packets, seconds.
    jitter: f64,
    /// By how much a packet came behind a later one, lately, seconds.
    out_of_order: f64,
}

impl Lateness {
    fn arrived(&mut self, timestamp: u32, now: Instant) {
        if let Some((then, before)) = self.last.replace((now, timestamp)) {
            let sent = f64::from(timestamp.wrapping_sub(before) as i32) / RATE;
            let deviation = now.saturating_duration_since(then).as_secs_f64() - sent;
            // A pause is no jitter.
            self.jitter += (deviation.abs().min(0.5) - self.jitter) / 16.0;
        }
        // At 50 packets a second, half of it is forgotten after 14 s.
        self.out_of_order -= self.out_of_order / 1024.0;
    }

    fn out_of_order(&mut self, by: Duration) {
        self.out_of_order = self.out_of_order.max(by.as_secs_f64());
    }

    fn wait(&self) -> Duration {
        let wait = (3.0 * self.jitter).max(1.25 * self.out_of_order);
        Duration::from_secs_f64(wait).clamp(WAIT.0, WAIT.1)
    }

    fn new_stream(&mut self) {
        self.last = None;
    }
}
