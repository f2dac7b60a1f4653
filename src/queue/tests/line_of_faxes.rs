//! Which fax goes when: turns, priorities, times, rests, and what people order.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

/// A store with these faxes, ready, each a number and its account.
pub(super) async fn waiting(state: &Path, faxes: &[(&str, &str)]) -> Store {
    let store = Store::open(state).unwrap();
    for (number, account) in faxes {
        add(&store, number, account).await;
    }
    store
}

/// One more fax, ready.
pub(super) async fn add(store: &Store, number: &str, account: &str) -> String {
    /// Each came a little after the one before.
    static ADDED: AtomicI64 = AtomicI64::new(0);
    let at = Millis(NOW.0 - 100_000 + ADDED.fetch_add(1, Ordering::Relaxed));
    let mut message = message(&[number]);
    message.faxes[0].id = id::new(at);
    let fax = message.faxes[0].id.clone();
    store.blobs().keep(&message.text_key, b"mail").unwrap();
    store.accept(message, at).await.unwrap();
    let document = store.claim_document(at).await.unwrap().expect("it waits");
    store.blobs().keep("pages", b"tiff").unwrap();
    let rendered = store.document_rendered(&document.id, drawn(2), at);
    rendered.await.unwrap();
    set(store, &fax, "account", account).await;
    let theirs =
        "UPDATE messages SET account = f.account FROM faxes f WHERE f.message = messages.id";
    store.write(|db| db.execute(theirs, [])).await.unwrap();
    fax
}

async fn set(store: &Store, fax: &str, column: &'static str, value: impl ToString) {
    let (fax, value) = (fax.to_owned(), value.to_string());
    let change = format!("UPDATE faxes SET {column} = ?2 WHERE id = ?1");
    let done = store.write(move |db| db.execute(&change, [fax, value]));
    done.await.unwrap();
}

async fn numbers_in_turn(store: &Store, calls: usize) -> Vec<String> {
    let mut numbers = Vec::new();
    for _ in 0..calls {
        numbers.extend(claimed(store, NOW).await.map(|fax| fax.number));
    }
    numbers
}

pub(super) async fn settled(
    store: &Store,
    fax: &ClaimedFax,
    outcome: Outcome,
    now: Millis,
) -> Settled {
    let report = CallReport {
        seconds: 0.0,
        ..report(outcome, 0)
    };
    let policy = policy();
    let settled = store.settle_attempt(&fax.id, fax.attempt, report, &policy, now);
    settled.await.unwrap()
}

#[tokio::test]
async fn five_thousand_faxes_of_one_do_not_starve_the_one_of_another() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[]).await;
    for n in 0..50 {
        add(&store, &format!("555100{n:04}"), "clinic").await;
    }
    assert_eq!(numbers_in_turn(&store, 3).await.len(), 3);
    add(&store, "5552000001", "doctor").await;
    add(&store, "5552000002", "doctor").await;
    let next = numbers_in_turn(&store, 4).await;
    let doctors = next.iter().filter(|number| number.starts_with("5552"));
    assert_eq!(doctors.count(), 2, "{next:?}");
    assert!(next[0].starts_with("5552") || next[1].starts_with("5552"));
    assert_eq!(numbers_in_turn(&store, 100).await.len(), 45);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_urgent_goes_first_whoever_waits() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"), ("2", "b")]).await;
    assert_eq!(numbers_in_turn(&store, 1).await, ["1"]);
    let urgent = add(&store, "3", "a").await;
    set(&store, &urgent, "priority", 5).await;
    let idle = add(&store, "4", "c").await;
    set(&store, &idle, "priority", -1).await;
    assert_eq!(numbers_in_turn(&store, 3).await, ["3", "2", "4"]);
}

#[tokio::test]
async fn an_account_that_has_its_channels_lets_the_others_go() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"), ("2", "a"), ("3", "b")]).await;
    let one_each = |due: &DueFax| match due.in_calls {
        None => Choice::CountCalls,
        Some(0) => Choice::Take(String::new(), ()),
        Some(_) => Choice::NotThisAccount,
    };
    let mut numbers = Vec::new();
    while let Some((fax, ())) = store.claim_fax(one_each, TODAY.into(), NOW).await.unwrap() {
        numbers.push(fax.number);
    }
    assert_eq!(numbers, ["1", "3"]);
}

#[tokio::test]
async fn what_an_account_used_today_is_known_and_tomorrow_is_another_day() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    let report = report(Outcome::FarEndHungUp, 1);
    let (policy, today) = (policy(), policy().day(NOW.0));
    let settle = store.settle_attempt(&fax.id, fax.attempt, report, &policy, NOW);
    settle.await.unwrap();
    let used = store.used_by_account(TODAY, "a").await.unwrap();
    assert_eq!((used.calls, today.as_str()), (1, TODAY));
    assert_eq!(used.seconds, 30.0);
    let trunks = store.used_by_trunks(TODAY).await.unwrap();
    assert_eq!(trunks, [("carrier".into(), used)]);
    let tomorrow = store.used_by_account("2026-11-19", "a").await.unwrap();
    assert_eq!(tomorrow.calls, 0);
}

