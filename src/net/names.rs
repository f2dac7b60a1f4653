//! Names of servers to addresses.

use std::net::SocketAddr;

/// The address of `host:port` now; a name is asked for anew each time.
///
/// # Errors
/// What the resolver says, with the name, fit for an admin.
pub async fn resolve(server: &str) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host(server)
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
