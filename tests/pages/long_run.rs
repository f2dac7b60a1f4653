//! Twenty pages in one run: what a page costs where the start of the process is shared.

use std::fs;

use postfax::pages::Resolution;

use crate::made::Settings;
use crate::measured;
use crate::paper;
use crate::tools::Tool;

/// Runs of each converter; the quickest counts.
const RUNS: usize = 3;

/// CPU of a page in milliseconds, by converter.
pub struct LongRun(Vec<(Tool, f64)>);

impl LongRun {
    /// That of one converter.
    pub fn cpu_ms(&self, tool: Tool) -> f64 {
        let found = self.0.iter().find(|(its, _)| *its == tool);
        found.map_or(f64::NAN, |(_, ms)| *ms)
    }
}

/// Measures all converters, one after the other.
pub fn measure(settings: &Settings) -> anyhow::Result<LongRun> {
    let document = settings.scratch.join("twenty.pdf");
    fs::write(&document, paper::twenty_pages())?;
    let one = |tool: Tool| -> anyhow::Result<(Tool, f64)> {
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let folder = tempfile::tempdir_in(&settings.scratch)?;
            let cost = measured::run(&tool.command(&document, Resolution::Fine), folder.path())?;
            best = best.min(cost.cpu_ms / 20.0);
        }
        Ok((tool, best))
    };
    Ok(LongRun(
        settings
            .tools
            .iter()
            .copied()
            .map(one)
            .collect::<Result<_, _>>()?,
    ))
}
