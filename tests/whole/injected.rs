//! Replies that somebody on the way to the relay puts before the TLS handshake, behind the relay's own `220`: read behind the
//! handshake they would make a mail "delivered" that the relay never took.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use postfax::config::RelayTls;
use postfax::net::delivery::{OutgoingMail, Target, deliver};
use postfax::net::relay::{Patience, Relay, Tls};
use postfax::pages::sample;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Site, seed, wait_until};

const NOT_IN_SERVICE: &str = "5551230006";

/// A relay with STARTTLS, and somebody before it who adds bytes to its `220`.
struct Attacked {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    certificate: PathBuf,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct State {
    injected: String,
    /// Whether the relay takes mails; else it says 451 at the end of each.
    takes: bool,
    connections: usize,
    taken: usize,
}

impl Attacked {
    fn start(address: SocketAddr) -> Attacked {
        let listener = TcpListener::bind(address).expect("the address is ours");
        let address = listener.local_addr().expect("it is bound");
        let names = vec![address.ip().to_string()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = folder.path().join("relay.pem");
        std::fs::write(&certificate, made.cert.pem()).expect("it can be written");
        let key = made.signing_key.serialize_pem();
        let chain = vec![CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        let (config, state) = (Arc::new(config), Arc::<Mutex<State>>::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, state) = (config.clone(), shared.clone());
                std::thread::spawn(move || serve(stream, config, &state));
            }
        });
        Attacked {
            address,
            state,
            certificate,
            _folder: folder,
        }
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("nobody panics with it"))
    }
}

fn serve(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let injected = {
        let mut state = state.lock().expect("nobody panics with it");
        state.connections += 1;
        state.injected.clone()
    };
    stream.write_all(b"220 relay.example ESMTP\r\n")?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    stream.write_all(b"250-relay.example\r\n250 STARTTLS\r\n")?;
    lines.read_line(&mut line)?;
    // One write, one segment.
    stream.write_all(format!("220 2.0.0 go on\r\n{injected}").as_bytes())?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut lines = BufReader::new(StreamOwned::new(session, stream));
    let mut in_text = false;
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let reply = match line.trim_end() {
            "." => {
                in_text = false;
                let mut state = state.lock().expect("nobody panics with it");
                state.taken += usize::from(state.takes);
                match state.takes {
                    true => "250 2.0.0 queued",
                    false => "451 4.3.0 the disk is full",
                }
            }
            _ if in_text => continue,
            "DATA" => {
                in_text = true;
                "354 go on"
            }
            _ => "250 2.0.0 ok",
        };
        let stream = lines.get_mut();
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        stream.flush()?;
    }
}

/// What somebody might add: enough for a whole mail, of the looks that servers have.
fn replies(random: &mut Rng) -> String {
    let name: String = (0..random.usize(3..12))
        .map(|_| random.lowercase())
        .collect();
    let ok = |random: &mut Rng| match random.u8(..3) {
        0 => "250 ok\r\n".to_owned(),
        1 => format!("250 2.1.{} fine\r\n", random.u8(..6)),
        _ => "250-2.1.0 yes\r\n250 2.1.0 it is\r\n".to_owned(),
    };
    let mut all = format!("250-{name}.example\r\n250-SIZE {}\r\n", random.u32(1000..));
    for extension in ["8BITMIME", "SMTPUTF8", "PIPELINING", "DSN"] {
        if random.bool() {
            all.push_str(&format!("250-{extension}\r\n"));
        }
    }
    all.push_str("250 HELP\r\n");
    all.push_str(&(ok(random) + &ok(random)));
    all.push_str("354 end with a dot\r\n");
    all.push_str(&format!("250 2.0.0 Ok: queued as {:X}\r\n", random.u32(..)));
    all
}

#[tokio::test]
async fn no_reply_from_before_tls_takes_a_mail() {
    let mut random = seed("no_reply_from_before_tls_takes_a_mail");
    let relay = Attacked::start("127.0.0.1:0".parse().expect("an address"));
    for draw in 0..50 {
        let injected = replies(&mut random);
        relay.state(|state| state.injected = injected.clone());
        let tls = match random.bool() {
            true => Tls::StartTls,
            false => Tls::RequiredStartTls,
        };
        let name: String = (0..8).map(|_| random.lowercase()).collect();
        let mail = OutgoingMail {
            id: draw.to_string(),
            queued_at: 0,
            from: random.bool().then(|| format!("{name}@example.com")),
            to: vec![format!("{name}@example.com")],
            bytes: format!("Subject: {name}\r\n\r\n{name}\r\n").into_bytes(),
        };
        let target = Target::Relay(Relay {
            host: relay.address.ip().to_string(),
            port: relay.address.port(),
            tls,
            authorities: Some(relay.certificate.clone()),
            login: None,
            hello: "fax.local".into(),
            patience: Patience::default(),
        });
        let said = deliver(&mail, &target).await;
        let failure = said.expect_err(&format!("{draw}: {injected:?}"));
        assert!(!failure.permanent, "{draw}: {failure}");
        assert!(failure.reply.contains("220 to STARTTLS"), "{failure}");
    }
    assert_eq!(relay.state(|state| state.connections), 50);
}

#[test]
fn a_receipt_whose_yes_was_injected_before_tls_is_still_here() {
    let mut random = seed("a_receipt_whose_yes_was_injected_before_tls_is_still_here");
    let mut site = Site::prepared(|config| config.mail.maildir = None);
    let relay = Attacked::start(site.address(2526));
    relay.state(|state| state.injected = replies(&mut random));
    site.config.mail.relay = relay.address.to_string();
    site.config.mail.tls = RelayTls::Starttls;
    site.config.mail.tls_ca = Some(relay.certificate.clone());
    site.start_carrier();
    site.start();
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("a try", 60, || {
        site.faxes().len() == 1
            && site
                .mails_about(&site.fax().id)
                .iter()
                .any(|mail| mail.state == "delivered" || mail.tries > 0 && mail.state == "waiting")
    });
    let mails = site.mails_about(&site.fax().id);
    assert_eq!(mails[0].state, "waiting", "{}", mails[0].reply);
    assert!(
        mails[0].reply.contains("220 to STARTTLS"),
        "{}",
        mails[0].reply
    );
    relay.state(|state| (state.injected, state.takes) = (String::new(), true));
    wait_until("the receipt at the relay", 60, || {
        site.mails_about(&site.fax().id)[0].state == "delivered"
    });
    assert_eq!(relay.state(|state| state.taken), 1);
    site.check();
}
