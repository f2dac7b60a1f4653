//! The store as a whole: custody from `accept` to the receipt, and after a crash at each step.

use std::path::Path;

mod crashed;
mod damage;
mod line_of_faxes;
mod model;
mod orphans;
mod shared;
mod small;
mod times;

use super::*;
use crate::call::outcome::{CallReport, FarEnd, Outcome};
use crate::call::retry::{Policy, Rules};
use crate::pages::{FaxPage, Resolution};

const TODAY: &str = "2026-11-18";
const NOW: Millis = Millis(1_795_000_000_000);
const DAY: u64 = 86_400;

/// A clock that nobody has set since the boot, which was at [`NOW`].
fn since_boot() -> SinceBoot {
    SinceBoot {
        boot: "this".into(),
        millis: 0,
    }
}

fn policy() -> Policy {
    Policy {
        rules: Rules::default(),
        give_up_seconds: DAY,
        resend_uncertain: false,
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn message(recipients: &[&str]) -> NewMessage {
    let id = id::new(NOW);
    NewMessage {
        client: "127.0.0.1".into(),
        sender: "clerk@example.com".into(),
        message_id: Some("<lease@example.com>".into()),
        references: None,
        subject: "Lease".into(),
        manifest: "[]".into(),
        size: 1234,
        text_key: format!("m-{id}"),
        faxes: id::several(NOW, recipients.len())
            .into_iter()
            .zip(recipients)
            .map(|(id, number)| NewFax {
                id,
                recipient: format!("{number}@fax.local"),
                number: (*number).to_owned(),
                ..NewFax::default()
            })
            .collect(),
        id,
        ..NewMessage::default()
    }
}

fn report(outcome: Outcome, pages: u32) -> CallReport {
    CallReport {
        outcome,
        detail: "as scripted".into(),
        pages,
        unsent: false,
        stalled: false,
        sip_code: Some(200),
        q850: None,
        trunk: "carrier".into(),
        target: "udp:192.0.2.1:5060".into(),
        far_end: FarEnd::default(),
        seconds: 30.0,
        wire_bytes: 50_000,
    }
}

/// So many pages, in the blob `pages`.
fn drawn(page_count: u32) -> Drawn {
    Drawn {
        pages: NewOctets::blob("pages"),
        page_count,
        ..Drawn::default()
    }
}

/// Accepts one mail, renders it to two pages, and begins the call to its first recipient.
async fn calling(store: &Store, recipients: &[&str]) -> ClaimedFax {
    let message = message(recipients);
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    let document = store
        .claim_document(NOW)
        .await
        .unwrap()
        .expect("a document waits");
    store.blobs().keep("pages", b"tiff").unwrap();
    store
        .document_rendered(&document.id, drawn(2), NOW)
        .await
        .unwrap();
    claimed(store, NOW).await.expect("a fax is due")
}

/// The fax that is due, whichever it is.
async fn claimed(store: &Store, now: Millis) -> Option<ClaimedFax> {
    let anything = |_: &DueFax| Choice::Take("header".to_owned(), ());
    let claimed = store.claim_fax(anything, TODAY.into(), now).await.unwrap();
    claimed.map(|(fax, ())| fax)
}

/// What a restart after `kill -9` does: the lock falls, the next daemon recovers.
async fn crash_and_recover(state: &Path, store: Store) -> Store {
    drop(store);
    let store = Store::open(state).unwrap();
    store.recover(&policy(), NOW).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    store
}

async fn receipts(store: &Store, fax: &str) -> usize {
    store.mails_about(fax).await.unwrap().len()
}

#[tokio::test]
async fn a_mail_becomes_a_fax_becomes_a_receipt() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    assert_eq!(
        (fax.page_count, fax.confirmed, fax.pages_key.as_str()),
        (2, 0, "pages")
    );
    store.page_confirmed(&fax.id, fax.attempt, 1).await.unwrap();
    store.last_page_leaving(&fax.id).await.unwrap();
    store.page_confirmed(&fax.id, fax.attempt, 2).await.unwrap();
    let settled = store
        .settle_attempt(
            &fax.id,
            fax.attempt,
            report(Outcome::Delivered, 2),
            &policy(),
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(settled, Settled::Final(Final::Delivered));
    let mail = store
        .claim_mail(NOW)
        .await
        .unwrap()
        .expect("a receipt waits");
    assert!(
        mail.kind == MailKind::Receipt
            && mail.recipient == "clerk@example.com"
            && mail.subject_of == fax.id
    );
    store.mail_delivered(&mail.id, "250 ok", NOW).await.unwrap();
    assert!(store.claim_mail(NOW).await.unwrap().is_none());
    assert_eq!(store.check().await.unwrap(), []);
}

#[test]
fn what_is_left_of_a_killed_daemon_holds_up_the_next_for_a_moment_only() {
    let state = tempfile::tempdir().unwrap();
    let child = lock(state.path()).unwrap();
    let dying = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(child);
    });
    Store::open(state.path()).unwrap();
    dying.join().unwrap();
}

