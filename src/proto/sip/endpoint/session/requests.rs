//! Requests of the far end within a session.

use std::time::{Duration, Instant};

use super::super::body::sdp_of;
use super::super::core::{ALLOW, SUPPORTED};
use super::super::servers::{Answer, ServerKey};
use super::super::words::reason_of;
use super::change::Ours;
use super::unacked::{FIRST_ACK, Unacked};
use super::{Core, Session, SipEvent, Stage};
use crate::proto::sip::session_timer::SessionExpires;
use crate::proto::sip::transaction::PATIENCE;
use crate::proto::sip::{Flow, Message, Method, Name};

/// Re-INVITEs that may wait for something else to end.
const MOST_HELD: usize = 4;

/// Their re-INVITE or UPDATE, which waits for our user's answer.
#[derive(Debug)]
pub(super) struct Theirs {
    pub key: ServerKey,
    is_invite: bool,
    /// Their offer; empty where they want ours.
    offer: Vec<u8>,
}

impl Session {
    pub fn handle_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        from: &Flow,
        now: Instant,
    ) -> Option<Stage> {
        if self.dialog.take_number(request).is_err() {
            // RFC 3261 12.2.2.
            core.respond(key, Answer::new(500, ""), now);
            return None;
        }
        self.dialog.refresh_way(from);
        match request.method()? {
            Method::Bye => {
                core.respond(key, Answer::new(200, ""), now);
                self.confirm_quietly();
                Some(self.lose(core, reason_of(request), now))
            }
            Method::Invite | Method::Update => self.on_change(core, key, request, now),
            Method::Options => {
                let answer = Answer::new(200, "")
                    .with(Name::Allow, ALLOW)
                    .with(Name::Accept, "application/sdp")
                    .with(Name::Supported, SUPPORTED);
                core.respond(key, answer, now);
                None
            }
            // Gateways tell of key presses and the like; nobody here needs them.
            Method::Info | Method::Notify => {
                core.respond(key, Answer::new(200, ""), now);
                None
            }
            Method::Refer => {
                core.respond(key, Answer::new(603, ""), now);
                None
            }
            // RFC 3262 3: no 18x of ours waits for one.
            Method::Prack => {
                core.respond(key, Answer::new(481, ""), now);
                None
            }
            _ => {
                let answer = Answer::new(405, "").with(Name::Allow, ALLOW);
                core.respond(key, answer, now);
                None
            }
        }
    }

    /// Their re-INVITE or UPDATE (RFC 3261 14.2, RFC 3311 5.2).
    fn on_change(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let offer = sdp_of(request);
        if is_too_short(request, core.config.min_session) {
            let answer = Answer::new(422, "").with(Name::MinSe, seconds(core.config.min_session));
            core.respond(key, answer, now);
            return None;
        }
        let is_invite = request.method() == Some(&Method::Invite);
        if !is_invite && offer.is_empty() {
            self.answer_refresh(core, key, request, None, now);
            return None;
        }
        if self
            .unacked
            .as_ref()
            .is_some_and(|unacked| !unacked.wants_answer())
        {
            self.confirm_by_request(core);
            if let Some(why) = self.hanging_up.take() {
                self.held.push(key);
                return Some(self.hang_up(core, &why, now));
            }
        }
        if !self.is_free_for_theirs() {
            self.put_off(core, key, now);
            return None;
        }
        if self.wanted.take().is_some() {
            // Ours had to wait, and theirs is first now.
            core.say(self.id, SipEvent::ReinviteAnswered(Err(491)));
        }
        self.learn(request);
        self.dialog.refresh_target(request);
        if self.is_refresh(request, &offer) {
            let same = self.agreed.ours.clone();
            if is_invite {
                self.answer_invite(core, key, request, &offer, same, now);
            } else {
                self.answer_refresh(core, key, request, Some(same), now);
            }
            return None;
        }
        self.theirs = Some(Theirs {
            key,
            is_invite,
            offer: offer.clone(),
        });
        core.say(self.id, SipEvent::Reinvite(offer));
        None
    }

    /// RFC 3261 14.2: 491 while ours is pending, 500 while another of theirs is. What has to wait for our refresh or
    /// for their ACK only, waits here and not in the far end's timers.
    fn put_off(&mut self, core: &mut Core, key: ServerKey, now: Instant) {
        let waits_for_us = match &self.ours {
            Some(ours) if ours.is_invite() => ours.is_refresh(),
            _ => self.theirs.is_none(),
        };
        if waits_for_us && self.held.len() < MOST_HELD {
            return self.held.push(key);
        }
        let glare = self.ours.as_ref().is_some_and(Ours::is_invite);
        let answer = match glare {
            true => Answer::new(491, ""),
            false => {
                let seconds = core.random.below(11);
                Answer::new(500, "").with(Name::RetryAfter, seconds.to_string())
            }
        };
        core.respond(key, answer, now);
    }

    /// One that was put off.
    pub(super) fn take_held(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        now: Instant,
    ) -> Option<Stage> {
        let request = core.request(key)?.clone();
        // One that came before its session has not been counted yet.
        let _ = self.dialog.take_number(&request);
        self.on_change(core, key, &request, now)
    }

    /// The description that they sent last, under a session timer: nothing changes, and our user need not know.
    fn is_refresh(&self, request: &Message, offer: &[u8]) -> bool {
        let timed = request.headers.get(Name::SessionExpires).is_some();
        timed && !offer.is_empty() && offer == self.agreed.theirs && !self.agreed.ours.is_empty()
    }

    /// Our user answers their re-INVITE or UPDATE.
    pub(super) fn answer_theirs(
        &mut self,
        core: &mut Core,
        code: u16,
        sdp: Option<Vec<u8>>,
        now: Instant,
    ) {
        let Some(theirs) = self.theirs.take() else {
            return;
        };
        let Some(request) = core.request(theirs.key).cloned() else {
            return;
        };
        match (code, sdp) {
            (200..300, Some(sdp)) if theirs.is_invite => {
                self.answer_invite(core, theirs.key, &request, &theirs.offer, sdp, now);
            }
            (200..300, Some(sdp)) => {
                self.agree(sdp.clone(), theirs.offer);
                self.answer_refresh(core, theirs.key, &request, Some(sdp), now);
            }
            (200..300, None) => {
                core.respond(theirs.key, Answer::new(488, ""), now);
            }
            (code, _) => {
                core.respond(theirs.key, Answer::new(code.clamp(300, 699), ""), now);
            }
        }
    }

    /// 200 to an INVITE, the first or another one.
    pub fn answer_invite(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        offer: &[u8],
        sdp: Vec<u8>,
        now: Instant,
    ) {
        let answer = self.accepted(request, now);
        let Some(sent) = core.respond(key, answer.with_sdp(Some(sdp.clone())), now) else {
            return;
        };
        let offered = match offer.is_empty() {
            true => Some(sdp),
            false => {
                self.agree(sdp, offer.to_vec());
                None
            }
        };
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let patience = match self.confirmed {
            true => PATIENCE,
            false => FIRST_ACK,
        };
        self.unacked = Some(Unacked::new(number, sent, offered, patience, now));
    }

    /// 200 to an UPDATE.
    fn answer_refresh(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        sdp: Option<Vec<u8>>,
        now: Instant,
    ) {
        self.dialog.refresh_target(request);
        let answer = self.accepted(request, now).with_sdp(sdp);
        core.respond(key, answer, now);
    }

    fn accepted(&mut self, request: &Message, now: Instant) -> Answer {
        let mut answer = Answer::new(200, &self.dialog.local_tag)
            .with(Name::Contact, self.dialog.contact.as_str())
            .with(Name::Allow, ALLOW)
            .with(Name::Supported, SUPPORTED);
        for (name, value) in self.start_timer_as_uas(request, now) {
            answer = answer.with(name, value);
        }
        answer
    }

    /// Their re-INVITE was cancelled.
    pub fn handle_cancel(&mut self, core: &mut Core, key: ServerKey, now: Instant) {
        self.theirs.take_if(|theirs| theirs.key == key);
        self.held.retain(|held| *held != key);
        core.respond(key, Answer::new(487, &self.dialog.local_tag), now);
    }

    /// A BYE before the ACK (RFC 3261 15): the 200 need not be repeated any longer.
    fn confirm_quietly(&mut self) {
        self.unacked = None;
        self.confirmed = true;
    }
}

/// RFC 4028 9: shorter than we agree to, and the peer understands a 422.
pub(in super::super) fn is_too_short(request: &Message, shortest: Duration) -> bool {
    let asked = request.headers.get(Name::SessionExpires);
    let asked = asked.and_then(SessionExpires::parse);
    let knows_timer = request.headers.lists(Name::Supported, "timer");
    knows_timer && asked.is_some_and(|asked| asked.interval < shortest)
}

fn seconds(of: Duration) -> String {
    of.as_secs().to_string()
}
