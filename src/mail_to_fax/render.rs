//! Rendering: an accepted mail's documents become the pages of its faxes.
//!
//! Takes over: a document that [`Store::claim_document`](crate::queue::Store::claim_document) gave out.
//! Promises: its faxes become ready with all pages on disk, or fail with a receipt that names the document.
//! When it dies: the claim falls at the next start, and the document is rendered again.

use std::sync::Arc;

use super::message;
use crate::context::{Context, now};
use crate::pages::{DocumentRefusal, FaxPage, tiff};
use crate::queue::{ClaimedDocument, StoreError};
use crate::worker::host::RenderFailure;

/// Renderings that may be spoilt by a crash before the document is given up.
const TRIES: u32 = 2;

/// Seconds before a rendering that crashed is tried again, and before one that the disk spoilt is.
const AFTER_CRASH: u64 = 2;
const AFTER_DISK: u64 = 60;

/// Why there are no pages.
enum Failure {
    /// This document is the cause.
    Document { name: String, why: DocumentRefusal },
    /// We are.
    Ours(StoreError),
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        Failure::Ours(e.into())
    }
}

/// Renders one claimed document and settles it in the queue.
pub async fn render(context: &Arc<Context>, document: ClaimedDocument) {
    let settled = match pages_of(context, &document).await {
        Ok(pages) => keep(context, &document, pages).await,
        Err(Failure::Ours(e)) => Err(e),
        Err(Failure::Document {
            why: DocumentRefusal::RendererFailed { how },
            ..
        }) if document.tries < TRIES => {
            tracing::warn!(
                document = document.id,
                "the renderer failed ({how}); once more"
            );
            context
                .store
                .document_deferred(&document.id, now().plus_seconds(AFTER_CRASH))
                .await
        }
        Err(Failure::Document { name, why }) => {
            tracing::warn!(document = document.id, name, "cannot be rendered: {why}");
            context
                .store
                .document_failed(&document.id, &name, &why.to_string(), now())
                .await
        }
    };
    if let Err(e) = settled {
        tracing::error!(document = document.id, "rendering is put off: {e}");
        let at = now().plus_seconds(AFTER_DISK);
        if let Err(e) = context.store.document_deferred(&document.id, at).await {
            tracing::error!(
                document = document.id,
                "it stays claimed until the next start: {e}"
            );
        }
    }
    context.tell();
}

/// Every document of the mail, in order, as one set of pages.
async fn pages_of(context: &Context, document: &ClaimedDocument) -> Result<Vec<FaxPage>, Failure> {
    let max_pages = context.config().fax.max_pages;
    let mut pages: Vec<FaxPage> = Vec::new();
    for (name, octets) in documents(context, &document.text_key).await? {
        let left = max_pages.saturating_sub(pages.len() as u32);
        match context
            .children
            .render(&octets, document.resolution, left)
            .await
        {
            Ok(rendered) => pages.extend(rendered),
            Err(RenderFailure::Refused(why)) => return Err(Failure::Document { name, why }),
            Err(RenderFailure::NotStarted(e)) => return Err(e.into()),
        }
    }
    Ok(pages)
}

/// File name and octets of each document in a mail that was accepted.
async fn documents(context: &Context, text_key: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let path = context.store.blobs().path(text_key);
    // The same reading of the same text said yes before the 250.
    let open = |text: &[u8]| -> Result<Vec<(String, Vec<u8>)>, message::BadMessage> {
        let found = message::read(text)?.documents.into_iter();
        found
            .map(|document| Ok((document.name.clone(), document.content()?.into_owned())))
            .collect()
    };
    let opened = context.reader.read(path, open).await?;
    Ok(opened.map_err(std::io::Error::other)?)
}

async fn keep(
    context: &Context,
    document: &ClaimedDocument,
    pages: Vec<FaxPage>,
) -> Result<(), StoreError> {
    let (blobs, key) = (context.store.blobs().clone(), format!("d-{}", document.id));
    let (kept, count) = (key.clone(), pages.len() as u32);
    tokio::task::spawn_blocking(move || blobs.keep(&kept, &tiff::write(&pages)))
        .await
        .map_err(std::io::Error::other)??;
    context
        .store
        .document_rendered(&document.id, &key, count, now())
        .await
}
