//! The simulated carrier and the fax machines behind it, so that a configuration can be tried without paying for
//! calls. The number dialled chooses the machine ([`Machine::behind`]).
//!
//! It plays by the same rules as the gateway: SIP over UDP, a child a call, pages kept before they are confirmed. What
//! its machines received lies in its folder: a TIFF a call, and one line a call in `calls.jsonl`.

mod machine;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::outcome::{CallReport, Outcome};
use crate::call::policy::{CallPolicy, ReinvitePolicy};
use crate::net::line::{
    Candidate, DialRequest, FaxSettings, IncomingCall, Line, LineConfig, LineEvent,
};
use crate::net::sip::{SipConfig, SipEndpoint};
use crate::pages::{FaxPage, tiff};
use crate::worker::host::Children;
use crate::worker::wire::Mishap;
pub use machine::{MACHINES, Machine, MachineLine};

/// How a carrier is set up.
#[derive(Debug, Clone)]
pub struct CarrierConfig {
    /// Its SIP socket.
    pub listen: SocketAddr,
    /// Whose calls it takes.
    pub clients: Vec<IpNet>,
    /// Where its machines keep what they receive.
    pub folder: PathBuf,
    /// Machines that received a fax whole send it back to this number at this address.
    pub fax_back: Option<(String, SocketAddr)>,
}

/// One call, as its machine saw it: a line of `calls.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallRecord {
    /// When it ended.
    pub ended: jiff::Timestamp,
    /// True: the machine called; false: it was called.
    pub placed: bool,
    /// The number dialled.
    pub called: String,
    /// The number calling.
    pub caller: String,
    /// What became of it, in the machine's view.
    pub outcome: Outcome,
    /// The cause in detail.
    pub detail: String,
    /// Pages confirmed.
    pub pages: u32,
    /// Seconds from answer to end.
    pub seconds: f64,
    /// Octets on the wire.
    pub wire_bytes: u64,
    /// The TIFF with the pages received, if any.
    pub tiff: Option<PathBuf>,
}

/// A running carrier. It ends when it is dropped.
pub struct Carrier {
    office: Arc<Office>,
    address: SocketAddr,
    stop: CancellationToken,
}

/// What all its machines share.
struct Office {
    line: Line,
    config: CarrierConfig,
    records: mpsc::UnboundedSender<CallRecord>,
}

impl Carrier {
    /// Starts it; the receiver hears of every call that ended.
    ///
    /// # Errors
    /// When the folder cannot be made or the address is in use.
    pub async fn start(
        config: CarrierConfig,
        children: Children,
    ) -> anyhow::Result<(Carrier, mpsc::UnboundedReceiver<CallRecord>)> {
        std::fs::create_dir_all(&config.folder)
            .with_context(|| config.folder.display().to_string())?;
        let nursery = children.open_nursery().await;
        nursery.context("the nursery of the calls does not start")?;
        let (endpoint, mut calls) =
            SipEndpoint::bind(SipConfig::new(config.listen, config.clients.clone()))
                .await
                .with_context(|| format!("{} cannot be used", config.listen))?;
        let address = endpoint.contact();
        let line = Line::new(endpoint, children, line_config(address));
        let (records, ended) = mpsc::unbounded_channel();
        let office = Arc::new(Office {
            line,
            config,
            records,
        });
        let carrier = Carrier {
            office: office.clone(),
            address,
            stop: CancellationToken::new(),
        };
        let stop = carrier.stop.clone();
        tokio::spawn(async move {
            while let Some(Some(call)) = stop.run_until_cancelled(calls.recv()).await {
                let (office, call) = (office.clone(), office.line.incoming(call));
                tokio::spawn(async move { office.take(call).await });
            }
        });
        Ok((carrier, ended))
    }

    /// Its SIP address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One of its machines, with the number `caller`, faxes pages to a number at a gateway.
    pub async fn send(
        &self,
        gateway: SocketAddr,
        called: &str,
        caller: &str,
        pages: &[FaxPage],
    ) -> CallReport {
        self.office.send(gateway, called, caller, pages).await
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.cancel();
        self.office.line.stop();
    }
}

impl Office {
    /// Hands a call to the machine behind the number dialled.
    async fn take(self: Arc<Office>, mut call: IncomingCall) {
        let machine = Machine::behind(&call.called);
        let (called, caller) = (call.called.clone(), call.caller.clone());
        tracing::info!(called, caller, "a call for {machine}");
        match machine {
            Machine::Silent => {
                call.ringing();
                call.given_up().await;
            }
            Machine::Refusing(code) => call.reject(code),
            Machine::Person => {
                let settings = FaxSettings {
                    mishap: Some(Mishap::Talks),
                    ..FaxSettings::default()
                };
                // A telephone asks for no T.38, and hangs up on nobody.
                call.policy.reinvite = ReinvitePolicy::Never;
                let (report, ..) = self.receive(call, settings).await;
                self.record(false, &called, &caller, report, None);
            }
            Machine::Fax { mishap, line } => {
                call.ringing();
                let settings = FaxSettings {
                    ident: station_id(&called),
                    mishap,
                    ..FaxSettings::default()
                };
                match line {
                    MachineLine::Both => {}
                    MachineLine::Audio => call.policy.reinvite = ReinvitePolicy::Never,
                    MachineLine::T38 => call.policy.audio_fax = false,
                }
                let (report, pages, tiff) = self.receive(call, settings).await;
                let whole = report.outcome == Outcome::Delivered;
                self.record(false, &called, &caller, report, tiff);
                if let Some((number, gateway)) = self.config.fax_back.clone().filter(|_| whole) {
                    self.send(gateway, &number, &called, &pages).await;
                }
            }
        }
    }

