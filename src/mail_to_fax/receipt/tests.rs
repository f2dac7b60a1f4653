use jiff::tz::TimeZone;
use mail_parser::{MessageParser, MimeHeaders};

use super::broadcast::Broadcast;
use super::*;
use crate::config::TellDelivered;
use crate::letter::golden::assert_golden;
use crate::mail_to_fax::message::Skipped;
use crate::pages::DocumentRefusal;
use crate::pages::text::LeftOut;

fn head() -> Letterhead {
    Letterhead {
        from: "Postfax <postmaster@fax.law.example>".into(),
        reply_to: Some("postmaster@law.example".into()),
        hostname: "fax.law.example".into(),
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        templates: Templates::default(),
        language: Language::En,
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
        sip_code: detail.starts_with("486").then_some(486),
        q850: detail.starts_with("486").then_some(17),
    }
}

/// Two pages, delivered at the second try.
fn lease_agreement() -> Receipt {
    Receipt {
        remarks: vec![],
        fax: "17".into(),
        ending: Ending::Called(Outcome::Delivered),
        number: "5551234567".into(),
        name: None,
        recipient: "5551234567@fax.local".into(),
        orcpt: Some("rfc822;5551234567@fax.local".into()),
        wanted: Wanted::of(None, TellDelivered::Mail),
        sub_address: None,
        billing: None,
        further: vec![],
        pages: 2,
        confirmed: 2,
        calls: 2,
        seconds: 48.2,
        accepted: time("2026-11-21T09:09:58Z"),
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
            envelope_id: Some("QQ314159".into()),
            returned: Some(Returned::Headers(
                b"From: anna.lee@law.example\r\nSubject: Lease agreement\r\n".to_vec(),
            )),
            language: Language::En,
        },
        picture: None,
    }
}

fn ended(outcome: Outcome, confirmed: u32, detail: &str) -> Receipt {
    let mut receipt = lease_agreement();
    receipt.ending = Ending::Called(outcome);
    receipt.confirmed = confirmed;
    let last = receipt.attempts.last_mut().unwrap();
    *last = attempt("2026-11-21T09:15:00Z", outcome, detail, confirmed, 48.2);
    receipt
}

fn letter(receipt: &Receipt) -> Letter {
    write(receipt, &head(), time("2026-11-21T09:15:51Z")).unwrap()
}

fn text(letter: &Letter) -> String {
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    parsed.body_text(0).unwrap().replace("\r\n", "\n")
}

/// Both languages, each with its golden mail.
fn assert_golden_in_both(name: &str, receipt: &Receipt) {
    for (language, code) in [(Language::En, "en"), (Language::De, "de")] {
        let mut receipt = receipt.clone();
        receipt.mail.language = language;
        let letter = letter(&receipt);
        assert_eq!(letter.from, None, "RFC 3464 2: the null return path");
        assert_eq!(letter.to, ["anna.lee@law.example"]);
        assert_golden(&format!("receipt-{name}.{code}.eml"), &letter.bytes);
    }
}

fn addressee(recipient: &str, notify: Option<u8>) -> Addressee {
    Addressee {
        recipient: recipient.into(),
        name: None,
        orcpt: Some(format!("rfc822;{recipient}")),
        wanted: Wanted::of(notify, TellDelivered::Mail),
        billing: Some("7".into()),
    }
}

/// The addresses in the report for machines.
fn reported(letter: &Letter) -> Vec<String> {
    let text = String::from_utf8_lossy(&letter.bytes);
    let lines = text.lines();
    let fields = lines.filter_map(|line| line.strip_prefix("Final-Recipient: rfc822; "));
    fields.map(str::to_owned).collect()
}

#[test]
fn a_fax_for_several_recipients_reports_each() {
    let mut receipt = ended(Outcome::Busy, 0, "486 Busy Here");
    receipt.further = vec![addressee("smith+code-7@fax.local", Some(2))];
    let busy = letter(&receipt);
    let both = ["5551234567@fax.local", "smith+code-7@fax.local"];
    assert_eq!(reported(&busy), both);
    let body = text(&busy);
    for line in [
        "  Recipient    5551234567@fax.local\n",
        "  Recipient    smith+code-7@fax.local (Project 7)\n",
    ] {
        assert!(body.contains(line), "{body}");
    }
    let said = String::from_utf8_lossy(&busy.bytes);
    assert!(
        said.contains("Original-Recipient: rfc822; smith+code-7@fax.local"),
        "{said}"
    );
}

