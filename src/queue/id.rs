//! Identifiers: 13 characters, ordered by time, unique without asking anybody.

/// Crockford's base 32, lower case: no i, l, o, u to misread on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Random bits of an identifier.
const RANDOM: u32 = 20;

/// A new identifier: 44 bits of milliseconds since 1970 (until the year 2527), then 20 random bits.
pub fn new(now: super::Millis) -> String {
    several(now, 1).remove(0)
}

/// New identifiers that stand one behind the other. A mail to hundreds would draw the same 20 bits twice too often.
///
/// # Panics
/// Where `count` is over half a million.
pub fn several(now: super::Millis, count: usize) -> Vec<String> {
    let count = count as u64;
    assert!(count <= 1 << (RANDOM - 1), "{count} identifiers at once");
    let millis = (now.0 as u64) & ((1 << 44) - 1);
    let first = millis << RANDOM | fastrand::u64(..(1 << RANDOM) - count);
    (first..first + count).map(encode).collect()
}

fn encode(bits: u64) -> String {
    // 13 digits of 5 bits hold 65; the top bit is always 0.
    (0..13)
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
        assert_eq!(a.len(), 13);
        assert!(a < b, "{a} {b}");
    }

    #[test]
    fn those_of_one_mail_are_distinct_and_in_order() {
        let now = Millis(1_795_000_000_000);
        let ids = several(now, 10_000);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids[9_999] < new(Millis(now.0 + 1)));
    }

    #[test]
    fn a_thousand_in_one_millisecond_hardly_collide() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| new(Millis(5))).collect();
        assert!(ids.len() > 990);
    }
}
