//! `make bench-pages`: our pages beside those of Ghostscript, poppler and MuPDF, on release code.
//!
//! Nothing here passes or fails: a figure that misses its aim is printed all the same, and the last line,
//! `RESULT name=value ...`, is for scripts; its ratios are ours over Ghostscript's. Every converter makes A4 fax pages
//! of every document, in a process of its own; what it made is coded in T.6 by one encoder, turned into letters by one
//! reader at the size at which a fax is looked at, and compared with the text that the document has.
//!
//! Settings, all in the environment: `CORPUS` (a folder of PDFs; the kind of each is its name up to the first `__`),
//! `HALF` (`tuning` or `held-out`: only the documents of that half, see [`Half`]), `KEEP` (a folder for the pages as PNG),
//! `OCR_PAGES` (of each document, how many pages are read again, 3; 0 for none), `AT_A_TIME` (documents, 2), `TOOLS`
//! (`ours,ghostscript`: only these), `FINE_ONLY=1` (halves the time).
//!
//! What was read of a page is kept in `target/bench-pages`: a second run reads only pages that have changed since.

#[path = "../calls/figures.rs"]
mod figures;

mod coding;
mod long_run;
mod made;
mod measured;
mod paper;
mod reading;
mod report;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::Context as _;

use made::{Made, Settings};
use sha2::{Digest as _, Sha256};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This very program also runs the converters one by one, see `measured`.
    let done = match arguments.first().map(String::as_str) {
        Some(measured::RUN) => measured::run_and_tell(&arguments[1..]),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pages: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let settings = Settings::from_environment(scratch.path())?;
    let documents = match std::env::var_os("CORPUS") {
        Some(folder) => documents(Path::new(&folder))?,
        None => paper::write_all(&scratch.path().join("paper"))?,
    };
    let made = make_all(&settings, documents)?;
    let long_run = long_run::measure(&settings)?;
    report::print(&settings, &made, &long_run);
    Ok(())
}

/// The PDFs of a folder, by name.
fn documents(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("CORPUS={} cannot be read", folder.display()))?;
    let mut documents: Vec<PathBuf> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pdf"))
        .collect();
    if let Ok(half) = std::env::var("HALF") {
        let half: Half = half.parse()?;
        documents.retain(|path| Half::of(path) == half);
    }
    documents.sort();
    anyhow::ensure!(
        !documents.is_empty(),
        "there is no *.pdf in {}",
        folder.display()
    );
    Ok(documents)
}

/// Half of the documents of a folder, by the first octet of the SHA-256 of their file names: constants are tuned on the
/// even ones, and what that is worth is measured on the odd ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Tuning,
    HeldOut,
}

impl Half {
    fn of(path: &Path) -> Half {
        let name = path.file_name().unwrap_or_default();
        match Sha256::digest(name.as_encoded_bytes())[0] % 2 {
            0 => Half::Tuning,
            _ => Half::HeldOut,
        }
    }
}

impl std::str::FromStr for Half {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Half> {
        match name {
            "tuning" => Ok(Half::Tuning),
            "held-out" => Ok(Half::HeldOut),
            _ => anyhow::bail!("HALF={name}: it is tuning or held-out"),
        }
    }
}

/// Has all converters make pages of all documents, some documents at a time.
fn make_all(settings: &Settings, documents: Vec<PathBuf>) -> anyhow::Result<Vec<Made>> {
    let waiting = Mutex::new(documents.into_iter());
    let made = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        let work = || -> anyhow::Result<()> {
            loop {
                let next = waiting.lock().expect("nobody panics").next();
                let Some(document) = next else {
                    return Ok(());
                };
                let pages = made::make(settings, &document)?;
                eprintln!("{}", pages.name);
                made.lock().expect("nobody panics").push(pages);
            }
        };
        let workers: Vec<_> = (0..settings.at_a_time)
            .map(|_| threads.spawn(work))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("nobody panics"))
    })?;
    let mut made = made.into_inner().expect("nobody panics");
    made.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(made)
}
