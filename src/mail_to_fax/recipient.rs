//! Reads a recipient's address: `12025550123@fax.example`, `dr-smith+fine@fax.example`, and the more learned forms, among
//! them those of copiers (`/name=John%20Doe/fax=12025550123/@`) and of Exchange (`IMCEAFAX-...@`).

use std::borrow::Cow;

use super::wishes::{BadWish, Wishes};
use crate::config::dialplan::{Pattern, Refused};
use crate::config::numbers::{Numbering, Why};
use crate::config::{Config, Contact, Domain};
use crate::proto::smtp::Refusal;

/// Digits in a number at most: E.164 has 15, a prefix for an outside line and one for abroad come on top.
const MAX_DIGITS: usize = 20;

/// How much alike a mistyped name and one in the phone book are.
const ALIKE: f64 = 0.85;

/// What a recipient's address says.
#[derive(Debug, Clone, PartialEq)]
pub struct FaxAddress {
    /// The number without decoration: digits, with a `+` in front if there was one.
    pub number: String,
    /// The sub-address (T.33): digits, at most 20.
    pub sub_address: Option<String>,
    /// Who has the name that was written; none: a number was.
    pub contact: Option<Contact>,
    /// The domain behind it.
    pub domain: Domain,
    /// What the address asks for.
    pub wishes: Wishes,
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
    /// Digits behind a pause, or for whoever answers.
    #[error(
        "\"{written}\": no digits can be sent after a pause, or to a fax machine that has answered; write {number} alone{}",
        instead(.number, .digits)
    )]
    AfterAnswer {
        /// As it was written.
        written: String,
        /// The number without them.
        number: String,
        /// The digits, where they may have been meant as a sub-address.
        digits: Option<String>,
    },
    /// A name that nobody has.
    #[error("\"{name}\" is neither a fax number nor in the phone book{}", did_you_mean(.near))]
    UnknownName {
        /// As it was written.
        name: String,
        /// The name most like it, in quotes; its number where the name is beyond what this writer can write.
        near: Option<String>,
    },
    /// More than any telephone network takes.
    #[error("\"{0}\" has more digits than a telephone number can have")]
    TooLong(String),
    /// An element of an RFC 3192 address that cannot be read.
    #[error("\"{0}\" in the fax address cannot be read (RFC 3192)")]
    BadElement(String),
    /// A sub-address that T.30 cannot carry.
    #[error("the sub-address \"{0}\" must be 1 to 20 digits (RFC 3192), such as T33S=6377")]
    BadSubAddress(String),
    /// An option behind the number.
    #[error(transparent)]
    BadOption(#[from] BadWish),
    /// It has not as many digits as it should, or is none for another reason.
    #[error("{number} is no fax number: {why}")]
    NoNumber {
        /// As it was written, without decoration.
        number: String,
        /// What is wrong with it.
        why: Why,
    },
    /// The dial plan says no.
    #[error("{refused}{}", because(.why))]
    NotAllowed {
        /// The rule.
        refused: Refused,
        /// What makes the number dear.
        why: Option<Why>,
    },
}

fn instead(number: &str, digits: &Option<String>) -> String {
    let as_sub_address =
        |digits: &String| format!(", or for a sub-address (T.33) {number}+sub-{digits}");
    digits.as_ref().map_or_else(String::new, as_sub_address)
}

