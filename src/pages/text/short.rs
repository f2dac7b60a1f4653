//! Short plain letters, of which it is plain without setting them that they are one page.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef};

use super::typeset::SIZE;
use super::{TextSource, charset, plain, telling};
use crate::pages::render::Found;

/// Points of a line, and lines of a page, those of the heading and its rule counted: a little less than letter paper has
/// (typeset.rs).
const WIDTH: f32 = 490.0;
const LINES: usize = 47;

/// Points of the widest letter of ASCII, and of what is none.
const WIDEST: f32 = 10.0;

/// Points of each letter of ASCII in bold, which is wider, and a little more: what is set side by side may need it.
static WIDTHS: LazyLock<[f32; 128]> = LazyLock::new(|| {
    let font = FontRef::try_from_slice(dejavu::sans_condensed::bold());
    let font = font.expect("the font that comes with the program can be read");
    let em = font.units_per_em().unwrap_or(1000.0);
    std::array::from_fn(|code| match char::from(code as u8) {
        letter @ ' '..='~' => {
            let advance = font.h_advance_unscaled(font.glyph_id(letter));
            (advance / em * SIZE * 1.02).min(WIDEST)
        }
        _ => WIDEST,
    })
});

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
    if let Some(why) = telling::left_out(&lines, source.only_if_telling, source.author()) {
        return Some(Found::LeftOut(why));
    }
    let body = lines.iter().map(|line| match line.columns {
        // In another face, whose narrow letters are wide.
        true => wrapped(&line.text(), |_| WIDEST),
        false => wrapped(&line.text(), width),
    });
    let above = heading.iter().map(|line| wrapped(line, width));
    let (body, above): (usize, usize) = (body.sum(), above.sum());
    (body + above < LINES).then_some(Found::Pages(1))
}

fn width(letter: u8) -> f32 {
    WIDTHS.get(usize::from(letter)).copied().unwrap_or(WIDEST)
}

/// The lines that a paragraph takes at most.
fn wrapped(paragraph: &str, width: impl Fn(u8) -> f32) -> usize {
    let (mut lines, mut at) = (1, 0.0);
    for word in paragraph.split(' ') {
        let mut long: f32 = word.bytes().map(&width).sum();
        if at + long > WIDTH && at > 0.0 {
            lines += 1;
            at = 0.0;
        }
        // A word that is wider than the page is broken, where a letter ends.
        while long > WIDTH {
            lines += 1;
            long -= WIDTH - WIDEST;
        }
        at += long + width(b' ');
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
        for round in 0..120 {
            // The widest letters there are, and words of every length.
            let letters = [
                b"W@".as_slice(),
                b"m %W",
                b"letters and words",
                b"il|.,'A-V",
            ][round % 4];
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
    fn a_page_of_capitals_to_the_margin_is_one_page() {
        let text = "X".repeat(78) + "\r\n";
        for (lines, pages) in [(19, Some(Found::Pages(1))), (30, None)] {
            assert_eq!(
                found_at_once(&source(), text.repeat(lines).as_bytes()),
                pages
            );
        }
        assert_eq!(set(&text.repeat(19)), Ok(1));
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
