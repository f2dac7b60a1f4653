//! The front door: the verdict on each recipient, and taking a mail over.
//!
//! Takes over: a mail whose text is complete in the spool.
//! Promises: on `Ok` the mail, its document and one fax a recipient are on disk; every document in it was opened, and
//! is one that can be faxed. On `Err` nothing was kept, and the sentence says why.
//! When it dies: the client has no `250`, and sends the mail again; where the mail was taken over all the same, it is
//! known again, and not faxed twice.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::documents::{self, Opened};
use super::receipt;
use super::recipient::number_to_dial;
use crate::context::{Context, now};
use crate::net::smtp::{Accepted, Intake, Message, Spool};
use crate::pages::DocumentRefusal;
use crate::pages::render::Found;
use crate::proto::smtp::Refusal;
use crate::queue::{Millis, NewFax, NewMessage, StoreError, Twin, id};
use crate::worker::host::RenderFailure;

/// Megabytes of mail that are taken apart at a time: each is in memory while that lasts, and so are its documents.
const DESK: u32 = 64;
/// What the smallest mail takes up of it, so that no more than eight documents are opened at a time.
const SMALLEST: u32 = 8;

/// How long a mail that comes again is known: clients try for hours, mail servers for a day and more.
const TWIN_MILLIS: i64 = 5 * 86_400_000;

/// The front door of journey 1.
pub struct FrontDoor {
    context: Arc<Context>,
    desk: Semaphore,
}

/// A recipient that was found good.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// As the client wrote it.
    address: String,
    /// What to dial.
    number: String,
    /// Its sub-address (T.33).
    sub_address: Option<String>,
}

impl FrontDoor {
    /// The door to this gateway.
    pub fn new(context: Arc<Context>) -> FrontDoor {
        FrontDoor {
            context,
            desk: Semaphore::new(DESK as usize),
        }
    }

    /// Opens every document: what cannot be faxed is refused now, while its sender still has it.
    async fn count_pages(&self, mail: &mut Opened) -> Result<(), Refusal> {
        let config = self.context.config();
        let (limit, paper) = (config.fax.max_pages, config.fax.paper);
        let mut total = 0u32;
        for document in &mail.documents {
            let not_a_document = |e| not_a_document(&document.name, e);
            let octets = document.readable(&self.context).await;
            let octets = octets.map_err(not_a_document)?;
            let probed = self
                .context
                .children
                .probe(&document.source, &octets, paper);
            mail.parts[document.part].fate = match probed.await.map_err(not_a_document)? {
                Found::Pages(pages) => {
                    total = total.saturating_add(pages);
                    receipt::Fate::Faxed { pages }
                }
                Found::LeftOut(why) => {
                    let why = why.to_string();
                    receipt::Fate::Skipped { why }
                }
            };
        }
        if total == 0 {
            return Err(nothing_left(mail));
        }
        if total > limit {
            let whose = match with_pages(mail).as_slice() {
                [name] => format!("\"{name}\""),
                _ => "the mail".to_owned(),
            };
            let text =
                format!("{whose} has {total} pages, and at most {limit} are allowed in a fax");
            return Err(Refusal::new(552, "5.3.4", text));
        }
        Ok(())
    }

