//! `make figures`: what Postfax costs, measured on the release binary as it runs for a customer, over real sockets.
//!
//! Nothing here passes or fails: a figure that misses its aim is printed all the same, and the last line,
//! `RESULT name=value ...`, is for scripts. The far end of every call is a bare UDP socket,
//! but for the fax beside the forged INVITEs, which the simulated carrier takes.
//!
//! `cargo bench --bench figures -- idle hostile_input` measures only these.

mod clock;
#[allow(dead_code)] // `make bench-queue` needs more of it.
mod daemon;
mod far_end;
mod forged;
mod hostile;
mod mail;
mod queue;

use std::process::ExitCode;
use std::time::Duration;

use clock::{Spread, median_and_max};
use daemon::{Daemon, Site};
use far_end::FarEnd;
use mail::{Client, letter};

/// Jobs in the long queue.
const JOBS: usize = 10_000;

/// Starts, and calls, that are measured.
const STARTS: usize = 7;
const CALLS: usize = 20;

/// What the issue that this project began with asks for, in milliseconds.
const AIM_MS: f64 = 1000.0;

fn main() -> ExitCode {
    match measure() {
        Ok(figures) => {
            println!("RESULT {}", figures.join(" "));
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("figures: {e:#}");
            ExitCode::FAILURE
        }
    }
}

type Measurement = fn(&mut Vec<String>) -> anyhow::Result<()>;

const MEASUREMENTS: [(&str, Measurement); 6] = [
    ("idle", idle),
    ("long_queue", long_queue),
    ("from_250_to_invite", from_250_to_invite),
    ("throughput", throughput),
    ("hostile_input", hostile_input),
    ("forged_invites", forged::measure),
];

fn measure() -> anyhow::Result<Vec<String>> {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut figures = Vec::new();
    for (name, measurement) in MEASUREMENTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measurement(&mut figures)?;
        }
    }
    Ok(figures)
}

/// Memory of a daemon that nobody has spoken to.
fn idle(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::busy()?;
    let site = Site::new(far_end.address())?;
    let (daemon, _) = Daemon::start(&site)?;
    std::thread::sleep(Duration::from_secs(2));
    let rss = daemon.memory()?.rss_kb;
    println!("idle: {rss} KB resident");
    figures.push(format!("idle_rss_kb={rss}"));
    Ok(())
}

/// From the start of the process to the `220` of its first mail session, with every job due and the trunk dead: each
/// start finds the calls that the kill before it cut off, and dials at once.
fn long_queue(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::silent()?;
    let site = Site::new(far_end.address())?;
    let took = queue::fill(&site.state(), JOBS)?;
    println!("{JOBS} jobs queued in {:.1} s", took.as_secs_f64());
    let mut starts = Vec::new();
    let mut rss = 0;
    for _ in 0..STARTS {
        let (daemon, listening) = Daemon::start(&site)?;
        starts.push(listening);
        std::thread::sleep(Duration::from_secs(2));
        rss = rss.max(daemon.memory()?.rss_kb);
    }
    let Spread { median, max } = median_and_max(&starts);
    println!("start to listening with {JOBS} jobs: median {median:.0} ms, at most {max:.0} ms");
    println!("with {JOBS} jobs, 8 of them dialled: {rss} KB resident");
    figures.push(format!("start_ms={median:.0} start_ms_max={max:.0}"));
    figures.push(format!("start_aim_met={}", max < AIM_MS));
    figures.push(format!("queue_rss_kb={rss}"));
    Ok(())
}

/// One mail with a two-page PDF at a time, each to a number of its own.
fn from_250_to_invite(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::busy()?;
    let site = Site::new(far_end.address())?;
    let (daemon, _) = Daemon::start(&site)?;
    let text = letter();
    let mut waits = Vec::new();
    for n in 0..CALLS {
        let number = format!("555200{n:04}");
        let taken = Client::connect(daemon.smtp)?.submit(&number, &text)?;
        let invited = far_end.invited(&number)?;
        waits.push(invited.saturating_duration_since(taken));
    }
    let Spread { median, max } = median_and_max(&waits);
    println!("from 250 to the INVITE, two pages: median {median:.0} ms, at most {max:.0} ms");
    figures.push(format!("invite_ms={median:.0} invite_ms_max={max:.0}"));
    figures.push(format!("invite_aim_met={}", max < AIM_MS));
    Ok(())
}

/// Mails with a two-page PDF to the durable `250`, while the same daemon renders and dials them.
fn throughput(figures: &mut Vec<String>) -> anyhow::Result<()> {
    for (clients, mails) in [(1, 60), (20, 15)] {
        let far_end = FarEnd::busy()?;
        let site = Site::new(far_end.address())?;
        let (daemon, _) = Daemon::start(&site)?;
        let per_second = mail::storm(daemon.smtp, clients, mails)?;
        println!("mails to their 250 over {clients} connections: {per_second:.1} a second");
        figures.push(format!("mails_per_s_{clients}={per_second:.1}"));
    }
    Ok(())
}

/// Peaks of the daemon's own memory; its renderers have limits of their own.
fn hostile_input(figures: &mut Vec<String>) -> anyhow::Result<()> {
    let far_end = FarEnd::busy()?;
    let site = Site::new(far_end.address())?;
    let (daemon, _) = Daemon::start(&site)?;
    let mut worst = 0;
    for attack in hostile::ATTACKS {
        daemon.forget_peak()?;
        (attack.launch)(daemon.smtp)?;
        let peak = daemon.memory()?.peak_kb;
        println!("{}: peak {peak} KB resident", attack.what);
        figures.push(format!("{}_peak_kb={peak}", attack.name));
        worst = worst.max(peak);
    }
    Client::connect(daemon.smtp)?.submit("5553000000", &letter())?;
    figures.push(format!("hostile_peak_kb={worst}"));
    Ok(())
}
