//! `make torture KILLS=300`: `kill -9` at random moments, with a full disk, a disk that cannot be written, a clock that
//! jumps and a relay that flaps in the schedule, while mails pour in and calls go both ways.
//!
//! At the end the books are balanced by what others know: the client's list of mails that got a `250`, the machines' own
//! list of calls and pages, and the relay's mailboxes. The daemon's store is not asked. It fails when a mail is lost, a
//! page came twice that was confirmed, or somebody was not told.
//!
//! `SEED=...` throws the same dice again. Root, for the small disk; `faketime` (Debian package), for the clock.

#[allow(dead_code)] // Shared with the whole-program tests; not all of it is needed here.
#[path = "../whole/harness/mod.rs"]
mod harness;
mod trial;

use std::os::unix::process::CommandExt;
use std::process::Command;

use trial::books::Books;
use trial::{Disk, Trial};

/// Set where we are in a mount namespace of our own: whatever becomes of us, what we mounted goes with us.
const INSIDE: &str = "POSTFAX_TORTURE_INSIDE";

fn main() {
    if std::env::var_os(INSIDE).is_none() {
        let ourselves = std::env::current_exe().expect("we run");
        let mut inside = Command::new("unshare");
        let inside = inside.args(["--mount", "--propagation", "private"]);
        let failed = inside.arg(ourselves).env(INSIDE, "1").exec();
        panic!("unshare(1), which takes root: {failed}");
    }
    let kills = number("KILLS").unwrap_or(300) as u32;
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{kills} kills, SEED={seed}");
    let disk = Disk::mount().unwrap_or_else(|why| panic!("no small disk, which takes root: {why}"));
    let trial = Trial {
        kills,
        seed,
        long_lives: true,
    };
    let books = Books::balance(&trial.run(&disk));
    println!("RESULT kills={kills} {books}");
    books.judge();
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}
