//! Signals: SIGTERM lets calls end, a second one cuts them short, SIGHUP takes new settings over.

use postfax::config::Route;
use postfax::pages::sample;

use crate::harness::{A_CALL, CLERK, HEALTHY, OURS, Site, wait_until};

#[test]
fn sigterm_lets_the_call_finish() {
    let mut site = Site::with(|config| config.sip.drain_seconds = A_CALL);
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the call is answered", 20, || {
        site.status()["calls"][0]["phase"] == "transferring"
    });
    site.terminate();
    wait_until("the doors are closed", 5, || {
        std::net::TcpStream::connect(site.config.smtp.listen[0]).is_err()
    });
    assert!(site.ended(A_CALL), "the daemon ended with a failure");
    assert_eq!(site.fax().state, "delivered");
    assert_eq!(site.machine_calls()[0].pages, 1);
    site.check();
    // The receipt, if it did not go before, goes now.
    site.start();
    wait_until("the receipt", 10, || site.receipts().len() == 1);
}

#[test]
fn a_second_sigterm_cuts_the_call_short() {
    let mut site = Site::with(|config| config.sip.drain_seconds = 300);
    site.submit(&[HEALTHY], &[sample::demo_document()]);
    site.wait_for_page_2();
    site.terminate();
    wait_until("the daemon is stopping", 5, || {
        site.log().count("calls in progress get up to 300 s") == 1
    });
    site.terminate();
    assert!(site.ended(15), "the daemon ended with a failure");
    let fax = site.fax();
    assert_eq!(fax.outcome.as_deref(), Some("gateway_stopped"));
    assert_eq!((fax.state.as_str(), fax.tries), ("ready", 0));
    site.check();

    site.start();
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    assert_eq!(site.attempts(&fax.id)[1].first_page, 2);
    assert_eq!(site.fax().state, "delivered");
    site.check();
}

#[test]
fn sighup_reloads_the_dialling_rules() {
    const ABROAD: &str = "+493012345678";
    let mut site = Site::new();
    let verdict = |site: &Site| {
        let mut client = site.smtp();
        client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
        client.say(&format!("RCPT TO:<{ABROAD}@fax.local>")).code
    };
    assert_eq!(verdict(&site), 550);
    site.config.dialing.allow.push("+49 Z.".into());
    site.reload();
    assert_eq!(verdict(&site), 250);
}

#[test]
fn sighup_reloads_a_route() {
    const NEW: &str = "5559870000";
    let mut site = Site::new();
    let tiff = site.rendered(&sample::numbered_pages(1));
    assert!(!site.fax_in(&tiff, NEW).ended(30), "it has no route yet");
    assert!(site.received().is_empty());
    let maildir = Some(site.path("Maildir-new"));
    site.config.routes.push(Route {
        number: NEW.into(),
        to: Vec::new(),
        maildir,
        ocr: false,
    });
    site.reload();
    assert!(site.fax_in(&tiff, NEW).ended(A_CALL), "the machine failed");
    wait_until("the fax in the new Maildir", 20, || {
        crate::harness::mails::in_maildir(&site.path("Maildir-new")).len() == 1
    });
    assert!(site.office().is_empty(), "{OURS} has nothing to do with it");
}

#[test]
fn a_configuration_with_an_error_leaves_the_old_one_in_force() {
    let site = Site::new();
    std::fs::write(site.path("config.toml"), "[dialing]\nalow = []\n").expect("it can be written");
    site.daemon().signal("HUP");
    wait_until("the error is logged", 5, || {
        site.log().count("not reloaded") == 1
    });
    let said = site.log().text();
    assert!(said.contains("alow") && said.contains("allow"), "{said}");
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 20, || site.receipts().len() == 1);
}
