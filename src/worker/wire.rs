//! What the daemon and its children say to each other.
//!
//! A frame is: length of the JSON (u32, big endian), length of the blob (u32, big endian), the JSON, the blob.
//! A renderer reads frames from its standard input and writes frames to its standard output. A call has one unix
//! stream socket for both ways, its standard input; the first frame brings the two UDP sockets along (SCM_RIGHTS,
//! with the frame's first octet), first RTP, then UDPTL, and for a fax that we dial the file in which confirmed pages are
//! noted. When the control channel ends, the daemon is gone: the child hears what the far end says to a page that is out,
//! notes it in the file, says its farewell on the line (DCN) and exits.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use crate::call::media::{AudioMedia, CallDone, ErrorCorrection, MediaSources, T38Media};
use crate::call::outcome::FarEnd;
pub use crate::pages::DocumentRefusal;
pub use crate::pages::document::{Skip, Source, Target, UnreadablePage};
pub use crate::pages::layout::Paper;
pub use crate::pages::remark::Remark;
pub use crate::pages::text::LeftOut;

/// Largest JSON and largest blob of a frame; more is a broken peer.
pub const MAX_JSON: u32 = 1 << 20;
/// See [`MAX_JSON`].
pub const MAX_BLOB: u32 = 256 << 20;

/// Writes one frame.
pub fn write_frame<T: Serialize>(out: &mut impl Write, message: &T, blob: &[u8]) -> io::Result<()> {
    out.write_all(&encode_head(message, blob.len())?)?;
    out.write_all(blob)?;
    out.flush()
}

/// One frame as octets.
pub fn encode<T: Serialize>(message: &T, blob: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = encode_head(message, blob.len())?;
    frame.extend_from_slice(blob);
    Ok(frame)
}

/// A frame up to its blob, for a blob too large to be copied.
pub fn encode_head<T: Serialize>(message: &T, blob_len: usize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let mut head = Vec::with_capacity(8 + json.len());
    head.extend_from_slice(&(json.len() as u32).to_be_bytes());
    head.extend_from_slice(&(blob_len as u32).to_be_bytes());
    head.extend_from_slice(&json);
    Ok(head)
}

/// Reads one frame; `None` at a clean end of the stream.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` for lengths over the limits or JSON that does not fit `T`.
pub fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut head = [0u8; 8];
    match input.read(&mut head[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut head[1..])?,
    }
    let (json_len, blob_len) = frame_lengths(head)?;
    let mut json = vec![0; json_len];
    input.read_exact(&mut json)?;
    let mut blob = vec![0; blob_len];
    input.read_exact(&mut blob)?;
    Ok(Some((serde_json::from_slice(&json)?, blob)))
}

/// Most descriptors that come with a first frame.
const MAX_FDS: usize = 4;

/// The first frame of a call: message, blob, descriptors.
pub type FirstFrame<T> = (T, Vec<u8>, Vec<OwnedFd>);

/// Reads the first frame of a call from a blocking socket, and the descriptors with it; `None` at a clean end.
///
/// # Errors
/// As [`read_frame`].
pub fn recv_first_frame<T: DeserializeOwned>(
    socket: &UnixStream,
) -> io::Result<Option<FirstFrame<T>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0u8; 1];
    // One octet only: descriptors of a later frame must not be mixed in.
    let got = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut first)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let fds = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    let frame = read_frame(&mut first[..got.bytes].chain(socket))?;
    Ok(frame.map(|(message, blob)| (message, blob, fds)))
}

/// The lengths of JSON and blob in a frame's first eight octets, checked against the limits.
///
/// # Errors
/// `InvalidData` for lengths over the limits.
pub fn frame_lengths(head: [u8; 8]) -> io::Result<(usize, usize)> {
    let json = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let blob = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if json > MAX_JSON || blob > MAX_BLOB {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "frame over its limit",
        ));
    }
    Ok((json as usize, blob as usize))
}

/// Takes the first whole frame out of `inbox`; `None` while it is not whole.
///
/// # Errors
/// `InvalidData` as for [`read_frame`].
pub fn take_frame<T: DeserializeOwned>(inbox: &mut Vec<u8>) -> io::Result<Option<(T, Vec<u8>)>> {
    let Some(head) = inbox.first_chunk::<8>() else {
        return Ok(None);
    };
    let (json_len, blob_len) = frame_lengths(*head)?;
    let whole = 8 + json_len + blob_len;
    if inbox.len() < whole {
        return Ok(None);
    }
    let message = serde_json::from_slice(&inbox[8..8 + json_len])?;
    let blob = inbox[8 + json_len..whole].to_vec();
    inbox.drain(..whole);
    Ok(Some((message, blob)))
}

