//! What each end of a shared call is for its faxes.

use std::time::Duration;

use super::*;

fn fax(id: &str, pages: u32, confirmed: u32) -> ClaimedFax {
    ClaimedFax {
        id: id.to_owned(),
        attempt: 1,
        number: "+12025550123".into(),
        recipient: "12025550123@fax.local".into(),
        sender: "clerk@example.com".into(),
        sub_address: None,
        last_trunk: String::new(),
        only_trunk: None,
        pages_key: String::new(),
        cover: false,
        cover_key: None,
        page_count: pages,
        confirmed,
        account: "clerk@example.com".into(),
        header: String::new(),
        give_up_at: None,
    }
}

/// Of two pages, of one that is left of three, of two.
fn load() -> Load {
    Load::of(vec![fax("a", 2, 0), fax("b", 3, 2), fax("c", 2, 0)])
}

fn report(outcome: Outcome, pages: u32, seconds: f64) -> CallReport {
    CallReport {
        pages,
        seconds,
        wire_bytes: 1000,
        detail: "how it ended".into(),
        ..CallReport::never_placed(outcome, String::new())
    }
}

fn told(load: Load, report: &CallReport) -> Vec<Option<(Outcome, u32)>> {
    let of = |(_, end): (ClaimedFax, End)| match end {
        End::Attempt(own) => Some((own.outcome, own.pages)),
        End::Settled(_) => panic!("nothing was settled"),
        End::NotBegun => None,
    };
    load.ends(report).into_iter().map(of).collect()
}

#[test]
fn every_page_of_the_call_is_somebodys() {
    let load = load();
    assert_eq!(load.documents(), [2, 1, 2]);
    let whose: Vec<_> = (1..=5)
        .map(|page| {
            let (fax, own) = load.whose(page);
            (fax.id.clone(), own)
        })
        .collect();
    let expected = [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("c", 2)];
    assert_eq!(whose, expected.map(|(id, own)| (id.to_owned(), own)));
}

#[test]
fn busy_is_the_outcome_of_the_first_and_the_others_were_not_there() {
    let busy = report(Outcome::Busy, 0, 0.0);
    assert_eq!(told(load(), &busy), [Some((Outcome::Busy, 0)), None, None]);
}

#[test]
fn all_that_was_confirmed_is_delivered_and_the_one_under_way_has_the_end() {
    let mut load = load();
    let now = Instant::now();
    load.agreed(&FarEnd::default());
    assert!(!load.confirmed(1, now));
    assert!(load.confirmed(2, now));
    load.agreed(&FarEnd::default());
    assert!(load.confirmed(3, now));
    load.agreed(&FarEnd::default());
    assert_eq!(load.current(), 2);
    let uncertain = report(Outcome::Uncertain, 4, 60.0);
    assert_eq!(
        told(load, &uncertain),
        [
            Some((Outcome::Delivered, 2)),
            Some((Outcome::Delivered, 1)),
            Some((Outcome::Uncertain, 1)),
        ]
    );
}

#[test]
fn far_end_that_hangs_up_between_two_faxes_costs_the_second_nothing() {
    let mut load = load();
    load.agreed(&FarEnd::default());
    assert!(load.confirmed(2, Instant::now()));
    let hung_up = report(Outcome::FarEndHungUp, 2, 30.0);
    let delivered = Some((Outcome::Delivered, 2));
    assert_eq!(told(load, &hung_up), [delivered, None, None]);
}

#[test]
fn call_that_was_ended_between_two_faxes_has_delivered_the_first() {
    let mut load = load();
    load.agreed(&FarEnd::default());
    assert!(load.confirmed(2, Instant::now()));
    let enough = report(Outcome::Delivered, 2, 30.0);
    let delivered = Some((Outcome::Delivered, 2));
    assert_eq!(told(load, &enough), [delivered, None, None]);
}

#[test]
fn page_that_was_confirmed_while_nobody_listened_counts() {
    let delivered = report(Outcome::Delivered, 5, 30.0);
    let all = [2, 1, 2].map(|pages| Some((Outcome::Delivered, pages)));
    assert_eq!(told(load(), &delivered), all);
}

#[test]
fn seconds_and_octets_of_the_faxes_are_those_of_the_call() {
    let mut load = load();
    let answered = Instant::now();
    let at = |seconds| answered + Duration::from_secs(seconds);
    load.answered(answered);
    load.agreed(&FarEnd::default());
    load.confirmed(2, at(30));
    load.agreed(&FarEnd::default());
    load.confirmed(3, at(50));
    load.agreed(&FarEnd::default());
    let ends = load.ends(&report(Outcome::FarEndHungUp, 3, 60.0));
    let shares: Vec<_> = ends
        .into_iter()
        .map(|(_, end)| match end {
            End::Attempt(own) => (own.seconds.round(), own.wire_bytes),
            End::Settled(_) | End::NotBegun => unreachable!("all have begun, and none is over"),
        })
        .collect();
    assert_eq!(shares, [(30.0, 500), (20.0, 333), (10.0, 167)]);
}

#[test]
fn fax_that_is_alone_has_the_whole_report() {
    let load = Load::of(vec![fax("a", 2, 0)]);
    let whole = report(Outcome::FarEndSilent, 1, 17.0);
    let ends = load.ends(&whole);
    assert_eq!(ends[0].1, End::Attempt(whole));
}

#[test]
fn fax_that_is_through_has_its_report_while_the_call_goes_on() {
    let mut load = load();
    let answered = Instant::now();
    let at = |seconds| answered + Duration::from_secs(seconds);
    let place = Place {
        trunk: "carrier".into(),
        target: "udp:198.51.100.7:5060".into(),
    };
    let far_end = FarEnd {
        ident: Some("+1 202 555 0123".into()),
        ..FarEnd::default()
    };
    load.placed(&place);
    load.answered(answered);
    load.agreed(&far_end);
    assert!(load.confirmed(2, at(30)));
    let (fax, first) = load.report_of(0);
    assert_eq!((fax.id.as_str(), first.pages), ("a", 2));
    assert_eq!((first.outcome, first.seconds), (Outcome::Delivered, 30.0));
    assert_eq!((first.trunk, first.target), (place.trunk, place.target));
    assert_eq!(first.far_end, far_end);
    load.settled(0);
    load.agreed(&far_end);
    assert!(load.confirmed(3, at(50)));
    let (fax, second) = load.report_of(1);
    assert_eq!((fax.id.as_str(), second.seconds), ("b", 20.0));
    // Its commit failed: it ends with the call.
    let ends = load.ends(&report(Outcome::FarEndHungUp, 3, 60.0));
    let ends: Vec<End> = ends.into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends[0], End::Settled(500));
    assert!(matches!(&ends[1], End::Attempt(own) if own.outcome == Outcome::Delivered));
    assert_eq!(ends[2], End::NotBegun);
}
