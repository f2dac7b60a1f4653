//! `;name=value` lists, of header values and of URIs.

use std::fmt;

use super::Invalid;
use super::text::{is_space, one_line, quoted, split, trim};

/// Parameters in their order; values as they stand there, quoted ones with their quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads `;a=b ; c`; an empty text has none.
    ///
    /// # Errors
    /// An empty parameter, or one with white space or brackets in it.
    pub fn parse(text: &str) -> Result<Params, Invalid> {
        let text = trim(text);
        if text.is_empty() {
            return Ok(Params::default());
        }
        let list = text.strip_prefix(';');
        let list = list.ok_or(Invalid("something before the parameters"))?;
        split(list, b';')
            .map(param)
            .collect::<Result<_, _>>()
            .map(Params)
    }

    /// The value of a parameter: empty where it has none, `None` where it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut params = self.0.iter();
        let found = params.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// The value without the quotes it may have.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        Some(quoted(value).map_or_else(|| value.to_owned(), |(text, _)| text.into_owned()))
    }

    /// Whether it is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives a parameter this value, at its place or at the end. What would end a value becomes a space in quotes or
    /// is left out.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Some(one_line(value)));
    }

    /// Adds a parameter without value.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    fn put(&mut self, name: &str, value: Option<String>) {
        let value = value.map(|value| match quoted(&value) {
            Some((_, "")) => value,
            _ => value.chars().filter(|c| is_plain(*c)).collect(),
        });
        let mut params = self.0.iter_mut();
        match params.find(|(found, _)| found.eq_ignore_ascii_case(name)) {
            Some(param) => param.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

fn param(text: &str) -> Result<(String, Option<String>), Invalid> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (text, None),
    };
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(Invalid("an empty or broken parameter"));
    }
    let fits = |value: &str| match value.starts_with('"') {
        true => quoted(value).is_some_and(|(_, rest)| rest.is_empty()),
        false => value.chars().all(is_plain),
    };
    if !value.is_none_or(fits) {
        return Err(Invalid("a parameter with a broken value"));
    }
    Ok((name.to_owned(), value.map(str::to_owned)))
}

/// What may stand in a name or value without quotes; liberal, but nothing that ends one.
fn is_plain(c: char) -> bool {
    !is_space(c) && !c.is_control() && !matches!(c, '"' | '<' | '>' | ';' | ',')
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spacing_and_quoted_separators() {
        let params = Params::parse(" ; tag   = 1918 ;lr;x=\"a;b, c\"").expect("it is fine");
        assert_eq!(params.get("TAG"), Some("1918"));
        assert_eq!(params.get("lr"), Some(""));
        assert_eq!(params.unquoted("x").as_deref(), Some("a;b, c"));
        assert_eq!(params.to_string(), ";tag=1918;lr;x=\"a;b, c\"");
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            ";;",
            ";",
            "tag=1",
            ";a b",
            ";a=b c",
            ";=x",
            ";x=\"open",
            ";x=\"a\"b",
            ";a=<b>",
        ] {
            assert!(Params::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_value_that_we_set_adds_no_parameter() {
        let mut params = Params::default();
        params.set("tag", "a;b\r\nVia: x");
        params.set("tag", "a;lr=c, <d>");
        params.set_flag("rport");
        assert_eq!(params.to_string(), ";tag=alr=cd;rport");
    }
}
