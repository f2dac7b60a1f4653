//! Pages of a received fax that no row names are delivered after all.

use crate::config::Config;
use crate::config::numbers::Numbering;
use crate::context::now;
use crate::pages::{PAGE_WIDTH, Resolution, g4};
use crate::queue::{AdoptedFax, Origin, Orphan, OrphanKind, ReceivedPage, Store};

/// Widths of T.4 2.1 at 8 pels/mm: ISO A4, B4, A3.
const WIDTHS: [u32; 3] = [PAGE_WIDTH, 2048, 2432];

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
    let found = WIDTHS
        .iter()
        .find_map(|&width| Some((width, g4::rows(&bytes, width)?)));
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
fn recipients(to: &[String], page: &ReceivedPage, config: &Config) -> anyhow::Result<Vec<String>> {
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
    fax.id = key
        .split_once('-')
        .map(|(_, id)| id.to_owned())
        .unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::outcome::Outcome;
    use crate::pages::bitmap::Bitmap;

    const ID: &str = "1m7xa9q0c2f3k";

    fn page(rows: u32) -> Vec<u8> {
        g4::encode(&Bitmap::new(1728, rows).unwrap())
    }

    fn described_page(page: u32) -> Origin {
        Origin::Page(ReceivedPage {
            received: ID.into(),
            page,
            last: page == 2,
            width: 1728,
            height: 1100,
            x_dpi: 204,
            y_dpi: 98,
            started_at: 1_795_000_000_000,
            called: "5559876543".into(),
            caller: "5551234567".into(),
            recipients: vec!["office@example.com".into()],
            ..ReceivedPage::default()
        })
    }

    /// A store that was begun with these pages and no row of them.
    async fn lost(state: &std::path::Path, origin: impl Fn(u32) -> Option<Origin>) -> Store {
        let store = Store::open(state).unwrap();
        for number in [1, 2] {
            let key = format!("p{number}-{ID}");
            match origin(number) {
                Some(origin) => store.blobs().keep_with_origin(&key, &page(1100), &origin),
                None => store.blobs().keep(&key, &page(1100)),
            }
            .unwrap();
        }
        store
            .begin(
                &Config::default().retry_policy(),
                crate::context::clock::since_boot(),
                now(),
            )
            .await
            .unwrap();
        store
    }

    #[tokio::test]
    async fn lost_pages_are_mailed_to_those_they_came_for_and_once() {
        let state = tempfile::tempdir().unwrap();
        let store = lost(state.path(), |page| Some(described_page(page))).await;
        let orphans = store.orphans().await.unwrap();
        if orphans[0].origin.is_none() {
            // A file system without attributes.
            return;
        }
        let pages = pages_of(&format!("p2-{ID}"), &orphans);
        assert_eq!(pages.len(), 2);
        let config = Config::default();
        let id = adopt(&store, &pages, &[], &config).await.unwrap();
        assert_eq!(id, ID);
        let fax = store.received_fax(ID).await.unwrap().unwrap();
        assert_eq!(
            (fax.outcome, fax.caller.as_str()),
            (Outcome::Delivered, "5551234567")
        );
        assert_eq!(
            fax.pages
                .iter()
                .map(|page| page.g4.clone())
                .collect::<Vec<_>>(),
            [page(1100), page(1100)]
        );
        let mails = store.mails_about(ID).await.unwrap();
        assert_eq!(mails[0].recipient, "office@example.com");
        assert_eq!(store.orphans().await.unwrap(), []);
        assert_eq!(store.check().await.unwrap(), []);
        assert!(adopt(&store, &pages, &[], &config).await.is_err());
        assert_eq!(store.received(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn pages_of_which_nothing_is_known_are_measured_and_go_to_whom_the_administrator_names() {
        let state = tempfile::tempdir().unwrap();
        let store = lost(state.path(), |_| None).await;
        let orphans = store.orphans().await.unwrap();
        let pages = pages_of(&format!("p1-{ID}"), &orphans);
        let config = Config::default();
        let unknown = adopt(&store, &pages, &[], &config).await.unwrap_err();
        assert!(unknown.to_string().contains("--to"), "{unknown}");
        let no_route = adopt(&store, &pages, &["5559876543".into()], &config).await;
        assert!(no_route.unwrap_err().to_string().contains("route"));
        let id = adopt(&store, &pages, &["jane@example.com".into()], &config)
            .await
            .unwrap();
        let fax = store.received_fax(&id).await.unwrap().unwrap();
        assert_eq!((fax.pages[1].height, fax.pages[1].y_dpi), (1100, 98));
        assert_eq!(
            fax.outcome,
            Outcome::GatewayStopped,
            "nobody knows whether it is whole"
        );
        assert_eq!(
            store.mails_about(&id).await.unwrap()[0].recipient,
            "jane@example.com"
        );
    }
}
