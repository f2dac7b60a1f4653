//! One fax call as a machine without I/O.
//!
//! Takes over: a number that was dialled, or an INVITE that came in.
//! Promises: exactly one [`Action::Finished`], whatever the network, the child and the far end do, and within the
//! times of its [`CallPolicy`](super::policy::CallPolicy).
//! When it dies: it owns nothing; its driver drops the SIP call (which hangs up) and the child (which is killed).
//!
//! Whoever drives it feeds [`Input`]s to [`CallMachine::handle`], carries out what [`CallMachine::poll`] gives until
//! that is `None`, and comes back with [`Input::Timeout`] at [`CallMachine::next_timeout`].

mod ending;
mod opening;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::cause;
use super::media::{AudioMedia, CallDone, T38Media};
use super::outcome::{CallReport, FarEnd, Outcome};
use super::policy::{CallConfig, ReinvitePolicy};
use crate::proto::sdp::{self, Describer, Format, MediaLine};
use ending::Ending;
use switch::Switch;

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// 1xx to our INVITE.
    Provisional(u16),
    /// 200 to our INVITE; the body, or that of an earlier 183 (some send it only there).
    Answered(Vec<u8>),
    /// The ACK to our 200, with its body where our 200 had the offer.
    Confirmed(Option<Vec<u8>>),
    /// A final refusal of our INVITE.
    Failed {
        /// Status code.
        code: u16,
        /// Reason phrase.
        reason: String,
        /// Q.850 cause of its `Reason` header.
        q850: Option<u16>,
    },
    /// Nobody answers at the trunk, or its socket broke.
    TrunkDown(String),
    /// A re-INVITE came; the body, empty where it has no offer.
    ReinviteOffered(Vec<u8>),
    /// The final response to our re-INVITE: the body of a 200, or the status code.
    ReinviteAnswered(Result<Vec<u8>, u16>),
    /// BYE (or CANCEL, or a dialog that the stack gave up), with the `Reason` header where it had one.
    Bye(Option<String>),
    /// The child gave its sign of life, which it does every five seconds.
    Alive,
    /// The child heard a fax tone in audio.
    FaxToneHeard,
    /// The first packet of T.38 came.
    T38Heard,
    /// The child negotiated with the far end.
    Negotiated(FarEnd),
    /// This many pages are through: confirmed by the far end, or stored by us.
    PagesThrough(u32),
    /// The child was told that the end of this page may leave: the last of a fax.
    LastPageLeft {
        /// Its number in this call, from 1.
        page: u32,
        /// No other fax is to follow in this call, whatever was planned.
        is_enough: bool,
    },
    /// The child's report.
    Done(CallDone),
    /// The child died.
    ChildDied {
        /// [`Outcome::ChildCrashed`] or [`Outcome::ChildHung`].
        outcome: Outcome,
        /// How, in words.
        how: String,
    },
    /// End the call: [`Outcome::Cancelled`] or [`Outcome::GatewayStopped`].
    HangUp(Outcome),
    /// The time of [`CallMachine::next_timeout`] has come.
    Timeout,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send an INVITE with this offer: the first, or a new call where the far end did not take T.38 in the first.
    Invite(Vec<u8>),
    /// Send CANCEL.
    Cancel,
    /// Answer the INVITE with 200 and this description.
    Accept(Vec<u8>),
    /// Refuse the INVITE.
    Reject(u16),
    /// Send a re-INVITE with this offer.
    Reinvite(Vec<u8>),
    /// Answer the far end's re-INVITE.
    AnswerReinvite {
        /// Status code.
        code: u16,
        /// The description of a 200.
        sdp: Option<Vec<u8>>,
    },
    /// Send BYE; the text is for its `Reason` header.
    Bye(String),
    /// Tell the child.
    Child(ChildOrder),
    /// The call is over; nothing follows.
    Finished(CallReport),
}

/// What to tell the child.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildOrder {
    /// Exchange audio with this address.
    Audio(AudioMedia),
    /// Switch to T.38 with this address.
    T38(T38Media),
    /// Our 200 is acknowledged: media may leave.
    Acknowledged,
    /// Say DCN and report.
    HangUp,
    /// Report: the far end has hung up.
    FarEndGone,
}

