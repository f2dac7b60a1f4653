//! Identifiers: 16 characters, ordered by time, unique without asking anybody; should one be drawn twice, what is kept
//! first stays, and the second draws again or is refused for now.

/// Crockford's base 32, lower case: no i, l, o, u to misread on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Random bits of an identifier. Those of earlier versions had 20, in 13 characters; the two kinds sort by time among
/// each other.
const RANDOM: u32 = 35;
const DIGITS: u32 = 16;

/// A new identifier: 44 bits of milliseconds since 1970 (until the year 2527), then 35 random bits.
pub fn new(now: super::Millis) -> String {
    several(now, 1).remove(0)
}

/// New identifiers that stand one behind the other.
///
/// # Panics
/// Where `count` is over a million.
pub fn several(now: super::Millis, count: usize) -> Vec<String> {
    assert!(count <= 1 << 20, "{count} identifiers at once");
    let count = count as u64;
    let millis = (now.0 as u64) & ((1 << 44) - 1);
    let random = fastrand::u64(..(1 << RANDOM) - count);
    let first = u128::from(millis) << RANDOM | u128::from(random);
    (first..first + u128::from(count)).map(encode).collect()
}

/// No identifier of this moment or later is less.
pub fn least(from: super::Millis) -> String {
    let millis = (from.0.max(0) as u64) & ((1 << 44) - 1);
    encode(u128::from(millis) << RANDOM)
}

fn encode(bits: u128) -> String {
    // 16 digits of 5 bits hold 80; the top bit is always 0.
    (0..DIGITS)
        .rev()
        .map(|digit| ALPHABET[(bits >> (5 * digit) & 31) as usize] as char)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Millis;

    #[test]
    fn later_identifiers_sort_later() {
        let (a, b) = (
            new(Millis(1_795_000_000_000)),
            new(Millis(1_795_000_000_001)),
        );
        assert_eq!(a.len(), 16);
        assert!(a < b, "{a} {b}");
        assert!(least(Millis(1_795_000_000_000)) <= a && a < least(Millis(1_795_000_000_001)));
        // Of version 0.1, 13 characters, from the same and from the next millisecond.
        let (of_old, later) = (&a[..9], &b[..9]);
        assert!(a > format!("{of_old}0000") && a < format!("{later}0000"));
    }

    #[test]
    fn those_of_one_mail_are_distinct_and_in_order() {
        let now = Millis(1_795_000_000_000);
        let ids = several(now, 10_000);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids[9_999] < new(Millis(now.0 + 1)));
    }

    #[test]
    fn a_hundred_thousand_in_one_millisecond_hardly_ever_collide() {
        let ids: std::collections::HashSet<_> = (0..100_000).map(|_| new(Millis(5))).collect();
        // Of 20 random bits, 4,600 would be drawn twice; of 35, one in 7 runs of this test.
        assert!(ids.len() >= 99_998, "{}", ids.len());
    }
}
