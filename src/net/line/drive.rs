//! Drives one call: what happens goes into the machine, what it wants is done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{LineEvent, Place};
use crate::call::machine::{Action, CallMachine, ChildOrder, Input};
use crate::call::outcome::{CallReport, Outcome};
use crate::net::sip::{SipCall, SipCommand, SipEvent};
use crate::net::trunk::{OverdueAck, Trunk};
use crate::pages::FaxPage;
use crate::proto::sdp;
use crate::worker::host::{CallChild, ChildEvent, Stalled};
use crate::worker::wire::{FromCall, ToCall};

/// Behind a stall of this process nothing is judged for so long: what the others said meanwhile is to be read first.
const SETTLE: Duration = Duration::from_secs(1);

/// Frames of a child that are read before a time is over; one that was taken over must not hold the call open.
const MOST_UNREAD: usize = 1000;

/// An ACK that is not there this long after our 200 is overdue: its INVITE may have been sent in somebody else's name.
const ACK_OVERDUE: Duration = Duration::from_secs(1);

/// A name server that does not answer holds a call up this long.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The child of a call, and the ear of its journey.
pub(super) struct Driver {
    child: CallChild,
    child_open: bool,
    events: mpsc::Sender<LineEvent>,
    /// Events that the journey had no time for yet.
    outbox: VecDeque<LineEvent>,
    /// What the child waits for.
    asked: Option<Asked>,
    /// Cancelled: the fax under way is the last of the call.
    enough: CancellationToken,
    /// What the call said before it was ours to drive.
    first: Option<SipEvent>,
    /// No time of the call is over before then.
    settled_at: Instant,
    /// The trunk that the call came over.
    trunk: Option<Arc<Trunk>>,
    ack: Ack,
}

/// The ACK to our 200.
enum Ack {
    /// None is waited for.
    Settled,
    /// It counts as overdue then.
    Due(Instant),
    /// It is; the trunk knows until this is dropped.
    Overdue { _counted: Option<OverdueAck> },
}

/// A question to the journey.
struct Asked {
    stored: oneshot::Receiver<bool>,
    /// What is true once it is stored.
    then: Input,
}

/// How a call's INVITEs leave.
pub(super) struct Calls<'a, E> {
    /// Sends one with this offer.
    pub invite: &'a (dyn Fn(Vec<u8>) -> SipCall + Sync),
    /// Whether it is too late for another one.
    pub too_late: &'a (dyn Fn() -> bool + Sync),
    /// Whether what one hears first sends the call to another place, and what is known of it.
    pub elsewhere: &'a (dyn Fn(&SipEvent) -> Option<E> + Sync),
}

impl Driver {
    /// Waits until the child is ready.
    pub async fn ready(
        mut child: CallChild,
        events: mpsc::Sender<LineEvent>,
    ) -> Result<Driver, CallReport> {
        match child.next().await {
            Some(ChildEvent::Said(FromCall::Ready, _)) => Ok(Driver {
                child,
                child_open: true,
                events,
                outbox: VecDeque::new(),
                asked: None,
                enough: CancellationToken::new(),
                first: None,
                settled_at: Instant::now(),
                trunk: None,
                ack: Ack::Settled,
            }),
            Some(ChildEvent::Said(FromCall::Done(done), _)) => {
                Err(CallReport::never_placed(done.outcome, done.detail))
            }
            Some(ChildEvent::Died { outcome, how }) => Err(CallReport::never_placed(
                outcome,
                format!("the call's process {how}"),
            )),
            Some(ChildEvent::Said(other, _)) => {
                let detail = format!("the call's process began with {other:?}");
                Err(CallReport::never_placed(Outcome::ChildCrashed, detail))
            }
            None => unreachable!("it has not said yet how it ended"),
        }
    }

    /// Several faxes share the call; once this is cancelled, the one under way is the last.
    pub fn stop_between_faxes(&mut self, enough: CancellationToken) {
        self.enough = enough;
    }

    /// The trunk that the call came over: it is told where the ACK to our 200 is overdue.
    pub fn came_over(&mut self, trunk: Option<Arc<Trunk>>) {
        self.trunk = trunk;
    }

