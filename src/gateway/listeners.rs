//! From the settings to the sockets: what each listener and the line are told.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::call::policy::{CallPolicy, ReinvitePolicy};
use crate::config::{Config, Reinvite};
use crate::net::line::{Line, LineConfig};
use crate::net::sip::{IncomingCall, SipConfig, SipEndpoint};
use crate::net::smtp::{Settings, TlsFiles};
use crate::proto::smtp::SessionConfig;
use crate::worker::host::Children;

/// How long the far end has for its own re-INVITE before we send ours.
const COURTESY: Duration = Duration::from_secs(4);

/// The SMTP listener's settings.
pub fn smtp(config: &Config) -> Settings {
    let smtp = &config.smtp;
    let tls = smtp.tls_certificate.clone().zip(smtp.tls_key.clone());
    Settings {
        listen: smtp.listen.clone(),
        networks: smtp.clients.clone(),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        session: SessionConfig {
            hostname: config.hostname(),
            max_size: smtp.max_size,
            max_recipients: smtp.max_recipients,
            ..SessionConfig::default()
        },
        max_connections: smtp.max_sessions,
        ..Settings::default()
    }
}

/// The line over the trunk, and the calls that come in on it.
pub async fn line(
    config: &Config,
    children: Children,
) -> anyhow::Result<(Line, mpsc::Receiver<IncomingCall>)> {
    let trunk = &config.trunk;
    let sip = SipConfig {
        advertised: trunk.advertise,
        ..SipConfig::new(trunk.listen, peers(config).await)
    };
    let (endpoint, calls) = SipEndpoint::bind(sip)
        .await
        .with_context(|| format!("trunk.listen {} cannot be used", trunk.listen))?;
    let line = LineConfig {
        bind: trunk.listen.ip(),
        advertised: trunk.advertise.unwrap_or(trunk.listen.ip()),
        media_ports: (trunk.media_ports[0], trunk.media_ports[1]),
        outgoing: CallPolicy {
            reinvite: reinvite(trunk.reinvite_out, COURTESY),
            ring: Duration::from_secs(u64::from(trunk.ring_seconds)),
            ..CallPolicy::outgoing()
        },
        incoming: CallPolicy {
            reinvite: reinvite(trunk.reinvite_in, COURTESY),
            ..CallPolicy::incoming()
        },
    };
    Ok((Line::new(endpoint, children, line), calls))
}

fn reinvite(who: Reinvite, after: Duration) -> ReinvitePolicy {
    match who {
        Reinvite::Us => ReinvitePolicy::Us {
            after: Duration::from_millis(300),
        },
        Reinvite::Them => ReinvitePolicy::Them,
        Reinvite::ThemThenUs => ReinvitePolicy::ThemThenUs { after },
    }
}

/// Who may call us: the configured peers and the carrier's own addresses.
async fn peers(config: &Config) -> Vec<IpNet> {
    let mut peers = config.trunk.peers.clone();
    if !config.trunk.server.is_empty() {
        match tokio::net::lookup_host(&config.trunk.server).await {
            Ok(found) => peers.extend(found.map(|address| host(address.ip()))),
            Err(e) => tracing::warn!(
                "trunk.server {}: {e}; its calls are not taken",
                config.trunk.server
            ),
        }
    }
    peers
}

fn host(ip: IpAddr) -> IpNet {
    IpNet::from(ip)
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

/// The keys whose change takes a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let listen = |config: &Config| -> Vec<SocketAddr> { config.smtp.listen.clone() };
    let changed = [
        ("state_dir", old.state_dir != new.state_dir),
        ("smtp.listen", listen(old) != listen(new)),
        (
            "smtp.tls_certificate",
            old.smtp.tls_certificate != new.smtp.tls_certificate,
        ),
        ("smtp.tls_key", old.smtp.tls_key != new.smtp.tls_key),
        ("trunk.listen", old.trunk.listen != new.trunk.listen),
        (
            "trunk.advertise",
            old.trunk.advertise != new.trunk.advertise,
        ),
        ("trunk.peers", old.trunk.peers != new.trunk.peers),
        ("trunk.channels", old.trunk.channels != new.trunk.channels),
        (
            "trunk.media_ports",
            old.trunk.media_ports != new.trunk.media_ports,
        ),
        (
            "trunk.ring_seconds",
            old.trunk.ring_seconds != new.trunk.ring_seconds,
        ),
        (
            "trunk.reinvite_out",
            old.trunk.reinvite_out != new.trunk.reinvite_out,
        ),
        (
            "trunk.reinvite_in",
            old.trunk.reinvite_in != new.trunk.reinvite_in,
        ),
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
