//! Which faxes may share a call: those that the far end could not tell apart but by their pages, to a number for which
//! `queue.share_calls` allows it.

use crate::config::{Config, Sender};
use crate::queue::{ClaimedFax, DueFax, Room};

/// What all faxes of one call have in common, beside the number (and with it the password).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    sub_address: Option<String>,
    /// TSI.
    station_id: String,
    /// What the carrier shows.
    caller_id: String,
    name: String,
    /// The only trunk they may take.
    trunk: Option<String>,
}

impl Kind {
    pub(super) fn of(config: &Config, fax: &ClaimedFax) -> Kind {
        Kind {
            sub_address: fax.sub_address.clone(),
            trunk: fax.only_trunk.clone(),
            ..Kind::by_sender(sender(config, &fax.sender, &fax.recipient))
        }
    }

    pub(super) fn of_due(config: &Config, fax: &DueFax) -> Kind {
        Kind {
            sub_address: fax.sub_address.clone(),
            trunk: fax.trunk.clone(),
            ..Kind::by_sender(sender(config, &fax.sender, &fax.recipient))
        }
    }

    fn by_sender(sender: Sender) -> Kind {
        Kind {
            sub_address: None,
            station_id: sender.station_id,
            caller_id: sender.caller_id,
            name: sender.name,
            trunk: None,
        }
    }
}

/// What is known of who sends, with the caller id of the domain that was written to.
pub(super) fn sender(config: &Config, address: &str, recipient: &str) -> Sender {
    let mut sender = config.sender(address);
    let domain = recipient.rsplit_once('@');
    let domain = domain.and_then(|(_, name)| config.domain(name));
    if let Some(domain) = domain.filter(|domain| !domain.caller_id.is_empty()) {
        sender.caller_id = domain.caller_id;
    }
    sender
}

/// What the call of this fax has room for beside it.
pub(super) fn room(config: &Config, first: &ClaimedFax) -> Room {
    let pages = first.page_count - first.confirmed;
    Room {
        faxes: config.queue.share_faxes.saturating_sub(1),
        pages: config.queue.share_pages.saturating_sub(pages),
    }
}
