//! Audio in RTP.

use std::io;
use std::time::Instant;

use super::super::wire_end::Look;
use super::TICK;
use super::hearing::Hearing;
use super::talker::Talker;
use crate::fax::{AudioTerminal, Holder, Options};
use crate::proto::g711::Law;
use crate::proto::rtp;
use crate::proto::sdp::{Codec, TELEPHONE_EVENT};
use crate::worker::wire::AudioMedia;

/// RFC 3389: comfort noise, which a far end sends in place of silence.
const COMFORT_NOISE: u8 = 13;

/// Milliseconds of audio in a packet where the far end wants no other (RFC 3551 4.2), and what it may want.
const PTIME: u8 = 20;
const PTIMES: std::ops::RangeInclusive<u8> = 10..=60;
/// Milliseconds in a tick.
const TICK_MS: u8 = 10;

/// Audio in RTP.
///
/// What comes in is played as it comes, by the far end's clock (see [`rtp::Receiver`]); what goes out leaves by ours,
/// a frame at a time, without pauses: T.30 does not survive comfort noise.
pub(in crate::worker::call) struct AudioLeg {
    pub(super) terminal: AudioTerminal,
    law: Law,
    /// The far end's payload type of this law; the static ones are known anyway.
    payload_type: u8,
    /// Payload types of telephone events, ours and the far end's: it may take either for the one to send.
    events: [Option<u8>; 2],
    sender: rtp::Sender,
    receiver: rtp::Receiver,
    pub(super) hearing: Hearing,
    patience: Patience,
    /// Ticks in a frame, and those since the last one left.
    frame: u8,
    waited: u8,
    ready: Option<Vec<u8>>,
    /// A person instead of a terminal, in simulated machines.
    talker: Option<Talker>,
}

impl AudioLeg {
    pub(in crate::worker::call) fn new(
        options: &Options,
        media: &AudioMedia,
        holder: Box<dyn Holder>,
    ) -> io::Result<AudioLeg> {
        Ok(AudioLeg {
            terminal: AudioTerminal::new(options, holder).map_err(io::Error::other)?,
            law: law(media.codec),
            payload_type: media.payload_type,
            events: [Some(TELEPHONE_EVENT), media.telephone_event],
            sender: rtp::Sender::new(media.payload_type, fastrand::u64(..)),
            receiver: rtp::Receiver::new(),
            hearing: Hearing::new(options.calling).map_err(io::Error::other)?,
            patience: Patience::default(),
            frame: ticks_in_a_frame(media),
            waited: 0,
            ready: None,
            talker: None,
        })
    }

    /// Talks instead of beeping.
    pub(in crate::worker::call) fn talk(&mut self) {
        self.talker = Some(Talker::default());
    }

    /// A new agreement in the middle of it: another law, other packets.
    pub(in crate::worker::call) fn renegotiate(&mut self, media: &AudioMedia) {
        self.law = law(media.codec);
        self.payload_type = media.payload_type;
        self.events[1] = media.telephone_event;
        self.frame = ticks_in_a_frame(media);
        self.sender.set_payload_type(media.payload_type);
    }

    /// How a packet is coded, if it is audio. Either law may come, whatever we send (RFC 3264 6.1).
    fn law_of(&self, payload_type: u8) -> Option<Law> {
        match payload_type == self.payload_type {
            true => Some(self.law),
            false => Law::from_payload_type(payload_type),
        }
    }

    pub(super) fn look(&self, octets: &[u8]) -> Look {
        match rtp::Packet::decode(octets) {
            Ok(packet) if self.knows(packet.payload_type) => Look::Good,
            _ => Look::Junk,
        }
    }

    fn knows(&self, payload_type: u8) -> bool {
        self.law_of(payload_type).is_some()
            || self.events.contains(&Some(payload_type))
            || payload_type == COMFORT_NOISE
    }

    /// Takes a packet in; true if there is a signal on the line.
    pub(super) fn handle(&mut self, octets: &[u8], now: Instant) -> bool {
        if let Ok(packet) = rtp::Packet::decode(octets) {
            let audio = self.law_of(packet.payload_type).is_some();
            self.receiver.handle(&packet, audio, now);
            self.play_all(now);
        }
        self.patience.loud
    }

