//! INVITEs in the carrier's name: over UDP anybody can write its address on a datagram, and names whom he likes as the one
//! who takes the media. And the port that they come to, which other users of the machine would like to have.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::{OURS, Site, wait_until};

/// So many packets may leave before the ACK.
const BEFORE_THE_ACK: usize = 2;

/// Whoever sends INVITEs from the carrier's address; what comes back is read by its Call-ID.
struct Caller {
    socket: UdpSocket,
    gateway: SocketAddr,
    rng: fastrand::Rng,
    calls: HashMap<String, Call>,
}

/// A call, as its caller sees it.
#[derive(Debug, Default)]
struct Call {
    /// Its INVITE, for the ACK.
    invite: String,
    /// Each 200, and when it came.
    answers: Vec<(Instant, String)>,
    /// The final refusal.
    refused: Option<String>,
    /// When the first BYE came.
    bye: Option<Instant>,
}

impl Call {
    fn is_over(&self) -> bool {
        self.bye.is_some() || self.refused.is_some()
    }

    fn status(&self) -> Option<&str> {
        let answer = self.answers.first().map(|(_, answer)| answer);
        let response = answer.or(self.refused.as_ref())?;
        response["SIP/2.0 ".len()..].split(' ').next()
    }
}

impl Caller {
    fn new(site: &Site, seed: u64) -> Caller {
        println!("seed {seed}");
        let socket = UdpSocket::bind(site.address(0)).expect("an address of loopback");
        socket.set_nonblocking(true).expect("a flag");
        Caller {
            socket,
            gateway: site.config.sip.listen[0].address,
            rng: fastrand::Rng::with_seed(seed),
            calls: HashMap::new(),
        }
    }

    fn word(&mut self) -> String {
        let length = self.rng.usize(5..20);
        (0..length).map(|_| self.rng.alphanumeric()).collect()
    }

    /// Sends an INVITE that names `media` for audio or T.38; its Call-ID.
    fn invite(&mut self, media: SocketAddr) -> String {
        let (call_id, tag, branch) = (self.word(), self.word(), self.word());
        let us = self.socket.local_addr().expect("it is bound");
        let (user, number) = (self.word(), self.rng.u32(1..1 << 30));
        let (ip, port) = (media.ip(), media.port());
        let line = match self.rng.u8(..3) {
            0 => format!("m=audio {port} RTP/AVP 0\r\n"),
            1 => format!("m=audio {port} RTP/AVP 8 0\r\na=sendrecv\r\n"),
            _ => format!(
                "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
            ),
        };
        let sdp = format!(
            "v=0\r\no={user} {number} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{line}"
        );
        let invite = format!(
            "INVITE sip:{OURS}@{gateway} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{branch};rport\r\n\
             From: <sip:{user}@{us}>;tag={tag}\r\nTo: <sip:{OURS}@{gateway}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} INVITE\r\nContact: <sip:{user}@{us}>\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}",
            gateway = self.gateway,
            length = sdp.len(),
        );
        self.send(&invite);
        let call = Call {
            invite,
            ..Call::default()
        };
        self.calls.insert(call_id.clone(), call);
        call_id
    }

    fn send(&self, message: &str) {
        let sent = self.socket.send_to(message.as_bytes(), self.gateway);
        sent.expect("loopback takes it");
    }

    /// The ACK to its first 200.
    fn ack(&self, call_id: &str) {
        self.send(&self.in_call(call_id, "ACK", 0));
    }

    fn hang_up(&self, call_id: &str) {
        self.send(&self.in_call(call_id, "BYE", 1));
    }

