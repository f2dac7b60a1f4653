//! Machines that fax to us, one after the other.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use postfax::pages::sample;

use super::evidence::LONGEST;
use crate::harness::process::Process;
use crate::harness::{OURS, Site};

/// How long a call may last.
const PATIENCE: Duration = Duration::from_secs(120);

/// Machines that call. Each has a number of its own; its last digit says how many pages it has.
pub struct Machines {
    letters: Vec<PathBuf>,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Machines {
    /// Nobody calls yet.
    pub fn of(site: &Site) -> Machines {
        let letters = (1..=LONGEST).map(|pages| {
            let letter = site.path(&format!("letter-{pages}.tiff"));
            std::fs::copy(site.rendered(&sample::numbered_pages(pages)), &letter).expect("room");
            letter
        });
        let plain = |path: PathBuf| path.to_str().expect("a plain path").to_owned();
        let arguments = [
            "carrier",
            "--listen",
            &site.address(5071).to_string(),
            "--gateway",
            &site.config.sip.listen[0].address.to_string(),
            "--folder",
            &plain(site.path("machines-5071")),
            "--to",
            OURS,
        ];
        Machines {
            letters: letters.collect(),
            arguments: arguments.map(str::to_owned).to_vec(),
            log: site.path("carrier-5071.log"),
        }
    }

    /// One call after the other, whatever becomes of each.
    pub fn call(&self, mut rng: Rng, stop: &AtomicBool) {
        for n in 0..10_000 {
            let pages = rng.usize(1..=self.letters.len());
            let (caller, letter) = (format!("55577{n:04}{pages}"), &self.letters[pages - 1]);
            let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
            arguments.extend(["--from", &caller, "--send", letter.to_str().expect("plain")]);
            until_over(Process::start(&arguments, &self.log, &[]));
            std::thread::sleep(Duration::from_millis(rng.u64(100..2_000)));
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// One that rings at a gateway that was killed may ring for long; it is not waited for for ever.
fn until_over(mut machine: Process) {
    let until = Instant::now() + PATIENCE;
    while !machine.is_over() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
}
