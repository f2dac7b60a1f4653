//! The drivers: sockets, TLS, the SIP stack, the clock.

pub mod smtp;
