//! Starts and stops the parts; the only place that knows them all.
//!
//! Start: the store (its lock, its recovery), the nursery of the calls, the sockets, the loops, in this order: nobody is
//! told yes before custody stands. Where it does not, [`shut`] tells everybody to come back later. Stop: the doors first,
//! then the calls get their time, then the store.

mod listeners;
mod loops;
pub mod post;
mod searchable;
pub mod shut;
mod snapshot;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::context::{Context, clock, now};
use crate::fax_to_mail::answer;
use crate::fax_to_mail::screen::{self, Refused};
use crate::mail_to_fax::dial::{Dialling, Found};
use crate::mail_to_fax::intake::FrontDoor;
use crate::mail_to_fax::{cover, dial, receipt, render};
use crate::net::line::Line;
use crate::net::sip::IncomingCall;
use crate::net::smtp::Server;
use crate::pages::header::HeaderFont;
use crate::queue::{Store, StoreError};
use crate::worker::host::Children;
use crate::worker::stall::{WORTH_A_WORD, timeout};
use post::probe::RelayHealth;
use snapshot::Desk;

/// How often commands beside the daemon are noticed.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// Mails on their way at a time.
const POSTMEN: usize = 4;

/// How long a stop waits for documents and mails in hand, behind the calls. A relay may take minutes to answer; what
/// is put down here is claimed anew at the next start.
const CHORES: Duration = Duration::from_secs(5);

/// How long calls that were told to end may take: their farewells, and a disk that does not take their outcome.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// A running gateway.
pub struct Gateway {
    context: Arc<Context>,
    line: Line,
    smtp: Arc<Server>,
    status: Option<SocketAddr>,
    /// Ends the doors and the claiming of work.
    closing: CancellationToken,
    /// Ends what is useful until the last call is over: the page, the refusal of calls, the look around.
    closed: CancellationToken,
    /// Ends documents and mails in hand.
    abandoned: CancellationToken,
    doors: TaskTracker,
    calls: TaskTracker,
    chores: TaskTracker,
    last_words: Duration,
    /// Asks for a look at the store.
    look: Arc<Notify>,
}

/// Opens the queue, examines it, and gives what the last stop cut off its honest end.
///
/// # Errors
/// What stands in the way: another daemon, the disk, damage. What is damaged was not changed.
pub async fn custody(config: &Config) -> Result<Store, StoreError> {
    let state = config.state_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&state)).await;
    let store = opened.map_err(|_| StoreError::Stopped).flatten()?;
    let policy = config.retry_policy();
    let recovered = store.begin(&policy, clock::since_boot(), now()).await?;
    if recovered > 0 {
        tracing::warn!(recovered, "the last stop cut work off, which goes on");
    }
    Ok(store)
}

impl Gateway {
    /// Opens the queue and starts everything on it.
    ///
    /// # Errors
    /// As [`custody`] and [`Gateway::start_on`].
    pub async fn start(config: Config, children: Children) -> anyhow::Result<Gateway> {
        let store = custody(&config).await?;
        Gateway::start_on(store, config, children).await
    }

    /// Starts everything on an open queue. On `Ok` the sockets listen and the loops run.
    ///
    /// # Errors
    /// Whatever stands in the way, by name: the library, an address in use.
    pub async fn start_on(
        store: Store,
        config: Config,
        children: Children,
    ) -> anyhow::Result<Gateway> {
        let font = header_font(&config)?;
        // Before the doors open: what is forked for a call has never met a stranger's byte.
        let nursery = children.open_nursery().await;
        nursery.context("the nursery of the calls does not start")?;
        if let Err(e) = cover::template::try_out(&config, &children).await {
            tracing::error!(
                "cover.template: {e}; until it is mended, faxes carry the page that comes with postfax"
            );
        }
        let context = Arc::new(Context::new(config, store, children, font)?);
        Gateway::open(context).await
    }

    async fn open(context: Arc<Context>) -> anyhow::Result<Gateway> {
        let config = context.config();
        let (line, calls) = listeners::line(&context).await?;
        let smtp = Arc::new(Server::bind(listeners::smtp(&config)).await?);
        let page = listeners::status(&config).await?;
        tell_of_broken_templates(&context);
        let gateway = Gateway {
            status: page
                .as_ref()
                .and_then(|listener| listener.local_addr().ok()),
            context,
            line,
            smtp,
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            doors: TaskTracker::new(),
            calls: TaskTracker::new(),
            chores: TaskTracker::new(),
            last_words: LAST_WORDS,
            look: Arc::default(),
        };
        gateway.run_loops(&config);
        gateway.take_calls(calls);
        let trunks = &gateway.context.trunks;
        trunks.care(gateway.line.endpoint(), &gateway.doors, &gateway.closed);
        gateway.look_around();
        gateway.examine_the_store();
        gateway.tell_delays();
        let door = Arc::new(FrontDoor::new(gateway.context.clone()));
        let (smtp, closing) = (gateway.smtp.clone(), gateway.closing.clone());
        gateway
            .doors
            .spawn(async move { smtp.run(door, closing).await });
        if let Some(listener) = page {
            gateway.show_page(listener, &config);
        }
        Ok(gateway)
    }

