//! One call, in a process of its own: the fax terminal between two UDP sockets and the daemon.
//!
//! Takes over: the media of one call, from answer to hang-up, and the pages to send.
//! Promises: no page is confirmed to the far end before the daemon says that it is stored, and no EOP of a last
//! page leaves before the daemon has written down that it may.
//! When it dies: the call is silent, the far end hangs up, and the daemon knows what was confirmed.
//! When the daemon dies: nothing more is confirmed to the far end and no other page is sent; what the far end says to a page
//! that is out is waited for and noted in the call's file (`queue::call_files`), which the next daemon reads.

mod control;
mod custody;
mod headway;
mod legs;
mod run;
mod source;
pub mod trial;
mod verdict;
mod warm;
mod weather;
mod wire_end;

#[cfg(test)]
mod pair;
#[cfg(test)]
mod real_time;

pub use run::run;
pub use warm::warm_up;
