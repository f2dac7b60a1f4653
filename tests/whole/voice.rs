//! Somebody rings the fax number and talks: a caller scripted by hand, whose words come from espeak-ng where it is
//! installed (`make test` installs it) and are synthesised here where it is not.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use postfax::proto::g711::Law;

use crate::harness::{Site, wait_for};

/// Seconds that a caller may talk in these tests.
const PATIENCE: u32 = 6;

#[test]
fn somebody_who_talks_to_the_fax_is_hung_up_on_in_time() {
    for (language, words) in [
        (
            "en",
            "Good morning, this is a person, not a machine. I would like to speak with the accounts department, \
                please. Hello? Is anybody there? I shall try again in the afternoon, then.",
        ),
        (
            "de",
            "Guten Tag, hier spricht ein Mensch und kein Gerät. Ich hätte gern die Buchhaltung gesprochen, bitte. \
                Hallo? Ist da jemand? Dann versuche ich es heute Nachmittag noch einmal.",
        ),
    ] {
        let mut site = Site::prepared(|config| config.fax.voice_seconds = PATIENCE);
        let carrier = UdpSocket::bind(site.address(5070)).expect("the carrier's address is free");
        site.start();
        let mut caller = Caller::new(carrier, site.address(5060));
        let talked = caller.talks(&speech(language, words));
        let (least, most) = (f64::from(PATIENCE) - 1.0, f64::from(PATIENCE) + 10.0);
        assert!(
            (least..most).contains(&talked),
            "{language}: BYE after {talked:.1} s"
        );
        let row = wait_for("the call in the books", 10, || {
            site.received()
                .into_iter()
                .find(|row| row.ended_at.is_some())
        });
        assert_eq!(
            row.outcome.as_deref(),
            Some("voice_answered"),
            "{language}: {}",
            row.detail
        );
        assert_eq!(site.office().len(), 0, "nobody gets an empty fax");
    }
}

/// Twelve seconds and more of it, A-law's rate, 16 bits.
fn speech(language: &str, words: &str) -> Vec<i16> {
    let mut samples = espeak(language, words).unwrap_or_else(|| {
        eprintln!("espeak-ng is not installed; the words are synthesised");
        syllables()
    });
    while samples.len() < 30 * 8000 {
        samples.extend_from_within(..);
    }
    samples
}

/// The WAV that espeak-ng writes (16 bits, one channel), at 8,000 samples a second.
fn espeak(language: &str, words: &str) -> Option<Vec<i16>> {
    let said = Command::new("espeak-ng")
        .args(["-v", language, "--stdout", words])
        .output()
        .ok()?;
    let (header, data) = said.stdout.split_at_checked(44)?;
    let rate = u32::from_le_bytes(header[24..28].try_into().ok()?) as usize;
    let samples: Vec<i16> = data
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let length = samples.len() * 8000 / rate;
    Some((0..length).map(|n| samples[n * rate / 8000]).collect())
}

/// A voice of 110 Hz and its overtones, in syllables of a quarter of a second with pauses between words.
fn syllables() -> Vec<i16> {
    let mut samples = Vec::new();
    for word in 0..8 {
        for n in 0..2000 * (1 + word % 3) {
            let phase = n as f64 * 110.0 / 8000.0 * std::f64::consts::TAU;
            let swell = (n as f64 / 2000.0 * std::f64::consts::PI).sin().abs();
            let sound: f64 = (1..12)
                .map(|k| (phase * f64::from(k)).sin() / f64::from(k))
                .sum();
            samples.push((sound * swell * 5000.0) as i16);
        }
        samples.resize(samples.len() + 1600, 0);
    }
    samples
}

/// A caller of the carrier's who has a telephone, and no T.38.
struct Caller {
    sip: UdpSocket,
    rtp: UdpSocket,
    us: SocketAddr,
}

