//! The words of the received pages that were read last: every recipient of a fax has a mail of its own, each may be
//! tried again, and reading takes seconds a page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::pages::words::Word;

/// The words of each page of a fax.
pub type Words = Arc<Vec<Vec<Word>>>;

/// Faxes whose words are remembered.
const FAXES: usize = 8;

/// The words of a few faxes, in memory alone: lost, they are read again.
#[derive(Debug, Default)]
pub struct ReadLately(Mutex<VecDeque<(String, Words)>>);

impl ReadLately {
    /// The words of a fax, if they are remembered.
    pub fn get(&self, fax: &str) -> Option<Words> {
        let all = self.0.lock().expect("nobody panics while holding it");
        let found = all.iter().find(|(id, _)| id == fax);
        found.map(|(_, words)| words.clone())
    }

    /// Remembers the words of a fax in place of those that were read first.
    pub fn put(&self, fax: &str, words: Words) {
        let mut all = self.0.lock().expect("nobody panics while holding it");
        if all.len() == FAXES {
            all.pop_front();
        }
        all.push_back((fax.to_owned(), words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_remembered() {
        let lately = ReadLately::default();
        for n in 0..=FAXES {
            lately.put(&n.to_string(), Words::default());
        }
        assert!(lately.get("0").is_none());
        assert!(lately.get("1").is_some() && lately.get(&FAXES.to_string()).is_some());
    }
}
