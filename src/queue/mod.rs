//! Custody: the SQLite store.
