//! The MIME tree of a letter (RFC 2046, 2387, 6522).

use lettre::message::header::{
    ContentId, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{self, MultiPart, SinglePart};

use super::report::{Report, Returned};

/// What a letter says, in all its forms.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) picture: Option<Picture<'a>>,
    pub(super) report: Option<&'a Report>,
    pub(super) attachment: Option<Attachment<'a>>,
}

/// A picture that the HTML shows (RFC 2392).
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Its Content-ID, without angle brackets: what stands behind `cid:` in the HTML.
    pub cid: &'a str,
    /// The octets of a PNG.
    pub png: &'a [u8],
}

/// What hangs on a letter.
#[derive(Debug, Clone)]
pub enum Attachment<'a> {
    /// A PDF, and the name it gets, which must be a plain one: other characters than `A-Za-z0-9+-.` become `_`.
    Pdf(String, &'a [u8]),
    /// A mail of ours, as it was.
    Mail(&'a [u8]),
}

/// A mail's body.
pub(super) enum Tree {
    Leaf(SinglePart),
    Branch(MultiPart),
}

impl Body<'_> {
    /// The tree. Boundaries are made of the Message-ID, so that the same facts make the same octets, and a letter
    /// within a letter has other ones.
    pub(super) fn tree(self, message_id: &str) -> Tree {
        let left = message_id.trim_start_matches('<').split('@').next();
        let left: String = left.unwrap_or_default().chars().take(50).collect();
        let branch = |kind: &str, letter: char| branch(kind, &format!("=_{letter}.{left}"));
        let words = words(self.text, self.html, self.picture, &branch);
        match (self.report, self.attachment) {
            (Some(report), _) => {
                // RFC 6522 3: the words, the report, the mail it is about.
                let kind = "report; report-type=delivery-status";
                let parts = words.under(branch(kind, 'r'));
                let parts = parts.singlepart(status(report));
                Tree::Branch(match &report.returned {
                    None => parts,
                    Some(returned) => {
                        if !returned.is_seven_bit() {
                            let mut parts = parts.singlepart(about(returned));
                            // RFC 2045 6.4: what holds 8bit is 8bit.
                            parts.headers_mut().set(ContentTransferEncoding::EightBit);
                            return Tree::Branch(parts);
                        }
                        parts.singlepart(about(returned))
                    }
                })
            }
            (None, None) => words,
            (None, Some(attachment)) => {
                let parts = words.under(branch("mixed", 'm'));
                Tree::Branch(parts.singlepart(match attachment {
                    Attachment::Pdf(name, pdf) => attached_pdf(&name, pdf),
                    Attachment::Mail(mail) => raw("message/rfc822", mail.to_vec()),
                }))
            }
        }
    }
}

impl Tree {
    /// This as the first part of `parent`.
    fn under(self, parent: MultiPart) -> MultiPart {
        match self {
            Tree::Leaf(part) => parent.singlepart(part),
            Tree::Branch(parts) => parent.multipart(parts),
        }
    }
}

/// The text, and beside it the HTML with its picture.
fn words(
    text: String,
    html: Option<String>,
    picture: Option<Picture<'_>>,
    branch: &impl Fn(&str, char) -> MultiPart,
) -> Tree {
    let text = SinglePart::plain(text);
    let Some(html) = html else {
        return Tree::Leaf(text);
    };
    let both = branch("alternative", 'a').singlepart(text);
    let html = SinglePart::html(html);
    Tree::Branch(match picture {
        None => both.singlepart(html),
        Some(picture) => {
            let shown = branch("related; type=\"text/html\"", 's').singlepart(html);
            both.multipart(shown.singlepart(inline_png(picture)))
        }
    })
}

/// RFC 2045 6.7: "=_" occurs neither in quoted-printable nor in base64.
fn branch(kind: &str, boundary: &str) -> MultiPart {
    let content_type = format!("multipart/{kind}; boundary=\"{boundary}\"");
    let content_type = ContentType::parse(&content_type).expect("a media type");
    MultiPart::builder().header(content_type).build()
}

/// `message/delivery-status` (RFC 3464 2.1): 7bit.
fn status(report: &Report) -> SinglePart {
    raw("message/delivery-status", report.fields().into_bytes())
}

fn about(returned: &Returned) -> SinglePart {
    match returned {
        Returned::Headers(headers) => raw("text/rfc822-headers", headers.clone()),
        Returned::Whole(mail) => raw("message/rfc822", mail.clone()),
    }
}

/// Octets that are mail already, as they are.
fn raw(kind: &str, octets: Vec<u8>) -> SinglePart {
    let encoding = match octets.is_ascii() {
        true => ContentTransferEncoding::SevenBit,
        false => ContentTransferEncoding::EightBit,
    };
    SinglePart::builder()
        .header(ContentType::parse(kind).expect("a media type"))
        .body(message::Body::dangerous_pre_encoded(octets, encoding))
}

fn inline_png(picture: Picture<'_>) -> SinglePart {
    SinglePart::builder()
        .header(ContentType::parse("image/png").expect("a media type"))
        .header(ContentId::from(format!("<{}>", picture.cid)))
        .header(FileName("inline", "page-1.png".to_owned()))
        .body(base64(picture.png))
}

fn attached_pdf(name: &str, pdf: &[u8]) -> SinglePart {
    SinglePart::builder()
        .header(ContentType::parse("application/pdf").expect("a media type"))
        .header(FileName("attachment", name.to_owned()))
        .body(base64(pdf))
}

/// Always base64: left to itself lettre sends an ASCII-only PDF as 7bit, and its line ends would not survive.
fn base64(octets: &[u8]) -> message::Body {
    message::Body::new_with_encoding(octets.to_vec(), ContentTransferEncoding::Base64)
        .expect("base64 takes every octet")
}

/// `Content-Disposition` (RFC 2183) with a name on a line of its own. lettre would cut the name of a fax in
/// continuations (RFC 2231 3), which not every mail program puts together again.
#[derive(Clone)]
struct FileName(&'static str, String);

impl Header for FileName {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(value: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(FileName("attachment", value.to_string()))
    }

    fn display(&self) -> HeaderValue {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "+-.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let FileName(disposition, name) = self;
        let name: String = name.chars().map(plain).take(60).collect();
        let folded = format!("{disposition};\r\n filename=\"{name}\"");
        HeaderValue::dangerous_new_pre_encoded(Self::name(), name, folded)
    }
}
