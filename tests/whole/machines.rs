//! What stands behind the number does not do what it should.

use postfax::config::trunk::Reinvite;
use postfax::pages::sample;
use postfax::queue::FaxRow;

use crate::harness::border::{Border, Habit, Places};
use crate::harness::mails::{pages_in, pictures};
use crate::harness::process::send_signal;
use crate::harness::{A_CALL, HEALTHY, Site, wait_for, wait_until};

/// Waits until the fax was tried and is to be tried again.
fn wait_for_the_next_try(site: &Site, seconds: u64) -> FaxRow {
    wait_for("a failed try", seconds, || {
        let fax = site.fax();
        (fax.state == "ready" && fax.outcome.is_some()).then_some(fax)
    })
}

/// Seconds from the end of its last attempt to the next.
fn pause(site: &Site, fax: &FaxRow) -> i64 {
    let last = site.attempts(&fax.id).pop().expect("it was tried");
    let ended = last.ended_at.expect("it is over");
    (fax.next_try_at.0 - ended.0) / 1000
}

#[test]
fn busy() {
    let site = Site::new();
    site.submit(&["5551230001"], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 20);
    assert_eq!(fax.outcome.as_deref(), Some("busy"));
    assert_eq!(fax.detail, "486 Busy Here");
    assert_eq!((pause(&site, &fax), fax.tries), (120, 1));
    assert_eq!(site.attempts(&fax.id)[0].sip_code, Some(486));
    assert!(site.receipts().is_empty(), "nothing is over yet");
    site.check();
}

#[test]
fn never_answers() {
    let site = Site::with(|config| config.trunks[0].ring_seconds = 3);
    site.submit(&["5551230002"], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 30);
    assert_eq!(fax.outcome.as_deref(), Some("no_answer"));
    assert_eq!((pause(&site, &fax), fax.tries), (300, 1));
    assert_eq!(site.attempts(&fax.id)[0].seconds, 0.0);
    wait_until("the channel is given back", 5, || {
        site.status()["trunks"][0]["calls"] == 0
    });
    site.check();
}

#[test]
fn not_in_service() {
    let site = Site::new();
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 20, || site.receipts().len() == 1);
    let receipt = &site.receipts()[0];
    assert!(receipt.subject.starts_with("Fax NOT delivered"));
    let why = "was not delivered: the number is not in service";
    assert!(receipt.text.contains(why), "{}", receipt.text);
    let fax = site.fax();
    assert_eq!((fax.state.as_str(), fax.calls), ("failed", 1));
    assert_eq!(site.dialled("5551230006"), 1);
    site.check();
}

#[test]
fn hangs_up_after_page_1() {
    let site = Site::new();
    // Long enough that the machine, which takes 2.5 s to hang up, does it within page 2.
    let pdf = sample::demo_document();
    site.submit(&["5551230003"], std::slice::from_ref(&pdf));
    let fax = wait_for_the_next_try(&site, A_CALL);
    assert_eq!(fax.outcome.as_deref(), Some("far_end_hung_up"));
    assert_eq!((fax.confirmed, pause(&site, &fax)), (1, 60));
    // The machine takes one page in each call, so the second call ends the fax.
    wait_until("the receipt", 60 + A_CALL, || site.receipts().len() == 1);
    let attempts = site.attempts(&fax.id);
    let first_pages: Vec<u32> = attempts.iter().map(|a| a.first_page).collect();
    assert_eq!(first_pages, [1, 2]);
    assert_eq!(site.fax().state, "delivered");
    let calls = site.machine_calls();
    let second = pages_in(calls[1].tiff.as_ref().expect("its page"));
    assert!(pictures(&second) == site.stamped(&pdf, "5551230003", &attempts[1]));
    site.check();
}

#[test]
fn line_without_t38() {
    let site = Site::new();
    let pdf = sample::numbered_pages(1);
    site.submit(&["5551230005"], std::slice::from_ref(&pdf));
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    assert_eq!(site.fax().state, "delivered");
    let attempt = &site.attempts(&site.fax().id)[0];
    assert!(!attempt.t38, "it was to go in audio");
    let calls = site.machine_calls();
    let arrived = pages_in(calls[0].tiff.as_ref().expect("its page"));
    assert!(pictures(&arrived) == site.stamped(&pdf, "5551230005", attempt));
    site.check();
}

#[test]
fn carrier_is_overloaded() {
    let site = Site::new();
    site.submit(&["5551230007"], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 20);
    assert_eq!(fax.outcome.as_deref(), Some("trunk_down"));
    assert_eq!((pause(&site, &fax), fax.tries), (10, 0));
}

#[test]
fn trunk_is_down() {
    let mut site = Site::prepared(|_| {});
    site.start();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 20);
    assert_eq!(fax.outcome.as_deref(), Some("trunk_down"));
    // It never reached the far end, so it counts against no limit.
    assert_eq!((pause(&site, &fax), fax.tries), (10, 0));
    let problems = site.status()["problems"].to_string();
    assert!(problems.contains("is down: "), "{problems}");
    site.start_carrier();
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    assert_eq!(site.fax().state, "delivered");
    site.check();
}

