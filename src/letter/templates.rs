//! The templates in `mail/`, compiled in, and those of the site that stand before them.
//!
//! A template of the site that does not work is passed over, so that no receipt is lost because of it; `postfax check`
//! and the start of the daemon tell where it is broken.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, UndefinedBehavior, Value};

use super::wording::lines_as_written;
use super::{LetterError, words};
use crate::pages::cover::Language;

/// A file's name and its text.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../mail/", $name)))
    };
}

/// Every file of `mail/` that mails are written from.
const FILES: &[(&str, &str)] = &[
    file!("sentences.en.txt"),
    file!("sentences.de.txt"),
    file!("frame.html"),
    file!("subject.txt"),
    file!("receipt.txt"),
    file!("receipt.html"),
    file!("broadcast.txt"),
    file!("broadcast.html"),
    file!("returned.en.txt"),
    file!("returned.de.txt"),
    file!("fax-received.en.txt"),
    file!("fax-received.de.txt"),
];

/// What templates call each other: the language is chosen here, and not there.
const NAMES: [&str; 9] = [
    "sentences.txt",
    "subject.txt",
    "frame.html",
    "receipt.txt",
    "receipt.html",
    "broadcast.txt",
    "broadcast.html",
    "returned.txt",
    "fax-received.txt",
];

/// Steps that a template may take: enough for a broadcast to ten thousand, and an end for one that goes in a circle.
const FUEL: u64 = 50_000_000;

/// Single sentences, for the subject and for the page.
const SENTENCES: [(&str, &str); 4] = [
    (
        "subject",
        r#"{% import "sentences.txt" as say %}{{ say.subject(fax) }}"#,
    ),
    (
        "first",
        r#"{% import "sentences.txt" as say %}{{ say.first(fax) }}"#,
    ),
    (
        "many-subject",
        r#"{% import "sentences.txt" as say %}{{ say.many_subject(all) }}"#,
    ),
    (
        "next",
        r#"{% import "sentences.txt" as say %}{{ say.next(fax) }}"#,
    ),
];

/// The templates in force. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    /// Of the site: file name to text.
    own: Arc<BTreeMap<String, String>>,
}

/// A template of the site that does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", place(.file, *.line))]
pub struct Broken {
    /// Its file name.
    pub file: String,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

fn place(file: &str, line: Option<usize>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}, line {line}"))
}

/// Those compiled in, in the order of [`Language`].
static BUILT_IN: LazyLock<[Environment<'static>; 2]> = LazyLock::new(|| {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    let ours = |language| environment(&NONE, language);
    [Language::En, Language::De].map(|it| ours(it).expect("a compiled-in template is well-formed"))
});

impl Templates {
    /// The templates of a site: file names and texts.
    pub fn of(own: BTreeMap<String, String>) -> Templates {
        Templates { own: Arc::new(own) }
    }

    /// Whether a file of this name is one of those that a site can replace.
    pub fn knows(file: &str) -> bool {
        NAMES.iter().any(|name| {
            let languages = [Language::En, Language::De];
            file == *name || languages.iter().any(|it| file == in_language(name, *it))
        })
    }

    /// Whether the site has a file of its own for `name`.
    pub fn has_own(&self, name: &str, language: Language) -> bool {
        self.own.contains_key(name) || self.own.contains_key(&in_language(name, language))
    }

    /// Fills the template `name` with `facts`: the site's, or, where that does not work, ours.
    ///
    /// # Errors
    /// [`LetterError::Template`] if a fact is missing for ours, too.
    pub fn fill(
        &self,
        name: &str,
        language: Language,
        facts: &Value,
    ) -> Result<String, LetterError> {
        match self.fill_own(name, language, facts) {
            Ok(Some(text)) => return Ok(text),
            Ok(None) => {}
            Err(broken) => tracing::warn!("the template {broken}; ours is used instead"),
        }
        let ours = &BUILT_IN[language as usize];
        let filled = ours.get_template(name).and_then(|it| it.render(facts));
        filled.map_err(|e| LetterError::Template(format!("{e:#}")))
    }

    /// Fills the site's template; `None`: it has none at all.
    ///
    /// # Errors
    /// Where it is broken.
    pub fn fill_own(
        &self,
        name: &str,
        language: Language,
        facts: &Value,
    ) -> Result<Option<String>, Broken> {
        if self.own.is_empty() {
            return Ok(None);
        }
        let filled = environment(&self.own, language)
            .and_then(|own| own.get_template(name)?.render(facts))
            .map_err(|e| self.broken(&e, language))?;
        // Who ends a template in the middle of an `if` writes empty mails.
        if filled.trim().is_empty() && matches!(name, "receipt.txt" | "receipt.html") {
            let what = "it says nothing at all".to_owned();
            let file = self.file_of(name, language);
            return Err(Broken {
                file,
                line: None,
                what,
            });
        }
        Ok(Some(filled))
    }