    fn ack_due(&self) -> Option<Instant> {
        match self.ack {
            Ack::Due(at) => Some(at),
            Ack::Settled | Ack::Overdue { .. } => None,
        }
    }

    fn on_ack_overdue(&mut self) {
        let trunk = self.trunk.as_ref();
        self.ack = Ack::Overdue {
            _counted: trunk.map(Trunk::ack_overdue),
        };
    }

    /// Where the call went, and what it has said already.
    pub fn begin_at(&mut self, place: Place, event: Option<SipEvent>) {
        self.outbox.push_back(LineEvent::Placed(place));
        self.first = event;
    }

    /// Runs the call to its end, or until a second INVITE of it meets what sends it elsewhere.
    pub async fn run<E>(
        &mut self,
        machine: &mut CallMachine,
        call: &mut SipCall,
        calls: Calls<'_, E>,
        cancel: CancellationToken,
        stopping: &CancellationToken,
    ) -> Result<CallReport, E> {
        let events = self.events.clone();
        let mut call_open = true;
        let mut told_to_end = false;
        // A second INVITE has said nothing yet.
        let mut is_new = false;
        loop {
            while let Some(action) = machine.poll() {
                if let Action::Invite(offer) = action {
                    if (calls.too_late)() {
                        let report = CallReport::never_placed(Outcome::Expired, String::new());
                        return Ok(report);
                    }
                    *call = (calls.invite)(offer);
                    (call_open, is_new) = (true, true);
                } else if let Some(report) = self.carry_out(action, call).await {
                    return Ok(report);
                }
            }
            if let Some(event) = self.first.take() {
                if let Some(input) = self.on_sip(event).await {
                    machine.handle(input, Instant::now());
                }
                continue;
            }
            let ack_due = self.ack_due();
            let input = tokio::select! {
                event = call.next(), if call_open => match event {
                    Some(event) => {
                        let first = std::mem::take(&mut is_new) && !told_to_end;
                        if let Some(why) = first.then(|| (calls.elsewhere)(&event)).flatten() {
                            return Err(why);
                        }
                        self.on_sip(event).await
                    }
                    None => {
                        call_open = false;
                        Some(Input::TrunkDown("the SIP call was lost".to_owned()))
                    }
                },
                event = self.child.next(), if self.child_open => self.on_child(event),
                (stored, then) = answer(&mut self.asked) => self.on_stored(stored, then).await,
                permit = events.reserve(), if !self.outbox.is_empty() => {
                    self.deliver(permit.ok());
                    None
                }
                () = cancel.cancelled(), if !told_to_end => {
                    told_to_end = true;
                    Some(Input::HangUp(Outcome::Cancelled))
                }
                () = stopping.cancelled(), if !told_to_end => {
                    told_to_end = true;
                    Some(Input::HangUp(Outcome::GatewayStopped))
                }
                () = due(machine.next_timeout().map(|at| at.max(self.settled_at))) => {
                    self.time_is_over(machine)
                }
                () = due(ack_due) => {
                    self.on_ack_overdue();
                    None
                }
            };
            if let Some(input) = input {
                machine.handle(input, Instant::now());
            }
        }
    }

    /// A time of the call is over, and nothing that the child has said lies unread. Behind a stall of this process that
    /// is so a little later.
    fn time_is_over(&mut self, machine: &mut CallMachine) -> Option<Input> {
        if self.child_open && self.child.look() {
            self.settled_at = Instant::now() + SETTLE;
            return None;
        }
        for _ in 0..MOST_UNREAD {
            let Some(event) = self.child.already() else {
                break;
            };
            if let Some(input) = self.on_child(Some(event)) {
                machine.handle(input, Instant::now());
            }
        }
        Some(Input::Timeout)
    }

