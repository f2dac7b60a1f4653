//! What SpanDSP lacks where a line loses packets or is long, put right from outside. Each is found in SpanDSP as
//! spandsp-sys 0.2 brings it.
//!
//! The receiver:
//!
//! - When the modem cannot train for TCF, it says nothing, and takes the repeated DCS for a broken rule. T.30 5.3.6.1.4
//!   has FTT for it: we report a training check that failed.
//! - When MCF behind the last page was lost, it takes the repeated PPS-EOP (or PPS-EOM) for a broken rule. T.30 annex A.4.3 has the
//!   answer repeated: we make the frame a CRP ("command repeat"), which does just that.
//! - When the modem cannot train for a page in ECM and PPS behind it is spoilt too, it takes 200 ms of silence for the
//!   end of T2 and begins anew with DIS, which no sender expects there. T.30 gives the sender three tries at 3 s
//!   intervals (T4): we report a carrier, which stops that timer, until all of them are over.
//! - Without ECM it takes MPS, EOM or EOP for a repeat, and says MCF again, unless a modem told it that a carrier came.
//!   `t38_terminal.c` never does: a page with which the gateway's modem could not train is confirmed. We report the
//!   training that T.38's indicators tell of, and where packets were lost in place of it, the MCF becomes RTN.
//! - It takes RTN to a last page (EOP, EOM) for the end and answers the DCS that follows with DCN, against T.30 5.3.6.1.7.
//!   Where it is going to say RTN, we let it take that command for MPS: then it waits for the page.
//! - DCS that is repeated before TCF came is a broken rule to it. It is ignored here; the training check is not.
//!
//! The sender, in T.38:
//!
//! - While it sends TCF or a page, an answer that comes late, to a command that was repeated meanwhile, is a broken rule
//!   to it and ends the call; so does a DIS that crosses our DCS. T.30 5.4.1 has the sender read answers behind its
//!   commands only: what comes before is ignored here.

use super::Role;
use super::frames::{self, Frame};

/// Samples from DCS to the end of TCF and some more: V.17 trains for 1.4 s, TCF lasts 1.5 s, 10 % more or less, and the
/// sender waits 3 s for an answer (T4).
const TRAINING: u32 = 29_600;
/// The same in T.38, where packets come a little late; FTT has left before the sender says DCS again.
const TRAINING_T38: u32 = 33_600;
/// FCF of PPS.
const PPS: u8 = 0xbe;
/// FCF of PPR.
const PPR: u8 = 0xbc;
/// FCF of CTR.
const CTR: u8 = 0xc4;
/// FCF of CRP, with the bit of a station that has got DIS.
const CRP: u8 = 0x1a | 1;
/// FCF of CRP, MPS, RTN and RTP without the X bit.
const CRP_BARE: u8 = 0x1a;
const MPS: u8 = 0x4e;
const RTN: u8 = 0x4c;
const RTP: u8 = 0xcc;
/// What SpanDSP says in place of an answer that it never gave (-1).
const NO_ANSWER: u8 = 0xfe;
const X_BIT: u8 = 1;

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
    /// A fast modem trains.
    TrainingBegun,
}

/// What SpanDSP is to take a frame for; what leaves in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    /// A frame with this FCF.
    Fcf(u8),
    /// None at all.
    Nothing,
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
    /// Where a page without ECM is due: what came in since our last answer.
    due: Option<Came>,
    /// The last command behind a page was MPS, for SpanDSP.
    more_pages: bool,
    /// Sender in T.38: DCS, TCF or a page is on its way out.
    dcs_leaves: bool,
    talks: bool,
}

/// What came since our last answer.
#[derive(Debug, Default)]
struct Came {
    /// A fast signal, or the training of one.
    carrier: bool,
    /// Packets were lost.
    gap: bool,
    /// A page was taken.
    page: bool,
}

impl Mend {
    pub(super) fn new(role: Role) -> Mend {
        Mend {
            role,
            training: None,
            confirmed: false,
            hush: None,
            ecm: false,
            due: None,
            more_pages: true,
            dcs_leaves: false,
            talks: false,
        }
    }

    /// A frame passes; returns what it should be instead. `page_is_bad`: the page that came in is one that SpanDSP answers
    /// with RTN.
    pub(super) fn frame(
        &mut self,
        incoming: bool,
        octets: &[u8],
        frame: Frame<'_>,
        page_is_bad: bool,
    ) -> Option<Instead> {
        match (self.role, incoming) {
            (Role::Sender, true) => self.answer(octets, frame),
            (Role::Sender, false) => {
                // TSI, SUB and SID go before DCS.
                self.dcs_leaves |= matches!(
                    frame,
                    Frame::Ident(_) | Frame::SubAddress(_) | Frame::Password(_) | Frame::Dcs(_)
                );
                None
            }
            (Role::Receiver, true) => self.incoming(octets, frame, page_is_bad),
            (Role::Receiver, false) => self.outgoing(octets, frame),
        }
    }

