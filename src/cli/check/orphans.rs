//! What no row of the queue names: listed for whoever decides about it.

use std::fs::File;
use std::io::Read;

use jiff::tz::TimeZone;

use super::Finding::{self, Note};
use crate::cli::table::{counted, tame, time};
use crate::mail_to_fax::message::cover::headline;
use crate::pages::tiff;
use crate::queue::{KEPT_DAYS, Millis, Origin, Orphan, OrphanKind};

/// Bytes of a mail that are searched for its header.
const HEADER_BYTES: u64 = 64 * 1024;

/// One note for each, behind one that says what they are.
pub fn notes(orphans: &[Orphan], now: Millis, zone: &TimeZone) -> Vec<Finding> {
    if orphans.is_empty() {
        return Vec::new();
    }
    let head = format!(
        "{} that no row of the queue names: what a crash left over, or what a queue.db that was put back does not know. \
         The folder orphans keeps each for {KEPT_DAYS} days; `postfax adopt KEY` takes a mail or received pages back in",
        counted(orphans.len() as u32, "file")
    );
    let each = orphans.iter().map(|orphan| Note(line(orphan, now, zone)));
    std::iter::once(Note(head)).chain(each).collect()
}

fn line(orphan: &Orphan, now: Millis, zone: &TimeZone) -> String {
    let hours = (now.0 - orphan.written_at.0).max(0) / 3_600_000;
    let age = match hours {
        0..48 => format!("{hours} h"),
        _ => format!("{} d", hours / 24),
    };
    let place = match orphan.orphaned_at {
        Some(_) => "",
        None => "; the next start moves it to orphans",
    };
    let (kind, size) = (orphan.kind.in_words(), orphan.size);
    let written = time(orphan.written_at, zone);
    let about = about(orphan).map_or(String::new(), |about| format!(": {about}"));
    let key = tame(&orphan.key, 60);
    format!("orphan {key} ({kind}, {size} bytes, {age} old, of {written}{place}){about}")
}

/// What it says of itself.
fn about(orphan: &Orphan) -> Option<String> {
    match (orphan.kind, &orphan.origin) {
        (OrphanKind::Mail, origin) => Some(about_mail(orphan, origin.as_ref())),
        (OrphanKind::ReceivedPage, Some(Origin::Page(page))) => Some(format!(
            "page {} of a call from {} to {}",
            page.page,
            tame(&page.caller, 40),
            tame(&page.called, 40)
        )),
        (OrphanKind::RenderedPages | OrphanKind::CoverPage, _) => {
            let pages = tiff::sizes(&std::fs::read(&orphan.path).ok()?).ok()?;
            Some(counted(pages.len() as u32, "page"))
        }
        _ => None,
    }
}

fn about_mail(orphan: &Orphan, origin: Option<&Origin>) -> String {
    let mut start = Vec::new();
    if let Ok(file) = File::open(&orphan.path) {
        let _ = file.take(HEADER_BYTES).read_to_end(&mut start);
    }
    let [from, to, subject] = headline(&start);
    let named = [
        ("From", from.is_empty(), tame(&from, 60)),
        ("To", to.is_empty(), tame(&to, 120)),
        (
            "Subject",
            subject.is_empty(),
            format!("\"{}\"", tame(&subject, 70)),
        ),
    ];
    let known = named.into_iter().filter(|(_, is_empty, _)| !is_empty);
    let fields: Vec<String> = known
        .map(|(name, _, value)| format!("{name} {value}"))
        .collect();
    let header = match fields.is_empty() {
        true => "without From, To and Subject".to_owned(),
        false => fields.join(", "),
    };
    match origin {
        Some(Origin::Mail(envelope)) => {
            let recipients = envelope.recipients.iter().map(|it| it.address.as_str());
            let recipients = recipients.collect::<Vec<_>>().join(", ");
            let more = match envelope.omitted {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let sender = tame(&envelope.sender, 60);
            format!("{header}; by {sender} for {}{more}", tame(&recipients, 200))
        }
        _ => format!("{header}; its envelope is not known"),
    }
}
