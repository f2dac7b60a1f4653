//! The store is damaged on purpose: it is reported, not served, and what it holds stays as it is for whoever mends it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use postfax::pages::sample;

use crate::harness::{A_CALL, CLERK, HEALTHY, OURS, Site, mails, wait_until};

/// Dialled, it makes a receipt without a call.
const NOT_IN_SERVICE: &str = "5551230006";

/// A site that was stopped with a fax in its queue, which is held back. Its page is too large for the database.
fn stopped() -> Site {
    let mut site = Site::new();
    let mail = mails::with_pdfs(&[NOT_IN_SERVICE], &[sample::large_picture(1500)]);
    site.smtp()
        .send(CLERK, &mails::addresses(&[NOT_IN_SERVICE]), &mail);
    site.command(&["hold", &site.fax().id]);
    wait_until("its page is made", 60, || site.fax().state == "ready");
    assert!(site.fax().held, "it is held");
    site.stop();
    site
}

fn database(site: &Site) -> PathBuf {
    site.config.state_dir.join("queue.db")
}

fn noise(site: &Site, from: u64) {
    let file = OpenOptions::new().write(true).open(database(site));
    let file = file.expect("the database is there");
    let size = file.metadata().expect("it is open").len();
    for page in from..size / 4096 {
        file.write_all_at(&[0xA5; 128], page * 4096).expect("room");
    }
}

/// Mail gets 451 at MAIL, calls get 503, and the page and `postfax check` say why.
fn reported_and_not_served(site: &Site, why: &str) {
    let reply = site.smtp().say(&format!("MAIL FROM:<{CLERK}>"));
    assert_eq!(reply.code, 451, "{}", reply.text);
    assert!(reply.text.contains("again later"), "{}", reply.text);
    let problems = site.status()["problems"].to_string();
    assert!(problems.contains(why), "the page says {problems}");
    let checked = site.command(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.status.success(), "{said}");
    assert!(said.contains("WRONG"), "{said}");
    let tiff = site.rendered(&sample::numbered_pages(1));
    assert!(!site.fax_in(&tiff, OURS).ended(A_CALL), "it was taken");
    let machine = std::fs::read_to_string(site.path("machines-5071/calls.jsonl"));
    let machine = machine.expect("the machine keeps a log");
    assert!(machine.contains("503"), "{machine}");
    assert_eq!(site.dialled(NOT_IN_SERVICE), 0);
}

/// Whoever mended it finds the fax as it was.
fn served_again(site: &Site) {
    site.command(&["release", &site.fax().id]);
    wait_until("the receipt", 60, || site.receipts().len() == 1);
    let tiff = site.rendered(&sample::numbered_pages(1));
    assert!(site.fax_in(&tiff, OURS).ended(A_CALL), "calls are taken");
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    site.check();
}

#[test]
fn a_header_of_noise_shuts_the_doors_until_the_file_is_put_back() {
    let mut site = stopped();
    let sound = std::fs::read(database(&site)).unwrap();
    noise(&site, 0);
    site.start_shut();
    reported_and_not_served(&site, "file is not a database");
    std::fs::write(database(&site), sound).unwrap();
    site.daemon().wait_for_line("calls are taken on", 20);
    served_again(&site);
}

#[test]
fn a_newer_version_shuts_the_doors_and_is_left_alone() {
    let mut site = stopped();
    let file = OpenOptions::new()
        .write(true)
        .open(database(&site))
        .unwrap();
    // SQLite's file format 1.3: the user version, 4 octets at 60.
    let mut version = [0; 4];
    let sound = File::open(database(&site)).unwrap();
    sound.read_exact_at(&mut version, 60).unwrap();
    file.write_all_at(&99u32.to_be_bytes(), 60).unwrap();
    site.start_shut();
    reported_and_not_served(&site, "of version 99");
    file.write_all_at(&version, 60).unwrap();
    site.daemon().wait_for_line("calls are taken on", 20);
    served_again(&site);
}

#[test]
fn an_empty_database_beside_its_mails_shuts_the_doors() {
    let mut site = stopped();
    let sound = std::fs::read(database(&site)).unwrap();
    File::create(database(&site)).unwrap();
    site.start_shut();
    reported_and_not_served(&site, "the database of the queue is gone");
    site.stop();
    std::fs::write(database(&site), sound).unwrap();
    site.start();
    served_again(&site);
}

