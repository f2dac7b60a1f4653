//! A mail whose row is lost is taken in again: by the rules of the front door, but for who may send, which was decided when
//! it got its `250`.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::{FrontDoor, Good, KeepError};
use crate::context::now;
use crate::mail_to_fax::dedup::{Disposition, Recipients};
use crate::mail_to_fax::documents::{self, NotOpened, Opened};
use crate::mail_to_fax::message;
use crate::mail_to_fax::verdict::{can_be_told, on_recipient};
use crate::mail_to_fax::wishes::Wishes;
use crate::net::smtp::Text;
use crate::proto::smtp::{Mail, MailOptions, Notify, RcptOptions, Refusal, Ret};
use crate::queue::{Envelope, Kept, NewMessage, Orphan, StoreError};

/// Why a mail was not taken in again; it is an orphan as before.
#[derive(Debug, thiserror::Error)]
pub enum NotAdopted {
    /// By a rule.
    #[error("{0}")]
    Refused(String),
    /// The disk or the database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for NotAdopted {
    fn from(refusal: Refusal) -> NotAdopted {
        NotAdopted::Refused(refusal.text)
    }
}

impl From<KeepError> for NotAdopted {
    fn from(e: KeepError) -> NotAdopted {
        match e {
            KeepError::Refused(refusal) => refusal.into(),
            KeepError::Store(e) => e.into(),
        }
    }
}

impl FrontDoor {
    /// Takes the mail `orphan` in again, under its old identifier, for the sender and the recipients of `envelope`. Returns
    /// the identifiers of its faxes. Cut off at any moment it is an orphan as before, or taken in, and never twice.
    ///
    /// # Errors
    /// [`NotAdopted`]: an address or a document that the gateway does not take, the same mail in the queue already.
    pub async fn adopt(
        &self,
        orphan: &Orphan,
        envelope: Envelope,
    ) -> Result<Vec<String>, NotAdopted> {
        let Some(id) = orphan.key.strip_prefix("m-") else {
            let why = format!("{} is no mail", orphan.key);
            return Err(NotAdopted::Refused(why));
        };
        let good = self.examined(orphan, &envelope).await?;
        let (message, recipients) = self.as_it_was(id, good, envelope).await?;
        let store = &self.context.store;
        if store.message_exists(id).await? {
            let why = format!("the mail {id} is in the queue already");
            return Err(NotAdopted::Refused(why));
        }
        store.place_orphan(orphan).await?;
        match self.keep_orphan(&message, &recipients).await {
            Ok(faxes) => {
                store.orphan_adopted(orphan).await?;
                tracing::info!(
                    key = orphan.key,
                    faxes = faxes.join(" "),
                    "mail taken in again"
                );
                Ok(faxes)
            }
            Err(e) => {
                // After an error of the disk the row may still be there: the file stays for it.
                if let NotAdopted::Refused(_) = e {
                    store.orphan_refused(orphan).await?;
                }
                Err(e)
            }
        }
    }

    /// Holds the mail against every rule of the door.
    async fn examined(&self, orphan: &Orphan, envelope: &Envelope) -> Result<Good, NotAdopted> {
        let mail = mail_of(envelope);
        can_be_told(&mail.sender)?;
        let mut recipients = Vec::new();
        for addressee in &envelope.recipients {
            let options = RcptOptions {
                orcpt: addressee.orcpt.clone(),
                notify: addressee.notify.map(Notify::from_bits),
            };
            let recipient = on_recipient(&self.context, &mail, &addressee.address, options).await;
            let named = |refusal: Refusal| {
                NotAdopted::Refused(format!("{}: {}", addressee.address, refusal.text))
            };
            recipients.push(recipient.map_err(named)?);
        }
        let path = orphan.path.clone();
        let text = tokio::task::spawn_blocking(move || Kept::File(path).read()).await;
        let text = text.map_err(|_| StoreError::Stopped)?;
        let text = text.map_err(StoreError::from)?;
        let (forward_to, recipients) = self.apart(recipients, &mail, text.len() as u64).await?;
        let to_be_faxed = !recipients.is_empty();
        let config = self.context.config();
        let (body, sender) = (config.body_for(&mail.sender), config.sender(&mail.sender));
        let mut wishes = Wishes::default();
        let mut contents = match to_be_faxed {
            true => {
                let opened = documents::open(&self.context, Kept::Row(text.clone()), body);
                opened.await.map_err(|e| match e {
                    NotOpened::Bad(bad) => NotAdopted::from(Refusal::from(bad)),
                    NotOpened::Unread(e) => StoreError::from(e).into(),
                    NotOpened::Ours(e) => StoreError::from(io::Error::other(e)).into(),
                })?
            }
            false => {
                let read = move |text: &[u8]| message::heading(text, &config.hostname());
                let read = self.context.reader.read(Kept::Row(text.clone()), read);
                let heading = read.await.map_err(StoreError::from)?;
                Opened::of_heading(heading.map_err(Refusal::from)?)
            }
        };
        if to_be_faxed {
            wishes = super::header_wishes(&sender, &contents)?;
            self.count_pages(&mut contents, wishes.unreadable).await?;
        }
        contents.documents.clear();
        Ok(Good {
            client: envelope
                .client
                .parse()
                .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            via: format!("adopted; {}", envelope.via)
                .trim_end_matches("; ")
                .to_owned(),
            mail,
            recipients,
            forward_to,
            wishes,
            text: Text::Short(text),
            contents,
        })
    }

    /// The row of the mail, with its old identifier: the database knows it where it was taken in before.
    async fn as_it_was(
        &self,
        id: &str,
        mut good: Good,
        envelope: Envelope,
    ) -> Result<(NewMessage, Recipients), NotAdopted> {
        let now = now();
        let recipients = self.recipients(&mut good, now).await?;
        let message = self.new_message(good, envelope, now).await?;
        let message = NewMessage {
            id: id.to_owned(),
            text_key: super::text_key(id),
            // It is a file.
            small_text: None,
            ..message
        };
        Ok((message, recipients))
    }

    /// Takes it over for the recipients that have no fax of it: its sender may have sent the very mail again.
    async fn keep_orphan(
        &self,
        message: &NewMessage,
        recipients: &Recipients,
    ) -> Result<Vec<String>, NotAdopted> {
        let plan = self.keep_once(message, recipients, now()).await?;
        let fax = |place| recipients.fax_of(&plan, place).to_owned();
        if !plan.contains(&Disposition::New) && message.forward_to.is_none() {
            return Err(NotAdopted::Refused(format!(
                "its sender has sent the same mail again: it is in the queue as fax {}",
                fax(0)
            )));
        }
        self.context.tell();
        let new = (0..plan.len()).filter(|place| plan[*place] == Disposition::New);
        Ok(new.map(fax).collect())
    }
}

/// What MAIL said.
fn mail_of(envelope: &Envelope) -> Mail {
    Mail {
        sender: envelope.sender.clone(),
        options: MailOptions {
            utf8: true,
            ret: match envelope.ret.as_deref() {
                Some("full") => Some(Ret::Full),
                Some("hdrs") => Some(Ret::Headers),
                _ => None,
            },
            envelope_id: envelope.envelope_id.clone(),
            ..MailOptions::default()
        },
        ..Mail::default()
    }
}
