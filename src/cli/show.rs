//! `postfax show ID`: one fax from its mail to its receipt. `postfax show --number NUMBER`: the memory of a number.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::queue::{cause, kind, next_try};
use super::table::{Sheet, columns, counted, print, table, tame, time};
use super::wait_for;
use crate::call::outcome::FarSaid;
use crate::config::Config;
use crate::context::{letterhead, now};
use crate::gateway::post::books::in_outline;
use crate::mail_to_fax::receipt::{self, Fate, Part};
use crate::mail_to_fax::stamp::Stamp;
use crate::queue::{AttemptRow, FaxRow, MessageRow, OutgoingRow, ReceivedRow, Store};

mod number;
#[cfg(test)]
mod tests;

/// Arguments of `postfax show`.
#[derive(clap::Args)]
pub struct Args {
    /// The fax, as `postfax queue` or the receipt names it
    #[arg(required_unless_present = "number", conflicts_with = "number")]
    id: Option<String>,
    /// What is remembered of a number instead: how its next call goes, and why
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Forget that, so that the next call goes as the configuration says
    #[arg(long, requires = "number")]
    forget: bool,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

struct Sent {
    fax: FaxRow,
    message: Option<MessageRow>,
    attempts: Vec<AttemptRow>,
    mails: Vec<OutgoingRow>,
    /// The first sentence of its receipt, and what its sender can do.
    told: (String, String),
}

enum Found {
    Sent(Box<Sent>),
    Received(Box<ReceivedRow>, Vec<OutgoingRow>),
}

/// Tells all about one fax.
pub fn run(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    if let Some(number) = &args.number {
        return number::run(&store, config, number, args.forget, args.json);
    }
    let id = args.id.unwrap_or_default();
    let Some(found) = wait_for(find(&store, config, &id))?? else {
        anyhow::bail!(
            "there is no fax {}; `postfax queue --ended 20` lists them",
            tame(&id, 40)
        );
    };
    print(&match args.json {
        true => format!("{}\n", found.into_json()),
        false => found.text(&config.time_zone()),
    });
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, config: &Config, id: &str) -> crate::queue::Result<Option<Found>> {
    let mails = store.mails_about(id).await?;
    if let Some(fax) = store.fax(id).await? {
        let message = store.message(&fax.message).await?;
        let attempts = store.attempts(id).await?;
        let receipt = in_outline(&fax, config);
        let told = receipt::in_short(&receipt, &letterhead(config)).unwrap_or_default();
        return Ok(Some(Found::Sent(Box::new(Sent {
            fax,
            message,
            attempts,
            mails,
            told,
        }))));
    }
    let received = store.received_row(id).await?;
    Ok(received.map(|fax| Found::Received(Box::new(fax), mails)))
}

impl Found {
    fn into_json(self) -> serde_json::Value {
        match self {
            Found::Sent(sent) => {
                let Sent {
                    fax,
                    message,
                    attempts,
                    mails,
                    told: (first, next),
                } = *sent;
                serde_json::json!({
                    "first": first, "next": next, "fax": fax, "message": message, "attempts": attempts, "mails": mails
                })
            }
            Found::Received(fax, mails) => serde_json::json!({"received": fax, "mails": mails}),
        }
    }

