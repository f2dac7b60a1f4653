//! Short plain letters, of which it is plain without setting them that they are one page.

use super::{Line, TextSource, charset, plain, telling};
use crate::pages::render::Found;

/// Columns and lines that a page has room for whatever the letters: the widest of ASCII takes 10 points of the 500 of a
/// line, a line 14.3 of the 690 of letter paper.
const COLUMNS: usize = 45;
const LINES: usize = 40;

/// Octets beyond which no text is short.
const OCTETS: usize = 4000;

/// What a look through the text would find, where that needs no font; `None`: it has to be set.
pub fn found_at_once(source: &TextSource, octets: &[u8]) -> Option<Found> {
    if source.html || octets.len() > OCTETS {
        return None;
    }
    let text = charset::decode(octets, source.charset.as_deref(), false);
    let heading = source.heading.iter();
    let heading: Vec<String> = heading
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let is_plain = |text: &str| text.is_ascii() && !text.contains('\u{c}');
    if !is_plain(&text) || !heading.iter().all(|line| is_plain(line)) {
        return None;
    }
    let lines = plain::lines(&text, source.flowed);
    if let Some(why) = telling::left_out(&lines, source.only_if_telling) {
        return Some(Found::LeftOut(why));
    }
    let body: usize = lines.iter().map(|line| wrapped(&Line::text(line))).sum();
    let above: usize = heading.iter().map(|line| wrapped(line)).sum();
    (body + above < LINES).then_some(Found::Pages(1))
}

/// The lines that a paragraph takes at most.
fn wrapped(paragraph: &str) -> usize {
    let (mut lines, mut column) = (1, 0);
    for word in paragraph.split(' ') {
        let width = word.len();
        if column + width > COLUMNS && column > 0 {
            lines += 1;
            column = 0;
        }
        // A word that is wider than the page is broken.
        lines += width.saturating_sub(1) / COLUMNS;
        column += width % COLUMNS + 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::layout::Paper;
    use crate::pages::text::{LeftOut, TextPages};

    fn source() -> TextSource {
        TextSource {
            heading: vec![("Subject".into(), "A letter".into())],
            ..TextSource::default()
        }
    }

    fn set(text: &str) -> Result<u32, LeftOut> {
        let pages = TextPages::set(&source(), text.as_bytes(), Paper::Letter).unwrap();
        pages.map(|pages| pages.pages())
    }

    #[test]
    fn what_is_called_one_page_is_one_page_when_it_is_set() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sure = 0;
        for round in 0..60 {
            // The widest letters there are, and words of every length.
            let letters = [b"W@".as_slice(), b"m %W", b"letters and words"][round % 3];
            let lines = random.usize(1..60);
            let text: Vec<String> = (0..lines)
                .map(|_| {
                    let words = random.usize(0..9);
                    let word = |random: &mut fastrand::Rng| {
                        let length = random.usize(1..30);
                        (0..length)
                            .map(|_| char::from(letters[random.usize(..letters.len())]))
                            .collect::<String>()
                    };
                    (0..words)
                        .map(|_| word(&mut random))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            let text = text.join("\r\n");
            if let Some(Found::Pages(pages)) = found_at_once(&source(), text.as_bytes()) {
                assert_eq!(Ok(pages), set(&text), "{text}");
                sure += 1;
            }
        }
        assert!(sure > 5, "{sure}");
    }

    #[test]
    fn a_blank_text_is_left_out_as_it_is_when_it_is_set() {
        let found = found_at_once(&source(), b" \r\n\r\n");
        let Some(Found::LeftOut(why)) = found else {
            panic!("{found:?}");
        };
        assert_eq!(Err(why), set(" \r\n\r\n"));
    }

    #[test]
    fn what_is_not_plain_has_to_be_set() {
        let utf16 = TextSource {
            charset: Some("utf-16le".into()),
            ..source()
        };
        assert_eq!(
            found_at_once(&utf16, "W\u{4e00}".repeat(20).as_bytes()),
            None
        );
        for text in ["J\u{fc}rgen", "one\u{c}two", &"line\r\n".repeat(60)] {
            assert_eq!(found_at_once(&source(), text.as_bytes()), None, "{text}");
        }
        let html = TextSource {
            html: true,
            ..source()
        };
        assert_eq!(found_at_once(&html, b"<p>letter"), None);
    }
}
