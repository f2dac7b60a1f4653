//! Which form of a `multipart/alternative` is faxed: the one that holds what the mail says.
//!
//! By RFC 2046 5.1.4 all forms say the same. Programs write stubs all the same ("please enable HTML", a blank), or lose a
//! table on the way to plain text: the words of the forms are compared. Where each says what the other does not, both are
//! faxed.

use std::collections::{HashMap, HashSet};

use super::mime::{Form, Role};
use super::texts::{is_body_form, visible, written};
use super::{Leaf, is_attachment};

/// Of each group, the forms whose texts are faxed.
pub(super) type Chosen = HashMap<usize, Vec<usize>>;

/// Words that one form may have before the other is held to say less, where none is a number; and in a hundred.
const FEW: usize = 2;
const FEW_PERCENT: usize = 5;
/// Forms of one text that are compared: nobody writes more.
const MAX_FORMS: usize = 8;
/// Words of the longest stub.
const STUB: usize = 40;
/// Characters of a text that are compared.
const MAX_COMPARED: usize = 2_000_000;

/// Thai; behind it come the other scripts that are written without spaces.
const FIRST_WITHOUT_SPACES: char = '\u{e00}';

/// The words of a text.
#[derive(Debug, Default)]
struct Words {
    all: HashSet<String>,
    is_stub: bool,
}

/// What one form says.
#[derive(Debug, Default)]
struct Said {
    plain: bool,
    words: Words,
}

/// Decides for every `multipart/alternative` of a message.
pub(super) fn chosen(leaves: &[Leaf<'_>]) -> Chosen {
    let mut said: HashMap<usize, HashMap<usize, Said>> = HashMap::new();
    for leaf in leaves.iter().filter(|leaf| is_body_form(leaf)) {
        if leaf.forms.is_empty() {
            continue;
        }
        let words = Words::of(leaf);
        for Form { group, form } in &leaf.forms {
            let said = said.entry(*group).or_default();
            let said = said.entry(*form).or_insert_with(|| Said {
                plain: true,
                words: Words::default(),
            });
            said.plain &= leaf.content_type == "text/plain";
            said.words.is_stub |= words.is_stub;
            said.words.all.extend(words.all.iter().cloned());
        }
    }
    said.into_iter()
        .map(|(group, forms)| (group, best(&forms)))
        .collect()
}

/// The plain form is set best on paper, and is taken where it lacks nothing.
fn best(forms: &HashMap<usize, Said>) -> Vec<usize> {
    let mut in_order: Vec<usize> = forms.keys().copied().collect();
    // RFC 2046 5.1.4: the last is the richest.
    in_order.sort_by_key(|form| (!forms[form].plain, usize::MAX - form));
    if in_order.len() > MAX_FORMS {
        return in_order;
    }
    let mut taken: Vec<usize> = Vec::new();
    for form in in_order {
        let words = &forms[&form].words;
        if taken.iter().any(|taken| forms[taken].words.hold(words)) {
            continue;
        }
        taken.retain(|taken| !words.hold(&forms[taken].words));
        taken.push(form);
    }
    let has_content = |form: &usize| !forms[form].words.is_stub;
    if taken.iter().any(has_content) {
        taken.retain(has_content);
    }
    if taken.is_empty() {
        taken.extend(forms.keys().min());
    }
    taken.sort_unstable();
    taken
}

/// Whether `others` say all that `leaf` says.
pub(super) fn is_said_by<'l, 'm: 'l>(
    leaf: &Leaf<'m>,
    others: impl Iterator<Item = &'l Leaf<'m>>,
) -> bool {
    let mut said = Words::default();
    for other in others {
        let is_other = other.role != Role::Repeats && other.mail == leaf.mail;
        if is_other && is_body_form(other) && !is_attachment(other) {
            said.all.extend(Words::of(other).all);
        }
    }
    let words = Words::of(leaf);
    words.all.is_empty() || said.hold(&words)
}

