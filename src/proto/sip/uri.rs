//! `sip:`, `sips:` and `tel:` URIs (RFC 3261 19.1, RFC 3966); any other is kept as its text.

use std::fmt;

use super::text::{host_port, is_space, percent_decode, percent_encode};
use super::{Invalid, Params};

/// A URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Any other scheme, whole.
    Other(String),
}

/// A `sip:` or `sips:` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// The part before the `@`, with its escapes, its parameters and perhaps a password.
    pub user: Option<String>,
    /// A name, an IPv4 address or an IPv6 address in brackets.
    pub host: String,
    /// The port, where one is named.
    pub port: Option<u16>,
    /// `transport`, `user`, `lr` ...
    pub params: Params,
    /// What stands behind the `?`, as it came.
    pub headers: Option<String>,
}

/// A `tel:` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelUri {
    /// The number as it came, with its visual separators.
    pub number: String,
    /// `phone-context`, `isub` ...
    pub params: Params,
}

impl Uri {
    /// Reads a URI without anything around it.
    ///
    /// # Errors
    /// No scheme, white space or brackets inside, a host or a port that is none.
    pub fn parse(text: &str) -> Result<Uri, Invalid> {
        if text
            .chars()
            .any(|c| is_space(c) || c.is_control() || matches!(c, '<' | '>' | '"'))
        {
            return Err(Invalid("white space, quotes or brackets in a URI"));
        }
        let (scheme, rest) = text
            .split_once(':')
            .ok_or(Invalid("a URI without scheme"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => SipUri::parse(false, rest).map(Uri::Sip),
            "sips" => SipUri::parse(true, rest).map(Uri::Sip),
            "tel" => TelUri::parse(rest).map(Uri::Tel),
            _ if is_scheme(scheme) && !rest.is_empty() => Ok(Uri::Other(text.to_owned())),
            _ => Err(Invalid("a URI without scheme")),
        }
    }

    /// The `sip:` or `sips:` URI that it is.
    pub fn sip(&self) -> Option<&SipUri> {
        match self {
            Uri::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The user part of a `sip:` URI without escapes and parameters, or the digits of a `tel:` URI.
    pub fn number(&self) -> Option<String> {
        match self {
            Uri::Sip(uri) => uri.user_text(),
            Uri::Tel(uri) => Some(
                uri.number
                    .chars()
                    .filter(|c| !"-.()".contains(*c))
                    .collect(),
            ),
            Uri::Other(_) => None,
        }
    }
}

/// A user part as it stands in a URI; `#` of a dialled number, say, may not stand there.
pub fn escape_user(user: &str) -> String {
    // RFC 3261 25.1: unreserved and user-unreserved, but for `;` which begins the parameters of a number.
    percent_encode(user, b"-_.!~*'()&=+$,/")
}

impl SipUri {
    /// `sip:user@host`; the user is escaped, the host (which may be followed by a port) is taken as it is.
    ///
    /// # Errors
    /// A host or port that is none.
    pub fn new(user: &str, host: &str) -> Result<SipUri, Invalid> {
        let (host, port) = host_port(host).ok_or(Invalid("a host or port that is none"))?;
        let user = (!user.is_empty()).then(|| escape_user(user));
        Ok(SipUri {
            secure: false,
            user,
            host: host.to_owned(),
            port,
            params: Params::default(),
            headers: None,
        })
    }

    fn parse(secure: bool, text: &str) -> Result<SipUri, Invalid> {
        // The user part may have `;` and `?` in it (RFC 4475 3.1.1.2, 3.1.1.9), so the `@` is looked for first.
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (host, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = host_port(host).ok_or(Invalid("a host or port that is none"))?;
        Ok(SipUri {
            secure,
            user,
            host: host.to_owned(),
            port,
            params: Params::parse(params)?,
            headers,
        })
    }

    /// The user without escapes, without its parameters and password.
    pub fn user_text(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let end = user.find([';', ':']).unwrap_or(user.len());
        Some(percent_decode(&user[..end]))
    }
}

impl TelUri {
    fn parse(text: &str) -> Result<TelUri, Invalid> {
        let (number, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        // RFC 3966 3: phonedigits, and hexadecimal ones of a local number.
        let fits = |c: char| c.is_ascii_hexdigit() || "+-.()*#".contains(c);
        if number.is_empty() || !number.chars().all(fits) {
            return Err(Invalid("a number that is none"));
        }
        Ok(TelUri {
            number: number.to_owned(),
            params: Params::parse(params)?,
        })
    }
}

fn is_scheme(text: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(known)
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Sip(uri) => uri.fmt(f),
            Uri::Tel(uri) => write!(f, "tel:{}{}", uri.number, uri.params),
            Uri::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "sip:example.com",
            "sips:+12025550123;isub=1@[2001:db8::9]:5061;transport=tls;lr",
            "sip:null-%00-null@example.com",
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            "sip:user@example.com?Route=%3Csip:example.com%3E",
            "tel:+1-202-555-0123;phone-context=example.com",
            "soap.beep://192.0.2.103:3002",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn the_number_is_what_a_person_would_dial() {
        assert_eq!(
            read("sip:+12025550123;npdi@host").number().as_deref(),
            Some("+12025550123")
        );
        assert_eq!(
            read("sip:%2B49%2030@host;user=phone").number().as_deref(),
            Some("+49 30")
        );
        assert_eq!(
            read("tel:+1(202)555-0123").number().as_deref(),
            Some("+12025550123")
        );
        assert_eq!(read("sip:host").number(), None);
    }

    #[test]
    fn no_scheme_no_host_no_port() {
        for text in [
            "",
            "host",
            "sip:",
            "sip:a@",
            "sip:a@b:port",
            "sip:a@b c",
            "<sip:a@b>",
            "tel:fax",
            "1x:y",
            "x:",
        ] {
            assert!(Uri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_user_cannot_add_a_host_or_a_header() {
        let uri =
            SipUri::new("1@evil;a?b\r\nVia: x", "example.com:5060").expect("the host is fine");
        assert_eq!(
            uri.to_string(),
            "sip:1%40evil%3Ba%3Fb%0D%0AVia%3A%20x@example.com:5060"
        );
        assert!(SipUri::new("1", "example.com\r\nVia: x").is_err());
    }
}
