//! Pages of a received fax that no row names are delivered after all.

use crate::config::Config;
use crate::config::numbers::Numbering;
use crate::context::now;
use crate::pages::{PAGE_WIDTH, Resolution, g4};
use crate::queue::{AdoptedFax, Orphan, OrphanKind, Origin, ReceivedPage, Store};

/// Widths of T.4 2.1 at 8 pels/mm: ISO A4, B4, A3.
const WIDTHS: [u32; 3] = [PAGE_WIDTH as u32, 2048, 2432];

/// All pages of the fax that the page `key` belongs to, in order.
pub fn pages_of(key: &str, orphans: &[Orphan]) -> Vec<Orphan> {
    let Some((_, received)) = key.split_once('-') else {
        return Vec::new();
    };
    let is_of_it = |orphan: &&Orphan| {
        orphan.kind == OrphanKind::ReceivedPage && orphan.key.ends_with(&format!("-{received}"))
    };
    let mut pages: Vec<Orphan> = orphans.iter().filter(is_of_it).cloned().collect();
    pages.sort_by_key(|orphan| number(&orphan.key));
    pages
}

/// The number of a page, from 1.
fn number(key: &str) -> u32 {
    let (page, _) = key.split_once('-').unwrap_or_default();
    page.trim_start_matches('p').parse().unwrap_or(0)
}

/// What is known of a page: what was kept beside it, else what its bytes say.
///
/// # Errors
/// A sentence, where the bytes are no page.
fn described(orphan: &Orphan) -> anyhow::Result<ReceivedPage> {
    if let Some(Origin::Page(page)) = &orphan.origin {
        return Ok(page.clone());
    }
    let bytes = std::fs::read(&orphan.path)?;
    let found = WIDTHS.iter().find_map(|&width| Some((width, g4::rows(&bytes, width)?)));
    let Some((width, height)) = found else {
        anyhow::bail!("{} holds no page of a fax", orphan.key);
    };
    let resolution = match height {
        // A page of 356 mm has 1370 rows at 3.85 lines/mm, and twice and four times as many above.
        0..=1500 => Resolution::Standard,
        1501..=3000 => Resolution::Fine,
        _ => Resolution::Superfine,
    };
    let (x_dpi, y_dpi) = resolution.dpi();
    Ok(ReceivedPage {
        page: number(&orphan.key),
        width,
        height,
        x_dpi,
        y_dpi,
        started_at: orphan.written_at.0,
        ..ReceivedPage::default()
    })
}

/// Who gets the pages: `to` are mail addresses, `maildir:PATH`, or a number of ours, whose route counts; where nobody is
/// named, who was to get them when they came.
///
/// # Errors
/// A sentence, where nobody is found.
fn recipients(
    to: &[String],
    page: &ReceivedPage,
    config: &Config,
) -> anyhow::Result<Vec<String>> {
    let numbers = Numbering::of(config)?;
    let mut found = Vec::new();
    for to in to {
        match to.contains('@') || to.starts_with("maildir:") {
            true => found.push(to.clone()),
            false => match config.route(to, &numbers) {
                Some(route) => found.extend(route.recipients()),
                None => anyhow::bail!("no [[route]] leads from {to}"),
            },
        }
    }
    if to.is_empty() {
        found.clone_from(&page.recipients);
    }
    if found.is_empty() {
        anyhow::bail!(
            "who is to get it is not known: name a mail address or the number of yours that was called (--to)"
        );
    }
    Ok(found)
}

/// Takes pages in again as a received fax, and queues its mails. Returns its identifier. Cut off at any moment they are
/// orphans as before, or taken in, and never twice.
///
/// # Errors
/// A sentence: no page, nobody to get it, what the disk or the database says.
pub async fn adopt(
    store: &Store,
    pages: &[Orphan],
    to: &[String],
    config: &Config,
) -> anyhow::Result<String> {
    let mut fax = AdoptedFax::default();
    for orphan in pages {
        fax.pages.push((orphan.key.clone(), described(orphan)?));
    }
    let Some((key, first)) = fax.pages.first() else {
        anyhow::bail!("there is no page of it");
    };
    fax.id = key.split_once('-').map(|(_, id)| id.to_owned()).unwrap_or_default();
    fax.recipients = recipients(to, first, config)?;
    for orphan in pages {
        store.place_orphan(orphan).await?;
    }
    let Some(id) = store.adopt_received(fax, now()).await? else {
        anyhow::bail!("it is in the queue already");
    };
    for orphan in pages {
        store.orphan_adopted(orphan).await?;
    }
    Ok(id)
}
