//! Waits of SpanDSP that are longer than anybody needs, cut short: while nothing goes on but such a wait, its clock is
//! put forward. In audio, that is a piece of its signal that nobody gets to hear.
//!
//! What is left alone: the preamble of V.21 keeps its whole second, though T.30 5.3.1 would allow 0.85 s (adapters are
//! known that fail then), and data is never hurried, for a gateway plays it to a modem at the speed of the line.

use super::frames;

/// Samples of 125 us in a millisecond.
const MS: u32 = 8;
/// What can be spared of the 200 ms of silence before CED where audio was before. The rest is for the packets that open
/// a NAT: they say "no signal" too.
const SILENCE: u32 = 150 * MS;
/// The tone as SpanDSP has it, ...
const CED: u32 = 3000 * MS;
/// ... the shortest that T.30 4.3.3.2 knows, ...
const SHORTEST_CED: u32 = 2600 * MS;
/// ... and what stays of it behind audio. The gateway has switched to T.38, so nobody waits for the tone any more: those
/// that switch on the preamble of DIS, and many do, never say it in T.38 at all. A second disables echo suppressors.
const REST_OF_CED: u32 = 1000 * MS;
/// The pause between two signals of ours (T.30: 75 ms, 20 more or less), which SpanDSP takes twice.
const PAUSE: u32 = 75 * MS;
/// What can be spared of the 100 ms for which the end of an HDLC signal is kept apart from what follows it.
const END: u32 = 50 * MS;

/// T.38 7.3.2: "FCS OK, signal end".
const FCS_OK_SIG_END: u8 = 4;
/// T.38 7.3.1, table 2: no signal, and CED.
const INDICATORS: (u8, u8) = (0, 2 << 1);

/// Watches what leaves.
#[derive(Debug, Default)]
pub(super) struct Thrift {
    /// There was audio before T.38.
    behind_audio: bool,
    /// CED is said in full all the same.
    whole_ced: bool,
    /// Packets have left.
    begun: bool,
    /// A signal of ours has just ended.
    signal_over: bool,
    /// Samples that the clock is behind of where it might be.
    spare: u32,
}

impl Thrift {
    /// The call was in audio until now; `whole_ced`: what is saved of CED then is not.
    pub(super) fn follow_audio(&mut self, whole_ced: bool) {
        self.behind_audio = true;
        self.whole_ced = whole_ced;
    }

    /// This IFP packet leaves.
    pub(super) fn leaves(&mut self, ifp: &[u8]) {
        let begun = std::mem::replace(&mut self.begun, true);
        let ends = frames::ends_signal(ifp);
        let signal_over = std::mem::replace(&mut self.signal_over, ends);
        self.spare = match *ifp {
            [_, _, field, ..] if ends && field >> 4 & 7 == FCS_OK_SIG_END => END,
            [indicator] if indicator == INDICATORS.1 && self.behind_audio && !self.whole_ced => {
                CED - REST_OF_CED
            }
            [indicator] if indicator == INDICATORS.1 => CED - SHORTEST_CED,
            [indicator] if indicator == INDICATORS.0 && signal_over => PAUSE,
            [indicator] if indicator == INDICATORS.0 && !begun && self.behind_audio => SILENCE,
            _ => 0,
        };
    }

    /// Samples by which to put the clock forward now, told once.
    pub(super) fn take_spare(&mut self) -> u32 {
        std::mem::take(&mut self.spare)
    }
}

/// Samples into CED at which a piece is cut out of it. It is so many whole periods of 2100 Hz that nobody hears the cut.
const CUT: usize = (SILENCE_BEFORE_CED + 1000 * MS) as usize;
/// The silence before it, all of which stays in audio.
const SILENCE_BEFORE_CED: u32 = 200 * MS;
/// Samples of silence behind our DCN until SpanDSP, which would wait for a second, may end: 300 ms for the jitter buffers
/// on the way.
const PARTED: usize = (300 * MS) as usize;
/// Samples of silence that SpanDSP wants behind it.
const PARTING: usize = (1000 * MS) as usize;