impl Caller {
    fn new(sip: UdpSocket, us: SocketAddr) -> Caller {
        let rtp = UdpSocket::bind((sip.local_addr().expect("bound").ip(), 0)).expect("a port");
        for socket in [&sip, &rtp] {
            socket.set_nonblocking(true).expect("a socket");
        }
        Caller { sip, rtp, us }
    }

    /// Rings, talks until it is hung up on, and says how many seconds after the answer that was.
    fn talks(&mut self, samples: &[i16]) -> f64 {
        let here = self.sip.local_addr().expect("bound");
        self.send(&self.invite(here));
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut answered: Option<(Instant, SocketAddr)> = None;
        let mut frames = samples.chunks_exact(160).zip(0u16..);
        loop {
            assert!(Instant::now() < deadline, "nobody hung up");
            while let Some(message) = self.next() {
                if message.starts_with("SIP/2.0 200")
                    && message.contains("1 INVITE")
                    && answered.is_none()
                {
                    self.send(&ack(&message, here));
                    answered = Some((Instant::now(), audio_of(&message, self.us)));
                } else if message.starts_with("INVITE ") {
                    self.send(&response(&message, "488 Not Acceptable Here"));
                } else if message.starts_with("BYE ") {
                    self.send(&response(&message, "200 OK"));
                    let (since, _) = answered.expect("it was answered before");
                    return since.elapsed().as_secs_f64();
                }
            }
            if let Some((since, to)) = answered {
                let (frame, nth) = frames.next().expect("there is enough to say");
                let due = since + Duration::from_millis(20) * u32::from(nth);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let _ = self.rtp.send_to(&packet(frame, nth), to);
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn invite(&self, here: SocketAddr) -> String {
        let audio = self.rtp.local_addr().expect("bound");
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\n",
            ip = audio.ip(),
            port = audio.port()
        );
        format!(
            "INVITE sip:5559876543@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKvoice1;rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+12025550188@{here}>;tag=talker\r\nTo: <sip:5559876543@{us}>\r\n\
             Call-ID: somebody-who-talks\r\nCSeq: 1 INVITE\r\nContact: <sip:talker@{here}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}",
            us = self.us,
            length = sdp.len()
        )
    }

    fn send(&self, message: &str) {
        let sent = self.sip.send_to(message.as_bytes(), self.us);
        sent.expect("loopback takes it");
    }

    fn next(&self) -> Option<String> {
        let mut datagram = [0; 65_536];
        let (length, _) = self.sip.recv_from(&mut datagram).ok()?;
        let message = String::from_utf8_lossy(&datagram[..length]).into_owned();
        // Its keepalives are answered, as any carrier does.
        if message.starts_with("OPTIONS ") {
            self.send(&response(&message, "200 OK"));
            return self.next();
        }
        Some(message)
    }
}

/// RFC 3550 5.1, payload type 8: PCMA.
fn packet(frame: &[i16], nth: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(nth.to_be_bytes());
    packet.extend((u32::from(nth) * 160).to_be_bytes());
    packet.extend(0x7357_u32.to_be_bytes());
    packet.extend(frame.iter().map(|sample| Law::A.compress(*sample)));
    packet
}

fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let mut lines = message.split("\r\n");
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn ack(answer: &str, here: SocketAddr) -> String {
    let contact = header(answer, "Contact").trim_start_matches('<');
    let target = contact.split('>').next().expect("split gives one at least");
    format!(
        "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKvoice2;rport\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        header(answer, "From"),
        header(answer, "To"),
        header(answer, "Call-ID"),
    )
}

fn response(request: &str, status: &str) -> String {
    let vias: String = request
        .split("\r\n")
        .filter(|line| line.starts_with("Via: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "SIP/2.0 {status}\r\n{vias}From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

/// Where the answer wants our audio.
fn audio_of(answer: &str, us: SocketAddr) -> SocketAddr {
    let port = answer
        .split("m=audio ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let port = port.and_then(|port| port.parse().ok());
    SocketAddr::new(
        us.ip(),
        port.unwrap_or_else(|| panic!("no audio in {answer}")),
    )
}
