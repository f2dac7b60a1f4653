//! Runs the cases, some at a time, and prints a table.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::asterisk::Asterisk;

/// Calls at a time: a far end and a daemon each.
const AT_A_TIME: usize = 8;

/// One call, or a handful, with a far end.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name in the table, and of its files.
    pub name: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// Runs it; panics when something is wrong, and says how it went.
    pub run: fn(&Case, &Asterisk) -> String,
}

struct Row {
    case: Case,
    took: Duration,
    went: Result<String, String>,
}

/// The names, for `CASES=list`.
pub fn list(cases: &[Case]) -> ExitCode {
    for case in cases {
        println!("{:22} {}", case.name, case.what);
    }
    ExitCode::SUCCESS
}

/// Runs them all, and at last looks at what was on the wire; success when each one went well.
pub fn run(
    cases: &[Case],
    farend: &Asterisk,
    at_last: impl FnOnce() -> Result<String, String>,
) -> ExitCode {
    let waiting = Mutex::new(cases.iter().copied().collect::<VecDeque<Case>>());
    let rows = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic holds it").pop_front();
                    let Some(case) = next else { return };
                    let row = run_one(case, farend);
                    print(&row);
                    rows.lock().expect("no panic holds it").push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("no panic holds it");
    let wire = run_last(at_last);
    print(&wire);
    rows.push(wire);
    let failed: Vec<&Row> = rows.iter().filter(|row| row.went.is_err()).collect();
    if !failed.is_empty() {
        println!("\nwhat failed:");
        failed.iter().for_each(|row| print(row));
    }
    println!(
        "RESULT interop={}/{} seconds={:.0}",
        rows.len() - failed.len(),
        rows.len(),
        began.elapsed().as_secs_f64()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run_last(look: impl FnOnce() -> Result<String, String>) -> Row {
    let began = Instant::now();
    let went = look();
    Row {
        case: Case {
            name: "tshark",
            what: "what we sent is well-formed",
            run: |_, _| String::new(),
        },
        took: began.elapsed(),
        went,
    }
}

fn run_one(case: Case, farend: &Asterisk) -> Row {
    let began = Instant::now();
    let went = catch_unwind(AssertUnwindSafe(|| (case.run)(&case, farend)));
    Row {
        case,
        took: began.elapsed(),
        went: went.map_err(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            words
                .or_else(|| {
                    panic
                        .downcast_ref::<&str>()
                        .map(|words| (*words).to_owned())
                })
                .unwrap_or_else(|| "it panicked".to_owned())
        }),
    }
}

fn print(row: &Row) {
    let (verdict, words) = match &row.went {
        Ok(words) => ("ok", words),
        Err(words) => ("FAILED", words),
    };
    println!(
        "{verdict:7} {:22} {:>5.1} s  {}: {words}",
        row.case.name,
        row.took.as_secs_f64(),
        row.case.what,
    );
}
