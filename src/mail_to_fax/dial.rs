//! Dialling: one attempt to send one fax, or several that share the call.
//!
//! Takes over: a fax that [`Store::claim_fax`](crate::queue::Store::claim_fax) gave out, and those that
//! [`Store::claim_beside`](crate::queue::Store::claim_beside) added to its call; their attempts are on disk.
//! Promises: every confirmed page is on disk before the next one counts, the end of the last page of each fax leaves only
//! after the queue knows that it does, and each attempt is settled with one outcome, or undone where the call did not
//! come to its fax.
//! When it dies: the next start settles each attempt from what is on disk (delivered, uncertain, go on behind the last
//! confirmed page, or never begun).

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::cover;
use super::desk::Desk;
use super::lesson::Lesson;
use super::recipient;
use super::share;
use super::stamp::Stamp;
use super::turns::Turns;
use crate::call::outcome::{CallReport, Outcome};
use crate::config::dialplan::Refused;
use crate::context::{Context, now, until_stored};
use crate::net::line::{Candidate, DialRequest, FaxSettings, Line, policy};
use crate::net::trunk::invite::{self, Parties};
use crate::net::trunk::{Channel, Reservation, Seat};
use crate::pages::{FaxPage, tiff};
use crate::queue::{ClaimedFax, DueFax, Settled, StoreError};

/// Claimed faxes that go in one call, mostly one, and their place on a trunk; no place where no trunk carries their number
/// any more.
pub struct Dialling {
    /// The one whose turn it is, and those that share its call.
    faxes: Vec<ClaimedFax>,
    place: Option<Reservation>,
}

