//! Messages as real mailers write them, and as nobody should.

use super::*;

const PDF: &str = "%PDF-1.4\r\n";
/// `PDF` in base64.
const PDF64: &str = "JVBERi0xLjQNCg==";

/// A part: its header fields, an empty line, its body.
fn part(fields: &str, body: &str) -> String {
    format!("{}\r\n\r\n{body}", fields.replace('\n', "\r\n"))
}

fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
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

#[test]
fn documents_come_in_their_order_and_the_text_is_noted_as_skipped() {
    let raw = mixed(&[text(), pdf("b.pdf"), pdf("a.pdf")]);
    let message = read(raw.as_bytes()).unwrap();
    let names: Vec<_> = message.documents.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["b.pdf", "a.pdf"]);
    assert_eq!(message.documents[1].part, 2);
    assert_eq!(
        message.documents[0].content().unwrap().as_ref(),
        PDF.as_bytes()
    );
    let body = Fate::Skipped(Skipped::BodyText);
    assert_eq!(fates(&message), [body, Fate::Faxed, Fate::Faxed]);
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
fn a_mail_without_attachment_is_told_what_to_do() {
    let nothing = "554 5.6.0 there is nothing to fax: attach the pages as PDF";
    assert_eq!(refusal(&mixed(&[text()])), nothing);
    assert_eq!(refusal("Subject: x\r\n\r\nhello\r\n"), nothing);
    assert_eq!(refusal(""), nothing);
}

#[test]
fn what_cannot_be_faxed_is_named() {
    let word = attachment("application/msword", "letter.docx");
    assert_eq!(
        refusal(&mixed(&[text(), pdf("a.pdf"), word.clone()])),
        "554 5.6.1 the attachment \"letter.docx\" (application/msword) cannot be faxed; send it as PDF"
    );
    let sheet = attachment("application/vnd.ms-excel", "b.xls");
    let both = refusal(&mixed(&[pdf("a.pdf"), word, sheet]));
    assert!(both.ends_with("\"letter.docx\" (application/msword) cannot be faxed; send it as PDF (the same goes for 1 more)"));
    for (part, says) in [
        (
            attachment("text/plain", "notes.txt"),
            "\"notes.txt\" (text/plain)",
        ),
        (
            part("Content-Type: application/zip", "PK"),
            "\"part 2\" (application/zip)",
        ),
        (
            attachment("image/png", "scan.png"),
            "\"scan.png\" (image/png)",
        ),
        (
            part("Content-Type: text/calendar", "x"),
            "\"part 2\" (text/calendar)",
        ),
        (
            attachment("message/rfc822", "old.eml"),
            "the mail \"old.eml\" attached",
        ),
        (
            multipart("digest", "d", &["\r\nSubject: x\r\n\r\ny".to_string()]),
            "the mail \"part 2\" attached",
        ),
        (
            attachment("application/ms-tnef", "winmail.dat"),
            "Outlook's own format",
        ),
        (
            attachment("application/pkcs7-mime", "smime.p7m"),
            "encrypted",
        ),
        (multipart("encrypted", "e", &[text()]), "encrypted"),
    ] {
        let said = refusal(&mixed(&[pdf("a.pdf"), part]));
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn an_office_mail_with_logo_signature_and_alternatives_goes_through() {
    let html = part(
        "Content-Type: text/html",
        "<img src=\"cid:logo@b.example\">",
    );
    let logo = part(
        "Content-Type: image/png; name=l.png\nContent-ID: <logo@b.example>",
        "png",
    );
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
    let raw = multipart("signed", "sig", &[content, signature]);
    let message = read(raw.as_bytes()).unwrap();
    let skipped = |reason| Fate::Skipped(reason);
    assert_eq!(
        fates(&message),
        [
            skipped(Skipped::BodyText),
            skipped(Skipped::BodyText),
            skipped(Skipped::Logo),
            skipped(Skipped::BodyText),
            skipped(Skipped::ResourceFork),
            Fate::Faxed,
            skipped(Skipped::BodyText),
            skipped(Skipped::Signature),
        ]
    );
}

#[test]
fn a_picture_that_is_no_logo_is_not_lost() {
    let html = part("Content-Type: text/html", "<img src=\"cid:page\">");
    let image = |id: &str, size: usize| {
        part(
            &format!("Content-Type: image/jpeg; name=page.jpg\nContent-ID: <{id}>"),
            &"x".repeat(size),
        )
    };
    for picture in [image("page", 400_000), image("other", 10)] {
        let said = refusal(&mixed(&[html.clone(), picture, pdf("a.pdf")]));
        assert_eq!(
            said,
            "554 5.6.1 the picture \"page.jpg\" in the text of the mail cannot be faxed; send it as PDF"
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
    assert_eq!(read(raw.as_bytes()).unwrap().documents.len(), 2);
}

#[test]
fn a_missing_last_delimiter_loses_nothing() {
    let raw = mixed(&[text(), pdf("a.pdf")]);
    let cut = &raw[..raw.find("--outer--").unwrap()];
    assert_eq!(read(cut.as_bytes()).unwrap().documents.len(), 1);
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
    for encoding in ["quoted-printable", "x-uuencode"] {
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
    let seed = mixed(&[
        text(),
        multipart("related", "r", &[html, logo]),
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
