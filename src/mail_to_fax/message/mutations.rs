//! Mails of the kinds that once lost or invented content, in fifty spellings, orders and nestings each, from a seed that is
//! printed. What is faxed is looked for on the pages: a line of text by its pels, a document by its pages.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::tests::{multipart, part};
use super::wrapped::{Digest, Unwrapped, digest};
use super::{BadMessage, FaxMessage, Reading, Unpacked};
use super::{cms, uuencode};
use crate::config::Body;
use crate::pages::bitmap::Bitmap;
use crate::pages::cut::LongPages;
use crate::pages::document::{Source, Target};
use crate::pages::layout::Paper;
use crate::pages::pdfium::Renderer;
use crate::pages::pdfium::testing::with_pdfium;
use crate::pages::sample::tnef::Winmail;
use crate::pages::sample::{self, pictures};
use crate::pages::text::TextSource;
use crate::pages::{Resolution, g4, render, tnef};

/// Mails of each kind, where `MAILS` does not say otherwise.
const MAILS: usize = 50;

const TARGET: Target = Target {
    resolution: Resolution::Standard,
    paper: Paper::A4,
    long_pages: LongPages::Shrink,
};

/// What is to be found on the pages.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Line(String),
    Pdf(u32),
    Picture(u32),
}

/// A mail and what becomes of it.
struct Case {
    mail: String,
    pieces: Vec<Piece>,
    /// Whether the pieces come in this order.
    in_order: bool,
    /// Words that no page may have.
    nowhere: Vec<String>,
}

fn case(mail: String, pieces: Vec<Piece>) -> Case {
    Case {
        mail,
        pieces,
        in_order: true,
        nowhere: Vec::new(),
    }
}

// ---- pages ----

fn open<'m>(raw: &'m [u8], unpacked: &'m Unpacked) -> Result<FaxMessage<'m>, BadMessage> {
    let reading = Reading {
        body: Body::Auto,
        converts: &|_| false,
    };
    super::read(raw, unpacked, &reading)
}

fn pages_of(renderer: &Renderer, source: &Source, octets: &[u8]) -> Result<Vec<Bitmap>, String> {
    let pages = render::render(renderer, source, octets, TARGET, 99);
    let pages = pages.map_err(|e| e.to_string())?;
    let drawn = pages
        .iter()
        .map(|page| g4::decode(&page.g4, page.width, page.height));
    Ok(drawn.map(|page| page.expect("our own pages")).collect())
}

/// Documents that were drawn already, and their pages.
type Drawn = HashMap<(String, Digest), Result<Vec<Bitmap>, String>>;

/// The pages of the mail, and the sentence where there are none.
fn faxed(renderer: &Renderer, raw: &[u8], drawn: &mut Drawn) -> Result<Vec<Bitmap>, String> {
    let mut unwrapped = Unwrapped::default();
    for _ in 0..8 {
        let unpacked = Unpacked::with(unwrapped.clone());
        let message = open(raw, &unpacked).map_err(|e| e.to_string())?;
        for octets in &message.wrapped {
            unwrapped.insert(digest(octets), tnef::entity(octets));
        }
        if !message.wrapped.is_empty() {
            continue;
        }
        let mut pages = Vec::new();
        for document in &message.documents {
            let octets = document.content().map_err(|e| e.to_string())?;
            let known = (format!("{:?}", document.source), digest(&octets));
            let of_document = match drawn.get(&known) {
                Some(of_document) => of_document.clone(),
                None => pages_of(renderer, &document.source, &octets),
            };
            drawn.insert(known, of_document.clone());
            pages.extend(of_document.map_err(|e| format!("{}: {e}", document.name))?);
        }
        return Ok(pages);
    }
    Err("it never ends".to_owned())
}

/// The rows of a line of text, set alone.
fn rows_of_line(renderer: &Renderer, line: &str) -> Vec<Vec<u8>> {
    let source = Source::Text(TextSource::default());
    let page = pages_of(renderer, &source, line.as_bytes())
        .expect("a page")
        .remove(0);
    let inked: Vec<u32> = (0..page.height())
        .filter(|y| page.row(*y).iter().any(|octet| *octet != 0))
        .collect();
    let (first, last) = (inked[0], inked[inked.len() - 1]);
    (first..=last).map(|y| page.row(y).to_vec()).collect()
}

#[derive(Default)]
struct Expected {
    runs: HashMap<String, Vec<Vec<Vec<u8>>>>,
    drawn: Drawn,
}

