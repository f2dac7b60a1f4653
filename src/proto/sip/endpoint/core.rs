//! What all calls of an endpoint share: transactions, alarms, what goes out.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::alarms::{Alarm, Alarms};
use super::clients::{ClientEntry, ClientKey};
use super::servers::{ServerEntry, ServerKey};
use super::{CallId, EndpointConfig, Output, SipEvent};
use crate::proto::sip::random::SecureRandom;
use crate::proto::sip::{Flow, Message, Name, SipUri, Transport, Uri};

/// The methods that we take (RFC 3261 20.5).
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";
/// Far ends that see us at another address than we do.
const MOST_SEEN: usize = 64;
/// The extensions that we know (RFC 3261 20.37).
pub(super) const SUPPORTED: &str = "timer";

#[derive(Debug)]
pub(super) struct Core {
    pub config: EndpointConfig,
    pub random: SecureRandom,
    pub out: VecDeque<Output>,
    pub alarms: Alarms,
    pub clients: HashMap<ClientKey, ClientEntry>,
    pub servers: HashMap<ServerKey, ServerEntry>,
    /// Server transactions by what a peer calls them.
    pub names: HashMap<String, ServerKey>,
    /// Where far ends see us over UDP, where that is elsewhere.
    seen: HashMap<IpAddr, SocketAddr>,
    /// The last number given to a call, request or server transaction.
    pub serial: u64,
}

impl Core {
    pub fn new(config: EndpointConfig) -> Core {
        Core {
            random: SecureRandom::new(config.seed),
            config,
            out: VecDeque::new(),
            alarms: Alarms::default(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            names: HashMap::new(),
            seen: HashMap::new(),
            serial: 0,
        }
    }

    pub fn transmit(&mut self, to: &Flow, octets: Vec<u8>) {
        self.out.push_back(Output::Transmit {
            to: to.clone(),
            octets,
        });
    }

    pub fn say(&mut self, call: CallId, event: SipEvent) {
        self.out.push_back(Output::Call(call, event));
    }

    pub fn wake(&mut self, call: CallId, at: Option<Instant>) {
        self.alarms.set(Alarm::Call(call), at);
    }

    pub fn tag(&mut self) -> String {
        format!("{:016x}", self.random.u64())
    }

    pub fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.random.u64(), self.random.u64())
    }

    /// Where others reach us over this flow: the address it belongs to, else the first of its transport, else the first
    /// of its family (a connection that we open without listening for any). Without one, an address that nobody reaches.
    pub fn address(&self, flow: &Flow) -> SocketAddr {
        let all = self.config.addresses.iter();
        let ours = all
            .filter(|ours| ours.advertised.is_ipv4() == flow.remote.is_ipv4())
            .min_by_key(|ours| {
                let elsewhere = flow.local.is_some_and(|local| local != ours.bound);
                (ours.transport != flow.transport, elsewhere)
            });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], flow.transport.default_port()));
        ours.map_or(nowhere, |ours| ours.advertised)
    }

    /// A response to a request of ours came over this flow, and says where the far end sees us (RFC 3581 4).
    pub fn learn_address(&mut self, response: &Message, flow: &Flow) {
        if !self.config.learns_address || flow.transport != Transport::Udp {
            return;
        }
        let far = flow.remote.ip();
        match response.seen_at(self.address(flow).ip()) {
            Some(seen) if self.seen.len() < MOST_SEEN || self.seen.contains_key(&far) => {
                self.seen.insert(far, seen);
            }
            Some(_) => {}
            None => {
                self.seen.remove(&far);
            }
        }
    }

    /// Where the far end of this flow reaches us.
    pub fn reached_at(&self, flow: &Flow) -> SocketAddr {
        let seen = match flow.transport {
            Transport::Udp => self.seen.get(&flow.remote.ip()).copied(),
            _ => None,
        };
        seen.unwrap_or_else(|| self.address(flow))
    }

    /// RFC 3261 8.1.1.8.
    pub fn contact(&self, flow: &Flow, user: &str) -> String {
        let address = self.reached_at(flow);
        let uri = SipUri::new(user, &address.to_string()).map(|mut uri| {
            if let Some(transport) = flow.transport.uri_parameter() {
                uri.params.set("transport", transport);
            }
            Uri::Sip(uri)
        });
        uri.map_or_else(|_| format!("<sip:{address}>"), |uri| format!("<{uri}>"))
    }

    /// What every request of ours says of us.
    pub fn introduce(&self, message: &mut Message) {
        message
            .headers
            .push(Name::UserAgent, self.config.user_agent.clone());
    }
}
