//! A meter of voices and music, by how loud they are: it goes up and down all the time. Tones of the network and
//! whatever a fax says keep their level from one end of a signal to the other.

/// Samples of a stretch of sound that is judged as a whole: 50 ms. It evens out what a modem's symbols differ by, and
/// the beat of two tones.
const STRETCH: usize = 400;
/// Mean square of samples that are sound: -35 dBm0.
const SOUND: f64 = 287.0 * 287.0;
/// What neighbouring stretches differ by in a voice, as a factor of energy: 2 dB.
const LIVELY: f64 = 1.6;
/// Stretches with sound, and lively ones among them, that make a voice: two seconds of it. Between the signals of a fax
/// are some, where one begins or ends in the middle of another.
const VOICE: (u32, u32) = (40, 20);

/// Counts stretches of sound, and how often they differ.
#[derive(Debug, Default)]
pub(super) struct VoiceMeter {
    energy: f64,
    samples: usize,
    /// The energies of the last stretches, the newest first.
    last: [f64; 3],
    sounds: u32,
    lively: u32,
}

impl VoiceMeter {
    pub(super) fn hear(&mut self, samples: &[i16]) {
        for &sample in samples {
            self.energy += f64::from(sample) * f64::from(sample);
            self.samples += 1;
            if self.samples == STRETCH {
                self.judge();
            }
        }
    }

    /// Two neighbours are compared where there is sound before and behind them: the ends of a burst are cut anywhere.
    fn judge(&mut self) {
        let now = std::mem::take(&mut self.energy) / STRETCH as f64;
        self.samples = 0;
        let [newer, older, before] = self.last;
        let inside = [now, newer, older, before].iter().all(|it| *it > SOUND);
        let differ = newer > older * LIVELY || older > newer * LIVELY;
        self.sounds += u32::from(now > SOUND);
        self.lively += u32::from(inside && differ);
        self.last = [now, newer, older];
    }

    /// Whether that was a voice, or music.
    pub(super) fn is_voice(&self) -> bool {
        self.sounds >= VOICE.0 && self.lively >= VOICE.1
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;
    use std::f64::consts::TAU;
    use std::rc::Rc;

    use super::super::super::custody::Paper;
    use super::super::super::pair::page;
    use super::*;
    use crate::fax::{AudioTerminal, Holder, NotKept, Options, Role};
    use crate::pages::tiff;

    const RATE: f64 = 8000.0;

    fn seconds(seconds: f64) -> usize {
        (seconds * RATE) as usize
    }

    /// Frequencies that sound together for a while; none of them: silence.
    fn tones(hertz: &[f64], length: f64) -> Vec<i16> {
        let sample = |n: usize| {
            let waves = hertz.iter().map(|f| (n as f64 * f / RATE * TAU).sin());
            (waves.sum::<f64>() / hertz.len().max(1) as f64 * 9000.0) as i16
        };
        (0..seconds(length)).map(sample).collect()
    }

    /// A cadence of the network: what sounds for how long, again and again, for 40 seconds.
    fn cadence(parts: &[(&[f64], f64)]) -> Vec<i16> {
        let once: Vec<i16> = parts
            .iter()
            .flat_map(|(hertz, length)| tones(hertz, *length))
            .collect();
        once.iter().copied().cycle().take(seconds(40.0)).collect()
    }

    /// Syllables that swell and fade, in phrases with pauses between them.
    pub fn syllables(length: f64) -> Vec<i16> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut samples = Vec::new();
        while samples.len() < seconds(length) {
            for _ in 0..rng.usize(3..9) {
                let (long, pitch) = (rng.usize(1000..2400), 90.0 + 60.0 * rng.f64());
                let loud = 3000.0 + 6000.0 * rng.f64();
                samples.extend((0..long).map(|n| {
                    let swell = 0.15 + (n as f64 / long as f64 * TAU / 2.0).sin();
                    let wave =
                        |k| (n as f64 * pitch * f64::from(k) / RATE * TAU).sin() / f64::from(k);
                    ((1..9).map(wave).sum::<f64>() * swell * loud) as i16
                }));
            }
            samples.resize(samples.len() + rng.usize(1600..6400), 0);
        }
        samples
    }

