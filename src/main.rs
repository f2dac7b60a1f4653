//! `postfax`: arguments in, an exit code out. Everything else lives in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    postfax::cli::main()
}
