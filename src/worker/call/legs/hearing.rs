//! What is to be heard of the far end besides what its modem says: the tones of a fax, or a voice.

use crate::fax::{SetUpFailed, ToneEar};
use crate::proto::rtp::{self, FaxTone};

/// Samples of a stretch of sound that is judged as a whole: 100 ms.
const STRETCH: usize = 800;
/// Mean square of samples that are sound: -35 dBm0.
const SOUND: i64 = 287 * 287;
/// Stretches with sound after which it may be a voice, and how often it has begun: two seconds of it in three bursts.
/// Tones of the network are steady or too regular to pause at odd lengths; a modem does not pause within a signal.
const VOICE: (u32, u32) = (20, 3);

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

/// Counts stretches of sound and how they begin.
#[derive(Debug, Default)]
struct VoiceMeter {
    energy: i64,
    samples: usize,
    sounding: bool,
    sounds: u32,
    bursts: u32,
}

impl VoiceMeter {
    fn hear(&mut self, samples: &[i16]) {
        for &sample in samples {
            self.energy += i64::from(sample) * i64::from(sample);
            self.samples += 1;
            if self.samples == STRETCH {
                self.judge();
            }
        }
    }

    fn judge(&mut self) {
        let sound = self.energy > SOUND * STRETCH as i64;
        self.sounds += u32::from(sound);
        self.bursts += u32::from(sound && !self.sounding);
        self.sounding = sound;
        self.energy = 0;
        self.samples = 0;
    }

    fn is_voice(&self) -> bool {
        self.sounds >= VOICE.0 && self.bursts >= VOICE.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many samples of something at this frequency, half of full scale.
    fn tone(hertz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| ((n as f64 * hertz / 8000.0 * std::f64::consts::TAU).sin() * 9000.0) as i16)
            .collect()
    }

    /// Words of 150 to 700 ms with pauses of 100 to 400 ms, whose pitch goes up and down.
    fn speech(seconds: f64) -> Vec<i16> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut samples = Vec::new();
        while (samples.len() as f64) < seconds * 8000.0 {
            for _ in 0..rng.usize(3..12) {
                samples.extend(tone(rng.f64() * 600.0 + 120.0, 400));
            }
            let silence = rng.usize(800..3200);
            samples.resize(samples.len() + silence, 0);
        }
        samples
    }

    fn hearing(calling: bool, samples: &[i16]) -> Hearing {
        let mut hearing = Hearing::new(calling).unwrap();
        samples.chunks(160).for_each(|frame| hearing.hear(frame));
        hearing
    }

    #[test]
    fn somebody_who_talks_is_a_voice_within_eight_seconds() {
        assert!(!hearing(false, &speech(1.5)).is_voice());
        assert!(hearing(false, &speech(8.0)).is_voice());
    }

    #[test]
    fn silence_and_a_steady_tone_are_no_voice() {
        assert!(!hearing(false, &vec![0; 160_000]).is_voice());
        assert!(!hearing(false, &tone(425.0, 160_000)).is_voice());
    }

    #[test]
    fn fax_that_calls_is_no_voice() {
        let mut samples = Vec::new();
        for _ in 0..8 {
            samples.extend(tone(1100.0, 4000));
            samples.resize(samples.len() + 24_000, 0);
        }
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
