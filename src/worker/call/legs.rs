//! The two ways a fax goes over our wire: T.38 in UDPTL, audio in RTP. Both are driven by ticks of 10 ms.

use std::io;

use super::wire_end::WireEnd;
use crate::fax::{
    AudioTerminal, Event, Holder, NO_SIGNAL, Options, Progress, SetUpFailed, T38Terminal, ToneEar,
};
use crate::proto::g711::Law;
use crate::proto::{rtp, udptl};
use crate::worker::wire::{AudioMedia, ErrorCorrection, T38Media};

/// Samples in a tick.
const TICK: usize = 80;
/// Samples that may be missing before we go on without the far end: 400 ms.
const STARVED: usize = 3200;
/// Ticks between two looks at the socket that count as time without the far end; more are a stall of ours.
const AWAKE: u32 = 2;
/// Samples after which a called terminal has said its CED in audio: 200 ms of silence, 2.6 s of tone.
const CED: usize = 22400;
/// No-signal packets that we send first, to open a NAT and to be latched on.
const OPENERS: u32 = 3;

/// A terminal on a wire.
pub(super) enum Leg {
    T38(Box<T38Leg>),
    Audio(Box<AudioLeg>),
}

impl Leg {
    /// Takes in what the socket has; true if there was something.
    pub(super) fn receive(&mut self, wire: &mut WireEnd) -> bool {
        match self {
            Leg::T38(leg) => leg.receive(wire),
            Leg::Audio(leg) => leg.receive(wire),
        }
    }

    /// Ten milliseconds have passed; true if page data or frames left.
    pub(super) fn tick(&mut self, wire: &mut WireEnd) -> bool {
        match self {
            Leg::T38(leg) => leg.tick(wire),
            Leg::Audio(leg) => leg.tick(wire),
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        match self {
            Leg::T38(leg) => leg.terminal.poll_event(),
            Leg::Audio(leg) => leg.terminal.poll_event(),
        }
    }

    pub(super) fn progress(&mut self) -> Progress {
        match self {
            Leg::T38(leg) => leg.terminal.progress(),
            Leg::Audio(leg) => leg.terminal.progress(),
        }
    }

    pub(super) fn terminate(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.terminate(),
            Leg::Audio(leg) => leg.terminal.terminate(),
        }
    }

    pub(super) fn silence(&mut self) {
        match self {
            Leg::T38(leg) => leg.terminal.silence(),
            Leg::Audio(leg) => leg.terminal.silence(),
        }
    }

    /// Whether the far end has heard our CED, whole and in audio.
    pub(super) fn has_said_ced(&self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => leg.called && leg.said > CED,
        }
    }

    /// True once: the far end's fax tone was heard (audio only).
    pub(super) fn take_tone(&mut self) -> bool {
        match self {
            Leg::T38(_) => false,
            Leg::Audio(leg) => std::mem::take(&mut leg.tone),
        }
    }
}

/// T.38 in UDPTL.
pub(super) struct T38Leg {
    terminal: T38Terminal,
    sender: udptl::Sender,
    receiver: udptl::Receiver,
    openers: u32,
}

impl T38Leg {
    pub(super) fn new(
        options: &Options,
        media: &T38Media,
        redundancy: u8,
        holder: Box<dyn Holder>,
    ) -> Result<T38Leg, SetUpFailed> {
        let redundancy = match media.error_correction {
            ErrorCorrection::None => 0,
            _ => redundancy,
        };
        Ok(T38Leg {
            terminal: T38Terminal::new(options, media.version, holder)?,
            sender: udptl::Sender::new(redundancy.into(), media.max_datagram.into()),
            receiver: udptl::Receiver::new(),
            openers: OPENERS,
        })
    }

    /// See [`T38Terminal::shorten_ced`].
    pub(super) fn shorten_ced(&mut self) {
        self.terminal.shorten_ced();
    }

