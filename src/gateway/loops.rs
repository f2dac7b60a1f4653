//! The three loops that carry the work of the queue: render, dial, deliver. Each claims what is due, as much as may
//! go on at a time, and sleeps until there is news or something falls due.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{Context, guarded, now};
use crate::mail_to_fax::dial::Dialling;
use crate::queue::{Claim, ClaimedDocument, ClaimedMail, Millis, Store, StoreError};

/// Sleep no longer than this, whatever the queue says: a clock may jump.
const NAP: Duration = Duration::from_secs(30);

/// Behind a look that found nothing the next comes no sooner: where mails pour in, each is news to all three loops, and
/// their looks would stand in the way of the next mail.
const LULL: Duration = Duration::from_millis(20);

/// Pause after the store failed, so that a full disk is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// What a loop claims.
pub trait Piece: Send + 'static {
    /// Its claim, to be released should its work panic.
    fn claim(&self) -> Claim;
}

impl Piece for ClaimedDocument {
    fn claim(&self) -> Claim {
        Claim::Document(self.id.clone())
    }
}

impl Piece for Dialling {
    fn claim(&self) -> Claim {
        Claim::Fax(self.first().id.clone())
    }
}

impl Piece for ClaimedMail {
    fn claim(&self) -> Claim {
        Claim::Mail(self.id.clone())
    }
}

/// Claims with `claim` and hands each piece to `work`, at most `at_a_time` of them, until `stop`.
pub async fn run<T, Claim, Claimed, Work, Worked>(
    context: Arc<Context>,
    at_a_time: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
    claim: Claim,
    work: Work,
) where
    T: Piece,
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
            Ok(Some(piece)) => {
                let claim = piece.claim();
                start(&tasks, &context, place, claim, work(context.clone(), piece));
            }
            Ok(None) => {
                drop(place);
                let looked = Instant::now();
                let nap = nap(&context).await;
                tokio::select! {
                    _ = news.changed() => {}
                    () = tokio::time::sleep(nap) => {}
                    () = stop.cancelled() => return,
                }
                tokio::time::sleep_until(looked + LULL).await;
            }
            Err(e) => {
                tracing::error!("the queue cannot be read: {e}");
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }
}

/// How often is looked for faxes that wait for long.
const BETWEEN_LOOKS: Duration = Duration::from_secs(20);

/// Queues a mail to those whose faxes wait for long, until `stop`.
pub async fn tell_delays(context: Arc<Context>, stop: CancellationToken) {
    loop {
        match context.store.tell_delays(now()).await {
            Ok(0) => {}
            Ok(_) => {
                context.tell();
                continue;
            }
            Err(e) => tracing::error!("nobody is told of delays: {e}"),
        }
        let nap = tokio::time::sleep(BETWEEN_LOOKS);
        if stop.run_until_cancelled(nap).await.is_none() {
            return;
        }
    }
}

/// How often the store is examined, and how often once it is damaged: what was missing may have been put back.
const BETWEEN_EXAMINATIONS: Duration = Duration::from_secs(6 * 3600);
const WHILE_DAMAGED: Duration = Duration::from_secs(15);

/// Examines the store from time to time, when somebody asks for it and when damage shows, for ever. The start has examined
/// it. Where it is sound, orphans that were kept for long enough are deleted.
pub async fn examine(context: Arc<Context>, now: Arc<Notify>) {
    let mut retention = Retention::default();
    loop {
        let pause = match context.store.damage() {
            None => BETWEEN_EXAMINATIONS,
            Some(_) => WHILE_DAMAGED,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = now.notified() => {}
            () = context.store.suspected() => {}
        }
        let before = context.store.damage();
        if let Err(e) = context.store.examine().await {
            tracing::error!("the queue cannot be examined: {e}");
            continue;
        }
        if context.store.damage().is_some() {
            continue;
        }
        if before.is_some() {
            // Faxes have waited for this.
            let policy = context.config().retry_policy();
            let given = context.store.give_grace(&policy, crate::context::now());
            if let Err(e) = given.await {
                tracing::error!("faxes are not given more time: {e}");
            }
            if let Err(e) = context.store.documents_are_due(crate::context::now()).await {
                tracing::error!("documents are not tried at once: {e}");
            }
            context.tell();
        }
        let now = crate::context::now();
        if let Err(e) = retention.apply(&context.store, now, Instant::now()).await {
            tracing::error!("orphans are not deleted: {e}");
        }
    }
}

/// An orphan is deleted only when it was found to be old enough for so long: a clock that ran ahead has been set by then.
const CONFIRMED_AFTER: Duration = Duration::from_secs(3600);

/// Which orphans are old enough, and since when that is so.
#[derive(Default)]
struct Retention {
    expired: HashMap<String, Instant>,
}

impl Retention {
    /// Deletes what may be deleted.
    async fn apply(
        &mut self,
        store: &Store,
        now: Millis,
        found: Instant,
    ) -> Result<(), StoreError> {
        let expired: HashSet<String> = store.expired_orphans(now).await?.into_iter().collect();
        self.expired.retain(|key, _| expired.contains(key));
        for key in expired {
            self.expired.entry(key).or_insert(found);
        }
        let confirmed = self.expired.iter();
        let confirmed = confirmed.filter(|(_, since)| found - **since >= CONFIRMED_AFTER);
        let confirmed: HashSet<String> = confirmed.map(|(key, _)| key.clone()).collect();
        if !confirmed.is_empty() {
            store.delete_expired_orphans(confirmed, now).await?;
        }
        Ok(())
    }
}

fn start(
    tasks: &TaskTracker,
    context: &Arc<Context>,
    place: OwnedSemaphorePermit,
    claim: Claim,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let context = context.clone();
    tasks.spawn(async move {
        guarded(&context, claim, work).await;
        drop(place);
    });
}

async fn nap(context: &Context) -> Duration {
    let due = async {
        let now = context.followed_clock().await?;
        let policy = context.config().retry_policy();
        context.store.next_due(&policy, now).await
    };
    match due.await {
        Ok(Some(due)) => Duration::from_millis((due.0 - now().0).max(50) as u64).min(NAP),
        _ => NAP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::KEPT_DAYS;

    fn policy() -> crate::call::retry::Policy {
        crate::config::Config::default().retry_policy()
    }

    #[tokio::test]
    async fn an_orphan_is_deleted_after_its_days_while_the_daemon_runs_but_not_by_a_clock_that_ran_ahead()
     {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        store.blobs().keep("m-orphan", b"it got its 250").unwrap();
        store
            .begin(&policy(), crate::context::clock::since_boot(), now())
            .await
            .unwrap();
        let left = async || store.orphans().await.unwrap().len();
        assert_eq!(left().await, 1);
        let mut retention = Retention::default();
        let (begin, hour) = (Instant::now(), Duration::from_secs(3600));
        let day = |n: u64| now().plus_seconds(n * 86_400);
        for (at, after, expected) in [
            (day(KEPT_DAYS - 1), hour * 2, 1),
            // The clock ran ahead, and was set.
            (day(3650), hour * 3, 1),
            (day(KEPT_DAYS - 1), hour * 5, 1),
            (day(KEPT_DAYS + 1), hour * 6, 1),
            (day(KEPT_DAYS + 1), hour * 7, 0),
        ] {
            retention.apply(&store, at, begin + after).await.unwrap();
            assert_eq!(left().await, expected, "after {after:?}");
        }
    }
}
