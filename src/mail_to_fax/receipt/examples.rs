//! Faxes that templates are tried with.

use jiff::{Timestamp, ToSpan};

use super::broadcast::Broadcast;
use super::{
    Addressee, Attempt, Ending, Fate, Noticed, OriginalMail, Part, Receipt, Remark, Remarkable,
    Wanted,
};
use crate::call::outcome::{FarEnd, FarSaid, Outcome};
use crate::config::TellDelivered;

/// One of every kind, with everything that may be known of it and with nothing that need not be.
pub fn all() -> Vec<Receipt> {
    let endings = [
        Ending::Called(Outcome::Delivered),
        Ending::Called(Outcome::Busy),
        Ending::Called(Outcome::Uncertain),
        Ending::Called(Outcome::Cancelled),
        Ending::NotRendered {
            document: "letter.pdf".into(),
            why: "it is damaged and cannot be read as PDF".into(),
        },
        waits(Some(Outcome::NoAnswer)),
        waits(None),
    ];
    let full = endings.clone().map(full);
    let bare = endings.map(bare);
    full.into_iter().chain(bare).collect()
}

/// A mail to many that has ended, and one that has not.
pub fn broadcasts() -> Vec<Broadcast> {
    let of = |faxes: Vec<Receipt>| Broadcast {
        message: "0".into(),
        accepted: time(),
        ended: time(),
        mail: OriginalMail::default(),
        parts: parts(),
        faxes,
    };
    let (all, ended) = (all(), |fax: &Receipt| {
        !matches!(fax.ending, Ending::Waits { .. })
    });
    let over = all.iter().filter(|fax| ended(fax)).cloned().collect();
    vec![of(all), of(over)]
}

fn time() -> Timestamp {
    Timestamp::UNIX_EPOCH + 500_000.hours()
}

fn waits(last: Option<Outcome>) -> Ending {
    Ending::Waits {
        last,
        held: last.is_none(),
        until: last.map(|_| time() + 20.hours()),
    }
}

fn full(ending: Ending) -> Receipt {
    let outcome = match ending {
        Ending::Called(outcome) => outcome,
        _ => Outcome::NoAnswer,
    };
    let attempt = Attempt {
        began: time(),
        outcome,
        detail: "486 Busy Here".into(),
        pages: 1,
        seconds: 48.0,
        sip_code: Some(486),
        q850: Some(17),
    };
    Receipt {
        name: Some("Dr. Smith".into()),
        sub_address: Some("6377".into()),
        billing: Some("Project 7".into()),
        further: vec![Addressee {
            recipient: "dr-smith+code-8@fax.local".into(),
            name: Some("Dr. Smith".into()),
            orcpt: None,
            wanted: Wanted::of(None, TellDelivered::Mail),
            billing: Some("8".into()),
        }],
        orcpt: Some("rfc822;dr-smith@fax.local".into()),
        pages: 2,
        confirmed: 1,
        calls: 2,
        seconds: 48.0,
        far_end: FarEnd {
            ident: Some("+1 555 123 4567".into()),
            bit_rate: 14400,
            said: Some(Box::<FarSaid>::default()),
            ..FarEnd::default()
        },
        attempts: vec![attempt.clone(), attempt],
        parts: parts(),
        remarks: vec![Noticed {
            document: "letter.pdf".into(),
            what: Remarkable::Drawn(Remark::CameOutBlank { page: 2 }),
        }],
        mail: OriginalMail {
            sender: "anna.lee@law.example".into(),
            subject: Some("Lease agreement".into()),
            ..OriginalMail::default()
        },
        ..bare(ending)
    }
}

fn bare(ending: Ending) -> Receipt {
    Receipt {
        fax: "0".into(),
        ending,
        number: "5551234567".into(),
        name: None,
        recipient: "5551234567@fax.local".into(),
        orcpt: None,
        wanted: Wanted::of(None, TellDelivered::Mail),
        sub_address: None,
        billing: None,
        further: vec![],
        pages: 0,
        confirmed: 0,
        calls: 0,
        seconds: 0.0,
        accepted: time(),
        ended: time(),
        far_end: FarEnd::default(),
        attempts: vec![],
        parts: vec![],
        remarks: vec![],
        picture: None,
        mail: OriginalMail::default(),
    }
}

fn parts() -> Vec<Part> {
    vec![
        Part {
            name: "letter.pdf".into(),
            fate: Fate::Faxed { pages: 2 },
        },
        Part {
            name: "text of the mail".into(),
            fate: Fate::Skipped {
                why: "text of the mail".into(),
            },
        },
    ]
}
