//! What both journeys share: the settings in force, the store, the children, the calls in progress.

pub mod clock;
pub mod reader;
pub mod templates;
pub mod troubles;
pub mod words;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::call::outcome::FarEnd;
use crate::config::Config;
use crate::config::hours::Hours;
use crate::config::numbers::Numbering;
use crate::letter::Letterhead;
use crate::letter::templates::Templates;
use crate::net::line::LineEvent;
use crate::net::trunk::Trunks;
use crate::pages::header::HeaderFont;
use crate::queue::{self, Claim, Millis, Store};
use crate::worker::host::Children;
use reader::Reader;
use troubles::Troubles;
use words::ReadLately;

/// Everything a journey needs and does not own.
pub struct Context {
    /// Custody.
    pub store: Store,
    /// Who renders and who calls.
    pub children: Children,
    /// Who has whole mails in memory.
    pub reader: Reader,
    /// What was read of received pages.
    pub read_lately: ReadLately,
    /// What went wrong with documents lately.
    pub troubles: Troubles,
    /// The calls in progress.
    pub live: Live,
    /// Font of the header line.
    pub font: HeaderFont,
    /// The trunks.
    pub trunks: Trunks,
    settings: RwLock<Settings>,
    news: watch::Sender<u64>,
    clock: clock::Clock,
}

/// The settings in force, and what was made of them.
struct Settings {
    config: Arc<Config>,
    numbering: Arc<Numbering>,
    letterhead: Letterhead,
    hours: Arc<Hours>,
}

impl Settings {
    fn of(config: Config) -> Settings {
        let numbering = Numbering::of(&config).expect("patterns were checked when they were read");
        let hours = Hours::of(&config).expect("patterns were checked when they were read");
        Settings {
            letterhead: letterhead(&config),
            hours: Arc::new(hours),
            config: Arc::new(config),
            numbering: Arc::new(numbering),
        }
    }
}

impl Context {
    /// Puts the parts together.
    ///
    /// # Errors
    /// Where the system has no thread left for the reader.
    pub fn new(
        config: Config,
        store: Store,
        children: Children,
        font: HeaderFont,
    ) -> io::Result<Context> {
        Ok(Context {
            store,
            children,
            reader: Reader::start()?,
            read_lately: ReadLately::default(),
            troubles: Troubles::default(),
            live: Live::default(),
            font,
            trunks: Trunks::of(&config),
            settings: RwLock::new(Settings::of(config)),
            news: watch::Sender::new(0),
            clock: clock::Clock::default(),
        })
    }

    /// The settings in force. Keep the `Arc` for one piece of work, not longer: a reload puts another one here.
    pub fn config(&self) -> Arc<Config> {
        self.settings().config.clone()
    }

    /// Numbers, as the settings in force see them.
    pub fn numbering(&self) -> Arc<Numbering> {
        self.settings().numbering.clone()
    }

    /// When whom may be rung, by the settings in force.
    pub fn hours(&self) -> Arc<Hours> {
        self.settings().hours.clone()
    }

    /// Puts new settings in force. The trunks stay as they were at the start.
    pub fn reload(&self, config: Config) {
        let settings = Settings::of(config);
        *self
            .settings
            .write()
            .expect("nobody panics while holding it") = settings;
        self.tell();
    }

    fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings
            .read()
            .expect("nobody panics while holding it")
    }

    /// Says that something in the queue may have become due.
    pub fn tell(&self) {
        self.news.send_modify(|n| *n += 1);
    }

    /// Hears of everything that [`Context::tell`] says from now on.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The head of every letter, from the settings in force.
    pub fn letterhead(&self) -> Letterhead {
        self.settings().letterhead.clone()
    }
}

/// The head of every letter. A folder of templates that cannot be read is told of, and ours are used.
pub fn letterhead(config: &Config) -> Letterhead {
    let templates = templates::read(config).unwrap_or_else(|what| {
        tracing::error!("{what}; the templates that come with Postfax are used");
        Templates::default()
    });
    Letterhead {
        from: config.from_line(),
        reply_to: Some(config.postmaster()),
        hostname: config.hostname(),
        zone: config.time_zone(),
        templates,
        language: config.receipts.language,
    }
}

/// Pause before what must be stored is offered again to a store that did not take it.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// What became of a call or a mail is never dropped: a store that does not take it (a full disk) is asked again until
/// it does. `what` is for the log. A stop of the gateway ends the waiting; then the next start decides by what is on
/// disk.
pub async fn until_stored<T, Stored>(what: &str, store: impl Fn() -> Stored) -> T
where
    Stored: Future<Output = queue::Result<T>>,
{
    loop {
        match store().await {
            Ok(stored) => return stored,
            Err(e) => tracing::error!("{what} waits for the disk: {e}"),
        }
        tokio::time::sleep(AFTER_TROUBLE).await;
    }
}

