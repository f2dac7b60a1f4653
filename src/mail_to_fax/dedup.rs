//! Which recipients of a mail get a fax of their own: neither those that share one with another recipient of the mail, nor
//! those of a mail that came twice, the second time by another way perhaps, which left its marks on it. Pure.

use std::collections::HashMap;

use super::cover::addressee;
use super::recipient::asked_time;
use crate::pages::Resolution;
use crate::proto::smtp::{Notify, Taken};
use crate::queue::{DuplicateCandidate, FurtherRecipient, Join, Millis, NewFax, Standing};

/// For how long after a delivery a second sending of its mail is taken for one whose `250` was lost. A client waits for
/// that reply for ten minutes (RFC 5321 4.5.3.2.6) and comes again after 5 to 67 minutes (Postfix: minimal_backoff_time
/// 300 s, maximal_backoff_time 4000 s, and queue_run_delay 300 s on top): 82 minutes at most. While the fax is open it is
/// known for longer, so that what counts here is the time since its end.
const LOST_REPLY_MILLIS: i64 = 90 * 60_000;

/// What recipients have in common that one fax serves: the same pages from the same machine at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DeliveryKey {
    number: String,
    sub_address: Option<String>,
    resolution: Resolution,
    /// Whom its cover page names; none: it has none.
    cover_to: Option<String>,
    /// The time that the address asks for; any other time is asked for the whole mail.
    time: Option<String>,
}

/// What becomes of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disposition {
    /// A fax of its own.
    New,
    /// The fax of the earlier recipient in this place.
    Shares(usize),
    /// The open fax of another recipient, of an earlier copy of the mail.
    Joins(String),
    /// Its fax was accepted with an earlier copy of the mail, and is open.
    Queued(String),
    /// Its fax was accepted with an earlier copy of the mail, and was delivered.
    Delivered(String),
}

/// The recipients of a mail, in their order.
pub(super) struct Recipients {
    /// Each as if it were alone.
    faxes: Vec<NewFax>,
    keys: Vec<DeliveryKey>,
    /// The names in the header of the mail, by address in small letters.
    names: HashMap<String, String>,
}

impl Recipients {
    /// Recipients with a fax each; `names` are those in the header, by address in small letters.
    pub(super) fn new(faxes: Vec<NewFax>, names: HashMap<String, String>) -> Recipients {
        let mut all = Recipients {
            faxes,
            names,
            keys: Vec::new(),
        };
        let key = |fax: &NewFax| DeliveryKey {
            number: fax.number.clone(),
            sub_address: fax.sub_address.clone(),
            resolution: fax.resolution,
            cover_to: all.cover_to(fax.cover == Some(true), fax.name.as_deref(), &fax.recipient),
            time: asked_time(&fax.recipient),
        };
        let keys = all.faxes.iter().map(key).collect();
        all.keys = keys;
        all
    }

    /// The fax of each as if it were alone, in their order.
    pub(super) fn faxes(&self) -> &[NewFax] {
        &self.faxes
    }

    fn cover_to(&self, cover: bool, in_book: Option<&str>, address: &str) -> Option<String> {
        let in_header = || {
            let name = self.names.get(&address.to_ascii_lowercase());
            name.cloned().unwrap_or_default()
        };
        cover.then(|| addressee(in_book, address, in_header))
    }

