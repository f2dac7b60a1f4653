//! Random work on a store, beside a plain model of what it promises.
//!
//! An episode begins with an empty store. Operations are drawn by weight: all that the daemon and the commands beside it ask
//! of a store, and what happens to one: the daemon dies between any two of them (its files as they are, or closed), the
//! clock jumps, files are altered. Each answer is held against the promises, and every row now and then. In the end
//! everything is let go, and has to end.
//!
//! `SEED=... STEPS=...` begins with the same episode; what a command does in the same moment as the daemon comes first or
//! second by chance. A failure shows the last operations, and which kinds of them it takes.

mod calls;
mod compare;
mod drain;
mod mails;
mod orders;
mod post;
mod promises;
mod rules;
mod trouble;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use promises::{Broken, Promise};
use world::World;

/// Envelope sender of every mail.
const SENDER: &str = "clerk@example.com";

/// Steps of an episode: enough for most of its faxes to end, few enough for the store to stay small.
const EPISODE: u64 = 500;

/// Steps between two looks at every row.
const BETWEEN_LOOKS: u64 = 25;

/// Of a run whose length nobody asked for.
const USUAL_SEED: u64 = 20_261_201;

/// Promises that are known to be broken, until they are kept again.
const KNOWN: &[Promise] = &[];

/// An operation by name, and how often it is drawn.
const OPERATIONS: &[(&str, u32)] = &[
    ("mail", 14),
    ("mail again", 6),
    ("near copy", 2),
    ("mail twice at once", 2),
    ("claim document", 22),
    ("document rendered", 18),
    ("document failed", 1),
    ("document deferred", 3),
    ("document released", 1),
    ("same identifier", 1),
    ("claim fax", 40),
    ("page", 50),
    ("settle part", 30),
    ("left out", 5),
    ("call released", 1),
    ("cancel beside claim", 2),
    ("cancel beside settle", 1),
    ("learn", 2),
    ("cancel", 2),
    ("hold", 3),
    ("release", 3),
    ("retry", 2),
    ("move", 1),
    ("look", 2),
    ("next due", 8),
    ("claim mail", 18),
    ("mail delivered", 14),
    ("mail deferred", 3),
    ("mail refused", 2),
    ("mail released", 1),
    ("retry mails", 1),
    ("tell delays", 2),
    ("call comes in", 4),
    ("page comes in", 8),
    ("received drawn", 1),
    ("end received", 3),
    ("received released", 1),
    ("time passes", 20),
    ("clock set", 2),
    ("killed", 3),
    ("stopped", 1),
    ("stray file", 1),
    ("folder goes", 1),
    ("preview altered", 1),
    ("examine", 1),
];

/// What has to have happened in a long run.
const REACHED: &[&str] = &[
    "mail",
    "mail again",
    "near copy",
    "mail twice at once",
    "claim document",
    "document rendered",
    "document failed",
    "document deferred",
    "document released",
    "same identifier",
    "claim fax",
    "claim beside",
    "cover",
    "last page leaving",
    "page confirmed",
    "confirmed and not noted",
    "settle",
    "settled twice",
    "settled while the call goes on",
    "put back",
    "left out",
    "call released",
    "cancel beside claim",
    "cancel beside settle",
    "cancel what waits",
    "cancel what is in a call",
    "hold",
    "release",
    "retry",
    "move",
    "look",
    "learn",
    "next due",
    "ended by time",
    "claim mail",
    "mail delivered",
    "mail deferred",
    "mail refused",
    "mail released",
    "retry mails",
    "tell delays",
    "call comes in",
    "page comes in",
    "page comes again",
    "received drawn",
    "end received",
    "received released",
    "time passes",
    "clock set forward",
    "clock set back",
    "killed",
    "stopped",
    "stray file",
    "folder goes",
    "preview altered",
    "examine",
    "older database",
    "drained",
    "busy",
    "no_answer",
    "congestion",
    "trunk_down",
    "not_in_service",
    "far_end_hung_up",
    "page_refused",
    "cancelled",
    "uncertain",
    "dies idle",
    "dies while rendering",
    "dies with a mail on its way",
    "dies in a call that comes in",
    "dies behind a page that came in",
    "dies in a shared call",
    "dies while a call is settled",
    "dies before the first page",
    "dies between pages",
    "dies with the last page on its way",
    "dies behind the last confirmation",
];

/// How an episode went.
struct Episode {
    steps: u64,
    done: BTreeMap<&'static str, u64>,
    failure: Option<(Broken, Vec<String>)>,
}

async fn operate(world: &mut World, operation: &str) {
    match operation {
        "mail" => world.mail().await,
        "mail again" => world.mail_again().await,
        "near copy" => world.near_copy().await,
        "mail twice at once" => world.mail_twice_at_once().await,
        "claim document" => world.claim_document().await,
        "document rendered" => world.document_rendered().await,
        "document failed" => world.document_failed().await,
        "document deferred" => world.document_deferred().await,
        "document released" => world.document_released().await,
        "same identifier" => world.same_identifier().await,
        "claim fax" => world.claim_fax().await,
        "page" => world.page().await,
        "settle part" => world.settle_part().await,
        "left out" => world.left_out().await,
        "call released" => world.call_released().await,
        "cancel beside claim" => world.cancel_beside_claim().await,
        "cancel beside settle" => world.cancel_beside_settle().await,
        "learn" => world.learn().await,
        "cancel" => world.cancel().await,
        "hold" => world.hold().await,
        "release" => world.let_go().await,
        "retry" => world.retry_now().await,
        "move" => world.move_to().await,
        "look" => world.look().await,
        "next due" => world.next_due().await,
        "claim mail" => world.claim_mail().await,
        "mail delivered" => world.mail_delivered().await,
        "mail deferred" => world.mail_deferred().await,
        "mail refused" => world.mail_refused().await,
        "mail released" => world.mail_released().await,
        "retry mails" => world.retry_mails().await,
        "tell delays" => world.tell_delays().await,
        "call comes in" => world.call_comes_in().await,
        "page comes in" => world.page_comes_in().await,
        "received drawn" => world.received_drawn().await,
        "end received" => world.end_received().await,
        "received released" => world.received_released().await,
        "time passes" => world.time_passes(),
        "clock set" => world.clock_is_set().await,
        "killed" => world.killed().await,
        "stopped" => world.stopped().await,
        "stray file" => world.stray_file(),
        "folder goes" => world.folder_goes(),
        "preview altered" => world.preview_altered().await,
        "examine" => world.examine().await,
        other => unreachable!("{other} is no operation"),
    }
}

