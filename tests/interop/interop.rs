//! `make interop`: calls with far ends that none of us wrote, in both directions.
//!
//! The far ends come from Debian's packages, each release in a folder of its own (`install.sh`). Everything runs in a
//! network, a process and a mount namespace of this run: no port is taken, no packet leaves the machine, and whatever
//! was started ends with it. Every case has a daemon of its own; eight run at a time.
//!
//! `make interop CASES="digest fec"` runs the cases whose names contain one of these words, `CASES=list` lists them.
//! The last line counts; the exit code says whether everything that must work did.

mod asterisk;
mod capture;
mod gateway;
#[allow(dead_code)] // Shared with the whole-program tests; not all of it is needed here.
#[path = "../whole/harness/mod.rs"]
mod harness;
mod hylafax;
mod inbound;
mod lab;
mod ours;
mod outbound;
mod pages;
mod report;
mod shared;
#[allow(dead_code, reason = "the bench of calls needs more of it")]
#[path = "../calls/pages.rs"]
mod sheets;
mod sipp;

use std::process::ExitCode;

use lab::Lab;
use report::Case;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let all = [
        // The longest first.
        hylafax::cases(),
        gateway::cases(),
        outbound::cases(),
        shared::cases(),
        inbound::cases(),
        // Hundreds of calls: last, for what they do to the clocks of the others.
        sipp::cases(),
    ]
    .concat();
    let cases: Vec<Case> = all
        .iter()
        .copied()
        .filter(|case| words.is_empty() || words.iter().any(|word| case.name.contains(word)))
        .collect();
    if words == ["list"] {
        return report::list(&all);
    }
    if cases.is_empty() {
        eprintln!("interop: no case has one of these words in its name: {words:?}");
        return ExitCode::FAILURE;
    }
    if !lab::is_ours() {
        return lab::run_again_inside();
    }
    let lab: &'static Lab = Box::leak(Box::new(Lab::prepare()));
    let farend = asterisk::Asterisk::start(lab);
    let capture = capture::Capture::start(lab);
    report::run(&cases, &farend, || capture.judge())
}
