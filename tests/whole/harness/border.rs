//! A session border controller between us and the carrier, scripted by hand: it puts addresses of its own into what both
//! sides say, and the media go through it. Its habits are those of carriers that make T.38 fail with others.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What it does with T.38 on our side. It always keeps the port that audio had, and says nothing in T.38 before it has
/// heard us, and then to where we sent from and not to what we wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Its T.38 comes from the port that it names.
    FromItsPort,
    /// It comes from another one.
    FromElsewhere,
}

/// Where the parts of a site are: us, the border on our side, the border on the carrier's side, the carrier.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    pub us: SocketAddr,
    pub outside: SocketAddr,
    pub inside: SocketAddr,
    pub carrier: SocketAddr,
}

/// A running one; it ends when it is dropped.
pub struct Border {
    stop: Arc<AtomicBool>,
}

impl Border {
    pub fn start(places: Places, habit: Habit) -> Border {
        let stop = Arc::new(AtomicBool::new(false));
        let mut desk = Desk::new(places, habit);
        let until = stop.clone();
        std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                if !desk.turn() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Border { stop }
    }
}

impl Drop for Border {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Audio,
    Image,
}

struct Desk {
    places: Places,
    habit: Habit,
    /// SIP, to us and to the carrier.
    signals: [UdpSocket; 2],
    /// All media to us, and what may come from elsewhere.
    media: [UdpSocket; 2],
    /// Media to the carrier.
    beyond: HashMap<Kind, UdpSocket>,
    /// Where each side said that it takes media.
    ours: HashMap<Kind, SocketAddr>,
    theirs: HashMap<Kind, SocketAddr>,
    /// Where our T.38 came from.
    latched: Option<SocketAddr>,
}

impl Desk {
    fn new(places: Places, habit: Habit) -> Desk {
        let any = |ip| socket(SocketAddr::new(ip, 0));
        Desk {
            places,
            habit,
            signals: [socket(places.outside), socket(places.inside)],
            media: [any(places.outside.ip()), any(places.outside.ip())],
            beyond: [Kind::Audio, Kind::Image]
                .map(|kind| (kind, any(places.inside.ip())))
                .into(),
            ours: HashMap::new(),
            theirs: HashMap::new(),
            latched: None,
        }
    }

    /// Whether anything came.
    fn turn(&mut self) -> bool {
        let mut datagram = [0; 65_536];
        let mut busy = false;
        if let Ok((length, _)) = self.signals[0].recv_from(&mut datagram) {
            let message = self.translated(&datagram[..length], true);
            let _ = self.signals[1].send_to(&message, self.places.carrier);
            busy = true;
        }
        if let Ok((length, _)) = self.signals[1].recv_from(&mut datagram) {
            let message = self.translated(&datagram[..length], false);
            let _ = self.signals[0].send_to(&message, self.places.us);
            busy = true;
        }
        for nth in 0..self.media.len() {
            if let Ok((length, from)) = self.media[nth].recv_from(&mut datagram) {
                self.on_our_media(&datagram[..length], from);
                busy = true;
            }
        }
        for kind in [Kind::Audio, Kind::Image] {
            if let Ok((length, _)) = self.beyond[&kind].recv_from(&mut datagram) {
                self.on_their_media(kind, &datagram[..length]);
                busy = true;
            }
        }
        busy
    }

    fn on_our_media(&mut self, packet: &[u8], from: SocketAddr) {
        let kind = match self.ours.get(&Kind::Image) == Some(&from) {
            true => Kind::Image,
            false => Kind::Audio,
        };
        if kind == Kind::Image {
            self.latched = Some(from);
        }
        if let Some(to) = self.theirs.get(&kind) {
            let _ = self.beyond[&kind].send_to(packet, to);
        }
    }

    fn on_their_media(&self, kind: Kind, packet: &[u8]) {
        let (to, from) = match (kind, self.habit) {
            (Kind::Audio, _) => (self.ours.get(&kind).copied(), 0),
            (Kind::Image, Habit::FromItsPort) => (self.latched, 0),
            (Kind::Image, Habit::FromElsewhere) => (self.latched, 1),
        };
        if let Some(to) = to {
            let _ = self.media[from].send_to(packet, to);
        }
    }

    /// A message as the other side is to see it. All numbers have as many digits as before, so that its length stays.
    fn translated(&mut self, message: &[u8], from_us: bool) -> Vec<u8> {
        let port = |address: SocketAddr| format!(":{}", address.port());
        let Places {
            us,
            outside,
            inside,
            carrier,
        } = self.places;
        let mut text = String::from_utf8_lossy(message).into_owned();
        for (ours, theirs) in [(us, inside), (outside, carrier)] {
            let (from, to) = if from_us {
                (ours, theirs)
            } else {
                (theirs, ours)
            };
            text = text.replace(&port(from), &port(to));
        }
        let lines = text.split_inclusive("\r\n");
        lines
            .map(|line| self.with_our_port(line, from_us))
            .collect::<String>()
            .into_bytes()
    }

    /// Of an m= line, with a port of the border's.
    fn with_our_port(&mut self, line: &str, from_us: bool) -> String {
        let kind = match line.split(' ').next() {
            Some("m=audio") => Kind::Audio,
            Some("m=image") => Kind::Image,
            _ => return line.to_owned(),
        };
        let port = line.split(' ').nth(1).expect("an m= line has its port");
        let Ok(number @ 1..) = port.parse::<u16>() else {
            return line.to_owned();
        };
        let (said, socket) = match from_us {
            true => (&mut self.ours, &self.beyond[&kind]),
            false => (&mut self.theirs, &self.media[0]),
        };
        said.insert(kind, SocketAddr::new(self.places.us.ip(), number));
        let own = socket.local_addr().expect("it is bound").port().to_string();
        assert_eq!(own.len(), port.len(), "ports of five digits");
        line.replacen(port, &own, 1)
    }
}

fn socket(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("an address of loopback");
    socket.set_nonblocking(true).expect("a flag");
    socket
}
