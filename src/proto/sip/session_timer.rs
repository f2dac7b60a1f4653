//! Session timers (RFC 4028).
