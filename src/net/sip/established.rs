//! A call that is answered, until somebody hangs up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TransactionHandle};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Method, StatusCode, StatusCodeKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Ends, KnownCall, Shared, SipCommand, SipEvent, sdp_headers};

/// A re-INVITE without a final response after this long counts as unanswered (408); timer B would take 32 s.
const REINVITE_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Established {
    pub shared: Arc<Shared>,
    pub known: KnownCall,
    pub ends: Ends,
    pub dialog: InviteDialog,
    pub states: DialogStateReceiver,
    /// The ACK has come, or it is ours to send.
    pub confirmed: bool,
}

type ReinviteResult = Result<Vec<u8>, u16>;

/// What is under way in an answered call.
struct Pending {
    /// The far end's re-INVITE, to be answered.
    theirs: Option<TransactionHandle>,
    /// When our re-INVITE counts as unanswered.
    ours: Option<Instant>,
}

enum End {
    /// The far end hung up, or the stack gave the dialog up.
    Theirs,
    /// We hang up.
    Ours(String),
}

impl Established {
    /// Runs the call. `early` are states that came before.
    pub async fn run(mut self, mut early: VecDeque<DialogState>) {
        let id = self.dialog.id();
        let (done, mut reinvites) = mpsc::unbounded_channel::<ReinviteResult>();
        let mut pending = Pending {
            theirs: None,
            ours: None,
        };
        let end = loop {
            let unanswered_at = pending.ours;
            let unanswered = async {
                match unanswered_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let next_state = async {
                match early.pop_front() {
                    Some(state) => Some(state),
                    None => self.states.recv().await,
                }
            };
            tokio::select! {
                biased;
                state = next_state => match state {
                    None | Some(DialogState::Terminated(..)) => break End::Theirs,
                    Some(state) => Self::on_state(
                        &self.ends, &self.dialog, &mut self.confirmed, state, &mut pending,
                    ).await,
                },
                command = self.ends.commands.recv() => match command {
                    Some(SipCommand::Bye(reason)) => break End::Ours(reason),
                    None => break End::Ours("dropped".to_owned()),
                    Some(SipCommand::Reinvite(sdp)) => {
                        pending.ours = Some(Instant::now() + REINVITE_PATIENCE);
                        tokio::spawn(reinvite(self.dialog.clone(), sdp, done.clone()));
                    }
                    Some(SipCommand::AnswerReinvite { code, sdp }) => {
                        if let Some(handle) = pending.theirs.take() {
                            let headers = sdp.is_some().then(sdp_headers).flatten();
                            let _ = handle.respond(StatusCode::from(code), headers, sdp).await;
                        }
                    }
                    Some(_) => {}
                },
                Some(result) = reinvites.recv() => {
                    if pending.ours.take().is_some() {
                        self.ends.say(SipEvent::ReinviteAnswered(result));
                    }
                }
                () = unanswered => {
                    pending.ours = None;
                    self.ends.say(SipEvent::ReinviteAnswered(Err(408)));
                }
            }
        };
        if let Some(handle) = pending.theirs.take() {
            // RFC 3261 15.1.2: a request still pending at a BYE gets 487.
            let _ = handle.reply(StatusCode::RequestTerminated).await;
        }
        match end {
            End::Theirs => self.ends.say(SipEvent::Bye(self.known.bye_reason())),
            End::Ours(reason) => bye(&self.dialog, &reason).await,
        }
        self.shared.layer.remove_dialog(&id);
    }

    async fn on_state(
        ends: &Ends,
        dialog: &InviteDialog,
        confirmed: &mut bool,
        state: DialogState,
        pending: &mut Pending,
    ) {
        match state {
            // Said again after every request within the dialog.
            DialogState::Confirmed(..) if !*confirmed => {
                *confirmed = true;
                let ack = dialog.last_remote_ack().map(|ack| ack.body);
                ends.say(SipEvent::Confirmed(ack.filter(|body| !body.is_empty())));
            }
            DialogState::Updated(_, request, handle) => {
                if request.method == Method::Update && request.body.is_empty() {
                    // RFC 3311 5.2: a refresh.
                    let _ = handle.reply(StatusCode::OK).await;
                } else if pending.theirs.is_some() {
                    // RFC 3261 14.2: one at a time.
                    let later = vec![Header::RetryAfter("1".into())];
                    let code = StatusCode::ServerInternalError;
                    let _ = handle.respond(code, Some(later), None).await;
                } else {
                    pending.theirs = Some(handle);
                    ends.say(SipEvent::Reinvite(request.body));
                }
            }
            DialogState::Info(_, _, handle)
            | DialogState::Options(_, _, handle)
            | DialogState::Notify(_, _, handle) => {
                let _ = handle.reply(StatusCode::OK).await;
            }
            DialogState::Refer(_, _, handle) => {
                let _ = handle.reply(StatusCode::Decline).await;
            }
            DialogState::Message(_, _, handle) | DialogState::Publish(_, _, handle) => {
                let _ = handle.reply(StatusCode::MethodNotAllowed).await;
            }
            _ => {}
        }
    }
}

/// Sends our re-INVITE, in a task of its own: the stack's waits must not be cancelled.
async fn reinvite(dialog: InviteDialog, sdp: Vec<u8>, done: mpsc::UnboundedSender<ReinviteResult>) {
    let result = match dialog.reinvite(sdp_headers(), Some(sdp)).await {
        Ok(Some(response)) if response.status_code.kind() == StatusCodeKind::Successful => {
            Ok(response.body)
        }
        Ok(Some(response)) => Err(response.status_code.code()),
        Ok(None) => Err(481),
        Err(e) => {
            tracing::debug!("re-INVITE: {e}");
            Err(500)
        }
    };
    let _ = done.send(result);
}

/// Says BYE and waits for its answer, for as long as the stack does.
async fn bye(dialog: &InviteDialog, reason: &str) {
    let text: String = reason
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .filter(|c| !matches!(c, '"' | '\\'))
        .collect();
    // Q.850 16: normal clearing.
    let reason = format!("Q.850;cause=16;text=\"{text}\"");
    if let Err(e) = dialog.bye_with_reason(reason).await {
        tracing::debug!("BYE: {e}");
    }
}
