//! Rings when something has just happened that a kill would hit: the end of a text, a receipt, a page.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Heard by whoever waits.
#[derive(Clone, Default)]
pub struct Bell(Arc<(Mutex<u64>, Condvar)>);

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        *self.0.0.lock().expect("nobody panics with it") += 1;
        self.0.1.notify_all();
    }

    /// Waits for the next ring, no longer than this.
    pub fn wait(&self, at_most: Duration) {
        let heard = self.0.0.lock().expect("nobody panics with it");
        let before = *heard;
        let waited = self
            .0
            .1
            .wait_timeout_while(heard, at_most, |heard| *heard == before);
        drop(waited.expect("nobody panics with it"));
    }
}

/// Rings whenever a machine keeps a page, until the bell has no other holder.
pub fn ring_for_pages(folder: PathBuf, bell: Bell) {
    std::thread::spawn(move || {
        let mut before = 0;
        while Arc::strong_count(&bell.0) > 1 {
            std::thread::sleep(Duration::from_millis(20));
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
            let now = sizes.sum::<u64>();
            if now != before {
                bell.ring();
                before = now;
            }
        }
    });
}
