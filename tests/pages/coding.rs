//! Our T.6 encoder beside libtiff's, on pages as we make them.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{FaxPage, g4, tiff};

use crate::measured;

/// Pages that are coded, and runs, of which the quickest counts.
const PAGES: usize = 200;
const RUNS: usize = 3;

/// Our CPU over that of libtiff for the same pages. libtiff's is that of a `tiffcp` that codes them, less that of one
/// which leaves them as they are.
pub fn ratio(pages: &[FaxPage], folder: &Path) -> anyhow::Result<f64> {
    let pages: Vec<FaxPage> = pages.iter().cloned().cycle().take(PAGES).collect();
    let bitmap = |page: &FaxPage| g4::decode(&page.g4, page.width, page.height);
    let bitmaps: Vec<Bitmap> = pages.iter().map(bitmap).collect::<Result<_, _>>()?;
    fs::write(folder.join("coded.tiff"), tiff::write(&pages))?;
    tiffcp("none", "coded.tiff", folder)?;
    fs::rename(folder.join("copy.tiff"), folder.join("plain.tiff"))?;
    let quickest = |took: &dyn Fn() -> anyhow::Result<f64>| {
        (0..RUNS).try_fold(f64::INFINITY, |best, _| {
            Ok::<_, anyhow::Error>(took()?.min(best))
        })
    };
    let coding = quickest(&|| tiffcp("g4", "plain.tiff", folder))?;
    let copying = quickest(&|| tiffcp("none", "plain.tiff", folder))?;
    let ours = quickest(&|| encoding(&bitmaps))?;
    Ok(ours / (coding - copying))
}

/// Milliseconds of CPU for a copy in another coding.
fn tiffcp(coding: &str, from: &str, folder: &Path) -> anyhow::Result<f64> {
    let command = ["tiffcp", "-c", coding, from, "copy.tiff"].map(str::to_owned);
    let cost = measured::run(&command, folder)?;
    anyhow::ensure!(cost.failure.is_none(), "tiffcp: {:?}", cost.failure);
    Ok(cost.cpu_ms)
}

/// Milliseconds of CPU for coding pages.
fn encoding(pages: &[Bitmap]) -> anyhow::Result<f64> {
    let spent = || -> anyhow::Result<i64> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        Ok((usage.user_time() + usage.system_time()).num_microseconds())
    };
    let before = spent()?;
    let octets: usize = pages.iter().map(|page| g4::encode(page).len()).sum();
    let after = spent()?;
    (octets > 0).then_some(()).context("no page was coded")?;
    Ok((after - before) as f64 / 1e3)
}
