//! The gateway while its queue cannot be opened, is damaged or still being examined: the doors stand, and everybody is told to come back later.
//!
//! Takes over: nothing. MAIL gets 451 with the reason (452 where the disk is full), a call gets 503, and the page says why.
//! Promises: what the queue holds stays as it is for whoever mends it; as soon as it opens, the gateway starts.
//! When it dies: nothing is lost, for nothing was taken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{custody, listeners};
use crate::config::Config;
use crate::mail_to_fax::intake::DAMAGED;
use crate::net::sip::{IncomingCall, SipCommand, SipEndpoint};
use crate::net::smtp::{Intake, Message, Server, Spool};
use crate::net::trunk::Trunks;
use crate::proto::smtp::{Login, Mail, RcptOptions, Refusal, Taken};
use crate::queue::{Store, StoreError};
use crate::status::{self, Snapshot};

/// How often is tried whether the queue opens: room on a disk, a file put back. A damaged one is examined each time.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);
const WHILE_DAMAGED: Duration = Duration::from_secs(15);

/// The doors, with nobody behind them.
pub struct Shut {
    notice: Arc<Notice>,
    smtp: Arc<Server>,
    sip: SipEndpoint,
    status: Option<SocketAddr>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Shut {
    /// Opens the doors of a gateway whose queue cannot be opened, because of `why`.
    ///
    /// # Errors
    /// An address in use, a certificate that cannot be read.
    pub async fn start(config: &Config, why: &StoreError) -> anyhow::Result<Shut> {
        let trunks = Trunks::of(config);
        let (sip, calls) = listeners::endpoint(config, &trunks).await?;
        let smtp = Arc::new(Server::bind(listeners::smtp(config)).await?);
        let page = listeners::status(config).await?;
        let shut = Shut {
            notice: Arc::new(Notice::of(config, why)),
            smtp,
            sip,
            status: page.as_ref().and_then(|page| page.local_addr().ok()),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        shut.refuse_mails();
        shut.refuse_calls(calls);
        if let Some(page) = page {
            shut.show_page(page, config);
        }
        shut.tasks.close();
        Ok(shut)
    }

    /// Why, in one sentence.
    pub fn why(&self) -> String {
        self.notice
            .why
            .lock()
            .expect("nobody panics with it")
            .1
            .clone()
    }

    /// Where mails are refused.
    pub fn smtp_addresses(&self) -> Vec<SocketAddr> {
        self.smtp.addresses()
    }

    /// Where the page is.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status
    }

    /// Waits until the queue opens; `examined`: what becomes of the first try, where that is not known yet. Cancel-safe:
    /// then it is not open.
    pub async fn until_it_opens(
        &self,
        config: &Config,
        examined: Option<impl Future<Output = Result<Store, StoreError>>>,
    ) -> Store {
        let mut pause = BETWEEN_TRIES;
        if let Some(examined) = examined {
            match examined.await {
                Ok(store) => return store,
                Err(e) => self.notice.write(&e),
            }
        }
        loop {
            tokio::time::sleep(pause).await;
            match custody(config).await {
                Ok(store) => return store,
                Err(e) => {
                    pause = match e {
                        StoreError::Damaged(_) => WHILE_DAMAGED,
                        _ => BETWEEN_TRIES,
                    };
                    self.notice.write(&e);
                }
            }
        }
    }

    /// Closes the doors; on return others may bind their addresses.
    pub async fn stop(self) {
        self.closing.cancel();
        self.tasks.wait().await;
        self.sip.close().await;
    }

    fn refuse_mails(&self) {
        let (smtp, notice, closing) =
            (self.smtp.clone(), self.notice.clone(), self.closing.clone());
        self.tasks
            .spawn(async move { smtp.run(notice, closing).await });
    }

    fn refuse_calls(&self, mut calls: mpsc::Receiver<IncomingCall>) {
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            while let Some(Some(call)) = closing.run_until_cancelled(calls.recv()).await {
                // RFC 3261 21.5.4: the trunk may try another gateway of the site.
                call.call.send(SipCommand::Reject(503));
            }
        });
    }

    fn show_page(&self, listener: tokio::net::TcpListener, config: &Config) {
        let (notice, closing) = (self.notice.clone(), self.closing.clone());
        self.tasks
            .spawn(listeners::page(listener, config, notice, closing));
    }
}

