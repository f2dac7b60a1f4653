//! A mail client, written by hand, and the mails it sends.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::ensure;
use lettre::message::{Attachment, Message, MultiPart, SinglePart, header::ContentType};
use postfax::pages::sample;

/// A reply that takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to the gateway.
pub struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects, hears the greeting, says EHLO. Comes again where the connections before are not quite gone.
    pub fn connect(gateway: SocketAddr) -> anyhow::Result<Client> {
        let began = Instant::now();
        loop {
            let stream = TcpStream::connect(gateway)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut client = Client(BufReader::new(stream));
            let greeting = client.reply()?;
            if greeting.starts_with("220 ") {
                client.say("EHLO figures.example")?;
                return Ok(client);
            }
            let later = greeting.starts_with("421 ") && began.elapsed() < PATIENCE;
            ensure!(later, "{greeting}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Says one command and returns the last line of the reply.
    pub fn say(&mut self, command: &str) -> io::Result<String> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends octets as they are.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(octets)
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Submits one mail to one number, and says when its `250` came.
    pub fn submit(&mut self, number: &str, text: &[u8]) -> anyhow::Result<Instant> {
        self.begin(number)?;
        self.write(text)?;
        let taken = self.say(".")?;
        ensure!(taken.starts_with("250 "), "{taken}");
        Ok(Instant::now())
    }

    /// Everything up to the `354`.
    pub fn begin(&mut self, number: &str) -> anyhow::Result<()> {
        for command in [
            "MAIL FROM:<clerk@example.com>".to_owned(),
            format!("RCPT TO:<{number}@fax.local>"),
            "DATA".to_owned(),
        ] {
            let reply = self.say(&command)?;
            ensure!(reply.starts_with(['2', '3']), "{command}: {reply}");
        }
        Ok(())
    }
}

/// A mail with the two-page letter of the demo.
pub fn letter() -> Vec<u8> {
    with_pdf(sample::demo_document())
}

/// A mail with this PDF; its last line is whole.
pub fn with_pdf(pdf: Vec<u8>) -> Vec<u8> {
    let kind = ContentType::parse("application/pdf").expect("a type");
    let pdf = Attachment::new("letter.pdf".into()).body(pdf, kind);
    let text = SinglePart::plain("Please find our letter attached.\r\n".to_owned());
    let mail = Message::builder()
        .from("clerk@example.com".parse().expect("an address"))
        .to("fax@fax.local".parse().expect("an address"))
        .subject("Letter of intent")
        .multipart(MultiPart::mixed().singlepart(text).singlepart(pdf))
        .expect("a whole mail");
    mail.formatted()
}

/// `clients` at once, each with `mails` mails one behind the other over one connection: mails a second.
pub fn storm(gateway: SocketAddr, clients: usize, mails: usize) -> anyhow::Result<f64> {
    let text = letter();
    let began = Instant::now();
    at_once(clients, |client| {
        let mut connection = Client::connect(gateway)?;
        for mail in 0..mails {
            connection.submit(&format!("555{client:03}{mail:04}"), &text)?;
        }
        Ok(())
    })?;
    Ok((clients * mails) as f64 / began.elapsed().as_secs_f64())
}

/// Runs `work` in so many threads, and hands on the first trouble.
pub fn at_once(
    clients: usize,
    work: impl Fn(usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..clients)
            .map(|client| scope.spawn(move || work(client)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("no client panics"))
    })
}
