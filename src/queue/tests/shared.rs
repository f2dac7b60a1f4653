//! Faxes that share a call: claimed together, settled one by one, and each honestly after a crash at any moment.

use super::line_of_faxes::{add, settled, waiting};
use super::*;

const X: &str = "5551234567";
const Y: &str = "5557654321";
const ENOUGH: Room = Room {
    faxes: 9,
    pages: 99,
};

/// Claims the next fax and all that may share its call.
async fn claimed_call(store: &Store, room: Room) -> Vec<ClaimedFax> {
    let mut faxes = vec![claimed(store, NOW).await.expect("a fax is due")];
    let joins = |_: &DueFax| Some("header".to_owned());
    let others = store.claim_beside(&faxes[0], joins, room, TODAY.into(), NOW);
    faxes.extend(others.await.unwrap());
    assert_eq!(store.check().await.unwrap(), []);
    faxes
}

async fn row(store: &Store, fax: &ClaimedFax) -> FaxRow {
    store.fax(&fax.id).await.unwrap().unwrap()
}

/// State of each, the pages confirmed of it, and its calls.
async fn standings(store: &Store, faxes: &[ClaimedFax]) -> Vec<(String, u32, u32)> {
    let mut standings = Vec::new();
    for fax in faxes {
        let row = row(store, fax).await;
        standings.push((row.state, row.confirmed, row.calls));
    }
    standings
}

fn standing(state: &str, confirmed: u32, calls: u32) -> (String, u32, u32) {
    (state.to_owned(), confirmed, calls)
}

/// How the faxes stand after a crash; the store that recovered from it.
async fn stand_after_a_crash(
    state: &Path,
    store: Store,
    faxes: &[ClaimedFax],
    expected: [(String, u32, u32); 3],
) -> Store {
    let store = crash_and_recover(state, store).await;
    assert_eq!(standings(&store, faxes).await, expected);
    store
}

/// Three faxes to X in one call, and the numbers of its pages as they are confirmed: two each.
async fn three(state: &Path) -> (Store, Vec<ClaimedFax>) {
    let store = waiting(state, &[(X, "a"), (X, "a"), (X, "a")]).await;
    let faxes = claimed_call(&store, ENOUGH).await;
    assert_eq!(faxes.len(), 3);
    (store, faxes)
}

async fn confirmed(store: &Store, fax: &ClaimedFax, pages: u32) {
    if pages == fax.page_count {
        store.last_page_leaving(&fax.id).await.unwrap();
    }
    let confirmed = store.page_confirmed(&fax.id, fax.attempt, pages);
    confirmed.await.unwrap();
}

#[tokio::test]
async fn those_to_the_same_number_go_in_one_call_in_their_order() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a"), (Y, "b"), (X, "c"), (X, "a")]).await;
    let faxes = claimed_call(&store, ENOUGH).await;
    let numbers: Vec<_> = faxes.iter().map(|fax| fax.number.as_str()).collect();
    assert_eq!(numbers, [X, X, X]);
    assert!(faxes[0].attempt < faxes[1].attempt && faxes[1].attempt < faxes[2].attempt);
    let attempts = store.attempts(&faxes[1].id).await.unwrap();
    let [first, _, last] = &faxes[..] else {
        panic!("three were claimed");
    };
    assert_eq!(attempts[0].shared_with, [first.id.clone(), last.id.clone()]);
    assert_eq!(claimed(&store, NOW).await.unwrap().number, Y);
    assert!(claimed(&store, NOW).await.is_none(), "nothing is left");
}

#[tokio::test]
async fn a_call_takes_no_more_than_there_is_room_for() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a"); 6]).await;
    let room = Room {
        faxes: 2,
        pages: 99,
    };
    assert_eq!(claimed_call(&store, room).await.len(), 3);
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a"); 6]).await;
    let room = Room { faxes: 9, pages: 3 };
    assert_eq!(claimed_call(&store, room).await.len(), 2, "of two pages");
}

#[tokio::test]
async fn a_fax_that_is_alone_shares_with_nobody() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[(X, "a"), (Y, "a")]).await;
    let faxes = claimed_call(&store, ENOUGH).await;
    assert_eq!(faxes.len(), 1);
    let attempts = store.attempts(&faxes[0].id).await.unwrap();
    assert!(attempts[0].shared_with.is_empty());
}

