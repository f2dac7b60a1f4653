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
    /// the mail comes again. One that failed, is uncertain or was cancelled never does.
    pub(super) fn plan(&self, copies: &[DuplicateCandidate], now: Millis) -> Vec<Disposition> {
        let mut by_number: HashMap<&str, Vec<&DuplicateCandidate>> = HashMap::new();
        for copy in copies {
            by_number.entry(&copy.number).or_default().push(copy);
        }
        let to_number = |fax: &NewFax| by_number.get(fax.number.as_str()).into_iter().flatten();
        let own = |fax| {
            let own = to_number(fax).filter(|copy| is_for(copy, fax));
            own.max_by_key(|copy| order(copy.standing))
        };
        let own: Vec<_> = self.faxes.iter().map(own).collect();
        let mut known = own.iter().flatten();
        let some_failed = known.any(|copy| matches!(copy.standing, Standing::GivenUp(_)));
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
        let groups: [(_, fn(&str) -> String, _); 3] = [
            (new, is_new, "faxes queued as {} and following"),
            (
                queued,
                is_queued,
                "of the same faxes are queued already, {} and others",
            ),
            (
                delivered,
                was_delivered,
                "of the same faxes were delivered already, {} and others, and are not sent again",
            ),
        ];
        let mut said = Vec::new();
        for (mut faxes, one, many) in groups {
            faxes.sort_unstable();
            faxes.dedup();
            match faxes.as_slice() {
                [] => {}
                [fax] => said.push(one(fax)),
                [first, ..] => said.push(format!("{} {}", faxes.len(), many.replace("{}", first))),
            }
        }
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
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_000_000_000);

    fn fax(id: &str, address: &str) -> NewFax {
        let number = address.split(['+', '@', '/']).next().unwrap();
        NewFax {
            id: id.into(),
            recipient: address.into(),
            number: number.into(),
            ..NewFax::default()
        }
    }

    fn with_cover(id: &str, address: &str, name: Option<&str>) -> NewFax {
        NewFax {
            cover: Some(true),
            name: name.map(str::to_owned),
            ..fax(id, address)
        }
    }

    /// Names in the header: only one recipient has one.
    fn names() -> HashMap<String, String> {
        HashMap::from([("2@fax.local".to_owned(), "Jane Roe".to_owned())])
    }

    fn copy_of(fax: &NewFax, standing: Standing) -> DuplicateCandidate {
        DuplicateCandidate {
            text_key: "m-1".into(),
            fax: fax.id.clone(),
            number: fax.number.clone(),
            sub_address: fax.sub_address.clone(),
            resolution: fax.resolution,
            cover: fax.cover == Some(true),
            standing,
            recipients: std::iter::once(further(fax))
                .chain(fax.further.clone())
                .collect(),
        }
    }

    fn minutes_ago(minutes: i64) -> Millis {
        Millis(NOW.0 - minutes * 60_000)
    }

    #[test]
    fn only_what_a_lost_250_explains_is_a_duplicate() {
        use Standing::*;
        let again = Recipients::new(vec![fax("b", "1@fax.local")], names());
        let (queued, delivered) = (
            Disposition::Queued("a".into()),
            Disposition::Delivered("a".into()),
        );
        for (standing, expected) in [
            (Open, queued),
            (Delivered(minutes_ago(0)), delivered.clone()),
            (Delivered(minutes_ago(89)), delivered.clone()),
            (Delivered(minutes_ago(91)), Disposition::New),
            // The clock was set back.
            (Delivered(minutes_ago(-89)), delivered),
            (Delivered(minutes_ago(-91)), Disposition::New),
            (GivenUp(minutes_ago(0)), Disposition::New),
            (GivenUp(Millis(i64::MAX)), Disposition::New),
        ] {
            let copy = copy_of(&fax("a", "1@FAX.local"), standing);
            assert_eq!(again.plan(&[copy], NOW), [expected], "{standing:?}");
        }
    }

    #[test]
    fn the_copy_that_ended_last_counts_and_an_open_one_before_all() {
        use Standing::*;
        let again = Recipients::new(vec![fax("c", "1@fax.local")], names());
        let plan = |copies: [(&str, Standing); 2]| {
            let copies = copies.map(|(id, standing)| copy_of(&fax(id, "1@fax.local"), standing));
            again.plan(&copies, NOW).remove(0)
        };
        let (a, b) = (minutes_ago(20), minutes_ago(10));
        assert_eq!(
            plan([("a", Delivered(a)), ("b", GivenUp(b))]),
            Disposition::New
        );
        assert_eq!(
            plan([("a", GivenUp(a)), ("b", Delivered(b))]),
            Disposition::Delivered("b".into())
        );
        assert_eq!(
            plan([("a", Open), ("b", GivenUp(b))]),
            Disposition::Queued("a".into())
        );
    }

    #[test]
    fn sent_again_because_some_failed_only_those_are_new() {
        use Standing::*;
        let (one, two, three) = ("1@fax.local", "2@fax.local", "3@fax.local");
        let again = Recipients::new(vec![fax("d", one), fax("e", two), fax("f", three)], names());
        let yesterday = minutes_ago(1440);
        let copies = |of_two| {
            [
                copy_of(&fax("a", one), Delivered(yesterday)),
                copy_of(&fax("b", two), of_two),
                copy_of(&fax("c", three), Open),
            ]
        };
        let plan = again.plan(&copies(GivenUp(yesterday)), NOW);
        assert_eq!(
            plan,
            [
                Disposition::Delivered("a".into()),
                Disposition::New,
                Disposition::Queued("c".into())
            ]
        );
        let said = again.acceptance_reply(&plan);
        assert_eq!(
            said.text,
            "fax queued as e; the same fax is queued as c already; \
             the same fax was delivered as a already, and is not sent again"
        );
        assert_eq!(said.each[1], "fax queued as e");
        // Nothing failed: the sender wants it once more.
        let plan = again.plan(&copies(Delivered(yesterday)), NOW);
        assert_eq!(plan[..2], [Disposition::New, Disposition::New]);
    }

    #[test]
    fn one_fax_serves_those_who_would_get_the_same_and_each_is_kept() {
        let mut second = fax("b", "1+code-7+p5@fax.local");
        second.billing = Some("7".into());
        second.priority = 5;
        second.orcpt = Some("rfc822;anna@example.com".into());
        second.notify = Some(Notify::from_bits(1));
        second.tell_delay_at = Some(NOW);
        let twice = fax("c", "1@fax.local");
        let to = Recipients::new(
            vec![fax("a", "1@fax.local"), second.clone(), twice],
            names(),
        );
        let plan = to.plan(&[], NOW);
        let (faxes, joins) = to.carry_out(&plan);
        assert_eq!((faxes.len(), joins.len()), (1, 0));
        assert_eq!(faxes[0].further, [further(&second)], "named twice is once");
        assert_eq!((faxes[0].priority, faxes[0].tell_delay_at), (5, Some(NOW)));
        let said = to.acceptance_reply(&plan);
        assert_eq!(said.text, "fax queued as a");
        assert_eq!(said.each[1], "the same fax is queued as a already");
    }

    #[test]
    fn what_the_far_end_would_see_or_another_time_makes_two_faxes() {
        let sub = NewFax {
            sub_address: Some("6377".into()),
            ..fax("b", "1@fax.local")
        };
        let fine = NewFax {
            resolution: Resolution::Superfine,
            ..fax("b", "1@fax.local")
        };
        for (one, other, faxes) in [
            (fax("a", "1@fax.local"), fax("b", "1@gw.example"), 1),
            (fax("a", "1@fax.local"), sub, 2),
            (fax("a", "1@fax.local"), fine, 2),
            (fax("a", "1@fax.local"), fax("b", "1+at1800@fax.local"), 2),
            (
                fax("a", "1@fax.local"),
                with_cover("b", "1@fax.local", None),
                2,
            ),
            // ATTN, the phone book and the header of the mail say whom a cover page names.
            (
                with_cover("a", "1/ATTN=Smith@fax.local", None),
                with_cover("b", "1/ATTN=Jones@fax.local", None),
                2,
            ),
            (
                with_cover("a", "1@fax.local", Some("Dr. Smith")),
                with_cover("b", "1@fax.local", Some("Dr. Jones")),
                2,
            ),
            (
                with_cover("a", "2@gw.example", None),
                with_cover("b", "2@fax.local", None),
                2,
            ),
            (
                with_cover("a", "1/ATTN=Smith@fax.local", None),
                with_cover("b", "1/ATTN=smith.@fax.local", Some("Smith")),
                1,
            ),
            // Without a cover page nobody sees the name.
            (
                fax("a", "1/ATTN=Smith@fax.local"),
                fax("b", "1/ATTN=Jones@fax.local"),
                1,
            ),
        ] {
            let said = format!("{} {}", one.recipient, other.recipient);
            let to = Recipients::new(vec![one, other], names());
            let (made, _) = to.carry_out(&to.plan(&[], NOW));
            let further: usize = made.iter().map(|fax| fax.further.len()).sum();
            assert_eq!((made.len(), made.len() + further), (faxes, 2), "{said}");
        }
    }

    #[test]
    fn a_recipient_of_a_later_copy_joins_an_open_fax_and_no_other() {
        use Standing::*;
        let other = fax("b", "1+code-7@fax.local");
        let to = Recipients::new(vec![other.clone()], names());
        let copy = |standing| copy_of(&fax("a", "1@fax.local"), standing);
        let plan = to.plan(&[copy(Open)], NOW);
        assert_eq!(plan, [Disposition::Joins("a".into())]);
        let (faxes, joins) = to.carry_out(&plan);
        assert_eq!((faxes.len(), &joins[0].recipient), (0, &further(&other)));
        for over in [Delivered(NOW), GivenUp(NOW)] {
            assert_eq!(to.plan(&[copy(over)], NOW), [Disposition::New]);
        }
        // Two that lists made one address of, in one mail or in two.
        let alias = |id, name: &str| NewFax {
            orcpt: Some(format!("rfc822;{name}@example.com")),
            ..fax(id, "1@fax.local")
        };
        let to = Recipients::new(vec![alias("b", "bob")], names());
        let anna = copy_of(&alias("a", "anna"), Open);
        assert_eq!(to.plan(&[anna], NOW), [Disposition::Joins("a".into())]);
        let bob = copy_of(&alias("a", "bob"), Open);
        assert_eq!(to.plan(&[bob], NOW), [Disposition::Queued("a".into())]);
    }

    const LEASE: &str = "From: a@b.example\r\nSubject: the\r\n lease\r\n\r\nIt is signed.\r\n";

    fn same(one: &str, other: &str) -> bool {
        is_same(one.as_bytes(), other.as_bytes())
    }

    #[test]
    fn another_way_makes_no_other_mail() {
        let way = "Return-Path: <a@b.example>\r\nReceived: from x by y\r\n\twith ESMTP; now\r\nDKIM-Signature: v=1;\r\n t=2\r\n";
        assert!(same(LEASE, &format!("{way}{LEASE}")));
        assert!(same(
            &format!("ARC-Seal: i=1\r\nX-Spam-Level: *\r\n{LEASE}"),
            LEASE
        ));
        assert!(same("", "") && same("no header", "no header"));
    }

    #[test]
    fn another_word_does() {
        for (here, there) in [
            ("signed", "Signed"),
            ("the\r\n lease", "the\r\n rent"),
            ("From: a@", "From: c@"),
            ("\r\n\r\nIt", "\r\nX-Fax-Cover: yes\r\n\r\nIt"),
        ] {
            assert!(!same(LEASE, &LEASE.replace(here, there)), "{there}");
        }
        // What stands behind the header is text, whatever it looks like.
        assert!(!same(LEASE, &format!("{LEASE}Received: x\r\n")));
    }
}
