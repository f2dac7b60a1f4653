//! What the page shows, gathered from the queue and the calls in progress.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::post::books::in_outline;
use crate::call::outcome::Outcome;
use crate::config::Config;
use crate::context::{self, Context, LiveCall, now};
use crate::letter::Letterhead;
use crate::mail_to_fax::receipt;
use crate::net;
use crate::net::line::Line;
use crate::queue::{Counts, FaxRow, MailKind, Millis, OutgoingRow, ReceivedRow, StoreError};
use crate::status::Source;
use crate::status::snapshot::{
    Call, Direction, Phase, Queue, ReceivedFax, Registration, SentFax, Snapshot, Target, Told,
    Trunk, TrunkState, WaitingFax, WaitingMail,
};

/// Rows of each list at most; the counts tell of the rest.
const ROWS: u32 = 50;

/// Where the page's facts come together.
pub struct Desk {
    context: Arc<Context>,
    line: Line,
    started: Instant,
}

/// What comes from the store.
struct Books {
    counts: Counts,
    waiting: Vec<FaxRow>,
    sent: Vec<FaxRow>,
    received: Vec<ReceivedRow>,
    mails: Vec<OutgoingRow>,
    /// The faxes whose first page may be seen.
    shown: HashSet<String>,
}

impl Desk {
    /// A desk that sees the queue and the line.
    pub fn new(context: Arc<Context>, line: Line, started: Instant) -> Desk {
        Desk {
            context,
            line,
            started,
        }
    }

    async fn books(&self) -> Result<Books, StoreError> {
        let store = &self.context.store;
        let zone = self.context.config().time_zone();
        let midnight = Timestamp::now().to_zoned(zone).start_of_day();
        let since = midnight.map_or(0, |midnight| midnight.timestamp().as_millisecond());
        let (sent, received) = (store.ended_faxes(ROWS).await?, store.received(ROWS).await?);
        let shown = match self.context.config().status.previews {
            true => {
                let ids = sent.iter().map(|fax| fax.id.clone());
                let ids = ids.chain(received.iter().map(|fax| fax.id.clone()));
                store.with_preview(ids.collect()).await?
            }
            false => HashSet::new(),
        };
        Ok(Books {
            counts: store.counts(now(), Millis(since)).await?,
            waiting: store.waiting_faxes(ROWS).await?,
            sent,
            received,
            mails: store.undelivered_mails(ROWS).await?,
            shown,
        })
    }
}

impl Source for Desk {
    async fn snapshot(&self) -> Snapshot {
        let config = self.context.config();
        let mut problems = Vec::new();
        let trunks: Vec<Trunk> = self.context.trunks.iter().map(|it| trunk(it)).collect();
        if trunks.is_empty() {
            problems.push("no [[trunk]] is set: faxes to send wait".to_owned());
        }
        let down = trunks.iter().filter(|it| it.state == TrunkState::Down);
        problems.extend(down.map(|it| format!("the trunk {} is down: {}", it.name, it.detail)));
        let books = self.books().await.unwrap_or_else(|e| {
            problems.push(format!("the queue cannot be read: {e}"));
            Books {
                counts: Counts::default(),
                waiting: vec![],
                sent: vec![],
                received: vec![],
                mails: vec![],
                shown: HashSet::new(),
            }
        });
        if let Some(damage) = self.context.store.damage() {
            let what = format!(
                "the queue is damaged, no mail and no call is taken and no fax is dialled: {damage}; `postfax check` says more"
            );
            problems.insert(0, what);
        }
        problems.extend(refused(books.counts.mails_failed, &config.postmaster()));
        let live = self.context.live.calls();
        let head = self.context.letterhead();
        let told = |fax: &FaxRow| told(fax, &config, &head);
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: config.hostname(),
            now: Timestamp::now(),
            uptime_seconds: self.started.elapsed().as_secs(),
            problems,
            notes: self.context.store.notes(),
            channels: config.sip.channels as u32,
            line_calls: self.line.calls() as u32,
            trunks,
            queue: queue(&books.counts),
            calls: live.iter().map(call).collect(),
            waiting: books
                .waiting
                .iter()
                .filter(|fax| fax.state != "calling")
                .map(|fax| waiting(fax, told(fax)))
                .collect(),
            sent: books
                .sent
                .iter()
                .map(|fax| sent(fax, &books.shown, told(fax)))
                .collect(),
            received: books
                .received
                .iter()
                .filter(|fax| fax.ended_at.is_some())
                .map(|fax| received(fax, &books.shown))
                .collect(),
            mails: books.mails.iter().map(mail).collect(),
        }
    }

    async fn preview(&self, fax: &str) -> Option<Vec<u8>> {
        if !self.context.config().status.previews {
            return None;
        }
        let found = self.context.store.preview(fax).await;
        found.unwrap_or_else(|e| {
            tracing::warn!(fax, "its first page cannot be shown: {e}");
            None
        })
    }
}

