//! What a mail may hold, and what a hostile one holds: through the real daemon, and document by document through the
//! real children.

use std::time::{Duration, Instant};

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use postfax::config::Converter;
use postfax::pages::cut::LongPages;
use postfax::pages::document::{Source, Target};
use postfax::pages::layout::Paper;
use postfax::pages::sample::tnef::Winmail;
use postfax::pages::sample::{self, pictures};
use postfax::pages::text::TextSource;
use postfax::pages::{DocumentRefusal, Resolution, pdfium, tiff};
use postfax::worker::host::{Children, RenderFailure};

use crate::harness::process::PROGRAM;
use crate::harness::{A_CALL, CLERK, HEALTHY, Site, mails, wait_until};

/// Mutants of each format, where `MUTANTS` does not say otherwise.
const MUTANTS: usize = 150;
/// Seconds that no document may take.
const LIMIT: u64 = 60;

const TARGET: Target = Target {
    long_pages: LongPages::Split,
    resolution: Resolution::Standard,
    paper: Paper::A4,
};

pub fn children() -> Children {
    let library = pdfium::locate(None).expect("make pdfium fetches it");
    let mut children = Children::new(Some(library), LIMIT);
    children.program = PROGRAM.into();
    children
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

// ---- a mail with everything in it ----

fn attachment(name: &str, content_type: &str, octets: Vec<u8>) -> SinglePart {
    let content_type = ContentType::parse(content_type).expect("a type");
    Attachment::new(name.to_owned()).body(octets, content_type)
}

fn mail(parts: MultiPart) -> Vec<u8> {
    let to = mails::addresses(&[HEALTHY]).remove(0);
    let mail = Message::builder()
        .from(CLERK.parse().expect("an address"))
        .to(to.parse().expect("an address"))
        .subject("Everything")
        .multipart(parts);
    mail.expect("a mail").formatted()
}

/// A program that finds a PDF behind the mark of a rich text.
fn converter() -> Converter {
    Converter {
        types: vec!["application/rtf".to_owned()],
        // The document brings its PDF along: a converter sees nothing else that is ours.
        command: ["/bin/sh", "-c", "tail -c +6 {input} > document.pdf"]
            .map(str::to_owned)
            .to_vec(),
        extension: None,
        seconds: 20,
        memory_mb: 256,
        processes: 64,
        folder_mb: 256,
    }
}

#[test]
fn a_mail_with_everything_in_it_is_faxed_in_its_order_and_the_receipt_tells_of_each_part() {
    let site = Site::with(|config| config.converters = vec![converter()]);
    let forwarded = format!(
        "From: Bob <bob@example.com>\r\nSubject: Old news\r\nContent-Type: text/plain\r\n\r\n{}\r\n",
        "The lease ends in May."
    );
    let rtf = [b"{\\rtf".as_slice(), &sample::numbered_pages(1)].concat();
    let html = "<p>The meeting is on Monday at noon, in the small room.</p><img src=\"cid:logo\">";
    let logo = Attachment::new_inline("logo".to_owned()).body(
        pictures::png(64),
        ContentType::parse("image/png").expect("a type"),
    );
    let related = MultiPart::related()
        .singlepart(SinglePart::html(html.to_owned()))
        .singlepart(logo);
    let octets = mail(
        MultiPart::mixed()
            .multipart(related)
            .singlepart(attachment(
                "scan.tif",
                "application/pdf",
                pictures::tiff(64),
            ))
            .singlepart(attachment("photo.jpg", "image/jpeg", pictures::jpeg(64, 6)))
            .singlepart(attachment("letter.doc", "application/msword", rtf))
            .singlepart(attachment(
                "card.vcf",
                "text/vcard",
                b"BEGIN:VCARD".to_vec(),
            ))
            .singlepart(attachment(
                "old.eml",
                "message/rfc822",
                forwarded.into_bytes(),
            )),
    );
    site.smtp()
        .send(CLERK, &mails::addresses(&[HEALTHY]), &octets);
    wait_until("the receipt", 3 * A_CALL, || site.receipts().len() == 1);
    let receipt = &site.receipts()[0].text;
    assert_eq!(site.fax().state, "delivered", "{receipt}");
    let told: Vec<String> = receipt
        .lines()
        .filter(|line| line.contains("not faxed") || line.ends_with(" of the fax"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "text of the mail 1 page of the fax",
            "part 2 (PNG) not faxed: it is a small picture in the text of the mail",
            "scan.tif 4 pages of the fax",
            "photo.jpg 1 page of the fax",
            "letter.doc 1 page of the fax",
            "card.vcf not faxed: business card",
            "text of the attached mail \"Old news\" 1 page of the fax",
        ],
        "{receipt}"
    );
    let calls = site.machine_calls();
    let file = calls[0].tiff.clone().expect("its pages");
    assert_eq!(mails::pages_in(&file).len(), 8);
    site.check();
}

#[test]
fn a_mail_that_says_nothing_and_has_nothing_attached_is_told_so() {
    let site = Site::new();
    let octets = mail(MultiPart::mixed().singlepart(SinglePart::plain(
        "Please see attached.\r\n\r\nJane".to_owned(),
    )));
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect(&format!("RCPT TO:<{HEALTHY}@fax.local>"), 250);
    client.expect("DATA", 354);
    let reply = client.data(&octets);
    assert_eq!(
        format!("{} {}", reply.code, reply.text),
        "554 5.6.0 there is nothing to fax (text of the mail: it says no more than that something is attached); \
         attach the pages, or write them as text"
    );
    assert!(site.faxes().is_empty());
}

#[test]
fn a_winmail_dat_and_the_ornaments_beside_it_are_told_of_in_the_receipt() {
    let site = Site::new();
    let files = [
        ("order.pdf", sample::numbered_pages(2)),
        ("smime.p7s", b"xyz".to_vec()),
    ];
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, octets)| (*name, octets.as_slice()))
        .collect();
    let winmail = Winmail {
        rtf: "{\\rtf1\\ansi Twenty boxes by Friday, to the side entrance.\\par}",
        files: &files,
        ..Winmail::default()
    };
    let octets = mail(
        MultiPart::mixed()
            .singlepart(SinglePart::plain("\r\n".to_owned()))
            .singlepart(attachment(
                "winmail.dat",
                "application/ms-tnef",
                winmail.write(),
            ))
            .singlepart(attachment(
                ".DS_Store",
                "application/octet-stream",
                vec![1; 9],
            )),
    );
    site.smtp()
        .send(CLERK, &mails::addresses(&[HEALTHY]), &octets);
    wait_until("the receipt", 3 * A_CALL, || site.receipts().len() == 1);
    let receipt = &site.receipts()[0].text;
    assert_eq!(site.fax().state, "delivered", "{receipt}");
    let told: Vec<String> = receipt
        .lines()
        .filter(|line| line.contains("not faxed") || line.ends_with(" of the fax"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "text of the mail not faxed: it is blank",
            "text of the mail 1 page of the fax",
            "order.pdf 2 pages of the fax",
            "smime.p7s not faxed: digital signature",
            ".DS_Store not faxed: a file of the operating system",
        ],
        "{receipt}"
    );
    site.check();
}

