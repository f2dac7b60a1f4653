//! The loop of the child over loopback sockets, in real time, with the daemon's side played by hand.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::legs::syllables;
use super::pair::page;
use super::run::Call;
use crate::call::outcome::Outcome;
use crate::pages::{FaxPage, tiff};
use crate::proto::g711::Law;
use crate::proto::sdp::{Codec, ErrorCorrection};
use crate::proto::udptl;
use crate::worker::wire::{
    AudioMedia, CallDone, FaxRole, FromCall, MediaSources, Mishap, StartCall, T38Media, ToCall,
    read_frame, write_frame,
};

/// The daemon's side of one child, which runs in a thread.
struct Daemon {
    control: UnixStream,
    rtp: SocketAddr,
    udptl: SocketAddr,
    child: JoinHandle<()>,
    seen: Vec<FromCall>,
    pages: Vec<FaxPage>,
    store: bool,
    /// How long it takes to store a page.
    disk: Duration,
    /// How long it takes to store that a last page leaves.
    slow: Duration,
}

impl Daemon {
    fn start(role: FaxRole, pages: &[FaxPage], mishap: Option<Mishap>) -> Daemon {
        let start = StartCall {
            role,
            calling: role == FaxRole::Sender,
            ident: "5550100".into(),
            pages: pages.len() as u32,
            documents: Vec::new(),
            ecm: true,
            max_bit_rate: 14400,
            sub_address: None,
            password: None,
            t85: false,
            voice_seconds: 2,
            inactivity_seconds: 20,
            min_rate: 600,
            whole_ced: false,
            total_seconds: 90,
            mishap,
        };
        let [rtp, udptl] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = [&rtp, &udptl].map(|socket| socket.local_addr().unwrap());
        let (mut control, theirs) = UnixStream::pair().unwrap();
        control
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        if role == FaxRole::Receiver {
            // Nobody makes it wait for an ACK.
            write_frame(&mut control, &ToCall::Acknowledged, &[]).unwrap();
        }
        let tiff = tiff::write(pages);
        let child = thread::spawn(move || {
            let fds = vec![OwnedFd::from(rtp), OwnedFd::from(udptl)];
            Call::new(start, &tiff, fds, theirs).unwrap().run();
        });
        Daemon {
            control,
            rtp: addresses[0],
            udptl: addresses[1],
            child,
            seen: Vec::new(),
            pages: Vec::new(),
            store: true,
            disk: Duration::ZERO,
            slow: Duration::ZERO,
        }
    }

    fn say(&mut self, message: &ToCall) {
        write_frame(&mut self.control, message, &[]).unwrap();
    }

    fn audio(&mut self, remote: SocketAddr) {
        self.say(&ToCall::Audio(AudioMedia {
            remote,
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: None,
            ptime: None,
            sources: MediaSources::default(),
        }));
    }

    fn t38(&mut self, remote: SocketAddr) {
        self.say(&ToCall::T38(T38Media {
            remote,
            version: 0,
            max_datagram: 400,
            max_bit_rate: 14400,
            error_correction: ErrorCorrection::Redundancy,
            redundancy: 3,
            sources: MediaSources::default(),
        }));
    }

    /// Reads until `done`, answering what asks to be stored.
    fn read_until(&mut self, done: impl Fn(&FromCall) -> bool) -> FromCall {
        loop {
            let (message, blob): (FromCall, _) =
                read_frame(&mut self.control).unwrap().expect("child gone");
            if let FromCall::PageReceived {
                width,
                height,
                x_dpi,
                y_dpi,
                ..
            } = message
            {
                self.pages.push(FaxPage {
                    width,
                    height,
                    x_dpi,
                    y_dpi,
                    g4: blob,
                });
                thread::sleep(self.disk);
                let answer = match self.store {
                    true => ToCall::Stored,
                    false => ToCall::NotStored,
                };
                self.say(&answer);
            }
            if matches!(message, FromCall::LastPageLeaving { .. }) {
                thread::sleep(self.slow);
                // One that has given up does not listen any more.
                let _ = write_frame(&mut self.control, &ToCall::Stored, &[]);
            }
            self.seen.push(message.clone());
            if done(&message) {
                return message;
            }
        }
    }