    fn in_call(&self, call_id: &str, method: &str, later: u32) -> String {
        let call = &self.calls[call_id];
        let (_, answer) = &call.answers[0];
        let contact = header(answer, "Contact").trim_matches(['<', '>']);
        let number: u32 = header(&call.invite, "CSeq")
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{call_id};rport\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            us = self.socket.local_addr().expect("it is bound"),
            from = header(&call.invite, "From"),
            to = header(answer, "To"),
            number = number + later,
        )
    }

    /// Takes in what has come. BYEs are answered.
    fn read(&mut self) {
        let mut datagram = [0; 65_536];
        while let Ok((length, _)) = self.socket.recv_from(&mut datagram) {
            let message = String::from_utf8_lossy(&datagram[..length]).into_owned();
            let Some(call) = self.calls.get_mut(header(&message, "Call-ID")) else {
                continue;
            };
            let of_invite = header(&message, "CSeq").ends_with("INVITE");
            if message.starts_with("BYE ") {
                call.bye.get_or_insert_with(Instant::now);
                let head = message.lines().skip(1).collect::<Vec<_>>().join("\r\n");
                self.send(&format!("SIP/2.0 200 OK\r\n{head}\r\n\r\n"));
            } else if of_invite && message.starts_with("SIP/2.0 2") {
                call.answers.push((Instant::now(), message));
            } else if of_invite
                && message.starts_with("SIP/2.0 ")
                && !message.starts_with("SIP/2.0 1")
            {
                call.refused = Some(message);
            }
        }
    }

    /// Reads until something is true.
    fn until(&mut self, what: &str, seconds: u64, mut is_so: impl FnMut(&mut Caller) -> bool) {
        wait_until(what, seconds, || {
            self.read();
            is_so(self)
        });
    }

    /// Reads for so long.
    fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.read();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the final answer to an INVITE: its status.
    fn status(&mut self, call_id: &str) -> String {
        self.until("a final answer", 10, |it| {
            it.calls[call_id].status().is_some()
        });
        self.calls[call_id].status().unwrap_or_default().to_owned()
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_default()
}

/// Somebody who has nothing to do with the call.
fn bystander(rng: &mut fastrand::Rng) -> UdpSocket {
    loop {
        let ip = [127, rng.u8(200..), rng.u8(..), rng.u8(1..255)];
        if let Ok(socket) = UdpSocket::bind(SocketAddr::from((ip, rng.u16(1024..)))) {
            socket.set_nonblocking(true).expect("a flag");
            return socket;
        }
    }
}

fn packets_got(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2048];
    (0..)
        .take_while(|_| socket.recv_from(&mut buffer).is_ok())
        .count()
}

/// 50 of them, some at a time: one channel each for five seconds, and two packets for whom they name.
#[test]
fn an_invite_without_its_ack_costs_five_seconds_and_two_packets() {
    let site = Site::with(|config| config.sip.channels = 32);
    let mut caller = Caller::new(&site, fastrand::u64(..));
    let mut answered = 0;
    while answered < 50 {
        let batch: Vec<(UdpSocket, String)> = (0..13)
            .map(|_| {
                let victim = bystander(&mut caller.rng);
                let call = caller.invite(victim.local_addr().expect("it is bound"));
                (victim, call)
            })
            .collect();
        let ids: Vec<&String> = batch.iter().map(|(_, call)| call).collect();
        caller.until("all are over", 40, |it| {
            ids.iter().all(|id| it.calls[*id].is_over())
        });
        for (victim, id) in &batch {
            let call = &caller.calls[id];
            let packets = packets_got(victim);
            if let Some(refused) = &call.refused {
                assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
                assert_eq!(packets, 0);
                continue;
            }
            answered += 1;
            assert!(
                packets <= BEFORE_THE_ACK,
                "{packets} packets: {}",
                call.invite
            );
            let held = call.bye.expect("it is over") - call.answers[0].0;
            let held = held.as_secs_f64();
            assert!((4.8..6.5).contains(&held), "held for {held} s");
            assert_eq!(call.answers.len(), 4, "at 0, 0.5, 1.5 and 3.5 s");
        }
        wait_until("every channel is free", 10, || {
            site.status()["trunks"][0]["calls"] == 0
        });
    }
    assert_eq!(site.office().len(), 0);
}

#[test]
fn with_two_acks_overdue_no_invite_is_answered_until_one_ends() {
    let site = Site::with(|_| {});
    let mut caller = Caller::new(&site, fastrand::u64(..));
    for round in 0..6 {
        let victim = bystander(&mut caller.rng);
        let media = victim.local_addr().expect("it is bound");
        let two = [0; 2].map(|_| caller.invite(media));
        for id in &two {
            assert_eq!(caller.status(id), "200", "round {round}");
        }
        // Neither is overdue yet.
        let third = caller.invite(media);
        assert_eq!(caller.status(&third), "200", "round {round}");
        caller.ack(&third);
        caller.pass(Duration::from_millis(1300));
        let refused = caller.invite(media);
        assert_eq!(caller.status(&refused), "503", "round {round}");
        let refusal = caller.calls[&refused]
            .refused
            .clone()
            .expect("it is refused");
        let seconds: u32 = header(&refusal, "Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{refusal}");
        // One of them ends: its ACK comes, or its time is over.
        let lucky = &two[caller.rng.usize(..2)];
        if round % 2 == 0 {
            caller.ack(lucky);
            caller.pass(Duration::from_millis(200));
        } else {
            caller.until("its BYE", 10, |it| it.calls[lucky].is_over());
            caller.pass(Duration::from_millis(200));
        }
        let next = caller.invite(media);
        assert_eq!(caller.status(&next), "200", "round {round}");
        caller.ack(&next);
        for id in two.iter().chain([&third, &next]) {
            if !caller.calls[id].is_over() {
                caller.ack(id);
                caller.hang_up(id);
            }
        }
        caller.pass(Duration::from_millis(200));
        wait_until("every channel is free", 10, || {
            site.status()["trunks"][0]["calls"] == 0
        });
    }
    assert!(
        site.log()
            .count("ACKs to answered calls of this trunk are overdue")
            > 0
    );
}

