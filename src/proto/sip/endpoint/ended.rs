//! A call that is over for its user: its BYE, and whatever comes late.

use std::time::{Duration, Instant};

use super::CallId;
use super::acks::Acks;
use super::auth::Auth;
use super::call::Stage;
use super::clients::{ClientKey, User};
use super::core::Core;
use super::servers::{Answer, ServerKey};
use super::words::normal_clearing;
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::transaction::PATIENCE;
use crate::proto::sip::{Flow, Message, Method, Name};

#[derive(Debug)]
pub(super) struct Ended {
    id: CallId,
    auth: Auth,
    /// When it is forgotten.
    pub until: Instant,
    /// How long our BYE is repeated.
    bye_patience: Duration,
    /// Our BYE, in this dialog.
    bye: Option<(ClientKey, Message)>,
    pub dialog: Option<Dialog>,
    /// An INVITE whose final response may still come.
    late: Option<Late>,
    pub acks: Acks,
}

#[derive(Debug)]
struct Late {
    invite: Message,
    /// `None`: it had its answer, and only other forks may come.
    key: Option<ClientKey>,
    flow: Flow,
    cancelled: bool,
    /// The number of the last request of ours in its early dialogs (PRACK).
    number: u32,
}

impl Ended {
    pub fn new(id: CallId, auth: Auth, now: Instant) -> Ended {
        Ended {
            id,
            auth,
            until: now + PATIENCE,
            bye_patience: PATIENCE,
            bye: None,
            dialog: None,
            late: None,
            acks: Acks::default(),
        }
    }

    /// A 200 to this INVITE may come yet.
    pub fn expect_late(&mut self, mut invite: Message, key: ClientKey, flow: Flow) {
        invite.body.clear();
        self.late = Some(Late {
            invite,
            key: Some(key),
            flow,
            cancelled: false,
            number: 0,
        });
    }

    /// What is said of the late INVITE's calls bears a number above this one.
    pub fn number_from(&mut self, number: u32) {
        if let Some(late) = &mut self.late {
            late.number = number;
        }
    }

    /// The 200 of another fork may come yet.
    pub fn expect_forks(&mut self, invite: Message, flow: Flow) {
        self.late = Some(Late {
            invite,
            key: None,
            flow,
            cancelled: false,
            number: 0,
        });
    }

    /// Our BYE is given up after this.
    pub fn repeat_bye_for(&mut self, patience: Duration) {
        self.bye_patience = patience;
    }

    /// Hangs up.
    pub fn say_bye(&mut self, core: &mut Core, mut dialog: Dialog, why: &str, now: Instant) {
        let mut bye = dialog.request(Method::Bye);
        bye.headers.push(Name::Reason, normal_clearing(why));
        core.introduce(&mut bye);
        self.auth.authorize(&mut bye, &mut core.random);
        self.dialog = Some(dialog);
        self.send_bye(core, bye, now);
    }

    fn send_bye(&mut self, core: &mut Core, bye: Message, now: Instant) {
        let Some(dialog) = &self.dialog else {
            return;
        };
        let flow = dialog.next_hop();
        let key = core.send(
            bye.clone(),
            &flow,
            User::Call(self.id),
            self.bye_patience,
            now,
        );
        self.bye = Some((key, bye));
        self.until = now + PATIENCE;
    }

    pub fn handle_response(
        &mut self,
        core: &mut Core,
        key: ClientKey,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let code = response.code()?;
        if self.bye.as_ref().is_some_and(|(bye, _)| *bye == key) {
            self.on_bye_answered(core, code, response, now);
        } else if (100..200).contains(&code) {
            self.cancel_late(core, key, now);
        } else if (200..300).contains(&code) && is_of_invite(response) {
            self.on_late_answer(core, response, now);
        }
        None
    }

    fn on_bye_answered(&mut self, core: &mut Core, code: u16, response: &Message, now: Instant) {
        let Some((_, mut bye)) = self.bye.take_if(|_| code >= 200) else {
            return;
        };
        if !self.auth.answer(&mut bye, response, &mut core.random) {
            return;
        }
        if let Some(dialog) = &mut self.dialog {
            dialog.local_seq += 1;
            let number = dialog.local_seq;
            bye.headers.set(Name::CSeq, format!("{number} BYE"));
            self.send_bye(core, bye, now);
        }
    }

    /// The trunk that was silent speaks after all; nobody wants the call any longer.
    fn cancel_late(&mut self, core: &mut Core, key: ClientKey, now: Instant) {
        if let Some(late) = &mut self.late
            && late.key == Some(key)
            && !late.cancelled
        {
            late.cancelled = true;
            core.cancel(key, None, now);
        }
    }

    fn on_late_answer(&mut self, core: &mut Core, response: &Message, now: Instant) {
        if self.acks.again(core, response) {
            return;
        }
        let to = response.to();
        let tag = to.as_ref().and_then(|to| to.tag());
        let Some(late) = &self.late else {
            return;
        };
        if let Some(dialog) = &self.dialog
            && dialog.is_of(response.call_id(), tag)
        {
            // Our re-INVITE, which the BYE overtook.
            let ack = dialog.ack(&late.invite);
            let flow = dialog.next_hop();
            self.acks.send(core, response, ack, &flow);
        } else if let Some(mut dialog) = Dialog::of_response(&late.invite, response, &late.flow) {
            let ack = dialog.ack(&late.invite);
            dialog.local_seq = dialog.local_seq.max(late.number);
            let flow = dialog.next_hop();
            self.acks.send(core, response, ack, &flow);
            self.say_bye(core, dialog, "answered too late", now);
        }
    }

    /// A 2xx whose transaction is forgotten.
    pub fn handle_stray(&mut self, core: &mut Core, response: &Message, now: Instant) {
        self.on_late_answer(core, response, now);
    }

    pub fn handle_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        now: Instant,
    ) -> Option<Stage> {
        // Both hung up at once.
        let code = match request.method() {
            Some(Method::Bye) => 200,
            _ => 481,
        };
        core.respond(key, Answer::new(code, ""), now);
        None
    }

    /// Whether our BYE waits for its answer.
    pub fn is_hanging_up(&self) -> bool {
        self.bye.is_some()
    }
}

/// Not of a PRACK that the end overtook.
fn is_of_invite(response: &Message) -> bool {
    let cseq = response.cseq();
    cseq.is_some_and(|cseq| cseq.method == Method::Invite)
}