    fn text(&self, zone: &TimeZone) -> String {
        let mut sheet = Sheet::default();
        match self {
            Found::Sent(sent) => tell_sent(&mut sheet, sent, zone),
            Found::Received(fax, mails) => tell_received(&mut sheet, fax, mails, zone),
        }
        sheet.into_text()
    }
}

fn tell_sent(sheet: &mut Sheet, sent: &Sent, zone: &TimeZone) {
    let (fax, (first, next)) = (&sent.fax, &sent.told);
    sheet.field("fax", &fax.id);
    sheet.field("in short", tame(first, 600));
    if !next.is_empty() {
        sheet.field("what to do", tame(next, 300));
    }
    let address = tame(&fax.recipient, 60);
    sheet.field("to", format!("{} ({address})", fax.number));
    for also in &fax.further {
        let code = also.billing.as_deref();
        let code = code.map_or_else(String::new, |code| format!(", project {}", tame(code, 40)));
        sheet.field("also to", format!("{}{code}", tame(&also.recipient, 60)));
    }
    if let Some(sub_address) = &fax.sub_address {
        sheet.field("sub-address", tame(sub_address, 20));
    }
    sheet.field("from", tame(&fax.sender, 60));
    sheet.field("subject", tame(&fax.subject, 70));
    if let Some(message) = &sent.message {
        let via = tame(&message.via, 300);
        sheet.field(
            "let in by",
            format!("{via} ({})", tame(&message.client, 40)),
        );
    }
    sheet.field("accepted", time(fax.created_at, zone));
    sheet.field("state", &fax.state);
    match (fax.page_count, fax.state.as_str()) {
        (Some(pages), _) => sheet.field("pages", format!("{} of {pages} confirmed", fax.confirmed)),
        (None, "rendering") => sheet.field("pages", "being made"),
        (None, _) => sheet.field("pages", "none could be made"),
    }
    match fax.ended_at {
        Some(ended) => sheet.field("ended", time(ended, zone)),
        None => {
            let waits = fax.waits(now());
            sheet.field("next try", next_try(&waits, zone));
            match waits.in_words() {
                why if why.is_empty() => {}
                why => sheet.field("why then", why),
            }
        }
    }
    tell_wishes(sheet, fax, zone);
    tell_cause(sheet, fax.outcome.as_deref(), &fax.detail);
    for part in sent.message.iter().flat_map(parts) {
        sheet.field("part", part);
    }
    for (n, attempt) in (1..).zip(&sent.attempts) {
        sheet.section(format_args!("call {n}"));
        tell_attempt(sheet, attempt, zone);
    }
    tell_mails(sheet, &sent.mails, zone);
}

/// What its sender or somebody here wants of it beside.
fn tell_wishes(sheet: &mut Sheet, fax: &FaxRow, zone: &TimeZone) {
    if let Some(code) = &fax.billing {
        sheet.field("project", tame(code, 40));
    }
    let behind_cover = if fax.cover {
        ", behind a cover page"
    } else {
        ""
    };
    sheet.field("looks", format!("{}{behind_cover}", fax.resolution));
    if fax.priority != 0 {
        sheet.field("priority", fax.priority);
    }
    if fax.account != fax.sender {
        sheet.field("account", tame(&fax.account, 60));
    }
    if let Some(at) = fax.not_before {
        sheet.field("not before", time(at, zone));
    }
    if let Some(at) = fax.give_up_at {
        sheet.field("give up at", time(at, zone));
    }
    if let Some(trunk) = &fax.bound_to {
        sheet.field("only over", tame(trunk, 40));
    }
}

fn tell_cause(sheet: &mut Sheet, outcome: Option<&str>, detail: &str) {
    let cause = cause(outcome, detail, 400);
    if !cause.is_empty() {
        sheet.field("cause", cause);
    }
}

fn parts(message: &MessageRow) -> Vec<String> {
    let parts: Vec<Part> = serde_json::from_str(&message.manifest).unwrap_or_default();
    let line = |part: &Part| {
        let name = tame(&part.name, 60);
        match &part.fate {
            Fate::Faxed { pages } => format!("{name}: {}", counted(*pages, "page")),
            Fate::Skipped { why } => format!("{name}: skipped, {}", tame(why, 80)),
        }
    };
    parts.iter().map(line).collect()
}

fn tell_attempt(sheet: &mut Sheet, attempt: &AttemptRow, zone: &TimeZone) {
    sheet.field("began", time(attempt.started_at, zone));
    sheet.field("first page", attempt.first_page);
    if let Ok(Stamp {
        date, name, number, ..
    }) = serde_json::from_str(&attempt.header)
    {
        sheet.field("header", format!("{date}  {name}  {number}"));
    }
    if !attempt.shared_with.is_empty() {
        sheet.field(
            "in one call",
            format!("with {}", attempt.shared_with.join(", ")),
        );
    }
    if !attempt.chosen.is_empty() {
        sheet.field("by memory", tame(&attempt.chosen, 200));
    }
    if !attempt.trunk.is_empty() {
        sheet.field("trunk", trunk(attempt));
    }
    let Some(ended) = attempt.ended_at else {
        return sheet.field("ended", "not yet");
    };
    sheet.field("ended", time(ended, zone));
    tell_cause(sheet, attempt.outcome.as_deref(), &attempt.detail);
    sheet.field("pages", format!("{} confirmed", attempt.pages));
    if let Some(code) = attempt.sip_code {
        let cause = |cause| format!(", Q.850 cause {cause}");
        let q850 = attempt.q850.map_or(String::new(), cause);
        sheet.field("SIP", format!("{code}{q850}"));
    }
    if attempt.bit_rate > 0 {
        tell_far_end(sheet, attempt.far_ident.as_deref());
    }
    if let Some(far_said) = &attempt.far_said {
        sheet.field("its machine", said(far_said));
    }
    if attempt.bit_rate > 0 {
        sheet.field("line", line(attempt));
    }
    tell_wire(sheet, attempt.seconds, attempt.wire_bytes);
}

fn trunk(attempt: &AttemptRow) -> String {
    let name = tame(&attempt.trunk, 40);
    match attempt.target.is_empty() {
        true => name,
        false => format!("{name}, {}", tame(&attempt.target, 60)),
    }
}

/// What the far end said of its machine, on one line.
fn said(said: &FarSaid) -> String {
    let named = [said.make.as_deref(), said.model.as_deref()];
    let mut parts: Vec<String> = named
        .into_iter()
        .flatten()
        .map(|text| tame(text, 40))
        .collect();
    if said.bit_rate > 0 {
        parts.push(format!("up to {} bit/s", said.bit_rate));
    }
    parts.extend(
        [&said.resolutions, &said.paper]
            .into_iter()
            .flatten()
            .map(|text| tame(text, 20)),
    );
    let can = [
        (said.ecm, "ECM"),
        (said.t6, "T.6"),
        (said.t85, "T.85"),
        (said.sub_address, "sub-address"),
        (said.password, "password"),
        (said.polling, "polling"),
    ];
    parts.extend(
        can.into_iter()
            .filter(|(can, _)| *can)
            .map(|(_, what)| what.to_owned()),
    );
    parts.join(", ")
}

fn line(attempt: &AttemptRow) -> String {
    let way = if attempt.t38 { "T.38" } else { "audio" };
    let ecm = if attempt.ecm { ", ECM" } else { "" };
    let (rate, coding) = (attempt.bit_rate, &attempt.compression);
    format!("{way}, {rate} bit/s, {coding}{ecm}")
}

fn tell_far_end(sheet: &mut Sheet, ident: Option<&str>) {
    sheet.field(
        "far end",
        tame(ident.unwrap_or("says nothing of itself"), 22),
    );
}

/// What the call took; nothing of one that was not answered.
fn tell_wire(sheet: &mut Sheet, seconds: f64, octets: u64) {
    if seconds > 0.0 {
        sheet.field("seconds", format!("{seconds:.1}"));
        sheet.field("wire", format!("{:.1} KB", octets as f64 / 1000.0));
    }
}

fn tell_received(sheet: &mut Sheet, fax: &ReceivedRow, mails: &[OutgoingRow], zone: &TimeZone) {
    sheet.field("received", &fax.id);
    sheet.field("from", caller(fax));
    sheet.field("to", tame(&fax.called, 40));
    if let Some(sub_address) = &fax.sub_address {
        sheet.field("sub-address", tame(sub_address, 20));
    }
    if !fax.trunk.is_empty() {
        sheet.field("trunk", tame(&fax.trunk, 40));
    }
    sheet.field("began", time(fax.started_at, zone));
    match fax.ended_at {
        Some(ended) => sheet.field("ended", time(ended, zone)),
        None => sheet.field("ended", "not yet"),
    }
    sheet.field("pages", fax.pages);
    tell_cause(sheet, fax.outcome.as_deref(), &fax.detail);
    tell_far_end(sheet, fax.far_ident.as_deref());
    if let Some(far_said) = &fax.far_said {
        sheet.field("its machine", said(far_said));
    }
    tell_wire(sheet, fax.seconds, fax.wire_bytes);
    tell_mails(sheet, mails, zone);
}

fn caller(fax: &ReceivedRow) -> String {
    let number = tame(&fax.caller, 40);
    match &fax.caller_name {
        Some(name) => format!("{number} ({})", tame(name, 40)),
        None => number,
    }
}

fn tell_mails(sheet: &mut Sheet, mails: &[OutgoingRow], zone: &TimeZone) {
    if mails.is_empty() {
        return;
    }
    let head = ["MAIL", "TO", "STATE", "TRIES", "QUEUED", "REPLY"];
    let rows = table(head, mails, |mail| {
        [
            kind(mail).to_owned(),
            tame(&mail.recipient, 60),
            mail.state.clone(),
            mail.tries.to_string(),
            time(mail.created_at, zone),
            tame(&mail.reply, 200),
        ]
    });
    sheet.section(columns(&rows));
}
