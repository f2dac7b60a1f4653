//! T.38 in UDPTL.

use std::collections::VecDeque;

use super::super::wire_end::Look;
use super::TICK;
use crate::fax::{Holder, NO_SIGNAL, Options, SetUpFailed, T38Terminal};
use crate::proto::sdp::ErrorCorrection;
use crate::proto::udptl::{self, Repair};
use crate::worker::wire::T38Media;

/// No-signal packets that we send first, to open a NAT and to be latched on.
const OPENERS: u32 = 3;
/// Ticks of our silence after which the last datagram leaves once more: a NAT forgets whom it hears nothing from,
/// often within 30 s, and a receiver says nothing for as long as a page takes. Receivers drop it by its number.
const KEEPALIVE: u32 = 1000;
/// Parity as Asterisk and most gateways send it: three losses in a row, a quarter of the octets of redundancy 3.
const FEC: Repair = Repair::Fec {
    span: 3,
    entries: 3,
};

/// T.38 7.2: the head of an IFP packet with data; what remains of it is the modem.
const DATA: u8 = 0xc0;
const V21: u8 = 0;
/// T.38 7.3.2: the field has data, its length less one in the two octets before it; the types that end a signal.
const HAS_DATA: u8 = 0x80;
const SIGNAL_ENDS: [u8; 4] = [1, 4, 5, 7];
/// Octets of a packet that says no more than how a signal ends.
const SHORT: usize = 8;

/// T.38 in UDPTL.
pub(in crate::worker::call) struct T38Leg {
    pub(super) terminal: T38Terminal,
    sender: udptl::Sender,
    receiver: udptl::Receiver,
    openers: u32,
    /// The last packet that came in was page data.
    page_data: bool,
    /// The last packet that came in, and the last that left, was data with more to follow.
    takes_in: bool,
    says: bool,
    /// Octets of all packets with page data, either way.
    page_octets: u64,
    /// The last datagram, and ticks since it left.
    last: (Vec<u8>, u32),
    ready: VecDeque<Vec<u8>>,
}

impl T38Leg {
    pub(in crate::worker::call) fn new(
        options: &Options,
        media: &T38Media,
        holder: Box<dyn Holder>,
    ) -> Result<T38Leg, SetUpFailed> {
        let repair = repair(media);
        Ok(T38Leg {
            terminal: T38Terminal::new(options, media.version, holder)?,
            sender: udptl::Sender::new(repair, media.max_datagram.into()),
            receiver: udptl::Receiver::new(),
            openers: OPENERS,
            page_data: false,
            takes_in: false,
            says: false,
            page_octets: 0,
            last: (Vec::new(), 0),
            ready: VecDeque::new(),
        })
    }

    /// A new agreement in the middle of it: another address, another datagram size. Its NAT is to be opened again.
    pub(in crate::worker::call) fn renegotiate(&mut self, media: &T38Media) {
        let repair = repair(media);
        self.sender.renegotiate(repair, media.max_datagram.into());
        // The next tick says the last datagram again.
        self.last.1 = KEEPALIVE;
    }

    /// See [`T38Terminal::follow_audio`].
    pub(in crate::worker::call) fn follow_audio(&mut self, whole_ced: bool) {
        self.terminal.follow_audio(whole_ced);
    }

    /// Whether page data comes in, packet after packet.
    pub(in crate::worker::call) fn takes_in_a_page(&self) -> bool {
        self.page_data
    }

    /// Whether data comes in, of a page or of a frame, and more is to follow: nobody waits for an answer yet.
    pub(super) fn takes_in_data(&self) -> bool {
        self.takes_in
    }

    /// Whether data leaves, and more is to follow.
    pub(in crate::worker::call) fn says_data(&self) -> bool {
        self.says
    }

    /// Octets of pages so far: without repeats in error correction mode, else all of them.
    pub(super) fn headway(&mut self, ecm: bool) -> u64 {
        match ecm {
            true => self.terminal.progress().headway,
            false => self.page_octets,
        }
    }

    pub(super) fn look(&self, octets: &[u8]) -> Look {
        match udptl::Datagram::decode(octets) {
            Ok(_) => Look::Good,
            Err(_) => Look::Junk,
        }
    }

