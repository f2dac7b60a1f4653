//! Whom an INVITE calls and who calls, as the trunk says it.

/// The numbers of a call that came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The number that was dialled.
    pub called: String,
    /// The caller's; empty where it was withheld.
    pub caller: String,
}
