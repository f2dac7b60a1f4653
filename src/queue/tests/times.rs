//! How long what waits: delays over steps of the clock and restarts, `give_up_hours`, and deadlines.

use super::line_of_faxes::{add, settled, waiting};
use super::*;
use rusqlite::params;

const HOUR: u64 = 3600;

/// The rules in force, two hours after a busy number.
fn patient() -> Policy {
    Policy {
        rules: toml::from_str("busy = { delays = [7200] }").unwrap(),
        ..policy()
    }
}

fn back(at: Millis, seconds: u64) -> Millis {
    Millis(at.0 - Millis(0).plus_seconds(seconds).0)
}

/// The wall clock shows `now`, so many seconds after the boot.
async fn look_at_clock(store: &Store, since_boot: u64, now: Millis) -> i64 {
    let since_boot = SinceBoot {
        boot: "this".into(),
        millis: Millis(0).plus_seconds(since_boot).0,
    };
    store.follow_clock(since_boot, now).await.unwrap()
}

async fn state(store: &Store, fax: &str) -> (String, Option<String>) {
    let fax = store.fax(fax).await.unwrap().unwrap();
    (fax.state, fax.outcome)
}

async fn id_of(store: &Store) -> String {
    store.waiting_faxes(1).await.unwrap()[0].id.clone()
}

#[tokio::test]
async fn a_delay_of_two_hours_is_one_of_two_hours() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("1", "b")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    let (busy, patient) = (report(Outcome::Busy, 0), patient());
    let settle = store.settle_attempt(&fax.id, fax.attempt, busy, &patient, NOW);
    let two_hours = NOW.plus_seconds(2 * HOUR);
    assert_eq!(settle.await.unwrap(), Settled::Again(two_hours));
    for seconds in [0, 90, HOUR, 2 * HOUR - 1] {
        let now = NOW.plus_seconds(seconds);
        store.next_due(&patient, now).await.unwrap();
        assert!(claimed(&store, now).await.is_none(), "after {seconds} s");
    }
    store.recover(&patient, NOW).await.unwrap();
    assert!(claimed(&store, NOW).await.is_none(), "after a start");
    store.next_due(&patient, two_hours).await.unwrap();
    assert!(claimed(&store, two_hours).await.is_some());
}

