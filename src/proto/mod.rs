//! Protocol cores without I/O.

pub mod smtp;
