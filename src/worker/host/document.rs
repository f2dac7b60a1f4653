//! A document in the hands of its renderer.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, setpriority_process};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;

use super::super::mishaps::Kind;
use super::super::sandbox::memory;
use super::super::stall::timeout;
use super::super::wire::{
    self, DocumentRefusal, FromRender, Paper, Remark, RenderJob, Skip, Source, StartRender, Target,
    UnreadablePage,
};
use super::frames::Frames;
use super::{Children, how_it_ended, waiting};
use crate::pages::cover::CoverSource;
use crate::pages::render::Found;
use crate::pages::{FaxPage, tnef};

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum RenderFailure {
    /// The document is the cause.
    #[error(transparent)]
    Refused(#[from] DocumentRefusal),
    /// We are: no child could be started, or set up.
    #[error("no process to read documents could be started: {0}")]
    NotStarted(io::Error),
    /// Somebody else is: the child was killed from outside (for want of memory, or by a limit that is not ours), or was
    /// not let run.
    #[error("the process that read a document {0}")]
    Killed(String),
}

/// What a renderer made of a document.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Its pages.
    pub pages: Vec<FaxPage>,
    /// What is to be said of them.
    pub remarks: Vec<Remark>,
    /// PNG of the first page.
    pub preview: Option<Vec<u8>>,
}

/// Octets of a picture that are believed to be one.
const LARGEST_PREVIEW: usize = 1 << 20;

/// Pages of a document that the renderer does not outlive: with one more the document is given up.
const DEADLY_PAGES: usize = 3;

/// So that mails that come in and calls in progress go before pages that are drawn: a tenth of their share. With the lowest
/// one, a hundredth, another program that is busy on the same cores kept pages from being made at all.
const NICE: i32 = 10;

impl Children {
    /// Looks through a document and counts its pages, without rendering them.
    ///
    /// # Errors
    /// [`RenderFailure`], whose refusals are half sentences for the sender.
    pub async fn probe(
        &self,
        source: &Source,
        document: &[u8],
        paper: Paper,
        unreadable: UnreadablePage,
    ) -> Result<Found, RenderFailure> {
        let mut found = None;
        let job = RenderJob::Probe { paper, unreadable };
        self.render_child(source, job, document, |message, _| match message {
            FromRender::Probed { pages } => found = Some(Found::Pages(pages)),
            FromRender::LeftOut { why } => found = Some(Found::LeftOut(why)),
            _ => {}
        })
        .await?;
        found.ok_or_else(|| failed("ended without an answer"))
    }

    /// Takes a winmail.dat apart: a MIME entity that holds what is in it.
    ///
    /// # Errors
    /// [`RenderFailure`], whose refusals are half sentences for the sender.
    pub async fn unwrap_tnef(&self, octets: &[u8]) -> Result<Vec<u8>, RenderFailure> {
        let mut entity = None;
        // What it holds is in it: it does not grow.
        let limit = octets.len().saturating_mul(tnef::MOST_TIMES) + tnef::MOST_AND;
        self.render_child(&Source::File, RenderJob::Unwrap, octets, |message, blob| {
            if matches!(message, FromRender::Unwrapped) && blob.len() <= limit {
                entity = Some(blob);
            }
        })
        .await?;
        entity.ok_or_else(|| failed("ended without an answer"))
    }

    /// Makes fax pages of a document.
    ///
    /// # Errors
    /// [`RenderFailure`], whose refusals are half sentences for the sender.
    pub async fn render(
        &self,
        source: &Source,
        document: &[u8],
        target: Target,
        max_pages: u32,
    ) -> Result<Vec<FaxPage>, RenderFailure> {
        let job = RenderJob::Render {
            target,
            max_pages,
            preview: false,
            skip: None,
        };
        Ok(self.rendered(source, document, job, max_pages).await?.pages)
    }

    /// As [`Children::render`], with what is to be said of the pages and, where that is wanted, a picture of the first.
    /// Whoever has something more urgent to do on this machine goes first.
    ///
    /// # Errors
    /// As [`Children::render`].
    pub async fn render_with_remarks(
        &self,
        source: &Source,
        document: &[u8],
        target: Target,
        max_pages: u32,
        preview: bool,
    ) -> Result<Rendered, RenderFailure> {
        let job = RenderJob::Render {
            target,
            max_pages,
            preview,
            skip: None,
        };
        self.rendered(source, document, job, max_pages).await
    }

