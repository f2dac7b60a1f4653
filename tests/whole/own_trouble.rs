//! Trouble of our own, a library or a folder that is away and a process that is killed from outside, puts a mail or a fax off
//! and fails neither.

use std::path::PathBuf;

use postfax::pages::{pdfium, sample};

use crate::bad_input::files_left;
use crate::harness::process::send_signal;
use crate::harness::{CLERK, Site, mails, wait_for, wait_until};

/// Dialled, it makes a receipt without a call.
const NOT_IN_SERVICE: &str = "5551230006";

/// A site with a PDFium of its own, and whose first renderers hang.
fn site(hanging: u32) -> (Site, PathBuf) {
    let mut site = Site::prepared(|config| config.renderer.seconds = 300);
    let library = site.path("libpdfium.so");
    let ours = pdfium::locate(None).expect("make pdfium fetches it");
    std::fs::copy(ours, &library).expect("the folder can be written");
    site.config.renderer.pdfium = Some(library.clone());
    site.set_env(
        "POSTFAX_MISHAP_FOR_TESTS",
        &format!("render:hang:{hanging}"),
    );
    site.start_carrier();
    site.start();
    (site, library)
}

/// Submits what is too large for the database, as a mail and as a page.
fn submit_large(site: &Site) {
    let mut mail = mails::with_pdfs(&[NOT_IN_SERVICE], &[sample::large_picture(1500)]);
    // Behind the last part (RFC 2046 5.1.1): nobody reads it.
    mail.extend(b"epilogue\r\n".repeat(10_000));
    let to = mails::addresses(&[NOT_IN_SERVICE]);
    site.smtp().send(CLERK, &to, &mail);
}

/// The renderer that hangs: the only child beside the nursery that is still there after a while.
fn hanging_renderer(site: &Site) -> u32 {
    wait_for("a renderer that hangs", 60, || {
        let before = site.daemon().children();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let (after, nursery) = (site.daemon().children(), site.daemon().nursery());
        let mut others = before.into_iter().filter(|child| *child != nursery);
        others.find(|child| after.contains(child))
    })
}

/// Waits until a rendering was put off so often, and proves that nothing has failed.
fn put_off(site: &Site, times: usize) {
    wait_until("the rendering is put off", 60, || {
        site.log().count("it cannot be rendered now") == times
    });
    assert_eq!(site.fax().state, "rendering");
}

/// The fax is rendered in the end, and dialled.
fn is_dialled(site: &Site) {
    wait_until("the receipt", 90, || site.receipts().len() == 1);
    let outcome = site.fax().outcome;
    assert_eq!(outcome.as_deref(), Some("not_in_service"));
    site.check();
}

#[test]
fn a_mail_is_put_off_while_the_library_is_away() {
    let (site, library) = site(0);
    let elsewhere = site.path("elsewhere.so");
    std::fs::rename(&library, &elsewhere).expect("it is ours");
    let mail = mails::with_pdfs(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    let to = &mails::addresses(&[NOT_IN_SERVICE])[0];
    client.expect(&format!("RCPT TO:<{to}>"), 250);
    client.expect("DATA", 354);
    let reply = client.data(&mail);
    assert_eq!(reply.code, 451, "{}", reply.text);
    std::fs::rename(&elsewhere, &library).expect("it is ours");
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    is_dialled(&site);
}

#[test]
fn a_fax_waits_for_a_renderer_that_is_killed_and_for_a_library_that_is_away() {
    let (site, library) = site(2);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    send_signal(hanging_renderer(&site), "KILL");
    put_off(&site, 1);
    send_signal(hanging_renderer(&site), "TERM");
    let elsewhere = site.path("elsewhere.so");
    std::fs::rename(&library, &elsewhere).expect("it is ours");
    put_off(&site, 2);
    put_off(&site, 3);
    std::fs::rename(&elsewhere, &library).expect("it is ours");
    is_dialled(&site);
}

#[test]
fn a_fax_waits_for_a_folder_that_is_away() {
    let (site, _) = site(1);
    submit_large(&site);
    let renderer = hanging_renderer(&site);
    let blobs = site.config.state_dir.join("blobs");
    let elsewhere = site.path("elsewhere");
    std::fs::rename(&blobs, &elsewhere).expect("it is ours");
    send_signal(renderer, "KILL");
    put_off(&site, 2);
    std::fs::rename(&elsewhere, &blobs).expect("it is ours");
    is_dialled(&site);
}

#[test]
fn a_fax_whose_mail_is_lost_fails_and_says_so() {
    let (site, _) = site(1);
    submit_large(&site);
    let renderer = hanging_renderer(&site);
    let lost = files_left(&site);
    assert_eq!(lost.len(), 1, "the text of the mail");
    std::fs::remove_file(&lost[0]).expect("it is ours");
    send_signal(renderer, "KILL");
    wait_until("the receipt", 60, || site.receipts().len() == 1);
    let receipt = &site.receipts()[0].text;
    let said = receipt.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("could not read it from its disk"), "{said}");
}

#[test]
fn restarts_in_the_middle_of_a_rendering_fail_nothing() {
    let (mut site, _) = site(1);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    for _ in 0..6 {
        hanging_renderer(&site);
        site.stop();
        site.start();
    }
    hanging_renderer(&site);
    site.stop();
    site.set_env("POSTFAX_MISHAP_FOR_TESTS", "render:hang:0");
    site.start();
    is_dialled(&site);
}
