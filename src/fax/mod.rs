//! The T.30 terminal over SpanDSP.
//!
//! Two terminals with one shape, driven without I/O: [`T38Terminal`] speaks IFP packets, [`AudioTerminal`] speaks
//! 8 kHz samples. Time is what the caller says it is. What happens comes out of `poll_event`.
//!
//! Custody: before a received page is confirmed, and before the end of a sent fax is announced, the terminal asks
//! its [`Holder`], and waits. If the holder refuses, nothing more leaves on the line.
//!
//! `ffi` is the only unsafe code of the project; `session` is what its callbacks report to; `frames` reads T.30.

#[forbid(unsafe_code)]
mod audio;
#[forbid(unsafe_code)]
mod block;
#[forbid(unsafe_code)]
mod dis;
#[forbid(unsafe_code)]
mod ending;
#[allow(unsafe_code)]
mod ffi;
#[forbid(unsafe_code)]
mod frames;
#[forbid(unsafe_code)]
mod mend;
#[forbid(unsafe_code)]
mod plan;
#[forbid(unsafe_code)]
mod session;
#[forbid(unsafe_code)]
mod t38;
#[forbid(unsafe_code)]
mod thrift;
#[forbid(unsafe_code)]
mod v21;

pub use audio::{AudioTerminal, ToneEar};
pub use dis::Abilities;
pub use ending::{Cause, Ending};
pub use frames::Link;
pub use t38::{Ifp, NO_SIGNAL, T38Terminal};

/// Which side of T.30 a terminal plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends pages.
    Sender,
    /// Receives pages.
    Receiver,
}

/// How a terminal behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sends or receives pages.
    pub role: Role,
    /// True where our side placed the call (CNG; the called side says CED).
    pub calling: bool,
    /// Our station identification: digits, `+` and space, at most 20 (T.30 5.3.6.2.4).
    pub ident: String,
    /// Path of the TIFF to send, or of the one to write: T.6, one strip a page.
    pub tiff: String,
    /// Senders: the pages of each document in it, where there are several. Behind each but the last goes EOM, and not EOP
    /// (T.30 5.3.6.1.6). Empty: it is one document.
    pub documents: Vec<u32>,
    /// Error correction mode (T.30 annex A).
    pub ecm: bool,
    /// Fastest modem to use, bit/s: 14400 and 12000 allow V.17, 9600 and 7200 V.29, less only V.27ter.
    pub max_bit_rate: u32,
    /// Use T.85 (JBIG) where the far end has it: a quarter fewer octets than T.6. Only for senders: a crafted height
    /// makes SpanDSP ask for 273 GB on receipt.
    pub t85: bool,
    /// Senders: SUB for a far end that takes one (T.30 5.3.6.1.3), at most 20 digits, `#`, `*` and spaces.
    pub sub_address: Option<String>,
    /// Senders: the password, likewise (SID, T.30 5.3.6.1.2). Receivers: the one without which no page is taken.
    pub password: Option<String>,
}

/// Who answers for the pages. Called from inside the terminal, which waits for the answer.
pub trait Holder {
    /// Page `page` (from 1) is complete in the TIFF, and its confirmation (MCF) has not left. Without error correction,
    /// `lost` packets of its data never came in T.38, and rows are missing.
    ///
    /// # Errors
    /// It could not be kept. The confirmation will never leave, and the terminal ends.
    fn page_received(&mut self, page: u32, last: bool, lost: u32) -> Result<(), NotKept>;

    /// Page `page` of the call, the last of a document, is out, and the EOP (or EOM, where another document is to follow)
    /// that asks for its confirmation has not left. Called once for each. Answers whether another document may follow.
    ///
    /// # Errors
    /// That the fax is about to be confirmed could not be written down. Neither EOP nor EOM will ever leave, and the
    /// terminal ends.
    fn last_page_leaving(&mut self, page: u32) -> Result<bool, NotKept>;
}

/// The holder's refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pages could not be kept")]
pub struct NotKept;

/// What happened in a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The modems agreed (CFR): who the far end is, how the pages go.
    Negotiated(Link),
    /// Receiver: this page (from 1) was kept, and its confirmation is on its way.
    PageReceived {
        /// Number, from 1.
        page: u32,
        /// It was the last one (EOP).
        last: bool,
    },
    /// Sender: the far end confirmed this page (MCF or RTP).
    PageConfirmed {
        /// Number, from 1.
        page: u32,
    },
    /// It is over. Always the last event.
    Ended(Ending),
}

/// How far the page on the line has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number, from 1.
    pub page: u32,
    /// Octets of page data so far; counted in ECM frames, so 0 without ECM.
    pub bytes: u64,
    /// Octets of all pages so far without repeats, likewise.
    pub headway: u64,
}

/// SpanDSP could not be set up: out of memory, or an option with a NUL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fax terminal could not be set up")]
pub struct SetUpFailed;

#[cfg(test)]
mod tests;
