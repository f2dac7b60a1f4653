//! The session description in a message.

use crate::proto::sip::Message;

/// A body that is none (RFC 3261 8.2.3: 415).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSdp;

/// The session description of a message; empty where it has no body.
pub(super) fn sdp_of(message: &Message) -> Result<Vec<u8>, NotSdp> {
    if message.body.is_empty() {
        return Ok(Vec::new());
    }
    match message.content_type().as_deref() {
        // A body without a type can be nothing else in a call.
        None | Some("application/sdp") => Ok(message.body.clone()),
        Some(_) => Err(NotSdp),
    }
}
