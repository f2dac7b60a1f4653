//! Strangers who want to become the far end of a call: they see nothing of it, and send to every media port.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postfax::pages::sample;

use crate::harness::mails::{pages_in, pictures};
use crate::harness::{A_CALL, HEALTHY, Site, wait_until};

/// Strangers, each at an address of its own.
const STRANGERS: usize = 60;

/// One datagram is enough to become the far end, where one ever is: it comes while we send a page and hear nothing.
#[test]
fn forged_media_move_no_call_and_get_nothing_of_it() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let first = rng.u16(10_000..25_000) * 2;
    let site = Site::with(|config| config.sip.media_ports = [first, first + 3]);
    // RTP on the even ones, UDPTL on the odd ones; the call has two of them.
    let ours = [0, 1, 2, 3].map(|nth| site.address(first + nth));
    let strangers: Vec<UdpSocket> = (0..STRANGERS).map(|_| stranger(&mut rng)).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let forging = {
        let (is_over, strangers) = (is_over.clone(), strangers.iter());
        let strangers: Vec<_> = strangers.map(|it| it.try_clone().unwrap()).collect();
        std::thread::spawn(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let stranger = &strangers[rng.usize(..strangers.len())];
                for pair in ours.chunks(2) {
                    let _ = stranger.send_to(&rtp(&mut rng), pair[0]);
                    let _ = stranger.send_to(&udptl(&mut rng), pair[1]);
                }
                sent += 1;
                std::thread::sleep(Duration::from_millis(30));
            }
            sent
        })
    };
    let pdf = sample::numbered_pages(2);
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    is_over.store(true, Ordering::Relaxed);
    let sent = forging.join().unwrap();
    assert!(sent > 300, "{sent} datagrams of each kind");

    let octets: Vec<usize> = strangers.iter().map(octets_got).collect();
    assert_eq!(
        octets, [0; STRANGERS],
        "octets of the fax that strangers got"
    );
    let fax = site.fax();
    let attempt = &site.attempts(&fax.id)[0];
    assert_eq!(fax.state, "delivered", "{}", attempt.detail);
    let arrived = pages_in(site.machine_calls()[0].tiff.as_ref().expect("its pages"));
    assert!(pictures(&arrived) == site.stamped(&pdf, HEALTHY, attempt));
    let dropped = site.log().count("media is dropped");
    assert!((1..=2).contains(&dropped), "told {dropped} times");
    site.check();
}

/// A host that nobody has signalled.
fn stranger(rng: &mut fastrand::Rng) -> UdpSocket {
    loop {
        let ip = [127, rng.u8(200..), rng.u8(..), rng.u8(1..255)];
        if let Ok(socket) = UdpSocket::bind(SocketAddr::from((ip, rng.u16(1024..)))) {
            socket.set_nonblocking(true).unwrap();
            return socket;
        }
    }
}

/// What came to a socket, until it has nothing more.
fn octets_got(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2048];
    let mut octets = 0;
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        octets += length;
    }
    octets
}

/// A datagram of UDPTL without repeats: a number that fits nearly every call, or any; no signal, a preamble, or MCF.
fn udptl(rng: &mut fastrand::Rng) -> Vec<u8> {
    let seq = match rng.bool() {
        true => 120 + rng.u16(..200),
        false => rng.u16(..),
    };
    // T.38 7.2: indicators, and a frame of V.21 with its end.
    let mcf: &[u8] = &[0xc0, 2, 0x80, 0, 2, 0xff, 0x13, 0x8c, 0x10];
    let ifp: &[u8] = [&[0x00], &[0x06], mcf][rng.usize(..3)];
    let mut datagram = seq.to_be_bytes().to_vec();
    datagram.push(ifp.len() as u8);
    datagram.extend(ifp);
    datagram.extend([0, 0]);
    datagram
}

/// A packet of G.711: silence, or noise.
fn rtp(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut packet = vec![0x80, [0, 8][rng.usize(..2)]];
    packet.extend(rng.u16(..).to_be_bytes());
    packet.extend(rng.u32(..).to_be_bytes());
    packet.extend(rng.u32(..).to_be_bytes());
    let noise = rng.bool();
    packet.extend((0..160).map(|_| if noise { rng.u8(..) } else { 0xff }));
    packet
}
