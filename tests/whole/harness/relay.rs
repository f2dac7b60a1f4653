//! An office's mail server, scripted by hand.

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
    /// Nothing, from the greeting on.
    Silent,
}

/// A running mail server. Its thread ends with the test run.
#[derive(Clone)]
pub struct Relay {
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    mood: Mood,
    taken: Vec<(String, Mail)>,
    refused: usize,
}

impl Relay {
    /// Starts it.
    pub fn start(address: SocketAddr, mood: Mood) -> Relay {
        let listener = TcpListener::bind(address).expect("the address is ours");
        let desk = Desk {
            mood,
            taken: Vec::new(),
            refused: 0,
        };
        let relay = Relay {
            desk: Arc::new(Mutex::new(desk)),
        };
        let clerk = relay.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clerk = clerk.clone();
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

    /// Every mail that it took, with its recipient.
    pub fn taken(&self) -> Vec<(String, Mail)> {
        let desk = self.desk.lock().expect("nobody panics with it");
        desk.taken.clone()
    }

    /// How many it put off.
    pub fn refused(&self) -> usize {
        self.desk.lock().expect("nobody panics with it").refused
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut to = stream.try_clone()?;
        let mut from = BufReader::new(stream);
        if self.desk.lock().expect("nobody panics with it").mood == Mood::Silent {
            // Until the client hangs up.
            return std::io::copy(&mut from, &mut std::io::sink()).map(drop);
        }
        to.write_all(b"220 mail.example.com\r\n")?;
        let mut recipient = String::new();
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            let reply = match command.get(..4).unwrap_or_default() {
                "RCPT" => {
                    recipient = command;
                    "250 2.1.5 OK"
                }
                "DATA" => {
                    to.write_all(b"354 go on\r\n")?;
                    let mail = mail(&mut from)?;
                    self.verdict(&recipient, &mail)
                }
                "QUIT" => return to.write_all(b"221 2.0.0 bye\r\n"),
                _ => "250 2.0.0 OK",
            };
            to.write_all(format!("{reply}\r\n").as_bytes())?;
        }
        Ok(())
    }

    fn verdict(&self, recipient: &str, mail: &[u8]) -> &'static str {
        let mut desk = self.desk.lock().expect("nobody panics with it");
        let takes = match desk.mood {
            Mood::KnowsThePostmasterOnly => recipient.contains("<postmaster@"),
            mood => mood == Mood::Takes,
        };
        if takes {
            desk.taken.push((recipient.to_owned(), Mail::read(mail)));
            return "250 2.0.0 OK: queued as 4F1";
        }
        desk.refused += 1;
        match desk.mood {
            Mood::KnowsThePostmasterOnly => "550 5.1.1 no such user",
            _ => "451 4.3.0 the disk is full",
        }
    }
}

/// Up to the line with the dot, dots undoubled (RFC 5321 4.5.2).
fn mail(from: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 || line == b".\r\n" {
            return Ok(mail);
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
