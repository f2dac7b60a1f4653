//! SIP (RFC 3261) without I/O.
//!
//! | file | what it is |
//! |---|---|
//! | [`flow`] | where a message goes to and comes from |
//! | [`transaction`] | the four machines of RFC 3261 17 and RFC 6026, over status codes and clocks only |
//! | [`session_timer`] | RFC 4028 |
//! | [`endpoint`] | many calls: octets and `now` in, octets and events out |

pub mod endpoint;
pub mod flow;
pub mod session_timer;
mod timers;
pub mod transaction;
