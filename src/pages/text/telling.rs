//! Whether the text of a mail says something that belongs on paper.
//!
//! "Please see attached. Kind regards, Jane" is no page. A sentence is left out only if nothing remains of it without the
//! reference to the attachment: every word of it has to be one of a list ([`words`]), in one language. So are greetings,
//! farewells with the names below them, and what companies put under every mail. When in doubt it is a page: one sheet too
//! many is better than a sentence that nobody reads.

mod words;

use serde::{Deserialize, Serialize};

use super::Line;
use words::LANGUAGES;

/// Why a part has no page; [`std::fmt::Display`] is half a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// There is nothing in it.
    #[error("it is blank")]
    Blank,
    /// See above.
    #[error("it says no more than that something is attached")]
    SaysNothing,
    /// A small picture in the text of a mail.
    #[error("it is a small picture in the text of the mail")]
    Logo,
}

/// Lines of the longest signature, and words of one of its lines.
const SIGNATURE: usize = 15;
const SIGNATURE_WORDS: usize = 14;
/// Words of the longest greeting and of the longest name at the end.
const GREETING: usize = 7;
const NAME: usize = 3;

/// Why the text is no page, if it is none. `author` is who wrote it, as the mail says.
pub(super) fn left_out(lines: &[Line], only_if_telling: bool, author: &str) -> Option<LeftOut> {
    let texts: Vec<String> = lines.iter().map(|line| shown(&line.text())).collect();
    if texts.iter().all(String::is_empty) {
        return Some(LeftOut::Blank);
    }
    (only_if_telling && !tells(&texts, author)).then_some(LeftOut::SaysNothing)
}

/// Without what no reader sees, at either end.
fn shown(line: &str) -> String {
    let is_unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
                | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}')
    };
    line.trim_matches(is_unseen).to_owned()
}

fn tells(lines: &[String], author: &str) -> bool {
    // RFC 3676 4.3: the signature begins behind "-- ".
    let mark = lines
        .iter()
        .position(|line| matches!(line.as_str(), "--" | "__"));
    let (text, below) = match mark {
        Some(at) => (&lines[..at], &lines[at + 1..]),
        None => (lines, &[][..]),
    };
    if !is_signature(below) {
        return true;
    }
    let mut paragraphs: Vec<Vec<&str>> = text
        .split(|line| line.is_empty())
        .map(|lines| lines.iter().map(String::as_str).collect())
        .filter(|lines: &Vec<&str>| !lines.is_empty())
        .collect();
    drop_small_print(&mut paragraphs);
    drop_names(&mut paragraphs, author);
    let mut after_farewell = false;
    for paragraph in &paragraphs {
        if paragraph_tells(paragraph, &mut after_farewell) {
            return true;
        }
    }
    false
}

/// What companies put under every mail: paragraphs that begin with a phrase of theirs, and say no more than such.
fn drop_small_print(paragraphs: &mut Vec<Vec<&str>>) {
    while let Some(last) = paragraphs.last() {
        let whole = last.join(" ").to_lowercase();
        let mut sentences = sentences(&whole);
        let begins = sentences
            .next()
            .is_some_and(|first| has_any(first, words::SMALL_PRINT));
        let goes_on = |sentence: &str| {
            !sentence.chars().any(|c| c.is_ascii_digit())
                && (has_any(sentence, words::SMALL_PRINT)
                    || has_any(sentence, words::BELOW_SMALL_PRINT))
        };
        if !begins || !sentences.all(goes_on) {
            return;
        }
        paragraphs.pop();
    }
}

fn has_any(sentence: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| sentence.contains(phrase))
}

/// The name of whoever wrote it, below the last sentence.
fn drop_names(paragraphs: &mut Vec<Vec<&str>>, author: &str) {
    let Some(last) = paragraphs.last_mut() else {
        return;
    };
    if last.last().is_some_and(|line| is_name(line, author)) {
        last.pop();
    }
    if last.is_empty() {
        paragraphs.pop();
    }
}

/// A few words with capital letters that are none that say something; or the author's own.
fn is_name(line: &str, author: &str) -> bool {
    let tokens = tokens(line);
    let small_author = author.to_lowercase();
    let author: Vec<String> = self::tokens(&small_author);
    if tokens.is_empty() || tokens.len() > NAME {
        return false;
    }
    let is_own = |token: &String| author.contains(&token.to_lowercase());
    if tokens.iter().all(is_own) {
        return true;
    }
    let ends_a_sentence =
        line.ends_with(['!', '?', ':', ';']) || line.ends_with('.') && !is_abbreviated(line);
    let is_capital = |token: &String| token.starts_with(char::is_uppercase);
    let says = |token: &String| words::SAY.contains(&token.to_lowercase().as_str());
    let has_digit = line.chars().any(|c| c.is_ascii_digit());
    !ends_a_sentence && !has_digit && tokens.iter().all(is_capital) && !tokens.iter().any(says)
}

