//! Outcome, cause, next step: the one table of retries. Pure.
//!
//! The delays and counts are the defaults; `[retry]` of the configuration changes them. Those keep within 47 CFR 68.318(b):
//! two calls in a row to a number that does not answer, fifteen to one that is busy or behind a congested network, then an
//! hour of rest; one more call to a number where something answered that is no fax machine. They are kept by number,
//! however many faxes wait for it (`queue::rests`).

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::outcome::Outcome;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after so many seconds.
    After(u32),
    /// This outcome is the last word.
    Final,
}

/// How often and when an outcome is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Seconds before the 2nd, 3rd, ... attempt; the last one repeats. None: this outcome is final at once.
    pub delays: Vec<u32>,
    /// Attempts that ended so, in a row or not, after which this outcome is final.
    pub attempts: u32,
}

/// One line of the table, as it is where the configuration says nothing.
struct Row {
    outcome: Outcome,
    delays: &'static [u32],
    attempts: u32,
    /// What its sender is to do once it is final.
    last_word: &'static str,
}

const fn row(
    outcome: Outcome,
    delays: &'static [u32],
    attempts: u32,
    last_word: &'static str,
) -> Row {
    Row {
        outcome,
        delays,
        attempts,
        last_word,
    }
}

const TO_ADMIN: &str =
    "Please show this mail to your administrator, and send the fax again when the cause is gone.";
const LOOK_AT_MACHINE: &str =
    "Please send it again; if that does not help, ask the recipient to look at the fax machine.";
const A_FAX_MACHINE: &str = "Please check that this is the number of a fax machine.";
const LATER: &str = "Please send it again later.";

/// The table, in the order of a call.
const TABLE: [Row; Outcome::ALL.len()] = {
    use Outcome::*;
    [
        row(Delivered, &[], 1, ""),
        // Ours to mend: the calls below reached nobody.
        row(TrunkDown, &[10, 30, 60, 120, 300], 10, TO_ADMIN),
        row(NotAuthorized, &[60, 300], 10, TO_ADMIN),
        row(Congestion, &[60, 120, 300, 600], 10, LATER),
        row(Busy, &[120, 180, 300, 600], 10, LATER),
        // 47 CFR 68.318(b)(1): two in a row, then an hour.
        row(
            NoAnswer,
            &[300, 3600, 300, 3600],
            5,
            "Please check the number, or ask the recipient to switch the fax machine on, and send it again.",
        ),
        row(
            NotInService,
            &[],
            1,
            "Please check the number and send it again.",
        ),
        row(
            Refused,
            &[],
            1,
            "Please check the number; if it is right, show this mail to your administrator.",
        ),
        // 47 CFR 68.318(b)(4): one more call that is answered, where no fax machine is.
        row(VoiceAnswered, &[900], 2, A_FAX_MACHINE),
        row(NoFax, &[900], 2, A_FAX_MACHINE),
        row(
            Incompatible,
            &[300],
            2,
            "Please ask the recipient which paper and resolution the fax machine takes, or for another number.",
        ),
        row(T38Failed, &[60, 300, 900], 4, TO_ADMIN),
        // The next attempt goes another way (queue::memory), so it need not wait long.
        row(T38Silent, &[15, 60, 300], 4, TO_ADMIN),
        row(TrainingFailed, &[60, 180, 600], 5, LOOK_AT_MACHINE),
        row(
            PageRefused,
            &[60, 180, 600],
            5,
            "Please ask the recipient to look at the fax machine (paper, memory), and send it again.",
        ),
        row(FarEndHungUp, &[60, 180, 600], 5, LOOK_AT_MACHINE),
        row(FarEndSilent, &[60, 180, 600], 5, LOOK_AT_MACHINE),
        row(ProtocolError, &[60, 180, 600], 5, TO_ADMIN),
        row(
            TooLong,
            &[300, 900],
            3,
            "Please send it again with fewer pages or without pictures.",
        ),
        row(TooSlow, &[300, 900], 3, LOOK_AT_MACHINE),
        // Its delays count only where the site resends what is uncertain.
        row(
            Uncertain,
            &[300],
            3,
            "Please ask the recipient; if it is missing, send your mail again. It was not sent again by itself, so that it does not \
             arrive twice.",
        ),
        row(ChildCrashed, &[10, 60], 3, TO_ADMIN),
        row(ChildHung, &[10, 60], 3, TO_ADMIN),
        row(StorageFailed, &[60, 300], 5, TO_ADMIN),
        row(NoPages, &[60, 300], 5, TO_ADMIN),
        row(GatewayStalled, &[10, 60, 300], 5, TO_ADMIN),
        row(
            GatewayStopped,
            &[0, 10, 60, 300],
            10,
            "Please send your mail again.",
        ),
        row(
            Cancelled,
            &[],
            1,
            "If it is still wanted, send your mail again.",
        ),
        row(
            Expired,
            &[],
            1,
            "If it is still wanted, send your mail again, and allow it more time.",
        ),
    ]
};

