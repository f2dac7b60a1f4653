//! Dialling: one attempt to send one fax.
//!
//! Takes over: a fax that [`Store::claim_fax`](crate::queue::Store::claim_fax) gave out, its attempt on disk.
//! Promises: every confirmed page is on disk before the next one counts, the end of the last page leaves only after
//! the queue knows that it does, and the attempt is settled with one outcome.
//! When it dies: the next start settles the attempt from what is on disk (delivered, uncertain, or go on behind the
//! last confirmed page).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::stamp::Stamp;
use crate::call::outcome::{CallReport, Outcome};
use crate::context::{Context, Direction, LiveCall, LiveGuard, now, until_stored};
use crate::net::line::{DialRequest, FaxSettings, Line, LineEvent};
use crate::net::names;
use crate::pages::header::HeaderLine;
use crate::pages::tiff;
use crate::queue::{ClaimedFax, Settled, StoreError};

/// Claims the next fax that is due, with the header line it will carry.
///
/// # Errors
/// As the store says.
pub async fn claim(context: &Context) -> Result<Option<ClaimedFax>, StoreError> {
    let config = context.config();
    if config.trunks.is_empty() {
        return Ok(None);
    }
    let stamp = Stamp {
        date: HeaderLine::date(&jiff::Timestamp::now().to_zoned(config.time_zone())),
        name: config.fax.name.clone(),
        number: config.fax.station_id.clone(),
    };
    context.store.claim_fax(&stamp.to_json(), now()).await
}

/// Sends one claimed fax and settles its attempt in the queue.
pub async fn dial(context: &Arc<Context>, line: &Line, fax: ClaimedFax) {
    let cancel = CancellationToken::new();
    let live = context.live.show(LiveCall::begun(
        &fax.id,
        Direction::Out,
        &fax.number,
        Some(fax.page_count),
        cancel.clone(),
    ));
    let report = match request(context, &fax).await {
        Ok(request) => call(context, line, &fax, request, &live, cancel).await,
        Err(report) => *report,
    };
    tracing::info!(fax = fax.id, number = fax.number, outcome = %report.outcome, pages = report.pages,
                   seconds = report.seconds, detail = report.detail, "call ended");
    context.trunk.heard(&report, now());
    settle(context, &fax, report).await;
    drop(live);
    context.tell();
}

/// What to hand to the line: the pages that are left, with their header lines.
async fn request(context: &Arc<Context>, fax: &ClaimedFax) -> Result<DialRequest, Box<CallReport>> {
    let config = context.config();
    let not_dialled = |outcome, why: String| Box::new(CallReport::never_placed(outcome, why));
    let Some(trunk) = config.trunks.first() else {
        return Err(not_dialled(
            Outcome::TrunkDown,
            "no [[trunk]] is set".into(),
        ));
    };
    let target = names::resolve(&trunk.server[0])
        .await
        .map_err(|e| not_dialled(Outcome::TrunkDown, e))?;
    let (context, fax) = (context.clone(), fax.clone());
    let tiff = tokio::task::spawn_blocking(move || stamped(&context, &fax).map(|tiff| (tiff, fax)));
    let tiff = tiff.await.map_err(anyhow::Error::from).flatten();
    let (tiff, fax) = tiff.map_err(|e| not_dialled(Outcome::StorageFailed, e.to_string()))?;
    Ok(DialRequest {
        target,
        domain: None,
        number: fax.number,
        caller: config.caller_id(trunk),
        caller_display: Some(config.fax.name.clone()).filter(|name| !name.is_empty()),
        tiff,
        pages: fax.page_count - fax.confirmed,
        fax: FaxSettings::of(&config),
    })
}

fn stamped(context: &Context, fax: &ClaimedFax) -> anyhow::Result<Vec<u8>> {
    let pages = tiff::read(&context.store.blobs().read(&fax.pages_key)?)?;
    let stamp: Stamp = serde_json::from_str(&fax.header)?;
    let left = stamp.on(&pages, fax.confirmed + 1, &fax.number, &context.font)?;
    Ok(tiff::write(&left))
}

async fn call(
    context: &Context,
    line: &Line,
    fax: &ClaimedFax,
    request: DialRequest,
    live: &LiveGuard<'_>,
    cancel: CancellationToken,
) -> CallReport {
    let (events, mut inbox) = mpsc::channel(16);
    let listen = async {
        while let Some(event) = inbox.recv().await {
            heard(context, fax, live, event).await;
        }
    };
    let (report, ()) = tokio::join!(line.dial(request, events, cancel), listen);
    report
}

async fn heard(context: &Context, fax: &ClaimedFax, live: &LiveGuard<'_>, event: LineEvent) {
    match event {
        LineEvent::LastPageLeaving { stored } => {
            let kept = context.store.last_page_leaving(&fax.id).await;
            if let Err(e) = &kept {
                tracing::error!(fax = fax.id, "the last page is held back: {e}");
            }
            let _ = stored.send(kept.is_ok());
        }
        LineEvent::PageConfirmed { page } => {
            // A page that cannot be noted now is noted when the attempt is settled.
            if let Err(e) = context
                .store
                .page_confirmed(&fax.id, fax.attempt, page)
                .await
            {
                tracing::error!(
                    fax = fax.id,
                    page,
                    "its confirmation is not on disk yet: {e}"
                );
            }
        }
        other => live.update(|call| call.heard(fax.confirmed, &other)),
    }
}

async fn settle(context: &Context, fax: &ClaimedFax, report: CallReport) {
    let give_up = context.config().give_up_seconds();
    let what = format!("the outcome of fax {}", fax.id);
    let store = &context.store;
    let settled = until_stored(&what, || {
        store.settle_attempt(&fax.id, fax.attempt, report.clone(), give_up, now())
    });
    match settled.await {
        Settled::Final(end) => tracing::info!(fax = fax.id, "over: {end:?}"),
        Settled::Again(at) => {
            let seconds = (at.0 - now().0).max(0) / 1000;
            tracing::info!(fax = fax.id, "tried again in {seconds} s");
        }
    }
}
