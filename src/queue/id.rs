//! Identifiers: 13 characters, ordered by time, unique without asking anybody.

/// Crockford's base 32, lower case: no i, l, o, u to misread on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new identifier: 44 bits of milliseconds since 1970 (until the year 2527), then 20 random bits.
pub fn new(now: super::Millis) -> String {
    let random = fastrand::u64(..1 << 20);
    encode(((now.0 as u64) & ((1 << 44) - 1)) << 20 | random)
}

/// So many new identifiers, all different and in order: a thousand drawn one by one would collide in two mails of
/// five.
pub fn several(now: super::Millis, count: usize) -> Vec<String> {
    let random = fastrand::u64(..1 << 20);
    let first = ((now.0 as u64) & ((1 << 44) - 1)) << 20 | random;
    (0..count as u64).map(|n| encode(first + n)).collect()
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
    fn a_thousand_recipients_never_collide_and_keep_their_order() {
        for _ in 0..100 {
            let ids = several(Millis(5), 1000);
            assert!(ids.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn a_thousand_in_one_millisecond_hardly_collide() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| new(Millis(5))).collect();
        assert!(ids.len() > 990);
    }
}
