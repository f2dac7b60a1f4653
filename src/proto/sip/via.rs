//! `Via` (RFC 3261 20.42).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::text::{host_port, is_space, is_token, number, trim};
use super::{Invalid, Params};

/// What the branch of every client of RFC 3261 begins with (8.1.1.7).
const COOKIE: &str = "z9hG4bK";

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS` or any other token, in upper case.
    pub transport: String,
    /// The host that it names itself.
    pub host: String,
    /// Its port, where it names one.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` ...
    pub params: Params,
}

impl Via {
    /// Reads one value, with white space wherever the grammar allows it.
    ///
    /// # Errors
    /// Another protocol or version, a sent-by that is none, broken parameters.
    pub fn parse(text: &str) -> Result<Via, Invalid> {
        let mut parts = text.splitn(3, '/').map(trim);
        let mut part = || parts.next().unwrap_or_default();
        if !part().eq_ignore_ascii_case("SIP") || part() != "2.0" {
            return Err(Invalid("a Via that is not SIP/2.0"));
        }
        let rest = part();
        let (transport, rest) = rest.split_once(is_space).unwrap_or((rest, ""));
        if !is_token(transport) {
            return Err(Invalid("a Via without transport"));
        }
        let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = host_port(sent_by).ok_or(Invalid("a Via without host"))?;
        Ok(Via {
            transport: transport.to_ascii_uppercase(),
            host: host.to_owned(),
            port,
            params: Params::parse(params)?,
        })
    }

    /// The branch, where it identifies a transaction (RFC 3261 17.2.3); `None` for a client of RFC 2543.
    pub fn branch(&self) -> Option<&str> {
        let branch = self.params.get("branch")?;
        let cookie = branch.get(..COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(COOKIE) && branch.len() > COOKIE.len()).then_some(branch)
    }

    /// The cookie is there, and nothing behind it (RFC 4475 3.2.1).
    pub fn has_empty_branch(&self) -> bool {
        let branch = self.params.get("branch");
        branch.is_some_and(|branch| branch.eq_ignore_ascii_case(COOKIE))
    }

    /// `received`, which the peer says it saw.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let text = text.trim_start_matches('[').trim_end_matches(']');
        text.parse().ok()
    }

    /// `rport`, which the peer says it saw.
    pub fn rport(&self) -> Option<u16> {
        number(self.params.get("rport")?).and_then(|port| u16::try_from(port).ok())
    }

    /// Notes where the request really came from (RFC 3261 18.2.1, RFC 3581 4).
    pub fn stamp(&mut self, source: SocketAddr) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let same = host.parse::<IpAddr>().is_ok_and(|host| host == source.ip());
        let symmetric = self.params.has("rport");
        if symmetric {
            self.params.set("rport", source.port().to_string());
        }
        if symmetric || !same {
            self.params.set("received", source.ip().to_string());
        } else {
            // Only we know; what it says itself may be a lie.
            self.params.remove("received");
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Via {
        Via::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn odd_spacing() {
        let via = read(
            "SIP  / 2.0  / tcp     spindle.example.com : 5060  ;  branch  =   z9hG4bK9ikj8 ;rport",
        );
        assert_eq!(via.branch(), Some("z9hG4bK9ikj8"));
        assert_eq!(
            via.to_string(),
            "SIP/2.0/TCP spindle.example.com:5060;branch=z9hG4bK9ikj8;rport"
        );
    }

    #[test]
    fn a_client_of_rfc_2543_has_no_branch() {
        for params in [
            "",
            ";branch=390skdjuw",
            ";branch=z9hG4bK",
            ";branch=\u{e4}\u{e4}\u{e4}\u{e4}x",
        ] {
            assert_eq!(
                read(&format!("SIP/2.0/UDP 192.0.2.2{params}")).branch(),
                None,
                "{params}"
            );
        }
    }

    #[test]
    fn behind_nat_the_source_is_noted() {
        let source: SocketAddr = "198.51.100.7:40000".parse().expect("an address");
        let mut via = read("SIP/2.0/UDP 10.0.0.2:5060;rport;branch=z9hG4bK1");
        via.stamp(source);
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP 10.0.0.2:5060;rport=40000;branch=z9hG4bK1;received=198.51.100.7"
        );
        assert_eq!(
            (via.received(), via.rport()),
            (Some(source.ip()), Some(40000))
        );
        let mut via = read("SIP/2.0/UDP 198.51.100.7;received=192.0.2.66");
        via.stamp(source);
        assert_eq!(via.to_string(), "SIP/2.0/UDP 198.51.100.7");
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/7.0/UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP a;;",
            ";",
            "SIP/2.0/UDP a b",
        ] {
            assert!(Via::parse(text).is_err(), "{text:?}");
        }
    }
}
