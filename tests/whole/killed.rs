//! `kill -9` of the daemon, and what it finds at its next start: every fax is sent, with exactly one receipt, and no
//! page that was confirmed goes out again.

use std::time::Duration;

use postfax::pages::sample;

use crate::harness::mails::{pages_in, pictures};
use crate::harness::process::send_signal;
use crate::harness::relay::{Mood, Relay};
use crate::harness::{A_CALL, HEALTHY, OURS, Site, wait_for, wait_until};

/// Waits until every fax is over and its receipt is in the Maildir, and no second one follows.
fn wait_for_one_receipt_each(site: &Site, faxes: usize) {
    wait_until("a receipt for each fax", A_CALL, || {
        site.receipts().len() >= faxes
    });
    let mut ids: Vec<String> = site
        .receipts()
        .into_iter()
        .map(|mail| mail.message_id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), site.receipts().len()), (faxes, faxes));
    wait_until("the queue knows", 5, || {
        let faxes = site.faxes();
        let delivered = |id: &str| site.mails_about(id).iter().all(|m| m.state == "delivered");
        faxes.iter().all(|fax| delivered(&fax.id))
    });
    site.check();
}

/// Outcome, first page and confirmed pages of each attempt.
fn attempts(site: &Site, fax: &str) -> Vec<(String, u32, u32)> {
    let attempts = site.attempts(fax).into_iter();
    attempts
        .map(|a| (a.outcome.unwrap_or_default(), a.first_page, a.pages))
        .collect()
}

#[test]
fn killed_after_the_250() {
    let mut site = Site::new();
    let numbers = ["5551234501", "5551234502", "5551234503"];
    for number in numbers {
        site.submit(&[number], &[sample::numbered_pages(1)]);
    }
    site.kill();
    site.start();
    assert_eq!(site.faxes().len(), 3, "a 250 was forgotten");
    wait_for_one_receipt_each(&site, 3);
    for number in numbers {
        assert_eq!(site.fax_to(number).state, "delivered");
        assert_eq!(site.dialled(number), 1);
    }
}

#[test]
fn killed_while_rendering() {
    let mut site = Site::prepared(|_| {});
    site.set_env("POSTFAX_MISHAP_FOR_TESTS", "render:hang");
    site.start_carrier();
    site.start();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    // The renderer that hangs: the only child beside the nursery that is still there after a while.
    let renderer = wait_for("a renderer", 20, || {
        let before = site.daemon().children();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let after = site.daemon().children();
        let nursery = site.daemon().nursery();
        let mut others = before.into_iter().filter(|child| *child != nursery);
        others.find(|child| after.contains(child))
    });
    assert_eq!(site.fax().state, "rendering");
    site.kill();
    wait_until("the renderer goes with the daemon", 5, || {
        !std::path::Path::new(&format!("/proc/{renderer}")).exists()
    });
    site.set_env("POSTFAX_MISHAP_FOR_TESTS", "render:hang:0");
    site.start();
    wait_for_one_receipt_each(&site, 1);
    assert_eq!(site.fax().state, "delivered");
    assert_eq!(site.dialled(HEALTHY), 1);
}

#[test]
fn killed_after_page_1_of_2() {
    let mut site = Site::new();
    let pdf = sample::demo_document();
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    site.wait_for_page_2();
    site.kill();
    site.start();
    // Its process says DCN to the machine, which takes longer than a start.
    assert_eq!(site.log().count("is not over yet"), 1);
    wait_for_one_receipt_each(&site, 1);

    let fax = site.fax();
    assert_eq!(fax.state, "delivered");
    let expected = [("gateway_stopped", 1, 1), ("delivered", 2, 1)];
    assert_eq!(
        attempts(&site, &fax.id),
        expected.map(|(outcome, first, pages)| (outcome.to_owned(), first, pages))
    );
    // The far end has each page once.
    let attempts = site.attempts(&fax.id);
    let calls = site.machine_calls();
    assert_eq!(calls.iter().map(|c| c.pages).collect::<Vec<_>>(), [1, 1]);
    let got = |n: usize| pictures(&pages_in(calls[n].tiff.as_ref().expect("its pages")));
    let sent = |n: usize| site.stamped(&pdf, HEALTHY, &attempts[n]);
    assert!(got(0) == sent(0)[..1], "page 1 differs");
    assert!(got(1) == sent(1), "page 2 differs");
}

#[test]
fn killed_after_the_last_mcf() {
    let mut site = Site::prepared(|config| config.mail.maildir = None);
    // The relay's silence keeps the receipt from leaving before the kill, however late that comes.
    let relay = Relay::start(site.address(2526), Mood::Silent);
    site.config.mail.relay = site.address(2526).to_string();
    site.start_carrier();
    site.start();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the last page is confirmed", A_CALL, || {
        site.fax().confirmed == 1
    });
    site.kill();
    relay.set_mood(Mood::Takes);
    site.start();
    wait_until("the receipt", 30, || !relay.taken().is_empty());
    wait_until("the queue knows", 5, || {
        site.mails_about(&site.fax().id)[0].state == "delivered"
    });
    assert_eq!(relay.taken().len(), 1);
    assert!(relay.taken()[0].1.text.contains("was delivered: 1 page"));
    assert_eq!(site.fax().state, "delivered");
    assert_eq!((site.fax().calls, site.dialled(HEALTHY)), (1, 1));
    site.check();
}

