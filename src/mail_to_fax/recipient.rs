//! Reads a recipient's address: `12025550123@fax.example` and its more learned forms.

use crate::config::dialplan::Refused;
use crate::config::numbers::Numbering;
use crate::proto::smtp::Refusal;

/// Digits in a number at most: E.164 has 15, a prefix for an outside line and one for abroad come on top.
const MAX_DIGITS: usize = 20;

/// What a recipient's address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxAddress {
    /// The number without decoration: digits, with a `+` in front if there was one.
    pub number: String,
    /// The sub-address (T.33) of an RFC 3192 address: digits, at most 20.
    pub sub_address: Option<String>,
}

/// Why an address is not taken; [`std::fmt::Display`] is the sentence for its writer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// No `@`.
    #[error("an address has the form NUMBER@DOMAIN")]
    NoDomain,
    /// Not one of ours.
    #[error("{domain} is not a domain for faxes here; write to NUMBER@{ours}")]
    UnknownDomain {
        /// As the client wrote it.
        domain: String,
        /// The first of our domains.
        ours: String,
    },
    /// The local part is something else.
    #[error("\"{0}\" is not a fax number; write to digits, such as 12025550123")]
    NotANumber(String),
    /// More than any telephone network takes.
    #[error("\"{0}\" has more digits than a telephone number can have")]
    TooLong(String),
    /// An element of an RFC 3192 address that cannot be read.
    #[error("\"{0}\" in the fax address cannot be read (RFC 3192)")]
    BadElement(String),
    /// A sub-address that T.30 cannot carry.
    #[error("the sub-address \"{0}\" must be 1 to 20 digits (RFC 3192), such as T33S=6377")]
    BadSubAddress(String),
    /// The dial plan says no.
    #[error(transparent)]
    NotAllowed(#[from] Refused),
}

impl From<BadAddress> for Refusal {
    fn from(bad: BadAddress) -> Refusal {
        let status = match bad {
            BadAddress::UnknownDomain { .. } => "5.1.2",
            BadAddress::NotANumber(_) => "5.1.1",
            BadAddress::NoDomain
            | BadAddress::TooLong(_)
            | BadAddress::BadElement(_)
            | BadAddress::BadSubAddress(_) => "5.1.3",
            BadAddress::NotAllowed(_) => "5.7.1",
        };
        Refusal::new(550, status, bad.to_string())
    }
}

/// The verdict at RCPT: the number to dial, in canonical form, and its sub-address, if `address` is one of ours, a
/// number, and allowed.
///
/// # Errors
/// The first rule that `address` breaks.
pub fn number_to_dial(
    address: &str,
    domains: &[String],
    numbers: &Numbering,
) -> Result<FaxAddress, BadAddress> {
    let address = parse(address, domains)?;
    Ok(FaxAddress {
        number: numbers.to_dial(&address.number)?,
        ..address
    })
}

/// Reads an address, quotes already undone; `domains` are ours.
///
/// # Errors
/// The first rule that `address` breaks.
pub fn parse(address: &str, domains: &[String]) -> Result<FaxAddress, BadAddress> {
    let (local, domain) = address.rsplit_once('@').ok_or(BadAddress::NoDomain)?;
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    if !domains.iter().any(|ours| ours.eq_ignore_ascii_case(bare)) {
        return Err(BadAddress::UnknownDomain {
            domain: domain.to_string(),
            ours: domains.first().cloned().unwrap_or_default(),
        });
    }
    if local.contains('=') {
        learned(local)
    } else {
        Ok(FaxAddress {
            number: number(local)?,
            sub_address: None,
        })
    }
}

/// RFC 3192: `FAX=+12025550123/T33S=6377`, in slashes or not, with what RFC 2846 adds; `12025550123/T33S=6377` for
/// short.
fn learned(local: &str) -> Result<FaxAddress, BadAddress> {
    let bad = |element: &str| BadAddress::BadElement(element.to_string());
    let mut found = None;
    let mut sub_address = None;
    for element in local.split('/').filter(|element| !element.is_empty()) {
        let Some((key, value)) = element.split_once('=') else {
            match found {
                None => found = Some(number(element)?),
                Some(_) => return Err(bad(element)),
            }
            continue;
        };
        match key.trim().to_ascii_uppercase().as_str() {
            "FAX" if found.is_none() => found = Some(number(value)?),
            "T33S" if sub_address.is_none() => sub_address = Some(t33(value)?),
            // RFC 2846: who is to get the paper, and what a postal service would need. Nothing to dial.
            "ATTN" | "POST" | "FORM" | "ORG" | "OFNO" | "OFNA" | "STR" | "ADDR" | "ADDU"
            | "ADDL" | "POB" | "ZIP" | "CO" => {}
            _ => return Err(bad(element)),
        }
    }
    Ok(FaxAddress {
        number: found.ok_or_else(|| bad(local))?,
        sub_address,
    })
}

