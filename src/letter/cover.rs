//! The text of a cover page: the templates `mail/cover.*.txt`, or a site's own, with the facts filled in. Pure.

use jiff::Zoned;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

use super::LetterError;
use super::wording::lines_as_written;
use crate::pages::cover::{Language, literal};

/// What a cover page says. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CoverFacts {
    /// Who is to read the fax.
    pub to: String,
    /// The number that is dialled.
    pub to_number: String,
    /// Who wrote the mail.
    pub from: String,
    /// The mail address of the same.
    pub from_mail: String,
    /// The number of ours that stands on the far end's display.
    pub from_number: String,
    /// The name in the header line.
    pub organisation: String,
    /// The subject of the mail.
    pub subject: String,
    /// Pages of the fax, the cover counted.
    pub pages: u32,
    /// The day and the time, in words.
    pub date: String,
    /// What the sender had to say beside; may have several lines.
    pub notes: String,
}

impl CoverFacts {
    /// Facts to try a template with.
    pub fn example(language: Language) -> CoverFacts {
        let when = jiff::civil::date(2026, 11, 21).at(10, 5, 0, 0);
        let when = when.to_zoned(jiff::tz::TimeZone::UTC);
        CoverFacts {
            to: "Jane Roe".into(),
            to_number: "+12125550123".into(),
            from: "John Doe".into(),
            from_mail: "john@example.com".into(),
            from_number: "+12125550100".into(),
            organisation: "Example Office".into(),
            subject: "Lease of the second floor".into(),
            pages: 3,
            date: date(&when.expect("a moment of this century"), language),
            notes: "Please call back.\nBefore noon.".into(),
        }
    }
}

/// The built-in template in this language.
pub fn builtin(language: Language) -> &'static str {
    match language {
        Language::En => include_str!("../../mail/cover.en.txt"),
        Language::De => include_str!("../../mail/cover.de.txt"),
    }
}

/// The text of a cover page, in the markup of [`crate::pages::cover`]. What the facts say stands for itself there,
/// whatever it looks like.
///
/// # Errors
/// [`LetterError::Template`] with the line, for a template that cannot be read or asks for what is not known.
pub fn fill(template: &str, facts: &CoverFacts) -> Result<String, LetterError> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(lines_as_written());
    templates.set_formatter(|out, _, value| Ok(out.write_str(&literal(&value.to_string()))?));
    let wrong = |e: minijinja::Error| LetterError::Template(format!("{e:#}"));
    let facts = Value::from(minijinja::value::Serde(facts));
    let filled = templates.render_named_str("the template", template, facts);
    filled.map_err(wrong)
}

/// "21 November 2026, 10:05 CET", "21. November 2026, 10:05 Uhr".
pub fn date(when: &Zoned, language: Language) -> String {
    match language {
        Language::En => when.strftime("%-d %B %Y, %H:%M %Z").to_string(),
        Language::De => {
            let month = super::words::MONATE[when.month() as usize - 1];
            let (day, time) = (when.day(), when.strftime("%Y, %H:%M Uhr"));
            format!("{day}. {month} {time}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_all_they_know() {
        for language in [Language::En, Language::De] {
            let facts = CoverFacts::example(language);
            let text = fill(builtin(language), &facts).unwrap();
            let said = [
                &facts.to,
                &facts.from,
                &facts.organisation,
                &facts.subject,
                &facts.date,
                "Before noon.",
                "+12125550123",
                "3, einschlie\u{df}lich dieser",
                "3, including this page",
            ];
            // Numbers and dates have no mark of the markup; the rest was chosen so.
            let missing = said.iter().filter(|fact| !text.contains(*fact));
            assert_eq!(missing.count(), 1, "{text}");
            let nothing = fill(builtin(language), &CoverFacts::default()).unwrap();
            assert!(!nothing.contains("{{"));
        }
    }

    #[test]
    fn a_template_that_is_wrong_names_its_line() {
        for (template, told) in [
            ("# Fax\n{{ addressee }}", "the template:2"),
            ("# Fax\n\n{% if to %}", "the template:3"),
            ("{{ to", "the template:1"),
        ] {
            let error = fill(template, &CoverFacts::default()).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn a_date_is_in_the_language_of_the_page() {
        let when: Zoned = "2026-03-01T09:05:00+01:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(date(&when, Language::En), "1 March 2026, 09:05 CET");
        assert_eq!(date(&when, Language::De), "1. M\u{e4}rz 2026, 09:05 Uhr");
    }
}
