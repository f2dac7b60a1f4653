//! One converter at a time, with what it took. A process of this very program runs it: the kernel adds up what a
//! process's children took, so each run needs a parent of its own.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};

/// The argument that asks for one run.
pub const RUN: &str = "run-and-tell";

/// Longer than that no converter may take for a document.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run took.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Milliseconds of CPU, of all its processes.
    pub cpu_ms: f64,
    /// Memory of the largest of its processes at its peak, in MB.
    pub rss_mb: f64,
    /// What went wrong, where something did.
    pub failure: Option<String>,
}

/// Runs a command in a folder and measures it.
pub fn run(command: &[String], folder: &Path) -> anyhow::Result<Cost> {
    let out = Command::new(std::env::current_exe()?)
        .arg(RUN)
        .args(command)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()?;
    let told = String::from_utf8_lossy(&out.stdout);
    let mut fields = told.trim().splitn(3, '\t');
    let mut number = || -> Option<f64> { fields.next()?.parse().ok() };
    let cost = number().zip(number());
    let (cpu_ms, rss_mb) = cost.with_context(|| format!("{} told {told:?}", command[0]))?;
    let failure = fields.next().filter(|why| !why.is_empty());
    Ok(Cost {
        cpu_ms,
        rss_mb,
        failure: failure.map(str::to_owned),
    })
}

/// The other side of [`run`].
pub fn run_and_tell(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a program to run")?;
    let said = tempfile::tempfile()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let until = Instant::now() + LIMIT;
    let failure = loop {
        match child.try_wait()? {
            Some(status) if status.success() => break String::new(),
            Some(status) => break format!("{status}: {}", last_words(said)?),
            None if Instant::now() > until => {
                child.kill()?;
                child.wait()?;
                break format!("took longer than {} s", LIMIT.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ms =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    let cpu_ms = ms(usage.user_time()) + ms(usage.system_time());
    let rss_mb = usage.max_rss() as f64 / 1024.0;
    println!("{cpu_ms:.3}\t{rss_mb:.1}\t{failure}");
    Ok(())
}

/// The last line of what it said.
fn last_words(mut said: std::fs::File) -> anyhow::Result<String> {
    use std::io::{Read as _, Seek as _};
    said.rewind()?;
    let mut octets = Vec::new();
    said.read_to_end(&mut octets)?;
    let text = String::from_utf8_lossy(&octets);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Ok(last.unwrap_or("without a word").trim().to_owned())
}
