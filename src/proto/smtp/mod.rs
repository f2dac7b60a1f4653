//! The server's side of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O; [`client`] is the other side.
//!
//! Octets of the client go in through [`Session::handle`]; [`Session::poll`] gives out what the driver has to
//! do: write a reply, ask for a verdict on a recipient, store text, take a message over. The machine owns the
//! state of the session and every rule of the protocol; `smtp-proto` only reads a command line that the
//! machine has already found to be one whole, clean line.
//!
//! A line ends with CRLF and with nothing else, and DATA ends with CRLF.CRLF and with nothing else
//! (RFC 5321 2.3.8 and 4.1.1.4; VU#302671 is what happens otherwise).

pub mod client;
mod command;
mod dsn;
mod line;
mod parameters;
mod reply;
mod session;
mod text;

pub use dsn::{Notify, Ret};
pub use parameters::{DeliverBy, Hold, MailOptions, RcptOptions};
pub use reply::{Refusal, Reply};
pub use session::{Envelope, Login, Mail, Output, Protocol, Session, SessionConfig, Taken};

#[cfg(test)]
mod tests;
