//! `postfax render`: what a PDF will look like as a fax. Drawn by a child behind walls, as the daemon has it done.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::wait_for;
use crate::pages::pdfium;
use crate::pages::{Resolution, tiff};
use crate::worker::host::Children;

/// Seconds for one document: an admin is patient, and sees what it takes.
const SECONDS: u64 = 300;

/// Makes the TIFF that would be faxed from a PDF, without its header lines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The PDF to read
    #[arg(value_name = "IN.pdf")]
    input: PathBuf,
    /// The TIFF to write
    #[arg(value_name = "OUT.tiff")]
    output: PathBuf,
    /// Rows of the page: standard (98 dpi), fine (196 dpi) or superfine (391 dpi)
    #[arg(long, default_value = "fine")]
    resolution: Resolution,
    /// libpdfium.so, where it is not at one of the usual places
    #[arg(long, value_name = "FILE")]
    pdfium: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Files that cannot be read or written, and documents that cannot be faxed.
pub fn run(args: Args) -> anyhow::Result<()> {
    super::run::log("warn");
    let name = args.input.display();
    let pdf = fs::read(&args.input).with_context(|| format!("cannot read {name}"))?;
    let library = pdfium::locate(args.pdfium.as_deref())?;
    let children = Children::new(Some(library), SECONDS);
    let pages = wait_for(children.render(&pdf, args.resolution, u32::MAX))?
        .with_context(|| format!("{name} cannot be faxed"))?;
    fs::write(&args.output, tiff::write(&pages))
        .with_context(|| format!("cannot write {}", args.output.display()))
}
