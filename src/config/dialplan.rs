//! Which numbers may be dialled. A gateway that dials whatever it is asked to is somebody's free telephone.
//!
//! A pattern is written like this:
//!
//! | symbol | stands for |
//! |---|---|
//! | `0` to `9` | itself |
//! | `+` | itself, in front only |
//! | `X` | 0 to 9 |
//! | `Z` | 1 to 9 |
//! | `N` | 2 to 9 |
//! | `[1-57]` | one of these digits |
//! | `(\|1\|+1)` | one of these alternatives, which may be empty |
//! | `.` | one digit or more, at the end only |
//!
//! Spaces and hyphens outside brackets are for the eye. Letters may be small or large.

use std::str::FromStr;

/// North American numbers, with and without the country code.
const DEFAULT_ALLOW: &[&str] = &["(|1|+1) NXX XXX XXXX"];

/// What costs money there: premium and personal numbers, directory assistance, Canada's numbers without an area (600: satellite
/// telephones), what a PBX might cut to 411 or 911, and the members of the North American plan outside the US and
/// Canada, which look like long distance and are billed as international.
const DEFAULT_DENY: &[&str] = &[
    "(|1|+1) 900 XXX XXXX",
    "(|1|+1) NXX 976 XXXX",
    "(|1|+1) NXX 555 1212",
    "(|1|+1) (600|622|633|644|655|677|688) XXX XXXX",
    "(|1|+1) (500|521|522|523|524|525|526|527|528|529|533|544|566|577|588|700|710) XXX XXXX",
    "(|1|+1) N11 XXX XXXX",
    "(|1|+1) (242|246|264|268|284|340|345|441|473|649|658|664|670|671|684|721|758|767|784|787|809|829|849|868|869|876|939) XXX XXXX",
];

/// Dialled by mistake or malice, these tie up people who save lives.
const EMERGENCY: &[&str] = &[
    "911", "112", "110", "999", "000", "111", "119", "118", "113", "115",
];

/// Which destinations are allowed: something in `allow` and nothing in `deny` matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

/// Why a number is not dialled; [`std::fmt::Display`] is the sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An emergency number, whatever the patterns say.
    #[error("{0} is an emergency number and is never faxed to")]
    Emergency(String),
    /// Something in `deny` matches.
    #[error("destination {0} is barred here (dialing.deny)")]
    Denied(String),
    /// Nothing in `allow` matches.
    #[error(
        "destination {0} is not allowed here; ask the administrator to add it to dialing.allow"
    )]
    NotAllowed(String),
}

impl Plan {
    /// A plan of the site's own patterns.
    ///
    /// # Errors
    /// The first pattern that cannot be read.
    pub fn new<S: AsRef<str>>(allow: &[S], deny: &[S]) -> Result<Plan, BadPattern> {
        Ok(Plan {
            allow: patterns(allow)?,
            deny: patterns(deny)?,
        })
    }

    /// Says whether `number` (digits, perhaps with a `+` in front) may be dialled, in this form alone.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn check(&self, number: &str) -> Result<(), Refused> {
        let forms = [number.to_owned()];
        self.check_forms(number, &forms, &forms, str::to_owned)
    }

    /// Says whether the number that was `written` may be dialled, which stands in patterns in one of the forms
    /// `allowed` or `denied`. `within` takes off what leads to the country from abroad.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub(super) fn check_forms(
        &self,
        written: &str,
        allowed: &[String],
        denied: &[String],
        within: impl Fn(&str) -> String,
    ) -> Result<(), Refused> {
        let hit = |patterns: &[Pattern], forms: &[String]| {
            let matches = |pattern: &Pattern| forms.iter().any(|form| pattern.matches(form));
            patterns.iter().any(matches)
        };
        if is_emergency(written, within) && !self.spells_out(written) {
            return Err(Refused::Emergency(written.to_owned()));
        }
        if hit(&self.deny, denied) {
            return Err(Refused::Denied(written.to_owned()));
        }
        if hit(&self.allow, allowed) {
            return Ok(());
        }
        Err(Refused::NotAllowed(written.to_owned()))
    }

    /// Whether `allow` names this very number, digit for digit.
    pub(super) fn spells_out(&self, number: &str) -> bool {
        self.allow.iter().any(|pattern| pattern.is_exactly(number))
    }

    /// The patterns of a site that says nothing: allowed ones, denied ones.
    pub fn default_patterns() -> (&'static [&'static str], &'static [&'static str]) {
        (DEFAULT_ALLOW, DEFAULT_DENY)
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::new(DEFAULT_ALLOW, DEFAULT_DENY).expect("the built-in patterns are well-formed")
    }
}

