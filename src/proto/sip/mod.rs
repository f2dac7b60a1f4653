//! SIP without I/O (RFC 3261): what stands in messages, and what is done with them.
//!
//! | file | what it is |
//! |---|---|
//! | [`Message`], [`Headers`], [`Uri`], [`Via`] | octets to typed values and back |
//! | [`StreamFramer`] | messages cut from a stream |
//! | [`check`] | what a user agent refuses before it looks closer |
//! | [`digest`] | answers to 401 and 407 |
//! | [`flow`] | where a message goes to and comes from |
//! | [`transaction`] | the four machines of RFC 3261 17 and RFC 6026, over status codes and clocks only |
//! | [`session_timer`] | RFC 4028 |
//! | [`registration`] | when to REGISTER, and what the answers mean |
//! | [`random`] | what nobody may guess |
//! | [`endpoint`] | many calls: octets and `now` in, octets and events out |
//!
//! Reading is liberal where peers are known to be wrong (Latin-1, no Content-Length in a datagram, compact names,
//! folded lines, odd spacing) and strict where a lenient reader is a danger (stray line ends, lengths that lie, doubled
//! fields). Writing follows the norm: no value ever breaks out of its line.

pub mod check;
mod dialog;
pub mod digest;
pub mod endpoint;
pub mod flow;
mod framer;
mod headers;
mod look;
mod malformed;
mod message;
mod method;
mod multipart;
mod name_addr;
mod params;
pub mod random;
mod read;
pub mod registration;
mod reply;
pub mod session_timer;
mod text;
mod timers;
pub mod transaction;
mod uri;
mod via;

#[cfg(test)]
mod torture;

pub use flow::{Flow, Transport};
pub use framer::{Framed, StreamFramer};
pub use headers::{Headers, Name};
pub use look::{FirstLook, first_look};
pub use malformed::{Malformed, Why};
pub use message::{CSeq, Message, Start};
pub use method::Method;
pub use multipart::part;
pub use name_addr::NameAddr;
pub use params::Params;
pub use text::quote;
pub use uri::{SipUri, TelUri, Uri, escape_user};
pub use via::Via;

/// Octets of start line and headers that are read; real ones stay below 8 KB.
pub const MAX_HEAD: usize = 48 * 1024;

/// Header fields that are read; real messages have 15 to 40.
pub const MAX_FIELDS: usize = 256;

/// Octets of a body that are read.
pub const MAX_BODY: usize = 64 * 1024;

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);
