//! What a mail asks to be told (RFC 3461), in at the door and out into the mailbox (RFC 3464). A number that is not in
//! service fails without a call, a busy one waits.

use postfax::config::{Sender, TellDelivered};

use crate::harness::{A_CALL, CLERK, HEALTHY, Site, wait_for, wait_until};

/// Sends a letter with these parameters at MAIL and RCPT.
fn send(site: &Site, number: &str, mail: &str, rcpt: &str) {
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}> {mail}"), 250);
    client.expect(&format!("RCPT TO:<{number}@fax.local> {rcpt}"), 250);
    client.expect("DATA", 354);
    let letter = format!(
        "From: {CLERK}\r\nSubject: to {number}\r\nMessage-ID: <{number}@x>\r\n\r\nTwelve pens, please.\r\n"
    );
    assert_eq!(client.data(letter.as_bytes()).code, 250);
}

/// The mails in the clerk's Maildir, as they lie there, folded lines made one.
fn mailbox(site: &Site) -> Vec<String> {
    let entries = std::fs::read_dir(site.path("Maildir-clerk/new"));
    let paths = entries.into_iter().flatten().flatten();
    paths
        .map(|entry| std::fs::read_to_string(entry.path()).expect("it can be read"))
        .map(|mail| mail.replace("\r\n", "\n").replace("\n ", " "))
        .collect()
}

/// The mail about a number, with the lines that it has to have.
fn assert_told(site: &Site, number: &str, lines: &[&str]) -> String {
    let about = |mail: &String| mail.contains(&format!("to {number}\n"));
    let mail = wait_for(&format!("a mail about {number}"), 30, || {
        mailbox(site).into_iter().find(about)
    });
    for line in lines {
        assert!(mail.lines().any(|it| it == *line), "{line}\n{mail}");
    }
    mail
}

#[test]
fn failures_are_told_to_whom_it_was_asked() {
    let site = Site::new();
    let [never, success, full, headers, plain] = [
        "5551230006",
        "5551240006",
        "5551250006",
        "5551260006",
        "5551270006",
    ];
    send(&site, never, "", "NOTIFY=NEVER");
    send(&site, success, "", "NOTIFY=SUCCESS,DELAY");
    send(
        &site,
        full,
        "RET=FULL ENVID=QQ+2B314",
        "NOTIFY=FAILURE ORCPT=rfc822;dr+2Bsmith@law.example",
    );
    send(&site, headers, "RET=HDRS", "NOTIFY=SUCCESS,FAILURE");
    send(&site, plain, "", "");
    wait_until("all are over", 60, || {
        let faxes = site.faxes();
        faxes.len() == 5 && faxes.iter().all(|fax| fax.state == "failed")
    });
    let told = assert_told(
        &site,
        full,
        &[
            "Return-Path: <>",
            "Original-Envelope-Id: QQ+314",
            "Reporting-MTA: dns; fax.local",
            "Original-Recipient: rfc822; dr+smith@law.example",
            "Final-Recipient: rfc822; 5551250006@fax.local",
            "Action: failed",
            "Status: 5.1.1",
            "Content-Type: message/rfc822",
        ],
    );
    // The words come before it, and the mail itself behind it.
    assert!(told.contains("\nTwelve pens, please.\n"), "{told}");
    let told = assert_told(
        &site,
        headers,
        &["Action: failed", "Content-Type: text/rfc822-headers"],
    );
    assert!(
        !told.contains("Original-Envelope-Id") && !told.contains("Twelve pens"),
        "{told}"
    );
    assert_told(&site, plain, &["Action: failed"]);
    assert_eq!(mailbox(&site).len(), 3, "nobody else wanted to know");
    site.check();
}

#[test]
fn delays_are_told_when_the_sender_says() {
    let site = Site::new();
    let [told, untold] = ["5551230001", "5551240001"];
    // RFC 2852: N names the time of the notice.
    send(&site, told, "BY=3;N ENVID=late", "NOTIFY=DELAY");
    send(&site, untold, "BY=3;N", "NOTIFY=FAILURE");
    let mail = assert_told(
        &site,
        told,
        &[
            "Original-Envelope-Id: late",
            "Action: delayed",
            "Content-Type: text/rfc822-headers",
        ],
    );
    assert!(mail.contains("\nWill-Retry-Until: "), "{mail}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(mailbox(&site).len(), 1);
    assert!(site.faxes().iter().all(|fax| fax.ended_at.is_none()));
    site.check();
}

#[test]
fn what_is_said_of_a_delivery_is_the_accounts_and_the_mails_to_choose() {
    let site = Site::with(|config| {
        let tells = |pattern: &str, tell| Sender {
            pattern: pattern.into(),
            tell_delivered: Some(tell),
            ..Sender::default()
        };
        config.senders = vec![
            tells("program@example.com", TellDelivered::Report),
            tells("silent@example.com", TellDelivered::Asked),
        ];
    });
    for (sender, number, field) in [
        (CLERK, "5551230101", ""),
        ("program@example.com", "5551230102", ""),
        ("silent@example.com", "5551230103", ""),
        (
            "silent@example.com",
            "5551230104",
            "X-Fax-Notify: success\r\n",
        ),
        (CLERK, "5551230105", "X-Fax-Notify: never\r\n"),
    ] {
        let letter = format!(
            "From: {sender}\r\nSubject: to {number}\r\n{field}\r\nTwelve pens, please.\r\n"
        );
        let to = [format!("{number}@fax.local")];
        site.smtp().send(sender, &to, letter.as_bytes());
    }
    wait_until("all are delivered", 2 * A_CALL, || {
        site.faxes().iter().all(|fax| fax.state == "delivered")
    });
    let plain = assert_told(&site, "5551230101", &[]);
    assert!(!plain.contains("message/delivery-status"), "{plain}");
    for reported in ["5551230102", "5551230104"] {
        assert_told(&site, reported, &["Action: delivered", "Status: 2.0.0"]);
    }
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(mailbox(&site).len(), 3, "nobody else wanted to know");
    site.check();
}

#[test]
fn a_delivery_is_told_to_whom_asked_for_it() {
    let site = Site::new();
    let silent = "5551234599";
    send(&site, HEALTHY, "RET=FULL ENVID=17", "NOTIFY=SUCCESS");
    send(&site, silent, "", "NOTIFY=FAILURE,DELAY");
    wait_until("both are delivered", 2 * A_CALL, || {
        site.faxes().iter().all(|fax| fax.state == "delivered")
    });
    // RFC 3461 4.3: RET is about failures.
    let told = assert_told(
        &site,
        HEALTHY,
        &[
            "Original-Envelope-Id: 17",
            "Action: delivered",
            "Content-Type: text/rfc822-headers",
        ],
    );
    assert!(told.contains("\nStatus: 2."), "{told}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(mailbox(&site).len(), 1);
    site.check();
}
