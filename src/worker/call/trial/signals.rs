//! What is on the line at any time, read off the packets: where the seconds of a T.38 call go.

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

/// What one side is saying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Pause,
    Ced,
    Frames,
    Training,
    Data,
}

/// The line between the two, sender first.
#[derive(Debug, Default)]
pub(super) struct Line {
    says: [Phase; 2],
    seconds: Seconds,
}

impl Line {
    /// A tick in which these datagrams left on each side; `agreed` after the first CFR.
    pub(super) fn tick(&mut self, sent: &[Vec<Vec<u8>>; 2], agreed: bool) {
        for (says, sent) in self.says.iter_mut().zip(sent) {
            for datagram in sent {
                let primary = udptl::Datagram::decode(datagram).map(|d| d.primary);
                *says = after(*says, primary.unwrap_or_default());
            }
        }
        let says = self.says.into_iter().find(|says| *says != Phase::Pause);
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
