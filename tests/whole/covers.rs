//! Cover pages: before the pages, one of each recipient's own, made once, and counted wherever pages are.

use postfax::mail_to_fax::stamp::Stamp;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::header::HeaderFont;
use postfax::pages::sample;

use crate::harness::mails::{addresses, pages_in, pictures, with_pdfs};
use crate::harness::{A_CALL, CLERK, HEALTHY, Site, wait_until};

/// The cover page of a fax as it lies on disk, then the pages of its document.
fn pages_of(site: &Site, fax: &str, pdf: &[u8]) -> Vec<postfax::pages::FaxPage> {
    let folder = &fax[fax.len() - 2..];
    let cover = site.path(&format!("state/blobs/{folder}/c-{fax}"));
    let mut pages = pages_in(&cover);
    assert_eq!(pages.len(), 1);
    pages.extend(pages_in(&site.rendered(pdf)));
    pages
}

/// What the far end gets of them in an attempt.
fn stamped(site: &Site, number: &str, pdf: &[u8], attempt: usize) -> Vec<Bitmap> {
    let fax = site.fax_to(number);
    let attempt = &site.attempts(&fax.id)[attempt];
    let stamp: Stamp = serde_json::from_str(&attempt.header).expect("a header line");
    let pages = pages_of(site, &fax.id, pdf);
    let font = HeaderFont::builtin();
    let stamped = stamp.on(&pages, attempt.first_page, number, &font);
    pictures(&stamped.expect("pages of our own"))
}

#[test]
fn killed_behind_the_cover_page() {
    let mut site = Site::with(|config| {
        config.cover.on = true;
        config.fax.name = "Example Office".into();
    });
    let pdf = sample::numbered_pages(1);
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    site.wait_for_page_2();
    site.kill();
    site.start();
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    site.check();
    let fax = site.fax();
    assert_eq!(
        (fax.state.as_str(), fax.page_count, fax.confirmed),
        ("delivered", Some(2), 2)
    );
    let receipt = &site.receipts()[0].text;
    assert!(receipt.contains("delivered: 2 pages"), "{receipt}");
    assert!(receipt.contains("2 of 2 confirmed"), "{receipt}");
    let calls = site.machine_calls();
    assert_eq!(
        calls.iter().map(|call| call.pages).collect::<Vec<_>>(),
        [1, 1]
    );
    let got = |n: usize| pictures(&pages_in(calls[n].tiff.as_ref().expect("its pages")));
    assert!(
        got(0) == stamped(&site, HEALTHY, &pdf, 0)[..1],
        "the cover page differs"
    );
    assert!(
        got(1) == stamped(&site, HEALTHY, &pdf, 1),
        "the page behind it differs"
    );
}

#[test]
fn each_recipient_has_a_cover_page_and_a_mail_may_do_without() {
    let mut site = Site::prepared(|config| {
        config.cover.on = true;
        // It is not there: the page that comes with Postfax stands in.
        config.cover.template = Some("/dev/null/cover.pdf".into());
    });
    site.write_config();
    let check = site.command(&["check"]).stdout;
    let check = String::from_utf8_lossy(&check);
    assert!(
        check.contains("WRONG  cover.template /dev/null/cover.pdf: it cannot be read"),
        "{check}"
    );
    site.start_carrier();
    site.start();
    assert_eq!(site.log().count("cover.template: it cannot be read"), 1);
    let (one, two, bare) = ("5551234561", "5551234562", "5551234563");
    let pdf = sample::numbered_pages(1);
    site.submit(&[one, two], std::slice::from_ref(&pdf));
    let mail = with_pdfs(&[bare], std::slice::from_ref(&pdf));
    let plain = [b"X-Fax-Cover: no\r\n".as_slice(), &mail].concat();
    site.smtp().send(CLERK, &addresses(&[bare]), &plain);
    let unclear = [b"X-Fax-Cover: perhaps\r\n".as_slice(), &mail].concat();
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect(&format!("RCPT TO:<{bare}@fax.local>"), 250);
    client.expect("DATA", 354);
    let told = client.data(&unclear);
    assert_eq!(told.code, 554);
    assert!(
        told.text
            .contains("X-Fax-Cover: \"perhaps\" must be yes or no"),
        "{told:?}"
    );
    wait_until("three receipts", A_CALL, || site.receipts().len() == 3);
    site.config.cover.template = None;
    site.write_config();
    site.check();
    let pages = |number| site.fax_to(number).page_count;
    assert_eq!([one, two, bare].map(pages), [Some(2), Some(2), Some(1)]);
    let covers = [one, two].map(|number| stamped(&site, number, &pdf, 0)[0].clone());
    assert!(covers[0] != covers[1], "each says its own number");
    for call in site.machine_calls() {
        let got = pictures(&pages_in(call.tiff.as_ref().expect("its pages")));
        match got.len() {
            2 => assert!(covers.contains(&got[0]), "an unknown cover page"),
            1 => {}
            other => panic!("{other} pages"),
        }
    }
}
