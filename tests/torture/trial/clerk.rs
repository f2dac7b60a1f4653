//! The clerk's mail server: sends each mail until it has a `250`, as RFC 5321 4.5.4.1 wants, over connections that break.
//! Where it does not know whether there was a `250`, it sends again.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use postfax::pages::sample;

use super::bell::Bell;
use super::books::Accepted;
use super::evidence::LONGEST;
use crate::harness::CLERK;

/// Digits at the end of the number of a machine that takes the last page and never says so.
const SILENT_AT_THE_END: &str = "0004";

/// Who writes mails.
pub struct Clerk {
    gateway: SocketAddr,
    bell: Bell,
    /// Some mails go to one number, so that their faxes may share a call.
    shares: bool,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    written: u32,
    accepted: Vec<Accepted>,
    refused: Vec<String>,
}

impl Clerk {
    /// Nothing is written yet; the bell rings around every `250`.
    pub fn new(gateway: SocketAddr, bell: Bell, shares: bool) -> Clerk {
        Clerk {
            gateway,
            bell,
            shares,
            desk: Mutex::default(),
        }
    }

    /// The recipients of the mails that were taken over, and the mails that were refused for good.
    pub fn knows(&self) -> (Vec<Accepted>, Vec<String>) {
        let desk = self.desk.lock().expect("nobody panics with it");
        (desk.accepted.clone(), desk.refused.clone())
    }

    /// One mail after the other, each until it is taken over, as long as nobody says that it is enough for now.
    pub fn write(&self, mut rng: Rng, stop: &AtomicBool, is_enough: impl Fn() -> bool) {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(rng.u64(100..1_500)));
            if is_enough() {
                continue;
            }
            let (recipients, text) = self.mail(&mut rng);
            self.send_until_it_is_taken(&recipients, &text, stop);
        }
    }

    fn send_until_it_is_taken(&self, recipients: &[Accepted], text: &[u8], stop: &AtomicBool) {
        // A mail whose 250 may have been lost is sent to the end.
        let mut may_be_there = false;
        loop {
            let desk = || self.desk.lock().expect("nobody panics with it");
            match self.send(recipients, text) {
                Ok(()) => return desk().accepted.extend_from_slice(recipients),
                Err(Failure::ForGood(why)) => {
                    return desk().refused.push(format!("{}: {why}", recipients[0].tag));
                }
                Err(Failure::Later(_)) => {}
                Err(Failure::Unknown) => may_be_there = true,
            }
            if stop.load(Ordering::Relaxed) && !may_be_there {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Some have two recipients.
    fn mail(&self, rng: &mut Rng) -> (Vec<Accepted>, Vec<u8>) {
        let n = {
            let mut desk = self.desk.lock().expect("nobody panics with it");
            desk.written += 1;
            desk.written
        };
        let tag = format!("torture-{n:05}-");
        // Of every second three mails in a row, each goes to the same number, and is known there by how many pages it has.
        let (flock, own) = ((n - 1) / LONGEST, (n - 1) % LONGEST + 1);
        let in_flock = self.shares && flock % 2 == 0;
        let pages = match in_flock {
            true => own,
            false => rng.u32(1..=LONGEST),
        };
        let recipient = |area: u32, rng: &mut Rng| {
            let silent_at_the_end = rng.u32(0..15) == 0;
            let last = match silent_at_the_end {
                true => SILENT_AT_THE_END.to_owned(),
                false => rng.u32(1000..10_000).to_string(),
            };
            Accepted {
                tag: tag.clone(),
                // No exchange below 200 or above 899: 976 is barred.
                number: format!("{}{}{last}", area + n / 700, 200 + n % 700),
                pages,
                silent_at_the_end,
            }
        };
        let mut recipients = match in_flock {
            true => vec![Accepted {
                tag: tag.clone(),
                number: format!("{}{}5000", 707 + flock / 700, 200 + flock % 700),
                pages,
                silent_at_the_end: false,
            }],
            false => vec![recipient(555, rng)],
        };
        if rng.u32(0..6) == 0 {
            recipients.push(recipient(606, rng));
        }
        let kind = ContentType::parse("application/pdf").expect("a type");
        let pdf = Attachment::new("letter.pdf".into()).body(sample::numbered_pages(pages), kind);
        let parts =
            MultiPart::mixed().singlepart(SinglePart::plain("See attached.\r\n".to_owned()));
        let message = Message::builder()
            .from(CLERK.parse().expect("an address"))
            .to("Fax <fax@fax.local>".parse().expect("an address"))
            .message_id(Some(format!("<{tag}{:x}@example.com>", rng.u64(..))))
            .subject(format!("Letter {tag}"))
            .multipart(parts.singlepart(pdf))
            .expect("a mail");
        (recipients, message.formatted())
    }

    fn send(&self, recipients: &[Accepted], text: &[u8]) -> Result<(), Failure> {
        let mut session = Session::open(self.gateway)?;
        session.say("EHLO clerk.example.com", "250")?;
        session.say(&format!("MAIL FROM:<{CLERK}>"), "250")?;
        for recipient in recipients {
            session.say(&format!("RCPT TO:<{}@fax.local>", recipient.number), "250")?;
        }
        session.say("DATA", "354")?;
        // Base64 and headers: no line of it begins with a dot.
        session.write(text)?;
        self.bell.ring();
        // From here on only an answer tells.
        let answered = session
            .say("\r\n.", "250")
            .map_err(|failure| match failure {
                Failure::Later(None) => Failure::Unknown,
                other => other,
            });
        self.bell.ring();
        answered
    }
}

/// Why there is no 250.
enum Failure {
    /// 4xx, or nobody who says anything.
    Later(Option<String>),
    /// 5xx.
    ForGood(String),
    /// The text is there, and nobody said anything.
    Unknown,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Failure {
        Failure::Later(None)
    }
}

struct Session(BufReader<TcpStream>);

impl Session {
    fn open(gateway: SocketAddr) -> Result<Session, Failure> {
        let stream = TcpStream::connect(gateway)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut session = Session(BufReader::new(stream));
        session.hear("220")?;
        Ok(session)
    }

    fn say(&mut self, command: &str, code: &str) -> Result<(), Failure> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.hear(code)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(octets)
    }

    /// The last line of the next reply must begin like this.
    fn hear(&mut self, code: &str) -> Result<(), Failure> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(Failure::Later(None));
            }
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            return match line.as_bytes().first() {
                _ if line.starts_with(code) => Ok(()),
                Some(b'5') => Err(Failure::ForGood(line)),
                _ => Err(Failure::Later(Some(line))),
            };
        }
    }
}