/// The clocks of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// The called number may ring this long.
    Ring,
    /// Time for our re-INVITE, the first or one after a glare.
    Reinvite,
    /// T.30 5.4.3.1: no fax was heard.
    T1,
    /// T.38 was agreed, and its first packet is due.
    T38Silence,
    /// The far end went back to audio; the BYE that it may be the way to is due.
    Back,
    /// The child had its time to say farewell.
    Farewell,
    /// The call is too long.
    Total,
}

/// A child that has given no sign of life for this long hangs, or will be heard again.
const MUTE: Duration = Duration::from_secs(7);

const TIMERS: [Timer; 7] = [
    Timer::Ring,
    Timer::Reinvite,
    Timer::T1,
    Timer::T38Silence,
    Timer::Back,
    Timer::Farewell,
    Timer::Total,
];

#[derive(Debug)]
enum Phase {
    /// Our INVITE is out.
    Calling,
    /// Our CANCEL is out; a final response must still come.
    Cancelling(Ending),
    /// Answered.
    Talking,
    /// The child was told to end; its report must still come.
    Leaving(Ending),
    /// We have received the fax, and leave it to the far end to hang up.
    Parting(CallReport),
    /// Finished.
    Over,
}

/// One fax call.
#[derive(Debug)]
pub struct CallMachine {
    config: CallConfig,
    ours: Describer,
    phase: Phase,
    switch: Switch,
    actions: VecDeque<Action>,
    timers: [Option<Instant>; TIMERS.len()],
    rng: fastrand::Rng,
    outgoing: bool,
    /// A BYE is owed to the far end.
    dialog_up: bool,
    /// Our 200 carried the offer; the answer comes in the ACK.
    answer_in_ack: bool,
    /// The child knows that our 200 is acknowledged.
    acknowledged: bool,
    /// The m= lines of the session so far (RFC 3264 8).
    lines: Vec<MediaLine>,
    /// Our last description, said again to a re-INVITE without an offer.
    last_words: Vec<u8>,
    answered_at: Option<Instant>,
    /// When the child last gave a sign of life.
    alive_at: Option<Instant>,
    /// The far end has shown itself to be a fax.
    heard: bool,
    /// DIS and DCS were exchanged.
    negotiated: bool,
    pages: u32,
    /// The last page whose end has left: of the fax, or of a document of several in the call.
    left: u32,
    /// The child lived to say that the end of no last page is unanswered.
    unsent: bool,
    far_end: FarEnd,
    sip_code: Option<u16>,
    q850: Option<u16>,
}

impl CallMachine {
    /// A call that we place.
    pub fn outgoing(config: CallConfig, now: Instant) -> CallMachine {
        let mut call = CallMachine::new(config, true);
        call.invite(now);
        call
    }

    /// A call that came in, to be answered now. `offer` is the body of its INVITE, empty where it has none.
    pub fn incoming(config: CallConfig, offer: &[u8], now: Instant) -> CallMachine {
        let mut call = CallMachine::new(config, false);
        match call.first_answer(offer) {
            Ok((answer, order)) => {
                call.last_words.clone_from(&answer);
                call.sip_code = Some(200);
                call.act(Action::Accept(answer));
                call.up(now);
                if let Some(order) = order {
                    call.tell(order);
                }
                call.expect_t38(now);
            }
            Err(why) => {
                call.sip_code = Some(488);
                call.act(Action::Reject(488));
                call.finish(Ending::new(Outcome::Incompatible, why), now);
            }
        }
        call
    }

