//! One call, whoever placed it.

use std::time::Instant;

use super::called::Called;
use super::calling::Calling;
use super::clients::{ClientKey, Unanswered};
use super::core::Core;
use super::ended::Ended;
use super::servers::ServerKey;
use super::session::Session;
use super::{CallId, Output, SipCommand};
use crate::proto::sip::{Flow, Message};

/// A call and what an endpoint finds it by.
#[derive(Debug)]
pub(super) struct Call {
    pub id: CallId,
    pub call_id: String,
    /// Our tag, which nobody else has.
    pub tag: String,
    pub stage: Stage,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Our INVITE waits for its answer.
    Calling(Box<Calling>),
    /// Theirs waits for ours.
    Called(Box<Called>),
    /// A 2xx went or came.
    Up(Box<Session>),
    /// Over; stragglers are answered.
    Ended(Box<Ended>),
}

impl Call {
    /// A response to a request of this call.
    pub fn handle_response(
        &mut self,
        core: &mut Core,
        key: ClientKey,
        response: &Message,
        now: Instant,
    ) {
        let next = match &mut self.stage {
            Stage::Calling(calling) => calling.handle_response(core, key, response, now),
            Stage::Called(_) => None,
            Stage::Up(session) => session.handle_response(core, key, response, now),
            Stage::Ended(ended) => ended.handle_response(core, key, response, now),
        };
        self.go_on(core, next, now);
    }

    /// A 2xx whose transaction is forgotten (RFC 3261 13.2.2.4).
    pub fn handle_stray(&mut self, core: &mut Core, response: &Message, now: Instant) {
        match &mut self.stage {
            Stage::Up(session) => session.handle_stray(core, response, now),
            Stage::Ended(ended) => ended.handle_stray(core, response, now),
            Stage::Calling(_) | Stage::Called(_) => {}
        }
    }

    /// A request of ours ended without a final response.
    pub fn handle_unanswered(&mut self, core: &mut Core, what: &Unanswered, now: Instant) {
        let next = match &mut self.stage {
            Stage::Calling(calling) => calling.handle_unanswered(core, what, now),
            Stage::Called(_) | Stage::Ended(_) => None,
            Stage::Up(session) => session.handle_unanswered(core, what, now),
        };
        self.go_on(core, next, now);
    }

    /// Whether a request with these tags belongs to it; `its` is the far end's.
    pub fn is_of(&self, call_id: &str, its: Option<&str>) -> bool {
        self.call_id == call_id
            && match &self.stage {
                // Any fork may speak.
                Stage::Calling(_) | Stage::Ended(_) => true,
                Stage::Called(called) => called.dialog.is_of(call_id, its),
                Stage::Up(session) => session.dialog.is_of(call_id, its),
            }
    }

    /// A new request within the call.
    pub fn handle_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        from: &Flow,
        now: Instant,
    ) {
        let next = match &mut self.stage {
            Stage::Calling(calling) => calling.handle_request(core, key, request, now),
            Stage::Called(called) => called.handle_request(core, key, request, now),
            Stage::Up(session) => session.handle_request(core, key, request, from, now),
            Stage::Ended(ended) => ended.handle_request(core, key, request, now),
        };
        self.go_on(core, next, now);
    }

    /// An ACK within the call.
    pub fn handle_ack(&mut self, core: &mut Core, ack: &Message, now: Instant) {
        let next = match &mut self.stage {
            Stage::Up(session) => session.handle_ack(core, ack, now),
            _ => None,
        };
        self.go_on(core, next, now);
    }

    /// Their INVITE of this number came again, behind its 2xx.
    pub fn repeat_answer(&mut self, core: &mut Core, number: u32) {
        if let Stage::Up(session) = &self.stage {
            session.repeat_answer(core, number);
        }
    }

    /// An INVITE of the far end was cancelled before its answer.
    pub fn handle_cancel(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        cancel: &Message,
        now: Instant,
    ) {
        let next = match &mut self.stage {
            Stage::Called(called) => called.handle_cancel(core, cancel, now),
            Stage::Up(session) => {
                session.handle_cancel(core, key, now);
                None
            }
            Stage::Calling(_) | Stage::Ended(_) => None,
        };
        self.go_on(core, next, now);
    }

    /// What its user wants.
    pub fn handle_command(&mut self, core: &mut Core, command: SipCommand, now: Instant) {
        let next = match &mut self.stage {
            Stage::Calling(calling) => calling.handle_command(core, command, now),
            Stage::Called(called) => called.handle_command(core, command, now),
            Stage::Up(session) => session.handle_command(core, command, now),
            Stage::Ended(_) => None,
        };
        self.go_on(core, next, now);
    }

    /// Time went by. `false`: forget it.
    pub fn handle_timeout(&mut self, core: &mut Core, now: Instant) -> bool {
        let next = match &mut self.stage {
            Stage::Calling(calling) => calling.handle_timeout(core, now),
            Stage::Called(_) => None,
            Stage::Up(session) => session.handle_timeout(core, now),
            Stage::Ended(ended) if ended.until <= now => return false,
            Stage::Ended(_) => None,
        };
        self.go_on(core, next, now);
        true
    }

    /// Whether its user knows it as a call still.
    pub fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }

    /// The next stage, and the next alarm.
    pub fn go_on(&mut self, core: &mut Core, next: Option<Stage>, now: Instant) {
        let was_live = self.is_live();
        if let Some(stage) = next {
            self.stage = stage;
            // What waited for this stage.
            if let Stage::Up(session) = &mut self.stage
                && let Some(stage) = session.take_up_held(core, now)
            {
                self.stage = stage;
            }
        }
        if was_live && !self.is_live() {
            core.out.push_back(Output::Over(self.id));
        }
        let at = match &self.stage {
            Stage::Calling(calling) => calling.next_timeout(),
            Stage::Called(_) => None,
            Stage::Up(session) => session.next_timeout(),
            Stage::Ended(ended) => Some(ended.until),
        };
        core.wake(self.id, at);
    }
}
