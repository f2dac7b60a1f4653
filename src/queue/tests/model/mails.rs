//! Mails that come in, also a second time, and their documents.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::SENDER;
use super::promises::{End, Fax, Promise, State};
use super::world::{Document, Sent, World};
use crate::pages::Resolution;
use crate::queue::{
    Claim, Drawn, DuplicateCandidate, Millis, NewFax, NewMessage, NewOctets, Result, Standing,
    Store,
};

const NUMBERS: [&str; 6] = [
    "5550001", "5550002", "5550003", "5550004", "5550005", "5550006",
];
const ACCOUNTS: [&str; 3] = ["a", "b", "c"];

/// How far back the front door looks for copies of a mail.
const KNOWN_MILLIS: i64 = 5 * 86_400_000;
/// For how long after a delivery its mail may come again because its `250` was lost.
const LOST_REPLY_MILLIS: i64 = 90 * 60_000;

/// What the front door said of one recipient.
struct Answer {
    number: String,
    fax: String,
    is_new: bool,
}

impl World {
    /// A mail that nobody has sent before.
    pub async fn mail(&mut self) {
        let recipients = 1 + self.rng.usize(0..3);
        let mut numbers: Vec<String> = NUMBERS.iter().map(|number| (*number).to_owned()).collect();
        self.rng.shuffle(&mut numbers);
        numbers.truncate(recipients);
        let name = self.name();
        let sent = Sent {
            text: self.rng.u64(..),
            message_id: (!self.one_in(10)).then(|| format!("<{name}@example.com>")),
            numbers,
            is_file: self.one_in(3),
            one_report: recipients > 1 && self.one_in(2),
            account: ACCOUNTS[self.rng.usize(0..ACCOUNTS.len())].to_owned(),
            faxes: Vec::new(),
        };
        self.sent.push(sent);
        self.send(self.sent.len() - 1).await;
        self.count("mail");
    }

    /// A mail that was sent before comes again.
    pub async fn mail_again(&mut self) {
        let Some(which) = self.pick(self.sent.len()) else {
            return;
        };
        if self.sent[which].message_id.is_some() {
            self.send(which).await;
            self.count("mail again");
        }
    }

    /// A mail with the Message-ID of another, and other words in it.
    pub async fn near_copy(&mut self) {
        let Some(which) = self.pick(self.sent.len()) else {
            return;
        };
        let other = self.sent[which].clone();
        if other.message_id.is_some() {
            let text = self.rng.u64(..);
            let faxes = Vec::new();
            self.sent.push(Sent {
                text,
                faxes,
                ..other
            });
            self.send(self.sent.len() - 1).await;
            self.count("near copy");
        }
    }

    /// A mail comes on two connections at a time.
    pub async fn mail_twice_at_once(&mut self) {
        let Some(which) = self.pick(self.sent.len()) else {
            return;
        };
        if self.sent[which].message_id.is_none() {
            return;
        }
        let (one, other) = (self.compose(which), self.compose(which));
        let (store, now) = (self.store.clone(), self.now());
        let live = self.live_equals(which);
        let (first, second) = tokio::join!(
            take_over(&store, one.clone(), now),
            take_over(&store, other.clone(), now)
        );
        let mut taken = Vec::new();
        for (message, answers) in [(one, first), (other, second)] {
            taken.extend(self.works("accept", answers).map(|it| (message, it)));
        }
        // The other one may have been told of its faxes.
        taken.sort_by_key(|(_, answers)| answers.iter().filter(|it| !it.is_new).count());
        for (message, answers) in taken {
            self.taken_over(which, &message, &answers, &live);
        }
        // One that is known no longer, after days, may wait beside them.
        let fresh: Vec<String> = {
            let now = self.live_equals(which);
            now.difference(&live).cloned().collect()
        };
        for number in &self.sent[which].numbers.clone() {
            let to_it = |id: &&String| self.promises.faxes[*id].number == *number;
            if fresh.iter().filter(to_it).count() > 1 {
                let how = format!("two copies at once to {number}: {fresh:?}");
                self.promises.breaks(Promise::AcceptedTwice, how);
            }
        }
        self.count("mail twice at once");
    }

    async fn send(&mut self, which: usize) {
        let message = self.compose(which);
        let live = self.live_equals(which);
        let (store, now) = (self.store.clone(), self.now());
        let answers = take_over(&store, message.clone(), now).await;
        if let Some(answers) = self.works("accept", answers) {
            self.taken_over(which, &message, &answers, &live);
        }
    }

