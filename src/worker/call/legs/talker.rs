//! Somebody who answers and talks, for simulated machines.

use std::f32::consts::TAU;

/// Samples a second.
const RATE: f32 = 8000.0;
/// Length of a syllable and of the gap behind it, samples.
const SYLLABLE: (usize, usize) = (1600, 800);
/// Syllables in a sentence, and the pause behind it, in samples.
const SENTENCE: (usize, usize) = (6, 6400);
/// Pitch of a voice, Hz, and how loud its harmonics are.
const PITCH: f32 = 130.0;
const HARMONICS: [f32; 12] = [0.5, 0.7, 1.0, 0.9, 0.6, 0.4, 0.3, 0.35, 0.3, 0.2, 0.1, 0.05];

/// Talks in sentences of syllables, as a meter of voices hears them.
#[derive(Debug, Default)]
pub(super) struct Talker {
    at: usize,
}

impl Talker {
    /// The next samples.
    pub fn talk(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.next();
        }
    }

    fn next(&mut self) -> i16 {
        let at = self.at;
        self.at += 1;
        let beat = SYLLABLE.0 + SYLLABLE.1;
        let within = at % (SENTENCE.0 * beat + SENTENCE.1);
        let (syllable, place) = (within / beat, within % beat);
        if syllable >= SENTENCE.0 || place >= SYLLABLE.0 {
            return 0;
        }
        // Each syllable a little higher or lower, swelling and fading.
        let pitch = PITCH * (1.0 + 0.06 * ((syllable * 7 % 5) as f32 - 2.0));
        let swell = (place as f32 / SYLLABLE.0 as f32 * TAU / 2.0).sin();
        let time = at as f32 / RATE;
        let voice: f32 = (1..)
            .zip(HARMONICS)
            .map(|(n, loud)| loud * (TAU * pitch * n as f32 * time).sin())
            .sum();
        (voice * swell * 4000.0) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talks_in_bursts_with_silence_between_them() {
        let mut talker = Talker::default();
        let mut second = [0; 8000];
        talker.talk(&mut second);
        let loud = second.iter().filter(|s| s.unsigned_abs() > 500).count();
        assert!((2000..7000).contains(&loud), "{loud}");
        assert!(second[1600..2400].iter().all(|s| *s == 0), "a gap");
    }
}