    fn broken(&self, e: &minijinja::Error, language: Language) -> Broken {
        // An error in a macro or an import has the place where it happened at the bottom of its causes.
        let mut deepest = e;
        let mut cause = std::error::Error::source(e);
        while let Some(inner) = cause {
            if let Some(inner) = inner.downcast_ref::<minijinja::Error>() {
                deepest = inner;
            }
            cause = inner.source();
        }
        let what = match deepest.detail() {
            Some(detail) => format!("{}: {detail}", deepest.kind()),
            None => deepest.kind().to_string(),
        };
        Broken {
            file: self.file_of(deepest.name().unwrap_or_default(), language),
            line: deepest.line(),
            what,
        }
    }

    /// The file of the site behind a name.
    fn file_of(&self, name: &str, language: Language) -> String {
        let special = in_language(name, language);
        match self.own.contains_key(&special) {
            true => special,
            false => name.to_owned(),
        }
    }
}

/// `sentences.de.txt` for `sentences.txt`.
fn in_language(name: &str, language: Language) -> String {
    let code = match language {
        Language::En => "en",
        Language::De => "de",
    };
    match name.split_once('.') {
        Some((stem, ending)) => format!("{stem}.{code}.{ending}"),
        None => name.to_owned(),
    }
}

/// All templates in one language; those of `own` before ours, and one for a language before one for all.
fn environment(
    own: &BTreeMap<String, String>,
    language: Language,
) -> Result<Environment<'_>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(lines_as_written());
    templates.set_fuel(Some(FUEL));
    templates.add_filter("pages", move |n: u32| words::pages(n, language));
    templates.add_filter("seconds", move |n: f64| words::seconds(n, language));
    templates.add_filter("column", |text: String, width: usize| {
        format!("{text:<width$}")
    });
    for name in NAMES {
        let special = in_language(name, language);
        let ours = |file: &str| FILES.iter().find(|(known, _)| *known == file);
        let text = own
            .get(&special)
            .or_else(|| own.get(name))
            .map(String::as_str);
        let text = text.or_else(|| ours(&special).or_else(|| ours(name)).map(|it| it.1));
        templates.add_template(name, text.expect("every name has a file in mail/"))?;
    }
    for (name, text) in SENTENCES {
        templates.add_template(name, text)?;
    }
    Ok(templates)
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn own(files: &[(&str, &str)]) -> Templates {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Templates::of(files.iter().map(own).collect())
    }

    fn facts() -> Value {
        context! { received => false, forwarded => false, recipient => "a<b>", reply => "550", ended => "now", hostname => "h" }
    }

    #[test]
    fn a_missing_fact_is_an_error_and_not_a_gap() {
        let error = Templates::default().fill("receipt.txt", Language::En, &Value::from(()));
        assert!(matches!(error, Err(LetterError::Template(_))));
    }

    #[test]
    fn a_site_s_template_comes_first_and_one_for_a_language_before_one_for_all() {
        let templates = own(&[
            ("returned.txt", "for all\n"),
            ("returned.de.txt", "auf Deutsch\n"),
        ]);
        let fill = |language| templates.fill("returned.txt", language, &facts()).unwrap();
        assert_eq!(fill(Language::En), "for all\n");
        assert_eq!(fill(Language::De), "auf Deutsch\n");
    }

    #[test]
    fn a_broken_template_is_named_with_its_line_and_ours_is_used() {
        for (broken, line, says) in [
            ("one\n{% if %}\n", 2, "syntax error"),
            ("one\ntwo\n{{ nonsense }}\n", 3, "undefined"),
            ("{{ ended|no_filter }}", 1, "no_filter"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
                1,
                "fuel",
            ),
        ] {
            let templates = own(&[("returned.en.txt", broken)]);
            let told = templates
                .fill_own("returned.txt", Language::En, &facts())
                .unwrap_err();
            assert_eq!(
                (told.file.as_str(), told.line),
                ("returned.en.txt", Some(line))
            );
            assert!(told.to_string().contains(says), "{told}");
            let text = templates
                .fill("returned.txt", Language::En, &facts())
                .unwrap();
            assert!(
                text.starts_with("A receipt could not be delivered to a<b>:"),
                "{text}"
            );
        }
    }

    #[test]
    fn only_files_that_can_be_replaced_are_known() {
        for known in [
            "receipt.html",
            "sentences.de.txt",
            "receipt.en.txt",
            "fax-received.txt",
        ] {
            assert!(Templates::knows(known), "{known}");
        }
        for other in [
            "README.md",
            "receipt.txt~",
            "sentences.fr.txt",
            "cover.en.txt",
            "",
        ] {
            assert!(!Templates::knows(other), "{other}");
        }
    }
}
