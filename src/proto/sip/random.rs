//! What nobody may guess: tags, branches, Call-IDs, cnonces. Whoever guesses our tag can send the ACK to a call that he
//! never heard, or hang it up.
//!
//! SHA-256 over a secret and a counter; the secret is replaced with each draw ("fast key erasure"), so that what is drawn
//! says nothing of what was drawn before or comes behind it. Where the seed is from is the caller's to say.

use sha2::{Digest, Sha256};

/// A generator whose draws cannot be told from chance without its seed.
#[derive(Clone)]
pub struct SecureRandom {
    secret: [u8; 32],
}

impl SecureRandom {
    /// Draws from `seed`.
    pub fn new(seed: [u8; 32]) -> SecureRandom {
        SecureRandom { secret: seed }
    }

    /// 64 bits.
    pub fn u64(&mut self) -> u64 {
        let drawn = self.block(1);
        self.secret = self.block(0);
        let (first, _) = drawn.split_first_chunk().expect("a block has 32 octets");
        u64::from_be_bytes(*first)
    }

    /// A number below `bound`, which is small: it is even but for bound / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.u64() % bound.max(1)
    }

    fn block(&self, counter: u8) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update([counter]);
        hash.finalize().into()
    }
}

impl std::fmt::Debug for SecureRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecureRandom")
    }
}

/// A seed for tests.
#[cfg(test)]
pub fn seed_of(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn draws(seed: [u8; 32], count: usize) -> Vec<u64> {
        let mut random = SecureRandom::new(seed);
        (0..count).map(|_| random.u64()).collect()
    }

    #[test]
    fn every_octet_of_the_seed_counts_and_no_draw_comes_twice() {
        let mut seen = HashSet::new();
        for at in 0..32 {
            let mut seed = [0; 32];
            seed[at] = 1;
            assert_eq!(draws(seed, 100), draws(seed, 100));
            assert!(draws(seed, 100).into_iter().all(|draw| seen.insert(draw)));
        }
    }

    #[test]
    fn bits_and_small_numbers_are_even() {
        let draws = draws(seed_of(1), 4000);
        for bit in 0..64 {
            let set = draws.iter().filter(|draw| *draw >> bit & 1 == 1).count();
            assert!((1800..2200).contains(&set), "bit {bit}: {set}");
        }
        let mut random = SecureRandom::new(seed_of(2));
        let mut counts = [0; 11];
        (0..11_000).for_each(|_| counts[random.below(11) as usize] += 1);
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn it_does_not_print_its_secret() {
        assert_eq!(format!("{:?}", SecureRandom::new([7; 32])), "SecureRandom");
    }
}
