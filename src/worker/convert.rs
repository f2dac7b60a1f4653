//! The convert child: `postfax worker convert`. It puts up walls and becomes the converter of the site's choice.
//!
//! Takes over: a folder of its own with one document in it.
//! Promises: the converter reads the system's programs and fonts and nothing of ours, writes into its folder only, and
//! reaches no network. It leaves `document.pdf` there, which is as strange as the document was: the renderer reads it.
//! When it dies: the daemon ends whatever it started, and removes the folder.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::host::cgroup;
use super::sandbox;

/// What the child is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the document
    #[arg(long)]
    folder: PathBuf,
    /// Megabytes that one process may have
    #[arg(long)]
    memory_mb: u64,
    /// Seconds of CPU that one process may have
    #[arg(long)]
    seconds: u64,
    /// Megabytes of the largest file that it may write
    #[arg(long)]
    folder_mb: u64,
    /// The control group to move into
    #[arg(long)]
    control_group: Option<PathBuf>,
    /// The converter and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// The exit code of a converter that cannot do its work now, and may later (EX_TEMPFAIL of sysexits.h): ours, where it
/// does not start, and its own.
pub const NOT_NOW: u8 = 75;

/// Becomes the converter; returns only where that failed.
pub fn run(args: &Args) -> ExitCode {
    let failed = match become_converter(args) {
        Ok(never) => never,
        Err(e) => e,
    };
    eprintln!("{}: {failed}", args.command[0]);
    ExitCode::from(NOT_NOW)
}

fn become_converter(args: &Args) -> std::io::Result<std::io::Error> {
    let (program, arguments) = args.command.split_first().expect("the arguments have one");
    let limits = sandbox::Limits {
        memory: args.memory_mb << 20,
        cpu_seconds: args.seconds,
        file_size: args.folder_mb << 20,
    };
    // Before anything of the site's choice runs: what it starts begins in there.
    if let Some(group) = &args.control_group {
        cgroup::move_to(group)?;
    }
    sandbox::enter_convert(&args.folder, limits)?;
    Ok(Command::new(program)
        .args(arguments)
        .current_dir(&args.folder)
        .env_clear()
        .envs(environment(&args.folder))
        .exec())
}

/// All that a converter hears of the world.
fn environment(folder: &Path) -> [(&'static str, PathBuf); 6] {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
        ("LANG", "C.UTF-8".into()),
        ("HOME", folder.into()),
        ("TMPDIR", folder.into()),
        ("XDG_RUNTIME_DIR", folder.into()),
        // tesseract: threads of its own slow it down.
        ("OMP_THREAD_LIMIT", "1".into()),
    ]
}
