//! Where a message goes to or comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams (RFC 3261 18).
    Udp,
    /// A connection.
    Tcp,
    /// A connection under TLS (RFC 3261 26.2.1).
    Tls,
}

impl Transport {
    /// Nothing is lost on the way, so nothing is sent twice (RFC 3261 17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// As it stands in `Via` (RFC 3261 20.42).
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// As it stands in the `transport` parameter of a URI (RFC 3261 19.1.1); UDP needs none.
    pub fn uri_parameter(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
        }
    }

    /// RFC 3261 19.1.2.
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        })
    }
}

/// One way to one far end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// The far end.
    pub remote: SocketAddr,
    /// The name that its certificate has to bear (TLS).
    pub name: Option<Arc<str>>,
    /// The address of ours it leaves from or came in at, as it was bound; `None`: the first that fits.
    pub local: Option<SocketAddr>,
}

impl Flow {
    /// Over UDP, from the first address of ours that fits.
    pub fn udp(remote: SocketAddr) -> Flow {
        Flow {
            transport: Transport::Udp,
            remote,
            name: None,
            local: None,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.remote)
    }
}
/// Whether an address means something in its own network only.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            // RFC 6598: between a provider's NAT and ours.
            let shared = matches!(v4.octets(), [100, 64..128, ..]);
            shared || v4.is_private() || v4.is_loopback() || v4.is_link_local()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
