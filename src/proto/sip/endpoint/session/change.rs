//! Our re-INVITE or UPDATE (RFC 3261 14.1, RFC 3311).

use std::time::{Duration, Instant};

use super::super::body::sdp_of;
use super::super::calling::ask_for_session;
use super::super::clients::{ClientKey, User};
use super::super::core::{ALLOW, SUPPORTED};
use super::{Core, Session, SipEvent, Stage};
use crate::proto::sip::session_timer::Refresher;
use crate::proto::sip::{Message, Method, Name};

/// A re-INVITE without a final response after this long counts as unanswered (408) for its user; timer B would take
/// 32 s.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);
/// How often a 422 is answered with a longer interval.
const MOST_INTERVALS: u8 = 3;

#[derive(Debug)]
pub(super) struct Ours {
    pub key: ClientKey,
    /// As it was sent last, without its `Via`.
    pub request: Message,
    what: What,
    pub give_up_at: Option<Instant>,
    heard: bool,
    intervals: u8,
}

/// What it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Our user wants another session.
    Change,
    /// Its user waits no longer.
    GivenUp,
    /// The session timer wants to hear that somebody is there (RFC 4028 10).
    Refresh,
}

impl Ours {
    /// RFC 3261 14.1: one INVITE at a time; an UPDATE without offer is in nobody's way.
    pub fn is_invite(&self) -> bool {
        self.request.method() == Some(&Method::Invite)
    }

    pub fn is_refresh(&self) -> bool {
        self.what == What::Refresh
    }

    /// Theirs has to wait for it. A refresh that nobody answers does not hold them up for ever.
    pub fn is_in_their_way(&self) -> bool {
        self.is_invite() && !(self.is_refresh() && self.give_up_at.is_none())
    }
}

impl Session {
    /// Our user wants another session: now, or once nothing else is under way.
    pub(super) fn want_change(&mut self, core: &mut Core, sdp: Vec<u8>, now: Instant) {
        if self.theirs.is_some() || !self.held.is_empty() {
            // RFC 3261 14.1: theirs was first.
            core.say(self.id, SipEvent::ReinviteAnswered(Err(491)));
        } else if self.is_quiet() {
            self.start_change(core, sdp, now);
        } else {
            self.wanted = Some(sdp);
        }
    }

    pub(super) fn start_change(&mut self, core: &mut Core, sdp: Vec<u8>, now: Instant) {
        self.send_invite(core, What::Change, sdp, now);
    }

    pub(super) fn send_invite(&mut self, core: &mut Core, what: What, sdp: Vec<u8>, now: Instant) {
        let mut request = self.dialog.request(Method::Invite);
        request
            .headers
            .push(Name::Contact, self.dialog.contact.as_str());
        request.headers.push(Name::Accept, "application/sdp");
        self.ask_for_refresh(core, &mut request);
        let request = request.with_body("application/sdp", sdp);
        self.send_ours(core, what, request, now);
    }

    pub(super) fn send_update(&mut self, core: &mut Core, now: Instant) {
        let mut request = self.dialog.request(Method::Update);
        request
            .headers
            .push(Name::Contact, self.dialog.contact.as_str());
        self.ask_for_refresh(core, &mut request);
        self.send_ours(core, What::Refresh, request, now);
    }

    /// RFC 4028 7.1: whoever refreshes goes on to do so.
    fn ask_for_refresh(&self, core: &Core, request: &mut Message) {
        request.headers.push(Name::Allow, ALLOW);
        request.headers.push(Name::Supported, SUPPORTED);
        core.introduce(request);
        if let Some((interval, refresher)) = self.timer.agreed() {
            let ours = refresher == Refresher::Us;
            ask_for_session(request, Some(interval), self.min_se, Some(ours));
        }
    }

    fn send_ours(&mut self, core: &mut Core, what: What, mut request: Message, now: Instant) {
        self.auth.authorize(&mut request, &mut core.random);
        let flow = self.dialog.next_hop();
        let user = User::Call(self.id);
        let key = core.send(request.clone(), &flow, user, CHANGE_PATIENCE, now);
        self.ours = Some(Ours {
            key,
            request,
            what,
            give_up_at: Some(now + CHANGE_PATIENCE),
            heard: false,
            intervals: 0,
        });
    }

    /// The same request once more, with the next number.
    fn send_ours_again(&mut self, core: &mut Core, mut request: Message, now: Instant) {
        let Some(ours) = &mut self.ours else {
            return;
        };
        self.dialog.local_seq += 1;
        let number = self.dialog.local_seq;
        let method = request.method().cloned().unwrap_or(Method::Invite);
        request
            .headers
            .set(Name::CSeq, format!("{number} {method}"));
        let flow = self.dialog.next_hop();
        let user = User::Call(self.id);
        ours.request = request.clone();
        ours.key = core.send(request, &flow, user, CHANGE_PATIENCE, now);
        ours.heard = false;
    }

