//! A 3xx (RFC 3261 8.1.3.4): followed where the trunk's settings say so, to another place of the same trunk, with the
//! same number. Whoever could send us anywhere else could have us call any number at our cost.

use super::Candidate;
use crate::net::sip::{Invite, SipEvent};
use crate::net::trunk::Seat;
use crate::proto::sip::Uri;

/// Where a refusal sends the call, and what it said; `None`: it is no redirection, or one that is not followed.
pub(super) fn to(candidate: &Candidate, event: &SipEvent) -> Option<(Candidate, String)> {
    let seat = candidate.seat.as_ref()?;
    let SipEvent::Failed {
        code: code @ 300..=399,
        reason,
        contacts,
        ..
    } = event
    else {
        return None;
    };
    if !seat.trunk.config.follow_redirects {
        return None;
    }
    let next = contacts
        .iter()
        .find_map(|uri| place(candidate, seat, uri))?;
    Some((next, format!("{code} {reason}")))
}

fn place(candidate: &Candidate, seat: &Seat, contact: &str) -> Option<Candidate> {
    let contact = Uri::parse(contact).ok()?;
    let dialled = Uri::parse(&candidate.invite.uri).ok()?;
    if contact.number() != dialled.number() {
        return None;
    }
    let place = contact.sip()?;
    let seat = seat.trunk.seat_at(&place.host, place.port)?;
    let invite = candidate.invite.clone();
    let mut flow = invite.flow.clone();
    (flow.remote, flow.name) = (
        seat.address,
        seat.name.clone().filter(|_| flow.name.is_some()),
    );
    Some(Candidate {
        invite: Invite {
            uri: contact.to_string(),
            flow,
            ..invite
        },
        seat: Some(seat),
        policy: candidate.policy.clone(),
    })
}
