//! The three loops that carry the work of the queue: render, dial, deliver. Each claims what is due, as much as may
//! go on at a time, and sleeps until there is news or something falls due.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{Context, now};
use crate::queue::StoreError;

/// Sleep no longer than this, whatever the queue says: a clock may jump.
const NAP: Duration = Duration::from_secs(30);

/// Pause after the store failed, so that a full disk is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// Claims with `claim` and hands each piece to `work`, at most `at_a_time` of them, until `stop`.
pub async fn run<T, Claim, Claimed, Work, Worked>(
    context: Arc<Context>,
    at_a_time: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
    claim: Claim,
    work: Work,
) where
    T: Send + 'static,
    Claim: Fn(Arc<Context>) -> Claimed,
    Claimed: Future<Output = Result<Option<T>, StoreError>>,
    Work: Fn(Arc<Context>, T) -> Worked,
    Worked: Future<Output = ()> + Send + 'static,
{
    let mut news = context.news();
    let places = Arc::new(Semaphore::new(at_a_time));
    while !stop.is_cancelled() {
        news.mark_unchanged();
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.expect("nobody closes it"),
            () = stop.cancelled() => return,
        };
        match claim(context.clone()).await {
            Ok(Some(piece)) => start(&tasks, place, work(context.clone(), piece)),
            Ok(None) => {
                drop(place);
                let nap = nap(&context).await;
                tokio::select! {
                    _ = news.changed() => {}
                    () = tokio::time::sleep(nap) => {}
                    () = stop.cancelled() => return,
                }
            }
            Err(e) => {
                tracing::error!("the queue cannot be read: {e}");
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }
}

fn start(
    tasks: &TaskTracker,
    place: OwnedSemaphorePermit,
    work: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(async move {
        work.await;
        drop(place);
    });
}

async fn nap(context: &Context) -> Duration {
    match context.store.next_due(now()).await {
        Ok(Some(due)) => Duration::from_millis((due.0 - now().0).max(50) as u64).min(NAP),
        _ => NAP,
    }
}
