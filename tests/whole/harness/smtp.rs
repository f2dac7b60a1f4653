//! An SMTP client that says exactly what the test wants said.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A reply: code and text, the lines of the text joined by `\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 250.
    pub code: u16,
    /// What stands behind the code.
    pub text: String,
}

/// What a session goes over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A session.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connects and takes the greeting.
    pub fn connect(address: SocketAddr) -> Client {
        let mut client = Client::over(TcpStream::connect(address).expect("the SMTP port listens"));
        assert_eq!(client.reply().code, 220);
        client
    }

    /// Connects from this address of ours, and takes no greeting.
    #[allow(dead_code)] // As above.
    pub fn connect_from(own: IpAddr, address: SocketAddr) -> Client {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::new(own, 0)).expect("an address of loopback");
        connect(&socket, &address).expect("the SMTP port listens");
        Client::over(TcpStream::from(socket))
    }

    /// A session over a connection that is there; its greeting has not been read.
    pub fn over(to: TcpStream) -> Client {
        to.set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        let stream = BufReader::new(Box::new(to) as Box<dyn Stream>);
        Client { stream }
    }

    /// The same session under TLS, to a server with this certificate (PEM) for `localhost`; EHLO is to be said again.
    #[allow(dead_code)] // Not every bench with this harness needs it.
    pub fn under_tls(mut self, certificate: &str) -> Client {
        self.expect("STARTTLS", 220);
        self.in_tls(certificate)
    }

    /// The same, where TLS begins at once (RFC 8314): the greeting comes in it.
    pub fn in_tls(self, certificate: &str) -> Client {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
        roots.add(certificate.expect("PEM")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let stream = StreamOwned::new(session, self.stream.into_inner());
        Client {
            stream: BufReader::new(Box::new(stream)),
        }
    }

    /// Sends octets as they are.
    pub fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(octets)?;
        stream.flush()
    }

    /// Says a line and hears the reply.
    pub fn say(&mut self, line: &str) -> Reply {
        let sent = self.write(format!("{line}\r\n").as_bytes());
        sent.expect("the server listens");
        self.reply()
    }

    /// Says a line whose reply must have this code.
    pub fn expect(&mut self, line: &str, code: u16) -> Reply {
        let reply = self.say(line);
        assert_eq!(reply.code, code, "{line}: {reply:?}");
        reply
    }

    /// The octets of a mail, dots doubled (RFC 5321 4.5.2), and the end of it.
    pub fn data(&mut self, mail: &[u8]) -> Reply {
        let mut octets = Vec::with_capacity(mail.len() + 5);
        for line in mail.split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                octets.push(b'.');
            }
            octets.extend_from_slice(line);
        }
        if !octets.ends_with(b"\r\n") {
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b".\r\n");
        self.write(&octets).expect("the server listens");
        self.reply()
    }

    /// One whole mail that must be accepted; returns once the `250` is there.
    pub fn send(&mut self, sender: &str, recipients: &[String], mail: &[u8]) -> Reply {
        self.expect(&format!("MAIL FROM:<{sender}>"), 250);
        for recipient in recipients {
            self.expect(&format!("RCPT TO:<{recipient}>"), 250);
        }
        self.expect("DATA", 354);
        let reply = self.data(mail);
        assert_eq!(reply.code, 250, "{reply:?}");
        reply
    }

    /// The next reply; code 0 when the server has hung up.
    pub fn reply(&mut self) -> Reply {
        let mut texts = Vec::new();
        loop {
            let mut line = String::new();
            let _ = self.stream.read_line(&mut line);
            let line = line.trim_end();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            texts.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Reply {
                    code: code.unwrap_or(0),
                    text: texts.join("\n"),
                };
            }
        }
    }
}