impl Expected {
    /// Runs of rows, one a page, that a piece is made of.
    fn runs(&mut self, renderer: &Renderer, piece: &Piece) -> &Vec<Vec<Vec<u8>>> {
        self.runs.entry(format!("{piece:?}")).or_insert_with(|| {
            let whole = |octets: &[u8]| {
                let pages = pages_of(renderer, &Source::File, octets).expect("pages");
                let rows = |page: &Bitmap| page.rows().map(<[u8]>::to_vec).collect();
                pages.iter().map(rows).collect()
            };
            match piece {
                Piece::Line(line) => vec![rows_of_line(renderer, line)],
                Piece::Pdf(pages) => whole(&sample::numbered_pages(*pages)),
                Piece::Picture(side) => whole(&pictures::png(*side)),
            }
        })
    }
}

/// The page, counted from `from`, and the row where these rows stand.
fn find(pages: &[Bitmap], rows: &[Vec<u8>], from: (usize, u32)) -> Option<(usize, u32)> {
    for (number, page) in pages.iter().enumerate().skip(from.0) {
        let first = if number == from.0 { from.1 } else { 0 };
        let last = page.height().checked_sub(rows.len() as u32)?;
        let mut places = first..=last;
        let is_here = |y: &u32| {
            (*y..)
                .zip(rows)
                .all(|(y, row)| page.row(y) == row.as_slice())
        };
        if let Some(y) = places.find(is_here) {
            return Some((number, y + rows.len() as u32));
        }
    }
    None
}

