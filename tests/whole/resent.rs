//! A mail that comes for the second time: because its `250` was lost, or because its fax did not arrive. And recipients of
//! one mail that have one number.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};

use crate::harness::smtp::{Client, Reply};
use crate::harness::{A_CALL, CLERK, HEALTHY, Site, wait_until};

/// The last digits of machines: an engaged line, one that confirms no last page, no service.
const BUSY: &str = "5551230001";
const UNCERTAIN: &str = "5551230004";
const NOT_IN_SERVICE: &str = "5551230006";

fn letter(message_id: &str, text: &str) -> Vec<u8> {
    format!("From: {CLERK}\r\nSubject: pens\r\nMessage-ID: <{message_id}@x>\r\n\r\n{text}\r\n")
        .into()
}

/// The very same mail each time.
fn send(site: &Site, numbers: &[&str]) -> Reply {
    let to: Vec<String> = numbers.iter().map(|it| format!("{it}@fax.local")).collect();
    let mail = letter("pens", "Twelve pens, please.");
    site.smtp().send(CLERK, &to, &mail)
}

/// The fax that a reply says is new.
fn new_fax(reply: &Reply) -> String {
    let words = reply.text.strip_prefix("2.0.0 fax queued as ");
    let words = words.unwrap_or_else(|| panic!("no new fax: {reply:?}"));
    let id = words.split(|c: char| !c.is_ascii_alphanumeric()).next();
    id.unwrap_or_default().to_owned()
}

fn state(site: &Site, fax: &str) -> String {
    let faxes = site.faxes().into_iter();
    let mut states = faxes.filter(|it| it.id == fax).map(|it| it.state);
    states.next().expect("it is known")
}

fn wait_for_state(site: &Site, fax: &str, expected: &str) {
    wait_until(expected, A_CALL, || state(site, fax) == expected);
}

#[test]
fn sent_again_after_it_failed_or_was_cancelled_is_a_new_fax_and_while_it_waits_is_not() {
    let site = Site::new();
    let first = new_fax(&send(&site, &[NOT_IN_SERVICE]));
    wait_for_state(&site, &first, "failed");
    let second = new_fax(&send(&site, &[NOT_IN_SERVICE]));
    assert_ne!(first, second);
    wait_for_state(&site, &second, "failed");
    wait_until("a receipt for each", 30, || site.receipts().len() == 2);

    let waits = new_fax(&send(&site, &[BUSY]));
    let again = send(&site, &[BUSY]);
    let said = format!("2.0.0 the same fax is queued as {waits} already");
    assert_eq!(again.text, said);
    wait_until("a call", 30, || site.dialled(BUSY) == 1);
    wait_for_state(&site, &waits, "ready");
    assert_eq!(send(&site, &[BUSY]).text, said);
    assert_eq!(site.faxes().len(), 3);
    let cancelled = site.command(&["cancel", &waits]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    let anew = new_fax(&send(&site, &[BUSY]));
    assert_ne!(anew, waits);
    assert_eq!(state(&site, &anew), "rendering");
    site.check();
}

#[test]
fn sent_again_after_a_delivery_is_a_duplicate_for_as_long_as_a_lost_250_explains_it() {
    const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    let mut site = Site::new();
    let both = [HEALTHY, UNCERTAIN];
    send(&site, &both);
    let delivered = site.fax_to(HEALTHY).id;
    let uncertain = site.fax_to(UNCERTAIN).id;
    wait_for_state(&site, &delivered, "delivered");
    let was = format!("the same fax was delivered as {delivered} already, and is not sent again");
    assert_eq!(send(&site, &[HEALTHY]).text, format!("2.0.0 {was}"));
    wait_for_state(&site, &uncertain, "uncertain");
    // Only the one that may be missing goes again.
    let reply = send(&site, &both);
    let new = new_fax(&reply);
    assert!(new != uncertain && reply.text.ends_with(&was), "{reply:?}");
    assert_eq!(site.faxes().len(), 3);
    site.check();
    if !std::path::Path::new(FAKETIME).exists() {
        eprintln!(
            "NOT TESTED, a delivery that is long over: no faketime (apt-get install faketime)"
        );
        return;
    }
    site.kill();
    site.set_env("LD_PRELOAD", FAKETIME);
    site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    site.set_env("FAKETIME", "+2h");
    site.start();
    let once_more = new_fax(&send(&site, &[HEALTHY]));
    assert_ne!(once_more, delivered);
    assert_eq!(site.faxes().len(), 4);
    wait_for_state(&site, &once_more, "delivered");
}

#[test]
fn one_fax_for_two_addresses_reports_each() {
    let site = Site::new();
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    for (address, orcpt) in [
        (format!("{NOT_IN_SERVICE}@fax.local"), "anna@example.com"),
        (
            format!("FAX={NOT_IN_SERVICE}/ATTN=Bob+code-7@fax.local"),
            "bob@example.com",
        ),
    ] {
        let rcpt = format!("RCPT TO:<{address}> NOTIFY=FAILURE ORCPT=rfc822;{orcpt}");
        client.expect(&rcpt, 250);
    }
    client.expect("DATA", 354);
    let reply = client.data(&letter("two", "To both of you."));
    let fax = new_fax(&reply);
    wait_until("the receipt", 30, || site.receipts().len() == 1);
    let mail = std::fs::read_dir(site.path("Maildir-clerk/new"))
        .expect("it is there")
        .next();
    let mail = mail.expect("a mail").expect("it can be read").path();
    let mail = std::fs::read_to_string(mail).expect("it can be read");
    let mail = mail.replace("\r\n", "\n").replace("\n ", " ");
    for line in [
        "Original-Recipient: rfc822; anna@example.com".to_owned(),
        "Original-Recipient: rfc822; bob@example.com".to_owned(),
        format!("Final-Recipient: rfc822; {NOT_IN_SERVICE}@fax.local"),
        format!("Final-Recipient: rfc822; FAX={NOT_IN_SERVICE}/ATTN=Bob+code-7@fax.local"),
    ] {
        assert!(mail.lines().any(|it| it == line), "{line}\n{mail}");
    }
    assert_eq!(mail.matches("\nAction: failed\n").count(), 2, "{mail}");
    let shown = site.command(&["show", &fax]).stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("ATTN=Bob+code-7@fax.local, project 7\n"),
        "{shown}"
    );
    assert_eq!(site.dialled(NOT_IN_SERVICE), 1);
    site.check();
}

