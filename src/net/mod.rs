//! The drivers: sockets, TLS, the SIP stack, the clock.

pub mod delivery;
pub mod dmarc;
pub mod line;
pub mod maildir;
mod random;
pub mod relay;
pub mod sip;
pub mod smtp;
pub(crate) mod tls;
pub mod trunk;

use std::net::IpAddr;

/// An address as the host of a URI: that of IPv6 stands in brackets (RFC 3986 3.2.2).
pub fn uri_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