fn check(name: &str, mut make: impl FnMut(&mut fastrand::Rng, usize) -> Case) {
    let of_environment = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    let seed = of_environment("SEED").unwrap_or(20_261_201);
    let mails = of_environment("MAILS").map_or(MAILS, |mails| mails as usize);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut expected = Expected::default();
    let mut wrong = Vec::new();
    with_pdfium(|renderer| {
        for n in 0..mails {
            let case = make(&mut rng, n);
            if let Some(why) = what_is_wrong(renderer, &mut expected, &case) {
                let shown: String = case.mail.chars().take(1500).collect();
                wrong.push(format!("{name} {n}: {why}\n{shown}\n"));
            }
        }
    });
    println!(
        "RESULT mails kind={name} seed={seed} mails={mails} wrong={}",
        wrong.len()
    );
    let shown: Vec<&String> = wrong.iter().take(4).collect();
    assert!(
        wrong.is_empty(),
        "{} of {mails}\n{}",
        wrong.len(),
        shown
            .iter()
            .map(|it| it.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn what_is_wrong(renderer: &Renderer, expected: &mut Expected, case: &Case) -> Option<String> {
    let pages = match faxed(renderer, case.mail.as_bytes(), &mut expected.drawn) {
        Ok(_) if case.pieces.is_empty() => return Some("it is faxed".to_owned()),
        Ok(pages) => pages,
        Err(why) if case.pieces.is_empty() => {
            return why
                .is_empty()
                .then(|| "refused without a sentence".to_owned());
        }
        Err(why) => return Some(format!("refused: {why}")),
    };
    let mut at = (0, 0);
    for piece in &case.pieces {
        for run in expected.runs(renderer, piece) {
            let from = if case.in_order { at } else { (0, 0) };
            match find(&pages, run, from) {
                Some(place) => at = place,
                None => return Some(format!("{piece:?} is not on its {} pages", pages.len())),
            }
        }
    }
    let words = case.nowhere.iter();
    let mut found = words.filter(|line| {
        let runs = expected.runs(renderer, &Piece::Line((*line).clone()));
        find(&pages, &runs[0], (0, 0)).is_some()
    });
    found.next().map(|line| format!("\"{line}\" is on a page"))
}

// ---- mails ----

const TOP: &str = "From: Clerk <clerk@b.example>\r\nSubject: x\r\nDate: Mon, 30 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n";

fn mail(entity: &str) -> String {
    format!("{TOP}{entity}")
}

fn line(rng: &mut fastrand::Rng) -> String {
    let item = rng
        .choice(["insulin pens", "boxes of gloves", "syringes", "bandages"])
        .unwrap();
    format!(
        "Order {} has {} {item} to be sent on Friday",
        rng.u32(1000..9999),
        rng.u32(2..90)
    )
}

fn base64_of(octets: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(octets);
    let lines = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned());
    lines.collect::<Vec<_>>().join("\r\n")
}

fn pdf_octets(pages: u32) -> Vec<u8> {
    sample::numbered_pages(pages)
}

fn quoted_printable(text: &str) -> String {
    let encoded = text.bytes().map(|octet| match octet {
        b'=' | 0x80.. => format!("={octet:02X}"),
        octet => char::from(octet).to_string(),
    });
    encoded.collect()
}

fn pdf_part(pages: u32) -> String {
    let fields = format!(
        "Content-Type: application/pdf; name=\"order{pages}.pdf\"\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"order{pages}.pdf\""
    );
    part(&fields, &base64_of(&pdf_octets(pages)))
}

/// A text in one of the encodings, of one of the types.
fn text_part(rng: &mut fastrand::Rng, kind: &str, text: &str) -> String {
    let charset = rng
        .choice([
            "; charset=utf-8",
            "; charset=us-ascii",
            "",
            "; charset=\"UTF-8\"",
        ])
        .unwrap();
    let (encoding, body) = match rng.u8(..4) {
        0 => (
            "\nContent-Transfer-Encoding: base64",
            base64_of(text.as_bytes()),
        ),
        1 => (
            "\nContent-Transfer-Encoding: quoted-printable",
            quoted_printable(text),
        ),
        2 => ("\nContent-Transfer-Encoding: 8bit", text.to_owned()),
        _ => ("", text.to_owned()),
    };
    part(
        &format!("Content-Type: text/{kind}{charset}{encoding}"),
        &body,
    )
}

fn html(rng: &mut fastrand::Rng, line: &str) -> String {
    match rng.u8(..3) {
        0 => format!("<p>{line}</p>"),
        1 => format!(
            "<html><head><title>x</title><style>p {{}}</style></head><body><div>{line}</div></body></html>"
        ),
        _ => format!(
            "<!DOCTYPE html>\r\n<body><p><span>{}</span></p></body>",
            line.replace(' ', "\r\n")
        ),
    }
}

/// Something around it that changes nothing.
fn wrapped(rng: &mut fastrand::Rng, entity: String) -> String {
    let boundary = format!("w{}", rng.u32(..));
    match rng.u8(..5) {
        0 => multipart("mixed", &boundary, &[entity]),
        1 => multipart("related", &boundary, &[entity]),
        2 => {
            let signature = part(
                "Content-Type: application/pkcs7-signature; name=smime.p7s",
                "x",
            );
            multipart("signed", &boundary, &[entity, signature])
        }
        _ => entity,
    }
}

#[test]
fn every_piece_of_an_alternative_is_faxed_in_its_order() {
    check("alternative", |rng, _| {
        let mut pieces = Vec::new();
        let mut parts = Vec::new();
        let mut all_text = String::new();
        for _ in 0..rng.usize(2..5) {
            if rng.bool() {
                let line = line(rng);
                all_text += &format!("{line}\r\n");
                let written = html(rng, &line);
                parts.push(text_part(rng, "html", &written));
                pieces.push(Piece::Line(line));
            } else {
                let pages = rng.u32(1..3);
                parts.push(pdf_part(pages));
                pieces.push(Piece::Pdf(pages));
            }
        }
        let line = line(rng);
        all_text += &line;
        let written = html(rng, &line);
        parts.push(text_part(rng, "html", &written));
        pieces.push(Piece::Line(line));
        let rich = multipart(
            rng.choice(["mixed", "related", "parallel"]).unwrap(),
            "rich",
            &parts,
        );
        let plain = match rng.u8(..4) {
            0 => Some(text_part(rng, "plain", "\r\n\r\n")),
            1 => Some(text_part(rng, "plain", &all_text)),
            2 => Some(text_part(rng, "plain", "View this email in your browser")),
            _ => None,
        };
        let in_order = plain
            .as_ref()
            .is_none_or(|plain| !plain.contains("Order") && !plain.contains("T3JkZX"));
        let mut forms: Vec<String> = plain.into_iter().chain([rich]).collect();
        if rng.u8(..5) == 0 {
            forms.reverse();
        }
        let entity = multipart("alternative", "alt", &forms);
        Case {
            in_order,
            ..case(mail(&wrapped(rng, entity)), pieces)
        }
    });
}

#[test]
fn whichever_form_holds_the_content_is_faxed() {
    const STUBS: [&str; 14] = [
        "",
        "\u{a0}\u{a0}",
        "&nbsp;",
        "--",
        "-",
        "\u{200b}\u{200c}",
        "\u{feff}",
        ".",
        "&nbsp;&zwnj;&#8203;",
        "This message requires an HTML viewer. Please enable HTML in your mail program.",
        "View this email in your browser: https://example.test/v/1",
        "Ihr E-Mail-Programm kann kein HTML anzeigen.",
        "Your email client cannot read this email. To view it online, go to https://example.test/1",
        "***",
    ];
    check("blank-plain", |rng, n| {
        let stub = STUBS[n % STUBS.len()];
        let line = line(rng);
        let rich = html(rng, &line);
        let mut forms = match rng.u8(..4) {
            0 => {
                let text = format!("Hello\r\n\r\n{line}\r\n");
                let stub = format!("<p>{stub}</p>");
                [
                    text_part(rng, "plain", &text),
                    text_part(rng, "html", &stub),
                ]
            }
            1 => {
                let rich = text_part(rng, "html", &rich);
                [
                    text_part(rng, "plain", stub),
                    multipart("related", "rel", &[rich]),
                ]
            }
            _ => [text_part(rng, "plain", stub), text_part(rng, "html", &rich)],
        };
        if rng.u8(..4) == 0 {
            forms.reverse();
        }
        let entity = multipart("alternative", "alt", &forms);
        case(mail(&wrapped(rng, entity)), vec![Piece::Line(line)])
    });
}

#[test]
fn parts_are_found_whatever_the_header_says_of_them() {
    const HEADERS: [&str; 22] = [
        "Content-Type: multipart/mixed boundary=\"b-1\"",
        "Content-Type: multipart/mixed;\r\n ?boundary=\"b-1\"",
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/mixed; boundary=\"other\"",
        "Content-Type: multipart/mixed; boundary='b-1'",
        "Content-Type: multipart/mixed; boundary=b-1;",
        "Content-Type: multipart/mixed; boundary = \"b-1\"",
        "Content-Type: multipart/mixed, boundary=b-1",
        "Content-Type: multipart/mixed; boundary=\"b-1",
        "Content-Type: multipart/mixed; boundary=\"B-1\"",
        "Content-Type: multipart; boundary=b-1",
        "Content-Type: MULTIPART/MIXED; BOUNDARY=b-1",
        "Content-Type: text/html;\r\n\tboundary=\"b-1\"",
        "Content-Type: text/plain; boundary=b-1",
        "Content-Type: text/plain; charset=us-ascii",
        "Content-Type: application/octet-stream; boundary=b-1",
        "X-Nothing: here",
        "Content-Type:",
        "Content-Type: multipart/mixed; boundary=\"b-1\" (a comment)",
        "Content-type: multipart/x-unknown; charset=utf-8 boundary=b-1",
        "Content-Type: multipart/mixed; boundary=\"--b-1\"",
        "Content-Type: multipart/mixed; boundary*=us-ascii''b-1",
    ];
    check("content-type", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let preamble = rng
            .choice([
                "",
                "This is a multi-part message in MIME format.\r\n",
                "\r\n\r\n",
            ])
            .unwrap();
        let text = text_part(rng, "plain", &format!("{line}\r\n"));
        let end = rng
            .choice(["--b-1--\r\n", "--b-1--", "--b-1--\r\n\r\n"])
            .unwrap();
        let body = format!(
            "{preamble}--b-1\r\n{text}\r\n--b-1\r\n{}\r\n{end}",
            pdf_part(pages)
        );
        let header = HEADERS[n % HEADERS.len()];
        let entity = match rng.u8(..4) {
            0 => format!(
                "Content-Type: multipart/mixed; boundary=b-1\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                base64_of(body.as_bytes())
            ),
            1 if preamble.is_empty() => format!("{header}\r\n{body}"),
            _ => format!("{header}\r\n\r\n{body}"),
        };
        Case {
            nowhere: vec![preamble.trim().to_owned()]
                .into_iter()
                .filter(|line| !line.is_empty())
                .collect(),
            ..case(mail(&entity), vec![Piece::Line(line), Piece::Pdf(pages)])
        }
    });
}

#[test]
fn base64_that_nobody_declared_is_no_text() {
    check("undeclared-base64", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let octets = base64_of(&pdf_octets(pages));
        let (text, pieces) = match n % 3 {
            0 => (
                format!(
                    "{line}\r\n\r\nContent-Type: application/pdf; name=\"o.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{octets}\r\n"
                ),
                vec![Piece::Line(line), Piece::Pdf(pages)],
            ),
            1 => (octets, vec![Piece::Pdf(pages)]),
            // What it is nobody knows: it is refused.
            _ => (
                format!(
                    "{line}\r\n\r\n{}\r\n",
                    base64_of(&[7, 0xF3, 9].repeat(2000))
                ),
                vec![],
            ),
        };
        case(mail(&part("Content-Type: text/plain", &text)), pieces)
    });
}