#[test]
fn cancelled_in_the_call() {
    let site = Site::new();
    site.submit(&[HEALTHY], &[sample::demo_document()]);
    wait_for_page_1(&site);
    let said = site.command(&["cancel", &site.fax().id]);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("its call is being ended"), "{said}");
    wait_until("the receipt", 20, || site.receipts().len() == 1);
    let receipt = &site.receipts()[0];
    assert!(receipt.subject.starts_with("Fax cancelled"));
    assert!(receipt.text.contains("was cancelled"), "{}", receipt.text);
    assert_eq!(site.fax().state, "cancelled");
    // DCN told the machine, which does not wait for its timers.
    wait_until("the machine's call is over", 5, || {
        site.machine_calls().len() == 1
    });
    assert_eq!(site.machine_calls()[0].outcome.name(), "far_end_hung_up");
    site.check();
}

#[test]
fn cancelled_while_it_waits() {
    let site = Site::new();
    site.submit(&["5551230001"], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 20);
    assert!(site.command(&["cancel", &fax.id]).status.success());
    wait_until("the receipt", 5, || site.receipts().len() == 1);
    assert!(!site.command(&["cancel", &fax.id]).status.success());
    assert_eq!(site.dialled("5551230001"), 1);
    site.check();
}

fn wait_for_page_1(site: &Site) {
    wait_until("page 1 is on its way", A_CALL, || {
        site.status()["calls"][0]["page"] == 1
    });
}

/// A site with one channel, taken by a long fax.
fn with_one_channel() -> Site {
    let site = Site::with(|config| config.sip.channels = 1);
    site.submit(&[HEALTHY], &[sample::demo_document()]);
    site
}

/// The only channel is free again: a second fax is dialled, by a carrier that is there again.
fn the_channel_is_given_back(site: &mut Site) {
    assert_eq!(site.status()["trunks"][0]["calls"], 0);
    site.start_carrier();
    site.submit(&["5551230006"], &[sample::numbered_pages(1)]);
    wait_until("the receipt of a second fax", 30, || {
        site.receipts().len() == 1
    });
    site.check();
}

#[test]
fn carrier_disappears() {
    let mut site = with_one_channel();
    site.wait_for_page_2();
    // Its machines are its children: they say DCN when it is gone.
    site.kill_carrier();
    let fax = wait_for_the_next_try(&site, 60);
    assert_eq!(fax.outcome.as_deref(), Some("far_end_hung_up"));
    assert_eq!((fax.confirmed, pause(&site, &fax)), (1, 60));
    the_channel_is_given_back(&mut site);
}

#[test]
fn carrier_and_machine_fall_silent() {
    let mut site = with_one_channel();
    wait_for_page_1(&site);
    let machines = site.carrier().calls();
    site.carrier().signal("STOP");
    machines.iter().for_each(|id| send_signal(*id, "STOP"));
    let fax = wait_for("the end of the call", 90, || {
        Some(site.fax()).filter(|fax| fax.state != "calling")
    });
    machines.iter().for_each(|id| send_signal(*id, "KILL"));
    site.kill_carrier();
    assert_eq!(fax.outcome.as_deref(), Some("far_end_silent"), "{fax:?}");
    assert_eq!((fax.state.as_str(), fax.confirmed), ("ready", 0));
    the_channel_is_given_back(&mut site);
}

/// The first call learns that T.38 is lost on the way; the second goes in audio, and so does the next fax.
#[test]
fn takes_t38_and_falls_silent_and_the_next_call_is_in_audio() {
    const NUMBER: &str = "5551230009";
    let site = Site::new();
    let pdf = sample::numbered_pages(1);
    site.submit(&[NUMBER], std::slice::from_ref(&pdf));
    let fax = wait_for_the_next_try(&site, 60);
    assert_eq!(fax.outcome.as_deref(), Some("t38_silent"));
    assert_eq!((pause(&site, &fax), fax.tries), (15, 1));
    let said = |arguments: &[&str]| {
        let output = site.command(arguments);
        String::from_utf8(output.stdout).expect("words")
    };
    let memory = said(&["show", "--number", "(555) 123-0009"]);
    assert!(memory.contains("in audio; T.38 is not used"), "{memory}");

    wait_until("the receipt", 30 + A_CALL, || site.receipts().len() == 1);
    assert_eq!(site.fax().state, "delivered");
    let attempts = site.attempts(&fax.id);
    let went: Vec<bool> = attempts.iter().map(|attempt| attempt.t38).collect();
    assert_eq!((attempts.len(), went.last()), (2, Some(&false)));
    assert_eq!(attempts[0].chosen, "");
    assert!(
        attempts[1].chosen.starts_with("audio, because"),
        "{attempts:?}"
    );
    let calls = site.machine_calls();
    let arrived = pages_in(calls[1].tiff.as_ref().expect("its page"));
    assert!(pictures(&arrived) == site.stamped(&pdf, NUMBER, &attempts[1]));
    let shown = said(&["show", &fax.id]);
    assert!(shown.contains("by memory"), "{shown}");

    let forgotten = said(&["show", "--number", NUMBER, "--forget"]);
    assert!(forgotten.contains("is forgotten"), "{forgotten}");
    let memory = said(&["show", "--number", NUMBER, "--json"]);
    assert!(memory.contains("\"memory\":null"), "{memory}");
    site.check();
}

