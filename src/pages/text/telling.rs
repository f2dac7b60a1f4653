//! Whether the text of a mail says something that belongs on paper.
//!
//! "Please see attached. Kind regards, Jane" is no page. What is looked for is what remains without the greeting, the
//! sentences about the attachment, the farewell with all that stands below it, and what a company puts under every
//! mail. When in doubt it is a page: one sheet too many is better than a sentence that nobody reads.

use serde::{Deserialize, Serialize};

use super::Line;

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

/// Words of the longest sentence about an attachment that is not a page by itself.
const SHORT: usize = 16;
/// Words of the longest greeting and of the longest farewell.
const FORMULA: usize = 6;

/// Lines of the longest signature.
const SIGNATURE: usize = 15;

/// What such a sentence has in it; in lower case.
const ATTACHED: &[&str] = &[
    "attach",
    "enclosed",
    "enclosure",
    "see the fax",
    "please fax",
    "anbei",
    "anhang",
    "anlage",
    "angeh\u{e4}ngt",
    "beigef\u{fc}gt",
    "ci-joint",
    "pi\u{e8}ce jointe",
    "pi\u{e8}ces jointes",
    "adjunto",
    "adjunta",
    "allegato",
    "allegati",
    "in allegato",
    "bijlage",
    "bijgevoegd",
    "anexo",
    "za\u{142}\u{105}czn",
    "vedlagt",
    "bifoga",
    "liitteen\u{e4}",
];
const GREETINGS: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "dear",
    "good morning",
    "good afternoon",
    "good evening",
    "good day",
    "greetings",
    "to whom",
    "hallo",
    "guten tag",
    "guten morgen",
    "sehr geehrte",
    "liebe",
    "moin",
    "bonjour",
    "madame",
    "monsieur",
    "cher",
    "hola",
    "buenos",
    "buenas",
    "estimad",
    "buongiorno",
    "gentile",
    "egregio",
    "beste",
    "geachte",
    "ol\u{e1}",
    "prezad",
    "caro",
    "cara",
    "dzie\u{144} dobry",
    "hej",
    "team",
];
const FAREWELLS: &[&str] = &[
    "regards",
    "kind regards",
    "best",
    "best regards",
    "warm regards",
    "many thanks",
    "thanks",
    "thank you",
    "sincerely",
    "yours",
    "cheers",
    "cordially",
    "respectfully",
    "mit freundlichen",
    "freundliche gr",
    "viele gr",
    "beste gr",
    "herzliche gr",
    "liebe gr",
    "gru\u{df}",
    "mfg",
    "cordialement",
    "bien \u{e0} vous",
    "salutations",
    "merci",
    "saludos",
    "gracias",
    "atentamente",
    "cordiali saluti",
    "distinti saluti",
    "grazie",
    "met vriendelijke",
    "groet",
    "atenciosamente",
    "obrigad",
    "pozdrawiam",
    "med v\u{e4}nlig",
    "mvh",
    "sent from my",
    "sent from outlook",
    "get outlook",
    "von meinem",
    "envoy\u{e9} de",
    "enviado desde",
    "inviato da",
];
/// What companies put under every mail.
const SMALL_PRINT: &[&str] = &[
    "intended recipient",
    "confidential",
    "privileged",
    "vertraulich",
    "confidentiel",
    "think before you print",
    "consider the environment",
];

/// Why the text is no page, if it is none.
pub(super) fn left_out(lines: &[Line], only_if_telling: bool) -> Option<LeftOut> {
    let texts: Vec<String> = lines
        .iter()
        .map(|line| line.text().trim().to_owned())
        .collect();
    if texts.iter().all(String::is_empty) {
        return Some(LeftOut::Blank);
    }
    (only_if_telling && !tells(&texts)).then_some(LeftOut::SaysNothing)
}

fn tells(lines: &[String]) -> bool {
    // RFC 3676 4.3: the signature begins behind "-- ".
    let end = (0..lines.len()).find(|&n| {
        matches!(lines[n].as_str(), "--" | "__")
            || is_farewell(&lines[n]) && is_signature(&lines[n + 1..])
    });
    let text = &lines[..end.unwrap_or(lines.len())];
    let mut paragraphs = text
        .split(|line| line.is_empty())
        .map(|lines| lines.join(" "))
        .filter(|paragraph| !paragraph.is_empty());
    paragraphs.any(|paragraph| {
        let small = paragraph.to_lowercase();
        !SMALL_PRINT.iter().any(|words| small.contains(words)) && paragraph_tells(&small)
    })
}

