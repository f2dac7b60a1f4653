//! Answering: one call to one of our numbers.
//!
//! Takes over: a call that came in.
//! Promises: a page is on disk before its MCF leaves; when the call is over, the mails that carry its pages are queued
//! in the transaction that ends it.
//! When it dies: the next start ends the call in the books and queues the mails for the pages that are there.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::outcome::CallReport;
use crate::context::{Context, Direction, LiveCall, LiveGuard, guarded, now, until_stored};
use crate::net::line::{FaxSettings, IncomingCall, LineEvent};
use crate::queue::{Claim, NewReceived};

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
        caller_name: call.caller_display.clone(),
        trunk: String::new(),
        recipients,
    };
    let id = match context.store.begin_received(new, now()).await {
        Ok(id) => id,
        Err(e) => {
            tracing::error!(called, caller, "refused: {e}");
            return call.reject(480);
        }
    };
    tracing::info!(fax = id, called, caller, "answering");
    let (claim, here) = (Claim::Received(id.clone()), context.clone());
    guarded(context, claim, async move { take(&here, &id, call).await }).await;
}

/// Takes the fax, and hands what came over to the post.
async fn take(context: &Context, id: &str, call: IncomingCall) {
    let report = receive(context, id, call).await;
    tracing::info!(fax = id, outcome = %report.outcome, pages = report.pages,
                   detail = report.detail, "call ended");
    let (what, store) = (format!("the end of fax {id}"), &context.store);
    until_stored(&what, || store.end_received(id, report.clone(), now())).await;
    context.tell();
}

async fn receive(context: &Context, id: &str, call: IncomingCall) -> CallReport {
    let cancel = CancellationToken::new();
    let live = context.live.show(LiveCall::begun(
        id,
        Direction::In,
        &call.caller,
        None,
        cancel.clone(),
    ));
    let settings = FaxSettings::of(&context.config());
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
            last,
            picture,
            stored,
        } => {
            let kept = context.store.page_received(id, page, last, picture).await;
            if let Err(e) = &kept {
                tracing::error!(fax = id, page, "not confirmed: {e}");
            }
            let _ = stored.send(kept.is_ok());
        }
        other => live.update(|call| call.heard(0, &other)),
    }
}