#[tokio::test]
async fn two_daemons_never_share_a_state_folder() {
    let state = tempfile::tempdir().unwrap();
    let _store = Store::open(state.path()).unwrap();
    assert!(matches!(
        Store::open(state.path()),
        Err(StoreError::InUse(_))
    ));
    Store::open_beside(state.path()).expect("a command may look beside the daemon");
}

#[tokio::test]
async fn one_call_at_a_time_to_a_number() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let first = calling(&store, &["5551234567", "5551234567", "5557654321"]).await;
    let second = claimed(&store, NOW)
        .await
        .expect("the other number is free");
    assert_ne!(first.number, second.number);
    assert!(
        claimed(&store, NOW).await.is_none(),
        "the same number twice"
    );
}

#[tokio::test]
async fn busy_waits_and_comes_again_with_the_pages_that_are_left() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.page_confirmed(&fax.id, fax.attempt, 1).await.unwrap();
    let settled = store
        .settle_attempt(
            &fax.id,
            fax.attempt,
            report(Outcome::FarEndHungUp, 1),
            &policy(),
            NOW,
        )
        .await
        .unwrap();
    let Settled::Again(at) = settled else {
        panic!("{settled:?}")
    };
    assert!(claimed(&store, NOW).await.is_none(), "not before its time");
    let again = claimed(&store, at).await.expect("due");
    assert_eq!((again.id.as_str(), again.confirmed), (fax.id.as_str(), 1));
    assert_eq!(receipts(&store, &fax.id).await, 0);
}

#[tokio::test]
async fn killed_while_rendering_renders_again() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567"]);
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    store.claim_document(NOW).await.unwrap().unwrap();
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(store.claim_document(NOW).await.unwrap().unwrap().tries, 2);
}

#[tokio::test]
async fn a_document_in_whose_rendering_the_daemon_dies_again_and_again_waits_longer_each_time() {
    let state = tempfile::tempdir().unwrap();
    let mut store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567"]);
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    let mut pauses = Vec::new();
    let mut now = NOW;
    for deaths in 1..=12 {
        store.claim_document(now).await.unwrap().expect("it is due");
        drop(store);
        store = Store::open(state.path()).unwrap();
        store.recover(&policy(), now).await.unwrap();
        let due = async |seconds| {
            let claimed = store
                .claim_document(now.plus_seconds(seconds))
                .await
                .unwrap();
            if let Some(claimed) = &claimed {
                assert_eq!(claimed.tries, deaths + 1);
                store.document_deferred(&claimed.id, now).await.unwrap();
            }
            claimed.is_some()
        };
        let mut pause = 0;
        while !due(pause).await {
            pause += 10;
        }
        pauses.push(pause);
        now = now.plus_seconds(pause);
    }
    assert_eq!(
        pauses,
        [0, 0, 10, 30, 60, 120, 300, 600, 900, 900, 900, 900]
    );
    assert!(
        pauses[..11].iter().sum::<u64>() > 3600,
        "before it is given up"
    );
}

#[tokio::test]
async fn only_a_rendering_that_nobody_settled_counts() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567"]);
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    for _ in 0..10 {
        let document = store.claim_document(NOW).await.unwrap().unwrap();
        assert_eq!(document.tries, 1, "it was deferred each time");
        store.document_deferred(&document.id, NOW).await.unwrap();
    }
    let document = store.claim_document(NOW).await.unwrap().unwrap();
    let panicked = Claim::Document(document.id.clone());
    store.release(panicked, &policy(), NOW).await.unwrap();
    let later = NOW.plus_seconds(3600);
    let document = store.claim_document(later).await.unwrap().unwrap();
    assert_eq!(document.tries, 1, "it panicked before");
    let store = crash_and_recover(state.path(), store).await;
    let document = store.claim_document(later).await.unwrap().unwrap();
    assert_eq!(document.tries, 2, "the daemon died");
    store.document_deferred(&document.id, NOW).await.unwrap();
    assert_eq!(store.claim_document(NOW).await.unwrap().unwrap().tries, 2);
}

