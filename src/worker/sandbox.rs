//! The walls around a child, put up by the child itself before it reads a single strange octet.
//!
//! Three layers, each best effort on kernels that lack it: limits (`setrlimit`), files and network (landlock,
//! Linux 5.13), system calls (seccomp). What a child may still touch are the descriptors it was handed, its own
//! memory files, and, for the renderer, font folders to read.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What one child may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of address space.
    pub memory: u64,
    /// Seconds of CPU; past them the kernel sends SIGXCPU, then SIGKILL.
    pub cpu_seconds: u64,
    /// Octets of the largest file it may write (memory files count).
    pub file_size: u64,
}

impl Limits {
    /// A call: SpanDSP needs half a megabyte; an hour of audio modems costs some 10 s of CPU.
    pub const CALL: Limits = Limits {
        memory: 512 << 20,
        cpu_seconds: 120,
        file_size: 256 << 20,
    };
    /// A document: PDFium and the fonts it maps.
    pub const RENDER: Limits = Limits {
        memory: 1 << 30,
        cpu_seconds: 120,
        file_size: 0,
    };
}

/// Puts up the walls for a call: no file, no new socket.
///
/// # Errors
/// Where the kernel refuses a limit or the filter that it does have.
pub fn enter_call() -> io::Result<()> {
    limit(Limits::CALL)?;
    fence_files(&[])?;
    filter_system_calls(true)
}

/// Puts up the walls for a renderer: no network, no file but the fonts below `fonts`.
///
/// # Errors
/// Where the kernel refuses a limit or the filter that it does have.
pub fn enter_render(fonts: &[PathBuf]) -> io::Result<()> {
    limit(Limits::RENDER)?;
    // A renderer owes nobody a farewell: it goes with the daemon.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    fence_files(fonts)?;
    filter_system_calls(false)
}

fn limit(limits: Limits) -> io::Result<()> {
    let hard = |n: u64| Rlimit {
        current: Some(n),
        maximum: Some(n),
    };
    setrlimit(Resource::As, hard(limits.memory))?;
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

/// Landlock: everything it can handle is denied, but for reading below `readable`.
fn fence_files(readable: &[PathBuf]) -> io::Result<()> {
    let abi = ABI::V5;
    let fence = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
            .restrict_self()
    };
    let status = fence().map_err(io::Error::other)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::debug!(
            "this kernel has no landlock; files are fenced by seccomp and ownership only"
        );
    }
    Ok(())
}

/// seccomp: an allow list; anything else fails with EPERM, as if the child had no right to it.
fn filter_system_calls(sockets: bool) -> io::Result<()> {
    let arch: TargetArch = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let filter = SeccompFilter::new(
        allowed(sockets).map_err(io::Error::other)?,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        arch,
    )
    .map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn allowed(sockets: bool) -> Result<Rules, seccompiler::BackendError> {
    // Descriptors it has, memory, time, its own end. openat stays: landlock decides on files, and SpanDSP opens
    // the memory files of its call by name.
    let mut calls = vec![
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_pread64,
        libc::SYS_pwrite64,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_ftruncate,
        libc::SYS_fcntl,
        libc::SYS_dup,
        libc::SYS_openat,
        libc::SYS_getdents64,
        libc::SYS_readlinkat,
        libc::SYS_faccessat,
        libc::SYS_ppoll,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_open,
        libc::SYS_poll,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_time,
    ]);
    if sockets {
        calls.extend([
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_getsockname,
            libc::SYS_getpeername,
            libc::SYS_getsockopt,
            libc::SYS_shutdown,
            libc::SYS_ioctl,
        ]);
    }
    let mut rules: Rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    // Memory may be mapped and protected, but never made executable.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let not_executable = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
            0,
        )?;
        rules.insert(call, vec![SeccompRule::new(vec![not_executable])?]);
    }
    Ok(rules)
}
