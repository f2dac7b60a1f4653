//! Several faxes in one call (`queue.share_calls`), with the machine's own record as the witness.

use std::collections::BTreeSet;

use postfax::carrier::CallRecord;
use postfax::config::Config;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::sample;
use postfax::queue::FaxRow;

use crate::harness::mails::{pages_in, pictures};
use crate::harness::{A_CALL, HEALTHY, Site, wait_until};

/// Hangs up behind page 1.
const HANGS_UP: &str = "5551230003";

fn shares(config: &mut Config) {
    config.queue.share_calls = vec!["(|+).".into()];
}

/// A site where these documents wait for one number, in this order; nothing is dialled yet.
fn waiting(number: &str, pdfs: &[Vec<u8>]) -> Site {
    let mut site = Site::prepared(shares);
    let trunks = std::mem::take(&mut site.config.trunks);
    site.start_carrier();
    site.start();
    for (n, pdf) in (1..).zip(pdfs) {
        site.submit(&[number], std::slice::from_ref(pdf));
        wait_until("it waits", 30, || {
            let ready = |fax: &FaxRow| fax.state == "ready";
            site.faxes().iter().filter(|fax| ready(fax)).count() == n
        });
    }
    site.stop();
    site.config.trunks = trunks;
    site
}

/// No two pages are alike, whatever minute their header lines say.
fn one_two_and_one_page() -> [Vec<u8>; 3] {
    [
        sample::numbered_pages(1),
        sample::demo_document(),
        sample::framed_page(595.0, 842.0),
    ]
}

fn wait_for_receipts(site: &Site, count: usize) {
    wait_until("a receipt for each fax", 3 * A_CALL, || {
        site.receipts().len() >= count
    });
    site.check();
    let ids: BTreeSet<String> = site.receipts().into_iter().map(|m| m.message_id).collect();
    assert_eq!((ids.len(), site.receipts().len()), (count, count));
}

/// What the machine received, over all its calls.
fn received(calls: &[CallRecord]) -> Vec<Bitmap> {
    let files = calls.iter().filter_map(|call| call.tiff.as_ref());
    files.flat_map(|tiff| pictures(&pages_in(tiff))).collect()
}

/// What was sent of a fax and confirmed, over all its attempts.
fn sent(site: &Site, fax: &FaxRow, pdf: &[u8]) -> Vec<Bitmap> {
    let attempts = site.attempts(&fax.id);
    let pages = attempts.iter().flat_map(|attempt| {
        let pages = site.stamped(pdf, &fax.number, attempt);
        pages.into_iter().take(attempt.pages as usize)
    });
    pages.collect()
}

#[test]
fn three_faxes_go_in_one_call() {
    let pdfs = one_two_and_one_page();
    let mut site = waiting(HEALTHY, &pdfs);
    site.start();
    wait_for_receipts(&site, 3);
    assert_eq!(site.dialled(HEALTHY), 1);
    let calls = site.machine_calls();
    assert_eq!(calls.iter().map(|c| c.pages).collect::<Vec<_>>(), [4]);
    let faxes = site.faxes();
    let expected: Vec<Bitmap> = faxes
        .iter()
        .zip(&pdfs)
        .flat_map(|(fax, pdf)| sent(&site, fax, pdf))
        .collect();
    assert!(received(&calls) == expected, "each page under its own line");
    for fax in &faxes {
        assert_eq!(fax.state, "delivered");
        let attempts = site.attempts(&fax.id);
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].shared_with.len(), 2);
        assert!(attempts[0].seconds > 5.0 && attempts[0].seconds < 60.0);
    }
    let shown = site.command(&["show", &faxes[0].id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("in one call"), "{shown}");
}