    async fn carry_out(&mut self, action: Action, call: &SipCall) -> Option<CallReport> {
        let command = match action {
            Action::Invite(_) => unreachable!("the loop makes a new call of it"),
            Action::Cancel => SipCommand::Cancel,
            Action::Accept(sdp) => {
                self.outbox.push_back(LineEvent::Answered);
                self.ack = Ack::Due(Instant::now() + ACK_OVERDUE);
                SipCommand::Accept(sdp)
            }
            Action::Reject(code) => SipCommand::Reject(code),
            Action::Reinvite(sdp) => {
                self.child.send(ToCall::Hush).await;
                SipCommand::Reinvite(sdp)
            }
            Action::AnswerReinvite { code, sdp } => SipCommand::AnswerReinvite { code, sdp },
            Action::Bye(reason) => SipCommand::Bye(reason),
            Action::Child(order) => {
                self.tell_child(order).await;
                return None;
            }
            Action::Finished(report) => {
                self.flush().await;
                return Some(with_stalls(report, self.child.stalled()));
            }
        };
        call.send(command);
        None
    }

    async fn tell_child(&mut self, order: ChildOrder) {
        let message = match order {
            ChildOrder::Audio(media) => ToCall::Audio(media),
            ChildOrder::T38(media) => {
                self.outbox.push_back(LineEvent::Switched);
                ToCall::T38(media)
            }
            ChildOrder::Acknowledged => ToCall::Acknowledged,
            ChildOrder::HangUp => ToCall::HangUp,
            ChildOrder::FarEndGone => ToCall::FarEndGone,
        };
        self.child.send(message).await;
    }

    async fn on_sip(&mut self, event: SipEvent) -> Option<Input> {
        if matches!(event, SipEvent::Confirmed(_) | SipEvent::Bye(_)) {
            self.ack = Ack::Settled;
        }
        Some(match event {
            SipEvent::Progress(code) => {
                self.outbox.push_back(LineEvent::Ringing(code));
                Input::Provisional(code)
            }
            SipEvent::Answered(body) => {
                self.outbox.push_back(LineEvent::Answered);
                Input::Answered(with_addresses(body).await)
            }
            SipEvent::Failed {
                code, reason, q850, ..
            } => Input::Failed { code, reason, q850 },
            SipEvent::TrunkDown(why) => Input::TrunkDown(why),
            SipEvent::Confirmed(None) => Input::Confirmed(None),
            SipEvent::Confirmed(Some(body)) => Input::Confirmed(Some(with_addresses(body).await)),
            SipEvent::Reinvite(body) => Input::ReinviteOffered(with_addresses(body).await),
            SipEvent::ReinviteAnswered(Ok(body)) => {
                Input::ReinviteAnswered(Ok(with_addresses(body).await))
            }
            SipEvent::ReinviteAnswered(Err(code)) => {
                self.child.send(ToCall::Speak).await;
                Input::ReinviteAnswered(Err(code))
            }
            SipEvent::Bye(reason) => Input::Bye(reason),
        })
    }

    fn on_child(&mut self, event: Option<ChildEvent>) -> Option<Input> {
        match event {
            None => {
                self.child_open = false;
                None
            }
            Some(ChildEvent::Died { outcome, how }) => Some(Input::ChildDied { outcome, how }),
            Some(ChildEvent::Said(message, blob)) => self.on_child_said(message, blob),
        }
    }

    fn on_child_said(&mut self, message: FromCall, blob: Vec<u8>) -> Option<Input> {
        match message {
            FromCall::Ready => None,
            FromCall::Alive => Some(Input::Alive),
            FromCall::FaxToneHeard => Some(Input::FaxToneHeard),
            FromCall::T38Heard => Some(Input::T38Heard),
            FromCall::StrangerHeard { from } => {
                let child = self.child.id();
                tracing::warn!(%from, child, "media is dropped: it comes from an address that the call does not name; if \
                    it is the carrier's, it belongs into the trunk's media_peers");
                None
            }
            FromCall::Negotiated(far_end) => {
                self.outbox
                    .push_back(LineEvent::Negotiated(far_end.clone()));
                Some(Input::Negotiated(far_end))
            }
            FromCall::Progress { page, bytes, of } => {
                // Progress is worth nothing later.
                let _ = self
                    .events
                    .try_send(LineEvent::Progress { page, bytes, of });
                None
            }
            FromCall::PageReceived {
                page,
                last,
                width,
                height,
                x_dpi,
                y_dpi,
                lost_packets,
            } => {
                let picture = FaxPage {
                    width,
                    height,
                    x_dpi,
                    y_dpi,
                    g4: blob,
                };
                let stored = self.ask(Input::PagesThrough(page));
                self.outbox.push_back(LineEvent::PageReceived {
                    page,
                    last,
                    lost_packets,
                    picture,
                    stored,
                });
                None
            }
            FromCall::LastPageLeaving { page } => {
                let is_enough = false;
                let stored = self.ask(Input::LastPageLeft { page, is_enough });
                self.outbox
                    .push_back(LineEvent::LastPageLeaving { page, stored });
                None
            }
            FromCall::PageConfirmed { page } => {
                self.outbox.push_back(LineEvent::PageConfirmed { page });
                Some(Input::PagesThrough(page))
            }
            FromCall::Done(done) => {
                let (beats, late) = (done.beats, done.late_beats);
                tracing::debug!(beats, late, child = self.child.id(), "the child is done");
                Some(Input::Done(done))
            }
        }
    }