    fn receive(&mut self, wire: &mut WireEnd) -> bool {
        let mut any = false;
        while let Some(packet) = wire.receive(|p| udptl::Datagram::decode(p).is_ok()) {
            any |= self.receiver.handle(&packet).is_ok();
            self.deliver();
        }
        any
    }

    fn deliver(&mut self) {
        while let Some((seq, ifp)) = self.receiver.poll() {
            self.terminal.handle_ifp(&ifp, seq);
        }
    }

    fn tick(&mut self, wire: &mut WireEnd) -> bool {
        self.receiver.age();
        self.deliver();
        if self.openers > 0 {
            self.openers -= 1;
            wire.send(&self.sender.wrap(&NO_SIGNAL));
        }
        self.terminal.tick(TICK as u32);
        let mut any = false;
        while let Some(ifp) = self.terminal.poll_transmit() {
            any = true;
            // A repeat is the same datagram again: with a number of its own, a frame would end twice.
            let datagram = self.sender.wrap(&ifp.octets);
            for _ in 0..ifp.count {
                wire.send(&datagram);
            }
        }
        any
    }
}

/// Audio in RTP.
pub(super) struct AudioLeg {
    terminal: AudioTerminal,
    law: Law,
    sender: rtp::Sender,
    receiver: rtp::Receiver,
    ear: ToneEar,
    tone: bool,
    called: bool,
    /// Samples sent.
    said: usize,
    /// Samples of time that have passed and not been received.
    behind: usize,
    /// Ticks since we last looked at the socket.
    unlooked: u32,
    /// Every second tick, a frame of 20 ms leaves.
    half_frame: bool,
}

impl AudioLeg {
    pub(super) fn new(
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
        })
    }

    fn receive(&mut self, wire: &mut WireEnd) -> bool {
        let mut any = false;
        self.unlooked = 0;
        let is_audio = |p: &[u8]| {
            rtp::Packet::decode(p).is_ok_and(|p| Law::from_payload_type(p.payload_type).is_some())
        };
        while let Some(octets) = wire.receive(is_audio) {
            let Ok(packet) = rtp::Packet::decode(&octets) else {
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

    fn tick(&mut self, wire: &mut WireEnd) -> bool {
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

    use super::*;
    use crate::fax::{NotKept, Role};

    struct Nobody;

    impl Holder for Nobody {
        fn page_received(&mut self, _: u32, _: bool) -> Result<(), NotKept> {
            Err(NotKept)
        }

        fn last_page_leaving(&mut self) -> Result<(), NotKept> {
            Err(NotKept)
        }
    }

    fn options() -> Options {
        Options {
            role: Role::Receiver,
            calling: true,
            ident: String::new(),
            tiff: "/dev/null".into(),
            ecm: true,
            max_bit_rate: 14400,
        }
    }

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

    /// CNG, the first indicator of a caller, is sent three times.
    #[test]
    fn repeat_is_the_same_datagram_again() {
        const CNG: &[u8] = &[0x02];
        let far_end = UdpSocket::bind("127.0.0.1:0").unwrap();
        far_end.set_nonblocking(true).unwrap();
        let mut wire = WireEnd::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let media = T38Media {
            remote: far_end.local_addr().unwrap(),
            version: 0,
            max_datagram: 400,
            max_bit_rate: 14400,
            error_correction: ErrorCorrection::Redundancy,
        };
        wire.signal(media.remote);
        let mut leg = T38Leg::new(&options(), &media, 3, Box::new(Nobody)).unwrap();
        for _ in 0..30 {
            leg.tick(&mut wire);
        }
        let mut cng = Vec::new();
        let mut buffer = [0; 500];
        while let Ok(len) = far_end.recv(&mut buffer) {
            let datagram = udptl::Datagram::decode(&buffer[..len]).unwrap();
            if datagram.primary == CNG {
                cng.push(buffer[..len].to_vec());
            }
        }
        assert_eq!(cng.len(), 3);
        assert!(cng.iter().all(|datagram| *datagram == cng[0]));
    }
}