/// Sends `bytes` with `descriptors` beside them (SCM_RIGHTS) and returns how many octets went out.
///
/// # Errors
/// As `sendmsg`.
pub fn send_with_descriptors(
    socket: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors",
        ));
    }
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}

// ---- a call ----

/// Daemon to call child.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToCall {
    /// The first frame, with two bound UDP sockets: RTP and UDPTL. Its blob is, for a sender, the TIFF to send (1-bit, G4, header lines already on it).
    Start(StartCall),
    /// Exchange audio with this address from now on; leave T.38 where no page has gone through in it.
    Audio(AudioMedia),
    /// Leave audio (if any), or while T.38 runs follow its far end to another address, and speak T.38 with this address from now on.
    T38(T38Media),
    /// Our 200 is acknowledged (ACK): until then at most two packets leave in a call that we answer, and the terminal waits.
    Acknowledged,
    /// Send no audio for a while: our re-INVITE is out, and a gateway that uses its audio port for T.38 takes audio for
    /// UDPTL from then on. Its sequence numbers would spoil the call. Ends with the next order, or by itself.
    Hush,
    /// The re-INVITE was refused: audio goes on.
    Speak,
    /// Answer to [`FromCall::PageReceived`] and [`FromCall::LastPageLeaving`]: it is on disk, go on.
    Stored,
    /// Answer to [`FromCall::LastPageLeaving`]: it is on disk, and no other document is to follow in this call.
    StoredAndEnough,
    /// Answer to the same: it could not be stored, do not confirm.
    NotStored,
    /// End politely: DCN where T.30 allows it, then [`FromCall::Done`].
    HangUp,
    /// The far end has hung up: [`FromCall::Done`] at once, there is nobody left to say DCN to.
    FarEndGone,
}

/// Which side of T.30 a child plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaxRole {
    /// Sends pages. It is also the calling terminal unless `answering` says otherwise.
    Sender,
    /// Receives pages.
    Receiver,
}

/// How to play the call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartCall {
    /// Sender or receiver of pages.
    pub role: FaxRole,
    /// True where we placed the call (CNG, T.30 calling party).
    pub calling: bool,
    /// Our station identification, at most 20 characters of digits, `+` and space (T.30 5.3.6.2.4).
    pub ident: String,
    /// Number of pages in the TIFF (senders).
    pub pages: u32,
    /// Senders: the pages of each document in it, where several faxes share the call. Empty: it is one.
    #[serde(default)]
    pub documents: Vec<u32>,
    /// Error correction mode (T.30 annex A).
    pub ecm: bool,
    /// Highest modem speed: 14400, 9600 or 4800 bit/s.
    pub max_bit_rate: u32,
    /// Senders: the sub-address (SUB, T.30 5.3.6.1.3) that goes to a far end whose DIS takes one; at most 20 of digits,
    /// `#`, `*` and space.
    #[serde(default)]
    pub sub_address: Option<String>,
    /// Senders: the password (SID, T.30 5.3.6.1.2) that goes with it, as long. Receivers: the one without which no page is
    /// taken.
    #[serde(default)]
    pub password: Option<String>,
    /// Senders: T.85 (JBIG) where the far end has it.
    #[serde(default)]
    pub t85: bool,
    /// Called receivers: seconds of audio after which a caller who talks, and has given no sign of a fax, is hung up on;
    /// 0: never.
    #[serde(default)]
    pub voice_seconds: u32,
    /// Seconds without any packet from the far end after which the call is given up.
    pub inactivity_seconds: u32,
    /// Bits a second by which a page must get on; 0: any.
    #[serde(default)]
    pub min_rate: u32,
    /// CED is said in full behind a switch to T.38.
    pub whole_ced: bool,
    /// Seconds after which the call is given up whatever happens.
    pub total_seconds: u32,
    /// For tests: misbehave on purpose. `None` in real life.
    pub mishap: Option<Mishap>,
}

/// What a child is told to suffer, so that tests can see the daemon survive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Abort at the first packet (call) or at the first page (renderer).
    Crash,
    /// Loop for ever at the same place.
    Hang,
    /// Simulated machines: hang up after this many pages were confirmed.
    HangUpAfterPage(u32),
    /// Simulated machines: no machine at all, but somebody who talks.
    Talks,
    /// Simulated machines: take T.38, then send nothing.
    SilentInT38,
    /// Simulated machines: take the last page, then fall silent instead of sending MCF.
    SilentBeforeLastMcf,
}

