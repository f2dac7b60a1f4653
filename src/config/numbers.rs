//! Numbers as people write them, as the queue keeps them and as trunks want them.
//!
//! The queue keeps one form: E.164 with its `+` where the number can be read and is one of a numbering plan, so that
//! `+12025550123`, `12025550123` and `2025550123` are one number; else what was written. What may be dialled is judged
//! on what was written and on every form it may be taken for: a number that is denied in any of them is denied.

mod countries;
mod why;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber};

pub use why::Why;

use super::dialplan::{self, BadPattern, Plan, Refused};
use super::trunk::{NumberFormat, Trunk};
use super::{Config, Dialing, Domain};

/// Prefixes by which countries dial abroad.
const ABROAD: [&str; 4] = ["00", "011", "010", "0011"];

/// The numbers of a site: its country, and what may be dialled there.
#[derive(Debug, Clone)]
pub struct Numbering {
    country: Id,
    /// Its country code: "1", "49".
    code: String,
    /// What stands before a number of the country itself: "1", "0"; empty where nothing does.
    trunk_prefix: String,
    /// What stands before the country code of another country.
    abroad: &'static str,
    plan: Plan,
    blocked: Vec<dialplan::Pattern>,
    shared: Vec<dialplan::Pattern>,
}

impl Numbering {
    /// The numbers of a site.
    ///
    /// # Errors
    /// The first pattern that cannot be read.
    pub fn of(config: &Config) -> Result<Numbering, BadPattern> {
        let Dialing {
            country,
            allow,
            deny,
        } = &config.dialing;
        let blocked = dialplan::patterns(&config.inbound.blocked)?;
        let shared = dialplan::patterns(&config.queue.share_calls)?;
        Ok(Numbering {
            blocked,
            shared,
            ..Numbering::new(country, Plan::new(allow, deny)?)
        })
    }

    /// The numbers of a domain: its country and its plan where it has them.
    ///
    /// # Errors
    /// The first pattern that cannot be read.
    pub fn of_domain(config: &Config, domain: &Domain) -> Result<Numbering, BadPattern> {
        let Dialing {
            country,
            allow,
            deny,
        } = &config.dialing;
        let own = |own: &String| !own.is_empty();
        let country = Some(&domain.country)
            .filter(|it| own(it))
            .unwrap_or(country);
        let allow = match domain.allow.is_empty() {
            true => allow,
            false => &domain.allow,
        };
        Ok(Numbering::new(country, Plan::new(allow, deny)?))
    }

