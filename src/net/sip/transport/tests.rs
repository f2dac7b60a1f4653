use std::time::Instant;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::*;

const OPTIONS: &[u8] = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\n\
    To: <sip:a@d>\r\nCall-ID: 1@b\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn config(transport: Transport) -> TransportConfig {
    let mut config = TransportConfig::new(vec![(transport, "127.0.0.1:0".parse().unwrap())]);
    config.peers = vec!["127.0.0.0/8".parse().unwrap()];
    config
}

async fn bind(config: TransportConfig) -> (Transports, SocketAddr) {
    let transports = Transports::bind(config).await.unwrap();
    let (_, address) = transports.addresses()[0];
    (transports, address)
}

fn to(transport: Transport, remote: SocketAddr) -> Flow {
    let (name, local) = (None, None);
    Flow {
        transport,
        remote,
        name,
        local,
    }
}

async fn next(transports: &mut Transports) -> Arrival {
    let arrival = timeout(Duration::from_secs(5), transports.recv()).await;
    arrival.expect("something comes")
}

async fn message(transports: &mut Transports) -> (Flow, Vec<u8>) {
    match next(transports).await {
        Arrival::Octets { flow, octets, .. } => (flow, octets),
        lost @ Arrival::Lost { .. } => panic!("{lost:?}"),
    }
}

async fn loss(transports: &mut Transports) -> String {
    match next(transports).await {
        Arrival::Lost { why, .. } => why,
        octets @ Arrival::Octets { .. } => panic!("{octets:?}"),
    }
}

async fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    let read = timeout(Duration::from_secs(5), stream.read_exact(&mut octets)).await;
    read.expect("something comes").expect("it stays open");
    octets
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(Duration::from_secs(5), stream.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

// ---- UDP ----

#[tokio::test]
async fn a_datagram_of_sixty_kilobytes_goes_and_comes_whole() {
    let (mut transports, address) = bind(config(Transport::Udp)).await;
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let long = [OPTIONS, &b"x".repeat(60_000)].concat();
    far.send_to(&long, address).await.unwrap();
    let (flow, octets) = message(&mut transports).await;
    assert!(octets == long, "{} octets", octets.len());
    assert_eq!(
        (flow.remote, flow.local),
        (far.local_addr().unwrap(), Some(address))
    );
    transports.send(&flow, long.clone());
    let mut back = vec![0; 65_535];
    let (len, from) = far.recv_from(&mut back).await.unwrap();
    assert!(back[..len] == long && from == address);
}

#[tokio::test]
async fn what_cannot_be_sent_is_told() {
    let (mut transports, _) = bind(config(Transport::Udp)).await;
    transports.send(
        &to(Transport::Udp, "[::1]:5060".parse().unwrap()),
        OPTIONS.to_vec(),
    );
    assert_eq!(
        loss(&mut transports).await,
        "no UDP socket of ours reaches it"
    );
    let remote = "127.0.0.1:9".parse().unwrap();
    transports.send(&to(Transport::Udp, remote), vec![0; 70_000]);
    assert!(loss(&mut transports).await.contains("too long"));
}

#[tokio::test]
async fn ten_thousand_forged_invites_do_not_push_out_the_carrier() {
    let mut strangers = config(Transport::Udp);
    strangers.peers = vec!["127.0.0.2/32".parse().unwrap()];
    let (mut transports, address) = bind(strangers).await;
    let scanner = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for n in 0..10_000 {
        scanner.send_to(OPTIONS, address).await.unwrap();
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let carrier = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    carrier.send_to(OPTIONS, address).await.unwrap();
    let mut untrusted = 0;
    loop {
        match next(&mut transports).await {
            Arrival::Octets { trusted: true, .. } => break,
            Arrival::Octets { .. } => untrusted += 1,
            lost @ Arrival::Lost { .. } => panic!("{lost:?}"),
        }
    }
    assert!(untrusted <= QUEUE, "{untrusted}");
}

#[tokio::test]
async fn a_trunk_that_is_not_there_is_known_at_once_and_heard_when_it_comes() {
    let (mut transports, address) = bind(config(Transport::Udp)).await;
    let trunk = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let flow = to(Transport::Udp, trunk.local_addr().unwrap());
    drop(trunk);
    transports.send(&flow, OPTIONS.to_vec());
    let lost = next(&mut transports).await;
    let why = "Connection refused (os error 111)".to_owned();
    assert_eq!(
        lost,
        Arrival::Lost {
            flow: flow.clone(),
            why
        }
    );
    let trunk = UdpSocket::bind(flow.remote).await.unwrap();
    transports.send(&flow, OPTIONS.to_vec());
    let mut octets = [0; 2000];
    let (len, from) = trunk.recv_from(&mut octets).await.unwrap();
    assert!(octets[..len] == *OPTIONS && from == address);
    trunk.send_to(OPTIONS, address).await.unwrap();
    assert_eq!(message(&mut transports).await.0.remote, flow.remote);
    // Everybody else is still heard.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.send_to(OPTIONS, address).await.unwrap();
    assert_eq!(
        message(&mut transports).await.0.remote,
        other.local_addr().unwrap()
    );
}

#[tokio::test]
async fn a_second_gateway_on_the_same_address_fails() {
    let (transports, address) = bind(config(Transport::Udp)).await;
    transports.send(
        &to(Transport::Udp, "127.0.0.1:9".parse().unwrap()),
        OPTIONS.to_vec(),
    );
    let second = TransportConfig::new(vec![(Transport::Udp, address)]);
    let why = Transports::bind(second).await.unwrap_err().to_string();
    assert!(why.contains("in use"), "{why}");
}

#[tokio::test]
async fn noise_is_not_passed_on() {
    let (mut transports, address) = bind(config(Transport::Udp)).await;
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for noise in [
        &b"\r\n\r\n"[..],
        b"\0\0\0\0",
        b"",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        far.send_to(noise, address).await.unwrap();
    }
    far.send_to(
        b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP b\r\n\r\n",
        address,
    )
    .await
    .unwrap();
    let (_, octets) = message(&mut transports).await;
    assert!(octets.starts_with(b"INVITE"), "it gets its 400");
}

// ---- TCP ----

#[tokio::test]
async fn messages_share_a_connection_both_ways() {
    let (mut transports, _) = bind(config(Transport::Tcp)).await;
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = to(Transport::Tcp, far.local_addr().unwrap());
    transports.send(&flow, OPTIONS.to_vec());
    transports.send(&flow, OPTIONS.to_vec());
    let (mut stream, _) = far.accept().await.unwrap();
    assert_eq!(
        read(&mut stream, 2 * OPTIONS.len()).await,
        OPTIONS.repeat(2)
    );
    // One and a half messages, and the other half later.
    let (now, later) = OPTIONS.split_at(60);
    stream.write_all(&[OPTIONS, now].concat()).await.unwrap();
    assert_eq!(
        message(&mut transports).await,
        (flow.clone(), OPTIONS.to_vec())
    );
    stream.write_all(later).await.unwrap();
    assert_eq!(
        message(&mut transports).await,
        (flow.clone(), OPTIONS.to_vec())
    );
    drop(stream);
    assert_eq!(loss(&mut transports).await, "closed by the far end");
    transports.send(&flow, OPTIONS.to_vec());
    let (mut stream, _) = far.accept().await.unwrap();
    assert_eq!(
        read(&mut stream, OPTIONS.len()).await,
        OPTIONS,
        "on a new one"
    );
}

#[tokio::test]
async fn an_answer_goes_back_on_the_connection_of_its_request() {
    let (mut transports, address) = bind(config(Transport::Tcp)).await;
    let mut far = TcpStream::connect(address).await.unwrap();
    far.write_all(OPTIONS).await.unwrap();
    let (flow, _) = message(&mut transports).await;
    assert_eq!(
        (flow.remote, flow.local),
        (far.local_addr().unwrap(), Some(address))
    );
    transports.send(&flow, b"SIP/2.0 200 OK\r\n\r\n".to_vec());
    assert_eq!(read(&mut far, 18).await, b"SIP/2.0 200 OK\r\n\r\n");
}

#[tokio::test]
async fn keep_alives_are_answered_and_sent() {
    let mut pinging = config(Transport::Tcp);
    pinging.ping = Duration::from_millis(50);
    let (mut transports, address) = bind(pinging).await;
    let mut theirs = TcpStream::connect(address).await.unwrap();
    theirs.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut theirs, 2).await, b"\r\n");
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    transports.send(
        &to(Transport::Tcp, far.local_addr().unwrap()),
        OPTIONS.to_vec(),
    );
    let (mut ours, _) = far.accept().await.unwrap();
    read(&mut ours, OPTIONS.len()).await;
    assert_eq!(read(&mut ours, 8).await, b"\r\n\r\n\r\n\r\n");
    ours.write_all(b"\r\n").await.unwrap();
    ours.write_all(OPTIONS).await.unwrap();
    assert_eq!(message(&mut transports).await.1, OPTIONS);
}

#[tokio::test]
async fn a_stranger_keeps_no_connection_and_a_peer_not_too_many() {
    let mut few = config(Transport::Tcp);
    few.peers = vec!["127.0.0.2/32".parse().unwrap()];
    few.per_peer = 2;
    let (mut transports, address) = bind(few).await;
    let mut stranger = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut stranger).await);
    transports.set_peers(vec!["127.0.0.1/32".parse().unwrap()]);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(OPTIONS).await.unwrap();
        message(&mut transports).await;
        streams.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut third).await);
    drop(streams.pop());
    assert_eq!(loss(&mut transports).await, "closed by the far end");
    let mut fourth = TcpStream::connect(address).await.unwrap();
    fourth.write_all(OPTIONS).await.unwrap();
    message(&mut transports).await;
}

