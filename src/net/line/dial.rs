//! One attempt to place a call: place after place, until one lets it ring or none is left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::drive::{Calls, Driver};
use super::media::MediaSockets;
use super::{Candidate, DialRequest, Line, Place, redirect};
use crate::call::cause;
use crate::call::machine::{Action, CallMachine};
use crate::call::outcome::{CallReport, Outcome};
use crate::net::sip::{Invite, SipCall, SipEvent};
use crate::net::trunk::failover;
use crate::net::trunk::health::Sign;
use crate::net::trunk::{Channel, Seat};

/// Nobody waits longer than this for a trunk that takes few calls a second, when another is to take over.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// An attempt whose child is ready.
pub(super) struct Attempt<'a> {
    pub line: &'a Line,
    pub request: &'a DialRequest,
    pub sockets: MediaSockets,
    pub cancel: CancellationToken,
}

/// Where else a call may go.
#[derive(Clone, Copy)]
struct Ways {
    /// Other places are left.
    others: bool,
    /// No redirection was followed yet.
    may_follow: bool,
}

/// What sends a call to another place, before anything rang.
pub(super) struct Refusal {
    why: String,
    /// Should no other be left.
    report: CallReport,
    /// The place that it names.
    redirected: Option<Candidate>,
}

impl Attempt<'_> {
    /// Runs it to its end.
    pub async fn run(self, driver: &mut Driver) -> CallReport {
        let mut tried: Vec<String> = Vec::new();
        let mut report = CallReport::never_placed(Outcome::TrunkDown, String::new());
        let mut left: VecDeque<Candidate> = self.request.candidates.iter().cloned().collect();
        let (mut is_first, mut may_follow) = (true, true);
        while let Some(candidate) = left.pop_front() {
            let place = self.place(&candidate, is_first).await;
            is_first = false;
            let _channel = match place {
                Ok(channel) => channel,
                Err(why) => {
                    tried.push(format!("{}: {why}", name(&candidate)));
                    continue;
                }
            };
            // The last look before the INVITE: the time may have passed, or the clock been set, since the fax was claimed.
            if self.is_too_late() {
                report = CallReport::never_placed(Outcome::Expired, String::new());
                break;
            }
            let ways = Ways {
                others: !left.is_empty(),
                may_follow,
            };
            let refusal = match self.at(&candidate, ways, driver).await {
                Ok(ended) => {
                    report = ended;
                    tried.push(std::mem::take(&mut report.detail));
                    break;
                }
                Err(refusal) => *refusal,
            };
            let why = format!("{}: {}", name(&candidate), refusal.why);
            tracing::warn!("tries the next server; {why}");
            tried.push(why);
            report = refusal.report;
            if let Some(redirected) = refusal.redirected {
                may_follow = false;
                left.push_front(redirected);
            }
        }
        tried.retain(|it| !it.is_empty());
        report.detail = tried.join("; then ");
        report
    }

    fn is_too_late(&self) -> bool {
        let end = self.request.not_after;
        end.is_some_and(|end| end <= jiff::Timestamp::now())
    }

    /// The call to one place, to its end or to what sends it elsewhere.
    async fn at(
        &self,
        candidate: &Candidate,
        ways: Ways,
        driver: &mut Driver,
    ) -> Result<CallReport, Box<Refusal>> {
        let mut machine = self.machine(candidate);
        let Some(Action::Invite(offer)) = machine.poll() else {
            unreachable!("an outgoing call begins with its INVITE");
        };
        // Twice in one attempt where the far end does not take T.38 in the first offer.
        let invite = |offer| {
            let invite = candidate.invite.clone();
            self.line.endpoint.invite(Invite { offer, ..invite })
        };
        let elsewhere = |event: &SipEvent| {
            tell(candidate, event);
            let redirected = redirect::to(candidate, event).filter(|_| ways.may_follow);
            let (why, redirected) = match redirected {
                Some((redirected, why)) => (why, Some(redirected)),
                None => (passed_on(event).filter(|_| ways.others)?, None),
            };
            Some(Box::new(Refusal {
                why,
                report: refused(event, candidate),
                redirected,
            }))
        };
        let mut call = invite(offer);
        let first = self.first_word(&mut call).await;
        if let Some(refusal) = first.as_ref().and_then(&elsewhere) {
            return Err(refusal);
        }
        driver.begin_at(candidate.place(), first);
        let calls = Calls {
            invite: &invite,
            too_late: &|| self.is_too_late(),
            elsewhere: &elsewhere,
        };
        let stopping = &self.line.stopping;
        let cancel = self.cancel.clone();
        let driven = driver.run(&mut machine, &mut call, calls, cancel, stopping);
        Ok(from(candidate, driven.await?))
    }

    /// The right to send an INVITE there: a channel, and the next of its calls a second. The first place was reserved
    /// with the fax.
    async fn place(
        &self,
        candidate: &Candidate,
        is_first: bool,
    ) -> Result<Option<Channel>, &'static str> {
        let Some(seat) = &candidate.seat else {
            return Ok(None);
        };
        let first = &self.request.candidates[0];
        let is_reserved = first.seat.as_ref().is_some_and(|it| it.is_with(seat));
        let channel = match is_reserved {
            true => None,
            false => Some(seat.trunk.channel().ok_or("all its channels are busy")?),
        };
        if !is_first {
            self.wait_for_its_turn(seat).await?;
        }
        Ok(channel)
    }

    async fn wait_for_its_turn(&self, seat: &Seat) -> Result<(), &'static str> {
        let patience = Instant::now() + LONGEST_WAIT;
        while let Some(at) = seat.trunk.may_begin(Instant::now()) {
            if at > patience {
                return Err("it takes no call so soon");
            }
            let pause = tokio::time::sleep_until(at.into());
            if self.cancel.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn machine(&self, candidate: &Candidate) -> CallMachine {
        let (fax, pages) = (&self.request.fax, self.request.pages());
        let sip_peer = candidate.invite.flow.remote.ip();
        let config = self
            .line
            .call_config(&candidate.policy, sip_peer, &self.sockets, fax, pages);
        CallMachine::outgoing(config, Instant::now())
    }

    /// What comes first; `None` where somebody wants the call to end sooner.
    async fn first_word(&self, call: &mut SipCall) -> Option<SipEvent> {
        tokio::select! {
            event = call.next() => event,
            () = self.cancel.cancelled() => None,
            () = self.line.stopping.cancelled() => None,
        }
    }
}

