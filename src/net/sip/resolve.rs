//! Where a trunk's server is (RFC 3263): its name to addresses, in the order to try them.
//!
//! `host:port` and addresses are taken as they are; a bare host is asked for SRV records of the trunk's transport,
//! and where there are none, for its addresses. NAPTR is not asked for: the transport is the trunk's to say.

mod order;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver as Dns, ResolverBuilder, TokioResolver};

use crate::proto::sip::{Flow, Transport};
use order::{Service, in_order};

/// What is asked again no sooner than this, and no later.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// Addresses of one list of servers; more are not tried.
const MAX_TARGETS: usize = 32;

/// One address to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Address and port.
    pub address: SocketAddr,
    /// The configured host: what a certificate has to bear (RFC 5922 4). `None`: an address is configured.
    pub name: Option<Arc<str>>,
}

impl Target {
    /// The way there.
    pub fn flow(&self, transport: Transport) -> Flow {
        Flow {
            transport,
            remote: self.address,
            name: self.name.clone(),
            local: None,
        }
    }
}

/// What became of a list of servers.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// At least one, in the order to try them, none twice.
    pub targets: Vec<Target>,
    /// When to ask again; `None`: there was nothing to ask.
    pub valid_until: Option<Instant>,
    /// Servers of the list that could not be found.
    pub missing: Vec<ResolveError>,
}

/// Why a server was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {why}")]
pub struct ResolveError {
    /// As it is configured; several with commas between them.
    pub server: String,
    /// What was looked up, and what came of it.
    pub why: String,
}

/// Asks DNS.
#[derive(Clone)]
pub struct Resolver {
    dns: TokioResolver,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// As the system is configured to.
    ///
    /// # Errors
    /// What is wrong with that configuration.
    pub fn system() -> Result<Resolver, ResolveError> {
        let built = Dns::builder_tokio().and_then(Resolver::build);
        built.map_err(|error| ResolveError {
            server: "/etc/resolv.conf".to_owned(),
            why: error.to_string(),
        })
    }

    /// At this name server only.
    ///
    /// # Errors
    /// None in practice: it has nothing to read.
    pub fn at(name_server: SocketAddr) -> Result<Resolver, ResolveError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = name_server.port();
            connection
        });
        let server = NameServerConfig::new(name_server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        let builder = Dns::builder_with_config(config, TokioRuntimeProvider::default());
        Resolver::build(builder).map_err(|error| ResolveError {
            server: name_server.to_string(),
            why: error.to_string(),
        })
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Resolver, NetError> {
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // A call waits for it.
        (options.timeout, options.attempts) = (Duration::from_secs(2), 1);
        let dns = builder.build()?;
        Ok(Resolver { dns })
    }

    /// The addresses of all servers of a list, in its order.
    ///
    /// # Errors
    /// None of them has any; the error names what was looked up.
    pub async fn targets(
        &self,
        servers: &[String],
        transport: Transport,
    ) -> Result<Found, ResolveError> {
        let mut found = Found {
            targets: Vec::new(),
            valid_until: None,
            missing: Vec::new(),
        };
        for server in servers {
            let missing = |why| ResolveError {
                server: server.clone(),
                why,
            };
            match self.server(server, transport).await {
                Ok(addresses) => found.add(addresses),
                Err(why) => found.missing.push(missing(why)),
            }
        }
        if found.targets.is_empty() {
            return Err(ResolveError::of_all(&found.missing));
        }
        Ok(found)
    }

    async fn server(&self, server: &str, transport: Transport) -> Result<Addresses, String> {
        match Server::parse(server).ok_or("neither a host, host:port nor an address")? {
            Server::Address(ip, port) => {
                let port = port.unwrap_or(transport.default_port());
                Ok(Addresses::fixed(SocketAddr::new(ip, port)))
            }
            // RFC 3263 4.2: a port means that there is no SRV to ask for.
            Server::Host(host, Some(port)) => Ok(self.host(&host, port).await?.named(&host)),
            Server::Host(host, None) => self.service(&host, transport).await,
        }
    }

    /// SRV, and where there is none, the addresses of the host itself (RFC 3263 4.2).
    async fn service(&self, host: &str, transport: Transport) -> Result<Addresses, String> {
        let name = format!(
            "{}.{}.",
            service_name(transport),
            host.trim_end_matches('.')
        );
        let answer = match self.dns.lookup(name.as_str(), RecordType::SRV).await {
            Ok(answer) => answer,
            Err(error) => {
                let itself = self.host(host, transport.default_port()).await;
                let both = |why| format!("SRV {name}: {}; {why}", short(&error));
                return Ok(itself.map_err(both)?.named(host));
            }
        };
        let services = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Service::new(
                    srv.priority,
                    srv.weight,
                    srv.port,
                    srv.target.to_ascii(),
                )),
                _ => None,
            });
        let mut addresses = Addresses::until(answer.valid_until());
        let mut failures = Vec::new();
        for service in in_order(services.collect(), &mut fastrand::Rng::new()) {
            // RFC 2782: a single dot says that the service is not offered.
            if service.target == "." {
                failures.push("the service is not offered".to_owned());
                continue;
            }
            match self.host(&service.target, service.port).await {
                Ok(more) => addresses.extend(more),
                Err(why) => failures.push(why),
            }
        }
        if addresses.sockets.is_empty() {
            return Err(format!("SRV {name}: {}", failures.join("; ")));
        }
        // RFC 5922 4: the certificate is for the domain, not for the hosts that DNS names.
        Ok(addresses.named(host))
    }

    /// A and AAAA; IPv4 first.
    async fn host(&self, host: &str, port: u16) -> Result<Addresses, String> {
        // A name with dots is whole; one without may be meant within the system's search domains.
        let whole = host.contains('.') && !host.ends_with('.');
        let name = if whole {
            format!("{host}.")
        } else {
            host.to_owned()
        };
        let answer = self.dns.lookup_ip(name.as_str()).await;
        let answer = answer.map_err(|error| format!("A and AAAA {host}: {}", short(&error)))?;
        let mut addresses = Addresses::until(answer.valid_until());
        addresses
            .sockets
            .extend(answer.iter().map(|ip| SocketAddr::new(ip, port)));
        addresses.sockets.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses)
    }
}

