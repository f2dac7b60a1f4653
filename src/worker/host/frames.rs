//! Frames from a child.

use std::io;

use rustix::net::{RecvFlags, recv};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::OwnedReadHalf;

use super::super::wire;

/// Octets of the largest blob: the largest page is 5 MB of pels, and T.6 makes little more of the worst of it. A child
/// that was taken over must not fill our memory.
const MOST: usize = 32 << 20;

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
            if let Some(frame) = self.take()? {
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

    /// A frame that was read whole.
    fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        if let Some(frame) = wire::take_frame(&mut self.inbox)? {
            return Ok(Some(frame));
        }
        if let Some(head) = self.inbox.first_chunk()
            && wire::frame_lengths(*head)?.1 > MOST
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too large"));
        }
        Ok(None)
    }
}

impl Frames<OwnedReadHalf> {
    /// A frame that lies in the socket already, whether or not the runtime has noticed; does not wait. The end of the
    /// stream and its errors are left to [`Frames::next`].
    pub(super) fn already<T: DeserializeOwned>(&mut self) -> Option<(T, Vec<u8>)> {
        loop {
            match self.take() {
                Ok(None) => {}
                found => return found.ok().flatten(),
            }
            let mut chunk = [0; 4096];
            match recv(self.from.as_ref(), &mut chunk, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(_) => return None,
                Ok((_, length)) => self.inbox.extend_from_slice(&chunk[..length]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::wire::FromRender;

    async fn read(octets: &[u8]) -> Vec<io::Result<Option<(FromRender, Vec<u8>)>>> {
        let mut frames = Frames::new(octets);
        let mut read = Vec::new();
        loop {
            read.push(frames.next().await);
            if !matches!(read.last(), Some(Ok(Some(_)))) {
                return read;
            }
        }
    }

    #[tokio::test]
    async fn frames_come_whole_and_in_order_and_a_cut_one_is_noticed() {
        let first = wire::encode(&FromRender::Probed { pages: 7 }, b"blob").unwrap();
        let stream = [
            &first[..],
            &wire::encode(&FromRender::Rendered, &[]).unwrap(),
        ]
        .concat();
        let whole = read(&stream).await;
        assert!(matches!(
            &whole[..],
            [
                Ok(Some((FromRender::Probed { pages: 7 }, blob))),
                Ok(Some((FromRender::Rendered, _))),
                Ok(None),
            ] if blob == b"blob"
        ));
        let cut = read(&stream[..stream.len() - 1]).await;
        let end = cut[1].as_ref().unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn child_that_announces_a_huge_page_is_not_listened_to() {
        let head = [10u32.to_be_bytes(), (MOST as u32 + 1).to_be_bytes()].concat();
        let read = read(&head).await;
        let end = read[0].as_ref().unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::InvalidData);
    }
}
