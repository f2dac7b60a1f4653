//! The clerk's mail server: sends each mail until it has a `250`, as RFC 5321 4.5.4.1 wants, over connections that break.
//! Where it does not know whether there was a `250`, it sends again.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use postfax::pages::sample;

use super::bell::Bell;
use super::books::{Accepted, Behind, Millis};
use super::evidence::LONGEST;
use crate::harness::CLERK;

/// Digits at the end of a number, and what is there.
const UNKNOWN: &str = "0006";
const BEHIND: [(&str, Behind); 3] = [
    ("0004", Behind::SilentAtTheEnd),
    (UNKNOWN, Behind::NotInService),
    ("0001", Behind::Busy),
];

/// Seconds within which some senders want their fax to arrive.
const DEADLINES: [i64; 4] = [30, 60, 120, 600];

/// What a clerk does about a mail that was taken.
pub trait Office: Sync {
    /// Asks for the cancellation of a fax. Whether it was taken.
    fn cancel(&self, fax: &str) -> bool;

    /// The subjects of all mails that say that a fax has not arrived.
    fn failures(&self) -> Vec<String>;

    /// The office has enough for now.
    fn is_enough(&self) -> bool;
}

/// Who writes mails.
pub struct Clerk {
    gateway: SocketAddr,
    bell: Bell,
    /// Some mails go to one number, so that their faxes may share a call.
    shares: bool,
    /// Some mails go to numbers that are left alone for hours.
    waits: bool,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    written: u32,
    accepted: Vec<Accepted>,
    refused: Vec<String>,
    /// Mails to one number, which may be sent again: their place in the list of those accepted, and their text.
    kept: Vec<(usize, Vec<u8>)>,
}

/// Mails that are kept to be sent again.
const KEPT: usize = 40;

impl Clerk {
    /// Nothing is written yet; the bell rings around every `250`.
    pub fn new(gateway: SocketAddr, bell: Bell, shares: bool, waits: bool) -> Clerk {
        Clerk {
            gateway,
            bell,
            shares,
            waits,
            desk: Mutex::default(),
        }
    }

    /// The recipients of the mails that were taken over, and the mails that were refused for good.
    pub fn knows(&self) -> (Vec<Accepted>, Vec<String>) {
        let desk = self.desk();
        (desk.accepted.clone(), desk.refused.clone())
    }

