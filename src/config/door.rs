//! `[[domain]]`, `[[phone_book]]`, `[[user]]`, `[[upstream]]`: what addresses mean, and who comes in beside the networks
//! of `smtp.clients`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::pages::Resolution;

/// Where something listens: `127.0.0.1:24`, or `unix:/run/postfax/lmtp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// TCP.
    Address(SocketAddr),
    /// A socket in a folder.
    Path(PathBuf),
}

/// `[[domain]]`: what is different for the addresses of one domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Domain {
    /// The domain.
    pub name: String,
    /// Resolution of its faxes; none: that of the sender, then `fax.resolution`.
    pub resolution: Option<Resolution>,
    /// Whether they have a cover page; none: as the sender, then the site says.
    pub cover: Option<bool>,
    /// The country whose numbers need no country code; empty: `dialing.country`.
    pub country: String,
    /// What stands before a number that is too short to be whole.
    pub area: String,
    /// Patterns of numbers that may be dialled; none: `dialing.allow`.
    pub allow: Vec<String>,
    /// Our number in its calls; empty: the sender's, then the trunk's.
    pub caller_id: String,
}

/// `[[phone_book]]`: somebody who has a name here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    /// What stands before the `@`.
    pub name: String,
    /// The number.
    pub number: String,
    /// The name for people; empty: `name`.
    pub display: String,
    /// Whom or what the far end gives the pages to (SUB); empty: nobody in particular.
    pub sub_address: String,
    /// Resolution of faxes to them; none: as without a phone book.
    pub resolution: Option<Resolution>,
    /// Whether they get a cover page; none: as without a phone book.
    pub cover: Option<bool>,
}

/// `[[user]]`: somebody who may log in (AUTH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// The name.
    pub name: String,
    /// What `postfax hash-password` makes of the password.
    pub password: String,
    /// The addresses they send from, as in `[[sender]]`.
    pub senders: Vec<String>,
}

/// `[[upstream]]`: a mail server that has checked who sent a mail, and says so in it (RFC 8601).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// The name by which it signs what it found.
    pub authserv_id: String,
    /// Where its mails come from.
    pub clients: Vec<IpNet>,
}

impl Domain {
    /// Whether numbers mean something else there than on the rest of the site.
    pub fn has_own_numbers(&self) -> bool {
        !(self.country.is_empty() && self.area.is_empty())
    }
}

impl Contact {
    /// The name for people.
    pub fn shown(&self) -> &str {
        match self.display.as_str() {
            "" => &self.name,
            display => display,
        }
    }
}

/// Whether a pattern, a mail address or one with `*` for any beginning, fits an address.
pub fn fits(pattern: &str, address: &str) -> bool {
    let (pattern, address) = (pattern.to_lowercase(), address.to_lowercase());
    match pattern.strip_prefix('*') {
        Some(end) => address.ends_with(end),
        None => address == pattern,
    }
}

/// It is neither an address with a port nor a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" must be address:port, such as \"127.0.0.1:24\", or unix: and a path, such as \"unix:/run/postfax/lmtp\""
)]
pub struct BadSocket(String);

impl FromStr for Socket {
    type Err = BadSocket;

    fn from_str(written: &str) -> Result<Socket, BadSocket> {
        let bad = || BadSocket(written.to_owned());
        match written.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Socket::Path(path.into())),
            Some(_) => Err(bad()),
            None => written.parse().map(Socket::Address).map_err(|_| bad()),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Socket::Address(address) => address.fmt(f),
            Socket::Path(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for Socket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Socket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Socket, D::Error> {
        let written = String::deserialize(deserializer)?;
        written.parse().map_err(de::Error::custom)
    }
}