    /// What becomes of each, where `copies` are the faxes of earlier copies of the very mail.
    ///
    /// Its own earlier fax stands for a recipient while that is open, and for [`LOST_REPLY_MILLIS`] after it was delivered;
    /// for as long as copies are known where the fax of another of these recipients was not delivered, for then that is why
    /// the mail comes again, and comes once more where the `250` to that was lost. One that failed, is uncertain or was
    /// cancelled never does.
    pub(super) fn plan(&self, copies: &[DuplicateCandidate], now: Millis) -> Vec<Disposition> {
        let mut by_number: HashMap<&str, Vec<&DuplicateCandidate>> = HashMap::new();
        for copy in copies {
            by_number.entry(&copy.number).or_default().push(copy);
        }
        let to_number = |fax: &NewFax| by_number.get(fax.number.as_str()).into_iter().flatten();
        let all_own = |fax| to_number(fax).filter(move |copy| is_for(copy, fax));
        let own = |fax| all_own(fax).max_by_key(|copy| order(copy.standing));
        let own: Vec<_> = self.faxes.iter().map(own).collect();
        let failed = |copy: &&DuplicateCandidate| matches!(copy.standing, Standing::GivenUp(_));
        let some_failed = self.faxes.iter().zip(&own).any(|(fax, newest)| {
            let is_over = newest.is_some_and(|copy| match copy.standing {
                Standing::Delivered(at) => !is_recent(at, now),
                Standing::Open | Standing::GivenUp(_) => false,
            });
            !is_over && all_own(fax).any(&failed)
        });
        let mut first: HashMap<&DeliveryKey, usize> = HashMap::new();
        let mut plan = Vec::with_capacity(self.faxes.len());
        for (place, (fax, key)) in self.faxes.iter().zip(&self.keys).enumerate() {
            let earlier = own[place].and_then(|copy| match copy.standing {
                Standing::Open => Some(Disposition::Queued(copy.fax.clone())),
                Standing::Delivered(at) if some_failed || is_recent(at, now) => {
                    Some(Disposition::Delivered(copy.fax.clone()))
                }
                Standing::Delivered(_) | Standing::GivenUp(_) => None,
            });
            let shared = || {
                let is_open = |copy: &&&DuplicateCandidate| copy.standing == Standing::Open;
                let mut open = to_number(fax).filter(is_open);
                let found = open.find(|copy| self.keys_of(copy).contains(key));
                found.map(|copy| Disposition::Joins(copy.fax.clone()))
            };
            plan.push(earlier.or_else(shared).unwrap_or_else(|| {
                match *first.entry(key).or_insert(place) {
                    own if own == place => Disposition::New,
                    other => Disposition::Shares(other),
                }
            }));
        }
        plan
    }

    /// The faxes that a plan makes, each for all of its recipients, and the recipients that join others.
    pub(super) fn carry_out(&self, plan: &[Disposition]) -> (Vec<NewFax>, Vec<Join>) {
        let (mut faxes, mut joins): (Vec<NewFax>, _) = (Vec::new(), Vec::new());
        let mut at = HashMap::new();
        for (place, (fax, disposition)) in self.faxes.iter().zip(plan).enumerate() {
            match disposition {
                Disposition::New => {
                    at.insert(place, faxes.len());
                    faxes.push(fax.clone());
                }
                Disposition::Shares(first) => add(&mut faxes[at[first]], fax),
                Disposition::Joins(other) => joins.push(Join {
                    fax: other.clone(),
                    number: fax.number.clone(),
                    recipient: further(fax),
                    tell_delay_at: fax.tell_delay_at,
                }),
                Disposition::Queued(_) | Disposition::Delivered(_) => {}
            }
        }
        (faxes, joins)
    }

