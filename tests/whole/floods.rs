//! Who connects and never finishes: half requests to the page, half texts to the SMTP port. Mails, calls and readers come
//! through all the same.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::smtp::Client;
use crate::harness::{Site, seed, wait_until};

/// What the daemon has at most, as on a system that nobody tuned.
const DESCRIPTORS: u64 = 1024;

fn connect_from(own: IpAddr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::new(own, 0)).expect("an address of loopback");
    connect(&socket, &to).expect("it listens");
    TcpStream::from(socket)
}

fn limit_descriptors(site: &Site) {
    let all = Rlimit {
        current: getrlimit(Resource::Nofile).maximum,
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, all).expect("our own");
    let few = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    let daemon = Pid::from_raw(site.daemon().id().cast_signed());
    prlimit(daemon, Resource::Nofile, few).expect("we are its parent");
}

fn descriptors(site: &Site) -> usize {
    let folder = format!("/proc/{}/fd", site.daemon().id());
    std::fs::read_dir(folder).expect("it runs").count()
}

/// A request that is not whole.
fn half_request(random: &mut Rng) -> String {
    let path: String = (0..random.usize(..9)).map(|_| random.lowercase()).collect();
    let whole = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nX-{path}: {path}\r\n\r\n");
    whole[..random.usize(..whole.len() - 1)].to_owned()
}

#[test]
fn half_requests_stop_neither_mail_nor_page() {
    let mut random = seed("half_requests_stop_neither_mail_nor_page");
    let site = Site::new();
    limit_descriptors(&site);
    let page = site.config.status.listen.expect("there is a page");
    let mut half: Vec<TcpStream> = (0..1_100)
        .map(|_| {
            let mut stream = TcpStream::connect(page).expect("the page listens");
            // One whose place is taken may be reset at once.
            let _ = stream.write_all(half_request(&mut random).as_bytes());
            stream
        })
        .collect();
    wait_until("the page lets go of most", 5, || descriptors(&site) < 200);
    site.smtp();
    assert!(site.status().is_object());
    // Those that are left end within 10 s, though an octet comes now and then.
    let begun = Instant::now();
    let drops = Duration::from_secs(13);
    while begun.elapsed() < drops {
        for stream in half.iter_mut().rev().take(40) {
            let _ = stream.write_all(b"X");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    for (n, stream) in half.iter_mut().enumerate() {
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let mut rest = Vec::new();
        let ended = match stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(ended, "{n} is still there");
    }
    site.smtp();
}

#[test]
fn texts_that_never_end_keep_nobody_out() {
    let mut random = seed("texts_that_never_end_keep_nobody_out");
    let site = Site::new();
    limit_descriptors(&site);
    let server = site.config.smtp.listen[0];
    let mut stalled: Vec<TcpStream> = (0..300)
        .map(|_| {
            let own = Ipv4Addr::new(127, random.u8(1..99), random.u8(..), random.u8(1..255));
            let mut stream = connect_from(own.into(), server);
            let name: String = (0..6).map(|_| random.lowercase()).collect();
            let begun = format!(
                "EHLO {name}\r\nMAIL FROM:<{name}@example.com>\r\nRCPT TO:<5551230006@fax.local>\r\n\
                 DATA\r\nSubject: {name}\r\n"
            );
            let _ = stream.write_all(begun.as_bytes());
            stream
        })
        .collect();
    // Each goes on, an octet at a time.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        for stream in &mut stalled {
            let _ = stream.write_all(b"x");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(descriptors(&site) < 300, "{}", descriptors(&site));
    for n in 0..10 {
        let own = IpAddr::from(Ipv4Addr::new(127, 200, 0, n + 1));
        let mut client = Client::connect_from(own, server);
        assert_eq!(client.reply().code, 220, "{n}");
        client.expect("EHLO clerk.example.com", 250);
    }
    assert!(site.status().is_object());
}

#[test]
fn behind_a_bare_line_end_nothing_is_a_command() {
    let mut random = seed("behind_a_bare_line_end_nothing_is_a_command");
    let site = Site::new();
    for _ in 0..50 {
        let word: String = (0..random.usize(1..9))
            .map(|_| random.lowercase())
            .collect();
        let bare = ["\r", "\n", "\r.\r", "\n.\n", "\r\r\n", "\n.\r\n"][random.usize(..6)];
        let mut client = site.smtp();
        client.expect(&format!("MAIL FROM:<{word}@example.com>"), 250);
        client.expect("RCPT TO:<5551230006@fax.local>", 250);
        client.expect("DATA", 354);
        let text = format!("Subject: {word}\r\n\r\n{word}{bare}{word}\r\n.\r\nNOOP\r\n");
        client.write(text.as_bytes()).expect("the server listens");
        assert_eq!(client.reply().code, 550, "{bare:?}");
        assert_eq!(client.reply().code, 0, "{bare:?}: the session goes on");
    }
    assert_eq!(site.faxes().len(), 0);
}
