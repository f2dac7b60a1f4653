//! `postfax demo`: both journeys on this machine, without a trunk, root or any configuration.

mod inbox;
mod live;
mod proof;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lettre::message::{Attachment, Message, MultiPart, SinglePart, header::ContentType};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::carrier::{CallRecord, Carrier, CarrierConfig};
use crate::config::trunk::Listen;
use crate::config::{Config, Route, Trunk};
use crate::gateway::Gateway;
use crate::net::delivery::{OutgoingMail, Target, deliver};
use crate::net::relay::{Patience, Relay, Tls};
use crate::pages::{pdfium, sample, tiff};
use crate::worker::host::Children;
use live::Display;

/// The number dialled, and the gateway's own.
const MACHINE: &str = "5551234567";
const OURS: &str = "5559876543";
const CLERK: &str = "clerk@example.com";

/// A call that takes longer than this will not end well.
const PATIENCE: Duration = Duration::from_secs(180);

/// Arguments of `postfax demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave the gateway and the simulated carrier running, for a look at the page
    #[arg(long)]
    keep: bool,
    /// Keep everything in this folder instead of a new temporary one
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// What the demo found out.
#[derive(Default)]
struct Findings {
    sent_pages: u32,
    sent_seconds: f64,
    received_pages: u32,
    received_seconds: f64,
    wire_bytes: u64,
}

