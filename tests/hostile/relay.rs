//! Between the gateway and a well-behaved carrier: hands on what each says to the other, and garbles some of it. So the
//! garbled message comes where it means something, in the middle of a call that went well until then.
//!
//! ```text
//! gateway .1 ── .2 relay .3 ── .4 carrier
//! ```
//! The addresses are equally long and the ports stay as they are, so nothing but addresses is rewritten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::mutate::{flip, mutate};

/// A media socket that nobody speaks to for so long is closed.
const QUIET: Duration = Duration::from_secs(120);

/// Numbers that begin so are left alone.
pub const GOOD: &str = "555777";

/// The ports of the carrier and of its machines that call; our near side has the same.
pub const PORTS: [u16; 5] = [5060, 5071, 5072, 5073, 5079];

/// The four addresses of the drawing.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Where the daemon lives.
    pub gateway: Ipv4Addr,
    /// Ours, towards it.
    pub near: Ipv4Addr,
    /// Ours, towards the carrier.
    pub far: Ipv4Addr,
    /// Where the carrier lives.
    pub carrier: Ipv4Addr,
}

/// How a call is treated: one packet of so many is garbled.
#[derive(Debug, Clone, Copy)]
struct Treatment {
    sip: u32,
    media: u32,
    flips_only: bool,
}

const LEFT_ALONE: Treatment = Treatment {
    sip: 0,
    media: 0,
    flips_only: true,
};

/// A running relay, for as long as its runtime.
pub struct Relay {
    addresses: Addresses,
    near: HashMap<u16, UdpSocket>,
    far: UdpSocket,
    calls: Mutex<HashMap<String, Treatment>>,
    media: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    rng: Mutex<Rng>,
    /// Packets garbled.
    pub garbled: AtomicU64,
}

impl Relay {
    /// Binds both sides, and hands on from now on.
    pub async fn start(addresses: Addresses, rng: Rng) -> std::io::Result<Arc<Relay>> {
        let mut near = HashMap::new();
        for port in PORTS {
            near.insert(port, UdpSocket::bind((addresses.near, port)).await?);
        }
        let relay = Arc::new(Relay {
            addresses,
            near,
            far: UdpSocket::bind((addresses.far, 5060)).await?,
            calls: Mutex::default(),
            media: Mutex::default(),
            rng: Mutex::new(rng),
            garbled: AtomicU64::new(0),
        });
        for port in PORTS {
            let relay = relay.clone();
            tokio::spawn(async move { relay.to_carrier(port).await });
        }
        let back = relay.clone();
        tokio::spawn(async move { back.to_gateway().await });
        Ok(relay)
    }

    async fn to_carrier(self: Arc<Relay>, port: u16) {
        let mut datagram = vec![0; 65_536];
        loop {
            if let Ok((length, _)) = self.near[&port].recv_from(&mut datagram).await {
                let told = self.retold(&datagram[..length], true).await;
                let _ = self
                    .far
                    .send_to(&told, (self.addresses.carrier, port))
                    .await;
            }
        }
    }

    async fn to_gateway(self: Arc<Relay>) {
        let mut datagram = vec![0; 65_536];
        loop {
            if let Ok((length, from)) = self.far.recv_from(&mut datagram).await {
                let told = self.retold(&datagram[..length], false).await;
                if let Some(near) = self.near.get(&from.port()) {
                    let _ = near.send_to(&told, (self.addresses.gateway, 5060)).await;
                }
            }
        }
    }

    /// What the other side gets to hear.
    async fn retold(self: &Arc<Relay>, datagram: &[u8], towards_carrier: bool) -> Vec<u8> {
        let said = String::from_utf8_lossy(datagram).into_owned();
        let treatment = self.treatment(&said);
        self.open_media(&said, towards_carrier, treatment).await;
        let told = self.readdressed(&said, towards_carrier);
        self.garble(told.as_bytes(), treatment.sip, false)
    }

