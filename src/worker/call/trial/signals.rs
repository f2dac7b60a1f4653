//! What was on the line when, read off the packets: where the seconds of a T.38 call go, and how few T.30 leaves it.

use crate::proto::udptl;

/// Ticks of 10 ms in a second.
const SECOND: f64 = 100.0;

/// Where the seconds of a call went. In audio only the total is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// All of them.
    pub total: f64,
    /// The called terminal's tone.
    pub ced: f64,
    /// Preambles and frames of V.21, either way.
    pub frames: f64,
    /// Training of the fast modem.
    pub training: f64,
    /// The training check, before the first CFR.
    pub tcf: f64,
    /// Page data.
    pub page: f64,
    /// Nobody says anything.
    pub pauses: f64,
}

/// One signal: what one side says in one go.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// What it is: CED, training, TCF, page, or the frames of a V.21 signal.
    pub name: String,
    /// Who sends it: the sender of the pages, or their receiver.
    pub by_sender: bool,
    /// When it began, in seconds.
    pub began: f64,
    /// How long it took.
    pub seconds: f64,
    /// The least that T.30 has for it, in seconds: the shortest preamble, and its bits (pages at 14,400 bit/s).
    pub least: f64,
}

/// The shortest pause of T.30 between two signals: 75 ms, 20 less.
pub const LEAST_PAUSE: f64 = 0.055;
/// CED (T.30 4.3.3.2), which is not needed where it was said in audio; TCF (5.3.6.1.5); the preamble of V.21 (5.3.1).
const LEAST_CED: f64 = 0.0;
const LEAST_TCF: f64 = 1.35;
const LEAST_PREAMBLE: f64 = 0.85;
/// V.17: long and short training; the flags in front of a page in ECM (T.4 annex A).
const LEAST_TRAINING: (f64, f64) = (1.393, 0.142);
const LEAST_FLAGS: f64 = 0.2;
/// Bits of a frame besides its octets: FCS and a flag.
const FRAME: usize = 24;

/// What one side is saying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Pause,
    Ced,
    Frames,
    Training,
    Data,
}

/// One side of the line.
#[derive(Debug, Default)]
struct Side {
    says: Phase,
    /// Number of the last datagram: what comes with an older one is a repeat.
    seq: Option<u16>,
    /// Octets of the frame under way, and the bits of all that are through.
    frame: Vec<u8>,
    bits: usize,
    names: Vec<&'static str>,
    /// Long or short.
    training: u8,
}

/// The line between the two, sender first.
#[derive(Debug, Default)]
pub(super) struct Line {
    sides: [Side; 2],
    seconds: Seconds,
    signals: Vec<Signal>,
}

impl Line {
    /// A tick in which these datagrams left on each side; `agreed` after the first CFR.
    pub(super) fn tick(&mut self, sent: &[Vec<Vec<u8>>; 2], agreed: bool) {
        for (who, sent) in sent.iter().enumerate() {
            for datagram in sent {
                self.leaves(who, datagram, agreed);
            }
        }
        let says = self.sides.iter().map(|side| side.says);
        let says = says.into_iter().find(|says| *says != Phase::Pause);
        let seconds = &mut self.seconds;
        let spent = match says.unwrap_or_default() {
            Phase::Pause => &mut seconds.pauses,
            Phase::Ced => &mut seconds.ced,
            Phase::Frames => &mut seconds.frames,
            Phase::Training => &mut seconds.training,
            Phase::Data if agreed => &mut seconds.page,
            Phase::Data => &mut seconds.tcf,
        };
        *spent += 1.0 / SECOND;
        seconds.total += 1.0 / SECOND;
    }

    fn leaves(&mut self, who: usize, datagram: &[u8], agreed: bool) {
        let Ok(datagram) = udptl::Datagram::decode(datagram) else {
            return;
        };
        let side = &mut self.sides[who];
        if side.seq.replace(datagram.seq) == Some(datagram.seq) {
            return;
        }
        let before = side.says;
        side.says = after(before, datagram.primary);
        side.take(datagram.primary);
        if before == side.says {
            return;
        }
        let now = self.seconds.total;
        if before != Phase::Pause {
            self.close(who, before, agreed, now);
        }
        if self.sides[who].says != Phase::Pause {
            self.signals.push(Signal {
                name: String::new(),
                by_sender: who == 0,
                began: now,
                seconds: 0.0,
                least: 0.0,
            });
        }
    }

