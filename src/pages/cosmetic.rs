//! What makes a page look better and may not cost it: where such a step panics, the page is made by the plain threshold, and
//! that is logged once, with the step's name.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

thread_local! {
    /// The step that is under way.
    static STEP: Cell<&'static str> = const { Cell::new("") };
    /// The step that a test breaks, and how often it was met.
    #[cfg(test)]
    static BROKEN: Cell<(&'static str, u32)> = const { Cell::new(("", 0)) };
}

/// Does a step, `name` in the log.
pub(super) fn step<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let before = STEP.replace(name);
    #[cfg(test)]
    if let (broken, met) = BROKEN.get()
        && broken == name
    {
        BROKEN.set((broken, met + 1));
        panic!("broken by a test");
    }
    let done = work();
    STEP.set(before);
    done
}

/// What steps make of a page; `None` where one of them panics. What they were changing is to be thrown away then.
pub(super) fn attempt<T>(steps: impl FnOnce() -> T) -> Option<T> {
    let made = catch_unwind(AssertUnwindSafe(steps));
    made.inspect_err(|_| report(STEP.replace(""))).ok()
}

/// To standard error, which the daemon logs.
pub(super) fn report(step: &'static str) {
    static REPORTED: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut reported = REPORTED.lock().unwrap_or_else(|broken| broken.into_inner());
    if reported.get_or_insert_default().insert(step) {
        eprintln!("the step \"{step}\" failed on a page, which is made by the plain threshold");
    }
}

/// Lets a step panic on this thread while `work` goes on; how often it did.
#[cfg(test)]
pub(super) fn broken<T>(step: &'static str, work: impl FnOnce() -> T) -> (T, u32) {
    BROKEN.set((step, 0));
    let done = work();
    (done, BROKEN.replace(("", 0)).1)
}
