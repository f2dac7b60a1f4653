//! Our T.38 terminal against a far end that is written down packet by packet (T.38 7.3, version 0; T.30 5.3).

use std::cell::RefCell;
use std::rc::Rc;

use super::super::*;
use crate::pages::bitmap::Bitmap;
use crate::pages::{FaxPage, PAGE_WIDTH, g4, tiff};

// T.30 5.3.6.1, without the X bit.
const DIS: u8 = 0x80;
const DCS: u8 = 0x82;
const CFR: u8 = 0x84;
const FTT: u8 = 0x44;
const MCF: u8 = 0x8c;
const RTN: u8 = 0x4c;
const MPS: u8 = 0x4e;
const EOM: u8 = 0x8e;
const EOP: u8 = 0x2e;
const DCN: u8 = 0xfa;

// T.38 7.3.1, tables 2 and 3.
const NO_SIGNAL: u8 = 0;
const PREAMBLE: u8 = 3;
const V17_SHORT: u8 = 14;
const V17_LONG: u8 = 15;
const V21: u8 = 0;
const V17: u8 = 8;

// T.38 7.3.2.
const HDLC: u8 = 0;
const FCS_OK: u8 = 2;
const FCS_OK_END: u8 = 4;
const T4: u8 = 6;
const T4_END: u8 = 7;

/// 14,400 bit/s, fine, A4, no minimum scan line time; T.4 one-dimensional without error correction.
const DCS_FIF: [u8; 3] = [0x00, 0x62, 0x70];
/// The same for one that we send to: V.17, fine.
const DIS_FIF: [u8; 3] = [0x00, 0x6e, 0x70];

/// What was asked of the holder.
struct Kept(Rc<RefCell<Vec<String>>>);

impl Holder for Kept {
    fn page_received(&mut self, page: u32, last: bool, _lost: u32) -> Result<(), NotKept> {
        let which = if last { "last page" } else { "page" };
        self.0.borrow_mut().push(format!("{which} {page}"));
        Ok(())
    }

    fn last_page_leaving(&mut self, page: u32) -> Result<bool, NotKept> {
        self.0.borrow_mut().push(format!("end of page {page}"));
        Ok(true)
    }
}

/// The far end of one call, and our terminal.
struct FarEnd {
    terminal: T38Terminal,
    kept: Rc<RefCell<Vec<String>>>,
    seq: u16,
    /// X bit of its frames.
    x: u8,
    /// The frame that comes in now, and the ones that are through, by their FCF without the X bit.
    frame: Vec<u8>,
    heard: Vec<u8>,
    /// How often fast data ended.
    fast_ends: usize,
    _tiff: tempfile::NamedTempFile,
}

impl FarEnd {
    /// Sends to us.
    fn sender() -> FarEnd {
        FarEnd::new(Role::Receiver, tempfile::NamedTempFile::new().unwrap())
    }

    /// Receives so many pages from us, each of which takes some seconds.
    fn receiver(pages: usize) -> FarEnd {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut bitmap = Bitmap::new(PAGE_WIDTH, 100).unwrap();
        for (x, y) in (0..PAGE_WIDTH).flat_map(|x| (0..100).map(move |y| (x, y))) {
            if rng.bool() {
                bitmap.set(x, y);
            }
        }
        let page = FaxPage {
            width: PAGE_WIDTH,
            height: 100,
            x_dpi: 204,
            y_dpi: 196,
            g4: g4::encode(&bitmap),
        };
        let tiff = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(tiff.path(), tiff::write(&vec![page; pages])).unwrap();
        FarEnd::new(Role::Sender, tiff)
    }

    fn new(role: Role, tiff: tempfile::NamedTempFile) -> FarEnd {
        let options = Options {
            role,
            calling: role == Role::Sender,
            ident: "+1 555 0100".to_owned(),
            tiff: tiff.path().to_str().unwrap().to_owned(),
            documents: Vec::new(),
            ecm: false,
            max_bit_rate: 14400,
            t85: false,
            sub_address: None,
            password: None,
        };
        let kept = Rc::default();
        let holder = Box::new(Kept(Rc::clone(&kept)));
        FarEnd {
            terminal: T38Terminal::new(&options, 0, holder).unwrap(),
            kept,
            seq: 0,
            x: u8::from(role == Role::Receiver),
            frame: Vec::new(),
            heard: Vec::new(),
            fast_ends: 0,
            _tiff: tiff,
        }
    }

