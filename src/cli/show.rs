//! `postfax show ID`: one fax from its mail to its receipt.

use std::process::ExitCode;

use super::queue::cause;
use super::table::{columns, tame, time};
use super::wait_for;
use crate::config::Config;
use crate::mail_to_fax::receipt::{Fate, Part};
use crate::mail_to_fax::stamp::Stamp;
use crate::queue::{AttemptRow, FaxRow, MessageRow, OutgoingRow, ReceivedRow, Store};

/// Arguments of `postfax show`.
#[derive(clap::Args)]
pub struct Args {
    /// The fax, as `postfax queue` or the receipt names it
    id: String,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

struct Sent {
    fax: FaxRow,
    message: Option<MessageRow>,
    attempts: Vec<AttemptRow>,
    mails: Vec<OutgoingRow>,
}

enum Found {
    Sent(Box<Sent>),
    Received(Box<ReceivedRow>, Vec<OutgoingRow>),
    Nothing,
}

/// Tells all about one fax.
pub fn run(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    match wait_for(find(&store, &args.id))?? {
        Found::Sent(sent) if args.json => {
            let Sent {
                fax,
                message,
                attempts,
                mails,
            } = *sent;
            let whole = serde_json::json!({
                "fax": fax, "message": message, "attempts": attempts, "mails": mails
            });
            println!("{whole}");
        }
        Found::Received(fax, mails) if args.json => {
            println!("{}", serde_json::json!({"received": fax, "mails": mails}));
        }
        Found::Sent(sent) => print_sent(&sent, config),
        Found::Received(fax, mails) => print_received(&fax, &mails, config),
        Found::Nothing => anyhow::bail!(
            "there is no fax {}; `postfax queue --ended 20` lists them",
            args.id
        ),
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, id: &str) -> crate::queue::Result<Found> {
    let mails = store.mails_about(id).await?;
    if let Some(fax) = store.fax(id).await? {
        let message = store.message(&fax.message).await?;
        let attempts = store.attempts(id).await?;
        return Ok(Found::Sent(Box::new(Sent {
            fax,
            message,
            attempts,
            mails,
        })));
    }
    Ok(match store.received_row(id).await? {
        Some(fax) => Found::Received(Box::new(fax), mails),
        None => Found::Nothing,
    })
}

fn field(name: &str, value: impl std::fmt::Display) {
    println!("{name:12}{value}");
}

fn print_sent(sent: &Sent, config: &Config) {
    let (fax, zone) = (&sent.fax, config.time_zone());
    field("fax", &fax.id);
    field(
        "to",
        format!("{} ({})", fax.number, tame(&fax.recipient, 60)),
    );
    field("from", tame(&fax.sender, 60));
    field("subject", tame(&fax.subject, 70));
    field("accepted", time(fax.created_at, &zone));
    field("state", &fax.state);
    field(
        "pages",
        format!(
            "{} of {} confirmed",
            fax.confirmed,
            fax.page_count.map_or("?".into(), |n| n.to_string())
        ),
    );
    match fax.ended_at {
        Some(ended) => field("ended", time(ended, &zone)),
        None => field("next try", time(fax.next_try_at, &zone)),
    }
    field("cause", cause(fax.outcome.as_deref(), &fax.detail));
    for part in sent.message.iter().flat_map(parts) {
        field("part", part);
    }
    for (n, attempt) in sent.attempts.iter().enumerate() {
        print_attempt(n + 1, attempt, &zone);
    }
    print_mails(&sent.mails, &zone);
}

fn parts(message: &MessageRow) -> Vec<String> {
    let parts: Vec<Part> = serde_json::from_str(&message.manifest).unwrap_or_default();
    let line = |part: &Part| match &part.fate {
        Fate::Faxed { pages } => format!("{}: {pages} pages", tame(&part.name, 60)),
        Fate::Skipped { why } => format!("{}: skipped, {why}", tame(&part.name, 60)),
    };
    parts.iter().map(line).collect()
}

fn print_attempt(n: usize, attempt: &AttemptRow, zone: &jiff::tz::TimeZone) {
    println!("\ncall {n}");
    field("began", time(attempt.started_at, zone));
    field("first page", attempt.first_page);
    if let Ok(stamp) = serde_json::from_str::<Stamp>(&attempt.header) {
        field(
            "header",
            format!("{}  {}  {}", stamp.date, stamp.name, stamp.number),
        );
    }
    let Some(ended) = attempt.ended_at else {
        field("ended", "not yet");
        return;
    };
    field("ended", time(ended, zone));
    field("cause", cause(attempt.outcome.as_deref(), &attempt.detail));
    field("pages", attempt.pages);
    if let Some(code) = attempt.sip_code {
        let q850 = attempt
            .q850
            .map_or(String::new(), |cause| format!(", Q.850 cause {cause}"));
        field("SIP", format!("{code}{q850}"));
    }
    if attempt.bit_rate > 0 {
        let ident = attempt
            .far_ident
            .as_deref()
            .unwrap_or("says nothing of itself");
        field("far end", tame(ident, 20));
        let (way, ecm) = (
            if attempt.t38 { "T.38" } else { "audio" },
            if attempt.ecm { ", ECM" } else { "" },
        );
        field(
            "line",
            format!(
                "{way}, {} bit/s, {}{ecm}",
                attempt.bit_rate, attempt.compression
            ),
        );
    }
    field("seconds", format!("{:.1}", attempt.seconds));
    field(
        "wire",
        format!("{:.1} KB", attempt.wire_bytes as f64 / 1000.0),
    );
}

fn print_received(fax: &ReceivedRow, mails: &[OutgoingRow], config: &Config) {
    let zone = config.time_zone();
    field("received", &fax.id);
    field("from", tame(&fax.caller, 40));
    field("to", tame(&fax.called, 40));
    field("began", time(fax.started_at, &zone));
    match fax.ended_at {
        Some(ended) => field("ended", time(ended, &zone)),
        None => field("ended", "not yet"),
    }
    field("pages", fax.pages);
    field("cause", cause(fax.outcome.as_deref(), &fax.detail));
    field(
        "far end",
        tame(
            fax.far_ident.as_deref().unwrap_or("says nothing of itself"),
            20,
        ),
    );
    field("seconds", format!("{:.1}", fax.seconds));
    print_mails(mails, &zone);
}

fn print_mails(mails: &[OutgoingRow], zone: &jiff::tz::TimeZone) {
    if mails.is_empty() {
        return;
    }
    let head = ["MAIL", "TO", "STATE", "TRIES", "QUEUED", "REPLY"]
        .map(str::to_owned)
        .to_vec();
    let row = |mail: &OutgoingRow| {
        vec![
            mail.kind.clone(),
            tame(&mail.recipient, 40),
            mail.state.clone(),
            mail.tries.to_string(),
            time(mail.created_at, zone),
            tame(&mail.reply, 80),
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(mails.iter().map(row)).collect();
    println!("\n{}", columns(&rows));
}
