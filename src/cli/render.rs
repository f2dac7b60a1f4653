//! `postfax render`: what a PDF will look like as a fax.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::pages::pdfium::{self, Renderer};
use crate::pages::{Resolution, render, tiff};

/// Makes the TIFF that would be faxed from a PDF, without its header lines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The PDF to read.
    input: PathBuf,
    /// The TIFF to write.
    output: PathBuf,
    /// Rows of the page: standard (98 dpi), fine (196 dpi) or superfine (391 dpi).
    #[arg(long, default_value = "fine")]
    resolution: Resolution,
    /// libpdfium.so, where it is not at one of the usual places.
    #[arg(long)]
    pdfium: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Files that cannot be read or written, and documents that cannot be faxed.
pub fn run(args: Args) -> anyhow::Result<()> {
    let name = args.input.display();
    let pdf = fs::read(&args.input).with_context(|| format!("cannot read {name}"))?;
    let tiff = convert(&pdf, args.resolution, args.pdfium.as_deref())
        .with_context(|| format!("{name} cannot be faxed"))?;
    fs::write(&args.output, tiff).with_context(|| format!("cannot write {}", args.output.display()))
}

/// The TIFF of a PDF.
fn convert(pdf: &[u8], resolution: Resolution, library: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let renderer = Renderer::load(&pdfium::locate(library)?)?;
    let pages = render::render(&renderer, pdf, resolution, u32::MAX)?;
    Ok(tiff::write(&pages))
}
