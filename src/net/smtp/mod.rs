//! The SMTP and LMTP listeners: sockets, TLS and the clock around [`crate::proto::smtp::Session`].
//!
//! Takes over: connections of clients in the configured networks, and of others where they may log in or prove who
//! they are.
//! Promises: `250` behind a message only after [`Intake::accept`] said that it is durable; no message that is larger
//! than [`SHORT`] is ever whole in memory; no client can hold more than its share of connections, time or disk.
//! When it dies: a message without its `250` is still the client's, and whoever owns the spool's
//! folder clears it at the next start.

mod certificate;
mod connection;
mod intake;
mod listener;
mod places;
mod server;
mod settings;

pub use intake::{Intake, Message, SHORT, Spool, Text};
pub use server::{Server, StartError};
pub use settings::{Settings, Timeouts};

pub use super::tls::{TlsError, TlsFiles};

#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod tests;