#[tokio::test]
async fn a_document_is_wanted_when_its_last_fax_is() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mut message = message(&["5551234567", "5557654321"]);
    let monday = NOW.plus_seconds(3 * DAY);
    message.faxes[1].not_before = Some(monday);
    let held = message.faxes[0].id.clone();
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    let document = store.claim_document(NOW).await.unwrap().unwrap();
    assert_eq!(document.wanted_at, monday);
    store.document_deferred(&document.id, NOW).await.unwrap();
    let hold = "UPDATE faxes SET held = 1 WHERE id = ?1";
    let hold = store.write(move |db| db.execute(hold, [held]));
    hold.await.unwrap();
    let later = NOW.plus_seconds(10 * DAY);
    let document = store.claim_document(later).await.unwrap().unwrap();
    assert_eq!(document.wanted_at, later, "one of them is held back");
}

#[tokio::test]
async fn a_mail_of_an_identifier_that_is_in_use_is_not_taken() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let first = message(&["5551234567"]);
    store.blobs().keep(&first.text_key, b"mail").unwrap();
    store.accept(first.clone(), NOW).await.unwrap();
    let mut second = message(&["5557654321"]);
    second.id = first.id;
    let refused = store.accept(second, NOW).await.unwrap_err();
    assert!(refused.is_undone(), "{refused}");
    assert_eq!(store.waiting_faxes(10).await.unwrap().len(), 1);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn two_calls_that_draw_one_identifier_get_two() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    // The generator is that of a thread, here the writer's.
    let seed = || {
        store.write(|_| {
            fastrand::seed(7);
            Ok(())
        })
    };
    let call = || NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: None,
        trunk: "carrier".into(),
        recipients: vec!["office@example.com".into()],
    };
    seed().await.unwrap();
    let first = store.begin_received(call(), NOW).await.unwrap();
    seed().await.unwrap();
    let second = store.begin_received(call(), NOW).await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn killed_after_page_1_goes_on_with_page_2() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.page_confirmed(&fax.id, fax.attempt, 1).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    let again = claimed(&store, NOW).await.expect("due at once");
    assert_eq!(again.confirmed, 1);
}

#[tokio::test]
async fn killed_with_the_last_page_on_its_way_is_uncertain_and_not_dialled() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.last_page_leaving(&fax.id).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    assert!(claimed(&store, NOW).await.is_none());
    assert_eq!(
        store.fax(&fax.id).await.unwrap().unwrap().state,
        "uncertain"
    );
    assert_eq!(receipts(&store, &fax.id).await, 1);
}

#[tokio::test]
async fn killed_after_the_last_mcf_is_delivered_with_one_receipt() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.last_page_leaving(&fax.id).await.unwrap();
    store.page_confirmed(&fax.id, fax.attempt, 2).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    let store = crash_and_recover(state.path(), store).await;
    assert!(claimed(&store, NOW).await.is_none());
    assert_eq!(
        store.fax(&fax.id).await.unwrap().unwrap().state,
        "delivered"
    );
    assert_eq!(receipts(&store, &fax.id).await, 1);
}

#[tokio::test]
async fn a_far_end_that_hangs_up_before_mcf_leaves_doubt() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.last_page_leaving(&fax.id).await.unwrap();
    let settled = store
        .settle_attempt(
            &fax.id,
            fax.attempt,
            report(Outcome::ChildCrashed, 0),
            &policy(),
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(settled, Settled::Final(Final::Uncertain));
}

