//! The listener over real sockets: a client typed by hand, and a mail library.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::proto::smtp::{Login, Mail, RcptOptions, Refusal, SessionConfig, Taken};

/// Numbers, text, and whether it came through TLS.
type Mailed = (Vec<String>, Vec<u8>, bool);

/// Remembers what it was given.
struct Journey {
    folder: TempDir,
    taken: Mutex<Vec<Mailed>>,
    disk_full: AtomicBool,
}

impl Intake for Journey {
    type Recipient = String;

    async fn login(&self, _: IpAddr, login: Login) -> Result<(), Refusal> {
        match login.password.as_str() {
            "right" => Ok(()),
            _ => Err(Refusal::new(535, "5.7.8", "name or password is wrong")),
        }
    }

    fn sender(&self, _: IpAddr, _: &Mail) -> Result<(), Refusal> {
        Ok(())
    }

    async fn recipient(
        &self,
        _: IpAddr,
        _: &Mail,
        recipient: &str,
        _: RcptOptions,
    ) -> Result<String, Refusal> {
        match recipient.split_once('@') {
            Some((number, "fax.local")) => Ok(number.to_string()),
            _ => Err(Refusal::new(550, "5.1.2", "not a domain of ours")),
        }
    }

    fn spool(&self) -> io::Result<Spool> {
        match self.disk_full.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Spool::create(self.folder.path()),
        }
    }

    async fn accept(&self, message: Message<String>) -> Result<Taken, Refusal> {
        let text = match &message.text {
            Text::Short(octets) => octets.to_vec(),
            Text::Long(spool) => std::fs::read(spool.path()).expect("the text is in its file"),
        };
        if text.starts_with(b"Subject: no") {
            return Err(Refusal::new(554, "5.6.0", "there is nothing to fax"));
        }
        let envelope = message.envelope;
        let mut taken = self.taken.lock().unwrap();
        let each = envelope.recipients.iter();
        let each = each.map(|to| format!("taken for {to}")).collect();
        taken.push((envelope.recipients, text, envelope.mail.tls));
        let text = format!("{} taken", taken.len());
        Ok(Taken { text, each })
    }
}

/// A running server.
pub(super) struct Running {
    journey: Arc<Journey>,
    address: SocketAddr,
    server: Arc<Server>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

pub(super) async fn start(settings: Settings) -> Running {
    let journey = Arc::new(Journey {
        folder: tempfile::tempdir().unwrap(),
        taken: Mutex::default(),
        disk_full: AtomicBool::new(false),
    });
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let server = Arc::new(Server::bind(Settings { listen, ..settings }).await.unwrap());
    let stop = CancellationToken::new();
    let task = tokio::spawn({
        let (server, journey, stop) = (server.clone(), journey.clone(), stop.clone());
        async move { server.run(journey, stop).await }
    });
    Running {
        address: server.addresses()[0],
        journey,
        server,
        stop,
        task,
    }
}

impl Running {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Mails that were taken.
    pub(super) fn mails(&self) -> usize {
        self.journey.taken.lock().unwrap().len()
    }

    /// The text of the last one.
    pub(super) fn last_text(&self) -> Vec<u8> {
        let taken = self.journey.taken.lock().unwrap();
        taken.last().expect("one was taken").1.clone()
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Files in the spool folder.
    fn spooled(&self) -> usize {
        std::fs::read_dir(self.journey.folder.path())
            .unwrap()
            .count()
    }

    async fn nothing_spooled(&self) {
        for _ in 0..200 {
            if self.spooled() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} spool files are left", self.spooled());
    }
}

/// A client typed by hand.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next `n` replies' last lines.
    async fn replies(&mut self, n: usize) -> Vec<String> {
        let mut replies = Vec::new();
        while replies.len() < n {
            let mut line = String::new();
            while !line.ends_with("\r\n") {
                line.push(char::from(self.0.read_u8().await.expect("a reply")));
            }
            if line.as_bytes()[3] == b' ' {
                replies.push(line.trim_end().to_string());
            }
        }
        replies
    }

