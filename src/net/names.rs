//! Names of servers to addresses.

use std::net::SocketAddr;

use crate::config::trunk::Server;

/// The usual port of SIP.
const SIP: u16 = 5060;

/// The address of a server now; a name is asked for anew each time.
///
/// # Errors
/// What the resolver says, with the name, fit for an admin.
pub async fn resolve(server: &str) -> Result<SocketAddr, String> {
    let Server { host, port } = server.parse().map_err(|e| format!("{e}"))?;
    let found = tokio::net::lookup_host((host, port.unwrap_or(SIP)))
        .await
        .map_err(|e| format!("{server}: {e}"))?;
    // A SIP socket for one family does not reach the other.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(|address| address.is_ipv6());
    found
        .first()
        .copied()
        .ok_or_else(|| format!("{server} has no address"))
}