/// What the page says of so many mails that nobody has got.
fn refused(mails: u64, postmaster: &str) -> Option<String> {
    let (what, they, them) = match mails {
        0 => return None,
        1 => (
            "1 mail was refused for good by its next hop".to_owned(),
            "it",
            "it",
        ),
        n => (
            format!("{n} mails were refused for good by their next hop"),
            "they",
            "them",
        ),
    };
    Some(format!(
        "{what}, and {postmaster} has not got what {they} carried: `postfax queue` names {them}, `postfax retry` sends \
         {them} again"
    ))
}

fn trunk(it: &net::trunk::Trunk) -> Trunk {
    let targets: Vec<Target> = it.targets().iter().map(target).collect();
    // The server that calls go to is the one to tell of.
    let shown = targets
        .iter()
        .find(|target| target.state != TrunkState::Down)
        .or(targets.first());
    let unregistered = it.registration().filter(|it| it.until.is_none());
    let unregistered = unregistered.map(|it| match it.error {
        Some(error) => format!("not registered: {error}"),
        None => "not registered yet".to_owned(),
    });
    let trouble = it.trouble().filter(|_| targets.is_empty());
    Trunk {
        name: it.config.name.clone(),
        address: it.config.server.join(", "),
        transport: it.config.transport.name(),
        state: match shown {
            _ if it.is_down() => TrunkState::Down,
            Some(target) => target.state,
            None => TrunkState::Unknown,
        },
        detail: unregistered
            .or(trouble)
            .or_else(|| shown.map(|target| target.detail.clone()))
            .unwrap_or_default(),
        since: shown.and_then(|target| target.since),
        registration: it.registration().map(registration),
        calls: it.calls() as u32,
        max_calls: it.channels() as u32,
        calls_per_second: it.config.calls_per_second,
        refused: it.refusals(),
        targets,
    }
}

fn registration(it: net::trunk::Registered) -> Registration {
    Registration {
        until: it.until.map(at),
        since: it.since.map(at),
        error: it.error,
    }
}

/// A moment of the monotonic clock by the wall clock.
fn at(moment: Instant) -> Timestamp {
    let (now, clock) = (Instant::now(), Timestamp::now());
    match moment.checked_duration_since(now) {
        Some(ahead) => clock + ahead,
        None => clock - now.duration_since(moment),
    }
}

fn target(it: &net::trunk::Target) -> Target {
    Target {
        server: it.server.clone(),
        address: it.address.to_string(),
        state: match it.health.is_up() {
            None => TrunkState::Unknown,
            Some(true) => TrunkState::Up,
            Some(false) => TrunkState::Down,
        },
        detail: match it.health.detail() {
            "" => "nothing was asked of it yet".to_owned(),
            detail => detail.to_owned(),
        },
        since: it.health.since().map(at),
    }
}

