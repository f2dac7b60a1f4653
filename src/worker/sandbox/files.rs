//! Landlock: every access to files, TCP and other processes that it can handle is denied, but for reading fonts; a
//! converter may run what is installed.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope, path_beneath_rules,
};

/// The newest of what we ask for; an older kernel does what it can.
const NEWEST: ABI = ABI::V6;

/// Puts up the fence, with these folders to read in. It also gives up every way to new privileges.
pub(super) fn fence(readable: &[PathBuf]) -> io::Result<()> {
    let fence = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(
                readable,
                AccessFs::ReadFile | AccessFs::ReadDir,
            ))?
            .restrict_self()
    };
    fence().map(|_| ()).map_err(io::Error::other)
}

/// Where programs, their libraries, fonts and settings are. Our own configuration in `/etc` is not among it.
const INSTALLED: [&str; 22] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/libreoffice",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/var/cache/fontconfig",
    "/etc/locale.alias",
    "/var/lib/libreoffice",
    "/var/spool/libreoffice",
    "/dev/urandom",
    "/dev/zero",
];

/// Puts up the fence for a whole program: it may run what is installed, and write into `folder` only.
pub(super) fn fence_program(folder: &Path) -> io::Result<()> {
    let fence = || {
        let read = AccessFs::from_read(NEWEST);
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(INSTALLED, read))?
            .add_rules(path_beneath_rules(
                [Path::new("/dev/null")],
                AccessFs::ReadFile | AccessFs::WriteFile,
            ))?
            // Nothing that it writes may be run.
            .add_rules(path_beneath_rules(
                [folder],
                AccessFs::from_all(NEWEST) & !AccessFs::Execute,
            ))?
            .restrict_self()
    };
    fence().map(|_| ()).map_err(io::Error::other)
}

/// Whether this kernel has landlock and uses it.
pub fn enforced() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::ReadFile)
        .and_then(Ruleset::create)
        .is_ok()
}
