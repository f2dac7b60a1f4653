//! Delays and deadlines in the whole program, while its clock is set (faketime) and while it does not run.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use postfax::pages::sample;

use crate::harness::{CLERK, Site, mails, wait_until};

const BUSY: &str = "5551230001";
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// A site whose clock is off by what the file says. `None`: that cannot be here.
fn with_a_clock(test: &str, retry: &str) -> Option<Site> {
    if !Path::new(FAKETIME).exists() {
        // Past the capture of the test runner: a skipped test must be seen.
        let said = format!("SKIPPED clocks::{test}: no faketime (apt-get install faketime)\n");
        let _ = std::io::stderr().write_all(said.as_bytes());
        return None;
    }
    let mut site =
        Site::prepared(|config| config.retry = toml::from_str(retry).expect("a table of retries"));
    set_clock(&site, "+0");
    let file = site.path("clock");
    site.set_env("LD_PRELOAD", FAKETIME);
    site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    site.set_env("FAKETIME_NO_CACHE", "1");
    site.set_env(
        "FAKETIME_TIMESTAMP_FILE",
        file.to_str().expect("a plain path"),
    );
    site.start_carrier();
    site.start();
    Some(site)
}

fn set_clock(site: &Site, off: &str) {
    let (new, file) = (site.path("clock.new"), site.path("clock"));
    std::fs::write(&new, format!("{off}\n")).expect("the folder can be written");
    std::fs::rename(new, file).expect("the folder can be written");
}

fn send(site: &Site, options: &str) {
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>{options}"), 250);
    client.expect(&format!("RCPT TO:<{BUSY}@fax.local>"), 250);
    client.expect("DATA", 354);
    let mail = mails::with_pdfs(&[BUSY], &[sample::numbered_pages(1)]);
    assert_eq!(client.data(&mail).code, 250);
    wait_until("a call to a busy number", 40, || {
        site.faxes()[0].outcome.as_deref() == Some("busy")
    });
}

/// Time enough for the loops to find a fax that they take for due.
fn stays_at_one_call(site: &Site, when: &str) {
    std::thread::sleep(Duration::from_secs(40));
    assert_eq!(site.dialled(BUSY), 1, "{when}");
}

#[test]
fn two_hours_are_two_hours_whatever_becomes_of_the_clock() {
    let busy = "busy = { delays = [7200] }";
    let test = "two_hours_are_two_hours_whatever_becomes_of_the_clock";
    let Some(mut site) = with_a_clock(test, busy) else {
        return;
    };
    send(&site, "");
    stays_at_one_call(&site, "with the right time");
    set_clock(&site, "-5h");
    stays_at_one_call(&site, "set back while it runs");
    site.stop();
    set_clock(&site, "+30h");
    site.start();
    stays_at_one_call(&site, "set forward while it does not run");
    set_clock(&site, "+400h");
    stays_at_one_call(&site, "set forward while it runs");
    assert_eq!(site.fax().state, "ready");
    assert!(site.log().count("the clock was set by") > 0);
    site.check();
}

#[test]
fn a_deadline_that_passed_while_the_daemon_was_stopped_is_kept() {
    let test = "a_deadline_that_passed_while_the_daemon_was_stopped_is_kept";
    let Some(mut site) = with_a_clock(test, "busy = { delays = [10] }") else {
        return;
    };
    send(&site, " BY=3600;R");
    site.kill();
    let dialled = site.dialled(BUSY);
    set_clock(&site, "+2h");
    site.start();
    wait_until("it is over", 30, || site.fax().ended_at.is_some());
    assert_eq!(site.fax().state, "failed");
    assert_eq!(site.dialled(BUSY), dialled, "no call after the deadline");
    wait_until("its receipt", 20, || site.receipts().len() == 1);
    site.check();
}