#[tokio::test]
async fn what_is_to_leave_at_six_waits_until_six_and_its_day_begins_then() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let message = message(&["5551234567"]);
    let fax = message.faxes[0].id.clone();
    store.accept(message, NOW).await.unwrap();
    let six = NOW.plus_seconds(3 * DAY);
    set(&store, &fax, "not_before", six.0).await;
    let document = store.claim_document(NOW).await.unwrap().unwrap();
    let rendered = store.document_rendered(&document.id, drawn(2), NOW);
    rendered.await.unwrap();
    assert_eq!(store.next_due(&policy(), NOW).await.unwrap(), Some(six));
    assert!(claimed(&store, Millis(six.0 - 1)).await.is_none());
    let claim = claimed(&store, six).await.expect("it is six");
    let again = settled(&store, &claim, Outcome::Busy, six).await;
    assert_eq!(again, Settled::Again(six.plus_seconds(120)));
}

#[tokio::test]
async fn hours_put_a_fax_off_and_it_comes_back() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let morning = NOW.plus_seconds(1800);
    let closed = move |_: &DueFax| Choice::<()>::NotBefore(morning);
    assert!(
        store
            .claim_fax(closed, TODAY.into(), NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.next_due(&policy(), NOW).await.unwrap(), Some(morning));
    assert!(claimed(&store, NOW).await.is_none());
    assert!(claimed(&store, morning).await.is_some());
}

#[tokio::test]
async fn a_fax_whose_time_is_over_fails_with_a_receipt() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"), ("2", "a")]).await;
    let (called, never) = (claimed(&store, NOW).await.unwrap(), store.waiting_faxes(9));
    let never = never
        .await
        .unwrap()
        .into_iter()
        .find(|fax| fax.number == "2");
    let never = never.unwrap().id;
    let soon = NOW.plus_seconds(60);
    set(&store, &called.id, "give_up_at", soon.0).await;
    set(&store, &never, "give_up_at", soon.0).await;
    store.next_due(&policy(), soon).await.unwrap();
    let fax = store.fax(&never).await.unwrap().unwrap();
    assert_eq!(
        (fax.state.as_str(), fax.outcome.as_deref()),
        ("failed", Some("expired"))
    );
    assert_eq!(receipts(&store, &never).await, 1);
    // A call is not cut off for it, but it was the last one.
    let end = settled(&store, &called, Outcome::Busy, soon).await;
    assert_eq!(end, Settled::Final(Final::Failed));
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_busy_number_rests_for_every_fax_that_waits_for_it() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"), ("1", "b"), ("2", "a")]).await;
    let first = claimed(&store, NOW).await.unwrap();
    let rests = settled(&store, &first, Outcome::Busy, NOW).await;
    assert_eq!(rests, Settled::Again(NOW.plus_seconds(120)));
    assert_eq!(numbers_in_turn(&store, 3).await, ["2"]);
    let due = store.next_due(&policy(), NOW).await.unwrap();
    assert_eq!(due, Some(NOW.plus_seconds(120)));
    // The second call in a row to it, of another fax: the number's patience grows, not each fax's.
    let later = NOW.plus_seconds(120);
    let second = claimed(&store, later).await.unwrap();
    assert_ne!(second.id, first.id, "turns");
    let again = settled(&store, &second, Outcome::Busy, later).await;
    assert_eq!(again, Settled::Again(later.plus_seconds(180)));
}

#[tokio::test]
async fn a_silent_number_gets_two_calls_then_an_hour_however_many_faxes_wait() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"), ("1", "b"), ("1", "c")]).await;
    let (mut now, mut calls) = (NOW, Vec::new());
    while calls.len() < 6 {
        if let Some(fax) = claimed(&store, now).await {
            calls.push((now.0 - NOW.0) / 1000);
            settled(&store, &fax, Outcome::NoAnswer, now).await;
        }
        now = now.plus_seconds(60);
    }
    for window in calls.windows(3) {
        assert!(
            window[2] - window[0] >= 3600,
            "47 CFR 68.318(b)(1): {calls:?}"
        );
    }
}

/// The seconds at which a number is called that ends so many calls like this, one after the other and again.
async fn calls_to(outcomes: &[Outcome], count: usize) -> Vec<i64> {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a"); 12]).await;
    let (mut now, mut calls) = (NOW, Vec::new());
    while calls.len() < count {
        if let Some(fax) = claimed(&store, now).await {
            let outcome = outcomes[calls.len() % outcomes.len()];
            calls.push((now.0 - NOW.0) / 1000);
            settled(&store, &fax, outcome, now).await;
        }
        now = now.plus_seconds(60);
    }
    calls
}

#[tokio::test]
async fn a_number_that_is_busy_and_silent_by_turns_gets_its_hour_too() {
    let calls = calls_to(&[Outcome::Busy, Outcome::NoAnswer], 7).await;
    for window in calls.windows(3) {
        let spent = window[2] - window[0];
        assert!(spent >= 3600, "47 CFR 68.318(b)(1): {calls:?}");
    }
}