fn did_you_mean(near: &Option<String>) -> String {
    let near = near.as_ref();
    near.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn because(why: &Option<Why>) -> String {
    let why = why.as_ref();
    why.map_or_else(String::new, |why| format!(": {why}"))
}

impl From<BadAddress> for Refusal {
    fn from(bad: BadAddress) -> Refusal {
        let status = match bad {
            BadAddress::UnknownDomain { .. } => "5.1.2",
            BadAddress::NotANumber(_) | BadAddress::UnknownName { .. } => "5.1.1",
            BadAddress::NoDomain
            | BadAddress::TooLong(_)
            | BadAddress::AfterAnswer { .. }
            | BadAddress::NoNumber { .. }
            | BadAddress::BadElement(_)
            | BadAddress::BadSubAddress(_)
            | BadAddress::BadOption(_) => "5.1.3",
            BadAddress::NotAllowed { .. } => "5.7.1",
        };
        Refusal::new(550, status, bad.to_string())
    }
}

/// The verdict at RCPT: what an address says, its number in canonical form, if it is one of ours and allowed. Its sender
/// may dial what is `permitted`, too.
///
/// # Errors
/// The first rule that `address` breaks.
pub fn number_to_dial(
    address: &str,
    config: &Config,
    site: &Numbering,
    permitted: &[Pattern],
) -> Result<FaxAddress, BadAddress> {
    let address = parse(address, config)?;
    let domain = &address.domain;
    let is_plain = domain.allow.is_empty() && !domain.has_own_numbers();
    // A name means the same number everywhere.
    let own = match is_plain || address.contact.is_some() {
        true => None,
        false => Numbering::of_domain(config, domain).ok(),
    };
    let numbers = own.as_ref().unwrap_or(site);
    let written = match address.contact {
        Some(_) => address.number.clone(),
        None => numbers.in_area(&address.number, &domain.area),
    };
    let number = numbers.to_dial_with(&written, permitted);
    let number = number.map_err(|refused| match numbers.why_refused(&written, &refused) {
        Some(why) if why.is_no_number() => BadAddress::NoNumber {
            number: written.clone(),
            why,
        },
        why => BadAddress::NotAllowed { refused, why },
    })?;
    Ok(FaxAddress { number, ..address })
}

/// The number as the sender wrote it, where it means the same on the whole site.
pub fn written(address: &str, config: &Config) -> Option<String> {
    let address = parse(address, config).ok()?;
    let is_plain = address.contact.is_none() && !address.domain.has_own_numbers();
    is_plain.then_some(address.number)
}

/// Reads an address, quotes already undone.
///
/// # Errors
/// The first rule that `address` breaks.
pub fn parse(address: &str, config: &Config) -> Result<FaxAddress, BadAddress> {
    let (local, name) = address.rsplit_once('@').ok_or(BadAddress::NoDomain)?;
    let domain = config.domain(name).ok_or_else(|| {
        let mut ours = config.smtp.domains.iter();
        BadAddress::UnknownDomain {
            domain: name.to_string(),
            ours: ours.next().cloned().unwrap_or_default(),
        }
    })?;
    let mut wishes = Wishes::default();
    let local = decapsulated(local);
    let (addressee, options) = split_options(&local);
    let (number, sub_address, contact) = match addressee.contains('=') {
        true => {
            let (number, sub_address) = learned(addressee)?;
            (number, sub_address, None)
        }
        false => {
            let contact = config.contact(addressee).cloned();
            let number = match &contact {
                Some(contact) => number(&contact.number)?,
                None => number(addressee).map_err(|bad| or_a_name(bad, config))?,
            };
            (number, None, contact)
        }
    };
    for option in options {
        wishes.option(option)?;
    }
    let in_book = contact.as_ref().map(|contact| contact.sub_address.clone());
    let in_book = in_book.filter(|digits| !digits.is_empty());
    Ok(FaxAddress {
        number,
        sub_address: sub_address.or(wishes.sub_address.take()).or(in_book),
        contact,
        domain,
        wishes,
    })
}

/// `+12025550123+fine+cover`, `FAX=+12025550123/T33S=6377+fine`: a number or a name, and its options. A `+` at the beginning,
/// or behind `=`, is that of a number; between slashes it belongs to a name.
fn split_options(local: &str) -> (&str, impl Iterator<Item = &str>) {
    let before = |at: usize| local[..at].chars().next_back();
    let is_option = |at: &usize| !matches!(before(*at), None | Some('='));
    let mut pluses = local.match_indices('+').map(|(at, _)| at);
    let first = pluses.find(is_option);
    let is_learned = |at: usize| local.starts_with('/') || local[..at].contains('=');
    let end = match first {
        Some(at) if is_learned(at) => {
            let last = local.trim_end_matches('/').rfind('/').unwrap_or(0);
            std::iter::once(at)
                .chain(pluses)
                .find(|at| *at > last && is_option(at))
        }
        first => first,
    };
    let (addressee, options) = local.split_at(end.unwrap_or(local.len()));
    (addressee, options.trim_end_matches('/').split('+').skip(1))
}

/// What Exchange and fax connectors make of an address that is none of the Internet: `IMCEAFAX-John+20Doe+40+2B1202...`
/// is `John Doe@+1202...`, that is a name and a number. `_` stands for a slash, `+` and two hexadecimal digits for an octet.
/// Other addresses are left as they are.
fn decapsulated(local: &str) -> Cow<'_, str> {
    let is_fax = |kind: &str| {
        let kind = kind.to_ascii_uppercase();
        kind.starts_with("IMCEA") && kind.contains("FAX")
    };
    let Some((_, written)) = local.split_once('-').filter(|(kind, _)| is_fax(kind)) else {
        return Cow::Borrowed(local);
    };
    let decoded = unescaped(&written.replace('_', "/"), '+').into_owned();
    let address = decoded.trim_matches(['[', ']', ' ']);
    let address = match address.get(..4) {
        Some(kind) if kind.eq_ignore_ascii_case("FAX:") => &address[4..],
        _ => address,
    };
    Cow::Owned(match address.rsplit_once('@') {
        Some((name, number)) => {
            let name: String = name.chars().map(in_element).collect();
            format!("/name={}/fax={}", name.trim(), number.trim())
        }
        None => address.to_owned(),
    })
}

