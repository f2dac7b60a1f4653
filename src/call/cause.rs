//! SIP status codes and Q.850 causes to [`Outcome`]: the one table.

use super::outcome::Outcome;

/// The outcome of an INVITE that was refused with this status code and, where a `Reason` header (RFC 3326) had one,
/// this Q.850 cause. A telling cause wins: gateways fold half of Q.850 into a few codes (RFC 3398 7.2.4.1).
pub fn of_refusal(code: u16, q850: Option<u16>) -> Outcome {
    q850.and_then(of_q850).unwrap_or_else(|| of_code(code))
}

/// The causes that say more than a code does; normal clearing, "unspecified" and interworking say nothing.
fn of_q850(cause: u16) -> Option<Outcome> {
    Some(match cause {
        // unallocated, no route, changed, out of order, invalid format
        1..=3 | 22 | 27 | 28 => Outcome::NotInService,
        17 => Outcome::Busy,
        // no user responding, no answer, subscriber absent
        18..=20 => Outcome::NoAnswer,
        // rejected, barred, not authorised, service not available or not implemented
        21 | 50 | 52..=58 | 63 | 65 | 79 | 87 | 88 => Outcome::Refused,
        // no circuit, network out of order, temporary failure, congestion, circuit gone, no resources
        34 | 38 | 41 | 42 | 44 | 47 => Outcome::Congestion,
        _ => return None,
    })
}

fn of_code(code: u16) -> Outcome {
    match code {
        486 | 600 => Outcome::Busy,
        408 | 480 | 487 => Outcome::NoAnswer,
        404 | 410 | 484 | 485 | 604 => Outcome::NotInService,
        503 => Outcome::TrunkDown,
        500..=599 => Outcome::Congestion,
        _ => Outcome::Refused,
    }
}

/// The Q.850 cause in the value of a `Reason` header: `Q.850;cause=17;text="User busy"`, several with commas.
pub fn q850_of_reason(value: &str) -> Option<u16> {
    value.split(',').find_map(|reason| {
        let mut parts = reason.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("Q.850") {
            return None;
        }
        parts
            .filter_map(|p| p.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))
            .and_then(|(_, cause)| cause.trim().parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let table: [(u16, Option<u16>, Outcome); 32] = [
            (486, None, Outcome::Busy),
            (600, None, Outcome::Busy),
            (486, Some(16), Outcome::Busy),
            (480, Some(17), Outcome::Busy),
            (500, Some(17), Outcome::Busy),
            (408, None, Outcome::NoAnswer),
            (480, None, Outcome::NoAnswer),
            (487, None, Outcome::NoAnswer),
            (408, Some(102), Outcome::NoAnswer),
            (500, Some(18), Outcome::NoAnswer),
            (480, Some(19), Outcome::NoAnswer),
            (480, Some(20), Outcome::NoAnswer),
            (404, None, Outcome::NotInService),
            (410, None, Outcome::NotInService),
            (484, None, Outcome::NotInService),
            (604, None, Outcome::NotInService),
            (403, Some(1), Outcome::NotInService),
            (500, Some(28), Outcome::NotInService),
            (403, None, Outcome::Refused),
            (603, None, Outcome::Refused),
            (607, None, Outcome::Refused),
            (407, None, Outcome::Refused),
            (488, None, Outcome::Refused),
            (302, None, Outcome::Refused),
            (480, Some(21), Outcome::Refused),
            (500, None, Outcome::Congestion),
            (504, None, Outcome::Congestion),
            (503, Some(34), Outcome::Congestion),
            (480, Some(42), Outcome::Congestion),
            (503, None, Outcome::TrunkDown),
            (503, Some(127), Outcome::TrunkDown),
            (999, None, Outcome::Refused),
        ];
        for (code, q850, outcome) in table {
            assert_eq!(of_refusal(code, q850), outcome, "{code} {q850:?}");
        }
    }

    #[test]
    fn every_code_and_cause_has_an_outcome_of_a_refused_call() {
        for code in 0..1000 {
            for cause in 0..130 {
                assert_ne!(of_refusal(code, Some(cause)), Outcome::Delivered);
            }
        }
    }

    #[test]
    fn reads_the_cause_among_others() {
        let value = "SIP;cause=486;text=\"Busy\", q.850 ; cause = 17 ;text=\"User busy\"";
        assert_eq!(q850_of_reason(value), Some(17));
        assert_eq!(q850_of_reason("Q.850;text=\"x\""), None);
        assert_eq!(q850_of_reason("Q.850;cause=many"), None);
        assert_eq!(q850_of_reason("SIP;cause=200"), None);
        assert_eq!(q850_of_reason(""), None);
    }
}