    // ---- what it says ----

    fn packet(&mut self, octets: &[u8]) {
        self.terminal.handle_ifp(octets, self.seq);
        self.seq = self.seq.wrapping_add(1);
    }

    fn indicate(&mut self, indicator: u8) {
        self.packet(&[indicator << 1]);
    }

    fn data(&mut self, modem: u8, field: u8, octets: &[u8]) {
        let mut packet = vec![0xc0 | modem << 1, 1, field << 4];
        if let Some(len) = octets.len().checked_sub(1) {
            packet[2] |= 0x80;
            packet.extend(u16::try_from(len).unwrap().to_be_bytes());
            packet.extend(octets);
        }
        self.packet(&packet);
    }

    /// One frame, the last of its series, behind its preamble.
    fn say(&mut self, fcf: u8, fif: &[u8]) {
        self.indicate(PREAMBLE);
        self.pass(1000);
        let x = if fcf == DIS { 0 } else { self.x };
        let frame: Vec<u8> = [0xff, 0x13, fcf | x].iter().chain(fif).copied().collect();
        for octet in frame {
            self.data(V21, HDLC, &[octet.reverse_bits()]);
            self.pass(30);
        }
        self.data(V21, FCS_OK, &[]);
        self.data(V21, FCS_OK_END, &[]);
        self.indicate(NO_SIGNAL);
        self.pass(70);
    }

    /// DCS and a training check that is all right.
    fn train(&mut self) {
        self.say(DCS, &DCS_FIF);
        self.indicate(V17_LONG);
        self.pass(1400);
        for _ in 0..50 {
            self.data(V17, T4, &[0; 54]);
            self.pass(30);
        }
        self.end_fast();
    }

    fn end_fast(&mut self) {
        self.data(V17, T4_END, &[]);
        self.indicate(NO_SIGNAL);
        self.pass(80);
    }

    /// A page of white rows in T.4 one-dimensional coding (T.4 4.1).
    fn page(&mut self) {
        self.indicate(V17_SHORT);
        self.pass(150);
        for octets in white_rows(400).chunks(54) {
            self.data(V17, T4, octets);
            self.pass(30);
        }
        self.end_fast();
    }

    /// The gateway's modem did not train: an indicator, and nothing behind it.
    fn page_that_does_not_train(&mut self) {
        self.indicate(V17_SHORT);
        self.pass(3000);
        self.indicate(NO_SIGNAL);
        self.pass(80);
    }

    /// Noise in place of a page.
    fn bad_page(&mut self) {
        let mut rng = fastrand::Rng::with_seed(7);
        self.indicate(V17_SHORT);
        self.pass(150);
        for _ in 0..60 {
            let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(54).collect();
            self.data(V17, T4, &noise);
            self.pass(30);
        }
        self.end_fast();
    }

    // ---- what it hears ----

    /// So many milliseconds pass.
    fn pass(&mut self, milliseconds: u32) {
        for _ in 0..milliseconds / 10 {
            self.terminal.tick(80);
            while let Some(ifp) = self.terminal.poll_transmit() {
                self.hear(&ifp.octets);
            }
        }
    }

    fn hear(&mut self, ifp: &[u8]) {
        let [head, count, fields @ ..] = ifp else {
            return;
        };
        if head & 0xc0 != 0xc0 {
            return;
        }
        let (is_v21, mut fields) = (head & 0x3e == 0, fields);
        for _ in 0..*count {
            let [field, behind @ ..] = fields else { return };
            let mut octets: &[u8] = &[];
            fields = behind;
            if let (true, [high, low, data @ ..]) = (field & 0x80 != 0, behind) {
                let len = usize::from(u16::from_be_bytes([*high, *low])) + 1;
                (octets, fields) = data.split_at(len);
            }
            match field >> 4 & 7 {
                HDLC if is_v21 => self.frame.extend(octets.iter().map(|o| o.reverse_bits())),
                FCS_OK | FCS_OK_END if is_v21 => {
                    let frame = std::mem::take(&mut self.frame);
                    self.heard.extend(frame.get(2).map(|fcf| fcf & !1));
                }
                T4_END if !is_v21 => self.fast_ends += 1,
                _ => {}
            }
        }
    }

