//! `postfax run`: the daemon.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::pages::pdfium;
use crate::worker::host::Children;
use crate::worker::mishaps::Mishaps;

/// How long threads that are in the kernel may take to come back at the end.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT; SIGHUP reloads. A second signal cuts the calls in progress short.
pub fn run(config_file: PathBuf, config: Config) -> anyhow::Result<ExitCode> {
    log("info");
    let library = pdfium::locate(config.renderer.pdfium.as_deref())?;
    let mut children = Children::new(Some(library), config.renderer.seconds);
    if let Some(mishaps) = Mishaps::from_environment()? {
        children.mishaps = mishaps.into();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let gateway = Gateway::start(config, children).await?;
        announce(&gateway);
        tokio::spawn(pet_the_watchdog());
        serve(&gateway, &config_file).await?;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let hurry = CancellationToken::new();
        let second = hurry.clone();
        tokio::spawn(async move {
            if told_to_stop().await.is_ok() {
                second.cancel();
            }
        });
        gateway.stop(hurry).await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    });
    // A disk that hangs (a network share) would hold the threads that wait for it, and so the end, for ever.
    runtime.shutdown_timeout(LAST_THREADS);
    ended
}

/// Logs to standard error; `RUST_LOG` overrides `level`.
pub fn log(level: &str) {
    use tracing_subscriber::EnvFilter;
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::new(wanted);
    // Under systemd the journal adds the time.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let _ = if in_journal {
        builder.without_time().try_init()
    } else {
        builder.try_init()
    };
}

fn announce(gateway: &Gateway) {
    let listed = |addresses: Vec<std::net::SocketAddr>| {
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    tracing::info!("mail is taken on {}", listed(gateway.smtp_addresses()));
    tracing::info!("calls are taken on {}", gateway.sip_address());
    if let Some(address) = gateway.status_address() {
        tracing::info!("the page is http://{address}/");
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd twice within its limit that we live (sd_watchdog_enabled(3)), also while calls get their time to end.
async fn pet_the_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut pets = tokio::time::interval(limit / 2);
    loop {
        pets.tick().await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Until a signal says stop: reloads.
async fn serve(gateway: &Gateway, config_file: &Path) -> anyhow::Result<()> {
    let mut reload = signal(SignalKind::hangup())?;
    let stop = told_to_stop();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            said = &mut stop => return Ok(said?),
            _ = reload.recv() => reload_from(gateway, config_file),
        }
    }
}

fn reload_from(gateway: &Gateway, config_file: &Path) {
    match Config::load(config_file) {
        Err(e) => tracing::error!("not reloaded, the old settings stay in force: {e}"),
        Ok(config) => {
            let later = gateway.reload(config);
            tracing::info!("settings reloaded");
            if !later.is_empty() {
                tracing::warn!("these changed too and need a restart: {}", later.join(", "));
            }
        }
    }
}

async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
