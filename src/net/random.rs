//! The system's generator, for what strangers must not guess.

use rustix::rand::{GetRandomFlags, getrandom};

/// A seed for a generator of ours.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    // So few octets come whole, or not at all (getrandom(2)).
    getrandom(&mut seed, GetRandomFlags::empty()).expect("Linux has random numbers");
    seed
}

/// 64 bits.
pub fn u64() -> u64 {
    let seed = seed();
    let (first, _) = seed.split_first_chunk().expect("there are 32 octets");
    u64::from_ne_bytes(*first)
}

/// A number below `bound`, which is small.
pub fn below(bound: usize) -> usize {
    (u64() % bound.max(1) as u64) as usize
}
