//! Twenty pages in one run: what a page costs where the start of the process is shared. And the way back: two hundred
//! received pages to a PDF; and our T.6 encoder beside libtiff's.

use std::fs;
use std::time::Instant;

use jiff::Timestamp;
use postfax::pages::pdf::{self, PdfInfo};
use postfax::pages::{FaxPage, Resolution, tiff};

use crate::coding;
use crate::made::Settings;
use crate::measured;
use crate::paper;
use crate::tools::Tool;

/// Runs of each converter; the quickest counts.
const RUNS: usize = 3;

/// Received pages that become one PDF.
const RECEIVED: usize = 200;

/// What was measured.
pub struct LongRun {
    /// CPU of a page in milliseconds, by converter.
    cpu_ms: Vec<(Tool, f64)>,
    /// Milliseconds for the PDF of [`RECEIVED`] pages; nothing where ours made none.
    pub pdf_ms: Option<f64>,
    /// Our T.6 encoder's CPU over libtiff's; nothing where ours made no pages.
    pub g4_ratio: Option<f64>,
}

impl LongRun {
    /// CPU of one converter.
    pub fn cpu_ms(&self, tool: Tool) -> f64 {
        let found = self.cpu_ms.iter().find(|(its, _)| *its == tool);
        found.map_or(f64::NAN, |(_, ms)| *ms)
    }
}

/// Measures all converters, one after the other.
pub fn measure(settings: &Settings) -> anyhow::Result<LongRun> {
    let document = settings.scratch.join("twenty.pdf");
    fs::write(&document, paper::twenty_pages())?;
    let mut pdf_ms = None;
    let mut g4_ratio = None;
    let mut one = |tool: Tool| -> anyhow::Result<(Tool, f64)> {
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let folder = tempfile::tempdir_in(&settings.scratch)?;
            let cost = measured::run(&tool.command(&document, Resolution::Fine), folder.path())?;
            best = best.min(cost.cpu_ms / 20.0);
            if tool == Tool::Ours {
                let pages = tiff::read(&fs::read(folder.path().join("out.tiff"))?)?;
                if g4_ratio.is_none() {
                    g4_ratio = Some(coding::ratio(&pages, folder.path())?);
                }
                let took = to_pdf(pages)?;
                pdf_ms = Some(took.min(pdf_ms.unwrap_or(took)));
            }
        }
        Ok((tool, best))
    };
    let tools = settings.tools.iter().copied();
    let cpu_ms = tools.map(&mut one).collect::<Result<_, _>>()?;
    Ok(LongRun {
        cpu_ms,
        pdf_ms,
        g4_ratio,
    })
}

/// Milliseconds for the PDF of so many pages as a call brings, without a text layer.
fn to_pdf(pages: Vec<FaxPage>) -> anyhow::Result<f64> {
    let pages: Vec<FaxPage> = pages.into_iter().cycle().take(RECEIVED).collect();
    let info = PdfInfo {
        title: "Fax from +12125550100".to_owned(),
        sender: Some("+12125550100".to_owned()),
        created: Timestamp::now(),
    };
    let begun = Instant::now();
    let written = pdf::write(&pages, &info);
    let took = begun.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(written.len() > RECEIVED, "no PDF came of them");
    Ok(took)
}
