//! `make torture` in small: killed fifteen times with everything else going wrong. And the proof that its books can fail.

use std::io::Write;

use trial::books::{
    Accepted, Arrived, BUSY_DELAY, Behind, Books, Call, Evidence, Fault, Placed, Report, Says,
};
use trial::{Disk, Trial};

#[path = "../torture/trial/mod.rs"]
mod trial;

#[test]
fn killed_fifteen_times_while_everything_else_goes_wrong() {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(why) => {
            // Past the capture of the test runner: a skipped test must be seen.
            let said = format!("SKIPPED tortured: it takes root to mount a small disk ({why})\n");
            let _ = std::io::stderr().write_all(said.as_bytes());
            return;
        }
    };
    let trial = Trial {
        kills: 15,
        seed: fastrand::u64(..),
        long_lives: false,
    };
    println!("SEED={}", trial.seed);
    let books = Books::balance(&trial.run(&disk));
    println!("{books}");
    books.judge();
}

// ---- cooked books ----

const KEPT: i64 = 1_000_000;

fn accepted() -> Accepted {
    Accepted {
        tag: "torture-00001-".into(),
        number: "5552010001".into(),
        pages: 2,
        ..Accepted::default()
    }
}

fn call(confirmed: &[u32]) -> Call {
    Call {
        number: accepted().number,
        confirmed: confirmed.iter().map(|page| Some((*page, 2))).collect(),
        kept: KEPT,
        ended: KEPT + 2_000,
    }
}

fn report(id: &str, says: Says) -> Report {
    Report {
        id: id.into(),
        subject: "Letter torture-00001-".into(),
        text: "Your fax to 5552010001".into(),
        says,
        to_postmaster: false,
    }
}

/// A mail that arrived, and a fax that came in.
fn true_books() -> Evidence {
    Evidence {
        accepted: vec![accepted()],
        calls: vec![call(&[1, 2])],
        reports: vec![report("a", Says::Delivered)],
        placed: vec![Placed {
            caller: "5557700002".into(),
            confirmed: 2,
            pages: 2,
        }],
        arrived: vec![Arrived {
            id: "b".into(),
            caller: "5557700002".into(),
            pages: vec![Some((1, 2)), Some((2, 2))],
            to_postmaster: false,
        }],
        ..Evidence::default()
    }
}

/// What is found when one thing is changed.
fn cooked(change: impl FnOnce(&mut Evidence)) -> Vec<Fault> {
    let mut evidence = true_books();
    change(&mut evidence);
    Books::balance(&evidence).faults.into_keys().collect()
}

#[test]
fn true_books_balance() {
    assert_eq!(cooked(|_| {}), []);
    // A mail that the relay got twice, because its yes was lost, is one mail.
    assert_eq!(cooked(|e| e.reports.push(e.reports[0].clone())), []);
    assert_eq!(cooked(|e| e.arrived.push(e.arrived[0].clone())), []);
    // A page behind the last confirmation may be there.
    assert_eq!(cooked(|e| e.placed[0].confirmed = 1), []);
    assert_eq!(cooked(|e| e.reports.push(report("c", Says::Waits))), []);
}

#[test]
fn a_mail_that_is_lost_is_seen() {
    let lost = [Fault::Lost, Fault::Unreported];
    let nothing = |e: &mut Evidence| (e.calls, e.reports) = (vec![], vec![]);
    assert_eq!(cooked(nothing), lost);
    let half = |e: &mut Evidence| (e.calls, e.reports) = (vec![call(&[1])], vec![]);
    assert_eq!(cooked(half), lost);
    assert_eq!(cooked(|e| e.reports.clear()), [Fault::Unreported]);
    assert_eq!(
        cooked(|e| e.reports[0].says = Says::Waits),
        [Fault::Unreported]
    );
    assert_eq!(
        cooked(|e| e.refused.push("torture-2".into())),
        [Fault::Refused]
    );
}

