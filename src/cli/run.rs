//! `postfax run`: the daemon.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateway::shut::Shut;
use crate::gateway::{Gateway, custody};
use crate::pages::pdfium;
use crate::queue::{Store, StoreError};
use crate::worker::host::{Children, ServiceGroup};
use crate::worker::mishaps::Mishaps;

/// How long threads that are in the kernel may take to come back at the end.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// How long the examination of the queue may take before everybody hears that it is not over yet.
const EXAMINATION: Duration = Duration::from_secs(5);

/// How soon systemd hears that the queue is damaged.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT; SIGHUP reloads. A second signal cuts the calls in progress short.
pub fn run(config_file: PathBuf, config: Config) -> anyhow::Result<ExitCode> {
    log("info");
    let library = pdfium::locate(config.renderer.pdfium.as_deref())?;
    let mut children = Children::new(Some(library), config.renderer.seconds);
    if let Some(mishaps) = Mishaps::from_environment()? {
        children.mishaps = mishaps.into();
    }
    // Before any child: those that are forked stay in the group of the daemon.
    children.service_group = ServiceGroup::claim().map(Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        tokio::spawn(pet_the_watchdog());
        let Some(store) = queue(&config).await? else {
            return Ok(ExitCode::SUCCESS);
        };
        let gateway = Gateway::start_on(store, config, children).await?;
        announce(&gateway);
        tokio::spawn(tell_systemd(gateway.context().store.clone()));
        serve(&gateway, &config_file).await?;
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
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

/// The queue, open; while it cannot be opened, everybody is told to come back later. `None`: we were told to stop.
async fn queue(config: &Config) -> anyhow::Result<Option<Store>> {
    let mut opening = Box::pin(custody(config));
    let (why, examined) = match timeout(EXAMINATION, &mut opening).await {
        Ok(Ok(store)) => return Ok(Some(store)),
        // Another daemon has the doors, too.
        Ok(Err(e @ StoreError::InUse(_))) => return Err(e.into()),
        Ok(Err(e)) => (e, None),
        Err(_) => (StoreError::Examining, Some(opening)),
    };
    let shut = Shut::start(config, &why).await?;
    tracing::error!("{}", shut.why());
    tracing::info!("mail is refused on {}", listed(shut.smtp_addresses()));
    if let Some(address) = shut.status_address() {
        tracing::info!("the page is http://{address}/");
    }
    let why = shut.why();
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&why)]);
    let mut reload = signal(SignalKind::hangup())?;
    let deaf = async {
        while reload.recv().await.is_some() {
            tracing::warn!("not reloaded: the queue is not open; changed settings need a restart");
        }
    };
    let store = tokio::select! {
        store = shut.until_it_opens(config, examined) => Some(store),
        stopped = told_to_stop() => stopped.map(|()| None)?,
        () = deaf => None,
    };
    shut.stop().await;
    if store.is_some() {
        tracing::info!("the queue opens now");
    }
    Ok(store)
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
    tracing::info!("mail is taken on {}", listed(gateway.smtp_addresses()));
    tracing::info!("calls are taken on {}", gateway.sip_address());
    if let Some(address) = gateway.status_address() {
        tracing::info!("the page is http://{address}/");
    }
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

fn listed(addresses: Vec<std::net::SocketAddr>) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// What `systemctl status` shows: that the queue is sound, or what is wrong with it.
async fn tell_systemd(store: Store) {
    let mut told = None;
    loop {
        let now = match store.damage() {
            None => "the queue is open".to_owned(),
            Some(what) => format!("the queue is damaged, and nothing is taken into it: {what}"),
        };
        if told.as_ref() != Some(&now) {
            let _ = sd_notify::notify(&[NotifyState::Status(&now)]);
            told = Some(now);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Tells systemd twice within its limit that we live (sd_watchdog_enabled(3)), also while calls get their time to end.
async fn pet_the_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut pets = tokio::time::interval(limit / 2);
    loop {
        pets.tick().await;
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
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
