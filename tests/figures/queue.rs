//! A long queue, filled through the library as the journeys do it.

use std::path::Path;
use std::time::{Duration, Instant};

use postfax::context::now;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{FaxPage, Resolution, g4, tiff};
use postfax::queue::{Drawn, Millis, NewFax, NewMessage, NewOctets, Store, id};
use tokio::task::JoinSet;

/// Whose every tenth fax is.
pub const SECOND_SENDER: &str = "billing@example.com";

/// Puts `jobs` mails with one fax each into a new store, rendered and due; says how long that took.
///
/// They share one blob each for text and pages: files beside the database cost a start nothing.
pub fn fill(state: &Path, jobs: usize) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let store = Store::open(state)?;
        store.blobs().keep("m-figures", &crate::mail::letter())?;
        store.blobs().keep("d-figures", &tiff::write(&pages()))?;
        accept(&store, jobs).await?;
        render(&store, jobs).await
    })?;
    Ok(began.elapsed())
}

/// All at once: the store commits what waits together.
async fn accept(store: &Store, jobs: usize) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let first = now().0 - jobs as i64;
    for job in 0..jobs {
        let (store, accepted) = (store.clone(), Millis(first + job as i64));
        tasks.spawn(async move { store.accept(mail(job, accepted), accepted).await });
    }
    while let Some(accepted) = tasks.join_next().await {
        accepted??;
    }
    Ok(())
}

async fn render(store: &Store, jobs: usize) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..jobs {
        let store = store.clone();
        tasks.spawn(async move {
            if let Some(document) = store.claim_document(now()).await? {
                let drawn = Drawn {
                    pages: NewOctets::blob("d-figures"),
                    page_count: 2,
                    ..Drawn::default()
                };
                store.document_rendered(&document.id, drawn, now()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(rendered) = tasks.join_next().await {
        rendered??;
    }
    Ok(())
}

fn mail(job: usize, accepted: Millis) -> NewMessage {
    let number = format!("555{job:07}");
    let sender = match job % 10 {
        0 => SECOND_SENDER,
        _ => "clerk@example.com",
    };
    NewMessage {
        id: id::new(accepted),
        client: "127.0.0.1".into(),
        sender: sender.into(),
        account: sender.into(),
        message_id: Some(format!("<{job}@example.com>")),
        references: None,
        subject: format!("Letter {job}"),
        manifest: "[]".into(),
        size: 10_000,
        text_key: "m-figures".into(),
        faxes: vec![NewFax {
            id: id::new(accepted),
            recipient: format!("{number}@fax.local"),
            number,
            ..NewFax::default()
        }],
        ..NewMessage::default()
    }
}

/// Two pages with a rule across each.
fn pages() -> Vec<FaxPage> {
    let (x_dpi, y_dpi) = Resolution::Fine.dpi();
    let mut picture = Bitmap::new(1728, 2200).expect("a page's size");
    (0..1728).for_each(|x| picture.set(x, 300));
    let page = FaxPage {
        width: 1728,
        height: 2200,
        x_dpi,
        y_dpi,
        g4: g4::encode(&picture),
    };
    vec![page.clone(), page]
}
