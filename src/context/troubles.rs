//! What went wrong lately with documents that are to be rendered, by no fault of theirs or none that is proved. Pure. A restart
//! forgets it: then each of them begins anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::queue::Millis;

/// Seconds before the 2nd, 3rd, ... rendering of a document that failed by our own fault; the last one repeats.
const PAUSES: [u64; 7] = [10, 30, 60, 120, 300, 600, 900];

/// A document whose renderer was killed from outside is to blame for it, behind so many times...
const KILLS: u32 = 5;
/// ... over this time, in milliseconds, where others were rendered between the last two.
const KILLED_FOR: i64 = 3_600_000;

/// Renderers that a document may crash before it is given up.
const CRASHES: u32 = 2;

/// Documents that failed lately and wait.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    documents: HashMap<String, Trouble>,
    /// When a document was rendered last.
    rendered_at: Option<Millis>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// A rendering began and is not settled.
    is_open: bool,
    /// Renderings that failed and were not its fault.
    ours: u32,
    /// Renderings that crashed or took too long.
    crashes: u32,
    /// Renderings that were killed from outside, and when the first and the last of them were.
    kills: u32,
    first_kill: Option<Millis>,
    last_kill: Option<Millis>,
}

impl Known {
    fn of(&mut self, document: &str) -> &mut Trouble {
        self.documents.entry(document.to_owned()).or_default()
    }

    fn settled(&mut self, document: &str) -> &mut Trouble {
        let trouble = self.of(document);
        trouble.is_open = false;
        trouble
    }
}

impl Troubles {
    /// A rendering begins. Whether the one before was not settled, because it panicked.
    pub fn begins(&self, document: &str) -> bool {
        let mut known = self.known();
        std::mem::replace(&mut known.of(document).is_open, true)
    }

    /// A rendering failed by our own fault. Seconds until the next, and how often that was so.
    pub fn ours(&self, document: &str) -> (u64, u32) {
        let mut known = self.known();
        let trouble = known.settled(document);
        trouble.ours += 1;
        let pause = PAUSES[(trouble.ours as usize - 1).min(PAUSES.len() - 1)];
        (pause, trouble.ours)
    }

    /// A renderer crashed. Whether the document is given up for it.
    pub fn crashed(&self, document: &str) -> bool {
        let mut known = self.known();
        let trouble = known.settled(document);
        trouble.crashes += 1;
        trouble.crashes >= CRASHES
    }

    /// A renderer was killed from outside. Where the document is given up for it: how often that was so, and in how many
    /// minutes.
    pub fn killed(&self, document: &str, now: Millis) -> Option<(u32, i64)> {
        let mut known = self.known();
        let rendered_at = known.rendered_at;
        let trouble = known.settled(document);
        trouble.kills += 1;
        let first = *trouble.first_kill.get_or_insert(now);
        let before = trouble.last_kill.replace(now);
        let others_went_on = before
            .zip(rendered_at)
            .is_some_and(|(before, at)| at >= before);
        let passed = now.0 - first.0;
        let is_to_blame = trouble.kills >= KILLS && passed >= KILLED_FOR && others_went_on;
        is_to_blame.then_some((trouble.kills, passed / 60_000))
    }

    /// A document was rendered.
    pub fn rendered(&self, document: &str, now: Millis) {
        let mut known = self.known();
        known.rendered_at = Some(now);
        known.documents.remove(document);
    }

    /// A document has failed.
    pub fn over(&self, document: &str) {
        self.known().documents.remove(document);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis(1_795_000_000_000);

    fn after(minutes: i64) -> Millis {
        Millis(START.0 + minutes * 60_000)
    }

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        let troubles = Troubles::default();
        let pauses: Vec<u64> = (0..9).map(|_| troubles.ours("d").0).collect();
        assert_eq!(pauses, [10, 30, 60, 120, 300, 600, 900, 900, 900]);
        assert_eq!(troubles.ours("another"), (10, 1));
        troubles.rendered("d", START);
        assert_eq!(troubles.ours("d"), (10, 1));
    }

    #[test]
    fn who_panicked_is_known_for_it() {
        let troubles = Troubles::default();
        assert!(!troubles.begins("d"));
        assert!(troubles.begins("d"), "nobody settled it");
        troubles.ours("d");
        assert!(!troubles.begins("d"));
    }

    #[test]
    fn who_is_killed_over_an_hour_while_others_are_rendered_is_to_blame() {
        let troubles = Troubles::default();
        for minutes in [0, 1, 5, 15, 30, 45] {
            assert_eq!(troubles.killed("d", after(minutes)), None);
            troubles.rendered("another", after(minutes));
        }
        assert_eq!(troubles.killed("d", after(61)), Some((7, 61)));
    }

    #[test]
    fn who_is_killed_while_nothing_can_be_rendered_is_not_to_blame() {
        let troubles = Troubles::default();
        troubles.rendered("another", after(-1));
        for minutes in 0..180 {
            assert_eq!(troubles.killed("d", after(minutes)), None);
        }
        troubles.rendered("another", after(180));
        assert!(troubles.killed("d", after(181)).is_some());
    }

    #[test]
    fn a_few_kills_or_many_in_a_short_time_prove_nothing() {
        let troubles = Troubles::default();
        for minutes in [0, 30, 60, 90] {
            assert_eq!(troubles.killed("few", after(minutes)), None);
            troubles.rendered("another", after(minutes));
        }
        for minutes in 0..59 {
            assert_eq!(troubles.killed("short", after(minutes)), None);
            troubles.rendered("another", after(minutes));
        }
    }
}
