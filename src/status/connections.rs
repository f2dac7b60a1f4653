//! The connections of those who read the page: few, and none for long without a request.
//!
//! Descriptors belong to mails and calls. A reader that comes while all connections are taken gets that of the one that has
//! waited longest for its next request; so half requests, however many, do not shut the page either.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Connections at a time.
pub(super) const MAX_CONNECTIONS: usize = 32;

/// For a request from its first octet to its last, and for the reader to take a piece of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the system has no descriptor for us.
const AFTER_TROUBLE: Duration = Duration::from_millis(500);

/// A listener that has few connections.
pub(super) struct Limited {
    listener: TcpListener,
    open: Arc<Mutex<Vec<Open>>>,
}

struct Open {
    /// Since when its request, or its reading of the answer, is awaited.
    since: Instant,
    displaced: CancellationToken,
    id: u64,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Limited {
        Limited {
            listener,
            open: Arc::default(),
        }
    }

    fn add(&self, stream: TcpStream) -> Connection {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.len() >= MAX_CONNECTIONS {
            let longest = (0..open.len()).min_by_key(|at| open[*at].since);
            let displaced = open.swap_remove(longest.expect("there are some"));
            displaced.displaced.cancel();
        }
        let (id, displaced) = (fastrand::u64(..), CancellationToken::new());
        open.push(Open {
            since: Instant::now(),
            displaced: displaced.clone(),
            id,
        });
        Connection {
            stream,
            id,
            open: self.open.clone(),
            displaced: Box::pin(displaced.cancelled_owned()),
            timeout: Box::pin(tokio::time::sleep(TIMEOUT)),
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => return (self.add(stream), from),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a reader of the page");
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection; its reads and writes fail once its time is over.
pub(super) struct Connection {
    stream: TcpStream,
    id: u64,
    open: Arc<Mutex<Vec<Open>>>,
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
    timeout: Pin<Box<Sleep>>,
}

impl Connection {
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let is_displaced = self.displaced.as_mut().poll(context).is_ready();
        let is_late = self.timeout.as_mut().poll(context).is_ready();
        match is_displaced || is_late {
            true => Poll::Ready(io::ErrorKind::TimedOut.into()),
            false => Poll::Pending,
        }
    }

    /// A piece of the answer has left: the time begins anew.
    fn got_on(&mut self) {
        let now = Instant::now();
        self.timeout.as_mut().reset(now + TIMEOUT);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.iter_mut().find(|it| it.id == self.id) {
            own.since = now;
        }
    }

    fn noted(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(octets)) = written
            && octets > 0
        {
            self.got_on();
        }
        written
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|it| it.id != self.id);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Err(over));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Err(over));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(over) = self.poll_over(context) {
            return Poll::Ready(Err(over));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, octets);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