    async fn keep(
        &self,
        client: IpAddr,
        envelope: crate::proto::smtp::Envelope<Recipient>,
        text: Spool,
        contents: Opened,
    ) -> Result<Vec<String>, StoreError> {
        let now = now();
        let message_id = contents.message_id.as_ref().map(|id| format!("<{id}>"));
        let before = self
            .taken_before(message_id.as_deref(), &envelope.sender, &text, now)
            .await?;
        let recipients = once_each(envelope.recipients, &before);
        if recipients.is_empty() {
            tracing::info!(
                sender = envelope.sender,
                "the same mail again; its 250 must have been lost"
            );
            return Ok(before.into_iter().map(|twin| twin.fax).collect());
        }
        let id = id::new(now);
        let text_key = format!("m-{id}");
        let (blobs, key) = (self.context.store.blobs().clone(), text_key.clone());
        let size = tokio::task::spawn_blocking(move || {
            let size = text.file().metadata()?.len();
            let (_, path) = text.keep();
            blobs.keep_file(&key, &path).map(|()| size)
        })
        .await
        .map_err(io::Error::other)??;
        let config = self.context.config();
        let resolution = config.fax.resolution;
        let wish = contents.cover;
        let cover = match &wish {
            Some(wish) => wish.wanted,
            None => config.cover_for(&envelope.sender),
        };
        let faxes: Vec<NewFax> = id::several(now, recipients.len())
            .into_iter()
            .zip(recipients)
            .map(|(id, recipient)| NewFax {
                id,
                recipient: recipient.address,
                number: recipient.number,
                sub_address: recipient.sub_address,
                cover: Some(cover),
                resolution,
                ..NewFax::default()
            })
            .collect();
        let ids = faxes.iter().map(|fax| fax.id.clone()).collect();
        let manifest = serde_json::to_string(&contents.parts).map_err(io::Error::other)?;
        let message = NewMessage {
            id,
            client: client.to_string(),
            account: envelope.sender.clone(),
            via: "network".into(),
            sender: envelope.sender,
            message_id,
            references: contents.references,
            subject: contents.subject.unwrap_or_default(),
            notes: wish
                .map(|wish| wish.notes)
                .filter(|notes| !notes.is_empty()),
            manifest,
            size,
            text_key: text_key.clone(),
            one_report: faxes.len() > self.context.config().receipts.one_mail_over,
            faxes,
            ..NewMessage::default()
        };
        if let Err(e) = self.context.store.accept(message, now).await {
            let blobs = self.context.store.blobs().clone();
            let _ = tokio::task::spawn_blocking(move || blobs.remove(&text_key)).await;
            return Err(e);
        }
        self.context.tell();
        Ok(ids)
    }

    /// The faxes of this very mail, octet for octet, that were taken over before: a client whose connection broke
    /// before our `250` reached it sends the mail again (RFC 1047).
    async fn taken_before(
        &self,
        message_id: Option<&str>,
        sender: &str,
        text: &Spool,
        now: Millis,
    ) -> Result<Vec<Twin>, StoreError> {
        // Without a Message-ID two mails that are alike may be meant as two.
        let Some(message_id) = message_id else {
            return Ok(Vec::new());
        };
        let (store, size) = (&self.context.store, text.file().metadata()?.len());
        let since = Millis(now.0 - TWIN_MILLIS);
        let mut twins = store.twins(message_id, sender, size, since).await?;
        if twins.is_empty() {
            return Ok(twins);
        }
        let (blobs, path) = (store.blobs().clone(), text.path().to_owned());
        let same = tokio::task::spawn_blocking(move || -> io::Result<_> {
            let text = std::fs::read(path)?;
            twins.retain(|twin| blobs.read(&twin.text_key).is_ok_and(|other| other == text));
            Ok(twins)
        });
        Ok(same.await.map_err(io::Error::other)??)
    }
}

/// One recipient for each number and sub-address, without those that have their fax already: who is named in To and in Cc wants one.
fn once_each(recipients: Vec<Recipient>, before: &[Twin]) -> Vec<Recipient> {
    let twins = before.iter();
    let mut seen: HashSet<_> = twins
        .map(|twin| (twin.number.clone(), twin.sub_address.clone()))
        .collect();
    recipients
        .into_iter()
        .filter(|to| seen.insert((to.number.clone(), to.sub_address.clone())))
        .collect()
}

impl Intake for FrontDoor {
    type Recipient = Recipient;