#[tokio::test]
async fn cancelled_while_it_waits_ends_with_a_receipt_and_once() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567"]);
    let fax = message.faxes[0].id.clone();
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    assert_eq!(store.cancel(&fax, NOW).await.unwrap(), Ordered::Done);
    let again = store.cancel(&fax, NOW).await.unwrap();
    assert_eq!(again, Ordered::Over("cancelled".into()));
    assert_eq!(receipts(&store, &fax).await, 1);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_document_that_cannot_be_rendered_fails_all_its_faxes() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567", "5557654321"]);
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    let faxes: Vec<_> = message.faxes.iter().map(|f| f.id.clone()).collect();
    store.accept(message, NOW).await.unwrap();
    let document = store.claim_document(NOW).await.unwrap().unwrap();
    store
        .document_failed(
            &document.id,
            "lease.pdf",
            "page 3 of it cannot be drawn",
            NOW,
        )
        .await
        .unwrap();
    for fax in faxes {
        assert_eq!(store.fax(&fax).await.unwrap().unwrap().state, "failed");
        assert_eq!(receipts(&store, &fax).await, 1);
    }
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn received_pages_survive_a_crash_and_find_their_route() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: None,
        trunk: "carrier".into(),
        // Named twice, in the route or by a slip: he wants one mail all the same.
        recipients: ["office@example.com", "office@example.com", "maildir:/fax"]
            .map(str::to_owned)
            .to_vec(),
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    let page = FaxPage {
        width: 1728,
        height: 2200,
        x_dpi: 204,
        y_dpi: 196,
        g4: vec![1, 2, 3],
    };
    store
        .page_received(&id, 1, false, 0, page.clone())
        .await
        .unwrap();
    let store = crash_and_recover(state.path(), store).await;
    let mails = store.mails_about(&id).await.unwrap();
    let recipients: Vec<_> = mails.iter().map(|mail| mail.recipient.as_str()).collect();
    assert_eq!(recipients, ["office@example.com", "maildir:/fax"]);
    let fax = store.received_fax(&id).await.unwrap().unwrap();
    assert_eq!(
        (fax.outcome, fax.pages),
        (Outcome::GatewayStopped, vec![page])
    );
    let mail = store.claim_mail(NOW).await.unwrap().unwrap();
    assert_eq!(mail.kind, MailKind::ReceivedFax);
}

#[tokio::test]
async fn killed_after_the_last_page_came_in_is_complete() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: None,
        trunk: "carrier".into(),
        recipients: vec!["office@example.com".into()],
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    let page = FaxPage {
        width: 1728,
        height: 2200,
        x_dpi: 204,
        y_dpi: 196,
        g4: vec![1, 2, 3],
    };
    store
        .page_received(&id, 1, false, 0, page.clone())
        .await
        .unwrap();
    store.page_received(&id, 2, true, 7, page).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    let fax = store.received_fax(&id).await.unwrap().unwrap();
    assert_eq!((fax.outcome, fax.pages.len()), (Outcome::Delivered, 2));
    assert_eq!(fax.damaged, [2], "seven of its packets were lost");
}