/// What hangs on the doors.
struct Notice {
    hostname: String,
    channels: u32,
    since: Instant,
    /// What a mail is refused with, and what the admin reads.
    why: Mutex<(Refusal, String)>,
}

impl Notice {
    fn of(config: &Config, why: &StoreError) -> Notice {
        Notice {
            hostname: config.hostname(),
            channels: config.sip.channels as u32,
            since: Instant::now(),
            why: Mutex::new(in_words(why)),
        }
    }

    /// The reason may be another one now: a disk that was full is read only.
    fn write(&self, why: &StoreError) {
        let words = in_words(why);
        let mut known = self.why.lock().expect("nobody panics with it");
        if known.1 != words.1 {
            tracing::error!("{}", words.1);
            *known = words;
        }
    }

    fn refusal(&self) -> Refusal {
        self.why.lock().expect("nobody panics with it").0.clone()
    }
}

/// For whoever sends a mail, without the paths of this machine; for the admin, with them.
fn in_words(why: &StoreError) -> (Refusal, String) {
    let refusal = match why {
        StoreError::Full => Refusal::new(
            452,
            "4.3.1",
            "the disk of the fax gateway is full; please try again later",
        ),
        StoreError::Damaged(_) => Refusal::new(451, "4.3.0", DAMAGED),
        StoreError::Examining => Refusal::new(
            451,
            "4.3.2",
            "the fax gateway has started and does not have its queue open yet; please try again later",
        ),
        _ => Refusal::new(
            451,
            "4.3.0",
            "the queue of the fax gateway cannot be opened, and its administrator has to look at it; please try again later",
        ),
    };
    let nothing = "no mail and no call is taken and no fax is dialled";
    let text = match why {
        StoreError::Damaged(_) => format!("{why}; {nothing}; `postfax check` says more"),
        StoreError::Examining => format!("{why}; until then {nothing}"),
        _ => format!("the queue cannot be opened, {nothing}: {why}; `postfax check` says more"),
    };
    (refusal, text)
}

impl Intake for Notice {
    type Recipient = ();

    async fn login(&self, _client: IpAddr, _login: Login) -> Result<(), Refusal> {
        // RFC 4954 6: a temporary failure; the password is not what is wrong.
        let Refusal { text, .. } = self.refusal();
        Err(Refusal::new(454, "4.7.0", text))
    }

    fn sender(&self, _client: IpAddr, _mail: &Mail) -> Result<(), Refusal> {
        Err(self.refusal())
    }

    async fn recipient(
        &self,
        _client: IpAddr,
        _mail: &Mail,
        _recipient: &str,
        _options: RcptOptions,
    ) -> Result<(), Refusal> {
        Err(self.refusal())
    }

    fn spool(&self) -> io::Result<Spool> {
        Err(io::Error::other(self.refusal().text))
    }

    async fn accept(&self, _message: Message<()>) -> Result<Taken, Refusal> {
        Err(self.refusal())
    }
}

impl status::Source for Notice {
    async fn snapshot(&self) -> Snapshot {
        let problem = self.why.lock().expect("nobody panics with it").1.clone();
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.hostname.clone(),
            now: Timestamp::now(),
            uptime_seconds: self.since.elapsed().as_secs(),
            problems: vec![problem],
            channels: self.channels,
            ..Snapshot::default()
        }
    }

    async fn preview(&self, _fax: &str) -> Option<Vec<u8>> {
        None
    }
}