    fn recipient(
        &self,
        _client: IpAddr,
        sender: &str,
        recipient: &str,
    ) -> Result<Recipient, Refusal> {
        can_be_told(sender)?;
        let config = self.context.config();
        let numbers = self.context.numbering();
        let to = number_to_dial(recipient, &config.smtp.domains, &numbers)?;
        let trunks = &self.context.trunks;
        if !trunks.is_empty() && !trunks.carries(&numbers.for_prefixes(&to.number)) {
            let text = format!("no trunk of ours leads to {}", to.number);
            return Err(Refusal::new(550, "5.7.1", text));
        }
        Ok(Recipient {
            address: recipient.to_owned(),
            number: to.number,
            sub_address: to.sub_address,
        })
    }

    fn spool(&self) -> io::Result<Spool> {
        Spool::create(self.context.store.blobs().incoming())
    }

    async fn accept(&self, message: Message<Recipient>) -> Result<Accepted, Refusal> {
        let Message {
            client,
            envelope,
            text,
        } = message;
        let size = text.file().metadata().map_err(our_trouble)?.len();
        let place = self
            .desk
            .acquire_many(place_of(size))
            .await
            .map_err(|_| Refusal::new(421, "4.3.2", "closing"))?;
        let config = self.context.config();
        let body = config.body_for(&envelope.sender);
        let open = move |text: &[u8]| documents::open(text, body, &config);
        let read = self.context.reader.read(text.path().to_owned(), open);
        let mut contents = read.await.map_err(our_trouble)??;
        self.count_pages(&mut contents).await?;
        contents.documents.clear();
        drop(place);
        let sender = envelope.sender.clone();
        let ids = self
            .keep(client, envelope, text, contents)
            .await
            .map_err(our_trouble)?;
        tracing::info!(sender, faxes = ids.join(" "), "mail taken over");
        Ok(Accepted {
            text: match ids.as_slice() {
                [id] => format!("fax queued as {id}"),
                ids => format!("{} faxes queued as {} and following", ids.len(), ids[0]),
            },
        })
    }
}

/// The place on the desk of a mail of so many octets; one that is larger than the desk has it for itself.
fn place_of(size: u64) -> u32 {
    let megabytes = u32::try_from(size.div_ceil(1 << 20)).unwrap_or(DESK);
    megabytes.clamp(SMALLEST, DESK)
}

/// Every fax ends with a receipt, so there must be somebody to get it: an address that our own letters can go to.
fn can_be_told(sender: &str) -> Result<(), Refusal> {
    let is_address = sender.is_ascii() && sender.parse::<lettre::Address>().is_ok();
    is_address.then_some(()).ok_or_else(|| {
        let text = format!("\"{sender}\" cannot be written to, and the receipt has to go there");
        Refusal::new(550, "5.1.7", text)
    })
}

/// The names of the documents that have pages.
fn with_pages(mail: &Opened) -> Vec<&str> {
    let has_pages = |part: usize| {
        let fate = &mail.parts[part].fate;
        matches!(fate, receipt::Fate::Faxed { pages } if *pages > 0)
    };
    let documents = mail.documents.iter();
    let documents = documents.filter(|document| has_pages(document.part));
    documents.map(|document| document.name.as_str()).collect()
}

/// Every part was left out, each for its good reason.
fn nothing_left(mail: &Opened) -> Refusal {
    let left_out =
        mail.documents
            .iter()
            .filter_map(|document| match &mail.parts[document.part].fate {
                receipt::Fate::Skipped { why } => Some(format!("{}: {why}", document.name)),
                receipt::Fate::Faxed { .. } => None,
            });
    let left_out = left_out.collect::<Vec<_>>().join("; ");
    let text =
        format!("there is nothing to fax ({left_out}); attach the pages, or write them as text");
    Refusal::new(554, "5.6.0", text)
}

/// The sentence for the sender of a document that cannot be faxed.
fn not_a_document(name: &str, failure: RenderFailure) -> Refusal {
    match failure {
        RenderFailure::Refused(why @ DocumentRefusal::TooManyPages { .. }) => {
            Refusal::new(552, "5.3.4", format!("\"{name}\": {why}"))
        }
        RenderFailure::Refused(why) => {
            Refusal::new(554, "5.6.1", format!("\"{name}\" cannot be faxed: {why}"))
        }
        RenderFailure::NotStarted(e) => our_trouble(e),
    }
}