    /// Where mails come in.
    pub fn smtp_addresses(&self) -> Vec<SocketAddr> {
        self.smtp.addresses()
    }

    /// Where calls come in.
    pub fn sip_address(&self) -> SocketAddr {
        self.line.contact()
    }

    /// Where the page is.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status
    }

    /// What all parts share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Puts new settings in force, as far as they can be without touching a call, and looks at the store. Returns the keys that need a restart.
    pub fn reload(&self, config: Config) -> Vec<&'static str> {
        let later = listeners::needs_restart(&self.context.config(), &config);
        self.smtp.reload(listeners::smtp(&config));
        self.context.reload(config);
        self.look.notify_one();
        tell_of_broken_templates(&self.context);
        later
    }

    /// Stops: doors closed at once, calls get their time (or until `hurry`), then everything ends.
    ///
    /// A full disk or a dead network share does not hold up the end: what could not be settled is still claimed in
    /// the queue, and the next start gives it its honest end.
    pub async fn stop(self, hurry: CancellationToken) {
        self.closing.cancel();
        // A call that several faxes share may have an hour of them before it.
        self.line.close();
        self.doors.close();
        self.calls.close();
        self.chores.close();
        let patience = Duration::from_secs(self.context.config().sip.drain_seconds);
        if self.line.calls() > 0 {
            tracing::info!(
                "{} calls in progress get up to {} s",
                self.line.calls(),
                patience.as_secs()
            );
        }
        wait(&self.calls, patience, &hurry).await;
        self.line.stop();
        if timeout(self.last_words, self.calls.wait()).await.is_err() {
            let left = self.calls.len();
            tracing::error!("{left} calls did not end in time; the next start settles them");
        }
        self.line.farewell().await;
        wait(&self.chores, CHORES, &hurry).await;
        self.abandoned.cancel();
        self.chores.wait().await;
        self.closed.cancel();
        // SMTP sessions have a grace time of their own, which began when the doors closed.
        self.doors.wait().await;
    }

    /// The three loops over the queue.
    fn run_loops(&self, config: &Config) {
        let spawn =
            |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| self.doors.spawn(work);
        let parts = |tasks: &TaskTracker| {
            (
                self.context.clone(),
                tasks.clone(),
                self.closing.clone(),
                self.abandoned.clone(),
            )
        };
        let (context, tasks, closing, abandoned) = parts(&self.chores);
        spawn(Box::pin(loops::run(
            context,
            config.renderer.processes,
            tasks,
            closing,
            async |context| context.store.claim_document(now()).await,
            move |context, document| {
                let abandoned = abandoned.clone();
                async move {
                    let id = document.id.clone();
                    let work = render::render(&context, document);
                    if abandoned.run_until_cancelled(work).await.is_none() {
                        // A planned stop is no death in the middle of it.
                        let _ = timeout(CHORES, render::put_back(&context, &id)).await;
                    }
                }
            },
        )));
        let (context, tasks, closing, _) = parts(&self.calls);
        let (line, busy) = (self.line.clone(), self.line.clone());
        let channels = config.sip.channels;
        spawn(Box::pin(loops::run(
            context,
            channels,
            tasks,
            closing,
            // Calls that came in take channels of the trunk, too.
            move |context| {
                let is_free = busy.calls() < channels;
                async move {
                    match is_free {
                        true => next_to_dial(&context).await,
                        false => Ok(None),
                    }
                }
            },
            move |context, dialling| {
                let line = line.clone();
                async move { dial::dial(&context, &line, dialling).await }
            },
        )));
        let (context, tasks, closing, abandoned) = parts(&self.chores);
        let relay = Arc::new(RelayHealth::default());
        let asked = relay.clone();
        spawn(Box::pin(loops::run(
            context,
            POSTMEN,
            tasks,
            closing,
            move |context| {
                let relay = asked.clone();
                async move { relay.claim(&context).await }
            },
            move |context, mail| {
                let relay = relay.clone();
                let work = async move { post::deliver(&context, &relay, mail).await };
                until(abandoned.clone(), work)
            },
        )));
    }

    /// Answers calls as they come, as long as there is a channel and we are not closing.
    fn take_calls(&self, mut calls: mpsc::Receiver<IncomingCall>) {
        let (context, line) = (self.context.clone(), self.line.clone());
        let (tasks, closing, closed) = (
            self.calls.clone(),
            self.closing.clone(),
            self.closed.clone(),
        );
        self.doors.spawn(async move {
            while let Some(Some(call)) = closed.run_until_cancelled(calls.recv()).await {
                let call = line.incoming(call);
                let Some(trunk) = context.trunks.whose(call.source.ip()) else {
                    call.reject(Refused::NoTrunk.code());
                    continue;
                };
                let is_full = line.calls() > context.config().sip.channels;
                match trunk.channel().filter(|_| !is_full) {
                    _ if closing.is_cancelled() => screen::refuse(call, trunk, Refused::Stopping),
                    _ if context.store.damage().is_some() => {
                        screen::refuse(call, trunk, Refused::Damaged);
                    }
                    _ if trunk.lacks_acks() => {
                        screen::refuse(call, trunk, Refused::Unacknowledged);
                    }
                    None => screen::refuse(call, trunk, Refused::Busy),
                    Some(channel) => {
                        let context = context.clone();
                        tasks.spawn(async move { answer::answer(&context, call, channel).await });
                    }
                }
            }
        });
    }

    /// Notices what commands beside the daemon did to the store: while there are calls, one may be cancelled.
    fn look_around(&self) {
        let (context, closed) = (self.context.clone(), self.closed.clone());
        self.doors.spawn(async move {
            let mut seen = None;
            while nap(&closed).await {
                // At every look: a fax may have been cancelled before its call was there to be ended.
                if context.live.any() {
                    for fax in context.store.cancelling().await.unwrap_or_default() {
                        context.live.cancel(&fax);
                    }
                }
                let Ok(version) = context.store.version().await else {
                    continue;
                };
                // The first look is news, too: a command may have been quicker than we.
                if seen.replace(version) != Some(version) {
                    context.tell();
                }
            }
        });
    }

    /// Tells those whose faxes wait for long.
    fn tell_delays(&self) {
        let (context, closing) = (self.context.clone(), self.closing.clone());
        self.doors
            .spawn(async move { loops::tell_delays(context, closing).await });
    }

    /// Looks at the store beside everything else, from time to time: it must hold up nothing.
    fn examine_the_store(&self) {
        let (context, closed) = (self.context.clone(), self.closed.clone());
        let look = self.look.clone();
        self.doors.spawn(async move {
            let examined = closed.run_until_cancelled(loops::examine(context, look));
            examined.await;
        });
    }

    fn show_page(&self, listener: tokio::net::TcpListener, config: &Config) {
        let desk = Arc::new(Desk::new(
            self.context.clone(),
            self.line.clone(),
            Instant::now(),
        ));
        let closed = self.closed.clone();
        self.doors
            .spawn(listeners::page(listener, config, desk, closed));
    }
}