/// Whom the paper is for, where an address says so (ATTN of RFC 2846).
pub fn attention(address: &str) -> Option<String> {
    let (local, _) = address.rsplit_once('@')?;
    let mut elements = local
        .split('/')
        .filter_map(|element| element.split_once('='));
    let (_, name) = elements.find(|(key, _)| key.trim().eq_ignore_ascii_case("ATTN"))?;
    // A dot or an underscore stands for a space, which would have to be quoted.
    let name = name.replace(['.', '_'], " ").trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// RFC 3192 3: digits and written separators; T.30 5.3.6.1.3 carries 20 of them.
fn t33(written: &str) -> Result<String, BadAddress> {
    let digits: String = written
        .chars()
        .filter(|c| !matches!(c, '-' | '.'))
        .collect();
    match (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(digits),
        false => Err(BadAddress::BadSubAddress(written.to_string())),
    }
}

/// Strips what people write between digits; a `+` may only stand in front.
fn number(written: &str) -> Result<String, BadAddress> {
    let not_a_number = || BadAddress::NotANumber(written.to_string());
    let mut number = String::new();
    for c in written.chars() {
        match c {
            '0'..='9' => number.push(c),
            '+' if number.is_empty() => number.push(c),
            ' ' | '-' | '.' | '(' | ')' => {}
            _ => return Err(not_a_number()),
        }
    }
    match number.trim_start_matches('+').len() {
        0 => Err(not_a_number()),
        1..=MAX_DIGITS => Ok(number),
        _ => Err(BadAddress::TooLong(written.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> Vec<String> {
        vec!["gw.example".to_string(), "fax.local".to_string()]
    }

    fn numbers() -> Numbering {
        Numbering::of(&crate::config::Config::default()).unwrap()
    }

    fn read(address: &str) -> Result<FaxAddress, BadAddress> {
        parse(address, &domains())
    }

    #[test]
    fn decoration_is_stripped() {
        for (address, number) in [
            ("12025550123@gw.example", "12025550123"),
            ("+1-202-555-0123@gw.example", "+12025550123"),
            ("+1.202.555.0123@GW.Example", "+12025550123"),
            ("+1 (202) 555-0123@gw.example", "+12025550123"),
            ("(202)5550123@gw.example.", "2025550123"),
            ("5551234567@fax.local", "5551234567"),
            ("FAX=+12025550123@gw.example", "+12025550123"),
            ("fax=+1-202-555-0123@gw.example", "+12025550123"),
            ("/FAX=+12025550123/@gw.example", "+12025550123"),
            (
                "FAX=+12025550123/ATTN=Tom/STR=1.Main@gw.example",
                "+12025550123",
            ),
        ] {
            assert_eq!(read(address).map(|a| a.number), Ok(number.to_string()));
        }
    }

    #[test]
    fn a_sub_address_is_read_in_every_form() {
        for address in [
            "FAX=+12025550123/T33S=6377@gw.example",
            "/fax=+1-202-555-0123/t33s=63-77/@gw.example",
            "+12025550123/T33S=6377@gw.example",
            "T33S=6377/FAX=+12025550123@gw.example",
        ] {
            let to = number_to_dial(address, &domains(), &numbers()).unwrap();
            assert_eq!(to.number, "+12025550123", "{address}");
            assert_eq!(to.sub_address.as_deref(), Some("6377"), "{address}");
        }
    }

    #[test]
    fn an_address_may_say_whom_the_paper_is_for() {
        for (address, name) in [
            (
                "FAX=+12025550123/ATTN=Jane.Roe@gw.example",
                Some("Jane Roe"),
            ),
            ("/attn=Jane Roe/fax=1@gw.example", Some("Jane Roe")),
            ("FAX=1/ATTN=@gw.example", None),
            ("12025550123@gw.example", None),
            ("ATTN=x", None),
        ] {
            assert_eq!(attention(address).as_deref(), name, "{address}");
        }
    }

    #[test]
    fn every_bad_address_has_its_code() {
        for (address, status) in [
            ("12025550123", "5.1.3"),
            ("12025550123@elsewhere.example", "5.1.2"),
            ("12025550123@xgw.example", "5.1.2"),
            ("12025550123@", "5.1.2"),
            ("info@gw.example", "5.1.1"),
            ("@gw.example", "5.1.1"),
            ("+@gw.example", "5.1.1"),
            ("12+025550123@gw.example", "5.1.1"),
            ("++12025550123@gw.example", "5.1.1"),
            ("12025550123w42@gw.example", "5.1.1"),
            ("12025550123+tag@gw.example", "5.1.1"),
            ("12025550123@evil.example@gw.example", "5.1.1"),
            ("\u{661}\u{662}@gw.example", "5.1.1"),
            ("123456789012345678901@gw.example", "5.1.3"),
            ("FAX=@gw.example", "5.1.1"),
            ("T33S=1@gw.example", "5.1.3"),
            ("FAX=1/FAX=2@gw.example", "5.1.3"),
            ("FAX=1/T33S=x@gw.example", "5.1.3"),
            ("FAX=1/T33S=@gw.example", "5.1.3"),
            ("FAX=1/T33S=123456789012345678901@gw.example", "5.1.3"),
            ("FAX=1/T33S=1/T33S=2@gw.example", "5.1.3"),
            ("1/2/T33S=1@gw.example", "5.1.3"),
            ("T33S=1/x@gw.example", "5.1.1"),
            ("FAX=1/VOICE=2@gw.example", "5.1.3"),
            ("FAX=1/x@gw.example", "5.1.3"),
            ("VOICE=1@gw.example", "5.1.3"),
            ("01144205550123@gw.example", "5.7.1"),
        ] {
            let refusal =
                Refusal::from(number_to_dial(address, &domains(), &numbers()).unwrap_err());
            assert_eq!((refusal.code, refusal.status), (550, status), "{address}");
        }
    }
}
