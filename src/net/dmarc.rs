//! Who stands behind a mail from the open net: DMARC (RFC 9989) over DKIM (RFC 6376) and SPF (RFC 7208), by mail-auth.
//!
//! Takes over: a mail, and where it came from.
//! Promises: a [`Proof`] only where the domain of the one author in From stands behind the mail: by a signature of its
//! own, or because it lets this client send for it. What it would have us do with other mail (none, quarantine, reject)
//! opens nothing. A name server that does not answer is no verdict.
//! When it dies: the client has no `250`, and sends the mail again.
//!
//! What DNS says are strangers' bytes; hickory, which is safe Rust, reads them here, as it does for the trunks.

pub mod letter;
#[cfg(test)]
mod tests;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::read_system_conf;
use mail_auth::dkim::Signature;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, MessageAuthenticator, SpfOutput,
};
use tokio::time::timeout;

use letter::Letter;

/// How long one question to a name server may take, how often it is asked, and how long all questions about one mail
/// may take.
const PATIENCE: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;
const WHOLE_PATIENCE: Duration = Duration::from_secs(30);

/// Answers that are remembered, for as long as they say.
const MEMORY: u64 = 4096;

/// Asks DNS, and remembers.
pub struct Prover(MessageAuthenticator);

/// Where a mail came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address of the client.
    pub client: IpAddr,
    /// What it calls itself.
    pub helo: &'a str,
    /// What we are called.
    pub hostname: &'a str,
    /// The sender in the envelope.
    pub sender: &'a str,
}

/// The author's domain stands behind the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// How, as an Authentication-Results field has it.
    pub results: String,
    /// What it covers, where it is a signature alone: anybody who has the mail can send it again, to others.
    pub only: Option<Covered>,
}

/// What a signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Covered {
    /// The addresses in To and Cc, lower-case.
    pub addressed: Vec<String>,
    /// The fields of the header that it does not cover, lower-case.
    pub unsigned: Vec<String>,
}

/// Nobody is known to stand behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproven {
    /// Not now: name servers do not answer. As an Authentication-Results field has it.
    Later(String),
    /// And nobody will.
    Never {
        /// Half a sentence.
        why: String,
        /// As an Authentication-Results field has it.
        results: String,
    },
}

impl Prover {
    /// One that asks these name servers; the system's, where none are named.
    ///
    /// # Errors
    /// The system has none, or they cannot be used.
    pub fn new(name_servers: &[SocketAddr]) -> Result<Prover, NetError> {
        let (config, mut options) = match name_servers {
            [] => read_system_conf()?,
            named => (these(named), ResolverOpts::default()),
        };
        (options.timeout, options.attempts, options.cache_size) = (PATIENCE, ATTEMPTS, MEMORY);
        Ok(Prover(MessageAuthenticator::new(config, options)?))
    }

    /// Whether the author's domain stands behind a mail.
    ///
    /// # Errors
    /// It does not, or that cannot be found out now.
    pub async fn prove(&self, letter: &Letter, origin: Origin<'_>) -> Result<Proof, Unproven> {
        let proving = timeout(WHOLE_PATIENCE, self.look(letter, origin));
        let late = || Err(Unproven::Later("dmarc=temperror".to_owned()));
        proving.await.unwrap_or_else(|_| late())
    }

    async fn look(&self, letter: &Letter, origin: Origin<'_>) -> Result<Proof, Unproven> {
        let sender = origin.sender;
        let spf =
            SpfParameters::verify_mail_from(origin.client, origin.helo, origin.hostname, sender);
        let spf = self.0.verify_spf(spf).await;
        let message = letter.authenticated();
        let dkim = self.0.verify_dkim(&message).await;
        let domain = sender.rsplit('@').next().unwrap_or_default();
        let dmarc = DmarcParameters::new(&message, &dkim, domain, &spf);
        let dmarc = self.0.verify_dmarc(dmarc).await;
        let results = words::results(&dmarc, &dkim, &spf, sender);
        match dmarc.result() {
            DmarcResult::Pass if *dmarc.spf_result() == DmarcResult::Pass => Ok(Proof {
                results,
                only: None,
            }),
            DmarcResult::Pass => {
                let only = self.covered(letter, &message, &dkim).await;
                Ok(Proof {
                    results,
                    only: Some(only),
                })
            }
            DmarcResult::TempError(_) => Err(Unproven::Later(results)),
            DmarcResult::Fail(_) | DmarcResult::PermError(_) | DmarcResult::None => {
                let why = words::reasons(&dmarc, &dkim, &spf, origin.client);
                Err(Unproven::Never { why, results })
            }
        }
    }

    /// What the first signature covers that is the author's domain's own.
    async fn covered(
        &self,
        letter: &Letter,
        message: &AuthenticatedMessage<'_>,
        dkim: &[DkimOutput<'_>],
    ) -> Covered {
        for one in dkim.iter().filter(|one| *one.result() == DkimResult::Pass) {
            let Some(signature) = one.signature() else {
                continue;
            };
            if self.is_authors(message, one).await {
                return Covered::by(letter, signature);
            }
        }
        Covered::default()
    }

    async fn is_authors(&self, message: &AuthenticatedMessage<'_>, one: &DkimOutput<'_>) -> bool {
        let (one, nothing) = (std::slice::from_ref(one), SpfOutput::default());
        let alone = DmarcParameters::new(message, one, "", &nothing);
        *self.0.verify_dmarc(alone).await.dkim_result() == DmarcResult::Pass
    }
}

impl Unproven {
    /// What was found, as an Authentication-Results field has it.
    pub fn results(&self) -> &str {
        match self {
            Unproven::Later(results) | Unproven::Never { results, .. } => results,
        }
    }
}

impl Covered {
    fn by(letter: &Letter, signature: &Signature) -> Covered {
        Covered {
            addressed: letter.addressed(signature),
            unsigned: letter.uncovered(signature),
        }
    }
}

/// These name servers, over UDP, and over TCP what does not fit.
fn these(name_servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(name_servers.iter().map(server).collect())
}
