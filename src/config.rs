//! `config.toml` to typed values.