    fn done(mut self) -> (CallDone, Vec<FromCall>, Vec<FaxPage>) {
        let FromCall::Done(done) = self.read_until(|m| matches!(m, FromCall::Done(_))) else {
            unreachable!("read until Done");
        };
        self.child.join().unwrap();
        (done, self.seen, self.pages)
    }
}

/// Starts with audio, waits for the tone at the called side's far end, and goes to T.38.
fn connect(sender: &mut Daemon, receiver: &mut Daemon) {
    sender.audio(receiver.rtp);
    receiver.audio(sender.rtp);
    sender.read_until(|m| *m == FromCall::FaxToneHeard);
    receiver.t38(sender.udptl);
    sender.t38(receiver.udptl);
}

#[test]
fn fax_goes_from_tone_to_t38_to_done() {
    let pages = [page(20, 240)];
    let mut sender = Daemon::start(FaxRole::Sender, &pages, None);
    let mut receiver = Daemon::start(FaxRole::Receiver, &[], None);
    connect(&mut sender, &mut receiver);
    let receiver = thread::spawn(move || receiver.done());
    let (sent, seen, _) = sender.done();
    let (received, _, got) = receiver.join().unwrap();
    assert_eq!(sent.outcome, Outcome::Delivered, "{}", sent.detail);
    assert_eq!(received.outcome, Outcome::Delivered, "{}", received.detail);
    assert_eq!((sent.pages, received.pages), (1, 1));
    assert_eq!(got[0].g4, pages[0].g4);
    assert!(sent.far_end.t38 && sent.far_end.ecm);
    assert!(sent.wire_bytes > 2000);
    let place = |wanted: &FromCall| seen.iter().position(|m| m == wanted).unwrap();
    assert!(
        place(&FromCall::LastPageLeaving { page: 1 }) < place(&FromCall::PageConfirmed { page: 1 })
    );
    assert!(seen.iter().any(|m| matches!(m, FromCall::Progress { .. })));
}

/// A sender and a receiver that straight away speak T.38.
fn t38_pair(pages: &[FaxPage], mishap: Option<Mishap>) -> (Daemon, Daemon) {
    let mut sender = Daemon::start(FaxRole::Sender, pages, None);
    let mut receiver = Daemon::start(FaxRole::Receiver, &[], mishap);
    sender.t38(receiver.udptl);
    receiver.t38(sender.udptl);
    (sender, receiver)
}

fn full_disk() {
    let (sender, mut receiver) = t38_pair(&[page(21, 120)], None);
    receiver.store = false;
    let receiver = thread::spawn(move || receiver.done().0);
    let sent = sender.done().0;
    let received = receiver.join().unwrap();
    assert_eq!(sent.outcome, Outcome::Uncertain);
    assert_eq!(received.outcome, Outcome::StorageFailed);
    assert_eq!((sent.pages, received.pages), (0, 0));
}

/// Its word comes when the far end has given the page up: no end of it leaves, and nothing is in doubt.
fn late_word() {
    let (mut sender, receiver) = t38_pair(&[page(26, 120)], None);
    sender.slow = Duration::from_secs(6);
    let receiver = thread::spawn(move || receiver.done().0);
    let sent = sender.done().0;
    let received = receiver.join().unwrap();
    assert_eq!(sent.outcome, Outcome::GatewayStalled, "{}", sent.detail);
    assert!(!sent.unanswered);
    assert_eq!((sent.pages, received.pages), (0, 0));
}

fn silent_before_the_last_mcf() {
    let mishap = Mishap::SilentBeforeLastMcf;
    let (sender, receiver) = t38_pair(&[page(22, 120)], Some(mishap));
    let receiver = thread::spawn(move || receiver.done());
    let sent = sender.done().0;
    receiver.join().unwrap();
    assert_eq!((sent.outcome, sent.pages), (Outcome::Uncertain, 0));
    assert!(sent.unanswered);
}

fn hangs_up_after_page_1() {
    let pages = [page(23, 120), page(24, 2200)];
    let (sender, receiver) = t38_pair(&pages, Some(Mishap::HangUpAfterPage(1)));
    let (received, _, got) = receiver.done();
    assert_eq!((received.pages, got.len()), (1, 1));
    // The sender understands the machine's DCN, in the middle of page 2.
    let sent = sender.done().0;
    assert_eq!((sent.outcome, sent.pages), (Outcome::FarEndHungUp, 1));
}