/// Call child to daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FromCall {
    /// Sandboxed and ready: sockets taken, TIFF readable.
    Ready,
    /// Every five seconds, so that the daemon can tell a child that hangs.
    Alive,
    /// Audio only: the far end's fax tone was heard (CED or V.21 flags from the called, CNG from the calling).
    /// The one who re-INVITEs may do so now.
    FaxToneHeard,
    /// T.38 only, once a switch: the first packet came from the far end.
    T38Heard,
    /// Once a socket: media from this address is dropped, for nothing says that it is the far end's.
    StrangerHeard {
        /// Who sent it.
        from: SocketAddr,
    },
    /// DIS/DCS done: who the far end is, and at what speed we go.
    Negotiated(FarEnd),
    /// Progress for the page and the live display, once a second at most.
    Progress {
        /// Page being transferred, from 1.
        page: u32,
        /// Octets of page data transferred so far.
        bytes: u64,
        /// Octets of the whole page where known (senders).
        of: Option<u64>,
    },
    /// Receiver: a page is complete, MCF is held back until [`ToCall::Stored`]. The blob is its T.6 data.
    PageReceived {
        /// Number, from 1.
        page: u32,
        /// No page follows it (EOP).
        last: bool,
        /// Pels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Dots per inch across.
        x_dpi: u32,
        /// Dots per inch down.
        y_dpi: u32,
        /// Packets of it that were lost for good, so that rows may be missing (T.38 without error correction).
        #[serde(default)]
        lost_packets: u32,
    },
    /// Sender: the EOP of the last page, or the EOM of a document before it, is about to leave, held back until
    /// [`ToCall::Stored`]. From here on a broken call leaves this document uncertain, not failed.
    LastPageLeaving {
        /// Number of the document's last page in this call, from 1.
        page: u32,
    },
    /// Sender: the far end confirmed this page (MCF or RTP seen).
    PageConfirmed {
        /// Number, from 1.
        page: u32,
    },
    /// The last frame: how the fax part ended.
    Done(CallDone),
}

// ---- a document ----

/// Daemon to render child: the only frame. Its blob is the document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRender {
    /// What the document is.
    pub source: Source,
    /// What to do with it.
    pub job: RenderJob,
    /// For tests: misbehave on purpose.
    pub mishap: Option<Mishap>,
}

/// What to do with a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderJob {
    /// Only look: can it be read, how many pages has it?
    Probe {
        /// Paper of pages that bring no size of their own.
        paper: Paper,
        /// What becomes of it where a page cannot be drawn.
        unreadable: UnreadablePage,
    },
    /// Take it apart: it holds other documents (winmail.dat).
    Unwrap,
    /// Make fax pages of it.
    Render {
        /// What pages.
        target: Target,
        /// More pages than this are refused.
        max_pages: u32,
        /// Whether the first page is wanted as a small picture, too.
        preview: bool,
        /// How pages are left out that cannot be drawn; none: the document is refused.
        skip: Option<Skip>,
    },
}

/// Render child to daemon.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FromRender {
    /// The first: the child is set up, and nothing of the document was read. One that ends before has failed by itself.
    Ready,
    /// Answer to [`RenderJob::Probe`].
    Probed {
        /// Pages in the document.
        pages: u32,
    },
    /// Answer to either job: it has no page, and that is as it should be.
    LeftOut {
        /// Why.
        why: LeftOut,
    },
    /// A page of the document is drawn now, in a rendering that leaves out what cannot be.
    Drawing {
        /// Its number in the document.
        page: u32,
    },
    /// What is to be said of the page that comes next.
    Remark(Remark),
    /// A page of [`RenderJob::Render`]; the blob is its T.6 data.
    Page {
        /// Pels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Dots per inch across.
        x_dpi: u32,
        /// Dots per inch down.
        y_dpi: u32,
    },
    /// The page before it as a small picture; the blob is a PNG.
    Preview,
    /// Answer to [`RenderJob::Unwrap`]; the blob is a MIME entity.
    Unwrapped,
    /// All pages were sent.
    Rendered,
    /// The document cannot be faxed.
    Refused(DocumentRefusal),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be encoded ends a call as if the daemon were gone.
    #[test]
    fn a_stranger_is_told_of_over_the_wire() {
        let from = "[2001:db8::1]:4000".parse().unwrap();
        let told = FromCall::StrangerHeard { from };
        let frame = encode(&told, &[]).unwrap();
        let read: Option<(FromCall, Vec<u8>)> = read_frame(&mut &frame[..]).unwrap();
        assert_eq!(read, Some((told, Vec::new())));
    }
}