#[test]
fn each_recipient_of_one_fax_is_told_of_as_it_was_asked() {
    let mut receipt = lease_agreement();
    receipt.wanted = Wanted::of(Some(0), TellDelivered::Mail);
    receipt.further = vec![
        addressee("anna@fax.local", Some(1)),
        addressee("bob@fax.local", Some(2)),
        addressee("plain@fax.local", None),
    ];
    let told = |kind| {
        let mut receipt = receipt.clone();
        receipt.narrow(kind);
        let each = receipt.each().into_iter();
        each.map(|it| it.recipient).collect::<Vec<_>>()
    };
    assert_eq!(told(Kind::Delivered), ["anna@fax.local", "plain@fax.local"]);
    assert_eq!(told(Kind::Failed), ["bob@fax.local", "plain@fax.local"]);
    receipt.narrow(Kind::Delivered);
    let delivered = letter(&receipt);
    // Who asked for no report gets none of a delivery; the mail tells of both.
    assert_eq!(reported(&delivered), ["anna@fax.local"]);
    assert!(text(&delivered).contains("plain@fax.local"));
    assert!(receipt.is_asked_by_dsn());
}

#[test]
fn golden_delivered() {
    assert_golden_in_both("delivered", &lease_agreement());
}

fn noticed(what: Remarkable) -> Noticed {
    Noticed {
        document: "Lease agreement.pdf".into(),
        what,
    }
}

#[test]
fn golden_delivered_with_all_there_is_to_tell() {
    let receipt = Receipt {
        name: Some("Dr. Smith".into()),
        sub_address: Some("6377".into()),
        billing: Some("Case 2026/117".into()),
        remarks: vec![
            noticed(Remarkable::Drawn(Remark::CameOutBlank { page: 2 })),
            noticed(Remarkable::Drawn(Remark::Cut { page: 1, sheets: 3 })),
            noticed(Remarkable::BlankEnd(1)),
            noticed(Remarkable::BlankEnd(4)),
        ],
        picture: Some(b"\x89PNG not really".to_vec()),
        wanted: Wanted::of(Some(1), TellDelivered::Mail),
        ..lease_agreement()
    };
    assert_golden_in_both("delivered-asked-for", &receipt);
}

#[test]
fn golden_failed_busy() {
    let mut receipt = ended(Outcome::Busy, 0, "486 Busy Here");
    receipt.far_end = FarEnd::default();
    receipt.seconds = 0.0;
    receipt.attempts[1].seconds = 0.0;
    assert_golden_in_both("failed-busy", &receipt);
}

#[test]
fn golden_failed_drops_after_page_1() {
    let receipt = ended(Outcome::FarEndHungUp, 1, "DCN after MCF of page 1");
    assert_golden_in_both("failed-after-page-1", &receipt);
}

#[test]
fn golden_failed_document_damaged() {
    let mut receipt = lease_agreement();
    receipt.ending = Ending::NotRendered {
        document: "Lease agreement.pdf".into(),
        why: "it is damaged and cannot be read as PDF".into(),
    };
    (receipt.pages, receipt.confirmed, receipt.calls) = (0, 0, 0);
    receipt.far_end = FarEnd::default();
    receipt.attempts.clear();
    receipt.parts.clear();
    assert_golden_in_both("failed-document", &receipt);
}

#[test]
fn golden_delayed() {
    let mut receipt = ended(Outcome::NoAnswer, 0, "480 Temporarily Unavailable");
    receipt.ending = Ending::Waits {
        last: Some(Outcome::NoAnswer),
        held: false,
        until: Some(time("2026-11-22T09:09:58Z")),
    };
    receipt.attempts[1].seconds = 0.0;
    assert_golden_in_both("delayed", &receipt);
}

#[test]
fn golden_uncertain() {
    let receipt = ended(Outcome::Uncertain, 1, "silence after the last EOP");
    assert_golden_in_both("uncertain", &receipt);
}