    async fn codes(&mut self, n: usize) -> Vec<u16> {
        let replies = self.replies(n).await;
        replies
            .iter()
            .map(|reply| reply[..3].parse().unwrap())
            .collect()
    }

    async fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

const BEGIN: &str =
    "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<5551234567@fax.local>\r\nDATA\r\n";

#[tokio::test]
async fn a_pipelined_mail_goes_through_and_leaves_no_file() {
    let running = start(Settings::default()).await;
    let mut client = running.connect().await;
    client
        .send(&format!("{BEGIN}Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n"))
        .await;
    assert_eq!(client.codes(7).await, [220, 250, 250, 250, 354, 250, 221]);
    assert_eq!(client.rest().await, "");
    let taken = running.journey.taken.lock().unwrap().clone();
    let text = b"Subject: x\r\n\r\n.\r\n".to_vec();
    assert_eq!(taken, [(vec!["5551234567".to_string()], text, false)]);
    running.nothing_spooled().await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_text_leaves_no_file() {
    let running = start(Settings::default()).await;
    let mut client = running.connect().await;
    let long = format!("{}\r\n", "x".repeat(998)).repeat(1 + SHORT / 1000);
    client.send(&format!("{BEGIN}{long}")).await;
    while running.spooled() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    running.nothing_spooled().await;
}

#[tokio::test]
async fn refusals_of_the_journey_are_said_and_the_session_goes_on() {
    let running = start(Settings::default()).await;
    let mut client = running.connect().await;
    client
        .send("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<1@else.example>\r\nRSET\r\n")
        .await;
    client
        .send(&format!(
            "{BEGIN}Subject: no\r\n.\r\n{BEGIN}Subject: yes\r\n.\r\n"
        ))
        .await;
    let codes = client.codes(15).await;
    assert_eq!(codes[3..5], [550, 250]);
    assert_eq!(codes[9], 554);
    assert_eq!(codes[14], 250);
    running.nothing_spooled().await;
}

#[tokio::test]
async fn a_full_disk_gets_452() {
    let running = start(Settings::default()).await;
    running.journey.disk_full.store(true, Ordering::Relaxed);
    let mut client = running.connect().await;
    let long = format!("{}\r\n", "x".repeat(998)).repeat(1 + SHORT / 1000);
    client.send(&format!("{BEGIN}{long}.\r\nNOOP\r\n")).await;
    let mut said = client.replies(7).await;
    assert!(
        said.pop().unwrap().starts_with("250"),
        "the session goes on"
    );
    assert_eq!(
        said.pop().unwrap(),
        "452 4.3.1 the gateway cannot store the message now, try again later"
    );
}

#[tokio::test]
async fn a_text_is_whole_on_either_side_of_short() {
    for octets in [SHORT - 2, SHORT - 1, SHORT, SHORT + 1, SHORT + 2, 2 * SHORT] {
        let running = start(Settings::default()).await;
        let mut client = running.connect().await;
        let line = |n| format!("{}\r\n", "x".repeat(n - 2));
        let text = line(500).repeat(octets / 500 - 1) + &line(500 + octets % 500);
        assert_eq!(text.len(), octets);
        client.send(&format!("{BEGIN}{text}.\r\n")).await;
        assert_eq!(client.codes(6).await[5], 250, "{octets}");
        assert_eq!(running.journey.taken.lock().unwrap()[0].1, text.as_bytes());
        running.nothing_spooled().await;
    }
}

#[tokio::test]
async fn a_large_mail_goes_to_disk_and_one_over_the_limit_is_dropped() {
    let settings = || Settings {
        session: SessionConfig {
            max_size: 3_000_000,
            ..SessionConfig::default()
        },
        ..Settings::default()
    };
    let running = start(settings()).await;
    let mut client = running.connect().await;
    let megabyte = format!("{}\r\n", "x".repeat(998)).repeat(1000);
    client.send(BEGIN).await;
    for _ in 0..2 {
        client.send(&megabyte).await;
    }
    client.send(&format!(".\r\n{BEGIN}")).await;
    for _ in 0..4 {
        client.send(&megabyte).await;
    }
    client.send(".\r\nNOOP\r\n").await;
    let codes = client.codes(12).await;
    assert_eq!((codes[5], codes[10], codes[11]), (250, 552, 250));
    assert_eq!(running.journey.taken.lock().unwrap()[0].1.len(), 2_000_000);
    running.nothing_spooled().await;
}

#[tokio::test]
async fn a_stranger_is_turned_away_with_a_sentence() {
    let running = start(Settings {
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    })
    .await;
    let said = running.connect().await.rest().await;
    assert!(
        said.starts_with("554 5.7.1 127.0.0.1 may not send faxes"),
        "{said}"
    );
    running.server.reload(Settings::default());
    assert_eq!(running.connect().await.codes(1).await, [220]);
}

#[tokio::test]
async fn too_many_connections_get_421_and_room_comes_back() {
    let running = start(Settings {
        max_connections_per_client: 2,
        ..Settings::default()
    })
    .await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    assert_eq!(
        (first.codes(1).await, second.codes(1).await),
        (vec![220], vec![220])
    );
    assert!(
        running
            .connect()
            .await
            .rest()
            .await
            .starts_with("421 4.7.0 ")
    );
    first.send("QUIT\r\n").await;
    first.rest().await;
    for _ in 0..100 {
        if running.connect().await.codes(1).await == [220] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no room came back");
}

#[tokio::test]
async fn a_silent_client_is_ended_with_421() {
    let timeouts = Timeouts {
        command: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let running = start(Settings {
        timeouts,
        ..Settings::default()
    })
    .await;
    let said = running.connect().await.rest().await;
    assert!(said.contains("\r\n421 4.4.2 you took too long"), "{said}");
}

#[tokio::test]
async fn a_stop_ends_the_idle_and_waits_for_a_text() {
    let running = start(Settings::default()).await;
    let mut idle = running.connect().await;
    let mut busy = running.connect().await;
    idle.codes(1).await;
    busy.send(&format!("{BEGIN}Subject: x\r\n")).await;
    busy.codes(5).await;
    running.stop.cancel();
    assert!(
        idle.rest()
            .await
            .starts_with("421 4.3.2 the gateway is being stopped")
    );
    busy.send("\r\nbody\r\n.\r\n").await;
    assert_eq!(busy.codes(2).await, [250, 421]);
    drop(busy);
    tokio::time::timeout(Duration::from_secs(5), running.task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(running.journey.taken.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let timeouts = Timeouts {
        grace: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let running = start(Settings {
        timeouts,
        ..Settings::default()
    })
    .await;
    let mut busy = running.connect().await;
    busy.send(BEGIN).await;
    busy.codes(5).await;
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        std::fs::read_dir(running.journey.folder.path())
            .unwrap()
            .count(),
        0
    );
}

// ---- TLS ----

/// Certificate and key for localhost in a folder, and the certificate in PEM.
fn certificate(folder: &TempDir) -> (TlsFiles, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem())
}

async fn start_with_tls() -> (Running, String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(&folder);
    let settings = Settings {
        tls: Some(files),
        ..Settings::default()
    };
    (start(settings).await, pem, folder)
}

fn letter() -> lettre::Message {
    lettre::Message::builder()
        .from("Office <office@b.example>".parse().unwrap())
        .to("5551234567@fax.local".parse().unwrap())
        .subject("letter")
        .body(".\r\n..\r\nhello\r\n".to_string())
        .unwrap()
}

async fn send_letter(running: &Running, tls: Tls) {
    let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("localhost")
        .port(running.address.port())
        .tls(tls)
        .build();
    let said = client.send(letter()).await.unwrap();
    assert_eq!(said.message().collect::<Vec<_>>(), ["2.0.0 1 taken"]);
}

#[tokio::test]
async fn a_mail_library_delivers_in_plain() {
    let running = start(Settings::default()).await;
    send_letter(&running, Tls::None).await;
    let (numbers, text, tls) = running.journey.taken.lock().unwrap().remove(0);
    assert_eq!((numbers, tls), (vec!["5551234567".to_string()], false));
    assert!(
        text.ends_with(b"\r\n.\r\n..\r\nhello\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&text)
    );
}

#[tokio::test]
async fn a_mail_library_delivers_through_starttls() {
    let (running, pem, _folder) = start_with_tls().await;
    let parameters = TlsParameters::builder("localhost".to_string())
        .add_root_certificate(Certificate::from_pem(pem.as_bytes()).unwrap())
        .build()
        .unwrap();
    send_letter(&running, Tls::Required(parameters)).await;
    assert!(
        running.journey.taken.lock().unwrap()[0].2,
        "the envelope says TLS"
    );
}

#[tokio::test]
async fn plaintext_behind_starttls_is_never_answered() {
    let (running, pem, _folder) = start_with_tls().await;
    let mut client = running.connect().await;
    client
        .send("EHLO c\r\nSTARTTLS\r\nNOOP\r\nMAIL FROM:<evil@b.example>\r\n")
        .await;
    assert_eq!(client.codes(3).await, [220, 250, 220]);
    let mut protected = shake_hands(client.0, &pem).await;
    protected.write_all(b"VRFY x\r\nQUIT\r\n").await.unwrap();
    let mut said = String::new();
    protected.read_to_string(&mut said).await.unwrap();
    let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["252", "221"], "{said}");
}

async fn shake_hands(stream: TcpStream, pem: &str) -> TlsStream<TcpStream> {
    let name = "localhost".try_into().unwrap();
    connector(pem).connect(name, stream).await.unwrap()
}

fn connector(pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_wrong_certificate_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = certificate(&folder);
    let bind = |files: TlsFiles| async {
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let tls = Some(files);
        let bound = Server::bind(Settings {
            listen,
            tls,
            ..Settings::default()
        })
        .await;
        bound
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let missing = TlsFiles {
        key: "/nowhere/key.pem".into(),
        ..good.clone()
    };
    assert!(
        bind(missing)
            .await
            .contains("cannot read a private key from /nowhere/key.pem: No such file")
    );
    let swapped = TlsFiles {
        certificate: good.key.clone(),
        key: good.certificate.clone(),
    };
    assert!(bind(swapped).await.contains("there is none in it"));
    let other = tempfile::tempdir().unwrap();
    let foreign = TlsFiles {
        key: certificate(&other).0.key,
        ..good
    };
    assert!(bind(foreign).await.contains("cannot be used"));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let running = start(Settings::default()).await;
    let settings = Settings {
        listen: vec![running.address],
        ..Settings::default()
    };
    let error = Server::bind(settings)
        .await
        .err()
        .expect("the port is taken")
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen for mail on {}", running.address)),
        "{error}"
    );
}

#[test]
fn a_spool_is_private_gone_when_dropped_and_kept_on_demand() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let spool = Spool::create(folder.path()).unwrap();
    let mode = spool.file().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(spool);
    assert_eq!(count(), 0);
    let (_, path) = Spool::create(folder.path()).unwrap().keep();
    assert!(path.exists());
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let (running, old, folder) = start_with_tls().await;
    let serves = async |pem: &str| {
        let mut client = running.connect().await;
        client.send("EHLO c\r\nSTARTTLS\r\n").await;
        client.codes(3).await;
        let connector = connector(pem);
        let name = "localhost".try_into().unwrap();
        connector.connect(name, client.0).await.is_ok()
    };
    assert!(serves(&old).await);
    // A half-written pair leaves the old one in force.
    let key = folder.path().join("key.pem");
    std::fs::write(&key, "nonsense").unwrap();
    running.server.reload(settings_with(&folder));
    assert!(serves(&old).await);
    let (_, new) = certificate(&folder);
    running.server.reload(settings_with(&folder));
    assert!(serves(&new).await);
    assert!(!serves(&old).await, "the old one is no longer served");
}

fn settings_with(folder: &TempDir) -> Settings {
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    Settings {
        tls: Some(files),
        ..Settings::default()
    }
}

#[tokio::test]
async fn who_logs_in_may_come_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(&folder);
    let session = SessionConfig {
        auth_available: true,
        ..SessionConfig::default()
    };
    let running = start(Settings {
        tls: Some(files),
        networks: vec![],
        strangers: true,
        session,
        ..Settings::default()
    })
    .await;
    let mut client = running.connect().await;
    client.send("EHLO c\r\nSTARTTLS\r\n").await;
    client.codes(3).await;
    let mut protected = shake_hands(client.0, &pem).await;
    let login = "EHLO c\r\nAUTH PLAIN AHVzZXIAd3Jvbmc=\r\nAUTH PLAIN AHVzZXIAcmlnaHQ=\r\nQUIT\r\n";
    protected.write_all(login.as_bytes()).await.unwrap();
    let mut said = String::new();
    protected.read_to_string(&mut said).await.unwrap();
    assert!(
        said.contains("\r\n535 5.7.8 ") && said.contains("\r\n235 2.7.0 "),
        "{said}"
    );
}

#[tokio::test]
async fn lmtp_in_a_folder_says_a_reply_for_each_recipient() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    // What a daemon that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let running = start(Settings {
        lmtp: vec![crate::config::door::Socket::Path(path.clone())],
        ..Settings::default()
    })
    .await;
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let text = "LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<1@fax.local>\r\nRCPT TO:<1@else.example>\r\n\
                RCPT TO:<2@fax.local>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    assert_eq!(
        last[1..],
        ["250 2.0.0 taken for 2", "250 2.0.0 taken for 1"],
        "{said}"
    );
    assert_eq!(running.mails(), 1);
    running.stop.cancel();
    running.task.await.unwrap();
    assert!(!path.exists(), "it is removed with the daemon");
}

