//! Mail to the postmaster of a fax domain (RFC 5321 4.5.1): it reaches a mailbox, whatever dies on the way, and goes in no
//! circle.

use std::net::{IpAddr, Ipv4Addr};

use postfax::config::Config;

use crate::harness::relay::{Mood, Relay};
use crate::harness::smtp::{Client, Reply};
use crate::harness::{CLERK, Site, wait_until};

const POSTMASTER: &str = "postmaster@fax.local";

fn office(mood: Mood, change: impl FnOnce(&mut Config)) -> (Site, Relay) {
    let mut site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
        config.mail.maildir = None;
        config.mail.postmaster = "admin@office.example".into();
        change(config);
    });
    site.config.mail.relay = site.address(2526).to_string();
    let relay = Relay::start(site.address(2526), mood);
    site.start();
    (site, relay)
}

fn mail(fields: &str) -> Vec<u8> {
    format!("From: {CLERK}\r\nSubject: a question\r\n{fields}\r\nWhere are my faxes?\r\n").into()
}

fn send(site: &Site, recipient: &str, mail: &[u8]) -> Reply {
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    let reply = client.say(&format!("RCPT TO:<{recipient}>"));
    if reply.code != 250 {
        return reply;
    }
    client.expect("DATA", 354);
    client.data(mail)
}

#[test]
fn mail_to_the_postmaster_reaches_a_mailbox_whatever_dies_on_the_way() {
    let (mut site, relay) = office(Mood::SaysLater, |_| {});
    for recipient in [POSTMASTER, "PostMaster", "POSTMASTER@FAX.LOCAL"] {
        let reply = send(&site, recipient, &mail(&format!("X-To: {recipient}\r\n")));
        assert_eq!(
            (reply.code, reply.text.as_str()),
            (250, "2.0.0 passed on to the postmaster")
        );
    }
    // The 250 was said: nothing may get lost now.
    site.kill();
    site.start();
    relay.set_mood(Mood::Takes);
    wait_until("all three", 60, || relay.taken().len() == 3);
    for (to, taken) in relay.taken() {
        assert!(to.contains("<admin@office.example>"), "{to}");
        assert_eq!(taken.subject, "a question");
        assert!(taken.text.contains("Where are my faxes?"));
    }
    for (from, octets) in relay.came() {
        assert!(
            from.contains(&format!("<{CLERK}>")),
            "its sender stays who it was: {from}"
        );
        assert!(
            octets.starts_with("Received: from [127.0.0.1] by fax.local with ESMTP id "),
            "{octets}"
        );
    }
    assert!(site.faxes().is_empty());
    site.check();
}

#[test]
fn a_mail_for_a_fax_and_the_postmaster_goes_both_ways() {
    let (site, relay) = office(Mood::Takes, |_| {});
    let recipients = ["2125551234@fax.local".to_owned(), POSTMASTER.to_owned()];
    let reply = site.smtp().send(CLERK, &recipients, &mail(""));
    assert!(
        reply.text.ends_with("; passed on to the postmaster"),
        "{reply:?}"
    );
    wait_until("the postmaster has it", 60, || relay.taken().len() == 1);
    assert_eq!(site.fax().number, "+12125551234");
    site.check();
}

#[test]
fn a_mail_that_goes_in_a_circle_is_refused() {
    let (site, relay) = office(Mood::Takes, |_| {});
    let hops = "Received: from a by b; Tue, 1 Dec 2026 04:00:00 +0000\r\n".repeat(101);
    for (fields, code, status) in [
        ("X-Postfax-Forwarded: fax.local\r\n", 554, "5.4.6"),
        ("x-postfax-forwarded:\r\n FAX.local\r\n", 554, "5.4.6"),
        ("Auto-Submitted: auto-replied (vacation)\r\n", 554, "5.7.1"),
        (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
            554,
            "5.7.1",
        ),
        (&hops, 554, "5.4.6"),
    ] {
        let reply = send(&site, POSTMASTER, &mail(fields));
        assert_eq!(reply.code, code, "{fields}: {reply:?}");
        assert!(reply.text.starts_with(status), "{fields}: {reply:?}");
    }
    let mut client = site.smtp();
    client.expect("MAIL FROM:<>", 550);
    // Its own mails, should the relay bring them back, are known by the field that they carry.
    assert_eq!(send(&site, POSTMASTER, &mail("")).code, 250);
    wait_until("it went out", 60, || relay.came().len() == 1);
    let (_, octets) = relay.came().remove(0);
    let again = send(&site, POSTMASTER, octets.as_bytes());
    assert!(again.text.starts_with("5.4.6"), "{again:?}");
    site.check();
}

#[test]
fn what_a_program_wrote_goes_on_under_the_null_return_path() {
    let (site, relay) = office(Mood::Takes, |_| {});
    let reply = send(
        &site,
        POSTMASTER,
        &mail("Auto-Submitted: auto-generated\r\n"),
    );
    assert_eq!(reply.code, 250, "{reply:?}");
    wait_until("the postmaster has it", 60, || relay.came().len() == 1);
    let (from, _) = relay.came().remove(0);
    assert!(from.starts_with("MAIL FROM:<>"), "{from}");
}

#[test]
fn only_who_may_send_faxes_may_write_and_not_without_end() {
    let (site, relay) = office(Mood::Takes, |config| {
        config.smtp.clients = vec!["127.0.0.1/32".parse().expect("a network")];
    });
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let mut client = Client::connect_from(stranger, site.config.smtp.listen[0]);
    assert_eq!(client.reply().code, 554);
    // The gateway is nobody's relay.
    for recipient in [
        "postmaster@elsewhere.example",
        "admin@office.example",
        "postmaster%elsewhere.example@fax.local",
    ] {
        assert_eq!(send(&site, recipient, &mail("")).code, 550, "{recipient}");
    }
    for n in 0..20 {
        assert_eq!(send(&site, POSTMASTER, &mail("")).code, 250, "{n}");
    }
    let reply = send(&site, POSTMASTER, &mail(""));
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.contains("too many mails"), "{reply:?}");
    wait_until("those that were taken", 60, || relay.taken().len() == 20);
}

#[test]
fn a_postmaster_whose_server_refuses_for_good_is_told_to_the_sender() {
    let (site, relay) = office(Mood::KnowsTheClerkOnly, |_| {});
    assert_eq!(send(&site, POSTMASTER, &mail("")).code, 250);
    wait_until("its sender hears of it", 60, || relay.taken().len() == 1);
    assert_eq!(relay.refused(), 1);
    let (to, told) = relay.taken().remove(0);
    assert!(to.contains(&format!("<{CLERK}>")), "{to}");
    assert!(
        told.text
            .contains("could not be delivered to admin@office.example"),
        "{}",
        told.text
    );
    let attached = told.attached.expect("the mail comes back with it");
    assert_eq!(attached.subject, "a question");
    site.check();
}

#[test]
fn a_postmaster_who_is_an_address_here_is_no_mailbox() {
    let (site, _relay) = office(Mood::Takes, |config| {
        config.mail.postmaster = POSTMASTER.into();
    });
    let reply = send(&site, POSTMASTER, &mail(""));
    assert_eq!(reply.code, 550);
    assert!(reply.text.contains("mail.postmaster"), "{reply:?}");
    let said = site.command(&["check"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("is an address at this gateway and no mailbox"),
        "{said}"
    );
}
