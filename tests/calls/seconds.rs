//! How many seconds a page takes, and what they are spent on.

use std::time::Duration;

use postfax::pages::Resolution;
use postfax::proto::sdp::ErrorCorrection;
use postfax::worker::call::trial::{LEAST_PAUSE, Medium, Report, Trial, Weather};

use crate::capacity::{self, Step};
use crate::figures::Figures;
use crate::pages::{KINDS, Kind};

const T38: Medium = Medium::T38(ErrorCorrection::Redundancy, 3);

/// Runs all of it.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    println!("Seconds from the first packet to the sender's end, in virtual time, with ECM:");
    println!(
        "{:<24}{:>7}{:>8}{:>7}{:>8}{:>10}{:>6}{:>7}{:>8}{:>8}{:>8}",
        "page", "KB", "T.38", "CED", "frames", "training", "TCF", "page", "pauses", "T.85", "audio"
    );
    for kind in KINDS {
        for (name, resolution) in [
            ("standard", Resolution::Standard),
            ("fine", Resolution::Fine),
        ] {
            let pages = [kind.page(resolution)];
            let t38 = fax(&pages, T38, false)?;
            let t85 = fax(&pages, T38, true)?;
            let audio = fax(&pages, Medium::Audio, false)?;
            if (kind, resolution) == (Kind::Letter, Resolution::Fine) {
                figures.note("letter_t85_s", format_args!("{:.1}", t85.seconds.total));
            }
            let s = t38.seconds;
            println!(
                "{:<24}{:>7.1}{:>8.1}{:>7.1}{:>8.1}{:>10.1}{:>6.1}{:>7.1}{:>8.1}{:>8.1}{:>8.1}",
                format!("{}, {name}", kind.name()),
                pages[0].g4.len() as f64 / 1024.0,
                s.total,
                s.ced,
                s.frames,
                s.training,
                s.tcf,
                s.page,
                s.pauses,
                t85.seconds.total,
                audio.seconds.total
            );
        }
    }
    println!();
    signal_by_signal()?;
    real_time(figures)
}

/// Each signal of one call, and how few seconds T.30 has for it.
fn signal_by_signal() -> anyhow::Result<()> {
    let report = fax(&[Kind::Letter.page(Resolution::Fine)], T38, false)?;
    println!("The fine letter in T.38, signal by signal, and the least that T.30 has for each:");
    println!(
        "{:<18}{:<10}{:>7}{:>9}{:>8}",
        "signal", "by", "at", "seconds", "least"
    );
    let mut least = 0.0;
    for signal in &report.signals {
        let by = if signal.by_sender {
            "sender"
        } else {
            "receiver"
        };
        println!(
            "{:<18}{by:<10}{:>7.2}{:>9.2}{:>8.2}",
            signal.name, signal.began, signal.seconds, signal.least
        );
        least += signal.least;
    }
    let pauses = LEAST_PAUSE * report.signals.len() as f64;
    println!(
        "{:<35}{:>9.2}{:>8.2}",
        "pauses", report.seconds.pauses, pauses
    );
    println!(
        "{:<35}{:>9.2}{:>8.2}",
        "all",
        report.seconds.total,
        least + pauses
    );
    println!();
    Ok(())
}

fn fax(pages: &[postfax::pages::FaxPage], medium: Medium, t85: bool) -> anyhow::Result<Report> {
    let trial = Trial {
        pages,
        medium,
        ecm: true,
        t85,
        weather: Weather::default(),
    };
    let report = trial.run()?;
    anyhow::ensure!(report.is_success(), "a fax in fine weather: {report:?}");
    Ok(report)
}

/// The whole program, from the answer to the end of the call: with the re-INVITE, and with every wait that is ours.
fn real_time(figures: &mut Figures) -> anyhow::Result<()> {
    let page = Kind::Letter.page(Resolution::Fine);
    println!("The fine letter in real time, from the 200 to the end of the call:");
    for (name, audio) in [("T.38", false), ("audio", true)] {
        let step = Step {
            calls: 1,
            audio,
            ramp: Duration::ZERO,
        };
        let taken = capacity::run(&step, &page)?;
        println!("  {name}: {:.1} s", taken.median_seconds);
        if !audio {
            figures.note("letter_t38_s", format_args!("{:.1}", taken.median_seconds));
        }
    }
    println!();
    Ok(())
}
