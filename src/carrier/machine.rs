//! The fax machines of the simulated carrier.

use std::fmt;

use crate::worker::wire::Mishap;

/// What stands behind a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// A fax machine.
    Fax {
        /// What is wrong with it.
        mishap: Option<Mishap>,
        /// What its line takes.
        line: MachineLine,
    },
    /// Somebody who talks.
    Person,
    /// Rings for ever.
    Silent,
    /// Nothing: the carrier answers with this SIP status.
    Refusing(u16),
}

/// What the line of a fax machine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineLine {
    /// T.38, and audio where that is refused.
    Both,
    /// G.711 only: T.38 gets 488.
    Audio,
    /// T.38 only: it hangs up where that is refused.
    T38,
}

const HEALTHY: Machine = Machine::Fax {
    mishap: None,
    line: MachineLine::Both,
};

/// The last four digits, what they choose, and what that is called.
pub const MACHINES: [(&str, Machine, &str); 11] = [
    ("0001", Machine::Refusing(486), "a busy line"),
    ("0002", Machine::Silent, "a telephone that nobody answers"),
    (
        "0003",
        Machine::Fax {
            mishap: Some(Mishap::HangUpAfterPage(1)),
            line: MachineLine::Both,
        },
        "a fax machine that hangs up after page 1",
    ),
    (
        "0004",
        Machine::Fax {
            mishap: Some(Mishap::SilentBeforeLastMcf),
            line: MachineLine::Both,
        },
        "a fax machine that falls silent before it confirms the last page",
    ),
    (
        "0005",
        Machine::Fax {
            mishap: None,
            line: MachineLine::Audio,
        },
        "a fax machine on a line without T.38: 488, then audio",
    ),
    (
        "0006",
        Machine::Refusing(404),
        "a number that is not in service",
    ),
    (
        "0007",
        Machine::Refusing(503),
        "a carrier that is overloaded",
    ),
    ("0008", Machine::Refusing(603), "a number that declines"),
    (
        "0009",
        Machine::Fax {
            mishap: Some(Mishap::SilentInT38),
            line: MachineLine::Both,
        },
        "a fax machine whose T.38 falls silent after the switch; audio works",
    ),
    (
        "0010",
        Machine::Fax {
            mishap: None,
            line: MachineLine::T38,
        },
        "a fax machine on a line that takes T.38 only",
    ),
    ("0011", Machine::Person, "somebody who answers and talks"),
];

impl Machine {
    /// The machine behind a number: chosen by its last four digits, a healthy fax machine behind all others.
    pub fn behind(number: &str) -> Machine {
        MACHINES
            .iter()
            .find(|(digits, ..)| number.ends_with(digits))
            .map_or(HEALTHY, |(_, machine, _)| *machine)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = MACHINES.iter().find(|(_, machine, _)| machine == self);
        f.write_str(known.map_or("a fax machine", |(.., name)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_digits_choose_the_machine() {
        assert_eq!(Machine::behind("5551230001"), Machine::Refusing(486));
        assert_eq!(Machine::behind("+15551234567"), HEALTHY);
        assert_eq!(
            Machine::behind("5551230003").to_string(),
            "a fax machine that hangs up after page 1"
        );
    }
}
