//! A fax in the words of machines: action, enhanced status code (RFC 3463) and diagnostic (RFC 3464 2.3).

use super::{Ending, Kind, Receipt};
use crate::call::outcome::Outcome;
use crate::letter::report::{Action, Recipient};

/// The fields of one recipient.
pub(super) fn of(receipt: &Receipt) -> Recipient {
    let kind = Kind::of(&receipt.ending);
    Recipient {
        original: receipt.orcpt.clone(),
        address: receipt.recipient.clone(),
        action: action(kind),
        status: code(&receipt.ending),
        diagnostic: diagnostic(receipt),
        last_attempt: receipt.attempts.last().map(|attempt| attempt.began),
        retry_until: match receipt.ending {
            Ending::Waits { until, .. } => until,
            _ => None,
        },
        log_id: format!("fax {}", receipt.fax),
    }
}

/// A fax of which nobody knows, and one that was cancelled, are not tried any more: RFC 3464 has no other word for it
/// than `failed`.
fn action(kind: Kind) -> Action {
    match kind {
        Kind::Delivered => Action::Delivered,
        Kind::Failed | Kind::Uncertain | Kind::Cancelled => Action::Failed,
        Kind::Delayed => Action::Delayed,
    }
}

fn code(ending: &Ending) -> String {
    match ending {
        Ending::Called(outcome) => code_of(*outcome).to_owned(),
        // X.6.1: media not supported.
        Ending::NotRendered { .. } => "5.6.1".to_owned(),
        // RFC 3463 2: what may still be cured has class 4.
        Ending::Waits { last, .. } => {
            let last = last.map_or("4.4.0", code_of);
            format!("4{}", &last[1..])
        }
    }
}

/// RFC 3463 3.
fn code_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "2.0.0",
        // X.4.1: "either the remote system was busy, or was unable to take a call".
        Outcome::Busy | Outcome::NoAnswer => "4.4.1",
        // X.1.1: bad destination mailbox address.
        Outcome::NotInService => "5.1.1",
        // X.1.2: the destination system is incapable of accepting mail.
        Outcome::NoFax | Outcome::VoiceAnswered => "5.1.2",
        // X.7.1: delivery not authorized.
        Outcome::Refused => "5.7.1",
        // X.4.5: congestion. X.4.4: unable to route.
        Outcome::Congestion => "4.4.5",
        Outcome::TrunkDown | Outcome::NotAuthorized => "4.4.4",
        // X.3.3: system not capable of selected features.
        Outcome::Incompatible => "5.3.3",
        // X.4.2: the connection was unable to complete the transaction.
        Outcome::T38Failed
        | Outcome::T38Silent
        | Outcome::TrainingFailed
        | Outcome::PageRefused
        | Outcome::FarEndHungUp
        | Outcome::FarEndSilent
        | Outcome::TooLong
        | Outcome::TooSlow
        | Outcome::Uncertain => "4.4.2",
        // X.5.0: protocol.
        Outcome::ProtocolError => "5.5.0",
        // X.3.x: our own system: other, full, not accepting.
        Outcome::ChildCrashed | Outcome::ChildHung | Outcome::NoPages | Outcome::GatewayStalled => {
            "4.3.0"
        }
        Outcome::StorageFailed => "4.3.1",
        Outcome::GatewayStopped => "4.3.2",
        Outcome::Cancelled => "5.0.0",
        // X.4.7: delivery time expired.
        Outcome::Expired => "4.4.7",
    }
}

/// `busy (the number was busy); SIP 486; Q.850 17; 486 Busy Here; 1 of 2 pages confirmed`.
fn diagnostic(receipt: &Receipt) -> Option<String> {
    let mut said = Vec::new();
    match &receipt.ending {
        Ending::Called(outcome) => said.push(format!("{outcome} ({})", outcome.in_words())),
        Ending::NotRendered { document, why } => {
            said.push(format!("not_rendered ({document}: {why})"));
        }
        Ending::Waits { last, held, .. } => match (last, held) {
            (Some(outcome), _) => said.push(format!("{outcome} ({})", outcome.in_words())),
            (None, true) => said.push("held (by an operator)".to_owned()),
            (None, false) => said.push("waiting (not dialled yet)".to_owned()),
        },
    }
    if let Some(last) = receipt.attempts.last() {
        said.extend(last.sip_code.map(|code| format!("SIP {code}")));
        said.extend(last.q850.map(|cause| format!("Q.850 {cause}")));
        said.extend(Some(last.detail.clone()).filter(|detail| !detail.is_empty()));
    }
    if receipt.pages > 0 {
        let (confirmed, pages) = (receipt.confirmed, receipt.pages);
        said.push(format!("{confirmed} of {pages} pages confirmed"));
    }
    Some(said.join("; "))
}
