//! Starts and stops the parts.
