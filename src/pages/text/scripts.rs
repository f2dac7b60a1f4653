//! Scripts, and which package of Debian has letters for them.

use std::collections::BTreeSet;

use super::typeset::Typesetter;
use crate::pages::layout::Paper;

/// Letters that are shown of a script.
const SHOWN: usize = 8;

const NOTO: &str = "fonts-noto-core";
const CJK: &str = "fonts-noto-cjk";

/// First and last letter, name, package, and a letter by which a font is known.
const SCRIPTS: [(char, char, &str, &str, char); 30] = [
    ('\u{0530}', '\u{058f}', "Armenian", NOTO, '\u{0531}'),
    ('\u{0590}', '\u{05ff}', "Hebrew", NOTO, '\u{05d0}'),
    ('\u{0600}', '\u{06ff}', "Arabic", NOTO, '\u{0628}'),
    ('\u{0700}', '\u{074f}', "Syriac", NOTO, '\u{0710}'),
    (
        '\u{0900}',
        '\u{097f}',
        "Devanagari (Hindi)",
        NOTO,
        '\u{0915}',
    ),
    ('\u{0980}', '\u{09ff}', "Bengali", NOTO, '\u{0995}'),
    (
        '\u{0a00}',
        '\u{0a7f}',
        "Gurmukhi (Punjabi)",
        NOTO,
        '\u{0a15}',
    ),
    ('\u{0a80}', '\u{0aff}', "Gujarati", NOTO, '\u{0a95}'),
    ('\u{0b00}', '\u{0b7f}', "Oriya", NOTO, '\u{0b15}'),
    ('\u{0b80}', '\u{0bff}', "Tamil", NOTO, '\u{0b95}'),
    ('\u{0c00}', '\u{0c7f}', "Telugu", NOTO, '\u{0c15}'),
    ('\u{0c80}', '\u{0cff}', "Kannada", NOTO, '\u{0c95}'),
    ('\u{0d00}', '\u{0d7f}', "Malayalam", NOTO, '\u{0d15}'),
    ('\u{0d80}', '\u{0dff}', "Sinhala", NOTO, '\u{0d9a}'),
    ('\u{0e00}', '\u{0e7f}', "Thai", NOTO, '\u{0e01}'),
    ('\u{0e80}', '\u{0eff}', "Lao", NOTO, '\u{0e81}'),
    ('\u{0f00}', '\u{0fff}', "Tibetan", NOTO, '\u{0f40}'),
    (
        '\u{1000}',
        '\u{109f}',
        "Myanmar (Burmese)",
        NOTO,
        '\u{1000}',
    ),
    ('\u{10a0}', '\u{10ff}', "Georgian", NOTO, '\u{10d0}'),
    ('\u{1100}', '\u{11ff}', "Hangul (Korean)", CJK, '\u{1100}'),
    ('\u{1200}', '\u{139f}', "Ethiopic", NOTO, '\u{1200}'),
    ('\u{13a0}', '\u{13ff}', "Cherokee", NOTO, '\u{13a0}'),
    ('\u{1780}', '\u{17ff}', "Khmer", NOTO, '\u{1780}'),
    ('\u{1800}', '\u{18af}', "Mongolian", NOTO, '\u{1820}'),
    (
        '\u{3000}',
        '\u{303f}',
        "Chinese and Japanese marks",
        CJK,
        '\u{3001}',
    ),
    ('\u{3040}', '\u{30ff}', "Kana (Japanese)", CJK, '\u{3042}'),
    (
        '\u{3100}',
        '\u{312f}',
        "Bopomofo (Chinese)",
        CJK,
        '\u{3105}',
    ),
    (
        '\u{3400}',
        '\u{9fff}',
        "Han (Chinese, Japanese)",
        CJK,
        '\u{4e00}',
    ),
    ('\u{ac00}', '\u{d7ff}', "Hangul (Korean)", CJK, '\u{ac00}'),
    (
        '\u{f900}',
        '\u{faff}',
        "Han (Chinese, Japanese)",
        CJK,
        '\u{f900}',
    ),
];

/// Those that `postfax check` names where no font has them: the others are rare, or part of the program.
const ASKED: [&str; 12] = [
    "Devanagari (Hindi)",
    "Bengali",
    "Tamil",
    "Telugu",
    "Gujarati",
    "Gurmukhi (Punjabi)",
    "Sinhala",
    "Thai",
    "Khmer",
    "Han (Chinese, Japanese)",
    "Kana (Japanese)",
    "Hangul (Korean)",
];

/// These letters by their scripts, in words: "Thai (letters ..., in Debian's package fonts-noto-core)".
pub(in crate::pages) fn of(letters: impl Iterator<Item = char>) -> String {
    let letters: BTreeSet<char> = letters.collect();
    let mut named: Vec<(&str, &str, Vec<char>)> = Vec::new();
    for letter in letters {
        let script = SCRIPTS
            .iter()
            .find(|(first, last, ..)| (*first..=*last).contains(&letter));
        let (name, package) = script.map_or(("other letters", ""), |(_, _, name, package, _)| {
            (*name, *package)
        });
        match named.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, _, letters)) => letters.push(letter),
            None => named.push((name, package, vec![letter])),
        }
    }
    let told = named.iter().map(|(name, package, letters)| {
        let shown = letters
            .iter()
            .take(SHOWN)
            .map(char::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        let more = if letters.len() > SHOWN { " ..." } else { "" };
        match *package {
            "" => format!("{name} ({shown}{more})"),
            package => format!("{name} ({shown}{more}; Debian's package {package} has them)"),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Packages of Debian with letters that no font here has, and the scripts in them, for whoever looks after the gateway.
pub fn without_font() -> Vec<(&'static str, Vec<&'static str>)> {
    let asked = || {
        SCRIPTS
            .iter()
            .filter(|(_, _, name, ..)| ASKED.contains(name))
    };
    let letters: String = asked().map(|(.., letter)| *letter).collect();
    let mut setter = Typesetter::for_texts(Paper::A4, std::iter::once(letters.as_str()));
    let mut lacking: Vec<(&str, Vec<&str>)> = Vec::new();
    for (_, _, name, package, letter) in asked() {
        if setter.has(&letter.to_string()) {
            continue;
        }
        match lacking.iter_mut().find(|(known, _)| known == package) {
            Some((_, names)) if names.contains(name) => {}
            Some((_, names)) => names.push(name),
            None => lacking.push((package, vec![name])),
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_named_by_script_and_package() {
        assert_eq!(
            of("\u{0928}\u{092e}\u{0e01}\u{f0000}".chars()),
            "Devanagari (Hindi) (\u{0928} \u{092e}; Debian's package fonts-noto-core has them), \
             Thai (\u{0e01}; Debian's package fonts-noto-core has them), other letters (\u{f0000})"
        );
    }

    #[test]
    fn each_script_has_a_letter_of_its_own() {
        for (first, last, name, _, letter) in SCRIPTS {
            assert!((first..=last).contains(&letter), "{name}");
        }
        let all = SCRIPTS.map(|(_, _, name, ..)| name);
        assert!(ASKED.iter().all(|name| all.contains(name)));
    }
}