/// Runs the demo; success means that both faxes arrived, whole and pel for pel.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::run::log("warn");
    let folder = match args.folder {
        Some(folder) => folder,
        None => std::env::temp_dir().join(format!("postfax-demo-{:08x}", fastrand::u32(..))),
    };
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut findings = Findings::default();
        let demo = Demo::start(&folder).await?;
        let done = demo.play(&folder, &mut findings).await;
        if let Err(e) = &done {
            println!("\nNOT OK: {e:#}");
        }
        if args.keep {
            demo.keep_running().await?;
        }
        println!("{}", findings.result(done.is_ok()));
        Ok(if done.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

impl Findings {
    fn result(&self, ok: bool) -> String {
        format!(
            "RESULT ok={ok} sent_pages={} received_pages={} sent_seconds={:.1} received_seconds={:.1} wire_kb={:.1}",
            self.sent_pages,
            self.received_pages,
            self.sent_seconds,
            self.received_seconds,
            self.wire_bytes as f64 / 1000.0,
        )
    }
}

struct Demo {
    gateway: Gateway,
    carrier: Carrier,
    calls: tokio::sync::Mutex<UnboundedReceiver<CallRecord>>,
    began: Instant,
}

impl Demo {
    async fn start(folder: &Path) -> anyhow::Result<Demo> {
        let began = Instant::now();
        let library = pdfium::locate(None)?;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let carrier = CarrierConfig {
            listen: loopback,
            clients: vec!["127.0.0.0/8".parse().expect("a network")],
            folder: folder.join("machines"),
            fax_back: None,
        };
        let (carrier, calls) = Carrier::start(carrier, Children::new(None, 60)).await?;
        let gateway = Gateway::start(
            config(folder, carrier.address(), loopback),
            Children::new(Some(library), 60),
        )
        .await?;
        Ok(Demo {
            gateway,
            carrier,
            calls: calls.into(),
            began,
        })
    }

    async fn play(&self, folder: &Path, findings: &mut Findings) -> anyhow::Result<()> {
        let smtp = self.gateway.smtp_addresses()[0];
        println!("Postfax demo in {}", folder.display());
        if let Some(page) = self.gateway.status_address() {
            println!("The status page: http://{page}/");
        }
        println!("\n1. A mail with a two-page PDF goes to {MACHINE}@fax.local over SMTP ({smtp}).");
        println!("   {}", submit(smtp).await?);
        let machine = self.watched(self.next_call()).await?;
        findings.sent_pages = machine.pages;
        findings.sent_seconds = machine.seconds;
        findings.wire_bytes = machine.wire_bytes;
        let receipt = inbox::wait_for_mail(&folder.join("Maildir-clerk"), PATIENCE).await?;
        let sent = proof::sent_pages(self.gateway.context()).await?;
        let file = machine.tiff.context("the machine received nothing")?;
        let arrived = tiff::read(&std::fs::read(&file)?)?;
        proof::same(
            &proof::pictures(&sent)?,
            &proof::pictures(&arrived)?,
            "what the machine received",
        )?;
        println!(
            "   The machine has {} pages, pel for pel what was sent: {}",
            arrived.len(),
            file.display()
        );

        println!("\n2. The machine faxes the pages back to the gateway's own number, {OURS}.");
        let back = self
            .carrier
            .send(self.gateway.sip_address(), OURS, MACHINE, &arrived);
        let back = self.watched(async { Ok(back.await) }).await?;
        findings.received_seconds = back.seconds;
        findings.wire_bytes += back.wire_bytes;
        let mail = inbox::wait_for_mail(&folder.join("Maildir-office"), PATIENCE).await?;
        let pdf = inbox::pdf_of(&mail)?;
        let found = crate::pages::pdf::pictures(&pdf).context("the PDF is not one of ours")?;
        findings.received_pages = found.len() as u32;
        proof::same(&proof::pictures(&sent)?, &found, "the PDF in the Maildir")?;
        let kept = folder.join("received.pdf");
        std::fs::write(&kept, &pdf)?;
        println!(
            "   The PDF in the office's Maildir has {} pages, pel for pel what was sent.",
            found.len()
        );
        self.report(findings, &receipt, &mail, &kept)
    }

    fn report(
        &self,
        findings: &Findings,
        receipt: &Path,
        mail: &Path,
        pdf: &Path,
    ) -> anyhow::Result<()> {
        println!("\nThe received PDF    {}", pdf.display());
        println!("in the mail         {}", mail.display());
        println!("The clerk's receipt {}\n", receipt.display());
        for line in inbox::text_of(receipt)?.lines() {
            println!("    {line}");
        }
        println!(
            "\nSent in {:.1} s, received in {:.1} s, {:.1} KB on the wire, {:.1} s in all.",
            findings.sent_seconds,
            findings.received_seconds,
            findings.wire_bytes as f64 / 1000.0,
            self.began.elapsed().as_secs_f64()
        );
        ensure!(
            findings.sent_pages == 2 && findings.received_pages == 2,
            "not every page arrived"
        );
        Ok(())
    }

    /// Waits for a call to end while showing how it goes.
    async fn watched<T>(&self, call: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let mut display = Display::new(self.gateway.context().clone());
        let shown = async { display.run().await };
        let ended = tokio::select! {
            ended = tokio::time::timeout(PATIENCE, call) => ended,
            never = shown => match never {},
        };
        display.clear();
        ended.context("the call takes too long")?
    }

    async fn next_call(&self) -> anyhow::Result<CallRecord> {
        match self.calls.lock().await.recv().await {
            Some(record) => Ok(record),
            None => bail!("the simulated carrier has stopped"),
        }
    }

    async fn keep_running(&self) -> anyhow::Result<()> {
        println!("\nStill running; Ctrl-C ends it.");
        println!(
            "  mail to {MACHINE}@fax.local   smtp://{}",
            self.gateway.smtp_addresses()[0]
        );
        if let Some(page) = self.gateway.status_address() {
            println!("  status page               http://{page}/");
        }
        println!(
            "  other machines            the last four digits of the number choose; see postfax carrier --help"
        );
        tokio::signal::ctrl_c().await?;
        Ok(())
    }
}

fn config(folder: &Path, trunk: SocketAddr, any_port: SocketAddr) -> Config {
    let mut config = Config {
        state_dir: folder.join("state"),
        ..Config::default()
    };
    config.hostname = "fax.local".into();
    config.smtp.listen = vec![any_port];
    config.fax.name = "Postfax demo".into();
    config.fax.station_id = OURS.into();
    config.trunks = vec![Trunk::to(trunk)];
    config.sip.listen = vec![Listen::udp(any_port)];
    config.sip.drain_seconds = 0;
    config.mail.maildir = Some(folder.join("Maildir-clerk"));
    let maildir = Some(folder.join("Maildir-office"));
    config.routes = vec![Route {
        number: OURS.into(),
        to: Vec::new(),
        maildir,
        ocr: false,
    }];
    config.status.listen = Some(any_port);
    config
}

/// The clerk's mail, by a real client over a real socket. Returns what the server said to it.
async fn submit(smtp: SocketAddr) -> anyhow::Result<String> {
    let pdf = Attachment::new("letter.pdf".into()).body(
        sample::demo_document(),
        ContentType::parse("application/pdf")?,
    );
    let text = SinglePart::plain("Please find our letter attached.\r\n".to_owned());
    let mail = Message::builder()
        .from(CLERK.parse()?)
        .to(format!("{MACHINE}@fax.local").parse()?)
        .subject("Request for clearance 26-11873")
        .multipart(MultiPart::mixed().singlepart(text).singlepart(pdf))?;
    let mail = OutgoingMail {
        id: "demo".into(),
        queued_at: 0,
        from: Some(CLERK.into()),
        to: vec![format!("{MACHINE}@fax.local")],
        bytes: mail.formatted(),
    };
    let gateway = Target::Relay(Relay {
        host: smtp.ip().to_string(),
        port: smtp.port(),
        tls: Tls::None,
        authorities: None,
        login: None,
        hello: "clerk.example.com".into(),
        patience: Patience::default(),
    });
    let taken = deliver(&mail, &gateway).await;
    Ok(taken.context("the gateway refused the mail")?.reply)
}