    fn new(config: CallConfig, outgoing: bool) -> CallMachine {
        CallMachine {
            ours: Describer::new(
                config.address,
                config.session,
                config.rtp_port,
                config.udptl_port,
            ),
            phase: Phase::Calling,
            switch: Switch::default(),
            actions: VecDeque::new(),
            timers: [None; TIMERS.len()],
            rng: fastrand::Rng::with_seed(config.session),
            outgoing,
            dialog_up: false,
            answer_in_ack: false,
            acknowledged: outgoing,
            lines: Vec::new(),
            last_words: Vec::new(),
            answered_at: None,
            alive_at: None,
            heard: false,
            negotiated: false,
            pages: 0,
            left: 0,
            unsent: false,
            far_end: FarEnd::default(),
            sip_code: None,
            q850: None,
            config,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        match input {
            Input::Provisional(code) => self.sip_code = Some(code),
            Input::Answered(body) => self.on_answered(&body, now),
            Input::Confirmed(body) => self.on_confirmed(body.as_deref(), now),
            Input::Failed { code, reason, q850 } => self.on_failed(code, &reason, q850, now),
            Input::TrunkDown(why) => self.on_gone(Ending::new(Outcome::TrunkDown, why), now),
            Input::ReinviteOffered(body) => self.on_reinvite(&body, now),
            Input::ReinviteAnswered(answer) => self.on_reinvite_answered(answer, now),
            Input::Bye(reason) => self.on_bye(reason, now),
            Input::FaxToneHeard => self.on_fax_tone(now),
            Input::Alive => self.alive_at = Some(now),
            Input::T38Heard => self.disarm(Timer::T38Silence),
            Input::Negotiated(far_end) => {
                self.fax_heard();
                self.disarm(Timer::T38Silence);
                self.negotiated = true;
                self.far_end = far_end;
            }
            Input::PagesThrough(pages) => self.on_pages_through(pages),
            Input::LastPageLeft { page, is_enough } => self.on_last_page_left(page, is_enough),
            Input::Done(done) => self.on_done(done, now),
            Input::ChildDied { outcome, how } => self.on_child_died(outcome, how, now),
            Input::HangUp(outcome) => self.hang_up(Ending::new(outcome, ""), now),
            Input::Timeout => self.on_timeout(now),
        }
    }

    /// The next thing to do; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timeout`] is due; `None` once the call is over.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.iter().flatten().min().copied()
    }

    fn on_answered(&mut self, body: &[u8], now: Instant) {
        self.dialog_up = true;
        self.sip_code = Some(200);
        match std::mem::replace(&mut self.phase, Phase::Talking) {
            Phase::Calling => {
                self.up(now);
                self.on_first_answer(body, now);
            }
            // RFC 3261 9.1: our CANCEL crossed the 200, so BYE has to end what it set up.
            Phase::Cancelling(ending) => self.finish(ending, now),
            other => self.phase = other,
        }
    }

    fn on_confirmed(&mut self, body: Option<&[u8]>, now: Instant) {
        if !std::mem::replace(&mut self.acknowledged, true) {
            self.tell(ChildOrder::Acknowledged);
        }
        if self.outgoing || !matches!(self.phase, Phase::Talking) {
            return;
        }
        if std::mem::take(&mut self.answer_in_ack)
            && let Err(why) = self.take_audio_answer(body.unwrap_or_default())
        {
            self.hang_up(Ending::new(Outcome::Incompatible, why), now);
            return;
        }
        self.schedule_reinvite(now);
    }

    fn on_failed(&mut self, code: u16, reason: &str, q850: Option<u16>, now: Instant) {
        self.sip_code = Some(code);
        self.q850 = q850;
        match std::mem::replace(&mut self.phase, Phase::Calling) {
            Phase::Calling if self.refuses_t38_first(code) => self.invite_in_audio(now),
            Phase::Calling => {
                let mut detail = format!("{code} {reason}");
                if let Some(cause) = q850 {
                    detail.push_str(&format!(" (Q.850 cause {cause})"));
                }
                let ending = Ending::new(cause::of_refusal(code, q850), detail);
                self.finish(ending, now);
            }
            Phase::Cancelling(ending) => self.finish(ending, now),
            other => self.phase = other,
        }
    }

