//! The walls around a child, put up by the child itself before it reads a single strange octet.
//!
//! | layer | what it takes away |
//! |---|---|
//! | limits (`setrlimit`) | memory, CPU, descriptors, core dumps |
//! | `files` (landlock, Linux 5.13) | every file but the fonts; TCP (6.7); signals to others (6.12) |
//! | `calls` (seccomp) | every system call but some sixty; arguments of the dangerous ones among those |
//! | `memory` | what a document may need; see there why a limit alone will not do |
//!
//! A converter is a whole program that the site chose, and gets looser walls ([`enter_convert`]): it may start programs
//! and read what is installed. `program` has the system calls that it may make; the number of its processes and the size
//! of its folder are supervised by the daemon (`worker::host::bounds`).
//!
//! What is left are the descriptors that it was handed, its own memory files, and, for the renderer, fonts to read.
//! The daemon adds to it that a child starts in `/` with an empty environment and inherits nothing else; a call's is a
//! fork, and `worker::nursery` says what it shares with the next.
//!
//! What is not taken away, so that nobody counts on it: a call may send UDP from its two sockets to any address, for
//! the filter cannot look behind a pointer and landlock knows no UDP; and `stat` tells a child that a file is there
//! and how long it is, though never what is in it. Without landlock (an older kernel, or one that has it switched
//! off) files are guarded by their owner alone; `postfax check` says so.

mod calls;
mod files;
pub mod memory;
mod program;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, setrlimit};

pub use files::enforced as files_are_fenced;
use memory::Gauge;

/// What one child may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of address space beside what the program and its libraries have when the walls go up.
    pub memory: u64,
    /// Seconds of CPU; past them the kernel sends SIGXCPU, then SIGKILL.
    pub cpu_seconds: u64,
    /// Octets of the largest file it may write (memory files count).
    pub file_size: u64,
}

impl Limits {
    /// A call. SpanDSP needs half a megabyte, and a page as it comes in 216 octets a row; an hour of audio modems
    /// costs some 10 s of CPU.
    pub const CALL: Limits = Limits {
        memory: 256 << 20,
        cpu_seconds: 120,
        file_size: 128 << 20,
    };
    /// A document. See [`memory`] for why it is twice what a document may need.
    pub const RENDER: Limits = Limits {
        memory: 2 * memory::MOST,
        cpu_seconds: 120,
        file_size: 0,
    };
}

/// Puts up the walls for a call: no file, no new socket.
///
/// # Errors
/// Where the kernel refuses a limit or the filter that it does have.
pub fn enter_call() -> io::Result<()> {
    limit(Limits::CALL, memory::address_space()?)?;
    files::fence(&[])?;
    calls::filter(true)
}

/// Puts up the walls for a renderer: no network, no file but the fonts below `fonts`. The gauge tells whether the
/// document took more memory than it may.
///
/// # Errors
/// Where the kernel refuses a limit or the filter that it does have.
pub fn enter_render(fonts: &[PathBuf]) -> io::Result<Gauge> {
    let gauge = Gauge::new()?;
    limit(Limits::RENDER, memory::address_space()?)?;
    // A renderer owes nobody a farewell: it goes with the daemon.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    files::fence(fonts)?;
    calls::kill_large_requests(memory::MOST)?;
    calls::filter(false)?;
    Ok(gauge)
}

/// Puts up the walls for a converter, which is a program of its own: it reads what the system has installed, writes
/// into `folder` and nowhere else, and reaches neither the network nor other processes. The limits count for each of its
/// processes; what they take together is bounded by the daemon (`worker::host::bounds`).
///
/// # Errors
/// Where the kernel refuses a limit or the filter that it does have.
pub fn enter_convert(folder: &Path, limits: Limits) -> io::Result<()> {
    for (resource, most, hard) in [
        (Resource::Data, limits.memory, limits.memory),
        // SIGXCPU first: a SIGKILL is somebody else's.
        (Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds + 2),
        (Resource::Fsize, limits.file_size, limits.file_size),
        (Resource::Core, 0, 0),
        (Resource::Nofile, 1024, 1024),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    files::fence_program(folder)?;
    program::filter()
}

fn limit(limits: Limits, taken: u64) -> io::Result<()> {
    let hard = |n: u64| Rlimit {
        current: Some(n),
        maximum: Some(n),
    };
    setrlimit(Resource::As, hard(taken + limits.memory))?;
    setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(limits.cpu_seconds),
            maximum: Some(limits.cpu_seconds + 2),
        },
    )?;
    setrlimit(Resource::Fsize, hard(limits.file_size))?;
    setrlimit(Resource::Core, hard(0))?;
    setrlimit(Resource::Nofile, hard(64))?;
    Ok(())
}