#[tokio::test]
async fn a_received_fax_is_queued_once_however_often_its_end_is_stored() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: None,
        trunk: "carrier".into(),
        recipients: vec!["office@example.com".into(), "office@example.com".into()],
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    let page = FaxPage {
        width: 1728,
        height: 2200,
        x_dpi: 204,
        y_dpi: 196,
        g4: vec![1, 2, 3],
    };
    store.page_received(&id, 1, false, 0, page).await.unwrap();
    for _ in 0..2 {
        let report = report(Outcome::Delivered, 1);
        store.end_received(&id, report, NOW).await.unwrap();
    }
    store
        .release(Claim::Received(id.clone()), &policy(), NOW)
        .await
        .unwrap();
    assert_eq!(store.mails_about(&id).await.unwrap().len(), 1);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_call_without_a_page_makes_no_mail() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "".into(),
        caller_name: None,
        trunk: String::new(),
        recipients: vec!["office@example.com".into()],
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    store
        .end_received(&id, report(Outcome::NoFax, 0), NOW)
        .await
        .unwrap();
    assert!(store.claim_mail(NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_invariant_is_named() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store
        .write(|db| db.execute("UPDATE faxes SET confirmed = 7", []))
        .await
        .unwrap();
    let found = store.check().await.unwrap();
    assert!(
        found.iter().any(|v| v.rows == [fax.id.clone()]),
        "{found:?}"
    );
}

#[tokio::test]
async fn another_user_cannot_look_into_the_queue() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let store = Store::open(&state).unwrap();
    store.accept(message(&["1"]), NOW).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(&state).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}: {mode:o}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 4, "database, its log, lock, folders");
    let mode = std::fs::metadata(&state).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn queue_that_is_not_there_yet_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Store::open_beside(folder.path());
    assert!(matches!(opened, Err(StoreError::NoQueue(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn delivered_without_every_page_is_not_delivered() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.last_page_leaving(&fax.id).await.unwrap();
    let report = report(Outcome::Delivered, 1);
    store
        .settle_attempt(&fax.id, fax.attempt, report, &policy(), NOW)
        .await
        .unwrap();
    let row = store.fax(&fax.id).await.unwrap().unwrap();
    assert_ne!(row.outcome.as_deref(), Some("delivered"));
    assert_ne!(row.state, "delivered");
}

#[tokio::test]
async fn an_outcome_stored_twice_is_settled_once() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    for _ in 0..2 {
        let settled = store
            .settle_attempt(
                &fax.id,
                fax.attempt,
                report(Outcome::Delivered, 2),
                &policy(),
                NOW,
            )
            .await
            .unwrap();
        assert_eq!(settled, Settled::Final(Final::Delivered));
    }
    assert_eq!(receipts(&store, &fax.id).await, 1);
    assert_eq!(store.check().await.unwrap(), []);
}

/// Calls until the fax is over; returns how many somebody answered.
async fn answered_until_over(store: &Store, outcome: Outcome) -> u32 {
    let mut fax = calling(store, &["5551234567"]).await;
    let mut now = NOW;
    for calls in 1..1000 {
        let report = report(outcome, 0);
        let settled = store
            .settle_attempt(&fax.id, fax.attempt, report, &policy(), now)
            .await
            .unwrap();
        let Settled::Again(at) = settled else {
            return calls;
        };
        now = at;
        fax = claimed(store, now).await.expect("due");
    }
    panic!("dialled for ever");
}

/// Calls that end one after the other in these, over and over, until the fax is over; returns how many there were.
async fn calls_that_end_in(outcomes: &[Outcome]) -> usize {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mut fax = calling(&store, &["5551234567"]).await;
    let mut now = NOW;
    for (nth, outcome) in (1..).zip(outcomes.iter().cycle()) {
        assert!(nth < 100, "dialled for ever");
        let report = report(*outcome, 0);
        let policy = policy();
        let settled = store.settle_attempt(&fax.id, fax.attempt, report, &policy, now);
        let Settled::Again(at) = settled.await.unwrap() else {
            return nth;
        };
        now = at;
        fax = claimed(&store, now).await.expect("due");
    }
    unreachable!("outcomes without end")
}

#[tokio::test]
async fn each_outcome_is_counted_for_itself_and_all_of_them_together() {
    use Outcome::*;
    // Five of a kind would be the end of one that hangs up; the busy ones are none of that kind.
    let four_busy = [Busy, Busy, Busy, Busy, FarEndHungUp, TrainingFailed];
    assert_eq!(calls_that_end_in(&four_busy).await, 14, "busy ten times");
    assert_eq!(calls_that_end_in(&[NoFax, VoiceAnswered]).await, 2);
    let always_another = [
        TrainingFailed,
        PageRefused,
        FarEndHungUp,
        FarEndSilent,
        ProtocolError,
        T38Failed,
    ];
    assert_eq!(calls_that_end_in(&always_another).await, 20);
}

#[tokio::test]
async fn whatever_goes_wrong_after_the_answer_the_bill_has_an_end() {
    let ordered = Outcome::GatewayStopped;
    let goes_wrong = |outcome: &Outcome| *outcome != ordered;
    for outcome in Outcome::ALL.into_iter().filter(goes_wrong) {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let calls = answered_until_over(&store, outcome).await;
        assert!(calls <= 10, "{outcome}: {calls} calls on the bill");
    }
}

#[tokio::test]
async fn a_daemon_that_dies_in_every_call_does_not_dial_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let mut store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    let mut now = NOW;
    for restarts in 1.. {
        assert!(restarts <= 10, "dialled for ever");
        drop(store);
        store = Store::open(state.path()).unwrap();
        store.recover(&policy(), now).await.unwrap();
        now = now.plus_seconds(600);
        if claimed(&store, now).await.is_none() {
            break;
        }
    }
    assert_eq!(store.fax(&fax.id).await.unwrap().unwrap().state, "failed");
    assert_eq!(receipts(&store, &fax.id).await, 1);
}

#[tokio::test]
async fn a_clock_that_ran_a_year_ahead_puts_nothing_off_for_a_year() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    calling(&store, &["5551234567", "5557654321"]).await;
    // Out of the line, as a call that failed leaves it.
    let leave = "UPDATE faxes SET turn = NULL WHERE state = 'ready'";
    store.write(|db| db.execute(leave, [])).await.unwrap();
    let yesterday = Millis(NOW.0 - 365 * 86_400_000);
    assert!(claimed(&store, yesterday).await.is_none());
    store.next_due(&policy(), yesterday).await.unwrap();
    let other = claimed(&store, yesterday).await;
    assert_eq!(other.expect("due now").number, "5557654321");
}