fn row_of(outcome: Outcome) -> &'static Row {
    let row = TABLE.iter().find(|row| row.outcome == outcome);
    row.expect("every outcome has its row, as a test proves")
}

/// What the sender is to do when `outcome` was the last word.
pub fn last_word(outcome: Outcome) -> &'static str {
    row_of(outcome).last_word
}

/// False: an attempt that never reached the far end does not count against the limit. One that was answered, or that a
/// crash cut off, counts whatever its outcome: it may be on the bill.
pub fn counts(outcome: Outcome) -> bool {
    use Outcome::*;
    !matches!(
        outcome,
        TrunkDown | NotAuthorized | StorageFailed | NoPages | GatewayStalled | GatewayStopped
    )
}

/// Attempts of one fax that count, however they ended: more than any rule has by default, so that a line on which always
/// something else goes wrong has an end, too.
pub const MOST_TRIES: u32 = 20;

/// The outcomes whose attempts are counted as one: whatever answered that is no fax machine, 47 CFR 68.318(b)(4) allows
/// one more call.
pub fn counted_together(outcome: Outcome) -> (Outcome, Outcome) {
    match outcome {
        Outcome::NoFax | Outcome::VoiceAnswered => (Outcome::NoFax, Outcome::VoiceAnswered),
        other => (other, other),
    }
}

/// Whether the outcome speaks of the number itself, so that every fax to it waits: the law counts calls to a number.
pub fn rests_number(outcome: Outcome) -> bool {
    use Outcome::*;
    matches!(
        outcome,
        Busy | Congestion | NoAnswer | NoFax | VoiceAnswered
    )
}

/// What a number gets after the calls in a row that 47 CFR 68.318(b)(1) allows, seconds.
pub const AN_HOUR: u32 = 3600;

/// Whether two calls to a number, one after the other, count as two in a row: what the law calls busy or reorder is one.
pub fn counted_in_a_row(one: Outcome, other: Outcome) -> bool {
    one == other || (is_engaged(one) && is_engaged(other))
}

/// The least that a number rests by law where a call ended otherwise than the one before it, seconds. Only where each of
/// them was busy are there more than two in a row.
pub fn rest_between(one: Outcome, other: Outcome) -> u32 {
    let silent_and_engaged =
        |silent: Outcome, other: Outcome| silent == Outcome::NoAnswer && is_engaged(other);
    match silent_and_engaged(one, other) || silent_and_engaged(other, one) {
        true => AN_HOUR,
        false => 0,
    }
}

fn is_engaged(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Busy | Outcome::Congestion)
}

/// Calls in a row to a number that end so, before it gets an hour (47 CFR 68.318(b)(1)); `None`: the law sets no limit.
fn most_in_a_row(outcome: Outcome) -> Option<u32> {
    match outcome {
        Outcome::NoAnswer => Some(2),
        Outcome::Busy | Outcome::Congestion => Some(15),
        _ => None,
    }
}

/// The least that a number rests by law after `same` calls in a row, seconds.
fn lawful_rest(outcome: Outcome, same: u32) -> u32 {
    let is_over = |most| same > 0 && same.is_multiple_of(most);
    match most_in_a_row(outcome).is_some_and(is_over) {
        true => AN_HOUR,
        false => 0,
    }
}

/// The rules in force, by outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(BTreeMap<Outcome, Rule>);

impl Default for Rules {
    fn default() -> Rules {
        let of = |row: &Row| {
            let (delays, attempts) = (row.delays.to_vec(), row.attempts);
            (row.outcome, Rule { delays, attempts })
        };
        // What has no delay has nothing to be set.
        let retried = TABLE.iter().filter(|row| !row.delays.is_empty());
        Rules(retried.map(of).collect())
    }
}