    /// Plucked chords that ring into each other without a pause.
    fn music(length: f64) -> Vec<i16> {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut samples = vec![0.0; seconds(length)];
        for beat in 0..(length * 2.5) as usize {
            let root = 110.0 * 2f64.powf(f64::from(rng.u8(..24)) / 12.0);
            let start = beat * seconds(0.4);
            for (n, sample) in samples.iter_mut().skip(start).take(12_000).enumerate() {
                let fade = (-(n as f64) / 2500.0).exp();
                let chord = [1.0, 1.26, 1.5, 2.0].map(|f| (n as f64 * root * f / RATE * TAU).sin());
                *sample += chord.iter().sum::<f64>() * fade * 4000.0;
            }
        }
        samples.iter().map(|sample| *sample as i16).collect()
    }

    fn is_voice(samples: &[i16]) -> bool {
        let mut meter = VoiceMeter::default();
        meter.hear(samples);
        meter.is_voice()
    }

    #[test]
    fn voices_and_music_are_heard_within_twelve_seconds() {
        assert!(!is_voice(&syllables(1.5)), "too short to say");
        let mut announcement = tones(&[950.0], 0.33);
        announcement.extend(tones(&[1400.0], 0.33));
        announcement.extend(tones(&[1800.0], 0.33));
        announcement.extend(syllables(11.0));
        let mut greeting = syllables(11.0);
        greeting.extend(tones(&[1400.0], 0.5));
        for (name, samples) in [
            ("somebody who talks", syllables(12.0)),
            ("music on hold", music(12.0)),
            ("SIT and an announcement", announcement),
            ("an answering machine and its beep", greeting),
        ] {
            assert!(is_voice(&samples), "{name}");
            let quiet: Vec<i16> = samples.iter().map(|sample| sample / 6).collect();
            assert!(is_voice(&quiet), "{name}, 16 dB below");
        }
    }

    #[test]
    fn tones_of_the_network_are_no_voice() {
        let busy: &[f64] = &[480.0, 620.0];
        let sit: [(&[f64], f64); 4] = [
            (&[913.8], 0.38),
            (&[1370.6], 0.38),
            (&[1776.7], 0.38),
            (&[], 1.0),
        ];
        for (name, samples) in [
            ("silence", cadence(&[(&[], 1.0)])),
            ("dial tone, US", cadence(&[(&[350.0, 440.0], 1.0)])),
            ("dial tone, Europe", cadence(&[(&[425.0], 1.0)])),
            (
                "ringback, US",
                cadence(&[(&[440.0, 480.0], 2.0), (&[], 4.0)]),
            ),
            (
                "ringback, UK",
                cadence(&[
                    (&[400.0, 450.0], 0.4),
                    (&[], 0.2),
                    (&[400.0, 450.0], 0.4),
                    (&[], 2.0),
                ]),
            ),
            ("ringback, Germany", cadence(&[(&[425.0], 1.0), (&[], 4.0)])),
            ("busy, US", cadence(&[(busy, 0.5), (&[], 0.5)])),
            ("busy, Germany", cadence(&[(&[425.0], 0.48), (&[], 0.48)])),
            ("congestion, US", cadence(&[(busy, 0.25), (&[], 0.25)])),
            ("SIT, again and again", cadence(&sit)),
            (
                "a beep every second",
                cadence(&[(&[1400.0], 0.5), (&[], 0.5)]),
            ),
        ] {
            assert!(!is_voice(&samples), "{name}");
        }
    }

    /// T.30 4.3.3.2, V.8: 2100 Hz with phase reversals every 450 ms, and a fifth of it swinging at 15 Hz.
    fn ansam(swing: f64) -> Vec<i16> {
        let sample = |n: usize| {
            let time = n as f64 / RATE;
            let phase = if ((time / 0.45) as u32).is_multiple_of(2) {
                1.0
            } else {
                -1.0
            };
            let loud = 1.0 + swing * (time * 15.0 * TAU).sin();
            ((time * 2100.0 * TAU).sin() * phase * loud * 7000.0) as i16
        };
        (0..seconds(4.0)).map(sample).collect()
    }

