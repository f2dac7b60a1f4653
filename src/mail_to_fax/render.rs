//! Rendering: an accepted mail's documents become the pages of its faxes.
//!
//! Takes over: a document that [`Store::claim_document`](crate::queue::Store::claim_document) gave out.
//! Promises: its faxes become ready with all pages on disk, or fail with a receipt that names the document.
//! When it dies: the claim falls at the next start, and the document is rendered again.

use std::sync::Arc;

use super::documents::{self, MailDocument};
use super::receipt::{self, Noticed, Remarkable};
use crate::config::Body;
use crate::context::{Context, now, until_stored};
use crate::pages::document::Target;
use crate::pages::remark::Remark;
use crate::pages::{DocumentRefusal, FaxPage, tiff};
use crate::queue::{ClaimedDocument, Drawn, StoreError};
use crate::worker::host::RenderFailure;

/// Renderings that may be spoilt by a crash before the document is given up.
const TRIES: u32 = 2;

/// Renderings that may begin at all: behind this many, the document takes the gateway with it each time.
const STARTS: u32 = 5;

/// Seconds before a rendering that crashed is tried again, and before one that the disk spoilt is.
const AFTER_CRASH: u64 = 2;
const AFTER_DISK: u64 = 60;

/// What is named where it is not one part that failed.
const THE_MAIL: &str = "the attachment";

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
    let made = match document.tries {
        ..=STARTS => pages_of(context, &document).await,
        _ => Err(Failure::Document {
            name: THE_MAIL.to_owned(),
            why: DocumentRefusal::RendererFailed {
                how: "it stopped the gateway again and again".to_owned(),
            },
        }),
    };
    let settled = match made {
        Ok(made) => keep(context, &document, made).await,
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
        our_trouble(context, &document, &e).await;
    }
    context.tell();
}

/// The disk spoilt it: it is tried again, until the text is known to be lost or the fax is too old.
async fn our_trouble(context: &Context, document: &ClaimedDocument, e: &StoreError) {
    tracing::error!(document = document.id, "it cannot be rendered now: {e}");
    let is_lost = matches!(e, StoreError::Files(e) if e.kind() == std::io::ErrorKind::NotFound);
    let age = now().0.saturating_sub(document.accepted_at.0) / 1000;
    let is_late = age > context.config().give_up_seconds() as i64;
    let (what, id, store) = (
        format!("document {}", document.id),
        &document.id,
        &context.store,
    );
    if is_lost || is_late {
        let why = "the gateway could not read it from its disk";
        until_stored(&what, || store.document_failed(id, THE_MAIL, why, now())).await;
    } else {
        until_stored(&what, || {
            store.document_deferred(id, now().plus_seconds(AFTER_DISK))
        })
        .await;
    }
}

/// The pages of a mail, and what is to be said of them.
#[derive(Default)]
struct Made {
    pages: Vec<FaxPage>,
    remarks: Vec<Noticed>,
    /// PNG of the first page.
    preview: Option<Vec<u8>>,
}

impl Made {
    /// Puts the pages of one document behind the others, without blank ones at its end.
    fn add(&mut self, name: &str, mut pages: Vec<FaxPage>, remarks: &[Remark]) {
        let last = |pages: &[FaxPage]| Remark::CameOutBlank {
            page: pages.len() as u32,
        };
        let before = pages.len();
        while pages.len() > 1
            && pages.last().is_some_and(FaxPage::is_blank)
            && !remarks.contains(&last(&pages))
        {
            pages.pop();
        }
        let noticed = |what| Noticed {
            document: name.to_owned(),
            what,
        };
        let drawn = remarks.iter().cloned().map(Remarkable::Drawn);
        self.remarks.extend(drawn.map(noticed));
        let blank = (before - pages.len()) as u32;
        if blank > 0 {
            self.remarks.push(noticed(Remarkable::BlankEnd(blank)));
        }
        self.pages.extend(pages);
    }
}

