//! The front door: the verdict on each recipient, and taking a mail over.
//!
//! Takes over: a mail whose text is complete in the spool.
//! Promises: on `Ok` the mail, its document and the fax of each recipient are on disk; every document in it was opened, and
//! is one that can be faxed. On `Err` nothing was kept, and the sentence says why.
//! When it dies: the client has no `250`, and sends the mail again; where the mail was taken over all the same, it is
//! known again, and not faxed twice (`dedup`).

pub mod adopt;

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::dedup::{Disposition, Recipients, is_same};
use super::documents::{self, NotOpened, Opened};
use super::doorman::Doorman;
use super::message::cover::addressees;
use super::message::{self, ASKS_FOR_MDN, MAX_HEADER};
use super::receipt;
use super::receipt::wanted::tell_delay_at;
use super::stranger::Strangers;
pub use super::verdict::Recipient;
use super::verdict::{
    Way, now_exactly, on_recipient, on_sender, on_word_of, postmaster_takes_more,
};
use super::wishes::Wishes;
use crate::config::Sender;
use crate::context::{Context, now};
use crate::net::smtp::{Intake, Message, Spool, Text};
use crate::pages::DocumentRefusal;
use crate::pages::document::{Source, UnreadablePage};
use crate::pages::render::Found;
use crate::pages::text::found_at_once;
use crate::proto::smtp::{Login, Mail, Notify, RcptOptions, Refusal, Taken};
use crate::queue::{
    Addressee, Blobs, DuplicateCandidate, Envelope, Kept, Millis, NewFax, NewMessage, Origin,
    StoreError, id,
};
use crate::worker::host::RenderFailure;

/// Megabytes of mail that are taken apart at a time: each is in memory while that lasts, and so are its documents.
const DESK: u32 = 64;
/// What the smallest mail takes up of it, so that no more than eight documents are opened at a time.
const SMALLEST: u32 = 8;

/// Octets of a mail that is passed on to the postmaster.
const LARGEST_FORWARDED: u64 = 10 << 20;

/// How long a mail that comes again is known: clients try for hours, mail servers for up to five days.
const DUPLICATE_MILLIS: i64 = 5 * 86_400_000;
/// Earlier mails that a mail is held against, the newest first: there are machines that give all of theirs one Message-ID.
const MAX_LOOKS: usize = 20;

/// For whoever sends a mail; what is damaged is the admin's to know (the page, the log).
pub const DAMAGED: &str = "the queue of the fax gateway is damaged, and takes nothing until its administrator has mended it; \
                       please try again later";

/// The front door of journey 1.
pub struct FrontDoor {
    context: Arc<Context>,
    desk: Semaphore,
    doorman: Doorman,
    strangers: Strangers,
}

/// A mail that was found good in every respect, and is not taken over yet.
struct Good {
    mail: Mail,
    client: IpAddr,
    /// What opened the door to it, in words.
    via: String,
    recipients: Vec<Recipient>,
    /// The postmaster, where it is for the postmaster, too, or for nobody else.
    forward_to: Option<Forward>,
    /// What its header asks for.
    wishes: Wishes,
    text: Text,
    contents: Opened,
}

/// To whom a mail is passed on.
struct Forward {
    /// The address that was written.
    address: String,
    /// That of the postmaster.
    postmaster: String,
}

impl FrontDoor {
    /// The door to this gateway.
    pub fn new(context: Arc<Context>) -> FrontDoor {
        FrontDoor {
            context,
            desk: Semaphore::new(DESK as usize),
            doorman: Doorman::new(),
            strangers: Strangers::default(),
        }
    }

    /// A damaged store takes nothing: it may not keep it.
    fn nothing_is_damaged(&self) -> Result<(), Refusal> {
        match self.context.store.damage() {
            None => Ok(()),
            Some(_) => Err(Refusal::new(451, "4.3.0", DAMAGED)),
        }
    }