    fn ask(&mut self, then: Input) -> oneshot::Sender<bool> {
        let (sender, stored) = oneshot::channel();
        self.asked = Some(Asked { stored, then });
        sender
    }

    /// The journey answered; one that is gone has stored nothing.
    async fn on_stored(&mut self, stored: bool, then: Input) -> Option<Input> {
        let (message, then) = match then {
            _ if !stored => (ToCall::NotStored, None),
            Input::LastPageLeft { page, .. } if self.enough.is_cancelled() => {
                let is_enough = true;
                let then = Input::LastPageLeft { page, is_enough };
                (ToCall::StoredAndEnough, Some(then))
            }
            then => (ToCall::Stored, Some(then)),
        };
        self.child.send(message).await;
        then
    }

    fn deliver(&mut self, permit: Option<mpsc::Permit<'_, LineEvent>>) {
        // A journey that is gone hears nothing; what it was asked counts as not stored.
        if let (Some(event), Some(permit)) = (self.outbox.pop_front(), permit) {
            permit.send(event);
        }
    }

    /// Hands over what is left, so that the journey has heard everything before the report.
    async fn flush(&mut self) {
        while let Some(event) = self.outbox.pop_front() {
            if self.events.send(event).await.is_err() {
                self.outbox.clear();
            }
        }
    }
}

/// A report that says of a broken call for how long we stood still in it: that may be the cause, and the far end
/// cannot help it.
fn with_stalls(report: CallReport, stalled: Stalled) -> CallReport {
    let seconds = |time: Duration| time.as_secs();
    let said = match (seconds(stalled.daemon), seconds(stalled.child)) {
        _ if report.outcome == Outcome::Delivered => return report,
        (0, 0) => return report,
        (0, child) => format!("the call's process stood still for {child} s"),
        (daemon, 0) => format!("the gateway stood still for {daemon} s"),
        (daemon, child) => format!(
            "the gateway and the call's process, perhaps the whole machine, stood still for {} s",
            daemon.max(child)
        ),
    };
    let detail = match report.detail.as_str() {
        "" => said,
        detail => format!("{detail}; {said}"),
    };
    CallReport {
        detail,
        stalled: true,
        ..report
    }
}

/// The description with an address in place of each host name in its c= lines; one that is not found stays, and is
/// refused.
pub(super) async fn with_addresses(body: Vec<u8>) -> Vec<u8> {
    let mut found = Vec::new();
    for name in sdp::host_names(&body) {
        let looked_up = timeout(LOOK_UP, lookup_host((name.as_str(), 0))).await;
        match looked_up.map(|addresses| addresses.map(|mut all| all.next())) {
            Ok(Ok(Some(address))) => found.push((name, address.ip())),
            _ => tracing::warn!(name, "the host of the far end's media is not found"),
        }
    }
    match found.is_empty() {
        true => body,
        false => sdp::with_addresses(&body, &found),
    }
}

/// The answer to what was asked, taken once; pending while nothing is. Cancel-safe.
async fn answer(asked: &mut Option<Asked>) -> (bool, Input) {
    let Some(question) = asked else {
        return std::future::pending().await;
    };
    let stored = (&mut question.stored).await.unwrap_or(false);
    let question = asked.take().expect("it was there a line ago");
    (stored, question.then)
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
