//! Care for the trunks while the gateway runs: their names are looked up by their TTL, their servers are asked with
//! OPTIONS whether they live, and we register where we have to.
//!
//! When it dies: what is known grows old; calls go on as before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::Sign;
use super::invite::{self, credentials, domain};
use super::{Seat, Trunk, Trunks};
use crate::net::sip::{NoResponse, OutOfDialog, SipEndpoint};
use crate::net::{random, uri_host};
use crate::proto::sip::registration::{Binding, Register, Registration};
use crate::proto::sip::{Message, escape_user};

/// How long a server has to answer OPTIONS or REGISTER.
const PATIENCE: Duration = Duration::from_secs(4);

/// A server that is down is asked more often than one that is up, but not more often than this.
const SOONEST: Duration = Duration::from_secs(5);

/// How long a stop waits for registrars to let us go.
const FAREWELL: Duration = Duration::from_secs(2);

impl Trunks {
    /// Cares for all of them until `stop`, and then unregisters.
    pub fn care(&self, endpoint: &SipEndpoint, tasks: &TaskTracker, stop: &CancellationToken) {
        for trunk in self.iter() {
            let care = Care {
                trunks: self.clone(),
                trunk: trunk.clone(),
                endpoint: endpoint.clone(),
                stop: stop.clone(),
            };
            tasks.spawn(care.clone().look_up());
            if trunk.config.options_seconds > 0 {
                tasks.spawn(care.clone().keep_alive());
            }
            if trunk.config.register {
                tasks.spawn(care.register());
            }
        }
    }

    /// Whose calls are taken: the peers of the trunks, and their servers.
    pub fn peers(&self) -> Vec<IpNet> {
        let of = |trunk: &Arc<Trunk>| -> Vec<IpNet> {
            let servers = trunk.targets();
            let servers = servers
                .iter()
                .map(|target| IpNet::from(target.address.ip()));
            trunk.config.peers.iter().copied().chain(servers).collect()
        };
        self.iter().flat_map(of).collect()
    }
}

/// The care for one trunk.
#[derive(Clone)]
struct Care {
    trunks: Trunks,
    trunk: Arc<Trunk>,
    endpoint: SipEndpoint,
    stop: CancellationToken,
}

impl Care {
    async fn look_up(self) {
        let mut known = self.trunks.peers();
        while self.sleep(self.trunk.looks_up_again()).await {
            for trouble in self.trunk.look_up(Instant::now()).await {
                tracing::warn!("trunk {trouble}");
            }
            let peers = self.trunks.peers();
            if peers != known {
                self.endpoint.set_allowed(peers.clone());
                known = peers;
            }
        }
    }

    /// OPTIONS to each server in turn.
    async fn keep_alive(self) {
        let pause = Duration::from_secs(self.trunk.config.options_seconds.into());
        // Trunks and servers that were started together are not asked together.
        let mut due = Instant::now() + pause.min(SOONEST).mul_f64(fastrand::f64());
        while self.sleep(due).await {
            for seat in self.trunk.seats_at_all() {
                let request = self.endpoint.request(self.options(&seat));
                let Some(answer) = self.stop.run_until_cancelled(request).await else {
                    return;
                };
                self.trunk.heard(seat.address, sign(answer), Instant::now());
            }
            let pause = match self.trunk.is_down() {
                true => (pause / 4).max(SOONEST).min(pause),
                false => pause,
            };
            due = Instant::now() + pause;
        }
    }

    fn options(&self, seat: &Seat) -> OutOfDialog {
        let config = &self.trunk.config;
        let uri = format!("sip:{}", domain(config, &seat.server));
        OutOfDialog {
            method: "OPTIONS".to_owned(),
            flow: invite::flow(seat),
            to: uri.clone(),
            uri,
            from: format!("sip:{}", self.us()),
            contact: None,
            headers: Vec::new(),
            // Whoever asks for a password is alive.
            credentials: None,
            call_id: None,
            cseq: 1,
            patience: PATIENCE,
        }
    }

