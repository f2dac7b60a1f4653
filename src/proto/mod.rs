//! Protocol cores without I/O.
