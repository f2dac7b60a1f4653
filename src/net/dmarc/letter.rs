//! What of a mail its proof needs: the header, read strictly, and the hashes of its body (pure).
//!
//! Two programs that read one header differently can be told two things at once. So the header of a mail from the open net
//! is to be of the form that all read alike: fields and nothing else, each that RFC 5322 has once, once.

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::Signature;
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

/// Octets of the header, signatures that are looked at, and fields that one of them may cover.
const MAX_HEADER: usize = 128 * 1024;
const MAX_SIGNATURES: usize = 10;
const MAX_COVERED: usize = 200;

/// RFC 5322 3.6, RFC 2045 3: what stands in a header at most once.
const ONCE: [&str; 14] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
];

/// Canonicalisation, hash and length of a body, and what came of them.
type BodyHash = (Canonicalization, HashAlgorithm, u64, Vec<u8>);

/// A mail without its body.
#[derive(Debug)]
pub struct Letter {
    header: Vec<u8>,
    bodies: Vec<BodyHash>,
    /// The address in From, lower-case.
    pub from: String,
}

/// Why the header proves nothing, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than any honest one has.
    #[error("its header has more than {} KB", MAX_HEADER / 1024)]
    TooLarge,
    /// RFC 5322 2.2.
    #[error("line {0} of its header is no field")]
    NoField(usize),
    /// A field of which a letter has one (RFC 5322 3.6): who reads the other one reads another author.
    #[error("its header has the field {0} twice")]
    Twice(String),
    /// RFC 5322 3.6.2 allows several authors; who of them pays?
    #[error("its From has to be one address")]
    Author,
}

impl Letter {
    /// Reads a mail, whose lines end with CRLF.
    ///
    /// # Errors
    /// What is wrong with its header.
    pub fn read(text: &[u8]) -> Result<Letter, Malformed> {
        let end = text.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.map_or(text.len(), |at| at + 4);
        if end > MAX_HEADER {
            return Err(Malformed::TooLarge);
        }
        let header = &text[..end];
        let fields = fields(header)?;
        let twice = |name: &&&str| fields.iter().filter(|it| it.0 == **name).count() > 1;
        if let Some(name) = ONCE.iter().find(twice) {
            return Err(Malformed::Twice((*name).to_owned()));
        }
        let from = fields.iter().find(|field| field.0 == "from");
        let from = from.map(|(_, value)| addresses(value)).unwrap_or_default();
        let [from] = <[String; 1]>::try_from(from).map_err(|_| Malformed::Author)?;
        let read = AuthenticatedMessage::parse(text).ok_or(Malformed::NoField(1))?;
        if read.from != [from.clone()] {
            return Err(Malformed::Author);
        }
        Ok(Letter {
            header: header.to_vec(),
            bodies: read.body_hashes,
            from,
        })
    }

    /// The mail as it is verified, with the signatures that count.
    pub(super) fn authenticated(&self) -> AuthenticatedMessage<'_> {
        let mut read = AuthenticatedMessage::parse(&self.header).unwrap_or_default();
        read.body_hashes = self.bodies.clone();
        read.dkim_headers.retain(|it| counts(&it.header));
        read.dkim_headers.truncate(MAX_SIGNATURES);
        // DKIM2 is a draft, and nobody here asks for it.
        (read.dkim2_signatures, read.dkim2_instances) = (Vec::new(), Vec::new());
        read
    }

    /// The fields of the header that a signature does not cover, lower-case.
    pub(super) fn uncovered(&self, by: &Signature) -> Vec<String> {
        let fields = fields(&self.header).unwrap_or_default();
        let names = fields.into_iter().map(|(name, _)| name);
        names.filter(|name| !covers(by, name)).collect()
    }

    /// The addresses in To and Cc, lower-case, as far as a signature covers them.
    pub(super) fn addressed(&self, by: &Signature) -> Vec<String> {
        let fields = fields(&self.header).unwrap_or_default();
        let named = fields
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "to" | "cc") && covers(by, name));
        named.flat_map(|(_, value)| addresses(value)).collect()
    }
}

/// Whether a signature is one that may prove anything.
fn counts(signature: &Signature) -> bool {
    // RFC 6376 5.4: From is signed, or the signature is none. RFC 8301 3.1: SHA-1 proves nothing.
    covers(signature, "from")
        && signature.a != Algorithm::RsaSha1
        && signature.h.len() <= MAX_COVERED
}

