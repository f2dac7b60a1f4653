//! The two ways a fax goes over our wire: T.38 in UDPTL, audio in RTP. Both are driven by ticks of 10 ms.

mod audio;
mod t38;
mod talker;

use super::wire_end::WireEnd;
use crate::fax::{Event, Progress};

pub(super) use audio::AudioLeg;
pub(super) use t38::T38Leg;

/// Samples in a tick.
const TICK: usize = 80;

/// A terminal on a wire.
pub(super) enum Leg {
    T38(Box<T38Leg>),
    Audio(Box<AudioLeg>),
}

impl Leg {
    /// Takes in what the socket has; true if there was something.
    pub(super) fn receive(&mut self, wire: &mut WireEnd) -> bool {
        match self {
            Leg::T38(leg) => leg.receive(wire),
            Leg::Audio(leg) => leg.receive(wire),
        }
    }

    /// Ten milliseconds have passed; true if page data or frames left.
    pub(super) fn tick(&mut self, wire: &mut WireEnd) -> bool {
        match self {
            Leg::T38(leg) => leg.tick(wire),
            Leg::Audio(leg) => leg.tick(wire),
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

    pub(super) fn terminate(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.terminate(),
            Leg::Audio(leg) => leg.terminal.terminate(),
        }
    }

    pub(super) fn silence(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.silence(),
            Leg::Audio(leg) => leg.terminal.silence(),
        }
    }

    /// Whether the far end has heard our CED, whole and in audio.
    pub(super) fn has_said_ced(&self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => leg.has_said_ced(),
        }
    }

    /// True once: the far end's fax tone was heard (audio only).
    pub(super) fn take_tone(&mut self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => std::mem::take(&mut leg.tone),
        }
    }
}

#[cfg(test)]
pub(super) mod nobody;