    /// Waits for one of our frames, and forgets those before it.
    fn wait_for(&mut self, fcf: u8) {
        for _ in 0..4000 {
            if let Some(at) = self.heard.iter().position(|heard| *heard == fcf) {
                self.heard.drain(..=at);
                return;
            }
            assert!(
                fcf == DCN || !self.heard.contains(&DCN),
                "DCN and not {fcf:#x}"
            );
            self.pass(10);
        }
        panic!("{fcf:#x} never came, but {:x?}", self.heard);
    }

    /// Waits until so many of our training checks and pages are over.
    fn wait_for_fast_ends(&mut self, count: usize) {
        for _ in 0..4000 {
            if self.fast_ends >= count {
                return;
            }
            self.pass(10);
        }
        panic!("{} of {count} ended", self.fast_ends);
    }

    fn kept(&self) -> Vec<String> {
        self.kept.borrow().clone()
    }

    fn ending(&mut self) -> Ending {
        for _ in 0..4000 {
            while let Some(event) = self.terminal.poll_event() {
                if let Event::Ended(ending) = event {
                    return ending;
                }
            }
            self.pass(10);
        }
        panic!("no end");
    }

    // ---- whole parts of a call ----

    /// Up to the CFR for a page to us.
    fn sender_that_has_trained() -> FarEnd {
        let mut far = FarEnd::sender();
        far.wait_for(DIS);
        far.train();
        far.wait_for(CFR);
        far
    }

    /// The farewell of a sender that is through.
    fn hang_up(mut self) -> Ending {
        self.say(DCN, &[]);
        self.ending()
    }
}

/// Rows of 1,728 white pels, each behind its EOL, and RTC.
fn white_rows(rows: usize) -> Vec<u8> {
    const EOL: &str = "000000000001";
    const WHITE_1728: &str = "010011011";
    const WHITE_0: &str = "00110101";
    let mut bits = format!("{EOL}{WHITE_1728}{WHITE_0}").repeat(rows);
    bits.push_str(&EOL.repeat(6));
    let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
    let octet =
        |bits: &[u8]| bits.iter().fold(0, |octet, bit| octet << 1 | bit) << (8 - bits.len());
    bits.chunks(8).map(octet).collect()
}

// ---- pages to us ----

#[test]
fn pages_that_come_are_confirmed() {
    let mut far = FarEnd::sender_that_has_trained();
    far.page();
    far.say(MPS, &[]);
    far.wait_for(MCF);
    far.page();
    far.say(EOP, &[]);
    far.wait_for(MCF);
    assert_eq!(far.kept(), ["page 1", "last page 2"]);
    let ending = far.hang_up();
    assert!(ending.complete && ending.pages == 2, "{ending:?}");
}

#[test]
fn page_that_never_came_is_not_confirmed_whatever_ends_it() {
    for end in [MPS, EOM, EOP] {
        let mut far = FarEnd::sender_that_has_trained();
        far.page();
        far.say(MPS, &[]);
        far.wait_for(MCF);
        far.page_that_does_not_train();
        far.say(end, &[]);
        far.wait_for(RTN);
        assert!(!far.heard.contains(&MCF), "{end:x}");
        assert_eq!(far.kept(), ["page 1"]);
        // It trains anew, and this time the page comes.
        far.train();
        far.wait_for(CFR);
        far.page();
        far.say(EOP, &[]);
        far.wait_for(MCF);
        assert_eq!(far.kept(), ["page 1", "last page 2"]);
        let ending = far.hang_up();
        assert!(ending.complete && ending.pages == 2, "{ending:?}");
    }
}

#[test]
fn page_whose_packets_are_all_lost_is_not_confirmed() {
    for (pages_before, end) in [(0, MPS), (0, EOP), (1, MPS), (1, EOP)] {
        let mut far = FarEnd::sender_that_has_trained();
        for _ in 0..pages_before {
            far.page();
            far.say(MPS, &[]);
            far.wait_for(MCF);
        }
        far.seq += 200;
        far.pass(5000);
        far.say(end, &[]);
        far.wait_for(RTN);
        assert_eq!(far.kept().len(), pages_before);
        far.train();
        far.wait_for(CFR);
        far.page();
        far.say(EOP, &[]);
        far.wait_for(MCF);
        assert_eq!(far.kept().len(), pages_before + 1);
        let ending = far.hang_up();
        assert!(ending.complete, "{ending:?}");
    }
}