    /// As [`Children::render_with_remarks`]; a page that cannot be drawn is left out with a remark, also one that the
    /// renderer does not outlive, which is then asked again without it.
    ///
    /// # Errors
    /// As [`Children::render`]; where no page can be drawn.
    pub async fn render_and_skip(
        &self,
        source: &Source,
        document: &[u8],
        target: Target,
        max_pages: u32,
        preview: bool,
        name: &str,
    ) -> Result<Rendered, RenderFailure> {
        let mut skip = Skip {
            name: name.to_owned(),
            pages: Vec::new(),
        };
        loop {
            let job = RenderJob::Render {
                target,
                max_pages,
                preview,
                skip: Some(skip.clone()),
            };
            let drawing = &mut 0;
            let made = self.rendered_and_told(source, document, job, max_pages, drawing);
            let failure = match made.await {
                Ok(made) => return Ok(made),
                Err(failure) => failure,
            };
            use DocumentRefusal::{RendererFailed, TooMuchMemory};
            let is_the_page = matches!(
                failure,
                RenderFailure::Refused(RendererFailed { .. } | TooMuchMemory { .. })
            );
            let is_new = *drawing > 0 && !skip.pages.contains(drawing);
            if !is_the_page || !is_new || skip.pages.len() == DEADLY_PAGES {
                return Err(failure);
            }
            tracing::warn!(name, page = *drawing, "a page is left out: {failure}");
            skip.pages.push(*drawing);
        }
    }

    async fn rendered(
        &self,
        source: &Source,
        document: &[u8],
        job: RenderJob,
        max_pages: u32,
    ) -> Result<Rendered, RenderFailure> {
        self.rendered_and_told(source, document, job, max_pages, &mut 0)
            .await
    }

    /// `drawing` becomes the number of the page that is drawn.
    async fn rendered_and_told(
        &self,
        source: &Source,
        document: &[u8],
        job: RenderJob,
        max_pages: u32,
        drawing: &mut u32,
    ) -> Result<Rendered, RenderFailure> {
        let mut made = Rendered::default();
        // Only as many as were asked for, whatever has become of the child.
        let is_room = |n: usize| n <= max_pages as usize;
        let mut complete = false;
        self.render_child(source, job, document, |message, blob| match message {
            FromRender::Page {
                width,
                height,
                x_dpi,
                y_dpi,
            } if is_room(made.pages.len()) => {
                made.pages.push(FaxPage {
                    width,
                    height,
                    x_dpi,
                    y_dpi,
                    g4: blob,
                });
            }
            FromRender::Drawing { page } => *drawing = page,
            FromRender::Remark(remark) if is_room(made.remarks.len()) => made.remarks.push(remark),
            FromRender::Preview if blob.len() <= LARGEST_PREVIEW => made.preview = Some(blob),
            FromRender::Rendered => complete = is_room(made.pages.len()),
            _ => {}
        })
        .await?;
        match complete {
            true => Ok(made),
            false => Err(failed("ended before the last page")),
        }
    }

    /// Makes a cover page of a text, or of a site's PDF.
    ///
    /// # Errors
    /// [`RenderFailure`], as [`Children::render`].
    pub async fn cover(
        &self,
        cover: CoverSource,
        octets: &[u8],
        target: Target,
    ) -> Result<FaxPage, RenderFailure> {
        let place = self.covers.acquire().await;
        let _place = place.expect("nobody closes it");
        let source = Source::Cover(cover);
        let page = self.render(&source, octets, target, 1).await?.pop();
        page.ok_or_else(|| failed("made no page"))
    }

