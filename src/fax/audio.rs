//! The audio terminal: 8 kHz samples in and out; and the ear for the far end's tone.

use std::collections::VecDeque;

use super::ffi::{AudioEngine, ToneDetector};
use super::mend::Remedy;
use super::session::Session;
use super::thrift::AudioThrift;
use super::v21;
use super::{Event, Holder, Options, Progress, SetUpFailed};

/// A T.30 terminal that speaks through modems.
pub struct AudioTerminal {
    engine: AudioEngine,
    calling: bool,
    /// DCN after SpanDSP's own end, which comes without one.
    farewell: VecDeque<i16>,
    thrift: AudioThrift,
}

impl AudioTerminal {
    /// A terminal at the start of T.30 phase A: the calling side sends CNG, the called CED and DIS.
    ///
    /// # Errors
    /// SpanDSP cannot be set up.
    pub fn new(options: &Options, holder: Box<dyn Holder>) -> Result<AudioTerminal, SetUpFailed> {
        let mut session = Session::new(options.role, holder);
        session.require(options.password.clone());
        session.send_documents(&options.documents);
        Ok(AudioTerminal {
            engine: AudioEngine::new(options, session)?,
            calling: options.calling,
            farewell: VecDeque::new(),
            thrift: AudioThrift::new(!options.calling),
        })
    }

    /// Samples came in; time goes on by as much. (They are changed in place: the DC level is taken out.)
    pub fn receive(&mut self, samples: &mut [i16]) {
        let remedy = self.engine.session().mend().heard(samples);
        self.drive(|engine| engine.receive(samples));
        self.apply(remedy);
    }

    /// This many samples were lost: the modems keep going. Silence in their place would kill the call.
    pub fn fill_in(&mut self, samples: usize) {
        let remedy = self.engine.session().mend().lost(samples);
        self.drive(|engine| engine.fill_in(samples));
        self.apply(remedy);
    }

    /// Fills `samples` with what is to be sent; returns how many there are (all of them, until the end).
    pub fn transmit(&mut self, samples: &mut [i16]) -> usize {
        let done = self.drive(|engine| engine.transmit(samples));
        let parting = self.engine.session().dcn_leaving();
        let left_out = self.thrift.leaves(samples, parting);
        if left_out > 0 {
            self.drive(|engine| engine.transmit(&mut vec![0; left_out]));
        }
        if self.engine.session().is_silenced() {
            samples.fill(0);
        } else if !self.farewell.is_empty() {
            samples.fill_with(|| self.farewell.pop_front().unwrap_or(0));
        }
        done
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.engine.session().poll_event()
    }

    /// How far the page on the line has come.
    pub fn progress(&mut self) -> Progress {
        self.engine.session().progress()
    }

    /// Senders: whether the far end was asked for its verdict on a page, and has not answered.
    pub fn awaits_verdict(&mut self) -> bool {
        self.engine.session().awaits_verdict()
    }

    /// Whether a T.30 frame of the far end was heard.
    pub fn heard_frame(&mut self) -> bool {
        self.engine.session().heard_frame()
    }

    /// Ends the call early: [`Event::Ended`] follows, and DCN leaves within the next 1.2 s of samples (unless the
    /// terminal was silenced).
    pub fn terminate(&mut self) {
        if !self.engine.session().has_ended() {
            self.engine.terminate();
            if !self.engine.session().is_silenced() {
                self.farewell = v21::dcn(self.calling);
            }
        }
    }

    /// Whether a DCN of ours is still on its way behind the end.
    pub fn is_parting(&self) -> bool {
        !self.farewell.is_empty()
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

    fn drive<R>(&mut self, step: impl FnOnce(&mut AudioEngine) -> R) -> R {
        let result = step(&mut self.engine);
        if self.engine.session().must_end() {
            self.terminate();
        }
        result
    }
}

/// Listens for the tone that shows a fax machine at the far end.
pub struct ToneEar {
    detector: ToneDetector,
    heard: bool,
}

impl ToneEar {
    /// An ear on our side of the call: the calling side listens for CED or V.21 flags, the called for CNG.
    ///
    /// # Errors
    /// SpanDSP cannot be set up.
    pub fn new(calling: bool) -> Result<ToneEar, SetUpFailed> {
        Ok(ToneEar {
            detector: ToneDetector::new(!calling)?,
            heard: false,
        })
    }

    /// True once, when the tone is heard for the first time.
    pub fn hear(&mut self, samples: &[i16]) -> bool {
        let now = !self.heard && self.detector.hear(samples);
        self.heard |= now;
        now
    }
}
