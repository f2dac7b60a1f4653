//! Transfer encodings (RFC 2045 6), as they are declared and as they are meant.

use std::borrow::Cow;

use mail_parser::decoders::base64::{base64_decode, base64_decode_stream};
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::uuencode;

/// How octets became text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
    Unknown(String),
}

impl Encoding {
    /// What a value of Content-Transfer-Encoding means. RFC 2045 allows comments; quotes, a semicolon, a hyphen too many or
    /// too few and the character set in its place are common. Of a list the encoding counts that changes octets.
    pub(super) fn declared(value: &str) -> Encoding {
        let value = without_comments(value).to_ascii_lowercase();
        let mut found = Encoding::Identity;
        for name in value.split([';', ',']) {
            match Encoding::named(name) {
                Encoding::Identity => {}
                other => {
                    found = other;
                    if !matches!(found, Encoding::Unknown(_)) {
                        break;
                    }
                }
            }
        }
        found
    }

    fn named(name: &str) -> Encoding {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match letters.strip_prefix('x').unwrap_or(&letters) {
            "" | "7bit" | "8bit" | "7bits" | "8bits" | "7" | "8" | "7bitascii" | "binary"
            | "bin" | "bit" | "none" | "identity" | "plain" | "text" | "textplain" | "raw"
            | "unicode" | "ascii" => Encoding::Identity,
            "base64" | "b64" | "base64encoded" | "mimebase64" | "base64mime" | "b" => {
                Encoding::Base64
            }
            "quotedprintable" | "quotedprintible" | "quotedprint" | "quoted" | "qp" | "q" => {
                Encoding::QuotedPrintable
            }
            "uuencode" | "uuencoded" | "uue" | "uu" => Encoding::Uuencode,
            _ if is_charset(name) => Encoding::Identity,
            _ => Encoding::Unknown(name.trim().to_owned()),
        }
    }

    /// The octets behind the text; `None` where the text is none of this encoding.
    pub(super) fn decode<'m>(&self, encoded: &'m [u8]) -> Option<Cow<'m, [u8]>> {
        match self {
            Encoding::Identity => Some(Cow::Borrowed(encoded)),
            Encoding::Base64 => decode_base64(encoded).map(Cow::Owned),
            Encoding::QuotedPrintable => quoted_printable_decode(encoded).map(Cow::Owned),
            Encoding::Uuencode => uuencode::decode(encoded).map(Cow::Owned),
            Encoding::Unknown(_) => None,
        }
    }

    /// As it is called in a sentence.
    pub(super) fn name(&self) -> &str {
        match self {
            Encoding::Identity => "8bit",
            Encoding::Base64 => "base64",
            Encoding::QuotedPrintable => "quoted-printable",
            Encoding::Uuencode => "uuencode",
            Encoding::Unknown(name) => name,
        }
    }
}

/// A character set in the place of an encoding says that the octets are as they are.
fn is_charset(name: &str) -> bool {
    let name = name.trim().trim_matches('"');
    let name = name.strip_prefix("charset=").unwrap_or(name);
    let label = name.trim_matches('"').as_bytes();
    encoding_rs::Encoding::for_label(label).is_some()
}

/// Without comments in parentheses, which nest (RFC 5322 3.2.2).
pub(super) fn without_comments(value: &str) -> String {
    let mut depth = 0usize;
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// RFC 2045 6.8: octets outside of the alphabet are to be ignored.
pub(super) fn decode_base64(encoded: &[u8]) -> Option<Vec<u8>> {
    base64_decode(encoded).or_else(|| {
        base64_decode_stream(
            encoded.iter().filter(|octet| is_base64(**octet)),
            encoded.len(),
            u8::MAX,
        )
    })
}

pub(super) fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=')
}

/// Whether a text that is declared as base64 is written in clear: words with spaces between them are no base64.
pub(super) fn is_clear_text(encoded: &[u8]) -> bool {
    let shown = encoded.trim_ascii();
    let foreign = |octet: &&u8| !is_base64(**octet) && !matches!(octet, b'\r' | b'\n');
    shown.iter().filter(foreign).count() * 16 > shown.len()
}

/// Whether all of it is base64, as of a file whose encoding nobody declared; one line of it may be shorter than the others.
pub(super) fn is_all_base64(octets: &[u8]) -> bool {
    let text = octets.trim_ascii();
    text.len() >= 16
        && text.split(|octet| *octet == b'\n').all(|line| {
            let line = line.trim_ascii();
            !line.is_empty() && line.iter().all(|octet| is_base64(*octet))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_encodings_are_read() {
        for (encoding, spellings) in [
            (
                Encoding::Base64,
                [
                    "base64",
                    "BASE64;",
                    "\"base64\"",
                    "base64 (RFC 2045)",
                    "base-64",
                    "(a (b) c) Base64",
                    "x-base64",
                    "base64, 7bit",
                    "7bit, base64",
                    "'base64'",
                ],
            ),
            (
                Encoding::QuotedPrintable,
                [
                    "quoted-printable",
                    "Quoted_Printable",
                    "quoted printable",
                    "quotedprintable;",
                    "\"quoted-printable\"",
                    "7bit, quoted-printable",
                    "QP",
                    "quoted-printable (by us)",
                    "quoted-printible",
                    "x-quoted-printable",
                ],
            ),
            (
                Encoding::Identity,
                [
                    "7-bit",
                    "8 bit",
                    "utf-8",
                    "ISO-8859-1",
                    "binary",
                    "\"7bit\"",
                    "8bit; charset=utf-8",
                    "us-ascii",
                    "none",
                    "",
                ],
            ),
            (
                Encoding::Uuencode,
                [
                    "uuencode",
                    "x-uuencode",
                    "X-UUE",
                    "uue",
                    "x-uu",
                    "uuencoded",
                    "uuencode;",
                    "\"x-uuencode\"",
                    "uu",
                    "x-uuencode (old)",
                ],
            ),
        ] {
            for spelling in spellings {
                assert_eq!(Encoding::declared(spelling), encoding, "{spelling}");
            }
        }
        for unknown in ["x-gzip64", "rot13", "bzip2"] {
            assert!(matches!(
                Encoding::declared(unknown),
                Encoding::Unknown(name) if name == unknown
            ));
        }
    }
}
