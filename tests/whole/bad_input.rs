//! Mails that cannot be faxed. Each is refused with the code that says whose turn it is and a sentence for the person
//! who wrote it; nothing of it stays, and the next mail is taken.

use std::net::Ipv4Addr;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use postfax::pages::sample;

use crate::harness::smtp::{Client, Reply};
use crate::harness::{CLERK, HEALTHY, Site};

/// What is thrown at the gateway.
enum Bad {
    /// A client that comes from this address.
    Client(Ipv4Addr),
    /// What stands behind `MAIL FROM:`.
    Sender(&'static str),
    /// An address.
    Recipient(&'static str),
    /// So many good recipients; the reply to the last one counts.
    Recipients(u32),
    /// A command.
    Command(String),
    /// A whole mail to a good recipient.
    Mail(Vec<u8>),
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// What is wrong, how it is done, what is said.
fn table() -> Vec<(&'static str, Bad, &'static str)> {
    let recipient = Bad::Recipient;
    vec![
        // ---- who, and to whom ----
        (
            "a client of a network that is not allowed",
            Bad::Client(Ipv4Addr::new(127, 0, 0, 2)),
            "554 5.7.1 127.0.0.2 may not send faxes through this gateway; ask the administrator to add its network to \
             smtp.clients",
        ),
        (
            "a null sender",
            Bad::Sender("<>"),
            "550 5.1.7 a fax needs somebody to report to: give a full sender address (a bounce, which comes from <>, \
             is not faxed)",
        ),
        (
            "an unknown domain",
            recipient("5551234567@fax.example"),
            "550 5.1.2 fax.example is not a domain for faxes here; write to NUMBER@fax.local",
        ),
        (
            "a name instead of a number",
            recipient("reception@fax.local"),
            "550 5.1.1 \"reception\" is not a fax number; write to digits, such as 12025550123",
        ),
        (
            "a premium number",
            recipient("19005551234@fax.local"),
            "550 5.7.1 destination 19005551234 is barred here (dialing.deny): it is a premium number",
        ),
        (
            "an emergency number",
            recipient("911@fax.local"),
            "550 5.7.1 911 is an emergency number and is never faxed to",
        ),
        (
            "a country that is not allowed",
            recipient("+442079460000@fax.local"),
            "550 5.7.1 destination +442079460000 is not allowed here; ask the administrator to add it to dialing.allow: it is a number in the United Kingdom",
        ),
        (
            "an island that looks like long distance",
            recipient("8765551234@fax.local"),
            "550 5.7.1 destination 8765551234 is barred here (dialing.deny): it is a number in Jamaica, which is billed as a call abroad",
        ),
        (
            "a digit too few",
            recipient("555123456@fax.local"),
            "550 5.1.3 555123456 is no fax number: it has 9 digits without prefixes, and a number in the United States has 10: a digit is missing",
        ),
        (
            "a digit too many",
            recipient("+155512345678@fax.local"),
            "550 5.1.3 +155512345678 is no fax number: it has 11 digits without prefixes, and a number in the United States has 10: there is a digit too many",
        ),
        (
            "digits for whoever answers",
            recipient("5551234567P42@fax.local"),
            "550 5.1.3 \"5551234567P42\": no digits can be sent after a pause, or to a fax machine that has answered; write 5551234567 alone, or for a sub-address (T.33) 5551234567+sub-42",
        ),
        (
            "1,000 recipients",
            Bad::Recipients(1000),
            "452 4.5.3 at most 100 recipients are taken in one mail; send the rest in another",
        ),
        (
            "a command of 1 MB",
            Bad::Command("A".repeat(1_000_000)),
            "500 5.5.2 a command line has at most 2048 octets",
        ),
        // ---- too much ----
        (
            "100 MB, declared",
            Bad::Sender("<clerk@example.com> SIZE=104857600"),
            "552 5.3.4 the message has 104.9 MB, and at most 31.5 MB is taken here",
        ),
        (
            "100 MB, undeclared",
            Bad::Mail(lines(100 << 20)),
            "552 5.3.4 the message is larger than 31.5 MB, the most that is taken here",
        ),
        (
            "a line of 1 MB",
            Bad::Mail(text(&"A".repeat(1_000_000))),
            "554 5.6.0 the message has a line of more than 65536 octets; attach documents in base64",
        ),
        (
            "a NUL",
            Bad::Mail(text("before\0behind")),
            "554 5.6.0 the message has a NUL octet in it; attach documents in base64",
        ),
        // ---- documents ----
        (
            "nothing in it",
            Bad::Mail(text(" ")),
            "554 5.6.0 there is nothing to fax (text of the mail: it is blank); attach the pages, or write them as text",
        ),
        (
            "a Word document",
            Bad::Mail(attached(
                "letter.docx",
                DOCX,
                b"PK\x03\x04 word/document.xml and so on",
            )),
            "554 5.6.1 the attachment \"letter.docx\" cannot be faxed: it is a Word document, which cannot be read here; \
             please send it as PDF",
        ),
        (
            "a Word document named .pdf",
            pdf(b"PK\x03\x04 word/document.xml and so on"),
            "554 5.6.1 the attachment \"letter.pdf\" cannot be faxed: it is a Word document, which cannot be read here; \
             please send it as PDF",
        ),
        (
            "a Word document with a password",
            Bad::Mail(attached("letter.docx", DOCX, &ole("EncryptedPackage"))),
            "554 5.6.1 the attachment \"letter.docx\" cannot be faxed: it is an Office document with a password, which \
             cannot be read here; please send it as PDF, without the password",
        ),
        (
            "an Outlook message",
            Bad::Mail(attached(
                "fwd.msg",
                "application/vnd.ms-outlook",
                &ole("__nameid_version1.0"),
            )),
            "554 5.6.1 the attachment \"fwd.msg\" cannot be faxed: it is an Outlook message, which cannot be read here; \
             please send it as PDF, or forward the message itself instead of attaching it",
        ),
        (
            "no PDF, named .pdf",
            pdf(b"and so on"),
            "554 5.6.1 \"letter.pdf\" cannot be faxed: it is none of what can be faxed here, whatever its name says (PDF, \
             TIFF, JPEG, PNG, GIF, WebP, BMP, HEIC, text); please send it as PDF",
        ),
        (
            "a truncated photo",
            Bad::Mail(attached(
                "photo.png",
                "image/png",
                &truncated(sample::pictures::png(64)),
            )),
            "554 5.6.1 \"photo.png\" cannot be faxed: it is damaged and cannot be read as PNG",
        ),
        (
            "a PDF of 0 bytes",
            pdf(b""),
            "554 5.6.1 \"letter.pdf\" cannot be faxed: it is empty (0 bytes)",
        ),
        (
            "a PDF without pages",
            pdf(&sample::without_pages()),
            "554 5.6.1 \"letter.pdf\" cannot be faxed: it has no pages",
        ),
        (
            "an encrypted PDF",
            pdf(&sample::encrypted()),
            "554 5.6.1 \"letter.pdf\" cannot be faxed: it is protected with a password; please send it without",
        ),
        (
            "a truncated PDF",
            pdf(&truncated(sample::demo_document())),
            "554 5.6.1 \"letter.pdf\" cannot be faxed: it is damaged and cannot be read as PDF",
        ),
        (
            "200 pages where 100 are allowed",
            pdf(&sample::numbered_pages(200)),
            "552 5.3.4 \"letter.pdf\" has 200 pages, and at most 100 are allowed in a fax",
        ),
    ]
}

#[test]
fn each_bad_mail_gets_its_sentence_and_leaves_nothing() {
    let site = Site::with(|config| config.smtp.clients = vec!["127.0.0.1/32".parse().unwrap()]);
    for (what, bad, sentence) in table() {
        let reply = throw(&site, bad);
        let said = format!("{} {}", reply.code, reply.text);
        assert_eq!(said, sentence, "{what}");
        assert!(site.faxes().is_empty(), "{what} left a fax");
        assert_eq!(files_left(&site), Vec::<String>::new(), "{what} left files");
    }
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    assert_eq!(site.fax().number, HEALTHY);
    site.check();
}

/// Throws it, and hears the reply that counts.
fn throw(site: &Site, bad: Bad) -> Reply {
    let mut client = match bad {
        Bad::Client(address) => return greeting(site, address),
        _ => site.smtp(),
    };
    let begin = |client: &mut Client| client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    match bad {
        Bad::Client(_) => unreachable!("has returned"),
        Bad::Sender(path) => client.say(&format!("MAIL FROM:{path}")),
        Bad::Command(command) => client.say(&command),
        Bad::Recipient(address) => {
            begin(&mut client);
            client.say(&format!("RCPT TO:<{address}>"))
        }
        Bad::Recipients(count) => {
            begin(&mut client);
            let one = |n| client.say(&format!("RCPT TO:<555200{n:04}@fax.local>"));
            let replies: Vec<Reply> = (0..count).map(one).collect();
            assert!(replies[..100].iter().all(|reply| reply.code == 250));
            assert!(replies[100..].iter().all(|reply| reply.code == 452));
            replies.into_iter().next_back().expect("there are some")
        }
        Bad::Mail(mail) => {
            begin(&mut client);
            client.expect(&format!("RCPT TO:<{HEALTHY}@fax.local>"), 250);
            client.expect("DATA", 354);
            client.data(&mail)
        }
    }
}

/// What a client from this address hears instead of a greeting.
fn greeting(site: &Site, from: Ipv4Addr) -> Reply {
    Client::connect_from(from.into(), site.config.smtp.listen[0]).reply()
}

/// What lies in the spool and among the blobs.
pub fn files_left(site: &Site) -> Vec<String> {
    let mut folders = vec![
        site.config.state_dir.join("incoming"),
        site.config.state_dir.join("blobs"),
    ];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the state can be read") {
            let path = entry.expect("the state can be read").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path.display().to_string()),
            }
        }
    }
    files
}

