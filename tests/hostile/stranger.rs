//! A far end with the address of a carrier and nothing good in mind: mutated requests, calls whose media is rubbish,
//! calls that are never hung up.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::mutate::mutate;
use crate::seeds::{ACK, AUDIO, BYE, IMAGE, IN_CALL, INVITES, REQUESTS, UDPTL};

/// What all strangers did, for the table.
#[derive(Default)]
pub struct Deeds {
    /// SIP messages sent.
    pub messages: AtomicU64,
    /// Calls of theirs that were answered.
    pub calls: AtomicU64,
    /// Datagrams sent to media ports.
    pub media: AtomicU64,
}

/// One stranger's socket, media socket and dice.
pub struct Stranger<'a> {
    gateway: SocketAddr,
    sip: UdpSocket,
    media: UdpSocket,
    rng: Rng,
    deeds: &'a Deeds,
    branch: u64,
}

/// What a dialog is made of.
struct Call {
    id: String,
    tag: String,
    to: String,
    contact: String,
    media: SocketAddr,
    seq: u32,
}

impl<'a> Stranger<'a> {
    /// At any port of `ip`.
    pub fn new(ip: std::net::IpAddr, gateway: SocketAddr, rng: Rng, deeds: &'a Deeds) -> Self {
        let [sip, media] = [(); 2].map(|()| UdpSocket::bind((ip, 0)).expect("a free port"));
        for socket in [&sip, &media] {
            let brief = Some(Duration::from_millis(2));
            socket
                .set_read_timeout(brief)
                .expect("a socket has timeouts");
        }
        Stranger {
            gateway,
            sip,
            media,
            rng,
            deeds,
            branch: 0,
        }
    }

