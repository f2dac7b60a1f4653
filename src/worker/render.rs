//! The render child: `postfax worker render`. One document in, its fax pages out.
//!
//! PDFium is loaded before the walls go up, and a stranger's octets are read only behind them: those of PDFs in C++,
//! those of pictures, text and HTML in safe Rust, which may still ask for more time and memory than there is.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::sandbox::{
    self,
    memory::{self, Gauge},
};
use super::wire::{self, DocumentRefusal, FromRender, Mishap, RenderJob, StartRender};
use crate::pages::document::Drawn;
use crate::pages::pdfium::{self, FONT_DIRS, Renderer};
use crate::pages::render::{self, All, Found};
use crate::pages::{FaxPage, preview, tnef};

/// Serves the one document on standard input. `library` is the configured path of libpdfium.so.
pub fn run(library: Option<&Path>) -> ExitCode {
    match serve(library) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(library: Option<&Path>) -> anyhow::Result<()> {
    let renderer = Renderer::load(&pdfium::locate(library)?)?;
    let gauge = sandbox::enter_render(&FONT_DIRS.map(Into::into))?;
    let out = &mut io::stdout().lock();
    wire::write_frame(out, &FromRender::Ready, &[])?;
    let Some((start, document)) = wire::read_frame(&mut io::stdin().lock())? else {
        anyhow::bail!("standard input ended before the document");
    };
    answer(&renderer, &start, &document, || enough(&gauge), out)?;
    Ok(())
}

/// Whether there was memory for all of the page: PDFium leaves out what it gets none for.
fn enough(gauge: &Gauge) -> Result<(), DocumentRefusal> {
    match gauge.exceeded() {
        true => Err(memory::refusal()),
        false => Ok(()),
    }
}

/// Does the job and writes the answering frames.
fn answer(
    renderer: &Renderer,
    start: &StartRender,
    document: &[u8],
    enough_memory: impl Fn() -> Result<(), DocumentRefusal>,
    out: &mut impl Write,
) -> io::Result<()> {
    let done = match start.job {
        RenderJob::Probe { paper, unreadable } => {
            render::probe(renderer, &start.source, document, paper, unreadable)
                .map(|found| match found {
                    Found::Pages(pages) => FromRender::Probed { pages },
                    Found::LeftOut(why) => FromRender::LeftOut { why },
                })
                .and_then(|found| enough_memory().map(|()| found))
                .map_err(Stop::Refused)
        }
        RenderJob::Unwrap => {
            let entity = tnef::entity(document).and_then(|entity| {
                enough_memory()?;
                Ok(entity)
            });
            match entity {
                Ok(entity) => return wire::write_frame(out, &FromRender::Unwrapped, &entity),
                Err(refusal) => Err(Stop::Refused(refusal)),
            }
        }
        RenderJob::Render {
            target,
            max_pages,
            preview,
            ref skip,
        } => {
            let mut preview = preview;
            let out = RefCell::new(&mut *out);
            let begin = |page| match skip {
                Some(_) => {
                    let frame = FromRender::Drawing { page };
                    wire::write_frame(&mut *out.borrow_mut(), &frame, &[]).map_err(Stop::Pipe)
                }
                None => Ok(()),
            };
            let take = |drawn: Drawn| {
                suffer(start.mishap);
                enough_memory()?;
                let out = &mut *out.borrow_mut();
                send(out, &drawn).map_err(Stop::Pipe)?;
                if std::mem::take(&mut preview) {
                    send_preview(out, &drawn).map_err(Stop::Pipe)?;
                }
                Ok(())
            };
            let skip = skip.as_ref();
            let all = All {
                target,
                max_pages,
                skip,
            };
            render::render_all(renderer, &start.source, document, all, begin, take)
                .map(|()| FromRender::Rendered)
        }
    };
    match done {
        Ok(last) => wire::write_frame(out, &last, &[]),
        Err(Stop::Refused(refusal)) => wire::write_frame(out, &FromRender::Refused(refusal), &[]),
        Err(Stop::Pipe(error)) => Err(error),
    }
}

/// Why a rendering stops before its end.
enum Stop {
    Refused(DocumentRefusal),
    /// The daemon does not listen any more.
    Pipe(io::Error),
}

impl From<DocumentRefusal> for Stop {
    fn from(refusal: DocumentRefusal) -> Stop {
        Stop::Refused(refusal)
    }
}

fn send(out: &mut impl Write, drawn: &Drawn) -> io::Result<()> {
    for remark in &drawn.remarks {
        wire::write_frame(out, &FromRender::Remark(remark.clone()), &[])?;
    }
    drawn.pages.iter().try_for_each(|page| send_page(out, page))
}

fn send_page(out: &mut impl Write, page: &FaxPage) -> io::Result<()> {
    let frame = FromRender::Page {
        width: page.width,
        height: page.height,
        x_dpi: page.x_dpi,
        y_dpi: page.y_dpi,
    };
    wire::write_frame(out, &frame, &page.g4)
}

/// Squeezing a picture takes longer than drawing a letter: it is done here, where nobody waits for it.
fn send_preview(out: &mut impl Write, drawn: &Drawn) -> io::Result<()> {
    let first = drawn.pages.first();
    match first.map(preview::png) {
        Some(Ok(png)) => wire::write_frame(out, &FromRender::Preview, &png),
        // A fax without a picture is a fax.
        Some(Err(_)) | None => Ok(()),
    }
}

/// What tests ask for, at the first page.
fn suffer(mishap: Option<Mishap>) {
    match mishap {
        Some(Mishap::Crash) => std::process::abort(),
        Some(Mishap::Hang) => loop {
            std::thread::park();
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::cut::LongPages;
    use crate::pages::pdfium::testing::with_pdfium;
    use crate::pages::remark::Remark;
    use crate::pages::{Resolution, sample};
    use crate::worker::wire::{Paper, Skip, Source, Target, UnreadablePage};

    fn frames(job: RenderJob, document: &[u8]) -> Vec<(FromRender, Vec<u8>)> {
        let start = StartRender {
            source: Source::File,
            job,
            mishap: None,
        };
        let mut out = Vec::new();
        with_pdfium(|renderer| answer(renderer, &start, document, || Ok(()), &mut out).unwrap());
        let mut read = out.as_slice();
        std::iter::from_fn(|| wire::read_frame(&mut read).unwrap()).collect()
    }

    const RENDER: RenderJob = RenderJob::Render {
        target: Target {
            resolution: Resolution::Standard,
            paper: Paper::A4,
            long_pages: LongPages::Split,
        },
        max_pages: 2,
        preview: true,
        skip: None,
    };

    #[test]
    fn pages_come_one_by_one_then_the_end() {
        let frames = frames(RENDER, &sample::demo_document());
        assert_eq!(frames.len(), 4);
        assert!(matches!(
            &frames[..],
            [
                (FromRender::Page { width: 1728, y_dpi: 98, .. }, first),
                (FromRender::Preview, png),
                (FromRender::Page { .. }, _),
                (FromRender::Rendered, end),
            ] if !first.is_empty() && png.starts_with(b"\x89PNG") && end.is_empty()
        ));
    }

    #[test]
    fn refusals_are_answers() {
        let three_pages = sample::numbered_pages(3);
        for (document, refusal) in [
            (Vec::new(), DocumentRefusal::Empty),
            (
                three_pages,
                DocumentRefusal::TooManyPages { pages: 3, limit: 2 },
            ),
        ] {
            let frames = frames(RENDER, &document);
            assert!(
                matches!(&frames[..], [(FromRender::Refused(r), _)] if *r == refusal),
                "{frames:?}"
            );
        }
    }

    #[test]
    fn a_page_that_cannot_be_drawn_is_replaced_and_told_where_that_is_asked_for() {
        let job = |pages: &[u32]| RenderJob::Render {
            target: Target {
                resolution: Resolution::Standard,
                paper: Paper::A4,
                long_pages: LongPages::Split,
            },
            max_pages: 9,
            preview: false,
            skip: Some(Skip {
                name: "offer.pdf".to_owned(),
                pages: pages.to_vec(),
            }),
        };
        // Of two pages in the document, the second is known to be deadly.
        let letter = sample::demo_document();
        let found = frames(job(&[2]), &letter);
        assert!(matches!(
            &found[..],
            [
                (FromRender::Drawing { page: 1 }, _),
                (FromRender::Page { .. }, _),
                (FromRender::Drawing { page: 2 }, _),
                (FromRender::Remark(Remark::NotDrawn { page: 2 }), _),
                (FromRender::Page { .. }, notice),
                (FromRender::Rendered, _),
            ] if notice.len() > 200
        ));
        // A page that shows nothing of itself; it is the only one, and nothing would be left.
        let nothing = frames(job(&[]), &sample::cropped_away());
        assert!(matches!(
            nothing.last(),
            Some((
                FromRender::Refused(DocumentRefusal::NothingShown { page: 1 }),
                _
            ))
        ));
    }

    #[test]
    fn probe_counts_pages() {
        let frames = frames(
            RenderJob::Probe {
                paper: Paper::A4,
                unreadable: UnreadablePage::Refuse,
            },
            &sample::numbered_pages(7),
        );
        assert!(matches!(
            &frames[..],
            [(FromRender::Probed { pages: 7 }, _)]
        ));
    }
}