    fn new(country: &str, plan: Plan) -> Numbering {
        // A country that is not known was refused when the file was read.
        let country = country.parse().unwrap_or(Id::US);
        let metadata = DATABASE.by_id(country.as_ref());
        let code = metadata.map_or(1, |it| it.country_code()).to_string();
        let trunk_prefix = metadata.and_then(|it| it.national_prefix()).unwrap_or("");
        Numbering {
            abroad: prefix_for_abroad(country, &code),
            trunk_prefix: trunk_prefix.to_owned(),
            country,
            code,
            plan,
            blocked: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Whether the number that was written may be dialled, and the form in which the queue keeps it.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn to_dial(&self, written: &str) -> Result<String, Refused> {
        let home = |number: &str| self.within(number);
        let (allowed, denied) = self.forms(written);
        self.plan.check_forms(written, &allowed, &denied, home)?;
        Ok(self.canonical(written))
    }

    /// As [`Numbering::to_dial`], for somebody who may dial what is in `permitted`, too. Emergency numbers never are.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn to_dial_with(
        &self,
        written: &str,
        permitted: &[dialplan::Pattern],
    ) -> Result<String, Refused> {
        match self.to_dial(written) {
            Err(refused @ (Refused::Denied(_) | Refused::NotAllowed(_))) => {
                let (forms, _) = self.forms(written);
                let is_permitted =
                    |pattern: &dialplan::Pattern| forms.iter().any(|form| pattern.matches(form));
                match permitted.iter().any(is_permitted) {
                    true => Ok(self.canonical(written)),
                    false => Err(refused),
                }
            }
            verdict => verdict,
        }
    }

    /// The number behind its area code, where it is no number without, and is one with it.
    pub fn in_area(&self, written: &str, area: &str) -> String {
        let is_whole = |number: &str| self.read(number).is_some_and(|number| number.is_valid());
        let longer = format!("{area}{written}");
        match area.is_empty() || written.starts_with('+') || is_whole(written) || !is_whole(&longer)
        {
            true => written.to_owned(),
            false => longer,
        }
    }

    /// Why a number is refused, beyond the rule that it breaks: it is none, it is abroad, it is dear.
    pub fn why_refused(&self, written: &str, refused: &Refused) -> Option<Why> {
        let none = match refused {
            Refused::NotAllowed(_) => self.no_number(written),
            Refused::Denied(_) | Refused::Emergency(_) => None,
        };
        none.or_else(|| self.of_its_kind(written))
    }

    /// E.164 where the number can be read and is a valid one; else as written.
    pub fn canonical(&self, written: &str) -> String {
        let valid = self.read(written).filter(PhoneNumber::is_valid);
        valid
            .map(|number| e164(&number))
            .filter(|e164| self.says_the_same(written, e164))
            .unwrap_or_else(|| written.to_owned())
    }

    /// The password that the machine with this number wants.
    pub fn password(&self, config: &Config, number: &str) -> Option<String> {
        let mut machines = config.machines.iter();
        let machine = machines.find(|machine| self.is_same(&machine.number, number))?;
        Some(machine.password.clone()).filter(|password| !password.is_empty())
    }

    /// Whether several faxes may go to this number in one call.
    pub fn shares_calls(&self, number: &str) -> bool {
        self.is_one_of(number, &self.shared)
    }

    /// Whether two numbers are one.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        let digits = |number: &str| -> String {
            let canonical = self.canonical(&bare(number));
            canonical.chars().filter(char::is_ascii_digit).collect()
        };
        let one = digits(one);
        !one.is_empty() && one == digits(other)
    }

    /// Whether a caller's number is one of those whose calls are refused.
    pub fn is_blocked(&self, caller: &str) -> bool {
        self.is_one_of(caller, &self.blocked)
    }

    /// Whether a number, in any of its forms, fits one of the patterns.
    pub fn is_one_of(&self, number: &str, patterns: &[dialplan::Pattern]) -> bool {
        let (_, forms) = self.forms(&bare(number));
        let hit = |form: &String| patterns.iter().any(|pattern| pattern.matches(form));
        forms.iter().any(hit)
    }

    /// What prefixes of trunks are compared with: E.164 as far as the number can be read at all.
    pub fn for_prefixes(&self, canonical: &str) -> String {
        match self.read(canonical) {
            Some(number) if !canonical.starts_with('+') => e164(&number),
            _ => canonical.to_owned(),
        }
    }

    /// The number as a trunk wants it. `written`: by the sender of the fax, where that is known.
    ///
    /// # Errors
    /// Where the trunk's rules would make an emergency number of it.
    pub fn called(
        &self,
        canonical: &str,
        written: Option<&str>,
        trunk: &Trunk,
    ) -> Result<String, Refused> {
        let formatted = match (trunk.number_format, written) {
            // In a form that is allowed only because another one is, it might mean something else to the carrier.
            (NumberFormat::AsDialled, Some(written)) if self.plan.check(written).is_ok() => {
                written.to_owned()
            }
            (format, _) => self.formatted(canonical, format),
        };
        let stripped = formatted.strip_prefix(&trunk.strip).unwrap_or(&formatted);
        let dialled = format!("{}{stripped}", trunk.prepend);
        match dialplan::is_emergency(&dialled, |number| self.within(number)) {
            true if !self.plan.spells_out(&dialled) => Err(Refused::Emergency(dialled)),
            _ => Ok(dialled),
        }
    }

    /// Our own number as a trunk wants it.
    pub fn caller(&self, number: &str, trunk: &Trunk) -> String {
        match trunk.number_format {
            NumberFormat::AsDialled => bare(number),
            format => self.formatted(&self.canonical(&bare(number)), format),
        }
    }

    fn formatted(&self, canonical: &str, format: NumberFormat) -> String {
        let Some(number) = self.read(canonical).filter(PhoneNumber::is_valid) else {
            return canonical.to_owned();
        };
        let e164 = e164(&number);
        let international = e164.trim_start_matches('+');
        match format {
            NumberFormat::AsDialled | NumberFormat::E164 => e164,
            NumberFormat::International => international.to_owned(),
            NumberFormat::National if self.is_home(&number) => {
                bare(&number.format().mode(Mode::National).to_string())
            }
            NumberFormat::National => format!("{}{international}", self.abroad),
        }
    }

    /// The forms in which a number may be allowed, and those in which it may be denied. Each begins with what was
    /// written; a form that could mean another number is good for a denial only.
    fn forms(&self, written: &str) -> (Vec<String>, Vec<String>) {
        let mut allowed = vec![written.to_owned()];
        let mut denied = vec![written.to_owned()];
        // Carriers may take a prefix for abroad that is not this country's.
        let foreign = ABROAD
            .iter()
            .filter_map(|prefix| written.strip_prefix(prefix))
            .map(|rest| format!("+{rest}"));
        for (nth, reading) in std::iter::once(written.to_owned())
            .chain(foreign)
            .enumerate()
        {
            let Some(number) = self.read(&reading) else {
                continue;
            };
            let e164 = e164(&number);
            let mut forms = vec![e164.clone()];
            let international = e164.trim_start_matches('+');
            if self.is_home(&number) {
                let national = &international[self.code.len()..];
                forms.push(national.to_owned());
                forms.push(format!("{}{national}", self.trunk_prefix));
            } else {
                denied.push(international.to_owned());
                denied.extend(ABROAD.map(|prefix| format!("{prefix}{international}")));
            }
            if nth == 0 && self.says_the_same(written, &e164) {
                allowed.extend(forms.iter().cloned());
            }
            denied.extend(forms);
        }
        (allowed, denied)
    }

    fn read(&self, number: &str) -> Option<PhoneNumber> {
        phonenumber::parse(Some(self.country), number).ok()
    }

    fn is_home(&self, number: &PhoneNumber) -> bool {
        number.code().value().to_string() == self.code
    }

    /// The digits behind whatever leads to the country itself, for numbers that are too short to be read.
    fn within(&self, number: &str) -> String {
        let digits = number.trim_start_matches('+');
        let inland = ABROAD.iter().find_map(|prefix| digits.strip_prefix(prefix));
        let inland = inland.unwrap_or(digits);
        inland.strip_prefix(&self.code).unwrap_or(inland).to_owned()
    }

    /// Whether nothing but prefixes was taken from what was written. The numbering plans know rules that change
    /// numbers; a number that we would change is left alone.
    fn says_the_same(&self, written: &str, e164: &str) -> bool {
        if written.starts_with('+') {
            // "+49 (0)30": the zero is for callers at home.
            let zero = |code: usize| {
                let (code, rest) = e164.split_at(code.min(e164.len()));
                format!("{code}0{rest}") == written
            };
            return written == e164 || (2..=4).any(zero);
        }
        let international = &e164[1..];
        let national = international.strip_prefix(&self.code);
        let at_home = national.is_some_and(|national| {
            [
                national.to_owned(),
                format!("{}{national}", self.trunk_prefix),
                international.to_owned(),
            ]
            .contains(&written.to_owned())
        });
        at_home || written.strip_prefix(self.abroad) == Some(international)
    }
}