#[tokio::test]
async fn busy_and_congested_calls_count_together() {
    let calls = calls_to(&[Outcome::Busy, Outcome::Congestion], 16).await;
    assert!(calls[15] - calls[14] >= 3600, "{calls:?}");
}

#[tokio::test]
async fn what_is_uncertain_goes_again_where_the_site_says_so_and_only_from_there() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let resends = Policy {
        resend_uncertain: true,
        ..policy()
    };
    let fax = claimed(&store, NOW).await.unwrap();
    store.page_confirmed(&fax.id, fax.attempt, 1).await.unwrap();
    store.last_page_leaving(&fax.id).await.unwrap();
    let silent = report(Outcome::FarEndSilent, 1);
    let settle = store.settle_attempt(&fax.id, fax.attempt, silent, &resends, NOW);
    let at = NOW.plus_seconds(300);
    assert_eq!(settle.await.unwrap(), Settled::Again(at));
    let again = claimed(&store, at).await.unwrap();
    assert_eq!(again.confirmed, 1, "not from the first page");
    store.last_page_leaving(&again.id).await.unwrap();
    let (silent, tells) = (report(Outcome::FarEndSilent, 0), policy());
    let settle = store.settle_attempt(&again.id, again.attempt, silent, &tells, at);
    assert_eq!(settle.await.unwrap(), Settled::Final(Final::Uncertain));
}

#[tokio::test]
async fn a_fax_on_hold_waits_for_its_release_and_a_retry_waits_for_nothing() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let fax = store.waiting_faxes(1).await.unwrap()[0].id.clone();
    // In line already.
    assert_eq!(store.hold(&fax).await.unwrap(), Ordered::Done);
    assert_eq!(store.hold(&fax).await.unwrap(), Ordered::Already);
    assert!(claimed(&store, NOW).await.is_none());
    assert_eq!(store.let_go(&fax, NOW).await.unwrap(), Ordered::Done);
    let claim = claimed(&store, NOW).await.expect("it was released");
    assert_eq!(store.hold(&fax).await.unwrap(), Ordered::InCall);
    settled(&store, &claim, Outcome::Busy, NOW).await;
    assert!(
        claimed(&store, NOW.plus_seconds(600)).await.is_none(),
        "held in the call"
    );
    assert_eq!(store.retry_now(&fax, NOW).await.unwrap(), Ordered::Done);
    let claim = claimed(&store, NOW)
        .await
        .expect("its number rests no more");
    assert_eq!(store.retry_now(&fax, NOW).await.unwrap(), Ordered::InCall);
    settled(&store, &claim, Outcome::Refused, NOW).await;
    let over = Ordered::Over("failed".into());
    assert_eq!(store.retry_now(&fax, NOW).await.unwrap(), over);
    assert_eq!(store.let_go("nobody", NOW).await.unwrap(), Ordered::Unknown);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_fax_is_bound_to_a_trunk_and_freed_again() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let fax = store.waiting_faxes(1).await.unwrap()[0].id.clone();
    assert_eq!(store.move_to(&fax, Some("b")).await.unwrap(), Ordered::Done);
    let only_a = |due: &DueFax| match due.trunk.as_deref() {
        None | Some("a") => Choice::Take(String::new(), ()),
        _ => Choice::NotNow,
    };
    let claimed = store.claim_fax(only_a, TODAY.into(), NOW).await.unwrap();
    assert!(claimed.is_none());
    assert_eq!(store.move_to(&fax, None).await.unwrap(), Ordered::Done);
    let claimed = store.claim_fax(only_a, TODAY.into(), NOW).await.unwrap();
    assert!(claimed.is_some());
}

#[tokio::test]
async fn a_mail_that_was_refused_goes_again_when_it_is_told_to() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("1", "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    settled(&store, &fax, Outcome::Refused, NOW).await;
    let mail = store.claim_mail(NOW).await.unwrap().unwrap();
    store
        .mail_refused(&mail.id, "550 no such user", None, NOW)
        .await
        .unwrap();
    assert!(store.claim_mail(NOW).await.unwrap().is_none());
    assert_eq!(store.retry_mails_about(&fax.id, NOW).await.unwrap(), 1);
    let again = store.claim_mail(NOW).await.unwrap().unwrap();
    assert_eq!(again.id, mail.id, "the same mail");
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn the_most_urgent_is_first_of_more_than_line_up_together() {
    let state = tempfile::tempdir().unwrap();
    let store = waiting(state.path(), &[("5550000000", "a@b")]).await;
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
        INSERT INTO faxes (id, message, document, recipient, number, state, created_at, next_try_at, account, priority)
        SELECT printf('copy-%06d', i), message, document, recipient, printf('555%07d', i), state, created_at,
               next_try_at + i, account, iif(i = 6000, 9, 0)
        FROM n, faxes";
    store.write(|db| db.execute(copies, [])).await.unwrap();
    assert_eq!(
        numbers_in_turn(&store, 3).await,
        ["5550006000", "5550000000", "5550000001"]
    );
}
