//! From the settings to the sockets: what each listener and the line are told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::policy::CallPolicy;
use crate::config::{self, Config};
use crate::context::Context;
use crate::net::line::{Line, LineConfig};
use crate::net::sip::{IncomingCall, SipConfig, SipEndpoint, Transport};
use crate::net::smtp::{Settings, TlsFiles};
use crate::net::trunk::Trunks;
use crate::net::uri_host;
use crate::proto::smtp::SessionConfig;
use crate::status;

/// The SMTP listener's settings.
pub fn smtp(config: &Config) -> Settings {
    let smtp = &config.smtp;
    Settings {
        listen: smtp.listen.clone(),
        lmtp: smtp.lmtp.clone(),
        listen_tls: smtp.listen_tls.clone(),
        no_starttls: smtp.no_starttls.clone(),
        bare_lf: smtp.bare_lf.clone(),
        networks: smtp
            .clients
            .iter()
            .chain(config.upstreams.iter().flat_map(|it| &it.clients))
            .copied()
            .collect(),
        // Whoever can log in, or prove who sent a mail, may come from anywhere.
        strangers: smtp.dmarc || !config.users.is_empty() && smtp.tls_certificate.is_some(),
        tls: tls_files(&smtp.tls_certificate, &smtp.tls_key),
        session: SessionConfig {
            hostname: config.hostname(),
            max_size: smtp.max_size,
            max_recipients: smtp.max_recipients,
            max_hold: u64::from(smtp.max_hold_days) * 86_400,
            auth_available: !config.users.is_empty(),
            ..SessionConfig::default()
        },
        max_connections: smtp.max_sessions,
        ..Settings::default()
    }
}

fn tls_files(certificate: &Option<PathBuf>, key: &Option<PathBuf>) -> Option<TlsFiles> {
    let files = certificate.clone().zip(key.clone());
    files.map(|(certificate, key)| TlsFiles { certificate, key })
}

/// The line over the trunks, and the calls that come in on it.
pub async fn line(context: &Context) -> anyhow::Result<(Line, mpsc::Receiver<IncomingCall>)> {
    let config = context.config();
    let sip = &config.sip;
    let (endpoint, calls) = endpoint(&config, &context.trunks).await?;
    let first = sip.listen[0].address;
    let line = LineConfig {
        bind: first.ip(),
        advertised: sip.advertise.unwrap_or(first.ip()),
        media_ports: (sip.media_ports[0], sip.media_ports[1]),
        // A call gets the rules of its trunk when it is answered.
        incoming: CallPolicy::incoming(),
    };
    Ok((Line::new(endpoint, context.children.clone(), line), calls))
}

/// The SIP sockets, for calls from the trunks.
pub async fn endpoint(
    config: &Config,
    trunks: &Trunks,
) -> anyhow::Result<(SipEndpoint, mpsc::Receiver<IncomingCall>)> {
    let sip = &config.sip;
    for trunk in trunks.iter() {
        for trouble in trunk.look_up(Instant::now()).await {
            tracing::warn!("trunk {trouble}; its calls are not taken");
        }
    }
    let first = sip.listen[0].address;
    let endpoint = SipConfig {
        listen: sip.listen.iter().map(socket).collect(),
        tls: tls_files(&sip.tls_certificate, &sip.tls_key),
        authorities: sip.tls_ca.clone(),
        advertised: sip.advertise,
        ..SipConfig::new(first, trunks.peers())
    };
    SipEndpoint::bind(endpoint).await.context("sip.listen")
}

fn socket(listen: &config::trunk::Listen) -> (Transport, SocketAddr) {
    let transport = match listen.transport {
        config::trunk::Transport::Udp => Transport::Udp,
        config::trunk::Transport::Tcp => Transport::Tcp,
        config::trunk::Transport::Tls => Transport::Tls,
    };
    (transport, listen.address)
}

/// The listener of the page.
pub async fn status(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.status.listen else {
        return Ok(None);
    };
    let bound = TcpListener::bind(address).await;
    Ok(Some(bound.with_context(|| {
        format!("status.listen {address} cannot be used")
    })?))
}

/// Serves the page to whoever reads it, until told to stop.
pub fn page<S: status::Source>(
    listener: TcpListener,
    config: &Config,
    source: Arc<S>,
    closing: CancellationToken,
) -> impl Future<Output = ()> + use<S> {
    let mut names = config.status.names.clone();
    // Whoever types our very address was not lured here by a name.
    let address = listener.local_addr();
    names.extend(address.map(|address| uri_host(address.ip())));
    let site = status::Site {
        names,
        zone: config.time_zone(),
    };
    async move {
        if let Err(e) = status::serve(listener, site, source, closing).await {
            tracing::error!("the page has ended: {e}");
        }
    }
}

/// The keys whose change takes a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let listen = |config: &Config| -> Vec<SocketAddr> { config.smtp.listen.clone() };
    let changed = [
        ("state_dir", old.state_dir != new.state_dir),
        ("smtp.listen", listen(old) != listen(new)),
        ("smtp.lmtp", old.smtp.lmtp != new.smtp.lmtp),
        (
            "smtp.listen_tls",
            old.smtp.listen_tls != new.smtp.listen_tls,
        ),
        ("sip", old.sip != new.sip),
        ("trunk", old.trunks != new.trunks),
        (
            "fax.header_font",
            old.fax.header_font != new.fax.header_font,
        ),
        ("renderer", old.renderer != new.renderer),
        ("status", old.status != new.status),
    ];
    changed
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}
