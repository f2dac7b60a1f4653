//! Who may keep a connection.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;

/// The networks of the trunks, as they are now.
#[derive(Debug, Clone)]
pub(super) struct Peers(Arc<RwLock<Vec<IpNet>>>);

impl Peers {
    pub fn new(networks: Vec<IpNet>) -> Peers {
        Peers(Arc::new(RwLock::new(networks)))
    }

    pub fn set(&self, networks: Vec<IpNet>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = networks;
    }

    pub fn has(&self, address: IpAddr) -> bool {
        let networks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // A socket for both families shows IPv4 addresses as mapped ones.
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    }
}