#[test]
fn uuencoded_files_are_faxed_by_their_content() {
    check("uuencode", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let zero = if rng.bool() { '`' } else { ' ' };
        let mut encoded = uuencode::tests::encode("order.pdf", &pdf_octets(pages), zero);
        if rng.bool() {
            encoded = encoded
                .lines()
                .map(|line| format!("{}\r\n", line.trim_end()))
                .collect();
        }
        if n % 7 == 6 {
            encoded = format!(
                "begin-base64 644 order.pdf\r\n{}\r\n====\r\n",
                base64_of(&pdf_octets(pages))
            );
        }
        let pieces = vec![Piece::Line(line.clone()), Piece::Pdf(pages)];
        match n % 5 {
            0 => {
                let name =
                    ["x-uuencode", "uuencode", "X-UUE", "x-uue;", "\"uuencode\""][rng.usize(..5)];
                let file = uuencode::tests::encode("order.pdf", &pdf_octets(pages), zero);
                let file = part(
                    &format!(
                        "Content-Type: application/pdf; name=o.pdf\nContent-Transfer-Encoding: {name}"
                    ),
                    &file,
                );
                let entity = multipart("mixed", "m", &[text_part(rng, "plain", &line), file]);
                case(mail(&entity), pieces)
            }
            1 => {
                let text = format!(
                    "{line}\r\n\r\n{encoded}\r\nbegin 644 is how the chapter starts\r\nend\r\n"
                );
                let mut case = case(mail(&text_part(rng, "plain", &text)), pieces);
                case.pieces.push(Piece::Line(
                    "begin 644 is how the chapter starts".to_owned(),
                ));
                case
            }
            2 => {
                let second = uuencode::tests::encode("more.pdf", &pdf_octets(3), '`');
                let text = format!("{line}\r\n{encoded}\r\n{second}");
                let mut case = case(mail(&text_part(rng, "plain", &text)), pieces);
                case.pieces.push(Piece::Pdf(3));
                case
            }
            3 => case(format!("{TOP}\r\n{line}\r\n\r\n{encoded}"), pieces),
            _ => {
                let text = text_part(rng, "plain", &format!("{line}\r\n\r\n{encoded}"));
                case(mail(&wrapped(rng, text)), pieces)
            }
        }
    });
}

