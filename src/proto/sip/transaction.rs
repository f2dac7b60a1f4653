//! The four transaction machines of RFC 3261 17, as RFC 6026 corrects them.
