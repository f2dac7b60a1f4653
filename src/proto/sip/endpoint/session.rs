//! A call that is answered, until somebody hangs up.

mod change;
mod refresh;
mod requests;
mod unacked;

use std::time::{Duration, Instant};

use super::acks::Acks;
use super::auth::Auth;
use super::call::Stage;
use super::clients::{ClientKey, Unanswered, User};
use super::core::Core;
use super::ended::Ended;
use super::servers::{Answer, ServerKey};
use super::{CallId, SipCommand, SipEvent};
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::session_timer::{MIN_SE, SessionTimer};
use crate::proto::sip::transaction::PATIENCE;
use crate::proto::sip::{Message, Method, Name};
pub(super) use requests::is_too_short;

use change::Ours;
use requests::Theirs;
use unacked::Unacked;

#[derive(Debug)]
pub(super) struct Session {
    id: CallId,
    pub dialog: Dialog,
    auth: Auth,
    acks: Acks,
    /// Our first INVITE, for the 2xx of other forks; without its body.
    invite: Option<Message>,
    /// What was agreed last: our description and theirs.
    agreed: Agreed,
    timer: SessionTimer,
    min_se: Duration,
    far: Far,
    /// Our re-INVITE or UPDATE.
    ours: Option<Ours>,
    /// A change that waits until nothing else is under way.
    wanted: Option<Vec<u8>>,
    /// Theirs, which waits for our user's answer.
    theirs: Option<Theirs>,
    /// Theirs, which waits for something else to end.
    held: Vec<ServerKey>,
    /// Our 2xx to an INVITE, until its ACK.
    unacked: Option<Unacked>,
    /// The first INVITE is acknowledged, or ours was.
    confirmed: bool,
    /// Our user hung up; the BYE waits for the ACK (RFC 3261 15).
    hanging_up: Option<String>,
    /// How long our BYE is repeated.
    bye_patience: Duration,
}

/// What both sides said last.
#[derive(Debug, Default)]
struct Agreed {
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

/// What the far end says of itself.
#[derive(Debug, Default, Clone, Copy)]
struct Far {
    takes_update: bool,
    knows_timer: bool,
}

impl Session {
    fn new(id: CallId, dialog: Dialog, auth: Auth) -> Session {
        Session {
            id,
            dialog,
            auth,
            acks: Acks::default(),
            invite: None,
            agreed: Agreed::default(),
            timer: SessionTimer::default(),
            min_se: MIN_SE,
            far: Far::default(),
            ours: None,
            wanted: None,
            theirs: None,
            held: Vec::new(),
            unacked: None,
            confirmed: false,
            hanging_up: None,
            bye_patience: PATIENCE,
        }
    }

    /// Our INVITE got a 2xx, and this its ACK.
    pub fn answered(
        id: CallId,
        dialog: Dialog,
        invite: &Message,
        response: &Message,
        mut auth: Auth,
        acks: Acks,
    ) -> Session {
        auth.settled();
        let mut invite = invite.clone();
        invite.body.clear();
        let mut session = Session {
            acks,
            invite: Some(invite),
            confirmed: true,
            ..Session::new(id, dialog, auth)
        };
        session.learn(response);
        session
    }

    /// A call that came in is being answered.
    pub fn accepting(id: CallId, dialog: Dialog) -> Session {
        Session::new(id, dialog, Auth::new(None))
    }

    /// What both sides said is what counts from now.
    pub fn agree(&mut self, ours: Vec<u8>, theirs: Vec<u8>) {
        self.agreed = Agreed { ours, theirs };
    }

    /// Requests that came before the 200 they stand behind.
    pub fn hold(&mut self, held: Vec<ServerKey>) {
        self.held = held;
    }

    /// What a message of the far end says of its abilities.
    pub fn learn(&mut self, message: &Message) {
        if message.headers.get(Name::Allow).is_some() {
            self.far.takes_update = message.headers.lists(Name::Allow, "UPDATE");
        }
        if message.headers.get(Name::Supported).is_some() {
            self.far.knows_timer = message.headers.lists(Name::Supported, "timer");
        }
    }

    pub fn handle_command(
        &mut self,
        core: &mut Core,
        command: SipCommand,
        now: Instant,
    ) -> Option<Stage> {
        match command {
            SipCommand::Reinvite(sdp) => {
                self.want_change(core, sdp, now);
                None
            }
            SipCommand::AnswerReinvite { code, sdp } => {
                self.answer_theirs(core, code, sdp, now);
                self.take_up_held(core, now)
            }
            SipCommand::Bye(why) => self.on_bye_command(core, why, now),
            SipCommand::Cancel => self.on_bye_command(core, "cancelled".to_owned(), now),
            SipCommand::Ringing
            | SipCommand::Progress(_)
            | SipCommand::Accept(_)
            | SipCommand::Reject(_) => None,
        }
    }

    /// RFC 3261 15: the called side may not hang up before the ACK.
    fn on_bye_command(&mut self, core: &mut Core, why: String, now: Instant) -> Option<Stage> {
        if !self.confirmed && self.unacked.is_some() {
            self.hanging_up = Some(why);
            return None;
        }
        Some(self.hang_up(core, &why, now))
    }

