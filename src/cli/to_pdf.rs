//! `postfax to-pdf`: a fax TIFF as the PDF that a mail would carry.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context;
use jiff::Timestamp;

use crate::pages::pdf::{self, PdfInfo};
use crate::pages::tiff;

/// Wraps the pages of a fax TIFF into a PDF, without loss.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The TIFF to read
    #[arg(value_name = "IN.tiff")]
    input: PathBuf,
    /// The PDF to write
    #[arg(value_name = "OUT.pdf")]
    output: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Files that cannot be read or written, and TIFFs that are no fax.
pub fn run(args: Args) -> anyhow::Result<()> {
    let name = args.input.display();
    let file = fs::read(&args.input).with_context(|| format!("cannot read {name}"))?;
    let pages = tiff::read(&file).with_context(|| format!("cannot convert {name}"))?;
    let info = PdfInfo {
        title: title(&args),
        sender: None,
        created: created(&args),
    };
    fs::write(&args.output, pdf::write(&pages, &info))
        .with_context(|| format!("cannot write {}", args.output.display()))
}

fn title(args: &Args) -> String {
    let stem = args.input.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// When the TIFF was last written, so that the same file gives the same PDF.
fn created(args: &Args) -> Timestamp {
    fs::metadata(&args.input)
        .and_then(|data| data.modified())
        .ok()
        .and_then(|time: SystemTime| Timestamp::try_from(time).ok())
        .unwrap_or_default()
}