/// Our own trouble: the client keeps the mail and comes again (RFC 3463 4.3.x).
fn our_trouble(e: impl std::fmt::Display) -> Refusal {
    tracing::error!("a mail cannot be taken over: {e}");
    Refusal::new(
        451,
        "4.3.0",
        "the mail cannot be stored now; please try again later",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::config::Config;
    use crate::pages::header::HeaderFont;
    use crate::proto::smtp::Envelope;
    use crate::queue::Store;
    use crate::worker::host::Children;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn door(state: &std::path::Path) -> FrontDoor {
        let context = Context::new(
            Config::default(),
            Store::open(state).unwrap(),
            Children::new(None, 60),
            HeaderFont::builtin(),
        );
        FrontDoor::new(Arc::new(context.unwrap()))
    }

    /// Hands a mail in that was found good, without its message id where that is empty.
    async fn hand_in(door: &FrontDoor, message_id: &str, numbers: &[&str], text: &str) -> usize {
        let spool = door.spool().unwrap();
        spool.file().write_all(text.as_bytes()).unwrap();
        let recipient = |number: &&str| Recipient {
            address: format!("{number}@fax.local"),
            number: (*number).to_owned(),
            sub_address: None,
        };
        let envelope = Envelope {
            sender: "clerk@example.com".into(),
            recipients: numbers.iter().map(recipient).collect(),
            helo: "there".into(),
            tls: false,
        };
        let contents = Opened {
            subject: Some("Lease".into()),
            message_id: Some(message_id.to_owned()).filter(|id| !id.is_empty()),
            references: None,
            cover: None,
            documents: vec![],
            parts: vec![],
        };
        door.keep(HERE, envelope, spool, contents).await.unwrap();
        let waiting = door.context.store.waiting_faxes(100).await.unwrap();
        assert_eq!(door.context.store.check().await.unwrap(), []);
        waiting.len()
    }

    #[tokio::test]
    async fn a_number_named_twice_gets_one_fax() {
        let state = tempfile::tempdir().unwrap();
        let door = door(state.path());
        let numbers = ["5551234567", "5557654321", "5551234567"];
        assert_eq!(hand_in(&door, "1@a", &numbers, "a lease").await, 2);
    }

    #[tokio::test]
    async fn a_mail_whose_250_was_lost_is_not_faxed_twice() {
        let state = tempfile::tempdir().unwrap();
        let door = door(state.path());
        let number = ["5551234567"];
        assert_eq!(hand_in(&door, "1@a", &number, "a lease").await, 1);
        assert_eq!(hand_in(&door, "1@a", &number, "a lease").await, 1);
        let both = ["5551234567", "5557654321"];
        assert_eq!(
            hand_in(&door, "1@a", &both, "a lease").await,
            2,
            "only the new one"
        );
        assert_eq!(
            hand_in(&door, "1@a", &number, "another").await,
            3,
            "other octets"
        );
        assert_eq!(
            hand_in(&door, "2@a", &number, "a lease").await,
            4,
            "meant again"
        );
        assert_eq!(hand_in(&door, "", &number, "a lease").await, 5);
        assert_eq!(
            hand_in(&door, "", &number, "a lease").await,
            6,
            "nothing to know it by"
        );
        let left = std::fs::read_dir(door.context.store.blobs().incoming()).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[tokio::test]
    async fn a_sender_who_cannot_be_told_is_refused_before_he_sends() {
        let state = tempfile::tempdir().unwrap();
        let door = door(state.path());
        let verdict = |sender| door.recipient(HERE, sender, "5551234567@fax.local");
        for (sender, status) in [("nobody", "5.1.7"), ("j\u{fc}rgen@a.example", "5.1.7")] {
            assert_eq!(verdict(sender).unwrap_err().status, status, "{sender}");
        }
        for sender in ["clerk@example.com", "root@localhost", "a+b@mail.example"] {
            assert!(verdict(sender).is_ok(), "{sender}");
        }
    }
}
