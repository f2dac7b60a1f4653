//! Mails that go in and mails that come out.

use std::path::Path;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use mail_parser::{MessageParser, MimeHeaders};
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{FaxPage, g4, pdf, tiff};

use super::CLERK;

/// The addresses of these numbers at the gateway.
pub fn addresses(numbers: &[&str]) -> Vec<String> {
    numbers.iter().map(|n| format!("{n}@fax.local")).collect()
}

/// The clerk's mail with these PDFs, to these numbers.
pub fn with_pdfs(numbers: &[&str], pdfs: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = Message::builder()
        .from(CLERK.parse().expect("an address"))
        .subject("Letter of intent");
    for address in addresses(numbers) {
        builder = builder.to(address.parse().expect("an address"));
    }
    let mut parts =
        MultiPart::mixed().singlepart(SinglePart::plain("See attached.\r\n".to_owned()));
    for (n, pdf) in (1..).zip(pdfs) {
        let kind = ContentType::parse("application/pdf").expect("a type");
        let attachment = Attachment::new(format!("letter-{n}.pdf")).body(pdf.clone(), kind);
        parts = parts.singlepart(attachment);
    }
    builder.multipart(parts).expect("a mail").formatted()
}

/// A mail that the gateway wrote.
#[derive(Debug, Clone)]
pub struct Mail {
    /// `Subject`.
    pub subject: String,
    /// `Message-ID`.
    pub message_id: String,
    /// The text.
    pub text: String,
    /// The PDF, if there is one.
    pub pdf: Option<Vec<u8>>,
    /// The mail that is attached to it, if there is one.
    pub attached: Option<Box<Mail>>,
}

impl Mail {
    /// Takes one apart.
    pub fn read(octets: &[u8]) -> Mail {
        Mail::of(&MessageParser::default().parse(octets).expect("a mail"))
    }

    fn of(mail: &mail_parser::Message<'_>) -> Mail {
        let mut attached = mail.attachments().filter_map(|part| part.message());
        let pdf = mail
            .attachments()
            .find(|part| part.attachment_name().is_some_and(|n| n.ends_with(".pdf")));
        Mail {
            subject: mail.subject().unwrap_or_default().to_owned(),
            message_id: mail.message_id().unwrap_or_default().to_owned(),
            text: mail.body_text(0).unwrap_or_default().into_owned(),
            pdf: pdf.map(|part| part.contents().to_vec()),
            attached: attached.next().map(|mail| Box::new(Mail::of(mail))),
        }
    }

    /// The pages in its PDF.
    pub fn pictures(&self) -> Vec<Bitmap> {
        let pdf = self.pdf.as_ref().expect("the mail has a PDF");
        pdf::pictures(pdf).expect("a PDF of fax pages")
    }
}

/// The mails in a Maildir.
pub fn in_maildir(maildir: &Path) -> Vec<Mail> {
    let entries = std::fs::read_dir(maildir.join("new"));
    let mut paths: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("the mail can be read");
    paths.iter().map(|path| Mail::read(&read(path))).collect()
}

/// The pages in a TIFF.
pub fn pages_in(file: &Path) -> Vec<FaxPage> {
    let octets = std::fs::read(file).expect("the TIFF can be read");
    tiff::read(&octets).expect("a TIFF of fax pages")
}

/// Pages as pictures, to be compared pel for pel.
pub fn pictures(pages: &[FaxPage]) -> Vec<Bitmap> {
    let decode = |page: &FaxPage| g4::decode(&page.g4, page.width, page.height);
    pages
        .iter()
        .map(|page| decode(page).expect("T.6"))
        .collect()
}
