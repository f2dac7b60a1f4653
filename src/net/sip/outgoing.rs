//! A call that we place, until it is answered.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invitation::{InviteAsyncResult, InviteOption};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Response, StatusCodeKind, Transport, Uri};
use rsipstack::transport::SipAddr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::established::Established;
use super::{Calls, Ends, InviteRequest, KnownCall, Shared, SipCommand, SipEvent, q850_of};

/// A cancelled INVITE that still has no final response after this long counts as ended (RFC 3261 9.1 waits 64*T1).
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(shared: Arc<Shared>, request: InviteRequest, ends: Ends) {
    let call_id = call_id(shared.contact.ip());
    let option = match option(&shared, request, &call_id) {
        Ok(option) => option,
        Err(e) => return ends.say(SipEvent::TrunkDown(format!("cannot be called: {e}"))),
    };
    let known = Calls::know(&shared, call_id);
    let (state_sender, states) = shared.layer.new_dialog_state_channel();
    let (dialog, result) = match shared.layer.do_invite_async(option, state_sender) {
        Ok(started) => started,
        Err(e) => return ends.say(SipEvent::TrunkDown(e.to_string())),
    };
    let invite = Invite {
        shared,
        known,
        ends,
        dialog,
        states,
        early: Vec::new(),
        heard: false,
        cancelled_at: None,
        early_end: VecDeque::new(),
    };
    invite.wait(result).await;
}

struct Invite {
    shared: Arc<Shared>,
    known: KnownCall,
    ends: Ends,
    dialog: InviteDialog,
    states: DialogStateReceiver,
    /// The description of a 183, for a 200 without one.
    early: Vec<u8>,
    heard: bool,
    cancelled_at: Option<Instant>,
    /// States of the answered dialog that came while we looked for a late 183.
    early_end: VecDeque<DialogState>,
}

impl Invite {
    async fn wait(mut self, mut result: JoinHandle<InviteAsyncResult>) {
        let silent_at = Instant::now() + self.shared.config.silence;
        let mut held = true;
        loop {
            let give_up_at = match self.cancelled_at {
                Some(at) => at + CANCEL_PATIENCE,
                None => silent_at,
            };
            let may_give_up = !self.heard || self.cancelled_at.is_some();
            tokio::select! {
                biased;
                Some(state) = self.states.recv() => self.on_state(state),
                command = self.ends.commands.recv(), if held => match command {
                    Some(SipCommand::Cancel | SipCommand::Bye(_)) => self.cancel(),
                    Some(_) => {}
                    None => {
                        held = false;
                        self.cancel();
                    }
                },
                result = &mut result => {
                    return match result {
                        Ok(result) => self.on_result(result).await,
                        Err(e) => self.ends.say(SipEvent::TrunkDown(e.to_string())),
                    };
                }
                () = sleep_until(give_up_at), if may_give_up => {
                    // Aborted, the stack stops to retransmit, and cancels should a response come after all.
                    result.abort();
                    return self.give_up();
                }
            }
        }
    }

    fn on_state(&mut self, state: DialogState) {
        match state {
            DialogState::Trying(_) => self.heard = true,
            DialogState::Early(_, response) => {
                self.heard = true;
                if !response.body.is_empty() {
                    self.early = response.body;
                }
                self.ends
                    .say(SipEvent::Progress(response.status_code.code()));
            }
            DialogState::Calling(_) => {}
            later => self.early_end.push_back(later),
        }
    }

    fn cancel(&mut self) {
        if self.cancelled_at.replace(Instant::now()).is_none() {
            let dialog = self.dialog.clone();
            tokio::spawn(async move {
                if let Err(e) = dialog.cancel().await {
                    tracing::debug!("CANCEL: {e}");
                }
            });
        }
    }

    fn give_up(self) {
        let event = if self.heard {
            terminated()
        } else {
            let seconds = self.shared.config.silence.as_secs_f32();
            SipEvent::TrunkDown(format!("no response to INVITE within {seconds} s"))
        };
        self.ends.say(event);
    }

