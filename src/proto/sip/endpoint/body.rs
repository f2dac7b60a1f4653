//! The session description in a message.

use crate::proto::sip::{Message, part};

/// The session description of a message; empty where it has none.
pub(super) fn sdp_of(message: &Message) -> Vec<u8> {
    let sdp = part(message, "application/sdp");
    sdp.map(<[u8]>::to_vec).unwrap_or_default()
}