#[test]
fn fax_whose_last_page_never_came_is_not_complete() {
    let mut far = FarEnd::sender_that_has_trained();
    far.page();
    far.say(MPS, &[]);
    far.wait_for(MCF);
    far.page_that_does_not_train();
    far.say(EOP, &[]);
    far.wait_for(RTN);
    let ending = far.hang_up();
    assert!(!ending.complete && ending.pages == 1, "{ending:?}");
}

/// The sender did not hear MCF: the page is there once.
#[test]
fn command_that_is_repeated_has_its_answer_repeated() {
    for (end, kept) in [(MPS, "page 1"), (EOP, "last page 1")] {
        let mut far = FarEnd::sender_that_has_trained();
        far.page();
        for _ in 0..2 {
            far.say(end, &[]);
            far.wait_for(MCF);
            far.pass(2000);
        }
        assert_eq!(far.kept(), [kept]);
    }
}

#[test]
fn last_page_that_is_refused_can_be_sent_again() {
    for end in [EOP, EOM] {
        let mut far = FarEnd::sender_that_has_trained();
        far.bad_page();
        far.say(end, &[]);
        far.wait_for(RTN);
        // The sender did not hear it.
        far.pass(2500);
        far.say(end, &[]);
        far.wait_for(RTN);
        far.train();
        far.wait_for(CFR);
        far.page();
        far.say(EOP, &[]);
        far.wait_for(MCF);
        assert_eq!(far.kept(), ["last page 1"]);
        let ending = far.hang_up();
        assert!(ending.complete && ending.pages == 1, "{ending:?}");
    }
}

#[test]
fn training_check_that_did_not_train_is_answered_with_ftt() {
    let mut far = FarEnd::sender();
    far.wait_for(DIS);
    far.say(DCS, &DCS_FIF);
    far.indicate(V17_LONG);
    far.pass(2900);
    far.indicate(NO_SIGNAL);
    // The sender's T4: it would say DCS again.
    far.pass(3000);
    assert!(far.heard.contains(&FTT), "{:x?}", far.heard);
    far.train();
    far.wait_for(CFR);
}

#[test]
fn dcs_that_is_repeated_before_its_training_check_ends_nothing() {
    for pause in [0, 500, 2000] {
        let mut far = FarEnd::sender();
        far.wait_for(DIS);
        far.say(DCS, &DCS_FIF);
        far.pass(pause);
        far.train();
        far.wait_for(CFR);
        far.page();
        far.say(EOP, &[]);
        far.wait_for(MCF);
        assert_eq!(far.kept(), ["last page 1"]);
    }
}

// ---- pages from us ----

/// A long way: its DIS, and its answers to what we repeated, come while we send.
#[test]
fn frames_that_cross_ours_end_nothing() {
    for after in (0..3000).step_by(250) {
        let mut far = FarEnd::receiver(2);
        far.say(DIS, &DIS_FIF);
        far.pass(after);
        far.say(DIS, &DIS_FIF);
        far.wait_for_fast_ends(1);
        far.pass(100);
        far.say(CFR, &[]);
        far.pass(after);
        far.say(CFR, &[]);
        far.wait_for(MPS);
        assert_eq!(far.fast_ends, 2);
        far.pass(100);
        far.say(MCF, &[]);
        far.pass(after);
        far.say(MCF, &[]);
        far.pass(1000);
        assert!(!far.heard.contains(&EOP), "one MCF is for one page");
        far.wait_for(EOP);
        assert_eq!(far.kept(), ["end of page 2"]);
        far.pass(100);
        far.say(MCF, &[]);
        far.wait_for(DCN);
        let ending = far.ending();
        assert!(ending.complete && ending.pages == 2, "{after}: {ending:?}");
    }
}

/// What it says of a page behind that page still counts, and its farewell does at any time.
#[test]
fn far_end_that_hangs_up_in_a_page_is_heard() {
    let mut far = FarEnd::receiver(1);
    far.say(DIS, &DIS_FIF);
    far.wait_for_fast_ends(1);
    far.pass(100);
    far.say(CFR, &[]);
    far.pass(2000);
    let ending = far.hang_up();
    assert!(ending.dcn_received && !ending.complete, "{ending:?}");
}