/// The first promise that is broken, and not known to be.
fn broken(world: &mut World) -> Option<Broken> {
    let broken = std::mem::take(&mut world.promises.broken);
    let mut news = broken
        .into_iter()
        .filter(|broken| !KNOWN.contains(&broken.promise));
    news.next()
}

/// One episode without some kinds of operations.
async fn episode(seed: u64, steps: u64, without: &BTreeSet<&str>) -> Episode {
    let mut world = World::new(seed).await;
    let drawn: Vec<(&str, u32)> = OPERATIONS
        .iter()
        .copied()
        .filter(|(name, _)| !without.contains(name))
        .collect();
    let total: u32 = drawn.iter().map(|(_, weight)| weight).sum();
    // Some stay away from the clock: there more is known of when things are due.
    let clock_is_set = world.one_in(2);
    let set_aside = world.rng.u64(0..steps);
    let mut older = None;
    let mut failure = None;
    let mut step = 0;
    while step < steps && failure.is_none() {
        let mut at = world.rng.u32(0..total);
        let chosen = drawn.iter().find(|(_, weight)| {
            let found = at < *weight;
            at = at.wrapping_sub(*weight);
            found
        });
        let (name, _) = *chosen.expect("weights add up");
        if name != "clock set" || clock_is_set {
            operate(&mut world, name).await;
            // Several operations end what is overdue on their way.
            world.notice_ends().await;
        }
        if step % BETWEEN_LOOKS == 0 {
            world.compare().await;
        }
        if step == set_aside && world.one_in(4) {
            older = Some(world.database_copied());
        }
        step += 1;
        failure = broken(&mut world);
    }
    if failure.is_none() {
        match older {
            Some(older) => world.older_database(older.path()).await,
            None => {
                let has_trunk = !world.one_in(4);
                world.drain(has_trunk).await;
                world.compare().await;
            }
        }
        failure = broken(&mut world);
    }
    Episode {
        steps: step,
        done: world.done.clone(),
        failure: failure.map(|broken| (broken, world.log.into())),
    }
}

/// The kinds of operations without which the same promise is broken all the same.
async fn not_needed(seed: u64, steps: u64, promise: Promise) -> BTreeSet<&'static str> {
    let mut without = BTreeSet::new();
    for (name, _) in OPERATIONS {
        without.insert(*name);
        let again = episode(seed, steps, &without).await;
        if again
            .failure
            .is_none_or(|(broken, _)| broken.promise != promise)
        {
            without.remove(name);
        }
    }
    without
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok();
    let text = text.filter(|text| !text.is_empty())?;
    Some(text.parse().expect("a number"))
}

#[tokio::test]
async fn what_is_promised_is_kept_whatever_is_asked_and_whenever_it_dies() {
    let steps = number("STEPS");
    // Beside all other tests it fails for what was changed, not by chance; a run of its own draws its seed.
    let drawn = || steps.map_or(USUAL_SEED, |_| fastrand::u64(..));
    let (steps, seed) = (
        steps.unwrap_or(20_000),
        number("SEED").unwrap_or_else(drawn),
    );
    println!("STEPS={steps} SEED={seed}");
    let mut done: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut taken, mut episodes) = (0, 0);
    while taken < steps {
        let own = seed.wrapping_add(episodes);
        let length = EPISODE.min(steps - taken);
        let went = episode(own, length, &BTreeSet::new()).await;
        if let Some((broken, log)) = went.failure {
            let without = not_needed(own, went.steps.max(EPISODE), broken.promise).await;
            let shorter = episode(own, EPISODE, &without).await;
            let needed: Vec<&str> = OPERATIONS
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !without.contains(name))
                .collect();
            panic!(
                "{:?} is broken in step {}: {}\nSEED={own} STEPS={length}\nthe last operations:\n{}\n\
                 it takes {needed:?} only:\n{}",
                broken.promise,
                went.steps,
                broken.how,
                log.join("\n"),
                shorter
                    .failure
                    .map_or(String::new(), |(broken, log)| format!(
                        "{}\n{}",
                        log.join("\n"),
                        broken.how
                    ))
            );
        }
        for (what, times) in went.done {
            *done.entry(what).or_default() += times;
        }
        (taken, episodes) = (taken + length, episodes + 1);
    }
    println!("{taken} steps in {episodes} episodes: {done:#?}");
    // A short run may have missed the rarest.
    if steps >= 200_000 {
        let never: Vec<_> = REACHED
            .iter()
            .filter(|what| !done.contains_key(*what))
            .collect();
        assert!(never.is_empty(), "never happened: {never:?}; SEED={seed}");
    }
}