impl Rules {
    /// The rule for an outcome; none: it is final.
    pub fn of(&self, outcome: Outcome) -> Option<&Rule> {
        self.0.get(&outcome).filter(|rule| !rule.delays.is_empty())
    }

    /// What cannot be meant or is against the law: the outcome, and what is wrong.
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        self.0.iter().find_map(|(outcome, rule)| {
            let wrong = if rule.attempts == 0 {
                "attempts must be at least 1".to_owned()
            } else if rule.delays.iter().any(|seconds| *seconds > 86_400) {
                "a delay is at most 86400 seconds".to_owned()
            } else if rule.delays == [0] && rule.attempts > 3 {
                "a delay of 0 would ring a number without a pause".to_owned()
            } else {
                rule.against_the_law(*outcome)?
            };
            Some((outcome.name(), wrong))
        })
    }

    /// Seconds of the longest delay that any outcome can bring: whatever waits for longer was put off by another clock.
    pub fn longest_delay(&self) -> u64 {
        let delays = self.0.values().flat_map(|rule| &rule.delays);
        u64::from(delays.copied().max().unwrap_or(0).max(AN_HOUR))
    }
}

impl Rule {
    /// Whether these delays let a number ring more often than 47 CFR 68.318(b)(1) allows. Busy numbers get their hour
    /// whatever is written.
    fn against_the_law(&self, outcome: Outcome) -> Option<String> {
        let most = most_in_a_row(outcome).filter(|_| outcome == Outcome::NoAnswer)?;
        let last = self.delays.last()?;
        let repeated = std::iter::repeat_n(last, most as usize);
        let delays: Vec<u32> = self.delays.iter().chain(repeated).copied().collect();
        let rings_on = |delays: &[u32]| delays.iter().all(|seconds| *seconds < AN_HOUR);
        delays.windows(most as usize).any(rings_on).then(|| {
            format!(
                "these delays allow more than {most} calls in a row to a number without an hour's rest, which \
                 47 CFR 68.318(b)(1) forbids; write an hour at least every second time, such as [300, 3600, 300, 3600]"
            )
        })
    }
}

/// `busy = { delays = [...], attempts = n }`, either of them alone, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    delays: Option<Vec<u32>>,
    attempts: Option<u32>,
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(file: D) -> Result<Rules, D::Error> {
        let mut rules = Rules::default();
        for (name, change) in BTreeMap::<String, Change>::deserialize(file)? {
            let outcome = Outcome::from_name(&name);
            let Some(rule) = outcome.and_then(|outcome| rules.0.get_mut(&outcome)) else {
                let names: Vec<&str> = rules.0.keys().map(|outcome| outcome.name()).collect();
                let names = names.join(", ");
                let text = format!("nothing called `{name}` is tried again; there are {names}");
                return Err(de::Error::custom(text));
            };
            rule.delays = change.delays.unwrap_or(std::mem::take(&mut rule.delays));
            rule.attempts = change.attempts.unwrap_or(rule.attempts);
        }
        Ok(rules)
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(outcome, rule)| (outcome.name(), rule)))
    }
}

/// What the site has decided about attempts that did not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When what is tried again.
    pub rules: Rules,
    /// Seconds after which a fax fails whose sender set no time.
    pub give_up_seconds: u64,
    /// Whether what may have arrived is sent once more; else its sender is told, and decides.
    pub resend_uncertain: bool,
    /// Where days begin and end.
    pub zone: TimeZone,
}

impl Policy {
    /// The day of a time (milliseconds since 1970), as "2026-11-21".
    pub fn day(&self, at: i64) -> String {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).date().to_string()
    }

    /// What follows the attempt that ended in `outcome`.
    ///
    /// `tries` counts the attempts so far that count and ended like this one, which is included; `same` counts the attempts
    /// in a row that ended like this one, of this fax or, where the outcome speaks of the number, of all faxes to it;
    /// `left` is the seconds until the fax is given up.
    pub fn next(&self, outcome: Outcome, tries: u32, same: u32, left: u64) -> Next {
        let is_told = outcome == Outcome::Uncertain && !self.resend_uncertain;
        let rule = self.rules.of(outcome).filter(|_| !is_told);
        match rule {
            Some(rule) if tries < rule.attempts => match delay(rule, outcome, same) {
                delay if u64::from(delay) <= left => Next::After(delay),
                _ => Next::Final,
            },
            _ => Next::Final,
        }
    }

    /// Seconds that a number rests after `same` calls in a row that ended in `outcome`, whatever becomes of the fax.
    pub fn rest(&self, outcome: Outcome, same: u32) -> u32 {
        let rule = self.rules.of(outcome);
        rule.map_or_else(
            || lawful_rest(outcome, same),
            |rule| delay(rule, outcome, same),
        )
    }
}

