//! Messages as real mailers write them, and as nobody should.

use super::*;
use crate::config::Body;
use crate::pages::document::Source;

/// Reads as a site does that has a converter for `application/x-converted` and Word documents of the old kind.
fn read_with(raw: &[u8], body: Body) -> Result<FaxMessage<'_>, BadMessage> {
    let converts =
        |media_type: &str| ["application/x-converted", "application/msword"].contains(&media_type);
    let reading = Reading {
        body,
        converts: &converts,
    };
    super::read(raw, Box::leak(Box::default()), &reading)
}

fn read(raw: &[u8]) -> Result<FaxMessage<'_>, BadMessage> {
    read_with(raw, Body::Auto)
}

const PDF: &str = "%PDF-1.4\r\n";
/// `PDF` in base64.
const PDF64: &str = "JVBERi0xLjQNCg==";

/// A part: its header fields, an empty line, its body.
pub(super) fn part(fields: &str, body: &str) -> String {
    format!("{}\r\n\r\n{body}", fields.replace('\n', "\r\n"))
}

pub(super) fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
    let delimited: String = parts
        .iter()
        .map(|p| format!("--{boundary}\r\n{p}\r\n"))
        .collect();
    let header = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"");
    format!("{header}\r\n\r\npreamble\r\n{delimited}--{boundary}--\r\nepilogue\r\n")
}

fn mixed(parts: &[String]) -> String {
    let top = "From: =?utf-8?q?J=C3=A4ne?= <jane@b.example>\r\nSubject: =?utf-8?b?w6RiYw==?=\r\n\
               Message-ID: <1@b.example>\r\nMIME-Version: 1.0\r\n";
    format!("{top}{}", multipart("mixed", "outer", parts))
}

fn text() -> String {
    part("Content-Type: text/plain; charset=utf-8", "hello")
}

fn pdf(name: &str) -> String {
    part(
        &format!(
            "Content-Type: application/pdf; name=\"{name}\"\nContent-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"{name}\""
        ),
        PDF64,
    )
}

fn attachment(content_type: &str, name: &str) -> String {
    part(
        &format!(
            "Content-Type: {content_type}\nContent-Disposition: attachment; filename=\"{name}\""
        ),
        "xyz",
    )
}

fn fates(message: &FaxMessage<'_>) -> Vec<Fate> {
    message.manifest.iter().map(|part| part.fate).collect()
}

fn refusal(raw: &str) -> String {
    Refusal::from(read(raw.as_bytes()).expect_err("a refusal")).to_string()
}

fn names(message: &FaxMessage<'_>) -> Vec<String> {
    let documents = message.documents.iter();
    documents.map(|document| document.name.clone()).collect()
}

