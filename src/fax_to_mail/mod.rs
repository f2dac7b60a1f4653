//! Journey 2: a fax becomes a mail.

pub mod compose;
