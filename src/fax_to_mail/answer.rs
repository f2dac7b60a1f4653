//! Answering: one call to one of our numbers.
//!
//! Takes over: a call that came in.
//! Promises: a page is on disk before its MCF leaves; when the call is over, the mails that carry its pages are queued
//! in the transaction that ends it.
//! When it dies: the next start ends the call in the books and queues the mails for the pages that are there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::outcome::CallReport;
use crate::context::{Context, Direction, LiveCall, LiveGuard, now};
use crate::net::line::{FaxSettings, IncomingCall, LineEvent};
use crate::queue::NewReceived;

/// Pause before the outcome of a call is offered to a store that did not take it.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// Answers one call, or refuses it: 404 where no route leads from its number, 480 where nothing can be stored.
pub async fn answer(context: &Arc<Context>, call: IncomingCall) {
    let (called, caller) = (call.called.clone(), call.caller.clone());
    let Some(recipients) = context
        .config()
        .route(&called)
        .map(|route| route.recipients())
    else {
        tracing::warn!(called, caller, source = %call.source, "refused: no route for this number");
        return call.reject(404);
    };
    let new = NewReceived {
        called: called.clone(),
        caller: caller.clone(),
    };
    let id = match context.store.begin_received(new, now()).await {
        Ok(id) => id,
        Err(e) => {
            tracing::error!(called, caller, "refused: {e}");
            return call.reject(480);
        }
    };
    tracing::info!(fax = id, called, caller, "answering");
    let report = receive(context, &id, call).await;
    tracing::info!(fax = id, outcome = %report.outcome, pages = report.pages,
                   detail = report.detail, "call ended");
    while let Err(e) = context
        .store
        .end_received(&id, report.clone(), recipients.clone(), now())
        .await
    {
        tracing::error!(fax = id, "its end waits for the disk: {e}");
        tokio::time::sleep(AFTER_TROUBLE).await;
    }
    context.tell();
}

/// Queues the mails of faxes whose call was cut off by a crash, by the routes of today.
///
/// # Errors
/// As the store says.
pub async fn route_what_a_crash_left(context: &Context) -> crate::queue::Result<()> {
    for (id, called) in context.store.unrouted().await? {
        match context.config().route(&called) {
            Some(route) => {
                context
                    .store
                    .route_received(&id, route.recipients(), now())
                    .await?
            }
            None => tracing::error!(
                fax = id,
                called,
                "has pages and no route; add one for its number"
            ),
        }
    }
    Ok(())
}

async fn receive(context: &Context, id: &str, call: IncomingCall) -> CallReport {
    let config = context.config();
    let cancel = CancellationToken::new();
    let live = context.live.show(LiveCall::begun(
        id,
        Direction::In,
        &call.caller,
        None,
        cancel.clone(),
    ));
    let settings = FaxSettings {
        ident: config.fax.station_id.clone(),
        ecm: config.fax.ecm,
        max_bit_rate: config.fax.max_bit_rate,
        redundancy: config.trunk.redundancy,
        ..FaxSettings::default()
    };
    let (events, mut inbox) = mpsc::channel(16);
    let listen = async {
        while let Some(event) = inbox.recv().await {
            heard(context, id, &live, event).await;
        }
    };
    let (report, ()) = tokio::join!(call.answer(settings, events, cancel), listen);
    report
}

async fn heard(context: &Context, id: &str, live: &LiveGuard<'_>, event: LineEvent) {
    match event {
        LineEvent::PageReceived {
            page,
            picture,
            stored,
        } => {
            let kept = context.store.page_received(id, page, picture).await;
            if let Err(e) = &kept {
                tracing::error!(fax = id, page, "not confirmed: {e}");
            }
            let _ = stored.send(kept.is_ok());
        }
        other => live.update(|call| call.heard(0, &other)),
    }
}
