//! Journey 1: a mail becomes a fax.

pub mod dialplan;
pub mod receipt;
pub mod recipient;
