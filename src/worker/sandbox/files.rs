//! Landlock: every access to files, TCP and other processes that it can handle is denied, but for reading fonts.

use std::io;
use std::path::PathBuf;

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

/// Whether this kernel has landlock and uses it.
pub fn enforced() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::ReadFile)
        .and_then(Ruleset::create)
        .is_ok()
}