    async fn register(self) {
        let mut registration = Registration::new(self.binding(), Instant::now());
        loop {
            while let Some(register) = registration.poll() {
                self.send(&mut registration, register).await;
                self.trunk.set_registration(&registration);
            }
            let Some(due) = registration.next_timeout() else {
                return;
            };
            if !self.sleep(due).await {
                break;
            }
            registration.handle_timeout(Instant::now());
            self.trunk.set_registration(&registration);
        }
        registration.handle_stop(Instant::now());
        while let Some(register) = registration.poll() {
            let _ = timeout(FAREWELL, self.send(&mut registration, register)).await;
        }
    }

    async fn send(&self, registration: &mut Registration, register: Register) {
        let seats = self.trunk.seats_at_all();
        let Some(seat) = seats.get(register.failures as usize % seats.len().max(1)) else {
            let why = self.trunk.trouble().unwrap_or_default();
            return registration.handle_no_response(&why, Instant::now());
        };
        let binding = registration.binding();
        let request = OutOfDialog {
            method: "REGISTER".to_owned(),
            flow: invite::flow(seat),
            uri: binding.registrar.clone(),
            to: binding.address.clone(),
            from: binding.address.clone(),
            contact: Some(register.contact),
            headers: vec![("Expires".to_owned(), register.expires.to_string())],
            credentials: credentials(&self.trunk.config),
            call_id: Some(binding.call_id.clone()),
            cseq: register.cseq,
            patience: PATIENCE,
        };
        match self.endpoint.request(request).await {
            Ok(response) => {
                registration.handle_response(&response, Instant::now());
                let transport = super::lookup::transport(&self.trunk.config);
                let here = self.endpoint.contact_for(&response, transport);
                registration.handle_place(self.contact(here));
            }
            Err(why) => registration.handle_no_response(&in_words(why), Instant::now()),
        }
        let trunk = &self.trunk.config.name;
        match registration.error() {
            Some(e) => tracing::warn!(trunk, "registration: {e}"),
            None => tracing::debug!(trunk, state = ?registration.state(), "registration"),
        }
    }

    fn binding(&self) -> Binding {
        let config = &self.trunk.config;
        let domain = domain(config, &config.server[0]);
        let user = escape_user(&config.username);
        let us = self.us();
        Binding {
            registrar: format!("sip:{domain}"),
            address: format!("sip:{user}@{domain}"),
            contact: self.contact(us),
            seconds: config.register_seconds,
            call_id: format!(
                "{:016x}{:016x}@{}",
                random::u64(),
                random::u64(),
                uri_host(us.ip())
            ),
            seed: fastrand::u64(..),
        }
    }

    fn contact(&self, at: SocketAddr) -> String {
        let user = escape_user(&self.trunk.config.username);
        let transport = match self.trunk.config.transport {
            crate::config::trunk::Transport::Udp => "",
            crate::config::trunk::Transport::Tcp => ";transport=tcp",
            crate::config::trunk::Transport::Tls => ";transport=tls",
        };
        format!("sip:{user}@{at}{transport}")
    }

    /// Where this trunk reaches us.
    fn us(&self) -> SocketAddr {
        let transport = super::lookup::transport(&self.trunk.config);
        self.endpoint.contact_over(transport)
    }

    /// False: told to stop.
    async fn sleep(&self, until: Instant) -> bool {
        let sleep = sleep_until(until.into());
        self.stop.run_until_cancelled(sleep).await.is_some()
    }
}

fn sign(answer: Result<Message, NoResponse>) -> Sign {
    match answer {
        Ok(response) => Sign::Options(response.code().unwrap_or(0)),
        Err(why) => Sign::Nothing(format!("OPTIONS: {}", in_words(why))),
    }
}

fn in_words(why: NoResponse) -> String {
    match why {
        NoResponse::Silence => format!("no response within {} s", PATIENCE.as_secs()),
        NoResponse::Unreachable(why) => why,
    }
}
