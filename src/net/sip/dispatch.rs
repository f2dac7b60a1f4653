//! Every request that opens a transaction with us: finds its call, makes a new one, or refuses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::Dialog;
use rsipstack::sip::{Header, HeadersExt, Method, StatusCode, Uri};
use rsipstack::transaction::key::TransactionRole;
use rsipstack::transaction::{Transaction, TransactionReceiver};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::{Calls, Ends, IncomingCall, Shared, allow_header, incoming, is_allowed, reason_of};

/// A dialog is registered a moment after its ACK, and a request may come right behind it.
const MATCH_PATIENCE: Duration = Duration::from_millis(200);
const MATCH_STEP: Duration = Duration::from_millis(5);

/// Serves the transactions; each in a task of its own, for the stack's waits must not be cancelled.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut transactions: TransactionReceiver,
    calls: mpsc::Sender<IncomingCall>,
) {
    while let Some(transaction) = transactions.recv().await {
        let (shared, calls) = (shared.clone(), calls.clone());
        tokio::spawn(async move {
            let method = transaction.original.method;
            if let Err(e) = serve(shared, transaction, calls).await {
                tracing::debug!("{method}: {e}");
            }
        });
    }
}

async fn serve(
    shared: Arc<Shared>,
    mut tx: Transaction,
    calls: mpsc::Sender<IncomingCall>,
) -> rsipstack::Result<()> {
    let in_dialog = tx.original.to_header()?.tag()?.is_some();
    // The far end of a call may speak from another address than the trunk, but it knows the Call-ID.
    if in_dialog && (is_from_peer(&shared, &tx) || is_of_a_call(&shared, &tx)) {
        return serve_in_dialog(&shared, &mut tx).await;
    }
    let source = source(&tx);
    if !is_from_peer(&shared, &tx) {
        // Silence: scanners learn nothing.
        tracing::info!(method = %tx.original.method, ?source, "ignored: not from an allowed address");
        return Ok(());
    }
    match (tx.original.method, source) {
        (Method::Invite, Some(source)) => serve_invite(shared, tx, source, calls).await,
        (Method::Options, _) => {
            let headers = vec![allow_header(), Header::Accept("application/sdp".into())];
            tx.reply_with(StatusCode::OK, headers, None).await
        }
        (Method::Bye | Method::Update, _) => {
            tx.reply(StatusCode::CallTransactionDoesNotExist).await
        }
        // RFC 3261 8.2.1
        _ => {
            let allow = vec![allow_header()];
            tx.reply_with(StatusCode::MethodNotAllowed, allow, None)
                .await
        }
    }
}

fn is_from_peer(shared: &Shared, tx: &Transaction) -> bool {
    source(tx).is_some_and(|from| is_allowed(&shared.config.allowed, from))
}

fn is_of_a_call(shared: &Shared, tx: &Transaction) -> bool {
    let call_id = tx.original.call_id_header();
    call_id.is_ok_and(|id| shared.calls.knows(id.value()))
}

fn source(tx: &Transaction) -> Option<SocketAddr> {
    let address = tx.connection.as_ref()?.get_remote_addr()?;
    address.get_socketaddr().ok()
}

async fn serve_in_dialog(shared: &Shared, tx: &mut Transaction) -> rsipstack::Result<()> {
    let call_id = tx.original.call_id_header()?.value().to_owned();
    let is_bye = tx.original.method == Method::Bye;
    if is_bye {
        shared.calls.note_bye(&call_id, reason_of(&tx.original));
    }
    match find_dialog(shared, tx, &call_id).await {
        Found::Ready(mut dialog) => dialog.handle(tx).await,
        // Both hung up at once.
        Found::Ended if is_bye => tx.reply(StatusCode::OK).await,
        Found::Nothing if is_bye && shared.calls.knew(&call_id) => tx.reply(StatusCode::OK).await,
        Found::Ended | Found::Nothing => tx.reply(StatusCode::CallTransactionDoesNotExist).await,
        Found::NotYet => {
            let later = vec![Header::RetryAfter("1".into())];
            tx.reply_with(StatusCode::ServerInternalError, later, None)
                .await
        }
    }
}

enum Found {
    Ready(Dialog),
    /// There, but its INVITE is not confirmed: the ACK must have been lost.
    NotYet,
    Ended,
    Nothing,
}

async fn find_dialog(shared: &Shared, tx: &Transaction, call_id: &str) -> Found {
    let deadline = Instant::now() + MATCH_PATIENCE;
    loop {
        let found = match shared.layer.match_dialog(tx) {
            Some(dialog) if is_ready(&dialog, tx.original.method) => return Found::Ready(dialog),
            Some(dialog) if dialog.state().is_terminated() => return Found::Ended,
            Some(_) => Found::NotYet,
            None => Found::Nothing,
        };
        if Instant::now() >= deadline || !shared.calls.knows(call_id) {
            return found;
        }
        sleep(MATCH_STEP).await;
    }
}

/// The stack drops what comes for a dialog that is not confirmed; a called dialog takes a BYE earlier.
fn is_ready(dialog: &Dialog, method: Method) -> bool {
    let Dialog::Invite(invite) = dialog else {
        return false;
    };
    let state = invite.state();
    let early_bye = method == Method::Bye && invite.role() == TransactionRole::Server;
    state.is_confirmed() || (early_bye && !state.is_terminated())
}

async fn serve_invite(
    shared: Arc<Shared>,
    mut tx: Transaction,
    source: SocketAddr,
    calls: mpsc::Sender<IncomingCall>,
) -> rsipstack::Result<()> {
    if let Some(options) = required(&tx) {
        // RFC 3261 8.2.2.3: we support no extension that a caller may insist on.
        let unsupported = vec![Header::Unsupported(options.into())];
        return tx
            .reply_with(StatusCode::BadExtension, unsupported, None)
            .await;
    }
    let (state_sender, states) = shared.layer.new_dialog_state_channel();
    let contact = Uri::try_from(format!("sip:{}", shared.contact))?;
    let created = shared
        .layer
        .get_or_create_server_invite(&tx, state_sender, None, Some(contact));
    let mut dialog = match created {
        Ok(dialog) => dialog,
        Err(e) => {
            tracing::info!(%source, "INVITE refused: {e}");
            return tx.reply(StatusCode::BadRequest).await;
        }
    };
    let (call, ends) = Ends::pair();
    let incoming = incoming::describe(&tx.original, source, call);
    let known = Calls::know(&shared, incoming.call_id.clone());
    if calls.try_send(incoming).is_err() {
        tracing::warn!(%source, "INVITE refused: nobody takes calls");
        shared.layer.remove_dialog(&dialog.id());
        return tx.reply(StatusCode::ServiceUnavailable).await;
    }
    tokio::spawn(incoming::run(shared, known, ends, dialog.clone(), states));
    dialog.handle(&mut tx).await
}

fn required(tx: &Transaction) -> Option<String> {
    let options: Vec<&str> = tx
        .original
        .headers
        .iter()
        .filter_map(|h| match h {
            Header::Require(require) => Some(require.value()),
            _ => None,
        })
        .collect();
    (!options.is_empty()).then(|| options.join(", "))
}
