use super::*;

/// A datagram with one repeat, by hand: number 2, packet 06, repeat of 00.
const BY_HAND: [u8; 8] = [0x00, 0x02, 0x01, 0x06, 0x00, 0x01, 0x01, 0x00];

fn packets(receiver: &mut Receiver) -> Vec<u16> {
    std::iter::from_fn(|| receiver.poll())
        .map(|(seq, _)| seq)
        .collect()
}

fn plain(seq: u16, ifp: &[u8]) -> Vec<u8> {
    datagram::encode(seq, ifp, &[])
}

#[test]
fn reads_a_datagram_written_by_hand() {
    let read = Datagram::decode(&BY_HAND).unwrap();
    assert_eq!((read.seq, read.primary), (2, &[6u8][..]));
    assert_eq!(read.recovery, Recovery::Redundancy(vec![&[0u8][..]]));
}

#[test]
fn writes_lengths_on_both_sides_of_128() {
    for len in [1usize, 127, 128, 300] {
        let ifp = vec![7; len];
        let wire = plain(9, &ifp);
        assert_eq!(wire.len(), datagram::size_without_repeats(len));
        assert_eq!(Datagram::decode(&wire).unwrap().primary, ifp);
    }
}

#[test]
fn repeats_only_what_fits_the_far_ends_datagram() {
    let mut sender = Sender::new(3, 120);
    for _ in 0..4 {
        sender.wrap(&[1; 50]);
    }
    let wire = sender.wrap(&[1; 50]);
    assert!(wire.len() <= 120);
    let Recovery::Redundancy(repeats) = Datagram::decode(&wire).unwrap().recovery else {
        panic!("redundancy was asked for");
    };
    assert_eq!(repeats.len(), 1);
}

#[test]
fn recovers_three_losses_in_a_row_from_repeats() {
    let (mut sender, mut receiver) = (Sender::new(3, 1400), Receiver::new());
    let wires: Vec<_> = (0..8u8).map(|i| sender.wrap(&[i + 1])).collect();
    for (i, wire) in wires.iter().enumerate() {
        if !(2..5).contains(&i) {
            receiver.handle(wire).unwrap();
        }
    }
    assert_eq!(packets(&mut receiver), (0..8).collect::<Vec<_>>());
    assert_eq!(receiver.counts(), (3, 0));
}

#[test]
fn recovers_one_loss_from_parity() {
    let ifps: Vec<Vec<u8>> = (0..6u8).map(|i| vec![i * 3 + 1, 200 - i, i]).collect();
    let mut receiver = Receiver::new();
    for (seq, ifp) in (0u16..).zip(&ifps).filter(|(seq, _)| *seq != 3) {
        if seq < 5 {
            receiver.handle(&plain(seq, ifp)).unwrap();
        }
    }
    // Datagram 5 with one field over the three packets 4, 3 and 2.
    let mut wire = plain(5, &ifps[5]);
    wire.truncate(wire.len() - 2);
    let parity: Vec<u8> = (0..3)
        .map(|i| ifps[4][i] ^ ifps[3][i] ^ ifps[2][i])
        .collect();
    wire.extend([0x80, 1, 3, 1, 3]);
    wire.extend(&parity);
    receiver.handle(&wire).unwrap();
    let got: Vec<_> = std::iter::from_fn(|| receiver.poll()).collect();
    assert_eq!(got.len(), 6);
    assert_eq!(got[3], (3, ifps[3].clone()));
}

#[test]
fn puts_swapped_packets_in_order_and_drops_duplicates() {
    let mut receiver = Receiver::new();
    for seq in [0u16, 2, 1, 1, 3, 0, 3] {
        receiver.handle(&plain(seq, &[1])).unwrap();
    }
    assert_eq!(packets(&mut receiver), [0, 1, 2, 3]);
}

#[test]
fn goes_on_without_a_lost_packet_after_a_while() {
    let mut receiver = Receiver::new();
    receiver.handle(&plain(0, &[1])).unwrap();
    receiver.handle(&plain(2, &[1])).unwrap();
    assert_eq!(packets(&mut receiver), [0]);
    for _ in 0..6 {
        receiver.age();
    }
    assert_eq!(packets(&mut receiver), [2]);
    assert_eq!(receiver.counts(), (0, 1));
}

#[test]
fn follows_the_numbers_over_their_wrap() {
    let mut receiver = Receiver::new();
    for seq in [65534u16, 65535, 0, 1] {
        receiver.handle(&plain(seq, &[1])).unwrap();
    }
    assert_eq!(packets(&mut receiver), [65534, 65535, 0, 1]);
}

#[test]
fn far_end_that_starts_anew_is_followed_but_one_stray_is_not() {
    let mut receiver = Receiver::new();
    receiver.handle(&plain(5000, &[1])).unwrap();
    assert_eq!(packets(&mut receiver), [5000]);
    receiver.handle(&plain(30000, &[9])).unwrap();
    receiver.handle(&plain(5001, &[1])).unwrap();
    assert_eq!(packets(&mut receiver), [5001]);
    for seq in 0..8 {
        receiver.handle(&plain(seq, &[1])).unwrap();
    }
    assert_eq!(packets(&mut receiver), [3, 4, 5, 6, 7]);
}

#[test]
fn first_datagram_may_repeat_packets_from_before() {
    let mut receiver = Receiver::new();
    receiver.handle(&BY_HAND).unwrap();
    assert_eq!(packets(&mut receiver), [2]);
}

#[test]
fn survives_mutated_datagrams() {
    let mut rng = fastrand::Rng::with_seed(38);
    let mut sender = Sender::new(3, 1400);
    let mut receiver = Receiver::new();
    for _ in 0..200_000 {
        let ifp: Vec<u8> = (0..rng.usize(1..60)).map(|_| rng.u8(..)).collect();
        let mut wire = sender.wrap(&ifp);
        for _ in 0..rng.usize(0..4) {
            let at = rng.usize(..wire.len());
            wire[at] = rng.u8(..);
        }
        if rng.bool() {
            wire.truncate(rng.usize(..=wire.len()));
        }
        // Any answer will do, as long as there is one.
        let _ = receiver.handle(&wire);
        if rng.u8(..) < 64 {
            receiver.age();
        }
        while receiver.poll().is_some() {}
        assert!(receiver.waiting.len() <= REORDER_LIMIT);
        assert!(receiver.history.len() <= 400);
    }
}

/// Ahead of the window there is room for this many at most.
const REORDER_LIMIT: usize = 64 + 8;
