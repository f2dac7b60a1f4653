//! Networks by address and prefix length: who may call.

use std::net::IpAddr;
use std::str::FromStr;

/// A network such as `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    address: IpAddr,
    prefix: u8,
}

/// Not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 192.0.2.0/24")]
pub struct NotANetwork(String);

impl IpNet {
    /// Whether `address` lies in the network; an IPv4 address in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same_prefix(
                ours.to_bits().into(),
                theirs.to_bits().into(),
                32,
                self.prefix,
            ),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                same_prefix(ours.to_bits(), theirs.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u8, prefix: u8) -> bool {
    let ignored = u32::from(width.saturating_sub(prefix));
    (a ^ b).checked_shr(ignored).unwrap_or(0) == 0
}

impl From<IpAddr> for IpNet {
    fn from(address: IpAddr) -> IpNet {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        IpNet { address, prefix }
    }
}

impl FromStr for IpNet {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<IpNet, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let whole = IpNet::from(address.parse::<IpAddr>().map_err(|_| wrong())?);
        match prefix {
            None => Ok(whole),
            Some(prefix) => {
                let prefix = prefix.parse().map_err(|_| wrong())?;
                let fits = prefix <= whole.prefix;
                fits.then_some(IpNet { prefix, ..whole }).ok_or_else(wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(net: &str, address: &str) -> bool {
        net.parse::<IpNet>()
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn networks_hold_their_addresses_only() {
        assert!(within("192.0.2.0/24", "192.0.2.255"));
        assert!(!within("192.0.2.0/24", "192.0.3.0"));
        assert!(within("192.0.2.7", "192.0.2.7"));
        assert!(!within("192.0.2.7", "192.0.2.6"));
        assert!(within("0.0.0.0/0", "203.0.113.9"));
        assert!(within("::/0", "2001:db8::1"));
        assert!(within("2001:db8::/32", "2001:db8:1::1"));
        assert!(!within("::/0", "192.0.2.1"));
        assert!(within("192.0.2.0/24", "::ffff:192.0.2.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "",
            "/24",
            "192.0.2.0/33",
            "192.0.2.0/x",
            "gw.example.com",
            "::/129",
        ] {
            assert!(wrong.parse::<IpNet>().is_err(), "{wrong}");
        }
    }
}
