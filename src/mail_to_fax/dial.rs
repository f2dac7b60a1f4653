//! Dialling: one attempt to send one fax.
//!
//! Takes over: a fax that [`Store::claim_fax`](crate::queue::Store::claim_fax) gave out, its attempt on disk.
//! Promises: every confirmed page is on disk before the next one counts, the end of the last page leaves only after
//! the queue knows that it does, and the attempt is settled with one outcome.
//! When it dies: the next start settles the attempt from what is on disk (delivered, uncertain, or go on behind the
//! last confirmed page).

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::cover;
use super::lesson::Lesson;
use super::recipient;
use super::stamp::Stamp;
use super::turns::Turns;
use crate::call::outcome::{CallReport, Outcome};
use crate::config::dialplan::Refused;
use crate::context::{Context, Direction, LiveCall, LiveGuard, now, until_stored};
use crate::net::line::{Candidate, DialRequest, FaxSettings, Line, LineEvent, policy};
use crate::net::trunk::invite::{self, Parties};
use crate::net::trunk::{Channel, Reservation, Seat};
use crate::pages::tiff;
use crate::queue::{ClaimedFax, DueFax, Settled, StoreError};

/// A claimed fax, and its place on a trunk; no place where no trunk carries its number any more.
pub struct Dialling {
    /// The fax.
    pub fax: ClaimedFax,
    place: Option<Reservation>,
}

/// What there is to dial.
pub enum Found {
    /// This, now.
    Fax(Box<Dialling>),
    /// Something, then: a trunk takes few calls a second, or asked for rest.
    Then(Instant),
    /// Nothing.
    Nothing,
}

/// Claims the next fax in line that has a place on a trunk, with the header line it will carry.
///
/// # Errors
/// As the store says.
pub async fn claim(context: &Context) -> Result<Found, StoreError> {
    if context.trunks.is_empty() || context.store.damage().is_some() {
        return Ok(Found::Nothing);
    }
    let day = context.config().retry_policy().day(now().0);
    let then = Arc::new(Mutex::new(None));
    let line = Turns::of(context, &day, then.clone()).await?;
    let choose = move |due: &DueFax| line.choose(due);
    let claimed = context.store.claim_fax(choose, day, now()).await?;
    let then = *then.lock().expect("nobody panics while holding it");
    Ok(match (claimed, then) {
        (Some((fax, place)), _) => Found::Fax(Box::new(Dialling { fax, place })),
        (None, Some(then)) => Found::Then(then),
        (None, None) => Found::Nothing,
    })
}

/// Sends one claimed fax and settles its attempt in the queue.
pub async fn dial(context: &Arc<Context>, line: &Line, dialling: Dialling) {
    let Dialling { fax, place } = dialling;
    let cancel = CancellationToken::new();
    let live = context.live.show(LiveCall::begun(
        &fax.id,
        Direction::Out,
        &fax.number,
        Some(fax.page_count),
        cancel.clone(),
    ));
    let lesson = Lesson::of(context, &fax).await;
    let report = match request(context, &fax, place, &lesson).await {
        // The channel is given back when the call is over.
        Ok((request, _channel)) => {
            let used = request.fax.clone();
            let report = call(context, line, &fax, request, &live, cancel).await;
            lesson.learned(context, &report, &used).await;
            report
        }
        Err(report) => *report,
    };
    tracing::info!(fax = fax.id, number = fax.number, trunk = report.trunk, outcome = %report.outcome,
                   pages = report.pages, seconds = report.seconds, detail = report.detail, "call ended");
    settle(context, &fax, report).await;
    drop(live);
    context.tell();
}