#[test]
fn killed_in_the_second_of_three_faxes() {
    let pdfs = one_two_and_one_page();
    let mut site = waiting(HEALTHY, &pdfs);
    site.start();
    wait_until("page 1 of the second is confirmed", A_CALL, || {
        site.faxes()[1].confirmed == 1
    });
    assert_eq!(site.faxes()[1].state, "calling");
    site.kill();
    site.start();
    wait_for_receipts(&site, 3);
    let outcomes = |fax: &FaxRow| -> Vec<(String, u32)> {
        let attempts = site.attempts(&fax.id).into_iter();
        attempts
            .map(|a| (a.outcome.unwrap_or_default(), a.pages))
            .collect()
    };
    let faxes = site.faxes();
    let one = |outcome: &str, pages| (outcome.to_owned(), pages);
    assert_eq!(outcomes(&faxes[0]), [one("delivered", 1)]);
    // A page 2 that was out on a busy machine was confirmed behind the kill.
    let broken = [one("gateway_stopped", 1), one("delivered", 1)];
    let second = outcomes(&faxes[1]);
    assert!(
        second == broken || second == [one("delivered", 2)],
        "{second:?}"
    );
    assert_eq!(
        outcomes(&faxes[2]),
        [one("delivered", 1)],
        "it had not begun"
    );
    // The machine has each page once.
    let got = received(&site.machine_calls());
    assert_eq!(got.len(), 4);
    for (fax, pdf) in faxes.iter().zip(&pdfs) {
        for page in sent(&site, fax, pdf) {
            assert_eq!(got.iter().filter(|it| **it == page).count(), 1);
        }
    }
}

#[test]
fn machine_that_hangs_up_behind_the_first_fax_costs_the_others_nothing() {
    let pdfs = [1, 2, 3].map(|_| sample::numbered_pages(1));
    let mut site = waiting(HANGS_UP, &pdfs);
    site.start();
    wait_for_receipts(&site, 3);
    assert_eq!(site.dialled(HANGS_UP), 3);
    for fax in site.faxes() {
        assert_eq!(fax.state, "delivered");
        assert_eq!(site.attempts(&fax.id).len(), 1, "{fax:?}");
    }
}

#[test]
fn fax_that_is_cancelled_behind_another_is_left_out_of_its_call() {
    let pdfs = [
        sample::demo_document(),
        sample::numbered_pages(1),
        sample::numbered_pages(1),
    ];
    let mut site = waiting(HEALTHY, &pdfs);
    site.start();
    wait_until("page 1 is confirmed", A_CALL, || {
        site.faxes()[0].confirmed == 1
    });
    let last = site.faxes()[2].id.clone();
    assert!(site.command(&["cancel", &last]).status.success());
    wait_for_receipts(&site, 3);
    let states: Vec<String> = site.faxes().into_iter().map(|fax| fax.state).collect();
    assert_eq!(states, ["delivered", "delivered", "cancelled"]);
    assert!(site.attempts(&last).is_empty());
    let calls = site.machine_calls();
    assert_eq!(calls.iter().map(|c| c.pages).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn receipt_of_the_first_does_not_wait_and_a_stop_ends_the_call_behind_the_second() {
    let pdfs = one_two_and_one_page();
    let mut site = waiting(HEALTHY, &pdfs);
    site.config.sip.drain_seconds = 2 * A_CALL;
    site.start();
    wait_until("the first is told of", A_CALL, || {
        site.receipts().len() == 1
    });
    let states = |site: &Site| -> Vec<String> {
        let faxes = site.faxes().into_iter();
        faxes.map(|fax| fax.state).collect()
    };
    assert_eq!(states(&site), ["delivered", "calling", "calling"]);
    let checked = site.command(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("share a call"), "{said}");
    site.terminate();
    assert!(site.ended(2 * A_CALL), "the daemon ended with a failure");
    assert_eq!(states(&site), ["delivered", "delivered", "ready"]);
    assert!(
        site.attempts(&site.faxes()[2].id).is_empty(),
        "it was not in the call"
    );
    let calls = site.machine_calls();
    assert_eq!(calls.iter().map(|c| c.pages).collect::<Vec<_>>(), [3]);
    site.check();
    let seconds = |fax: &FaxRow| site.attempts(&fax.id)[0].seconds;
    let (first, second) = (&site.faxes()[0], &site.faxes()[1]);
    assert!(seconds(first) > 5.0 && seconds(second) > 5.0);
    assert!(site.attempts(&first.id)[0].wire_bytes > 0);
    assert!(!site.attempts(&first.id)[0].trunk.is_empty());
    site.start();
    wait_for_receipts(&site, 3);
}
