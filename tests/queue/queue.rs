//! `make bench-queue`: a hundred thousand faxes that wait and what people do to them, a broadcast of ten thousand, and mails a second to their
//! durable `250` beside Postfix's own `smtpd`, both fed by the same `smtp-source` on the same disk.
//!
//! Nothing here passes or fails: the last line, `RESULT name=value ...`, is for scripts.
//! `cargo bench --bench queue -- waiting` measures only that.

mod broadcast;
// Shared with the figures, which use more of them.
#[allow(dead_code)]
#[path = "../figures/daemon.rs"]
mod daemon;
#[allow(dead_code)]
#[path = "../figures/far_end.rs"]
mod far_end;
#[allow(dead_code)]
#[path = "../figures/mail.rs"]
mod mail;
mod orders;
mod postfix;
#[path = "../figures/queue.rs"]
mod queue;

use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use daemon::{Daemon, Site};
use far_end::FarEnd;
use postfax::context::now;
use postfax::queue::{Choice, DueFax, Store};
use postfix::Postfix;

/// Faxes that wait.
const FAXES: usize = 100_000;
/// Claims that are timed.
const CLAIMS: usize = 1000;
/// Connections, and the mails of one run over them.
const LOADS: [(usize, usize); 2] = [(1, 300), (20, 1000)];
/// Runs of each side, taken in turns so that a disk that slows down slows both.
const RUNS: usize = 3;
/// Octets of a mail's text: a short letter.
const LETTER: usize = 1500;

fn main() -> ExitCode {
    match measure() {
        Ok(figures) => {
            println!("RESULT {}", figures.join(" "));
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("queue: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<Vec<String>> {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    let mut figures = Vec::new();
    if is_wanted("waiting") {
        waiting(&mut figures)?;
    }
    if is_wanted("broadcast") {
        broadcast::measure(&mut figures)?;
    }
    if is_wanted("intake") {
        intake(&mut figures)?;
    }
    Ok(figures)
}

/// Start, pick and memory with every fax due and a trunk that is silent; then what people do to so long a queue.
fn waiting(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::silent()?;
    let site = Site::new(far_end.address())?;
    let took = queue::fill(&site.state(), FAXES)?;
    println!("{FAXES} faxes queued in {:.1} s", took.as_secs_f64());
    let (lined_up, claim) = claims(&site)?;
    println!(
        "all of them line up in {:.0} ms, once; then a claim takes {claim:.0} us",
        lined_up.as_secs_f64() * 1e3
    );
    let (daemon, start) = Daemon::start(&site)?;
    std::thread::sleep(Duration::from_secs(5));
    let rss = daemon.memory()?.peak_kb as f64 / 1024.0;
    println!(
        "start to the 220: {:.2} s; {rss:.0} MB at most",
        start.as_secs_f64()
    );
    figures.push(format!(
        "start_s={:.2} claim_us={claim:.0} rss_mb={rss:.0}",
        start.as_secs_f64()
    ));
    orders::measure(&site, &daemon, figures)
}

/// The first claim, which lets all of them line up, and the median of those behind it, each with its commit left out:
/// what the store does is one transaction among those that share a commit.
fn claims(site: &Site) -> anyhow::Result<(Duration, f64)> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let store = Store::open(&site.state())?;
        let claim = || {
            let took = std::sync::Arc::new(std::sync::Mutex::new(None));
            let noted = took.clone();
            let choose = move |_: &DueFax| {
                *noted.lock().expect("nobody panics") = Some(Instant::now());
                Choice::Take("{}".into(), ())
            };
            let (store, began) = (&store, Instant::now());
            async move {
                let found = store.claim_fax(choose, "2026-11-21".into(), now()).await?;
                ensure!(found.is_some(), "nothing was due");
                let chosen = took
                    .lock()
                    .expect("nobody panics")
                    .context("nothing was chosen")?;
                anyhow::Ok(chosen.duration_since(began))
            }
        };
        let lined_up = claim().await?;
        let mut all = Vec::new();
        for _ in 0..CLAIMS {
            all.push(claim().await?.as_secs_f64() * 1e6);
        }
        all.sort_by(f64::total_cmp);
        Ok((lined_up, all[CLAIMS / 2]))
    })
}

/// Mails a second of both, over 1 and 20 connections.
fn intake(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let postfix = Postfix::start()?;
    for (connections, mails) in LOADS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            theirs.push(rate(postfix.smtp(), connections, mails)?);
            let far_end = FarEnd::silent()?;
            let site = Site::new(far_end.address())?;
            let (daemon, _) = Daemon::start(&site)?;
            ours.push(rate(daemon.smtp, connections, mails)?);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "{connections} connections: {ours:.0} mails a second to their 250, Postfix {theirs:.0}"
        );
        figures.push(format!("intake_ratio_{connections}={:.2}", ours / theirs));
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// What `smtp-source` (postfix) gets rid of in a second.
fn rate(to: SocketAddr, connections: usize, mails: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let done = Command::new("smtp-source")
        .args(["-s", &connections.to_string(), "-m", &mails.to_string()])
        .args([
            "-l",
            &LETTER.to_string(),
            "-S",
            "A letter that says something",
        ])
        .args(["-f", "clerk@example.com", "-t", "5551234567@fax.local"])
        .arg(format!("inet:{}:{}", to.ip(), to.port()))
        .stdin(Stdio::null())
        .output()
        .context("smtp-source (Debian package postfix)")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success() && !said.contains("reject"),
        "smtp-source: {said}"
    );
    Ok(mails as f64 / began.elapsed().as_secs_f64())
}
