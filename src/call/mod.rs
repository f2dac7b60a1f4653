//! One fax call from INVITE to BYE: offer and answer, the switch to T.38, the outcome. No I/O.

pub mod media;
pub mod outcome;
