//! `WWW-Authenticate` and `Proxy-Authenticate`.

use crate::proto::sip::text::{is_token, quoted, split, trim};
use crate::proto::sip::{Message, Name};

/// A digest challenge that we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// From a 407: the answer goes into `Proxy-Authorization`.
    pub proxy: bool,
    /// For whom the password is, as it stands between the quotes.
    pub realm: String,
    /// What is to be hashed with it, as it stands between the quotes.
    pub nonce: String,
    /// To be sent back, as it stands between the quotes.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// The protection that we choose of those offered; `None`: none is offered (RFC 2069).
    pub qop: Option<Qop>,
    /// The password was right, the nonce is too old.
    pub stale: bool,
}

/// `algorithm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// `-sess`.
    pub session: bool,
    /// As the challenge names it; `None`: it does not, which is MD5.
    pub name: Option<String>,
}

/// The hashes, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// RFC 1321.
    Md5,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4, SHA-512/256.
    Sha512t256,
}

/// `qop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// The first line of the request is protected.
    Auth,
    /// And its body.
    AuthInt,
}

impl Qop {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

/// The challenges of a 401 or 407 that can be answered, in their order, whether each has its line or commas between
/// them.
pub fn challenges(response: &Message) -> Vec<Challenge> {
    let of = |name, proxy| {
        let lines = response.headers.fields(name).flat_map(schemes);
        lines
            .filter_map(move |scheme| digest(&scheme, proxy))
            .collect::<Vec<_>>()
    };
    let mut found = of(Name::WwwAuthenticate, false);
    found.extend(of(Name::ProxyAuthenticate, true));
    found
}

/// What is asked for, in a few words, where none of it can be answered.
pub(super) fn described(response: &Message) -> String {
    let names = [Name::WwwAuthenticate, Name::ProxyAuthenticate];
    let lines = names
        .into_iter()
        .flat_map(|name| response.headers.fields(name));
    let described = lines
        .flat_map(schemes)
        .map(|scheme| match scheme.get("algorithm") {
            Some(algorithm) => format!("{} {algorithm}", scheme.name),
            None => scheme.name.to_owned(),
        });
    let described: Vec<String> = described.collect();
    if described.is_empty() {
        "nothing".to_owned()
    } else {
        described.join(", ")
    }
}

/// One scheme with its parameters: `Digest realm="a", nonce="b"`.
struct Scheme<'a> {
    name: &'a str,
    params: Vec<(&'a str, String)>,
}

impl Scheme<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter();
        let found = params.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A comma stands between parameters and between schemes alike: two words before a `=` begin a scheme.
fn schemes(line: &str) -> Vec<Scheme<'_>> {
    let mut schemes: Vec<Scheme<'_>> = Vec::new();
    for item in split(line, b',').filter(|item| !item.is_empty()) {
        let (words, value) = item.split_once('=').unwrap_or((item, ""));
        let words = trim(words);
        let (name, param) = match words.split_once([' ', '\t']) {
            Some((name, param)) => (Some(name), trim(param)),
            // `Negotiate` alone, but also the second word of qop=auth,auth-int without its quotes.
            None if !item.contains('=') => {
                match schemes
                    .last_mut()
                    .and_then(|scheme| scheme.params.last_mut())
                {
                    Some((last, qop)) if last.eq_ignore_ascii_case("qop") => {
                        qop.push(',');
                        qop.push_str(words);
                        continue;
                    }
                    _ => (Some(words), ""),
                }
            }
            None => (None, words),
        };
        if let Some(name) = name {
            let params = Vec::new();
            schemes.push(Scheme { name, params });
        }
        if let Some(scheme) = schemes.last_mut().filter(|_| is_token(param)) {
            scheme
                .params
                .push((param, between_quotes(trim(value)).to_owned()));
        }
    }
    schemes
}

/// With its escapes: RFC 7616 3.4 hashes what stands between the quotes.
fn between_quotes(value: &str) -> &str {
    match quoted(value) {
        Some((_, rest)) => &value[1..value.len() - rest.len() - 1],
        None => value,
    }
}

fn digest(scheme: &Scheme<'_>, proxy: bool) -> Option<Challenge> {
    if !scheme.name.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let plain = |name| {
        scheme
            .get(name)
            .filter(|value| !value.starts_with('"'))
            .map(str::to_owned)
    };
    Some(Challenge {
        proxy,
        realm: plain("realm")?,
        nonce: plain("nonce")?,
        opaque: plain("opaque"),
        algorithm: algorithm(scheme.get("algorithm"))?,
        qop: qop(scheme.get("qop"))?,
        stale: scheme
            .get("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    })
}

fn algorithm(name: Option<&str>) -> Option<Algorithm> {
    let upper = name.unwrap_or("MD5").to_ascii_uppercase();
    let (hash, session) = match upper.strip_suffix("-SESS") {
        Some(hash) => (hash, true),
        None => (upper.as_str(), false),
    };
    let hash = match hash {
        "MD5" => Hash::Md5,
        "SHA-256" | "SHA256" => Hash::Sha256,
        "SHA-512-256" => Hash::Sha512t256,
        _ => return None,
    };
    let name = name.map(str::to_owned);
    Some(Algorithm {
        hash,
        session,
        name,
    })
}

/// `auth` where it is offered, else `auth-int`; `None` where neither is, but something.
fn qop(offered: Option<&str>) -> Option<Option<Qop>> {
    let Some(offered) = offered.filter(|offered| !trim(offered).is_empty()) else {
        return Some(None);
    };
    let has = |qop: Qop| {
        offered
            .split(',')
            .any(|word| trim(word).eq_ignore_ascii_case(qop.as_str()))
    };
    [Qop::Auth, Qop::AuthInt]
        .into_iter()
        .find(|qop| has(*qop))
        .map(Some)
}
