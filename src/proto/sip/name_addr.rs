//! `From`, `To`, `Contact`, `Route`, `P-Asserted-Identity`, `Diversion`: a URI with a name and parameters.

use std::fmt;

use super::text::{is_space, quote, quoted, trim};
use super::{Invalid, Params, Uri};

/// A name, a URI, parameters (RFC 3261 20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, without quotes and escapes.
    pub display: Option<String>,
    /// Whom it names.
    pub uri: Uri,
    /// The parameters of the header, not those of the URI: `tag`, `expires`, `reason` ...
    pub params: Params,
}

impl NameAddr {
    /// A URI in brackets, nothing else.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr {
            display: None,
            uri,
            params: Params::default(),
        }
    }

    /// Reads one value, with or without brackets.
    ///
    /// # Errors
    /// A quote or bracket that never closes, white space in the URI, a comma in a name without quotes, and a URI
    /// without brackets that needs them.
    pub fn parse(text: &str) -> Result<NameAddr, Invalid> {
        let text = trim(text);
        if text.starts_with('"') {
            let (display, rest) = quoted(text).ok_or(Invalid("a quote that never closes"))?;
            return in_brackets(Some(display.into_owned()), trim(rest));
        }
        match text.find('<') {
            Some(at) => in_brackets(plain_display(&text[..at])?, &text[at..]),
            None => bare(text),
        }
    }

    /// The tag of a `From` or `To`.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// With this tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set("tag", tag);
        self
    }
}

/// A name without quotes. The grammar has only tokens here; peers have whatever an owner called himself.
fn plain_display(text: &str) -> Result<Option<String>, Invalid> {
    let text = trim(text);
    // RFC 4475 3.1.2.15: a comma would be the end of the value in a list.
    if text.contains(['"', ',', '>']) {
        return Err(Invalid("a name that needs quotes"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn in_brackets(display: Option<String>, text: &str) -> Result<NameAddr, Invalid> {
    let inner = text
        .strip_prefix('<')
        .ok_or(Invalid("no < behind the name"))?;
    let (uri, params) = inner
        .split_once('>')
        .ok_or(Invalid("a < that never closes"))?;
    Ok(NameAddr {
        display,
        uri: Uri::parse(uri)?,
        params: Params::parse(params)?,
    })
}

/// RFC 3261 20.10: without brackets, what follows a `;` belongs to the header, and `?` and `,` cannot be.
fn bare(text: &str) -> Result<NameAddr, Invalid> {
    let end = text.find(|c| c == ';' || is_space(c)).unwrap_or(text.len());
    let (uri, params) = text.split_at(end);
    if uri.contains(['?', ',']) {
        return Err(Invalid("a URI that needs brackets"));
    }
    Ok(NameAddr {
        display: None,
        uri: Uri::parse(uri)?,
        params: Params::parse(params)?,
    })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NameAddr {
        NameAddr::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn the_ways_to_write_a_caller() {
        for (text, display, number, tag) in [
            ("sip:+1202@a;tag=1", None, "+1202", Some("1")),
            ("<sip:1202@a;user=phone>", None, "1202", None),
            (
                "caller<sip:1202@a>;tag=323",
                Some("caller"),
                "1202",
                Some("323"),
            ),
            (
                "\"J \\\"R\\\"\"   <tel:1202> ; tag = x",
                Some("J \"R\""),
                "1202",
                Some("x"),
            ),
            (
                "Dr. M\u{fc}ller (Fax) <sip:1202@a>;tag=",
                Some("Dr. M\u{fc}ller (Fax)"),
                "1202",
                None,
            ),
        ] {
            let read = read(text);
            assert_eq!(read.display.as_deref(), display, "{text}");
            assert_eq!(read.uri.number().as_deref(), Some(number), "{text}");
            assert_eq!(read.tag(), tag, "{text}");
        }
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            "",
            "*",
            "\"Mr. J. User <sip:j.user@example.com>",
            "\"Watson, Thomas\" < sip:t.watson@example.org >",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b",
            "<sip:a@b>tag=1",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let mut from = read("<sip:1202@a>").with_tag("1");
        from.display = Some("x\" <sip:evil@b>\r\nVia: y".to_owned());
        assert_eq!(
            from.to_string(),
            "\"x\\\" <sip:evil@b>  Via: y\" <sip:1202@a>;tag=1"
        );
        assert_eq!(read(&from.to_string()).tag(), Some("1"));
    }
}
