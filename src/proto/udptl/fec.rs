//! Recovery of a lost packet from parity (T.38 9.1.4.2).
//!
//! Field `i` of `n` in datagram `s` is the exclusive or of the packets `s + i - n`, `s + i - 2n`, and so on,
//! `span` of them. With one of them missing, the rest gives it back. Its length is not sent: the result has the
//! length of the field, and may end in zeros that IFP decoding ignores.

use std::collections::BTreeMap;

/// The packets that parity field `index` of `count` in datagram `seq` covers. (`seq` is unwrapped.)
fn covered(seq: u64, index: usize, count: usize, span: usize) -> impl Iterator<Item = u64> {
    let top = seq + index as u64;
    (1..=span as u64).map_while(move |k| top.checked_sub(k * count as u64))
}

/// The one missing packet that these fields give back, if there is one: its number and its octets.
pub(super) fn recover(
    seq: u64,
    span: usize,
    fields: &[&[u8]],
    seen: &BTreeMap<u64, Vec<u8>>,
) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let mut missing = covered(seq, index, fields.len(), span).filter(|n| !seen.contains_key(n));
        let (Some(lost), None) = (missing.next(), missing.next()) else {
            continue;
        };
        let mut octets = field.to_vec();
        for number in covered(seq, index, fields.len(), span) {
            if let Some(packet) = seen.get(&number) {
                octets.iter_mut().zip(packet).for_each(|(o, p)| *o ^= p);
            }
        }
        if !octets.is_empty() {
            found.push((lost, octets));
        }
    }
    found
}
