//! SIGSTOP of the daemon, of the child of a call, and of both, for as long as a machine may stand still: what the far
//! end confirmed is confirmed here, and the next call begins behind it.

use std::time::Duration;

use postfax::carrier::CallRecord;
use postfax::pages::sample;
use postfax::queue::AttemptRow;

use crate::harness::process::send_signal;
use crate::harness::{A_CALL, HEALTHY, OURS, Site, wait_until};

/// Whom the signal is for.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Daemon,
    Child,
    Both,
}

/// Stops them for so many seconds.
fn stop(site: &Site, who: Who, seconds: u64) {
    let mut stopped = Vec::new();
    if who != Who::Daemon {
        stopped.extend(site.daemon().calls());
    }
    if who != Who::Child {
        stopped.push(site.daemon().id());
    }
    stopped.iter().for_each(|id| send_signal(*id, "STOP"));
    std::thread::sleep(Duration::from_secs(seconds));
    for id in stopped {
        // A child that gave no sign of life may have been ended.
        if std::path::Path::new(&format!("/proc/{id}")).exists() {
            let _ = std::process::Command::new("kill")
                .args(["-s", "CONT", &id.to_string()])
                .status();
        }
    }
}

/// Pages go over the line.
fn wait_for_pages(site: &Site) {
    wait_until("pages go", A_CALL, || {
        site.status()["calls"][0]["phase"] == "transferring"
    });
}

/// The only fax is delivered, whole; its attempts, and what the machine knows of each.
fn delivered(site: &Site, pages: u32) -> Vec<(AttemptRow, CallRecord)> {
    wait_until("the receipt", 3 * A_CALL, || site.receipts().len() == 1);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.confirmed), ("delivered", pages));
    let attempts = site.attempts(&fax.id);
    wait_until("the machine knows of each call", 60, || {
        site.machine_calls().len() == attempts.len()
    });
    let both: Vec<_> = attempts.into_iter().zip(site.machine_calls()).collect();
    let mut before = 0;
    for (ours, theirs) in &both {
        assert_eq!(ours.first_page, before + 1, "it begins behind the last");
        assert_eq!(ours.pages, theirs.pages, "{ours:?}\n{theirs:?}");
        before += ours.pages;
    }
    site.check();
    both
}

/// A call of so many pages in which somebody stands still.
fn outgoing(pages: u32, who: Who, seconds: u64) -> (Site, Vec<(AttemptRow, CallRecord)>) {
    let site = Site::new();
    site.submit(&[HEALTHY], &[sample::numbered_pages(pages)]);
    wait_for_pages(&site);
    stop(&site, who, seconds);
    let attempts = delivered(&site, pages);
    if who != Who::Child {
        for (ours, _) in &attempts {
            let outcome = ours.outcome.as_deref();
            assert!(outcome != Some("child_hung"), "{ours:?}");
            let is_told = ours.detail.contains("stood still for");
            assert!(outcome == Some("delivered") || is_told, "{ours:?}");
        }
        assert!(site.log().count("the gateway stood still for") > 0);
    }
    (site, attempts)
}

#[test]
fn daemon_for_35_seconds_in_a_call_of_three_pages() {
    let (_, attempts) = outgoing(3, Who::Daemon, 35);
    assert_eq!(attempts[0].0.pages, 2, "the end of the last waited for us");
}

#[test]
fn daemon_for_20_seconds_before_the_only_page_ends() {
    let (_, attempts) = outgoing(1, Who::Daemon, 20);
    // Its word came when the machine had given the page up.
    let outcomes: Vec<_> = attempts
        .iter()
        .map(|(ours, _)| ours.outcome.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(outcomes, ["gateway_stalled", "delivered"]);
}

#[test]
fn daemon_for_12_seconds_in_a_call_of_three_pages() {
    outgoing(3, Who::Daemon, 12);
}

#[test]
fn daemon_for_35_seconds_with_the_only_page_unanswered() {
    let site = Site::new();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    // The machine keeps a page when it has its end, and confirms it then.
    wait_until("the page lies in the machine", A_CALL, || {
        let files = std::fs::read_dir(site.path("machines-5070"));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|file| file.path().extension().is_some_and(|kind| kind == "tiff"))
    });
    stop(&site, Who::Daemon, 35);
    assert_eq!(delivered(&site, 1).len(), 1);
}

#[test]
fn both_for_40_seconds_in_a_call_of_three_pages() {
    outgoing(3, Who::Both, 40);
}

#[test]
fn both_for_5_seconds_in_a_call_of_three_pages() {
    outgoing(3, Who::Both, 5);
}

#[test]
fn child_for_5_seconds_in_a_call_of_three_pages() {
    outgoing(3, Who::Child, 5);
}

#[test]
fn child_for_20_seconds_in_a_call_of_three_pages() {
    let (_, attempts) = outgoing(3, Who::Child, 20);
    assert_eq!(attempts[0].0.outcome.as_deref(), Some("child_hung"));
}

/// A machine faxes three pages to us, and somebody stands still behind the first.
fn incoming(who: Who, seconds: u64) {
    let site = Site::new();
    let tiff = site.rendered(&sample::numbered_pages(3));
    let machine = site.fax_in(&tiff, OURS);
    wait_until("page 1 is stored", A_CALL, || {
        site.received().first().is_some_and(|fax| fax.pages == 1)
    });
    stop(&site, who, seconds);
    let whole = machine.ended(2 * A_CALL);
    wait_until("the mail", 60, || site.office().len() == 1);
    let log = std::fs::read_to_string(site.path("machines-5071/calls.jsonl")).unwrap();
    let theirs: CallRecord = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let ours = &site.received()[0];
    assert!(ours.pages >= theirs.pages, "{ours:?}\n{theirs:?}");
    assert!(!whole || ours.outcome.as_deref() == Some("delivered"));
    assert_eq!(site.office()[0].pictures().len(), ours.pages as usize);
    let hung = ours.outcome.as_deref() == Some("child_hung");
    assert!(who == Who::Child || !hung, "{ours:?}");
    site.check();
}

#[test]
fn daemon_for_35_seconds_while_receiving() {
    incoming(Who::Daemon, 35);
}

#[test]
fn both_for_40_seconds_while_receiving() {
    incoming(Who::Both, 40);
}

#[test]
fn child_for_20_seconds_while_receiving() {
    incoming(Who::Child, 20);
}