#[tokio::test]
async fn killed_in_the_second_fax() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    confirmed(&store, &faxes[0], 1).await;
    confirmed(&store, &faxes[0], 2).await;
    confirmed(&store, &faxes[1], 1).await;
    let expected = [
        standing("delivered", 2, 1),
        standing("ready", 1, 1),
        standing("ready", 0, 0),
    ];
    let store = stand_after_a_crash(state.path(), store, &faxes, expected).await;
    assert_eq!(receipts(&store, &faxes[0].id).await, 1);
    assert_eq!(receipts(&store, &faxes[1].id).await, 0);
    let again = claimed(&store, NOW).await.unwrap();
    assert_eq!(again.number, X);
}

/// The first is through and settled; the second is at its second page.
async fn first_is_settled(state: &Path) -> (Store, Vec<ClaimedFax>) {
    let (store, faxes) = three(state).await;
    confirmed(&store, &faxes[0], 1).await;
    confirmed(&store, &faxes[0], 2).await;
    let (through, policy) = (report(Outcome::Delivered, 2), policy());
    let settled = store.settle_attempt(&faxes[0].id, faxes[0].attempt, through, &policy, NOW);
    assert_eq!(settled.await.unwrap(), Settled::Final(Final::Delivered));
    confirmed(&store, &faxes[1], 1).await;
    let calling = |pages| standing("calling", pages, 1);
    let expected = [standing("delivered", 2, 1), calling(1), calling(0)];
    assert_eq!(standings(&store, &faxes).await, expected);
    assert_eq!(receipts(&store, &faxes[0].id).await, 1);
    assert_eq!(store.check().await.unwrap(), []);
    (store, faxes)
}

fn second_is_broken_off() -> [(String, u32, u32); 3] {
    [
        standing("delivered", 2, 1),
        standing("ready", 1, 1),
        standing("ready", 0, 0),
    ]
}

#[tokio::test]
async fn killed_in_the_second_fax_when_the_first_was_told_of() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = first_is_settled(state.path()).await;
    let expected = second_is_broken_off();
    let store = stand_after_a_crash(state.path(), store, &faxes, expected).await;
    assert_eq!(receipts(&store, &faxes[0].id).await, 1);
}

#[tokio::test]
async fn panic_in_the_second_fax_when_the_first_was_told_of() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = first_is_settled(state.path()).await;
    // The call's claim is that of its first fax.
    let claim = Claim::Fax(faxes[0].id.clone());
    store.release(claim, &policy(), NOW).await.unwrap();
    assert_eq!(standings(&store, &faxes).await, second_is_broken_off());
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_left_of_a_shared_call_is_still_one_call_and_its_number_is_busy() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = first_is_settled(state.path()).await;
    add(&store, X, "a").await;
    add(&store, Y, "a").await;
    let seen = |due: &DueFax| match due.in_calls {
        None => Choice::CountCalls,
        Some(1) => Choice::Take("header".to_owned(), ()),
        Some(more) => panic!("{more} calls"),
    };
    let (next, ()) = store
        .claim_fax(seen, TODAY.into(), NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(next.number, Y);
    store.attempt_took(faxes[0].attempt, 4711).await.unwrap();
    let attempts = store.attempts(&faxes[0].id).await.unwrap();
    assert_eq!(attempts[0].wire_bytes, 4711);
}

#[tokio::test]
async fn killed_while_it_rang() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    let expected = [
        standing("ready", 0, 1),
        standing("ready", 0, 0),
        standing("ready", 0, 0),
    ];
    stand_after_a_crash(state.path(), store, &faxes, expected).await;
}

#[tokio::test]
async fn killed_while_the_end_of_the_first_fax_was_leaving() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    confirmed(&store, &faxes[0], 1).await;
    store.last_page_leaving(&faxes[0].id).await.unwrap();
    let expected = [
        standing("uncertain", 1, 1),
        standing("ready", 0, 0),
        standing("ready", 0, 0),
    ];
    let store = stand_after_a_crash(state.path(), store, &faxes, expected).await;
    assert_eq!(receipts(&store, &faxes[0].id).await, 1);
}

#[tokio::test]
async fn killed_while_the_end_of_the_last_fax_was_leaving() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    for fax in &faxes[..2] {
        confirmed(&store, fax, 2).await;
    }
    store.last_page_leaving(&faxes[2].id).await.unwrap();
    let expected = [
        standing("delivered", 2, 1),
        standing("delivered", 2, 1),
        standing("uncertain", 0, 1),
    ];
    stand_after_a_crash(state.path(), store, &faxes, expected).await;
}

