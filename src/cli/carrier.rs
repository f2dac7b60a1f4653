//! `postfax carrier`: the simulated carrier as a command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use ipnet::IpNet;

use crate::carrier::{Carrier, CarrierConfig, machine_table};
use crate::pages::tiff;
use crate::worker::host::Children;

/// Arguments of `postfax carrier`.
#[derive(clap::Args)]
#[command(after_help = machine_table())]
pub struct Args {
    /// Its SIP address: what the server of a trunk is set to
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5070")]
    listen: SocketAddr,
    /// Networks whose calls it takes
    #[arg(long, value_name = "NETWORK", default_value = "127.0.0.0/8")]
    client: Vec<IpNet>,
    /// Where its machines keep what they receive: a TIFF a call, and calls.jsonl
    #[arg(long, value_name = "FOLDER", default_value = "postfax-machines")]
    folder: PathBuf,
    /// The gateway's SIP address (sip.listen), for machines that call
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5060")]
    gateway: SocketAddr,
    /// Machines that received a fax whole send it back to this number at the gateway
    #[arg(long, value_name = "NUMBER")]
    fax_back: Option<String>,
    /// Do not wait for calls: a machine sends this TIFF to --to and the command ends
    #[arg(long, value_name = "TIFF", requires = "to")]
    send: Option<PathBuf>,
    /// The number of the gateway to send to
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The number of the machine that sends
    #[arg(long, value_name = "NUMBER", default_value = "5551234567")]
    from: String,
}

/// Runs until Ctrl-C, or sends one fax.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::run::log("info");
    let config = CarrierConfig {
        listen: args.listen,
        clients: args.client,
        folder: args.folder,
        fax_back: args.fax_back.map(|number| (number, args.gateway)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (carrier, mut calls) = Carrier::start(config, Children::new(None, 60)).await?;
        if let (Some(file), Some(to)) = (args.send, args.to) {
            let octets = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let pages = tiff::read(&octets).with_context(|| file.display().to_string())?;
            let report = carrier.send(args.gateway, &to, &args.from, &pages).await;
            let cause = super::queue::cause(Some(report.outcome.name()), &report.detail, 200);
            println!("{} of {} pages: {cause}", report.pages, pages.len());
            let whole = report.outcome == crate::call::outcome::Outcome::Delivered;
            return Ok(if whole {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        println!(
            "a simulated carrier listens on {}; set the server of a [[trunk]] to it",
            carrier.address()
        );
        tokio::select! {
            _ = async { while calls.recv().await.is_some() {} } => {}
            stopped = tokio::signal::ctrl_c() => stopped?,
        }
        Ok(ExitCode::SUCCESS)
    })
}