/// "Jane Doe, M.D.": the point ends no sentence.
fn is_abbreviated(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default();
    let inside = last.trim_end_matches('.');
    inside.contains('.') || inside.chars().count() <= 2
}

fn paragraph_tells(lines: &[&str], after_farewell: &mut bool) -> bool {
    let mut rest = lines;
    // A greeting has a line of its own, or ends at its comma.
    let first = match rest.first() {
        Some(first) => greeted(first),
        None => return false,
    };
    let mut open = String::new();
    if let Some(first) = first {
        open = first.to_owned();
        rest = &rest[1..];
    }
    for (n, line) in rest.iter().enumerate() {
        if *after_farewell {
            if !is_signature_line(line) && text_tells(line) {
                return true;
            }
            continue;
        }
        if is_farewell(line) {
            if text_tells(&open) {
                return true;
            }
            open.clear();
            *after_farewell = true;
            // Who signs with more than this has something to say.
            if rest.len() - n > SIGNATURE {
                return true;
            }
            continue;
        }
        open.push(' ');
        open += line;
    }
    text_tells(&open)
}

/// What follows the greeting, if the line begins with one.
fn greeted(line: &str) -> Option<&str> {
    let end = line.find([',', '!', ':']).unwrap_or(line.len());
    let (greeting, rest) = line.split_at(end);
    if !is_greeting(greeting) {
        return None;
    }
    Some(rest.trim_start_matches([',', '!', ':', ' ']))
}

fn is_greeting(text: &str) -> bool {
    let tokens = tokens(text);
    if tokens.is_empty() || tokens.len() > GREETING || text.ends_with('?') {
        return false;
    }
    let small: Vec<String> = tokens.iter().map(|token| token.to_lowercase()).collect();
    let begins = words::GREETINGS.iter().any(|greeting| {
        let words: Vec<&str> = greeting.split(' ').collect();
        small.len() >= words.len() && words.iter().zip(&small).all(|(word, token)| word == token)
    });
    // Whoever is greeted has a name.
    let is_addressee = |(token, small): (&String, &String)| {
        words::ADDRESSED.contains(&small.as_str())
            || token.starts_with(char::is_uppercase)
                && !words::SAY.contains(&small.as_str())
                && !token.chars().any(|c| c.is_ascii_digit())
    };
    begins && tokens.iter().zip(&small).all(is_addressee)
}

/// "Kind regards", "Thanks, Jane": nothing but words of farewell, and a name behind a comma.
fn is_farewell(line: &str) -> bool {
    let (words, name) = match line.split_once([',', '!']) {
        Some((words, name)) => (words, name.trim_matches(['.', '!', ',', ' '])),
        None => (line, ""),
    };
    is_courtesy(line)
        || is_courtesy(words) && (name.is_empty() || is_name(name, "") || is_courtesy(name))
}

fn text_tells(text: &str) -> bool {
    sentences(text).any(|sentence| !sentence.is_empty() && sentence_tells(sentence))
}

/// The sentences of a text, without what ends them but for a question mark.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', ';'])
        .map(|sentence| sentence.trim_end_matches(['.', '!', ';']).trim())
        .filter(|sentence| !sentence.is_empty())
}

fn sentence_tells(sentence: &str) -> bool {
    if !sentence.chars().any(char::is_alphanumeric) {
        return false;
    }
    // A question wants an answer.
    if sentence.ends_with('?') {
        return true;
    }
    if is_farewell(sentence) || is_about_attachment(sentence) {
        return false;
    }
    // "Attached the invoice, many thanks": each clause by itself.
    let mut clauses = sentence.split([',', ':']).map(str::trim);
    let mut has_attachment = false;
    let says_nothing = clauses.all(|clause| {
        let is_about = is_about_attachment(clause);
        has_attachment |= is_about;
        is_about || clause.is_empty() || is_courtesy(clause) || is_filler(clause)
    });
    !(says_nothing && has_attachment)
}

