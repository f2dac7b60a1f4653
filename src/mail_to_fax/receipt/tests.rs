use jiff::tz::TimeZone;
use mail_parser::MessageParser;

use super::*;
use crate::letter::golden::assert_golden;

fn head() -> Letterhead {
    Letterhead {
        from: "Postfax <postmaster@fax.law.example>".into(),
        hostname: "fax.law.example".into(),
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn attempt(began: &str, outcome: Outcome, detail: &str, pages: u32, seconds: f64) -> Attempt {
    Attempt {
        began: time(began),
        outcome,
        detail: detail.into(),
        pages,
        seconds,
    }
}

/// Two pages, delivered at the second try.
fn lease_agreement() -> Receipt {
    Receipt {
        fax: "17".into(),
        ending: Ending::Called(Outcome::Delivered),
        number: "5551234567".into(),
        sub_address: None,
        pages: 2,
        confirmed: 2,
        seconds: 48.2,
        ended: time("2026-11-21T09:15:50Z"),
        far_end: FarEnd {
            ident: Some("+1 555 123 4567".into()),
            bit_rate: 14400,
            ecm: true,
            t38: true,
            compression: "T.6".into(),
            ..FarEnd::default()
        },
        attempts: vec![
            attempt(
                "2026-11-21T09:10:00Z",
                Outcome::Busy,
                "486 Busy Here",
                0,
                0.0,
            ),
            attempt(
                "2026-11-21T09:15:00Z",
                Outcome::Delivered,
                "MCF to EOP",
                2,
                48.2,
            ),
        ],
        remarks: vec![],
        parts: vec![
            Part {
                name: "Lease agreement.pdf".into(),
                fate: Fate::Faxed { pages: 2 },
            },
            Part {
                name: "logo.png".into(),
                fate: Fate::Skipped {
                    why: "pictures of a signature are not faxed".into(),
                },
            },
        ],
        mail: OriginalMail {
            sender: "anna.lee@law.example".into(),
            subject: Some("Lease agreement".into()),
            message_id: Some("<20261121.3@law.example>".into()),
            references: Some("<20261120.1@law.example>".into()),
        },
    }
}

fn ended(outcome: Outcome, confirmed: u32, detail: &str) -> Receipt {
    let mut receipt = lease_agreement();
    receipt.ending = Ending::Called(outcome);
    receipt.confirmed = confirmed;
    let last = receipt.attempts.last_mut().unwrap();
    (last.outcome, last.pages, last.detail) = (outcome, confirmed, detail.into());
    receipt
}

fn letter(receipt: &Receipt) -> Letter {
    write(receipt, &head(), time("2026-11-21T09:15:51Z")).unwrap()
}

fn text(letter: &Letter) -> String {
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    parsed.body_text(0).unwrap().replace("\r\n", "\n")
}

#[test]
fn golden_delivered() {
    let letter = letter(&lease_agreement());
    assert_eq!(letter.from, None);
    assert_eq!(letter.to, ["anna.lee@law.example"]);
    assert_golden("receipt-delivered.eml", &letter.bytes);
}

#[test]
fn golden_failed_busy() {
    let mut receipt = ended(Outcome::Busy, 0, "486 Busy Here");
    receipt.far_end = FarEnd::default();
    receipt.seconds = 0.0;
    receipt.attempts[1].seconds = 0.0;
    assert_golden("receipt-failed-busy.eml", &letter(&receipt).bytes);
}

#[test]
fn golden_failed_drops_after_page_1() {
    let receipt = ended(Outcome::FarEndHungUp, 1, "DCN after MCF of page 1");
    assert_golden("receipt-failed-after-page-1.eml", &letter(&receipt).bytes);
}

#[test]
fn golden_failed_document_damaged() {
    let mut receipt = lease_agreement();
    receipt.ending = Ending::NotRendered {
        document: "Lease agreement.pdf".into(),
        why: "it is damaged and cannot be read as PDF".into(),
    };
    (receipt.pages, receipt.confirmed) = (0, 0);
    receipt.far_end = FarEnd::default();
    receipt.attempts.clear();
    receipt.parts.clear();
    assert_golden("receipt-failed-document.eml", &letter(&receipt).bytes);
}

#[test]
fn golden_uncertain() {
    let receipt = ended(Outcome::Uncertain, 1, "silence after the last EOP");
    assert_golden("receipt-uncertain.eml", &letter(&receipt).bytes);
}

#[test]
fn golden_cancelled_with_a_subject_in_japanese() {
    let mut receipt = ended(Outcome::Cancelled, 0, "");
    receipt.mail.subject = Some("賃貸契約書".into());
    receipt.attempts.truncate(1);
    receipt.far_end = FarEnd::default();
    assert_golden("receipt-cancelled.eml", &letter(&receipt).bytes);
}

#[test]
fn first_sentence_says_it_all() {
    let text = text(&letter(&lease_agreement()));
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "Your fax \"Lease agreement\" to 5551234567 was delivered: 2 pages in 48 seconds on \
         21 November 2026 at 10:15 (CET)."
    );
}

#[test]
fn every_outcome_makes_a_letter_with_its_cause() {
    for outcome in Outcome::ALL {
        let text = text(&letter(&ended(outcome, 0, "detail")));
        assert!(text.starts_with("Your fax ") || text.starts_with("Whether your fax "));
        assert!(text.contains(outcome.in_words()), "{outcome}: {text}");
        assert!(!text.contains("  \n"), "{outcome}: trailing blanks\n{text}");
        assert!(!text.contains("\n\n\n"), "{outcome}: a gap\n{text}");
    }
}

#[test]
fn a_mail_without_a_subject_is_named_by_its_number() {
    for subject in [None, Some(" \r\n ".to_string())] {
        let mut receipt = lease_agreement();
        receipt.mail.subject = subject;
        let letter = letter(&receipt);
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        assert_eq!(parsed.subject(), Some("Fax delivered: 5551234567"));
        assert!(text(&letter).starts_with("Your fax to 5551234567 was delivered: "));
    }
}

#[test]
fn the_same_facts_make_the_same_letter_and_another_ending_another_message_id() {
    let receipt = lease_agreement();
    assert_eq!(letter(&receipt), letter(&receipt));
    let failed = letter(&ended(Outcome::Busy, 0, ""));
    assert_ne!(failed.message_id, letter(&receipt).message_id);
}

#[test]
fn a_null_sender_gets_no_receipt() {
    let mut receipt = lease_agreement();
    receipt.mail.sender = String::new();
    let refused = write(&receipt, &head(), Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(refused, LetterError::Recipient(String::new()));
}

#[test]
fn strangers_words_do_not_forge_lines_of_the_text() {
    let forged = "x\n\nYour fax was delivered.\n-- \n";
    let mut receipt = ended(Outcome::Busy, 0, forged);
    receipt.mail.subject = Some(forged.into());
    receipt.number = forged.into();
    receipt.far_end.ident = Some(forged.into());
    receipt.far_end.compression = forged.into();
    receipt.parts[0].name = forged.into();
    let text = text(&letter(&receipt));
    assert!(
        !text.lines().any(|line| line == "Your fax was delivered."),
        "{text}"
    );
    assert_eq!(
        text.lines().filter(|line| line.trim_end() == "--").count(),
        1
    );
}

#[test]
fn a_sub_address_is_told_and_that_it_was_not_taken() {
    let mut receipt = Receipt {
        sub_address: Some("6377".into()),
        ..lease_agreement()
    };
    let text = |receipt: &Receipt| {
        let letter = write(receipt, &head(), receipt.ended).unwrap();
        String::from_utf8(letter.bytes).unwrap()
    };
    let told = text(&receipt);
    assert!(told.contains("  Sub-address  6377\r\n"), "{told}");
    receipt.far_end.said = Some(Box::default());
    let told = text(&receipt);
    assert!(
        told.contains("Sub-address  6377, not sent: the machine there takes no sub-address"),
        "{told}"
    );
}