    /// One mail after the other, each until it is taken over, as long as the office has not enough for now.
    pub fn write(&self, mut rng: Rng, stop: &AtomicBool, office: &impl Office) {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(rng.u64(100..1_500)));
            self.send_one_again(stop, office);
            if office.is_enough() {
                continue;
            }
            let (recipients, text) = self.mail(&mut rng);
            let Some((place, fax)) = self.send_first(recipients, &text, stop) else {
                continue;
            };
            if rng.u32(0..10) == 0
                && let Some(fax) = fax
            {
                std::thread::sleep(Duration::from_millis(rng.u64(0..10_000)));
                // Before it is done, or else the word of it might come first.
                self.desk().accepted[place].cancelled = true;
                office.cancel(&fax);
            }
        }
    }

    /// The place of the mail among those accepted, and its fax where it is one.
    fn send_first(
        &self,
        mut recipients: Vec<Accepted>,
        text: &[u8],
        stop: &AtomicBool,
    ) -> Option<(usize, Option<String>)> {
        let (taken, unknown) = self.send_until_it_is_taken(&recipients, text, stop);
        let fax = taken?;
        let mut desk = self.desk();
        let (place, is_one) = (desk.accepted.len(), recipients.len() == 1);
        for recipient in &mut recipients {
            (recipient.at, recipient.unknown) = (super::now(), unknown);
        }
        desk.accepted.append(&mut recipients);
        if is_one {
            desk.kept.push((place, text.to_owned()));
            if desk.kept.len() > KEPT {
                desk.kept.remove(0);
            }
        }
        Some((place, fax.filter(|_| is_one)))
    }

    /// A mail whose fax has not arrived is sent again, once.
    fn send_one_again(&self, stop: &AtomicBool, office: &impl Office) {
        let failed = {
            let failures = office.failures();
            let mut desk = self.desk();
            let has_failed = |place: usize| {
                let tag = &desk.accepted[place].tag;
                failures.iter().any(|subject| subject.contains(tag))
            };
            let found = desk.kept.iter().position(|(place, _)| has_failed(*place));
            found.map(|n| desk.kept.remove(n))
        };
        let Some((place, text)) = failed else {
            return;
        };
        let recipient = self.desk().accepted[place].clone();
        let (taken, unknown) = self.send_until_it_is_taken(&[recipient], &text, stop);
        if taken.is_some() {
            let again = &mut self.desk().accepted[place];
            again.again += 1;
            again.unknown += unknown;
        }
    }

    /// The fax that the `250` names, if it was taken; and how often it is not known whether it was.
    fn send_until_it_is_taken(
        &self,
        recipients: &[Accepted],
        text: &[u8],
        stop: &AtomicBool,
    ) -> (Option<Option<String>>, usize) {
        // A mail whose 250 may have been lost is sent to the end.
        let mut unknown = 0;
        loop {
            match self.send(recipients, text) {
                Ok(reply) => return (Some(fax_in(&reply)), unknown),
                Err(Failure::ForGood(why)) => {
                    let refused = format!("{}: {why}", recipients[0].tag);
                    self.desk().refused.push(refused);
                    return (None, unknown);
                }
                Err(Failure::Later(_)) => {}
                Err(Failure::Unknown) => unknown += 1,
            }
            if stop.load(Ordering::Relaxed) && unknown == 0 {
                return (None, unknown);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("nobody panics with it")
    }

    /// Some have two recipients.
    fn mail(&self, rng: &mut Rng) -> (Vec<Accepted>, Vec<u8>) {
        let n = {
            let mut desk = self.desk();
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
            let drawn = rng.usize(0..40);
            let (last, behind) = match BEHIND.get(drawn / 2) {
                Some((_, Behind::Busy)) if !self.waits => {
                    (UNKNOWN.to_owned(), Behind::NotInService)
                }
                Some((digits, behind)) => ((*digits).to_owned(), *behind),
                None => (rng.u32(1000..10_000).to_string(), Behind::Machine),
            };
            Accepted {
                tag: tag.clone(),
                // No exchange below 200 or above 899: 976 is barred.
                number: format!("{}{}{last}", area + n / 700, 200 + n % 700),
                pages,
                behind,
                ..Accepted::default()
            }
        };
        let mut recipients = match in_flock {
            true => vec![Accepted {
                tag: tag.clone(),
                number: format!("{}{}5000", 707 + flock / 700, 200 + flock % 700),
                pages,
                ..Accepted::default()
            }],
            false => vec![recipient(555, rng)],
        };
        if rng.u32(0..6) == 0 {
            recipients.push(recipient(606, rng));
        }
        if !in_flock && rng.u32(0..12) == 0 {
            let seconds = DEADLINES[rng.usize(..DEADLINES.len())];
            for recipient in &mut recipients {
                recipient.deadline = Some(seconds * 1000);
            }
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

    fn send(&self, recipients: &[Accepted], text: &[u8]) -> Result<String, Failure> {
        let mut session = Session::open(self.gateway)?;
        session.say("EHLO clerk.example.com", "250")?;
        let by = recipients[0]
            .deadline
            .map(|long: Millis| format!(" BY={};R", long / 1000));
        let from = format!("MAIL FROM:<{CLERK}>{}", by.unwrap_or_default());
        session.say(&from, "250")?;
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

/// The fax that a reply names.
fn fax_in(reply: &str) -> Option<String> {
    let (_, named) = reply.split_once(" queued as ")?;
    named.split_whitespace().next().map(str::to_owned)
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

    fn say(&mut self, command: &str, code: &str) -> Result<String, Failure> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.hear(code)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(octets)
    }

    /// The last line of the next reply must begin like this.
    fn hear(&mut self, code: &str) -> Result<String, Failure> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(Failure::Later(None));
            }
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            return match line.as_bytes().first() {
                _ if line.starts_with(code) => Ok(line),
                Some(b'5') => Err(Failure::ForGood(line)),
                _ => Err(Failure::Later(Some(line))),
            };
        }
    }
}