/// Whether nothing remains of it without the reference to the attachment.
fn is_about_attachment(sentence: &str) -> bool {
    let as_written = tokens(sentence);
    let tokens: Vec<String> = as_written
        .iter()
        .map(|token| token.to_lowercase())
        .collect();
    if is_wish(&tokens) {
        return false;
    }
    LANGUAGES.iter().any(|language| {
        let all_known = language.knows_all(&tokens, &as_written);
        let is_anchor = |token: &String| language.anchors.contains(token.as_str());
        let last = tokens.iter().rposition(is_anchor);
        let first = tokens.iter().position(is_anchor);
        // "The contract is attached" says so; "the attached contract is signed" says more.
        let is_said = |(at, token): (usize, &String)| {
            !language.is.contains(token.as_str())
                || last.is_some_and(|last| last > at)
                || first == Some(0) && at == 1
        };
        all_known && last.is_some() && tokens.iter().enumerate().all(is_said)
    })
}

/// "As discussed on the phone": words that go with the reference.
fn is_filler(clause: &str) -> bool {
    let tokens = tokens(&clause.to_lowercase());
    let is_said = |language: &words::Language| {
        tokens
            .iter()
            .any(|token| language.is.contains(token.as_str()))
    };
    !is_wish(&tokens)
        && LANGUAGES
            .iter()
            .any(|language| tokens.iter().all(|token| language.knows(token)) && !is_said(language))
}

/// Whether somebody is asked to do something with a document: "please send", "schicken Sie".
fn is_wish(tokens: &[String]) -> bool {
    let is_one_of = |words: &[&str], token: &String| words.contains(&token.as_str());
    let mut acts = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| is_one_of(words::ACTS, token));
    let is_polite = tokens.iter().any(|token| is_one_of(words::WISHES, token));
    acts.any(|(at, _)| is_polite || at == 0 || tokens.get(at + 1).is_some_and(|next| next == "sie"))
}

/// Whether it is nothing but politeness, in one language.
fn is_courtesy(sentence: &str) -> bool {
    let tokens: Vec<String> = tokens(&sentence.to_lowercase());
    let whole = tokens.join(" ");
    !tokens.is_empty()
        && (words::COURTESY.contains(&whole.as_str())
            || words::SENT_FROM
                .iter()
                .any(|begin| whole.starts_with(begin) && tokens.len() <= 8)
            || LANGUAGES.iter().any(|language| {
                tokens
                    .iter()
                    .all(|token| language.farewell.contains(token.as_str()))
                    && tokens
                        .iter()
                        .any(|token| language.farewell_core.contains(token.as_str()))
            }))
}

/// Whether what stands below the mark of a signature is one.
fn is_signature(lines: &[String]) -> bool {
    let mut paragraphs: Vec<Vec<&str>> = lines
        .split(|line| line.is_empty())
        .map(|lines| lines.iter().map(String::as_str).collect())
        .filter(|lines: &Vec<&str>| !lines.is_empty())
        .collect();
    drop_small_print(&mut paragraphs);
    let lines = || paragraphs.iter().flatten();
    lines().count() <= SIGNATURE && lines().all(|line| is_signature_line(line) || !text_tells(line))
}

/// A name, a company, a street, a number: words with capital letters, digits, and what joins them.
fn is_signature_line(line: &str) -> bool {
    let tokens = tokens(line);
    let ends_a_sentence = line.ends_with(['!', '?'])
        || line.ends_with('.') && !is_abbreviated(line) && tokens.len() > 3;
    let is_reachable =
        |token: &str| token.contains('@') || token.contains("www.") || token.contains("://");
    if line.split_whitespace().count() == 1 && is_reachable(line) {
        return true;
    }
    if tokens.len() > SIGNATURE_WORDS || ends_a_sentence {
        return false;
    }
    let mut says = tokens.iter().map(|token| token.to_lowercase());
    if says.any(|token| words::SAY.contains(&token.as_str())) {
        return false;
    }
    line.split_whitespace().all(|word| {
        let small = word.to_lowercase();
        let small = small.trim_matches(|c: char| !c.is_alphanumeric());
        is_reachable(word)
            || !word.chars().any(char::is_alphabetic)
            || word
                .trim_start_matches(|c: char| !c.is_alphanumeric())
                .starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
            || words::IN_SIGNATURES.contains(&small)
    }) || tokens.len() <= 2
        && !line.chars().any(|c| c.is_ascii_digit())
        && line
            .chars()
            .all(|c| c.is_alphabetic() || c.is_whitespace() || ".-'".contains(c))
}

/// Words and numbers.
fn tokens(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