    /// Receives a fax; every page is in its TIFF before it is confirmed.
    async fn receive(
        &self,
        call: IncomingCall,
        settings: FaxSettings,
    ) -> (CallReport, Vec<FaxPage>, Option<PathBuf>) {
        let now = jiff::Timestamp::now().as_millisecond();
        let file = self
            .config
            .folder
            .join(format!("{now}-{}.tiff", station_id(&call.called)));
        let (events, mut inbox) = mpsc::channel(16);
        let mut pages = Vec::new();
        let keep = async {
            while let Some(event) = inbox.recv().await {
                if let LineEvent::PageReceived {
                    picture, stored, ..
                } = event
                {
                    pages.push(picture);
                    let _ = stored.send(keep(&file, &pages).is_ok());
                }
            }
        };
        let (report, ()) = tokio::join!(
            call.answer(settings, events, CancellationToken::new()),
            keep
        );
        let tiff = (!pages.is_empty()).then_some(file);
        (report, pages, tiff)
    }

    async fn send(
        &self,
        gateway: SocketAddr,
        called: &str,
        caller: &str,
        pages: &[FaxPage],
    ) -> CallReport {
        let request = DialRequest {
            candidates: vec![Candidate::direct(
                gateway,
                called,
                caller,
                latching(CallPolicy::outgoing()),
            )],
            tiff: tiff::write(pages),
            documents: vec![pages.len() as u32],
            enough: CancellationToken::new(),
            not_after: None,
            file: None,
            fax: FaxSettings {
                ident: station_id(caller),
                ..FaxSettings::default()
            },
        };
        let (events, mut inbox) = mpsc::channel(16);
        let agree = async {
            while let Some(event) = inbox.recv().await {
                if let LineEvent::LastPageLeaving { stored, .. } = event {
                    let _ = stored.send(true);
                }
            }
        };
        let dial = self.line.dial(request, events, CancellationToken::new());
        let (report, ()) = tokio::join!(dial, agree);
        self.record(true, called, caller, report.clone(), None);
        report
    }

    fn record(
        &self,
        placed: bool,
        called: &str,
        caller: &str,
        report: CallReport,
        tiff: Option<PathBuf>,
    ) {
        let record = CallRecord {
            ended: jiff::Timestamp::now(),
            placed,
            called: called.to_owned(),
            caller: caller.to_owned(),
            outcome: report.outcome,
            detail: report.detail,
            pages: report.pages,
            seconds: report.seconds,
            wire_bytes: report.wire_bytes,
            tiff,
        };
        tracing::info!(called, caller, outcome = %record.outcome, pages = record.pages, "call ended");
        if let Err(e) = write_line(&self.config.folder.join("calls.jsonl"), &record) {
            tracing::error!("calls.jsonl: {e}");
        }
        let _ = self.records.send(record);
    }
}

/// As carriers do: their media go to where the customer's come from, who may sit behind a NAT that changes ports.
fn latching(policy: CallPolicy) -> CallPolicy {
    CallPolicy {
        symmetric_media: true,
        ..policy
    }
}

/// The gateway is asked for T.38 by the side that was called; calls that come back leave it to the gateway.
fn line_config(address: SocketAddr) -> LineConfig {
    LineConfig {
        bind: address.ip(),
        advertised: address.ip(),
        media_ports: (0, 0),
        incoming: latching(CallPolicy::incoming()),
    }
}

/// The machines and how they are chosen, for `--help`.
pub fn machine_table() -> String {
    let rows = MACHINES
        .iter()
        .map(|(digits, _, name)| format!("  ...{digits}  {name}\n"));
    format!(
        "The last four digits of the number dialled choose the machine:\n{}  any other  a fax machine that receives",
        rows.collect::<String>()
    )
}

/// T.30 5.3.6.2.4: twenty digits at most.
fn station_id(number: &str) -> String {
    number
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '+')
        .take(20)
        .collect()
}

/// Whole or not at all: a machine that is killed does not leave half a page.
fn keep(file: &Path, pages: &[FaxPage]) -> std::io::Result<()> {
    let half = file.with_extension("part");
    std::fs::write(&half, tiff::write(pages))?;
    std::fs::rename(half, file)
}

fn write_line(file: &Path, record: &CallRecord) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(&line)
}
