//! Nothing goes wrong, from end to end.

use postfax::pages::sample;

use crate::harness::mails::{pages_in, pictures};
use crate::harness::relay::{Mood, Relay};
use crate::harness::{A_CALL, CLERK, HEALTHY, OURS, Site, wait_until};

#[test]
fn a_mail_to_two_numbers_becomes_two_faxes_from_one_document() {
    let site = Site::new();
    let (pdf, numbers) = (sample::numbered_pages(2), [HEALTHY, "5551237654"]);
    site.submit(&numbers, std::slice::from_ref(&pdf));
    wait_until("two receipts", A_CALL, || site.receipts().len() == 2);

    let calls = site.machine_calls();
    assert_eq!(calls.len(), 2);
    for number in numbers {
        let fax = site.fax_to(number);
        assert_eq!((fax.state.as_str(), fax.confirmed), ("delivered", 2));
        let call = calls.iter().find(|call| call.called == number);
        let tiff = call.and_then(|call| call.tiff.clone()).expect("its pages");
        let sent = site.stamped(&pdf, number, &site.attempts(&fax.id)[0]);
        assert!(pictures(&pages_in(&tiff)) == sent, "{number}: other pages");
        let about = |text: &str| text.contains(&format!("to {number} was delivered: 2 pages"));
        let receipts = site.receipts();
        assert_eq!(receipts.iter().filter(|mail| about(&mail.text)).count(), 1);
    }
    let [one, other] = numbers.map(|number| site.fax_to(number).pages_key);
    assert_eq!(one, other, "one document, rendered once");
    site.check();
}

#[test]
fn a_fax_becomes_a_mail() {
    let site = Site::new();
    let tiff = site.rendered(&sample::numbered_pages(2));
    assert!(site.fax_in(&tiff, OURS).ended(A_CALL), "the machine failed");
    wait_until("the fax in the office's Maildir", 20, || {
        site.office().len() == 1
    });
    let mail = &site.office()[0];
    assert!(mail.pictures() == pictures(&pages_in(&tiff)), "other pages");
    assert!(mail.subject.starts_with("Fax from"), "{}", mail.subject);
    let received = &site.received()[0];
    assert_eq!(received.outcome.as_deref(), Some("delivered"));
    site.check();
}

#[test]
fn both_mails_go_by_a_relay() {
    let mut site = Site::prepared(|config| config.mail.maildir = None);
    let relay = Relay::start(site.address(2526), Mood::Takes);
    site.config.mail.relay = site.address(2526).to_string();
    site.config.routes[0].maildir = None;
    site.config.routes[0].to = vec!["office@example.com".into()];
    site.start_carrier();
    site.start();

    let tiff = site.rendered(&sample::numbered_pages(1));
    let machine = site.fax_in(&tiff, OURS);
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    assert!(machine.ended(A_CALL), "the machine failed");
    wait_until("two mails at the relay", A_CALL, || {
        relay.taken().len() == 2
    });
    for (recipient, mail) in relay.taken() {
        if recipient.contains("office@example.com") {
            assert!(mail.pictures() == pictures(&pages_in(&tiff)), "other pages");
        } else {
            assert!(recipient.contains(CLERK), "{recipient}");
            assert!(mail.text.contains("was delivered: 1 page"), "{}", mail.text);
        }
    }
    site.check();
}
