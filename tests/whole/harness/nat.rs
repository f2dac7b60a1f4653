//! A masquerading router between two networks of its own, made of network namespaces (root; iproute2 and nftables).
//!
//! ```text
//! inside 10.77.0.2 ── 10.77.0.1 router 203.0.113.1 ── outside 203.0.113.9
//! ```
//! Outside knows no way to 10.77.0.0/24, and the router lets in only what answers to something from inside.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The gateway, the router as outside sees it, the carrier.
pub const INSIDE: &str = "10.77.0.2";
pub const ROUTER: &str = "203.0.113.1";
pub const OUTSIDE: &str = "203.0.113.9";

/// What becomes of the source ports of what leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Kept while nobody else has them: most routers at home.
    Kept,
    /// Others, at random.
    #[allow(dead_code)] // Only `make interop` has a far end that copes with it.
    Changed,
}

/// The three namespaces; they go with it, once the processes in them are gone.
pub struct Nat {
    name: String,
}

/// A side of the router.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// Behind it.
    Inside,
    /// In front of it.
    Outside,
}

impl Nat {
    /// Makes it; or says why that cannot be done here.
    pub fn new(ports: Ports) -> Result<Nat, String> {
        let nat = Nat::named();
        run(&format!("ip netns add {}", nat.space("out")))?;
        run(&format!("ip -n {} link set dev lo up", nat.space("out")))?;
        nat.build(ports).map(|()| nat)
    }

    /// The same, with the network that this process is in as outside.
    #[allow(dead_code)] // For `make interop`, where Asterisk is there already.
    pub fn before_us(ports: Ports) -> Result<Nat, String> {
        let nat = Nat::named();
        let us = std::process::id();
        run(&format!("ip netns attach {} {us}", nat.space("out")))?;
        nat.build(ports).map(|()| nat)
    }

    fn named() -> Nat {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Nat {
            name: format!("postfax-{}-{number}", std::process::id()),
        }
    }

    fn build(&self, ports: Ports) -> Result<(), String> {
        let [inside, router, outside] = ["in", "router", "out"].map(|side| self.space(side));
        for space in [&inside, &router] {
            run(&format!("ip netns add {space}"))?;
            run(&format!("ip -n {space} link set dev lo up"))?;
        }
        let ends = [
            (&inside, INSIDE, "home", "10.77.0.1"),
            (&outside, OUTSIDE, "world", ROUTER),
        ];
        for (space, address, device, gateway) in ends {
            run(&format!(
                "ip -n {router} link add name {device} type veth peer name line netns {space}"
            ))?;
            run(&format!(
                "ip -n {router} address add {gateway}/24 dev {device}"
            ))?;
            run(&format!("ip -n {router} link set dev {device} up"))?;
            run(&format!("ip -n {space} address add {address}/24 dev line"))?;
            run(&format!("ip -n {space} link set dev line up"))?;
        }
        run(&format!("ip -n {inside} route add default via 10.77.0.1"))?;
        self.set("net.ipv4.ip_forward", "1")?;
        let masquerade = match ports {
            Ports::Kept => "masquerade",
            Ports::Changed => "masquerade random,persistent",
        };
        let rules = format!(
            "table ip nat {{
               chain out {{
                 type nat hook postrouting priority 100
                 oifname world {masquerade}
               }}
             }}
             table ip filter {{
               chain through {{
                 type filter hook forward priority 0; policy drop
                 iifname home accept
                 ct state established,related accept
               }}
             }}\n"
        );
        run_with(&format!("ip netns exec {router} nft -f -"), &rules)
    }

    /// Sets a kernel variable of the router, such as how long it remembers a flow.
    pub fn set(&self, variable: &str, value: &str) -> Result<(), String> {
        let router = self.space("router");
        run(&format!(
            "ip netns exec {router} sysctl -qw {variable}={value}"
        ))
    }

    /// Moves this thread, and whatever it starts from now on, to a side. It cannot come back.
    pub fn enter(&self, side: Side) {
        let space = match side {
            Side::Inside => self.space("in"),
            Side::Outside => self.space("out"),
        };
        let file = File::open(format!("/run/netns/{space}")).expect("ip netns keeps it there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("whoever may make namespaces may enter them");
    }

    /// Does something on a side, in a thread of its own.
    pub fn on<T: Send>(&self, side: Side, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter(side);
                work()
            });
            there
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn space(&self, side: &str) -> String {
        format!("{}-{side}", self.name)
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        for side in ["in", "router", "out"] {
            let _ = run(&format!("ip netns delete {}", self.space(side)));
        }
    }
}

/// An address of a side.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn run(command: &str) -> Result<(), String> {
    run_with(command, "")
}

fn run_with(command: &str, input: &str) -> Result<(), String> {
    use std::io::{Seek as _, Write as _};
    let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
    file.write_all(input.as_bytes())
        .map_err(|e| e.to_string())?;
    file.rewind().map_err(|e| e.to_string())?;
    let mut words = command.split_ascii_whitespace();
    let program = words.next().expect("a command");
    let done = Command::new(program).args(words).stdin(file).output();
    let done = done.map_err(|e| format!("{program}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(format!("{command}: {complaint}"))
}
