//! What is to be heard of the far end besides what its modem says: the tones of a fax, or a voice.

use super::voice::VoiceMeter;
use crate::fax::{SetUpFailed, ToneEar};
use crate::proto::rtp::{self, FaxTone};

/// An ear for one call.
pub(in crate::worker::call) struct Hearing {
    ear: ToneEar,
    calling: bool,
    tone: Option<bool>,
    voice: VoiceMeter,
}

impl Hearing {
    pub(super) fn new(calling: bool) -> Result<Hearing, SetUpFailed> {
        Ok(Hearing {
            ear: ToneEar::new(calling)?,
            calling,
            tone: None,
            voice: VoiceMeter::default(),
        })
    }

    pub(super) fn hear(&mut self, samples: &[i16]) {
        if self.ear.hear(samples) {
            self.tone.get_or_insert(true);
        }
        self.voice.hear(samples);
    }

    /// A telephone-event of RFC 4733: gateways take the tones out of the audio.
    pub(super) fn hear_event(&mut self, payload: &[u8]) {
        let expected = match self.calling {
            true => FaxTone::Called,
            false => FaxTone::Calling,
        };
        if rtp::fax_tone(payload) == Some(expected) {
            self.tone.get_or_insert(true);
        }
    }

    /// True once: the far end's fax tone was heard.
    pub(super) fn take_tone(&mut self) -> bool {
        let news = self.tone == Some(true);
        if news {
            self.tone = Some(false);
        }
        news
    }

    /// Whether what is heard sounds like somebody talking, and no fax tone was heard.
    pub(super) fn is_voice(&self) -> bool {
        self.tone.is_none() && self.voice.is_voice()
    }
}

#[cfg(test)]
mod tests {
    use super::super::voice::tests::syllables;
    use super::*;

    /// So many samples of something at this frequency, half of full scale.
    fn tone(hertz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| ((n as f64 * hertz / 8000.0 * std::f64::consts::TAU).sin() * 9000.0) as i16)
            .collect()
    }

    fn hearing(calling: bool, samples: &[i16]) -> Hearing {
        let mut hearing = Hearing::new(calling).unwrap();
        samples.chunks(160).for_each(|frame| hearing.hear(frame));
        hearing
    }

    #[test]
    fn fax_that_calls_is_no_voice_whoever_talks_before_and_behind_it() {
        let mut samples = syllables(8.0);
        for _ in 0..8 {
            samples.extend(tone(1100.0, 4000));
            samples.resize(samples.len() + 24_000, 0);
        }
        samples.extend(syllables(8.0));
        let mut fax = hearing(false, &samples);
        assert!(!fax.is_voice());
        assert!(fax.take_tone());
        assert!(!fax.take_tone(), "told once");
    }

    #[test]
    fn tone_in_an_event_is_heard_by_the_side_it_is_meant_for() {
        for (calling, event, heard) in [
            (true, 32, true),
            (true, 36, false),
            (false, 36, true),
            (false, 32, false),
            (false, 5, false),
        ] {
            let mut hearing = Hearing::new(calling).unwrap();
            hearing.hear_event(&[event, 10, 0, 160]);
            assert_eq!(hearing.take_tone(), heard, "{calling} {event}");
        }
    }
}
