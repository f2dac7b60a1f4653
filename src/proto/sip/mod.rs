//! SIP messages without I/O (RFC 3261): what stands in them, how they are cut from a stream, digest.
//!
//! Reading is liberal where peers are known to be wrong (Latin-1, no Content-Length in a datagram, compact names,
//! folded lines, odd spacing) and strict where a lenient reader is a danger (stray line ends, lengths that lie, doubled
//! fields). Writing follows the norm: no value ever breaks out of its line.

pub mod check;
pub mod digest;
mod framer;
mod headers;
mod look;
mod malformed;
mod message;
mod method;
mod multipart;
mod name_addr;
mod params;
mod read;
mod reply;
mod text;
mod uri;
mod via;

#[cfg(test)]
mod torture;

pub use framer::{Framed, StreamFramer};
pub use headers::{Headers, Name};
pub use look::{FirstLook, first_look};
pub use malformed::{Malformed, Why};
pub use message::{CSeq, Message, Start};
pub use method::Method;
pub use multipart::part;
pub use name_addr::NameAddr;
pub use params::Params;
pub use uri::{SipUri, TelUri, Uri};
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
