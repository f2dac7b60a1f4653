//! The drivers: sockets, TLS, the SIP stack, the clock.

pub mod delivery;
pub mod line;
pub mod maildir;
pub mod relay;
pub mod sip;
pub mod smtp;
mod tls;
pub mod trunk;