/// The same in audio: watches the samples that leave.
#[derive(Debug)]
pub(super) struct AudioThrift {
    called: bool,
    sent: usize,
    /// Samples of silence since our DCN.
    parted: usize,
}

impl AudioThrift {
    /// At the start of a call; `called` if it is ours to say CED.
    pub(super) fn new(called: bool) -> AudioThrift {
        AudioThrift {
            called,
            sent: 0,
            parted: 0,
        }
    }

    /// These samples leave, behind our DCN or as a part of it where `parting`. Returns how many are to be left out now.
    pub(super) fn leaves(&mut self, samples: &[i16], parting: bool) -> usize {
        let before = self.sent;
        self.sent = self.sent.saturating_add(samples.len());
        if self.called && before < CUT && self.sent >= CUT {
            return (CED - SHORTEST_CED) as usize;
        }
        let silent = parting && samples.iter().all(|sample| *sample == 0);
        let waited = if silent { self.parted } else { 0 };
        self.parted = if silent { waited + samples.len() } else { 0 };
        match waited < PARTED && self.parted >= PARTED {
            true => PARTING,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is spared behind each of these packets, in milliseconds.
    fn spared(thrift: &mut Thrift, packets: &[&[u8]]) -> Vec<u32> {
        let spare = |ifp: &&[u8]| {
            thrift.leaves(ifp);
            thrift.take_spare() / MS
        };
        packets.iter().map(spare).collect()
    }

    #[test]
    fn ced_is_as_short_as_t30_allows_and_shorter_behind_audio() {
        let start: [&[u8]; 4] = [&[0x00], &[0x04], &[0x00], &[0x06]];
        assert_eq!(spared(&mut Thrift::default(), &start), [0, 400, 0, 0]);
        let mut thrift = Thrift::default();
        thrift.follow_audio(false);
        assert_eq!(spared(&mut thrift, &start), [150, 2000, 0, 0]);
        let mut thrift = Thrift::default();
        thrift.follow_audio(true);
        assert_eq!(spared(&mut thrift, &start), [150, 400, 0, 0]);
    }

    /// What is left out behind each of so many frames of 20 ms, and behind which.
    fn left_out(
        thrift: &mut AudioThrift,
        sample: i16,
        parting: bool,
        frames: usize,
    ) -> Vec<(usize, usize)> {
        let left_out = (1..=frames).map(|n| (n, thrift.leaves(&[sample; 160], parting)));
        left_out.filter(|(_, samples)| *samples > 0).collect()
    }

    #[test]
    fn ced_in_audio_is_cut_once_between_two_periods() {
        let mut thrift = AudioThrift::new(true);
        assert_eq!(left_out(&mut thrift, 9000, false, 500), [(60, 3200)]);
        assert_eq!(3200 * 2100 % 8000, 0);
        let mut thrift = AudioThrift::new(false);
        assert_eq!(left_out(&mut thrift, 9000, false, 500), []);
    }

    #[test]
    fn silence_is_cut_behind_dcn_and_nowhere_else() {
        let mut thrift = AudioThrift::new(false);
        assert_eq!(left_out(&mut thrift, 0, false, 500), []);
        assert_eq!(left_out(&mut thrift, 7, true, 60), []);
        assert_eq!(left_out(&mut thrift, 0, true, 100), [(15, 8000)]);
    }

    #[test]
    fn one_pause_is_enough_between_two_signals_and_no_data_is_hurried() {
        // The end of DCS, training, TCF, its end; the last octet of a frame and its check sequence.
        let packets: [&[u8]; 7] = [
            &[0xc0, 0x01, 0x40],
            &[0x00],
            &[0x1e],
            &[0xd0, 0x01, 0xe0, 0x00, 0x01, 0x00, 0x00],
            &[0xd0, 0x01, 0xf0, 0x00, 0x01, 0x00, 0x00],
            &[0x00],
            &[0xc0, 0x01, 0x20],
        ];
        let spared = spared(&mut Thrift::default(), &packets);
        assert_eq!(spared, [50, 75, 0, 0, 0, 75, 0]);
    }
}
