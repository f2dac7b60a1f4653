//! The office's mail server does not take what we wrote. A fax whose number is not in service makes a receipt without
//! a call, so these are quick.

use std::io::Write;
use std::path::Path;

use postfax::pages::sample;
use postfax::queue::OutgoingRow;

use crate::harness::relay::{Mood, Relay};
use crate::harness::{A_CALL, OURS, Site, wait_until};

const NOT_IN_SERVICE: &str = "5551230006";

fn site() -> Site {
    let mut site = Site::prepared(|config| config.mail.maildir = None);
    site.config.mail.relay = site.address(2526).to_string();
    site.start_carrier();
    site.start();
    site
}

fn wait_for_the_only_receipt(site: &Site, relay: &Relay) {
    wait_until("the receipt at the relay", 60, || !relay.taken().is_empty());
    wait_until("the queue knows", 5, || {
        site.mails_about(&site.fax().id)[0].state == "delivered"
    });
    assert_eq!(relay.taken().len(), 1);
    site.check();
}

#[test]
fn relay_says_451() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::SaysLater);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the first try", 30, || relay.refused() == 1);
    relay.set_mood(Mood::Takes);
    wait_until("its words in the queue", 5, || {
        site.mails_about(&site.fax().id)[0].reply.contains("451")
    });
    wait_for_the_only_receipt(&site, &relay);
}

#[test]
fn relay_is_down() {
    let site = site();
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("a try in vain", 30, || {
        let fax = site.fax();
        let mails = site.mails_about(&fax.id);
        mails.iter().any(|m| m.tries == 1 && m.state == "waiting")
    });
    let relay = Relay::start(site.address(2526), Mood::Takes);
    wait_for_the_only_receipt(&site, &relay);
}

#[test]
fn relay_is_down_for_a_day() {
    const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    if !Path::new(FAKETIME).exists() {
        // Past the capture of the test runner: a skipped test must be seen.
        let said =
            "SKIPPED relays::relay_is_down_for_a_day: no faketime (apt-get install faketime)\n";
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    }
    let mut site = site();
    site.stop();
    site.set_env("LD_PRELOAD", FAKETIME);
    site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    site.start();
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    // Every few hours somebody looks, and the relay is still down.
    for (tries, hours) in (1..).zip(["+0h", "+6h", "+12h", "+24h"]) {
        site.stop();
        site.set_env("FAKETIME", hours);
        site.start();
        wait_until("a try in vain", 30, || {
            let mails = site.mails_about(&site.fax().id);
            let waits = |mail: &OutgoingRow| mail.tries >= tries && mail.state == "waiting";
            mails.iter().any(waits)
        });
    }
    let problems = site.status()["mails"].to_string();
    assert!(problems.contains("onnect"), "the page says why: {problems}");
    let relay = Relay::start(site.address(2526), Mood::Takes);
    site.stop();
    site.set_env("FAKETIME", "+25h");
    site.start();
    wait_for_the_only_receipt(&site, &relay);
    assert!(relay.taken()[0].1.subject.starts_with("Fax NOT delivered"));
}

#[test]
fn relay_greylists_and_takes_the_receipt_when_it_comes_again() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::Greylists);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_for_the_only_receipt(&site, &relay);
    assert_eq!(relay.refused(), 1);
    let mails = site.mails_about(&site.fax().id);
    assert_eq!(
        (mails.len(), mails[0].tries),
        (1, 2),
        "nobody else was told"
    );
}

#[test]
fn relay_is_lost_behind_the_text() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::ForgetsTheText);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the first try", 30, || relay.refused() == 1);
    assert!(relay.taken().is_empty());
    relay.set_mood(Mood::Takes);
    wait_for_the_only_receipt(&site, &relay);
}

#[test]
fn relay_takes_the_receipt_and_loses_its_yes() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::LosesTheYes);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the first time", 30, || relay.taken().len() == 1);
    relay.set_mood(Mood::Takes);
    wait_until("the second time", 30, || relay.taken().len() == 2);
    wait_until("the queue knows", 5, || {
        site.mails_about(&site.fax().id)[0].state == "delivered"
    });
    // RFC 5321 4.5.4.1: it may come twice; by its Message-ID a mailbox knows it.
    let [(_, first), (_, second)] = &relay.taken()[..] else {
        panic!("two were taken");
    };
    assert_eq!(first.message_id, second.message_id);
    assert_eq!(first.subject, second.subject);
    site.check();
}

#[test]
fn relay_is_silent_and_the_daemon_stops_all_the_same() {
    let mut site = site();
    let relay = Relay::start(site.address(2526), Mood::Silent);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the first try", 30, || {
        let fax = site.fax();
        site.mails_about(&fax.id)
            .iter()
            .any(|m| m.state == "sending")
    });
    site.stop();
    relay.set_mood(Mood::Takes);
    site.start();
    wait_for_the_only_receipt(&site, &relay);
}

#[test]
fn relay_refuses_the_receipt_for_good() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::KnowsThePostmasterOnly);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the postmaster's mail", 60, || !relay.taken().is_empty());
    let (recipient, mail) = relay.taken().remove(0);
    assert!(recipient.contains("<postmaster@"), "{recipient}");
    assert!(
        mail.text.contains("550 5.1.1 no such user"),
        "{}",
        mail.text
    );
    wait_until("the queue knows", 5, || {
        let mails = site.mails_about(&site.fax().id);
        mails
            .iter()
            .map(|mail| mail.state.as_str())
            .collect::<Vec<_>>()
            == ["failed", "delivered"]
    });
    let status = site.status();
    let problems = status["problems"].to_string();
    assert!(
        !problems.contains("refused"),
        "the postmaster has it: {problems}"
    );
    assert_eq!(status["queue"]["mails"], 0);
    assert_eq!((relay.taken().len(), relay.refused()), (1, 1));
    site.check();
}

#[test]
fn relay_refuses_a_received_fax_for_good() {
    let mut site = Site::prepared(|config| {
        config.mail.maildir = None;
        for route in &mut config.routes {
            (route.to, route.maildir) = (vec!["gone@example.com".to_owned()], None);
        }
    });
    site.config.mail.relay = site.address(2526).to_string();
    site.start();
    let relay = Relay::start(site.address(2526), Mood::KnowsThePostmasterOnly);
    let tiff = site.rendered(&sample::numbered_pages(1));
    let _machine = site.fax_in(&tiff, OURS);
    wait_until("the postmaster's mail", A_CALL, || {
        !relay.taken().is_empty()
    });
    let (recipient, mail) = relay.taken().remove(0);
    assert!(recipient.contains("<postmaster@"), "{recipient}");
    assert!(mail.text.contains("gone@example.com"), "{}", mail.text);
    assert_eq!(mail.pictures().len(), 1, "nobody's fax lies unseen");
    let refused = site.status()["received"][0]["refused"].as_bool();
    assert_eq!(refused, Some(true));
    site.check();
}

#[test]
fn of_many_receipts_one_asks_whether_the_relay_is_back() {
    let site = site();
    let relay = Relay::start(site.address(2526), Mood::HangsUp);
    const MANY: usize = 60;
    for _ in 0..MANY {
        site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    }
    wait_until("all faxes are over", 120, || {
        let faxes = site.faxes();
        faxes.len() == MANY && faxes.iter().all(|fax| fax.ended_at.is_some())
    });
    // Whoever asked before it was known to be down, and a few questions.
    assert!(relay.connections() <= 12, "{}", relay.connections());
    relay.set_mood(Mood::Takes);
    wait_until("every receipt at the relay", 120, || {
        relay.taken().len() == MANY
    });
    site.check();
}
