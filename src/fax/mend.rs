//! What SpanDSP's receiver lacks where a line loses packets, put right from outside.
//!
//! - When the modem cannot train for TCF, it says nothing, and takes the repeated DCS for a broken rule. T.30 5.3.6.1.4
//!   has FTT for it: we report a training check that failed.
//! - When MCF behind the last page was lost, it takes the repeated PPS-EOP (or PPS-EOM) for a broken rule. T.30 annex A.4.3 has the
//!   answer repeated: we make the frame a CRP ("command repeat"), which does just that.
//! - When the modem cannot train for a page in ECM and PPS behind it is spoilt too, it takes 200 ms of silence for the
//!   end of T2 and begins anew with DIS, which no sender expects there. T.30 gives the sender three tries at 3 s
//!   intervals (T4): we report a carrier, which stops that timer, until all of them are over.

use super::Role;
use super::frames::{self, Frame};

/// Samples from DCS to the end of TCF and some more: V.17 trains for 1.4 s, TCF lasts 1.5 s, 10 % more or less, and the
/// sender waits 3 s for an answer (T4).
const TRAINING: u32 = 29_600;
/// FCF of PPS.
const PPS: u8 = 0xbe;
/// FCF of PPR.
const PPR: u8 = 0xbc;
/// FCF of CTR.
const CTR: u8 = 0xc4;
/// FCF of CRP, with the bit of a station that has got DIS.
const CRP: u8 = 0x1a | 1;

/// Mean square of samples below which they are no signal: -43 dBm0.
const QUIET: i64 = 114 * 114;
/// Samples of silence after which a carrier is reported, several times within the 200 ms, and those after which it is
/// gone: 12 s.
const HUSH: (usize, usize) = (640, 96_000);
/// How often it is reported, at steps of [`HUSH`].
const REPORTS: usize = 3;

/// Samples that our answer takes at least, in which the far end falls silent; and of signal that is more than a click.
const SIGNAL: (usize, usize) = (6_400, 1_600);

/// What to tell SpanDSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The training check has failed.
    TrainingFailed,
    /// There is a carrier.
    CarrierUp,
    /// There is none.
    CarrierDown,
}

/// Watches the frames of one call.
#[derive(Debug)]
pub(super) struct Mend {
    role: Role,
    /// Samples since DCS came, as long as we have not answered.
    training: Option<u32>,
    /// The last page of a document is confirmed.
    confirmed: bool,
    /// Where a page in ECM is due.
    hush: Option<Hush>,
    ecm: bool,
}

impl Mend {
    pub(super) fn new(role: Role) -> Mend {
        Mend {
            role,
            training: None,
            confirmed: false,
            hush: None,
            ecm: false,
        }
    }

    /// A frame passes; returns what its FCF should be instead.
    pub(super) fn frame(&mut self, incoming: bool, octets: &[u8], frame: Frame<'_>) -> Option<u8> {
        match (self.role, incoming) {
            (Role::Sender, _) => None,
            (Role::Receiver, true) => self.incoming(octets, frame),
            (Role::Receiver, false) => {
                self.outgoing(octets, frame);
                None
            }
        }
    }

    fn incoming(&mut self, octets: &[u8], frame: Frame<'_>) -> Option<u8> {
        let is_pps = octets.get(2).is_some_and(|fcf| fcf & 0xfe == PPS);
        match frame {
            Frame::Dcs(fif) => {
                self.training = Some(0);
                self.ecm = frames::dcs(fif).ecm;
            }
            Frame::EndOfProcedure | Frame::EndOfDocument if is_pps && self.confirmed => {
                return Some(CRP);
            }
            _ if is_pps => self.hush = None,
            _ => {}
        }
        None
    }

    fn outgoing(&mut self, octets: &[u8], frame: Frame<'_>) {
        self.training = None;
        let is_partial = octets
            .get(2)
            .is_some_and(|fcf| matches!(fcf & 0xfe, PPR | CTR));
        let page_follows = match frame {
            Frame::Cfr => true,
            Frame::Mcf => !self.confirmed,
            _ => is_partial,
        };
        self.confirmed &= frame == Frame::Mcf;
        self.hush = (page_follows && self.ecm).then(Hush::default);
    }

    /// The last page of a document was taken, and MCF leaves.
    pub(super) fn last_page_confirmed(&mut self) {
        self.confirmed = true;
    }

    /// This came in.
    pub(super) fn heard(&mut self, samples: &[i16]) -> Option<Remedy> {
        let square = |&sample: &i16| i64::from(sample) * i64::from(sample);
        let energy: i64 = samples.iter().map(square).sum();
        let silent = energy < QUIET * samples.len() as i64;
        let hush = self.hush.as_mut();
        let remedy = hush.and_then(|hush| hush.heard(samples.len(), silent));
        self.time_passed(samples.len()).or(remedy)
    }