#[tokio::test]
async fn a_claim_whose_task_panicked_is_released() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    let claim = Claim::Fax(fax.id.clone());
    store.release(claim.clone(), &policy(), NOW).await.unwrap();
    assert!(claimed(&store, NOW).await.is_some());
    store.last_page_leaving(&fax.id).await.unwrap();
    for _ in 0..2 {
        store.release(claim.clone(), &policy(), NOW).await.unwrap();
    }
    let row = store.fax(&fax.id).await.unwrap().unwrap();
    assert_eq!(row.state, "uncertain");
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn nobody_else_can_read_who_faxes_whom() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("postfax");
    let store = Store::open(&state).unwrap();
    calling(&store, &["5551234567"]).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&state) & 0o077, 0);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn a_command_does_not_upgrade_the_store_under_a_daemon() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    store
        .write(|db| db.pragma_update(None, "user_version", 0))
        .await
        .unwrap();
    assert!(matches!(
        Store::open_beside(state.path()),
        Err(StoreError::TooOld(0))
    ));
}

#[tokio::test]
async fn a_hundred_thousand_faxes_to_a_busy_number_do_not_hold_up_the_others() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let plan: Vec<String> = store
        .read(|db| {
            db.prepare(&format!(
                "EXPLAIN QUERY PLAN SELECT id, account, number {}",
                line::IN_LINE
            ))?
            .query_map([], |row| row.get(3))?
            .collect()
        })
        .await
        .unwrap();
    let plan = plan.join("\n");
    // They are passed over in the index, in its order. Sorting them, or asking of each whether its number is free, takes
    // five times as long, and the confirmations of pages wait behind it.
    assert!(!plan.contains("TEMP B-TREE"), "sorts: {plan}");
    assert!(
        plan.contains("faxes USING COVERING INDEX faxes_in_line"),
        "reads rows: {plan}"
    );
}

#[tokio::test]
async fn a_number_is_remembered_until_its_day_and_forgotten_when_asked() {
    use memory::{Begin, Placed};
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let placed = Placed {
        audio_only: false,
        max_bit_rate: 14400,
        ecm: true,
    };
    let silent = report(Outcome::T38Silent, 0);
    for number in ["+12025550123", "+12025550124"] {
        let learned = store.learn(number, silent.clone(), placed, 30, NOW).await;
        learned.unwrap();
    }
    let store = crash_and_recover(state.path(), store).await;
    let known = store.memory("+12025550123", NOW).await.unwrap().unwrap();
    assert_eq!(
        (known.begin, known.outcome),
        (Some(Begin::Audio), Outcome::T38Silent)
    );
    assert!(store.forget("+12025550123").await.unwrap());
    assert!(!store.forget("+12025550123").await.unwrap());
    assert_eq!(store.memory("+12025550123", NOW).await.unwrap(), None);

    let later = NOW.plus_seconds(30 * DAY);
    assert_eq!(store.memory("+12025550124", later).await.unwrap(), None);
    let busy = report(Outcome::Busy, 0);
    let taught = store.learn("+12025550125", busy, placed, 30, later);
    taught.await.unwrap();
    let rows = store.read(|db| {
        db.query_row("SELECT count(*) FROM numbers", [], |row| {
            row.get::<_, u32>(0)
        })
    });
    assert_eq!(
        rows.await.unwrap(),
        0,
        "what has expired is swept, and busy teaches nothing"
    );
}

