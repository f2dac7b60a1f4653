use jiff::tz::TimeZone;
use mail_parser::{MessageParser, MimeHeaders};

use super::*;
use crate::letter::golden::assert_golden;
use crate::letter::templates::Templates;
use crate::pages::cover::Language;

const PDF: &[u8] = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\nnot really\n%%EOF\n";

fn head() -> Letterhead {
    Letterhead {
        from: "Fax <fax@law.example>".into(),
        reply_to: Some("postmaster@law.example".into()),
        hostname: "fax.law.example".into(),
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        templates: Templates::default(),
        language: Language::En,
    }
}

fn two_pages() -> ReceivedFax {
    ReceivedFax {
        fax: "9".into(),
        from: Some("+15559876543".into()),
        to: "+15551230000".into(),
        far_end: FarEnd {
            ident: Some("CLINIC WEST".into()),
            bit_rate: 14400,
            ecm: true,
            t38: true,
            compression: "T.6".into(),
            ..FarEnd::default()
        },
        pages: 2,
        damaged: Vec::new(),
        resolution: Resolution::Fine,
        seconds: 52.4,
        received: "2026-11-21T09:15:00Z".parse().unwrap(),
        cut_off: None,
    }
}

fn letter(fax: &ReceivedFax) -> Letter {
    let to = ["front.desk@law.example".to_string()];
    write(fax, PDF, &to, &head(), fax.received).unwrap()
}

#[test]
fn golden_complete() {
    let letter = letter(&two_pages());
    assert_eq!(
        letter.from.as_deref(),
        Some("fax@law.example"),
        "a bounce is not lost"
    );
    assert_golden("fax-received.eml", &letter.bytes);
}

#[test]
fn rows_that_were_lost_are_told_of() {
    let mut fax = two_pages();
    fax.damaged = vec![2];
    let text = String::from_utf8(letter(&fax).bytes).unwrap();
    assert!(text.contains("Rows are missing on page 2: "), "{text}");
    assert_eq!(numbers(&[1, 2, 5], Language::En), "pages 1, 2 and 5");
}

#[test]
fn golden_cut_off_after_page_1() {
    let mut fax = two_pages();
    fax.pages = 1;
    fax.cut_off = Some(Outcome::FarEndSilent);
    assert_golden("fax-received-incomplete.eml", &letter(&fax).bytes);
}

#[test]
fn golden_withheld_number() {
    let mut fax = two_pages();
    fax.from = None;
    fax.far_end = FarEnd::default();
    assert_golden("fax-received-withheld.eml", &letter(&fax).bytes);
}

#[test]
fn the_pdf_comes_out_as_it_went_in() {
    let letter = letter(&two_pages());
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    assert_eq!(parsed.subject(), Some("Fax from +15559876543, 2 pages"));
    let pdf = parsed.attachment(0).unwrap();
    assert_eq!(pdf.contents(), PDF);
    let expected = "fax-20261121-101500-+15559876543.pdf";
    assert_eq!(pdf.attachment_name(), Some(expected));
    let media = pdf.content_type().unwrap();
    assert_eq!(
        (media.ctype(), media.subtype()),
        ("application", Some("pdf"))
    );
}

#[test]
fn a_hostile_caller_forges_neither_file_name_nor_header_nor_line() {
    for from in [
        "../../etc/passwd",
        "\"; x=\"y.exe",
        "1\r\nBcc: a@b.example",
        "\r\n\r\nx",
        "+١٢٣",
    ] {
        let mut fax = two_pages();
        fax.from = Some(from.into());
        fax.far_end.ident = Some(from.into());
        fax.to = from.into();
        let letter = letter(&fax);
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        assert!(parsed.bcc().is_none(), "{from:?}");
        let name = parsed
            .attachment(0)
            .unwrap()
            .attachment_name()
            .unwrap()
            .to_string();
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b)),
            "{name}"
        );
        assert!(!name.contains(".."), "{name}");
    }
}

#[test]
fn a_pdf_full_of_boundaries_stays_whole() {
    let pdf = b"\r\n--=_postfax--\r\n--=_postfax\r\n".repeat(50);
    let to = ["front.desk@law.example".to_string()];
    let fax = two_pages();
    let letter = write(&fax, &pdf, &to, &head(), fax.received).unwrap();
    let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
    assert_eq!(parsed.attachment(0).unwrap().contents(), pdf);
    assert_eq!(parsed.attachment_count(), 1);
}

#[test]
fn a_sub_address_stands_in_the_mail() {
    let mut fax = two_pages();
    fax.far_end.sub_address = Some("63\r\n77".into());
    let text = String::from_utf8(letter(&fax).bytes).unwrap();
    assert!(text.contains("  Sub-address  63 77 (whom"), "{text}");
}