/// T.38 alone in the INVITE: one machine takes it, the line of the other says 488 and is called again in audio.
#[test]
fn t38_in_the_first_offer_is_taken_or_called_again_in_audio() {
    const AUDIO_ONLY: &str = "5551230005";
    let site = Site::with(|config| config.trunks[0].reinvite_out = Reinvite::T38First);
    let pdf = sample::numbered_pages(1);
    site.submit(&[HEALTHY, AUDIO_ONLY], std::slice::from_ref(&pdf));
    wait_until("both receipts", A_CALL, || site.receipts().len() == 2);
    for (number, t38) in [(HEALTHY, true), (AUDIO_ONLY, false)] {
        let fax = site.fax_to(number);
        let attempts = site.attempts(&fax.id);
        assert_eq!((fax.state.as_str(), attempts.len()), ("delivered", 1));
        assert_eq!(attempts[0].t38, t38, "{number}");
    }
    assert_eq!(site.dialled(AUDIO_ONLY), 2, "the second INVITE is in audio");
    site.check();
}

/// A line that takes T.38 only is no use to a trunk that never does; nobody says that the far end hung up.
#[test]
fn takes_t38_only_and_we_never_do() {
    let site = Site::with(|config| config.trunks[0].reinvite_out = Reinvite::Never);
    site.submit(&["5551230010"], &[sample::numbered_pages(1)]);
    let fax = wait_for_the_next_try(&site, 40);
    assert_eq!(fax.outcome.as_deref(), Some("t38_failed"), "{}", fax.detail);
    assert!(
        fax.detail.contains("after we refused its T.38"),
        "{}",
        fax.detail
    );
    site.check();
}

/// T.38 on the port that audio had, silent until it has heard us; and the same with its T.38 from yet another port. Both
/// at once: they take a call's time.
#[test]
fn a_border_that_latches_and_keeps_its_port_or_sends_from_another() {
    let calls = [Habit::FromItsPort, Habit::FromElsewhere]
        .map(|habit| std::thread::spawn(move || t38_through(habit)));
    for call in calls {
        call.join().expect("it went through");
    }
}

/// Carriers whose media come from elsewhere than they say, move in mid-call, or sit behind a NAT; all at once.
#[test]
fn borders_that_answer_from_elsewhere_move_sit_behind_nat_or_never_latch() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let private = match rng.u8(..4) {
        0 => [10, rng.u8(..), rng.u8(..), rng.u8(1..255)],
        1 => [172, rng.u8(16..32), rng.u8(..), rng.u8(1..255)],
        2 => [192, 168, rng.u8(..), rng.u8(1..255)],
        _ => [100, rng.u8(64..128), rng.u8(..), rng.u8(1..255)],
    };
    let another = [127, rng.u8(100..200), rng.u8(..), rng.u8(1..255)];
    let calls = [
        Habit::HearsOnlyItsPort,
        Habit::HearsOnlyElsewhere,
        Habit::Moves,
        Habit::NeverLatches,
        Habit::BehindNat(private.into()),
        Habit::FromAddress(another.into()),
    ]
    .map(|habit| std::thread::spawn(move || t38_through(habit)));
    for call in calls {
        call.join().expect("it went through");
    }
}

fn t38_through(habit: Habit) {
    let mut site = Site::prepared(|config| match habit {
        Habit::HearsOnlyElsewhere => config.trunks[0].symmetric_media = true,
        Habit::FromAddress(ip) => config.trunks[0].media_peers = vec![ip.into()],
        _ => {}
    });
    let border = site.address(5081);
    site.config.trunks[0].server = vec![border.to_string()];
    let _border = Border::start(
        Places {
            us: site.address(5060),
            outside: border,
            inside: site.address(5082),
            carrier: site.address(5070),
        },
        habit,
    );
    site.start_carrier();
    site.start();
    let pdf = sample::numbered_pages(1);
    site.submit(&[HEALTHY], std::slice::from_ref(&pdf));
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    let fax = site.fax();
    let attempt = &site.attempts(&fax.id)[0];
    let told = format!("{habit:?}: {}", attempt.detail);
    assert_eq!(
        (fax.state.as_str(), attempt.t38),
        ("delivered", true),
        "{told}"
    );
    let arrived = pages_in(site.machine_calls()[0].tiff.as_ref().expect("its page"));
    assert!(pictures(&arrived) == site.stamped(&pdf, HEALTHY, attempt));
    site.check();
}