    /// Takes a datagram in, the first from another place if the far end `moved`.
    pub(super) fn handle(&mut self, octets: &[u8], moved: bool) {
        if moved {
            self.receiver.far_end_moved();
        }
        if self.receiver.handle(octets).is_ok() {
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        while let Some((seq, ifp)) = self.receiver.poll() {
            self.page_data = is_page_data(&ifp);
            self.takes_in = goes_on(&ifp);
            self.count(&ifp);
            self.terminal.handle_ifp(&ifp, seq);
        }
    }

    /// Ten milliseconds have passed; true if page data or frames are to leave.
    pub(super) fn tick(&mut self) -> bool {
        self.receiver.age();
        self.deliver();
        if self.openers > 0 {
            self.openers -= 1;
            self.send(&NO_SIGNAL, 1);
        }
        self.terminal.tick(TICK as u32);
        let mut any = false;
        while let Some(ifp) = self.terminal.poll_transmit() {
            any = true;
            self.says = goes_on(&ifp.octets);
            self.count(&ifp.octets);
            self.send(&ifp.octets, ifp.count);
        }
        self.keep_alive();
        any
    }

    /// The next datagram to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    /// `count` is how often SpanDSP wants the packet on the wire. A repeat is the same datagram again: with a number
    /// of its own a frame would end twice, and push earlier packets out of the repeats in later datagrams.
    fn send(&mut self, ifp: &[u8], count: u32) {
        let datagram = self.sender.wrap(ifp);
        for _ in 0..count {
            self.ready.push_back(datagram.clone());
        }
        self.last = (datagram, 0);
    }

    fn count(&mut self, ifp: &[u8]) {
        if is_page_data(ifp) {
            self.page_octets += ifp.len() as u64;
        }
    }

    fn keep_alive(&mut self) {
        let (datagram, ticks) = &mut self.last;
        *ticks += 1;
        if *ticks >= KEEPALIVE && !datagram.is_empty() && !self.terminal.is_silenced() {
            *ticks = 0;
            self.ready.push_back(datagram.clone());
        }
    }
}

/// T.38 7.2: data, and of any other modem than V.21. The short ones end a signal, which may want an answer.
fn is_page_data(ifp: &[u8]) -> bool {
    let page = |head: u8| head & DATA == DATA && head & !DATA != V21;
    ifp.len() > SHORT && page(ifp[0])
}

/// T.38 7.3.2: data whose last field is not the end of its signal.
fn goes_on(ifp: &[u8]) -> bool {
    let [head, count, fields @ ..] = ifp else {
        return false;
    };
    let (mut rest, mut last) = (fields, None);
    for _ in 0..*count {
        let [field, behind @ ..] = rest else { break };
        last = Some(field >> 4 & 7);
        rest = match (field & HAS_DATA, behind) {
            (0, _) => behind,
            (_, [high, low, data @ ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low])) + 1;
                data.get(len..).unwrap_or_default()
            }
            _ => &[],
        };
    }
    head & DATA == DATA && last.is_some_and(|last| !SIGNAL_ENDS.contains(&last))
}

/// What the far end wants to receive is what it says of itself (T.38 annex D.2.1.5).
fn repair(media: &T38Media) -> Repair {
    match media.error_correction {
        ErrorCorrection::None => Repair::Nothing,
        ErrorCorrection::Redundancy => Repair::Redundancy {
            packets: media.redundancy.into(),
        },
        ErrorCorrection::Fec => FEC,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Nobody;
    use super::*;
    use crate::call::media::MediaSources;
    use crate::fax::Role;

    fn media(max_datagram: u16) -> T38Media {
        T38Media {
            remote: "192.0.2.1:4000".parse().unwrap(),
            version: 0,
            max_datagram,
            max_bit_rate: 14400,
            error_correction: ErrorCorrection::Redundancy,
            redundancy: 3,
            sources: MediaSources::default(),
        }
    }

    fn leg() -> T38Leg {
        let options = Options {
            role: Role::Receiver,
            calling: true,
            ident: String::new(),
            tiff: "/dev/null".into(),
            documents: Vec::new(),
            ecm: true,
            max_bit_rate: 14400,
            t85: false,
            sub_address: None,
            password: None,
        };
        T38Leg::new(&options, &media(400), Box::new(Nobody)).unwrap()
    }

    /// What leaves within so many ticks.
    fn listen(leg: &mut T38Leg, ticks: usize) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        for _ in 0..ticks {
            leg.tick();
            heard.extend(std::iter::from_fn(|| leg.poll_transmit()));
        }
        heard
    }

    /// CNG, the first indicator of a caller, is sent three times.
    #[test]
    fn repeat_is_the_same_datagram_again() {
        const CNG: &[u8] = &[0x02];
        let heard = listen(&mut leg(), 30);
        let cng: Vec<_> = heard
            .iter()
            .filter(|datagram| udptl::Datagram::decode(datagram).unwrap().primary == CNG)
            .collect();
        assert_eq!(cng.len(), 3);
        assert!(cng.iter().all(|datagram| *datagram == cng[0]));
    }

    #[test]
    fn data_goes_on_until_a_field_ends_its_signal() {
        let goes_on: [&[u8]; 4] = [
            &[0xc0, 1, 0x80, 0, 0, 0xff],
            &[0xc0, 1, 0x20],
            &[0xd0, 1, 0xe0, 0, 1, 0, 0],
            &[0xc0, 2, 0x80, 0, 0, 0xff, 0x20],
        ];
        assert!(goes_on.iter().all(|ifp| super::goes_on(ifp)));
        let ends: [&[u8]; 7] = [
            &[0xc0, 1, 0x40],
            &[0xc0, 2, 0x80, 0, 0, 0x13, 0x40],
            &[0xd0, 1, 0xf0, 0, 1, 0, 0],
            &[0x00],
            &[0x06],
            &[],
            &[0xc0, 0],
        ];
        assert!(ends.iter().all(|ifp| !super::goes_on(ifp)));
    }

    #[test]
    fn nat_is_opened_at_once_and_kept_open_with_what_was_said_last() {
        let mut leg = leg();
        let opened = listen(&mut leg, 3);
        for datagram in &opened[..3] {
            let read = udptl::Datagram::decode(datagram).unwrap();
            assert_eq!(read.primary, NO_SIGNAL);
        }
        let last = listen(&mut leg, 100).pop().unwrap();
        let later = listen(&mut leg, 2500);
        assert_eq!(later, [last.clone(), last], "in 25 s");
    }

    #[test]
    fn new_order_in_the_middle_opens_the_nat_again() {
        let mut leg = leg();
        let last = listen(&mut leg, 100).pop().unwrap();
        leg.renegotiate(&media(300));
        assert_eq!(listen(&mut leg, 1), [last]);
    }
}