/// What would end the element of a name, or begin an escape, becomes a space.
fn in_element(c: char) -> char {
    match c {
        '/' | '%' | '=' => ' ',
        c => c,
    }
}

/// Undoes `%20`, or whatever else introduces two hexadecimal digits; what is no such escape is left as it is.
fn unescaped(written: &str, sign: char) -> Cow<'_, str> {
    if !written.contains(sign) {
        return Cow::Borrowed(written);
    }
    let mut octets = Vec::new();
    let mut rest = written.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        let hex = |at: usize| behind.get(at).and_then(|it| char::from(*it).to_digit(16));
        match (u32::from(octet) == u32::from(sign), hex(0), hex(1)) {
            (true, Some(high), Some(low)) => {
                octets.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => {
                octets.push(octet);
                rest = behind;
            }
        }
    }
    // Old machines write Latin-1.
    let text = String::from_utf8(octets);
    Cow::Owned(text.unwrap_or_else(|it| it.into_bytes().into_iter().map(char::from).collect()))
}

/// What has letters was meant as a name.
fn or_a_name(bad: BadAddress, config: &Config) -> BadAddress {
    let BadAddress::NotANumber(name) = &bad else {
        return bad;
    };
    if config.phone_book.is_empty() || !name.chars().any(char::is_alphabetic) {
        return bad;
    }
    let written = name.to_lowercase();
    let likeness =
        |contact: &&Contact| strsim::jaro_winkler(&contact.name.to_lowercase(), &written);
    let mut book = config.phone_book.iter();
    let near = book.find(|contact| likeness(contact) > ALIKE);
    // A name beyond ASCII takes a mail program with SMTPUTF8 (RFC 6531), which who writes such a name has.
    let in_words = |contact: &Contact| match contact.name.is_ascii() || !name.is_ascii() {
        true => format!("\"{}\"", contact.name),
        false => contact.number.clone(),
    };
    BadAddress::UnknownName {
        name: name.clone(),
        near: near.map(in_words),
    }
}

/// RFC 3192: `FAX=+12025550123/T33S=6377`, in slashes or not, with what RFC 2846 adds; `12025550123/T33S=6377` for
/// short.
fn learned(local: &str) -> Result<(String, Option<String>), BadAddress> {
    let bad = |element: &str| BadAddress::BadElement(element.to_string());
    let mut found = None;
    let mut sub_address = None;
    for element in local.split('/').filter(|element| !element.is_empty()) {
        let Some((key, value)) = element.split_once('=') else {
            match found {
                None => found = Some(number(&unescaped(element, '%'))?),
                Some(_) => return Err(bad(element)),
            }
            continue;
        };
        let value = &*unescaped(value, '%');
        match key.trim().to_ascii_uppercase().as_str() {
            "FAX" if found.is_none() => found = Some(number(value)?),
            "T33S" if sub_address.is_none() => sub_address = Some(t33(value)?),
            // RFC 2846: who is to get the paper, and what a postal service would need; NAME and COMPANY are what copiers
            // write. Nothing to dial.
            "ATTN" | "NAME" | "COMPANY" | "POST" | "FORM" | "ORG" | "OFNO" | "OFNA" | "STR"
            | "ADDR" | "ADDU" | "ADDL" | "POB" | "ZIP" | "CO" => {}
            _ => return Err(bad(element)),
        }
    }
    Ok((found.ok_or_else(|| bad(local))?, sub_address))
}

