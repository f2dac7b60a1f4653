//! The four transaction machines of RFC 3261 17, as RFC 6026 corrects them.
//!
//! They know status codes and the time, not messages: whoever holds one keeps the octets that it sends again. Every
//! `handle_*` says what that leads to; [`Event::Retransmit`] means what was sent last.

mod client;
mod invite_client;
mod invite_server;
mod server;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use server::Server;

use std::time::Duration;

/// Round trip time estimate (RFC 3261 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest time between two retransmissions of what is no INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time that a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// How long a transaction, a repeated 200 or a dialog that is over is kept (64*T1).
pub const PATIENCE: Duration = Duration::from_secs(32);

/// What a machine wants of whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Send again what was sent last: the request of a client, the last response of a server.
    Retransmit,
    /// Hand the response to the user of the transaction.
    Deliver,
    /// Answer with the ACK of this transaction (RFC 3261 17.1.1.3).
    Ack,
    /// Both of it.
    DeliverAndAck,
    /// Timer B, F or H fired: the far end is silent.
    TimedOut,
    /// Nothing more will happen: forget it.
    Terminated,
}

/// How long to wait before the next retransmission: twice as long, but no longer than T2.
fn doubled(interval: Duration) -> Duration {
    (interval * 2).min(T2)
}

/// Nothing is sent twice over a reliable transport, and nothing lingers in it.
fn unless(reliable: bool, wait: Duration) -> Duration {
    if reliable { Duration::ZERO } else { wait }
}
