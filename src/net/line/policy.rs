//! The rules of a call, as the configuration wants them.

use std::time::Duration;

use crate::call::policy::{CallPolicy, ReinvitePolicy, TotalTime};
use crate::config::trunk::{Reinvite, Trunk};
use crate::config::{Config, Fax};

/// For a call placed over this trunk.
pub fn outgoing(config: &Config, trunk: &Trunk) -> CallPolicy {
    CallPolicy {
        reinvite: reinvite(trunk, trunk.reinvite_out),
        ring: Duration::from_secs(trunk.ring_seconds.into()),
        t38_silence: Duration::from_secs(trunk.t38_silence_seconds.into()),
        redundancy: trunk.redundancy,
        total: total(&config.fax),
        media_peers: trunk.media_peers.clone(),
        symmetric_media: trunk.symmetric_media,
        ..CallPolicy::outgoing()
    }
}

/// For a call that came over this trunk.
pub fn incoming(config: &Config, trunk: &Trunk) -> CallPolicy {
    CallPolicy {
        reinvite: reinvite(trunk, trunk.reinvite_in),
        redundancy: trunk.redundancy,
        total: total(&config.fax),
        media_peers: trunk.media_peers.clone(),
        symmetric_media: trunk.symmetric_media,
        ..CallPolicy::incoming()
    }
}

fn total(fax: &Fax) -> TotalTime {
    TotalTime {
        base: Duration::from_secs(fax.call_seconds.into()),
        per_page: Duration::from_secs(fax.call_seconds_per_page.into()),
    }
}

fn reinvite(trunk: &Trunk, who: Reinvite) -> ReinvitePolicy {
    let after = Duration::from_secs(trunk.reinvite_seconds.into());
    match who {
        // So much after the ACK that it cannot overtake it.
        Reinvite::Us => ReinvitePolicy::Us {
            after: Duration::from_millis(100),
        },
        Reinvite::Them => ReinvitePolicy::Them,
        Reinvite::ThemThenUs => ReinvitePolicy::ThemThenUs { after },
        Reinvite::Never => ReinvitePolicy::Never,
        Reinvite::T38First => ReinvitePolicy::T38First {
            with_audio: false,
            after,
        },
        Reinvite::T38BesideAudio => ReinvitePolicy::T38First {
            with_audio: true,
            after,
        },
    }
}
