//! Starts and stops the parts.
mod loops;
pub mod post;
