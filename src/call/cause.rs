//! SIP status codes and Q.850 causes to [`Outcome`]: the one table.

use super::outcome::Outcome;

/// The outcome of an INVITE that was refused with this status code and, where a `Reason` header (RFC 3326) had one,
/// this Q.850 cause. A telling cause wins: gateways fold half of Q.850 into a few codes (RFC 3398 7.2.4.1).
pub fn of_refusal(code: u16, q850: Option<u16>) -> Outcome {
    let by_cause = q850.and_then(|cause| find(&Q850, cause));
    by_cause.unwrap_or_else(|| find(&SIP, code).unwrap_or(of_class(code)))
}

type Row = (&'static [u16], Outcome);

/// Q.850 causes that say more than a code does. Normal clearing (16, 31), protocol errors (95 to 101, 111),
/// recovery on a timer (102) and interworking (127) say nothing.
const Q850: [Row; 7] = [
    // Unallocated; no route to the network or the destination; changed; out of order; invalid format.
    (&[1, 2, 3, 22, 27, 28], Outcome::NotInService),
    (&[17], Outcome::Busy),
    // No user responding; no answer; subscriber absent.
    (&[18, 19, 20], Outcome::NoAnswer),
    // Rejected; misdialled prefix; facility rejected; not subscribed, barred, not authorised or not available to us.
    (
        &[5, 21, 29, 50, 52, 53, 54, 55, 56, 57, 63, 69, 79, 87],
        Outcome::Refused,
    ),
    // Exchange routing error; no circuit; network out of order; connection out of service; temporary failure;
    // congestion; circuit gone; precedence; no resources; quality not available.
    (
        &[8, 25, 34, 38, 39, 41, 42, 43, 44, 46, 47, 49],
        Outcome::Congestion,
    ),
    // Bearer capability not available now, not implemented; only restricted digital; incompatible destination.
    (&[58, 65, 70, 88], Outcome::Incompatible),
    // Invalid transit network: our trunk's routing.
    (&[91], Outcome::TrunkDown),
];

/// Status codes of SIP.
const SIP: [Row; 8] = [
    (&[486, 600], Outcome::Busy),
    (&[408, 480, 487], Outcome::NoAnswer),
    (&[404, 410, 484, 485, 604], Outcome::NotInService),
    (&[401, 407], Outcome::NotAuthorized),
    // Not acceptable: the description, its type, its encryption.
    (&[406, 415, 488, 493, 606], Outcome::Incompatible),
    // A loop, too many hops, a request that crossed another, too many at once.
    (&[482, 483, 491, 429], Outcome::Congestion),
    (&[503], Outcome::TrunkDown),
    (&[403, 603, 607, 608, 433], Outcome::Refused),
];

fn find(table: &[Row], code: u16) -> Option<Outcome> {
    table
        .iter()
        .find(|(codes, _)| codes.contains(&code))
        .map(|(_, outcome)| *outcome)
}

/// RFC 3261 8.1.3.2: a code that is not known counts as the first of its class.
fn of_class(code: u16) -> Outcome {
    match code {
        500..=599 => Outcome::Congestion,
        _ => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let table = [
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
            (407, None, Outcome::NotAuthorized),
            (488, None, Outcome::Incompatible),
            (302, None, Outcome::Refused),
            (480, Some(21), Outcome::Refused),
            (500, None, Outcome::Congestion),
            (504, None, Outcome::Congestion),
            (503, Some(34), Outcome::Congestion),
            (480, Some(42), Outcome::Congestion),
            (503, None, Outcome::TrunkDown),
            (503, Some(127), Outcome::TrunkDown),
            (999, None, Outcome::Refused),
            (480, Some(88), Outcome::Incompatible),
            (606, None, Outcome::Incompatible),
            (480, Some(16), Outcome::NoAnswer),
            (480, Some(31), Outcome::NoAnswer),
            (486, Some(127), Outcome::Busy),
            (482, None, Outcome::Congestion),
            (580, None, Outcome::Congestion),
            (418, None, Outcome::Refused),
        ];
        for (code, q850, outcome) in table {
            assert_eq!(of_refusal(code, q850), outcome, "{code} {q850:?}");
        }
    }

    #[test]
    fn no_code_stands_in_two_rows() {
        for table in [&Q850[..], &SIP[..]] {
            let mut codes: Vec<u16> = table
                .iter()
                .flat_map(|(codes, _)| *codes)
                .copied()
                .collect();
            let all = codes.len();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), all);
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
}
