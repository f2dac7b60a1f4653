//! The commands, one file each.

use std::process::ExitCode;

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
