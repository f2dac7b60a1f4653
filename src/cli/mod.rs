//! The commands, one file each.

pub mod render;
pub mod to_pdf;

use std::process::ExitCode;

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
