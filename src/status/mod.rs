//! The HTTP page and its JSON.