fn covers(signature: &Signature, name: &str) -> bool {
    signature.h.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Names, lower-case, and values. The names are what all programs take for names.
fn fields(header: &[u8]) -> Result<Vec<(String, &[u8])>, Malformed> {
    let mut fields: Vec<(String, usize, usize)> = Vec::new();
    let mut at = 0;
    for (n, line) in (1..).zip(header.split_inclusive(|octet| *octet == b'\n')) {
        let (begin, folded) = (at, line.starts_with(b" ") || line.starts_with(b"\t"));
        at += line.len();
        match fields.last_mut() {
            _ if line == b"\r\n" => break,
            Some((_, _, end)) if folded => *end = at,
            _ => {
                let (name, length) = name_of(line).ok_or(Malformed::NoField(n))?;
                fields.push((name, begin + length + 1, at));
            }
        }
    }
    let value = |(name, begin, end)| (name, &header[begin..end]);
    Ok(fields.into_iter().map(value).collect())
}

/// RFC 5322 3.6.8: printable US-ASCII but a colon, and nothing between it and the colon.
fn name_of(line: &[u8]) -> Option<(String, usize)> {
    let length = line.iter().position(|octet| *octet == b':')?;
    let name = std::str::from_utf8(&line[..length]).ok()?;
    let fits = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
    fits.then(|| (name.to_ascii_lowercase(), length))
}

/// The addresses of an address field, lower-case.
fn addresses(value: &[u8]) -> Vec<String> {
    let lower =
        |address: &mail_parser::Addr<'_>| address.address.as_ref().map(|it| it.to_lowercase());
    match MessageStream::new(value).parse_address() {
        HeaderValue::Address(Address::List(list)) => list.iter().filter_map(lower).collect(),
        HeaderValue::Address(Address::Group(groups)) => {
            let all = groups.iter().flat_map(|group| &group.addresses);
            all.filter_map(lower).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<String, Malformed> {
        let text = format!("{}\r\n\r\ntext\r\n", header.replace('\n', "\r\n"));
        Letter::read(text.as_bytes()).map(|letter| letter.from)
    }

    #[test]
    fn a_header_has_one_author_and_one_meaning() {
        let jane = Ok("jane@partner.example".to_owned());
        let twice = |name: &str| Err(Malformed::Twice(name.to_owned()));
        for (header, expected) in [
            (
                "From: Jane <Jane@Partner.example>\nTo: a@b.example",
                jane.clone(),
            ),
            (
                "from:\n jane@partner.example\nReceived: x\nReceived: y",
                jane.clone(),
            ),
            ("To: a@b.example", Err(Malformed::Author)),
            ("From: <>", Err(Malformed::Author)),
            ("From: a@b.example, c@d.example", Err(Malformed::Author)),
            (
                "From: two: a@b.example, c@d.example;",
                Err(Malformed::Author),
            ),
            ("From: a@b.example\nFrom: c@d.example", twice("from")),
            ("From: a@b.example\nfrOm: c@d.example", twice("from")),
            (
                "From: a@b.example\nSubject: 1\nSubject: 2",
                twice("subject"),
            ),
            (
                "From: a@b.example\nContent-Type: a/b\nContent-type: c/d",
                twice("content-type"),
            ),
            ("From : a@b.example", Err(Malformed::NoField(1))),
            (
                "From: a@b.example\nFrom\u{a0}: c@d.example",
                Err(Malformed::NoField(2)),
            ),
            (
                " From: a@b.example\nFrom: c@d.example",
                Err(Malformed::NoField(1)),
            ),
            (
                "From a@b.example\nFrom: c@d.example",
                Err(Malformed::NoField(1)),
            ),
            ("From: a@b.example\nnothing", Err(Malformed::NoField(2))),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
        let large = format!("From: a@b.example\nX: {}", "x".repeat(MAX_HEADER));
        assert_eq!(read(&large), Err(Malformed::TooLarge));
    }

    #[test]
    fn mutated_letters_never_panic() {
        let mut rng = fastrand::Rng::with_seed(6376);
        let seed = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=b.example; s=x; l=9;\r\n h=from:to;\
            \r\n bh=AAAA; b=AAAA\r\nFrom: Jane <a@b.example>\r\nTo: g: <c@d.example>;\r\n\r\ntext\r\n";
        for _ in 0..20_000 {
            let mut text = seed.to_vec();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..text.len());
                match rng.u8(..3) {
                    0 => text[at] = rng.u8(..),
                    1 => drop(text.remove(at)),
                    _ => text.insert(at, *rng.choice(b"\r\n:;=<>(,\0").unwrap()),
                }
            }
            if let Ok(letter) = Letter::read(&text) {
                for signature in &letter.authenticated().dkim_headers {
                    let _ = (
                        letter.uncovered(&signature.header),
                        letter.addressed(&signature.header),
                    );
                }
            }
        }
    }
}
