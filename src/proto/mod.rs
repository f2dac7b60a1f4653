//! Protocol cores without I/O.

pub mod sdp;
pub mod smtp;
