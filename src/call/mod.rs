//! One fax call from INVITE to BYE: offer and answer, the switch to T.38, the outcome. No I/O.

pub mod cause;
pub mod machine;
pub mod media;
pub mod outcome;
pub mod policy;
pub mod retry;
