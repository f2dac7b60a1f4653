use jiff::tz::TimeZone;
use mail_parser::{MessageParser, MimeHeaders};

use super::*;
use crate::letter::golden::assert_golden;
use crate::letter::templates::Templates;

fn head(language: Language) -> Letterhead {
    Letterhead {
        from: "Postfax <postfax@fax.law.example>".into(),
        reply_to: Some("postmaster@law.example".into()),
        hostname: "fax.law.example".into(),
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        templates: Templates::default(),
        language,
    }
}

fn refused() -> Refused {
    Refused {
        mail: "17-returned".into(),
        recipient: "gone@law.example".into(),
        reply: "relay 192.0.2.1:25 said at RCPT TO: 550 5.1.1 no such user".into(),
        ended: "2026-11-21T09:15:50Z".parse().unwrap(),
    }
}

const POSTMASTER: &str = "postmaster@fax.law.example";

#[test]
fn golden_a_received_fax_goes_to_the_postmaster_with_its_pages() {
    for (language, name) in [
        (Language::En, "returned-fax.en.eml"),
        (Language::De, "returned-fax.de.eml"),
    ] {
        let fax = Fax {
            from: Some("+15559876543".into()),
            to: "5559876543".into(),
            pdf: b"%PDF-1.4\n",
        };
        let letter = super::fax(&refused(), &fax, POSTMASTER, &head(language)).unwrap();
        assert_eq!(
            (letter.from.as_deref(), letter.to.as_slice()),
            (None, &[POSTMASTER.to_owned()][..])
        );
        assert_golden(name, &letter.bytes);
    }
}

#[test]
fn golden_a_receipt_goes_to_the_postmaster_as_it_was() {
    let receipt = b"Subject: Fax NOT delivered: x\r\nTo: gone@law.example\r\n\r\nYour fax\r\n";
    for (language, name) in [
        (Language::En, "returned-receipt.en.eml"),
        (Language::De, "returned-receipt.de.eml"),
    ] {
        let letter =
            super::receipt(&refused(), Some(receipt), POSTMASTER, &head(language)).unwrap();
        assert_golden(name, &letter.bytes);
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        let inner = parsed.attachment(0).unwrap();
        assert!(inner.is_content_type("message", "rfc822"));
        assert_eq!(
            inner.message().unwrap().subject(),
            Some("Fax NOT delivered: x")
        );
    }
}

#[test]
fn a_server_s_words_forge_no_line() {
    let mut refused = refused();
    refused.reply = "550 x\r\n\r\n-- \r\nSubject: y".into();
    let letter = super::receipt(&refused, None, POSTMASTER, &head(Language::En)).unwrap();
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    let text = parsed.body_text(0).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.trim_end() == "--").count(),
        1,
        "{text}"
    );
}