fn text_of<'a>(message: &'a FaxMessage<'_>, document: usize) -> &'a crate::pages::text::TextSource {
    match &message.documents[document].source {
        Source::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_come_in_their_order_behind_the_text() {
    let raw = mixed(&[text(), pdf("b.pdf"), pdf("a.pdf")]);
    let message = read(raw.as_bytes()).unwrap();
    assert_eq!(names(&message), ["text of the mail", "b.pdf", "a.pdf"]);
    assert_eq!(message.documents[2].part, 2);
    assert_eq!(
        message.documents[1].content().unwrap().as_ref(),
        PDF.as_bytes()
    );
    assert_eq!(fates(&message), [Fate::Faxed; 3]);
    let body = text_of(&message, 0);
    assert_eq!(body.charset.as_deref(), Some("utf-8"));
    assert!(body.only_if_telling && !body.html);
    assert_eq!(
        body.heading,
        [
            ("From".to_owned(), "J\u{e4}ne <jane@b.example>".to_owned()),
            ("Subject".to_owned(), "\u{e4}bc".to_owned()),
        ]
    );
    assert_eq!(message.from.as_deref(), Some("J\u{e4}ne <jane@b.example>"));
    assert_eq!(message.subject.as_deref(), Some("\u{e4}bc"));
    assert_eq!(message.message_id.as_deref(), Some("1@b.example"));
}

#[test]
fn a_scanner_sends_nothing_but_the_pdf() {
    let raw = format!("From: mfp@b.example\r\n{}", pdf("scan.pdf"));
    let message = read(raw.as_bytes()).unwrap();
    assert_eq!(
        message.documents[0].content().unwrap().as_ref(),
        PDF.as_bytes()
    );
}

#[test]
fn a_pdf_is_known_by_name_or_content_where_its_type_is_vague() {
    let octets = "Content-Type: application/octet-stream\nContent-Transfer-Encoding: ";
    for (fields, body) in [
        (
            format!("{octets}base64\nContent-Disposition: attachment; filename=x.PDF"),
            "AAAA",
        ),
        (format!("{octets}base64"), PDF64),
        (format!("{octets}quoted-printable"), "=25PDF-1.4=0D=0A\r\n"),
        (format!("{octets}8bit"), PDF),
        ("Content-Type: application/pdf".to_string(), ""),
    ] {
        let raw = mixed(&[part(&fields, body)]);
        assert!(read(raw.as_bytes()).is_ok(), "{fields}");
    }
}

#[test]
fn file_names_are_decoded_and_lose_their_folders() {
    for (disposition, name) in [
        ("filename*=UTF-8''%C3%A4.pdf", "\u{e4}.pdf"),
        ("filename=\"=?utf-8?b?w6QucGRm?=\"", "\u{e4}.pdf"),
        ("filename=\"C:\\\\temp\\\\x.pdf\"", "x.pdf"),
        ("filename=\"../../etc/x.pdf\"", "x.pdf"),
    ] {
        let fields = format!(
            "Content-Type: application/pdf\nContent-Disposition: attachment; {disposition}"
        );
        let raw = mixed(&[part(&fields, PDF)]);
        assert_eq!(read(raw.as_bytes()).unwrap().documents[0].name, name);
    }
}

#[test]
fn the_site_chooses_whether_the_text_is_a_page() {
    let raw = mixed(&[text(), pdf("a.pdf")]);
    let never = read_with(raw.as_bytes(), Body::Never).unwrap();
    assert_eq!(names(&never), ["a.pdf"]);
    assert_eq!(
        fates(&never),
        [Fate::Skipped(Skipped::BodyText), Fate::Faxed]
    );
    let always = read_with(raw.as_bytes(), Body::Always).unwrap();
    assert!(!text_of(&always, 0).only_if_telling);
    let only_text = mixed(&[text()]);
    assert!(read(only_text.as_bytes()).is_ok());
    assert_eq!(
        read_with(only_text.as_bytes(), Body::Never)
            .unwrap_err()
            .to_string(),
        "there is nothing to fax: attach the pages (PDF, TIFF, JPEG, PNG ...), or write them as text"
    );
}

#[test]
fn one_of_two_forms_is_faxed_the_plain_one_if_it_says_anything() {
    let html = || part("Content-Type: text/html", "<p>hello</p>");
    let blank = || part("Content-Type: text/plain", " \r\n");
    let other = Fate::Skipped(Skipped::OtherForm);
    for (forms, fate) in [
        ([text(), html()], [Fate::Faxed, other]),
        ([blank(), html()], [other, Fate::Faxed]),
        ([html(), text()], [other, Fate::Faxed]),
    ] {
        let raw = multipart("alternative", "al", &forms);
        assert_eq!(fates(&read(raw.as_bytes()).unwrap()), fate, "{raw}");
    }
}

#[test]
fn pictures_and_text_files_are_documents_and_known_by_their_content() {
    let png = "iVBORw0KGgoAAAANSUhEUg==";
    let named = |content_type: &str, name: &str, body: &str| {
        let fields = format!(
            "Content-Type: {content_type}\nContent-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"{name}\""
        );
        part(&fields, body)
    };
    let raw = mixed(&[
        named("application/octet-stream", "scan", png),
        named("application/pdf", "wrong.pdf", png),
        attachment("text/plain", "notes.txt"),
        attachment("application/octet-stream", "list.CSV"),
        attachment("text/html", "page.html"),
        attachment("application/x-converted", "drawing.xyz"),
        // The beginning of an OLE container that holds a Word document.
        named(
            "application/octet-stream",
            "old.doc",
            "0M8R4KGxGuFXAG8AcgBkAEQAbwBjAHUAbQBlAG4AdAA=",
        ),
    ]);
    let message = read(raw.as_bytes()).unwrap();
    assert_eq!(message.documents.len(), 7);
    assert!(
        message.documents[..2]
            .iter()
            .all(|document| document.source == Source::File)
    );
    assert!(!text_of(&message, 2).html && !text_of(&message, 2).only_if_telling);
    assert!(text_of(&message, 4).html && !text_of(&message, 3).html);
    assert_eq!(
        message.documents[5].convert.as_deref(),
        Some("application/x-converted")
    );
    assert_eq!(
        message.documents[6].convert.as_deref(),
        Some("application/msword")
    );
}

#[test]
fn a_text_that_speaks_of_pdf_is_a_text() {
    let speaks = part(
        "Content-Type: text/plain",
        "A PDF begins with %PDF-1.4 or so.",
    );
    let raw = mixed(&[speaks]);
    assert!(!text_of(&read(raw.as_bytes()).unwrap(), 0).html);
}

#[test]
fn a_forwarded_mail_comes_with_its_own_attachments_in_its_place() {
    let old = format!(
        "From: Bob <bob@c.example>\r\nDate: Sat, 21 Nov 2026 10:05:00 +0100\r\nSubject: Lease\r\n{}",
        multipart("mixed", "in", &[text(), pdf("lease.pdf")])
    );
    let encoded =
        "RnJvbTogQ2FyYSA8Y2FyYUBkLmV4YW1wbGU+DQpTdWJqZWN0OiBPZmZlcg0KDQpXZSBvZmZlci4NCg==";
    let raw = mixed(&[
        text(),
        part("Content-Type: message/rfc822", &old),
        part(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64",
            encoded,
        ),
        pdf("last.pdf"),
    ]);
    let message = read_with(raw.as_bytes(), Body::Never).unwrap();
    assert_eq!(
        names(&message),
        [
            "text of the attached mail \"Lease\"",
            "lease.pdf",
            "text of the attached mail \"Offer\"",
            "last.pdf"
        ]
    );
    let heading = &text_of(&message, 0).heading;
    assert_eq!(heading[0].1, "Bob <bob@c.example>");
    assert!(
        heading[1].1.contains("21 Nov 2026 10:05:00 +0100"),
        "{heading:?}"
    );
    assert!(
        !text_of(&message, 0).only_if_telling,
        "it was attached to be read"
    );
    assert_eq!(
        message.documents[2].content().unwrap().as_ref(),
        b"We offer.\r\n"
    );
    assert_eq!(
        message.subject.as_deref(),
        Some("\u{e4}bc"),
        "of the outer mail"
    );
}

#[test]
fn a_mail_with_nothing_in_it_is_a_blank_text() {
    // That it is blank the renderer says.
    for raw in ["Subject: x\r\n\r\nhello\r\n", "Subject: x\r\n\r\n", ""] {
        assert_eq!(
            names(&read(raw.as_bytes()).unwrap()),
            ["text of the mail"],
            "{raw}"
        );
    }
}

#[test]
fn what_cannot_be_faxed_is_named() {
    let zip = |name: &str, body: &str| {
        let fields = format!(
            "Content-Type: application/zip\nContent-Disposition: attachment; filename=\"{name}\""
        );
        part(&fields, body)
    };
    let word = zip("letter.docx", "PK\u{3}\u{4} word/document.xml");
    assert_eq!(
        refusal(&mixed(&[text(), pdf("a.pdf"), word.clone()])),
        "554 5.6.1 the attachment \"letter.docx\" cannot be faxed: it is a Word document, which cannot be read here; \
         please send it as PDF"
    );
    let sheet = zip("b.xlsx", "PK\u{3}\u{4} xl/workbook.xml");
    let both = refusal(&mixed(&[pdf("a.pdf"), word, sheet]));
    assert!(
        both.ends_with("please send it as PDF (the same goes for 1 more)"),
        "{both}"
    );
    for (part, says) in [
        (
            zip("all.zip", "PK\u{3}\u{4}"),
            "it is a ZIP archive, which cannot be read here; please send it as PDF, unpacked",
        ),
        (
            attachment("application/zip", "x"),
            "\"x\" cannot be faxed: its type (application/zip)",
        ),
        (attachment("image/heic", "x.heic"), "its type (image/heic)"),
        (
            part(
                "Content-Type: image/avif; name=IMG.AVIF\nContent-Transfer-Encoding: base64",
                "AAAAGGZ0eXBhdmlm",
            ),
            "\"IMG.AVIF\" cannot be faxed: it is an AVIF picture, which cannot be read here; please send it as PDF or JPEG",
        ),
        (
            attachment("application/pkcs7-mime", "smime.p7m"),
            "the signed mail (\"smime.p7m\", S/MIME) is damaged",
        ),
        (multipart("encrypted", "e", &[text()]), "encrypted"),
        (
            part(
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: x-uuencode",
                "x",
            ),
            "\"attached mail\" is damaged",
        ),
    ] {
        let said = refusal(&mixed(&[pdf("a.pdf"), part]));
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn winmail_is_for_a_child() {
    let octets = "eJ8+IgEA";
    for fields in [
        "Content-Type: application/octet-stream; name=w.dat\nContent-Transfer-Encoding: base64",
        "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64",
    ] {
        let raw = mixed(&[pdf("a.pdf"), part(fields, octets)]);
        let wrapped = read(raw.as_bytes()).unwrap().wrapped;
        assert_eq!(wrapped, [b"\x78\x9F\x3E\x22\x01\0".to_vec()]);
        let made = Err(DocumentRefusal::damaged("TNEF"));
        let known = wrapped::Unwrapped::from([(wrapped::digest(&wrapped[0]), made)]);
        let unpacked = Unpacked::with(known);
        let reading = Reading {
            body: Body::Auto,
            converts: &|_| false,
        };
        let refused = super::read(raw.as_bytes(), &unpacked, &reading).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains(
                "TNEF), and it is damaged and cannot be read as TNEF; send the mail as HTML"
            ),
            "{said}"
        );
    }
}

#[test]
fn an_office_mail_with_logo_signature_and_alternatives_goes_through() {
    let html = part(
        "Content-Type: text/html",
        "<img src=\"cid:logo@b.example\">",
    );
    let logo = part(
        "Content-Type: image/png; name=l.png\nContent-ID: <logo@b.example>\nContent-Transfer-Encoding: base64",
        "iVBORw0KGgoAAAANSUhEUg==",
    );
    let card = attachment("text/vcard", "jane.vcf");
    let related = multipart("related", "r", &[html, logo]);
    let invitation = part("Content-Type: text/calendar", "BEGIN:VCALENDAR");
    let alternative = multipart("alternative", "al", &[text(), related, invitation]);
    let mac = multipart(
        "appledouble",
        "mac",
        &[
            part("Content-Type: application/applefile", "x"),
            pdf("a.pdf"),
        ],
    );
    let content = multipart(
        "mixed",
        "in",
        &[alternative, mac, attachment("text/plain", "ATT00001.txt")],
    );
    let signature = attachment("application/pkcs7-signature", "smime.p7s");
    let raw = multipart("signed", "sig", &[content, card, signature]);
    let message = read(raw.as_bytes()).unwrap();
    let skipped = |reason| Fate::Skipped(reason);
    assert_eq!(
        fates(&message),
        [
            Fate::Faxed,
            skipped(Skipped::OtherForm),
            Fate::Faxed,
            skipped(Skipped::Calendar),
            skipped(Skipped::ResourceFork),
            Fate::Faxed,
            Fate::Faxed,
            skipped(Skipped::BusinessCard),
            skipped(Skipped::Signature),
        ]
    );
    assert_eq!(message.documents[1].name, "l.png");
    assert_eq!(
        message.documents[1].source,
        Source::Shown,
        "left out where it is small"
    );
    assert!(
        text_of(&message, 3).only_if_telling,
        "what Exchange made of a footer"
    );
}

#[test]
fn only_what_the_text_shows_can_be_a_logo() {
    let html = part("Content-Type: text/html", "<img src=\"cid:page\">");
    let picture = |fields: &str| {
        let fields = format!(
            "Content-Type: image/png; name=page.png\nContent-Transfer-Encoding: base64\n{fields}"
        );
        part(&fields, "iVBORw0KGgoAAAANSUhEUg==")
    };
    for (fields, source) in [
        ("Content-ID: <page>", Source::Shown),
        ("Content-ID: <other>", Source::File),
        (
            "Content-ID: <page>\nContent-Disposition: attachment",
            Source::File,
        ),
        ("Content-Disposition: inline", Source::File),
    ] {
        let raw = mixed(&[html.clone(), picture(fields)]);
        assert_eq!(
            read(raw.as_bytes()).unwrap().documents[1].source,
            source,
            "{fields}"
        );
    }
}

#[test]
fn a_delimiter_is_a_whole_line_and_not_a_longer_boundary() {
    let inner = multipart("mixed", "outer2", &[text(), pdf("a.pdf")]);
    let tricky = part(
        "Content-Type: text/plain",
        "text --outer\r\n--outer2\r\n--outerx--\r\n --outer",
    );
    let raw = mixed(&[tricky, inner, pdf("b.pdf")]);
    assert_eq!(read(raw.as_bytes()).unwrap().documents.len(), 4);
}

#[test]
fn a_missing_last_delimiter_loses_nothing() {
    let raw = mixed(&[text(), pdf("a.pdf")]);
    let cut = &raw[..raw.find("--outer--").unwrap()];
    assert_eq!(read(cut.as_bytes()).unwrap().documents.len(), 2);
}

#[test]
fn stray_octets_in_base64_are_ignored_and_other_damage_is_named() {
    let fields = |encoding| {
        format!("Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: {encoding}")
    };
    let raw = mixed(&[part(&fields("base64"), "JVBE*Ri0x\r\n.LjQNCg==")]);
    let message = read(raw.as_bytes()).unwrap();
    assert_eq!(
        message.documents[0].content().unwrap().as_ref(),
        PDF.as_bytes()
    );
    for encoding in ["quoted-printable", "uuencode", "x-gzip64"] {
        let raw = mixed(&[part(&fields(encoding), "=XX")]);
        let bad = read(raw.as_bytes()).unwrap().documents[0]
            .content()
            .unwrap_err();
        assert_eq!(
            bad.to_string(),
            format!("the attachment \"a.pdf\" is damaged: its {encoding} encoding cannot be read")
        );
    }
}

#[test]
fn a_broken_container_is_refused() {
    for raw in [
        "Content-Type: multipart/mixed\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nno part\r\n",
    ] {
        assert!(refusal(raw).contains("its parts cannot be found"), "{raw}");
    }
}

#[test]
fn bombs_meet_their_limits() {
    let many = vec![text(); MAX_PARTS];
    assert!(refusal(&mixed(&many)).contains("more than 1000 parts"));
    let mut deep = pdf("a.pdf");
    for level in 0..MAX_DEPTH {
        deep = multipart("mixed", &format!("b{level}"), &[deep]);
    }
    assert!(read(deep.as_bytes()).is_ok());
    assert!(refusal(&multipart("mixed", "top", &[deep])).contains("more than 20 deep"));
    let mut mails = "Subject: x\r\n\r\ny".to_owned();
    for _ in 0..=MAX_DEPTH {
        mails = part("Content-Type: message/rfc822", &mails);
    }
    assert!(refusal(&mails).contains("more than 20 deep"));
    let endless = "X: y\r\n".repeat(MAX_HEADER / 6 + 1);
    assert!(refusal(&endless).contains("header of more than 256 KB"));
}

#[test]
fn automatic_answers_are_refused_and_automatic_senders_are_not() {
    let with = |field: &str| format!("{field}\r\n{}", mixed(&[pdf("a.pdf")]));
    for field in [
        "Auto-Submitted: auto-replied",
        "auto-submitted: Auto-Replied; x=y",
    ] {
        assert_eq!(
            refusal(&with(field)),
            "554 5.7.1 automatic replies and delivery reports are not faxed"
        );
    }
    let report = multipart("report; report-type=delivery-status", "r", &[pdf("a.pdf")]);
    assert!(refusal(&report).starts_with("554 5.7.1 "));
    for field in [
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: no",
        "Precedence: bulk",
    ] {
        assert!(read(with(field).as_bytes()).is_ok(), "{field}");
    }
    let hop = "Received: from a by b; Sat, 21 Nov 2026 09:00:00 +0000\r\n";
    assert!(read(with(hop.repeat(100).trim_end()).as_bytes()).is_ok());
    assert!(refusal(&with(hop.repeat(101).trim_end())).starts_with("554 5.4.6 "));
}

#[test]
fn mutated_messages_never_panic() {
    let mut rng = fastrand::Rng::with_seed(2046);
    let html = part(
        "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable",
        "<img=20src=3D\"cid:a\">",
    );
    let logo = part("Content-Type: image/png\nContent-ID: <a>", "png");
    let inside = part(
        "Content-Type: message/rfc822",
        &mixed(&[text(), pdf("b.pdf")]),
    );
    let seed = mixed(&[
        text(),
        multipart("related", "r", &[html, logo]),
        inside,
        pdf("a.pdf"),
    ]);
    for _ in 0..10_000 {
        let mut raw = seed.clone().into_bytes();
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..raw.len());
            match rng.u8(..4) {
                0 => raw[at] = rng.u8(..),
                1 => drop(raw.drain(at..raw.len().min(at + rng.usize(1..40)))),
                2 => raw.insert(at, *rng.choice(b"\r\n:;=\"<>()?-").unwrap()),
                _ => {
                    let copied = raw[at..raw.len().min(at + 60)].to_vec();
                    raw.splice(at..at, copied);
                }
            }
            if raw.is_empty() {
                break;
            }
        }
        if let Ok(message) = read(&raw) {
            for document in &message.documents {
                let _ = document.content();
            }
        }
    }
}

#[test]
fn the_fields_for_us_are_read_whatever_their_letters() {
    let raw = b"x-fax-notes: =?utf-8?q?R=C3=BCckruf?=\r\n =?utf-8?q?_erbeten?=\r\nSubject: x\r\n\
        Authentication-Results: mx.example;\r\n dkim=pass header.d=a.example\r\n\r\ntext\r\n";
    let unpacked = Unpacked::default();
    let reading = Reading {
        body: crate::config::Body::Always,
        converts: &|_| false,
    };
    let fields = super::read(raw, &unpacked, &reading).unwrap().fields;
    assert_eq!(fields[0].1, "R\u{fc}ckruf erbeten");
    let results = crate::proto::authres::AuthenticationResults::read(&fields[1].1);
    assert_eq!(results.unwrap().proven_domains(), ["a.example"]);
}