    /// The signal of this side is over.
    fn close(&mut self, who: usize, phase: Phase, agreed: bool, now: f64) {
        let side = &mut self.sides[who];
        let (name, least) = side.sum_up(phase, agreed);
        let open = |signal: &&mut Signal| signal.by_sender == (who == 0) && signal.name.is_empty();
        if let Some(signal) = self.signals.iter_mut().rev().find(open) {
            (signal.name, signal.least) = (name, least);
            signal.seconds = now - signal.began;
        }
    }

    pub(super) fn seconds(&self) -> Seconds {
        self.seconds
    }

    /// Of packets that tell nothing of what they carry.
    pub(super) fn total(&self) -> Seconds {
        Seconds {
            total: self.seconds.total,
            ..Seconds::default()
        }
    }

    /// What was said, in order.
    pub(super) fn signals(self) -> Vec<Signal> {
        self.signals
    }
}

impl Side {
    /// Counts what a packet carries.
    fn take(&mut self, ifp: &[u8]) {
        match *ifp {
            [indicator] if self.says == Phase::Training => self.training = indicator >> 1,
            // T.38 7.3.2: one field, its length less one, its octets.
            [_, _, field, _, _, ref octets @ ..] if field & 0x80 != 0 => {
                self.frame.extend(octets);
            }
            _ => {}
        }
        if field(ifp).is_some_and(|field| field > 0) && !self.frame.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            self.bits += on_the_line(&frame) + FRAME;
            if self.says == Phase::Frames || self.says == Phase::Pause {
                self.names.extend(name(&frame));
            }
        }
    }

    /// The name of a signal that is over, and the least that it takes.
    fn sum_up(&mut self, phase: Phase, agreed: bool) -> (String, f64) {
        let (bits, names) = (
            std::mem::take(&mut self.bits),
            std::mem::take(&mut self.names),
        );
        let rate = |rate: f64| bits as f64 / rate;
        // T.38 7.3.1, table 2: the short trainings of V.17.
        let short = matches!(self.training, 8 | 10 | 12 | 14);
        match phase {
            Phase::Frames => (names.join(" "), LEAST_PREAMBLE + rate(300.0)),
            Phase::Ced => ("CED".into(), LEAST_CED),
            Phase::Training if short => ("short training".into(), LEAST_TRAINING.1),
            Phase::Training => ("training".into(), LEAST_TRAINING.0),
            Phase::Data if agreed => ("page".into(), LEAST_FLAGS + rate(14_400.0)),
            Phase::Data => ("TCF".into(), LEAST_TCF),
            Phase::Pause => (String::new(), 0.0),
        }
    }
}

/// Bits of these octets with the zeros that HDLC stuffs behind five ones.
fn on_the_line(octets: &[u8]) -> usize {
    let (mut bits, mut ones) = (0, 0);
    for bit in octets
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |n| octet >> n & 1))
    {
        bits += 1;
        ones = if bit == 1 { ones + 1 } else { 0 };
        if ones == 5 {
            bits += 1;
            ones = 0;
        }
    }
    bits
}

/// A frame by its FCF as it goes over the line (T.30 table 1), without the X bit.
fn name(frame: &[u8]) -> Option<&'static str> {
    Some(match frame.get(2)? & 0x7f {
        0x01 => "DIS",
        0x02 => "CSI",
        0x41 => "DCS",
        0x42 => "TSI",
        0x43 => "SUB",
        0x21 => "CFR",
        0x22 => "FTT",
        0x31 => "MCF",
        0x3d => "PPR",
        0x5f => "DCN",
        0x7d if frame.get(3).is_some_and(|fcf| fcf & 0x7f == 0x74) => "PPS-EOP",
        0x7d => "PPS",
        0x74 => "EOP",
        0x72 => "MPS",
        _ => "frame",
    })
}

/// What somebody says after this IFP packet.
fn after(before: Phase, ifp: &[u8]) -> Phase {
    match ifp {
        [head, ..] if head & 0xc0 == 0xc0 => match (head & 0x3f, field(ifp)) {
            // T.38 7.3.2: the signal ends with these.
            (_, Some(1 | 4 | 5 | 7)) => Phase::Pause,
            (0, _) => Phase::Frames,
            _ => Phase::Data,
        },
        // T.38 7.3.1: the indicators.
        [head] => match head >> 1 {
            0 | 1 => Phase::Pause,
            2 => Phase::Ced,
            3 => Phase::Frames,
            _ => Phase::Training,
        },
        _ => before,
    }
}

/// The type of the first data field.
fn field(ifp: &[u8]) -> Option<u8> {
    ifp.get(2).map(|field| field >> 4 & 7)
}