#[test]
fn a_receipt_that_lies_is_seen() {
    assert_eq!(cooked(|e| e.calls = vec![call(&[1])]), [Fault::Untrue]);
    assert_eq!(cooked(|e| e.calls = vec![call(&[2])]), [Fault::Untrue]);
    assert_eq!(
        cooked(|e| e.reports[0].says = Says::Failed),
        [Fault::Untrue, Fault::FailedTooEarly]
    );
    let again = |e: &mut Evidence| e.reports.push(report("c", Says::Delivered));
    assert_eq!(cooked(again), [Fault::ToldTwice]);
    // The postmaster has it, too, where the relay took it and refused it later.
    let to_both = |e: &mut Evidence| {
        e.reports.push(Report {
            to_postmaster: true,
            ..report("c", Says::Delivered)
        });
    };
    assert_eq!(cooked(to_both), []);
}

#[test]
fn a_page_that_comes_twice_is_seen() {
    let twice = |e: &mut Evidence| e.calls = vec![call(&[1]), call(&[1, 2])];
    assert_eq!(cooked(twice), [Fault::Doubled]);
    let kill = |after: i64| move |e: &mut Evidence| (twice(e), e.kills = vec![KEPT + after]).0;
    assert_eq!(cooked(kill(1_000)), [], "the confirmation was in the air");
    assert_eq!(
        cooked(kill(60_000)),
        [Fault::Doubled],
        "it had a minute to arrive"
    );
    assert_eq!(cooked(kill(-1)), [Fault::Doubled], "the kill came before");
    let full = |e: &mut Evidence| (twice(e), e.full = vec![(KEPT - 1, KEPT + 90_000)]).0;
    assert_eq!(cooked(full), [], "it could not be noted");
    // The last page is never sent again: that its end leaves is noted before it does.
    let last = |e: &mut Evidence| {
        (e.calls, e.kills) = (vec![call(&[1, 2]), call(&[2])], vec![KEPT + 1_000]);
    };
    assert_eq!(cooked(last), [Fault::Doubled]);
    assert_eq!(
        cooked(|e| e.calls[0].confirmed[0] = None),
        [Fault::Untrue, Fault::Garbled]
    );
}

#[test]
fn mails_to_one_number_are_told_apart_by_their_pages() {
    let both = |e: &mut Evidence| {
        e.accepted.push(Accepted {
            tag: "torture-00002-".into(),
            pages: 1,
            ..accepted()
        });
        e.reports.push(Report {
            subject: "Letter torture-00002-".into(),
            ..report("d", Says::Delivered)
        });
        e.calls[0].confirmed.push(Some((1, 1)));
    };
    assert_eq!(cooked(both), []);
    let lost = |e: &mut Evidence| (both(e), e.calls[0].confirmed.pop()).0;
    assert_eq!(cooked(lost), [Fault::Untrue]);
    let again = |e: &mut Evidence| (both(e), e.calls.push(call(&[]))).0;
    let twice = |e: &mut Evidence| {
        again(e);
        e.calls[1].confirmed.push(Some((1, 1)));
    };
    assert_eq!(cooked(twice), [Fault::Doubled]);
    let of_nobody = |e: &mut Evidence| (both(e), e.calls[0].confirmed.push(Some((1, 3)))).0;
    assert_eq!(cooked(of_nobody), [Fault::Garbled]);
}

#[test]
fn a_perhaps_without_a_reason_is_seen() {
    let perhaps = |e: &mut Evidence| e.reports[0].says = Says::Perhaps;
    assert_eq!(cooked(perhaps), [Fault::Unexplained]);
    assert_eq!(cooked(|e| (perhaps(e), e.kills = vec![KEPT]).0), []);
    assert_eq!(
        cooked(|e| (perhaps(e), e.accepted[0].behind = Behind::SilentAtTheEnd).0),
        []
    );
    let mut evidence = true_books();
    perhaps(&mut evidence);
    evidence.kills = vec![KEPT];
    assert_eq!(Books::balance(&evidence).uncertain, 1);
}

#[test]
fn a_received_fax_that_is_nowhere_is_seen() {
    assert_eq!(cooked(|e| e.arrived.clear()), [Fault::Lost]);
    assert_eq!(cooked(|e| e.arrived[0].pages.truncate(1)), [Fault::Lost]);
    assert_eq!(cooked(|e| e.arrived[0].pages.reverse()), [Fault::Lost]);
    let again = |e: &mut Evidence| {
        e.arrived.push(Arrived {
            id: "c".into(),
            ..e.arrived[0].clone()
        });
    };
    assert_eq!(cooked(again), [Fault::Doubled]);
}

fn dialled(at: &[i64]) -> Vec<(i64, String)> {
    at.iter().map(|at| (*at, accepted().number)).collect()
}

