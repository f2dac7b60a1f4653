//! The proof: pictures compared pel for pel.

use anyhow::{Context as _, ensure};

use crate::context::Context;
use crate::mail_to_fax::stamp::Stamp;
use crate::pages::bitmap::Bitmap;
use crate::pages::{FaxPage, g4, tiff};

/// The pages of the one fax that was sent, header lines and all, made again from what the queue kept.
pub async fn sent_pages(context: &Context) -> anyhow::Result<Vec<FaxPage>> {
    let fax = context
        .store
        .ended_faxes(1)
        .await?
        .pop()
        .context("no fax was sent")?;
    let attempts = context.store.attempts(&fax.id).await?;
    let stamp: Stamp = serde_json::from_str(&attempts.last().context("no call was made")?.header)?;
    let key = fax.pages_key.context("the fax was not rendered")?;
    let pages = tiff::read(&context.store.octets(&key).await?)?;
    Ok(stamp.on(&pages, 1, &fax.number, &context.font)?)
}

/// Pages as pictures.
pub fn pictures(pages: &[FaxPage]) -> anyhow::Result<Vec<Bitmap>> {
    pages
        .iter()
        .map(|page| Ok(g4::decode(&page.g4, page.width, page.height)?))
        .collect()
}

/// Whether two sets of pictures are the same, pel for pel.
pub fn same(sent: &[Bitmap], arrived: &[Bitmap], where_: &str) -> anyhow::Result<()> {
    ensure!(
        sent.len() == arrived.len(),
        "{} pages were sent, {where_} has {}",
        sent.len(),
        arrived.len()
    );
    for (n, (sent, arrived)) in sent.iter().zip(arrived).enumerate() {
        ensure!(
            sent == arrived,
            "page {} of {where_} differs from what was sent",
            n + 1
        );
    }
    Ok(())
}