/// Does a piece of work. Should it panic, which is our bug, its claim is released: that costs one attempt, and not the
/// fax.
pub async fn guarded(
    context: &Context,
    claim: Claim,
    work: impl Future<Output = ()> + Send + 'static,
) {
    // A task of its own catches the panic.
    let Err(death) = tokio::spawn(work).await else {
        return;
    };
    let what = format!("the claim of {claim:?}");
    tracing::error!("{what}: a bug in postfax, please report it: {death}");
    let policy = context.config().retry_policy();
    let release = || async {
        let now = context.followed_clock().await?;
        context.store.release(claim.clone(), &policy, now).await
    };
    until_stored(&what, release).await;
    context.tell();
}

/// The time by the wall clock.
pub fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}

/// A moment to measure from: the wall clock may jump.
pub fn moment() -> Instant {
    Instant::now()
}

/// Which way a call's pages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// We send.
    Out,
    /// We receive.
    In,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It shares the call of another fax, which comes first.
    Behind,
    /// INVITE sent, nothing but 100 heard.
    Dialling,
    /// 18x heard.
    Ringing,
    /// Answered; audio.
    Answered,
    /// T.38 agreed.
    T38,
    /// DIS and DCS exchanged: pages go.
    Pages,
}

impl Phase {
    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Phase::Behind => "behind another fax",
            Phase::Dialling => "dialling",
            Phase::Ringing => "ringing",
            Phase::Answered => "answered",
            Phase::T38 => "T.38",
            Phase::Pages => "sending pages",
        }
    }
}

/// A call in progress, for people to look at.
#[derive(Debug, Clone)]
pub struct LiveCall {
    /// The fax's identifier.
    pub id: String,
    /// Which way its pages go.
    pub direction: Direction,
    /// The other side's number.
    pub number: String,
    /// How far it is.
    pub phase: Phase,
    /// The page under way, from 1; 0 before the first.
    pub page: u32,
    /// Pages of the whole fax, where known.
    pub pages: Option<u32>,
    /// Octets of the page transferred.
    pub bytes: u64,
    /// Octets of the page, where known.
    pub of: Option<u64>,
    /// When it began.
    pub since: Instant,
    /// What the far end says of itself.
    pub far_end: FarEnd,
    /// Ends it, or keeps this fax out of it.
    pub cancel: CancellationToken,
}

impl LiveCall {
    /// A call that begins now; `pages` where known.
    pub fn begun(
        id: &str,
        direction: Direction,
        number: &str,
        pages: Option<u32>,
        cancel: CancellationToken,
    ) -> LiveCall {
        LiveCall {
            id: id.to_owned(),
            direction,
            number: number.to_owned(),
            phase: match direction {
                Direction::Out => Phase::Dialling,
                Direction::In => Phase::Ringing,
            },
            page: 0,
            pages,
            bytes: 0,
            of: None,
            since: Instant::now(),
            far_end: FarEnd::default(),
            cancel,
        }
    }

    /// Takes in what the line says; `before` pages were confirmed by earlier calls.
    pub fn heard(&mut self, before: u32, event: &LineEvent) {
        match event {
            LineEvent::Ringing(code) if *code > 100 => self.phase = Phase::Ringing,
            LineEvent::Answered => self.phase = Phase::Answered,
            LineEvent::Switched => self.phase = Phase::T38,
            LineEvent::Negotiated(far_end) => {
                self.phase = Phase::Pages;
                self.far_end = far_end.clone();
            }
            LineEvent::Progress { page, bytes, of } => {
                (self.page, self.bytes, self.of) = (before + page, *bytes, *of);
            }
            _ => {}
        }
    }
}

/// The calls in progress, for people to look at and to end.
#[derive(Debug, Default)]
pub struct Live {
    calls: Mutex<BTreeMap<String, LiveCall>>,
}

impl Live {
    /// Shows a call until the guard is dropped.
    pub fn show(self: &Live, call: LiveCall) -> LiveGuard<'_> {
        let id = call.id.clone();
        self.lock().insert(id.clone(), call);
        LiveGuard { live: self, id }
    }

    /// Whether there are calls in progress.
    pub fn any(&self) -> bool {
        !self.lock().is_empty()
    }

    /// The calls in progress, the oldest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        self.lock().values().cloned().collect()
    }

    /// Ends the call of this fax, if it is in one.
    pub fn cancel(&self, id: &str) {
        if let Some(call) = self.lock().get(id) {
            call.cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, LiveCall>> {
        self.calls.lock().expect("nobody panics while holding it")
    }
}

/// Keeps a call shown.
#[derive(Debug)]
pub struct LiveGuard<'a> {
    live: &'a Live,
    id: String,
}

impl LiveGuard<'_> {
    /// Changes what is shown of it.
    pub fn update(&self, change: impl FnOnce(&mut LiveCall)) {
        if let Some(call) = self.live.lock().get_mut(&self.id) {
            change(call);
        }
    }
}

impl Drop for LiveGuard<'_> {
    fn drop(&mut self) {
        self.live.lock().remove(&self.id);
    }
}