/// Writes the store anew as version 1 had it: its tables, with the rows that are there now.
fn as_version_1(path: &Path) {
    let new = path.with_file_name("new.db");
    let whole = Connection::open(path).unwrap();
    whole.execute("VACUUM INTO ?1", [new.to_str()]).unwrap();
    drop(whole);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let old = Connection::open(path).unwrap();
    old.execute_batch(include_str!("upgrade/version1.sql"))
        .unwrap();
    old.pragma_update(None, "foreign_keys", false).unwrap();
    old.execute("ATTACH ?1 AS new", [new.to_str()]).unwrap();
    let sql =
        "SELECT t.name, group_concat(c.name) FROM sqlite_schema t JOIN pragma_table_info(t.name) c
               WHERE t.type = 'table' GROUP BY t.name";
    let mut tables = old.prepare(sql).unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    for table in tables.unwrap() {
        let (table, columns): (String, String) = table.unwrap();
        let sql = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}");
        old.execute(&sql, []).unwrap();
    }
    old.pragma_update(None, "user_version", 1).unwrap();
}

#[tokio::test]
async fn a_store_of_version_1_is_opened_and_its_faxes_go_on() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    drop(store);
    as_version_1(&state.path().join("queue.db"));
    assert!(matches!(
        Store::open_beside(state.path()),
        Err(StoreError::TooOld(1))
    ));
    let store = Store::open(state.path()).unwrap();
    store.recover(&policy(), NOW).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    let again = claimed(&store, NOW.plus_seconds(DAY))
        .await
        .expect("it goes on");
    assert_eq!((again.id, again.last_trunk.as_str()), (fax.id, ""));
}

#[tokio::test]
async fn recipients_of_one_resolution_share_a_document() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mut message = message(&["5551234567", "5557654321", "5550001111"]);
    message.faxes[1].resolution = Resolution::Superfine;
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, NOW).await.unwrap();
    let mut made = Vec::new();
    while let Some(document) = store.claim_document(NOW).await.unwrap() {
        made.push(document.resolution);
    }
    made.sort_by_key(|resolution| resolution.dpi());
    assert_eq!(made, [Resolution::Fine, Resolution::Superfine]);
    assert_eq!(store.check().await.unwrap(), []);
}

// ---- what senders are told ----

/// Ends faxes that wait.
async fn cancel_all(store: &Store, faxes: &[NewFax]) {
    for fax in faxes {
        assert_eq!(store.cancel(&fax.id, NOW).await.unwrap(), Ordered::Done);
    }
}

/// Takes every mail that is due, and says what it was about.
async fn kinds(store: &Store, now: Millis) -> Vec<(MailKind, String)> {
    let mut kinds = Vec::new();
    while let Some(mail) = store.claim_mail(now).await.unwrap() {
        store.mail_delivered(&mail.id, "250", now).await.unwrap();
        kinds.push((mail.kind, mail.subject_of));
    }
    kinds.sort_by(|a, b| a.1.cmp(&b.1));
    kinds
}