#[test]
fn transfer_encodings_are_read_in_every_spelling() {
    const BASE64: [&str; 10] = [
        "base64;",
        "\"base64\"",
        "base64 (RFC 2045)",
        "base-64",
        "BASE64",
        "(x) base64",
        "'base64'",
        "x-base64",
        "base64, 8bit",
        "Base64 ",
    ];
    const IDENTITY: [&str; 14] = [
        "7-bit",
        "8 bit",
        "utf-8",
        "7bit;",
        "\"8bit\"",
        "iso-8859-1",
        "none",
        "us-ascii",
        "8BIT (as it is)",
        "binary;",
        "7bit, 7bit",
        "8bits",
        "plain",
        "text",
    ];
    const QUOTED: [&str; 8] = [
        "quoted-printable;",
        "\"quoted-printable\"",
        "quoted printable",
        "quoted_printable",
        "QuotedPrintable",
        "7bit, quoted-printable",
        "quoted-printable (x)",
        "quoted-printible",
    ];
    check("transfer-encoding", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let text = match n % 3 {
            0 => (IDENTITY[rng.usize(..IDENTITY.len())], line.clone()),
            1 => (
                QUOTED[rng.usize(..QUOTED.len())],
                quoted_printable(&line).replace("Friday", "Fri=\r\nday"),
            ),
            _ => (
                BASE64[rng.usize(..BASE64.len())],
                base64_of(line.as_bytes()),
            ),
        };
        let text = part(
            &format!(
                "Content-Type: text/plain\nContent-transfer-encoding: {}",
                text.0
            ),
            &text.1,
        );
        let file = format!(
            "Content-Transfer-Encoding: {}\nContent-Type: application/octet-stream; name=o.pdf",
            BASE64[n % BASE64.len()]
        );
        let file = part(&file, &base64_of(&pdf_octets(pages)));
        match rng.bool() {
            true => case(
                mail(&multipart("mixed", "m", &[text, file])),
                vec![Piece::Line(line), Piece::Pdf(pages)],
            ),
            false => case(mail(&text), vec![Piece::Line(line)]),
        }
    });
}

