//! Rendering: an accepted mail's documents become the pages of its faxes.
//!
//! Takes over: a document that [`Store::claim_document`](crate::queue::Store::claim_document) gave out.
//! Promises: its faxes become ready with all pages on disk, or fail with a receipt that names the document.
//! Trouble of our own (the disk, a library, a process that is killed from outside) fails no fax before it is too old: it is
//! tried again in growing pauses (`context::troubles`).
//! When it dies: the claim falls at the next start, and the document is rendered again.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::documents::{self, MailDocument, NotOpened};
use super::receipt::{self, Noticed, Remarkable};
use super::wishes::Wishes;
use crate::config::Body;
use crate::context::{Context, now, until_stored};
use crate::pages::document::{Target, UnreadablePage};
use crate::pages::remark::Remark;
use crate::pages::{DocumentRefusal, FaxPage, tiff};
use crate::queue::{ClaimedDocument, Drawn, StoreError};
use crate::worker::host::RenderFailure;

/// Deaths of the daemon in the middle of a rendering before the document is held to be their cause. With the pauses between
/// them (`Store::recover`) these take more than an hour: a machine that loses its power a few times blames nobody.
const STARTS: u32 = 11;

/// Seconds before a rendering that crashed is tried again.
const AFTER_CRASH: u64 = 2;

/// What is named where it is not one part that failed.
const THE_MAIL: &str = "the attachment";

/// For receipts: half a sentence.
pub(super) const TEXT_LOST: &str = "the gateway could not read it from its disk";
pub(super) const TOO_LATE: &str = "the gateway could not make its pages for want of memory, disk or a program, and the time for it is over";

/// Why there are no pages.
enum Failure {
    /// This document is the cause.
    Document { name: String, why: DocumentRefusal },
    /// Its renderer was killed from outside, which may be the cause of this document or not.
    Killed { name: String, how: String },
    /// The mail is not where it was kept.
    TextLost(StoreError),
    /// We are.
    Ours(StoreError),
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Failure {
        Failure::Ours(e)
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        Failure::Ours(e.into())
    }
}

/// What becomes of a document that was not rendered.
enum Fate {
    /// It is tried again after so many seconds.
    Again(u64),
    /// Its faxes fail: for this part of the mail, and why, in half a sentence.
    Failed { name: String, why: String },
}

/// Renders one claimed document and settles it in the queue.
pub async fn render(context: &Arc<Context>, document: ClaimedDocument) {
    // What panics is our bug, and has its end, too.
    if context.troubles.begins(&document.id) && is_late(context, &document) {
        let (name, why) = (THE_MAIL.to_owned(), TOO_LATE.to_owned());
        return settle(context, &document, Fate::Failed { name, why }).await;
    }
    match rendered(context, &document).await {
        Ok(()) => {
            context.troubles.rendered(&document.id, now());
            context.tell();
        }
        Err(failure) => {
            let fate = fate(context, &document, failure);
            settle(context, &document, fate).await;
        }
    }
}

/// Lets a document go that was claimed and is not rendered to its end, because the gateway stops.
pub async fn put_back(context: &Context, document: &str) {
    let deferred = context.store.document_deferred(document, now());
    if let Err(e) = deferred.await {
        tracing::warn!(document, "the next start finds it claimed: {e}");
    }
}

async fn rendered(context: &Arc<Context>, document: &ClaimedDocument) -> Result<(), Failure> {
    if document.tries > STARTS {
        let name = THE_MAIL.to_owned();
        let how = "it stopped the gateway again and again".to_owned();
        let why = DocumentRefusal::RendererFailed { how };
        return Err(Failure::Document { name, why });
    }
    let made = pages_of(context, document).await?;
    Ok(keep(context, document, made).await?)
}

