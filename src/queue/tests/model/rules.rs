//! The rules in force in the model: written down once, and given to the store as its configuration.

use std::fmt::Write;

/// What follows an outcome.
pub struct Rule {
    pub outcome: &'static str,
    /// Seconds.
    pub delays: &'static [i64],
    pub attempts: usize,
    /// A call that nobody answered counts, too.
    pub counts_unanswered: bool,
    /// It speaks of the number: no fax is dialled to it before.
    pub of_number: bool,
}

const fn rule(outcome: &'static str, delays: &'static [i64], attempts: usize) -> Rule {
    Rule {
        outcome,
        delays,
        attempts,
        counts_unanswered: true,
        of_number: false,
    }
}

const fn of_number(outcome: &'static str, delays: &'static [i64], attempts: usize) -> Rule {
    Rule {
        of_number: true,
        ..rule(outcome, delays, attempts)
    }
}

const fn answered_only(outcome: &'static str, delays: &'static [i64], attempts: usize) -> Rule {
    Rule {
        counts_unanswered: false,
        ..rule(outcome, delays, attempts)
    }
}

/// Some are longer than an hour, and few attempts are allowed, so that the last of them comes often.
pub const RULES: &[Rule] = &[
    answered_only("trunk_down", &[10, 30, 60], 5),
    of_number("congestion", &[60, 120], 3),
    of_number("busy", &[120, 180, 7200], 4),
    of_number("no_answer", &[300, 3600], 3),
    of_number("no_fax", &[900], 2),
    of_number("voice_answered", &[900], 2),
    rule("training_failed", &[60, 180], 3),
    rule("page_refused", &[60, 180], 3),
    rule("far_end_hung_up", &[60, 180, 600], 4),
    rule("far_end_silent", &[60, 180, 600], 4),
    rule("protocol_error", &[60], 3),
    rule("child_crashed", &[10, 60], 3),
    answered_only("storage_failed", &[60, 300], 4),
    answered_only("gateway_stopped", &[0, 10, 60], 6),
];

/// Attempts that count, however they ended.
pub const MOST_TRIES: usize = 20;

/// `fax.give_up_hours`.
pub const GIVE_UP_SECONDS: i64 = 6 * 3600;

/// How long after a delivery a lost `250` explains that its mail comes again, at most.
pub const LOST_REPLY_SECONDS: i64 = 2 * 3600;

/// How long a mail is surely known that comes again.
pub const KNOWN_MILLIS: i64 = 4 * 86_400_000;

pub fn of(outcome: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.outcome == outcome)
}

/// Whatever answered that is no fax machine counts as one.
pub fn alike(one: &str, other: &str) -> bool {
    let no_machine = |outcome| matches!(outcome, "no_fax" | "voice_answered");
    one == other || (no_machine(one) && no_machine(other))
}

/// With the end of the last page out, only these say that it has not arrived.
pub fn says_no(outcome: &str) -> bool {
    matches!(
        outcome,
        "page_refused" | "training_failed" | "storage_failed"
    )
}

/// The `[retry]` section.
pub fn as_configuration() -> String {
    let mut text = String::new();
    for rule in RULES {
        let (outcome, delays, attempts) = (rule.outcome, rule.delays, rule.attempts);
        let _ = writeln!(
            text,
            "{outcome} = {{ delays = {delays:?}, attempts = {attempts} }}"
        );
    }
    text
}
