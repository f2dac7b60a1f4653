//! A database that is older than the files beside it: what was accepted and confirmed meanwhile is not deleted, and can be
//! taken in again. And what nothing depends on stops nothing.

use std::path::PathBuf;

use postfax::pages::sample;

use crate::damaged::files_in;
use crate::harness::{A_CALL, CLERK, OURS, Site, mails, wait_until};

/// Dialled, it makes a receipt without a call.
const NOT_IN_SERVICE: &str = "5551230006";

fn database(site: &Site) -> PathBuf {
    site.config.state_dir.join("queue.db")
}

fn keys(site: &Site, prefix: &str) -> Vec<String> {
    let name = |file: PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
    files_in(site, prefix).into_iter().map(name).collect()
}

fn said(site: &Site, arguments: &[&str]) -> String {
    let done = site.command(arguments);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said} {done:?}");
    said
}

#[test]
fn an_older_database_that_is_put_back_deletes_nothing_and_what_it_does_not_know_is_adopted() {
    let mut site = Site::new();
    site.stop();
    let older = std::fs::read(database(&site)).unwrap();
    site.start();
    // Held back, so that nothing becomes of it before it is lost.
    let mut mail = mails::with_pdfs(&[NOT_IN_SERVICE], &[sample::large_picture(1500)]);
    // Behind the last part (RFC 2046 5.1.1): so it is too large for the database.
    mail.extend([b'x'; 70].iter().chain(b"\r\n").cycle().take(72 * 1500));
    site.smtp()
        .send(CLERK, &mails::addresses(&[NOT_IN_SERVICE]), &mail);
    said(&site, &["hold", &site.fax().id]);
    wait_until("its page is made", 60, || site.fax().state == "ready");
    let tiff = site.rendered(&sample::numbered_pages(2));
    assert!(site.fax_in(&tiff, OURS).ended(A_CALL), "it was not taken");
    wait_until("it is mailed", 60, || site.office().len() == 1);
    let pictures = site.office()[0].pictures();
    for mail in std::fs::read_dir(site.path("Maildir-office/new")).unwrap() {
        std::fs::remove_file(mail.unwrap().path()).unwrap();
    }
    site.stop();

    let (mail, page) = (keys(&site, "m-").remove(0), keys(&site, "p1-").remove(0));
    let all: Vec<String> = keys(&site, "");
    assert!(
        all.len() >= 5,
        "mail, its pages, two pages, a preview: {all:?}"
    );
    std::fs::write(database(&site), older).unwrap();
    site.start();
    assert_eq!(keys(&site, ""), Vec::<String>::new());
    for key in &all {
        assert!(
            site.config.state_dir.join("orphans").join(key).exists(),
            "{key}"
        );
        assert!(site.log().count(key) > 0, "the log names {key}");
    }
    let listed = said(&site, &["check"]);
    for key in &all {
        assert!(listed.contains(&format!("orphan {key}")), "{key}: {listed}");
    }
    for told in [
        CLERK,
        NOT_IN_SERVICE,
        "From clerk@example.com",
        "received page",
        "rendered pages",
    ] {
        assert!(listed.contains(told), "{told}: {listed}");
    }

    said(&site, &["adopt", &mail]);
    wait_until("the mail's receipt", 60, || site.receipts().len() == 1);
    let adopted = said(&site, &["adopt", &page]);
    assert!(adopted.contains("2 pages"), "{adopted}");
    wait_until("the fax is mailed", 60, || site.office().len() == 1);
    assert_eq!(pictures.len(), 2);
    assert!(site.office()[0].pictures() == pictures, "the same pages");
    for key in [&mail, &page] {
        let again = site.command(&["adopt", key]);
        assert!(!again.status.success(), "{again:?}");
    }
    assert_eq!(site.fax().state, "failed");
    site.check();
}

#[test]
fn a_preview_that_is_altered_is_told_of_and_stops_nothing() {
    let mut site = Site::with(|config| config.status.previews = true);
    let tiff = site.rendered(&sample::numbered_pages(1));
    assert!(site.fax_in(&tiff, OURS).ended(A_CALL), "it was not taken");
    wait_until("it is mailed and its preview is drawn", 60, || {
        site.office().len() == 1 && !files_in(&site, "v-").is_empty()
    });
    let files = files_in(&site, "v-");
    let (preview, fax) = (&files[0], site.received()[0].id.clone());
    let mut bytes = std::fs::read(preview).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(preview, bytes).unwrap();
    // Whoever looks at the page reads it.
    page(&site, &format!("/preview/{fax}.png"));
    let key = preview.file_name().unwrap().to_string_lossy().into_owned();
    wait_until("it is told of", 20, || site.log().count(&key) > 0);
    assert!(
        site.status()["notes"].to_string().contains(&key),
        "{}",
        site.status()
    );
    assert_eq!(site.status()["problems"], serde_json::json!([]));
    let listed = said(&site, &["check"]);
    assert!(
        listed.contains(&key) && !listed.contains("WRONG"),
        "{listed}"
    );
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("its receipt", 60, || site.receipts().len() == 1);
    site.stop();
    site.start();
    site.check();
}

/// Asks for something of the page.
fn page(site: &Site, path: &str) {
    use std::io::{Read, Write};
    let address = site.config.status.listen.expect("there is a page");
    let mut stream = std::net::TcpStream::connect(address).expect("the page listens");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
}
