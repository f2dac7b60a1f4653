//! The commands beside the daemon, as an admin or a script meets them.

use std::process::{Command, Output, Stdio};

use postfax::pages::sample;
use postfax::queue::Store;

use crate::harness::Site;
use crate::harness::process::PROGRAM;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn fails(output: &Output, code: i32, said: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(stderr(output).contains(said), "{}", stderr(output));
}

/// A configuration and an empty queue; nothing runs.
fn idle() -> Site {
    let site = Site::prepared(|_| {});
    site.write_config();
    drop(Store::open(&site.config.state_dir).expect("the store opens"));
    site
}

#[test]
fn a_configuration_that_is_not_there_is_no_riddle() {
    let command = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap();
    let missing = command(&["--config", "/nowhere/config.toml", "queue"]);
    fails(&missing, 1, "copy config.toml.example there");
    fails(&command(&["frobnicate"]), 2, "unrecognized subcommand");
    fails(&command(&[]), 2, "postfax demo");
}

#[test]
fn a_queue_that_is_not_there_yet_is_told_and_not_made() {
    let site = Site::prepared(|_| {});
    site.write_config();
    fails(
        &site.command(&["queue"]),
        1,
        "the first `postfax run` makes it",
    );
    assert!(!site.config.state_dir.exists());
    let checked = site.command(&["check"]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(stdout(&checked).contains(" note  "), "{}", stdout(&checked));
}

#[test]
fn check_says_what_would_become_of_a_mail() {
    let site = idle();
    let taken = site.command(&["check", "5551234567@fax.local"]);
    assert!(taken.status.success(), "{taken:?}");
    let verdict = stdout(&taken);
    assert!(
        verdict.contains("would be faxed to 5551234567"),
        "{verdict}"
    );
    let refused = site.command(&["check", "911@fax.local"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stdout(&refused).contains("would be refused"));
}

#[test]
fn an_empty_queue_has_nothing_to_show_or_to_cancel() {
    let site = idle();
    let queue = site.command(&["queue", "--ended", "9"]);
    assert_eq!(stdout(&queue), "No fax waits.\n");
    let json: serde_json::Value =
        serde_json::from_slice(&site.command(&["queue", "--json"]).stdout).unwrap();
    assert_eq!(json["waiting"], serde_json::json!([]));
    fails(&site.command(&["show", "1m7x"]), 1, "there is no fax 1m7x");
    fails(
        &site.command(&["cancel", "1m7x"]),
        1,
        "there is no such fax",
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let site = idle();
    let mut queue = Command::new(PROGRAM)
        .arg("--config")
        .arg(site.path("config.toml"))
        .arg("queue")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(queue.stdout.take());
    let ended = queue.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", stderr(&ended));
}

#[test]
fn render_and_to_pdf_make_what_they_say() {
    let site = idle();
    let [pdf, tiff, back] = ["in.pdf", "out.tiff", "back.pdf"].map(|name| site.path(name));
    std::fs::write(&pdf, sample::numbered_pages(2)).unwrap();
    let [pdf, tiff, back] = [&pdf, &tiff, &back].map(|path| path.to_str().unwrap());
    let rendered = site.command(&["render", pdf, tiff, "--resolution", "standard"]);
    assert!(rendered.status.success(), "{}", stderr(&rendered));
    assert!(site.command(&["to-pdf", tiff, back]).status.success());
    let pages = postfax::pages::tiff::read(&std::fs::read(tiff).unwrap()).unwrap();
    assert_eq!((pages.len(), pages[0].y_dpi), (2, 98));
    let wrapped = postfax::pages::pdf::pictures(&std::fs::read(back).unwrap());
    assert_eq!(wrapped.unwrap().len(), 2);

    std::fs::write(pdf, "not a PDF").unwrap();
    let refused = site.command(&["render", pdf, tiff]);
    fails(
        &refused,
        1,
        "cannot be faxed: it is none of what can be faxed here",
    );
    fails(&site.command(&["to-pdf", pdf, back]), 1, "cannot convert");
}
