//! Calls for faxes: claimed, alone or several in one, confirmed page by page, settled part by part.

use super::promises::{CallEnd, End, Promise, State};
use super::world::{Call, Part, World};
use crate::call::outcome::{CallReport, Outcome};
use crate::queue::{
    Choice, Claim, ClaimedFax, DueFax, Final, Millis, Ordered, Result, Room, Settled,
};

/// What nobody answered ends like this.
const UNANSWERED: [&str; 6] = [
    "busy",
    "busy",
    "no_answer",
    "congestion",
    "trunk_down",
    "not_in_service",
];
/// And what somebody did.
const ANSWERED: [&str; 13] = [
    "far_end_hung_up",
    "far_end_silent",
    "training_failed",
    "page_refused",
    "protocol_error",
    "child_crashed",
    "storage_failed",
    "gateway_stopped",
    "delivered",
    "no_fax",
    "voice_answered",
    "refused",
    "uncertain",
];

impl World {
    pub async fn claim_fax(&mut self) {
        let choose = self.chooser();
        let claimed = self.store.claim_fax(choose, self.day(), self.now()).await;
        self.notice_ends().await;
        self.claimed_fax(claimed).await;
    }

    /// Who is to be dialled: anybody, or not everybody now.
    fn chooser(&mut self) -> impl FnMut(&DueFax) -> Choice<()> + Send + 'static + use<> {
        let kind = self.rng.u32(0..10);
        let hours = later(self.now(), self.rng.i64(60..5 * 3600));
        move |due: &DueFax| {
            let is_a = due.account == "a";
            match kind {
                0 => Choice::NotNow,
                1 if is_a => Choice::NotThisAccount,
                2 if is_a => Choice::NotBefore(hours),
                3 if due.in_calls.is_none() => Choice::CountCalls,
                3 if due.in_calls > Some(1) => Choice::NotThisAccount,
                _ => Choice::Take("header".to_owned(), ()),
            }
        }
    }

    pub async fn claimed_fax(&mut self, claimed: Result<Option<(ClaimedFax, ())>>) {
        let Some(Some((first, ()))) = self.works("claim_fax", claimed) else {
            return;
        };
        self.is_dialled(&first, &[]).await;
        let used = (self.day(), first.account.clone());
        *self.promises.used.entry(used).or_default() += 1;
        self.note(format!("{} is dialled for {}", first.number, first.id));
        self.count("claim fax");
        let mut faxes = vec![first];
        if self.one_in(2) {
            faxes.extend(self.beside(&faxes[0].clone()).await);
        }
        let part = |fax| Part {
            fax,
            begun: false,
            settled: false,
        };
        self.calls.push(Call {
            parts: faxes.into_iter().map(part).collect(),
            current: 0,
            ending: None,
        });
    }

    async fn beside(&mut self, first: &ClaimedFax) -> Vec<ClaimedFax> {
        let room = Room {
            faxes: self.rng.u32(1..5),
            pages: self.rng.u32(1..12),
        };
        let only_own = self.one_in(3);
        let account = first.account.clone();
        let joins =
            move |due: &DueFax| (!only_own || due.account == account).then(|| "header".to_owned());
        let others = self
            .store
            .claim_beside(first, joins, room, self.day(), self.now());
        let others = others.await;
        let others = self.works("claim_beside", others).unwrap_or_default();
        let ids: Vec<String> = [first]
            .into_iter()
            .chain(&others)
            .map(|fax| fax.id.clone())
            .collect();
        for fax in &others {
            self.is_dialled(fax, &ids).await;
            self.note(format!("{} shares the call of {}", fax.id, first.id));
            self.count("claim beside");
        }
        others
    }

    async fn is_dialled(&mut self, fax: &ClaimedFax, beside: &[String]) {
        self.promises
            .claimed(&fax.id, beside, fax.confirmed, fax.page_count);
        let placed = self
            .store
            .attempt_placed(fax.attempt, &fax.number, "")
            .await;
        self.works("attempt_placed", placed);
        let document = self.documents.values();
        let mut document = document.filter(|it| it.faxes.contains(&fax.id));
        let pages = document.next().map(|it| it.pages.clone());
        let octets = self.store.octets(&fax.pages_key).await;
        let octets = self.works("octets of pages", octets);
        if octets.as_deref() != pages.as_ref() {
            let how = format!("{} has other pages than were made for it", fax.id);
            self.promises.breaks(Promise::Bytes, how);
        }
        if fax.cover && fax.cover_key.is_none() {
            let key = format!("c-{}", fax.id);
            let kept = self.store.blobs().keep(&key, b"cover");
            self.works("keep", kept.map_err(Into::into));
            let made = self.store.cover_made(&fax.id, &key).await;
            self.works("cover_made", made);
            self.count("cover");
        }
    }

    /// A call that goes on; which of its faxes is under way.
    fn call_that_goes_on(&mut self) -> Option<usize> {
        let goes_on = |call: &Call| call.ending.is_none();
        let on: Vec<usize> = (0..self.calls.len())
            .filter(|which| goes_on(&self.calls[*which]))
            .collect();
        self.pick(on.len()).map(|which| on[which])
    }

    /// The next page of a call is confirmed, or the end of the last page of a fax is about to leave.
    pub async fn page(&mut self) {
        let Some(which) = self.call_that_goes_on() else {
            return;
        };
        let current = self.calls[which].current;
        let Some(part) = self.calls[which].parts.get_mut(current) else {
            return;
        };
        part.begun = true;
        let fax = part.fax.clone();
        let (pages, promised) = (fax.page_count, self.promises.fax(&fax.id).clone());
        if promised.confirmed + 1 == pages && !promised.leaving {
            let leaving = self.store.last_page_leaving(&fax.id).await;
            if self.works("last_page_leaving", leaving).is_some() {
                self.promises.fax(&fax.id).leaving = true;
            }
            self.note(format!("the end of the last page of {} leaves", fax.id));
            return self.count("last page leaving");
        }
        let now = promised.confirmed_now + 1;
        let kept = self.store.page_confirmed(&fax.id, fax.attempt, now).await;
        self.works("page_confirmed", kept);
        self.promises.confirmed(&fax.id);
        self.note(format!(
            "page {} of {pages} of {} is confirmed",
            promised.confirmed + 1,
            fax.id
        ));
        self.count("page confirmed");
        if promised.confirmed + 1 == pages {
            let is_last = current + 1 == self.calls[which].parts.len();
            self.calls[which].current += 1;
            if !is_last && self.one_in(2) {
                self.settle(which, current, "delivered", 30.0).await;
                self.count("settled while the call goes on");
            }
        }
    }

    /// Settles one part of a call that ends; first a call has to end.
    pub async fn settle_part(&mut self) {
        let Some(which) = self.pick(self.calls.len()) else {
            return;
        };
        if self.calls[which].ending.is_none() {
            self.end_call(which).await;
        }
        let (call, ending) = {
            let call = self.calls[which].clone();
            let ending = call.ending.unwrap_or("delivered");
            (call, ending)
        };
        let next = call.parts.iter().position(|part| !part.settled);
        let Some(next) = next else {
            self.calls.swap_remove(which);
            return;
        };
        let part = &call.parts[next];
        let is_through = next < call.current;
        let is_under_way = next == call.current && (next == 0 || part.begun);
        if is_through {
            self.settle(which, next, "delivered", 30.0).await;
        } else if is_under_way {
            let seconds = if UNANSWERED.contains(&ending) {
                0.0
            } else {
                20.0
            };
            self.settle(which, next, ending, seconds).await;
        } else {
            let behind = &call.parts[next..];
            let behind: Vec<String> = behind.iter().map(|part| part.fax.id.clone()).collect();
            let back = self.store.put_back(&behind, self.now()).await;
            self.works("put_back", back);
            for (part, id) in self.calls[which].parts[next..].iter_mut().zip(&behind) {
                part.settled = true;
                self.promises.put_back(id);
            }
            self.note(format!("the call did not come to {behind:?}"));
            self.count("put back");
        }
        if self.calls[which].parts.iter().all(|part| part.settled) {
            self.calls.swap_remove(which);
        }
    }

    /// Decides how a call ends. A page may be confirmed that was not noted.
    async fn end_call(&mut self, which: usize) {
        let call = self.calls[which].clone();
        let under_way = call.parts.get(call.current);
        let is_quiet = call.current == 0 && under_way.is_some_and(|part| !part.begun);
        let cancelled = under_way.is_some_and(|part| self.promises.fax(&part.fax.id).cancelling);
        let ending = match is_quiet {
            _ if cancelled => "cancelled",
            true if !self.one_in(4) => UNANSWERED[self.rng.usize(0..UNANSWERED.len())],
            _ => ANSWERED[self.rng.usize(0..ANSWERED.len())],
        };
        self.calls[which].ending = Some(ending);
        self.count(ending);
    }

    async fn settle(&mut self, which: usize, place: usize, outcome: &'static str, seconds: f64) {
        let part = self.calls[which].parts[place].clone();
        let fax = part.fax;
        let promised = self.promises.fax(&fax.id).clone();
        let not_noted = part.begun && promised.confirmed + 1 < promised.pages && self.one_in(8);
        if not_noted {
            self.promises.confirmed(&fax.id);
            self.count("confirmed and not noted");
        }
        let pages = promised.confirmed_now + u32::from(not_noted);
        let report = CallReport {
            pages,
            trunk: "carrier".into(),
            seconds,
            ..report_of(outcome)
        };
        let (policy, now) = (self.policy.clone(), self.now());
        let again = report.clone();
        let settled = self
            .store
            .settle_attempt(&fax.id, fax.attempt, report, &policy, now)
            .await;
        let Some(settled) = self.works("settle_attempt", settled) else {
            return;
        };
        self.calls[which].parts[place].settled = true;
        self.has_settled(&fax.id, outcome, seconds, settled);
        if self.one_in(8) {
            // A commit may have reached the disk and been reported as failed.
            let twice = self
                .store
                .settle_attempt(&fax.id, fax.attempt, again, &policy, now)
                .await;
            let twice = self.works("settle_attempt", twice);
            if twice != Some(settled) {
                let how = format!("{} is settled as {settled:?}, then {twice:?}", fax.id);
                self.promises.breaks(Promise::RightEnd, how);
            }
            self.count("settled twice");
        }
    }

    fn has_settled(&mut self, fax: &str, outcome: &'static str, seconds: f64, settled: Settled) {
        let says = match settled {
            Settled::Final(end) => Some(end_of(end)),
            Settled::Again(_) => None,
        };
        let answered = seconds > 0.0 && outcome != "gateway_stopped";
        let how = CallEnd {
            outcome,
            answered,
            cut_off: false,
        };
        self.promises.call_ended(fax, how, says);
        self.note(format!("{fax} is settled with {outcome}: {settled:?}"));
        self.count("settle");
    }

    /// The pages of a fax beside the first cannot be had: it is settled by itself, and the call goes without it.
    pub async fn left_out(&mut self) {
        let Some(which) = self.call_that_goes_on() else {
            return;
        };
        let call = &self.calls[which];
        let is_new = call.current == 0 && !call.parts[0].begun;
        if call.parts.len() < 2 || !is_new {
            return;
        }
        let place = self.rng.usize(1..call.parts.len());
        self.settle(which, place, "storage_failed", 0.0).await;
        self.calls[which].parts.remove(place);
        self.count("left out");
    }

    /// The task that watches a call panics.
    pub async fn call_released(&mut self) {
        let Some(which) = self.pick(self.calls.len()) else {
            return;
        };
        let open = |part: &&Part| !part.settled;
        let Some(part) = self.calls[which].parts.iter().find(open).cloned() else {
            return;
        };
        let (policy, now) = (self.policy.clone(), self.now());
        let released = self
            .store
            .release(Claim::Fax(part.fax.id), &policy, now)
            .await;
        self.works("release", released);
        let call = self.calls.swap_remove(which);
        self.note("the task of a call panicked".into());
        self.cut_off(&call).await;
        self.count("call released");
    }

    /// What a call that nobody looks after any more is for each of its faxes.
    pub async fn cut_off(&mut self, call: &Call) {
        let mut all_before_are_through = true;
        for part in &call.parts {
            let id = &part.fax.id;
            let fax = self.promises.fax(id).clone();
            let is_through = fax.confirmed >= fax.pages;
            if !part.settled {
                let nothing = fax.confirmed_now == 0 && !fax.leaving && !is_through;
                match nothing && !all_before_are_through {
                    true => self.promises.put_back(id),
                    false => {
                        let outcome = match (is_through, fax.leaving) {
                            (true, _) => "delivered",
                            (false, true) => "uncertain",
                            (false, false) => "gateway_stopped",
                        };
                        let how = CallEnd {
                            outcome,
                            answered: true,
                            // A page that was confirmed was confirmed by somebody.
                            cut_off: fax.confirmed_now == 0 && !fax.leaving,
                        };
                        let row = self.store.fax(id).await;
                        let row = self.works("fax", row).flatten();
                        let says = row.and_then(|row| End::from_name(&row.state));
                        self.promises.call_ended(id, how, says);
                    }
                }
            }
            all_before_are_through &= is_through;
        }
    }

    /// A fax is cancelled while the daemon claims one.
    pub async fn cancel_beside_claim(&mut self) {
        let waiting = self.promises.faxes.iter();
        let waiting: Vec<String> = waiting
            .filter(|(_, fax)| fax.state == State::Waiting)
            .map(|(id, _)| id.clone())
            .collect();
        let Some(which) = self.pick(waiting.len()) else {
            return;
        };
        let (id, now) = (waiting[which].clone(), self.now());
        let anybody = |_: &DueFax| Choice::Take("header".to_owned(), ());
        let (store, beside, day) = (self.store.clone(), self.beside.clone(), self.day());
        let (claimed, cancelled) =
            tokio::join!(store.claim_fax(anybody, day, now), beside.cancel(&id, now));
        let Some(cancelled) = self.works("cancel", cancelled) else {
            return;
        };
        if let Ordered::Over(_) = cancelled {
            // A deadline may have passed: then it was that.
            self.notice_ends().await;
        }
        // What came first shows in the answers.
        if cancelled == Ordered::InCall {
            self.notice_ends().await;
            self.claimed_fax(claimed).await;
            self.cancelled(&id, &cancelled);
        } else {
            self.cancelled(&id, &cancelled);
            self.notice_ends().await;
            self.claimed_fax(claimed).await;
        }
        self.count("cancel beside claim");
    }

    /// A fax is cancelled while the daemon settles its call.
    pub async fn cancel_beside_settle(&mut self) {
        let Some(which) = self.call_that_goes_on() else {
            return;
        };
        let call = self.calls[which].clone();
        if call.current != 0 || call.parts.len() != 1 {
            return;
        }
        let fax = call.parts[0].fax.clone();
        let (store, beside) = (self.store.clone(), self.beside.clone());
        let (policy, now) = (self.policy.clone(), self.now());
        let pages = self.promises.fax(&fax.id).confirmed_now;
        let report = CallReport {
            pages,
            seconds: 10.0,
            ..report_of("far_end_hung_up")
        };
        let (settled, cancelled) = tokio::join!(
            store.settle_attempt(&fax.id, fax.attempt, report, &policy, now),
            beside.cancel(&fax.id, now)
        );
        let settled = self.works("settle_attempt", settled);
        let cancelled = self.works("cancel", cancelled);
        let (Some(settled), Some(cancelled)) = (settled, cancelled) else {
            return;
        };
        self.calls.swap_remove(which);
        if cancelled == Ordered::InCall {
            self.cancelled(&fax.id, &cancelled);
            self.has_settled(&fax.id, "far_end_hung_up", 10.0, settled);
        } else {
            self.has_settled(&fax.id, "far_end_hung_up", 10.0, settled);
            self.cancelled(&fax.id, &cancelled);
        }
        self.count("cancel beside settle");
    }

    /// Numbers are learned about and forgotten.
    pub async fn learn(&mut self) {
        let number = format!("555000{}", self.rng.u32(1..7));
        let outcome = ANSWERED[self.rng.usize(0..ANSWERED.len())];
        let placed = crate::queue::memory::Placed {
            audio_only: false,
            max_bit_rate: 14_400,
            ecm: true,
        };
        let learned = self
            .store
            .learn(&number, report_of(outcome), placed, 30, self.now());
        let learned = learned.await;
        self.works("learn", learned);
        let known = self.store.memory(&number, self.now()).await;
        self.works("memory", known);
        if self.one_in(3) {
            let forgotten = self.store.forget(&number).await;
            self.works("forget", forgotten);
        }
        self.count("learn");
    }
}

fn report_of(outcome: &str) -> CallReport {
    let outcome = Outcome::from_name(outcome).expect("an outcome");
    CallReport::never_placed(outcome, "as drawn".to_owned())
}

fn end_of(end: Final) -> End {
    match end {
        Final::Delivered => End::Delivered,
        Final::Failed => End::Failed,
        Final::Uncertain => End::Uncertain,
        Final::Cancelled => End::Cancelled,
    }
}

fn later(now: Millis, seconds: i64) -> Millis {
    Millis(now.0 + seconds * 1000)
}
