//! Our 2xx to an INVITE, sent again until its ACK comes (RFC 3261 13.3.1.4).

use std::time::{Duration, Instant};

use super::{Core, Session, SipEvent, Stage};
use crate::proto::sip::transaction::{T1, T2};
use crate::proto::sip::{Flow, Message};

/// How long a call is kept without its first ACK. RFC 3261 13.3.1.4 says 64*T1, but over UDP anybody can send an INVITE in
/// the carrier's name: within this time the 200 leaves four times, so three ACKs may be lost.
pub(super) const FIRST_ACK: Duration = Duration::from_secs(5);
/// How long the BYE behind it is repeated: where it goes is the INVITE's word, too.
const UNHEARD_BYE: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Unacked {
    /// The number of the INVITE.
    number: u32,
    flow: Flow,
    octets: Vec<u8>,
    again_at: Option<Instant>,
    interval: Duration,
    until: Instant,
    /// Our offer is in it, and their answer comes in the ACK (RFC 3261 13.2.1).
    offered: Option<Vec<u8>>,
}

impl Unacked {
    pub fn new(
        number: u32,
        (flow, octets): (Flow, Vec<u8>),
        offered: Option<Vec<u8>>,
        patience: Duration,
        now: Instant,
    ) -> Unacked {
        Unacked {
            number,
            // RFC 3261 13.3.1.4: over reliable transports, too, for a proxy behind them may use UDP.
            again_at: Some(now + T1),
            interval: T1,
            until: now + patience,
            flow,
            octets,
            offered,
        }
    }

    pub fn wants_answer(&self) -> bool {
        self.offered.is_some()
    }

    pub fn next_timeout(&self) -> Instant {
        self.again_at.map_or(self.until, |at| at.min(self.until))
    }

    /// What to send again.
    fn due(&mut self, now: Instant) -> Option<(&Flow, &[u8])> {
        self.again_at.take_if(|at| *at <= now)?;
        self.interval = (self.interval * 2).min(T2);
        self.again_at = Some(now + self.interval);
        Some((&self.flow, &self.octets))
    }
}

impl Session {
    /// An ACK. The body is an answer where our 2xx had the offer.
    pub fn handle_ack(&mut self, core: &mut Core, ack: &Message, now: Instant) -> Option<Stage> {
        let number = ack.cseq()?.number;
        let unacked = self.unacked.take_if(|unacked| unacked.number == number)?;
        let body = super::super::body::sdp_of(ack);
        let body = (!body.is_empty()).then_some(body);
        if let (Some(offered), Some(answer)) = (unacked.offered, &body) {
            self.agree(offered, answer.clone());
        }
        let first = !std::mem::replace(&mut self.confirmed, true);
        if let Some(why) = self.hanging_up.take() {
            return Some(self.hang_up(core, &why, now));
        }
        if first || body.is_some() {
            core.say(self.id, SipEvent::Confirmed(body));
        }
        self.take_up_held(core, now)
    }

    /// A request that the far end can only send once it has our 2xx: its ACK is lost or late.
    pub(super) fn confirm_by_request(&mut self, core: &mut Core) {
        if self.unacked.take().is_some() && !std::mem::replace(&mut self.confirmed, true) {
            core.say(self.id, SipEvent::Confirmed(None));
        }
    }

    /// Their INVITE came again: the 2xx that it has not acknowledged is sent again.
    pub fn repeat_answer(&self, core: &mut Core, number: u32) {
        let unacked = self.unacked.as_ref();
        if let Some(unacked) = unacked.filter(|unacked| unacked.number == number) {
            core.transmit(&unacked.flow, unacked.octets.clone());
        }
    }

    pub(super) fn on_unacked_timeout(&mut self, core: &mut Core, now: Instant) -> Option<Stage> {
        let unacked = self.unacked.as_mut()?;
        if unacked.until <= now {
            // RFC 3261 13.3.1.4: the session ends with a BYE.
            self.unacked = None;
            let why = self.hanging_up.clone();
            let why = why.as_deref().unwrap_or("our 200 was never acknowledged");
            if !self.confirmed {
                self.bye_patience = UNHEARD_BYE;
            }
            return Some(self.break_off(core, why, now));
        }
        if let Some((flow, octets)) = unacked.due(now) {
            core.transmit(flow, octets.to_vec());
        }
        None
    }
}
