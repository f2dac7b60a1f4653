//! What people do to a long queue while the daemon runs: look at it, hold, release and cancel ten thousand faxes, open the
//! page. Beside each, mails come in: what their `250` has to wait for, every claim has to wait for, too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::daemon::{Daemon, Site};
use crate::mail::Client;
use crate::queue::SECOND_SENDER;

/// Mails come in so long where nothing is done beside them.
const QUIET: Duration = Duration::from_secs(3);
/// A short letter.
const LETTER: &[u8] =
    b"From: clerk@example.com\r\nSubject: A letter\r\n\r\nWe thank you for yours.\r\n";

/// What is measured, and its name among the figures.
const LOOKS: [(&str, &[&str]); 3] = [
    ("queue_s", &["queue"]),
    ("queue_json_s", &["queue", "--json"]),
    ("queue_sender_s", &["queue", "--sender", SECOND_SENDER]),
];
const ORDERS: [(&str, &[&str]); 3] = [
    ("hold_s", &["hold", "--sender", SECOND_SENDER]),
    ("release_s", &["release", "--sender", SECOND_SENDER]),
    ("cancel_s", &["cancel", "--sender", SECOND_SENDER]),
];

/// Measures each on the running daemon.
pub fn measure(site: &Site, daemon: &Daemon, figures: &mut Vec<String>) -> anyhow::Result<()> {
    let idle = beside_mails(daemon, || {
        std::thread::sleep(QUIET);
        Ok(())
    })?;
    println!("a mail's 250 takes {:.0} ms at most", idle.longest_ms());
    figures.push(format!("wait_ms={:.0}", idle.longest_ms()));
    for (name, arguments) in LOOKS.iter().chain(&ORDERS) {
        let told = beside_mails(daemon, || postfax(site, arguments))?;
        tell(
            name,
            &format!("postfax {}", arguments.join(" ")),
            &told,
            figures,
        );
    }
    for (name, path) in [("page_s", "/"), ("json_s", "/status.json")] {
        let told = beside_mails(daemon, || get(site.status, path))?;
        tell(name, path, &told, figures);
    }
    Ok(())
}

fn tell(name: &str, what: &str, told: &Beside, figures: &mut Vec<String>) {
    let seconds = told.took.as_secs_f64();
    let longest = told.longest_ms();
    println!("{what}: {seconds:.2} s; beside it a mail's 250 takes {longest:.0} ms at most");
    let stem = name.trim_end_matches("_s");
    figures.push(format!("{name}={seconds:.2} {stem}_wait_ms={longest:.0}"));
}

/// How long something took, and how long the mails beside it.
struct Beside {
    took: Duration,
    mails: Vec<Duration>,
}

impl Beside {
    fn longest_ms(&self) -> f64 {
        let longest = self.mails.iter().max().copied().unwrap_or_default();
        longest.as_secs_f64() * 1e3
    }
}

/// Does something while one mail after the other comes in; at least one comes behind its end.
fn beside_mails(
    daemon: &Daemon,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Beside> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mails = scope.spawn(|| mails_until(daemon.smtp, &over));
        let began = Instant::now();
        let done = work();
        let took = began.elapsed();
        over.store(true, Ordering::Relaxed);
        let mails = mails.join().expect("no client panics")?;
        done?;
        Ok(Beside { took, mails })
    })
}

fn mails_until(smtp: SocketAddr, over: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let mut client = Client::connect(smtp)?;
    let mut took = Vec::new();
    while !over.load(Ordering::Relaxed) {
        client.begin("5559990000")?;
        let began = Instant::now();
        client.write(LETTER)?;
        let taken = client.say(".")?;
        ensure!(taken.starts_with("250 "), "{taken}");
        took.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(took)
}

/// As a person does; what it prints is read.
fn postfax(site: &Site, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new(env!("CARGO_BIN_EXE_postfax"))
        .arg("--config")
        .arg(site.config())
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "postfax {arguments:?}: {said}");
    ensure!(
        !done.stdout.is_empty(),
        "postfax {arguments:?} says nothing"
    );
    Ok(())
}

fn get(status: SocketAddr, path: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(status)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut page = String::new();
    stream.read_to_string(&mut page).context("the page")?;
    let first = page.lines().next().unwrap_or_default();
    ensure!(first.contains(" 200 "), "{path}: {first}");
    Ok(())
}
