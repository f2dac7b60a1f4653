//! The drivers: sockets, TLS, the SIP stack, the clock.

pub mod ip_net;
pub mod sip;