impl Words {
    fn of(leaf: &Leaf<'_>) -> Words {
        let text = written(leaf);
        let text = match leaf.content_type == "text/plain" {
            // Some write their stub in HTML.
            true if text.len() < 2000 && text.contains('&') => visible(&text),
            true => text,
            false => visible(&text),
        };
        let small: String = text
            .chars()
            .take(MAX_COMPARED)
            .filter(|c| !is_inside_words(*c))
            .flat_map(char::to_lowercase)
            .collect();
        let is_address = |word: &&str| {
            word.contains("://")
                || word.contains("www.")
                || word.contains('@')
                || word.contains("cid:")
        };
        let words = small.split_whitespace().filter(|word| !is_address(word));
        let words = words.flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
        let mut all: HashSet<String> = HashSet::new();
        for word in words.filter(|word| !word.is_empty()) {
            // Without spaces between words each letter counts: lines are broken anywhere.
            match word.chars().any(|c| c >= FIRST_WITHOUT_SPACES) {
                true => all.extend(word.chars().map(String::from)),
                false => drop(all.insert(word.to_owned())),
            }
        }
        Words {
            is_stub: all.len() <= STUB && is_stub(&small),
            all,
        }
    }

    /// Whether all but a few of those words are among these.
    fn hold(&self, other: &Words) -> bool {
        let missing = other.all.difference(&self.all);
        let (mut count, mut number) = (0, false);
        for word in missing {
            count += 1;
            number |= word.chars().any(|c| c.is_ascii_digit());
        }
        let few = FEW.max(other.all.len() * FEW_PERCENT / 100);
        // Of a few words each counts.
        let few = few.min(other.all.len() / 8);
        !number && count <= few
    }
}

/// What stands inside of words and is not seen: soft hyphens, joiners, spaces without width.
fn is_inside_words(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
    )
}

/// "Your mail program cannot show HTML", "view in your browser", in the languages of those who write it.
fn is_stub(small: &str) -> bool {
    const BROWSER: [&str; 12] = [
        "in your browser",
        "in a browser",
        "in the browser",
        "in your web browser",
        "im browser",
        "in ihrem browser",
        "dans votre navigateur",
        "en su navegador",
        "en tu navegador",
        "nel browser",
        "nel tuo browser",
        "in uw browser",
    ];
    const ABOUT: [&str; 26] = [
        "view",
        "enable",
        "support",
        "display",
        "client",
        "program",
        "read",
        "format",
        "capable",
        "anzeig",
        "aktivier",
        "darstell",
        "unterst",
        "ansicht",
        "affich",
        "activ",
        "visual",
        "lire",
        "leer",
        "legg",
        "ver ",
        "weergeven",
        "reader",
        "version",
        "see ",
        "show",
    ];
    let names_html = small.contains("html");
    names_html && ABOUT.iter().any(|word| small.contains(word))
        || BROWSER.iter().any(|words| small.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        let all = text.split_whitespace().map(str::to_owned).collect();
        Words {
            all,
            is_stub: is_stub(text),
        }
    }

    fn taken(forms: &[(bool, &str)]) -> Vec<usize> {
        let said = |(plain, text): &(bool, &str)| Said {
            plain: *plain,
            words: words(text),
        };
        best(&forms.iter().map(said).enumerate().collect())
    }

    #[test]
    fn the_form_that_holds_the_content_is_taken() {
        let order =
            "order 4711 twenty insulin pens please sign and send it back to us before friday noon";
        let without = "order please sign and send it back to us before friday noon";
        for (forms, expected) in [
            (vec![(true, order), (false, order)], vec![0]),
            (vec![(false, order), (true, order)], vec![1]),
            (vec![(true, ""), (false, order)], vec![1]),
            (vec![(true, order), (false, "")], vec![0]),
            (vec![(true, without), (false, order)], vec![1]),
            (vec![(true, order), (false, without)], vec![0]),
            (
                vec![(true, "please enable html in your program"), (false, order)],
                vec![1],
            ),
            (
                vec![(true, "unknown stub of another kind"), (false, order)],
                vec![0, 1],
            ),
            (
                vec![(true, order), (false, "view this in your browser")],
                vec![0],
            ),
            (vec![(true, ""), (false, "")], vec![0]),
        ] {
            assert_eq!(taken(&forms), expected, "{forms:?}");
        }
    }
}
