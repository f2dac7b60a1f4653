//! What only a child takes apart: the winmail.dat of a mail, and what became of it.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::DocumentRefusal;

/// The SHA-256 of a file.
pub type Digest = [u8; 32];

/// What children made of the files of a mail: a MIME entity, or why there is none.
pub type Unwrapped = HashMap<Digest, Result<Vec<u8>, DocumentRefusal>>;

/// By which a file is found again.
pub fn digest(octets: &[u8]) -> Digest {
    Sha256::digest(octets).into()
}
