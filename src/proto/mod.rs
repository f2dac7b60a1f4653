//! Protocol cores without I/O.

pub mod g711;
pub mod rtp;
pub mod udptl;
