//! The children as they really run: what they have of the daemon, and what a hungry document gets.

use std::fs;
use std::path::Path;

use postfax::pages::sample;

use crate::harness::{HEALTHY, Site, wait_for, wait_until};

/// What is open in a process, without numbers that differ each time.
fn descriptors(id: u32) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten();
    let targets = folder
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok());
    let mut kinds: Vec<String> = targets
        .map(|target| {
            target
                .to_string_lossy()
                .split(":[")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    kinds.sort();
    kinds
}

fn figure(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_call_has_nothing_of_the_daemon_but_what_it_was_handed() {
    let mut site = Site::prepared(|_| {});
    site.set_env("POSTFAX_TEST_SECRET", "not for children");
    site.start_carrier();
    site.start();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    // Behind its walls: two sockets of its own, the page to send, and where it notes what was confirmed.
    let page = |id: &u32| {
        descriptors(*id)
            .iter()
            .any(|kind| kind.starts_with("/memfd:pages"))
    };
    let call = wait_for("a call child with its page", 30, || {
        let fenced = |id: &u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status"));
            figure(&status.unwrap_or_default(), "Seccomp:") == "2"
        };
        let children = site.daemon().calls().into_iter();
        children.filter(page).find(fenced)
    });
    let socket = "socket".to_owned();
    let call_file = site.config.state_dir.join("calls/1");
    let call_file = call_file.to_string_lossy().into_owned();
    assert_eq!(
        descriptors(call),
        [
            "/dev/null", // standard output
            "/memfd:pages (deleted)",
            &call_file,
            "pipe",  // standard error
            &socket, // control, as standard input and once more
            &socket,
            &socket, // RTP
            &socket, // UDPTL
        ]
    );
    let proc = format!("/proc/{call}");
    let proc = Path::new(&proc);
    let environment = fs::read(proc.join("environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let known = |entry: &str| entry.is_empty() || entry.starts_with("LD_LIBRARY_PATH=");
    assert!(environment.split('\0').all(known), "{environment}");
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
    let status = fs::read_to_string(proc.join("status")).unwrap();
    assert_eq!(figure(&status, "NoNewPrivs:"), "1");
}

#[test]
fn a_document_that_eats_memory_is_refused_in_words() {
    let site = Site::new();
    site.submit(&["5551234502"], &[sample::large_picture(22_000)]);
    wait_until("the receipt", 60, || site.receipts().len() == 1);
    let text = &site.receipts()[0].text;
    assert!(text.contains("more than 384 MB of memory"), "{text}");
    assert!(text.contains("letter-1.pdf"), "{text}");
    assert_eq!(site.log().count("once more"), 0, "a second try is useless");
    assert!(site.machine_calls().is_empty());
    let peak = site.daemon().memory_kb("VmHWM");
    assert!(peak < 200_000, "the daemon itself had {peak} KB");
}