/// Every document of the mail, in order, as one set of pages.
async fn pages_of(context: &Context, document: &ClaimedDocument) -> Result<Made, Failure> {
    let config = context.config();
    let target = Target {
        resolution: document.resolution,
        paper: config.fax.paper,
        long_pages: config.fax.long_pages,
    };
    let mut made = Made::default();
    for found in documents(context, document).await? {
        let left = config.fax.max_pages.saturating_sub(made.pages.len() as u32);
        let rendered = async {
            let octets = found.readable(context).await?;
            let children = &context.children;
            let (source, octets) = (&found.source, &octets);
            let is_first = made.pages.is_empty();
            children
                .render_with_remarks(source, octets, target, left, is_first)
                .await
        };
        match rendered.await {
            Ok(rendered) => {
                made.preview = made.preview.or(rendered.preview);
                made.add(&found.name, rendered.pages, &rendered.remarks);
            }
            Err(RenderFailure::Refused(why)) => {
                let name = found.name;
                return Err(Failure::Document { name, why });
            }
            Err(RenderFailure::NotStarted(e)) => return Err(e.into()),
        }
    }
    Ok(made)
}

/// The documents of a mail that was accepted: those that its manifest promised to fax, whatever the settings say now.
async fn documents(
    context: &Context,
    document: &ClaimedDocument,
) -> Result<Vec<MailDocument>, Failure> {
    let mail = context.store.kept(&document.text_key).await;
    let mail = mail.map_err(Failure::Ours)?;
    let config = context.config();
    let open = move |text: &[u8]| documents::open(text, Body::Always, &config);
    let opened = context.reader.read(mail, open).await;
    let opened = opened.map_err(StoreError::from);
    let opened = context.store.heard_of(&document.text_key, opened).await;
    let opened = opened.map_err(Failure::Ours)?;
    let mut found = opened.map_err(std::io::Error::other)?.documents;
    let promised: Vec<receipt::Part> = serde_json::from_str(&document.manifest).unwrap_or_default();
    found.retain(|found| {
        let part = promised.get(found.part);
        part.is_none_or(|part| matches!(part.fate, receipt::Fate::Faxed { .. }))
    });
    Ok(found)
}

async fn keep(context: &Context, document: &ClaimedDocument, made: Made) -> Result<(), StoreError> {
    let (store, id) = (&context.store, &document.id);
    let preview = match made.preview {
        Some(png) => Some(store.new_octets(format!("v-{id}"), png).await?),
        None => None,
    };
    let page_count = made.pages.len() as u32;
    let tiff = tokio::task::spawn_blocking(move || tiff::write(&made.pages)).await;
    let tiff = tiff.map_err(std::io::Error::other)?;
    let drawn = Drawn {
        pages: store.new_octets(format!("d-{id}"), tiff).await?,
        page_count,
        preview,
        remarks: serde_json::to_string(&made.remarks).map_err(std::io::Error::other)?,
    };
    store.document_rendered(id, drawn, now()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::bitmap::Bitmap;
    use crate::pages::g4;

    fn page(height: u32, ink: bool) -> FaxPage {
        let mut bitmap = Bitmap::new(1728, height).unwrap();
        if ink {
            bitmap.set(1000, height - 1);
        }
        FaxPage {
            width: 1728,
            height,
            x_dpi: 204,
            y_dpi: 196,
            g4: g4::encode(&bitmap),
        }
    }

    #[test]
    fn a_page_is_blank_where_there_is_no_pel_on_it() {
        for height in [1, 7, 8, 9, 15, 16, 2287] {
            assert!(page(height, false).is_blank(), "{height}");
            assert!(!page(height, true).is_blank(), "{height}");
        }
        let cut_off = FaxPage {
            g4: vec![0xFF],
            ..page(2287, false)
        };
        assert!(!cut_off.is_blank());
    }

    #[test]
    fn blank_pages_at_the_end_are_left_out_and_told() {
        let [ink, blank] = [true, false].map(|ink| page(100, ink));
        let mut made = Made::default();
        let (ink, blank) = (|| ink.clone(), || blank.clone());
        made.add("a.pdf", vec![ink(), blank(), ink(), blank()], &[]);
        made.add("b.pdf", vec![blank(), blank(), blank()], &[]);
        made.add(
            "c.pdf",
            vec![ink(), blank()],
            &[Remark::CameOutBlank { page: 2 }],
        );
        assert_eq!(made.pages.len(), 3 + 1 + 2);
        assert_eq!(
            made.remarks
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [
                "a.pdf: its last page is blank and was left out.",
                "b.pdf: its last 2 pages are blank and were left out.",
                "c.pdf: page 2 came out blank although there is text on it; perhaps the text is white, or its font \
                 is missing.",
            ]
        );
    }
}
