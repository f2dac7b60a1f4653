//! The commands, one file each.

mod cancel;
mod carrier;
mod check;
mod demo;
mod queue;
mod render;
mod run;
mod show;
mod table;
mod to_pdf;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// A fax gateway for mail: a mail to 5551234567@fax.local becomes a fax, and a fax that comes in becomes a mail.
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// The configuration; config.toml.example explains every key
    #[arg(long, short, global = true, default_value = "/etc/postfax/config.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway
    Run,
    /// Say what is wrong with the configuration and the store, and what would happen
    Check(check::Args),
    /// List the faxes that wait, and those that are over
    Queue(queue::Args),
    /// Tell all about one fax
    Show(show::Args),
    /// End a fax that waits or is in a call; its sender is told
    Cancel(cancel::Args),
    /// Show both journeys on this machine: no trunk, no root, no configuration
    Demo(demo::Args),
    /// Be a carrier with fax machines behind it, to try a configuration without paying for calls
    Carrier(carrier::Args),
    /// Make fax pages of a PDF, as a TIFF
    Render(render::Args),
    /// Wrap the pages of a fax TIFF in a PDF, without loss
    ToPdf(to_pdf::Args),
    /// Be a child of the daemon
    #[command(hide = true, subcommand)]
    Worker(Worker),
}

#[derive(Subcommand)]
enum Worker {
    /// Run one call
    Call,
    /// Read one document
    Render {
        /// The libpdfium.so to load
        #[arg(long)]
        pdfium: Option<PathBuf>,
    },
}

const FIRST_AFTER_STDERR: i32 = 3;

/// Reads the arguments and runs the command: 0 for success, 1 for failure, 2 for arguments that make no sense.
pub fn main() -> ExitCode {
    // Descriptors that a careless shell or supervisor left open to us are not for our children.
    close_fds::CloseFdsBuilder::new().cloexecfrom(FIRST_AFTER_STDERR);
    let arguments = Arguments::parse();
    let config = || Config::load(&arguments.config).map_err(anyhow::Error::from);
    let done = match arguments.command {
        Command::Run => config().and_then(|config| run::run(arguments.config.clone(), config)),
        Command::Check(args) => config().and_then(|config| check::run(args, config)),
        Command::Queue(args) => config().and_then(|config| queue::run(args, &config)),
        Command::Show(args) => config().and_then(|config| show::run(args, &config)),
        Command::Cancel(args) => config().and_then(|config| cancel::run(args, &config)),
        Command::Demo(args) => demo::run(args),
        Command::Carrier(args) => carrier::run(args),
        Command::Render(args) => render::run(args).map(|()| ExitCode::SUCCESS),
        Command::ToPdf(args) => to_pdf::run(args).map(|()| ExitCode::SUCCESS),
        Command::Worker(Worker::Call) => return crate::worker::call::run(),
        Command::Worker(Worker::Render { pdfium }) => {
            return crate::worker::render::run(pdfium.as_deref());
        }
    };
    done.unwrap_or_else(|e| {
        eprintln!("postfax: {e:#}");
        ExitCode::FAILURE
    })
}

/// Runs something asynchronous for a command that is not the daemon.
fn wait_for<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}
