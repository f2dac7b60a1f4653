//! What the signalling agreed for the child to do, and what the child reports when the fax part is over.
//!
//! Plain data, shared by the machine of the call and the wire to the children.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::outcome::{FarEnd, Outcome};
pub use crate::proto::sdp::{Codec, ErrorCorrection};

/// Who may send media for the far end beside the address of its SDP, and where ours goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSources {
    /// The address that the call is signalled with: counts where SDP names a private or an unroutable one.
    pub sip_peer: Option<IpAddr>,
    /// Networks that count always.
    pub media_peers: Vec<IpNet>,
    /// We send to where media comes from (RFC 4961), not to the signalled address and port.
    pub symmetric: bool,
}

/// Where audio goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioMedia {
    /// The far end's RTP address.
    pub remote: SocketAddr,
    /// How audio is coded ...
    pub codec: Codec,
    /// ... and by which payload type the far end knows that.
    pub payload_type: u8,
    /// Payload type of telephone events (RFC 4733), where it may send them.
    pub telephone_event: Option<u8>,
    /// Milliseconds of audio in each packet that it wants: 10 to 60; else 20.
    #[serde(default)]
    pub ptime: Option<u8>,
    /// Who may send it beside `remote`.
    #[serde(default)]
    pub sources: MediaSources,
}

/// Where T.38 goes, and what was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct T38Media {
    /// The far end's UDPTL address.
    pub remote: SocketAddr,
    /// `T38FaxVersion` agreed.
    pub version: u8,
    /// `T38FaxMaxDatagram` of the far end, octets.
    pub max_datagram: u16,
    /// `T38MaxBitRate` agreed, bit/s.
    pub max_bit_rate: u32,
    /// How losses are repaired (`T38FaxUdpEC`): what the far end can read, so what we send.
    pub error_correction: ErrorCorrection,
    /// Earlier packets that are repeated in each of ours, where that is how.
    pub redundancy: u8,
    /// Who may send it beside `remote`.
    #[serde(default)]
    pub sources: MediaSources,
}

/// The fax part's end, in the child's view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallDone {
    /// What became of it.
    pub outcome: Outcome,
    /// The T.30 status in words, for the admin.
    pub detail: String,
    /// Pages confirmed in this call.
    pub pages: u32,
    /// Sender: the end of a fax's last page left, and no answer to it came. What was allowed to leave and is not said to
    /// have left has not.
    #[serde(default)]
    pub unanswered: bool,
    /// What is known of the far end.
    pub far_end: FarEnd,
    /// Octets of UDP payload, both directions.
    pub wire_bytes: u64,
    /// How often the child woke up to do what was due.
    #[serde(default)]
    pub beats: u32,
    /// How often it did so more than 20 ms later than it wanted to: the machine has too many calls.
    #[serde(default)]
    pub late_beats: u32,
    /// Seconds for which the child stood still, in stalls of three seconds and more.
    #[serde(default)]
    pub stood_still: u32,
}