/// In one test, because they take their time and can take it together.
#[test]
fn full_disk_and_machines_that_misbehave() {
    let calls = [
        full_disk,
        late_word,
        silent_before_the_last_mcf,
        hangs_up_after_page_1,
    ];
    let calls = calls.map(thread::spawn);
    for call in calls {
        call.join().unwrap();
    }
}

/// What somebody heard, and when.
type Heard = Vec<(Instant, Vec<u8>)>;

/// A wire that somebody listens to: forwards between two ends, and notes what the one behind `from` sends and when.
fn tapped(from: SocketAddr, to: SocketAddr) -> (SocketAddr, JoinHandle<Heard>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    let tap = thread::spawn(move || {
        let (mut heard, mut buffer) = (Vec::new(), [0; 2000]);
        while let Ok((len, source)) = socket.recv_from(&mut buffer) {
            let packet = &buffer[..len];
            if source == from {
                heard.push((Instant::now(), packet.to_vec()));
            }
            let there = if source == from { to } else { from };
            socket.send_to(packet, there).unwrap();
        }
        heard
    });
    (address, tap)
}

#[test]
fn slow_disk_does_not_shorten_the_preamble_of_mcf() {
    const PREAMBLE: &[u8] = &[0x06];
    let mut sender = Daemon::start(FaxRole::Sender, &[page(25, 120)], None);
    let mut receiver = Daemon::start(FaxRole::Receiver, &[], None);
    receiver.disk = Duration::from_millis(500);
    let (wire, tap) = tapped(receiver.udptl, sender.udptl);
    sender.t38(wire);
    receiver.t38(wire);
    let receiver = thread::spawn(move || receiver.done().0);
    assert_eq!(sender.done().0.outcome, Outcome::Delivered);
    assert_eq!(receiver.join().unwrap().outcome, Outcome::Delivered);
    let mut preamble = None;
    let mut lengths = Vec::new();
    for (at, packet) in tap.join().unwrap() {
        let primary = udptl::Datagram::decode(&packet).unwrap().primary;
        if primary == PREAMBLE {
            preamble.get_or_insert(at);
        } else if let Some(began) = preamble.take() {
            lengths.push(at - began);
        }
    }
    // Of DIS, CFR and MCF; T.30 5.3.1: a second, 15 % more or less.
    assert_eq!(lengths.len(), 3);
    let least = Duration::from_millis(850);
    assert!(lengths.iter().all(|length| *length > least), "{lengths:?}");
}

/// Page data leaves two packets at a time, so that a call costs half the wakings; none of it late, and none of it more
/// than one packet ahead of its time.
#[test]
fn data_leaves_in_pairs_at_the_speed_of_the_line() {
    const PACKET: Duration = Duration::from_millis(30);
    let mut sender = Daemon::start(FaxRole::Sender, &[page(27, 400)], None);
    let mut receiver = Daemon::start(FaxRole::Receiver, &[], None);
    let (wire, tap) = tapped(sender.udptl, receiver.udptl);
    sender.t38(wire);
    receiver.t38(wire);
    let began = Instant::now();
    let receiver = thread::spawn(move || receiver.done().0);
    let sent = sender.done().0;
    let beats = began.elapsed().div_duration_f64(PACKET);
    assert_eq!(sent.outcome, Outcome::Delivered, "{}", sent.detail);
    assert_eq!(receiver.join().unwrap().outcome, Outcome::Delivered);
    assert!(
        f64::from(sent.beats) < 0.8 * beats,
        "{} of {beats}",
        sent.beats
    );
    let page_data = |packet: &[u8]| {
        let primary = udptl::Datagram::decode(packet).unwrap().primary;
        (primary.len() > 40).then_some(())
    };
    let heard = tap.join().unwrap();
    let times = heard
        .iter()
        .filter_map(|(at, packet)| page_data(packet).map(|()| *at));
    let times: Vec<Instant> = times.collect();
    assert!(times.len() > 30, "{}", times.len());
    let pairs = times
        .windows(2)
        .filter(|two| two[1] - two[0] < PACKET / 3)
        .count();
    assert!(pairs > times.len() / 3, "{pairs} of {}", times.len());
    let took = times[times.len() - 1] - times[0];
    let least = PACKET * (times.len() as u32 - 3);
    assert!(took > least, "{took:?}, not {least:?}");
}