#[tokio::test]
async fn a_mail_reported_as_one_has_its_report_with_its_last_fax() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let all = NewMessage {
        one_report: true,
        ..message(&["5551230001", "5551230002", "5551230003"])
    };
    store.blobs().keep(&all.text_key, b"mail").unwrap();
    store.accept(all.clone(), NOW).await.unwrap();
    cancel_all(&store, &all.faxes[..2]).await;
    assert_eq!(kinds(&store, NOW).await, []);
    assert_eq!(store.check().await.unwrap(), []);
    cancel_all(&store, &all.faxes[2..]).await;
    let report = (MailKind::Broadcast, all.id.clone());
    assert_eq!(kinds(&store, NOW).await, [report]);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_document_that_spoils_a_mail_to_ten_thousand_ends_them_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let numbers: Vec<String> = (0..10_000).map(|n| format!("555{n:07}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let all = NewMessage {
        one_report: true,
        ..message(&numbers)
    };
    store.blobs().keep(&all.text_key, b"mail").unwrap();
    store.accept(all.clone(), NOW).await.unwrap();
    let document = store.claim_document(NOW).await.unwrap().unwrap();
    let failed = store.document_failed(&document.id, "a.pdf", "it is damaged", NOW);
    let took = tokio::time::timeout(std::time::Duration::from_secs(20), failed).await;
    took.expect("linear in the recipients").unwrap();
    let report = (MailKind::Broadcast, all.id.clone());
    assert_eq!(kinds(&store, NOW).await, [report]);
    assert_eq!(store.told_faxes(&all.id).await.unwrap().len(), 10_000);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn who_waits_for_long_is_told_once_and_those_of_one_mail_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let hour = NOW.plus_seconds(3600);
    let mut one = message(&["5551230001", "5551230002"]);
    one.faxes[0].tell_delay_at = Some(hour);
    let mut many = NewMessage {
        one_report: true,
        ..message(&["5551230003", "5551230004"])
    };
    for fax in &mut many.faxes {
        fax.tell_delay_at = Some(hour);
    }
    let mut over = message(&["5551230005"]);
    over.faxes[0].tell_delay_at = Some(hour);
    for mail in [&one, &many, &over] {
        store.blobs().keep(&mail.text_key, b"mail").unwrap();
        store.accept(mail.clone(), NOW).await.unwrap();
    }
    cancel_all(&store, &over.faxes).await;
    let receipt = (MailKind::Receipt, over.faxes[0].id.clone());
    assert_eq!(kinds(&store, NOW).await, [receipt]);
    assert_eq!(store.tell_delays(NOW).await.unwrap(), 0);
    assert_eq!(store.tell_delays(hour).await.unwrap(), 3);
    assert_eq!(store.tell_delays(hour).await.unwrap(), 0);
    let mut expected = [one.faxes[0].id.clone(), many.id.clone()].map(|id| (MailKind::Delay, id));
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(kinds(&store, hour).await, expected);
}

#[tokio::test]
async fn what_is_refused_for_good_goes_to_the_postmaster_once_and_never_in_a_loop() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mail = message(&["5551230001"]);
    store.blobs().keep(&mail.text_key, b"mail").unwrap();
    store.accept(mail.clone(), NOW).await.unwrap();
    cancel_all(&store, &mail.faxes).await;
    let postmaster = Some("postmaster@example.com");
    let receipt = store.claim_mail(NOW).await.unwrap().unwrap();
    // Stored twice: a commit may have reached the disk and been reported as failed.
    for _ in 0..2 {
        let refused = store.mail_refused(&receipt.id, "550", postmaster, NOW);
        refused.await.unwrap();
    }
    let returned = store.claim_mail(NOW).await.unwrap().unwrap();
    assert_eq!(returned.kind, MailKind::Returned);
    assert_eq!(returned.subject_of, receipt.id);
    assert_eq!(returned.recipient, "postmaster@example.com");
    let failed = async || store.counts(NOW, NOW).await.unwrap().mails_failed;
    assert_eq!(failed().await, 1, "nobody has got it yet");
    let refused = store.mail_refused(&returned.id, "550", postmaster, NOW);
    refused.await.unwrap();
    assert!(store.claim_mail(NOW).await.unwrap().is_none());
    assert_eq!(failed().await, 2, "nor will the postmaster");
    assert_eq!(store.undelivered_mails(9).await.unwrap().len(), 2);
    store.retry_mails_about(&receipt.id, NOW).await.unwrap();
    while let Some(mail) = store.claim_mail(NOW).await.unwrap() {
        match mail.kind {
            MailKind::Returned => store.mail_delivered(&mail.id, "250", NOW).await,
            _ => store.mail_refused(&mail.id, "550", postmaster, NOW).await,
        }
        .unwrap();
    }
    assert_eq!(failed().await, 0, "he has it now");
    assert!(store.undelivered_mails(9).await.unwrap().is_empty());
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_postmaster_who_refuses_his_own_receipt_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mail = message(&["5551230001"]);
    store.blobs().keep(&mail.text_key, b"mail").unwrap();
    store.accept(mail.clone(), NOW).await.unwrap();
    cancel_all(&store, &mail.faxes).await;
    let receipt = store.claim_mail(NOW).await.unwrap().unwrap();
    let himself = receipt.recipient.clone();
    let refused = store.mail_refused(&receipt.id, "550", Some(&himself), NOW);
    refused.await.unwrap();
    assert!(store.claim_mail(NOW).await.unwrap().is_none());
}