/// Whether somebody may take it for an emergency call: the number itself, the number behind the digit that gets an
/// outside line from a PBX, or as one would write it from abroad.
pub(super) fn is_emergency(number: &str, within: impl Fn(&str) -> String) -> bool {
    let digits = number.trim_start_matches('+');
    let outside = digits.strip_prefix(['0', '8', '9']).unwrap_or(digits);
    [digits, outside, &within(number)]
        .iter()
        .any(|form| EMERGENCY.contains(form))
}

/// Reads patterns.
///
/// # Errors
/// The first that cannot be read.
pub fn patterns<S: AsRef<str>>(written: &[S]) -> Result<Vec<Pattern>, BadPattern> {
    written.iter().map(|p| p.as_ref().parse()).collect()
}

/// A set of numbers, written as the module's documentation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    symbols: Vec<Symbol>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Symbol {
    Plus,
    /// One of these digits: bit n is set for digit n.
    Digit(u16),
    OneOf(Vec<Vec<Symbol>>),
    /// One digit or more.
    Rest,
}

const ALL_DIGITS: u16 = 0x3ff;

impl Pattern {
    /// Whether `number` is in the set.
    pub fn matches(&self, number: &str) -> bool {
        matches(&self.symbols, number.as_bytes(), &|rest| rest.is_empty())
    }

    /// Whether the pattern is `number`, digit for digit.
    fn is_exactly(&self, number: &str) -> bool {
        self.written == number
    }
}

/// Whether `symbols` match a beginning of `number` whose rest satisfies `then`.
fn matches(symbols: &[Symbol], number: &[u8], then: &dyn Fn(&[u8]) -> bool) -> bool {
    let Some((symbol, symbols)) = symbols.split_first() else {
        return then(number);
    };
    match (symbol, number.split_first()) {
        (Symbol::OneOf(alternatives), _) => alternatives
            .iter()
            .any(|alternative| matches(alternative, number, &|rest| matches(symbols, rest, then))),
        (Symbol::Plus, Some((b'+', rest))) => matches(symbols, rest, then),
        (Symbol::Digit(set), Some((digit @ b'0'..=b'9', rest))) => {
            set & (1 << (digit - b'0')) != 0 && matches(symbols, rest, then)
        }
        (Symbol::Rest, Some(_)) => number.iter().all(u8::is_ascii_digit) && then(&[]),
        _ => false,
    }
}