    fn play_all(&mut self, now: Instant) {
        while let Some(playout) = self.receiver.poll(now) {
            match playout {
                rtp::Playout::Packet {
                    payload_type,
                    pause,
                    payload,
                } => match self.law_of(payload_type) {
                    Some(law) => self.play(law, pause, &payload),
                    None if self.events.contains(&Some(payload_type)) => {
                        self.hearing.hear_event(&payload);
                    }
                    None => {}
                },
                rtp::Playout::Lost(samples) => {
                    let missing = self.patience.lost(samples);
                    self.terminal.fill_in(missing);
                }
            }
        }
    }

    fn play(&mut self, law: Law, pause: usize, payload: &[u8]) {
        let mut samples: Vec<i16> = payload.iter().map(|&o| law.expand(o)).collect();
        self.hearing.hear(&samples);
        for _ in 0..self.patience.paused(pause) / TICK {
            self.terminal.receive(&mut [0; TICK]);
        }
        if self.patience.heard(&samples) {
            self.terminal.receive(&mut samples);
        }
    }

    /// Ten milliseconds have passed, and the socket was looked at shortly before if `awake`. True if a signal is to
    /// leave, and not silence.
    pub(in crate::worker::call) fn tick(&mut self, awake: bool, now: Instant) -> bool {
        self.play_all(now);
        if self.patience.tick(awake) {
            // The far end sends nothing in its pauses; T.30's timers must run all the same.
            self.terminal.receive(&mut [0; TICK]);
        }
        self.waited += 1;
        self.waited >= self.frame && self.speak()
    }

    /// A frame leaves; true if a signal is in it.
    fn speak(&mut self) -> bool {
        let ticks = std::mem::take(&mut self.waited);
        let mut samples = vec![0i16; usize::from(ticks) * TICK];
        self.terminal.transmit(&mut samples);
        if let Some(talker) = &mut self.talker {
            talker.talk(&mut samples);
        }
        let payload: Vec<u8> = samples.iter().map(|&s| self.law.compress(s)).collect();
        self.ready = Some(self.sender.wrap(&payload));
        is_loud(&samples)
    }

    /// The next packet to send.
    pub(in crate::worker::call) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.ready.take()
    }
}

/// Mean square of samples below which they are no signal: -43 dBm0, which is where modems lose the carrier.
const QUIET: i64 = 114 * 114;
/// Samples of time without the far end before we go on without it: 80 ms behind silence, a second in a signal. What
/// comes late in the middle of a signal is as good as what comes in time, and silence put in between would cost it.
const STARVED: (usize, usize) = (640, 8000);

fn law(codec: Codec) -> Law {
    match codec {
        Codec::Pcmu => Law::Mu,
        Codec::Pcma => Law::A,
    }
}

fn ticks_in_a_frame(media: &AudioMedia) -> u8 {
    let wanted = media.ptime.filter(|ptime| PTIMES.contains(ptime));
    wanted.unwrap_or(PTIME) / TICK_MS
}

fn is_loud(samples: &[i16]) -> bool {
    let square = |&sample: &i16| i64::from(sample) * i64::from(sample);
    let energy: i64 = samples.iter().map(square).sum();
    energy > QUIET * samples.len() as i64
}

/// Whether time goes on without the far end.
#[derive(Debug, Default)]
struct Patience {
    /// The last audio was a signal.
    loud: bool,
    /// Samples of time that have passed and not been received.
    behind: usize,
    /// Samples made up while the far end said nothing, which may come after all.
    ahead: usize,
}

impl Patience {
    /// Ten milliseconds have passed; true if as much silence is to be played. When we did not look at the socket for
    /// longer, it is us who stalled.
    fn tick(&mut self, awake: bool) -> bool {
        if awake {
            self.behind += TICK;
        }
        let starved = self.behind > if self.loud { STARVED.1 } else { STARVED.0 };
        if starved {
            self.behind -= TICK;
            self.ahead += TICK;
        }
        starved
    }

    /// Samples came; true if they are to be played. Silence is not, where we made up as much of it before.
    fn heard(&mut self, samples: &[i16]) -> bool {
        self.loud = is_loud(samples);
        self.behind = self.behind.saturating_sub(samples.len());
        if self.loud {
            self.ahead = 0;
            return true;
        }
        match self.ahead.checked_sub(samples.len()) {
            Some(ahead) => self.ahead = ahead,
            None => return true,
        }
        false
    }

