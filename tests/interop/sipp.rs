//! sipp: signalling only, by the scenarios in `sipp/`. Its exit code says whether every message was the one expected.

use std::process::{Child, Stdio};

use postfax::config::trunk::Reinvite;
use postfax::config::{Config, Trunk};
use postfax::pages::sample;

use crate::asterisk::Asterisk;
use crate::harness::{OURS, Site, wait_for, wait_until};
use crate::lab::{Lab, copy_files};
use crate::report::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case(
            "sipp-options",
            "OPTIONS, 200 times at 50 a second",
            |case, far| calls_us(case, far, "options", 200, 50),
        ),
        case("sipp-call", "600 calls at 60 a second", |case, far| {
            calls_us(case, far, "call", 600, 60)
        }),
        case(
            "sipp-lossy-call",
            "100 calls, a tenth of the datagrams lost",
            |case, far| calls_us(case, far, "lossy-call", 100, 10),
        ),
        case(
            "sipp-hasty-reinvite",
            "100 re-INVITEs right behind the ACK",
            |case, far| calls_us(case, far, "hasty-reinvite", 100, 10),
        ),
        case(
            "sipp-hasty-bye",
            "100 BYEs right behind the ACK",
            |case, far| calls_us(case, far, "hasty-bye", 100, 10),
        ),
        case("sipp-rings", "our CANCEL", |case, far| {
            is_called(case, far, "rings", "no_answer")
        }),
        case("sipp-moved", "302 to a stranger", |case, far| {
            is_called(case, far, "moved", "refused")
        }),
        case(
            "sipp-asks-password",
            "407 with two challenges",
            |case, far| is_called(case, far, "asks-password", "busy"),
        ),
    ]
}

/// The daemon with sipp as its only trunk, an address for each case.
fn site(case: &Case) -> (Site, String) {
    let number = cases().iter().position(|other| other.name == case.name);
    let address = format!("127.255.1.{}", number.expect("one of them") + 1);
    let trunk = Trunk {
        username: "sipp".into(),
        password: "Not-1234".into(),
        ring_seconds: 5,
        // The scenarios have no ear for ours.
        reinvite_in: Reinvite::Them,
        options_seconds: 0,
        ..Trunk::to(format!("{address}:5060"))
    };
    let mut site = Site::prepared(|config: &mut Config| {
        config.trunks = vec![trunk];
        config.sip.channels = 200;
    });
    site.start();
    (site, address)
}

/// So many calls, so many a second; then nothing is left of them, and the daemon is as large as before.
fn calls_us(case: &Case, far: &Asterisk, scenario: &str, calls: u32, rate: u32) -> String {
    let (site, address) = site(case);
    let count = calls.to_string();
    // What a daemon needs once it has had a few calls.
    let warm = sipp(
        far.lab(),
        case,
        scenario,
        &address,
        &["-m", "5", "-r", "5", &to(&site)],
    );
    ended_well(warm, case, far.lab());
    let before = site.daemon().memory_kb("VmRSS");
    let rate = rate.to_string();
    let began = std::time::Instant::now();
    let run = sipp(
        far.lab(),
        case,
        scenario,
        &address,
        &["-m", &count, "-r", &rate, &to(&site)],
    );
    ended_well(run, case, far.lab());
    let took = began.elapsed().as_secs_f64();
    wait_until("no call is left", 60, || {
        site.status()["calls"].as_array().is_some_and(Vec::is_empty)
    });
    wait_until("no process of a call is left", 30, || {
        site.daemon().calls().is_empty()
    });
    let after = site.daemon().memory_kb("VmRSS");
    assert!(after < before + 16_384, "from {before} to {after} KB");
    site.check();
    format!("{calls} in {took:.1} s, {before} KB before, {after} KB after")
}

fn to(site: &Site) -> String {
    site.address(5060).to_string()
}

/// A fax of ours; sipp is content with our part of it, and we call it by its name.
fn is_called(case: &Case, far: &Asterisk, scenario: &str, outcome: &str) -> String {
    let (site, address) = site(case);
    let run = sipp(far.lab(), case, scenario, &address, &["-m", "1"]);
    site.submit(&["5551234567"], &[sample::numbered_pages(1)]);
    let first = wait_for("the first call is over", 60, || {
        let fax = site.faxes().into_iter().next()?;
        let first = site.attempts(&fax.id).into_iter().next()?;
        first.ended_at.is_some().then_some(first)
    });
    ended_well(run, case, far.lab());
    assert_eq!(first.outcome.as_deref(), Some(outcome), "{}", first.detail);
    format!("{outcome} ({})", first.detail)
}

fn sipp(lab: &Lab, case: &Case, scenario: &str, address: &str, more: &[&str]) -> Child {
    let folder = format!("/tmp/{}", case.name);
    copy_files("sipp", &lab.root("tools").join(&folder[1..]));
    let log = std::fs::File::create(lab.root("tools").join(&folder[1..]).join("said"));
    let log = log.expect("a folder of ours");
    let error_log = format!("{folder}/errors");
    lab.command("tools", "sipp")
        .args([
            "-sf",
            &format!("{folder}/{scenario}.xml"),
            "-s",
            OURS,
            "-i",
            address,
        ])
        .args(["-p", "5060", "-nostdin", "-timeout", "90", "-timeout_error"])
        .args(["-trace_err", "-error_file", &error_log])
        .args(more)
        .env("TERM", "dumb")
        .stdout(Stdio::from(log))
        .stderr(Stdio::null())
        .spawn()
        .expect("chroot(8) is there")
}

fn ended_well(mut run: Child, case: &Case, lab: &Lab) {
    let ended = run.wait().expect("it is ours");
    let errors = lab.root("tools").join("tmp").join(case.name).join("errors");
    let errors = std::fs::read_to_string(errors).unwrap_or_default();
    let first: String = errors.chars().take(1200).collect();
    assert!(ended.success(), "sipp: {ended}; {first}");
}