    /// The live faxes of the very same mail.
    fn live_equals(&self, which: usize) -> BTreeSet<String> {
        let sent = &self.sent[which];
        // One whose call is being cancelled is as good as cancelled.
        let is_live = |id: &&String| {
            let fax = &self.promises.faxes[*id];
            !fax.is_over() && !fax.cancelling
        };
        sent.faxes.iter().filter(is_live).cloned().collect()
    }

    fn compose(&mut self, which: usize) -> NewMessage {
        let (id, now) = (self.name(), self.now());
        let sent = self.sent[which].clone();
        let octets = text_of(sent.text);
        let text_key = format!("m-{id}");
        let small_text = match sent.is_file {
            true => {
                let kept = self.store.blobs().keep(&text_key, &octets);
                self.works("keep", kept.map_err(Into::into));
                None
            }
            false => Some(Arc::new(octets.clone())),
        };
        self.texts.insert(text_key.clone(), octets.clone());
        let mut faxes = Vec::new();
        for number in &sent.numbers {
            faxes.push(NewFax {
                id: self.name(),
                recipient: format!("{number}@fax.local"),
                number: number.clone(),
                cover: Some(self.one_in(6)),
                resolution: match self.one_in(4) {
                    true => Resolution::Standard,
                    false => Resolution::Fine,
                },
                priority: self.rng.i8(-1..2),
                not_before: self
                    .one_in(7)
                    .then(|| later(now, self.rng.i64(600..172_800))),
                give_up_at: self
                    .one_in(5)
                    .then(|| later(now, self.rng.i64(600..36_000))),
                tell_delay_at: self.one_in(3).then(|| later(now, 7200)),
                ..NewFax::default()
            });
        }
        NewMessage {
            id,
            sender: SENDER.into(),
            account: sent.account,
            message_id: sent.message_id,
            manifest: "[]".into(),
            size: octets.len() as u64,
            text_key,
            small_text,
            one_report: sent.one_report,
            faxes,
            ..NewMessage::default()
        }
    }

    /// The promises hear of what the front door said.
    fn taken_over(
        &mut self,
        which: usize,
        message: &NewMessage,
        answers: &[Answer],
        live: &BTreeSet<String>,
    ) {
        let text = self.sent[which].text;
        let mates = self.sent[which].faxes.clone();
        let mut fresh = Vec::new();
        for answer in answers {
            if !answer.is_new {
                let number = &answer.number;
                self.promises
                    .called_duplicate(&answer.fax, text, number, &mates);
                continue;
            }
            let new = message.faxes.iter().find(|fax| fax.id == answer.fax);
            let fax = self.as_promised(message, new.expect("it is one of the mail"), text);
            self.promises.faxes.insert(answer.fax.clone(), fax);
            let to_it = |id: &&String| self.promises.faxes[*id].number == answer.number;
            let others = live.iter().filter(to_it).cloned().collect();
            self.promises.called_new(&answer.fax, &others);
            fresh.push(answer.fax.clone());
        }
        if message.one_report && !fresh.is_empty() {
            self.promises
                .one_report
                .insert(message.id.clone(), fresh.clone());
        }
        for fax in message.faxes.iter().filter(|fax| fresh.contains(&fax.id)) {
            let document = (message.text_key.clone(), format!("{:?}", fax.resolution));
            self.planned
                .entry(document)
                .or_default()
                .push(fax.id.clone());
        }
        let (new, all) = (fresh.len(), answers.len());
        self.note(format!(
            "mail {} of text {text:x}: {new} of {all} faxes are new",
            message.id
        ));
        self.sent[which].faxes.extend(fresh);
    }

    fn as_promised(&self, message: &NewMessage, new: &NewFax, text: u64) -> Fax {
        let promises = &self.promises;
        let not_before = new.not_before.map(|at| at.0);
        Fax {
            message: message.id.clone(),
            text,
            number: new.number.clone(),
            cover: new.cover == Some(true),
            deadline: new.give_up_at.map(|at| at.0),
            not_before,
            not_before_mono: not_before.map(|at| at - promises.wall + promises.mono),
            may_be_told_of_delay: new.tell_delay_at.is_some(),
            state: State::Rendering,
            held: false,
            cancelling: false,
            pages: 0,
            confirmed: 0,
            confirmed_now: 0,
            leaving: false,
            attempts: Vec::new(),
            accepted: promises.mono,
            could_go_since: promises.mono,
            first_attempt: None,
            earliest: 0,
            ended: None,
        }
    }

