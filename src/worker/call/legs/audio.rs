//! Audio in RTP.

use std::io;

use super::super::wire_end::{Look, WireEnd};
use super::TICK;
use super::talker::Talker;
use crate::fax::{AudioTerminal, Holder, Options, ToneEar};
use crate::proto::g711::Law;
use crate::proto::rtp;
use crate::worker::wire::AudioMedia;

/// Samples that may be missing before we go on without the far end: 400 ms.
const STARVED: usize = 3200;
/// Ticks between two looks at the socket that count as time without the far end; more are a stall of ours.
const AWAKE: u32 = 2;
/// Samples after which a called terminal has said its CED in audio: 200 ms of silence, 2.6 s of tone.
const CED: usize = 22400;

/// Audio in RTP.
pub(in crate::worker::call) struct AudioLeg {
    pub(super) terminal: AudioTerminal,
    law: Law,
    sender: rtp::Sender,
    receiver: rtp::Receiver,
    ear: ToneEar,
    pub(super) tone: bool,
    pub(super) called: bool,
    /// Samples sent.
    pub(super) said: usize,
    /// Samples of time that have passed and not been received.
    behind: usize,
    /// Ticks since we last looked at the socket.
    unlooked: u32,
    /// Every second tick, a frame of 20 ms leaves.
    half_frame: bool,
    /// A person instead of a terminal, in simulated machines.
    talker: Option<Talker>,
}

impl AudioLeg {
    pub(in crate::worker::call) fn new(
        options: &Options,
        media: &AudioMedia,
        holder: Box<dyn Holder>,
    ) -> io::Result<AudioLeg> {
        let law = Law::from_payload_type(media.payload_type)
            .ok_or_else(|| io::Error::other("audio is neither PCMU nor PCMA"))?;
        Ok(AudioLeg {
            terminal: AudioTerminal::new(options, holder).map_err(io::Error::other)?,
            law,
            sender: rtp::Sender::new(law.payload_type(), fastrand::u64(..)),
            receiver: rtp::Receiver::new(),
            ear: ToneEar::new(options.calling).map_err(io::Error::other)?,
            tone: false,
            called: !options.calling,
            said: 0,
            behind: 0,
            unlooked: 0,
            half_frame: false,
            talker: None,
        })
    }

    /// Talks instead of beeping.
    pub(in crate::worker::call) fn talk(&mut self) {
        self.talker = Some(Talker::default());
    }

    /// A new agreement in the middle of it: another law.
    pub(in crate::worker::call) fn renegotiate(&mut self, media: &AudioMedia) {
        if let Some(law) = Law::from_payload_type(media.payload_type) {
            self.law = law;
            self.sender.set_payload_type(media.payload_type);
        }
    }

    /// Whether the far end has heard our CED, whole.
    pub(super) fn has_said_ced(&self) -> bool {
        self.called && self.said > CED
    }

    pub(super) fn receive(&mut self, wire: &mut WireEnd) -> bool {
        let mut any = false;
        self.unlooked = 0;
        let look = |octets: &[u8]| match rtp::Packet::decode(octets) {
            Ok(packet) if Law::from_payload_type(packet.payload_type).is_some() => {
                Look::Good { continues: true }
            }
            _ => Look::Junk,
        };
        while let Some(packet) = wire.receive(look) {
            let Ok(packet) = rtp::Packet::decode(&packet.octets) else {
                continue;
            };
            any = true;
            // Either law may come, whatever we send (RFC 3264 6.1).
            let law = Law::from_payload_type(packet.payload_type).unwrap_or(self.law);
            self.receiver.handle(&packet);
            while let Some(playout) = self.receiver.poll() {
                self.play(playout, law);
            }
        }
        any
    }

    fn play(&mut self, playout: rtp::Playout, law: Law) {
        match playout {
            rtp::Playout::Audio(payload) => {
                let mut samples: Vec<i16> = payload.iter().map(|&o| law.expand(o)).collect();
                self.tone |= self.ear.hear(&samples);
                self.terminal.receive(&mut samples);
                self.behind = self.behind.saturating_sub(samples.len());
            }
            rtp::Playout::Lost(samples) => {
                self.terminal.fill_in(samples);
                self.behind = self.behind.saturating_sub(samples);
            }
        }
    }

    pub(super) fn tick(&mut self, wire: &mut WireEnd) -> bool {
        self.unlooked += 1;
        if self.unlooked <= AWAKE {
            self.behind += TICK;
        }
        if self.behind > STARVED {
            // The far end sends nothing in its pauses; T.30's timers must run all the same.
            self.terminal.receive(&mut [0; TICK]);
            self.behind -= TICK;
        }
        self.half_frame = !self.half_frame;
        if !self.half_frame {
            let mut samples = [0i16; rtp::FRAME];
            self.terminal.transmit(&mut samples);
            if let Some(talker) = &mut self.talker {
                talker.talk(&mut samples);
            }
            self.said += samples.len();
            let payload = samples.map(|s| self.law.compress(s));
            wire.send(&self.sender.wrap(&payload));
        }
        // Audio always leaves: it says nothing of progress.
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::nobody::{Nobody, options};
    use super::*;

    /// What the far end says after a stall of ours goes on where it was: silence must not be put in between.
    #[test]
    fn stalled_process_hears_no_silence() {
        let far_end = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = socket.local_addr().unwrap();
        let mut wire = WireEnd::new(socket).unwrap();
        let media = AudioMedia {
            remote: far_end.local_addr().unwrap(),
            payload_type: 0,
        };
        wire.signal(media.remote);
        let mut leg = AudioLeg::new(&options(), &media, Box::new(Nobody)).unwrap();
        let mut sender = rtp::Sender::new(0, 7);
        let mut speak = || {
            let packet = sender.wrap(&[0xff; rtp::FRAME]);
            far_end.send_to(&packet, ours).unwrap();
        };
        for _ in 0..25 {
            speak();
        }
        assert!(leg.receive(&mut wire));
        for _ in 0..50 {
            leg.tick(&mut wire);
        }
        speak();
        assert!(leg.receive(&mut wire));
        assert_eq!(leg.behind, 0, "after half a second");
        for _ in 0..50 {
            leg.receive(&mut wire);
            leg.tick(&mut wire);
        }
        assert_eq!(leg.behind, STARVED, "without the far end, time goes on");
    }
}
