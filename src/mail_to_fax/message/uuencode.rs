//! Files inside of a text: uuencode (POSIX), both alphabets, and base64 without a header of its own.

use super::encoding::{decode_base64, is_base64};

/// A piece of a text that is taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t [u8]),
    File {
        name: String,
        octets: Vec<u8>,
    },
    /// It begins as an encoded file does and does not end as one.
    Damaged(String),
}

/// Octets of a name that is shown.
const MAX_NAME: usize = 200;

/// The pieces of a text with encoded files in it; none where it has no such file. Prose may begin a line with "begin".
pub(super) fn pieces(text: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let (mut at, mut text_begin) = (0, 0);
    while at < text.len() {
        let next = at + line_length(&text[at..]);
        if let Some(begin) = Begin::read(&text[at..next])
            && let Some((file, length)) = begin.file(&text[next..])
        {
            pieces.push(Piece::Text(&text[text_begin..at]));
            pieces.push(file);
            at = next + length;
            text_begin = at;
            continue;
        }
        at = next;
    }
    if pieces.is_empty() {
        return None;
    }
    pieces.push(Piece::Text(&text[text_begin..]));
    Some(pieces)
}

/// A whole part in this encoding, whose first line may be missing.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    while at < encoded.len() {
        let next = at + line_length(&encoded[at..]);
        if let Some(begin) = Begin::read(&encoded[at..next]) {
            return match begin.file(&encoded[next..])? {
                (Piece::File { octets, .. }, _) => Some(octets),
                _ => None,
            };
        }
        at = next;
    }
    let bare = Begin {
        name: String::new(),
        base64: false,
    };
    match bare.file(encoded.trim_ascii_start()) {
        Some((Piece::File { octets, .. }, _)) => Some(octets),
        _ => None,
    }
}

fn line_length(text: &[u8]) -> usize {
    let end = text.iter().position(|octet| *octet == b'\n');
    end.map_or(text.len(), |end| end + 1)
}

/// The line that begins a file.
struct Begin {
    name: String,
    base64: bool,
}