#[tokio::test]
async fn an_idle_connection_of_theirs_ends() {
    let mut idle = config(Transport::Tcp);
    idle.idle = Duration::from_millis(100);
    let (mut transports, address) = bind(idle).await;
    let mut far = TcpStream::connect(address).await.unwrap();
    far.write_all(OPTIONS).await.unwrap();
    message(&mut transports).await;
    assert_eq!(loss(&mut transports).await, "idle");
    assert!(is_closed(&mut far).await);
}

#[tokio::test]
async fn a_dead_trunk_is_told_within_its_time() {
    let mut quick = config(Transport::Tcp);
    quick.connect = Duration::from_millis(300);
    let (mut transports, _) = bind(quick).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = to(Transport::Tcp, closed.local_addr().unwrap());
    drop(closed);
    transports.send(&flow, OPTIONS.to_vec());
    assert!(loss(&mut transports).await.contains("refused"));
    // It accepts, and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = Instant::now();
    transports.send(
        &to(Transport::Tls, silent.local_addr().unwrap()),
        OPTIONS.to_vec(),
    );
    assert_eq!(loss(&mut transports).await, "no connection within 300ms");
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_far_end_that_does_not_read_is_given_up() {
    let mut quick = config(Transport::Tcp);
    quick.write = Duration::from_millis(300);
    let (mut transports, _) = bind(quick).await;
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = to(Transport::Tcp, far.local_addr().unwrap());
    transports.send(&flow, OPTIONS.to_vec());
    let (_stream, _) = far.accept().await.unwrap();
    for _ in 0..1000 {
        transports.send(&flow, vec![b'x'; 60_000]);
    }
    assert_eq!(loss(&mut transports).await, "the far end does not read");
}

#[tokio::test]
async fn a_broken_stream_is_answered_and_closed() {
    let (mut transports, address) = bind(config(Transport::Tcp)).await;
    let mut far = TcpStream::connect(address).await.unwrap();
    let broken = String::from_utf8_lossy(OPTIONS).replace("Length: 0", "Length: -1");
    far.write_all(broken.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = timeout(Duration::from_secs(5), far.read_to_string(&mut answer)).await;
    reading.expect("it ends").expect("it is text");
    assert!(
        answer.starts_with("SIP/2.0 400 Bad Request - Content-Length is wrong\r\n"),
        "{answer}"
    );
    assert_eq!(loss(&mut transports).await, "Content-Length is wrong");
}

// ---- TLS ----

/// Certificate and key for `name` in a folder.
fn certificate(name: &str) -> (TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([name.to_string()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (folder, files)
}

#[tokio::test]
async fn tls_both_ways_and_only_under_the_right_name() {
    let (_folder, files) = certificate("carrier.example");
    let mut server = config(Transport::Tls);
    server.tls = Some(files.clone());
    let (mut server, address) = bind(server).await;
    let mut client = config(Transport::Tcp);
    client.authorities = Some(files.certificate);
    let (mut client, _) = bind(client).await;
    let under = |name: &str| Flow {
        name: Some(name.into()),
        ..to(Transport::Tls, address)
    };
    client.send(&under("carrier.example"), OPTIONS.to_vec());
    let (flow, octets) = message(&mut server).await;
    assert_eq!(octets, OPTIONS);
    server.send(&flow, OPTIONS.to_vec());
    assert_eq!(
        message(&mut client).await,
        (under("carrier.example"), OPTIONS.to_vec())
    );
    // The connection that is up does not serve another name.
    for flow in [under("other.example"), to(Transport::Tls, address)] {
        client.send(&flow, OPTIONS.to_vec());
        let why = loss(&mut client).await;
        assert!(
            why.starts_with("TLS: ") && why.contains("not valid for"),
            "{why}"
        );
    }
    // Nobody vouches for it.
    let (mut careful, _) = bind(config(Transport::Tcp)).await;
    careful.send(&under("carrier.example"), OPTIONS.to_vec());
    let why = loss(&mut careful).await;
    assert!(
        why.starts_with("TLS: ") && why.contains("certificate"),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_listener_is_said() {
    let tls = config(Transport::Tls);
    let why = Transports::bind(tls).await.unwrap_err().to_string();
    assert!(why.contains("sip.tls_certificate"), "{why}");
    let mut twice = config(Transport::Udp);
    let first = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    twice.listen = vec![(Transport::Udp, first.local_addr().unwrap())];
    let why = Transports::bind(twice).await.unwrap_err().to_string();
    assert!(
        why.starts_with(&format!(
            "cannot listen for calls on udp:{}",
            first.local_addr().unwrap()
        )),
        "{why}"
    );
    let mut missing = config(Transport::Udp);
    missing.authorities = Some("/nonexistent/ca.pem".into());
    let why = Transports::bind(missing).await.unwrap_err().to_string();
    assert!(why.contains("/nonexistent/ca.pem"), "{why}");
}