#[test]
fn golden_cancelled_with_a_subject_in_japanese() {
    let mut receipt = ended(Outcome::Cancelled, 0, "");
    receipt.mail.subject = Some("賃貸契約書".into());
    receipt.attempts.truncate(1);
    receipt.far_end = FarEnd::default();
    assert_golden_in_both("cancelled", &receipt);
}

/// A mail to three: one got it, one did not, one waits unless all have ended.
fn to_three(last: Ending) -> Broadcast {
    let mut faxes = vec![
        lease_agreement(),
        ended(Outcome::NotInService, 0, "404 Not Found"),
        ended(Outcome::Delivered, 2, ""),
    ];
    faxes[2].ending = last;
    for (n, fax) in (1..).zip(&mut faxes) {
        fax.fax = format!("17{n}");
        fax.number = format!("555123456{n}");
        fax.recipient = format!("555123456{n}@fax.local");
        fax.orcpt = None;
        fax.name = (n == 2).then(|| "Dr. Smith".to_owned());
        fax.attempts.remove(0);
    }
    Broadcast {
        message: "16".into(),
        accepted: time("2026-11-21T09:09:58Z"),
        ended: time("2026-11-21T11:00:00Z"),
        mail: lease_agreement().mail,
        parts: lease_agreement().parts,
        faxes,
    }
}

fn letter_to_three(all: &Broadcast) -> Option<Letter> {
    broadcast::write(all, &head(), time("2026-11-21T11:00:01Z")).unwrap()
}

#[test]
fn golden_broadcast() {
    let waits = Ending::Waits {
        last: None,
        held: false,
        until: Some(time("2026-11-22T09:09:58Z")),
    };
    for (name, last) in [
        ("broadcast", Ending::Called(Outcome::Delivered)),
        ("broadcast-delayed", waits),
    ] {
        for (language, code) in [(Language::En, "en"), (Language::De, "de")] {
            let mut all = to_three(last.clone());
            all.mail.language = language;
            let letter = letter_to_three(&all).unwrap();
            assert_golden(&format!("receipt-{name}.{code}.eml"), &letter.bytes);
        }
    }
}

