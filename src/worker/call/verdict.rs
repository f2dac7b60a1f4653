//! From how the terminal ended to what became of the fax.

use std::time::Duration;

use crate::call::outcome::Outcome;
use crate::fax::{Cause, Ending, Role};

/// Why this process ended the call, where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The daemon said so.
    HangUp,
    /// The far end has hung up.
    FarEndGone,
    /// Somebody talks, and no fax was heard.
    Voice,
    /// The daemon is gone.
    DaemonGone,
    /// Nothing moved for too long.
    Inactive,
    /// The call lasted too long.
    TimeUp,
    /// Its pages went too slowly.
    TooSlow,
}

impl Stop {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Stop::HangUp => "told to hang up",
            Stop::FarEndGone => "the far end hung up",
            Stop::Voice => "somebody talked, and no fax was heard",
            Stop::DaemonGone => "the gateway was gone",
            Stop::Inactive => "nothing came in for too long",
            Stop::TimeUp => "the call lasted too long",
            Stop::TooSlow => "the pages went more slowly than fax.min_rate for a minute",
        }
    }
}

/// What a call ended in that our side had kept waiting for too long.
pub(super) fn kept_waiting(late: Duration) -> String {
    format!(
        "the far end was kept waiting for {} s, longer than its page has time (T.30 T2, T4)",
        late.as_secs()
    )
}

/// What became of the fax.
pub(super) fn outcome(role: Role, ending: &Ending, stop: Option<Stop>) -> Outcome {
    // What is known of the last page goes before how the call ended.
    if ending.complete {
        return Outcome::Delivered;
    }
    if role == Role::Sender && ending.awaiting_last {
        return Outcome::Uncertain;
    }
    match (ending.cause, stop) {
        (Cause::File, _) if role == Role::Sender => Outcome::NoPages,
        (Cause::NotKept | Cause::File, _) => Outcome::StorageFailed,
        (Cause::Dropped, Some(stop)) => stopped(stop),
        (cause, _) => ended(cause, ending),
    }
}

fn stopped(stop: Stop) -> Outcome {
    match stop {
        Stop::HangUp => Outcome::Cancelled,
        Stop::FarEndGone => Outcome::FarEndHungUp,
        Stop::Voice => Outcome::VoiceAnswered,
        Stop::DaemonGone => Outcome::GatewayStopped,
        Stop::Inactive => Outcome::FarEndSilent,
        Stop::TimeUp => Outcome::TooLong,
        Stop::TooSlow => Outcome::TooSlow,
    }
}

fn ended(cause: Cause, ending: &Ending) -> Outcome {
    match cause {
        // Behind a document both sides begin anew, and T1 runs again (T.30 5.4.3.1).
        Cause::NoFax if ending.pages > 0 => Outcome::FarEndSilent,
        Cause::NoFax => Outcome::NoFax,
        Cause::CannotTrain if ending.refused => Outcome::PageRefused,
        Cause::CannotTrain => Outcome::TrainingFailed,
        // A regular end without the last page: the far end stopped, or refused a page and we went on to the end.
        Cause::Regular | Cause::TriesOver if ending.refused => Outcome::PageRefused,
        Cause::Disconnected if ending.refused => Outcome::PageRefused,
        Cause::Regular | Cause::Disconnected | Cause::Dropped => Outcome::FarEndHungUp,
        Cause::TriesOver if ending.dcn_received => Outcome::FarEndHungUp,
        Cause::TriesOver | Cause::Silence => Outcome::FarEndSilent,
        Cause::Protocol if ending.dcn_received => Outcome::FarEndHungUp,
        Cause::Incompatible | Cause::Polled => Outcome::Incompatible,
        Cause::WrongPassword => Outcome::Refused,
        Cause::Protocol | Cause::EmptyPage | Cause::Runaway => Outcome::ProtocolError,
        Cause::NotKept | Cause::File => Outcome::StorageFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(cause: Cause) -> Ending {
        Ending {
            cause,
            detail: String::new(),
            pages: 0,
            complete: false,
            awaiting_last: false,
            refused: false,
            dcn_received: false,
        }
    }

    #[test]
    fn each_cause_has_its_outcome() {
        let table = [
            (Cause::Regular, Outcome::FarEndHungUp),
            (Cause::NoFax, Outcome::NoFax),
            (Cause::CannotTrain, Outcome::TrainingFailed),
            (Cause::Incompatible, Outcome::Incompatible),
            (Cause::Protocol, Outcome::ProtocolError),
            (Cause::Silence, Outcome::FarEndSilent),
            (Cause::Disconnected, Outcome::FarEndHungUp),
            (Cause::TriesOver, Outcome::FarEndSilent),
            (Cause::Dropped, Outcome::FarEndHungUp),
            (Cause::WrongPassword, Outcome::Refused),
            (Cause::NotKept, Outcome::StorageFailed),
            (Cause::EmptyPage, Outcome::ProtocolError),
            (Cause::Runaway, Outcome::ProtocolError),
        ];
        for (cause, expected) in table {
            for role in [Role::Sender, Role::Receiver] {
                let got = outcome(role, &ending(cause), None);
                assert_eq!(got, expected, "{role:?} {cause:?}");
            }
        }
    }

    #[test]
    fn a_file_is_read_by_who_sends_and_written_by_who_receives() {
        let of = |role| outcome(role, &ending(Cause::File), None);
        assert_eq!(of(Role::Sender), Outcome::NoPages);
        assert_eq!(of(Role::Receiver), Outcome::StorageFailed);
    }

    #[test]
    fn whatever_ends_the_call_after_eop_left_is_uncertain() {
        for cause in [Cause::Silence, Cause::Disconnected, Cause::Dropped] {
            let ending = Ending {
                awaiting_last: true,
                ..ending(cause)
            };
            for stop in [None, Some(Stop::HangUp), Some(Stop::Inactive)] {
                assert_eq!(outcome(Role::Sender, &ending, stop), Outcome::Uncertain);
            }
        }
    }

    #[test]
    fn lost_dcn_does_not_spoil_a_fax_whose_pages_are_all_here() {
        let ending = Ending {
            complete: true,
            pages: 2,
            ..ending(Cause::Silence)
        };
        assert_eq!(outcome(Role::Receiver, &ending, None), Outcome::Delivered);
    }

    #[test]
    fn regular_end_with_no_page_is_no_success() {
        assert_ne!(
            outcome(Role::Receiver, &ending(Cause::Regular), None),
            Outcome::Delivered
        );
    }

    #[test]
    fn refused_page_is_named_as_such() {
        let ending = Ending {
            refused: true,
            ..ending(Cause::Regular)
        };
        assert_eq!(outcome(Role::Sender, &ending, None), Outcome::PageRefused);
    }

    #[test]
    fn our_own_reasons_to_stop_have_their_outcomes() {
        let table = [
            (Stop::HangUp, Outcome::Cancelled),
            (Stop::FarEndGone, Outcome::FarEndHungUp),
            (Stop::Voice, Outcome::VoiceAnswered),
            (Stop::DaemonGone, Outcome::GatewayStopped),
            (Stop::Inactive, Outcome::FarEndSilent),
            (Stop::TimeUp, Outcome::TooLong),
            (Stop::TooSlow, Outcome::TooSlow),
        ];
        for (stop, expected) in table {
            let got = outcome(Role::Sender, &ending(Cause::Dropped), Some(stop));
            assert_eq!(got, expected);
        }
    }
}