    pub async fn claim_document(&mut self) {
        let claimed = self.store.claim_document(self.now()).await;
        let Some(Some(claimed)) = self.works("claim_document", claimed) else {
            return;
        };
        let planned = (
            claimed.text_key.clone(),
            format!("{:?}", claimed.resolution),
        );
        let faxes = self.planned.get(&planned).cloned().unwrap_or_default();
        let document = self.documents.entry(claimed.id.clone()).or_default();
        document.faxes = faxes;
        let starts = document.unsettled + 1;
        if claimed.tries != starts {
            let how = format!(
                "document {} is said to have begun {} times, and {starts} nobody settled",
                claimed.id, claimed.tries
            );
            self.promises.breaks(Promise::RenderingStarts, how);
        }
        let text = self.store.octets(&claimed.text_key).await;
        let text = self.works("octets of a mail", text);
        if text.as_deref() != self.texts.get(&claimed.text_key) {
            let how = format!("the text {} is another one", claimed.text_key);
            self.promises.breaks(Promise::Bytes, how);
        }
        self.note(format!("document {} is being rendered", claimed.id));
        self.rendering.push(claimed);
        self.count("claim document");
    }

    fn rendering(&mut self) -> Option<String> {
        let which = self.pick(self.rendering.len())?;
        Some(self.rendering.swap_remove(which).id)
    }

    pub async fn document_rendered(&mut self) {
        let Some(id) = self.rendering() else {
            return;
        };
        let page_count = self.rng.u32(1..4);
        let octets = format!("{page_count} pages of {id}").into_bytes();
        let key = format!("d-{id}");
        let preview = format!("v-{id}");
        let has_preview = self.one_in(2);
        if has_preview {
            let kept = self.store.blobs().keep(&preview, b"picture");
            self.works("keep", kept.map_err(Into::into));
        }
        let small = match self.one_in(3) {
            true => {
                let kept = self.store.blobs().keep(&key, &octets);
                self.works("keep", kept.map_err(Into::into));
                None
            }
            false => Some(Arc::new(octets.clone())),
        };
        let pages = NewOctets {
            key: key.clone(),
            small,
        };
        let drawn = Drawn {
            pages,
            page_count,
            preview: has_preview.then(|| NewOctets::blob(&preview)),
            remarks: "[]".into(),
        };
        let rendered = self.store.document_rendered(&id, drawn, self.now()).await;
        self.works("document_rendered", rendered);
        let document = self.documents.get_mut(&id).expect("it was claimed");
        (document.pages, document.pages_key) = (octets, key);
        document.preview = has_preview.then_some(preview);
        for fax in document.faxes.clone() {
            self.promises.rendered(&fax, page_count);
        }
        self.note(format!("document {id} has {page_count} pages"));
        self.count("document rendered");
    }

    pub async fn document_failed(&mut self) {
        let Some(id) = self.rendering() else {
            return;
        };
        let failed = self
            .store
            .document_failed(&id, "a.pdf", "it is broken", self.now());
        let failed = failed.await;
        self.works("document_failed", failed);
        for fax in self.documents[&id].faxes.clone() {
            if self.promises.fax(&fax).state == State::Rendering {
                self.promises.ends(&fax, End::Failed);
            }
        }
        self.note(format!("document {id} failed"));
        self.count("document failed");
    }

    /// The disk does not take the pages: our own trouble.
    pub async fn document_deferred(&mut self) {
        let Some(id) = self.rendering() else {
            return;
        };
        let at = later(self.now(), 60);
        let deferred = self.store.document_deferred(&id, at).await;
        self.works("document_deferred", deferred);
        self.note(format!("document {id} is deferred"));
        self.count("document deferred");
    }

    /// The task that renders it panics.
    pub async fn document_released(&mut self) {
        let Some(id) = self.rendering() else {
            return;
        };
        let (policy, now) = (self.policy.clone(), self.now());
        let claim = Claim::Document(id.clone());
        let released = self.store.release(claim, &policy, now).await;
        self.works("release", released);
        self.note(format!("the task of document {id} panicked"));
        self.count("document released");
    }

