//! Real octets, made wrong.

use fastrand::Rng;

/// Words that parsers have stumbled over.
const WORDS: [&[u8]; 24] = [
    b"",
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n ",
    b":",
    b",",
    b";",
    b"\"",
    b"<",
    b"@",
    b"%00",
    b"%",
    b"-1",
    b"0",
    b"65536",
    b"4294967296",
    b"99999999999999999999999999",
    b"\xff\xfe",
    b"\xc3\x28",
    b"Content-Length: 999999\r\n",
    b"Require: 100rel, unknown\r\n",
    b"m=image 1 udptl t38\r\n",
    b"a=T38FaxMaxDatagram:-5\r\n",
];

/// A wrong copy: one to four changes, each of a kind of its own.
pub fn mutate(rng: &mut Rng, octets: &[u8]) -> Vec<u8> {
    let mut wrong = octets.to_vec();
    for _ in 0..rng.usize(1..=4) {
        change(rng, &mut wrong);
    }
    wrong
}

fn change(rng: &mut Rng, octets: &mut Vec<u8>) {
    let at = rng.usize(..=octets.len());
    let end = (at + rng.usize(..40)).min(octets.len());
    match rng.u8(..9) {
        0 => flip(rng, octets),
        1 => octets.truncate(at),
        2 => drop(octets.drain(at..end)),
        3 => {
            let again = octets[at..end].to_vec();
            let times = if rng.u8(..8) == 0 { 60 } else { 1 };
            octets.splice(at..at, again.repeat(times));
        }
        4 => drop(octets.splice(at..at, WORDS[rng.usize(..WORDS.len())].iter().copied())),
        5 => drop(octets.splice(at..end, WORDS[rng.usize(..WORDS.len())].iter().copied())),
        6 => octets[at..end].fill(rng.u8(..)),
        7 => octets[at..end]
            .iter_mut()
            .for_each(|octet| *octet = rng.u8(..)),
        _ => swap_lines(rng, octets),
    }
}

/// One to eight bits, anywhere: in T.38 that is mostly T.30 and page data, which no checksum guards.
pub fn flip(rng: &mut Rng, octets: &mut [u8]) {
    for _ in 0..rng.usize(1..=8) {
        if !octets.is_empty() {
            let at = rng.usize(..octets.len());
            octets[at] ^= 1 << rng.u8(..8);
        }
    }
}

fn swap_lines(rng: &mut Rng, octets: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = octets
        .split_inclusive(|octet| *octet == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if !lines.is_empty() {
        let (one, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
        lines.swap(one, other);
        *octets = lines.concat();
    }
}
