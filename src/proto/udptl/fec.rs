//! Parity over packets, and recovery of a lost one from it (T.38 9.1.4.2).
//!
//! Field `i` of `n` in datagram `s` is the exclusive or of the packets `s + i - n`, `s + i - 2n`, and so on,
//! `span` of them. With one of them missing, the rest gives it back. Its length is not sent: the result has the
//! length of the field, and may end in zeros that IFP decoding ignores.

use std::collections::{BTreeMap, VecDeque};

use super::receiver::HISTORY;

/// Datagrams whose parity is kept: what one recovers may be what another lacked.
const MEMORY: usize = 24;

/// The parity fields of a datagram behind the packets `recent`, newest first.
pub(super) fn protect(recent: &VecDeque<Vec<u8>>, span: usize, entries: usize) -> Vec<Vec<u8>> {
    (0..entries)
        .map(|index| {
            // `recent[0]` has the number s - 1.
            let newest = entries - index - 1;
            let mut parity = Vec::new();
            for packet in recent.iter().skip(newest).step_by(entries).take(span) {
                add(&mut parity, packet);
            }
            parity
        })
        .collect()
}

fn add(parity: &mut Vec<u8>, packet: &[u8]) {
    parity.resize(parity.len().max(packet.len()), 0);
    parity.iter_mut().zip(packet).for_each(|(o, p)| *o ^= p);
}

/// One parity field, as far as it has not been of use yet.
#[derive(Debug)]
struct Field {
    /// The packets it covers, unwrapped.
    covers: Vec<u64>,
    parity: Vec<u8>,
}

/// The parity of the last datagrams.
#[derive(Debug, Default)]
pub(super) struct Parity {
    datagrams: VecDeque<Vec<Field>>,
}

impl Parity {
    /// Keeps the fields of datagram `seq` (unwrapped).
    pub(super) fn keep(&mut self, seq: u64, span: usize, fields: &[&[u8]]) {
        let count = fields.len();
        // What reaches back behind the history can never be of use.
        if (span * count) as u64 > HISTORY {
            return;
        }
        let fields = (0..).zip(fields).map(|(index, parity)| {
            let top = seq + index;
            let covers = (1..=span as u64).map_while(|k| top.checked_sub(k * count as u64));
            Field {
                covers: covers.collect(),
                parity: parity.to_vec(),
            }
        });
        self.datagrams.push_back(fields.collect());
        if self.datagrams.len() > MEMORY {
            self.datagrams.pop_front();
        }
    }

    /// A missing packet that a field gives back, and its number. To be asked again with it in `seen`: it may give
    /// back another one. Numbers before `oldest` are forgotten for good.
    pub(super) fn recover(
        &mut self,
        seen: &BTreeMap<u64, Vec<u8>>,
        oldest: u64,
    ) -> Option<(u64, Vec<u8>)> {
        for fields in &mut self.datagrams {
            fields.retain(|field| {
                field.covers.iter().all(|n| *n >= oldest)
                    && field.covers.iter().any(|n| !seen.contains_key(n))
            });
        }
        self.datagrams
            .iter()
            .flatten()
            .find_map(|field| field.recover(seen))
    }

    pub(super) fn clear(&mut self) {
        self.datagrams.clear();
    }
}

impl Field {
    fn recover(&self, seen: &BTreeMap<u64, Vec<u8>>) -> Option<(u64, Vec<u8>)> {
        let mut missing = self.covers.iter().filter(|n| !seen.contains_key(n));
        let (Some(&lost), None) = (missing.next(), missing.next()) else {
            return None;
        };
        let mut octets = self.parity.clone();
        for packet in self.covers.iter().filter_map(|n| seen.get(n)) {
            octets.iter_mut().zip(packet).for_each(|(o, p)| *o ^= p);
        }
        (!octets.is_empty()).then_some((lost, octets))
    }
}