    /// To a sender.
    fn answer(&self, octets: &[u8], frame: Frame<'_>) -> Option<Instead> {
        let is_final = octets
            .get(1)
            .is_some_and(|control| control & frames::FINAL != 0);
        let is_crp = octets.get(2).is_some_and(|fcf| fcf & !X_BIT == CRP_BARE);
        let ignored = self.talks && is_final && !is_crp && frame != Frame::Dcn;
        ignored.then_some(Instead::Nothing)
    }

    fn incoming(&mut self, octets: &[u8], frame: Frame<'_>, page_is_bad: bool) -> Option<Instead> {
        let fcf = octets.get(2)?;
        let is_pps = fcf & 0xfe == PPS;
        match frame {
            Frame::Dcs(fif) => {
                let repeated = self.training.replace(0).is_some();
                self.ecm = frames::dcs(fif).ecm;
                return repeated.then_some(Instead::Nothing);
            }
            Frame::EndOfProcedure | Frame::EndOfDocument if is_pps && self.confirmed => {
                return Some(Instead::Fcf(CRP));
            }
            Frame::EndOfProcedure | Frame::EndOfDocument if !is_pps && !self.ecm => {
                let came = self.due.as_ref().is_some_and(|came| came.carrier);
                self.more_pages = came && page_is_bad;
                return self.more_pages.then_some(Instead::Fcf(MPS | fcf & X_BIT));
            }
            Frame::EndOfPage if !is_pps => self.more_pages = true,
            _ if is_pps => self.hush = None,
            _ => {}
        }
        None
    }

    fn outgoing(&mut self, octets: &[u8], frame: Frame<'_>) -> Option<Instead> {
        let fcf = octets.get(2)?;
        let missed = |came: &Came| !came.page && (came.carrier || came.gap);
        let is_missed = frame == Frame::Mcf && self.due.as_ref().is_some_and(missed);
        let answers = frame == Frame::Mcf || matches!(fcf & !X_BIT, RTN | RTP | NO_ANSWER);
        if frame == Frame::Cfr || answers {
            let is_due = !self.ecm && (frame == Frame::Cfr || self.more_pages);
            self.due = is_due.then(Came::default);
        }
        self.note_outgoing(octets, frame);
        (is_missed || fcf & !X_BIT == NO_ANSWER).then_some(Instead::Fcf(RTN | fcf & X_BIT))
    }

    fn note_outgoing(&mut self, octets: &[u8], frame: Frame<'_>) {
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

    /// A page was taken, and its answer leaves.
    pub(super) fn page_taken(&mut self) {
        if let Some(came) = &mut self.due {
            came.page = true;
        }
    }

    /// An IFP packet came in, behind a gap in the numbers or not.
    pub(super) fn packet(&mut self, ifp: &[u8], gap: bool) -> Option<Remedy> {
        let is_fast = frames::trains(ifp) || frames::is_fast_data(ifp);
        if let Some(came) = &mut self.due {
            came.carrier |= is_fast;
            came.gap |= gap;
        }
        let trains = self.role == Role::Receiver && frames::trains(ifp);
        trains.then_some(Remedy::TrainingBegun)
    }

    /// An IFP packet leaves.
    pub(super) fn leaves(&mut self, ifp: &[u8]) {
        if self.role != Role::Sender {
            return;
        }
        self.talks |= std::mem::take(&mut self.dcs_leaves) || frames::trains(ifp);
        if frames::is_fast_data(ifp) && frames::ends_signal(ifp) {
            self.talks = false;
        }
    }

    /// So much time went by in T.38.
    pub(super) fn ticked(&mut self, samples: u32) -> Option<Remedy> {
        self.time_passed(samples as usize, TRAINING_T38)
    }

    /// This came in.
    pub(super) fn heard(&mut self, samples: &[i16]) -> Option<Remedy> {
        let square = |&sample: &i16| i64::from(sample) * i64::from(sample);
        let energy: i64 = samples.iter().map(square).sum();
        let silent = energy < QUIET * samples.len() as i64;
        let hush = self.hush.as_mut();
        let remedy = hush.and_then(|hush| hush.heard(samples.len(), silent));
        self.time_passed(samples.len(), TRAINING).or(remedy)
    }

    /// So many samples were lost.
    pub(super) fn lost(&mut self, samples: usize) -> Option<Remedy> {
        self.time_passed(samples, TRAINING)
    }

    fn time_passed(&mut self, samples: usize, limit: u32) -> Option<Remedy> {
        let since = self.training.as_mut()?;
        *since = since.saturating_add(samples as u32);
        let over = *since >= limit;
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

    fn pass(mend: &mut Mend, incoming: bool, octets: &[u8]) -> Option<Instead> {
        mend.frame(incoming, octets, frames::read(octets), false)
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
        assert_eq!(pass(&mut mend, true, PPS_EOP), Some(Instead::Fcf(CRP)));
        pass(&mut mend, false, MCF);
        assert_eq!(pass(&mut mend, true, PPS_EOP), Some(Instead::Fcf(CRP)));
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
