use std::time::{Duration, Instant};

use super::*;

/// A far end: numbers and time stamps as told.
struct Far {
    receiver: Receiver,
    now: Instant,
    heard: Vec<Playout>,
}

impl Far {
    fn new() -> Far {
        Far {
            receiver: Receiver::new(),
            now: Instant::now(),
            heard: Vec::new(),
        }
    }

    fn packet(&mut self, seq: u16, timestamp: u32, ssrc: u32, payload: &[u8]) {
        let mut wire = vec![0x80, 0];
        wire.extend(seq.to_be_bytes());
        wire.extend(timestamp.to_be_bytes());
        wire.extend(ssrc.to_be_bytes());
        wire.extend(payload);
        let packet = Packet::decode(&wire).unwrap();
        self.receiver.handle(&packet, true, self.now);
        self.listen();
    }

    /// A frame of 20 ms whose time stamp fits its number.
    fn frame(&mut self, seq: u16) {
        self.packet(seq, u32::from(seq) * 160, 5, &[seq as u8; FRAME]);
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(playout) = self.receiver.poll(self.now) {
            self.heard.push(playout);
        }
    }

    fn heard(&mut self) -> Vec<Playout> {
        std::mem::take(&mut self.heard)
    }
}

fn audio(seq: u16) -> Playout {
    after_pause(seq, 0)
}

fn after_pause(seq: u16, pause: usize) -> Playout {
    Playout::Packet {
        payload_type: 0,
        pause,
        payload: vec![seq as u8; FRAME],
    }
}

#[test]
fn header_with_csrc_extension_and_padding_is_peeled_off() {
    let mut wire = vec![0xb1, 0x88, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
    wire.extend([1, 1, 1, 1]); // one CSRC
    wire.extend([0, 0, 0, 1, 2, 2, 2, 2]); // extension of one word
    wire.extend([42, 43, 0, 0, 3]); // two octets of audio, three of padding
    let packet = Packet::decode(&wire).unwrap();
    assert_eq!(packet.payload, [42, 43]);
    assert_eq!((packet.payload_type, packet.marker), (8, true));
    assert_eq!((packet.seq, packet.timestamp, packet.ssrc), (7, 9, 5));
}

#[test]
fn sender_counts_packets_and_samples() {
    let mut sender = Sender::new(8, 0x5fff);
    let first = sender.wrap(&[0; FRAME]);
    for _ in 0..0x2000 {
        sender.wrap(&[]);
    }
    let second = sender.wrap(&[0; FRAME]);
    let (a, b) = (
        Packet::decode(&first).unwrap(),
        Packet::decode(&second).unwrap(),
    );
    assert_eq!((a.marker, b.marker), (true, false));
    assert_eq!((a.seq, b.seq), (0xdfff, 0));
    assert_eq!(b.timestamp.wrapping_sub(a.timestamp), FRAME as u32);
    assert_eq!(a.ssrc, b.ssrc);
}

#[test]
fn first_number_is_random_and_never_below_the_middle() {
    let mut rng = fastrand::Rng::with_seed(38);
    let first = |seed| {
        Packet::decode(&Sender::new(0, seed).wrap(&[0]))
            .unwrap()
            .seq
    };
    let mut firsts: Vec<u16> = (0..1000).map(|_| first(rng.u64(..))).collect();
    assert!(firsts.iter().all(|seq| (0x8000..0xe000).contains(seq)));
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 950, "{}", firsts.len());
}

#[test]
fn swapped_packets_and_duplicates_come_out_in_order_and_once() {
    let mut far = Far::new();
    for seq in [65534, 65535, 1, 0, 0, 2, 1] {
        far.packet(
            seq,
            u32::from(seq.wrapping_sub(65534)) * 160,
            5,
            &[seq as u8; FRAME],
        );
    }
    assert_eq!(far.heard(), [65534, 65535, 0, 1, 2].map(audio));
    assert_eq!(far.receiver.tally().lost, 0);
}

#[test]
fn lost_packet_is_given_up_after_a_wait_and_late_it_lengthens_the_wait() {
    let mut far = Far::new();
    [10, 11, 13].into_iter().for_each(|seq| far.frame(seq));
    assert_eq!(far.heard(), [10, 11].map(audio));
    far.wait(39);
    assert_eq!(far.heard(), []);
    far.wait(1);
    assert_eq!(far.heard(), [Playout::Lost(FRAME), audio(13)]);
    far.wait(60);
    far.frame(12);
    assert_eq!(far.heard(), []);
    let tally = far.receiver.tally();
    assert_eq!((tally.lost, tally.late), (1, 1));
    // 100 ms late, a quarter more.
    assert!(far.receiver.wait() >= Duration::from_millis(124));
}

