//! `[sip]`, `[[trunk]]`, `[[sender]]`, `[inbound]`: the telephone side of the configuration.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::door::fits;
use super::{Body, TellDelivered};
use crate::pages::Resolution;
use crate::pages::cover::Language;

/// `[sip]`: our side of every trunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Our SIP sockets.
    pub listen: Vec<Listen>,
    /// The address the carriers see; none: that of `listen`, which then must be a real one.
    pub advertise: Option<IpAddr>,
    /// PEM file of the certificate chain that we show on `tls:` sockets.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub tls_key: Option<PathBuf>,
    /// PEM file of authorities that may vouch for a trunk over TLS, beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// First and last UDP port of RTP and UDPTL; `[0, 0]`: any.
    pub media_ports: [u16; 2],
    /// Calls at a time, over all trunks, both directions.
    pub channels: usize,
    /// Seconds that calls in progress get to end when the gateway is told to stop.
    pub drain_seconds: u64,
}

/// `[[trunk]]`: one carrier or PBX.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trunk {
    /// What it is called in logs and on the page; empty: its first server.
    pub name: String,
    /// Where calls go, tried in this order: `host`, `host:port`, an address.
    #[serde(deserialize_with = "one_or_many")]
    pub server: Vec<String>,
    /// How to get there.
    pub transport: Transport,
    /// Host part of the called URI, of From and of the registration; empty: the server's name.
    pub domain: String,
    /// User for digest; empty: no credentials.
    pub username: String,
    /// Its password.
    pub password: String,
    /// User in the digest where it is not `username`.
    pub auth_username: String,
    /// Whether we register.
    pub register: bool,
    /// Seconds that a registration is asked for.
    pub register_seconds: u32,
    /// Trunks with a lower one are tried first.
    pub priority: u32,
    /// Beginnings of the numbers it carries, in E.164; none: all.
    pub prefixes: Vec<String>,
    /// How it wants numbers.
    pub number_format: NumberFormat,
    /// Digits taken off the front of the formatted number, where they are there.
    pub strip: String,
    /// Digits put in front, then.
    pub prepend: String,
    /// Our number in its calls; empty: `fax.station_id`.
    pub caller_id: String,
    /// Where that stands.
    pub caller_header: CallerHeader,
    /// Whether the caller is asked to be kept from the called side (RFC 3323).
    pub withhold_caller: bool,
    /// Calls at a time, both directions; 0: as many as `sip.channels`.
    pub channels: usize,
    /// Whether it takes calls for which a trunk before it has no free channel; false: only where those are down or
    /// refuse.
    pub overflow: bool,
    /// Calls begun a second; 0: no limit.
    pub calls_per_second: f64,
    /// Calls of faxes sent over it on a day; 0: no limit.
    pub calls_per_day: u32,
    /// Minutes of them; 0: no limit.
    pub minutes_per_day: u32,
    /// Seconds between OPTIONS to each target; 0: none are sent.
    pub options_seconds: u32,
    /// Seconds after which a target that says nothing to an INVITE is given up.
    pub silence_seconds: u32,
    /// Addresses from which its calls come, beside its servers'.
    pub peers: Vec<IpNet>,
    /// Addresses from which its media may come, beside those of its SDP.
    pub media_peers: Vec<IpNet>,
    /// Whether our media goes to where its media comes from, not to the address and port of its SDP.
    pub symmetric_media: bool,
    /// Where its INVITEs carry the number that was called.
    pub called_number_from: CalledNumber,
    /// Who asks for T.38 in calls we place.
    pub reinvite_out: Reinvite,
    /// Who asks for T.38 in calls we answer.
    pub reinvite_in: Reinvite,
    /// Seconds that the far end gets to ask before we do.
    pub reinvite_seconds: u32,
    /// UDPTL packets repeated in each packet (T.38 9.1.4.1).
    pub redundancy: u8,
    /// Seconds that a far end which has agreed to T.38 may keep silent in it, in calls we place.
    pub t38_silence_seconds: u32,
    /// Seconds to let the far end ring.
    pub ring_seconds: u32,
    /// Session timer asked for, seconds (RFC 4028); 0: none.
    pub session_expires: u32,
    /// Whether a 3xx is followed, to hosts of this trunk only.
    pub follow_redirects: bool,
}

