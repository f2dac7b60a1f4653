//! Screening: which calls are answered, before anything rings or is stored.

use crate::config::Config;
use crate::config::numbers::Numbering;
use crate::net::line::IncomingCall;
use crate::net::trunk::Trunk;

/// A call that will be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screened {
    /// The number of ours that was called, in canonical form.
    pub called: String,
    /// The caller's number, in canonical form; empty where it was withheld.
    pub caller: String,
    /// Who gets its pages.
    pub recipients: Vec<String>,
}

/// Why a call is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No route leads from the number that was called.
    #[error("no route for this number")]
    NoRoute,
    /// The caller withheld his number.
    #[error("the caller has no number (inbound.refuse_anonymous)")]
    Anonymous,
    /// The caller's number is blocked.
    #[error("the caller is blocked (inbound.blocked)")]
    Blocked,
    /// Every channel is taken.
    #[error("all channels are busy")]
    Busy,
    /// Calls of its trunk were answered, and the ACK does not come: it may not be the trunk that calls.
    #[error("the ACKs to answered calls of this trunk are overdue")]
    Unacknowledged,
    /// What came over could not be kept safely.
    #[error("the queue is damaged")]
    Damaged,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
    /// It came from an address that is no trunk's.
    #[error("it comes from no trunk")]
    NoTrunk,
}

impl Refused {
    /// The status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Refused::NoTrunk => 403,
            Refused::NoRoute => 404,
            Refused::Stopping => 480,
            Refused::Busy => 486,
            Refused::Unacknowledged | Refused::Damaged => 503,
            Refused::Anonymous | Refused::Blocked => 603,
        }
    }
}

/// Looks at a call that came over `trunk`.
///
/// # Errors
/// Why it is refused.
pub fn screen(
    call: &IncomingCall,
    trunk: &Trunk,
    config: &Config,
    numbers: &Numbering,
) -> Result<Screened, Refused> {
    let parties = call.parties(trunk.config.called_number_from);
    if parties.caller.is_empty() && config.inbound.refuse_anonymous {
        return Err(Refused::Anonymous);
    }
    if numbers.is_blocked(&parties.identity) {
        return Err(Refused::Blocked);
    }
    let route = config.route(&parties.called, numbers);
    Ok(Screened {
        recipients: route.ok_or(Refused::NoRoute)?.recipients(),
        called: numbers.canonical(&parties.called),
        caller: numbers.canonical(&parties.caller),
    })
}

/// Refuses a call. It is counted, and logged where that would not fill the log.
pub fn refuse(call: IncomingCall, trunk: &Trunk, refused: Refused) {
    let (called, caller) = (call.called.clone(), call.caller.clone());
    if trunk.refused(&caller) {
        let (trunk, source) = (&trunk.config.name, call.source);
        tracing::warn!(called, caller, trunk, %source, "call refused: {refused}");
    }
    call.reject(refused.code());
}