/// Sleeps until the next look around; false: there is none. Says so where this process stood still.
async fn nap(closed: &CancellationToken) -> bool {
    let began = Instant::now();
    let slept = closed.run_until_cancelled(tokio::time::sleep(LOOK_AROUND));
    let goes_on = slept.await.is_some();
    let late = began.elapsed().saturating_sub(LOOK_AROUND);
    if goes_on && late >= WORTH_A_WORD {
        tracing::warn!(
            "the gateway stood still for {} s: it was stopped, or its machine was; what came meanwhile is read first",
            late.as_secs()
        );
    }
    goes_on
}

/// They cost nothing but the site's own words: ours are used instead.
fn tell_of_broken_templates(context: &Context) {
    let head = context.letterhead();
    for broken in receipt::broken_templates(&head.templates, &head) {
        tracing::error!("the template {broken}; ours is used instead");
    }
}

/// What there is to dial; what has to wait for its trunk is news when the wait is over.
async fn next_to_dial(context: &Arc<Context>) -> Result<Option<Dialling>, StoreError> {
    Ok(match dial::claim(context).await? {
        Found::Fax(dialling) => Some(*dialling),
        Found::Nothing => None,
        Found::Then(at) => {
            let context = context.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(at.into()).await;
                context.tell();
            });
            None
        }
    })
}

/// Waits until all tasks are over, but no longer than `patience`, and not once there is a hurry.
async fn wait(tasks: &TaskTracker, patience: Duration, hurry: &CancellationToken) {
    tokio::select! {
        () = tasks.wait() => {}
        () = tokio::time::sleep(patience) => {}
        () = hurry.cancelled() => {}
    }
}

/// Works until it is done or told to leave it.
async fn until(abandoned: CancellationToken, work: impl Future<Output = ()>) {
    let _ = abandoned.run_until_cancelled(work).await;
}

fn header_font(config: &Config) -> anyhow::Result<HeaderFont> {
    let Some(path) = &config.fax.header_font else {
        return Ok(HeaderFont::builtin());
    };
    let octets =
        std::fs::read(path).with_context(|| format!("fax.header_font {}", path.display()))?;
    HeaderFont::from_bytes(octets).with_context(|| format!("fax.header_font {}", path.display()))
}