    /// Opens every document: what cannot be faxed is refused now, while its sender still has it.
    async fn count_pages(
        &self,
        mail: &mut Opened,
        unreadable: Option<UnreadablePage>,
    ) -> Result<(), Refusal> {
        let config = self.context.config();
        let unreadable = unreadable.unwrap_or(config.fax.unreadable_page);
        let (limit, paper) = (config.fax.max_pages, config.fax.paper);
        let mut total = 0u32;
        for document in &mail.documents {
            let not_a_document = |e| not_a_document(&document.name, e);
            let octets = document.readable(&self.context).await;
            let octets = octets.map_err(not_a_document)?;
            let found = match at_once(&document.source, &octets) {
                Some(found) => found,
                None => {
                    let children = &self.context.children;
                    let probed = children.probe(&document.source, &octets, paper, unreadable);
                    probed.await.map_err(not_a_document)?
                }
            };
            mail.parts[document.part].fate = match found {
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

    /// The postmaster and the others. What the verdict at RCPT said of the postmaster is asked again: many a mail may have
    /// come since.
    async fn apart(
        &self,
        recipients: Vec<Recipient>,
        mail: &Mail,
        size: u64,
    ) -> Result<(Option<Forward>, Vec<Recipient>), Refusal> {
        let all = recipients.into_iter();
        let (postmasters, others): (Vec<_>, Vec<_>) = all.partition(|to| to.is_postmaster);
        let Some(first) = postmasters.into_iter().next() else {
            return Ok((None, others));
        };
        let config = self.context.config();
        let account = config.sender(&mail.sender).account_of(&mail.sender);
        postmaster_takes_more(&self.context, &account).await?;
        if size > LARGEST_FORWARDED {
            let text = "a mail to the postmaster has at most 10 MB";
            return Err(Refusal::new(552, "5.3.4", text));
        }
        let forward = Forward {
            address: first.address,
            postmaster: config.postmaster(),
        };
        Ok((Some(forward), others))
    }

    /// The recipients of a mail, each with a fax as if it were alone; `good` has none afterwards.
    async fn recipients(&self, good: &mut Good, now: Millis) -> Result<Recipients, KeepError> {
        let recipients = std::mem::take(&mut good.recipients);
        let ids = id::several(now, recipients.len());
        let faxes = recipients.iter().zip(ids);
        let faxes = faxes
            .map(|(to, id)| self.new_fax(id, to, &good.mail.sender, &good.wishes))
            .collect::<Result<Vec<_>, _>>()?;
        let names = match faxes.iter().any(|fax| fax.cover == Some(true)) {
            true => names_in(as_kept(&good.text)).await?,
            false => HashMap::new(),
        };
        Ok(Recipients::new(faxes, names))
    }

    /// Takes the mail over; what the client hears, and the fax of each recipient.
    async fn keep(&self, mut good: Good) -> Result<(Taken, Vec<String>), KeepError> {
        let now = now();
        let recipients = self.recipients(&mut good, now).await?;
        let envelope = envelope(&good, recipients.faxes(), now);
        let message = self.new_message(good, envelope, now).await?;
        let kept = self.keep_once(&message, &recipients, now).await;
        let names_it = match &kept {
            Ok(plan) => plan.contains(&Disposition::New) || message.forward_to.is_some(),
            // Else the row may come back after a crash; what has none is for the sweep.
            Err(e) => !e.is_undone(),
        };
        if message.small_text.is_none() && !names_it {
            let (blobs, key) = (self.context.store.blobs().clone(), message.text_key.clone());
            let _ = tokio::task::spawn_blocking(move || blobs.remove(&key)).await;
        }
        self.context.tell();
        let plan = kept?;
        let faxes = (0..plan.len()).map(|place| recipients.fax_of(&plan, place).to_owned());
        Ok((recipients.acceptance_reply(&plan), faxes.collect()))
    }

    /// Takes over what is new of a mail: not what was accepted with an earlier copy of it. Whenever the store finds mails
    /// that may be copies, their texts are compared and the store is asked again, until it finds no unseen one: a copy may
    /// arrive over another connection meanwhile.
    async fn keep_once(
        &self,
        message: &NewMessage,
        recipients: &Recipients,
        now: Millis,
    ) -> Result<Vec<Disposition>, StoreError> {
        let store = &self.context.store;
        let since = Millis(now.0 - DUPLICATE_MILLIS);
        let mut copies: Vec<DuplicateCandidate> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let plan = recipients.plan(&copies, now);
            let (faxes, joins) = recipients.carry_out(&plan);
            // Whether the postmaster has it already is not asked: a second copy does no harm.
            if faxes.is_empty() && joins.is_empty() && message.forward_to.is_some() {
                store.accept(message.clone(), now).await?;
                return Ok(plan);
            }
            if faxes.is_empty() && joins.is_empty() {
                log_copy(message, &plan);
                return Ok(plan);
            }
            let new = NewMessage {
                one_report: faxes.len() > self.context.config().receipts.one_mail_over,
                faxes,
                ..message.clone()
            };
            let found =
                store.accept_unless_duplicate(Arc::new(new), joins, seen.clone(), since, now);
            let found = found.await?;
            if found.is_empty() {
                log_copy(message, &plan);
                return Ok(plan);
            }
            seen.extend(found.iter().map(|candidate| candidate.text_key.clone()));
            // One that has ended in the meantime is found for the second time.
            copies.retain(|copy| found.iter().all(|candidate| candidate.fax != copy.fax));
            copies.extend(self.same_text(message, found).await?);
        }
    }

    /// One recipient's fax. What the address asks for counts before what MAIL, RCPT, the header and the site say.
    fn new_fax(
        &self,
        id: String,
        to: &Recipient,
        sender: &str,
        header: &Wishes,
    ) -> Result<NewFax, Refusal> {
        let config = self.context.config();
        let cover = config.cover_for(sender);
        let wishes = to.wishes.clone().or(header).or(&to.defaults);
        let days = config.smtp.max_hold_days;
        let times = wishes.times(now_exactly(), &config.time_zone(), days);
        let times = times.map_err(bad_header)?;
        let millis = |at: Option<jiff::Timestamp>| at.map(|at| Millis(at.as_millisecond()));
        let (not_before, hours) = (millis(times.not_before), config.receipts.tell_delay_hours);
        // RFC 2852 4.1.4.2: who names the time of the notice gets it then.
        let tell_delay_at = millis(times.tell_delay)
            .or_else(|| tell_delay_at(hours, wishes.notify, not_before, now()));
        Ok(NewFax {
            id,
            recipient: to.address.clone(),
            number: to.number.clone(),
            sub_address: to.sub_address.clone(),
            name: to.name.clone(),
            billing: wishes.code,
            cover: Some(wishes.cover.unwrap_or(cover)),
            resolution: wishes.resolution.unwrap_or(config.fax.resolution),
            orcpt: to.orcpt.clone(),
            notify: wishes.notify,
            priority: wishes.priority.unwrap_or_default(),
            not_before,
            give_up_at: millis(times.give_up),
            tell_delay_at,
            further: Vec::new(),
        })
    }

    /// The mail as the queue takes it, without its faxes; a long text becomes a durable blob.
    async fn new_message(
        &self,
        good: Good,
        envelope: Envelope,
        now: Millis,
    ) -> Result<NewMessage, StoreError> {
        let size = good.text.size()?;
        let (id, small_text) = match good.text {
            Text::Short(octets) => (id::new(now), Some(octets)),
            Text::Long(spool) => {
                let blobs = self.context.store.blobs().clone();
                let keep = move || {
                    Origin::Mail(envelope).write(spool.file());
                    keep_text(&blobs, &spool.keep().1, now)
                };
                let kept = tokio::task::spawn_blocking(keep).await;
                (kept.map_err(io::Error::other)??, None)
            }
        };
        let text_key = text_key(&id);
        let (mail, contents, config) = (good.mail, good.contents, self.context.config());
        let manifest = serde_json::to_string(&contents.parts).map_err(io::Error::other)?;
        let sender = config.sender(&mail.sender);
        Ok(NewMessage {
            id,
            client: good.client.to_string(),
            account: sender.account_of(&mail.sender),
            via: good.via,
            sender: mail.sender,
            envelope_id: mail.options.envelope_id,
            ret: mail.options.ret,
            language: good.wishes.language,
            notes: good.wishes.notes,
            message_id: contents.message_id.map(|id| format!("<{id}>")),
            references: contents.references,
            subject: contents.subject.unwrap_or_default(),
            manifest,
            size,
            text_key,
            small_text,
            forward_to: good.forward_to.map(|forward| forward.postmaster),
            one_report: false,
            faxes: Vec::new(),
        })
    }

    /// Those of the candidates that are of this very mail: a client whose connection broke before our `250` reached it sends the
    /// mail again (RFC 1047), or one before it did, and then it comes with other trace fields.
    async fn same_text(
        &self,
        message: &NewMessage,
        mut candidates: Vec<DuplicateCandidate>,
    ) -> Result<Vec<DuplicateCandidate>, StoreError> {
        let store = &self.context.store;
        let ours = match &message.small_text {
            Some(octets) => Kept::Row(octets.clone()),
            None => Kept::File(store.blobs().path(&message.text_key)),
        };
        let ours = tokio::task::spawn_blocking(move || ours.read()).await;
        let Ok(ours) = ours.map_err(io::Error::other)? else {
            return Ok(Vec::new());
        };
        let texts = candidates
            .iter()
            .map(|candidate| candidate.text_key.clone());
        let mut texts: Vec<String> = texts.collect();
        texts.sort_unstable();
        texts.dedup();
        let mut same = HashSet::new();
        // Keys grow with time.
        for key in texts.into_iter().rev().take(MAX_LOOKS) {
            let (theirs, ours) = (store.kept(&key).await?, ours.clone());
            let is_same = move || theirs.read().is_ok_and(|theirs| is_same(&theirs, &ours));
            let is_same = tokio::task::spawn_blocking(is_same).await;
            if is_same.map_err(io::Error::other)? {
                same.insert(key);
            }
        }
        candidates.retain(|candidate| same.contains(&candidate.text_key));
        Ok(candidates)
    }
}

/// Keeps a long text under the key of a new mail, whose identifier it returns.
fn keep_text(blobs: &Blobs, spooled: &Path, now: Millis) -> io::Result<String> {
    loop {
        let id = id::new(now);
        match blobs.keep_file(&text_key(&id), spooled) {
            // Another mail of this very millisecond drew the same one.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            kept => return kept.map(|()| id),
        }
    }
}

fn text_key(message: &str) -> String {
    format!("m-{message}")
}

fn log_copy(message: &NewMessage, plan: &[Disposition]) {
    let is_new = |it: &&Disposition| matches!(it, Disposition::New | Disposition::Shares(_));
    let new = plan.iter().filter(is_new).count();
    if new < plan.len() {
        tracing::info!(
            sender = message.sender,
            message_id = message.message_id,
            "the same mail again: {new} of {} recipients are new",
            plan.len()
        );
    }
}

/// The names in `To` and `Cc`, by address in small letters.
async fn names_in(mail: Kept) -> io::Result<HashMap<String, String>> {
    let read = tokio::task::spawn_blocking(move || {
        let mut header = Vec::new();
        let text = mail.open()?;
        text.take(MAX_HEADER as u64).read_to_end(&mut header)?;
        Ok(addressees(&header))
    });
    read.await.map_err(io::Error::other)?
}

/// What is kept beside the text of a mail, for whoever has to take it in again without its row.
fn envelope(good: &Good, faxes: &[NewFax], now: Millis) -> Envelope {
    let mail = &good.mail;
    let addressee = |fax: &NewFax| Addressee {
        address: fax.recipient.clone(),
        orcpt: fax.orcpt.clone(),
        notify: fax.notify.map(Notify::bits),
    };
    let postmaster = good.forward_to.iter().map(|forward| Addressee {
        address: forward.address.clone(),
        orcpt: None,
        notify: None,
    });
    Envelope {
        accepted_at: now.0,
        client: good.client.to_string(),
        via: good.via.clone(),
        sender: mail.sender.clone(),
        envelope_id: mail.options.envelope_id.clone(),
        ret: mail.options.ret.map(|ret| ret.name().to_owned()),
        recipients: faxes.iter().map(addressee).chain(postmaster).collect(),
        omitted: 0,
    }
}

/// The text of a mail that is not taken over yet, to be read like one that is.
fn as_kept(text: &Text) -> Kept {
    match text {
        Text::Short(octets) => Kept::Row(octets.clone()),
        Text::Long(spool) => Kept::File(spool.path().to_owned()),
    }
}

/// Why a good mail is not taken over.
enum KeepError {
    Store(StoreError),
    Refused(Refusal),
}

impl From<StoreError> for KeepError {
    fn from(e: StoreError) -> KeepError {
        KeepError::Store(e)
    }
}

impl From<io::Error> for KeepError {
    fn from(e: io::Error) -> KeepError {
        KeepError::Store(e.into())
    }
}

impl From<Refusal> for KeepError {
    fn from(refusal: Refusal) -> KeepError {
        KeepError::Refused(refusal)
    }
}

impl Intake for FrontDoor {
    type Recipient = Recipient;

    async fn login(&self, client: IpAddr, login: Login) -> Result<(), Refusal> {
        let config = self.context.config();
        let store = &self.context.store;
        self.doorman
            .login(&config, store, client, login, now())
            .await
    }

    fn sender(&self, client: IpAddr, mail: &Mail) -> Result<(), Refusal> {
        self.nothing_is_damaged()?;
        on_sender(&self.context.config(), client, mail).map(drop)
    }

    async fn recipient(
        &self,
        _client: IpAddr,
        mail: &Mail,
        recipient: &str,
        options: RcptOptions,
    ) -> Result<Recipient, Refusal> {
        self.nothing_is_damaged()?;
        on_recipient(&self.context, mail, recipient, options).await
    }

    fn spool(&self) -> io::Result<Spool> {
        let blobs = self.context.store.blobs();
        match Spool::create(blobs.incoming()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                blobs.make_incoming()?;
                Spool::create(blobs.incoming())
            }
            spool => spool,
        }
    }

    async fn accept(&self, message: Message<Recipient>) -> Result<Taken, Refusal> {
        let Message {
            client,
            envelope,
            text,
        } = message;
        self.nothing_is_damaged()?;
        let (mail, recipients) = (envelope.mail, envelope.recipients);
        let size = text.size().map_err(our_trouble)?;
        let place = self
            .desk
            .acquire_many(place_of(size))
            .await
            .map_err(|_| Refusal::new(421, "4.3.2", "closing"))?;
        let config = self.context.config();
        // A reload in the middle of a mail shuts the door for it, too.
        let way = on_sender(&config, client, &mail)?;
        let mut via = match &way {
            Way::Network => "network".to_owned(),
            Way::User(name) => format!("auth {name}"),
            Way::Upstream(_) => String::new(),
            Way::Dmarc => {
                let (strangers, text) = (&self.strangers, as_kept(&text));
                let opens = strangers.opens(&self.context, client, &mail, &recipients, text);
                opens.await?
            }
        };
        let order: Vec<bool> = recipients.iter().map(|to| to.is_postmaster).collect();
        let (forward_to, recipients) = self.apart(recipients, &mail, size).await?;
        let to_be_faxed = !recipients.is_empty();
        let (body, sender) = (config.body_for(&mail.sender), config.sender(&mail.sender));
        let mut heading = None;
        if forward_to.is_some() {
            let own = config.hostname();
            let read = move |text: &[u8]| message::heading(text, &own);
            let read = self.context.reader.read(as_kept(&text), read);
            heading = Some(read.await.map_err(our_trouble)??);
        }
        let mut contents = match heading {
            Some(heading) if !to_be_faxed => Opened::of_heading(heading),
            _ => {
                let opened = documents::open(&self.context, as_kept(&text), body);
                opened.await.map_err(|e| match e {
                    NotOpened::Bad(bad) => bad.into(),
                    NotOpened::Unread(e) => our_trouble(e),
                    NotOpened::Ours(e) => our_trouble(e),
                })?
            }
        };
        if let Way::Upstream(upstream) = &way {
            via = on_word_of(upstream, &mail.sender, &contents.fields)?;
        }
        let mut wishes = Wishes::default();
        if to_be_faxed {
            wishes = header_wishes(&sender, &contents)?;
            let unreadable = wishes.unreadable;
            self.count_pages(&mut contents, unreadable).await?;
        }
        contents.documents.clear();
        drop(place);
        let sender = mail.sender.clone();
        let good = Good {
            mail,
            client,
            via,
            recipients,
            forward_to,
            wishes,
            text,
            contents,
        };
        let (reply, mut faxes) = self.keep(good).await.map_err(|e| match e {
            KeepError::Store(e) => not_kept(e),
            KeepError::Refused(refusal) => refusal,
        })?;
        // One fax may stand for several recipients.
        faxes.sort_unstable();
        faxes.dedup();
        tracing::info!(sender, faxes = faxes.join(" "), "mail taken over");
        Ok(with_postmaster(reply, &order))
    }
}

/// What a look through a document would find, where it is a short plain letter: that needs no child.
fn at_once(source: &Source, octets: &[u8]) -> Option<Found> {
    match source {
        Source::Text(text) => found_at_once(text, octets),
        _ => None,
    }
}

/// What the header asks for. Where the sender's section says so, a read receipt that it asks for is a report of the
/// delivery: it goes to the envelope sender, whoever is named there.
fn header_wishes(sender: &Sender, contents: &Opened) -> Result<Wishes, Refusal> {
    let fields = contents.fields.iter();
    let wishes = Wishes::of_header(fields.map(|(name, value)| (name.as_str(), value.as_str())));
    let mut wishes = wishes.map_err(bad_header)?;
    let is_asked = |(name, _): &(String, String)| name.eq_ignore_ascii_case(ASKS_FOR_MDN);
    if sender.mdn && wishes.notify.is_none() && contents.fields.iter().any(is_asked) {
        wishes.notify = Some(Notify::from_bits(7));
    }
    Ok(wishes)
}

/// What is said of a mail that is for the postmaster, too, or for nobody else; `order` says which recipients those are.
fn with_postmaster(taken: Taken, order: &[bool]) -> Taken {
    if !order.contains(&true) {
        return taken;
    }
    let said = "passed on to the postmaster";
    let mut others = taken.each.into_iter();
    let each = order.iter().map(|is_postmaster| match is_postmaster {
        true => said.to_owned(),
        false => others.next().unwrap_or_else(|| taken.text.clone()),
    });
    Taken {
        each: each.collect(),
        text: match taken.text.as_str() {
            "" => said.to_owned(),
            text => format!("{text}; {said}"),
        },
    }
}

/// The sentence for the sender of a header that asks for what cannot be.
fn bad_header(bad: super::wishes::BadWish) -> Refusal {
    Refusal::new(554, "5.6.0", bad.to_string())
}

/// The place on the desk of a mail of so many octets; one that is larger than the desk has it for itself.
fn place_of(size: u64) -> u32 {
    let megabytes = u32::try_from(size.div_ceil(1 << 20)).unwrap_or(DESK);
    megabytes.clamp(SMALLEST, DESK)
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
        ours @ (RenderFailure::NotStarted(_) | RenderFailure::Killed(_)) => our_trouble(ours),
    }
}

/// Our own trouble: the client keeps the mail and comes again (RFC 3463 4.3.x).
pub(super) fn our_trouble(e: impl std::fmt::Display) -> Refusal {
    tracing::error!("a mail cannot be taken over: {e}");
    Refusal::new(
        451,
        "4.3.0",
        "the mail cannot be stored now; please try again later",
    )
}

/// As [`our_trouble`]; of a full disk the client hears that it is one (RFC 3463 4.3.1).
pub(super) fn not_kept(e: StoreError) -> Refusal {
    match e {
        StoreError::Full => {
            tracing::error!("a mail cannot be taken over: {e}");
            let text = "the disk of the fax gateway is full; please try again later";
            Refusal::new(452, "4.3.1", text)
        }
        other => our_trouble(other),
    }
}

#[cfg(test)]
mod tests;