#[test]
fn a_winmail_dat_that_is_cut_short_is_refused_by_name() {
    let site = Site::new();
    let mut winmail = Winmail {
        body: "Twenty boxes by Friday, to the side entrance.",
        ..Winmail::default()
    }
    .write();
    winmail.truncate(winmail.len() - 40);
    let octets = mail(MultiPart::mixed().singlepart(attachment(
        "winmail.dat",
        "application/ms-tnef",
        winmail,
    )));
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect(&format!("RCPT TO:<{HEALTHY}@fax.local>"), 250);
    client.expect("DATA", 354);
    let reply = client.data(&octets);
    assert_eq!(
        format!("{} {}", reply.code, reply.text),
        "554 5.6.1 the attachments are wrapped in Outlook's own format (\"winmail.dat\", TNEF), and it is damaged and \
         cannot be read as TNEF; send the mail as HTML or plain text, or have the administrator of Exchange switch rich \
         text off for this domain"
    );
    assert!(site.faxes().is_empty());
}

// ---- mutants ----

/// Changes a few places of a document.
fn mutant(seed: &[u8], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..rng.usize(1..5) {
        if octets.is_empty() {
            break;
        }
        let at = rng.usize(..octets.len());
        let end = octets.len().min(at + rng.usize(1..64));
        match rng.u8(..8) {
            0 => octets.truncate(at),
            1 => drop(octets.drain(at..end)),
            2 => octets[at..end].fill([0, 0xFF][rng.usize(..2)]),
            3 => {
                let copied = octets[at..end].to_vec();
                octets.splice(at..at, copied);
            }
            4 => octets[at] = octets[at].wrapping_add(1),
            5 => octets[at] ^= 1 << rng.u8(..8),
            6 => {
                // A number that is too large, in either order.
                let place = at..octets.len().min(at + 4);
                octets.splice(place, [0x7F, 0xFF, 0xFF, 0xFF]);
            }
            _ => octets[at] = rng.u8(..),
        }
    }
    octets
}

