//! seccomp: the system calls that a child may make. Any other fails with EPERM, as if the child had no right to it.
//!
//! Of those that are made and refused all the time (strace tells), none is missed: `uname` (SpanDSP would write the
//! host's name into each received page), `sysinfo` (qsort(3) asks for the size of the memory), `fcntl(F_GETFD)` (the
//! standard library checks itself in debug builds). `/etc/localtime` is refused as a file: a child lives in UTC.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// A call's number, and what its arguments must be like; no rule: anything.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Descriptors and what lies behind them. `open` stays: landlock decides on files, SpanDSP opens the memory file of
/// its call by name, and PDFium looks for fonts.
const FILES: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_faccessat,
    libc::SYS_ppoll,
];

/// The same by their older names, which not every machine has.
#[cfg(target_arch = "x86_64")]
const OLDER_NAMES: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_NAMES: &[i64] = &[];

/// Memory, time, chance, its own signals and its own end.
const ITSELF: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_madvise,
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
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What a call does with the sockets that it was handed. It makes none, and connects and binds none.
const SOCKETS: &[i64] = &[libc::SYS_recvfrom, libc::SYS_sendto];

/// Puts up the filter, for good.
pub(super) fn filter(sockets: bool) -> io::Result<()> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let rules = allowed(sockets).map_err(io::Error::other)?;
    apply(rules, refused, SeccompAction::Allow)
}

/// From now on a request for more than `most` octets at once ends the process with SIGSYS, instead of failing.
pub(super) fn kill_large_requests(most: u64) -> io::Result<()> {
    use SeccompCmpArgLen::Qword;
    let larger = |argument| only(argument, Qword, SeccompCmpOp::Gt, most);
    let rules = || Ok([(libc::SYS_mmap, larger(1)?), (libc::SYS_mremap, larger(2)?)].into());
    let rules = rules().map_err(|e: BackendError| io::Error::other(e))?;
    apply(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

pub(super) fn apply(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> io::Result<()> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

pub(super) fn allowed(sockets: bool) -> Result<Rules, BackendError> {
    let sockets = if sockets { SOCKETS } else { &[] };
    let calls = [FILES, OLDER_NAMES, ITSELF, sockets].concat();
    let mut rules: Rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    // Memory may be mapped and protected, but never made executable.
    let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(
            call,
            only(2, SeccompCmpArgLen::Dword, executable.clone(), 0)?,
        );
    }
    // abort(3) sends SIGABRT to its own process; nobody else is to hear from it.
    let ourselves = u64::from(std::process::id());
    let to_ourselves = only(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, ourselves)?;
    rules.insert(libc::SYS_tgkill, to_ourselves);
    Ok(rules)
}

/// Matches when this argument, counted from 0, compares so to `value`.
pub(super) fn only(
    argument: u8,
    len: SeccompCmpArgLen,
    compares: SeccompCmpOp,
    value: u64,
) -> Result<Vec<SeccompRule>, BackendError> {
    let condition = SeccompCondition::new(argument, len, compares, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