#[test]
fn ornaments_are_left_out_and_the_documents_are_faxed() {
    const SHOWN: [(&str, &str); 9] = [
        ("image/svg+xml", "logo.svg"),
        ("image/x-unknown", "logo.xyz"),
        ("application/x-mso", "oledata.mso"),
        ("image/x-emz", "image001.emz"),
        ("image/x-wmf", "a.wmf"),
        ("application/octet-stream", "image002.wmz"),
        ("image/jp2", "logo.jp2"),
        ("image/vnd.microsoft.icon", "favicon.ico"),
        ("image/svg+xml", ""),
    ];
    const BESIDE: [(&str, &str, &str); 22] = [
        ("application/octet-stream", "smime.p7s", "xyz"),
        ("application/octet-stream", "card.vcf", "BEGIN:VCARD"),
        ("application/octet-stream", "invite.ics", "BEGIN:VCALENDAR"),
        ("application/vcard", "card.vcf", "BEGIN:VCARD"),
        ("text/x-amp-html", "amp.html", "<html amp4email>"),
        ("application/octet-stream", "empty.dat", ""),
        ("application/octet-stream", ".DS_Store", "xyz"),
        ("application/octet-stream", "Thumbs.db", "xyz"),
        ("application/octet-stream", "", "BEGIN:VCARD\r\n"),
        ("application/x-unknown", "desktop.ini", "[x]"),
        (
            "application/octet-stream",
            "signature.asc",
            "-----BEGIN PGP SIGNATURE-----",
        ),
        ("application/pgp-signature", "x.sig", "x"),
        ("text/plain", "jane.vcf", "BEGIN:VCARD"),
        ("text/x-vcalendar", "x.vcs", "BEGIN:VCALENDAR"),
        (
            "application/octet-stream",
            "0x1234.asc",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        ),
        ("application/binary", "JANE.VCF", "BEGIN:VCARD"),
        ("application/octet-stream", "noname", ""),
        ("application/x-pkcs7-signature", "", "x"),
        ("application/ics", "", "BEGIN:VCALENDAR"),
        ("application/octet-stream", "certs.p7b", "x"),
        ("text/directory", "", "BEGIN:VCARD"),
        ("application/x-calendar", "a.ics", "x"),
    ];
    check("ornaments", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let mut parts = Vec::new();
        if n % 2 == 0 {
            let (content_type, name) = SHOWN[n / 2 % SHOWN.len()];
            let source = [
                "<img src=\"cid:logo1@x\">",
                "<img src='cid:logo1@x' width=1>",
                "<img src=cid:logo1@x>",
                "<table background=\"cid:logo1@x\"></table>",
            ][rng.usize(..4)];
            let written = format!("<p>{line}</p>{source}");
            let disposition = [
                "\nContent-Disposition: inline",
                "",
                "\nContent-Disposition: attachment",
            ][rng.usize(..3)];
            let logo = part(
                &format!(
                    "Content-Type: {content_type}; name=\"{name}\"\nContent-ID: <logo1@x>{disposition}\nContent-Transfer-Encoding: base64"
                ),
                "PHN2Zz48L3N2Zz4=",
            );
            let written = text_part(rng, "html", &written);
            parts.push(multipart("related", "rel", &[written, logo]));
        } else {
            parts.push(text_part(rng, "plain", &line));
        }
        parts.push(pdf_part(pages));
        for _ in 0..rng.usize(1..4) {
            let (content_type, name, body) = BESIDE[rng.usize(..BESIDE.len())];
            let disposition = if rng.bool() { "attachment" } else { "inline" };
            let name = match name {
                "" => String::new(),
                name => format!("; filename=\"{name}\""),
            };
            let fields = format!(
                "Content-Type: {content_type}\nContent-Disposition: {disposition}{name}\nContent-Transfer-Encoding: base64"
            );
            parts.insert(
                rng.usize(1..=parts.len()),
                part(&fields, &base64_of(body.as_bytes())),
            );
        }
        case(
            mail(&multipart("mixed", "m", &parts)),
            vec![Piece::Line(line), Piece::Pdf(pages)],
        )
    });
}

