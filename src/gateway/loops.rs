//! The three loops that carry the work of the queue: render, dial, deliver. Each claims what is due, as much as may
//! go on at a time, and sleeps until there is news or something falls due.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{Context, guarded, now};
use crate::mail_to_fax::dial::Dialling;
use crate::queue::{Claim, ClaimedDocument, ClaimedMail, StoreError};

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

/// Examines the store from time to time, and when somebody asks for it, for ever.
pub async fn examine(context: Arc<Context>, now: Arc<Notify>) {
    loop {
        let before = context.store.damage();
        if let Err(e) = context.store.examine().await {
            tracing::error!("the queue cannot be examined: {e}");
        }
        let damage = context.store.damage();
        if damage.is_none() && before.is_some() {
            // Faxes have waited for this.
            let policy = context.config().retry_policy();
            if let Err(e) = context
                .store
                .give_grace(&policy, crate::context::now())
                .await
            {
                tracing::error!("faxes are not given more time: {e}");
            }
            context.tell();
        }
        let pause = match damage {
            None => BETWEEN_EXAMINATIONS,
            Some(_) => WHILE_DAMAGED,
        };
        let _ = tokio::time::timeout(pause, now.notified()).await;
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
