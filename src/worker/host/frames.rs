//! Frames from a child.

use std::io;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::wire;

/// Reads frames, and keeps what does not make a whole one yet: [`Frames::next`] may be dropped at any await.
#[derive(Debug)]
pub(super) struct Frames<R> {
    from: R,
    inbox: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R) -> Frames<R> {
        let inbox = Vec::new();
        Frames { from, inbox }
    }

    /// The next frame; `None` at a clean end of the stream.
    ///
    /// # Errors
    /// As [`wire::read_frame`].
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        loop {
            if let Some(frame) = wire::take_frame(&mut self.inbox)? {
                return Ok(Some(frame));
            }
            if self.from.read_buf(&mut self.inbox).await? == 0 {
                return match self.inbox.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}
