//! The clerk's mail server: sends each mail until it has a `250`, as RFC 5321 4.5.4.1 wants, over connections that break.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use postfax::pages::sample;

use crate::harness::CLERK;

/// Digits at the end of the number of a machine that takes the last page and never says so.
const SILENT_AT_THE_END: &str = "0004";

/// A mail that got its `250`.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Word in its subject that no other has.
    pub tag: String,
    /// The number it goes to, which no other goes to.
    pub number: String,
    /// Its pages.
    pub pages: u32,
}

/// Who writes mails.
pub struct Clerk {
    gateway: SocketAddr,
    rng: Mutex<Rng>,
    accepted: Mutex<Vec<Accepted>>,
}

impl Clerk {
    /// Nothing is written yet.
    pub fn new(gateway: SocketAddr, rng: Rng) -> Clerk {
        Clerk {
            gateway,
            rng: Mutex::new(rng),
            accepted: Mutex::default(),
        }
    }

    /// The mails that were taken over.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().expect("nobody panics with it").clone()
    }

    /// One mail after the other, each until it is taken over, a new one every few seconds.
    pub fn writes(&self, stop: &AtomicBool) {
        for n in 0.. {
            let (mail, text) = self.mail(n);
            while self.send(&mail, &text).is_err() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            self.accepted
                .lock()
                .expect("nobody panics with it")
                .push(mail);
            let pause = self
                .rng
                .lock()
                .expect("nobody panics with it")
                .u64(500..9_000);
            std::thread::sleep(Duration::from_millis(pause));
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn mail(&self, n: u32) -> (Accepted, Vec<u8>) {
        let mut rng = self.rng.lock().expect("nobody panics with it");
        let last = match rng.u32(0..10) {
            0 => SILENT_AT_THE_END.to_owned(),
            _ => rng.u32(1000..10_000).to_string(),
        };
        let mail = Accepted {
            tag: format!("torture-{n:05}-"),
            number: format!("{}{last}", 555_200 + n),
            pages: if rng.u32(0..4) == 0 { 2 } else { 1 },
        };
        let kind = ContentType::parse("application/pdf").expect("a type");
        let pdf =
            Attachment::new("letter.pdf".into()).body(sample::numbered_pages(mail.pages), kind);
        let parts =
            MultiPart::mixed().singlepart(SinglePart::plain("See attached.\r\n".to_owned()));
        let message = Message::builder()
            .from(CLERK.parse().expect("an address"))
            .to(format!("{}@fax.local", mail.number)
                .parse()
                .expect("an address"))
            .message_id(Some(format!("<{}{:x}@example.com>", mail.tag, rng.u64(..))))
            .subject(format!("Letter {}", mail.tag))
            .multipart(parts.singlepart(pdf))
            .expect("a mail");
        let text = message.formatted();
        (mail, text)
    }

    fn send(&self, mail: &Accepted, text: &[u8]) -> io::Result<()> {
        let stream = TcpStream::connect(self.gateway)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut session = BufReader::new(stream);
        expect(&mut session, "220")?;
        let rcpt = format!("RCPT TO:<{}@fax.local>\r\n", mail.number);
        let commands = [
            "EHLO clerk.example.com\r\n",
            &format!("MAIL FROM:<{CLERK}>\r\n"),
            &rcpt,
        ];
        for command in commands {
            session.get_mut().write_all(command.as_bytes())?;
            expect(&mut session, "250")?;
        }
        session.get_mut().write_all(b"DATA\r\n")?;
        expect(&mut session, "354")?;
        // Base64 and headers: no line of it begins with a dot.
        session.get_mut().write_all(text)?;
        session.get_mut().write_all(b"\r\n.\r\n")?;
        expect(&mut session, "250")
    }
}

/// The last line of the next reply must begin like this.
fn expect(session: &mut BufReader<TcpStream>, code: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if session.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return match line.starts_with(code) {
                true => Ok(()),
                false => Err(io::Error::other(line)),
            };
        }
    }
}
