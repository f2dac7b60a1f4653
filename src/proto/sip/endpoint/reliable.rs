//! Provisional responses that their sender wants acknowledged (RFC 3262): each to an INVITE of ours gets its PRACK.

use std::time::Instant;

use super::CallId;
use super::auth::Auth;
use super::clients::{ClientKey, User};
use super::core::Core;
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::transaction::PATIENCE;
use crate::proto::sip::{Flow, Message, Method, Name};

/// The option tag.
pub(super) const REL: &str = "100rel";
/// Early dialogs that are kept; honest proxies make a handful.
const MOST_FORKS: usize = 16;

/// The early dialogs of one INVITE that asked for PRACK.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    forks: Vec<Fork>,
}

#[derive(Debug)]
struct Fork {
    dialog: Dialog,
    /// The `RSeq` that was acknowledged last.
    last: u32,
    /// Our last PRACK, until it is answered.
    prack: Option<(ClientKey, Message)>,
}

/// What becomes of a provisional response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is news.
    New,
    /// It came before, or one before it has not come yet (RFC 3262 4): not to be looked at.
    Passed,
}

impl Reliable {
    /// A provisional response to `invite` came.
    pub fn take(
        &mut self,
        core: &mut Core,
        id: CallId,
        invite: (&Message, &Flow),
        auth: &mut Auth,
        response: &Message,
        now: Instant,
    ) -> Taken {
        let Some(rseq) = rseq_of(response) else {
            return Taken::New;
        };
        let Some(at) = self.fork_of(invite, response, rseq) else {
            return Taken::Passed;
        };
        let fork = &mut self.forks[at];
        fork.last = rseq;
        let number = invite.0.cseq().map_or(1, |cseq| cseq.number);
        let mut prack = fork.dialog.request(Method::Prack);
        prack
            .headers
            .push(Name::RAck, format!("{rseq} {number} INVITE"));
        core.introduce(&mut prack);
        auth.authorize(&mut prack, &mut core.random);
        fork.send(core, id, prack, now);
        Taken::New
    }

    /// The early dialog whose next response this is (RFC 3262 4): the first may bear any number, the next the one
    /// behind it.
    fn fork_of(
        &mut self,
        (invite, flow): (&Message, &Flow),
        response: &Message,
        rseq: u32,
    ) -> Option<usize> {
        let to = response.to()?;
        let tag = to.tag()?;
        let known = |fork: &Fork| fork.dialog.remote_tag == tag;
        if let Some(at) = self.forks.iter().position(known) {
            let is_next = self.forks[at].last.checked_add(1) == Some(rseq);
            return is_next.then_some(at);
        }
        if self.forks.len() == MOST_FORKS {
            return None;
        }
        self.forks.push(Fork {
            dialog: Dialog::of_response(invite, response, flow)?,
            last: rseq,
            prack: None,
        });
        Some(self.forks.len() - 1)
    }

    /// A response to a PRACK of ours, perhaps; `false`: to something else.
    pub fn handle_response(
        &mut self,
        core: &mut Core,
        id: CallId,
        auth: &mut Auth,
        (key, response): (ClientKey, &Message),
        now: Instant,
    ) -> bool {
        let is_its = |fork: &&mut Fork| matches!(fork.prack, Some((prack, _)) if prack == key);
        let Some(fork) = self.forks.iter_mut().find(is_its) else {
            return false;
        };
        let is_final = response.code() >= Some(200);
        let Some((_, mut prack)) = fork.prack.take_if(|_| is_final) else {
            return true;
        };
        if auth.answer(&mut prack, response, &mut core.random) {
            fork.dialog.local_seq += 1;
            let number = fork.dialog.local_seq;
            prack.headers.set(Name::CSeq, format!("{number} PRACK"));
            fork.send(core, id, prack, now);
        }
        true
    }

    /// The number of the last request of ours in any of the early dialogs.
    pub fn last_number(&self) -> u32 {
        let numbers = self.forks.iter().map(|fork| fork.dialog.local_seq);
        numbers.max().unwrap_or_default()
    }
}

impl Fork {
    fn send(&mut self, core: &mut Core, id: CallId, prack: Message, now: Instant) {
        let flow = self.dialog.next_hop();
        let key = core.send(prack.clone(), &flow, User::Call(id), PATIENCE, now);
        self.prack = Some((key, prack));
    }
}

/// RFC 3262 4: the number of a response that is to be acknowledged.
fn rseq_of(response: &Message) -> Option<u32> {
    let wanted = response.headers.lists(Name::Require, REL);
    response.seconds(Name::RSeq).filter(|_| wanted)
}
