//! Journey 1: a mail becomes a fax.

pub mod receipt;
