//! A fax between two of our call processes, without processes, sockets and clock: the same legs over a wire in memory,
//! in virtual time. What weather a fax survives and how many seconds it takes is measured with it (`make bench-calls`).

mod signals;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::custody::Paper;
use super::legs::{AudioLeg, Leg, T38Leg};
use super::verdict;
pub use super::weather::Weather;
use super::weather::Wire;
use super::wire_end::Look;
use crate::call::media::{AudioMedia, MediaSources, T38Media};
use crate::call::outcome::Outcome;
use crate::fax::{Ending, Event, Holder, NotKept, Options, Role};
use crate::pages::{FaxPage, g4, tiff};
use crate::proto::sdp::{Codec, ErrorCorrection};
use signals::Line;
pub use signals::{LEAST_PAUSE, Seconds, Signal};

/// The step of the terminals' time.
const TICK: Duration = Duration::from_millis(10);
/// Ticks after which a call would have been ended as too long.
const LONGEST: u32 = 60_000;

/// What the fax goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// T.38 in UDPTL, behind audio, with this against losses; the number is that of the packets repeated.
    T38(ErrorCorrection, u8),
    /// G.711 in RTP.
    Audio,
}

/// One fax to try.
#[derive(Debug, Clone)]
pub struct Trial<'a> {
    /// What is sent.
    pub pages: &'a [FaxPage],
    /// Over what.
    pub medium: Medium,
    /// With error correction (T.30 annex A).
    pub ecm: bool,
    /// In T.85; else in T.6 where there is error correction.
    pub t85: bool,
    /// Through what.
    pub weather: Weather,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In the views of sender and receiver.
    pub outcomes: [Outcome; 2],
    /// The pages arrived as they were sent, pel for pel.
    pub intact: bool,
    /// From the first packet to the sender's end, and what they were spent on (T.38 only).
    pub seconds: Seconds,
    /// What was said when (T.38 only).
    pub signals: Vec<Signal>,
    /// Packets that the sender sent.
    pub packets: u32,
}

impl Report {
    /// Whether the sender may tell its user that the fax arrived, and it did.
    pub fn is_success(&self) -> bool {
        self.outcomes[0] == Outcome::Delivered && self.intact
    }
}

impl Trial<'_> {
    /// Sends the fax.
    ///
    /// # Errors
    /// Where the system has no memory file or SpanDSP no memory.
    pub fn run(&self) -> io::Result<Report> {
        let mut wires = [0, 1].map(|way| Wire::new(self.weather, way));
        let kept = Rc::<RefCell<Vec<FaxPage>>>::default();
        let mut sides = [
            self.side(Role::Sender, &kept)?,
            self.side(Role::Receiver, &kept)?,
        ];
        let mut line = Line::default();
        let began = Instant::now();
        for ticks in 1..LONGEST {
            if sides.iter().all(|side| side.ending.is_some()) {
                break;
            }
            let now = (ticks, began + TICK * ticks);
            let [there, back] = &mut wires;
            sides[0].tick(now, back, there);
            sides[1].tick(now, there, back);
            if sides[0].ending.is_none() {
                let sent = wires.each_mut().map(Wire::take_sent);
                line.tick(&sent, sides[0].agreed);
            }
        }
        let outcome = |side: &Side| match &side.ending {
            Some(ending) => verdict::outcome(side.role, ending, None),
            None => Outcome::FarEndSilent,
        };
        Ok(Report {
            outcomes: [outcome(&sides[0]), outcome(&sides[1])],
            intact: same(self.pages, &kept.borrow()),
            seconds: match self.medium {
                Medium::T38(..) => line.seconds(),
                Medium::Audio => line.total(),
            },
            packets: wires[0].carried(),
            signals: line.signals(),
        })
    }

    fn side(&self, role: Role, kept: &Rc<RefCell<Vec<FaxPage>>>) -> io::Result<Side> {
        let content = match role {
            Role::Sender => tiff::write(self.pages),
            Role::Receiver => Vec::new(),
        };
        let paper = Rc::new(Paper::new(&content)?);
        let options = Options {
            role,
            calling: role == Role::Sender,
            ident: "+49 30 5550100".to_owned(),
            tiff: paper.path(),
            documents: Vec::new(),
            ecm: self.ecm,
            max_bit_rate: 14400,
            t85: self.t85,
            sub_address: None,
            password: None,
        };
        let shelf = Box::new(Shelf {
            paper,
            kept: Rc::clone(kept),
        });
        Ok(Side {
            role,
            leg: self.leg(&options, shelf)?,
            agreed: false,
            ending: None,
        })
    }

    fn leg(&self, options: &Options, holder: Box<dyn Holder>) -> io::Result<Leg> {
        Ok(match self.medium {
            Medium::T38(error_correction, redundancy) => {
                let media = T38Media {
                    remote: FAR_END,
                    version: 0,
                    max_datagram: 1400,
                    max_bit_rate: 14400,
                    error_correction,
                    redundancy,
                    sources: MediaSources::default(),
                };
                let leg = T38Leg::new(options, &media, holder);
                let mut leg = leg.map_err(io::Error::other)?;
                leg.follow_audio(false);
                Leg::T38(Box::new(leg))
            }
            Medium::Audio => {
                let media = AudioMedia {
                    remote: FAR_END,
                    codec: Codec::Pcmu,
                    payload_type: 0,
                    telephone_event: None,
                    ptime: None,
                    sources: MediaSources::default(),
                };
                Leg::Audio(Box::new(AudioLeg::new(options, &media, holder)?))
            }
        })
    }
}