#[test]
fn a_mail_whose_file_is_gone_is_named_until_it_is_put_back() {
    let mut site = stopped();
    let pages = files_in(&site, "d-");
    assert_eq!(pages.len(), 1, "{pages:?}");
    let away = site.path("away");
    std::fs::copy(&pages[0], &away).unwrap();
    std::fs::remove_file(&pages[0]).unwrap();
    site.start_shut();
    let name = pages[0].file_name().unwrap().to_string_lossy();
    reported_and_not_served(&site, &name);
    std::fs::copy(&away, &pages[0]).unwrap();
    site.daemon().wait_for_line("calls are taken on", 40);
    served_again(&site);
}

#[test]
fn a_page_whose_file_was_altered_is_named_and_never_faxed() {
    let mut site = stopped();
    let page = &files_in(&site, "d-")[0];
    let sound = std::fs::read(page).unwrap();
    let mut altered = sound.clone();
    altered[sound.len() / 2] ^= 1;
    std::fs::write(page, altered).unwrap();
    site.start_shut();
    let name = page.file_name().unwrap().to_string_lossy();
    reported_and_not_served(&site, &name);
    std::fs::write(page, sound).unwrap();
    site.daemon().wait_for_line("calls are taken on", 40);
    served_again(&site);
}

#[test]
fn a_page_whose_file_is_altered_while_the_daemon_runs_is_found_when_it_is_wanted() {
    let mut site = stopped();
    site.start();
    let page = &files_in(&site, "d-")[0];
    let sound = std::fs::read(page).unwrap();
    let mut altered = sound.clone();
    altered[sound.len() / 2] ^= 1;
    std::fs::write(page, altered).unwrap();
    site.command(&["release", &site.fax().id]);
    wait_until("it is found", 30, || site.log().count("was altered") > 0);
    let name = page.file_name().unwrap().to_string_lossy();
    reported_and_not_served(&site, &name);
    std::fs::write(page, sound).unwrap();
    wait_until("it is as it was", 40, || {
        site.log().count("the queue is sound again") > 0
    });
    wait_until("the receipt", 90, || site.receipts().len() == 1);
}

#[test]
fn noise_in_the_file_is_found_while_the_daemon_runs() {
    let mut site = stopped();
    site.start();
    wait_until("it was looked at", 20, || {
        site.status()["problems"] == serde_json::json!([])
    });
    noise(&site, 1);
    // The next look at it would be in six hours.
    site.reload();
    wait_until("it is found", 40, || {
        site.status()["problems"]
            .to_string()
            .contains("the queue is damaged")
    });
    reported_and_not_served(&site, "malformed");
}

/// Dialled, nobody answers.
const SILENT: &str = "5551230002";

#[test]
fn a_clock_that_is_set_forward_in_the_middle_of_a_call_is_no_damage() {
    const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    if !Path::new(FAKETIME).exists() {
        // Past the capture of the test runner: a skipped test must be seen.
        let said = "SKIPPED damaged::a_clock_that_is_set_forward: no faketime (apt-get install faketime)\n";
        let _ = std::io::stderr().write_all(said.as_bytes());
        return;
    }
    let mut site = Site::prepared(|_| {});
    let clock = site.path("clock");
    std::fs::write(&clock, "+0d\n").unwrap();
    site.set_env("LD_PRELOAD", FAKETIME);
    site.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    site.set_env("FAKETIME_NO_CACHE", "1");
    site.set_env(
        "FAKETIME_TIMESTAMP_FILE",
        clock.to_str().expect("a plain path"),
    );
    site.start_carrier();
    site.start();
    site.submit(&[SILENT], &[sample::numbered_pages(1)]);
    wait_until("it is dialled", 60, || site.dialled(SILENT) == 1);
    std::fs::write(&clock, "+4d\n").unwrap();
    wait_until("nobody answers", A_CALL, || site.fax().state != "calling");
    site.reload();
    wait_until("it is told of", 20, || {
        site.status()["notes"].to_string().contains("rests")
    });
    assert_eq!(site.status()["problems"], serde_json::json!([]));
    assert_eq!(site.log().count("the queue is damaged"), 0);
    let checked = site.command(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("rests"), "{said}");
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("the next fax is reported", 60, || {
        !site.receipts().is_empty()
    });
}

/// The files of the queue that are called so.
pub fn files_in(site: &Site, prefix: &str) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(site.config.state_dir.join("blobs")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix)
        })
        .collect()
}
