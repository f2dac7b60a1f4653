//! The text of received pages, for the routes that want PDFs that can be searched.
//!
//! Takes over: a received fax that is about to be mailed.
//! Promises: within `ocr.seconds` there are words for as many of its pages as were read; the mail goes with what there
//! is, and never fails for want of it.
//! When it dies: nothing is lost; the pages are read again.

use std::time::{Duration, Instant};

use crate::config::Ocr;
use crate::context::Context;
use crate::pages::words::Word;
use crate::pages::{DocumentRefusal, FaxPage};
use crate::queue::ReceivedFax;
use crate::worker::host::{RenderFailure, TextReader};

/// The words of each page; none where its route does not ask for them.
pub(super) async fn words(context: &Context, fax: &ReceivedFax) -> Vec<Vec<Word>> {
    let (config, numbers) = (context.config(), context.numbering());
    let wanted = config.route(&fax.called, &numbers);
    if !wanted.is_some_and(|route| route.ocr) {
        return Vec::new();
    }
    if let Some(kept) = kept(context, &fax.id).await {
        return kept;
    }
    let words = read(context, &config.ocr, &fax.id, &fax.pages).await;
    // What failed today may be mended when the mail is tried again.
    if words.iter().any(|words| !words.is_empty()) {
        keep(context, &fax.id, &words).await;
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
    let until = Instant::now() + Duration::from_secs(ocr.seconds);
    let mut words = Vec::with_capacity(pages.len());
    for (number, page) in (1..).zip(pages) {
        let left = until.saturating_duration_since(Instant::now());
        let seconds = left.as_secs().max(1);
        let reading = context.children.words(&reader, page, seconds);
        match tokio::time::timeout(left, reading).await {
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

/// Every recipient of a fax has a mail of its own, and each may be tried many times: its pages are read once.
fn key(fax: &str) -> String {
    format!("o-{fax}")
}

async fn kept(context: &Context, fax: &str) -> Option<Vec<Vec<Word>>> {
    let (blobs, key) = (context.store.blobs().clone(), key(fax));
    let read = tokio::task::spawn_blocking(move || blobs.read(&key)).await;
    serde_json::from_slice(&read.ok()?.ok()?).ok()
}

async fn keep(context: &Context, fax: &str, words: &[Vec<Word>]) {
    let json = serde_json::to_vec(words).expect("plain data serialises");
    let (blobs, key) = (context.store.blobs().clone(), key(fax));
    let kept = tokio::task::spawn_blocking(move || blobs.keep(&key, &json)).await;
    if let Ok(Err(e)) = kept {
        tracing::warn!(fax, "the words of its pages cannot be kept: {e}");
    }
}
