//! The cover page of a fax: made just before its first call, the same for all of them.
//!
//! Takes over: a claimed fax that wants one.
//! Promises: a call begins only when the page is on disk and its row names it. A page that a site's own template
//! spoils is made from the one that comes with Postfax.
//! When it dies: no call has begun. The page is made again, or the one on disk is taken.

use std::io::{self, Read};
use std::sync::Arc;

use crate::call::outcome::Outcome;
use crate::config::Config;
use crate::context::{Context, now};
use crate::letter::cover::{CoverFacts, builtin, date, fill};
use crate::letter::wording::one_line;
use crate::pages::cover::CoverSource;
use crate::pages::cut::LongPages;
use crate::pages::document::Target;
use crate::pages::{FaxPage, tiff};
use crate::queue::{ClaimedFax, CoverRow, Kept, StoreError};
use crate::worker::host::RenderFailure;

use super::message::MAX_HEADER;
use super::message::cover::{People, people};
use super::recipient;
use template::{BadTemplate, Template};

pub mod template;

/// Why there is no cover page, so no call.
#[derive(Debug)]
pub(super) struct NotMade {
    /// What that is for the attempt.
    pub(super) outcome: Outcome,
    /// The cause.
    pub(super) why: String,
}

impl From<StoreError> for NotMade {
    fn from(e: StoreError) -> NotMade {
        NotMade {
            outcome: Outcome::NoPages,
            why: e.to_string(),
        }
    }
}

impl From<io::Error> for NotMade {
    fn from(e: io::Error) -> NotMade {
        StoreError::from(e).into()
    }
}

/// The blob key of the cover page of a fax; `None` where it wants none.
pub(super) async fn of(
    context: &Arc<Context>,
    fax: &ClaimedFax,
) -> Result<Option<String>, NotMade> {
    match (&fax.cover_key, fax.cover) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, false) => Ok(None),
        (None, true) => make(context, fax).await.map(Some),
    }
}

async fn make(context: &Arc<Context>, fax: &ClaimedFax) -> Result<String, NotMade> {
    let (store, config) = (&context.store, context.config());
    let row = store.cover_of(&fax.id).await?;
    let row = row.ok_or_else(|| io::Error::other("the fax is gone"))?;
    let (mail, recipient) = (store.kept(&row.text_key).await?, fax.recipient.clone());
    let people = tokio::task::spawn_blocking(move || correspondents(&mail, &recipient));
    let people = people.await.map_err(io::Error::other)??;
    let facts = facts(&config, fax, &row, people);
    let target = Target {
        resolution: row.resolution,
        paper: config.fax.paper,
        long_pages: LongPages::Shrink,
    };
    let page = draw(context, &config, &facts, target).await;
    let page = page.map_err(|e| NotMade {
        outcome: match e {
            RenderFailure::Refused(_) => Outcome::ChildCrashed,
            // No attempt of the fax, which waits until it is too old.
            RenderFailure::NotStarted(_) | RenderFailure::Killed(_) => Outcome::NoPages,
        },
        why: format!("the cover page could not be made: {e}"),
    })?;
    let (blobs, key) = (store.blobs().clone(), format!("c-{}", fax.id));
    let kept = key.clone();
    tokio::task::spawn_blocking(move || blobs.keep(&kept, &tiff::write(&[page])))
        .await
        .map_err(io::Error::other)??;
    store.cover_made(&fax.id, &key).await?;
    Ok(key)
}

/// The site's page; where that cannot be made, our own.
async fn draw(
    context: &Context,
    config: &Config,
    facts: &CoverFacts,
    target: Target,
) -> Result<FaxPage, RenderFailure> {
    if let Some(path) = &config.cover.template {
        let page = match Template::read(path) {
            Ok(template) => template.draw(&context.children, facts, target).await,
            Err(e) => Err(e),
        };
        match page {
            Ok(page) => return Ok(page),
            // Nothing is wrong with the template.
            Err(BadTemplate::NotDrawn(
                ours @ (RenderFailure::NotStarted(_) | RenderFailure::Killed(_)),
            )) => return Err(ours),
            Err(e) => tracing::error!(
                "cover.template {}: {e}; the page that comes with postfax is sent instead",
                path.display()
            ),
        }
    }
    let text = fill(builtin(config.cover.language), facts);
    let text = text.expect("the templates of the program know their facts");
    let children = &context.children;
    children
        .cover(CoverSource::Sheet, text.as_bytes(), target)
        .await
}

/// Characters of what stands in one line of the page at most.
const LINE: usize = 300;

/// Whom a cover page names: by the phone book, by the address, or as the header of the mail does.
pub(super) fn addressee(
    in_book: Option<&str>,
    address: &str,
    in_header: impl FnOnce() -> String,
) -> String {
    let in_book = in_book.map(str::to_owned);
    let to = in_book.or_else(|| recipient::attention(address));
    one_line(&to.unwrap_or_else(in_header), LINE)
}

fn facts(config: &Config, fax: &ClaimedFax, row: &CoverRow, people: People) -> CoverFacts {
    let sender = config.sender(&fax.sender);
    let to = addressee(row.name.as_deref(), &fax.recipient, || people.addressee);
    let mail = match people.author_mail.is_empty() {
        true => &fax.sender,
        false => &people.author_mail,
    };
    let when = jiff::Timestamp::from_millisecond(now().0).unwrap_or_default();
    CoverFacts {
        to,
        to_number: fax.number.clone(),
        from: one_line(&people.author, LINE),
        from_mail: one_line(mail, LINE),
        from_number: sender.station_id,
        organisation: one_line(&sender.name, LINE),
        subject: one_line(&row.subject, LINE),
        pages: fax.page_count,
        date: date(&when.to_zoned(config.time_zone()), config.cover.language),
        notes: row.notes.clone().unwrap_or_default(),
    }
}

/// Who writes to whom, from the header of the mail.
fn correspondents(mail: &Kept, recipient: &str) -> io::Result<People> {
    let mut header = Vec::new();
    let text = mail.open()?;
    text.take(MAX_HEADER as u64).read_to_end(&mut header)?;
    Ok(people(&header, recipient))
}