fn fate(context: &Context, document: &ClaimedDocument, failure: Failure) -> Fate {
    let (id, troubles) = (&document.id, &context.troubles);
    let failed = |name: String, why: &DocumentRefusal| {
        tracing::warn!(document = id, name, "cannot be rendered: {why}");
        let why = why.to_string();
        Fate::Failed { name, why }
    };
    match failure {
        Failure::Document {
            why: DocumentRefusal::RendererFailed { how },
            ..
        } if document.tries <= STARTS && !troubles.crashed(id) => {
            tracing::warn!(document = id, "the renderer failed ({how}); once more");
            Fate::Again(AFTER_CRASH)
        }
        Failure::Document { name, why } => failed(name, &why),
        Failure::Killed { name, how } => match troubles.killed(id, now()) {
            Some((times, minutes)) => {
                let how = format!(
                    "it was killed {times} times in {minutes} minutes, and other documents were rendered meanwhile"
                );
                failed(name, &DocumentRefusal::RendererFailed { how })
            }
            None => our_trouble(
                context,
                document,
                &format!("{name}: its renderer {how}"),
                TOO_LATE,
            ),
        },
        Failure::TextLost(e) => our_trouble(context, document, &e, TEXT_LOST),
        Failure::Ours(e) => our_trouble(context, document, &e, TOO_LATE),
    }
}

/// It is tried again, in growing pauses, until it is too late or the text of the mail is known to be lost; neither is
/// said at once, for what is gone may be on its way back.
fn our_trouble(
    context: &Context,
    document: &ClaimedDocument,
    what: &dyn std::fmt::Display,
    why: &str,
) -> Fate {
    let (pause, times) = context.troubles.ours(&document.id);
    tracing::error!(
        document = document.id,
        "it cannot be rendered now, and again in {pause} s: {what}"
    );
    let is_lost = why == TEXT_LOST && {
        let accepted_at = Duration::from_millis(document.accepted_at.0.max(0).cast_unsigned());
        let blobs = context.store.blobs();
        blobs.is_lost(&document.text_key, SystemTime::UNIX_EPOCH + accepted_at)
    };
    match times > 1 && (is_lost || is_late(context, document)) {
        true => Fate::Failed {
            name: THE_MAIL.to_owned(),
            why: why.to_owned(),
        },
        false => Fate::Again(pause),
    }
}

/// Whether its faxes have waited for as long as a fax may.
fn is_late(context: &Context, document: &ClaimedDocument) -> bool {
    let waited = now().0.saturating_sub(document.wanted_at.0) / 1000;
    waited > context.config().give_up_seconds() as i64
}

async fn settle(context: &Context, document: &ClaimedDocument, fate: Fate) {
    let (id, store) = (&document.id, &context.store);
    let what = format!("document {id}");
    match fate {
        Fate::Again(seconds) => {
            let at = || now().plus_seconds(seconds);
            until_stored(&what, || store.document_deferred(id, at())).await;
        }
        Fate::Failed { name, why } => {
            until_stored(&what, || store.document_failed(id, &name, &why, now())).await;
            context.troubles.over(id);
        }
    }
    context.tell();
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
    let (documents, unreadable) = documents(context, document).await?;
    let unreadable = unreadable.unwrap_or(config.fax.unreadable_page);
    for found in documents {
        let left = config.fax.max_pages.saturating_sub(made.pages.len() as u32);
        let rendered = async {
            let octets = found.readable(context).await?;
            let children = &context.children;
            let (source, octets) = (&found.source, &octets);
            let is_first = made.pages.is_empty();
            match unreadable {
                UnreadablePage::Refuse => {
                    let made = children.render_with_remarks(source, octets, target, left, is_first);
                    made.await
                }
                UnreadablePage::Skip => {
                    let name = &found.name;
                    let made =
                        children.render_and_skip(source, octets, target, left, is_first, name);
                    made.await
                }
            }
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
            Err(RenderFailure::Killed(how)) => {
                let name = found.name;
                return Err(Failure::Killed { name, how });
            }
        }
    }
    Ok(made)
}

