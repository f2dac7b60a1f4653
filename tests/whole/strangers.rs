//! What comes to the open ports and is neither a mail nor a call: the daemon answers what deserves an answer, and
//! goes on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::harness::Site;

// ---- the status port ----

/// A request, and the status line that answers it.
fn requests() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let get = |target: &str, more: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
            .into_bytes()
    };
    let long = "A".repeat(100_000);
    vec![
        ("octets", b"\x16\x03\x01\x02\x00\x01\xff\r\n\r\n".to_vec(), "400 Bad Request"),
        ("no Host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), "400 Bad Request"),
        (
            "a foreign Host",
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_vec(),
            "421 Misdirected Request",
        ),
        ("no such page", get("/admin.php", ""), "404 Not Found"),
        ("a path out of the house", get("/../../../../etc/passwd", ""), "404 Not Found"),
        (
            "something to write",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd".to_vec(),
            "405 Method Not Allowed",
        ),
        ("a long path", get(&format!("/{long}"), ""), "414 URI Too Long"),
        (
            "a million headers",
            get("/", &"A: b\r\n".repeat(1_000_000)),
            "431 Request Header Fields Too Large",
        ),
        (
            "a length that is none",
            get("/", "Content-Length: -1\r\n"),
            "400 Bad Request",
        ),
        ("a good one", get("/status.json", ""), "200 OK"),
    ]
}

#[test]
fn bad_http_is_answered_and_forgotten() {
    let site = Site::new();
    // Half a request that never goes on, many times.
    let half: Vec<TcpStream> = (0..50)
        .map(|_| ask(&site, b"GET / HTTP/1.1\r\nHo"))
        .collect();
    for (what, request, wanted) in requests() {
        let mut answer = Vec::new();
        // The server may hang up on what it does not want to hear to the end.
        let _ = ask(&site, &request).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.lines().next().unwrap_or_default();
        assert_eq!(status, format!("HTTP/1.1 {wanted}"), "{what}");
        assert!(!answer.contains("root:"), "{what}");
    }
    drop(half);
    site.smtp();
}