/// The network lost three ACKs; the fourth 200 is acknowledged, and the call goes on.
#[test]
fn three_acks_may_be_lost() {
    let site = Site::with(|_| {});
    let mut caller = Caller::new(&site, fastrand::u64(..));
    let machine = bystander(&mut caller.rng);
    let call = caller.invite(machine.local_addr().expect("it is bound"));
    caller.until("the fourth 200", 10, |it| {
        it.calls[&call].answers.len() == 4
    });
    assert!(packets_got(&machine) <= BEFORE_THE_ACK);
    caller.ack(&call);
    caller.pass(Duration::from_secs(4));
    let after = &caller.calls[&call];
    assert_eq!((after.bye, after.answers.len()), (None, 4));
    let packets = packets_got(&machine);
    assert!(packets > BEFORE_THE_ACK, "{packets} packets behind the ACK");
    caller.hang_up(&call);
}

/// A hundred callers at once, all of whom mean it.
#[test]
fn a_hundred_calls_at_once_are_answered() {
    let site = Site::with(|config| config.sip.channels = 120);
    let mut caller = Caller::new(&site, fastrand::u64(..));
    let machines: Vec<UdpSocket> = (0..100).map(|_| bystander(&mut caller.rng)).collect();
    let calls: Vec<String> = machines
        .iter()
        .map(|machine| caller.invite(machine.local_addr().expect("it is bound")))
        .collect();
    let mut acknowledged = HashMap::new();
    caller.until("a hundred answers", 60, |it| {
        for id in &calls {
            if !it.calls[id].answers.is_empty() && !acknowledged.contains_key(id) {
                it.ack(id);
                acknowledged.insert(id.clone(), ());
            }
        }
        calls.iter().all(|id| it.calls[id].status().is_some())
    });
    let answered = |id: &&String| caller.calls[*id].status() == Some("200");
    assert_eq!(calls.iter().filter(answered).count(), 100);
    caller.pass(Duration::from_secs(6));
    let ended = calls.iter().filter(|id| caller.calls[*id].bye.is_some());
    assert_eq!(ended.count(), 0, "calls whose ACK was not heard");
    for id in &calls {
        caller.hang_up(id);
    }
}

/// With SO_REUSEADDR two sockets of one address need not know each other, and the later one gets what comes.
#[test]
fn nobody_else_can_bind_the_sip_port() {
    use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
    use rustix::net::{AddressFamily, SocketType, bind, socket};

    let site = Site::with(|_| {});
    let gateway = site.config.sip.listen[0].address;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for draw in 0..60 {
        // A peer with a socket of its own in the daemon.
        let peer = loop {
            if let Ok(peer) = UdpSocket::bind(site.address(rng.u16(6000..))) {
                break peer;
            }
        };
        let (id, us) = (rng.u64(..), peer.local_addr().expect("it is bound"));
        let options = format!(
            "OPTIONS sip:{gateway} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{id:x};rport\r\n\
             From: <sip:{us}>;tag={id:x}\r\nTo: <sip:{gateway}>\r\nCall-ID: {id:x}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let patience = Some(Duration::from_secs(5));
        peer.set_read_timeout(patience).expect("a timeout");
        peer.send_to(options.as_bytes(), gateway)
            .expect("loopback takes it");
        let mut answer = [0; 4096];
        let (length, _) = peer.recv_from(&mut answer).expect("an answer");
        assert!(answer[..length].starts_with(b"SIP/2.0 200 "));
        let thief = socket(AddressFamily::INET, SocketType::DGRAM, None).expect("a socket");
        set_socket_reuseaddr(&thief, rng.bool() || draw < 10).expect("an option");
        set_socket_reuseport(&thief, draw >= 10 && rng.bool()).expect("an option");
        let stolen = bind(&thief, &gateway);
        assert_eq!(stolen, Err(rustix::io::Errno::ADDRINUSE), "draw {draw}");
    }
}