/// What to hand to the line: the pages that are left, with their header lines, and where they may go.
async fn request(
    context: &Arc<Context>,
    fax: &ClaimedFax,
    place: Option<Reservation>,
    lesson: &Lesson,
) -> Result<(DialRequest, Channel), Box<CallReport>> {
    let not_dialled = |outcome, why: String| Box::new(CallReport::never_placed(outcome, why));
    let Some(place) = place else {
        let why = format!("no trunk leads to {}", fax.number);
        return Err(not_dialled(Outcome::TrunkDown, why));
    };
    let (channel, seats, troubles) = place.seats().await;
    let candidates = seats
        .iter()
        .map(|seat| candidate(context, fax, seat, lesson))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| not_dialled(Outcome::Refused, e.to_string()))?;
    if candidates.is_empty() {
        return Err(not_dialled(Outcome::TrunkDown, troubles.join("; ")));
    }
    let settings = lesson.settings(settings(context, fax));
    let cover = match cover::of(context, fax).await {
        Ok(cover) => cover,
        Err(cover::NotMade { outcome, why }) => return Err(not_dialled(outcome, why)),
    };
    let tiff = stamped(context, fax, cover.as_deref()).await;
    let tiff = tiff.map_err(|e| not_dialled(Outcome::StorageFailed, e.to_string()))?;
    let request = DialRequest {
        candidates,
        tiff,
        documents: vec![fax.page_count - fax.confirmed],
        enough: CancellationToken::new(),
        fax: settings,
    };
    Ok((request, channel))
}

/// A place that the fax may go to, with the numbers in the form that is wanted there.
fn candidate(
    context: &Context,
    fax: &ClaimedFax,
    seat: &Seat,
    lesson: &Lesson,
) -> Result<Candidate, Refused> {
    let (config, numbers) = (context.config(), context.numbering());
    let trunk = &seat.trunk.config;
    let mut sender = config.sender(&fax.sender);
    let domain = fax.recipient.rsplit_once('@');
    let domain = domain.and_then(|(_, name)| config.domain(name));
    if let Some(domain) = domain.filter(|domain| !domain.caller_id.is_empty()) {
        sender.caller_id = domain.caller_id;
    }
    let written = recipient::written(&fax.recipient, &config);
    let parties = Parties {
        called: numbers.called(&fax.number, written.as_deref(), trunk)?,
        caller: numbers.caller(&config.caller_id(&sender, trunk), trunk),
        name: Some(sender.name).filter(|name| !name.is_empty()),
    };
    Ok(Candidate {
        invite: invite::invite(seat, &parties),
        policy: lesson.policy(policy::outgoing(&config, trunk)),
        seat: Some(seat.clone()),
    })
}

/// Our terminal, as the sender and the first trunk want it.
fn settings(context: &Context, fax: &ClaimedFax) -> FaxSettings {
    let config = context.config();
    FaxSettings {
        ident: config.sender(&fax.sender).station_id,
        sub_address: fax.sub_address.clone(),
        password: context.numbering().password(&config, &fax.number),
        ..FaxSettings::of(&config)
    }
}

/// The pages that are left, the cover page before them all, under their header lines.
async fn stamped(
    context: &Arc<Context>,
    fax: &ClaimedFax,
    cover: Option<&str>,
) -> anyhow::Result<Vec<u8>> {
    let mut tiffs = Vec::new();
    for key in cover.into_iter().chain([fax.pages_key.as_str()]) {
        tiffs.push(context.store.octets(key).await?);
    }
    let (context, fax) = (context.clone(), fax.clone());
    let stamp = move || {
        let mut pages = Vec::new();
        for tiff in &tiffs {
            pages.extend(tiff::read(tiff)?);
        }
        let stamp: Stamp = serde_json::from_str(&fax.header)?;
        let left = stamp.on(&pages, fax.confirmed + 1, &fax.number, &context.font)?;
        Ok(tiff::write(&left))
    };
    tokio::task::spawn_blocking(stamp).await?
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
        LineEvent::LastPageLeaving { stored, .. } => {
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
    let policy = context.config().retry_policy();
    let what = format!("the outcome of fax {}", fax.id);
    let store = &context.store;
    let settled = until_stored(&what, || {
        store.settle_attempt(&fax.id, fax.attempt, report.clone(), &policy, now())
    });
    match settled.await {
        Settled::Final(end) => tracing::info!(fax = fax.id, "over: {end:?}"),
        Settled::Again(at) => {
            let seconds = (at.0 - now().0).max(0) / 1000;
            tracing::info!(fax = fax.id, "tried again in {seconds} s");
        }
    }
}
