//! Our side of the calls: the daemon, told of the far end in one place.

use postfax::config::{Config, Trunk};

use crate::asterisk::SIP;
use crate::harness::Site;

/// Our number where we are a subscriber.
pub const SUBSCRIBER: &str = "5559870001";

/// A daemon that has not started yet, with Asterisk as its only trunk, over UDP and without a password.
pub fn our_side(change: impl FnOnce(&mut Config)) -> Site {
    Site::prepared(|config| {
        config.trunks = vec![Trunk::to(SIP)];
        change(config);
    })
}

/// The only trunk.
pub fn trunk(config: &mut Config) -> &mut Trunk {
    config.trunks.first_mut().expect("there is one")
}

/// Our account at Asterisk, see `asterisk/pjsip.conf`.
pub fn subscriber(config: &mut Config) {
    let trunk = trunk(config);
    trunk.username = SUBSCRIBER.into();
    trunk.password = "Not-1234".into();
    trunk.caller_id = SUBSCRIBER.into();
}