fn time(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn known(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn queue(counts: &Counts) -> Queue {
    Queue {
        rendering: counts.rendering,
        ready: counts.ready,
        retrying: counts.retrying,
        calling: counts.calling,
        mails: counts.mails_waiting + counts.mails_failed,
        delivered_today: counts.delivered,
        failed_today: counts.not_delivered,
        received_today: counts.received,
    }
}

fn call(live: &LiveCall) -> Call {
    Call {
        fax: live.id.clone(),
        direction: match live.direction {
            context::Direction::Out => Direction::Out,
            context::Direction::In => Direction::In,
        },
        number: known(&live.number),
        station: live.far_end.ident.clone(),
        phase: match live.phase {
            context::Phase::Behind => Phase::Behind,
            context::Phase::Dialling => Phase::Dialling,
            context::Phase::Ringing => Phase::Ringing,
            context::Phase::Answered => Phase::Answered,
            context::Phase::T38 => Phase::Negotiating,
            context::Phase::Pages => Phase::Transferring,
        },
        page: live.page,
        pages: live.pages,
        percent: Call::percent_of(live.page, live.pages, live.bytes, live.of),
        page_bytes: live.bytes,
        bit_rate: Some(live.far_end.bit_rate).filter(|rate| *rate > 0),
        seconds: live.since.elapsed().as_secs(),
    }
}

/// What the receipt says, or would say now.
fn told(fax: &FaxRow, config: &Config, head: &Letterhead) -> Told {
    let told = receipt::in_short(&in_outline(fax, config), head);
    let (first, next) = told.unwrap_or_default();
    Told { first, next }
}

fn waiting(fax: &FaxRow, told: Told) -> WaitingFax {
    let waits = fax.waits(now());
    WaitingFax {
        told,
        fax: fax.id.clone(),
        number: fax.number.clone(),
        sender: fax.sender.clone(),
        pages: fax.page_count,
        attempts: fax.calls,
        next_try: waits.until().map(time),
        waits_for: waits.name(),
        why: waits.in_words(),
        outcome: fax.outcome.as_deref().and_then(Outcome::from_name),
        detail: fax.detail.clone(),
    }
}

/// Where the first page of a fax can be seen.
fn preview(shown: &HashSet<String>, fax: &str) -> Option<String> {
    shown.contains(fax).then(|| format!("/preview/{fax}.png"))
}

fn sent(fax: &FaxRow, shown: &HashSet<String>, told: Told) -> SentFax {
    SentFax {
        told,
        fax: fax.id.clone(),
        number: fax.number.clone(),
        sender: fax.sender.clone(),
        outcome: fax.outcome.as_deref().and_then(Outcome::from_name),
        detail: fax.detail.clone(),
        pages: fax.page_count.unwrap_or(0),
        confirmed: fax.confirmed,
        seconds: fax.seconds.unwrap_or(0.0).round() as u64,
        attempts: fax.calls,
        ended: time(fax.ended_at.unwrap_or(fax.created_at)),
        preview: preview(shown, &fax.id),
    }
}

fn received(fax: &ReceivedRow, shown: &HashSet<String>) -> ReceivedFax {
    ReceivedFax {
        fax: fax.id.clone(),
        from: known(&fax.caller),
        station: fax.far_ident.clone(),
        to: fax.called.clone(),
        sub_address: fax.sub_address.clone(),
        outcome: fax
            .outcome
            .as_deref()
            .and_then(Outcome::from_name)
            .unwrap_or(Outcome::GatewayStopped),
        detail: fax.detail.clone(),
        pages: fax.pages,
        seconds: fax.seconds.round() as u64,
        ended: time(fax.ended_at.unwrap_or(fax.started_at)),
        handed_over: fax.mail.as_deref() == Some("delivered"),
        refused: fax.mail.as_deref() == Some("failed"),
        preview: preview(shown, &fax.id),
    }
}

fn mail(mail: &OutgoingRow) -> WaitingMail {
    let what = match MailKind::from_name(&mail.kind) {
        MailKind::Receipt => "Receipt for fax",
        MailKind::Delay => "Delay of fax",
        MailKind::Broadcast => "Receipt for all faxes of mail",
        MailKind::Returned => "To the postmaster: refused mail",
        MailKind::ReceivedFax => "Received fax",
        MailKind::Copy => "Copy of the mail about fax",
        MailKind::Forwarded => "For the postmaster: mail",
    };
    WaitingMail {
        id: mail.id.clone(),
        to: mail.recipient.clone(),
        subject: format!("{what} {}", mail.subject_of),
        since: time(mail.created_at),
        attempts: mail.tries,
        next_try: (mail.state != "failed").then(|| time(mail.next_try_at)),
        reply: mail.reply.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_that_nobody_got_are_told_of_in_their_number() {
        assert_eq!(refused(0, "p@example.com"), None);
        let one = refused(1, "p@example.com").unwrap();
        assert!(one.starts_with("1 mail was refused"), "{one}");
        assert!(one.contains("`postfax retry` sends it again"), "{one}");
        let some = refused(2, "p@example.com").unwrap();
        assert!(some.starts_with("2 mails were refused"), "{some}");
    }
}
