//! Text that a document has and its fax does not show: each letter's place is looked at, in the page as it was drawn and in
//! what became of it.

use super::bitmap::Bitmap;
use super::raster::Grey;

/// Levels between a letter and its ground from which on a reader of the document sees it.
const SEEN: u8 = 24;
/// Of the pels of a letter's place, how many in a hundred must differ from the others on the fax.
const LEAST_PERCENT: u32 = 2;
/// Pels around a letter that belong to its place: its ground.
const AROUND: u32 = 2;
/// Letters of a word that says something, and of those on a page that no font has.
const LETTERS: usize = 3;
/// Characters of lost text that are told.
const TOLD: usize = 60;

/// A letter of a page's text, and where it comes to lie: left, top, right and bottom in pels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letter {
    pub(super) is: char,
    pub(super) place: Option<[u32; 4]>,
}

/// What a page has lost.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Lost {
    /// Words that the page as drawn shows, and the fax does not; some of them.
    pub(super) words: Option<String>,
    /// Letters that were not drawn at all, of scripts that fonts lack.
    pub(super) undrawn: Vec<char>,
}

/// Compares the text of a page with its picture and with its fax.
pub(super) fn lost(letters: &[Letter], grey: &Grey, fax: &Bitmap) -> Lost {
    let mut words = String::new();
    let mut undrawn = Vec::new();
    for word in letters.split(|letter| letter.is.is_whitespace()) {
        let said = word.iter().filter(|letter| letter.is.is_alphanumeric());
        let states: Vec<_> = said
            .filter_map(|letter| Some((letter.is, state(letter.place?, grey, fax)?)))
            .collect();
        let count = |state| states.iter().filter(|(_, found)| *found == state).count();
        if states.len() >= LETTERS && count(State::Lost) * 10 >= states.len() * 7 {
            if !words.is_empty() {
                words.push(' ');
            }
            words.extend(word.iter().map(|letter| letter.is));
        }
        // Latin, Greek and Cyrillic letters every font has: those are hidden on purpose.
        let is_rare = |is: char| is >= '\u{530}';
        let none = states
            .iter()
            .filter(|(is, state)| *state == State::Undrawn && is_rare(*is));
        undrawn.extend(none.map(|(is, _)| *is));
    }
    if undrawn.len() < LETTERS {
        undrawn.clear();
    }
    let words: String = words.chars().take(TOLD).collect();
    Lost {
        words: Some(words).filter(|words| !words.is_empty()),
        undrawn,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Shown,
    /// In the document it can be seen, on the fax it cannot.
    Lost,
    /// In the document it cannot be seen either.
    Undrawn,
}

/// Of a letter; none where it does not lie on the page, or is too small to tell.
fn state([left, top, right, bottom]: [u32; 4], grey: &Grey, fax: &Bitmap) -> Option<State> {
    if right.saturating_sub(left) < 2 || bottom.saturating_sub(top) < 2 {
        return None;
    }
    let (left, top) = (left.saturating_sub(AROUND), top.saturating_sub(AROUND));
    let (right, bottom) = (right.saturating_add(AROUND), bottom.saturating_add(AROUND));
    let fits = |width: u32, height: u32| right <= width && bottom <= height;
    if !fits(grey.width(), grey.height()) || !fits(fax.width(), fax.height()) {
        return None;
    }
    let (mut darkest, mut lightest, mut black) = (u8::MAX, 0, 0);
    for y in top..bottom {
        for &level in &grey.row(y)[left as usize..right as usize] {
            darkest = darkest.min(level);
            lightest = lightest.max(level);
        }
        black += (left..right).filter(|&x| fax.get(x, y)).count() as u32;
    }
    if lightest - darkest < SEEN {
        return Some(State::Undrawn);
    }
    let pels = (right - left) * (bottom - top);
    let fewer = black.min(pels - black);
    Some(match fewer * 100 < pels * LEAST_PERCENT {
        true => State::Lost,
        false => State::Shown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with bars of this level for letters, and their places.
    fn page(text: &str, level: u8) -> (Vec<Letter>, Grey) {
        let mut grey = Grey::new(800, 40, vec![255; 800 * 40]);
        let mut letters = Vec::new();
        for (x, is) in (10..).step_by(10).zip(text.chars()) {
            if !is.is_whitespace() {
                for y in 10..30 {
                    grey.row_mut(y)[x..x + 4].fill(level);
                }
            }
            let x = x as u32;
            let place = Some([x, 10, x + 4, 30]);
            letters.push(Letter { is, place });
        }
        (letters, grey)
    }

    fn fax(grey: &Grey, black_below: u8) -> Bitmap {
        let mut fax = Bitmap::new(grey.width(), grey.height()).unwrap();
        for (x, y) in (0..grey.height()).flat_map(|y| (0..grey.width()).map(move |x| (x, y))) {
            fax.put(x, y, grey.row(y)[x as usize] < black_below);
        }
        fax
    }

    #[test]
    fn a_word_that_the_document_shows_and_the_fax_does_not_is_lost() {
        let (letters, grey) = page("pay 4711 by Monday", 200);
        let nothing = lost(&letters, &grey, &fax(&grey, 128));
        assert_eq!(nothing.words.as_deref(), Some("pay 4711 Monday"));
        assert_eq!(lost(&letters, &grey, &fax(&grey, 220)), Lost::default());
        // Drowned in black.
        let drowned = lost(&letters, &grey, &fax(&grey, 255)).words;
        assert_eq!(drowned, None, "paper is white");
        let mut black = fax(&grey, 128);
        black.invert();
        assert!(lost(&letters, &grey, &black).words.is_some());
    }

    #[test]
    fn what_nobody_sees_in_the_document_is_not_lost() {
        let (letters, grey) = page("white on white", 250);
        assert_eq!(lost(&letters, &grey, &fax(&grey, 128)), Lost::default());
    }

    #[test]
    fn letters_that_no_font_drew_are_told() {
        let text = "\u{915}\u{916}\u{917} abc";
        let (letters, grey) = page(text, 255);
        let found = lost(&letters, &grey, &fax(&grey, 128));
        assert_eq!(found.undrawn, ['\u{915}', '\u{916}', '\u{917}']);
        assert_eq!(found.words, None);
    }

    #[test]
    fn places_beyond_the_page_are_passed_over() {
        let (mut letters, grey) = page("pay 4711", 200);
        let fax = fax(&grey, 128);
        for place in [
            [790, 10, 900, 30],
            [5, 5, 5, 5],
            [0, 0, 4, 90],
            [u32::MAX - 9; 4],
        ] {
            letters
                .iter_mut()
                .for_each(|letter| letter.place = Some(place));
            assert_eq!(lost(&letters, &grey, &fax), Lost::default());
        }
    }
}
