//! The templates in `mail/`, compiled in, and how pages, seconds and times read in them.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::LetterError;
use crate::call::outcome::FarEnd;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../mail/", $name)))),*]
    };
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(lines_as_written());
    templates.add_filter("pages", |n: u32| pages(n));
    templates.add_filter("attempts", |n: u64| counted(n, "attempt"));
    templates.add_filter("seconds", |n: f64| seconds(n));
    templates.add_filter("column", |text: String, width: usize| {
        format!("{text:<width$}")
    });
    for (name, source) in templates![
        "receipt-delivered.txt",
        "receipt-failed.txt",
        "receipt-uncertain.txt",
        "receipt-cancelled.txt",
        "receipt-details.txt",
        "fax-received.txt",
    ] {
        templates
            .add_template(name, source)
            .expect("a compiled-in template is well-formed");
    }
    templates
});

/// A tag alone on its line leaves no line behind, so that the templates look like the mails.
pub(super) fn lines_as_written() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the default delimiters")
}

/// Fills the template `name` with `facts`.
///
/// # Errors
/// [`LetterError::Template`] if a fact is missing.
pub fn fill(name: &str, facts: impl Into<Value>) -> Result<String, LetterError> {
    TEMPLATES
        .get_template(name)
        .and_then(|template| template.render(facts))
        .map_err(|e| LetterError::Template(format!("{e:#}")))
}

/// "1 page", "2 pages".
pub fn pages(n: u32) -> String {
    counted(u64::from(n), "page")
}

/// "48 seconds", "2 minutes 5 seconds", "1 hour 1 minute".
pub fn seconds(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60);
    let parts = match (hours, minutes) {
        (0, 0) => [Some((rest, "second")), None],
        (0, _) => [
            Some((minutes, "minute")),
            (rest > 0).then_some((rest, "second")),
        ],
        (_, _) => [
            Some((hours, "hour")),
            (minutes > 0).then_some((minutes, "minute")),
        ],
    };
    let words: Vec<_> = parts
        .into_iter()
        .flatten()
        .map(|(n, unit)| counted(n, unit))
        .collect();
    words.join(" ")
}

fn counted(n: u64, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// "21 November 2026 at 10:15 (CET)".
pub fn when(time: Timestamp, zone: &TimeZone) -> String {
    let time = time.to_zoned(zone.clone());
    time.strftime("%-d %B %Y at %H:%M (%Z)").to_string()
}

/// "21 Nov 2026 10:15:02".
pub fn clock(time: Timestamp, zone: &TimeZone) -> String {
    let time = time.to_zoned(zone.clone());
    time.strftime("%-d %b %Y %H:%M:%S").to_string()
}

/// "T.38, 14400 bit/s, T.6, with error correction"; `None` where T.30 never agreed on a speed.
pub fn line(far_end: &FarEnd) -> Option<String> {
    if far_end.bit_rate == 0 {
        return None;
    }
    let way = if far_end.t38 { "T.38" } else { "audio" };
    let correction = if far_end.ecm { "with" } else { "without" };
    let coding = match one_line(&far_end.compression, 20) {
        coding if coding.is_empty() => coding,
        coding => format!(", {coding}"),
    };
    let speed = far_end.bit_rate;
    Some(format!(
        "{way}, {speed} bit/s{coding}, {correction} error correction"
    ))
}

/// A stranger's words on one line, at most `limit` characters: control characters, line and paragraph separators
/// and the marks that turn the direction of writing become spaces, runs of spaces one.
pub fn one_line(text: &str, limit: usize) -> String {
    let unruly = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean: String = text
        .chars()
        .map(|c| if unruly(c) { ' ' } else { c })
        .collect();
    let words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(limit) {
        None => words,
        Some(_) => {
            let cut: String = words.chars().take(limit.saturating_sub(1)).collect();
            format!("{}…", cut.trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!(pages(1), "1 page");
        assert_eq!(pages(0), "0 pages");
        for (n, words) in [
            (0.2, "0 seconds"),
            (1.4, "1 second"),
            (59.4, "59 seconds"),
            (59.6, "1 minute"),
            (125.0, "2 minutes 5 seconds"),
            (3600.0, "1 hour"),
            (3661.0, "1 hour 1 minute"),
            (-3.0, "0 seconds"),
            (f64::NAN, "0 seconds"),
        ] {
            assert_eq!(seconds(n), words);
        }
    }

    #[test]
    fn times_are_told_in_the_readers_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let winter = "2026-11-21T09:15:02Z".parse().unwrap();
        assert_eq!(when(winter, &zone), "21 November 2026 at 10:15 (CET)");
        let summer = "2026-07-01T22:30:00Z".parse().unwrap();
        assert_eq!(when(summer, &zone), "2 July 2026 at 00:30 (CEST)");
        assert_eq!(clock(winter, &zone), "21 Nov 2026 10:15:02");
    }

    #[test]
    fn a_strangers_words_stay_on_one_line_and_are_cut() {
        assert_eq!(one_line(" a\r\n\tb\u{2028}c\u{202e}d ", 80), "a b c d");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("äöü€x", 3), "äö…");
    }

    #[test]
    fn a_missing_fact_is_an_error_and_not_a_gap() {
        let error = fill("receipt-delivered.txt", ()).unwrap_err();
        assert!(matches!(error, LetterError::Template(_)));
    }
}