    /// Another mail draws the identifier of one that was accepted.
    pub async fn same_identifier(&mut self) {
        let Some(which) = self.pick(self.texts.len()) else {
            return;
        };
        let key = self.texts.keys().nth(which).expect("it is one").clone();
        let is_file = self.store.blobs().path(&key).exists();
        let named = self.store.kept(&key).await;
        let Some(named) = self.works("kept", named) else {
            return;
        };
        let before = named.read().ok();
        if !is_file || before.is_none() {
            return;
        }
        let spooled = self.store.blobs().incoming().join("spooled");
        std::fs::write(&spooled, b"another mail").expect("a file can be written");
        let _ = self.store.blobs().keep_file(&key, &spooled);
        let _ = std::fs::remove_file(&spooled);
        let after = named.read().ok();
        if before != after {
            self.promises
                .breaks(Promise::Bytes, format!("{key} was replaced"));
            let octets = self.texts[&key].clone();
            let _ = self.store.blobs().keep(&key, &octets);
        }
        self.note(format!("another mail draws the identifier of {key}"));
        self.count("same identifier");
    }
}

fn later(now: Millis, seconds: i64) -> Millis {
    Millis(now.0 + seconds * 1000)
}

fn text_of(text: u64) -> Vec<u8> {
    format!("Subject: a letter\r\n\r\n{text:016x}\r\n").into_bytes()
}

/// What the intake does with a mail: one that may have come before is compared with its copies, until none is unseen.
async fn take_over(store: &Store, message: NewMessage, now: Millis) -> Result<Vec<Answer>> {
    if message.message_id.is_none() {
        store.accept(message.clone(), now).await?;
        return Ok(answers(&message, &[], now));
    }
    let since = Millis(now.0 - KNOWN_MILLIS);
    let ours = text_of_message(store, &message).await;
    let (mut seen, mut equal) = (HashSet::new(), Vec::new());
    loop {
        let answers = answers(&message, &equal, now);
        let mut rest = message.clone();
        rest.faxes
            .retain(|fax| answers.iter().any(|it| it.is_new && it.fax == fax.id));
        if rest.faxes.is_empty() {
            if message.small_text.is_none() {
                store.blobs().remove(&message.text_key)?;
            }
            return Ok(answers);
        }
        let rest = Arc::new(rest);
        let found = store.accept_unless_duplicate(rest, vec![], seen.clone(), since, now);
        let found = found.await?;
        if found.is_empty() {
            return Ok(answers);
        }
        for candidate in found {
            let theirs = store.octets(&candidate.text_key).await.ok();
            seen.insert(candidate.text_key.clone());
            if theirs.is_some() && theirs == ours {
                equal.push(candidate);
            }
        }
    }
}

/// What the sender is told of each recipient, where `copies` are faxes of the very mail.
fn answers(message: &NewMessage, copies: &[DuplicateCandidate], now: Millis) -> Vec<Answer> {
    let all_own = |number: &str| -> Vec<&DuplicateCandidate> {
        copies.iter().filter(|copy| copy.number == number).collect()
    };
    let own = |number: &str| {
        all_own(number)
            .into_iter()
            .max_by_key(|copy| match copy.standing {
                Standing::Open => i64::MAX,
                Standing::Delivered(at) | Standing::GivenUp(at) => at.0,
            })
    };
    let is_recent = |at: Millis| (now.0 - at.0).abs() < LOST_REPLY_MILLIS;
    let mut faxes = message.faxes.iter();
    let some_failed = faxes.any(|fax| {
        let failed = |copy: &&DuplicateCandidate| matches!(copy.standing, Standing::GivenUp(_));
        let is_over = |copy: &DuplicateCandidate| match copy.standing {
            Standing::Delivered(at) => !is_recent(at),
            _ => false,
        };
        all_own(&fax.number).iter().any(failed) && !own(&fax.number).is_some_and(is_over)
    });
    let stands_for = |copy: &&DuplicateCandidate| match copy.standing {
        Standing::Open => true,
        Standing::Delivered(at) => some_failed || is_recent(at),
        Standing::GivenUp(_) => false,
    };
    let answer = |fax: &NewFax| {
        let earlier = own(&fax.number).filter(stands_for);
        Answer {
            number: fax.number.clone(),
            fax: earlier.map_or(fax.id.clone(), |copy| copy.fax.clone()),
            is_new: earlier.is_none(),
        }
    };
    message.faxes.iter().map(answer).collect()
}

async fn text_of_message(store: &Store, message: &NewMessage) -> Option<Arc<Vec<u8>>> {
    match &message.small_text {
        Some(text) => Some(text.clone()),
        None => store.blobs().read(&message.text_key).ok().map(Arc::new),
    }
}

impl Document {
    /// All its faxes are over.
    pub fn is_over(&self, world: &World) -> bool {
        let mut faxes = self.faxes.iter();
        faxes.all(|fax| world.promises.faxes[fax].is_over())
    }
}
