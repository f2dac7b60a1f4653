//! Who listens to a call that we placed: what is heard of its faxes is written down, shown, and settled.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dial::settle;
use super::load::{End, Load};
use crate::call::outcome::{CallReport, Outcome};
use crate::context::{Context, Direction, LiveCall, LiveGuard, Phase, moment, now, until_stored};
use crate::net::line::{DialRequest, Line, LineEvent, Place};
use crate::queue::{CallFile, CallSoFar, ClaimedFax, StoreError};

/// How often it is written down how long a call has lasted.
const NOTED_EVERY: Duration = Duration::from_secs(20);

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
    /// Where the call went, and when that and its length were last written down.
    noted: Option<(Place, Instant)>,
    /// What the process of the call writes down itself.
    file: Option<CallFile>,
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
            noted: None,
            file: None,
        }
    }

    /// Makes the file of the call, once it is known which faxes go in it.
    pub(super) async fn make_file(&mut self) -> Result<Arc<File>, StoreError> {
        let parts = self.load.faxes().zip(self.load.documents());
        let made = self.context.store.call_file(parts).await?;
        let file = made.file();
        self.file = Some(made);
        Ok(file)
    }

    /// The file, to be removed when the attempts are settled.
    pub(super) fn take_file(&mut self) -> Option<CallFile> {
        self.file.take()
    }

    /// Leaves those out that were cancelled before their call was there to be ended; where that is the first, there will
    /// be no call.
    pub(super) async fn leave_out_cancelled(&mut self, faxes: &mut Vec<ClaimedFax>) {
        let asked = self.context.store.cancelling().await.unwrap_or_default();
        if asked.contains(&faxes[0].id) {
            self.cancel.cancel();
        }
        let first = faxes[0].id.clone();
        let (cancelled, left) = std::mem::take(faxes)
            .into_iter()
            .partition::<Vec<_>, _>(|fax| fax.id != first && asked.contains(&fax.id));
        *faxes = left;
        for fax in &cancelled {
            self.leave_out(&fax.id);
        }
        let cancelled = cancelled.into_iter().map(|fax| fax.id).collect();
        put_back(self.context, cancelled).await;
    }

    /// Whether somebody has asked for the end of the call.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
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
        // Its pages took their time.
        let asked = self.context.store.cancelling().await.unwrap_or_default();
        asked.iter().for_each(|fax| self.context.live.cancel(fax));
        if self.is_cancelled() {
            return CallReport::never_placed(Outcome::Cancelled, String::new());
        }
        if let Some(candidate) = request.candidates.first() {
            self.note(candidate.place()).await;
        }
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
                    if let Some((place, _)) = self.noted.clone() {
                        self.note(place).await;
                    }
                }
            }
            event => {
                match &event {
                    LineEvent::Placed(place) => self.load.placed(place),
                    LineEvent::Answered => self.load.answered(moment()),
                    LineEvent::Negotiated(far_end) => self.load.agreed(far_end),
                    _ => {}
                }
                let news = match &event {
                    LineEvent::Placed(place) => Some(place.clone()),
                    LineEvent::Answered => self.noted.as_ref().map(|(place, _)| place.clone()),
                    _ => None,
                };
                match news {
                    Some(place) => self.note(place).await,
                    None => self.note_from_time_to_time().await,
                }
                self.show(event);
            }
        }
    }

    /// Writes down what the books need to know should the daemon not live to end the call: where it went, and how long
    /// it has lasted.
    async fn note(&mut self, place: Place) {
        let (fax, seconds) = self.load.so_far(moment());
        let so_far = CallSoFar {
            trunk: place.trunk.clone(),
            target: place.target.clone(),
            seconds,
        };
        if let Err(e) = self.context.store.call_so_far(fax.attempt, so_far).await {
            tracing::warn!(fax = fax.id, "how far its call is is not noted: {e}");
        }
        self.noted = Some((place, moment()));
    }

    async fn note_from_time_to_time(&mut self) {
        let is_due = |(_, at): &&(Place, Instant)| moment() - *at >= NOTED_EVERY;
        if let Some((place, _)) = self.noted.as_ref().filter(is_due) {
            self.note(place.clone()).await;
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
        let (now, mut in_time) = (now(), Vec::new());
        for fax in self.load.faxes() {
            match fax.is_too_late(now) {
                true => settle(self.context, fax, report.clone()).await,
                false => in_time.push(fax.id.clone()),
            }
        }
        put_back(self.context, in_time).await;
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
        let mut not_begun = Vec::new();
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
                End::NotBegun => not_begun.push(fax.id),
            }
        }
        put_back(context, not_begun).await;
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

async fn put_back(context: &Context, faxes: Vec<String>) {
    if faxes.is_empty() {
        return;
    }
    let what = format!("that faxes {} were not in the call", faxes.join(", "));
    until_stored(&what, || context.store.put_back(&faxes, now())).await;
    for fax in faxes {
        tracing::info!(fax, "goes in another call");
    }
}