    /// By the call; a new one throws the dice.
    fn treatment(&self, said: &str) -> Treatment {
        let Some(id) = header(said, "Call-ID") else {
            return LEFT_ALONE;
        };
        let mut calls = self.calls.lock().expect("no panic holds it");
        if let Some(known) = calls.get(id) {
            return *known;
        }
        let good = [header(said, "From"), header(said, "To")];
        let good = good.iter().flatten().any(|value| value.contains(GOOD));
        // What is not a call keeps the line up.
        let treatment = if good || !said.starts_with("INVITE ") {
            LEFT_ALONE
        } else {
            let mut rng = self.rng.lock().expect("no panic holds it");
            Treatment {
                sip: *rng.choice(&[0, 0, 3, 10]).expect("not empty"),
                media: *rng.choice(&[0, 5, 30, 300, 1000]).expect("not empty"),
                flips_only: rng.bool(),
            }
        };
        calls.insert(id.to_owned(), treatment);
        treatment
    }

    fn readdressed(&self, said: &str, towards_carrier: bool) -> String {
        let Addresses {
            gateway,
            near,
            far,
            carrier,
        } = self.addresses;
        let pairs = match towards_carrier {
            true => [(gateway, far), (near, carrier)],
            false => [(carrier, near), (far, gateway)],
        };
        pairs.iter().fold(said.to_owned(), |said, (from, to)| {
            said.replace(&from.to_string(), &to.to_string())
        })
    }

    /// Every media port of a description gets a socket with the same port on our other side.
    async fn open_media(self: &Arc<Relay>, said: &str, towards_carrier: bool, how: Treatment) {
        let lines = said.lines().filter_map(|line| line.strip_prefix("m="));
        for line in lines {
            let port = line.split(' ').nth(1).and_then(|port| port.parse().ok());
            let Some(port @ 1..) = port else { continue };
            let (ours, theirs) = match towards_carrier {
                true => (self.addresses.far, self.addresses.gateway),
                false => (self.addresses.near, self.addresses.carrier),
            };
            let ours = SocketAddr::new(ours.into(), port);
            if self
                .media
                .lock()
                .expect("no panic holds it")
                .contains_key(&ours)
            {
                continue;
            }
            let Ok(socket) = UdpSocket::bind(ours).await else {
                continue;
            };
            let socket = Arc::new(socket);
            let mut all = self.media.lock().expect("no panic holds it");
            all.insert(ours, socket.clone());
            let relay = self.clone();
            let target = SocketAddr::new(theirs.into(), port);
            tokio::spawn(async move { relay.hand_on_media(ours, &socket, target, how).await });
        }
    }

    /// From one side's socket to the owner of its port, through the socket that has the sender's port.
    async fn hand_on_media(
        &self,
        ours: SocketAddr,
        socket: &UdpSocket,
        target: SocketAddr,
        how: Treatment,
    ) {
        let mut datagram = vec![0; 65_536];
        while let Ok(Ok((length, from))) = timeout(QUIET, socket.recv_from(&mut datagram)).await {
            let other_side: IpAddr = match ours.ip() == IpAddr::from(self.addresses.near) {
                true => self.addresses.far.into(),
                false => self.addresses.near.into(),
            };
            let through = SocketAddr::new(other_side, from.port());
            let through = self
                .media
                .lock()
                .expect("no panic holds it")
                .get(&through)
                .cloned();
            let Some(through) = through else { continue };
            let packet = self.garble(&datagram[..length], how.media, how.flips_only);
            let _ = through.send_to(&packet, target).await;
        }
        self.media.lock().expect("no panic holds it").remove(&ours);
    }

    fn garble(&self, octets: &[u8], one_of: u32, flips_only: bool) -> Vec<u8> {
        let mut rng = self.rng.lock().expect("no panic holds it");
        if one_of == 0 || rng.u32(..one_of) != 0 {
            return octets.to_vec();
        }
        self.garbled.fetch_add(1, Ordering::Relaxed);
        let mut wrong = octets.to_vec();
        match flips_only {
            true => flip(&mut rng, &mut wrong),
            false => wrong = mutate(&mut rng, octets),
        }
        wrong.truncate(60_000);
        wrong
    }
}

fn header<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let lines = said.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(n, _)| n.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}
