//! `postfax queue`: what waits, and what is over.

use std::process::ExitCode;

use super::table::{columns, tame, time};
use super::wait_for;
use crate::call::outcome::Outcome;
use crate::config::Config;
use crate::queue::{FaxRow, OutgoingRow, ReceivedRow, Store};

/// Arguments of `postfax queue`.
#[derive(clap::Args)]
pub struct Args {
    /// Also list so many faxes that are over, sent and received
    #[arg(long, short, default_value_t = 0, value_name = "N")]
    ended: u32,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

struct Listing {
    waiting: Vec<FaxRow>,
    ended: Vec<FaxRow>,
    received: Vec<ReceivedRow>,
    mails: Vec<OutgoingRow>,
}

/// Lists the queue.
pub fn run(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    let listing = wait_for(read(&store, args.ended))??;
    if args.json {
        let Listing {
            waiting,
            ended,
            received,
            mails,
        } = listing;
        println!(
            "{}",
            serde_json::json!({"waiting": waiting, "ended": ended, "received": received, "mails": mails})
        );
    } else {
        print(&listing, config);
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(store: &Store, ended: u32) -> crate::queue::Result<Listing> {
    Ok(Listing {
        waiting: store.waiting_faxes(1000).await?,
        ended: store.ended_faxes(ended).await?,
        received: store.received(ended).await?,
        mails: store.undelivered_mails(1000).await?,
    })
}

fn print(listing: &Listing, config: &Config) {
    if listing.waiting.is_empty() {
        println!("No fax waits.");
    } else {
        println!(
            "{}",
            columns(&fax_rows(&listing.waiting, "NEXT TRY", config, |fax| fax.next_try_at))
        );
    }
    if !listing.mails.is_empty() {
        println!(
            "\nMails that their next hop has not taken:\n{}",
            columns(&mail_rows(&listing.mails, config))
        );
    }
    if !listing.ended.is_empty() {
        let rows = fax_rows(&listing.ended, "ENDED", config, |fax| {
            fax.ended_at.unwrap_or(fax.created_at)
        });
        println!("\nSent:\n{}", columns(&rows));
    }
    if !listing.received.is_empty() {
        println!(
            "\nReceived:\n{}",
            columns(&received_rows(&listing.received, config))
        );
    }
}

fn fax_rows(
    faxes: &[FaxRow],
    when: &str,
    config: &Config,
    at: impl Fn(&FaxRow) -> crate::queue::Millis,
) -> Vec<Vec<String>> {
    let zone = config.time_zone();
    let head = [
        "ID",
        "NUMBER",
        "STATE",
        "PAGES",
        "TRIES",
        when,
        "SENDER",
        "LAST CAUSE",
    ]
    .map(str::to_owned);
    let row = |fax: &FaxRow| {
        vec![
            fax.id.clone(),
            fax.number.clone(),
            fax.state.clone(),
            fax.page_count
                .map_or("?".into(), |pages| format!("{}/{pages}", fax.confirmed)),
            fax.tries.to_string(),
            time(at(fax), &zone),
            tame(&fax.sender, 30),
            cause(fax.outcome.as_deref(), &fax.detail),
        ]
    };
    std::iter::once(head.to_vec())
        .chain(faxes.iter().map(row))
        .collect()
}

fn received_rows(faxes: &[ReceivedRow], config: &Config) -> Vec<Vec<String>> {
    let zone = config.time_zone();
    let head = ["ID", "FROM", "TO", "PAGES", "MAIL", "BEGAN", "CAUSE"].map(str::to_owned);
    let row = |fax: &ReceivedRow| {
        vec![
            fax.id.clone(),
            tame(&fax.caller, 20),
            tame(&fax.called, 20),
            fax.pages.to_string(),
            fax.mail.clone().unwrap_or_else(|| "-".into()),
            time(fax.started_at, &zone),
            cause(fax.outcome.as_deref(), &fax.detail),
        ]
    };
    std::iter::once(head.to_vec())
        .chain(faxes.iter().map(row))
        .collect()
}

fn mail_rows(mails: &[OutgoingRow], config: &Config) -> Vec<Vec<String>> {
    let zone = config.time_zone();
    let head = ["ID", "KIND", "TO", "STATE", "TRIES", "NEXT TRY", "REPLY"].map(str::to_owned);
    let row = |mail: &OutgoingRow| {
        vec![
            mail.id.clone(),
            mail.kind.clone(),
            tame(&mail.recipient, 40),
            mail.state.clone(),
            mail.tries.to_string(),
            time(mail.next_try_at, &zone),
            tame(&mail.reply, 80),
        ]
    };
    std::iter::once(head.to_vec())
        .chain(mails.iter().map(row))
        .collect()
}

/// The cause in words, and behind it the detail for those who know the protocols.
pub fn cause(outcome: Option<&str>, detail: &str) -> String {
    let words = outcome.and_then(Outcome::from_name).map(Outcome::in_words);
    match (words, detail) {
        (None, detail) => tame(detail, 100),
        (Some(words), "") => words.to_owned(),
        (Some(words), detail) => format!("{words} ({})", tame(detail, 80)),
    }
}