/// `[[sender]]`: what a sender may do, and what his faxes carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sender {
    /// The mail addresses it is about: whole, or with `*` for any beginning.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Our number in their calls; empty: the trunk's.
    pub caller_id: String,
    /// Station identification; empty: `fax.station_id`.
    pub station_id: String,
    /// Name in the header line; empty: `fax.name`.
    pub name: String,
    /// Whether the text of their mails is a page; none: `fax.body`.
    pub body: Option<Body>,
    /// Resolution of their faxes; none: `fax.resolution`.
    pub resolution: Option<Resolution>,
    /// Patterns of numbers that they may dial whatever `[dialing]` says.
    pub allow: Vec<String>,
    /// The name under which all of them count as one; empty: each for himself.
    pub account: String,
    /// Whether they may send from outside `smtp.clients` where their domain is proven.
    pub verified: bool,
    /// Calls of theirs at a time; 0: no limit.
    pub channels: u32,
    /// Calls of theirs on a day; 0: no limit.
    pub calls_per_day: u32,
    /// Minutes of calls on a day, over all of their account; 0: no limit.
    pub minutes_per_day: u32,
    /// Whether their faxes begin with a cover page; none: `cover.on`.
    pub cover: Option<bool>,
    /// Language of their receipts; none: `receipts.language`.
    pub language: Option<Language>,
    /// Whether and how they hear of deliveries; none: `receipts.tell_delivered`.
    pub tell_delivered: Option<TellDelivered>,
    /// Whether Disposition-Notification-To in their mails asks for a report of a delivery, as copiers have it.
    pub mdn: bool,
    /// Whether their receipts show the first page; none: `receipts.picture`.
    pub picture: Option<bool>,
}

/// `[[machine]]`: what a machine wants that we call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// Its number, in any form.
    pub number: String,
    /// The password (SID) without which it takes nothing.
    pub password: String,
}

/// `[inbound]`: which calls are not taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// Whether calls without a number are refused.
    pub refuse_anonymous: bool,
    /// Patterns of numbers whose calls are refused.
    pub blocked: Vec<String>,
    /// What a caller's machine must give as its password; empty: nothing.
    pub password: String,
}

/// A socket: `udp:127.0.0.1:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken there.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
}

/// What carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// How numbers are written to a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// As the sender of the fax wrote it.
    AsDialled,
    /// +12025550123.
    E164,
    /// 12025550123.
    International,
    /// 2025550123 within `dialing.country` (with its trunk prefix where it has one); abroad as `international`.
    National,
}

/// The header that says who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerHeader {
    /// From.
    From,
    /// P-Asserted-Identity (RFC 3325); From then has `username`, where there is one.
    Pai,
    /// Remote-Party-ID, which older PBXs read.
    Rpid,
}

/// Where an INVITE carries the number that was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalledNumber {
    /// The user of the Request-URI.
    RequestUri,
    /// The user of To.
    To,
    /// The user of the last Diversion (RFC 5806): the number dialled first.
    Diversion,
    /// The user of the first entry of History-Info (RFC 7044).
    HistoryInfo,
}

/// Who sends the re-INVITE to T.38.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reinvite {
    /// We do, as soon as a fax tone is heard, or soon after the answer.
    Us,
    /// The far end does.
    Them,
    /// The far end may; when it has not after `reinvite_seconds`, we do.
    ThemThenUs,
    /// Nobody: audio only.
    Never,
    /// T.38 alone stands in our INVITE; what does not take it there is called again in audio.
    T38First,
    /// T.38 stands in our INVITE beside audio.
    T38BesideAudio,
}

impl Default for Sip {
    fn default() -> Sip {
        Sip {
            listen: vec![Listen::udp(([127, 0, 0, 1], 5060).into())],
            advertise: None,
            tls_certificate: None,
            tls_key: None,
            tls_ca: None,
            media_ports: [0, 0],
            channels: 8,
            drain_seconds: 300,
        }
    }
}