fn service_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    }
}

/// In words; the library's own text repeats the whole query.
fn short(error: &NetError) -> String {
    match error {
        error if error.is_nx_domain() => "no such name".to_owned(),
        error if error.is_no_records_found() => "no such record".to_owned(),
        NetError::Timeout => "no name server answers".to_owned(),
        error => error.to_string(),
    }
}

/// What a configured server is.
#[derive(Debug, PartialEq)]
enum Server {
    Address(IpAddr, Option<u16>),
    Host(String, Option<u16>),
}

impl Server {
    fn parse(text: &str) -> Option<Server> {
        let text = text.trim();
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Some(Server::Address(ip, None));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Server::Address(address.ip(), Some(address.port())));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!host.is_empty() && host.chars().all(known)).then(|| Server::Host(host.to_owned(), port))
    }
}

/// The addresses of one server.
struct Addresses {
    sockets: Vec<SocketAddr>,
    name: Option<Arc<str>>,
    valid_until: Option<Instant>,
}

impl Addresses {
    fn fixed(address: SocketAddr) -> Addresses {
        Addresses {
            sockets: vec![address],
            name: None,
            valid_until: None,
        }
    }

    fn until(valid_until: Instant) -> Addresses {
        Addresses {
            sockets: Vec::new(),
            name: None,
            valid_until: Some(valid_until),
        }
    }

    fn named(mut self, host: &str) -> Addresses {
        self.name = Some(host.trim_end_matches('.').into());
        self
    }

    fn extend(&mut self, more: Addresses) {
        self.sockets.extend(more.sockets);
        self.valid_until = [self.valid_until, more.valid_until]
            .into_iter()
            .flatten()
            .min();
    }
}

impl Found {
    fn add(&mut self, addresses: Addresses) {
        for address in addresses.sockets {
            let known = self.targets.iter().any(|target| target.address == address);
            if !known && self.targets.len() < MAX_TARGETS {
                let name = addresses.name.clone();
                self.targets.push(Target { address, name });
            }
        }
        let now = Instant::now();
        let until = addresses
            .valid_until
            .map(|until| until.clamp(now + AGAIN.0, now + AGAIN.1));
        self.valid_until = [self.valid_until, until].into_iter().flatten().min();
    }
}

impl ResolveError {
    fn of_all(missing: &[ResolveError]) -> ResolveError {
        if let [one] = missing {
            return one.clone();
        }
        let servers: Vec<&str> = missing
            .iter()
            .map(|missing| missing.server.as_str())
            .collect();
        let whys: Vec<&str> = missing.iter().map(|missing| missing.why.as_str()).collect();
        ResolveError {
            server: servers.join(", "),
            why: if whys.is_empty() {
                "no server is configured".to_owned()
            } else {
                whys.join("; ")
            },
        }
    }
}