    /// Bits at random in V.21, its lower channel: CI and CM of V.8.
    fn v8_bits(length: f64) -> Vec<i16> {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut phase, mut hertz) = (0.0, 980.0);
        let mut sample = |n: usize| {
            if n.is_multiple_of(27) {
                hertz = if rng.bool() { 980.0 } else { 1180.0 };
            }
            phase += hertz / RATE * TAU;
            (phase.sin() * 7000.0) as i16
        };
        (0..seconds(length)).map(&mut sample).collect()
    }

    #[test]
    fn tones_of_a_fax_are_no_voice() {
        let again = |samples: Vec<i16>, pause: f64| {
            let mut once = samples;
            once.resize(once.len() + seconds(pause), 0);
            once.iter().copied().cycle().take(seconds(40.0)).collect()
        };
        for (name, samples) in [
            ("CNG", cadence(&[(&[1100.0], 0.5), (&[], 3.0)])),
            ("CED", cadence(&[(&[2100.0], 3.0), (&[], 1.0)])),
            ("ANS with phase reversals", again(ansam(0.0), 0.1)),
            ("ANSam", again(ansam(0.2), 0.1)),
            ("CI of V.8", again(v8_bits(0.4), 0.4)),
            ("CM of V.8", again(v8_bits(5.0), 0.0)),
        ] {
            let samples: Vec<i16> = samples;
            assert!(!is_voice(&samples), "{name}");
        }
    }

    /// Keeps nothing, and says it does.
    struct Yes(Rc<Cell<u32>>);

    impl Holder for Yes {
        fn page_received(&mut self, page: u32, _: bool, _: u32) -> Result<(), NotKept> {
            self.0.set(page);
            Ok(())
        }

        fn last_page_leaving(&mut self, _: u32) -> Result<bool, NotKept> {
            Ok(true)
        }
    }

    /// A whole call in audio: what each side says, and the pages that arrived.
    fn call(max_bit_rate: u32, ecm: bool) -> ([Vec<i16>; 2], u32) {
        let arrived = Rc::new(Cell::new(0));
        let content = tiff::write(&[page(3, 300)]);
        let papers = [content, Vec::new()].map(|content| Paper::new(&content).unwrap());
        let mut ends = [Role::Sender, Role::Receiver].map(|role| {
            let options = Options {
                role,
                calling: role == Role::Sender,
                ident: "5550100".into(),
                tiff: papers[usize::from(role == Role::Receiver)].path(),
                documents: Vec::new(),
                ecm,
                max_bit_rate,
                t85: false,
                sub_address: None,
                password: None,
            };
            AudioTerminal::new(&options, Box::new(Yes(Rc::clone(&arrived)))).unwrap()
        });
        let mut said = [Vec::new(), Vec::new()];
        for _ in 0..(60.0 * RATE) as usize / 160 {
            let mut frames = [[0; 160]; 2];
            for (end, frame) in ends.iter_mut().zip(&mut frames) {
                end.transmit(frame);
            }
            for (said, frame) in said.iter_mut().zip(&frames) {
                said.extend(frame);
            }
            let [calling, called] = &mut ends;
            calling.receive(&mut frames[1]);
            called.receive(&mut frames[0]);
        }
        (said, arrived.get())
    }

    #[test]
    fn a_whole_fax_is_no_voice_at_any_speed_from_either_side() {
        for (name, rate, ecm) in [
            ("V.17", 14400, true),
            ("V.29", 9600, false),
            ("V.27ter", 4800, true),
        ] {
            let (said, arrived) = call(rate, ecm);
            assert_eq!(arrived, 1, "{name}");
            for (side, samples) in ["calling", "called"].iter().zip(&said) {
                assert!(!is_voice(samples), "{name}, {side}");
            }
        }
    }
}