fn paragraph_tells(paragraph: &str) -> bool {
    // A greeting ends at its comma, if the sentence goes on behind it.
    let rest = match paragraph.split_once([',', '!', ':']) {
        Some((greeting, rest)) if is_formula(greeting, GREETINGS) => rest,
        _ if is_formula(paragraph, GREETINGS) => "",
        _ => paragraph,
    };
    rest.split(['.', '!', '?', ';'])
        .map(str::trim)
        .any(sentence_tells)
}

fn sentence_tells(sentence: &str) -> bool {
    let words = sentence.split_whitespace().count();
    let is_only_about_attachment =
        words <= SHORT && ATTACHED.iter().any(|word| sentence.contains(word));
    // "Thanks in advance", "FYI", "Jane".
    let is_too_short = words <= 2 && !sentence.chars().any(|c| c.is_ascii_digit());
    let is_word = sentence.chars().any(char::is_alphanumeric);
    is_word && !is_only_about_attachment && !is_too_short && !is_formula(sentence, FAREWELLS)
}

/// Whether what stands below a farewell is names and addresses, and what companies put there.
fn is_signature(lines: &[String]) -> bool {
    let paragraphs: Vec<String> = lines
        .split(|line| line.is_empty())
        .map(|lines| lines.join("\n").to_lowercase())
        .filter(|paragraph| !SMALL_PRINT.iter().any(|words| paragraph.contains(words)))
        .collect();
    let lines = || paragraphs.iter().flat_map(|paragraph| paragraph.lines());
    lines().count() <= SIGNATURE && lines().all(|line| line.split_whitespace().count() <= SHORT)
}

fn is_farewell(line: &str) -> bool {
    is_formula(&line.to_lowercase(), FAREWELLS)
}

/// Whether these few words begin as one of the formulas does.
fn is_formula(words: &str, formulas: &[&str]) -> bool {
    let words = words.trim();
    let begins = |formula: &str| {
        words
            .strip_prefix(formula)
            .is_some_and(|rest| formula.len() > 6 || !rest.starts_with(char::is_alphabetic))
    };
    words.split_whitespace().count() <= FORMULA && formulas.iter().any(|formula| begins(formula))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> Option<LeftOut> {
        let lines: Vec<Line> = text.lines().map(Line::plain).collect();
        left_out(&lines, true)
    }

    #[test]
    fn a_signature_or_a_word_about_the_attachment_is_no_page() {
        for text in [
            "See attached.",
            "Hi,\n\nplease see attached.\n\nKind regards,\nJane Doe\nDoe & Partners\n+1 202 555 0123",
            "Dear Sirs,\nPlease find enclosed the signed contract.\n\nBest regards\nJ. Doe",
            "-- \nJane Doe\nPartner",
            "PFA the attached invoice. Thanks!",
            "Sehr geehrte Damen und Herren,\n\nanbei die Rechnung.\n\nMit freundlichen Gr\u{fc}\u{df}en\nErika Muster",
            "Bonjour,\nci-joint le contrat.\nCordialement,\nJeanne",
            "Sent from my iPhone",
            "Attached.\n\nThis e-mail is confidential and meant for the intended recipient only. If you are not, delete it.",
            "FYI",
        ] {
            assert_eq!(says(text), Some(LeftOut::SaysNothing), "{text}");
        }
    }

    #[test]
    fn what_says_something_is_a_page() {
        for text in [
            "We cancel our order no. 4711 as of today.",
            "Hi,\n\nplease see attached. The second page must be signed and faxed back by Friday noon.\n\nJane",
            "Patient 12345",
            "Hello, the court hearing was moved to Monday. Regards, Jane",
            "Please deliver ten boxes\n\nThanks\nJane",
            "Thanks!\n\nThe order: ten boxes of the usual paper, to be delivered to the side entrance on Monday before nine in the morning please",
            "Sehr geehrte Frau Muster,\nhiermit k\u{fc}ndige ich den Vertrag zum 31.12.",
        ] {
            assert_eq!(says(text), None, "{text}");
        }
    }

    #[test]
    fn a_blank_text_is_never_a_page() {
        for text in ["", " \n\u{a0}\n"] {
            let lines: Vec<Line> = text.lines().map(Line::plain).collect();
            assert_eq!(left_out(&lines, false), Some(LeftOut::Blank));
        }
        let lines = [Line::plain("See attached.")];
        assert_eq!(left_out(&lines, false), None);
    }
}
