//! The disk that holds the state is full: nobody is told yes for what is not kept, nothing half-kept stays, and with
//! room again everything works again.
//!
//! The state lies on a small file system of its own (tmpfs), which takes root.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use postfax::pages::sample;
use tempfile::TempDir;

use crate::bad_input::files_left;
use crate::harness::mails::{self, addresses};
use crate::harness::{A_CALL, CLERK, HEALTHY, OURS, Site, wait_until};

/// Octets of the file system.
const SIZE: u64 = 4 << 20;

#[test]
fn a_mail_is_put_off_and_taken_once_there_is_room() {
    let Some(disk) = Disk::mount("a_mail_is_put_off_and_taken_once_there_is_room") else {
        return;
    };
    let site = disk.site(|config| config.trunks.clear());
    // The disk is full a little later each time: in the spool, in the folder of blobs, in the database.
    let mut room = 0;
    while let Some((code, sentence)) = refused_with(&disk, room, &site) {
        assert_eq!(code, 452, "{sentence}");
        assert!(
            sentence.contains("4.3.1") && sentence.contains("again later"),
            "{sentence}"
        );
        assert!(site.faxes().is_empty(), "{room} octets of room left a fax");
        assert_eq!(
            files_left(&site),
            Vec::<String>::new(),
            "with {room} octets of room"
        );
        room += 4096;
        assert!(room < SIZE / 2, "a mail of some KB is never taken");
    }
    assert!(room > 0, "the disk was not full");
    disk.make_room();
    site.submit(&["5551230000"], &[sample::numbered_pages(1)]);
    assert_eq!(site.faxes().len(), 2);
    site.check();
}

#[test]
fn a_fax_is_not_confirmed_and_comes_again() {
    let Some(disk) = Disk::mount("a_fax_is_not_confirmed_and_comes_again") else {
        return;
    };
    let site = disk.site(|_| {});
    let tiff = site.path("letter.tiff");
    let letter = sample::numbered_pages(1);
    std::fs::write(site.path("letter.pdf"), letter).expect("room outside of the state");
    let pdf = site.path("letter.pdf");
    let rendered = site.command(&["render", pdf.to_str().unwrap(), tiff.to_str().unwrap()]);
    assert!(rendered.status.success());

    let call = site.fax_in(&tiff, OURS);
    wait_until("the call is answered", 20, || {
        site.log().count("answering") == 1
    });
    disk.fill(0);
    assert!(
        !call.ended(A_CALL),
        "the sender believes that it was delivered"
    );
    disk.make_room();
    wait_until("the call is in the books", 20, || {
        site.received().iter().any(|fax| fax.ended_at.is_some())
    });
    let fax = &site.received()[0];
    assert_eq!(fax.outcome.as_deref(), Some("storage_failed"));
    assert_eq!(fax.pages, 0, "a page counts that was not stored");
    assert_eq!(files_left(&site), Vec::<String>::new());

    let again = site.fax_in(&tiff, OURS);
    assert!(again.ended(A_CALL), "the disk has room again");
    wait_until("the fax is delivered", 20, || site.office().len() == 1);
    site.check();
}

#[test]
fn a_start_waits_for_room_with_its_doors_shut() {
    let Some(disk) = Disk::mount("a_start_waits_for_room_with_its_doors_shut") else {
        return;
    };
    let mut site = Site::prepared(|config| config.state_dir = disk.0.path().join("state"));
    disk.fill(0);
    site.start_shut();
    let reply = site.smtp().say(&format!("MAIL FROM:<{CLERK}>"));
    assert_eq!(reply.code, 452, "{}", reply.text);
    let problems = site.status()["problems"].to_string();
    assert!(problems.contains("is full"), "{problems}");
    disk.make_room();
    site.daemon().wait_for_line("calls are taken on", 20);
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    site.check();
}

/// Submits a mail with so many octets of room. `None`: it was taken.
fn refused_with(disk: &Disk, room: u64, site: &Site) -> Option<(u16, String)> {
    disk.fill(room);
    let numbers = [HEALTHY];
    let mail = mails::with_pdfs(&numbers, &[sample::numbered_pages(1)]);
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect(&format!("RCPT TO:<{}>", addresses(&numbers)[0]), 250);
    let mut reply = client.say("DATA");
    if reply.code == 354 {
        reply = client.data(&mail);
    }
    (reply.code != 250).then_some((reply.code, reply.text))
}

/// A file system of its own; gone with this.
struct Disk(TempDir);

impl Disk {
    /// `None`, and loudly so, where the system does not let us.
    fn mount(test: &str) -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={SIZE},mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(done) if done.status.success() => Some(Disk(folder)),
            Ok(done) => skip(test, &String::from_utf8_lossy(&done.stderr)),
            Err(e) => skip(test, &e.to_string()),
        }
    }

    /// A running site whose state lies here.
    fn site(&self, change: impl FnOnce(&mut postfax::config::Config)) -> Site {
        Site::with(|config| {
            config.state_dir = self.0.path().join("state");
            change(config);
        })
    }

    /// Fills it but for so many octets.
    fn fill(&self, room: u64) {
        self.make_room();
        let mut filler = File::create(self.filler()).expect("an entry in a folder takes no room");
        while filler.write_all(&[0; 4096]).is_ok() {}
        let size = filler.metadata().expect("it is open").len();
        filler.set_len(size - room).expect("smaller is possible");
    }

    /// Nothing but the state is on it.
    fn make_room(&self) {
        let filler = OpenOptions::new().write(true).open(self.filler());
        if let Ok(filler) = filler {
            filler.set_len(0).expect("smaller is possible");
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(self.0.path());
    }
}

fn unmount(path: &Path) {
    // Lazily: the daemon may not be quite gone.
    let unmounted = Command::new("umount").arg("-l").arg(path).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "umount");
}

/// Past the capture of the test runner: a skipped test must be seen.
fn skip<T>(test: &str, why: &str) -> Option<T> {
    let why = why.trim();
    let said = format!("SKIPPED disk_full::{test}: it takes root to mount a small disk ({why})\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
    None
}
