//! Several faxes in one call: EOM behind each but the last.

use super::*;

/// Two faxes, of two pages and of one.
const TWO_FAXES: &[u32] = &[2, 1];

fn three_pages() -> [FaxPage; 3] {
    [page(60, 500), page(61, 300), page(62, 400)]
}

fn shared(medium: Medium, ecm: bool, pages: &[FaxPage]) -> Pair {
    let terms = Terms {
        ecm,
        documents: TWO_FAXES,
        ..Terms::default()
    };
    Pair::over(medium, pages, Weather::default(), terms)
}

const EVERY_WAY: [(Medium, bool); 4] = [
    (RED3, true),
    (RED3, false),
    (Medium::Audio(Codec::Pcma), true),
    (Medium::Audio(Codec::Pcmu), false),
];

#[test]
fn two_faxes_go_in_one_call_pel_for_pel() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let mut pair = shared(medium, ecm, &pages);
        pair.run();
        assert_eq!(pair.outcomes(), [Outcome::Delivered; 2]);
        assert_same(&pages, &pair.received.borrow());
        let log = pair.log();
        assert_eq!(
            log,
            [
                "page 1 kept",
                "page 1 confirmed",
                "end of page 2 leaving",
                "page 2 kept",
                "page 2 confirmed",
                "end of page 3 leaving",
                "last page 3 kept",
                "page 3 confirmed",
            ]
        );
        assert_eq!(pair.sides[0].links.len(), 2, "DIS and DCS before each fax");
    }
}

impl Pair {
    fn run_until_logged(&mut self, what: &str) {
        self.run_until(|pair| pair.log.borrow().iter().any(|line| line == what));
    }

    fn sent(&self) -> &Ending {
        self.sides[0].ending.as_ref().unwrap()
    }
}

#[test]
fn no_fax_follows_one_with_which_it_is_enough() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let terms = Terms {
            ecm,
            documents: &[1, 1, 1],
            enough_at: 2,
            ..Terms::default()
        };
        let mut pair = Pair::over(medium, &pages, Weather::default(), terms);
        pair.run();
        assert_eq!(pair.outcomes(), [Outcome::Delivered; 2]);
        assert_same(&pages[..2], &pair.received.borrow());
        assert!(pair.sent().complete && pair.sent().pages == 2);
    }
}

#[test]
fn end_of_the_first_fax_does_not_leave_before_that_is_stored() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let terms = Terms {
            ecm,
            documents: TWO_FAXES,
            hold_back_from: 2,
            ..Terms::default()
        };
        let mut pair = Pair::over(medium, &pages, Weather::default(), terms);
        pair.run_until(|pair| pair.sides[0].ending.is_some());
        assert_eq!(pair.sent().cause, Cause::NotKept);
        assert!(!pair.sent().awaiting_last);
        assert_eq!(pair.sent().pages, 1);
        let later = pair.now + 2000;
        pair.run_until(|pair| pair.now > later);
        assert!(!pair.log().contains(&"page 2 kept".to_owned()));
    }
}

#[test]
fn far_end_that_hangs_up_in_the_second_fax_has_the_first() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let mut pair = shared(medium, ecm, &pages);
        pair.run_until(|pair| pair.sides[0].links.len() == 2);
        pair.sides[1].leg.terminate();
        pair.run();
        assert_eq!(pair.outcomes()[0], Outcome::FarEndHungUp);
        assert_eq!(pair.sent().pages, 2);
        assert_same(&pages[..2], &pair.received.borrow());
    }
}

#[test]
fn far_end_that_falls_silent_between_two_faxes_is_no_far_end_without_a_fax() {
    let pages = three_pages();
    let mut pair = shared(RED3, true, &pages);
    pair.run_until_logged("page 2 confirmed");
    pair.wires[1].cut = true;
    pair.run_until(|pair| pair.sides[0].ending.is_some());
    assert_eq!(pair.sent().cause, Cause::NoFax, "T1 ran once more");
    let outcome = verdict::outcome(Role::Sender, pair.sent(), None);
    assert_eq!(outcome, Outcome::FarEndSilent);
    assert_eq!(pair.sent().pages, 2);
}

#[test]
fn first_fax_without_a_confirmation_is_uncertain_and_the_second_has_not_begun() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let mut pair = shared(medium, ecm, &pages);
        pair.run_until_logged("page 2 kept");
        pair.wires[1].cut = true;
        pair.run();
        assert_eq!(pair.outcomes()[0], Outcome::Uncertain);
        assert_eq!(pair.sent().pages, 1);
        assert_eq!(pair.received.borrow().len(), 2);
        assert_eq!(pair.sides[0].links.len(), 1);
    }
}

/// The sender says EOM again after 3 s (T4).
#[test]
fn confirmation_between_two_faxes_may_get_lost_once() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let mut pair = shared(medium, ecm, &pages);
        pair.run_until_logged("page 2 kept");
        pair.wires[1].cut = true;
        let later = pair.now + 250;
        pair.run_until(|pair| pair.now > later);
        pair.wires[1].cut = false;
        pair.run();
        assert_eq!(pair.outcomes(), [Outcome::Delivered; 2], "ecm {ecm}");
        assert_same(&pages, &pair.received.borrow());
    }
}

#[test]
fn page_refused_at_the_end_of_a_fax_is_sent_again_and_only_then_the_next() {
    let pages = [page(63, 900), page(64, 500)];
    let terms = Terms {
        ecm: false,
        documents: &[1, 1],
        ..Terms::default()
    };
    let mut pair = Pair::over(RED3, &pages, Weather::default(), terms);
    // Page 1 comes out as noise, once.
    pair.wires[0].spoils = true;
    pair.run_until_logged("end of page 1 leaving");
    pair.wires[0].spoils = false;
    pair.run();
    assert_eq!(pair.outcomes(), [Outcome::Delivered; 2]);
    assert_same(&pages, &pair.received.borrow());
    assert_eq!(pair.sent().pages, 2);
}

#[test]
fn page_that_is_refused_again_and_again_ends_the_call() {
    let pages = [page(65, 900), page(66, 500)];
    let terms = Terms {
        ecm: false,
        documents: &[1, 1],
        ..Terms::default()
    };
    let mut pair = Pair::over(RED3, &pages, Weather::default(), terms);
    pair.wires[0].spoils = true;
    pair.run();
    assert_eq!(pair.outcomes()[0], Outcome::PageRefused);
    assert_eq!(pair.sent().pages, 0);
    assert!(pair.received.borrow().is_empty());
}
