//! What the queue knows of a fax, for its receipt.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use jiff::Timestamp;

use crate::call::outcome::{FarEnd, Outcome};
use crate::config::{Config, TellDelivered};
use crate::context::now;
use crate::letter::report::Returned;
use crate::mail_to_fax::receipt::broadcast::Broadcast;
use crate::mail_to_fax::receipt::wanted::{Reserve, reserve_of};
use crate::mail_to_fax::receipt::{
    Addressee, Attempt, Ending, Kind, OriginalMail, Receipt, Wanted,
};
use crate::pages::cover::Language;
use crate::queue::{
    AttemptRow, FaxRow, FurtherRecipient, Kept, Millis, Store, StoreError, ToldFax, ToldMail,
};

pub(super) const NOT_ASKED: &str = "its sender did not ask to hear of this";
const NOBODY: &str = "its mail came from nobody (MAIL FROM:<>)";
const A_REPORT: &str = "its mail is a report or an automatic answer itself";

/// A mail that is given back whole (RET=FULL) is no larger than this; of a larger one only the header is.
const LARGEST_RETURNED: u64 = 10 << 20;

/// Octets of a header that are read at most.
const LONGEST_HEADER: u64 = 256 << 10;

/// The queue as it is read for receipts.
pub struct Books<'a> {
    /// Custody.
    pub store: &'a Store,
    /// The settings in force.
    pub config: &'a Config,
}

impl Books<'_> {
    /// What is known of a fax, without the picture of its first page; `None`: no such fax.
    ///
    /// # Errors
    /// As the store says.
    pub async fn receipt(&self, fax: &str) -> Result<Option<Receipt>, StoreError> {
        let Some(told) = self.store.told_fax(fax).await? else {
            return Ok(None);
        };
        let Some(mail) = self.store.told_mail(&told.fax.message).await? else {
            return Ok(None);
        };
        let attempts = self.store.attempts(fax).await?;
        let parts = serde_json::from_str(&mail.manifest).unwrap_or_default();
        let original = self.original(mail).await;
        let mut receipt = self.outline(&told, original);
        receipt.far_end = attempts.last().map(far_end).unwrap_or_default();
        receipt.attempts = attempts.iter().map(attempt).collect();
        receipt.parts = parts;
        Ok(Some(receipt))
    }

    /// A mail and all its faxes.
    pub(super) async fn broadcast(&self, message: &str) -> Result<Option<Broadcast>, StoreError> {
        let Some(mail) = self.store.told_mail(message).await? else {
            return Ok(None);
        };
        let faxes = self.store.told_faxes(message).await?;
        let parts = serde_json::from_str(&mail.manifest).unwrap_or_default();
        let accepted = timestamp(mail.accepted_at);
        let mail = self.original(mail).await;
        let light = OriginalMail {
            returned: None,
            ..mail.clone()
        };
        let outline = |told: &ToldFax| Receipt {
            attempts: told
                .last_attempt
                .iter()
                .map(|it| last_attempt(&told.fax, it))
                .collect(),
            remarks: Vec::new(),
            ..self.outline(told, light.clone())
        };
        let ended = faxes.iter().filter_map(|told| told.fax.ended_at).max();
        Ok(Some(Broadcast {
            message: message.to_owned(),
            accepted,
            ended: timestamp(ended.unwrap_or(now())),
            mail,
            parts,
            faxes: faxes.iter().flat_map(|told| outline(told).each()).collect(),
        }))
    }

    fn outline(&self, told: &ToldFax, mail: OriginalMail) -> Receipt {
        let fax = &told.fax;
        let deliveries = self.config.tells_delivered(&fax.sender);
        Receipt {
            orcpt: told.orcpt.clone(),
            wanted: Wanted::of(told.notify, deliveries),
            further: addressees(fax, deliveries),
            billing: told.billing.clone(),
            remarks: serde_json::from_str(&told.remarks).unwrap_or_default(),
            mail,
            ..in_outline(fax, self.config)
        }
    }

    /// The mail, and what of it would go back. One whose blob is gone goes back without.
    async fn original(&self, mail: ToldMail) -> OriginalMail {
        let whole = mail.ret.as_deref() == Some("full") && mail.size <= LARGEST_RETURNED;
        let octets = match self.store.kept(&mail.text_key).await {
            Err(_) => None,
            Ok(kept) => {
                let read = tokio::task::spawn_blocking(move || some_of(&kept, whole));
                read.await.ok().and_then(Result::ok)
            }
        };
        OriginalMail {
            language: self
                .config
                .language_for(&mail.sender, mail.language.as_deref()),
            sender: mail.sender,
            subject: Some(mail.subject).filter(|subject| !subject.is_empty()),
            message_id: mail.message_id,
            references: mail.references,
            envelope_id: mail.envelope_id,
            returned: octets.map(|octets| match whole {
                true => Returned::whole(octets),
                false => Returned::headers_of(&octets),
            }),
        }
    }

    /// Why nobody is told of this, if so.
    pub(super) fn reserve(
        &self,
        mail: &OriginalMail,
        kind: Kind,
        wanted: Wanted,
    ) -> Option<&'static str> {
        // RFC 3461 5.2, RFC 3464 2: no report about what came from nobody.
        if mail.sender.is_empty() {
            return Some(NOBODY);
        }
        if !wanted.wants(kind) {
            return Some(NOT_ASKED);
        }
        let header = match &mail.returned {
            Some(Returned::Headers(octets) | Returned::Whole(octets)) => octets.as_slice(),
            None => &[],
        };
        let of_ours = mail.sender == self.config.mail_from();
        match reserve_of(header) {
            Reserve::Report => Some(A_REPORT),
            Reserve::None if !of_ours => None,
            // A program hears of what went wrong, and of what it asked for.
            _ => (kind == Kind::Delivered && !wanted.by_dsn).then_some(NOT_ASKED),
        }
    }

    /// A picture that cannot be read is no reason to wait with the receipt.
    pub(super) async fn add_picture(&self, receipt: &mut Receipt) -> Result<(), StoreError> {
        let told = self.store.told_fax(&receipt.fax).await?;
        let Some(key) = told.and_then(|told| told.preview_key) else {
            return Ok(());
        };
        let picture = self.store.octets(&key).await.ok();
        receipt.picture = picture.map(Arc::unwrap_or_clone);
        Ok(())
    }
}