impl Default for Trunk {
    fn default() -> Trunk {
        Trunk {
            name: String::new(),
            server: Vec::new(),
            transport: Transport::Udp,
            domain: String::new(),
            username: String::new(),
            password: String::new(),
            auth_username: String::new(),
            register: false,
            register_seconds: 3600,
            priority: 10,
            prefixes: Vec::new(),
            number_format: NumberFormat::AsDialled,
            strip: String::new(),
            prepend: String::new(),
            caller_id: String::new(),
            caller_header: CallerHeader::From,
            withhold_caller: false,
            channels: 0,
            overflow: true,
            calls_per_second: 5.0,
            calls_per_day: 0,
            minutes_per_day: 0,
            options_seconds: 60,
            silence_seconds: 3,
            peers: Vec::new(),
            media_peers: Vec::new(),
            symmetric_media: false,
            called_number_from: CalledNumber::RequestUri,
            reinvite_out: Reinvite::ThemThenUs,
            reinvite_in: Reinvite::Us,
            reinvite_seconds: 4,
            redundancy: 3,
            t38_silence_seconds: 12,
            ring_seconds: 60,
            session_expires: 1800,
            follow_redirects: false,
        }
    }
}

impl Trunk {
    /// A trunk at one server, everything else as it is by default.
    pub fn to(server: impl fmt::Display) -> Trunk {
        let server = server.to_string();
        Trunk {
            name: server.clone(),
            server: vec![server],
            ..Trunk::default()
        }
    }

    /// The user in answers to a digest challenge.
    pub fn digest_user(&self) -> &str {
        match self.auth_username.as_str() {
            "" => &self.username,
            user => user,
        }
    }
}

impl Sender {
    /// Whether it is about this mail address.
    pub fn is_about(&self, address: &str) -> bool {
        fits(&self.pattern, address)
    }

    /// The account that mails of `address` count against.
    pub fn account_of(&self, address: &str) -> String {
        match self.account.as_str() {
            "" => address.to_lowercase(),
            account => account.to_owned(),
        }
    }
}

impl Transport {
    /// `udp`, `tcp`, `tls`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

impl Listen {
    /// A UDP socket.
    pub fn udp(address: SocketAddr) -> Listen {
        Listen {
            transport: Transport::Udp,
            address,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}

/// Why a socket cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" must be transport:address:port, such as \"udp:192.0.2.1:5060\" (udp, tcp or tls)")]
pub struct BadListen(String);

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(written: &str) -> Result<Listen, BadListen> {
        let bad = || BadListen(written.to_owned());
        let (transport, address) = written.split_once(':').ok_or_else(bad)?;
        let transport = [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|known| known.name() == transport)
            .ok_or_else(bad)?;
        let address = address.parse().map_err(|_| bad())?;
        Ok(Listen { transport, address })
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Listen, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// One string, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: de::Error>(self, one: &str) -> Result<Vec<String>, E> {
            Ok(vec![one.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut many: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = many.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    from.deserialize_any(OneOrMany)
}

/// Where calls go: `sip.example.com` (SRV, then addresses), `sip.example.com:5060` (addresses), `192.0.2.1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    /// Port; none: that of the SRV record, or the usual one.
    pub port: Option<u16>,
}

/// Why a server cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" must be a host or host:port, such as \"sip.example.com\" or \"192.0.2.1:5060\"")]
pub struct BadServer(String);

impl FromStr for Server {
    type Err = BadServer;

    fn from_str(written: &str) -> Result<Server, BadServer> {
        let bad = || BadServer(written.to_owned());
        let (host, port) = if let Some(bracketed) = written.strip_prefix('[') {
            let (host, rest) = bracketed.split_once(']').ok_or_else(bad)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad())?;
            match rest {
                "" => (host, None),
                rest => (host, Some(rest.strip_prefix(':').ok_or_else(bad)?)),
            }
        } else if written.parse::<Ipv6Addr>().is_ok() {
            (written, None)
        } else {
            match written.split_once(':') {
                None => (written, None),
                Some((host, port)) => (host, Some(port)),
            }
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(bad());
        }
        let port = port
            .map(|port| port.parse().map_err(|_| bad()))
            .transpose()?;
        Ok(Server {
            host: host.to_owned(),
            port: port.filter(|port| *port != 0),
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(&host),
        }
    }
}