// ---- mails ----

fn pdf(octets: &[u8]) -> Bad {
    Bad::Mail(attached("letter.pdf", "application/pdf", octets))
}

fn attached(name: &str, kind: &str, octets: &[u8]) -> Vec<u8> {
    let kind = ContentType::parse(kind).expect("a type");
    let attachment = Attachment::new(name.to_owned()).body(octets.to_vec(), kind);
    let parts = MultiPart::mixed()
        .singlepart(SinglePart::plain("See attached.\r\n".to_owned()))
        .singlepart(attachment);
    let mail = Message::builder()
        .from(CLERK.parse().expect("an address"))
        .to(format!("{HEALTHY}@fax.local").parse().expect("an address"))
        .subject("A letter")
        .multipart(parts);
    mail.expect("a mail").formatted()
}

/// A container of Microsoft with a stream of this name.
fn ole(stream: &str) -> Vec<u8> {
    let name: Vec<u8> = stream.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".as_slice(), &name].concat()
}

/// A mail that has only text, as it is.
fn text(text: &str) -> Vec<u8> {
    format!("From: <{CLERK}>\r\nSubject: A letter\r\n\r\n{text}\r\n").into_bytes()
}

/// A mail of so many octets, and some more.
fn lines(octets: usize) -> Vec<u8> {
    let line = format!("{}\r\n", "A".repeat(998));
    text(&line.repeat(octets / line.len() + 1))
}

/// The first half: what a broken download leaves.
fn truncated(mut pdf: Vec<u8>) -> Vec<u8> {
    pdf.truncate(pdf.len() / 2);
    pdf
}