#[test]
fn of_a_broadcast_only_is_told_what_was_asked_for() {
    let mut all = to_three(Ending::Called(Outcome::Delivered));
    for fax in &mut all.faxes {
        fax.wanted = Wanted::of(Some(2), TellDelivered::Mail);
    }
    let recipients = |all: &Broadcast| {
        let groups = groups(&letter_to_three(all).unwrap());
        groups[1..]
            .iter()
            .map(|group| group["final-recipient"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(recipients(&all), ["rfc822; 5551234562@fax.local"]);
    all.faxes[2].wanted = Wanted::of(None, TellDelivered::Mail);
    assert_eq!(recipients(&all).len(), 1, "of a delivery nobody asked for");
    all.faxes[0].wanted = Wanted::of(Some(1), TellDelivered::Mail);
    assert_eq!(recipients(&all).len(), 2);
    for fax in &mut all.faxes {
        fax.wanted = Wanted::of(Some(0), TellDelivered::Mail);
    }
    assert!(letter_to_three(&all).is_none(), "NOTIFY=NEVER");
}

/// The groups of `message/delivery-status`, as RFC 3464 2.1 has them: field names in lower case, unfolded.
fn groups(letter: &Letter) -> Vec<std::collections::BTreeMap<String, String>> {
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    assert!(parsed.root_part().is_content_type("multipart", "report"));
    let report_type = parsed
        .root_part()
        .content_type()
        .unwrap()
        .attribute("report-type");
    assert_eq!(report_type, Some("delivery-status"), "RFC 6522 3");
    let part = parsed
        .parts
        .iter()
        .find(|part| part.is_content_type("message", "delivery-status"));
    let text = String::from_utf8(part.unwrap().contents().to_vec()).unwrap();
    let text = text.replace("\r\n ", " ");
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let groups = text.trim_end().split("\r\n\r\n");
    groups
        .map(|group| group.split("\r\n").map(field).collect())
        .collect()
}

#[test]
fn every_outcome_makes_a_report_that_rfc_3464_allows() {
    for outcome in Outcome::ALL
        .into_iter()
        .filter(|it| *it != Outcome::Delivered)
    {
        let groups = groups(&letter(&ended(outcome, 0, "486 Busy Here")));
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0]["reporting-mta"], "dns; fax.law.example");
        assert_eq!(groups[0]["original-envelope-id"], "QQ314159");
        let it = &groups[1];
        assert_eq!(it["original-recipient"], "rfc822; 5551234567@fax.local");
        assert_eq!(it["final-recipient"], "rfc822; 5551234567@fax.local");
        assert_eq!(it["action"], "failed");
        // RFC 3463 2: class 4 or 5 of what failed, subject and detail of at most three digits.
        let status: Vec<&str> = it["status"].split('.').collect();
        assert!(
            status.len() == 3 && ["4", "5"].contains(&status[0]),
            "{status:?}"
        );
        let diagnostic = &it["diagnostic-code"];
        assert!(
            diagnostic.starts_with(&format!("x-fax; {outcome} (")),
            "{diagnostic}"
        );
        assert!(diagnostic.contains("SIP 486; Q.850 17"), "{diagnostic}");
        assert_eq!(it["last-attempt-date"], "Sat, 21 Nov 2026 10:15:00 +0100");
    }
}

#[test]
fn a_delay_has_class_4_and_says_until_when() {
    let mut receipt = ended(Outcome::NotInService, 0, "");
    receipt.ending = Ending::Waits {
        last: Some(Outcome::NotInService),
        held: false,
        until: Some(time("2026-11-22T09:09:58Z")),
    };
    let it = &groups(&letter(&receipt))[1];
    assert_eq!(
        (it["action"].as_str(), it["status"].as_str()),
        ("delayed", "4.1.1")
    );
    assert_eq!(it["will-retry-until"], "Sun, 22 Nov 2026 10:09:58 +0100");
}

#[test]
fn a_fax_that_is_held_back_is_not_said_to_be_given_up() {
    let mut receipt = ended(Outcome::NotInService, 0, "");
    receipt.ending = Ending::Waits {
        last: None,
        held: true,
        until: None,
    };
    let it = &groups(&letter(&receipt))[1];
    assert_eq!(it["action"], "delayed");
    assert!(!it.contains_key("will-retry-until"));
    for (language, words) in [
        (Language::En, "goes on once it is released."),
        (Language::De, "weiter geht es, sobald er freigegeben ist."),
    ] {
        receipt.mail.language = language;
        let letter = letter(&receipt).bytes;
        let text = MessageParser::default().parse(&letter).unwrap();
        let text = text.body_text(0).unwrap().replace("\r\n", " ");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_delivery_is_reported_to_machines_only_where_notify_asks() {
    let mut receipt = lease_agreement();
    let is_report = |receipt: &Receipt| {
        let letter = letter(receipt);
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        parsed.root_part().is_content_type("multipart", "report")
    };
    assert!(!is_report(&receipt));
    receipt.wanted = Wanted::of(Some(3), TellDelivered::Mail);
    assert!(is_report(&receipt));
    let it = &groups(&letter(&receipt))[1];
    assert_eq!(
        (it["action"].as_str(), it["status"].as_str()),
        ("delivered", "2.0.0")
    );
}

#[test]
fn ret_full_gives_the_mail_back_with_a_failure_only() {
    let mail = b"Subject: Lease agreement\r\n\r\ncaf\xc3\xa9 =_a.receipt\r\n".to_vec();
    let returned = |outcome| {
        let mut receipt = ended(outcome, 0, "");
        receipt.wanted = Wanted::of(Some(3), TellDelivered::Mail);
        receipt.mail.returned = Some(Returned::whole(mail.clone()));
        let letter = letter(&receipt);
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        let part = parsed.parts.last().unwrap();
        let whole = parsed
            .parts
            .iter()
            .find(|part| part.is_content_type("message", "rfc822"))
            .and_then(|part| {
                part.message()
                    .map(|mail| mail.subject().unwrap_or("").to_owned())
            });
        (whole, part.is_content_type("text", "rfc822-headers"))
    };
    assert_eq!(
        returned(Outcome::Busy),
        (Some("Lease agreement".to_owned()), false)
    );
    assert_eq!(returned(Outcome::Delivered), (None, true));
}

#[test]
fn the_picture_is_shown_by_the_html_that_stands_beside_it() {
    let receipt = Receipt {
        picture: Some(b"\x89PNG not really".to_vec()),
        ..lease_agreement()
    };
    let letter = letter(&receipt);
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    let html = parsed.body_html(0).unwrap();
    let picture = parsed
        .parts
        .iter()
        .find(|part| part.is_content_type("image", "png"))
        .unwrap();
    let cid = picture.content_id().unwrap();
    assert!(html.contains(&format!("src=\"cid:{cid}\"")), "{cid} {html}");
    assert_eq!(picture.contents(), b"\x89PNG not really");
    for remote in ["http:", "https:", "<script", "<style", "javascript"] {
        assert!(!html.contains(remote), "{remote}");
    }
}

#[test]
fn strangers_words_are_no_html() {
    let forged = "<script>alert('x')</script><b>&amp;";
    let mut receipt = ended(Outcome::Busy, 0, forged);
    receipt.mail.subject = Some(forged.into());
    receipt.name = Some(forged.into());
    receipt.far_end.ident = Some(forged.into());
    receipt.parts[0].name = forged.into();
    receipt.remarks = vec![Noticed {
        document: forged.into(),
        what: Remarkable::BlankEnd(1),
    }];
    let mut all = to_three(Ending::Called(Outcome::Delivered));
    all.faxes.push(receipt.clone());
    for letter in [letter(&receipt), letter_to_three(&all).unwrap()] {
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        let html = parsed.body_html(0).unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(
            html.contains("&lt;script&gt;") && !html.contains("&amp;lt;"),
            "{html}"
        );
        let text = parsed.body_text(0).unwrap();
        assert!(text.contains("<script>alert('x')"), "{text}");
    }
}

/// Every reason that Postfax has for a part without pages, and for a document that could not be drawn.
fn reasons() -> Vec<String> {
    let (kind, name) = ("PDF".to_owned(), "Word document".to_owned());
    let refusals = [
        DocumentRefusal::Empty,
        DocumentRefusal::Unknown,
        DocumentRefusal::NotRead { name },
        DocumentRefusal::Damaged { kind },
        DocumentRefusal::TooManyPixels {
            width: 9,
            height: 9,
            limit_millions: 1,
        },
        DocumentRefusal::TooMuchText { limit: 9 },
        DocumentRefusal::NoFont {
            scripts: "Thai (\u{e01})".into(),
        },
        DocumentRefusal::Encrypted,
        DocumentRefusal::XfaForm,
        DocumentRefusal::Portfolio,
        DocumentRefusal::RightsManaged,
        DocumentRefusal::NoPages,
        DocumentRefusal::TooManyPages { pages: 9, limit: 1 },
        DocumentRefusal::NothingShown { page: 9 },
        DocumentRefusal::PageFailed { page: 9 },
        DocumentRefusal::TooMuchMemory { limit_mb: 9 },
        DocumentRefusal::ConverterFailed("it crashed".into()),
        DocumentRefusal::RendererFailed {
            how: "crashed (signal 11)".into(),
        },
    ];
    let skipped = [
        Skipped::BodyText,
        Skipped::OtherForm,
        Skipped::Signature,
        Skipped::Key,
        Skipped::ResourceFork,
        Skipped::BusinessCard,
        Skipped::Calendar,
    ];
    let left_out = [LeftOut::Blank, LeftOut::SaysNothing, LeftOut::Logo];
    let mut all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    all.extend(skipped.iter().map(ToString::to_string));
    all.extend(left_out.iter().map(ToString::to_string));
    all.push(crate::mail_to_fax::render::TEXT_LOST.into());
    all.push(crate::mail_to_fax::render::TOO_LATE.into());
    all
}

#[test]
fn german_has_words_for_every_reason() {
    for why in reasons() {
        let mut receipt = lease_agreement();
        receipt.mail.language = Language::De;
        receipt.parts[1].fate = Fate::Skipped { why: why.clone() };
        receipt.ending = Ending::NotRendered {
            document: "a.pdf".into(),
            why: why.clone(),
        };
        let said = text(&letter(&receipt));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!said.contains(&why), "{why}: {said}");
        assert!(
            !said.contains("()") && !said.contains("gefaxt: \n"),
            "{said}"
        );
    }
}

#[test]
fn german_has_words_for_parts_without_a_file_name() {
    for (name, said) in [
        ("text of the mail", "Text der E-Mail"),
        (
            "text of the attached mail \"Old news\"",
            "Text der angehängten E-Mail \"Old news\"",
        ),
        ("text of the attached mail", "Text der angehängten E-Mail "),
        ("part 2 (PNG)", "Teil 2 (PNG)"),
        ("part 2.pdf", "part 2.pdf"),
    ] {
        let mut receipt = lease_agreement();
        receipt.mail.language = Language::De;
        receipt.parts[0].name = name.into();
        let text = text(&letter(&receipt));
        assert!(text.contains(&format!("  {said}")), "{name}: {text}");
    }
}

#[test]
fn a_sender_beyond_ascii_is_written_to() {
    let mut receipt = lease_agreement();
    receipt.mail.sender = "j\u{fc}rgen@ex\u{e4}mple.example".into();
    let letter = letter(&receipt);
    let text = String::from_utf8(letter.bytes).expect("RFC 6532: UTF-8");
    assert!(
        text.contains("\r\nTo: j\u{fc}rgen@ex\u{e4}mple.example\r\n"),
        "{text}"
    );
}

#[test]
fn german_has_a_cause_for_every_outcome() {
    for outcome in Outcome::ALL {
        let mut receipt = ended(outcome, 0, "");
        receipt.mail.language = Language::De;
        receipt.attempts.clear();
        let text = text(&letter(&receipt));
        assert!(!text.contains(outcome.in_words()), "{outcome}: {text}");
        assert!(
            !text.contains("\n\n\n") && !text.contains("  \n"),
            "{outcome}: {text}"
        );
        assert!(text.starts_with("Ihr Fax ") || text.starts_with("Ob Ihr Fax "));
    }
}

#[test]
fn our_own_templates_are_whole() {
    let files = [
        "sentences.en.txt",
        "receipt.txt",
        "receipt.html",
        "broadcast.txt",
        "broadcast.html",
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mail");
    let own = files.map(|file| {
        (
            file.to_owned(),
            std::fs::read_to_string(folder.join(file)).unwrap(),
        )
    });
    let templates = Templates::of(own.into_iter().collect());
    assert_eq!(broken_templates(&templates, &head()), Vec::<String>::new());
    let broken = [(
        "sentences.de.txt".to_owned(),
        "{% macro first(fax) %}\n{{ fax.nmuber }}\n{% endmacro %}".to_owned(),
    )];
    let told = broken_templates(&Templates::of(broken.into_iter().collect()), &head());
    assert!(
        told.iter()
            .any(|it| it.starts_with("sentences.de.txt, line 2")),
        "{told:?}"
    );
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
fn a_site_s_subject_stands_over_deliveries_and_hides_nothing_else() {
    let with = |template: &str, receipt: &Receipt| {
        let own = [("subject.txt".to_owned(), template.to_owned())];
        let head = Letterhead {
            templates: Templates::of(own.into_iter().collect()),
            ..head()
        };
        let letter = write(receipt, &head, receipt.ended).unwrap();
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        parsed.subject().unwrap().to_owned()
    };
    let own = "[fax {{ fax.kind }}] {{ fax.number }}: {{ fax.title }}";
    let delivered = lease_agreement();
    assert_eq!(
        with(own, &delivered),
        "[fax delivered] 5551234567: Lease agreement"
    );
    for (outcome, prefix) in [
        (Outcome::Uncertain, "Fax perhaps delivered"),
        (Outcome::Refused, "Fax NOT delivered"),
        (Outcome::Cancelled, "Fax cancelled"),
    ] {
        let subject = with(own, &ended(outcome, 0, ""));
        assert_eq!(subject, format!("{prefix}: Lease agreement"));
    }
    for broken in ["{{ nonsense }}", "{% if %}", " \r\n "] {
        assert_eq!(
            with(broken, &delivered),
            "Fax delivered: Lease agreement",
            "{broken}"
        );
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