    /// By the time stamps, the far end paused for so long; returns what of it was not played yet. Time stamps can be
    /// wrong: never more than what has passed.
    fn paused(&mut self, samples: usize) -> usize {
        let known = samples.min(self.ahead);
        self.ahead -= known;
        let pause = (samples - known).min(self.behind);
        self.behind -= pause;
        pause
    }

    /// Audio is lost; returns what of it was not made up for yet.
    fn lost(&mut self, samples: usize) -> usize {
        let known = samples.min(self.ahead);
        self.ahead -= known;
        self.behind = self.behind.saturating_sub(samples - known);
        samples - known
    }
}

#[cfg(test)]
mod tests {
    use super::super::Nobody;
    use super::*;
    use crate::call::media::MediaSources;
    use crate::fax::Role;

    /// A gateway that calls A-law 98 gets what it calls so, and is heard under that number and no other dynamic one.
    #[test]
    fn law_with_a_dynamic_payload_type() {
        let options = Options {
            role: Role::Receiver,
            calling: false,
            ident: String::new(),
            tiff: "/dev/null".into(),
            documents: Vec::new(),
            ecm: true,
            max_bit_rate: 14400,
            t85: false,
            sub_address: None,
            password: None,
        };
        let media = AudioMedia {
            remote: "192.0.2.1:4000".parse().unwrap(),
            codec: Codec::Pcma,
            payload_type: 98,
            telephone_event: None,
            ptime: None,
            sources: MediaSources::default(),
        };
        let mut leg = AudioLeg::new(&options, &media, Box::new(Nobody)).unwrap();
        let now = Instant::now();
        (0..2).for_each(|_| {
            leg.tick(true, now);
        });
        let sent = leg.poll_transmit().unwrap();
        assert_eq!((sent.len(), sent[1] & 0x7f), (172, 98));
        // Silence in A-law; in mu-law it would be loud.
        let mut heard = vec![0x80, 98, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        heard.extend([0xd5; 160]);
        assert_eq!(leg.look(&heard), Look::Good);
        assert!(!leg.handle(&heard, now));
        for (number, look) in [(8, true), (0, true), (97, false), (18, false)] {
            heard[1] = number;
            assert_eq!(leg.look(&heard) != Look::Junk, look, "{number}");
        }
    }

    const LOUD: [i16; 160] = [5000; 160];
    const SILENT: [i16; 160] = [8; 160];

    /// Ticks until silence is played.
    fn starve(patience: &mut Patience) -> usize {
        (1..).find(|_| patience.tick(true)).unwrap()
    }

    #[test]
    fn network_that_stalls_in_a_signal_is_waited_for() {
        let mut patience = Patience::default();
        assert!(patience.heard(&LOUD));
        assert_eq!(starve(&mut patience), 101);
        assert!(patience.heard(&SILENT));
        patience.behind = 0;
        assert_eq!(starve(&mut patience), 9);
    }

    #[test]
    fn stall_of_ours_is_no_silence_of_the_far_end() {
        let mut patience = Patience::default();
        assert!((0..500).all(|_| !patience.tick(false)));
    }

    #[test]
    fn silence_that_was_made_up_is_not_played_twice() {
        let mut patience = Patience::default();
        patience.heard(&SILENT);
        starve(&mut patience);
        (0..9).for_each(|_| assert!(patience.tick(true)));
        assert_eq!(patience.ahead, 800);
        assert!(!patience.heard(&SILENT));
        assert_eq!(patience.lost(160), 0);
        assert_eq!(patience.paused(160), 0);
        assert_eq!(patience.ahead, 320);
        assert!(patience.heard(&LOUD), "a signal always");
        assert_eq!(patience.ahead, 0);
    }

    #[test]
    fn pause_in_the_time_stamps_is_played_as_far_as_time_has_passed() {
        let mut patience = Patience::default();
        patience.heard(&LOUD);
        (0..8).for_each(|_| assert!(!patience.tick(true)));
        assert_eq!(patience.paused(8000), 640);
    }
}
