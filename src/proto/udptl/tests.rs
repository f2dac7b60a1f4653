use super::*;

/// A datagram with one repeat, by hand: number 2, packet 06, repeat of 00.
const BY_HAND: [u8; 8] = [0x00, 0x02, 0x01, 0x06, 0x00, 0x01, 0x01, 0x00];

const RED3: Repair = Repair::Redundancy { packets: 3 };
const FEC3X3: Repair = Repair::Fec {
    span: 3,
    entries: 3,
};

fn packets(receiver: &mut Receiver) -> Vec<u16> {
    std::iter::from_fn(|| receiver.poll())
        .map(|(seq, _)| seq)
        .collect()
}

fn plain(seq: u16, ifp: &[u8]) -> Vec<u8> {
    datagram::with_repeats(seq, ifp, &[])
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
        assert_eq!(wire.len(), datagram::size_without_repair(len));
        assert_eq!(Datagram::decode(&wire).unwrap().primary, ifp);
    }
}

#[test]
fn repeats_only_what_fits_the_far_ends_datagram() {
    let mut sender = Sender::new(RED3, 120);
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
    let (mut sender, mut receiver) = (Sender::new(RED3, 1400), Receiver::new());
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

/// T.38 9.1.4.2 with three fields over three packets each: the first over 9-3, 9-6, 9-9; the last over 8, 5, 2.
#[test]
fn parity_is_interleaved_over_the_last_packets() {
    let mut sender = Sender::new(FEC3X3, 1400);
    let ifps: Vec<Vec<u8>> = (0..10u8).map(|i| vec![1 << (i % 8), i]).collect();
    let wires: Vec<_> = ifps.iter().map(|ifp| sender.wrap(ifp)).collect();
    let xor = |numbers: [usize; 3]| {
        let octet = |at: usize| numbers.iter().fold(0, |sum, n| sum ^ ifps[*n][at]);
        vec![octet(0), octet(1)]
    };
    let parity = [xor([6, 3, 0]), xor([7, 4, 1]), xor([8, 5, 2])];
    // Number 9, a packet of two octets; choice 1, span 3 in one octet, three fields of two octets.
    let mut by_hand = vec![0, 9, 2, ifps[9][0], ifps[9][1], 0x80, 1, 3, 3];
    parity.iter().for_each(|field| {
        by_hand.push(2);
        by_hand.extend(field);
    });
    assert_eq!(wires[9], by_hand);
    let first = Datagram::decode(&wires[0]).unwrap();
    assert_eq!(
        first.recovery,
        Recovery::Redundancy(Vec::new()),
        "nothing to repair"
    );
}

#[test]
fn recovers_three_losses_in_a_row_from_parity() {
    let (mut sender, mut receiver) = (Sender::new(FEC3X3, 1400), Receiver::new());
    let ifp = |i: u8| vec![i + 1; 3 + usize::from(i % 3)];
    let wires: Vec<_> = (0..24).map(|i| sender.wrap(&ifp(i))).collect();
    for (_, wire) in wires
        .iter()
        .enumerate()
        .filter(|(i, _)| !(12..15).contains(i))
    {
        receiver.handle(wire).unwrap();
    }
    let got: Vec<_> = std::iter::from_fn(|| receiver.poll()).collect();
    assert_eq!(got.len(), 24);
    for (i, (seq, packet)) in (0..).zip(&got) {
        assert_eq!(*seq, u16::from(i));
        assert!(packet.starts_with(&ifp(i)), "{i}");
        // The field is as long as the longest packet behind it.
        assert!(packet[ifp(i).len()..].iter().all(|o| *o == 0), "{i}");
    }
    assert_eq!(receiver.counts(), (3, 0));
}

/// Two losses behind one field: the other is recovered first, from a later datagram's field.
#[test]
fn what_one_field_gives_back_is_what_another_lacked() {
    let repair = Repair::Fec {
        span: 2,
        entries: 1,
    };
    let (mut sender, mut receiver) = (Sender::new(repair, 1400), Receiver::new());
    let wires: Vec<_> = (0..8u8).map(|i| sender.wrap(&[i + 1])).collect();
    // 5 covers 4 and 3, and 4 is gone too; 6 covers 5 and 4.
    for i in [0, 1, 2, 5, 6, 7] {
        receiver.handle(&wires[i]).unwrap();
    }
    assert_eq!(packets(&mut receiver), (0..8).collect::<Vec<_>>());
    assert_eq!(receiver.counts(), (2, 0));
}

#[test]
fn parity_has_fewer_fields_where_they_do_not_fit() {
    let mut sender = Sender::new(FEC3X3, 120);
    let wires: Vec<_> = (0..12).map(|_| sender.wrap(&[1; 50])).collect();
    assert!(wires.iter().all(|wire| wire.len() <= 120));
    let Recovery::Parity { span, fields } = Datagram::decode(&wires[11]).unwrap().recovery else {
        panic!("parity was asked for");
    };
    assert_eq!((span, fields.len()), (3, 1));
}

#[test]
fn new_agreement_goes_on_with_the_numbers() {
    let mut sender = Sender::new(RED3, 400);
    sender.wrap(&[1]);
    sender.wrap(&[2]);
    sender.renegotiate(Repair::Nothing, 400);
    let wire = sender.wrap(&[3]);
    let read = Datagram::decode(&wire).unwrap();
    assert_eq!((read.seq, read.primary), (2, &[3][..]));
    assert_eq!(read.recovery, Recovery::Redundancy(Vec::new()));
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

/// As a gateway does that moves a call to another board early on.
#[test]
fn far_end_that_starts_anew_at_numbers_known_already_is_followed() {
    let mut receiver = Receiver::new();
    for seq in 0..100 {
        receiver.handle(&plain(seq, &[1])).unwrap();
    }
    assert_eq!(packets(&mut receiver).len(), 100);
    for seq in 0..20 {
        receiver.handle(&plain(seq, &[2, seq as u8])).unwrap();
    }
    let got = packets(&mut receiver);
    assert_eq!(got.last(), Some(&19));
    assert!(got.len() >= 12, "{got:?}");
}

#[test]
fn far_end_that_said_it_would_move_may_begin_with_any_number() {
    let mut receiver = Receiver::new();
    for seq in 0..100 {
        receiver.handle(&plain(seq, &[1])).unwrap();
    }
    packets(&mut receiver);
    receiver.far_end_moved();
    receiver.handle(&plain(0, &[2])).unwrap();
    receiver.handle(&plain(1, &[2])).unwrap();
    assert_eq!(packets(&mut receiver), [0, 1]);
}

/// Held back by the network, given up meanwhile: going back to them would say everything twice.
#[test]
fn burst_that_comes_late_is_no_new_numbering() {
    let mut receiver = Receiver::new();
    for seq in (0..10).chain(14..18) {
        receiver.handle(&plain(seq, &[seq as u8])).unwrap();
    }
    assert_eq!(packets(&mut receiver).last(), Some(&9));
    (0..10).for_each(|_| receiver.age());
    assert_eq!(packets(&mut receiver).last(), Some(&17));
    for _ in 0..3 {
        for seq in 10..18 {
            receiver.handle(&plain(seq, &[seq as u8])).unwrap();
        }
    }
    receiver.handle(&plain(18, &[18])).unwrap();
    assert_eq!(packets(&mut receiver), [18]);
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
    let mut sender = Sender::new(RED3, 1400);
    let mut receiver = Receiver::new();
    for round in 0..200_000 {
        if round % 50 == 0 {
            let span = rng.usize(..=9);
            let entries = rng.usize(..=9);
            let packets = rng.usize(..=9);
            let fec = Repair::Fec { span, entries };
            let redundancy = Repair::Redundancy { packets };
            sender.renegotiate(if rng.bool() { fec } else { redundancy }, 1400);
        }
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
