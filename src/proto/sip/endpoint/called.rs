//! A call that came in, until it is answered (RFC 3261 13.3).

use std::time::Instant;

use super::auth::Auth;
use super::call::Stage;
use super::core::Core;
use super::ended::Ended;
use super::reliable::REL;
use super::servers::{Answer, ServerKey};
use super::session::Session;
use super::words::reason_of;
use super::{CallId, SipCommand, SipEvent};
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::{Message, Method, Name};

#[derive(Debug)]
pub(super) struct Called {
    pub id: CallId,
    pub key: ServerKey,
    pub dialog: Dialog,
    /// The INVITE, without its body.
    pub invite: Message,
    pub offer: Vec<u8>,
}

impl Called {
    pub fn handle_command(
        &mut self,
        core: &mut Core,
        command: SipCommand,
        now: Instant,
    ) -> Option<Stage> {
        match command {
            SipCommand::Ringing => {
                self.provisional(core, 180, None, now);
                None
            }
            SipCommand::Progress(sdp) => {
                self.provisional(core, 183, Some(sdp), now);
                None
            }
            SipCommand::Accept(sdp) => Some(self.accept(core, sdp, now)),
            SipCommand::Reject(code) => Some(self.refuse(core, code, now)),
            SipCommand::Cancel | SipCommand::Bye(_) => Some(self.refuse(core, 480, now)),
            SipCommand::Reinvite(_) | SipCommand::AnswerReinvite { .. } => None,
        }
    }

    fn provisional(&mut self, core: &mut Core, code: u16, sdp: Option<Vec<u8>>, now: Instant) {
        // RFC 3262 3: whoever requires 100rel may get a reliable 18x only. We need none: the 200 comes soon.
        if self.invite.headers.lists(Name::Require, REL) {
            return;
        }
        let answer = Answer::new(code, &self.dialog.local_tag)
            .with(Name::Contact, self.dialog.contact.as_str())
            .with_sdp(sdp);
        core.respond(self.key, answer, now);
    }

    fn accept(&mut self, core: &mut Core, sdp: Vec<u8>, now: Instant) -> Stage {
        let mut session = Session::accepting(self.id, self.dialog.clone());
        session.learn(&self.invite);
        session.answer_invite(core, self.key, &self.invite, &self.offer, sdp, now);
        Stage::Up(Box::new(session))
    }

    fn refuse(&mut self, core: &mut Core, code: u16, now: Instant) -> Stage {
        // A refusal is 300 or more; whatever else is asked for is not one.
        let code = if (300..700).contains(&code) {
            code
        } else {
            480
        };
        let mut answer = Answer::new(code, &self.dialog.local_tag);
        if code == 503 {
            answer = answer.with(Name::RetryAfter, "10");
        }
        core.respond(self.key, answer, now);
        self.end(now)
    }

    pub fn handle_cancel(
        &mut self,
        core: &mut Core,
        cancel: &Message,
        now: Instant,
    ) -> Option<Stage> {
        core.respond(self.key, Answer::new(487, &self.dialog.local_tag), now);
        let reason = reason_of(cancel).unwrap_or_else(|| "cancelled before the answer".to_owned());
        core.say(self.id, SipEvent::Bye(Some(reason)));
        Some(self.end(now))
    }

    pub fn handle_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        now: Instant,
    ) -> Option<Stage> {
        match request.method() {
            // RFC 3261 15: a caller may end an early dialog with BYE.
            Some(Method::Bye) => {
                core.respond(key, Answer::new(200, &self.dialog.local_tag), now);
                core.respond(self.key, Answer::new(487, &self.dialog.local_tag), now);
                core.say(self.id, SipEvent::Bye(reason_of(request)));
                Some(self.end(now))
            }
            Some(Method::Invite | Method::Update) => {
                // RFC 3261 14.2: the first is not answered yet.
                let later = Answer::new(500, "").with(Name::RetryAfter, "1");
                core.respond(key, later, now);
                None
            }
            // RFC 3262 3: no 18x of ours waits for one.
            Some(Method::Prack) => {
                core.respond(key, Answer::new(481, ""), now);
                None
            }
            _ => {
                core.respond(key, Answer::new(200, ""), now);
                None
            }
        }
    }

    fn end(&mut self, now: Instant) -> Stage {
        Stage::Ended(Box::new(Ended::new(self.id, Auth::new(None), now)))
    }
}
