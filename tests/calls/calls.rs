//! `make bench-calls`: what our calls survive, what they cost and how long they take, on release code.
//!
//! Nothing here passes or fails: a figure that misses its aim is printed all the same, and the last line,
//! `RESULT name=value ...`, is for scripts. Three parts, each of which can be had alone
//! (`cargo bench --bench calls -- matrix seconds capacity`):
//!
//! - `matrix`: faxes through bad weather, our sender to our receiver, in virtual time over a wire in memory.
//! - `seconds`: how long each kind of page takes and what on, in virtual time; one in real time beside it.
//! - `capacity`: calls at a time, over SIP and real sockets of loopback: CPU, memory, punctuality, failures.
//!
//! Settings, all in the environment: `CALLS` (faxes for each cell of the matrix, 20), `STEPS` (calls at a time in T.38,
//! `10,50,100,200,400,600,800`), `AUDIO_STEPS` (the same in audio), `RAMP` (seconds over which they start, 20).

mod capacity;
mod far_side;
mod figures;
mod matrix;
mod pages;
mod seconds;

use std::process::ExitCode;

use figures::Figures;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    // This very program is also the side that calls; see `capacity`.
    let done = match wanted.first().map(String::as_str) {
        Some(far_side::CALLING_SIDE) => far_side::call(&wanted[1..]),
        _ => measure(&wanted),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("calls: {e:#}");
            ExitCode::FAILURE
        }
    }
}

type Part = fn(&mut Figures) -> anyhow::Result<()>;

const PARTS: [(&str, Part); 3] = [
    ("matrix", matrix::measure),
    ("seconds", seconds::measure),
    ("capacity", capacity::measure),
];

fn measure(wanted: &[String]) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&mut figures)?;
        }
    }
    println!("RESULT {figures}");
    Ok(())
}

/// A setting from the environment.
fn setting<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(said) => said
            .parse()
            .map_err(|_| anyhow::anyhow!("{name}={said} is no number")),
        Err(_) => Ok(default),
    }
}

/// Steps from the environment, as `10,50`; empty for none.
fn steps(name: &str, default: &[usize]) -> anyhow::Result<Vec<usize>> {
    let Ok(said) = std::env::var(name) else {
        return Ok(default.to_vec());
    };
    let steps = said.split(',').filter(|step| !step.trim().is_empty());
    let steps = steps.map(|step| step.trim().parse());
    steps
        .collect::<Result<_, _>>()
        .map_err(|_| anyhow::anyhow!("{name}={said} is no list of numbers, as 10,50,100 is"))
}
