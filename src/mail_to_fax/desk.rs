//! Who listens to a call that we placed: what is heard of its faxes is written down, shown, and settled.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dial::settle;
use super::load::{End, Load};
use crate::call::outcome::{CallReport, Outcome};
use crate::context::{Context, Direction, LiveCall, LiveGuard, Phase, moment, now, until_stored};
use crate::net::line::{DialRequest, Line, LineEvent};
use crate::queue::ClaimedFax;

/// Listens to one call.
pub(super) struct Desk<'a> {
    context: &'a Arc<Context>,
    load: Load,
    /// What is shown of each fax, until it is through.
    live: Vec<Option<LiveGuard<'a>>>,
    /// Ends the call.
    cancel: CancellationToken,
    /// Ends it behind the fax that is under way.
    enough: CancellationToken,
}

impl<'a> Desk<'a> {
    /// Shows the faxes: the first is being dialled for.
    pub(super) fn of(context: &'a Arc<Context>, line: &Line, faxes: &[ClaimedFax]) -> Desk<'a> {
        let (cancel, enough) = (CancellationToken::new(), line.enough());
        let show = |fax: &ClaimedFax| {
            let is_first = fax.id == faxes[0].id;
            let ends = if is_first { &cancel } else { &enough };
            let pages = Some(fax.page_count);
            let call = LiveCall::begun(&fax.id, Direction::Out, &fax.number, pages, ends.clone());
            let phase = if is_first { call.phase } else { Phase::Behind };
            Some(context.live.show(LiveCall { phase, ..call }))
        };
        let live = faxes.iter().map(show).collect();
        Desk {
            context,
            load: Load::of(faxes.to_vec()),
            live,
            cancel,
            enough,
        }
    }

    /// Faxes beside the first.
    pub(super) fn others(&self) -> usize {
        self.load.faxes().count() - 1
    }

    /// Pages of each.
    pub(super) fn documents(&self) -> Vec<u32> {
        self.load.documents()
    }

    /// Cancelled, it lets no fax follow the one that is under way.
    pub(super) fn enough(&self) -> CancellationToken {
        self.enough.clone()
    }

    /// The first of the times that their senders gave: no INVITE leaves from then on.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        let first = self.load.faxes().filter_map(|fax| fax.give_up_at).min();
        first.and_then(|end| Timestamp::from_millisecond(end.0).ok())
    }

    /// Leaves one out that does not go in this call after all.
    pub(super) fn leave_out(&mut self, fax: &str) {
        let (faxes, live) = self
            .load
            .faxes()
            .cloned()
            .zip(std::mem::take(&mut self.live))
            .filter(|(it, _)| it.id != fax)
            .unzip();
        (self.load, self.live) = (Load::of(faxes), live);
    }

    /// Places the call, and hears it out.
    pub(super) async fn call(&mut self, line: &Line, request: DialRequest) -> CallReport {
        let (events, mut inbox) = mpsc::channel(16);
        let cancel = self.cancel.clone();
        let listen = async {
            while let Some(event) = inbox.recv().await {
                self.heard(event).await;
            }
        };
        let (report, ()) = tokio::join!(line.dial(request, events, cancel), listen);
        report
    }

    async fn heard(&mut self, event: LineEvent) {
        let store = &self.context.store;
        match event {
            LineEvent::LastPageLeaving { page, stored } => {
                let (fax, _) = self.load.whose(page);
                let kept = store.last_page_leaving(&fax.id).await;
                if let Err(e) = &kept {
                    tracing::error!(fax = fax.id, "the last page is held back: {e}");
                }
                let _ = stored.send(kept.is_ok());
            }
            LineEvent::PageConfirmed { page } => {
                let (fax, own) = self.load.whose(page);
                // A page that cannot be noted now is noted when the attempt is settled.
                if let Err(e) = store.page_confirmed(&fax.id, fax.attempt, own).await {
                    let id = &fax.id;
                    tracing::error!(fax = id, page, "its confirmation is not on disk yet: {e}");
                }
                let through = self.load.current();
                if self.load.confirmed(page, moment()) {
                    self.settle_before_the_end(through).await;
                    self.next_fax(through).await;
                }
            }
            event => {
                match &event {
                    LineEvent::Placed(place) => self.load.placed(place),
                    LineEvent::Answered => self.load.answered(moment()),
                    LineEvent::Negotiated(far_end) => self.load.agreed(far_end),
                    _ => {}
                }
                self.show(event);
            }
        }
    }