    async fn on_result(mut self, result: InviteAsyncResult) {
        while let Ok(state) = self.states.try_recv() {
            self.on_state(state);
        }
        let response = match result {
            Ok((_, Some(response))) => response,
            Ok((_, None)) => return self.ends.say(SipEvent::TrunkDown("no response".to_owned())),
            Err(e) => return self.ends.say(SipEvent::TrunkDown(e.to_string())),
        };
        if response.status_code.kind() != StatusCodeKind::Successful {
            return self.ends.say(refusal(&response));
        }
        if !self.dialog.state().is_confirmed() && self.cancelled_at.is_some() {
            // The 200 crossed our CANCEL; the stack ends that session with a BYE.
            return self.ends.say(terminated());
        }
        let body = if response.body.is_empty() {
            self.early
        } else {
            response.body
        };
        self.ends.say(SipEvent::Answered(body));
        let established = Established {
            shared: self.shared,
            known: self.known,
            ends: self.ends,
            dialog: self.dialog,
            states: self.states,
            confirmed: true,
        };
        established.run(self.early_end).await;
    }
}

fn refusal(response: &Response) -> SipEvent {
    let phrase = response.wire_reason.as_deref();
    let phrase = phrase.unwrap_or(response.status_code.text());
    SipEvent::Failed {
        code: response.status_code.code(),
        reason: super::plain(phrase, 100),
        q850: q850_of(response),
    }
}

fn terminated() -> SipEvent {
    SipEvent::Failed {
        code: 487,
        reason: "Request Terminated".to_owned(),
        q850: None,
    }
}

fn option(
    shared: &Shared,
    request: InviteRequest,
    call_id: &str,
) -> Result<InviteOption, rsipstack::sip::Error> {
    let target = request.target.to_string();
    let domain = request.domain.unwrap_or(target);
    let from_user = escape_user(&request.from_user);
    let caller = format!("sip:{from_user}@{}", host(shared.contact.ip()));
    let callee = format!("sip:{}@{domain}", escape_user(&request.to_user));
    let contact = format!("sip:{from_user}@{}", shared.contact);
    Ok(InviteOption {
        caller_display_name: request.from_display.as_deref().and_then(display_name),
        caller: Uri::try_from(caller)?,
        callee: Uri::try_from(callee)?,
        contact: Uri::try_from(contact)?,
        destination: Some(SipAddr::new(
            Transport::Udp,
            SocketAddr::into(request.target),
        )),
        content_type: Some("application/sdp".to_owned()),
        offer: Some(request.offer),
        headers: Some(vec![super::allow_header()]),
        call_id: Some(call_id.to_owned()),
        ..InviteOption::default()
    })
}

/// Our own form of Call-ID: the stack's names its vendor.
fn call_id(host_ip: IpAddr) -> String {
    format!(
        "{:016x}{:016x}@{}",
        fastrand::u64(..),
        fastrand::u64(..),
        host(host_ip)
    )
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// RFC 3261 25.1: what may stand in the user part as it is; `#` of a dialled number may not.
fn escape_user(user: &str) -> String {
    let mut escaped = String::new();
    for octet in user.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&octet) {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}

/// The stack puts the quotes around it and does not escape (RFC 3261 25.1, quoted-string).
fn display_name(name: &str) -> Option<String> {
    let clean: String = name
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '"' | '\\'))
        .collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_hash_and_a_name_with_quotes_stay_one_header() {
        assert_eq!(escape_user("+1202*55#1"), "+1202*55%231");
        assert_eq!(escape_user("a@b;c\r\n"), "a%40b%3Bc%0D%0A");
        let name = display_name("Dr. \"Who\"\\\r\nTo: x").unwrap();
        assert_eq!(name, "Dr. WhoTo: x");
        assert_eq!(display_name(" \r\n"), None);
    }
}
