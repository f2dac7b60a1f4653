//! Relays that are reached by TLS: STARTTLS, implicit TLS, and AUTH behind either.

use super::*;
use crate::net::tls::{TlsFiles, acceptor};

/// What the server offers behind STARTTLS.
const OFFERS_AUTH: (&str, &str) = ("EHLO", "250-mail.law.example\r\n250 AUTH PLAIN");

/// `\0fax\0secret` in base64 (RFC 4616 2).
const PLAIN: &str = "AUTH PLAIN AGZheABzZWNyZXQ=";

/// A server with a certificate of an authority of its own, and what it heard over TLS. The folder holds the authority's
/// certificate.
struct TlsServer {
    port: u16,
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// Takes one mail over TLS from the first octet, by this script.
    async fn implicit(script: Script) -> TlsServer {
        TlsServer::playing(script, false).await
    }

    /// Offers STARTTLS, and plays the script behind it.
    async fn starttls(script: Script) -> TlsServer {
        TlsServer::playing(script, true).await
    }

    async fn playing(script: Script, begins_in_the_open: bool) -> TlsServer {
        let (files, folder) = certificates();
        let acceptor = acceptor(&files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if begins_in_the_open {
                until_starttls(&mut stream).await;
            }
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let (read, mut write) = tokio::io::split(stream);
            let mut lines = BufReader::new(read).lines();
            let (mut said, mut in_message) = (String::new(), false);
            // RFC 3207 4.2: no second greeting behind STARTTLS.
            let mut is_greeted = begins_in_the_open;
            loop {
                if is_greeted && said.is_empty() {
                    is_greeted = false;
                } else if !in_message || said == "." {
                    let reply = reply_to(&said, script);
                    in_message = reply.starts_with("354");
                    let line = format!("{reply}\r\n");
                    write.write_all(line.as_bytes()).await.unwrap();
                }
                match lines.next_line().await {
                    Ok(Some(line)) => said = line,
                    _ => return,
                }
                log.lock().await.push(said.clone());
            }
        });
        TlsServer {
            port,
            folder,
            heard,
        }
    }

    /// It as a relay, its authority named.
    fn relay(&self, tls: Tls, login: Option<Login>) -> Relay {
        Relay {
            login,
            ..proven(tls, self.port, Some(self.folder.path().join("ca.pem")))
        }
    }
}

/// The conversation before the handshake, to the letter.
async fn until_starttls(stream: &mut tokio::net::TcpStream) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let mut reply = "220 mail.law.example ESMTP";
    loop {
        write
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .unwrap();
        if reply.starts_with("220 2.0.0") {
            return;
        }
        let said = lines.next_line().await.unwrap().unwrap_or_default();
        reply = match said.split(' ').next() {
            Some("EHLO") => "250-mail.law.example\r\n250 STARTTLS",
            Some("STARTTLS") => "220 2.0.0 go ahead",
            _ => panic!("{said:?} was said in the open"),
        };
    }
}

fn certificates() -> (TlsFiles, tempfile::TempDir) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    put("ca.pem", authority_pem);
    let files = TlsFiles {
        certificate: put("cert.pem", server.pem()),
        key: put("key.pem", server_key.serialize_pem()),
    };
    (files, folder)
}

/// A relay that is reached by TLS with a valid certificate only.
fn proven(tls: Tls, port: u16, authorities: Option<PathBuf>) -> Relay {
    Relay {
        host: "localhost".into(),
        port,
        tls,
        authorities,
        login: None,
        hello: "fax.law.example".into(),
        patience: Patience::default(),
    }
}

fn login() -> Option<Login> {
    Some(Login {
        user: "fax".into(),
        password: "secret".into(),
    })
}

#[tokio::test]
async fn a_relay_of_an_own_authority_is_trusted_only_where_its_certificate_is_named() {
    let server = TlsServer::implicit(&[]).await;
    let named = server.relay(Tls::Implicit, None);
    let delivered = deliver(&receipt(), &Target::Relay(named)).await.unwrap();
    assert_eq!(delivered.reply, "250 2.0.0 Ok: queued as 4F1");
    for tls in [Tls::Implicit, Tls::RequiredStartTls] {
        let server = TlsServer::playing(&[], tls != Tls::Implicit).await;
        let unnamed = proven(tls, server.port, None);
        let failure = deliver(&receipt(), &Target::Relay(unnamed))
            .await
            .unwrap_err();
        assert!(!failure.permanent, "{failure}");
        assert!(failure.reply.contains("certificate"), "{failure}");
        assert!(server.heard.lock().await.is_empty(), "a stranger heard it");
    }
}

#[tokio::test]
async fn starttls_carries_the_mail() {
    // Opportunistic: better than none, whoever is there (RFC 7435).
    for tls in [Tls::StartTls, Tls::RequiredStartTls] {
        let server = TlsServer::starttls(&[]).await;
        let relay = server.relay(tls, None);
        let delivered = deliver(&receipt(), &Target::Relay(relay)).await.unwrap();
        assert_eq!(delivered.reply, "250 2.0.0 Ok: queued as 4F1");
        let heard = server.heard.lock().await;
        // RFC 3207 4.2: what was learnt before the handshake is forgotten.
        assert!(heard[0].starts_with("EHLO"), "{heard:?}");
        assert!(
            heard.iter().any(|line| line.starts_with("MAIL FROM:<>")),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn auth_logs_in_behind_starttls_and_behind_implicit_tls() {
    const SCRIPT: Script = &[OFFERS_AUTH, (PLAIN, "235 2.7.0 welcome")];
    for tls in [Tls::RequiredStartTls, Tls::Implicit] {
        let server = TlsServer::playing(SCRIPT, tls != Tls::Implicit).await;
        let relay = server.relay(tls, login());
        deliver(&receipt(), &Target::Relay(relay)).await.unwrap();
        let heard = server.heard.lock().await;
        let place = |said: &str| heard.iter().position(|line| line.starts_with(said));
        assert!(place(PLAIN).is_some(), "{heard:?}");
        assert!(place(PLAIN) < place("MAIL FROM"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_refused_behind_tls_keeps_the_mail_here() {
    const SCRIPT: Script = &[OFFERS_AUTH, ("AUTH", "535 5.7.8 wrong password")];
    let server = TlsServer::implicit(SCRIPT).await;
    let relay = server.relay(Tls::Implicit, login());
    let failure = deliver(&receipt(), &Target::Relay(relay))
        .await
        .unwrap_err();
    assert!(!failure.permanent, "{failure}");
    assert!(failure.reply.contains("535"), "{failure}");
}

#[tokio::test]
async fn an_authority_s_file_that_is_not_there_is_told_and_the_mail_waits() {
    let relay = proven(Tls::RequiredStartTls, 1, Some("/nonexistent/ca.pem".into()));
    let failure = deliver(&receipt(), &Target::Relay(relay))
        .await
        .unwrap_err();
    assert!(!failure.permanent, "{failure}");
    assert!(failure.reply.contains("/nonexistent/ca.pem"), "{failure}");
}