fn every_mutant_ends_in_pages_or_a_sentence(name: &str, source: &Source, seeds: &[Vec<u8>]) {
    let count = std::env::var("MUTANTS").ok().and_then(|n| n.parse().ok());
    let count: usize = count.unwrap_or(MUTANTS);
    let mut rng = fastrand::Rng::with_seed(0xFA * name.len() as u64);
    let children = children();
    let (mut pages, mut refused) = (0, 0);
    let mut slowest = Duration::ZERO;
    run(async {
        for seed in seeds {
            let whole = children.render(source, seed, TARGET, 50).await;
            assert!(
                whole.is_ok_and(|pages| !pages.is_empty()),
                "{name}: the seed itself"
            );
        }
        for n in 0..count {
            let octets = mutant(&seeds[n % seeds.len()], &mut rng);
            let began = Instant::now();
            match children.render(source, &octets, TARGET, 50).await {
                Ok(_) => pages += 1,
                Err(RenderFailure::Refused(DocumentRefusal::RendererFailed { how })) => {
                    let kept = std::env::temp_dir().join(format!("postfax-mutant-{name}-{n}"));
                    std::fs::write(&kept, &octets).expect("it can be written");
                    panic!("{name}: {how}; the mutant is {}", kept.display());
                }
                Err(RenderFailure::Refused(_)) => refused += 1,
                Err(e) => panic!("{name}: {e}"),
            }
            slowest = slowest.max(began.elapsed());
        }
    });
    println!(
        "RESULT mutants format={name} pages={pages} refused={refused} slowest_ms={}",
        slowest.as_millis()
    );
    assert!(
        refused > 0 || matches!(source, Source::Text(_)),
        "{name}: no mutant was bad"
    );
}

#[test]
fn mutants_of_pdf() {
    let seeds = [sample::demo_document(), sample::large_picture(300)];
    every_mutant_ends_in_pages_or_a_sentence("pdf", &Source::File, &seeds);
}

#[test]
fn mutants_of_tiff() {
    let fax = run(children().render(&Source::File, &sample::numbered_pages(2), TARGET, 9));
    let seeds = [tiff::write(&fax.expect("pages")), pictures::tiff(64)];
    every_mutant_ends_in_pages_or_a_sentence("tiff", &Source::File, &seeds);
}

#[test]
fn mutants_of_jpeg() {
    let seeds = [pictures::jpeg(64, 6), pictures::jpeg(200, 1)];
    every_mutant_ends_in_pages_or_a_sentence("jpeg", &Source::File, &seeds);
}

#[test]
fn mutants_of_png() {
    every_mutant_ends_in_pages_or_a_sentence("png", &Source::File, &[pictures::png(64)]);
}

#[test]
fn mutants_of_gif() {
    every_mutant_ends_in_pages_or_a_sentence("gif", &Source::File, &[pictures::gif(64)]);
}

#[test]
fn mutants_of_webp() {
    every_mutant_ends_in_pages_or_a_sentence("webp", &Source::File, &[pictures::webp(64)]);
}

#[test]
fn mutants_of_heic() {
    let seeds = [pictures::heic(0), pictures::heic(1)];
    every_mutant_ends_in_pages_or_a_sentence("heic", &Source::File, &seeds);
}

#[test]
fn mutants_of_text() {
    let text = "Dear Dr Smith,\r\n\r\nGr\u{fc}\u{df}e \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627} \
                \u{1f600}\r\nItem    Sum   Tax\r\nToner   1.00  2.00\r\n-- \r\nJane\u{c}page two\r\n";
    let source = Source::Text(TextSource {
        flowed: true,
        heading: vec![("Subject".into(), "Letter".into())],
        only_if_telling: true,
        ..TextSource::default()
    });
    every_mutant_ends_in_pages_or_a_sentence("text", &source, &[text.repeat(3).into_bytes()]);
}

#[test]
fn mutants_of_html() {
    let html = "<html><head><meta charset=utf-8><style>p{}</style></head><body><h1>Offer</h1><p>See <a \
                href='https://a.example/x'>the <b>web</b></a> &amp; &#x20ac; &uuml;</p><table><tr><td colspan=2>a<td>b\
                <tr><td><table><tr><td>in</table><td>c</table><ul><li>one<ol><li>two</ol></ul><pre>x   y</pre>\
                <blockquote>q</blockquote><img alt=logo src=cid:x><!-- c --></body></html>";
    let source = Source::Text(TextSource {
        html: true,
        ..TextSource::default()
    });
    every_mutant_ends_in_pages_or_a_sentence("html", &source, &[html.as_bytes().to_vec()]);
}
