//! `postfax queue`: what waits, and what is over.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::select::Filters;
use super::table::{columns, print, table, tame, time};
use super::wait_for;
use crate::call::outcome::Outcome;
use crate::config::Config;
use crate::context::now;
use crate::queue::{FaxRow, Millis, OutgoingRow, ReceivedRow, Store, Waits, Wanted};

#[cfg(test)]
mod tests;

/// Arguments of `postfax queue`.
#[derive(clap::Args)]
pub struct Args {
    /// Also list so many faxes that are over, sent and received
    #[arg(long, short, default_value_t = 0, value_name = "N")]
    ended: u32,
    #[command(flatten)]
    filters: Filters,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Faxes and mails that are listed at most.
const MOST: u32 = 1000;

struct Listing {
    /// More fit than are listed.
    is_cut: bool,
    waiting: Vec<FaxRow>,
    ended: Vec<FaxRow>,
    received: Vec<ReceivedRow>,
    mails: Vec<OutgoingRow>,
}

/// Lists the queue.
pub fn run(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    let listing = match args.filters.is_set() {
        true => {
            let wanted = args.filters.wanted(config)?;
            wait_for(read_some(&store, wanted))??
        }
        false => wait_for(read(&store, args.ended))??,
    };
    print(&match args.json {
        true => format!("{}\n", listing.into_json()),
        false => listing.text(&config.time_zone(), now()),
    });
    Ok(ExitCode::SUCCESS)
}

async fn read(store: &Store, ended: u32) -> crate::queue::Result<Listing> {
    let mut waiting = store.waiting_faxes(MOST + 1).await?;
    Ok(Listing {
        is_cut: cut(&mut waiting),
        waiting,
        ended: store.ended_faxes(ended).await?,
        received: store.received(ended).await?,
        mails: store.undelivered_mails(MOST).await?,
    })
}

/// Only the faxes that fit, whether they are over or not.
async fn read_some(store: &Store, wanted: Wanted) -> crate::queue::Result<Listing> {
    let mut fit = store.faxes_that_fit(wanted, MOST + 1).await?;
    let is_cut = cut(&mut fit);
    let (ended, waiting) = fit.into_iter().partition(|fax| fax.ended_at.is_some());
    Ok(Listing {
        is_cut,
        waiting,
        ended,
        received: Vec::new(),
        mails: Vec::new(),
    })
}

/// Whether there are more than are listed.
fn cut(faxes: &mut Vec<FaxRow>) -> bool {
    let is_cut = faxes.len() > MOST as usize;
    faxes.truncate(MOST as usize);
    is_cut
}

impl Listing {
    fn into_json(self) -> serde_json::Value {
        serde_json::json!({
            "more": self.is_cut, "waiting": self.waiting, "ended": self.ended, "received": self.received, "mails": self.mails
        })
    }

