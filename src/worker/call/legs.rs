//! The two ways a fax goes over our wire: T.38 in UDPTL, audio in RTP. Machines without I/O, driven by packets and by
//! ticks of 10 ms.

mod audio;
mod hearing;
mod t38;
mod talker;
mod voice;

use std::time::Instant;

use super::wire_end::Look;
use crate::fax::{Event, Progress};

pub(super) use audio::AudioLeg;
pub(super) use t38::T38Leg;
#[cfg(test)]
pub(super) use voice::tests::syllables;

/// Samples in a tick.
const TICK: usize = 80;

/// Keeps no page.
#[cfg(test)]
struct Nobody;

#[cfg(test)]
impl crate::fax::Holder for Nobody {
    fn page_received(&mut self, _: u32, _: bool, _: u32) -> Result<(), crate::fax::NotKept> {
        Err(crate::fax::NotKept)
    }

    fn last_page_leaving(&mut self, _: u32) -> Result<bool, crate::fax::NotKept> {
        Err(crate::fax::NotKept)
    }
}

/// A terminal on a wire.
pub(super) enum Leg {
    T38(Box<T38Leg>),
    Audio(Box<AudioLeg>),
}

impl Leg {
    /// What a packet looks like, whoever sent it.
    pub(super) fn look(&self, octets: &[u8]) -> Look {
        match self {
            Leg::T38(leg) => leg.look(octets),
            Leg::Audio(leg) => leg.look(octets),
        }
    }

    /// Takes a packet of the far end in, the first from another place if it `moved`. True if it is a sign of life:
    /// audio may go on with nobody behind it, silent.
    pub(super) fn handle(&mut self, octets: &[u8], moved: bool, now: Instant) -> bool {
        match self {
            Leg::T38(leg) => {
                leg.handle(octets, moved);
                true
            }
            Leg::Audio(leg) => leg.handle(octets, now),
        }
    }

    /// Ten milliseconds have passed; `awake` unless the socket was not looked at meanwhile. True if page data or
    /// frames are to leave.
    pub(super) fn tick(&mut self, awake: bool, now: Instant) -> bool {
        match self {
            Leg::T38(leg) => leg.tick(),
            Leg::Audio(leg) => leg.tick(awake, now),
        }
    }

    /// The next packet to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        match self {
            Leg::T38(leg) => leg.poll_transmit(),
            Leg::Audio(leg) => leg.poll_transmit(),
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        match self {
            Leg::T38(leg) => leg.terminal.poll_event(),
            Leg::Audio(leg) => leg.terminal.poll_event(),
        }
    }

    pub(super) fn progress(&mut self) -> Progress {
        match self {
            Leg::T38(leg) => leg.terminal.progress(),
            Leg::Audio(leg) => leg.terminal.progress(),
        }
    }

    /// Octets of pages so far, repeats left out in error correction mode (`ecm`); `None` without it in audio, where the
    /// modem's speed is that of the page.
    pub(super) fn headway(&mut self, ecm: bool) -> Option<u64> {
        match self {
            Leg::T38(leg) => Some(leg.headway(ecm)),
            Leg::Audio(leg) => ecm.then(|| leg.terminal.progress().headway),
        }
    }

    pub(super) fn terminate(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.terminate(),
            Leg::Audio(leg) => leg.terminal.terminate(),
        }
    }

    /// Whether a DCN of ours is still on its way behind the end.
    pub(super) fn is_parting(&self) -> bool {
        match self {
            Leg::T38(leg) => leg.terminal.is_parting(),
            Leg::Audio(leg) => leg.terminal.is_parting(),
        }
    }

    /// Whether the far end was asked for its verdict on a page, and has not answered.
    pub(super) fn awaits_verdict(&mut self) -> bool {
        match self {
            Leg::T38(leg) => leg.terminal.awaits_verdict(),
            Leg::Audio(leg) => leg.terminal.awaits_verdict(),
        }
    }

    pub(super) fn silence(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.silence(),
            Leg::Audio(leg) => leg.terminal.silence(),
        }
    }

    /// Whether data comes in that is not at its end (T.38 only).
    pub(super) fn takes_in_data(&self) -> bool {
        match self {
            Leg::T38(leg) => leg.takes_in_data(),
            Leg::Audio(_) => false,
        }
    }

    /// Whether data of ours leaves that is not at its end (T.38 only).
    pub(super) fn says_data(&self) -> bool {
        match self {
            Leg::T38(leg) => leg.says_data(),
            Leg::Audio(_) => false,
        }
    }

    /// True once: the far end's fax tone was heard (audio only).
    pub(super) fn take_tone(&mut self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => leg.hearing.take_tone(),
        }
    }

    /// Whether the far end sounds like somebody talking (audio only).
    pub(super) fn is_voice(&mut self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => leg.hearing.is_voice() && !leg.terminal.heard_frame(),
        }
    }
}