fn delay(rule: &Rule, outcome: Outcome, same: u32) -> u32 {
    let last = rule.delays.len() - 1;
    let own = rule.delays[(same.max(1) as usize - 1).min(last)];
    own.max(lawful_rest(outcome, same))
}

/// The table as the README prints it.
pub fn table() -> String {
    let mut text = String::from(
        "| what happened | name | again after | attempts | the last word |\n|---|---|---|---|---|\n",
    );
    for row in &TABLE {
        let again = match (row.outcome, row.delays) {
            (_, []) => "never".to_owned(),
            (Outcome::Uncertain, delays) => {
                format!("{}, where `queue.uncertain` is \"resend\"", spans(delays))
            }
            (_, delays) => spans(delays),
        };
        let attempts = match (row.delays, counts(row.outcome)) {
            ([], _) => String::new(),
            (_, true) => row.attempts.to_string(),
            (_, false) => format!("{} that were answered", row.attempts),
        };
        let (cause, name) = (row.outcome.in_words(), row.outcome.name());
        let _ = writeln!(
            text,
            "| {cause} | `{name}` | {again} | {attempts} | {} |",
            row.last_word
        );
    }
    text
}

/// "2, 3, 5, then every 10 min".
fn spans(delays: &[u32]) -> String {
    let unit = match delays.iter().all(|seconds| seconds.is_multiple_of(60)) {
        true => (60, "min"),
        false => (1, "s"),
    };
    let spans: Vec<String> = delays.iter().map(|s| (s / unit.0).to_string()).collect();
    format!("{} {}", spans.join(", "), unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn next(outcome: Outcome, tries: u32, same: u32, left: u64) -> Next {
        policy(Rules::default()).next(outcome, tries, same, left)
    }

    fn policy(rules: Rules) -> Policy {
        Policy {
            rules,
            give_up_seconds: DAY,
            resend_uncertain: false,
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn every_outcome_has_one_row() {
        for outcome in Outcome::ALL {
            let rows = TABLE.iter().filter(|row| row.outcome == outcome);
            assert_eq!(rows.count(), 1, "{outcome}");
            let is_told = last_word(outcome).is_empty();
            assert_eq!(is_told, outcome == Outcome::Delivered, "{outcome}");
        }
    }

    #[test]
    fn the_readme_prints_the_table() {
        let readme = include_str!("../../README.md");
        let table = table();
        assert!(readme.contains(&table), "README.md should have:\n{table}");
    }

    #[test]
    fn busy_is_tried_ten_times_with_growing_patience() {
        assert_eq!(next(Outcome::Busy, 1, 1, DAY), Next::After(120));
        assert_eq!(next(Outcome::Busy, 9, 9, DAY), Next::After(600));
        assert_eq!(next(Outcome::Busy, 10, 10, DAY), Next::Final);
    }

    /// 47 CFR 68.318(b), for one fax and for many to one number.
    #[test]
    fn the_defaults_keep_within_the_redial_limits() {
        let policy = policy(Rules::default());
        for limited in [
            (Outcome::NoAnswer, 2),
            (Outcome::Busy, 15),
            (Outcome::Congestion, 15),
        ] {
            let (outcome, in_a_row) = limited;
            let mut since_rest = 0;
            for same in 1..100 {
                since_rest += 1;
                assert!(since_rest <= in_a_row, "{outcome}: call {same}");
                if policy.rest(outcome, same) >= 3600 {
                    since_rest = 0;
                }
            }
        }
        for outcome in [
            Outcome::VoiceAnswered,
            Outcome::NoFax,
            Outcome::Incompatible,
        ] {
            assert_eq!(next(outcome, 2, 2, DAY), Next::Final, "{outcome}");
        }
    }

    #[test]
    fn what_asking_again_cannot_change_is_final() {
        for outcome in [
            Outcome::NotInService,
            Outcome::Refused,
            Outcome::Uncertain,
            Outcome::Cancelled,
            Outcome::Expired,
        ] {
            assert_eq!(next(outcome, 1, 1, DAY), Next::Final, "{outcome}");
        }
    }

    #[test]
    fn a_site_may_have_uncertain_faxes_sent_again() {
        let resends = Policy {
            resend_uncertain: true,
            ..policy(Rules::default())
        };
        assert_eq!(
            resends.next(Outcome::Uncertain, 1, 1, DAY),
            Next::After(300)
        );
        assert_eq!(resends.next(Outcome::Uncertain, 3, 3, DAY), Next::Final);
    }

    #[test]
    fn a_dead_trunk_is_waited_out_until_the_fax_is_too_old() {
        assert_eq!(next(Outcome::TrunkDown, 0, 100, DAY), Next::After(300));
        assert_eq!(next(Outcome::TrunkDown, 0, 400, 10), Next::Final);
    }

    #[test]
    fn our_own_stop_costs_no_try_and_no_time() {
        assert!(!counts(Outcome::GatewayStopped));
        assert_eq!(next(Outcome::GatewayStopped, 0, 1, DAY), Next::After(0));
    }

    #[test]
    fn a_wrong_password_costs_no_fax_a_try() {
        assert_eq!(next(Outcome::NotAuthorized, 0, 50, DAY), Next::After(300));
    }

    #[test]
    fn the_configuration_changes_a_row_and_leaves_the_others() {
        let rules: Rules = toml::from_str("busy = { delays = [30], attempts = 3 }").unwrap();
        let policy = policy(rules);
        assert_eq!(policy.next(Outcome::Busy, 2, 2, DAY), Next::After(30));
        assert_eq!(policy.next(Outcome::Busy, 3, 3, DAY), Next::Final);
        assert_eq!(policy.next(Outcome::NoAnswer, 1, 1, DAY), Next::After(300));
        let never: Rules = toml::from_str("[no_answer]\ndelays = []").unwrap();
        assert_eq!(never.of(Outcome::NoAnswer), None);
    }

    #[test]
    fn what_the_configuration_cannot_mean_is_refused_by_name() {
        let wrong = toml::from_str::<Rules>("bussy = { attempts = 3 }").unwrap_err();
        assert!(wrong.to_string().contains("`bussy`"), "{wrong}");
        let refused = toml::from_str::<Rules>("refused = { attempts = 3 }");
        assert!(refused.is_err(), "what is final stays final");
        let rules: Rules = toml::from_str("busy = { attempts = 0 }").unwrap();
        assert_eq!(rules.contradiction().unwrap().0, "busy");
    }

    #[test]
    fn delays_that_the_law_forbids_are_refused_and_lawful_ones_are_not() {
        let refused = |text: &str| {
            let rules: Rules = toml::from_str(text).unwrap();
            rules.contradiction().map(|(name, _)| name)
        };
        for forbidden in [
            "[60]",
            "[300, 300, 3600]",
            "[3600, 60]",
            "[300, 3600, 60, 60]",
        ] {
            let text = format!("no_answer = {{ delays = {forbidden} }}");
            assert_eq!(refused(&text), Some("no_answer"), "{forbidden}");
        }
        for lawful in ["[]", "[3600]", "[300, 3600]", "[300, 7200, 300, 3600]"] {
            let text = format!("no_answer = {{ delays = {lawful} }}");
            assert_eq!(refused(&text), None, "{lawful}");
        }
        assert_eq!(refused("busy = { delays = [7200] }"), None);
        assert_eq!(refused(""), None);
    }

    #[test]
    fn the_longest_delay_is_that_of_the_rules_in_force() {
        assert_eq!(Rules::default().longest_delay(), 3600);
        let rules: Rules = toml::from_str("busy = { delays = [60, 7200, 600] }").unwrap();
        assert_eq!(rules.longest_delay(), 7200);
    }

    /// Faxes that are over at once still ring the number: the hour is the number's.
    #[test]
    fn a_number_gets_its_hour_whatever_is_written() {
        let never: Rules = toml::from_str("no_answer = { delays = [] }").unwrap();
        let never = policy(never);
        assert_eq!(
            [1, 2, 3, 4].map(|same| never.rest(Outcome::NoAnswer, same)),
            [0, 3600, 0, 3600]
        );
        let long: Rules = toml::from_str("busy = { delays = [7200] }").unwrap();
        assert_eq!(policy(long).rest(Outcome::Busy, 15), 7200);
        let short: Rules = toml::from_str("busy = { delays = [10] }").unwrap();
        assert_eq!(policy(short).rest(Outcome::Busy, 15), 3600);
    }
}