#[test]
fn a_real_attachment_that_is_not_read_refuses_the_mail() {
    for (content_type, name) in [
        ("application/octet-stream", "drawing.dwg"),
        ("application/octet-stream", "order.docx"),
        ("image/svg+xml", "plan.svg"),
        ("application/pdf", "order.pdf"),
        ("audio/wav", "voice.wav"),
        ("application/octet-stream", "message.msg"),
        ("text/calendar-like", "x.dat"),
    ] {
        let body = if name == "order.pdf" { "" } else { "xyz" };
        let fields = format!(
            "Content-Type: {content_type}\nContent-Disposition: attachment; filename=\"{name}\""
        );
        let text = part(
            "Content-Type: text/plain",
            "Please sign the order number 4711 today.",
        );
        let raw = mail(&multipart("mixed", "m", &[text, part(&fields, body)]));
        let refused = with_pdfium(|renderer| faxed(renderer, raw.as_bytes(), &mut Drawn::new()));
        assert!(
            refused.as_ref().is_err_and(|why| why.contains(name)),
            "{name}: {:?}",
            refused.err()
        );
    }
}

#[test]
fn what_is_signed_is_read_and_what_is_encrypted_is_not() {
    check("smime", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let inner = multipart(
            "mixed",
            "in",
            &[text_part(rng, "plain", &line), pdf_part(pages)],
        );
        let inner = match n % 4 {
            0 => inner,
            1 => wrapped(rng, inner),
            2 => {
                let again = cms::tests::signed(inner.as_bytes(), 700, rng.bool());
                part(
                    "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\nContent-Transfer-Encoding: base64",
                    &base64_of(&again),
                )
            }
            _ => format!("MIME-Version: 1.0\r\n{inner}"),
        };
        let chunk = [1, 100, 1024, 1 << 20][rng.usize(..4)];
        let octets = match n % 10 {
            9 => cms::tests::enveloped(),
            _ => cms::tests::signed(inner.as_bytes(), chunk, rng.bool()),
        };
        let content_type = [
            "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
            "application/x-pkcs7-mime; name=\"smime.p7m\"",
            "application/octet-stream; name=smime.p7m",
            "application/pkcs7-mime",
            "application/x-pkcs7-mime; smime-type=enveloped-data",
            "application/binary; name=\"SMIME.P7M\"",
        ][rng.usize(..6)];
        let object = part(
            &format!(
                "Content-Type: {content_type}\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment"
            ),
            &base64_of(&octets),
        );
        let entity = match rng.u8(..3) {
            0 => multipart(
                "mixed",
                "list",
                &[
                    object,
                    part("Content-Type: text/plain", "-- \r\nlist footer"),
                ],
            ),
            _ => object,
        };
        let pieces = match n % 10 {
            9 => vec![],
            _ => vec![Piece::Line(line), Piece::Pdf(pages)],
        };
        case(mail(&entity), pieces)
    });
}

#[test]
fn a_signed_file_is_the_file() {
    let octets = cms::tests::signed(&pdf_octets(2), 1000, true);
    let fields = "Content-Type: application/octet-stream; name=\"invoice.pdf.p7m\"\nContent-Transfer-Encoding: base64";
    let raw = mail(&part(fields, &base64_of(&octets)));
    let pages = with_pdfium(|renderer| faxed(renderer, raw.as_bytes(), &mut Drawn::new()));
    assert_eq!(pages.map(|pages| pages.len()), Ok(2));
}

#[test]
fn mails_attached_as_files_are_read_as_mails() {
    check("eml", |rng, _| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let inner = mail(&multipart(
            "mixed",
            "in",
            &[text_part(rng, "plain", &line), pdf_part(pages)],
        ));
        let inner = match rng.u8(..6) {
            0 => format!("From clerk@b.example Mon Nov 30 09:00:00 2026\r\n{inner}"),
            1 => format!("\u{feff}{inner}"),
            2 => format!("\r\n{inner}"),
            3 => inner.replace("\r\n", "\n"),
            _ => inner,
        };
        let (content_type, name) = [
            ("application/octet-stream", "fwd.eml"),
            ("application/x-eml", "fwd.eml"),
            ("application/eml", "fwd"),
            ("text/plain", "FWD.EML"),
            ("message/rfc822", ""),
            ("application/octet-stream", "ForwardedMessage"),
            ("message/x-rfc822", "a.eml"),
            ("application/x-unknown", "a b.eml"),
            ("application/x-mimearchive", "page.mht"),
            ("message/global", "x.eml"),
        ][rng.usize(..10)];
        let (encoding, body) = match rng.bool() {
            true => ("base64", base64_of(inner.as_bytes())),
            false => ("8bit", inner),
        };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("; filename=\"{name}\"")
        };
        let fields = format!(
            "Content-Type: {content_type}\nContent-Disposition: attachment{name}\nContent-Transfer-Encoding: {encoding}"
        );
        let outer = multipart(
            "mixed",
            "F1",
            &[
                part("Content-Type: text/plain", "Please see attached."),
                part(&fields, &body),
            ],
        );
        case(
            mail(&wrapped(rng, outer)),
            vec![Piece::Line(line), Piece::Pdf(pages)],
        )
    });
}

