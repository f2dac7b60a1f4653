//! Journey 1: a mail becomes a fax.

pub mod dialplan;
pub mod receipt;
pub mod render;
pub mod stamp;
pub mod intake;
pub mod message;
pub mod recipient;
