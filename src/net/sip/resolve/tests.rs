use std::collections::HashMap;

use tokio::net::UdpSocket;

use super::*;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// Time to live and data.
type Record = (u32, Vec<u8>);

/// A name server that knows a few names; octets by hand (RFC 1035 4).
struct NameServer {
    records: HashMap<(String, u16), Vec<Record>>,
}

impl NameServer {
    fn new() -> NameServer {
        let records = HashMap::new();
        NameServer { records }
    }

    fn with(mut self, name: &str, kind: u16, ttl: u32, data: &[u8]) -> NameServer {
        let records = self.records.entry((name.to_owned(), kind)).or_default();
        records.push((ttl, data.to_vec()));
        self
    }

    fn with_srv(
        self,
        name: &str,
        priority: u16,
        weight: u16,
        port: u16,
        target: &str,
    ) -> NameServer {
        let mut data = [priority, weight, port].map(u16::to_be_bytes).concat();
        for label in target.split('.').filter(|label| !label.is_empty()) {
            data.push(u8::try_from(label.len()).unwrap());
            data.extend_from_slice(label.as_bytes());
        }
        data.push(0);
        self.with(name, SRV, 300, &data)
    }

    async fn start(self) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::at(socket.local_addr().unwrap()).unwrap();
        tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                socket
                    .send_to(&self.answer(&query[..len]), from)
                    .await
                    .unwrap();
            }
        });
        resolver
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut at, mut name) = (12, String::new());
        while query[at] != 0 {
            let label = &query[at + 1..=at + usize::from(query[at])];
            name.push_str(&String::from_utf8_lossy(label).to_lowercase());
            name.push('.');
            at += 1 + usize::from(query[at]);
        }
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let none = Vec::new();
        let found = self
            .records
            .get(&(name.trim_end_matches('.').to_owned(), kind))
            .unwrap_or(&none);
        let code = if self
            .records
            .keys()
            .any(|(known, _)| *known == name.trim_end_matches('.'))
        {
            0
        } else {
            3
        };
        // Response, recursion desired and available; one question, no authority, nothing additional.
        let mut answer = [
            &query[..2],
            &[0x81, 0x80 | code, 0, 1, 0],
            &[found.len() as u8],
            &[0; 4],
        ]
        .concat();
        answer.extend_from_slice(&query[12..at + 5]);
        for (ttl, data) in found {
            answer.extend_from_slice(&[0xc0, 12]);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1]);
            answer.extend_from_slice(&ttl.to_be_bytes());
            answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
            answer.extend_from_slice(data);
        }
        answer
    }
}

async fn ask(
    resolver: &Resolver,
    servers: &[&str],
    transport: Transport,
) -> Result<Found, ResolveError> {
    let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
    resolver.targets(&servers, transport).await
}

fn addresses(found: &Found) -> Vec<String> {
    found
        .targets
        .iter()
        .map(|target| target.address.to_string())
        .collect()
}

