//! The end: everything is let go, and everything that goes out goes through. Then each fax ends, each mail is delivered,
//! and nothing has to be waited for but what [`Store::next_due`](crate::queue::Store::next_due) names.

use super::promises::{Mail, Promise};
use super::world::World;
use crate::queue::{Choice, DueFax};

/// More than there can be things to wait for.
const MOST_WAITS: usize = 3000;

impl World {
    /// Lets everything end; without a trunk, what is not dialled ends by time.
    pub async fn drain(&mut self, has_trunk: bool) {
        for _ in 0..MOST_WAITS {
            self.let_all_go().await;
            while !self.rendering.is_empty() {
                self.document_rendered().await;
            }
            while !self.calls.is_empty() {
                self.send_all().await;
            }
            while self.received.iter().any(|it| it.is_open) {
                self.end_received().await;
            }
            while !self.sending.is_empty() {
                self.mail_delivered().await;
            }
            let over = self.promises.over();
            if self.took_some(has_trunk).await {
                continue;
            }
            if self.is_all_over() {
                return self.count("drained");
            }
            let due = self.store.next_due(&self.policy, self.now()).await;
            let due = self.works("next_due", due).flatten();
            self.notice_ends().await;
            match due {
                Some(at) => self.promises.passes((at.0 - self.promises.wall).max(0)),
                // What ended in that look has a receipt that is due.
                None if self.is_all_over() || self.promises.over() > over => {}
                None => break,
            }
        }
        let open = self.promises.faxes.iter().filter(|(_, fax)| !fax.is_over());
        let open: Vec<String> = open.map(|(id, fax)| format!("{id}: {fax:?}")).collect();
        let mails = self
            .promises
            .mails
            .iter()
            .filter(|(_, mail)| **mail == Mail::Waiting);
        let mails: Vec<_> = mails.collect();
        let how = format!("nothing falls due any more, and these wait: {open:#?} {mails:?}");
        self.promises.breaks(Promise::Stuck, how);
    }

    fn is_all_over(&self) -> bool {
        let mails = self.promises.mails.values();
        self.promises.faxes.values().all(|fax| fax.is_over())
            && mails
                .copied()
                .all(|mail| matches!(mail, Mail::Delivered | Mail::Refused))
    }

    async fn let_all_go(&mut self) {
        while self
            .promises
            .faxes
            .values()
            .any(|fax| fax.held && !fax.is_over())
        {
            let before = self.promises.broken.len();
            self.let_go().await;
            if self.promises.broken.len() > before {
                return;
            }
        }
    }

    /// Claims what there is.
    async fn took_some(&mut self, has_trunk: bool) -> bool {
        let before = (self.rendering.len(), self.calls.len(), self.sending.len());
        self.claim_document().await;
        self.claim_mail().await;
        let choose = move |_: &DueFax| match has_trunk {
            true => Choice::Take("header".to_owned(), ()),
            false => Choice::NotNow,
        };
        let claimed = self.store.claim_fax(choose, self.day(), self.now()).await;
        self.notice_ends().await;
        self.claimed_fax(claimed).await;
        before != (self.rendering.len(), self.calls.len(), self.sending.len())
    }

    /// Every page of every call goes through.
    async fn send_all(&mut self) {
        let goes_on =
            |call: &super::world::Call| call.ending.is_none() && call.current < call.parts.len();
        match self.calls.iter().any(goes_on) {
            true => self.page().await,
            false => self.settle_part().await,
        }
    }
}
