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

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address as the host of a URI: that of IPv6 stands in brackets (RFC 3986 3.2.2).
pub fn uri_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Those who can take the place of `client` at will: an IPv4 address, or the /64 of an IPv6 address (RFC 4291 2.5.1), in
/// which a host chooses.
pub fn client_network(client: IpAddr) -> IpNet {
    match client.to_canonical() {
        IpAddr::V4(ip) => Ipv4Net::from(ip).into(),
        IpAddr::V6(ip) => Ipv6Net::new(ip, 64)
            .expect("64 is a length of a prefix")
            .trunc()
            .into(),
    }
}
