//! What a sender wants to be told about its mail (RFC 3461).

/// NOTIFY: of what a sender wants to hear (RFC 3461 4.1). All false: NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notify {
    /// That it was delivered.
    pub success: bool,
    /// That it was not.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
}

impl Notify {
    /// As the queue keeps it: 1 success + 2 failure + 4 delay.
    pub fn bits(self) -> u8 {
        u8::from(self.success) | u8::from(self.failure) << 1 | u8::from(self.delay) << 2
    }

    /// The other way.
    pub fn from_bits(bits: u8) -> Notify {
        Notify {
            success: bits & 1 != 0,
            failure: bits & 2 != 0,
            delay: bits & 4 != 0,
        }
    }
}

/// RET: how much of the mail comes back with a report of failure (RFC 3461 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// The whole of it.
    Full,
    /// Its header.
    Headers,
}

impl Ret {
    /// As the queue keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Ret::Full => "full",
            Ret::Headers => "hdrs",
        }
    }
}
