//! A child process that crashes or hangs fails one attempt; the daemon goes on, and the next fax goes through.

use postfax::pages::sample;

use crate::harness::process::send_signal;
use crate::harness::{A_CALL, HEALTHY, OURS, Site, wait_until};

const OTHER: &str = "5551237654";

/// A site whose next children suffer.
fn site(mishap: &str) -> Site {
    // Enough for a page on a loaded machine.
    let mut site = Site::prepared(|config| config.renderer.seconds = 10);
    site.set_env("POSTFAX_MISHAP_FOR_TESTS", mishap);
    site.start_carrier();
    site.start();
    site
}

/// Two renderings fail, the first and its repetition; then the next mail is sent.
fn both_renderings_fail(mishap: &str, how: &str) {
    let site = site(mishap);
    let daemon = site.daemon().id();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 60, || site.receipts().len() == 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.calls), ("failed", 0));
    assert_eq!(fax.failed_part.as_deref(), Some("letter-1.pdf"));
    let receipt = &site.receipts()[0].text;
    assert!(receipt.contains("letter-1.pdf"), "{receipt}");
    assert!(fax.failure.unwrap_or_default().contains(how), "{receipt}");

    site.submit(&[OTHER], &[sample::numbered_pages(1)]);
    wait_until("the next fax", A_CALL, || site.receipts().len() == 2);
    assert_eq!(site.fax_to(OTHER).state, "delivered");
    assert_eq!(site.daemon().id(), daemon);
    site.check();
}

#[test]
fn a_renderer_that_crashes() {
    both_renderings_fail("render:crash:2", "(signal 6)");
}

#[test]
fn a_renderer_that_hangs() {
    both_renderings_fail("render:hang:2", "took longer than 10 s");
}

#[test]
fn a_renderer_that_crashes_once_is_asked_again() {
    let site = site("render:crash");
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 30, || site.receipts().len() == 1);
    assert_eq!(site.fax().outcome.as_deref(), Some("not_in_service"));
    site.check();
}

/// The process of the first call fails; another fax goes through meanwhile, and the first at its next try.
fn the_first_call_fails(mishap: &str, outcome: &str, detail: &str) {
    let site = site(mishap);
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the attempt fails", A_CALL, || {
        site.fax().outcome.as_deref() == Some(outcome)
    });
    assert!(site.fax().detail.contains(detail), "{}", site.fax().detail);
    site.submit(&[OTHER], &[sample::numbered_pages(1)]);
    wait_until("both receipts", A_CALL, || site.receipts().len() == 2);
    for number in [HEALTHY, OTHER] {
        assert_eq!(site.fax_to(number).state, "delivered");
    }
    assert_eq!(site.attempts(&site.fax_to(HEALTHY).id).len(), 2);
    site.check();
}

#[test]
fn a_call_that_crashes() {
    the_first_call_fails("call:crash", "child_crashed", "crashed (signal 6)");
}

#[test]
fn a_call_that_hangs() {
    the_first_call_fails("call:hang", "child_hung", "said nothing for 11 s");
}

#[test]
fn a_crash_in_a_call_teaches_nothing_about_the_next() {
    let site = site("call:crash");
    let first = site.daemon().nursery();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the attempt fails", A_CALL, || {
        site.fax().outcome.as_deref() == Some("child_crashed")
    });
    site.submit(&[OTHER], &[sample::numbered_pages(1)]);
    wait_until("the next call", A_CALL, || {
        !site.daemon().calls().is_empty()
    });
    assert_ne!(site.daemon().nursery(), first, "with the same secrets");
    wait_until("the first nursery ends", 5, || {
        !site.daemon().children().contains(&first)
    });
    assert_eq!(site.log().count("nursery"), 0, "that was no trouble");
}

#[test]
fn a_nursery_that_is_killed() {
    let site = Site::new();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("a call", A_CALL, || !site.daemon().calls().is_empty());
    let first = site.daemon().nursery();
    send_signal(first, "KILL");
    wait_until("that is noticed", 5, || {
        site.log()
            .count("the nursery of the calls crashed (signal 9)")
            == 1
    });
    // The call in progress is none the worse for it, and the next one has a nursery again.
    site.submit(&[OTHER], &[sample::numbered_pages(1)]);
    wait_until("both receipts", A_CALL, || site.receipts().len() == 2);
    for number in [HEALTHY, OTHER] {
        let fax = site.fax_to(number);
        assert_eq!((fax.state.as_str(), fax.calls), ("delivered", 1));
    }
    assert_ne!(site.daemon().nursery(), first);
    site.check();
}

#[test]
fn a_call_that_comes_in_and_crashes() {
    let site = site("call:crash");
    let tiff = site.rendered(&sample::numbered_pages(1));
    assert!(!site.fax_in(&tiff, OURS).ended(A_CALL), "it was confirmed");
    wait_until("the call is over", 10, || {
        site.received()[0].outcome.as_deref() == Some("child_crashed")
    });
    assert!(
        site.fax_in(&tiff, OURS).ended(A_CALL),
        "the next one failed"
    );
    wait_until("the fax in the office's Maildir", 20, || {
        site.office().len() == 1
    });
    site.check();
}
