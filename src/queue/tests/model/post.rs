//! Mails of ours on their way, and faxes that come in.

use super::SENDER;
use super::promises::{Mail, MailKey, Promise};
use super::world::{Received, World};
use crate::call::outcome::{CallReport, Outcome};
use crate::pages::FaxPage;
use crate::queue::{Claim, ClaimedMail, MailKind, Millis, NewReceived};

const POSTMASTER: &str = "postmaster@example.com";

fn key_of(mail: &ClaimedMail) -> MailKey {
    let kind = mail.kind.name().to_owned();
    (kind, mail.subject_of.clone(), mail.recipient.clone())
}

impl World {
    pub async fn claim_mail(&mut self) {
        let claimed = self.store.claim_mail(self.now()).await;
        let Some(Some(mail)) = self.works("claim_mail", claimed) else {
            return;
        };
        self.promises.mail_claimed(&key_of(&mail));
        if mail.kind == MailKind::ReceivedFax {
            self.pages_are_whole(&mail.subject_of).await;
        }
        self.note(format!(
            "{} about {} is on its way",
            mail.kind.name(),
            mail.subject_of
        ));
        self.sending.push(mail);
        self.count("claim mail");
    }

    async fn pages_are_whole(&mut self, id: &str) {
        let fax = self.store.received_fax(id).await;
        let fax = self.works("received_fax", fax).flatten();
        let pages = fax.map(|fax| {
            fax.pages
                .into_iter()
                .map(|page| page.g4)
                .collect::<Vec<_>>()
        });
        let stored = self.received.iter().find(|it| it.id == id);
        if pages.as_ref() != stored.map(|stored| &stored.pages) {
            let how = format!("the received fax {id} has other pages than were stored");
            self.promises.breaks(Promise::Bytes, how);
        }
    }

    fn on_its_way(&mut self) -> Option<ClaimedMail> {
        let which = self.pick(self.sending.len())?;
        Some(self.sending.swap_remove(which))
    }

    pub async fn mail_delivered(&mut self) {
        let Some(mail) = self.on_its_way() else {
            return;
        };
        let delivered = self.store.mail_delivered(&mail.id, "250", self.now()).await;
        self.works("mail_delivered", delivered);
        self.promises.mails.insert(key_of(&mail), Mail::Delivered);
        self.note(format!("{} is delivered", mail.id));
        self.count("mail delivered");
    }

    pub async fn mail_deferred(&mut self) {
        let Some(mail) = self.on_its_way() else {
            return;
        };
        let at = Millis(self.now().0 + self.rng.i64(1..900_000));
        let deferred = self.store.mail_deferred(&mail.id, "451", at).await;
        self.works("mail_deferred", deferred);
        self.promises.mails.insert(key_of(&mail), Mail::Waiting);
        self.note(format!("{} is deferred", mail.id));
        self.count("mail deferred");
    }

    pub async fn mail_refused(&mut self) {
        let Some(mail) = self.on_its_way() else {
            return;
        };
        let postmaster = self.one_in(2).then_some(POSTMASTER);
        let refused = self
            .store
            .mail_refused(&mail.id, "550", postmaster, self.now());
        let refused = refused.await;
        self.works("mail_refused", refused);
        self.promises.mails.insert(key_of(&mail), Mail::Refused);
        if postmaster.is_some() && mail.kind != MailKind::Returned {
            self.promises.owes_mail("returned", &mail.id, POSTMASTER);
        }
        self.note(format!("{} is refused", mail.id));
        self.count("mail refused");
    }

    pub async fn mail_released(&mut self) {
        let Some(mail) = self.on_its_way() else {
            return;
        };
        let (policy, now) = (self.policy.clone(), self.now());
        let claim = Claim::Mail(mail.id.clone());
        let released = self.store.release(claim, &policy, now).await;
        self.works("release", released);
        self.promises.mails.insert(key_of(&mail), Mail::Waiting);
        self.count("mail released");
    }

    /// Somebody has the mails that were refused tried once more.
    pub async fn retry_mails(&mut self) {
        let refused = self.promises.mails.iter();
        let refused = refused.filter(|(_, mail)| **mail == Mail::Refused);
        let subjects: Vec<String> = refused
            .map(|((_, subject, _), _)| subject.clone())
            .collect();
        let Some(which) = self.pick(subjects.len()) else {
            return;
        };
        let tried = self.beside.retry_mails_about(&subjects[which], self.now());
        let tried = tried.await;
        self.works("retry_mails_about", tried);
        for ((_, subject, _), mail) in &mut self.promises.mails {
            if *subject == subjects[which] && *mail == Mail::Refused {
                *mail = Mail::Waiting;
            }
        }
        self.note(format!(
            "the mails about {} are tried again",
            subjects[which]
        ));
        self.count("retry mails");
    }