    /// Has one child do one job, and ends it when it takes too long or too much.
    async fn render_child(
        &self,
        source: &Source,
        job: RenderJob,
        document: &[u8],
        on: impl FnMut(FromRender, Vec<u8>),
    ) -> Result<(), RenderFailure> {
        let mishap = match job {
            RenderJob::Probe { .. } | RenderJob::Unwrap => None,
            RenderJob::Render { .. } => self.mishaps.next(Kind::Render),
        };
        let may_wait = may_wait(source, &job);
        let start = StartRender {
            source: source.clone(),
            job,
            mishap,
        };
        let start = wire::encode_head(&start, document.len());
        let start = start.map_err(|e| failed(&e.to_string()))?;
        let mut child = self.renderer().map_err(RenderFailure::NotStarted)?;
        let id = child.id().expect("nobody waited for it yet");
        if may_wait {
            // One that is not gentler only costs others more.
            let _ = setpriority_process(Pid::from_raw(id.cast_signed()), NICE);
        }
        let seconds = self.render_seconds;
        let mut is_ready = false;
        let ended = tokio::select! {
            ended = timeout(Duration::from_secs(seconds), converse(&mut child, &start, document, &mut is_ready, on)) => ended.ok(),
            () = memory::watch(id) => return Err(memory::refusal().into()),
        };
        match ended {
            None => Err(too_slow(id, seconds)),
            Some(Err(e)) => Err(failed(&format!("answered nonsense: {e}"))),
            Some(Ok(Err(refusal))) => Err(refusal.into()),
            // It has not read a byte of the document.
            Some(Ok(Ok(status))) if !is_ready => {
                let how = how_it_ended(status);
                Err(RenderFailure::NotStarted(io::Error::other(how)))
            }
            Some(Ok(Ok(status))) => verdict(status),
        }
    }

    fn renderer(&self) -> io::Result<Child> {
        let mut command = self.command("render");
        if let Some(library) = &self.pdfium {
            command.arg("--pdfium").arg(library);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Children::spawn(command, "render")
    }
}

/// A client waits for a look through its document, and a trunk for a cover page.
fn may_wait(source: &Source, job: &RenderJob) -> bool {
    matches!(job, RenderJob::Render { .. }) && !matches!(source, Source::Cover(_))
}

/// Hands the document over and takes the answers in, until the child has ended or refuses.
async fn converse(
    child: &mut Child,
    start: &[u8],
    document: &[u8],
    is_ready: &mut bool,
    mut on: impl FnMut(FromRender, Vec<u8>),
) -> io::Result<Result<ExitStatus, DocumentRefusal>> {
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let mut said = Frames::new(child.stdout.take().expect("stdout is piped"));
    // The child reads all of its input before it answers; an early death shows as a broken pipe here and as an exit
    // status below.
    if stdin.write_all(start).await.is_ok() {
        let _ = stdin.write_all(document).await;
    }
    drop(stdin);
    loop {
        match said.next().await {
            Ok(Some((FromRender::Ready, _))) => *is_ready = true,
            Ok(Some((FromRender::Refused(refusal), _))) => return Ok(Err(refusal)),
            Ok(Some((message, blob))) => on(message, blob),
            // Cut off in the middle of a page: how the child ended says why.
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(e),
            Ok(None) | Err(_) => break,
        }
    }
    child.wait().await.map(Ok)
}

/// What it says that the child `id`, which is still there, was not done in time.
fn too_slow(id: u32, seconds: u64) -> RenderFailure {
    match waiting::was_kept_waiting(id, seconds) {
        true => RenderFailure::Killed(format!("was not let run for most of {seconds} s")),
        false => failed(&format!("took longer than {seconds} s")),
    }
}

/// Signals that others send: an admin, a service manager, the kernel for want of memory or where a file that is mapped
/// (a library, a font) was cut off. None of ours is sent to a child that is still listened to, and what a document
/// brings about is another one.
pub(super) const FROM_OUTSIDE: [i32; 6] = [
    libc::SIGKILL,
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGBUS,
];

/// What the end of a renderer says that refused nothing.
fn verdict(status: ExitStatus) -> Result<(), RenderFailure> {
    match status.signal() {
        None if status.success() => Ok(()),
        Some(signal) if FROM_OUTSIDE.contains(&signal) => Err(killed(signal)),
        // The filter's answer to a request that is too large by itself.
        Some(libc::SIGSYS) => Err(memory::refusal().into()),
        // PDFium and our own allocator call abort(3) when they get no memory; PDFium's other checks trap.
        Some(libc::SIGABRT) => Err(failed("gave up, most likely for want of memory (signal 6)")),
        _ => Err(failed(&how_it_ended(status))),
    }
}

pub(super) fn killed(signal: i32) -> RenderFailure {
    RenderFailure::Killed(format!("was killed from outside (signal {signal})"))
}

fn failed(how: &str) -> RenderFailure {
    let how = how.to_owned();
    DocumentRefusal::RendererFailed { how }.into()
}