/// Why a pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern \"{pattern}\": {why}")]
pub struct BadPattern {
    /// As it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(written: &str) -> Result<Pattern, BadPattern> {
        let bad = |why| BadPattern {
            pattern: written.to_string(),
            why,
        };
        let mut rest = written.chars().peekable();
        let symbols = read_symbols(&mut rest, false).map_err(bad)?;
        if symbols.is_empty() {
            return Err(bad("it is empty"));
        }
        Ok(Pattern {
            written: written.to_string(),
            symbols,
        })
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads up to the end of the pattern, or, inside parentheses, up to `|` or `)`.
fn read_symbols(rest: &mut Chars<'_>, inside: bool) -> Result<Vec<Symbol>, &'static str> {
    let mut symbols = Vec::new();
    while let Some(c) = rest.next_if(|c| !(inside && matches!(c, '|' | ')'))) {
        if symbols.last() == Some(&Symbol::Rest) {
            return Err("a . can only stand at the end");
        }
        symbols.push(match c {
            ' ' | '-' => continue,
            '+' if symbols.is_empty() => Symbol::Plus,
            '+' => return Err("a + can only stand in front"),
            '0'..='9' => Symbol::Digit(span(c, c)?),
            'X' | 'x' => Symbol::Digit(ALL_DIGITS),
            'Z' | 'z' => Symbol::Digit(span('1', '9')?),
            'N' | 'n' => Symbol::Digit(span('2', '9')?),
            '[' => Symbol::Digit(read_set(rest)?),
            '(' if !inside => Symbol::OneOf(read_alternatives(rest)?),
            '.' if !inside => Symbol::Rest,
            _ => return Err("only 0-9 + X Z N [..] (..|..) and . can stand here"),
        });
    }
    Ok(symbols)
}

fn read_alternatives(rest: &mut Chars<'_>) -> Result<Vec<Vec<Symbol>>, &'static str> {
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(read_symbols(rest, true)?);
        match rest.next() {
            Some('|') => {}
            Some(_) => return Ok(alternatives),
            None => return Err("a ) is missing"),
        }
    }
}

/// The inside of brackets: digits and ranges of digits.
fn read_set(rest: &mut Chars<'_>) -> Result<u16, &'static str> {
    let mut set = 0;
    loop {
        let first = rest.next().ok_or("a ] is missing")?;
        if first == ']' {
            break;
        }
        let last = match rest.next_if_eq(&'-') {
            Some(_) => rest.next().ok_or("a ] is missing")?,
            None => first,
        };
        set |= span(first, last)?;
    }
    match set {
        0 => Err("[] holds no digit"),
        set => Ok(set),
    }
}

/// The digits from `first` to `last`, one bit each.
fn span(first: char, last: char) -> Result<u16, &'static str> {
    match (first.to_digit(10), last.to_digit(10)) {
        (Some(first), Some(last)) if first <= last => {
            Ok((first..=last).fold(0, |set, digit| set | 1 << digit))
        }
        _ => Err("brackets hold digits and rising ranges of digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches_all(pattern: &str, numbers: &[&str]) -> Vec<bool> {
        let pattern: Pattern = pattern.parse().unwrap();
        numbers
            .iter()
            .map(|number| pattern.matches(number))
            .collect()
    }

    #[test]
    fn each_symbol_matches_its_digits() {
        for (pattern, yes, no) in [
            ("911", vec!["911"], vec!["91", "9111", "912", ""]),
            ("xZn", vec!["012", "999"], vec!["002", "011", "01a"]),
            ("[1-35]0", vec!["10", "30", "50"], vec!["40", "00", "60"]),
            (
                "+44.",
                vec!["+441", "+4420794"],
                vec!["+44", "441", "+44+1"],
            ),
            (".", vec!["1", "123456"], vec!["", "+1"]),
            (
                "(|1|+1)20X",
                vec!["201", "1201", "+1201"],
                vec!["+201", "+11201"],
            ),
            ("+1 202-555", vec!["+1202555"], vec!["1202555"]),
        ] {
            assert!(matches_all(pattern, &yes).iter().all(|m| *m), "{pattern}");
            assert!(!matches_all(pattern, &no).iter().any(|m| *m), "{pattern}");
        }
    }

    #[test]
    fn a_mistyped_pattern_says_what_is_wrong() {
        for pattern in [
            "", " ", "1+2", "NXY", "[1-", "[]", "[a]", "[5-1]", "(1|2", "1)", "1.2", "((1))",
            "(1.)", "_1NXX",
        ] {
            let bad = pattern.parse::<Pattern>().expect_err(pattern);
            assert_eq!(bad.pattern, pattern);
        }
    }

    #[test]
    fn the_default_allows_north_american_numbers() {
        let plan = Plan::default();
        for number in [
            "5551234567",
            "2025550123",
            "12025550123",
            "+12025550123",
            "2025551213",
            "18005550123",
        ] {
            assert_eq!(plan.check(number), Ok(()), "{number}");
        }
    }

    #[test]
    fn the_default_refuses_what_costs_money() {
        let plan = Plan::default();
        for number in [
            "9005550123",
            "19005550123",
            "+19005550123",
            "2029761234",
            "+12029761234",
            "2425550123",
            "18765550123",
            "+18095550123",
            "+17875550123",
            "16845550123",
            "5005550123",
            "9115550123",
            "14115550123",
            "+16005550123",
            "6225550123",
            "2025551212",
            "+12125551212",
        ] {
            assert_eq!(plan.check(number), Err(Refused::Denied(number.into())));
        }
        for number in [
            "01144205550123",
            "0044205550123",
            "+44205550123",
            "+2025550123",
            "+4915112345678",
            "5550123",
            "0",
            "411",
            "1025550123",
            "112025550123",
            "+112025550123",
            "9912025550123",
        ] {
            assert_eq!(plan.check(number), Err(Refused::NotAllowed(number.into())));
        }
    }

    #[test]
    fn an_emergency_number_needs_to_be_spelled_out() {
        let refused = |number: &str| Err(Refused::Emergency(number.to_string()));
        let wide = Plan::new(&["."], &[]).unwrap();
        for number in ["911", "112", "110", "999", "9911", "0112", "8999"] {
            assert_eq!(Plan::default().check(number), refused(number));
            assert_eq!(wide.check(number), refused(number));
        }
        assert_eq!(
            Plan::new(&["+."], &[]).unwrap().check("+911"),
            refused("+911")
        );
        assert_eq!(Plan::new(&["999"], &[]).unwrap().check("999"), Ok(()));
    }

    #[test]
    fn deny_wins_over_allow() {
        let plan = Plan::new(&["+49."], &["+49900."]).unwrap();
        assert_eq!(plan.check("+4930123456"), Ok(()));
        assert!(matches!(plan.check("+499001234"), Err(Refused::Denied(_))));
    }

    #[test]
    fn mutated_patterns_never_panic() {
        let mut rng = fastrand::Rng::with_seed(411);
        for _ in 0..20_000 {
            let pattern: String = (0..rng.usize(..12))
                .map(|_| {
                    *rng.choice("0123456789+XZN[](|).- é".chars().collect::<Vec<_>>().iter())
                        .unwrap()
                })
                .collect();
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                pattern.matches("+12025550123");
            }
        }
    }
}
