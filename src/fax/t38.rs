//! The T.38 terminal: IFP packets in and out.

use std::collections::VecDeque;

use super::ffi::T38Engine;
use super::mend::Remedy;
use super::session::Session;
use super::{Event, Holder, Options, Progress, SetUpFailed};

/// The IFP packet of the indicator "no signal" (T.38 7.3.1): harmless, and good to open a NAT.
pub const NO_SIGNAL: [u8; 1] = [0x00];

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ifp {
    /// The packet.
    pub octets: Vec<u8>,
    /// How often to send its datagram, so that it survives losses.
    pub count: u32,
}

/// What the octets of a packet depend on.
#[derive(Debug, Clone, Copy)]
struct Style {
    calling: bool,
    version: u8,
}

/// A T.30 terminal that speaks T.38.
pub struct T38Terminal {
    engine: T38Engine,
    style: Style,
    farewell: Option<Farewell>,
    /// Number of the next packet.
    expected: Option<u16>,
    /// Samples since our DCN left.
    parted: u32,
}

/// Samples from our DCN to the end: 200 ms, for a gateway's modem to say it to its last bit. SpanDSP would flush the
/// buffers of a modem of our own for a second more, and there is none.
const FLUSH: u32 = 1600;
/// Samples by which to hasten a tick then.
const HASTE: u32 = 4000;

impl T38Terminal {
    /// A terminal at the start of T.30 phase A, speaking T.38 version `version`.
    ///
    /// # Errors
    /// SpanDSP cannot be set up.
    pub fn new(
        options: &Options,
        version: u8,
        holder: Box<dyn Holder>,
    ) -> Result<T38Terminal, SetUpFailed> {
        let mut session = Session::new(options.role, holder);
        session.require(options.password.clone());
        session.send_documents(&options.documents);
        Ok(T38Terminal {
            engine: T38Engine::new(options, version, session)?,
            style: Style {
                calling: options.calling,
                version,
            },
            farewell: None,
            expected: None,
            parted: 0,
        })
    }

    /// A packet came in. Give each packet once and in order; gaps in the numbers are losses.
    pub fn handle_ifp(&mut self, ifp: &[u8], seq: u16) {
        let expected = self.expected.replace(seq.wrapping_add(1));
        let gap = expected.map_or(0, |expected| seq.wrapping_sub(expected));
        // A jump is a new numbering.
        if gap < 256 {
            self.engine.session().lost(gap.into());
        }
        let remedy = self.engine.session().mend().packet(ifp, gap > 0);
        self.drive(|engine| engine.handle_ifp(ifp, seq));
        self.apply(remedy);
    }

    /// Time goes on by this many samples of 125 us: 80 are 10 ms, the tick to use.
    pub fn tick(&mut self, samples: u32) {
        if self.engine.session().dcn_left() {
            self.parted = self.parted.saturating_add(samples);
        }
        let haste = match self.parted > FLUSH {
            true => HASTE,
            false => self.engine.session().thrift().take_spare(),
        };
        self.drive(|engine| engine.tick(samples + haste));
        let remedy = self.engine.session().mend().ticked(samples);
        self.apply(remedy);
        if let Some(farewell) = &mut self.farewell {
            farewell.tick(samples);
        }
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Ifp> {
        let farewell = self.farewell.as_mut();
        let session = self.engine.session();
        session
            .poll_transmit()
            .or_else(|| farewell.and_then(Farewell::poll))
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.engine.session().poll_event()
    }

    /// How far the page on the line has come.
    pub fn progress(&mut self) -> Progress {
        self.engine.session().progress()
    }

    /// Ends the call early: [`Event::Ended`] follows at once, and DCN leaves within 1.3 s of ticks (unless the
    /// terminal was silenced).
    pub fn terminate(&mut self) {
        if !self.engine.session().has_ended() {
            self.engine.terminate();
            if !self.engine.session().is_silenced() {
                self.farewell = Some(Farewell::new(self.style));
            }
        }
    }

    /// Whether a DCN of ours is still on its way behind the end.
    pub fn is_parting(&self) -> bool {
        let farewell = self.farewell.as_ref();
        farewell.is_some_and(|farewell| !farewell.packets.is_empty())
    }

    /// At the start: the call was in audio until now, so that a called terminal can be brief about its CED, unless that
    /// is to be heard whole (`whole_ced`).
    pub fn follow_audio(&mut self, whole_ced: bool) {
        self.engine.session().thrift().follow_audio(whole_ced);
    }

    /// Senders: whether the far end was asked for its verdict on a page, and has not answered.
    pub fn awaits_verdict(&mut self) -> bool {
        self.engine.session().awaits_verdict()
    }

    /// Whether a T.30 frame of the far end was heard.
    pub fn heard_frame(&mut self) -> bool {
        self.engine.session().heard_frame()
    }

    /// Whether nothing may leave any more.
    pub fn is_silenced(&mut self) -> bool {
        self.engine.session().is_silenced()
    }

    /// Lets nothing out from now on, as if the line were dead.
    pub fn silence(&mut self) {
        self.engine.session().silence();
    }

    fn apply(&mut self, remedy: Option<Remedy>) {
        if let Some(remedy) = remedy {
            self.drive(|engine| engine.apply(remedy));
        }
    }

    fn drive(&mut self, step: impl FnOnce(&mut T38Engine)) {
        self.engine.session().new_tick();
        step(&mut self.engine);
        if self.engine.session().must_end() {
            self.terminate();
        }
    }
}

/// DCN after SpanDSP's own end, which comes without one: preamble, a second of flags, the frame (T.30 5.3.6.1.8).
#[derive(Debug)]
struct Farewell {
    /// What is left: when, in samples from the start, and which packet.
    packets: VecDeque<(u32, Vec<u8>)>,
    samples: u32,
}

impl Farewell {
    fn new(style: Style) -> Farewell {
        // T.30 5.3.6.1: the X bit is 1 for the station that got the DIS, which is the calling one.
        let dcn = if style.calling { 0xfb_u8 } else { 0xfa };
        // T.38 7.4.3: the field type has four values more since version 1 of the syntax, and so an extension bit.
        let signal_end = if style.version == 0 { 4 << 4 } else { 4 << 3 };
        let packets = [
            (0, vec![INDICATOR_V21_PREAMBLE]),
            (
                8800,
                // One field, HDLC data, three octets (written as length - 1) in the bit order of the line.
                [DATA_V21, 1, 0x80, 0, 2]
                    .into_iter()
                    .chain([0xff, 0x13, dcn].map(u8::reverse_bits))
                    .collect(),
            ),
            (9200, vec![DATA_V21, 1, signal_end]),
            (9900, NO_SIGNAL.to_vec()),
        ];
        Farewell {
            packets: packets.into(),
            samples: 0,
        }
    }

    fn tick(&mut self, samples: u32) {
        self.samples += samples;
    }

    fn poll(&mut self) -> Option<Ifp> {
        self.packets
            .front()
            .is_some_and(|(due, _)| *due <= self.samples)
            .then(|| self.packets.pop_front())
            .flatten()
            .map(|(_, octets)| Ifp { octets, count: 3 })
    }
}

/// T.38 7.3.1: indicator 3.
const INDICATOR_V21_PREAMBLE: u8 = 3 << 1;
/// T.38 7.3.2: data present, T.30 data, V.21.
const DATA_V21: u8 = 0xc0;
