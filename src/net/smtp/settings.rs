//! What the listener is told.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::door::Socket;
use crate::net::tls::TlsFiles;
use crate::proto::smtp::SessionConfig;

/// Everything that can be set about the listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses to listen on. Read at the start only.
    pub listen: Vec<SocketAddr>,
    /// Where LMTP is spoken. Read at the start only.
    pub lmtp: Vec<Socket>,
    /// Addresses where TLS begins with the first octet. Read at the start only.
    pub listen_tls: Vec<SocketAddr>,
    /// Networks to whose hosts STARTTLS is not offered.
    pub no_starttls: Vec<IpNet>,
    /// Networks whose hosts may end lines with LF alone.
    pub bare_lf: Vec<IpNet>,
    /// Networks whose hosts may submit mail.
    pub networks: Vec<IpNet>,
    /// Whether others may come in, too: to log in, or to prove who they are.
    pub strangers: bool,
    /// Certificate and key for STARTTLS.
    pub tls: Option<TlsFiles>,
    /// Name and limits of a session; what is spoken, whether TLS is available and until when mails are held is filled
    /// in by the server.
    pub session: SessionConfig,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// Connections at the same time, in all.
    pub max_connections: usize,
    /// Connections at the same time from one address.
    pub max_connections_per_client: usize,
}

/// How long a client may take (RFC 5321 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one command, for its reply to be read, and for the handshake of TLS. RFC 5321 4.5.3.2.7: 5 minutes.
    pub command: Duration,
    /// For the next piece of a text.
    pub text: Duration,
    /// For the whole text of one message.
    pub message: Duration,
    /// For the whole session.
    pub session: Duration,
    /// For a text in progress when the gateway stops.
    pub grace: Duration,
}

impl Settings {
    /// Whether `client` is of a network that may submit mail.
    pub(super) fn knows(&self, client: IpAddr) -> bool {
        let mut networks = self.networks.iter();
        networks.any(|network| network.contains(&client))
    }

    /// Connections of strangers at the same time: however many come, those of the house find room.
    pub(super) fn max_strangers(&self) -> usize {
        (self.max_connections / 4).max(1)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2525))],
            lmtp: Vec::new(),
            listen_tls: Vec::new(),
            no_starttls: Vec::new(),
            bare_lf: Vec::new(),
            strangers: false,
            networks: ["127.0.0.0/8", "::1/128"]
                .map(|network| network.parse().expect("a network"))
                .to_vec(),
            tls: None,
            session: SessionConfig::default(),
            timeouts: Timeouts::default(),
            max_connections: 100,
            // As Postfix has it: a relay that keeps twenty busy opens the next before the last is counted out.
            max_connections_per_client: 50,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            command: Duration::from_secs(300),
            text: Duration::from_secs(300),
            message: Duration::from_secs(1800),
            session: Duration::from_secs(3600),
            grace: Duration::from_secs(30),
        }
    }
}