#[test]
fn a_call_at_the_wrong_time_is_seen() {
    let by_a_minute = |at: i64| {
        move |e: &mut Evidence| {
            (e.accepted[0].at, e.accepted[0].deadline) = (KEPT, Some(60_000));
            e.dialled = dialled(&[KEPT + 1_000, KEPT + at]);
        }
    };
    assert_eq!(cooked(by_a_minute(59_000)), []);
    assert_eq!(cooked(by_a_minute(70_000)), [Fault::Late]);
    // The machine was off meanwhile.
    let off = |e: &mut Evidence| {
        (
            by_a_minute(30_000)(e),
            e.off = vec![(KEPT + 2_000, 3_600_000)],
        )
            .0
    };
    assert_eq!(cooked(off), [Fault::Late]);
    let busy = |second: i64| {
        move |e: &mut Evidence| {
            e.accepted[0].behind = Behind::Busy;
            (e.calls, e.reports) = (vec![], vec![report("a", Says::Failed)]);
            e.dialled = dialled(&[KEPT, KEPT + second]);
        }
    };
    assert_eq!(cooked(busy(BUSY_DELAY + 1_000)), []);
    assert_eq!(cooked(busy(BUSY_DELAY / 2)), [Fault::TooSoon]);
    let killed = |e: &mut Evidence| (busy(3_000)(e), e.kills = vec![KEPT + 500]).0;
    assert_eq!(cooked(killed), []);
    let once = |e: &mut Evidence| (busy(0)(e), e.dialled.truncate(1)).0;
    assert_eq!(cooked(once), [Fault::FailedTooEarly]);
}

#[test]
fn a_failure_that_nothing_explains_is_seen() {
    let failed = |e: &mut Evidence| {
        (e.calls, e.reports) = (vec![], vec![report("a", Says::Failed)]);
    };
    assert_eq!(cooked(failed), [Fault::FailedTooEarly]);
    assert_eq!(
        cooked(|e| (failed(e), e.accepted[0].deadline = Some(1)).0),
        []
    );
    let not_in_service = |e: &mut Evidence| {
        failed(e);
        e.accepted[0].behind = Behind::NotInService;
    };
    assert_eq!(cooked(not_in_service), [Fault::FailedTooEarly]);
    assert_eq!(
        cooked(|e| (not_in_service(e), e.dialled = dialled(&[KEPT])).0),
        []
    );
    let cancelled = |e: &mut Evidence| e.reports[0].says = Says::Cancelled;
    assert_eq!(cooked(cancelled), [Fault::Untrue]);
    assert_eq!(
        cooked(|e| (cancelled(e), e.accepted[0].cancelled = true).0),
        []
    );
}

#[test]
fn a_mail_that_was_sent_again_and_swallowed_is_seen() {
    let again = |e: &mut Evidence| {
        (e.accepted[0].again, e.accepted[0].cancelled) = (1, true);
        e.reports[0].says = Says::Cancelled;
    };
    assert_eq!(cooked(again), [Fault::Swallowed]);
    let delivered = |e: &mut Evidence| {
        again(e);
        e.calls.push(call(&[1, 2]));
        e.reports.push(report("b", Says::Delivered));
    };
    assert_eq!(cooked(delivered), []);
    let once_more =
        |e: &mut Evidence| (delivered(e), e.reports.push(report("c", Says::Delivered))).0;
    assert_eq!(cooked(once_more), [Fault::ToldTwice]);
    let thrice = |e: &mut Evidence| (delivered(e), e.calls.push(call(&[1]))).0;
    assert_eq!(cooked(thrice), [Fault::Doubled]);
}

#[test]
fn what_a_daemon_that_stood_still_sends_again_is_seen() {
    let twice = |e: &mut Evidence| e.calls = vec![call(&[1]), call(&[1, 2])];
    let frozen = |calls: bool| {
        move |e: &mut Evidence| {
            twice(e);
            e.frozen = vec![(KEPT - 1_000, KEPT + 20_000, calls)];
        }
    };
    assert_eq!(cooked(frozen(false)), [Fault::Resent]);
    // The process of the call could not hear the confirmation.
    assert_eq!(cooked(frozen(true)), []);
    assert_eq!(cooked(|e| e.swept.push("m-1".into())), [Fault::Swept]);
}
