//! Journey 1: a mail becomes a fax.

pub mod cover;
mod dedup;
mod desk;
pub mod dial;
mod documents;
mod doorman;
pub mod intake;
pub mod lesson;
mod load;
pub mod message;
pub mod receipt;
pub mod recipient;
pub mod render;
mod share;
pub mod stamp;
mod stranger;
mod turns;
mod verdict;
pub mod wishes;