    fn text(&self, zone: &TimeZone, now: Millis) -> String {
        let mut blocks = vec![match self.waiting.is_empty() {
            true => "No fax waits.".to_owned(),
            false => columns(&waiting_rows(&self.waiting, zone, now)),
        }];
        let mut titled = |title: &str, rows: Vec<Vec<String>>| {
            if rows.len() > 1 {
                blocks.push(format!("{title}:\n{}", columns(&rows)));
            }
        };
        let mails = mail_rows(&self.mails, zone);
        titled("Mails that their next hop has not taken", mails);
        titled("Sent", ended_rows(&self.ended, zone));
        titled("Received", received_rows(&self.received, zone));
        if self.is_cut {
            blocks.push(format!(
                "There are more than these {MOST}: --number, --sender or --state tell of some, the page counts them all."
            ));
        }
        blocks.join("\n\n") + "\n"
    }
}

fn waiting_rows(faxes: &[FaxRow], zone: &TimeZone, now: Millis) -> Vec<Vec<String>> {
    let head = [
        "ID", "NUMBER", "STATE", "PAGES", "CALLS", "NEXT TRY", "SENDER", "WHY",
    ];
    table(head, faxes, |fax| {
        let waits = fax.waits(now);
        let cause = cause(fax.outcome.as_deref(), &fax.detail, 80);
        let why = [cause, waits.in_words()];
        let why = why.iter().filter(|half| !half.is_empty());
        let why: Vec<&str> = why.map(String::as_str).collect();
        fax_row(fax, next_try(&waits, zone), why.join("; "))
    })
}

/// When a fax that waits is tried next.
pub fn next_try(waits: &Waits, zone: &TimeZone) -> String {
    match (waits, waits.until()) {
        (_, Some(at)) => time(at, zone),
        (Waits::Held, None) => "when released".to_owned(),
        (_, None) => "now".to_owned(),
    }
}

fn ended_rows(faxes: &[FaxRow], zone: &TimeZone) -> Vec<Vec<String>> {
    let head = [
        "ID", "NUMBER", "STATE", "PAGES", "CALLS", "ENDED", "SENDER", "CAUSE",
    ];
    table(head, faxes, |fax| {
        let ended = time(fax.ended_at.unwrap_or(fax.created_at), zone);
        fax_row(fax, ended, cause(fax.outcome.as_deref(), &fax.detail, 80))
    })
}

fn fax_row(fax: &FaxRow, when: String, why: String) -> [String; 8] {
    let pages = |pages: u32| format!("{}/{pages}", fax.confirmed);
    [
        fax.id.clone(),
        fax.number.clone(),
        match fax.held && fax.ended_at.is_none() {
            true => "held".to_owned(),
            false => fax.state.clone(),
        },
        fax.page_count.map_or("-".to_owned(), pages),
        fax.calls.to_string(),
        when,
        tame(&fax.sender, 30),
        why,
    ]
}

fn received_rows(faxes: &[ReceivedRow], zone: &TimeZone) -> Vec<Vec<String>> {
    let head = ["ID", "FROM", "TO", "PAGES", "MAIL", "BEGAN", "CAUSE"];
    table(head, faxes, |fax| {
        [
            fax.id.clone(),
            tame(&fax.caller, 20),
            tame(&fax.called, 20),
            fax.pages.to_string(),
            fax.mail.clone().unwrap_or_else(|| "-".into()),
            time(fax.started_at, zone),
            match fax.ended_at {
                Some(_) => cause(fax.outcome.as_deref(), &fax.detail, 80),
                None => "in the call".to_owned(),
            },
        ]
    })
}

fn mail_rows(mails: &[OutgoingRow], zone: &TimeZone) -> Vec<Vec<String>> {
    let head = ["ABOUT", "KIND", "TO", "STATE", "TRIES", "NEXT TRY", "REPLY"];
    table(head, mails, |mail| {
        let next_try = match mail.state.as_str() {
            "waiting" => time(mail.next_try_at, zone),
            "sending" => "now".to_owned(),
            _ => "-".to_owned(),
        };
        [
            mail.subject_of.clone(),
            kind(mail).to_owned(),
            tame(&mail.recipient, 40),
            mail.state.clone(),
            mail.tries.to_string(),
            next_try,
            tame(&mail.reply, 80),
        ]
    })
}

/// What kind of mail it is, in words.
pub fn kind(mail: &OutgoingRow) -> &str {
    match mail.kind.as_str() {
        "received_fax" => "fax",
        other => other,
    }
}

/// The cause in words, and behind it the detail for those who know the protocols, of so many characters at most.
pub fn cause(outcome: Option<&str>, detail: &str, most: usize) -> String {
    let words = outcome.and_then(Outcome::from_name).map(Outcome::in_words);
    match (words, detail) {
        (None, detail) => tame(detail, most),
        (Some(words), "") => words.to_owned(),
        (Some(words), detail) => format!("{words} ({})", tame(detail, most)),
    }
}
