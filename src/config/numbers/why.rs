//! Why a number is refused, in words for its sender: a digit is missing, it is abroad, it is dear.

use std::fmt;

use phonenumber::metadata::DATABASE;
use phonenumber::{PhoneNumber, Type};

use super::Numbering;
use super::countries::{name_of, name_of_area};

/// What is known of a number that is refused; [`std::fmt::Display`] is half a sentence that begins with "it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// What is billed at a rate of its own.
    Dear(&'static str),
    /// In another country.
    Abroad(&'static str),
    /// In another country of the same country code.
    LooksLikeHome(&'static str),
    /// It has too few digits, or too many.
    Digits {
        /// Those it has, without prefixes.
        has: usize,
        /// Those that numbers have there.
        possible: Vec<usize>,
        /// The country.
        country: &'static str,
    },
    /// It is whole only for callers of its own area.
    NoArea {
        /// Digits with the area code.
        whole: usize,
    },
    /// It has the right length, and no number is known that begins so.
    NotGivenOut(&'static str),
}

impl Why {
    /// Whether the number is none at all: to allow it would not help.
    pub fn is_no_number(&self) -> bool {
        matches!(
            self,
            Why::Digits { .. } | Why::NoArea { .. } | Why::NotGivenOut(_)
        )
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Dear(what) => write!(f, "it is {what}"),
            Why::Abroad(country) => write!(f, "it is a number in {country}"),
            Why::LooksLikeHome(country) => {
                write!(
                    f,
                    "it is a number in {country}, which is billed as a call abroad"
                )
            }
            Why::Digits {
                has,
                possible,
                country,
            } => {
                let should = in_words(possible);
                write!(
                    f,
                    "it has {} without prefixes, and a number in {country} has {should}: ",
                    digits(*has)
                )?;
                let (least, most) = (possible.first(), possible.last());
                match (least, most) {
                    (Some(least), _) if has < least => f.write_str(match least - has {
                        1 => "a digit is missing",
                        _ => "digits are missing",
                    }),
                    (_, Some(most)) if has > most => f.write_str(match has - most {
                        1 => "there is a digit too many",
                        _ => "there are digits too many",
                    }),
                    _ => f.write_str("a digit is missing or too many"),
                }
            }
            Why::NoArea { whole } => {
                write!(f, "its area code is missing; write all {whole} digits")
            }
            Why::NotGivenOut(country) => {
                write!(
                    f,
                    "no number in {country} is known that begins so; please check it"
                )
            }
        }
    }
}

fn digits(n: usize) -> String {
    match n {
        1 => "1 digit".to_owned(),
        n => format!("{n} digits"),
    }
}

/// "10", "9 or 10", "5 to 11".
fn in_words(possible: &[usize]) -> String {
    match possible {
        [] => "others".to_owned(),
        [one] => one.to_string(),
        [one, other] => format!("{one} or {other}"),
        [first, .., last] => format!("{first} to {last}"),
    }
}

impl Numbering {
    /// What makes a number dear or foreign, if anything does.
    pub(super) fn of_its_kind(&self, written: &str) -> Option<Why> {
        let number = self.read(written)?;
        let national = number.national().to_string();
        if let Some(what) = dear(&number, &national) {
            return Some(Why::Dear(what));
        }
        let at_home = self.is_home(&number);
        let area = (number.code().value() == 1 && national.len() == 10)
            .then(|| name_of_area(&national[..3]))
            .flatten();
        if let Some(country) = area {
            return Some(match at_home {
                true => Why::LooksLikeHome(country),
                false => Why::Abroad(country),
            });
        }
        let country = number.country().id().filter(|_| number.is_valid());
        match country {
            Some(country) if at_home && country != self.country => {
                Some(Why::LooksLikeHome(name_of(country.as_ref())))
            }
            _ if at_home => None,
            Some(country) => Some(Why::Abroad(name_of(country.as_ref()))),
            None => Some(Why::Abroad(name_of(main_of(number.code().value())?))),
        }
    }

    /// Why a number that nothing allows is none at all, if so.
    pub(super) fn no_number(&self, written: &str) -> Option<Why> {
        let number = self.read(written)?;
        if number.is_valid() {
            return None;
        }
        let code = number.code().value();
        let plans = DATABASE.by_code(&code)?;
        let at_home = self.is_home(&number);
        let country = match at_home {
            true => name_of(self.country.as_ref()),
            false => name_of(main_of(code)?),
        };
        let national = number.national().to_string();
        // What leads out of the area is no digit of the number.
        let prefix = plans.first()?.national_prefix().unwrap_or_default();
        let bare = match prefix.is_empty() {
            true => national.as_str(),
            false => national.strip_prefix(prefix).unwrap_or(&national),
        };
        let has = bare.len();
        // What is neither (some free numbers have seven digits) is valid, or nobody's fax machine.
        let kinds = plans.iter().flat_map(|plan| {
            let kinds = plan.descriptors();
            [kinds.fixed_line(), kinds.mobile()].into_iter().flatten()
        });
        let kinds: Vec<_> = kinds.collect();
        let lengths = |local: bool| {
            let lengths = kinds.iter().flat_map(|kind| match local {
                true => kind.possible_local_length(),
                false => kind.possible_length(),
            });
            let mut lengths: Vec<usize> = lengths.map(|length| usize::from(*length)).collect();
            lengths.sort_unstable();
            lengths.dedup();
            lengths
        };
        let possible = lengths(false);
        if possible.is_empty() {
            return None;
        }
        if possible.contains(&has) {
            // Of other countries the tables may be older than the number.
            return at_home.then_some(Why::NotGivenOut(country));
        }
        let whole = possible.last().copied().unwrap_or_default();
        match lengths(true).contains(&has) && possible.len() == 1 && has < whole {
            true => Some(Why::NoArea { whole }),
            false => Some(Why::Digits {
                has,
                possible,
                country,
            }),
        }
    }
}

/// The country that a country code is called after: the United States for 1, and not Canada.
fn main_of(code: u16) -> Option<&'static str> {
    let plans = DATABASE.by_code(&code)?;
    let main = plans.iter().find(|plan| plan.is_main_country_for_code());
    main.or(plans.first()).map(|plan| plan.id())
}

/// What is billed at a rate of its own, or is nobody's fax machine.
fn dear(number: &PhoneNumber, national: &str) -> Option<&'static str> {
    let north_american = number.code().value() == 1 && national.len() == 10;
    if north_american && &national[1..3] == "11" {
        return Some("a service code and no area");
    }
    if north_american && &national[3..] == "5551212" {
        return Some("directory assistance");
    }
    if north_american && &national[3..6] == "976" {
        return Some("a premium number");
    }
    match number.number_type(&DATABASE) {
        Type::PremiumRate => Some("a premium number"),
        Type::SharedCost => Some("a number of shared cost"),
        Type::PersonalNumber => Some("a personal number, which is billed at a rate of its own"),
        Type::Pager => Some("a pager"),
        _ => None,
    }
}
