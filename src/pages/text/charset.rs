//! Octets to characters.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Octets of an HTML document in which it says its character set (HTML Living Standard 4.2.5.4).
const DECLARED_WITHIN: usize = 1024;

/// The text in its declared character set, or in what it most likely is.
pub(super) fn decode(octets: &[u8], declared: Option<&str>, html: bool) -> String {
    let declared = declared.and_then(|name| Encoding::for_label(name.trim().as_bytes()));
    let declared = declared.or_else(|| html.then(|| in_html(octets)).flatten());
    let encoding = declared
        // RFC 2045 5.2 has us-ascii, which the labels take as windows-1252; what is UTF-8 by luck is UTF-8.
        .filter(|encoding| *encoding != WINDOWS_1252 || std::str::from_utf8(octets).is_err())
        .unwrap_or_else(|| guessed(octets));
    let (text, _, _) = encoding.decode(octets);
    text.into_owned()
}

fn guessed(octets: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(octets) {
        Ok(_) => UTF_8,
        // A byte order mark overrules this in `decode`.
        Err(_) => WINDOWS_1252,
    }
}

fn in_html(octets: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&octets[..octets.len().min(DECLARED_WITHIN)]).to_lowercase();
    let (_, value) = head.split_once("charset=")?;
    let name: String = value
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:".contains(*c))
        .collect();
    Encoding::for_label(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_set_is_read() {
        let expected = "Gr\u{fc}\u{df}e";
        for (octets, declared) in [
            (&b"Gr\xC3\xBC\xC3\x9Fe"[..], Some("utf-8")),
            (b"Gr\xC3\xBC\xC3\x9Fe", None),
            // A mailer that says ASCII and means UTF-8.
            (b"Gr\xC3\xBC\xC3\x9Fe", Some("us-ascii")),
            (b"Gr\xFC\xDFe", Some("ISO-8859-1")),
            (b"Gr\xFC\xDFe", Some("no such set")),
            (b"Gr\xFC\xDFe", None),
            (b"\xFF\xFEG\0r\0\xFC\0\xDF\0e\0", None),
            (b"\0G\0r\0\xFC\0\xDF\0e", Some("utf-16be")),
        ] {
            assert_eq!(decode(octets, declared, false), expected, "{declared:?}");
        }
        let japanese = b"\x1B$B%U%!%C%/%9\x1B(B";
        assert_eq!(
            decode(japanese, Some("iso-2022-jp"), false),
            "\u{30d5}\u{30a1}\u{30c3}\u{30af}\u{30b9}"
        );
        let html = b"<meta charset=\"koi8-r\"><p>\xc6\xc1\xcb\xd3";
        assert!(decode(html, None, true).ends_with("\u{444}\u{430}\u{43a}\u{441}"));
    }
}
