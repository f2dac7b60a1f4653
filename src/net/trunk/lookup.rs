//! A trunk's servers to addresses (RFC 3263).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::config;
use crate::net::sip::resolve::Resolver;
use crate::proto::sip::Transport;

/// A name that could not be looked up is asked for again after this long.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);

/// Addresses as the file writes them stay what they are.
const FIXED: Duration = Duration::from_secs(3600);

/// The system's name servers; without any, names are not found, and addresses are what they are.
static DNS: LazyLock<Option<Resolver>> = LazyLock::new(|| {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    Resolver::system()
        .or_else(|e| {
            tracing::warn!("names of trunks: {e}");
            Resolver::at(local)
        })
        .ok()
});

/// A server at one of its addresses.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As the file names it.
    pub server: String,
    /// Its address.
    pub address: SocketAddr,
    /// What its certificate has to bear.
    pub name: Option<Arc<str>>,
}

/// What came of looking up all servers of a trunk.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order in which they are tried.
    pub found: Vec<Place>,
    /// What was not found, and why.
    pub missing: Vec<String>,
    /// When to look again.
    pub again: Option<Instant>,
}

/// Looks up the servers of a trunk.
pub(super) async fn places(trunk: &config::Trunk, now: Instant) -> Places {
    let mut places = Places::default();
    let mut again = now + FIXED;
    for server in &trunk.server {
        let Some(dns) = DNS.as_ref() else {
            places.missing.push(format!("{server}: no name server"));
            continue;
        };
        let servers = std::slice::from_ref(server);
        match dns.targets(servers, transport(trunk)).await {
            Ok(found) => {
                again = again.min(found.valid_until.unwrap_or(again));
                let place = |target: crate::net::sip::resolve::Target| Place {
                    server: server.clone(),
                    address: target.address,
                    name: target.name,
                };
                places.found.extend(found.targets.into_iter().map(place));
            }
            Err(e) => {
                again = again.min(now + AFTER_TROUBLE);
                places.missing.push(e.to_string());
            }
        }
    }
    places.again = Some(again);
    places
}

/// The trunk's transport as the protocol names it.
pub(super) fn transport(trunk: &config::Trunk) -> Transport {
    match trunk.transport {
        config::trunk::Transport::Udp => Transport::Udp,
        config::trunk::Transport::Tcp => Transport::Tcp,
        config::trunk::Transport::Tls => Transport::Tls,
    }
}
