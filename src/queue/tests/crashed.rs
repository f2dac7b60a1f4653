//! What a crash in a call leaves in the books: the calls in a row to a number, what was used of a day, and whose attempt
//! it was.

use rusqlite::OptionalExtension;

use super::line_of_faxes::{settled, waiting};
use super::*;

const X: &str = "5551234567";

async fn in_a_row(store: &Store) -> Option<u32> {
    let look = |db: &Connection| {
        db.query_row("SELECT in_a_row FROM rests", [], |row| row.get(0))
            .optional()
    };
    store.read(look).await.unwrap()
}

#[tokio::test]
async fn a_number_keeps_its_calls_in_a_row() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    settled(&store, &fax, Outcome::Busy, NOW).await;
    let later = NOW.plus_seconds(3600);
    claimed(&store, later).await.expect("it has rested");
    assert_eq!(in_a_row(&store).await, Some(1));
    // Nobody knows what became of this call.
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(in_a_row(&store).await, Some(1));
    let fax = claimed(&store, later).await.expect("it is due again");
    settled(&store, &fax, Outcome::Busy, later).await;
    assert_eq!(in_a_row(&store).await, Some(2));
}

#[tokio::test]
async fn a_call_that_was_answered_begins_the_count_anew() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    settled(&store, &fax, Outcome::Busy, NOW).await;
    let later = NOW.plus_seconds(3600);
    let fax = claimed(&store, later).await.expect("it has rested");
    store.page_confirmed(&fax.id, fax.attempt, 1).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(in_a_row(&store).await, None);
}

fn so_far(seconds: Option<f64>) -> CallSoFar {
    CallSoFar {
        trunk: "carrier".into(),
        target: "udp:192.0.2.1:5060".into(),
        seconds,
    }
}

/// Calls and seconds of account `a` and of the trunk.
async fn used(store: &Store) -> [(u32, f64); 2] {
    let account = store.used_by_account(TODAY, "a").await.unwrap();
    let trunks = store.used_by_trunks(TODAY).await.unwrap();
    let trunk = trunks.first().map(|(_, used)| *used).unwrap_or_default();
    [account, trunk].map(|used| (used.calls, used.seconds))
}

#[tokio::test]
async fn a_call_counts_against_the_day() {
    let state = tempfile::tempdir().unwrap();
    let began = Millis(NOW.0 - 50_000);
    let store = waiting(state.path(), &[(X, "a")]).await;
    let fax = claimed(&store, began).await.unwrap();
    store.call_so_far(fax.attempt, so_far(None)).await.unwrap();
    let noted = store.call_so_far(fax.attempt, so_far(Some(10.0))).await;
    noted.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    // As long as it may have gone on behind the note.
    assert_eq!(used(&store).await, [(1, 40.0); 2]);
    let attempts = store.attempts(&fax.id).await.unwrap();
    assert_eq!(attempts[0].seconds, 40.0);
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(used(&store).await, [(1, 40.0); 2], "once");
}

#[tokio::test]
async fn a_call_that_nobody_answered_counts_no_seconds() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a")]).await;
    let fax = claimed(&store, Millis(NOW.0 - 50_000)).await.unwrap();
    store.call_so_far(fax.attempt, so_far(None)).await.unwrap();
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(used(&store).await, [(1, 0.0); 2]);
}

#[tokio::test]
async fn a_fax_that_was_left_out_of_a_shared_call_does_not_hide_the_one_behind_it() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a"), (X, "a"), (X, "a")]).await;
    let first = claimed(&store, NOW).await.unwrap();
    let room = Room {
        faxes: 9,
        pages: 99,
    };
    let joins = |_: &DueFax| Some("header".to_owned());
    let others = store.claim_beside(&first, joins, room, TODAY.into(), NOW);
    let others = others.await.unwrap();
    let [left_out, last] = &others[..] else {
        panic!("two more were claimed");
    };
    // Its cover page could not be made, so the call began without it.
    let not_made = CallReport::never_placed(Outcome::StorageFailed, "no cover page".into());
    let policy = policy();
    let left = store.settle_attempt(&left_out.id, left_out.attempt, not_made, &policy, NOW);
    left.await.unwrap();
    for page in [1, 2] {
        let confirmed = store.page_confirmed(&first.id, first.attempt, page);
        confirmed.await.unwrap();
    }
    let store = crash_and_recover(state.path(), store).await;
    let row = store.fax(&last.id).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.tries), ("ready", 1));
    let attempts = store.attempts(&last.id).await.unwrap();
    assert_eq!(attempts[0].outcome.as_deref(), Some("gateway_stopped"));
}