impl Begin {
    /// `begin 644 name`, `begin-base64 644 name`.
    fn read(line: &[u8]) -> Option<Begin> {
        let line = line.trim_ascii_end();
        let rest = line.strip_prefix(b"begin")?;
        let (base64, rest) = match rest.strip_prefix(b"-base64") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
        let digits = rest.iter().take_while(|octet| matches!(octet, b'0'..=b'7'));
        let mode = digits.count();
        if !(3..=6).contains(&mode) {
            return None;
        }
        let name = rest[mode..].strip_prefix(b" ")?.trim_ascii();
        let name = name.strip_prefix(b"\"").unwrap_or(name);
        let name = name.strip_suffix(b"\"").unwrap_or(name);
        (!name.is_empty()).then(|| Begin {
            name: String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]).into_owned(),
            base64,
        })
    }

    /// The file that follows and the length of its text, if what follows is a file.
    fn file<'t>(self, text: &[u8]) -> Option<(Piece<'t>, usize)> {
        match self.base64 {
            true => self.base64_file(text),
            false => self.uu_file(text),
        }
    }

    fn uu_file<'t>(self, text: &[u8]) -> Option<(Piece<'t>, usize)> {
        let mut octets = Vec::new();
        let (mut at, mut lines, mut blank) = (0, 0, false);
        while at < text.len() {
            let next = at + line_length(&text[at..]);
            let line = without_line_end(&text[at..next]);
            if line.trim_ascii_end() == b"end" && (lines > 0 || blank) {
                let name = self.name;
                return Some((Piece::File { name, octets }, next));
            }
            // Mailers fold in blank lines, and cut the space off that stands for a length of 0.
            if !line.trim_ascii().is_empty() {
                if !decode_line(line, &mut octets) {
                    break;
                }
                lines += 1;
            } else {
                blank = true;
            }
            at = next;
        }
        match lines {
            0 => None,
            // A part in this encoding has no "end" where a mailer thought it had said so.
            _ if self.name.is_empty() && at == text.len() => {
                let name = self.name;
                Some((Piece::File { name, octets }, at))
            }
            _ => Some((Piece::Damaged(self.name), at)),
        }
    }

    fn base64_file<'t>(self, text: &[u8]) -> Option<(Piece<'t>, usize)> {
        let mut at = 0;
        while at < text.len() {
            let next = at + line_length(&text[at..]);
            let line = text[at..next].trim_ascii();
            if line == b"====" {
                let octets = decode_base64(&text[..at]);
                let name = self.name;
                return Some(match octets {
                    Some(octets) => (Piece::File { name, octets }, next),
                    None => (Piece::Damaged(name), next),
                });
            }
            if !line.iter().all(|octet| is_base64(*octet)) {
                break;
            }
            at = next;
        }
        (at > 0).then_some((Piece::Damaged(self.name), at))
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Appends what a line holds; false where it is no such line. Spaces at its end may be lost.
fn decode_line(line: &[u8], octets: &mut Vec<u8>) -> bool {
    let is_ours = |octet: &u8| matches!(octet, b' '..=b'`');
    let Some((length, digits)) = line.split_first() else {
        return false;
    };
    if !line.iter().all(is_ours) {
        return false;
    }
    let length = usize::from((length - b' ') & 0x3F);
    let digits_of = |octets: usize| octets.div_ceil(3) * 4;
    let trimmed = digits.trim_ascii_end().len();
    // One more for a check digit of old encoders; fewer where the last group is not filled up.
    if trimmed > digits_of(length) + 1 {
        return false;
    }
    let needed = (length * 8).div_ceil(6);
    let is_whole = digits.len() >= needed || (trimmed..=needed).contains(&digits.len());
    // What is lost can only be spaces: more than a few of them is prose.
    if !is_whole || (digits.len() < needed && needed - trimmed > 8) {
        return false;
    }
    let digit = |n: usize| {
        digits
            .get(n)
            .map_or(0, |octet| (octet.wrapping_sub(b' ')) & 0x3F)
    };
    for n in 0..length {
        let (group, place) = (n / 3 * 4, n % 3);
        let (high, low) = (digit(group + place), digit(group + place + 1));
        octets.push(match place {
            0 => high << 2 | low >> 4,
            1 => high << 4 | low >> 2,
            _ => high << 6 | low,
        });
    }
    true
}

// ---- base64 that nobody declared ----

/// Characters of the shortest line of a file, and lines of the shortest file that is none by chance.
const FULL_LINE: usize = 56;
const MANY_LINES: usize = 20;

/// Where base64 stands in a text: the first run of full lines of it, the shorter one at its end included.
pub(super) fn base64_run(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let (mut at, mut begin) = (0, None);
    while at < text.len() {
        let next = at + line_length(&text[at..]);
        let line = text[at..next].trim_ascii();
        let is_ours = !line.is_empty() && line.iter().all(|octet| is_base64(*octet));
        match begin {
            None if is_ours && line.len() >= FULL_LINE && is_mixed(line) => begin = Some(at),
            Some(begin) if !is_ours => return Some(begin..at),
            Some(begin) if line.len() < FULL_LINE => return Some(begin..next),
            _ => {}
        }
        at = next;
    }
    begin.map(|begin| begin..text.len())
}

/// Whether such a run is longer than a key or a signature.
pub(super) fn is_long(run: &[u8]) -> bool {
    run.split(|octet| *octet == b'\n').count() > MANY_LINES
}

/// A line of one letter or of digits is drawn or written by somebody.
fn is_mixed(line: &[u8]) -> bool {
    let has = |is_one: fn(&u8) -> bool| usize::from(line.iter().any(is_one));
    let kinds = has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_digit)
        + has(|octet| matches!(octet, b'+' | b'/'));
    kinds > 1
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As `uuencode name` writes it, with zeros as `zero`.
    pub(in super::super) fn encode(name: &str, octets: &[u8], zero: char) -> String {
        let digit = |value: u8| match value & 0x3F {
            0 => zero,
            value => char::from(b' ' + value),
        };
        let mut out = format!("begin 644 {name}\r\n");
        for line in octets.chunks(45) {
            out.push(digit(line.len() as u8));
            for group in line.chunks(3) {
                let at = |n: usize| group.get(n).copied().unwrap_or(0);
                for value in [
                    at(0) >> 2,
                    at(0) << 4 | at(1) >> 4,
                    at(1) << 2 | at(2) >> 6,
                    at(2),
                ] {
                    out.push(digit(value));
                }
            }
            out += "\r\n";
        }
        out + &format!("{zero}\r\nend\r\n")
    }

    #[test]
    fn files_of_every_length_come_out_of_a_text() {
        for length in 0..200u8 {
            let octets: Vec<u8> = (0..length).map(|n| n.wrapping_mul(n)).collect();
            for zero in ['`', ' '] {
                let encoded = encode("a b.pdf", &octets, zero);
                for encoded in [encoded.clone(), encoded.replace(" \r\n", "\r\n")] {
                    let text = format!("before\r\n{encoded}behind");
                    let whole = pieces(text.as_bytes());
                    let Some(
                        [
                            Piece::Text(before),
                            Piece::File { name, octets: read },
                            behind,
                        ],
                    ) = whole.as_deref()
                    else {
                        panic!("{text}: {whole:?}");
                    };
                    assert_eq!((name.as_str(), *before), ("a b.pdf", &b"before\r\n"[..]));
                    assert_eq!(*behind, Piece::Text(b"behind"));
                    assert_eq!(*read, octets, "{text}");
                    assert_eq!(decode(encoded.as_bytes()), Some(octets.clone()));
                }
            }
        }
    }

    #[test]
    fn prose_stays_prose_and_half_a_file_is_damaged() {
        for prose in [
            "begin 644 is how the chapter starts.\r\nThe end\r\nend\r\n",
            "begin 644 x\r\n\r\nend of story",
            "begin at 644 Main Street\r\nend",
            "We begin 644 letters\r\nend",
            "begin 644\r\nend",
            "begin 644 is how it starts\r\nend\r\n",
        ] {
            assert_eq!(pieces(prose.as_bytes()), None, "{prose}");
        }
        let whole = encode("x.pdf", &[7; 300], '`');
        let cut = &whole[..200];
        assert!(matches!(
            pieces(cut.as_bytes()).as_deref(),
            Some([_, Piece::Damaged(_), _])
        ));
    }

    #[test]
    fn base64_is_found_in_a_text_and_words_are_not() {
        let line = "JVBERi0xLjMKJZOMi54gUmVwb3J0TGFiIEdlbmVyYXRlZCBQREYgZG9jdW1lbnQgKG9w\r\n";
        let text = format!("Hello\r\n\r\n{}AAAA\r\nbye\r\n", line.repeat(3));
        let run = base64_run(text.as_bytes()).unwrap();
        assert_eq!(run, 9..9 + 3 * line.len() + 6);
        for none in [
            "=".repeat(70),
            "A".repeat(80),
            format!("{}\r\nx", "word ".repeat(30)),
            String::new(),
        ] {
            assert_eq!(base64_run(none.as_bytes()), None, "{none}");
        }
    }
}
