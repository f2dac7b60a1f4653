//! An office's mail server, scripted by hand.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::mails::Mail;

/// What it says to a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// 250.
    Takes,
    /// 451 after the final dot.
    SaysLater,
    /// 550 after the final dot, to everybody but the postmaster.
    KnowsThePostmasterOnly,
    /// 550 after the final dot, to everybody but the clerk.
    KnowsTheClerkOnly,
    /// Nothing, from the greeting on.
    Silent,
    /// Hangs up before the greeting.
    HangsUp,
    /// 450 at the first RCPT to each recipient; takes what comes after it.
    Greylists,
    /// Reads the text, and is silent behind its final dot.
    SilentAfterTheText,
    /// Reads the text, forgets it, and hangs up.
    ForgetsTheText,
    /// Takes the mail, and hangs up before it says so.
    LosesTheYes,
}

/// A running mail server. Its thread ends with the test run.
#[derive(Clone)]
pub struct Relay {
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    mood: Mood,
    taken: Vec<(String, Mail)>,
    /// MAIL of each of these, and the mail as it came.
    came: Vec<(String, Vec<u8>)>,
    refused: usize,
    connections: usize,
    /// Those who were told to come again.
    known: BTreeSet<String>,
    bell: Option<Bell>,
}

/// Called when a mail is there.
type Bell = Box<dyn Fn() + Send>;

impl Relay {
    /// Starts it.
    pub fn start(address: SocketAddr, mood: Mood) -> Relay {
        let listener = TcpListener::bind(address).expect("the address is ours");
        let desk = Desk {
            mood,
            taken: Vec::new(),
            came: Vec::new(),
            refused: 0,
            connections: 0,
            known: BTreeSet::new(),
            bell: None,
        };
        let relay = Relay {
            desk: Arc::new(Mutex::new(desk)),
        };
        let clerk = relay.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clerk = clerk.clone();
                clerk
                    .desk
                    .lock()
                    .expect("nobody panics with it")
                    .connections += 1;
                // A session that breaks off is the client's loss.
                std::thread::spawn(move || clerk.serve(stream));
            }
        });
        relay
    }

    /// From now on.
    pub fn set_mood(&self, mood: Mood) {
        self.desk.lock().expect("nobody panics with it").mood = mood;
    }

    /// Calls this whenever the text of a mail is there.
    #[allow(dead_code)] // Only `make torture` listens.
    pub fn set_bell(&self, bell: impl Fn() + Send + 'static) {
        self.desk.lock().expect("nobody panics with it").bell = Some(Box::new(bell));
    }

    /// Every mail that it took, with its recipient.
    pub fn taken(&self) -> Vec<(String, Mail)> {
        let desk = self.desk.lock().expect("nobody panics with it");
        desk.taken.clone()
    }

    /// The MAIL command of each of them, and its octets.
    #[allow(dead_code)] // Not every bench with this harness asks.
    pub fn came(&self) -> Vec<(String, String)> {
        let desk = self.desk.lock().expect("nobody panics with it");
        let came = desk.came.iter();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        came.map(|(from, octets)| (from.clone(), text(octets)))
            .collect()
    }

    /// How often somebody connected.
    #[allow(dead_code)] // Not every bench with this harness asks.
    pub fn connections(&self) -> usize {
        self.desk.lock().expect("nobody panics with it").connections
    }

    /// How many it put off.
    pub fn refused(&self) -> usize {
        self.desk.lock().expect("nobody panics with it").refused
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut to = stream.try_clone()?;
        let mut from = BufReader::new(stream);
        match self.mood() {
            // Until the client hangs up.
            Mood::Silent => return std::io::copy(&mut from, &mut std::io::sink()).map(drop),
            Mood::HangsUp => return Ok(()),
            _ => {}
        }
        to.write_all(b"220 mail.example.com\r\n")?;
        let (mut sender, mut recipient) = (String::new(), String::new());
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            let reply = match command.get(..4).unwrap_or_default() {
                "RCPT" if self.comes_too_soon(&command) => "450 4.2.0 greylisted, come again",
                "RCPT" => {
                    recipient = command;
                    "250 2.1.5 OK"
                }
                "MAIL" => {
                    sender = command;
                    "250 2.1.0 OK"
                }
                "DATA" => {
                    to.write_all(b"354 go on\r\n")?;
                    // A text that breaks off is no mail.
                    let Some(mail) = mail(&mut from)? else {
                        return Ok(());
                    };
                    match self.verdict(&sender, &recipient, &mail) {
                        Verdict::Says(reply) => reply,
                        Verdict::HangsUp => return Ok(()),
                        Verdict::IsSilent => {
                            return std::io::copy(&mut from, &mut std::io::sink()).map(drop);
                        }
                    }
                }
                "QUIT" => return to.write_all(b"221 2.0.0 bye\r\n"),
                _ => "250 2.0.0 OK",
            };
            to.write_all(format!("{reply}\r\n").as_bytes())?;
        }
        Ok(())
    }

    fn mood(&self) -> Mood {
        self.desk.lock().expect("nobody panics with it").mood
    }

    fn comes_too_soon(&self, recipient: &str) -> bool {
        let mut desk = self.desk.lock().expect("nobody panics with it");
        let is_new = desk.mood == Mood::Greylists && desk.known.insert(recipient.to_owned());
        desk.refused += usize::from(is_new);
        is_new
    }

    fn verdict(&self, sender: &str, recipient: &str, mail: &[u8]) -> Verdict {
        let mut desk = self.desk.lock().expect("nobody panics with it");
        if let Some(bell) = &desk.bell {
            bell();
        }
        let takes = match desk.mood {
            Mood::KnowsThePostmasterOnly => recipient.contains("<postmaster@"),
            Mood::KnowsTheClerkOnly => recipient.contains("<clerk@"),
            mood => matches!(mood, Mood::Takes | Mood::Greylists | Mood::LosesTheYes),
        };
        if takes {
            desk.taken.push((recipient.to_owned(), Mail::read(mail)));
            desk.came.push((sender.to_owned(), mail.to_vec()));
        } else {
            desk.refused += 1;
        }
        match desk.mood {
            Mood::LosesTheYes | Mood::ForgetsTheText => Verdict::HangsUp,
            Mood::SilentAfterTheText => Verdict::IsSilent,
            _ if takes => Verdict::Says("250 2.0.0 OK: queued as 4F1"),
            Mood::KnowsThePostmasterOnly | Mood::KnowsTheClerkOnly => {
                Verdict::Says("550 5.1.1 no such user")
            }
            _ => Verdict::Says("451 4.3.0 the disk is full"),
        }
    }
}

/// What becomes of a mail behind its final dot.
enum Verdict {
    Says(&'static str),
    HangsUp,
    IsSilent,
}

/// Up to the line with the dot, dots undoubled (RFC 5321 4.5.2); `None`: it never came.
fn mail(from: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut mail = Vec::new();
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(mail));
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