#[tokio::test]
async fn killed_between_settling_one_and_the_next() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    settled(&store, &faxes[0], Outcome::Busy, NOW).await;
    let expected = [
        standing("ready", 0, 1),
        standing("ready", 0, 0),
        standing("ready", 0, 0),
    ];
    let store = stand_after_a_crash(state.path(), store, &faxes, expected).await;
    assert!(claimed(&store, NOW).await.is_none(), "the number rests");
}

#[tokio::test]
async fn a_task_that_panics_releases_every_fax_of_its_call() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    confirmed(&store, &faxes[0], 2).await;
    let claim = Claim::Fax(faxes[0].id.clone());
    store.release(claim, &policy(), NOW).await.unwrap();
    let states: Vec<_> = standings(&store, &faxes).await;
    assert_eq!(states[0], standing("delivered", 2, 1));
    assert_eq!(states[1].0, "ready");
    assert_eq!(states[2], standing("ready", 0, 0));
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_fax_that_the_call_did_not_come_to_stands_where_it_stood() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    let later = add(&store, Y, "a").await;
    store
        .put_back(std::slice::from_ref(&faxes[2].id), NOW)
        .await
        .unwrap();
    store
        .put_back(std::slice::from_ref(&faxes[2].id), NOW)
        .await
        .unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    assert_eq!(standings(&store, &faxes).await[2], standing("ready", 0, 0));
    for fax in &faxes[..2] {
        settled(&store, fax, Outcome::FarEndHungUp, NOW).await;
    }
    assert_eq!(claimed(&store, NOW).await.unwrap().id, faxes[2].id);
    assert_eq!(claimed(&store, NOW).await.unwrap().id, later);
}

#[tokio::test]
async fn cancelled_before_the_call_came_to_it() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    let ordered = store.cancel(&faxes[2].id, NOW).await.unwrap();
    assert_eq!(ordered, Ordered::InCall);
    store
        .put_back(std::slice::from_ref(&faxes[2].id), NOW)
        .await
        .unwrap();
    assert_eq!(
        standings(&store, &faxes).await[2],
        standing("cancelled", 0, 0)
    );
    assert_eq!(receipts(&store, &faxes[2].id).await, 1);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn held_while_another_went_before_it_in_its_call() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    store.hold(&faxes[2].id).await.unwrap();
    store
        .put_back(std::slice::from_ref(&faxes[2].id), NOW)
        .await
        .unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    settled(&store, &faxes[0], Outcome::Busy, NOW).await;
    assert!(row(&store, &faxes[2]).await.held);
}

#[tokio::test]
async fn who_comes_while_a_call_is_shared_does_not_wait_behind_all_that_its_faxes_had_before_them()
{
    let state = tempfile::tempdir().unwrap();
    let mut faxes = vec![(X, "a"), (Y, "a"), (Y, "a"), (Y, "a"), (Y, "a")];
    faxes.push((X, "a"));
    let store = waiting(state.path(), &faxes).await;
    assert_eq!(claimed_call(&store, ENOUGH).await.len(), 2);
    add(&store, "5550000001", "doctor").await;
    assert_eq!(claimed(&store, NOW).await.unwrap().account, "doctor");
    assert_eq!(claimed(&store, NOW).await.unwrap().number, Y);
}

#[tokio::test]
async fn a_shared_call_is_one_call_of_its_account_and_its_trunk() {
    let state = tempfile::tempdir().unwrap();
    let (store, faxes) = three(state.path()).await;
    add(&store, Y, "a").await;
    let seen = |due: &DueFax| match due.in_calls {
        None => Choice::CountCalls,
        Some(1) => Choice::Take("header".to_owned(), due.used.calls),
        Some(more) => panic!("{more} calls"),
    };
    let claimed = store.claim_fax(seen, TODAY.into(), NOW).await.unwrap();
    assert_eq!(claimed.unwrap().1, 1, "calls of the account on this day");
    let policy = policy();
    for fax in &faxes {
        let report = CallReport {
            seconds: 10.0,
            ..report(Outcome::Delivered, 2)
        };
        let settled = store.settle_attempt(&fax.id, fax.attempt, report, &policy, NOW);
        settled.await.unwrap();
    }
    let used = store.used_by_trunks(&policy.day(NOW.0)).await.unwrap();
    let [(trunk, used)] = &used[..] else {
        panic!("one trunk was used: {used:?}");
    };
    assert_eq!(
        (trunk.as_str(), used.calls, used.seconds),
        ("carrier", 1, 30.0)
    );
}
