//! One mail to ten thousand numbers: its `250`, what it takes on disk and in memory, and the one mail that reports on it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use postfax::context::now;
use postfax::queue::{FaxRow, Store};

use crate::daemon::{Daemon, Site};
use crate::far_end::FarEnd;
use crate::mail::{self, Client};

/// Recipients.
const FAXES: usize = 10_000;
/// RCPT commands on their way at a time.
const PIPELINED: usize = 100;
/// For pages to be drawn, and for the report to be delivered.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures one broadcast from MAIL to its report.
pub fn measure(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::silent()?;
    let site = Site::taking(far_end.address(), FAXES)?;
    let (daemon, _) = Daemon::start(&site)?;
    let began = Instant::now();
    let ended = submit(&daemon)?;
    let took = began.elapsed().as_secs_f64();
    let runtime = tokio::runtime::Runtime::new()?;
    let store = Store::open_beside(&site.state())?;
    let drawn = until("the pages are drawn", || {
        let counts = runtime.block_on(store.counts(now(), now()))?;
        Ok((counts.rendering == 0).then_some(()))
    });
    drawn?;
    let rss = daemon.memory()?.peak_kb as f64 / 1024.0;
    let octets = size(&site, "queue.db")? + size(&site, "queue.db-wal")?;
    let megabytes = octets as f64 / f64::from(1 << 20);
    println!(
        "one mail to {FAXES} numbers: {took:.2} s to its 250, {:.2} s of them behind its last line",
        ended.as_secs_f64()
    );
    println!(
        "its queue has {megabytes:.1} MB, and {} files beside the database; the daemon had {rss:.0} MB at most",
        store.blobs().keys()?.len()
    );
    let one = runtime.block_on(store.waiting_faxes(1))?.pop();
    let one = one.context("no fax waits")?;
    let cancelled = cancel(&site)?;
    let reported = report(&runtime, &store, &one)?;
    println!(
        "all of them cancelled in {:.2} s, and one mail reports on them {:.2} s later",
        cancelled.as_secs_f64(),
        reported.as_secs_f64()
    );
    figures.push(format!(
        "broadcast_s={took:.2} broadcast_db_mb={megabytes:.1} broadcast_rss_mb={rss:.0} broadcast_cancel_s={:.2}",
        cancelled.as_secs_f64()
    ));
    Ok(())
}

/// Submits it; says how long the `250` was behind the last line.
fn submit(daemon: &Daemon) -> anyhow::Result<Duration> {
    let mut client = Client::connect(daemon.smtp)?;
    client.say("MAIL FROM:<clerk@example.com>")?;
    let numbers: Vec<usize> = (0..FAXES).collect();
    for some in numbers.chunks(PIPELINED) {
        let commands = some
            .iter()
            .map(|n| format!("RCPT TO:<555{n:07}@fax.local>\r\n"));
        client.write(commands.collect::<String>().as_bytes())?;
        for _ in some {
            let reply = client.reply()?;
            ensure!(reply.starts_with("250 "), "{reply}");
        }
    }
    client.say("DATA")?;
    client.write(&mail::letter())?;
    let ended = Instant::now();
    let taken = client.say(".")?;
    ensure!(taken.starts_with("250 "), "{taken}");
    Ok(ended.elapsed())
}

fn size(site: &Site, name: &str) -> anyhow::Result<u64> {
    Ok(fs::metadata(site.state().join(name))?.len())
}

/// As a person does, with the daemon running.
fn cancel(site: &Site) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_postfax"))
        .arg("--config")
        .arg(site.config())
        .args(["cancel", "--sender", "clerk@example.com"])
        .stdout(Stdio::null())
        .status()?;
    ensure!(done.success(), "postfax cancel: {done}");
    Ok(began.elapsed())
}

/// Until one mail, and no second one, has told of all of them.
fn report(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    one: &FaxRow,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    until("the report is delivered", || {
        let mails = runtime.block_on(store.mails_about(&one.message))?;
        Ok(mails.iter().any(|it| it.state == "delivered").then_some(()))
    })?;
    // Of a fax: its own receipts, and the report of its mail.
    let mails = runtime.block_on(store.mails_about(&one.id))?;
    let kinds: Vec<&str> = mails.iter().map(|it| it.kind.as_str()).collect();
    ensure!(kinds == ["broadcast"], "mails about one of them: {kinds:?}");
    Ok(began.elapsed())
}

fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("{what}: not within {} s", PATIENCE.as_secs())
}
