//! Protocol cores without I/O.

pub mod authres;
pub mod g711;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod smtp;
pub mod udptl;
