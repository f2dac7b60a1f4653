//! What a call carries: mostly one fax, or several that share it. Whose page is which, and what the end of the call means
//! for each of them. Pure.

use std::time::Instant;

use crate::call::outcome::{CallReport, FarEnd, Outcome};
use crate::net::line::Place;
use crate::queue::ClaimedFax;

/// The faxes of one call, in their order. Its pages are counted over all of them, from 1.
pub(super) struct Load {
    parts: Vec<Part>,
    /// The fax that is under way; behind the last page, how many there are.
    current: usize,
    answered: Option<Instant>,
    place: Place,
    far_end: FarEnd,
}

struct Part {
    fax: ClaimedFax,
    /// Pages of the call before it.
    before: u32,
    /// Its modems have agreed: pages of it may have left.
    begun: bool,
    /// When its last page was confirmed.
    over: Option<Instant>,
    /// Its attempt is settled, though the call goes on.
    settled: bool,
}

impl Part {
    fn pages(&self) -> u32 {
        self.fax.page_count - self.fax.confirmed
    }

    fn last_page(&self) -> u32 {
        self.before + self.pages()
    }
}

/// What the call was for one of its faxes.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// An attempt, with its share of the call.
    Attempt(CallReport),
    /// One that was settled while the call went on; its share of the octets is known now.
    Settled(u64),
    /// Nothing: the call did not come to it.
    NotBegun,
}

impl Load {
    pub(super) fn of(faxes: Vec<ClaimedFax>) -> Load {
        let mut before = 0;
        let part = |fax: ClaimedFax| {
            let part = Part {
                before,
                fax,
                begun: false,
                over: None,
                settled: false,
            };
            before = part.last_page();
            part
        };
        Load {
            parts: faxes.into_iter().map(part).collect(),
            current: 0,
            answered: None,
            place: Place::default(),
            far_end: FarEnd::default(),
        }
    }

    pub(super) fn faxes(&self) -> impl Iterator<Item = &ClaimedFax> {
        self.parts.iter().map(|part| &part.fax)
    }

    /// Pages of each.
    pub(super) fn documents(&self) -> Vec<u32> {
        self.parts.iter().map(Part::pages).collect()
    }

    /// Which fax is under way, or was the last.
    pub(super) fn current(&self) -> usize {
        self.current.min(self.parts.len() - 1)
    }

    /// Whose page of the call this is, and which of what is left of that fax.
    pub(super) fn whose(&self, page: u32) -> (&ClaimedFax, u32) {
        let it = self.parts.iter().find(|part| page <= part.last_page());
        let it = it.or(self.parts.last()).expect("a call has a fax");
        (&it.fax, page.saturating_sub(it.before))
    }

    /// The INVITE left.
    pub(super) fn placed(&mut self, place: &Place) {
        self.place = place.clone();
    }

    /// Somebody answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }

    /// The modems have agreed on what follows.
    pub(super) fn agreed(&mut self, far_end: &FarEnd) {
        self.far_end = far_end.clone();
        let current = self.current();
        self.parts[current].begun = true;
    }

    /// A page was confirmed. Whether that was the last of its fax, and another one follows.
    pub(super) fn confirmed(&mut self, page: u32, now: Instant) -> bool {
        let Some(part) = self.parts.get_mut(self.current) else {
            return false;
        };
        if page < part.last_page() {
            return false;
        }
        part.over = Some(now);
        self.current += 1;
        self.current < self.parts.len()
    }

    /// What the call was for a fax that is through while others follow. How many octets it took is known at the end only.
    pub(super) fn report_of(&self, through: usize) -> (&ClaimedFax, CallReport) {
        let part = &self.parts[through];
        let since = match through {
            0 => self.answered,
            n => self.parts[n - 1].over,
        };
        let spent = since.zip(part.over).map(|(since, over)| over - since);
        let report = CallReport {
            pages: part.pages(),
            sip_code: Some(200),
            trunk: self.place.trunk.clone(),
            target: self.place.target.clone(),
            far_end: self.far_end.clone(),
            seconds: spent.unwrap_or_default().as_secs_f64(),
            ..CallReport::never_placed(Outcome::Delivered, String::new())
        };
        (&part.fax, report)
    }

    /// The fax under way and what the call has been for it so far: seconds since the answer or the end of the fax before
    /// it, `None` where nobody has answered.
    pub(super) fn so_far(&self, now: Instant) -> (&ClaimedFax, Option<f64>) {
        let current = self.current();
        let since = match current {
            0 => self.answered,
            n => self.parts[n - 1].over,
        };
        let seconds = since.map(|since| (now - since).as_secs_f64());
        (&self.parts[current].fax, seconds)
    }

    /// That report is on disk.
    pub(super) fn settled(&mut self, through: usize) {
        self.parts[through].settled = true;
    }

    /// What the call was for each of its faxes: all that were confirmed are delivered, however it ended; how it ended is
    /// the outcome of the one that was under way.
    pub(super) fn ends(self, report: &CallReport) -> Vec<(ClaimedFax, End)> {
        let is_through = |part: &Part| report.pages >= part.last_page();
        let reached = self.parts.iter().filter(|part| is_through(part)).count();
        let under_way = self.parts.get(reached);
        // The first is the one that was dialled for.
        let is_attempt = under_way.is_some_and(|part| reached == 0 || part.begun);
        let attempts = reached + usize::from(is_attempt);
        let mut shares = self.shares(report, attempts).into_iter();
        let end = |part: Part| {
            let Some(share) = shares.next() else {
                return (part.fax, End::NotBegun);
            };
            let pages = report.pages.saturating_sub(part.before).min(part.pages());
            let own = CallReport {
                pages,
                ..share_of(report, share)
            };
            if part.settled {
                return (part.fax, End::Settled(own.wire_bytes));
            }
            let own = match pages == part.pages() {
                true => CallReport {
                    outcome: Outcome::Delivered,
                    detail: String::new(),
                    ..own
                },
                false => own,
            };
            (part.fax, End::Attempt(own))
        };
        self.parts.into_iter().map(end).collect()
    }

    /// The seconds of each of so many attempts, which add up to those of the call.
    fn shares(&self, report: &CallReport, attempts: usize) -> Vec<f64> {
        let mut left = report.seconds;
        let mut since = self.answered;
        let mut shares = Vec::with_capacity(attempts);
        for part in &self.parts[..attempts.saturating_sub(1)] {
            let spent = match (since, part.over) {
                (Some(since), Some(over)) => (over - since).as_secs_f64().min(left),
                _ => 0.0,
            };
            since = part.over.or(since);
            left -= spent;
            shares.push(spent);
        }
        shares.extend((attempts > 0).then_some(left));
        shares
    }
}

/// So many seconds of a call, and the octets that they took.
fn share_of(report: &CallReport, seconds: f64) -> CallReport {
    let part = match report.seconds > 0.0 {
        true => seconds / report.seconds,
        false => 1.0,
    };
    CallReport {
        seconds,
        wire_bytes: (report.wire_bytes as f64 * part).round() as u64,
        ..report.clone()
    }
}

#[cfg(test)]
mod tests;