    /// What is said behind the `250` of SMTP, and behind each of LMTP's.
    pub(super) fn acceptance_reply(&self, plan: &[Disposition]) -> Taken {
        let (mut new, mut queued, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
        let mut each = Vec::with_capacity(plan.len());
        for (place, disposition) in plan.iter().enumerate() {
            let fax = self.fax_of(plan, place);
            each.push(match disposition {
                Disposition::New => is_new(fax),
                Disposition::Delivered(_) => was_delivered(fax),
                _ => is_queued(fax),
            });
            match disposition {
                Disposition::New => new.push(fax),
                Disposition::Shares(_) => {}
                Disposition::Joins(_) | Disposition::Queued(_) => queued.push(fax),
                Disposition::Delivered(_) => delivered.push(fax),
            }
        }
        let mut said = Vec::new();
        let mut say = |mut faxes: Vec<&str>, one: fn(&str) -> String, many: &str| {
            faxes.sort_unstable();
            faxes.dedup();
            match faxes.as_slice() {
                [] => {}
                [fax] => said.push(one(fax)),
                [first, ..] => said.push(format!("{} {}", faxes.len(), many.replace("{}", first))),
            }
        };
        say(new, is_new, "faxes queued as {} and following");
        say(
            queued,
            is_queued,
            "of the same faxes are queued already, {} and others",
        );
        say(
            delivered,
            was_delivered,
            "of the same faxes were delivered already, {} and others, and are not sent again",
        );
        Taken {
            text: said.join("; "),
            each,
        }
    }

    /// The identifier of the fax that the recipient in this place has.
    pub(super) fn fax_of<'p>(&'p self, plan: &'p [Disposition], place: usize) -> &'p str {
        match &plan[place] {
            Disposition::New => &self.faxes[place].id,
            Disposition::Shares(first) => &self.faxes[*first].id,
            Disposition::Joins(fax) | Disposition::Queued(fax) | Disposition::Delivered(fax) => fax,
        }
    }

    fn keys_of(&self, copy: &DuplicateCandidate) -> Vec<DeliveryKey> {
        let key = |to: &FurtherRecipient| DeliveryKey {
            number: copy.number.clone(),
            sub_address: copy.sub_address.clone(),
            resolution: copy.resolution,
            cover_to: self.cover_to(copy.cover, to.name.as_deref(), &to.recipient),
            time: asked_time(&to.recipient),
        };
        copy.recipients.iter().map(key).collect()
    }
}

fn is_new(fax: &str) -> String {
    format!("fax queued as {fax}")
}

fn is_queued(fax: &str) -> String {
    format!("the same fax is queued as {fax} already")
}

fn was_delivered(fax: &str) -> String {
    format!("the same fax was delivered as {fax} already, and is not sent again")
}

/// Whether it is the fax of this very recipient. A copy that came by another way may have lost its ORCPT.
fn is_for(copy: &DuplicateCandidate, fax: &NewFax) -> bool {
    let same_origin = |theirs: &Option<String>| match (theirs, &fax.orcpt) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    let mut recipients = copy.recipients.iter();
    recipients.any(|it| it.recipient.eq_ignore_ascii_case(&fax.recipient) && same_origin(&it.orcpt))
}

/// An open fax comes last, and of those that ended the one that did so last.
fn order(standing: Standing) -> (bool, Millis) {
    match standing {
        Standing::Open => (true, Millis(0)),
        Standing::Delivered(at) | Standing::GivenUp(at) => (false, at),
    }
}

/// A clock that was set back does not make it recent for longer.
fn is_recent(at: Millis, now: Millis) -> bool {
    (now.0 - at.0).abs() <= LOST_REPLY_MILLIS
}

fn further(fax: &NewFax) -> FurtherRecipient {
    FurtherRecipient {
        recipient: fax.recipient.clone(),
        name: fax.name.clone(),
        billing: fax.billing.clone(),
        orcpt: fax.orcpt.clone(),
        notify: fax.notify.map(Notify::bits),
    }
}

/// Makes the fax that of one more recipient, unless that is one of its own named twice.
fn add(fax: &mut NewFax, more: &NewFax) {
    fax.priority = fax.priority.max(more.priority);
    let earliest = fax
        .tell_delay_at
        .into_iter()
        .chain(more.tell_delay_at)
        .min();
    fax.tell_delay_at = earliest;
    let more = further(more);
    if further(fax) != more && !fax.further.contains(&more) {
        fax.further.push(more);
    }
}

/// What servers add on the way (RFC 5321 4.4, 6376, 7208, 8601, and habit).
const TRACE: [&str; 8] = [
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "x-received",
    "dkim-signature",
    "received-spf",
    "authentication-results",
];
/// How the names begin of what else they add: RFC 8617, and filters.
const TRACE_FAMILIES: [&str; 3] = ["arc-", "x-spam-", "x-virus-"];

/// Whether both have the same body, octet for octet, and the same header but for what servers add to it.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (halves(one), halves(other));
    one.1 == other.1 && written(one.0) == written(other.0)
}

/// The header, and the empty line with what stands behind it.
fn halves(mail: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in mail.split_inclusive(|octet| *octet == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        end += line.len();
    }
    mail.split_at(end)
}

/// The fields that whoever wrote the mail gave it, each with its folded lines.
fn written(header: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut fields: Vec<Vec<&[u8]>> = Vec::new();
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        // RFC 5322 2.2.3: a line that begins with white space goes on with the one before.
        match fields.last_mut() {
            Some(field) if line.starts_with(b" ") || line.starts_with(b"\t") => field.push(line),
            _ => fields.push(vec![line]),
        }
    }
    fields.retain(|field| !is_trace(field[0]));
    fields
}

fn is_trace(line: &[u8]) -> bool {
    let name = line
        .split(|octet| *octet == b':')
        .next()
        .unwrap_or_default();
    let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
    let mut families = TRACE_FAMILIES.iter();
    TRACE.contains(&name.as_str()) || families.any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests;
