//! Digest access authentication as a client (RFC 7616, RFC 8760): a 401 or 407 in, the header that answers it out.

mod challenge;
mod login;

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

use super::text::quote;
use super::{Message, Method, Name};

pub use challenge::{Algorithm, Challenge, Hash, Qop, challenges};
pub use login::Login;

/// Who we say we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name of the account.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, ...)", self.username)
    }
}

/// Why a challenge is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// 401 or 407 without a challenge that we know.
    #[error("the far end asks for {0}, which is no digest that we know")]
    Unknown(String),
    /// The far end has our answer and asks again.
    #[error(
        "the far end does not accept the user name {username:?} and its password for {realm:?}"
    )]
    Refused {
        /// The name it does not accept.
        username: String,
        /// For what.
        realm: String,
    },
}

/// What the answer is for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// Its Request-URI as it is written there.
    pub uri: &'a str,
    /// Its body, for `auth-int`.
    pub body: &'a [u8],
}

impl<'a> Asked<'a> {
    /// A request as it will be sent.
    pub fn of(request: &'a Message) -> Option<Asked<'a>> {
        Some(Asked {
            method: request.method()?,
            uri: request.uri()?,
            body: &request.body,
        })
    }
}

/// Answers the strongest of the challenges, the first where several are as strong. `nc` counts the requests with this
/// nonce from 1; `cnonce` is ours, and nobody can guess it.
///
/// # Errors
/// None of them can be answered.
pub fn answer(
    challenges: &[Challenge],
    credentials: &Credentials,
    asked: Asked<'_>,
    cnonce: &str,
    nc: u32,
) -> Result<(Name, String), DigestError> {
    let challenge = strongest(challenges)?;
    let header = match challenge.proxy {
        true => Name::ProxyAuthorization,
        false => Name::Authorization,
    };
    Ok((header, write(challenge, credentials, asked, cnonce, nc)))
}

fn strongest(challenges: &[Challenge]) -> Result<&Challenge, DigestError> {
    // The first of the strongest; max_by_key would take the last.
    let strongest = challenges
        .iter()
        .rev()
        .max_by_key(|challenge| challenge.algorithm.hash);
    strongest.ok_or_else(|| DigestError::Unknown("nothing".to_owned()))
}

fn write(
    challenge: &Challenge,
    credentials: &Credentials,
    asked: Asked<'_>,
    cnonce: &str,
    nc: u32,
) -> String {
    let Challenge { realm, nonce, .. } = challenge;
    let nc = format!("{nc:08x}");
    let response = response(challenge, credentials, asked, cnonce, &nc);
    // Realm, nonce and opaque go back with the escapes they came with.
    let mut header = format!(
        "Digest username={}, realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\", response=\"{response}\"",
        quote(&credentials.username),
        asked.uri.replace('"', "%22"),
    );
    if let Some(name) = &challenge.algorithm.name {
        header.push_str(&format!(", algorithm={name}"));
    }
    if challenge.qop.is_some() || challenge.algorithm.session {
        header.push_str(&format!(", cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = &challenge.opaque {
        header.push_str(&format!(", opaque=\"{opaque}\""));
    }
    if let Some(qop) = challenge.qop {
        header.push_str(&format!(", qop={}, nc={nc}", qop.as_str()));
    }
    header
}

/// RFC 7616 3.4.1 to 3.4.3.
fn response(
    challenge: &Challenge,
    credentials: &Credentials,
    asked: Asked<'_>,
    cnonce: &str,
    nc: &str,
) -> String {
    let hash = |text: String| challenge.algorithm.hash.hex(text.as_bytes());
    let Challenge { realm, nonce, .. } = challenge;
    let Asked { method, uri, body } = asked;
    let secret = hash(format!(
        "{}:{realm}:{}",
        credentials.username, credentials.password
    ));
    let a1 = match challenge.algorithm.session {
        true => hash(format!("{secret}:{nonce}:{cnonce}")),
        false => secret,
    };
    let a2 = match challenge.qop {
        Some(Qop::AuthInt) => hash(format!(
            "{method}:{uri}:{}",
            challenge.algorithm.hash.hex(body)
        )),
        _ => hash(format!("{method}:{uri}")),
    };
    match challenge.qop {
        Some(qop) => hash(format!("{a1}:{nonce}:{nc}:{cnonce}:{}:{a2}", qop.as_str())),
        // RFC 2069, which many registrars still speak.
        None => hash(format!("{a1}:{nonce}:{a2}")),
    }
}

impl Hash {
    /// The hash in hexadecimal.
    fn hex(self, octets: &[u8]) -> String {
        let hash = match self {
            Hash::Md5 => Md5::digest(octets).to_vec(),
            Hash::Sha256 => Sha256::digest(octets).to_vec(),
            Hash::Sha512t256 => Sha512_256::digest(octets).to_vec(),
        };
        hash.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

#[cfg(test)]
mod tests;