    /// Makes trouble until told to stop.
    pub fn roam(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match self.rng.u8(..10) {
                0..7 => self.shout(),
                _ => self.call(stop),
            }
        }
    }

    /// A burst of mutated messages that belong to nothing.
    fn shout(&mut self) {
        for _ in 0..self.rng.usize(1..20) {
            // Few INVITEs: each that is still one takes a channel for half a minute.
            let first = if self.rng.u8(..64) == 0 { 0 } else { INVITES };
            let seed = REQUESTS[self.rng.usize(first..REQUESTS.len())];
            let id = self.rng.u32(..).to_string();
            let right = self.fill(seed, &id, "s", None);
            let message = mutate(&mut self.rng, &right);
            self.say(&message);
            self.hear(1);
        }
        std::thread::sleep(Duration::from_millis(self.rng.u64(..300)));
    }

    /// A call that begins well.
    fn call(&mut self, stop: &AtomicBool) {
        let (id, tag) = (format!("{:x}@stranger", self.rng.u64(..)), "s".to_owned());
        let seed = REQUESTS[self.rng.usize(..INVITES)];
        let invite = self.fill(seed, &id, &tag, None);
        self.say(&invite);
        let Some(mut call) = self.answered(id, tag) else {
            return;
        };
        self.deeds.calls.fetch_add(1, Ordering::Relaxed);
        let ack = self.fill(ACK, "", "", Some(&call));
        self.say(&ack);
        let until = Instant::now() + Duration::from_millis(self.rng.u64(200..12_000));
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            self.misbehave(&mut call);
        }
        // The others are left up: what ends them is the gateway's business.
        if self.rng.u8(..3) > 0 {
            call.seq += 1;
            let bye = self.fill(BYE, "", "", Some(&call));
            self.say(&bye);
        }
        self.hear(10);
    }

    fn misbehave(&mut self, call: &mut Call) {
        match self.rng.u8(..40) {
            0 => {
                call.seq += 1;
                let request = IN_CALL[self.rng.usize(..IN_CALL.len())];
                let right = self.fill(request, "", "", Some(call));
                let wrong = self.rng.bool().then(|| mutate(&mut self.rng, &right));
                self.say(&wrong.unwrap_or(right));
                let ack = self.fill(ACK, "", "", Some(call));
                self.say(&ack);
            }
            1..5 => self.hear(1),
            _ => self.spray(call.media),
        }
    }

    /// Media of either kind, the sequence numbers sometimes right.
    fn spray(&mut self, to: SocketAddr) {
        for _ in 0..self.rng.usize(1..30) {
            let seq = self.deeds.media.fetch_add(1, Ordering::Relaxed) as u16;
            let mut datagram = match self.rng.bool() {
                true => UDPTL[self.rng.usize(..UDPTL.len())].to_vec(),
                false => rtp(&mut self.rng, seq),
            };
            if self.rng.bool() {
                datagram[..2].copy_from_slice(&(seq % 300).to_be_bytes());
            }
            if self.rng.bool() {
                datagram = mutate(&mut self.rng, &datagram);
            }
            let _ = self.media.send_to(&datagram, to);
        }
        std::thread::sleep(Duration::from_millis(self.rng.u64(..40)));
    }

    /// Waits for the 200 to our INVITE; what else comes is not for us.
    fn answered(&mut self, id: String, tag: String) -> Option<Call> {
        let until = Instant::now() + Duration::from_secs(4);
        let mut datagram = [0; 8192];
        while Instant::now() < until {
            let Ok((length, _)) = self.sip.recv_from(&mut datagram) else {
                continue;
            };
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if !text.contains(&id) || !text.starts_with("SIP/2.0 ") || text.starts_with("SIP/2.0 1")
            {
                continue;
            }
            let line = |name: &str| {
                let lines = text.lines().filter_map(|line| line.split_once(':'));
                let mut named = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
                named.next().map(|(_, value)| value.trim().to_owned())
            };
            let port = text.lines().find_map(|line| line.strip_prefix("m="))?;
            let port = port.split(' ').nth(1)?.parse().ok()?;
            let seq = line("CSeq")?.split(' ').next()?.parse().ok()?;
            let contact = line("Contact")?;
            return Some(Call {
                id,
                tag,
                to: line("To").or_else(|| line("t"))?,
                contact: contact.trim_matches(['<', '>']).to_owned(),
                media: (self.gateway.ip(), port).into(),
                seq,
            });
        }
        None
    }

    fn fill(&mut self, seed: &str, id: &str, tag: &str, call: Option<&Call>) -> Vec<u8> {
        self.branch += 1;
        let me = self.sip.local_addr().expect("it is bound");
        let media = self.media.local_addr().expect("it is bound");
        let body = |text: &str| {
            text.replace("{ip}", &media.ip().to_string())
                .replace("{port}", &media.port().to_string())
        };
        let (audio, image) = (body(AUDIO), body(IMAGE));
        let length = if seed.contains("{image}") {
            image.len()
        } else {
            audio.len()
        };
        let (id, tag) = call.map_or((id, tag), |call| (&call.id, &call.tag));
        let text = seed
            .replace("{us}", &self.gateway.to_string())
            .replace("{me}", &me.to_string())
            .replace("{branch}", &format!("{}-{}", me.port(), self.branch))
            .replace("{call}", id)
            .replace("{tag}", tag)
            .replace("{length}", &length.to_string())
            .replace("{audio}", &audio)
            .replace("{image}", &image)
            .replace("{to}", call.map_or("", |call| &call.to))
            .replace("{contact}", call.map_or("", |call| &call.contact))
            .replace("{seq}", &call.map_or(1, |call| call.seq).to_string());
        // Half of what is not ASCII goes out in Latin-1, as old exchanges write it.
        match self.rng.bool() {
            true => text
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect(),
            false => text.into_bytes(),
        }
    }

    fn say(&self, message: &[u8]) {
        self.deeds.messages.fetch_add(1, Ordering::Relaxed);
        let _ = self
            .sip
            .send_to(&message[..message.len().min(60_000)], self.gateway);
    }

    /// Takes what waits, and forgets it.
    fn hear(&self, datagrams: usize) {
        let mut datagram = [0; 8192];
        for _ in 0..datagrams {
            if self.sip.recv_from(&mut datagram).is_err() {
                return;
            }
        }
    }
}

/// 20 ms of noise, by RFC 3550.
fn rtp(rng: &mut Rng, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, if rng.bool() { 0 } else { rng.u8(..) }];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend((0..160).map(|_| rng.u8(..)));
    packet
}