    fn on_bye(&mut self, reason: Option<String>, now: Instant) {
        let mut detail = match reason {
            Some(reason) => format!("the far end hung up: {reason}"),
            None => "the far end hung up".to_owned(),
        };
        let outcome = if self.switch.has_refused() && !self.negotiated {
            // It wanted T.38 and nothing else; that is our doing.
            detail.push_str(" after we refused its T.38");
            Outcome::T38Failed
        } else if self.t38_is_silent() && self.heard {
            detail.push_str(" of T.38 in which nothing had come");
            Outcome::T38Silent
        } else if self.outgoing && !self.heard {
            Outcome::NoFax
        } else {
            Outcome::FarEndHungUp
        };
        self.on_gone(Ending::new(outcome, detail), now);
    }

    fn on_last_page_left(&mut self, page: u32, is_enough: bool) {
        self.left = page;
        if is_enough {
            self.config.pages = page;
        }
    }

    fn on_pages_through(&mut self, pages: u32) {
        self.fax_heard();
        self.disarm(Timer::T38Silence);
        self.pages = self.pages.max(pages);
        // Who receives learns with each page that one more may come.
        if let Some(at) = self.answered_at.filter(|_| self.receives())
            && self.timer(Timer::Total).is_some()
        {
            self.arm(
                Timer::Total,
                at + self.config.policy.total.of(self.pages + 1),
            );
        }
    }

    /// The dialog is gone without our doing; the child may still know more.
    fn on_gone(&mut self, ending: Ending, now: Instant) {
        self.dialog_up = false;
        match &self.phase {
            Phase::Talking => self.leave(ending, now),
            // The child is at its farewell already, and the far end does not hear it any more.
            Phase::Leaving(_) | Phase::Over => {}
            Phase::Calling => self.finish(ending, now),
            Phase::Cancelling(_) | Phase::Parting(_) => self.finish_as_planned(now),
        }
    }

    fn on_fax_tone(&mut self, now: Instant) {
        self.fax_heard();
        let courtesy = match self.config.policy.reinvite {
            ReinvitePolicy::Us { .. } => Duration::ZERO,
            _ => super::policy::TONE_COURTESY,
        };
        if self.switch.waits_for_first_try()
            && let Some(due) = self.timer(Timer::Reinvite)
        {
            self.arm(Timer::Reinvite, due.min(now + courtesy));
        }
    }

    fn fax_heard(&mut self) {
        self.heard = true;
        if self.switch.is_t38() || self.config.policy.audio_fax {
            self.disarm(Timer::T1);
        }
    }

    fn on_done(&mut self, done: CallDone, now: Instant) {
        match &self.phase {
            Phase::Talking => self.finish_with(None, self.or_no_fax(done), now),
            Phase::Leaving(ending) => self.finish_with(Some(ending.clone()), done, now),
            // It gave up before anybody answered.
            Phase::Calling => self.hang_up(Ending::new(done.outcome, done.detail), now),
            Phase::Cancelling(_) | Phase::Parting(_) | Phase::Over => {}
        }
    }

    /// What silence means. Who was called and never sounded like a fax did not fall silent: there is none. A fax that
    /// went to T.38 and was never heard there was lost on that way.
    fn or_no_fax(&self, mut done: CallDone) -> CallDone {
        let silent = matches!(done.outcome, Outcome::FarEndSilent | Outcome::NoFax);
        let outcome = match silent {
            // It wanted T.38 and nothing else, said DCN, and its BYE is on the way.
            false
                if done.outcome == Outcome::FarEndHungUp
                    && self.switch.has_refused()
                    && !self.negotiated =>
            {
                done.detail = format!(
                    "the far end hung up after we refused its T.38: {}",
                    done.detail
                );
                Outcome::T38Failed
            }
            true if self.switch.is_t38() && self.heard && !self.negotiated => Outcome::T38Silent,
            true if self.outgoing && !self.heard => Outcome::NoFax,
            _ => done.outcome,
        };
        CallDone { outcome, ..done }
    }

    fn child_is_mute(&self, now: Instant) -> bool {
        self.alive_at.is_some_and(|at| now - at > MUTE)
    }

    /// In T.38, of which no packet has come.
    fn t38_is_silent(&self) -> bool {
        self.switch.is_t38() && self.timer(Timer::T38Silence).is_some()
    }