/// A mail, whole or its header.
fn some_of(mail: &Kept, whole: bool) -> std::io::Result<Vec<u8>> {
    let text = mail.open()?;
    let mut octets = Vec::new();
    match whole {
        true => BufReader::new(text).read_to_end(&mut octets)?,
        false => read_header(BufReader::new(text.take(LONGEST_HEADER)), &mut octets)?,
    };
    Ok(octets)
}

/// The header of a mail, with the blank line behind it.
fn read_header(mut file: impl BufRead, out: &mut Vec<u8>) -> std::io::Result<usize> {
    loop {
        let begin = out.len();
        let read = file.read_until(b'\n', out)?;
        if read == 0 || matches!(&out[begin..], b"\n" | b"\r\n") {
            return Ok(out.len());
        }
    }
}

/// What everybody may see of a fax: enough for the first sentence.
pub fn in_outline(fax: &FaxRow, config: &Config) -> Receipt {
    // What is held does not get older; a deadline of its sender's stays.
    let given_up = (!fax.held).then(|| fax.give_up_from.plus_seconds(config.give_up_seconds()));
    Receipt {
        fax: fax.id.clone(),
        ending: ending(fax, fax.give_up_at.or(given_up)),
        number: fax.number.clone(),
        name: fax.name.clone(),
        recipient: fax.recipient.clone(),
        orcpt: None,
        wanted: Wanted::of(None, TellDelivered::Mail),
        sub_address: fax.sub_address.clone(),
        billing: None,
        further: addressees(fax, TellDelivered::Mail),
        pages: fax.page_count.unwrap_or(0),
        confirmed: fax.confirmed,
        calls: fax.calls,
        seconds: fax.seconds.unwrap_or(0.0),
        accepted: timestamp(fax.created_at),
        ended: timestamp(fax.ended_at.unwrap_or(fax.created_at)),
        far_end: FarEnd::default(),
        attempts: Vec::new(),
        parts: Vec::new(),
        remarks: Vec::new(),
        picture: None,
        mail: OriginalMail {
            sender: fax.sender.clone(),
            subject: Some(fax.subject.clone()).filter(|subject| !subject.is_empty()),
            language: Language::En,
            ..OriginalMail::default()
        },
    }
}

fn addressees(fax: &FaxRow, deliveries: TellDelivered) -> Vec<Addressee> {
    let further = fax.further.iter().cloned();
    let addressee = |it: FurtherRecipient| Addressee {
        recipient: it.recipient,
        name: it.name,
        orcpt: it.orcpt,
        wanted: Wanted::of(it.notify, deliveries),
        billing: it.billing,
    };
    further.map(addressee).collect()
}

fn ending(fax: &FaxRow, until: Option<Millis>) -> Ending {
    match (&fax.failed_part, &fax.failure, &fax.outcome) {
        _ if fax.ended_at.is_none() => Ending::Waits {
            last: fax.outcome.as_deref().and_then(Outcome::from_name),
            held: fax.held,
            until: until.map(timestamp),
        },
        (Some(document), Some(why), None) => Ending::NotRendered {
            document: document.clone(),
            why: why.clone(),
        },
        (_, _, outcome) => Ending::Called(outcome_of(outcome.as_deref())),
    }
}

fn outcome_of(name: Option<&str>) -> Outcome {
    name.and_then(Outcome::from_name)
        .unwrap_or(Outcome::GatewayStopped)
}

fn attempt(row: &AttemptRow) -> Attempt {
    Attempt {
        began: timestamp(row.started_at),
        outcome: outcome_of(row.outcome.as_deref()),
        detail: row.detail.clone(),
        pages: row.pages,
        seconds: row.seconds,
        sip_code: row.sip_code,
        q850: row.q850,
    }
}

fn last_attempt(
    fax: &FaxRow,
    (began, sip_code, q850, detail): &(Millis, Option<u16>, Option<u16>, String),
) -> Attempt {
    Attempt {
        began: timestamp(*began),
        outcome: outcome_of(fax.outcome.as_deref()),
        detail: detail.clone(),
        pages: fax.confirmed,
        seconds: fax.seconds.unwrap_or(0.0),
        sip_code: *sip_code,
        q850: *q850,
    }
}

fn far_end(row: &AttemptRow) -> FarEnd {
    FarEnd {
        ident: row.far_ident.clone(),
        bit_rate: row.bit_rate,
        ecm: row.ecm,
        t38: row.t38,
        compression: row.compression.clone(),
        said: row.far_said.clone(),
        sub_address: None,
    }
}

pub(super) fn timestamp(time: Millis) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH)
}