#[test]
fn with_a_cover_page_each_name_has_a_fax_of_its_own() {
    let site = Site::with(|config| config.cover.on = true);
    let of = |name: &str| format!("FAX={NOT_IN_SERVICE}/ATTN={name}@fax.local");
    let to = [of("Smith"), of("Jones"), of("smith")];
    let reply = site
        .smtp()
        .send(CLERK, &to, &letter("covers", "To each of you."));
    assert!(
        reply.text.starts_with("2.0.0 3 faxes queued as "),
        "{reply:?}"
    );
    wait_until("a receipt for each", 60, || site.receipts().len() == 3);
    site.check();
}

#[test]
fn two_copies_at_once_beside_an_older_mail_that_looks_alike_are_one_fax() {
    let mut site = Site::prepared(|config| config.queue.quiet_hours = vec!["00:00-24:00".into()]);
    site.start();
    let address = site.config.smtp.listen[0];
    let to = vec![format!("{HEALTHY}@fax.local")];
    for round in 0..10 {
        let id = round.to_string();
        site.smtp().send(CLERK, &to, &letter(&id, "An older text."));
        let barrier = Arc::new(Barrier::new(2));
        let copies = [0, 1].map(|_| {
            let (id, barrier) = (id.clone(), barrier.clone());
            std::thread::spawn(move || copy(address, &letter(&id, "A newer text."), &barrier))
        });
        for copy in copies {
            assert_eq!(copy.join().expect("it is sent").code, 250);
        }
        assert_eq!(site.faxes().len(), 2 * (round + 1));
    }
    site.check();
}

/// Sends a mail when the other thread does.
fn copy(address: SocketAddr, mail: &[u8], barrier: &Barrier) -> Reply {
    let mut client = Client::connect(address);
    client.expect("EHLO client.example.com", 250);
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect(&format!("RCPT TO:<{HEALTHY}@fax.local>"), 250);
    client.expect("DATA", 354);
    barrier.wait();
    client.data(mail)
}