/// Why the call goes on to the next place, if it does.
fn passed_on(event: &SipEvent) -> Option<String> {
    let (refusal, why) = match event {
        SipEvent::TrunkDown(why) => (failover::Refusal::Unreachable, why.clone()),
        SipEvent::Failed {
            code, reason, q850, ..
        } => {
            let (code, q850) = (*code, *q850);
            let refusal = failover::Refusal::Response { code, q850 };
            (refusal, format!("{code} {reason}"))
        }
        _ => return None,
    };
    failover::tries_next(refusal).then_some(why)
}

/// The report of a call that came to nothing at a place, should no other be left.
fn refused(event: &SipEvent, candidate: &Candidate) -> CallReport {
    let mut report = CallReport::never_placed(Outcome::TrunkDown, String::new());
    if let SipEvent::Failed { code, q850, .. } = event {
        report.outcome = cause::of_refusal(*code, *q850);
        (report.sip_code, report.q850) = (Some(*code), *q850);
    }
    from(candidate, report)
}

/// A report with the place it is from.
fn from(candidate: &Candidate, report: CallReport) -> CallReport {
    let Place { trunk, target } = candidate.place();
    CallReport {
        trunk,
        target,
        ..report
    }
}

/// Lets the trunk know what its server did.
fn tell(candidate: &Candidate, event: &SipEvent) {
    let Some(seat) = &candidate.seat else {
        return;
    };
    let sign = match event {
        SipEvent::TrunkDown(why) => Sign::Nothing(why.clone()),
        SipEvent::Failed {
            code: 500 | 503,
            retry_after: Some(seconds),
            ..
        } => Sign::Rest(*seconds),
        SipEvent::Failed { code, .. } => Sign::Invite(*code),
        SipEvent::Progress(code) => Sign::Invite(*code),
        SipEvent::Answered(_) => Sign::Invite(200),
        _ => return,
    };
    seat.trunk.heard(seat.address, sign, Instant::now());
}

/// `carrier udp:192.0.2.1:5060`
fn name(candidate: &Candidate) -> String {
    let flow = &candidate.invite.flow;
    match &candidate.seat {
        Some(seat) => format!("{} {flow}", seat.trunk.config.name),
        None => flow.to_string(),
    }
}