fn e164(number: &PhoneNumber) -> String {
    number.format().mode(Mode::E164).to_string()
}

/// Digits, and a `+` in front.
fn bare(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit);
    let plus = number.trim_start().starts_with('+').then_some('+');
    plus.into_iter().chain(digits).collect()
}

/// [`Numbering::canonical`] for one number; as written where the patterns of the file cannot be read.
pub fn canonical(config: &Config, written: &str) -> String {
    Numbering::of(config).map_or_else(|_| written.to_owned(), |numbers| numbers.canonical(written))
}

/// What one dials in a country before the code of another: asked of a number that exists elsewhere.
fn prefix_for_abroad(country: Id, code: &str) -> &'static str {
    let elsewhere = if code == "44" {
        "12025550123"
    } else {
        "442079460018"
    };
    let leads_out = |prefix: &&str| {
        phonenumber::parse(Some(country), format!("{prefix}{elsewhere}"))
            .is_ok_and(|number| number.is_valid() && e164(&number)[1..] == *elsewhere)
    };
    ABROAD.into_iter().find(leads_out).unwrap_or("00")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering(text: &str) -> Numbering {
        Numbering::of(&Config::parse(text, "config.toml").unwrap()).unwrap()
    }

    fn germany() -> Numbering {
        numbering(
            "[dialing]\ncountry = \"DE\"\nallow = [\"0Z.\", \"+49 Z.\"]\ndeny = [\"0900.\", \"00.\"]\n",
        )
    }

    #[test]
    fn one_number_has_one_form_however_it_is_written() {
        let us = numbering("");
        for written in [
            "+12025550123",
            "12025550123",
            "2025550123",
            "01112025550123",
        ] {
            assert_eq!(us.canonical(written), "+12025550123", "{written}");
        }
        assert_eq!(us.canonical("011442079460018"), "+442079460018");
        for written in ["+4930901820", "030901820", "004930901820", "+49030901820"] {
            assert_eq!(germany().canonical(written), "+4930901820", "{written}");
        }
    }

    #[test]
    fn what_is_no_number_of_any_plan_stays_as_it_was_written() {
        for written in [
            "5551234567",
            "+15551234567",
            "0",
            "911",
            "42",
            "99999999999999999999",
        ] {
            assert_eq!(numbering("").canonical(written), written);
        }
    }

    #[test]
    fn a_zero_that_belongs_to_the_number_is_kept() {
        let italy = numbering("[dialing]\ncountry = \"IT\"\n");
        assert_eq!(italy.canonical("0669812345"), "+390669812345");
        assert_eq!(italy.canonical("+390669812345"), "+390669812345");
    }

    #[test]
    fn rules_that_change_a_number_leave_it_alone() {
        // Argentina's mobile numbers move a 9 to the front and drop a 15.
        let argentina = numbering("[dialing]\ncountry = \"AR\"\n");
        let written = "0111523456789";
        let canonical = argentina.canonical(written);
        assert!(
            canonical == written || canonical.ends_with(&written[1..]),
            "{canonical}"
        );
    }

    #[test]
    fn what_is_denied_is_denied_in_every_form_it_may_be_taken_for() {
        let narrow = numbering(
            "[dialing]\nallow = [\".\", \"+.\"]\ndeny = [\"900XXXXXXX\", \"876XXXXXXX\"]\n",
        );
        for written in [
            "9002345678",
            "19002345678",
            "+19002345678",
            "01119002345678",
            "0019002345678",
            "+18765550123",
            "01118765550123",
        ] {
            let refused = narrow.to_dial(written);
            assert_eq!(refused, Err(Refused::Denied(written.into())), "{written}");
        }
        assert!(narrow.to_dial("+12025550123").is_ok());
        assert!(matches!(
            germany().to_dial("+499001234567"),
            Err(Refused::Denied(_))
        ));
        assert!(matches!(
            germany().to_dial("00499001234567"),
            Err(Refused::Denied(_))
        ));
    }

    #[test]
    fn a_denial_of_all_that_is_abroad_leaves_home_alone() {
        assert!(germany().to_dial("+4930901820").is_ok());
        assert!(germany().to_dial("030901820").is_ok());
        assert!(matches!(
            germany().to_dial("+442079460018"),
            Err(Refused::Denied(_))
        ));
        let german_abroad =
            numbering("[dialing]\ncountry = \"DE\"\nallow = [\"0Z.\"]\ndeny = []\n");
        for abroad in ["+442079460018", "00442079460018", "011442079460018"] {
            let refused = german_abroad.to_dial(abroad);
            let denied = refused == Err(Refused::NotAllowed(abroad.into()));
            // Digit for digit 011... is a number in Germany's own plan, and the patterns say so.
            assert!(denied || abroad.starts_with("011"), "{abroad}: {refused:?}");
        }
    }

    #[test]
    fn a_number_is_allowed_by_a_pattern_in_another_form() {
        let plus = numbering("[dialing]\nallow = [\"+1 NXX NXX XXXX\"]\ndeny = []\n");
        for written in [
            "2025550123",
            "12025550123",
            "+12025550123",
            "01112025550123",
        ] {
            assert_eq!(
                plus.to_dial(written),
                Ok("+12025550123".into()),
                "{written}"
            );
        }
        assert!(plus.to_dial("+442079460018").is_err());
    }

    #[test]
    fn an_emergency_number_is_one_in_every_disguise() {
        let wide = numbering("[dialing]\nallow = [\".\", \"+.\"]\ndeny = []\n");
        for written in [
            "911", "+911", "9911", "+1911", "1911", "0111911", "001911", "112",
        ] {
            let refused = wide.to_dial(written);
            assert_eq!(
                refused,
                Err(Refused::Emergency(written.into())),
                "{written}"
            );
        }
    }

    fn trunk(text: &str) -> Trunk {
        let text = format!("[[trunk]]\nserver = \"a\"\n{text}");
        Config::parse(&text, "config.toml")
            .unwrap()
            .trunks
            .remove(0)
    }

    #[test]
    fn each_trunk_gets_its_own_form() {
        let us = numbering("[dialing]\nallow = [\"(|1|+1) NXX NXX XXXX\", \"+44.\"]\n");
        for (rules, home, abroad) in [
            (
                "number_format = \"as_dialled\"",
                "2025550123",
                "+442079460018",
            ),
            ("number_format = \"e164\"", "+12025550123", "+442079460018"),
            (
                "number_format = \"international\"",
                "12025550123",
                "442079460018",
            ),
            (
                "number_format = \"national\"",
                "2025550123",
                "011442079460018",
            ),
            (
                "number_format = \"e164\"\nstrip = \"+\"\nprepend = \"00\"",
                "0012025550123",
                "00442079460018",
            ),
            (
                "number_format = \"national\"\nprepend = \"9\"",
                "92025550123",
                "9011442079460018",
            ),
            (
                "number_format = \"national\"\nstrip = \"011\"",
                "2025550123",
                "442079460018",
            ),
        ] {
            let trunk = trunk(rules);
            let called = us.called("+12025550123", Some("2025550123"), &trunk);
            assert_eq!(called.as_deref(), Ok(home), "{rules}");
            let called = us.called("+442079460018", Some("011442079460018"), &trunk);
            assert_eq!(called.as_deref(), Ok(abroad), "{rules}");
        }
        let national = trunk("number_format = \"national\"");
        let called = germany().called("+4930901820", None, &national);
        assert_eq!(called.as_deref(), Ok("030901820"));
        assert_eq!(us.caller("+1 202 555 0123", &national), "2025550123");
        assert_eq!(us.caller("+1 202 555 0123", &trunk("")), "+12025550123");
    }

    #[test]
    fn rules_cannot_make_an_emergency_call() {
        let us = numbering("[dialing]\nallow = [\".\"]\ndeny = []\n");
        let called = us.called("55911", Some("55911"), &trunk("strip = \"55\""));
        assert_eq!(called, Err(Refused::Emergency("911".into())));
    }

    #[test]
    fn blocked_callers_are_known_in_every_form() {
        let us = numbering("[inbound]\nblocked = [\"202555XXXX\", \"+44.\"]\n");
        for caller in [
            "2025550123",
            "+1 (202) 555-0123",
            "12025550123",
            "+442079460018",
            "011442079460018",
        ] {
            assert!(us.is_blocked(caller), "{caller}");
        }
        assert!(!us.is_blocked("+12125550123") && !us.is_blocked(""));
    }

    #[test]
    fn password_of_a_machine_is_found_by_any_form_of_its_number() {
        let text = "[[machine]]\nnumber = \"202-555-0123\"\npassword = \"4711\"\n";
        let config = Config::parse(text, "config.toml").unwrap();
        let us = Numbering::of(&config).unwrap();
        assert_eq!(us.password(&config, "+12025550123").unwrap(), "4711");
        assert_eq!(us.password(&config, "+12025550124"), None);
    }

    #[test]
    fn our_numbers_are_the_same_in_every_form() {
        let us = numbering("");
        assert!(us.is_same("+1 202 555 0123", "2025550123"));
        assert!(us.is_same("5559876543", "5559876543"));
        assert!(!us.is_same("", "") && !us.is_same("*", "*"));
    }

    #[test]
    fn random_digits_never_panic_and_keep_their_last_digits() {
        let mut rng = fastrand::Rng::with_seed(164);
        let sites: Vec<Numbering> = ["US", "DE", "IT", "AR", "RU", "JP", "BR", "GB"]
            .map(|country| numbering(&format!("[dialing]\ncountry = \"{country}\"\n")))
            .into();
        for _ in 0..2_000 {
            let site = rng.choice(&sites).unwrap();
            let plus = if rng.bool() { "+" } else { "" };
            let digits: String = (0..rng.usize(1..21)).map(|_| rng.digit(10)).collect();
            let written = format!("{plus}{digits}");
            let canonical = site.canonical(&written);
            let tail = &digits[digits.len().saturating_sub(4)..];
            assert!(canonical.ends_with(tail), "{written} became {canonical}");
            let _ = site.to_dial(&written);
            assert_eq!(site.canonical(&canonical), canonical, "{written}");
        }
    }
}