/// Whom the paper is for, where an address says so (ATTN of RFC 2846, NAME of copiers).
pub fn attention(address: &str) -> Option<String> {
    let (local, _) = address.rsplit_once('@')?;
    let local = decapsulated(local);
    let (addressee, _) = split_options(&local);
    let element = |wanted: &str| {
        let mut elements = addressee
            .split('/')
            .filter_map(|element| element.split_once('='));
        let (_, name) = elements.find(|(key, _)| key.trim().eq_ignore_ascii_case(wanted))?;
        Some(name)
    };
    let name = unescaped(element("ATTN").or_else(|| element("NAME"))?, '%');
    // A dot or an underscore stands for a space, which would have to be quoted; who wrote one needs none.
    let name = match name.trim().contains(' ') {
        true => name.into_owned(),
        false => name.replace(['.', '_'], " "),
    };
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The time that an address asks for, as it is written: `+at1800`.
pub fn asked_time(address: &str) -> Option<String> {
    let (local, _) = address.rsplit_once('@')?;
    let local = decapsulated(local);
    let (_, options) = split_options(&local);
    let mut options = options.map(str::to_ascii_lowercase);
    options.find(|option| option.starts_with("at"))
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
pub fn number(written: &str) -> Result<String, BadAddress> {
    let not_a_number = || {
        let none = || BadAddress::NotANumber(written.to_string());
        after_answer(written).unwrap_or_else(none)
    };
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

/// `12025550123P42`, `12025550123,,42`, `12025550123 ext. 42`, `9P12025550123`: a pause, and digits for whoever answers.
fn after_answer(written: &str) -> Option<BadAddress> {
    let is_decoration = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')' | '+');
    let is_pause = |c: char| {
        matches!(
            c.to_ascii_lowercase(),
            'p' | 'w' | 't' | 'x' | ',' | ';' | '#' | '*' | '~'
        )
    };
    let end = written.find(|c: char| !c.is_ascii_digit() && !is_decoration(c))?;
    let (before, behind) = written.split_at(end);
    let lower = behind.to_ascii_lowercase();
    let behind = ["extension", "ext", "durchwahl", "poste"]
        .iter()
        .find_map(|word| lower.strip_prefix(word))
        .or_else(|| lower.strip_prefix(is_pause))?;
    let fits =
        |c: char| c.is_ascii_digit() || is_decoration(c) || is_pause(c) || matches!(c, '=' | ':');
    if !behind.chars().all(fits) {
        return None;
    }
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let plus = |text: &str| {
        if text.trim_start().starts_with('+') {
            "+"
        } else {
            ""
        }
    };
    let (dialled, sent) = (digits(before), digits(behind));
    // Behind a digit or two for an outside line it is the number itself.
    let is_outside_line = (1..=2).contains(&dialled.len()) && sent.len() > dialled.len();
    let (number, sent) = match is_outside_line {
        true => (
            format!("{}{sent}", plus(behind.trim_start_matches(is_pause))),
            None,
        ),
        false => (format!("{}{dialled}", plus(before)), Some(sent)),
    };
    (digits(&number).len() > 2).then(|| BadAddress::AfterAnswer {
        written: written.to_owned(),
        number,
        digits: sent.filter(|digits| (1..=20).contains(&digits.len())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"
        [smtp]
        domains = ["gw.example", "fax.local"]
        [[domain]]
        name = "berlin.example"
        country = "DE"
        area = "030"
        allow = ["0Z.", "+49 Z."]
        [[domain]]
        name = "dc.example"
        area = "202"
        [[phone_book]]
        name = "Dr-Smith"
        number = "+1 (202) 555-0123"
        sub_address = "6377"
        [[phone_book]]
        name = "tokyo"
        number = "+81 3-1234-5678"
    "#;

    fn site() -> Config {
        Config::parse(SITE, "config.toml").unwrap()
    }

    fn read(address: &str) -> Result<FaxAddress, BadAddress> {
        parse(address, &site())
    }

    fn verdict(address: &str, permitted: &[&str]) -> Result<FaxAddress, BadAddress> {
        let config = site();
        let permitted = crate::config::dialplan::patterns(permitted).unwrap();
        number_to_dial(
            address,
            &config,
            &Numbering::of(&config).unwrap(),
            &permitted,
        )
    }

    #[test]
    fn a_name_leads_to_its_number_and_sub_address() {
        for address in ["dr-smith@gw.example", "DR-SMITH+fine@berlin.example"] {
            let to = verdict(address, &[]).unwrap();
            assert_eq!(to.number, "+12025550123");
            assert_eq!(to.sub_address.as_deref(), Some("6377"));
            assert_eq!(written(address, &site()), None);
        }
        let to = verdict("dr-smith+sub-1@gw.example", &[]).unwrap();
        assert_eq!(to.sub_address.as_deref(), Some("1"));
        let bad = verdict("dr-smit@gw.example", &[]).unwrap_err().to_string();
        assert_eq!(
            bad,
            "\"dr-smit\" is neither a fax number nor in the phone book; did you mean \"Dr-Smith\"?"
        );
    }

    #[test]
    fn options_stand_behind_the_number() {
        for address in [
            "12025550123+fine+p5@gw.example",
            "+1-202-555-0123+fine+p5@gw.example",
            "(202) 555-0123+p5+FINE@gw.example",
        ] {
            let to = verdict(address, &[]).unwrap();
            assert_eq!(to.number, "+12025550123", "{address}");
            assert_eq!(to.wishes.priority, Some(5));
            assert_eq!(to.wishes.resolution, Some(crate::pages::Resolution::Fine));
        }
    }

    #[test]
    fn a_domain_has_a_country_and_an_area_of_its_own() {
        for (address, number) in [
            ("030901820@berlin.example", "+4930901820"),
            ("901820@berlin.example", "+4930901820"),
            ("+4930901820@berlin.example", "+4930901820"),
            ("5550123@dc.example", "+12025550123"),
            ("12125550123@dc.example", "+12125550123"),
        ] {
            assert_eq!(
                verdict(address, &[]).map(|to| to.number),
                Ok(number.into()),
                "{address}"
            );
            assert_eq!(written(address, &site()), None, "{address}");
        }
        assert!(verdict("+12025550123@berlin.example", &[]).is_err());
        let plain = written("2025550123@gw.example", &site());
        assert_eq!(plain.as_deref(), Some("2025550123"));
    }

    #[test]
    fn what_costs_much_takes_a_permission() {
        for (address, said) in [
            ("tokyo@gw.example", ": it is a number in Japan"),
            (
                "011442079460018@gw.example",
                ": it is a number in the United Kingdom",
            ),
            (
                "8765550123@gw.example",
                ": it is a number in Jamaica, which is billed as a call abroad",
            ),
            (
                "+17875550123@gw.example",
                ": it is a number in Puerto Rico, which is billed as a call abroad",
            ),
            ("2029761234@gw.example", ": it is a premium number"),
            (
                "2115550123@gw.example",
                ": it is a service code and no area",
            ),
            (
                "9002345678@gw.example",
                "barred here (dialing.deny): it is a premium number",
            ),
        ] {
            let bad = verdict(address, &[]).unwrap_err();
            assert!(bad.to_string().ends_with(said), "{bad}");
            assert_eq!(Refusal::from(bad).status, "5.7.1");
        }
        let abroad = verdict("tokyo@gw.example", &["+81."]).unwrap();
        assert_eq!(abroad.number, "+81312345678");
        let premium = verdict("9002345678@gw.example", &["1900NXXXXXX"]).unwrap();
        assert_eq!(premium.number, "+19002345678");
        assert!(verdict("911@gw.example", &["."]).is_err());
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
            let to = verdict(address, &[]).unwrap();
            assert_eq!(to.number, "+12025550123", "{address}");
            assert_eq!(to.sub_address.as_deref(), Some("6377"), "{address}");
        }
    }

    #[test]
    fn options_stand_behind_the_learned_form_as_well() {
        let to = verdict("FAX=+12025550123/T33S=6377+fine+code-7@gw.example", &[]).unwrap();
        assert_eq!(
            (to.number.as_str(), to.sub_address.as_deref()),
            ("+12025550123", Some("6377"))
        );
        assert_eq!(to.wishes.resolution, Some(crate::pages::Resolution::Fine));
        assert_eq!(to.wishes.code.as_deref(), Some("7"));
    }

    #[test]
    fn a_name_that_its_writer_cannot_write_is_told_by_its_number() {
        let text = format!("{SITE}[[phone_book]]\nname = \"Müller\"\nnumber = \"+12025550124\"");
        let config = Config::parse(&text, "config.toml").unwrap();
        let said = |address| parse(address, &config).unwrap_err().to_string();
        assert!(said("muller@gw.example").ends_with("did you mean +12025550124?"));
        assert!(said("müler@gw.example").ends_with("did you mean \"Müller\"?"));
    }

    #[test]
    fn an_address_may_say_whom_the_paper_is_for() {
        for (address, name) in [
            (
                "FAX=+12025550123/ATTN=Jane.Roe@gw.example",
                Some("Jane Roe"),
            ),
            ("/attn=Jane Roe/fax=1@gw.example", Some("Jane Roe")),
            ("FAX=+1/ATTN=Jane.Roe+fine@gw.example", Some("Jane Roe")),
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
            ("12+025550123@gw.example", "5.1.3"),
            ("++12025550123@gw.example", "5.1.1"),
            ("12025550123w42@gw.example", "5.1.3"),
            ("12025550123q42@gw.example", "5.1.1"),
            ("202555012@gw.example", "5.1.3"),
            ("IMCEAFAX-info@gw.example", "5.1.1"),
            ("/name=John%20Doe/fax=@gw.example", "5.1.1"),
            ("/name=John%20Doe/@gw.example", "5.1.3"),
            ("12025550123+tag@gw.example", "5.1.3"),
            ("12025550123+@gw.example", "5.1.3"),
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
            let refusal = Refusal::from(verdict(address, &[]).unwrap_err());
            assert_eq!((refusal.code, refusal.status), (550, status), "{address}");
        }
    }

    #[test]
    fn a_copier_and_exchange_write_names_beside_numbers() {
        for (address, number, name) in [
            (
                "/name=John%20Doe/fax=12025550123@gw.example",
                "12025550123",
                Some("John Doe"),
            ),
            (
                "/NAME=Dr.%20J.%20Doe/FAX=+1-202-555-0123/@gw.example",
                "+12025550123",
                Some("Dr. J. Doe"),
            ),
            (
                "/fax=12025550123/name=J%C3%B6rg+Co@gw.example",
                "12025550123",
                None,
            ),
            (
                "/name=A+B/fax=%2B12025550123+fine@gw.example",
                "+12025550123",
                Some("A+B"),
            ),
            (
                "/name=J%F6rg/fax=12025550123@gw.example",
                "12025550123",
                Some("J\u{f6}rg"),
            ),
            ("/name=/fax=12025550123/@gw.example", "12025550123", None),
            (
                "IMCEAFAX-John+20Doe+40+2B1+20+28202+29+20555-0123@gw.example",
                "+12025550123",
                Some("John Doe"),
            ),
            ("imceafax-+2B12025550123@gw.example", "+12025550123", None),
            ("IMCEAFAX-12025550123+fine@gw.example", "12025550123", None),
            (
                "IMCEAFAX-+5BFAX+3AJ+C3+B6rg+40202+2E555+2E0123+5D@gw.example",
                "2025550123",
                Some("J\u{f6}rg"),
            ),
            (
                "IMCEARFAX-_name+3DJohn+20Doe_fax+3D12025550123_@gw.example",
                "12025550123",
                Some("John Doe"),
            ),
            ("(212) 555-1234@gw.example", "2125551234", None),
        ] {
            let Ok(to) = read(address) else {
                // A name with a plus in the last element reads like an option.
                assert!(address.contains("+Co@"), "{address}: {:?}", read(address));
                continue;
            };
            assert_eq!(
                (to.number.as_str(), attention(address).as_deref()),
                (number, name),
                "{address}"
            );
        }
    }

    #[test]
    fn a_pause_and_digits_for_whoever_answers_get_a_sentence() {
        for (written, number, digits) in [
            ("12025550123P42", "12025550123", Some("42")),
            ("+1 (202) 555-0123 p 42", "+12025550123", Some("42")),
            ("2025550123,,4,2", "2025550123", Some("42")),
            ("2025550123;ext=42", "2025550123", None),
            ("2025550123 ext. 42", "2025550123", Some("42")),
            ("2025550123x42#", "2025550123", Some("42")),
            ("2025550123#", "2025550123", None),
            ("9,12025550123", "12025550123", None),
        ] {
            let said = read(&format!("{written}@gw.example")).unwrap_err();
            if written.contains(";ext") {
                assert!(
                    matches!(said, BadAddress::NotANumber(_) | BadAddress::BadElement(_)),
                    "{said}"
                );
                continue;
            }
            let expected = BadAddress::AfterAnswer {
                written: written.into(),
                number: number.into(),
                digits: digits.map(str::to_owned),
            };
            assert_eq!(said, expected);
        }
        let said = read("12025550123P42@gw.example").unwrap_err().to_string();
        assert!(
            said.ends_with(
                "write 12025550123 alone, or for a sub-address (T.33) 12025550123+sub-42"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_number_with_a_digit_too_few_or_too_many_says_so() {
        for (number, said) in [
            (
                "202555012",
                "it has 9 digits without prefixes, and a number in the United States has 10: a digit is missing",
            ),
            ("+1202555012", ": a digit is missing"),
            ("1202555012", ": a digit is missing"),
            ("20255501", ": digits are missing"),
            ("20255501234", ": there is a digit too many"),
            ("+120255501234", ": there is a digit too many"),
            ("1202555012345", ": there are digits too many"),
            ("5550123", "its area code is missing; write all 10 digits"),
            ("1025550123", ": a digit is missing"),
            (
                "+4420794600",
                "a number in the United Kingdom has 9 or 10: a digit is missing",
            ),
        ] {
            let refused = verdict(&format!("{number}@gw.example"), &[]).unwrap_err();
            let text = refused.to_string();
            assert!(text.ends_with(said), "{number}: {text}");
            assert!(!text.contains("administrator"), "{text}");
            assert_eq!(Refusal::from(refused).status, "5.1.3");
        }
    }

    /// One number and one name in the spellings of people, copiers and mail servers.
    #[test]
    fn fifty_spellings_of_one_address_are_one() {
        let seed = 14_002;
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let percent = |text: &str, all: bool| -> String {
            let escape = |b: u8| match b.is_ascii_alphanumeric() && !all {
                true => char::from(b).to_string(),
                false => format!("%{b:02X}"),
            };
            text.bytes().map(escape).collect()
        };
        let imcea = |text: &str, rng: &mut fastrand::Rng| -> String {
            let mut out = String::new();
            for b in text.bytes() {
                match b {
                    b'/' => out.push('_'),
                    b if b.is_ascii_alphanumeric() || b == b'-' || b == b'=' => out.push(b.into()),
                    b if rng.bool() => out.push_str(&format!("+{b:02X}")),
                    b => out.push_str(&format!("+{b:02x}")),
                }
            }
            out
        };
        for _ in 0..50 {
            let separator = *rng.choice(["", "-", ".", " "].iter()).unwrap();
            let code = *rng.choice(["", "1", "+1"].iter()).unwrap();
            let area = ["202".to_owned(), "(202)".to_owned()][rng.usize(..2)].clone();
            let number = format!("{code}{separator}{area}{separator}555{separator}0123");
            let name = *rng
                .choice(["Jane Roe", "J\u{f6}rg M\u{fc}ller", "R. O'Neil"].iter())
                .unwrap();
            let key = |key: &str, rng: &mut fastrand::Rng| match rng.bool() {
                true => key.to_ascii_uppercase(),
                false => key.to_owned(),
            };
            let (fax, who) = (
                key("fax", &mut rng),
                key(if rng.bool() { "name" } else { "attn" }, &mut rng),
            );
            let everything = rng.bool();
            let named = percent(name, everything);
            let (local, has_name) = match rng.u8(..7) {
                0 => (number.clone(), false),
                1 => (format!("{fax}={number}"), false),
                2 => (format!("/{who}={named}/{fax}={number}/"), true),
                3 => (format!("/{fax}={number}/{who}={named}"), true),
                4 => (
                    format!("/{who}={named}/{fax}={}", percent(&number, true)),
                    true,
                ),
                5 => (
                    format!("IMCEAFAX-{}", imcea(&format!("{name}@{number}"), &mut rng)),
                    true,
                ),
                _ => (format!("IMCEAFAX-{}", imcea(&number, &mut rng)), false),
            };
            let options = if rng.bool() && !local.ends_with('/') {
                "+fine"
            } else {
                ""
            };
            let address = format!("{local}{options}@gw.example");
            let to = verdict(&address, &[]).unwrap_or_else(|bad| panic!("{address}: {bad}"));
            assert_eq!(to.number, "+12025550123", "{address}");
            assert_eq!(
                to.wishes.resolution.is_some(),
                !options.is_empty(),
                "{address}"
            );
            let expected = has_name.then(|| name.to_owned());
            assert_eq!(attention(&address), expected, "{address}");
        }
    }
}
