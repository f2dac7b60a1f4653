//! One connection: messages cut from what comes, keep-alives answered and sent.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::Inbox;
use crate::proto::sip::{Flow, Framed, StreamFramer};

/// RFC 5626 3.5.1.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// How long what lasts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    /// For the far end to take what is written.
    pub write: Duration,
    /// Between keep-alives that we send.
    pub ping: Option<Duration>,
    /// Without a word from the far end.
    pub idle: Option<Duration>,
}

pub(super) struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    flow: Flow,
    outbox: mpsc::Receiver<Vec<u8>>,
    keeping: Keeping,
    framer: StreamFramer,
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    pub fn new(
        stream: S,
        flow: Flow,
        outbox: mpsc::Receiver<Vec<u8>>,
        keeping: Keeping,
    ) -> Connection<S> {
        let (reader, writer) = tokio::io::split(stream);
        Connection {
            reader,
            writer,
            flow,
            outbox,
            keeping,
            framer: StreamFramer::new(),
        }
    }

    /// Until it ends; why.
    pub async fn run(mut self, inbox: &Inbox) -> String {
        let mut buffer = vec![0; 16 * 1024];
        let (mut heard, mut written) = (Instant::now(), Instant::now());
        loop {
            let idle = self.keeping.idle.map(|idle| heard + idle);
            let ping = self.keeping.ping.map(|ping| written + ping);
            let done = tokio::select! {
                read = self.reader.read(&mut buffer) => match read {
                    Ok(0) => Err("closed by the far end".to_owned()),
                    Err(error) => Err(error.to_string()),
                    Ok(len) => {
                        heard = Instant::now();
                        self.handle_octets(&buffer[..len], inbox).await
                    }
                },
                message = self.outbox.recv() => match message {
                    Some(octets) => {
                        written = Instant::now();
                        self.write(&octets).await
                    }
                    None => Err("replaced by another connection".to_owned()),
                },
                () = at(ping) => {
                    written = Instant::now();
                    self.write(PING).await
                }
                () = at(idle) => Err("idle".to_owned()),
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    async fn handle_octets(&mut self, octets: &[u8], inbox: &Inbox) -> Result<(), String> {
        self.framer.handle_octets(octets);
        loop {
            match self.framer.poll() {
                Ok(Some(Framed::Message(octets))) => {
                    if !inbox.put(self.flow.clone(), octets).await {
                        return Err("going down".to_owned());
                    }
                }
                Ok(Some(Framed::Ping)) => self.write(PONG).await?,
                Ok(None) => return Ok(()),
                Err(broken) => {
                    if let Some(reply) = &broken.reply {
                        self.write(&reply.encode()).await?;
                    }
                    return Err(broken.to_string());
                }
            }
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), String> {
        let writing = async {
            self.writer.write_all(octets).await?;
            self.writer.flush().await
        };
        match timeout(self.keeping.write, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the far end does not read".to_owned()),
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