#[tokio::test]
async fn a_socket_in_use_and_a_file_that_is_none_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let settings = || Settings {
        listen: vec![],
        lmtp: vec![crate::config::door::Socket::Path(path.clone())],
        ..Settings::default()
    };
    let first = Server::bind(settings()).await.unwrap();
    let said = Server::bind(settings()).await.err().unwrap().to_string();
    assert!(
        said.contains("lmtp: address in use") || said.contains("in use"),
        "{said}"
    );
    drop(first);
    std::fs::write(&path, "somebody's letter").unwrap();
    assert!(Server::bind(settings()).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's letter");
}

#[tokio::test]
async fn a_client_that_dribbles_is_ended_all_the_same() {
    let timeouts = Timeouts {
        command: Duration::from_millis(300),
        message: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let running = start(Settings {
        timeouts,
        ..Settings::default()
    })
    .await;
    for begin in ["", BEGIN] {
        let mut client = running.connect().await;
        client.send(begin).await;
        let dribbles = async {
            while client.0.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), dribbles).await;
        assert!(ended.is_ok(), "still there behind {begin:?}");
    }
}

#[tokio::test]
async fn strangers_leave_room_for_those_of_the_house() {
    let running = start(Settings {
        networks: vec![],
        strangers: true,
        max_connections: 8,
        ..Settings::default()
    })
    .await;
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push(running.connect().await);
    }
    let mut stream = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("421 4.3.2"), "{said}");
}
