//! What each converter makes of a document, and what is wrong with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use image::{GrayImage, Luma, imageops};
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{Resolution, g4};

use crate::measured::{self, Cost};
use crate::reading::{self, Read, Text};
use crate::tools::{self, TOOLS, Tool};

/// Of a page that lies across, so many words in a hundred are missed at least.
const HOPELESS: f64 = 80.0;

/// From the environment.
pub struct Settings {
    /// A folder for what lives no longer than this program.
    pub scratch: PathBuf,
    /// Where the pages go as PNG.
    pub keep: Option<PathBuf>,
    /// Of each document, how many pages are read again.
    pub ocr_pages: usize,
    /// Documents at a time.
    pub at_a_time: usize,
    /// Who makes pages.
    pub tools: Vec<Tool>,
    /// What pages are made.
    pub resolutions: Vec<Resolution>,
}

impl Settings {
    /// Reads them.
    pub fn from_environment(scratch: &Path) -> anyhow::Result<Settings> {
        let number = |name: &str, default| match std::env::var(name) {
            Ok(said) => said
                .parse()
                .with_context(|| format!("{name}={said} is no number")),
            Err(_) => Ok(default),
        };
        let resolutions = match std::env::var_os("FINE_ONLY") {
            Some(_) => vec![Resolution::Fine],
            None => vec![Resolution::Standard, Resolution::Fine],
        };
        let named = std::env::var("TOOLS").ok();
        let is_named = |tool: &Tool| {
            let mut names = named.iter().flat_map(|names| names.split(','));
            named.is_none() || names.any(|name| name == tool.name())
        };
        Ok(Settings {
            tools: TOOLS.into_iter().filter(is_named).collect(),
            scratch: scratch.to_owned(),
            keep: std::env::var_os("KEEP").map(PathBuf::from),
            ocr_pages: number("OCR_PAGES", 3)?,
            at_a_time: number("AT_A_TIME", 2)?,
            resolutions,
        })
    }
}

/// A document, and what was made of it.
pub struct Made {
    /// File name without its end.
    pub name: String,
    /// By each converter at each resolution.
    pub runs: Vec<Run>,
}

impl Made {
    /// The name up to the first `__`.
    pub fn kind(&self) -> &str {
        self.name.split_once("__").map_or("other", |(kind, _)| kind)
    }

    /// What one converter made.
    pub fn run(&self, tool: Tool, resolution: Resolution) -> Option<&Run> {
        self.runs
            .iter()
            .find(|run| run.tool == tool && run.resolution == resolution)
    }
}

/// What a converter made of a document.
pub struct Run {
    pub tool: Tool,
    pub resolution: Resolution,
    pub cost: Cost,
    /// Octets of T.6 for each page.
    pub octets: Vec<usize>,
    /// Pages that are white all over, from 1.
    pub blank: Vec<usize>,
    /// For each page with a text layer: number, what was read of it.
    pub read: Vec<(usize, Read)>,
    /// QR and bar codes that were read.
    pub codes: Vec<String>,
}

/// Has all converters make pages of a document.
pub fn make(settings: &Settings, document: &Path) -> anyhow::Result<Made> {
    let name = document
        .file_stem()
        .context("a file name")?
        .to_string_lossy()
        .into_owned();
    let texts: Vec<Option<Text>> = (1..=settings.ocr_pages)
        .map(|page| reading::text_layer(document, page))
        .collect::<Result<_, _>>()?;
    let document = fs::canonicalize(document)?;
    let mut runs = Vec::new();
    for &resolution in &settings.resolutions {
        for &tool in &settings.tools {
            runs.push(run(settings, &name, &document, &texts, tool, resolution)?);
        }
    }
    Ok(Made { name, runs })
}

fn run(
    settings: &Settings,
    name: &str,
    document: &Path,
    texts: &[Option<Text>],
    tool: Tool,
    resolution: Resolution,
) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir_in(&settings.scratch)?;
    let mut cost = measured::run(&tool.command(document, resolution), folder.path())?;
    let pages = match tool.pages(folder.path()) {
        Ok(pages) if pages.is_empty() => Err(anyhow::anyhow!("no pages")),
        made => made,
    };
    let pages = pages.unwrap_or_else(|why| {
        // Some say that all went well.
        cost.failure.get_or_insert(format!("{why:#}"));
        Vec::new()
    });
    let mut run = Run {
        tool,
        resolution,
        cost,
        octets: pages.iter().map(|page| g4::encode(page).len()).collect(),
        blank: Vec::new(),
        read: Vec::new(),
        codes: Vec::new(),
    };
    for (number, page) in (1..).zip(&pages) {
        if page.blank_rows_at_top() == page.height() {
            run.blank.push(number);
        }
        let text = texts.get(number - 1).and_then(Option::as_ref);
        let looked_at = number <= settings.ocr_pages.max(1);
        if !looked_at {
            continue;
        }
        let png = folder.path().join("page.png");
        let seen = as_looked_at(page, resolution);
        seen.save(&png)?;
        if let Some(text) = text {
            let turned = folder.path().join("turned.png");
            run.read.push((number, read(text, &seen, &png, &turned)?));
        }
        if looked_at && name.starts_with("code") {
            run.codes.extend(codes(&png)?);
        }
        if let (Some(keep), true) = (&settings.keep, looked_at) {
            fs::create_dir_all(keep)?;
            let file = format!(
                "{name}-{number}-{}-{}.png",
                tools::name(resolution),
                tool.name()
            );
            fs::copy(&png, keep.join(file))?;
        }
    }
    Ok(run)
}

/// Reads a page; one of which next to nothing is read lies across, and is turned first.
fn read(text: &Text, seen: &GrayImage, png: &Path, turned: &Path) -> anyhow::Result<Read> {
    let upright = reading::compare(text, png)?;
    if upright.missed_percent() < HOPELESS {
        return Ok(upright);
    }
    let mut best = upright;
    for seen in [imageops::rotate90(seen), imageops::rotate270(seen)] {
        seen.save(turned)?;
        let read = reading::compare(text, turned)?;
        if read.missed < best.missed {
            best = read;
        }
    }
    Ok(best)
}

/// As a fax viewer shows it: rows doubled where the resolution is standard, so that pels are square.
fn as_looked_at(page: &Bitmap, resolution: Resolution) -> GrayImage {
    let times = if resolution == Resolution::Standard {
        2
    } else {
        1
    };
    GrayImage::from_fn(page.width(), page.height() * times, |x, y| {
        Luma([if page.get(x, y / times) { 0 } else { 0xFF }])
    })
}

fn codes(png: &Path) -> anyhow::Result<Vec<String>> {
    let out = Command::new("zbarimg").args(["-q"]).arg(png).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}