impl Dialling {
    /// The fax whose turn it is.
    pub fn first(&self) -> &ClaimedFax {
        &self.faxes[0]
    }
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

/// Claims the next fax in line that has a place on a trunk, with the header line it will carry, and those that share its
/// call.
///
/// # Errors
/// As the store says.
pub async fn claim(context: &Context) -> Result<Found, StoreError> {
    if context.trunks.is_empty() || context.store.damage().is_some() {
        return Ok(Found::Nothing);
    }
    let now = context.followed_clock().await?;
    let day = context.config().retry_policy().day(now.0);
    let then = Arc::new(Mutex::new(None));
    let line = Arc::new(Turns::of(context, &day, then.clone()).await?);
    let turns = line.clone();
    let choose = move |due: &DueFax| turns.choose(due);
    let claimed = context.store.claim_fax(choose, day.clone(), now).await?;
    let then = *then.lock().expect("nobody panics while holding it");
    Ok(match (claimed, then) {
        (Some((fax, place)), _) => {
            let faxes = match place {
                Some(_) => with_others(context, &line, fax, day).await,
                None => vec![fax],
            };
            Found::Fax(Box::new(Dialling { faxes, place }))
        }
        (None, Some(then)) => Found::Then(then),
        (None, None) => Found::Nothing,
    })
}

/// Claims the faxes that share the call of the first.
async fn with_others(
    context: &Context,
    line: &Arc<Turns>,
    first: ClaimedFax,
    day: String,
) -> Vec<ClaimedFax> {
    let mut faxes = vec![first];
    let first = &faxes[0];
    if let Some(room) = line.room_beside(first) {
        let (line, kind) = (line.clone(), line.kind(first));
        let joins = move |due: &DueFax| line.join(&kind, due);
        match context
            .store
            .claim_beside(first, joins, room, day, now())
            .await
        {
            Ok(others) => faxes.extend(others),
            Err(e) => tracing::warn!(fax = first.id, "it goes by itself: {e}"),
        }
    }
    faxes
}

/// Sends claimed faxes in one call, and settles their attempts in the queue.
pub async fn dial(context: &Arc<Context>, line: &Line, dialling: Dialling) {
    let Dialling { mut faxes, place } = dialling;
    let mut desk = Desk::of(context, line, &faxes);
    // Who cancels from now on finds the call; who did before must not be missed.
    desk.leave_out_cancelled(&mut faxes).await;
    let lesson = Lesson::of(context, &faxes).await;
    let report = match request(context, &faxes, place, &lesson, &mut desk).await {
        // The channel is given back when the call is over.
        Ok((request, _channel)) => {
            let used = request.fax.clone();
            let report = desk.call(line, request).await;
            lesson.learned(context, &report, &used).await;
            report
        }
        Err(report) => *report,
    };
    let file = desk.take_file();
    let (number, others) = (&faxes[0].number, desk.others());
    tracing::info!(fax = faxes[0].id, number, others, trunk = report.trunk, outcome = %report.outcome,
                   pages = report.pages, seconds = report.seconds, detail = report.detail, "call ended");
    match report.outcome {
        Outcome::Expired => desk.end_overdue(&report).await,
        _ => desk.settle(&report).await,
    }
    if let Some(file) = file {
        file.remove();
    }
    context.tell();
}

/// What to hand to the line: the pages that are left, with their header lines, and where they may go. A fax beside the
/// first whose pages cannot be had is settled by itself.
async fn request(
    context: &Arc<Context>,
    faxes: &[ClaimedFax],
    place: Option<Reservation>,
    lesson: &Lesson,
    desk: &mut Desk<'_>,
) -> Result<(DialRequest, Channel), Box<CallReport>> {
    let fax = &faxes[0];
    if desk.is_cancelled() {
        return Err(not_dialled(Outcome::Cancelled, String::new()));
    }
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
    let mut pages = pages_left(context, fax).await?;
    for fax in &faxes[1..] {
        match pages_in_time(context, fax).await {
            Ok(own) => pages.extend(own),
            Err(report) => {
                desk.leave_out(&fax.id);
                settle(context, fax, *report).await;
            }
        }
    }
    let file = desk.make_file().await;
    let file = file.map_err(|e| not_dialled(Outcome::StorageFailed, e.to_string()))?;
    let request = DialRequest {
        candidates,
        tiff: tiff::write(&pages),
        documents: desk.documents(),
        enough: desk.enough(),
        not_after: desk.not_after(),
        file: Some(file),
        fax: settings,
    };
    Ok((request, channel))
}

fn not_dialled(outcome: Outcome, why: String) -> Box<CallReport> {
    Box::new(CallReport::never_placed(outcome, why))
}

/// The pages that are left of a fax, where there is still time to send it.
async fn pages_in_time(
    context: &Arc<Context>,
    fax: &ClaimedFax,
) -> Result<Vec<FaxPage>, Box<CallReport>> {
    let pages = pages_left(context, fax).await?;
    match fax.is_too_late(now()) {
        true => Err(not_dialled(Outcome::Expired, String::new())),
        false => Ok(pages),
    }
}

/// The pages that are left of a fax, its cover page made if it wants one.
async fn pages_left(
    context: &Arc<Context>,
    fax: &ClaimedFax,
) -> Result<Vec<FaxPage>, Box<CallReport>> {
    let cover = cover::of(context, fax).await;
    let cover = cover.map_err(|cover::NotMade { outcome, why }| not_dialled(outcome, why))?;
    let pages = stamped(context, fax, cover.as_deref()).await;
    pages.map_err(|e| not_dialled(Outcome::NoPages, format!("{e:#}")))
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
    let sender = share::sender(&config, &fax.sender, &fax.recipient);
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
) -> anyhow::Result<Vec<FaxPage>> {
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
        Ok(stamp.on(&pages, fax.confirmed + 1, &fax.number, &context.font)?)
    };
    tokio::task::spawn_blocking(stamp).await?
}

pub(super) async fn settle(context: &Context, fax: &ClaimedFax, report: CallReport) {
    let policy = context.config().retry_policy();
    let what = format!("the outcome of fax {}", fax.id);
    let store = &context.store;
    let settle = || async {
        let now = context.followed_clock().await?;
        store
            .settle_attempt(&fax.id, fax.attempt, report.clone(), &policy, now)
            .await
    };
    match until_stored(&what, settle).await {
        Settled::Final(end) => tracing::info!(fax = fax.id, "over: {end:?}"),
        Settled::Again(at) => {
            let seconds = (at.0 - now().0).max(0) / 1000;
            tracing::info!(fax = fax.id, "tried again in {seconds} s");
        }
    }
}