/// The address at both ends of every wire (RFC 5737).
const FAR_END: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    4000,
);

/// One of the two terminals.
struct Side {
    role: Role,
    leg: Leg,
    /// The modems have agreed (CFR).
    agreed: bool,
    ending: Option<Ending>,
}

impl Side {
    /// As the loop of the process does it.
    fn tick(&mut self, (ticks, now): (u32, Instant), from: &mut Wire, to: &mut Wire) {
        while let Some(packet) = from.arrived(ticks) {
            if self.leg.look(&packet) != Look::Junk {
                self.leg.handle(&packet, false, now);
            }
        }
        self.leg.tick(true, now);
        while let Some(packet) = self.leg.poll_transmit() {
            to.send(ticks, &packet);
        }
        while let Some(event) = self.leg.poll_event() {
            match event {
                Event::Negotiated(_) => self.agreed = true,
                Event::Ended(ending) => self.ending = Some(ending),
                Event::PageReceived { .. } | Event::PageConfirmed { .. } => {}
            }
        }
    }
}

/// Keeps what comes, at once.
struct Shelf {
    paper: Rc<Paper>,
    kept: Rc<RefCell<Vec<FaxPage>>>,
}

impl Holder for Shelf {
    fn page_received(&mut self, _: u32, _: bool, _: u32) -> Result<(), NotKept> {
        let (_, newest) = self.paper.last_page().map_err(|_| NotKept)?;
        self.kept.borrow_mut().push(newest);
        Ok(())
    }

    fn last_page_leaving(&mut self, _page: u32) -> Result<bool, NotKept> {
        Ok(true)
    }
}

fn same(sent: &[FaxPage], received: &[FaxPage]) -> bool {
    let pels = |page: &FaxPage| g4::decode(&page.g4, page.width, page.height).ok();
    let alike = |(sent, received): (&FaxPage, &FaxPage)| {
        (sent.x_dpi, sent.y_dpi) == (received.x_dpi, received.y_dpi)
            && (sent.g4 == received.g4 || pels(sent) == pels(received))
    };
    sent.len() == received.len() && sent.iter().zip(received).all(alike)
}

#[cfg(test)]
mod tests {
    use super::super::pair::page;
    use super::*;

    fn report(medium: Medium, weather: Weather) -> Report {
        let trial = Trial {
            pages: &[page(31, 300)],
            medium,
            ecm: true,
            t85: false,
            weather,
        };
        trial.run().unwrap()
    }

    const RED3: Medium = Medium::T38(ErrorCorrection::Redundancy, 3);

    #[test]
    fn every_second_of_a_call_is_accounted_for() {
        let report = report(RED3, Weather::default());
        assert!(report.is_success(), "{report:?}");
        let s = report.seconds;
        let sum = s.ced + s.frames + s.training + s.tcf + s.page + s.pauses;
        assert!((sum - s.total).abs() < 0.01, "{s:?}");
        // The rest of CED behind audio; TCF is 1.5 s and 10 % (T.30 5.3.6.1.5).
        assert!((0.9..1.2).contains(&s.ced), "{s:?}");
        assert!((1.35..1.7).contains(&s.tcf), "{s:?}");
        assert!(s.frames > s.page, "{s:?}");
    }

    #[test]
    fn wire_that_loses_everything_is_no_success_and_has_an_end() {
        let weather = Weather {
            loss: 100.0,
            ..Weather::default()
        };
        let report = report(RED3, weather);
        assert!(!report.is_success());
        assert_ne!(report.outcomes[0], Outcome::Delivered);
    }
}