fn ask(site: &Site, request: &[u8]) -> TcpStream {
    let address = site.config.status.listen.expect("the page is on");
    let mut stream = TcpStream::connect(address).expect("the page listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    let _ = stream.write_all(request);
    stream
}

// ---- the SIP port ----

/// What is sent from a peer and from a stranger; nothing of it is a call.
fn datagrams() -> Vec<Vec<u8>> {
    let invite = request("INVITE", "sip:5559876543@127.0.0.1", "");
    let mut all: Vec<Vec<u8>> = (1..invite.len())
        .step_by(7)
        .map(|end| invite.as_bytes()[..end].to_vec())
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..500 {
        let mut mutated = invite.clone().into_bytes();
        for _ in 0..random.usize(1..9) {
            let at = random.usize(..mutated.len());
            mutated[at] = random.u8(..);
        }
        // The first line stays broken: none of them may ring.
        mutated[0] = random.u8(..b'A');
        all.push(mutated);
    }
    all.extend([
        Vec::new(),
        b"\r\n\r\n".to_vec(),
        vec![0; 65_507],
        vec![b'A'; 65_507],
        b"INVITE ".repeat(9_000),
        request("INVITE", "sip:", "").into_bytes(),
        request(
            "INVITE",
            "sip:5559876543@127.0.0.1",
            &"Via: x\r\n".repeat(7_000),
        )
        .into_bytes(),
        request(
            "INVITE",
            "sip:5559876543@127.0.0.1",
            "Content-Length: 99999999999999999999\r\n",
        )
        .into_bytes(),
        request(
            "INVITE",
            "sip:5559876543@127.0.0.1",
            "Content-Length: -1\r\n",
        )
        .into_bytes(),
        b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n"
            .to_vec(),
    ]);
    all
}

/// A request as another implementation would write it.
fn request(method: &str, uri: &str, more: &str) -> String {
    let branch = fastrand::u64(..);
    format!(
        "{method} {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5099;branch=z9hG4bK{branch:x};rport\r\n\
         From: \"A stranger\" <sip:100@127.0.0.1>;tag=a{branch:x}\r\n\
         To: <{uri}>\r\n\
         Call-ID: {branch:x}@127.0.0.1\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:100@127.0.0.1:5099>\r\n\
         Max-Forwards: 70\r\n\
         {more}\r\n"
    )
}

#[test]
fn bad_datagrams_are_dropped_and_the_line_goes_on() {
    let site = Site::new();
    let before = site.daemon().id();
    let peer = Caller::from(&site, site.address(6000));
    let stranger = Caller::from(&site, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    for datagram in datagrams() {
        peer.send(&datagram);
        stranger.send(&datagram);
        // A socket's buffer holds some 200 KB.
        std::thread::sleep(Duration::from_micros(500));
    }
    let options = request("OPTIONS", "sip:127.0.0.1", "");
    let no_number = request("INVITE", "sip:5550000000@127.0.0.1", "");
    let cut_off = request(
        "INVITE",
        "sip:5559876543@127.0.0.1",
        "Content-Length: 9\r\n",
    );
    assert_eq!(peer.hears(&options), "SIP/2.0 200 OK");
    assert_eq!(peer.hears(&no_number), "SIP/2.0 404 Not Found");
    assert_eq!(
        peer.hears(&cut_off),
        "SIP/2.0 400 Bad Request - Content-Length is wrong"
    );
    assert_eq!(site.daemon().id(), before);
    assert_eq!(site.received().len(), 0, "a fax was begun");
    assert!(!site.log().text().contains("panicked"));
    site.smtp();
}

#[test]
fn a_stranger_hears_nothing_whatever_he_asks() {
    let site = Site::new();
    let stranger = Caller::from(&site, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let ours = "sip:5559876543@127.0.0.1";
    for request in [
        request("OPTIONS", ours, ""),
        request("INVITE", ours, ""),
        request("REGISTER", ours, ""),
        request("FROBNICATE", ours, ""),
        // As if in a call.
        request("BYE", ours, "").replace(&format!("To: <{ours}>"), &format!("To: <{ours}>;tag=b")),
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK2\r\n\r\n".to_owned(),
    ] {
        stranger.send(request.as_bytes());
        assert_eq!(stranger.hears_within(700), None, "to {request}");
    }
}

/// A UDP socket that talks to the daemon's SIP port.
struct Caller {
    socket: UdpSocket,
    gateway: SocketAddr,
}

impl Caller {
    fn from(site: &Site, address: SocketAddr) -> Caller {
        Caller {
            socket: UdpSocket::bind(address).expect("an address of loopback"),
            gateway: site.config.sip.listen[0].address,
        }
    }

    fn send(&self, datagram: &[u8]) {
        let sent = self.socket.send_to(datagram, self.gateway);
        sent.expect("loopback takes it");
    }

    /// Sends a request, and hears the first final response to it.
    fn hears(&self, request: &str) -> String {
        while self.hears_within(1).is_some() {}
        self.send(request.as_bytes());
        let call_id = request.lines().find(|line| line.starts_with("Call-ID"));
        loop {
            let response = self.hears_within(5000);
            let response = response.unwrap_or_else(|| panic!("no answer to {request}"));
            let status = response.lines().next().unwrap_or_default();
            let ours = response.contains(call_id.expect("every request has one"));
            if ours && !status.starts_with("SIP/2.0 1") {
                return status.to_owned();
            }
        }
    }

    fn hears_within(&self, milliseconds: u64) -> Option<String> {
        let patience = Duration::from_millis(milliseconds);
        self.socket
            .set_read_timeout(Some(patience))
            .expect("a timeout");
        let mut datagram = [0; 8192];
        let (length, _) = self.socket.recv_from(&mut datagram).ok()?;
        Some(String::from_utf8_lossy(&datagram[..length]).into_owned())
    }
}
