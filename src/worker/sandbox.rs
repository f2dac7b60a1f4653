//! The sandbox of the children: what they may do once they have what they need.

use std::io;

/// Enters the sandbox of a call.
///
/// # Errors
/// The kernel refused.
pub fn enter_call() -> io::Result<()> {
    Ok(())
}
