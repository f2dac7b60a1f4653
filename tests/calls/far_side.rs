//! The side that calls: this program once more, as a carrier whose machines send.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use postfax::carrier::{Carrier, CarrierConfig};
use postfax::pages::tiff;
use postfax::worker::host::Children;

/// The argument that says so.
pub const CALLING_SIDE: &str = "calling-side";

/// What it says when it can begin.
pub const READY: &str = "ready";
/// What it says when the last call is over.
pub const OVER: &str = "over";

/// What it is to do, as arguments behind [`CALLING_SIDE`].
pub struct Orders<'a> {
    /// Whom to call.
    pub target: SocketAddr,
    /// Which number.
    pub number: &'a str,
    /// How often.
    pub calls: usize,
    /// From the first call to the last.
    pub ramp: Duration,
}

impl Orders<'_> {
    /// Behind them: the folder, in which `pages.tiff` is what to send.
    pub fn arguments(&self) -> [String; 5] {
        [
            CALLING_SIDE.to_owned(),
            self.target.to_string(),
            self.number.to_owned(),
            self.calls.to_string(),
            self.ramp.as_millis().to_string(),
        ]
    }
}

/// Calls; what became of each is in `calls.jsonl`. Begins and ends with an octet from standard input.
pub fn call(arguments: &[String]) -> anyhow::Result<()> {
    let [target, number, calls, ramp, folder] = arguments else {
        anyhow::bail!("that is for this program itself");
    };
    let orders = Orders {
        target: target.parse()?,
        number,
        calls: calls.parse()?,
        ramp: Duration::from_millis(ramp.parse()?),
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(place(&orders, Path::new(folder)))
}

async fn place(orders: &Orders<'_>, folder: &Path) -> anyhow::Result<()> {
    let octets = std::fs::read(folder.join("pages.tiff"))?;
    let pages: Arc<[_]> = tiff::read(&octets)?.into();
    let mut children = Children::new(None, 60);
    children.program = env!("CARGO_BIN_EXE_postfax").into();
    let config = CarrierConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        clients: vec!["127.0.0.0/8".parse()?],
        folder: folder.to_owned(),
        fax_back: None,
    };
    let (carrier, _records) = Carrier::start(config, children).await?;
    let carrier = Arc::new(carrier);
    say(READY)?;
    let pause = orders.ramp / orders.calls as u32;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..orders.calls {
        let (carrier, pages) = (carrier.clone(), pages.clone());
        let (target, number) = (orders.target, orders.number.to_owned());
        calls.spawn(async move {
            let caller = format!("555{n:07}");
            carrier.send(target, &number, &caller, &pages).await
        });
        tokio::time::sleep(pause).await;
    }
    while let Some(call) = calls.join_next().await {
        call.context("a call")?;
    }
    say(OVER)?;
    // Whoever measures us looks first.
    let _ = std::io::stdin().read(&mut [0]);
    Ok(())
}

fn say(what: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush()
}