#[tokio::test]
async fn a_number_rests_as_long_whichever_way_the_clock_is_set() {
    for step in [
        -30 * (HOUR as i64),
        -(HOUR as i64),
        -100,
        100,
        HOUR as i64,
        400 * HOUR as i64,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = waiting(folder.path(), &[("1", "a"), ("1", "b")]).await;
        assert_eq!(look_at_clock(&store, 1000, NOW).await, 0);
        let fax = claimed(&store, NOW).await.unwrap();
        settled(&store, &fax, Outcome::Busy, NOW).await;
        // A minute later the clock is set; the number had 120 s.
        let at = |seconds: u64| Millis(NOW.plus_seconds(seconds).0 + step * 1000);
        let store = match step % 7200 {
            0 => crash_and_recover(folder.path(), store).await,
            _ => store,
        };
        assert_eq!(look_at_clock(&store, 1060, at(60)).await, step * 1000);
        for (seconds, rings) in [(60, false), (119, false), (120, true)] {
            store.next_due(&policy(), at(seconds)).await.unwrap();
            let claim = claimed(&store, at(seconds)).await;
            assert_eq!(claim.is_some(), rings, "{step} s, after {seconds} s");
        }
        assert_eq!(store.check().await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_a_clock_that_ran_ahead_lined_up_waits_for_the_time_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("2", "a")]).await;
    look_at_clock(&store, 1000, NOW).await;
    let asked = NOW.plus_seconds(2 * HOUR);
    for fax in store.waiting_faxes(9).await.unwrap() {
        let at = asked.0;
        let set = "UPDATE faxes SET not_before = ?2, next_try_at = ?2 WHERE id = ?1";
        let set = store.write(move |db| db.execute(set, params![fax.id, at]));
        set.await.unwrap();
    }
    let ahead = NOW.plus_seconds(3 * HOUR);
    look_at_clock(&store, 1000, ahead).await;
    // One is dialled, and the other stands behind it.
    let dialled = claimed(&store, ahead).await.expect("it is that late");
    settled(&store, &dialled, Outcome::Busy, ahead).await;
    look_at_clock(&store, 1000, NOW).await;
    let almost = Millis(asked.0 - 1);
    store.next_due(&policy(), almost).await.unwrap();
    assert!(claimed(&store, almost).await.is_none());
    for _ in 0..2 {
        assert!(claimed(&store, asked).await.is_some());
    }
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_time_that_was_asked_for_comes_again_when_the_clock_is_set_back_in_the_call() {
    for outcome in [None, Some(Outcome::FarEndHungUp)] {
        let folder = tempfile::tempdir().unwrap();
        let store = waiting(folder.path(), &[("1", "a")]).await;
        look_at_clock(&store, 1000, NOW).await;
        let asked = NOW.plus_seconds(2 * HOUR);
        let set = "UPDATE faxes SET not_before = ?1, next_try_at = ?1";
        let set = store.write(move |db| db.execute(set, [asked.0]));
        set.await.unwrap();
        look_at_clock(&store, 1000, asked).await;
        let fax = claimed(&store, asked).await.expect("it is that late");
        look_at_clock(&store, 1000, NOW).await;
        match outcome {
            // Another fax shared the call, and it did not come to this one.
            None => store
                .put_back(std::slice::from_ref(&fax.id), NOW)
                .await
                .unwrap(),
            Some(outcome) => {
                settled(&store, &fax, outcome, NOW).await;
            }
        }
        let almost = Millis(asked.0 - 1);
        store.next_due(&policy(), almost).await.unwrap();
        assert!(claimed(&store, almost).await.is_none(), "{outcome:?}");
        assert!(claimed(&store, asked).await.is_some(), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_fax_that_is_put_back_is_due_whichever_way_the_clock_was_set_in_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a")]).await;
    look_at_clock(&store, 100_000, NOW).await;
    let fax = claimed(&store, NOW).await.unwrap();
    let before = back(NOW, 20 * HOUR);
    look_at_clock(&store, 100_000, before).await;
    store
        .put_back(std::slice::from_ref(&fax.id), before)
        .await
        .unwrap();
    assert!(claimed(&store, before).await.is_some());
}

#[tokio::test]
async fn nobody_is_told_of_a_delay_for_a_step_of_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("2", "a")]).await;
    look_at_clock(&store, 1000, NOW).await;
    let due = NOW.plus_seconds(4 * HOUR).0;
    let set = store.write(move |db| db.execute("UPDATE faxes SET tell_delay_at = ?1", [due]));
    set.await.unwrap();
    let ten_days = NOW.plus_seconds(240 * HOUR);
    look_at_clock(&store, 1000, ten_days).await;
    assert_eq!(store.tell_delays(ten_days).await.unwrap(), 0);
    let in_time = ten_days.plus_seconds(4 * HOUR);
    assert_eq!(store.tell_delays(in_time).await.unwrap(), 2);
}