    /// So many samples were lost.
    pub(super) fn lost(&mut self, samples: usize) -> Option<Remedy> {
        self.time_passed(samples)
    }

    fn time_passed(&mut self, samples: usize) -> Option<Remedy> {
        let since = self.training.as_mut()?;
        *since = since.saturating_add(samples as u32);
        let over = *since >= TRAINING;
        if over {
            self.training = None;
        }
        over.then_some(Remedy::TrainingFailed)
    }
}

/// The silence behind a page that may not have been understood. All in samples.
#[derive(Debug, Default)]
struct Hush {
    since_answer: usize,
    signal: usize,
    silence: usize,
}

impl Hush {
    fn heard(&mut self, samples: usize, silent: bool) -> Option<Remedy> {
        self.since_answer += samples;
        if self.since_answer < SIGNAL.0 {
            return None;
        }
        if !silent {
            self.signal += samples;
            self.silence = 0;
            return None;
        }
        if self.signal < SIGNAL.1 {
            return None;
        }
        let before = self.silence;
        self.silence += samples;
        let reached = |mark: usize| before < mark && self.silence >= mark;
        match () {
            () if (1..=REPORTS).any(|n| reached(n * HUSH.0)) => Some(Remedy::CarrierUp),
            () if reached(HUSH.1) => Some(Remedy::CarrierDown),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DCS: &[u8] = &[0xff, 0x13, 0x83, 0x00, 0x62, 0xf8, 0x44];
    const CFR: &[u8] = &[0xff, 0x13, 0x84];
    const MCF: &[u8] = &[0xff, 0x13, 0x8c];
    const PPS_EOP: &[u8] = &[0xff, 0x13, 0xbf, 0x2f, 0, 0, 9];
    const LOUD: [i16; 160] = [5000; 160];
    const SILENT: [i16; 160] = [3; 160];

    fn pass(mend: &mut Mend, incoming: bool, octets: &[u8]) -> Option<u8> {
        mend.frame(incoming, octets, frames::read(octets))
    }

    /// Frames of 20 ms until there is a remedy.
    fn until_remedy(mend: &mut Mend, samples: &[i16], frames: usize) -> Option<(usize, Remedy)> {
        (1..=frames).find_map(|n| mend.heard(samples).map(|remedy| (n, remedy)))
    }

    #[test]
    fn training_that_never_comes_has_failed_before_the_sender_asks_again() {
        let mut mend = Mend::new(Role::Receiver);
        pass(&mut mend, true, DCS);
        let remedy = until_remedy(&mut mend, &LOUD, 500);
        assert_eq!(remedy, Some((185, Remedy::TrainingFailed)), "after 3.7 s");
        assert_eq!(until_remedy(&mut mend, &LOUD, 500), None, "once");
        pass(&mut mend, true, DCS);
        pass(&mut mend, false, CFR);
        assert_eq!(until_remedy(&mut mend, &LOUD, 500), None, "answered");
    }

    #[test]
    fn last_pps_that_comes_again_is_a_plea_to_repeat_mcf() {
        let mut mend = Mend::new(Role::Receiver);
        assert_eq!(pass(&mut mend, true, PPS_EOP), None);
        mend.last_page_confirmed();
        pass(&mut mend, false, MCF);
        assert_eq!(pass(&mut mend, true, PPS_EOP), Some(CRP));
        pass(&mut mend, false, MCF);
        assert_eq!(pass(&mut mend, true, PPS_EOP), Some(CRP));
    }

    #[test]
    fn silence_behind_a_page_that_was_not_understood_is_not_the_end() {
        let mut mend = Mend::new(Role::Receiver);
        pass(&mut mend, true, DCS);
        pass(&mut mend, false, CFR);
        assert_eq!(
            until_remedy(&mut mend, &SILENT, 60),
            None,
            "before the page"
        );
        assert_eq!(until_remedy(&mut mend, &LOUD, 100), None);
        for _ in 0..REPORTS {
            let remedy = until_remedy(&mut mend, &SILENT, 5);
            assert_eq!(remedy, Some((4, Remedy::CarrierUp)));
        }
        let (frames, remedy) = until_remedy(&mut mend, &SILENT, 1000).unwrap();
        assert_eq!(remedy, Remedy::CarrierDown);
        assert_eq!(frames + 4 * REPORTS, 600, "after 12 s");
    }

    #[test]
    fn sender_is_left_alone() {
        let mut mend = Mend::new(Role::Sender);
        pass(&mut mend, false, DCS);
        assert_eq!(until_remedy(&mut mend, &LOUD, 500), None);
    }
}
