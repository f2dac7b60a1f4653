//! What others know, gathered from their own logs and mailboxes.

use std::collections::HashMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

use postfax::carrier::CallRecord;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::sample;

use super::books::{Arrived, Call, Evidence, Millis, Page, Placed, Report, Says};
use crate::harness::mails::{Mail, pages_in, pictures};
use crate::harness::{OURS, Site};

/// Pages of a mail at most.
pub const LONGEST: u32 = 3;

/// Pages by their pictures. The header line stands in the upper fifth, and nothing else.
pub struct Album(HashMap<Vec<u8>, (u32, u32)>);

impl Album {
    /// The pages of all mails and machines.
    pub fn of(site: &Site) -> Album {
        let mut album = HashMap::new();
        for of in 1..=LONGEST {
            let pages = pages_in(&site.rendered(&sample::numbered_pages(of)));
            let pages = pictures(&pages);
            album.extend(
                (1..)
                    .zip(&pages)
                    .map(|(page, picture)| (body(picture), (page, of))),
            );
        }
        Album(album)
    }

    fn find(&self, pictures: &[Bitmap]) -> Vec<Page> {
        let found = pictures
            .iter()
            .map(|picture| self.0.get(&body(picture)).copied());
        found.collect()
    }
}

/// A page below its header line; where that was put above the page, below both.
fn body(picture: &Bitmap) -> Vec<u8> {
    let rows: Vec<&[u8]> = picture.rows().collect();
    let first = rows.len() / 5;
    let inked = rows
        .iter()
        .skip(first)
        .filter(|row| row.iter().any(|octet| *octet != 0));
    inked.copied().flatten().copied().collect()
}

/// What the machines and the mailboxes know; of the clerk and the kills, nothing yet.
pub fn gather(site: &Site, album: &Album, taken: &[(String, Mail)]) -> Evidence {
    let log = |name: &str| records(&site.path(name));
    let mut evidence = Evidence {
        calls: log("machines-5070/calls.jsonl")
            .into_iter()
            .map(|record| call(album, record))
            .collect(),
        placed: log("machines-5071/calls.jsonl")
            .into_iter()
            .map(placed)
            .collect(),
        dialled: dialled(&site.carrier_log().text()),
        ..Evidence::default()
    };
    for (recipient, mail) in taken {
        let to_postmaster = recipient.contains("<postmaster@");
        let about = mail.attached.as_deref().unwrap_or(mail);
        match says(&about.subject) {
            Some(says) => evidence.reports.push(Report {
                id: mail.message_id.clone(),
                subject: about.subject.clone(),
                text: about.text.clone(),
                says,
                to_postmaster,
            }),
            None => evidence.arrived.extend(arrived(album, mail, to_postmaster)),
        }
    }
    evidence
}

/// The calls in the carrier's log, each line of which begins with its time.
fn dialled(log: &str) -> Vec<(Millis, String)> {
    let call = |line: &str| {
        let at: jiff::Timestamp = line.split_whitespace().next()?.parse().ok()?;
        let (_, called) = line.split_once("called=\"")?;
        let (called, _) = called.split_once('"')?;
        Some((at.as_millisecond(), national(called)))
    };
    let calls = log.lines().filter(|line| line.contains("a call for"));
    calls
        .map(|line| call(line).expect("a line of the carrier's log"))
        .collect()
}

fn records(log: &Path) -> Vec<CallRecord> {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let read = |line| serde_json::from_str(line).expect("a line of calls.jsonl");
    log.lines().map(read).collect()
}

fn call(album: &Album, record: CallRecord) -> Call {
    let kept = record.tiff.as_ref().map(|tiff| {
        let written = tiff.metadata().and_then(|file| file.modified());
        let written = written.expect("the machine keeps its pages");
        let since = written.duration_since(UNIX_EPOCH).expect("after 1970");
        (since.as_millis() as Millis, pages_in(tiff))
    });
    let (kept, mut pages) = kept.unwrap_or_default();
    // What it kept and did not confirm is none of ours yet.
    pages.truncate(record.pages as usize);
    Call {
        number: national(&record.called),
        confirmed: album.find(&pictures(&pages)),
        kept,
        ended: record.ended.as_millisecond(),
    }
}

fn national(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix('1').filter(|rest| rest.len() == 10);
    national.unwrap_or(&digits).to_owned()
}

fn placed(record: CallRecord) -> Placed {
    Placed {
        // The machine writes whom it called and as whom.
        pages: pages_of(&record.caller),
        confirmed: record.pages,
        caller: record.caller,
    }
}

/// A machine that calls has as many pages as the last digit of its number says.
pub fn pages_of(caller: &str) -> u32 {
    let last = caller.chars().last().and_then(|digit| digit.to_digit(10));
    last.expect("a number ends with a digit")
}

fn says(subject: &str) -> Option<Says> {
    let table = [
        ("Fax delivered", Says::Delivered),
        ("Fax NOT delivered", Says::Failed),
        ("Fax perhaps delivered", Says::Perhaps),
        ("Fax delayed", Says::Waits),
        ("Fax cancelled", Says::Cancelled),
    ];
    let found = table.iter().find(|(words, _)| subject.contains(words));
    found.map(|(_, says)| *says)
}

fn arrived(album: &Album, mail: &Mail, to_postmaster: bool) -> Option<Arrived> {
    let words = mail.text.split(|c: char| !c.is_ascii_digit() && c != '+');
    let mut numbers = words
        .map(national)
        .filter(|word| word.len() == 10 && word != OURS);
    mail.pdf.as_ref()?;
    Some(Arrived {
        id: mail.message_id.clone(),
        caller: numbers.next()?,
        pages: album.find(&mail.pictures()),
        to_postmaster,
    })
}