#[tokio::test]
async fn after_another_boot_a_clock_that_is_set_back_holds_nothing_up_for_longer_than_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("1", "b"), ("2", "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    settled(&store, &fax, Outcome::Busy, NOW).await;
    let yesterday = back(NOW, 30 * HOUR);
    store.recover(&policy(), yesterday).await.unwrap();
    store.next_due(&policy(), yesterday).await.unwrap();
    // How much of the rest is over nobody knows; the longest there is makes it lawful.
    let almost = yesterday.plus_seconds(HOUR - 1);
    let free = claimed(&store, almost).await.expect("never dialled");
    assert_eq!(free.number, "2");
    assert!(claimed(&store, almost).await.is_none());
    assert!(
        claimed(&store, yesterday.plus_seconds(HOUR))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn a_fax_of_friday_evening_is_not_given_up_for_one_busy_call_on_monday() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("2", "a")]).await;
    let monday = NOW.plus_seconds(62 * HOUR);
    let mut now = NOW;
    // As `turns` puts it off: an hour at most, each time.
    while now < monday {
        let later = now.plus_seconds(HOUR).min(monday);
        let closed = move |_: &DueFax| Choice::<()>::NotBefore(later);
        let none = store.claim_fax(closed, TODAY.into(), now).await.unwrap();
        assert!(none.is_none());
        now = store.next_due(&policy(), now).await.unwrap().unwrap();
    }
    store.next_due(&policy(), monday).await.unwrap();
    let fax = claimed(&store, monday).await.expect("it was not given up");
    let again = settled(&store, &fax, Outcome::Busy, monday).await;
    assert_eq!(again, Settled::Again(monday.plus_seconds(120)));
    assert!(claimed(&store, monday).await.is_some(), "nor the other");
}

#[tokio::test]
async fn closed_hours_between_two_calls_do_not_count_and_open_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a")]).await;
    let fax = claimed(&store, NOW).await.unwrap();
    settled(&store, &fax, Outcome::FarEndHungUp, NOW).await;
    let (due, opens) = (NOW.plus_seconds(60), NOW.plus_seconds(60 + 60 * HOUR));
    let closed = move |_: &DueFax| Choice::<()>::NotBefore(opens);
    store.claim_fax(closed, TODAY.into(), due).await.unwrap();
    store.next_due(&policy(), opens).await.unwrap();
    let fax = claimed(&store, opens).await.expect("a minute is used up");
    let again = settled(&store, &fax, Outcome::FarEndHungUp, opens).await;
    assert_eq!(again, Settled::Again(opens.plus_seconds(180)));
    let end = opens.plus_seconds(DAY - 60);
    store.next_due(&policy(), Millis(end.0 - 1)).await.unwrap();
    assert_eq!(state(&store, &fax.id).await.0, "ready");
    store.next_due(&policy(), end).await.unwrap();
    let over = ("failed".into(), Some("far_end_hung_up".into()));
    assert_eq!(state(&store, &fax.id).await, over);
}

#[tokio::test]
async fn what_was_held_or_retried_has_its_whole_time_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a")]).await;
    let fax = id_of(&store).await;
    store.hold(&fax).await.unwrap();
    let released = NOW.plus_seconds(70 * HOUR);
    store.next_due(&policy(), released).await.unwrap();
    assert_eq!(state(&store, &fax).await.0, "ready");
    store.let_go(&fax, released).await.unwrap();
    store.next_due(&policy(), released).await.unwrap();
    let call = claimed(&store, released).await.expect("it was released");
    let again = settled(&store, &call, Outcome::FarEndHungUp, released).await;
    assert_eq!(again, Settled::Again(released.plus_seconds(60)));
    // And once it was tried, too.
    store.hold(&fax).await.unwrap();
    let retried = released.plus_seconds(70 * HOUR);
    store.retry_now(&fax, retried).await.unwrap();
    store.next_due(&policy(), retried).await.unwrap();
    let call = claimed(&store, retried).await.expect("it is tried");
    let again = settled(&store, &call, Outcome::FarEndHungUp, retried).await;
    assert_eq!(again, Settled::Again(retried.plus_seconds(180)));
}

