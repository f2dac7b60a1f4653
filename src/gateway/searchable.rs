//! The text of received pages, for the routes that want PDFs that can be searched.
//!
//! Takes over: a received fax that is about to be mailed.
//! Promises: within `ocr.seconds` there are words for as many of its pages as were read; the mail goes with what there
//! is, and never fails for want of it.
//! When it dies: nothing is lost; the pages are read again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Ocr;
use crate::context::Context;
use crate::context::words::Words;
use crate::pages::words::Word;
use crate::pages::{DocumentRefusal, FaxPage};
use crate::queue::ReceivedFax;
use crate::worker::host::{RenderFailure, TextReader};
use crate::worker::stall::RunningTime;

/// The words of each page; none where its route does not ask for them.
pub(super) async fn words(context: &Context, fax: &ReceivedFax) -> Words {
    let (config, numbers) = (context.config(), context.numbering());
    let wanted = config.route(&fax.called, &numbers);
    if !wanted.is_some_and(|route| route.ocr) {
        return Words::default();
    }
    if let Some(words) = context.read_lately.get(&fax.id) {
        return words;
    }
    let words = Arc::new(read(context, &config.ocr, &fax.id, &fax.pages).await);
    // What failed today may be mended when the mail is tried again.
    if words.iter().any(|words| !words.is_empty()) {
        context.read_lately.put(&fax.id, words.clone());
    }
    words
}

/// Reads page by page, as long as there is time.
async fn read(context: &Context, ocr: &Ocr, fax: &str, pages: &[FaxPage]) -> Vec<Vec<Word>> {
    let reader = TextReader {
        command: ocr
            .command
            .iter()
            .map(|word| word.replace("{language}", &ocr.language))
            .collect(),
        memory_mb: ocr.memory_mb,
    };
    let limit = Duration::from_secs(ocr.seconds);
    let mut clock = RunningTime::new(Instant::now());
    let mut words = Vec::with_capacity(pages.len());
    for (number, page) in (1..).zip(pages) {
        let left = limit.saturating_sub(clock.ran());
        let seconds = left.as_secs().max(1);
        let reading = context.children.words(&reader, page, seconds);
        match clock.within(limit, reading).await {
            Ok(Ok(found)) => words.push(found),
            Ok(Err(e)) => {
                let why = match e {
                    RenderFailure::Refused(DocumentRefusal::ConverterFailed(how)) => how,
                    other => other.to_string(),
                };
                let program = &reader.command[0];
                tracing::warn!(
                    fax,
                    page = number,
                    "the mail goes without its text: {program}: {why}"
                );
                words.push(Vec::new());
            }
            Err(_) => {
                let seconds = ocr.seconds;
                tracing::warn!(
                    fax,
                    page = number,
                    "its text was not read within {seconds} s, nor that of those behind"
                );
                break;
            }
        }
    }
    words
}