    pub(super) fn on_ours_answered(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        match response.code()? {
            100..200 => {
                self.on_ours_provisional(core, now);
                None
            }
            200..300 => self.on_ours_accepted(core, response, now),
            401 | 407 => self.on_ours_challenged(core, response, now),
            422 => self.on_ours_too_short(core, response, now),
            code => self.on_ours_refused(core, code, now),
        }
    }

    fn on_ours_provisional(&mut self, core: &mut Core, now: Instant) {
        let Some(ours) = &mut self.ours else {
            return;
        };
        // Given up before anything came, it is cancelled as soon as that is allowed.
        let first = !std::mem::replace(&mut ours.heard, true);
        if first && ours.what == What::GivenUp {
            core.cancel(ours.key, None, now);
        }
    }

    fn on_ours_accepted(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let ours = self.ours.take()?;
        self.auth.settled();
        self.dialog.refresh_target(response);
        self.learn(response);
        if ours.is_invite() {
            let flow = self.dialog.next_hop();
            let ack = self.dialog.ack(&ours.request);
            self.acks.send(core, response, ack, &flow);
        }
        self.start_timer_as_uac(response, self.min_se, now);
        match ours.what {
            What::Change => {
                let answer = sdp_of(response);
                self.agree(ours.request.body, answer.clone());
                core.say(self.id, SipEvent::ReinviteAnswered(Ok(answer)));
                None
            }
            // Our user went on without it, and the far end switched: the two will not meet again.
            What::GivenUp => Some(self.break_off(
                core,
                "our re-INVITE was accepted after it was given up",
                now,
            )),
            What::Refresh => None,
        }
    }

    fn on_ours_challenged(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let mut request = self.ours.as_ref()?.request.clone();
        if !self.auth.answer(&mut request, response, &mut core.random) {
            return self.on_ours_refused(core, response.code()?, now);
        }
        self.send_ours_again(core, request, now);
        None
    }

    /// RFC 4028 7.4.
    fn on_ours_too_short(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let ours = self.ours.as_mut()?;
        ours.intervals += 1;
        let min_se = response.seconds(Name::MinSe);
        let Some(min_se) = min_se.filter(|_| ours.intervals <= MOST_INTERVALS) else {
            return self.on_ours_refused(core, 422, now);
        };
        let min_se = Duration::from_secs(min_se.into());
        let mut request = ours.request.clone();
        self.min_se = self.min_se.max(min_se);
        let refreshes = self.timer.agreed().map(|(_, who)| who == Refresher::Us);
        ask_for_session(&mut request, Some(self.min_se), self.min_se, refreshes);
        self.send_ours_again(core, request, now);
        None
    }

    fn on_ours_refused(&mut self, core: &mut Core, code: u16, now: Instant) -> Option<Stage> {
        let ours = self.ours.take()?;
        match ours.what {
            What::Change => core.say(self.id, SipEvent::ReinviteAnswered(Err(code))),
            What::Refresh => self.on_refresh_refused(core, &ours, code, now),
            What::GivenUp => {}
        }
        // RFC 3261 12.2.1.2: the far end has no such call.
        let unknown = "the far end does not know the call any longer (481)";
        (code == 481).then(|| self.lose(core, Some(unknown.to_owned()), now))
    }

    /// No final response at all.
    pub(super) fn on_ours_unanswered(&mut self, now: Instant, core: &mut Core) {
        match self.ours.take().map(|ours| ours.what) {
            Some(What::Change) => core.say(self.id, SipEvent::ReinviteAnswered(Err(408))),
            Some(What::Refresh) => self.timer.postpone(now),
            Some(What::GivenUp) | None => {}
        }
    }

    /// Its user waits no longer; the far end is told, so that it does not switch alone.
    pub(super) fn on_ours_timeout(&mut self, core: &mut Core, now: Instant) {
        let Some(ours) = &mut self.ours else {
            return;
        };
        if ours.give_up_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        match ours.what {
            What::Change => {
                ours.what = What::GivenUp;
                if ours.heard {
                    core.cancel(ours.key, None, now);
                }
                core.give_up(ours.key, now);
                core.say(self.id, SipEvent::ReinviteAnswered(Err(408)));
            }
            What::Refresh => {
                // An INVITE stays until its transaction ends; both give way to whatever our user wants.
                if ours.heard {
                    core.cancel(ours.key, None, now);
                }
                self.timer.postpone(now);
            }
            What::GivenUp => {}
        }
    }
}