#[tokio::test]
async fn what_nobody_can_dial_is_given_up_when_the_delay_mail_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("2", "b")]).await;
    let held = add(&store, "3", "c").await;
    store.hold(&held).await.unwrap();
    let full = |_: &DueFax| Choice::<()>::NotNow;
    let fax = id_of(&store).await;
    let since = store.fax(&fax).await.unwrap().unwrap().give_up_from;
    let end = since.plus_seconds(DAY);
    for now in [NOW, NOW.plus_seconds(HOUR), Millis(end.0 - 1)] {
        store.claim_fax(full, TODAY.into(), now).await.unwrap();
        store.next_due(&policy(), now).await.unwrap();
    }
    assert_eq!(state(&store, &fax).await, ("ready".into(), None));
    let due = store.next_due(&policy(), Millis(end.0 - 1)).await.unwrap();
    assert_eq!(due, Some(end));
    // The other came a moment later.
    let both = end.plus_seconds(1);
    store.next_due(&policy(), both).await.unwrap();
    let over = ("failed".into(), Some("expired".into()));
    assert_eq!(state(&store, &fax).await, over);
    assert_eq!(receipts(&store, &fax).await, 1);
    let left = store.waiting_faxes(9).await.unwrap();
    assert_eq!(left.len(), 1, "what is held is");
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_stop_of_three_days_and_a_clock_set_forward_give_no_fax_up_before_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = waiting(folder.path(), &[("1", "a"), ("2", "a")]).await;
    look_at_clock(&store, 1000, NOW).await;
    let tried = claimed(&store, NOW).await.unwrap();
    settled(&store, &tried, Outcome::FarEndHungUp, NOW).await;
    let later = NOW.plus_seconds(72 * HOUR);
    drop(store);
    store = Store::open(folder.path()).unwrap();
    look_at_clock(&store, 1000 + 72 * HOUR, later).await;
    store.recover(&policy(), later).await.unwrap();
    store.next_due(&policy(), later).await.unwrap();
    assert_eq!(store.waiting_faxes(9).await.unwrap().len(), 2);
    // A year forward, while it runs.
    let year = later.plus_seconds(365 * DAY);
    let step = look_at_clock(&store, 1000 + 72 * HOUR, year).await;
    assert_eq!(step, 365 * DAY as i64 * 1000);
    store.next_due(&policy(), year).await.unwrap();
    assert_eq!(store.waiting_faxes(9).await.unwrap().len(), 2);
    // Nobody dials them: they end when their hour is over.
    store
        .next_due(&policy(), year.plus_seconds(HOUR))
        .await
        .unwrap();
    assert_eq!(store.waiting_faxes(9).await.unwrap().len(), 0);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn no_call_begins_after_the_deadline_however_late_somebody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let store = waiting(folder.path(), &[("1", "a"), ("1", "b"), ("2", "a")]).await;
    let end = NOW.plus_seconds(600);
    let deadline = "UPDATE faxes SET give_up_at = ?1 WHERE number = '1'";
    let set = store.write(move |db| db.execute(deadline, [end.0]));
    assert_eq!(set.await.unwrap(), 2);
    let first = claimed(&store, Millis(end.0 - 1)).await.unwrap();
    assert_eq!((first.number.as_str(), first.give_up_at), ("1", Some(end)));
    assert!(!first.is_too_late(Millis(end.0 - 1)) && first.is_too_late(end));
    // Nobody has looked for what is due: the claim itself looks. Nor does one go in the call of the first.
    let late = NOW.plus_seconds(13 * DAY);
    let room = Room {
        faxes: 9,
        pages: 99,
    };
    let joins = |_: &DueFax| Some(String::new());
    let beside = store.claim_beside(&first, joins, room, TODAY.into(), late);
    assert!(beside.await.unwrap().is_empty());
    let next = claimed(&store, late).await.expect("it has no deadline");
    assert_eq!(next.number, "2");
    assert!(claimed(&store, late).await.is_none());
    let left = store.waiting_faxes(9).await.unwrap();
    assert!(left.iter().all(|fax| fax.state == "calling"), "{left:?}");
    // A step of the clock does not move what was asked for by it.
    look_at_clock(&store, 1000, late).await;
    let earlier = back(late, 14 * DAY);
    look_at_clock(&store, 1000, earlier).await;
    let row = store.fax(&first.id).await.unwrap().unwrap();
    assert_eq!(row.give_up_at, Some(end));
    assert_eq!(store.check().await.unwrap(), []);
}