#[test]
fn wait_shrinks_slowly_once_the_network_is_calm() {
    let mut far = Far::new();
    for seq in 0..3000 {
        // The third is 160 ms late, behind eight others.
        match seq {
            2 => {}
            10 => {
                far.frame(2);
                far.frame(10);
            }
            _ => far.frame(seq),
        }
        far.wait(20);
        let wait = far.receiver.wait();
        match seq {
            10 => assert!(wait > Duration::from_millis(150), "{wait:?}"),
            500 => assert!(wait > Duration::from_millis(90), "{wait:?}"),
            2999 => assert_eq!(wait, Duration::from_millis(40)),
            _ => {}
        }
    }
}

#[test]
fn frames_of_any_length_are_taken_and_their_losses_measured_by_time() {
    for ms in [10u32, 20, 30, 40, 60] {
        let samples = ms * 8;
        let mut far = Far::new();
        for seq in [0u16, 1, 2, 5, 6] {
            let payload = vec![seq as u8; samples as usize];
            far.packet(seq, u32::from(seq) * samples, 5, &payload);
            far.wait(u64::from(ms));
        }
        far.wait(300);
        let heard = far.heard();
        assert_eq!(heard.len(), 6, "{ms} ms");
        assert_eq!(heard[3], Playout::Lost(2 * samples as usize), "{ms} ms");
    }
}

#[test]
fn pause_of_the_far_end_is_no_loss() {
    let mut far = Far::new();
    far.packet(1, 1000, 5, &[1; FRAME]);
    far.wait(500);
    far.packet(2, 5000, 5, &[2; FRAME]);
    assert_eq!(far.heard(), [audio(1), after_pause(2, 5000 - 1160)]);
}

#[test]
fn pause_and_loss_together_are_told_apart() {
    let mut far = Far::new();
    far.packet(1, 1000, 5, &[1; FRAME]);
    far.packet(3, 5000, 5, &[3; FRAME]);
    far.wait(100);
    let pause = 5000 - 1160 - FRAME;
    let expected = [audio(1), Playout::Lost(FRAME), after_pause(3, pause)];
    assert_eq!(far.heard(), expected);
}

#[test]
fn time_stamps_that_stand_still_are_no_trouble() {
    let mut far = Far::new();
    for seq in [1, 2, 4] {
        far.packet(seq, 7, 5, &[seq as u8; FRAME]);
        far.wait(100);
    }
    let expected = [audio(1), audio(2), Playout::Lost(FRAME), audio(4)];
    assert_eq!(far.heard(), expected);
}

#[test]
fn new_source_is_followed_from_its_first_packet_and_a_stray_is_not() {
    let mut far = Far::new();
    far.frame(10);
    far.packet(500, 9, 66, &[0; FRAME]);
    far.frame(11);
    assert_eq!(far.heard(), [10, 11].map(audio));
    far.packet(700, 9, 77, &[700u16 as u8; FRAME]);
    far.packet(701, 169, 77, &[701u16 as u8; FRAME]);
    assert_eq!(far.heard(), [700, 701].map(audio));
}

#[test]
fn numbers_that_jump_are_followed() {
    let mut far = Far::new();
    [10, 9000, 9001].into_iter().for_each(|seq| far.frame(seq));
    assert_eq!(far.heard(), [10, 9000, 9001].map(audio));
}

/// The far end's clock is fast or slow by 300 ppm, ten times what crystals are, for a quarter of an hour.
#[test]
fn clock_that_drifts_costs_no_sample() {
    for ppm in [-300i64, 300] {
        let mut far = Far::new();
        for seq in 0..45_000u64 {
            far.frame(seq as u16);
            far.now += Duration::from_nanos((20_000_000 + 20 * ppm) as u64);
            assert_eq!(far.heard().len(), 1);
        }
        assert_eq!(far.receiver.tally().lost, 0);
        assert_eq!(far.receiver.wait(), Duration::from_millis(40));
    }
}

#[test]
fn survives_mutated_packets() {
    let mut rng = fastrand::Rng::with_seed(3550);
    let mut receiver = Receiver::new();
    let mut sender = Sender::new(0, 1);
    let mut now = Instant::now();
    for _ in 0..100_000 {
        let mut wire = sender.wrap(&[0; 20]);
        for _ in 0..rng.usize(0..4) {
            let at = rng.usize(..wire.len());
            wire[at] = rng.u8(..);
        }
        wire.truncate(rng.usize(..=wire.len()));
        if let Ok(packet) = Packet::decode(&wire) {
            receiver.handle(&packet, rng.bool(), now);
        }
        now += Duration::from_millis(rng.u64(..30));
        let mut samples = 0;
        while let Some(playout) = receiver.poll(now) {
            samples += match playout {
                Playout::Packet { payload, .. } => payload.len(),
                Playout::Lost(samples) => samples,
            };
        }
        assert!(samples < 20_000, "made up");
        assert!(receiver.wait() <= Duration::from_millis(240));
    }
}
