//! How a call ends: one report, and the outcome that is true even where its parts disagree.

use std::time::{Duration, Instant};

use super::{Action, CallMachine, Phase, TIMERS, Timer};
use crate::call::media::CallDone;
use crate::call::outcome::{CallReport, Outcome};

/// How long we leave the BYE to a sender whose fax we have. It hangs up a second or so behind its DCN, and one that is
/// hung up on before writes down a broken call.
const PARTING: Duration = Duration::from_secs(2);

/// Why the call is being ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ending {
    pub outcome: Outcome,
    pub detail: String,
}

impl Ending {
    pub fn new(outcome: Outcome, detail: impl Into<String>) -> Ending {
        Ending {
            outcome,
            detail: detail.into(),
        }
    }
}

impl CallMachine {
    /// Ends the call with what was planned when the farewell began.
    pub(super) fn finish_as_planned(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Leaving(ending) | Phase::Cancelling(ending) => self.finish(ending, now),
            Phase::Parting(report) => self.close(report),
            _ => {}
        }
    }

    /// Ends the call with the child's report, and with the reason why it was told to end, if it was.
    pub(super) fn finish_with(&mut self, planned: Option<Ending>, done: CallDone, now: Instant) {
        self.pages = self.pages.max(done.pages);
        // What was written down, and the child lived to say that it never left, is in no doubt.
        self.unsent = !done.unanswered;
        let ending = match planned {
            None => Ending::new(done.outcome, done.detail),
            // A child that was told to end says only that; what it knows for certain it still knows.
            Some(planned) if knows_better(done.outcome) => {
                let both = [done.detail, planned.detail];
                let said: Vec<_> = both.into_iter().filter(|it| !it.is_empty()).collect();
                Ending::new(done.outcome, said.join("; "))
            }
            Some(planned) => planned,
        };
        let mut report = self.report(ending, now);
        report.far_end = done.far_end;
        report.wire_bytes = done.wire_bytes;
        if self.receives() && self.dialog_up && report.outcome == Outcome::Delivered {
            self.arm_only(Timer::Farewell, now + PARTING);
            self.phase = Phase::Parting(report);
        } else {
            self.close(report);
        }
    }

    /// Ends the call without a report of the child.
    pub(super) fn finish(&mut self, ending: Ending, now: Instant) {
        let report = self.report(ending, now);
        self.close(report);
    }

    fn close(&mut self, report: CallReport) {
        if std::mem::take(&mut self.dialog_up) {
            self.act(Action::Bye(report.outcome.in_words().to_owned()));
        }
        self.timers = [None; TIMERS.len()];
        self.phase = Phase::Over;
        self.act(Action::Finished(report));
    }

    fn report(&self, ending: Ending, now: Instant) -> CallReport {
        let outcome = self.verdict(ending.outcome);
        CallReport {
            outcome,
            // Who hung up behind the last confirmation, and how, is nobody's concern.
            detail: match outcome {
                Outcome::Delivered => String::new(),
                _ => ending.detail,
            },
            pages: self.pages,
            unsent: self.unsent,
            // Its driver knows.
            stalled: false,
            sip_code: self.sip_code,
            q850: self.q850,
            // Its driver knows where it went.
            trunk: String::new(),
            target: String::new(),
            far_end: self.far_end.clone(),
            seconds: self
                .answered_at
                .map_or(0.0, |at| now.duration_since(at).as_secs_f64()),
            wire_bytes: 0,
        }
    }

    /// Custody: a fax whose last page was confirmed is delivered, however the call broke afterwards; one whose last
    /// page left unconfirmed may have arrived, and must not be called failed.
    fn verdict(&self, outcome: Outcome) -> Outcome {
        let sending = !self.receives();
        let left = if self.unsent { 0 } else { self.left };
        if sending && self.pages >= self.config.pages {
            Outcome::Delivered
        } else if sending && left > self.pages && !knows_better(outcome) {
            Outcome::Uncertain
        } else if sending && outcome == Outcome::Delivered {
            // The last page's MCF does not speak for the pages before it.
            Outcome::ProtocolError
        } else {
            outcome
        }
    }
}

/// Outcomes that the T.30 dialogue itself decided.
fn knows_better(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Delivered
            | Outcome::Uncertain
            | Outcome::PageRefused
            | Outcome::TrainingFailed
            | Outcome::StorageFailed
            | Outcome::NoPages
            | Outcome::GatewayStalled
    )
}