    pub async fn tell_delays(&mut self) {
        let told = self.store.tell_delays(self.now()).await;
        if self.works("tell_delays", told).is_some_and(|told| told > 0) {
            self.note("senders hear of delays".into());
            self.count("tell delays");
        }
    }

    pub async fn call_comes_in(&mut self) {
        let mut recipients = vec![SENDER.to_owned()];
        if self.one_in(3) {
            recipients.push("maildir:/var/mail/fax".to_owned());
        }
        let new = NewReceived {
            called: "5559000".into(),
            caller: "5558000".into(),
            caller_name: None,
            trunk: "carrier".into(),
            recipients: recipients.clone(),
        };
        let begun = self.store.begin_received(new, self.now()).await;
        let Some(id) = self.works("begin_received", begun) else {
            return;
        };
        self.note(format!("{id} comes in"));
        self.received.push(Received {
            id,
            recipients,
            pages: Vec::new(),
            is_open: true,
        });
        self.count("call comes in");
    }

    fn coming_in(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.received.len())
            .filter(|which| self.received[*which].is_open)
            .collect();
        self.pick(open.len()).map(|which| open[which])
    }

    pub async fn page_comes_in(&mut self) {
        let Some(which) = self.coming_in() else {
            return;
        };
        let received = self.received[which].clone();
        // The far end may not have heard the confirmation, and sends the page once more.
        let again = !received.pages.is_empty() && self.one_in(6);
        let page = received.pages.len() + usize::from(!again);
        let (last, octets) = (self.one_in(3), vec![self.rng.u8(..); 40]);
        let data = FaxPage {
            width: 1728,
            height: 100,
            x_dpi: 204,
            y_dpi: 196,
            g4: octets.clone(),
        };
        let stored = self
            .store
            .page_received(&received.id, page as u32, last, 0, data);
        let stored = stored.await;
        if self.works("page_received", stored).is_some() {
            let pages = &mut self.received[which].pages;
            pages.truncate(page - 1);
            pages.push(octets);
        }
        self.note(format!("page {page} of {} is stored", received.id));
        self.count(if again {
            "page comes again"
        } else {
            "page comes in"
        });
    }

    pub async fn received_drawn(&mut self) {
        let Some(which) = self.pick(self.received.len()) else {
            return;
        };
        let id = self.received[which].id.clone();
        let key = format!("v-{id}");
        let kept = self.store.blobs().keep(&key, b"picture");
        self.works("keep", kept.map_err(Into::into));
        let drawn = self.store.received_drawn(&id, &key).await;
        self.works("received_drawn", drawn);
        let picture = self.store.preview(&id).await;
        let picture = self.works("preview", picture).flatten();
        if picture.as_deref() != Some(b"picture") {
            let how = format!("{id} has another picture");
            self.promises.breaks(Promise::Bytes, how);
        }
        self.count("received drawn");
    }

    pub async fn end_received(&mut self) {
        let Some(which) = self.coming_in() else {
            return;
        };
        let id = self.received[which].id.clone();
        let outcome = match self.one_in(2) {
            true => Outcome::Delivered,
            false => Outcome::FarEndHungUp,
        };
        let report = CallReport::never_placed(outcome, String::new());
        let ended = self.store.end_received(&id, report, self.now()).await;
        self.works("end_received", ended);
        self.note(format!("{id} has come in"));
        self.has_come_in(which);
        self.count("end received");
    }

    pub async fn received_released(&mut self) {
        let Some(which) = self.coming_in() else {
            return;
        };
        let (policy, now) = (self.policy.clone(), self.now());
        let claim = Claim::Received(self.received[which].id.clone());
        let released = self.store.release(claim, &policy, now).await;
        self.works("release", released);
        self.has_come_in(which);
        self.count("received released");
    }

    /// A call that came in is over: what it left is owed to its recipients.
    pub fn has_come_in(&mut self, which: usize) {
        let received = &mut self.received[which];
        received.is_open = false;
        if received.pages.is_empty() {
            return;
        }
        let received = received.clone();
        for recipient in &received.recipients {
            self.promises
                .owes_mail("received_fax", &received.id, recipient);
        }
    }
}
