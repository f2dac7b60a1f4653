//! A session border controller between us and the carrier, scripted by hand: it puts addresses of its own into what both
//! sides say, and the media go through it. Its habits are those of carriers that make T.38 fail with others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What it does with T.38 on our side. It always keeps the port that audio had, and unless told otherwise says nothing in
/// T.38 before it has heard us, and then to where we sent from and not to what we wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Its T.38 comes from the port that it names.
    FromItsPort,
    /// It comes from another one, and ours is heard at both.
    FromElsewhere,
    /// It comes from another one, and ours is heard at the port that it names only.
    HearsOnlyItsPort,
    /// It comes from another one, and ours is heard there only.
    HearsOnlyElsewhere,
    /// It comes from the port that it names until we send a page, and from another one behind it; ours is heard at the
    /// port that it names.
    Moves,
    /// It sends to the port that we name from the beginning, and to no other.
    NeverLatches,
    /// It sits behind a NAT and names this private address; ours is heard only where it sends from.
    BehindNat(IpAddr),
    /// Its T.38 comes from this address, and ours is heard at the one that it names.
    FromAddress(IpAddr),
}

impl Habit {
    /// Whether its T.38 comes from another port than it names from the beginning.
    fn is_elsewhere(self) -> bool {
        matches!(
            self,
            Habit::FromElsewhere
                | Habit::HearsOnlyItsPort
                | Habit::HearsOnlyElsewhere
                | Habit::FromAddress(_)
        )
    }

    /// Whether what we send to a socket of its is heard: the one that it names, or the other.
    fn hears(self, nth: usize, kind: Kind) -> bool {
        match self {
            Habit::FromElsewhere => true,
            Habit::HearsOnlyElsewhere => kind == Kind::Audio || nth == 1,
            _ => nth == 0,
        }
    }

    /// Whether it waits for us, and answers to where we sent from.
    fn latches(self) -> bool {
        !matches!(self, Habit::NeverLatches | Habit::BehindNat(_))
    }
}

/// A fax machine that says nothing for so long takes a page in.
const A_PAGE: Duration = Duration::from_millis(1500);

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
    /// When its T.38 came last; whether it has moved since.
    spoke: Option<Instant>,
    has_moved: bool,
}

impl Desk {
    fn new(places: Places, habit: Habit) -> Desk {
        let any = |ip| socket(SocketAddr::new(ip, 0));
        let elsewhere = match habit {
            Habit::FromAddress(ip) => ip,
            _ => places.outside.ip(),
        };
        Desk {
            places,
            habit,
            signals: [socket(places.outside), socket(places.inside)],
            media: [any(places.outside.ip()), any(elsewhere)],
            beyond: [Kind::Audio, Kind::Image]
                .map(|kind| (kind, any(places.inside.ip())))
                .into(),
            ours: HashMap::new(),
            theirs: HashMap::new(),
            latched: None,
            spoke: None,
            has_moved: false,
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
                self.on_our_media(nth, &datagram[..length], from);
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

    fn on_our_media(&mut self, nth: usize, packet: &[u8], from: SocketAddr) {
        let kind = match self.ours.get(&Kind::Image) == Some(&from) {
            true => Kind::Image,
            false => Kind::Audio,
        };
        // Whoever wants to hear us elsewhere has to be found first.
        if !self.habit.hears(nth, kind) && self.latched.is_some() {
            return;
        }
        if kind == Kind::Image {
            self.latched = Some(from);
        }
        if let Some(to) = self.theirs.get(&kind) {
            let _ = self.beyond[&kind].send_to(packet, to);
        }
    }

    fn on_their_media(&mut self, kind: Kind, packet: &[u8]) {
        let named = self.ours.get(&kind).copied();
        if kind == Kind::Image {
            let spoke = self.spoke.replace(Instant::now());
            let is_behind_a_page = spoke.is_some_and(|at| at.elapsed() > A_PAGE);
            self.has_moved |= is_behind_a_page && self.habit == Habit::Moves;
        }
        let (to, from) = match kind {
            Kind::Audio => (named, 0),
            Kind::Image => (
                if self.habit.latches() {
                    self.latched
                } else {
                    named
                },
                usize::from(self.habit.is_elsewhere() || self.has_moved),
            ),
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
        let lines = lines.map(|line| match (self.habit, from_us) {
            (Habit::BehindNat(private), false) if line.starts_with("c=IN IP4 ") => {
                format!("c=IN IP4 {private}\r\n")
            }
            _ => self.with_our_port(line, from_us),
        });
        with_its_length(lines.collect()).into_bytes()
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

/// A message with the length that its body has now.
fn with_its_length(message: String) -> String {
    let Some((head, body)) = message.split_once("\r\n\r\n") else {
        return message;
    };
    let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let mut lines: Vec<&str> = head.lines().filter(|line| !is_length(line)).collect();
    let length = format!("Content-Length: {}", body.len());
    lines.push(&length);
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn socket(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("an address of loopback");
    socket.set_nonblocking(true).expect("a flag");
    socket
}
