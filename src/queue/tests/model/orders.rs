//! What commands beside the daemon order, and what they look at.

use super::promises::{End, Promise, State};
use super::world::World;
use crate::queue::{Counts, Ordered, Wanted};

impl World {
    /// What has to be answered to an order about a fax, where it does something.
    fn is_answered(&mut self, order: &str, id: &str, ordered: &Ordered) {
        let state = self.promises.fax(id).state;
        let right = match ordered {
            Ordered::Done => state != State::Calling && !matches!(state, State::Ended(_)),
            Ordered::InCall => state == State::Calling,
            Ordered::Already => !matches!(state, State::Ended(_)),
            Ordered::Over(name) => State::Ended(End::Failed) == state || state.to_string() == *name,
            Ordered::Unknown => false,
        };
        if !right {
            let how = format!("{order} {id}, which is {state}: {ordered:?}");
            self.promises.breaks(Promise::Rows, how);
        }
        self.note(format!("{order} {id}: {ordered:?}"));
    }

    pub async fn cancel(&mut self) {
        let Some(id) = self.any_fax() else {
            return;
        };
        let ordered = self.beside.cancel(&id, self.now()).await;
        if let Some(ordered) = self.works("cancel", ordered) {
            if let Ordered::Over(_) = ordered {
                // A deadline may have passed: then it was that.
                self.notice_ends().await;
            }
            self.cancelled(&id, &ordered);
        }
        let cancelling = self.store.cancelling().await;
        let mut cancelling = self.works("cancelling", cancelling).unwrap_or_default();
        cancelling.sort();
        let asked = self.promises.faxes.iter();
        let asked = asked.filter(|(_, fax)| fax.state == State::Calling && fax.cancelling);
        let asked: Vec<String> = asked.map(|(id, _)| id.clone()).collect();
        if asked != cancelling {
            let how = format!("{asked:?} are to be cancelled, and {cancelling:?} are said to be");
            self.promises.breaks(Promise::Rows, how);
        }
    }

    pub fn cancelled(&mut self, id: &str, ordered: &Ordered) {
        self.is_answered("cancel", id, ordered);
        match ordered {
            Ordered::Done => {
                self.promises.ends(id, End::Cancelled);
                self.count("cancel what waits");
            }
            Ordered::InCall => {
                self.promises.fax(id).cancelling = true;
                self.count("cancel what is in a call");
            }
            _ => {}
        }
    }

    pub async fn hold(&mut self) {
        let Some(id) = self.any_fax() else {
            return;
        };
        let ordered = self.beside.hold(&id).await;
        let Some(ordered) = self.works("hold", ordered) else {
            return;
        };
        self.is_answered("hold", &id, &ordered);
        if matches!(ordered, Ordered::Done | Ordered::InCall) {
            self.promises.fax(&id).held = true;
            self.count("hold");
        }
    }

    pub async fn let_go(&mut self) {
        let held = self.promises.faxes.iter();
        let held = held.filter(|(_, fax)| fax.held && !fax.is_over());
        let held: Vec<String> = held.map(|(id, _)| id.clone()).collect();
        let Some(which) = self.pick(held.len()) else {
            return;
        };
        let ordered = self.beside.let_go(&held[which], self.now()).await;
        if self.works("let_go", ordered) == Some(Ordered::Done) {
            self.promises.released(&held[which]);
            self.note(format!("release {}", held[which]));
            self.count("release");
        }
    }

    pub async fn retry_now(&mut self) {
        let Some(id) = self.any_fax() else {
            return;
        };
        let ordered = self.beside.retry_now(&id, self.now()).await;
        let Some(ordered) = self.works("retry_now", ordered) else {
            return;
        };
        self.is_answered("retry", &id, &ordered);
        if ordered == Ordered::Done {
            self.promises.retried_by_order(&id);
            self.count("retry");
        }
    }

    pub async fn move_to(&mut self) {
        let Some(id) = self.any_fax() else {
            return;
        };
        let trunk = self.one_in(2).then_some("dear");
        let ordered = self.beside.move_to(&id, trunk).await;
        let Some(ordered) = self.works("move_to", ordered) else {
            return;
        };
        self.is_answered("move", &id, &ordered);
        if ordered == Ordered::Done {
            self.count("move");
        }
    }

    /// The page and the commands look at everything.
    pub async fn look(&mut self) {
        let now = self.now();
        let counts = self.beside.counts(now, now).await;
        let counts = self.works("counts", counts).unwrap_or_default();
        let state = |wanted: State| {
            let faxes = self.promises.faxes.values();
            faxes.filter(|fax| fax.state == wanted).count() as u64
        };
        let (rendering, ready) = (state(State::Rendering), state(State::Waiting));
        let calling = state(State::Calling);
        let Counts {
            ready: due,
            retrying,
            ..
        } = counts;
        if (counts.rendering, due + retrying, counts.calling) != (rendering, ready, calling) {
            let how = format!("{counts:?}, not {rendering}, {ready}, {calling}");
            self.promises.breaks(Promise::Rows, how);
        }
        let waiting = self.beside.waiting_faxes(1000).await;
        self.works("waiting_faxes", waiting);
        let ended = self.store.ended_faxes(1000).await;
        self.works("ended_faxes", ended);
        let all = self.store.faxes_that_fit(Wanted::default(), 1000).await;
        self.works("faxes_that_fit", all);
        let version = self.store.version().await;
        self.works("version", version);
        if let Some(id) = self.any_fax() {
            let told = self.store.told_fax(&id).await;
            self.works("told_fax", told);
            let attempts = self.beside.attempts(&id).await;
            self.works("attempts", attempts);
            let cover = self.store.cover_of(&id).await;
            self.works("cover_of", cover);
        }
        self.count("look");
    }

    /// The daemon looks when something falls due.
    pub async fn next_due(&mut self) {
        let due = self.store.next_due(&self.policy, self.now()).await;
        self.works("next_due", due);
        let before = self
            .promises
            .faxes
            .values()
            .filter(|fax| fax.is_over())
            .count();
        self.notice_ends().await;
        let after = self
            .promises
            .faxes
            .values()
            .filter(|fax| fax.is_over())
            .count();
        self.note(format!(
            "a look at what is due: {} faxes ended",
            after - before
        ));
        self.count(if after > before {
            "ended by time"
        } else {
            "next due"
        });
    }
}