#[test]
fn pictures_in_html_itself_are_drawn() {
    check("data-uri", |rng, _| {
        let line = line(rng);
        let side = 400 + 8 * rng.u32(..3);
        let encoded = BASE64_STANDARD.encode(pictures::png(side));
        let encoded = match rng.u8(..4) {
            0 => encoded.replace('+', "%2B").replace('/', "%2f"),
            1 => encoded
                .as_bytes()
                .chunks(70)
                .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
                .collect(),
            2 => encoded.replace('+', "&#43;"),
            _ => encoded,
        };
        let kind = [
            "image/png",
            "image/jpeg",
            "IMAGE/PNG",
            "image/png;charset=utf-8",
            "application/octet-stream",
            "image/x-png",
        ][rng.usize(..6)];
        let tag = match rng.u8(..5) {
            0 => format!("<img alt='drawing' src='data:{kind};base64,{encoded}'>"),
            1 => format!("<img\r\n src = \"DATA:{kind};base64,{encoded}\" width=400>"),
            2 => format!(
                "<div style=\"background-image:url(data:{kind};base64,{})\"></div>",
                encoded.replace("\r\n", "")
            ),
            3 => format!("<input type=image src=\" data:{kind}; base64,{encoded}\">"),
            _ => format!("<img src=\"data:{kind};base64,{encoded}\">"),
        };
        let written = format!("<p>{line}</p>{tag}<p>The end</p>");
        let page = text_part(rng, "html", &written);
        let entity = match rng.u8(..3) {
            0 => multipart(
                "alternative",
                "alt",
                &[
                    text_part(rng, "plain", &format!("{line}\r\n\r\nThe end")),
                    page,
                ],
            ),
            _ => wrapped(rng, page),
        };
        case(mail(&entity), vec![Piece::Line(line), Piece::Picture(side)])
    });
}

#[test]
fn winmail_is_read() {
    check("winmail", |rng, n| {
        let line = line(rng);
        let pages = rng.u32(1..3);
        let octets = pdf_octets(pages);
        let files = [("order.pdf", octets.as_slice())];
        let rtf = format!(
            "{{\\rtf1\\ansi\\ansicpg1252{}{{\\fonttbl{{\\f0 Arial;}}}}\\f0 {line}\\par}}",
            if rng.bool() { "\\fromtext" } else { "" }
        );
        let html = format!(
            "{{\\rtf1\\ansi\\fromhtml1 {{\\*\\htmltag64 <p>}}\\htmlrtf \\par \\htmlrtf0 {line}{{\\*\\htmltag72 </p>}}}}"
        );
        let inner = Winmail {
            body: &line,
            files: &files,
            ..Winmail::default()
        };
        let inner = inner.write();
        let winmail = match n % 5 {
            0 => Winmail {
                rtf: &rtf,
                files: &files,
                ..Winmail::default()
            },
            1 => Winmail {
                rtf: &html,
                files: &files,
                ..Winmail::default()
            },
            2 => Winmail {
                message: Some(&inner),
                ..Winmail::default()
            },
            _ => Winmail {
                body: &line,
                rtf: &rtf,
                files: &files,
                ..Winmail::default()
            },
        };
        let content_type = [
            "application/ms-tnef; name=\"winmail.dat\"",
            "application/vnd.ms-tnef",
            "application/octet-stream; name=winmail.dat",
            "application/ms-tnef",
        ][rng.usize(..4)];
        let file = part(
            &format!(
                "Content-Type: {content_type}\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment"
            ),
            &base64_of(&winmail.write()),
        );
        let entity = match rng.u8(..3) {
            0 => file,
            1 => multipart("mixed", "m", &[text_part(rng, "plain", &line), file]),
            _ => multipart("mixed", "m", &[text_part(rng, "plain", "\r\n"), file]),
        };
        case(mail(&entity), vec![Piece::Line(line), Piece::Pdf(pages)])
    });
}
