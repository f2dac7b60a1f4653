//! Outcome, cause, next step: the one table of retries. Pure.

use crate::call::outcome::Outcome;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after so many seconds.
    After(u32),
    /// This outcome is the last word.
    Final,
}

/// How an outcome is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Seconds before the 2nd, 3rd, ... attempt; the last one repeats.
    pub delays: &'static [u32],
    /// Attempts in all after which this outcome is final.
    pub attempts: u32,
    /// False: an attempt that never reached the far end does not count against the limit. One that was answered, or that
    /// a crash cut off, counts whatever its outcome: it may be on the bill.
    pub counts: bool,
}

const fn rule(delays: &'static [u32], attempts: u32) -> Rule {
    Rule {
        delays,
        attempts,
        counts: true,
    }
}

/// The rule for an outcome.
pub fn rule_for(outcome: Outcome) -> Rule {
    use Outcome::*;
    match outcome {
        Delivered | Uncertain | Cancelled | NotInService | Refused => rule(&[], 1),
        Busy => rule(&[120, 180, 300, 600], 10),
        NoAnswer => rule(&[300, 600, 1800], 5),
        NoFax => rule(&[600, 1800], 3),
        // A person is not rung up by a machine for the third time.
        VoiceAnswered => rule(&[900], 2),
        Congestion => rule(&[60, 120, 300, 600], 10),
        // The next attempt goes another way (memory.rs), so it need not wait long.
        T38Silent => rule(&[15, 60, 300], 4),
        T38Failed => rule(&[60, 300, 900], 4),
        Incompatible => rule(&[300, 1800], 3),
        TrainingFailed | PageRefused | FarEndHungUp | FarEndSilent | ProtocolError => {
            rule(&[60, 180, 600], 5)
        }
        TooLong | TooSlow => rule(&[300, 900], 3),
        ChildCrashed | ChildHung => rule(&[10, 60], 3),
        TrunkDown => Rule {
            delays: &[10, 30, 60, 120, 300],
            attempts: 10,
            counts: false,
        },
        // Until somebody mends the password.
        NotAuthorized => Rule {
            delays: &[60, 300],
            attempts: 10,
            counts: false,
        },
        StorageFailed => Rule {
            delays: &[60, 300],
            attempts: 5,
            counts: false,
        },
        GatewayStopped => Rule {
            delays: &[0, 10, 60, 300],
            attempts: 10,
            counts: false,
        },
    }
}

/// What follows the attempt that ended in `outcome`.
///
/// `tries` counts the attempts so far that count, this one included; `same` counts the attempts in a row that ended
/// like this one; a fax older than `give_up_seconds` is not tried again.
pub fn next(
    outcome: Outcome,
    tries: u32,
    same: u32,
    age_seconds: u64,
    give_up_seconds: u64,
) -> Next {
    let rule = rule_for(outcome);
    let Some(last) = rule.delays.len().checked_sub(1) else {
        return Next::Final;
    };
    let delay = rule.delays[(same.max(1) as usize - 1).min(last)];
    if tries >= rule.attempts || age_seconds + u64::from(delay) > give_up_seconds {
        return Next::Final;
    }
    Next::After(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn busy_is_tried_ten_times_with_growing_patience() {
        assert_eq!(next(Outcome::Busy, 1, 1, 0, DAY), Next::After(120));
        assert_eq!(next(Outcome::Busy, 9, 9, 3_000, DAY), Next::After(600));
        assert_eq!(next(Outcome::Busy, 10, 10, 4_000, DAY), Next::Final);
    }

    #[test]
    fn what_asking_again_cannot_change_is_final() {
        for outcome in [
            Outcome::NotInService,
            Outcome::Refused,
            Outcome::Uncertain,
            Outcome::Cancelled,
        ] {
            assert_eq!(next(outcome, 1, 1, 0, DAY), Next::Final, "{outcome}");
        }
    }

    #[test]
    fn a_dead_trunk_is_waited_out_until_the_fax_is_too_old() {
        assert_eq!(
            next(Outcome::TrunkDown, 0, 100, 3_600, DAY),
            Next::After(300)
        );
        assert_eq!(next(Outcome::TrunkDown, 0, 400, DAY - 10, DAY), Next::Final);
    }

    #[test]
    fn our_own_stop_costs_no_try_and_no_time() {
        assert!(!rule_for(Outcome::GatewayStopped).counts);
        assert_eq!(next(Outcome::GatewayStopped, 0, 1, 0, DAY), Next::After(0));
    }

    #[test]
    fn a_voice_is_not_rung_up_a_third_time() {
        assert_eq!(next(Outcome::VoiceAnswered, 1, 1, 0, DAY), Next::After(900));
        assert_eq!(next(Outcome::VoiceAnswered, 2, 2, 0, DAY), Next::Final);
    }

    #[test]
    fn a_wrong_password_costs_no_fax_a_try() {
        assert_eq!(
            next(Outcome::NotAuthorized, 0, 50, 0, DAY),
            Next::After(300)
        );
    }

    #[test]
    fn nothing_is_tried_for_ever() {
        for outcome in Outcome::ALL {
            assert_eq!(next(outcome, 0, 1, DAY + 1, DAY), Next::Final, "{outcome}");
        }
    }
}
