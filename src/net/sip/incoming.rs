//! A call that came in, until it is answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::typed;
use rsipstack::sip::{HeadersExt, Request, StatusCode};

use super::established::Established;
use super::{
    Ends, IncomingCall, KnownCall, Shared, SipCall, SipCommand, SipEvent, plain, sdp_headers,
};

/// Characters of a number or name at most.
const LONGEST_NAME: usize = 64;

/// What an INVITE says of its call.
pub(super) fn describe(request: &Request, source: SocketAddr, call: SipCall) -> IncomingCall {
    let from = request
        .from_header()
        .ok()
        .and_then(|from| typed::From::parse(from.value()).ok());
    let caller = from.as_ref().and_then(|f| f.uri.user()).unwrap_or("");
    let display = from.as_ref().and_then(|f| f.display_name.clone());
    IncomingCall {
        called: plain(&unescape(request.uri.user().unwrap_or("")), LONGEST_NAME),
        caller: plain(&unescape(caller), LONGEST_NAME),
        caller_display: display
            .map(|name| plain(name.trim_matches(['"', ' ']), LONGEST_NAME))
            .filter(|name| !name.is_empty()),
        source,
        call_id: request
            .call_id_header()
            .map(|id| id.value().to_owned())
            .unwrap_or_default(),
        offer: request.body.clone(),
        call,
    }
}

/// RFC 3261 19.1.2: `%HH` in a user part.
fn unescape(user: &str) -> String {
    let mut octets = Vec::with_capacity(user.len());
    let mut rest = user.as_bytes();
    while let Some((&octet, tail)) = rest.split_first() {
        let escaped = tail
            .first_chunk::<2>()
            .filter(|_| octet == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        octets.push(escaped.unwrap_or(octet));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

pub(super) async fn run(
    shared: Arc<Shared>,
    known: KnownCall,
    mut ends: Ends,
    dialog: InviteDialog,
    mut states: DialogStateReceiver,
) {
    loop {
        tokio::select! {
            biased;
            state = states.recv() => {
                if let None | Some(DialogState::Terminated(..)) = state {
                    shared.layer.remove_dialog(&dialog.id());
                    return ends.say(SipEvent::Bye(Some("cancelled before the answer".to_owned())));
                }
            }
            command = ends.commands.recv() => match command {
                Some(SipCommand::Ringing) => {
                    let _ = dialog.ringing(None, None);
                }
                Some(SipCommand::Accept(sdp)) => {
                    if let Err(e) = dialog.accept(sdp_headers(), Some(sdp)) {
                        tracing::warn!("an answered call is lost: {e}");
                    }
                    let established = Established {
                        shared,
                        known,
                        ends,
                        dialog,
                        states,
                        confirmed: false,
                    };
                    return established.run(VecDeque::new()).await;
                }
                Some(SipCommand::Reject(code)) => return reject(&shared, &dialog, code),
                Some(SipCommand::Cancel | SipCommand::Bye(_)) | None => {
                    return reject(&shared, &dialog, 480);
                }
                Some(SipCommand::Reinvite(_) | SipCommand::AnswerReinvite { .. }) => {}
            }
        }
    }
}

fn reject(shared: &Shared, dialog: &InviteDialog, code: u16) {
    if let Err(e) = dialog.reject(Some(StatusCode::from(code)), None) {
        tracing::debug!("refusing a call: {e}");
    }
    shared.layer.remove_dialog(&dialog.id());
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::{LONGEST_NAME, unescape};

    #[test]
    fn a_caller_cannot_write_lines_into_a_log_or_colours_on_a_terminal() {
        assert_eq!(
            plain(&unescape("1%0D%0AINFO%1B[2J"), LONGEST_NAME),
            "1INFO[2J"
        );
        assert_eq!(plain(&"9".repeat(5000), LONGEST_NAME).len(), 64);
    }

    #[test]
    fn user_parts_come_escaped_well_and_badly() {
        assert_eq!(unescape("55%231"), "55#1");
        assert_eq!(unescape("%2B1202"), "+1202");
        for odd in ["5%", "5%2", "%zz", "%é"] {
            assert_eq!(unescape(odd), odd);
        }
    }
}
