//! Answering: one call to one of our numbers.
//!
//! Takes over: a call that came in.
//! Promises: a page is on disk before its MCF leaves; when the call is over, the mails that carry its pages are queued
//! in the transaction that ends it.
//! When it dies: the next start ends the call in the books and queues the mails for the pages that are there.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::screen;
use crate::call::outcome::CallReport;
use crate::context::{Context, Direction, LiveCall, LiveGuard, guarded, now, until_stored};
use crate::net::line::{FaxSettings, IncomingCall, LineEvent, policy};
use crate::net::trunk::Channel;
use crate::pages::preview;
use crate::queue::{Claim, NewReceived};

/// Answers one call, or refuses it: as the screen says, or 480 where nothing can be stored. The channel is given back
/// when the call is over.
pub async fn answer(context: &Arc<Context>, mut call: IncomingCall, channel: Channel) {
    let trunk = channel.trunk().clone();
    let config = context.config();
    let screened = match screen::screen(&call, &trunk, &config, &context.numbering()) {
        Ok(screened) => screened,
        Err(refused) => return screen::refuse(call, &trunk, refused),
    };
    call.policy = policy::incoming(&config, &trunk.config);
    call.trunk = Some(trunk.clone());
    let (called, caller) = (screened.called, screened.caller);
    let new = NewReceived {
        called: called.clone(),
        caller: caller.clone(),
        caller_name: call.caller_display.clone(),
        trunk: trunk.config.name.clone(),
        recipients: screened.recipients,
    };
    let id = match context.store.begin_received(new, now()).await {
        Ok(id) => id,
        Err(e) => {
            tracing::error!(called, caller, "refused: {e}");
            return call.reject(480);
        }
    };
    tracing::info!(
        fax = id,
        called,
        caller,
        trunk = trunk.config.name,
        "answering"
    );
    let (claim, here) = (Claim::Received(id.clone()), context.clone());
    let password = config.inbound.password.clone();
    let settings = FaxSettings {
        password: Some(password).filter(|password| !password.is_empty()),
        ..FaxSettings::of(&config)
    };
    let work = async move { take(&here, &id, call, settings).await };
    guarded(context, claim, work).await;
    drop(channel);
    context.tell();
}

/// Takes the fax, and hands what came over to the post.
async fn take(context: &Context, id: &str, call: IncomingCall, settings: FaxSettings) {
    let report = receive(context, id, call, settings).await;
    tracing::info!(fax = id, outcome = %report.outcome, pages = report.pages,
                   detail = report.detail, "call ended");
    let (what, store) = (format!("the end of fax {id}"), &context.store);
    until_stored(&what, || store.end_received(id, report.clone(), now())).await;
    if let Err(e) = show(context, id).await {
        tracing::warn!(fax = id, "there is no small picture of its first page: {e}");
    }
}

/// Makes a small picture of the first page. The fax is safe without.
async fn show(context: &Context, id: &str) -> anyhow::Result<()> {
    let (store, blobs) = (&context.store, context.store.blobs().clone());
    let Some(page) = store.received_page(id, 1).await? else {
        return Ok(());
    };
    let key = format!("v-{id}");
    let kept = key.clone();
    let drawn = move || -> anyhow::Result<()> { Ok(blobs.keep(&kept, &preview::png(&page)?)?) };
    tokio::task::spawn_blocking(drawn).await??;
    Ok(store.received_drawn(id, &key).await?)
}

async fn receive(
    context: &Context,
    id: &str,
    call: IncomingCall,
    settings: FaxSettings,
) -> CallReport {
    let cancel = CancellationToken::new();
    let live = context.live.show(LiveCall::begun(
        id,
        Direction::In,
        &call.caller,
        None,
        cancel.clone(),
    ));
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
            lost_packets,
            picture,
            stored,
        } => {
            if lost_packets > 0 {
                tracing::warn!(
                    fax = id,
                    page,
                    lost_packets,
                    "rows of this page are missing"
                );
            }
            let store = &context.store;
            let kept = store.page_received(id, page, last, lost_packets, picture);
            let kept = kept.await;
            if let Err(e) = &kept {
                tracing::error!(fax = id, page, "not confirmed: {e}");
            }
            let _ = stored.send(kept.is_ok());
        }
        other => live.update(|call| call.heard(0, &other)),
    }
}