    /// BYE, and on to what comes after it.
    pub fn hang_up(&mut self, core: &mut Core, why: &str, now: Instant) -> Stage {
        let dialog = self.dialog.clone();
        let mut ended = self.leave(core, now);
        ended.repeat_bye_for(self.bye_patience);
        ended.say_bye(core, dialog, why, now);
        Stage::Ended(Box::new(ended))
    }

    /// The far end hung up, or is lost.
    fn lose(&mut self, core: &mut Core, reason: Option<String>, now: Instant) -> Stage {
        if self.hanging_up.is_none() {
            core.say(self.id, SipEvent::Bye(reason));
        }
        let dialog = self.dialog.clone();
        let mut ended = self.leave(core, now);
        ended.dialog = Some(dialog);
        Stage::Ended(Box::new(ended))
    }

    /// We hang up a call that our user wants to keep.
    fn break_off(&mut self, core: &mut Core, why: &str, now: Instant) -> Stage {
        if self.hanging_up.is_none() {
            core.say(self.id, SipEvent::Bye(Some(why.to_owned())));
        }
        self.hang_up(core, why, now)
    }

    /// Ends what is under way.
    fn leave(&mut self, core: &mut Core, now: Instant) -> Ended {
        // RFC 3261 15.1.2: a request still pending at a BYE gets 487.
        let theirs = self.theirs.take().map(|theirs| theirs.key);
        for key in theirs.into_iter().chain(self.held.drain(..)) {
            core.respond(key, Answer::new(487, &self.dialog.local_tag), now);
        }
        let mut ended = Ended::new(self.id, self.auth.clone(), now);
        ended.acks = std::mem::take(&mut self.acks);
        match self.ours.take() {
            Some(ours) if ours.is_invite() => {
                core.give_up(ours.key, now);
                ended.expect_late(ours.request, ours.key, self.dialog.next_hop());
            }
            _ => {
                if let Some(invite) = self.invite.take() {
                    let flow = self.dialog.next_hop();
                    ended.expect_forks(invite, flow);
                }
            }
        }
        ended
    }

    pub fn handle_response(
        &mut self,
        core: &mut Core,
        key: ClientKey,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        if self.ours.as_ref().is_some_and(|ours| ours.key == key) {
            let stage = self.on_ours_answered(core, response, now);
            return stage.or_else(|| self.take_up_held(core, now));
        }
        if matches!(response.code(), Some(200..300)) {
            self.handle_stray(core, response, now);
        }
        None
    }

    /// A 2xx that is not the one we wait for: again the same, or another fork's (RFC 3261 13.2.2.4).
    pub fn handle_stray(&mut self, core: &mut Core, response: &Message, now: Instant) {
        if self.acks.again(core, response) {
            return;
        }
        let Some(invite) = &self.invite else {
            return;
        };
        if invite.cseq() != response.cseq() {
            return;
        }
        let flow = self.dialog.next_hop();
        let Some(mut fork) = Dialog::of_response(invite, response, &flow) else {
            return;
        };
        let way = fork.next_hop();
        self.acks.send(core, response, fork.ack(invite), &way);
        let mut bye = fork.request(Method::Bye);
        bye.headers.push(
            Name::Reason,
            super::words::normal_clearing("answered elsewhere"),
        );
        core.send(bye, &way, User::Nobody, PATIENCE, now);
    }

    pub fn handle_unanswered(
        &mut self,
        core: &mut Core,
        what: &Unanswered,
        now: Instant,
    ) -> Option<Stage> {
        if self.ours.as_ref().is_some_and(|ours| ours.key == what.key) {
            self.on_ours_unanswered(now, core);
            return self.take_up_held(core, now);
        }
        None
    }

    pub fn handle_timeout(&mut self, core: &mut Core, now: Instant) -> Option<Stage> {
        if let Some(stage) = self.on_unacked_timeout(core, now) {
            return Some(stage);
        }
        self.on_ours_timeout(core, now);
        if let Some(stage) = self.on_session_timeout(core, now) {
            return Some(stage);
        }
        self.take_up_held(core, now)
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(Unacked::next_timeout);
        let ours = self.ours.as_ref().and_then(|ours| ours.give_up_at);
        let all = [unacked, ours, self.timer.next_timeout()];
        all.into_iter().flatten().min()
    }

    /// What waited for something to end, where that has ended: theirs first, then ours.
    pub fn take_up_held(&mut self, core: &mut Core, now: Instant) -> Option<Stage> {
        while !self.held.is_empty() && self.is_free_for_theirs() {
            let key = self.held.remove(0);
            if let Some(stage) = self.take_held(core, key, now) {
                return Some(stage);
            }
        }
        if self.is_quiet()
            && let Some(sdp) = self.wanted.take()
        {
            self.start_change(core, sdp, now);
        }
        None
    }

    /// Nothing is under way in either direction (RFC 3261 14.1).
    fn is_quiet(&self) -> bool {
        self.ours.is_none() && self.theirs.is_none() && self.unacked.is_none()
    }

    fn is_free_for_theirs(&self) -> bool {
        let waits = self.unacked.as_ref().is_some_and(Unacked::wants_answer);
        self.theirs.is_none() && !waits && !self.ours.as_ref().is_some_and(Ours::is_in_their_way)
    }
}