    fn on_child_died(&mut self, outcome: Outcome, how: String, now: Instant) {
        let death = Ending::new(outcome, format!("the call's process {how}"));
        match &self.phase {
            Phase::Calling => self.hang_up(death, now),
            Phase::Talking => self.finish(death, now),
            Phase::Leaving(_) => self.finish_as_planned(now),
            Phase::Cancelling(_) | Phase::Parting(_) | Phase::Over => {}
        }
    }

    /// Ends the call from our side.
    fn hang_up(&mut self, ending: Ending, now: Instant) {
        match &self.phase {
            Phase::Calling => {
                self.act(Action::Cancel);
                self.arm_only(Timer::Farewell, now + self.config.policy.farewell);
                self.phase = Phase::Cancelling(ending);
            }
            Phase::Talking => self.leave(ending, now),
            Phase::Parting(_) => self.finish_as_planned(now),
            // The first reason stands.
            Phase::Cancelling(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    fn leave(&mut self, ending: Ending, now: Instant) {
        self.tell(match self.dialog_up {
            true => ChildOrder::HangUp,
            false => ChildOrder::FarEndGone,
        });
        self.arm_only(Timer::Farewell, now + self.config.policy.farewell);
        self.phase = Phase::Leaving(ending);
    }

    fn on_timeout(&mut self, now: Instant) {
        for timer in TIMERS {
            if self.timer(timer).is_some_and(|due| due <= now) {
                self.disarm(timer);
                self.on_timer(timer, now);
            }
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Instant) {
        let policy = &self.config.policy;
        match timer {
            Timer::Ring => {
                let detail = format!("no answer within {} s", policy.ring.as_secs());
                self.hang_up(Ending::new(Outcome::NoAnswer, detail), now);
            }
            Timer::Reinvite => self.send_reinvite(),
            Timer::T1 => {
                let (outcome, what) = if self.heard {
                    (Outcome::T38Failed, "no switch to T.38")
                } else {
                    (Outcome::NoFax, "no fax heard")
                };
                let detail = format!("{what} within {} s", policy.no_fax.as_secs());
                self.hang_up(Ending::new(outcome, detail), now);
            }
            // A child that gives no sign of life says nothing of the far end: how it ends is its watchdog's to say.
            Timer::T38Silence if self.child_is_mute(now) => {}
            Timer::T38Silence => {
                let seconds = policy.t38_silence.as_secs();
                let detail = format!("no packet of T.38 came within {seconds} s of the switch");
                self.hang_up(Ending::new(Outcome::T38Silent, detail), now);
            }
            Timer::Back => self.go_back(now),
            Timer::Farewell => self.finish_as_planned(now),
            Timer::Total => {
                let seconds = self.answered_at.map_or(0, |at| (now - at).as_secs());
                let detail = format!("the call was up for {seconds} s");
                self.hang_up(Ending::new(Outcome::TooLong, detail), now);
            }
        }
    }

    /// The call is answered, by either side.
    fn up(&mut self, now: Instant) {
        self.phase = Phase::Talking;
        self.dialog_up = true;
        self.answered_at = Some(now);
        self.disarm(Timer::Ring);
        self.arm(Timer::T1, now + self.config.policy.no_fax);
        let pages = self.config.pages.max(1);
        self.arm(Timer::Total, now + self.config.policy.total.of(pages));
    }

    fn receives(&self) -> bool {
        self.config.pages == 0
    }

    fn common_format(&self, audio: &sdp::Audio) -> Option<Format> {
        let ours = &self.config.codecs;
        let mut formats = audio.formats.iter();
        formats.find(|it| ours.contains(&it.codec)).copied()
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn tell(&mut self, order: ChildOrder) {
        self.act(Action::Child(order));
    }

    fn timer(&self, timer: Timer) -> Option<Instant> {
        self.timers[timer as usize]
    }

    fn arm(&mut self, timer: Timer, due: Instant) {
        self.timers[timer as usize] = Some(due);
    }

    fn disarm(&mut self, timer: Timer) {
        self.timers[timer as usize] = None;
    }

    fn arm_only(&mut self, timer: Timer, due: Instant) {
        self.timers = [None; TIMERS.len()];
        self.arm(timer, due);
    }
}
