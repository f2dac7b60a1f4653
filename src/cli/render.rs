//! `postfax render`: what a document will look like as a fax. Drawn by a child behind walls, as the daemon has it done.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::wait_for;
use crate::pages::cut::LongPages;
use crate::pages::document::{Source, Target};
use crate::pages::kind::Kind;
use crate::pages::layout::Paper;
use crate::pages::pdfium;
use crate::pages::text::TextSource;
use crate::pages::{Resolution, tiff};
use crate::worker::host::Children;

/// Seconds for one document: an admin is patient, and sees what it takes.
const SECONDS: u64 = 300;

/// Makes the TIFF that would be faxed from a document (PDF, TIFF, JPEG, PNG, GIF, WebP, BMP, HEIC, text, HTML), without its header
/// lines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The TIFF to write
    #[arg(value_name = "OUT.tiff")]
    output: PathBuf,
    /// Rows of the page: standard (98 dpi), fine (196 dpi) or superfine (391 dpi)
    #[arg(long, default_value = "fine")]
    resolution: Resolution,
    /// Paper of pages that bring no size of their own: letter or a4
    #[arg(long, default_value = "letter")]
    paper: Paper,
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
    let document = fs::read(&args.input).with_context(|| format!("cannot read {name}"))?;
    let library = pdfium::locate(args.pdfium.as_deref())?;
    let children = Children::new(Some(library), SECONDS);
    let target = Target {
        resolution: args.resolution,
        paper: args.paper,
        long_pages: LongPages::default(),
    };
    let source = source(&args.input, &document);
    let rendered = children.render_with_remarks(&source, &document, target, u32::MAX, false);
    let rendered = wait_for(rendered)?.with_context(|| format!("{name} cannot be faxed"))?;
    for remark in &rendered.remarks {
        eprintln!("postfax: {name}: {remark}");
    }
    fs::write(&args.output, tiff::write(&rendered.pages))
        .with_context(|| format!("cannot write {}", args.output.display()))
}

/// Text does not say by its octets that it is text: the name has to.
fn source(path: &Path, document: &[u8]) -> Source {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let html = matches!(&*extension.to_lowercase(), "html" | "htm");
    let is_text = html || matches!(&*extension.to_lowercase(), "txt" | "csv" | "log" | "md");
    match Kind::of(document) {
        Kind::Unknown if is_text => Source::Text(TextSource {
            html,
            ..TextSource::default()
        }),
        _ => Source::File,
    }
}
