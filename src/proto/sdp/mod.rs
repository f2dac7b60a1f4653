//! Session descriptions of a fax call: G.711 audio and T.38 over UDPTL (RFC 8866, RFC 3264, T.38 annex D).
//!
//! [`read()`] is liberal: it looks at the few lines a fax call needs and reads every dialect of their attributes.
//! [`Describer`] is strict: it writes what every carrier understands, one session version per change.

mod hosts;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use hosts::{host_names, with_addresses};
pub use read::read;
pub use write::{Choice, Describer, Offered, TELEPHONE_EVENT};

/// Descriptions longer than this are refused unread; real ones stay below 2 KB.
pub const MAX_OCTETS: usize = 16 * 1024;

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// No octets at all.
    #[error("the session description is empty")]
    Empty,
    /// More than [`MAX_OCTETS`].
    #[error("the session description has {0} octets")]
    TooLong(usize),
    /// Not a session description; the text says where it breaks.
    #[error("not a session description: {0}")]
    Malformed(String),
    /// There is no m= line.
    #[error("the session description has no m= line")]
    NoMedia,
    /// A stream in use has no c= line, neither its own nor one of the session.
    #[error("the {0} stream has no c= line")]
    NoAddress(String),
    /// A c= line that is no unicast address: a host name, a multicast group.
    #[error("the address {0:?} cannot be sent to")]
    BadAddress(String),
    /// An attribute of T.38 whose value is no number.
    #[error("{name} has the value {value:?}")]
    BadAttribute {
        /// The attribute, as we write it.
        name: &'static str,
        /// What stands there.
        value: String,
    },
}

/// What one side says of itself: one entry per m= line, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The m= lines.
    pub streams: Vec<Stream>,
}

/// One m= line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What was offered there, so that an answer can name it again (RFC 3264 6).
    pub line: MediaLine,
    /// What we make of it.
    pub media: Media,
}

/// The words of an m= line but for its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `image`, `video` ...
    pub kind: String,
    /// `RTP/AVP`, `udptl` ...
    pub proto: String,
    /// The formats, space between them.
    pub formats: String,
}

/// A stream as a fax call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// G.711 over RTP.
    Audio(Audio),
    /// T.38 over UDPTL.
    T38(T38),
    /// Port 0: refused or put away (RFC 3264 8.2).
    Off,
    /// Nothing a fax can use: video, SRTP, T.38 over TCP, other codecs only.
    Unusable,
}

/// The codecs that carry fax tones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

/// A codec by the number that it has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
}

impl Codec {
    /// Under its static payload type (RFC 3551 table 4).
    pub fn fixed(self) -> Format {
        let payload_type = match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        };
        Format {
            codec: self,
            payload_type,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }
}

/// Who may send (RFC 3264 5.1), in the view of the side that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// The writer only: it holds us.
    SendOnly,
    /// The reader only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// What an answer says to this offer (RFC 3264 6.1).
    pub fn answered(self) -> Direction {
        match self {
            Direction::SendRecv => Direction::SendRecv,
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::Inactive => Direction::Inactive,
        }
    }

    fn attribute(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// A stream of G.711.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Where its writer wants to receive.
    pub remote: SocketAddr,
    /// G.711 in the writer's order; never empty.
    pub formats: Vec<Format>,
    /// Payload type of `telephone-event/8000` (RFC 4733).
    pub telephone_event: Option<u8>,
    /// Milliseconds of audio that its writer wants in each packet (`ptime`, RFC 8866 6.4), where it said so.
    pub ptime: Option<u8>,
    /// Who may send.
    pub direction: Direction,
}

impl Audio {
    /// True while the writer holds us: `sendonly`, `inactive` or the address 0.0.0.0 (RFC 3264 8.4).
    pub fn on_hold(&self) -> bool {
        self.remote.ip().is_unspecified()
            || matches!(self.direction, Direction::SendOnly | Direction::Inactive)
    }
}

/// How UDPTL repairs losses (T.38 annex D, `T38FaxUdpEC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCorrection {
    /// `t38UDPNoEC`.
    None,
    /// `t38UDPRedundancy`.
    Redundancy,
    /// `t38UDPFEC`.
    Fec,
}

/// A stream of T.38 over UDPTL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct T38 {
    /// Where its writer wants to receive.
    pub remote: SocketAddr,
    /// `T38FaxVersion`; 0 where it is missing.
    pub version: u8,
    /// `T38MaxBitRate`, bit/s; 14400 where it is missing.
    pub max_bit_rate: u32,
    /// True for `transferredTCF`, the only one UDPTL allows (T.38 8.1); the default.
    pub transferred_tcf: bool,
    /// `T38FaxMaxBuffer`, octets.
    pub max_buffer: Option<u32>,
    /// `T38FaxMaxDatagram`, octets.
    pub max_datagram: Option<u16>,
    /// `T38FaxUdpEC`; redundancy where it is missing or unknown, since any UDPTL receiver can skip it.
    pub error_correction: ErrorCorrection,
    /// `T38FaxFillBitRemoval`.
    pub fill_bit_removal: bool,
    /// `T38FaxTranscodingMMR`.
    pub transcoding_mmr: bool,
    /// `T38FaxTranscodingJBIG`.
    pub transcoding_jbig: bool,
}

impl Session {
    /// The first usable audio stream.
    pub fn audio(&self) -> Option<&Audio> {
        self.streams.iter().find_map(|s| match &s.media {
            Media::Audio(audio) => Some(audio),
            _ => None,
        })
    }

    /// The first usable T.38 stream.
    pub fn t38(&self) -> Option<&T38> {
        self.streams.iter().find_map(|s| match &s.media {
            Media::T38(t38) => Some(t38),
            _ => None,
        })
    }

    /// True where no stream is in use.
    pub fn is_off(&self) -> bool {
        self.streams.iter().all(|s| s.media == Media::Off)
    }

    /// The m= lines, for the next offer or the answer.
    pub fn lines(&self) -> Vec<MediaLine> {
        self.streams.iter().map(|s| s.line.clone()).collect()
    }
}

fn unusable_address(ip: IpAddr) -> bool {
    ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}