    /// A fax is through, and the call goes on: its sender does not wait for the others. What cannot be settled now is
    /// settled with them.
    async fn settle_before_the_end(&mut self, through: usize) {
        let (fax, report) = self.load.report_of(through);
        let policy = self.context.config().retry_policy();
        let settle = async {
            let now = self.context.followed_clock().await?;
            let store = &self.context.store;
            store
                .settle_attempt(&fax.id, fax.attempt, report, &policy, now)
                .await
        };
        match settle.await {
            Ok(end) => {
                tracing::info!(fax = fax.id, "through, and its call goes on: {end:?}");
                self.load.settled(through);
                self.context.tell();
            }
            Err(e) => tracing::error!(fax = fax.id, "its receipt waits for the call's end: {e}"),
        }
    }

    /// The fax under way is through, and the next one begins: to cancel that one is to end the call from now on.
    async fn next_fax(&mut self, through: usize) {
        self.live[through] = None;
        let current = self.load.current();
        let cancel = self.cancel.clone();
        let fax = self.load.faxes().nth(current).expect("it is one of them");
        if let Some(live) = &self.live[current] {
            live.update(|call| (call.phase, call.cancel) = (Phase::Answered, cancel));
        }
        // Somebody may have asked in the very moment in which it was too late to keep it out.
        let cancelling = self.context.store.cancelling().await;
        if cancelling.is_ok_and(|faxes| faxes.contains(&fax.id)) {
            self.cancel.cancel();
        }
    }

    fn show(&self, event: LineEvent) {
        let current = self.load.current();
        let fax = self.load.faxes().nth(current).expect("it is one of them");
        let event = match event {
            LineEvent::Progress { page, bytes, of } => {
                let (whose, page) = self.load.whose(page);
                if whose.id != fax.id {
                    return;
                }
                LineEvent::Progress { page, bytes, of }
            }
            other => other,
        };
        if let Some(live) = &self.live[current] {
            live.update(|call| call.heard(fax.confirmed, &event));
        }
    }

    /// No INVITE left, since the time of one of the faxes was over: its attempt says so, and the others go in another call.
    pub(super) async fn end_overdue(self, report: &CallReport) {
        let now = now();
        for fax in self.load.faxes() {
            match fax.is_too_late(now) {
                true => settle(self.context, fax, report.clone()).await,
                false => put_back(self.context, fax).await,
            }
        }
    }

    /// Settles each fax with what the call was for it.
    pub(super) async fn settle(self, report: &CallReport) {
        let Desk {
            context,
            load,
            live,
            ..
        } = self;
        let is_cancelled = report.outcome == Outcome::Cancelled;
        for (n, (fax, end)) in (0..).zip(load.ends(report)) {
            match end {
                End::Attempt(own) if is_cancelled && n > 0 && own.outcome == Outcome::Cancelled => {
                    settle(context, &fax, for_another(context, &fax, own).await).await;
                }
                End::Attempt(own) => settle(context, &fax, own).await,
                End::Settled(octets) => {
                    // Worth a line in `postfax show`, and no trouble.
                    if let Err(e) = context.store.attempt_took(fax.attempt, octets).await {
                        tracing::warn!(fax = fax.id, "the octets of its call are not noted: {e}");
                    }
                }
                End::NotBegun => put_back(context, &fax).await,
            }
        }
        drop(live);
    }
}

/// A call is cancelled for one fax; should it have come to the next one meanwhile, nobody asked for that one's end.
async fn for_another(context: &Context, fax: &ClaimedFax, own: CallReport) -> CallReport {
    let asked = context.store.cancelling().await;
    match asked.is_ok_and(|faxes| !faxes.contains(&fax.id)) {
        true => CallReport {
            outcome: Outcome::GatewayStopped,
            detail: "the call was ended for another fax that shared it".to_owned(),
            ..own
        },
        false => own,
    }
}

async fn put_back(context: &Context, fax: &ClaimedFax) {
    let what = format!("that fax {} was not in the call", fax.id);
    until_stored(&what, || context.store.put_back(&fax.id, now())).await;
    tracing::info!(fax = fax.id, "goes in another call");
}
