//! seccomp for a whole program that the site chose (a converter, tesseract): the system calls that it may make.
//!
//! It may run what landlock lets it read, start processes and threads, and work on files below its own folder. Left out
//! is everything that reaches another process or a file that landlock does not guard: limits, priorities, affinities and
//! signals of others; modes, owners, times and attributes of files, which need no descriptor that landlock has seen;
//! sockets other than streams between its own processes; namespaces, keys, tracing, memory files.
//!
//! A call outside of the list fails with EPERM. Three kinds are answered differently, each in a filter of its own, since
//! the strictest answer of all filters counts (seccomp(2)).

use std::io;

use seccompiler::{BackendError, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp};

use super::calls::{Rules, apply, only};

/// Files and descriptors. Which files may be opened, made, renamed or removed is decided by landlock.
const FILES: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_umask,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_fadvise64,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_flock,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_signalfd4,
];

/// Its own memory, threads, processes, signals and time.
const ITSELF: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_setitimer,
    libc::SYS_getitimer,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_get_priority_max,
];

/// What is done with streams between its own processes. It connects to nothing; `sendmsg` names no address that a
/// stream would take.
const SOCKETS: &[i64] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

/// Answered with success and not made. Programs set modes, owners and times of the files they write, and some end where
/// that fails; but the same calls reach files that landlock does not guard. LibreOffice locks memory, and listens for
/// others of its kind.
const NOT_MADE: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_bind,
    libc::SYS_listen,
];

/// The same by older names, which not every machine has.
#[cfg(target_arch = "x86_64")]
mod older {
    pub const MADE: &[i64] = &[
        libc::SYS_open,
        libc::SYS_creat,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_mkdir,
        libc::SYS_rmdir,
        libc::SYS_unlink,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_link,
        libc::SYS_symlink,
        libc::SYS_getdents,
        libc::SYS_dup2,
        libc::SYS_pipe,
        libc::SYS_poll,
        libc::SYS_select,
        libc::SYS_epoll_create,
        libc::SYS_epoll_wait,
        libc::SYS_eventfd,
        libc::SYS_getrlimit,
        libc::SYS_getpgrp,
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_pause,
        libc::SYS_alarm,
        libc::SYS_time,
        libc::SYS_arch_prctl,
    ];
    pub const NOT_MADE: &[i64] = &[
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ];
}
#[cfg(not(target_arch = "x86_64"))]
mod older {
    pub const MADE: &[i64] = &[];
    pub const NOT_MADE: &[i64] = &[];
}

/// Namespaces that clone(2) could make.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// What fcntl(2) may be asked: not to have signals sent to others (`F_SETOWN`), nor for leases.
const DESCRIPTOR_COMMANDS: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
    libc::F_OFD_SETLKW,
];

/// What ioctl(2) may be asked: whether it is a terminal, what there is to read, not to wait, not to inherit.
const DEVICE_COMMANDS: &[u64] = &[
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::FIONREAD,
    libc::FIONBIO,
    libc::FIOCLEX,
    libc::FIONCLEX,
];

/// What prctl(2) may be asked. Not to clear the parent-death signal, nor to hide from the supervisor (`PR_SET_DUMPABLE`).
const PROCESS_COMMANDS: &[i32] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_GET_DUMPABLE,
    libc::PR_CAPBSET_READ,
    libc::PR_SET_VMA,
];

/// Puts up the filter, for good.
///
/// # Errors
/// Where the kernel refuses it.
pub(super) fn filter() -> io::Result<()> {
    let answer = |errno: i32| SeccompAction::Errno(errno as u32);
    apply(not_made().collect(), SeccompAction::Allow, answer(0))?;
    // Its flags lie behind a pointer, where no filter can look: libc then uses clone(2).
    let clone3 = [(libc::SYS_clone3, Vec::new())];
    apply(clone3.into(), SeccompAction::Allow, answer(libc::ENOSYS))?;
    // Last: behind it no filter can be put up.
    let rules = allowed().map_err(io::Error::other)?;
    apply(rules, answer(libc::EPERM), SeccompAction::Allow)
}

fn not_made() -> impl Iterator<Item = (i64, Vec<seccompiler::SeccompRule>)> {
    let calls = [NOT_MADE, older::NOT_MADE].concat();
    calls.into_iter().map(|call| (call, Vec::new()))
}

/// The calls that may be made, with what their arguments must be like.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let calls = [FILES, ITSELF, SOCKETS, older::MADE].concat();
    let mut rules: Rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    rules.extend(not_made());
    rules.insert(libc::SYS_clone3, Vec::new());
    let no_namespace = only(0, Dword, SeccompCmpOp::MaskedEq(NAMESPACES), 0)?;
    rules.insert(libc::SYS_clone, no_namespace);
    // Limits: its own.
    rules.insert(libc::SYS_prlimit64, only(0, Dword, SeccompCmpOp::Eq, 0)?);
    for (call, commands) in [
        (libc::SYS_fcntl, numbers(DESCRIPTOR_COMMANDS)),
        (libc::SYS_ioctl, DEVICE_COMMANDS.to_vec()),
    ] {
        rules.insert(call, any_of(1, &commands)?);
    }
    rules.insert(libc::SYS_prctl, any_of(0, &numbers(PROCESS_COMMANDS))?);
    // Streams of the family of Unix sockets; a datagram could be sent to any socket that has a name.
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, local_stream()?);
    }
    // To whom: nobody but the other end.
    let no_address = only(4, seccompiler::SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_sendto, no_address);
    Ok(rules)
}

fn numbers(commands: &[i32]) -> Vec<u64> {
    commands.iter().map(|command| *command as u64).collect()
}

fn any_of(argument: u8, values: &[u64]) -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
    let mut rules = Vec::new();
    for value in values {
        rules.extend(only(argument, Dword, SeccompCmpOp::Eq, *value)?);
    }
    Ok(rules)
}

fn local_stream() -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
    use seccompiler::{SeccompCondition, SeccompRule};
    /// The type without SOCK_CLOEXEC and SOCK_NONBLOCK (socket(2)).
    const TYPE: u64 = 0xf;
    let local = SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?;
    let stream = SeccompCmpOp::MaskedEq(TYPE);
    let stream = SeccompCondition::new(1, Dword, stream, libc::SOCK_STREAM as u64)?;
    Ok(vec![SeccompRule::new(vec![local, stream])?])
}