#[tokio::test]
async fn srv_names_two_targets_of_different_priority() {
    let dns = NameServer::new()
        .with_srv(
            "_sip._udp.carrier.example",
            20,
            0,
            5070,
            "spare.carrier.example",
        )
        .with_srv(
            "_sip._udp.carrier.example",
            10,
            0,
            5080,
            "first.carrier.example",
        )
        .with("first.carrier.example", A, 60, &[192, 0, 2, 1])
        .with(
            "first.carrier.example",
            AAAA,
            60,
            &"2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        )
        .with("spare.carrier.example", A, 60, &[192, 0, 2, 2]);
    let resolver = dns.start().await;
    let found = ask(&resolver, &["carrier.example"], Transport::Udp)
        .await
        .unwrap();
    assert_eq!(
        addresses(&found),
        ["192.0.2.1:5080", "[2001:db8::1]:5080", "192.0.2.2:5070"]
    );
    // RFC 5922 4: the configured name, not that of the SRV record.
    assert!(
        found
            .targets
            .iter()
            .all(|target| target.name.as_deref() == Some("carrier.example"))
    );
    let left = found.valid_until.unwrap() - Instant::now();
    assert!(
        left <= Duration::from_secs(60) && left > Duration::from_secs(50),
        "{left:?}"
    );
}

#[tokio::test]
async fn each_transport_has_its_service() {
    let dns = NameServer::new()
        .with_srv("_sip._udp.c.example", 0, 0, 1, "h.c.example")
        .with_srv("_sip._tcp.c.example", 0, 0, 2, "h.c.example")
        .with_srv("_sips._tcp.c.example", 0, 0, 3, "h.c.example")
        .with("h.c.example", A, 60, &[192, 0, 2, 1]);
    let resolver = dns.start().await;
    for (transport, port) in [
        (Transport::Udp, 1),
        (Transport::Tcp, 2),
        (Transport::Tls, 3),
    ] {
        let found = ask(&resolver, &["c.example"], transport).await.unwrap();
        assert_eq!(addresses(&found), [format!("192.0.2.1:{port}")]);
    }
}

#[tokio::test]
async fn without_srv_the_host_itself_at_the_usual_port() {
    let dns = NameServer::new().with("pbx.example", A, 1, &[192, 0, 2, 7]);
    let resolver = dns.start().await;
    for (transport, port) in [(Transport::Udp, 5060), (Transport::Tls, 5061)] {
        let found = ask(&resolver, &["pbx.example"], transport).await.unwrap();
        assert_eq!(addresses(&found), [format!("192.0.2.7:{port}")]);
        // A carrier with a TTL of one second is not asked every second.
        assert!(found.valid_until.unwrap() > Instant::now() + Duration::from_secs(8));
    }
}

#[tokio::test]
async fn a_port_means_no_srv_and_an_address_no_question() {
    let dns = NameServer::new()
        .with_srv("_sip._udp.pbx.example", 0, 0, 9, "wrong.example")
        .with("pbx.example", A, 60, &[192, 0, 2, 7]);
    let resolver = dns.start().await;
    let found = ask(&resolver, &["pbx.example:5099"], Transport::Udp)
        .await
        .unwrap();
    assert_eq!(addresses(&found), ["192.0.2.7:5099"]);
    let list = [
        "192.0.2.1",
        "192.0.2.2:5090",
        "2001:db8::9",
        "[2001:db8::9]:5070",
        "192.0.2.1:5060",
    ];
    let found = ask(&resolver, &list, Transport::Udp).await.unwrap();
    let expected = [
        "192.0.2.1:5060",
        "192.0.2.2:5090",
        "[2001:db8::9]:5060",
        "[2001:db8::9]:5070",
    ];
    assert_eq!(addresses(&found), expected);
    assert_eq!(
        (found.valid_until, found.targets[0].name.clone()),
        (None, None)
    );
}

#[tokio::test]
async fn a_list_outlives_one_name_that_is_gone() {
    let dns = NameServer::new().with("b.example", A, 60, &[192, 0, 2, 2]);
    let resolver = dns.start().await;
    let found = ask(
        &resolver,
        &["gone.example", "b.example", "192.0.2.3"],
        Transport::Udp,
    )
    .await
    .unwrap();
    assert_eq!(addresses(&found), ["192.0.2.2:5060", "192.0.2.3:5060"]);
    assert_eq!(found.missing.len(), 1);
    assert_eq!(found.missing[0].server, "gone.example");
}

#[tokio::test]
async fn errors_name_what_was_looked_up() {
    let dns = NameServer::new()
        .with_srv("_sip._tcp.half.example", 0, 0, 5060, "gone.half.example")
        .with_srv("_sip._udp.off.example", 0, 0, 0, ".");
    let resolver = dns.start().await;
    for (server, transport, expected) in [
        (
            "gone.example",
            Transport::Udp,
            "gone.example: SRV _sip._udp.gone.example.: no such name; A and AAAA gone.example: no such name",
        ),
        (
            "gone.example:5060",
            Transport::Tls,
            "gone.example:5060: A and AAAA gone.example: no such name",
        ),
        (
            "half.example",
            Transport::Tcp,
            "half.example: SRV _sip._tcp.half.example.: A and AAAA gone.half.example.: no such name",
        ),
        (
            "off.example",
            Transport::Udp,
            "off.example: SRV _sip._udp.off.example.: the service is not offered",
        ),
        (
            "a b",
            Transport::Udp,
            "a b: neither a host, host:port nor an address",
        ),
        (
            "host:0",
            Transport::Udp,
            "host:0: neither a host, host:port nor an address",
        ),
    ] {
        let error = ask(&resolver, &[server], transport).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = ask(&resolver, &[], Transport::Udp).await.unwrap_err();
    assert_eq!(error.why, "no server is configured");
}

#[tokio::test]
async fn a_dead_name_server_costs_seconds_not_minutes() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::at(silent.local_addr().unwrap()).unwrap();
    let asked = Instant::now();
    let error = ask(&resolver, &["carrier.example:5060"], Transport::Udp)
        .await
        .unwrap_err();
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
    assert!(
        error.why.starts_with("A and AAAA carrier.example: "),
        "{error}"
    );
}