/// The documents of a mail that was accepted: those that its manifest promised to fax, whatever the settings say now. And
/// what its header says of pages that cannot be drawn.
async fn documents(
    context: &Context,
    document: &ClaimedDocument,
) -> Result<(Vec<MailDocument>, Option<UnreadablePage>), Failure> {
    let mail = context.store.kept(&document.text_key).await?;
    let opened = match documents::open(context, mail, Body::Always).await {
        Ok(opened) => Ok(Ok(opened)),
        Err(NotOpened::Bad(bad)) => Ok(Err(bad)),
        Err(NotOpened::Unread(e)) => Err(StoreError::from(e)),
        Err(NotOpened::Ours(RenderFailure::Killed(how))) => {
            let name = THE_MAIL.to_owned();
            return Err(Failure::Killed { name, how });
        }
        Err(NotOpened::Ours(e)) => return Err(std::io::Error::other(e).into()),
    };
    let opened = context.store.heard_of(&document.text_key, opened).await;
    let opened = opened.map_err(|e| match e {
        StoreError::Files(e) if e.kind() == ErrorKind::NotFound => Failure::TextLost(e.into()),
        e => Failure::Ours(e),
    })?;
    let opened = opened.map_err(std::io::Error::other)?;
    let fields = opened.fields.iter();
    let wishes = Wishes::of_header(fields.map(|(name, value)| (name.as_str(), value.as_str())));
    let unreadable = wishes.ok().and_then(|wishes| wishes.unreadable);
    let mut found = opened.documents;
    let promised: Vec<receipt::Part> = serde_json::from_str(&document.manifest).unwrap_or_default();
    found.retain(|found| {
        let part = promised.get(found.part);
        part.is_none_or(|part| matches!(part.fate, receipt::Fate::Faxed { .. }))
    });
    Ok((found, unreadable))
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
    use crate::config::Config;
    use crate::pages::bitmap::Bitmap;
    use crate::pages::g4;
    use crate::pages::header::HeaderFont;
    use crate::queue::{Millis, NewFax, NewMessage, Store, id};
    use crate::worker::host::Children;

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

    /// A mail with one fax that was accepted so many hours ago.
    fn mail(hours_ago: i64) -> (NewMessage, Millis) {
        let accepted_at = Millis(now().0 - hours_ago * 3_600_000);
        let id = id::new(accepted_at);
        let text = b"From: clerk@example.com\r\n\r\nThe lease of the small room ends in May.\r\n";
        let fax = NewFax {
            id: id.clone(),
            number: "5551234567".to_owned(),
            ..NewFax::default()
        };
        let message = NewMessage {
            text_key: format!("m-{id}"),
            sender: "clerk@example.com".to_owned(),
            small_text: Some(Arc::new(text.to_vec())),
            faxes: vec![fax],
            id,
            ..NewMessage::default()
        };
        (message, accepted_at)
    }

    #[tokio::test]
    async fn a_document_waits_for_a_process_until_it_is_too_old() {
        let state = tempfile::tempdir().unwrap();
        let mut children = Children::new(None, 60);
        children.program = "/nowhere/postfax".into();
        let store = Store::open(state.path()).unwrap();
        let context = Context::new(Config::default(), store, children, HeaderFont::builtin());
        let context = Arc::new(context.unwrap());
        let store = &context.store;
        // The default is a day.
        let (fresh, late) = (mail(1), mail(25));
        for (mail, accepted_at) in [&fresh, &late] {
            store.accept(mail.clone(), *accepted_at).await.unwrap();
        }
        for round in 1..=10 {
            let mut claimed = Vec::new();
            let later = now().plus_seconds(3600);
            while let Some(document) = store.claim_document(later).await.unwrap() {
                claimed.push(document);
            }
            for document in claimed {
                assert_eq!(document.tries, 1);
                render(&context, document).await;
            }
            let waiting = store.waiting_faxes(10).await.unwrap().len();
            assert!(round > 1 || waiting == 2, "it may pass in a moment");
        }
        let waiting = store.waiting_faxes(10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].id, fresh.0.id);
        let failed = store.ended_faxes(10).await.unwrap().remove(0);
        assert_eq!(failed.failure.as_deref(), Some(TOO_LATE));
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
