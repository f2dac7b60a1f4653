//! Journey 2: a fax becomes a mail.

pub mod adopt;
pub mod answer;
pub mod compose;
pub mod screen;