#[test]
fn killed_with_the_last_page_unanswered() {
    const SILENT_AT_THE_END: &str = "5551230004";
    let mut site = Site::new();
    site.submit(&[SILENT_AT_THE_END], &[sample::numbered_pages(1)]);
    // The machine keeps a page when it has its end (PPS-EOP), which it will not answer.
    wait_for_the_end_of_a_page(&site);
    site.kill();
    site.start();
    wait_for_one_receipt_each(&site, 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.confirmed), ("uncertain", 0));
    assert!(site.receipts()[0].text.contains("is not certain"));
    // The daemon has nothing left to do: nobody is dialled again.
    assert_eq!(site.status()["queue"]["ready"], 0);
    assert_eq!((fax.calls, site.dialled(SILENT_AT_THE_END)), (1, 1));
}

/// Waits until the machine has the end of a page, which it confirms then.
fn wait_for_the_end_of_a_page(site: &Site) {
    wait_until("the page lies in the machine", A_CALL, || {
        let files = std::fs::read_dir(site.path("machines-5070"));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|file| file.path().extension().is_some_and(|kind| kind == "tiff"))
    });
}

#[test]
fn killed_while_the_last_page_is_being_confirmed() {
    let mut site = Site::new();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_for_the_end_of_a_page(&site);
    site.kill();
    site.start();
    wait_for_one_receipt_each(&site, 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.confirmed), ("delivered", 1));
    assert_eq!((fax.calls, site.dialled(HEALTHY)), (1, 1));
    wait_until("the machine knows of the call", A_CALL, || {
        site.machine_calls().len() == 1
    });
    assert_eq!(site.machine_calls()[0].pages, 1);
}

#[test]
fn killed_while_the_first_page_is_being_confirmed() {
    let mut site = Site::new();
    let pdf = sample::demo_document();
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    wait_for_the_end_of_a_page(&site);
    site.kill();
    site.start();
    wait_for_one_receipt_each(&site, 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.confirmed), ("delivered", 2));
    assert_eq!(attempts(&site, &fax.id)[0].2, 1, "it was confirmed");
    wait_until("the machine knows of both calls", A_CALL, || {
        site.machine_calls().len() == 2
    });
    let calls = site.machine_calls();
    assert_eq!(calls.iter().map(|c| c.pages).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn killed_with_a_call_that_stands_still() {
    let mut site = Site::new();
    let pdf = sample::demo_document();
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    site.wait_for_page_2();
    let calls = site.daemon().calls();
    site.kill();
    // Not before: the kernel hangs up on stopped processes of a group whose parent has died.
    calls.iter().for_each(|id| send_signal(*id, "STOP"));
    site.start();
    assert_eq!(site.log().count("does not end, and is killed"), 1);
    wait_for_one_receipt_each(&site, 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.confirmed), ("delivered", 2));
    wait_until("the machine has given the first call up", A_CALL, || {
        site.machine_calls().len() == 2
    });
    let pages: u32 = site.machine_calls().iter().map(|call| call.pages).sum();
    assert_eq!(pages, 2, "each page once");
}

#[test]
fn killed_while_receiving_after_page_1() {
    let mut site = Site::new();
    let tiff = site.rendered(&sample::numbered_pages(2));
    let machine = site.fax_in(&tiff, OURS);
    wait_until("page 1 is stored", A_CALL, || {
        site.received().first().is_some_and(|fax| fax.pages == 1)
    });
    site.kill();
    site.start();
    wait_until("the page in the office's Maildir", 20, || {
        site.office().len() == 1
    });
    let mail = &site.office()[0];
    let sent = pictures(&pages_in(&tiff));
    assert!(mail.pictures() == sent[..1], "another page");
    assert!(
        mail.subject.starts_with("Incomplete fax"),
        "{}",
        mail.subject
    );
    assert!(
        !machine.ended(A_CALL),
        "the machine was told that all arrived"
    );
    site.check();
}

#[test]
fn killed_again_and_again() {
    let mut site = Site::new();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let numbers = ["5551234501", "5551234502", "5551234503"];
    for number in numbers {
        site.submit(&[number], &[sample::numbered_pages(2)]);
    }
    for _ in 0..5 {
        // Whatever it is doing then.
        std::thread::sleep(Duration::from_millis(random.u64(100..15_000)));
        site.kill();
        site.start();
    }
    wait_for_one_receipt_each(&site, 3);
    for fax in site.faxes() {
        let end = (fax.state.as_str(), fax.confirmed);
        assert!(
            matches!(end, ("delivered", 2) | ("uncertain", 1)),
            "{end:?}"
        );
    }
}