#[test]
fn hang_up_behind_the_last_mcf_is_reported_at_once() {
    let (mut sender, receiver) = t38_pair(&[page(26, 120)], None);
    let receiver = thread::spawn(move || receiver.done().0);
    sender.read_until(|m| *m == FromCall::PageConfirmed { page: 1 });
    let since = Instant::now();
    sender.say(&ToCall::HangUp);
    assert_eq!(sender.done().0.outcome, Outcome::Delivered);
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(receiver.join().unwrap().outcome, Outcome::Delivered);
}

#[test]
fn hang_up_before_any_media_ends_at_once() {
    let mut daemon = Daemon::start(FaxRole::Sender, &[page(24, 60)], None);
    let since = Instant::now();
    daemon.say(&ToCall::HangUp);
    let (done, ..) = daemon.done();
    assert_eq!(done.outcome, Outcome::Cancelled);
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[test]
fn child_goes_when_its_daemon_is_gone() {
    let mut daemon = Daemon::start(FaxRole::Receiver, &[], None);
    let remote = daemon.udptl;
    daemon.t38(remote);
    let Daemon { control, child, .. } = daemon;
    drop(control);
    let since = Instant::now();
    child.join().unwrap();
    assert!(since.elapsed() < Duration::from_secs(3));
}

/// `CALLS=10 cargo test --lib audio_calls_at_once -- --ignored --nocapture`, best with something else to do beside it.
#[test]
#[ignore = "takes a minute of both cores"]
fn audio_calls_at_once() {
    let calls = std::env::var("CALLS").map_or(10, |calls| calls.parse().unwrap());
    let call = |seed| {
        let pages = [page(seed, 650)];
        let mut sender = Daemon::start(FaxRole::Sender, &pages, None);
        let mut receiver = Daemon::start(FaxRole::Receiver, &[], None);
        sender.audio(receiver.rtp);
        receiver.audio(sender.rtp);
        let receiver = thread::spawn(move || receiver.done().0);
        let sent = sender.done().0;
        (sent, receiver.join().unwrap())
    };
    let running: Vec<_> = (0..calls)
        .map(|seed| thread::spawn(move || call(seed)))
        .collect();
    let mut arrived = 0;
    for call in running {
        let (sent, received) = call.join().unwrap();
        match (sent.outcome, received.outcome) {
            (Outcome::Delivered, Outcome::Delivered) => arrived += 1,
            _ => println!("{} / {}", sent.detail, received.detail),
        }
    }
    println!("{arrived} of {calls}");
    assert_eq!(arrived, calls);
}

/// Words with pauses between them, and no CNG.
#[test]
fn caller_who_talks_is_hung_up_on() {
    let far_end = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut daemon = Daemon::start(FaxRole::Receiver, &[], None);
    daemon.audio(far_end.local_addr().unwrap());
    let ours = daemon.rtp;
    let speaking = thread::spawn(move || {
        for (seq, words) in (0..400_u16).zip(syllables(8.0).chunks(160)) {
            let mut packet = vec![0x80, 8];
            packet.extend(seq.to_be_bytes());
            packet.extend((u32::from(seq) * 160).to_be_bytes());
            packet.extend([0, 0, 0, 1]);
            packet.extend(words.iter().map(|&word| Law::A.compress(word)));
            far_end.send_to(&packet, ours).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    });
    let done = daemon.done().0;
    assert_eq!(done.outcome, Outcome::VoiceAnswered, "{}", done.detail);
    speaking.join().unwrap();
}

#[test]
fn nothing_is_said_to_a_far_end_that_has_hung_up() {
    let (mut sender, mut receiver) = t38_pair(&[page(26, 1000)], None);
    sender.read_until(|m| matches!(m, FromCall::Negotiated(_)));
    receiver.say(&ToCall::HangUp);
    let since = Instant::now();
    sender.say(&ToCall::FarEndGone);
    assert_eq!(sender.done().0.outcome, Outcome::FarEndHungUp);
    assert!(since.elapsed() < Duration::from_millis(500));
    receiver.done();
}
