//! What the queue promises, in plain words and numbers. Nothing here knows the store; it is told what was asked of it and
//! what it answered, and says which promise an answer breaks. Then it takes the answer for true, and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::rules::{self, Rule};

/// A promise that an answer of the store can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Nothing ends before its rule says so.
    FailedTooEarly,
    /// A final word is the one that the facts give.
    RightEnd,
    /// No more calls for a fax than its rule allows.
    GivesUp,
    /// Nothing accepted is swallowed: "the same fax is queued already" is said of a live or just delivered equal fax only.
    Swallowed,
    /// What is accepted once is faxed once.
    AcceptedTwice,
    /// No call begins after a deadline.
    Late,
    /// A number is not called before its back-off is over, and a fax not before its delay is.
    TooSoon,
    /// No number is called twice at a time.
    TwiceAtATime,
    /// What may not be dialled is not: held, over, in a call, without pages, asked for later.
    NotDue,
    /// Nothing confirmed is sent again.
    Resent,
    /// Each accepted recipient ends, and soon enough.
    Stuck,
    /// Each accepted recipient has one report, and nobody else has one.
    Report,
    /// A mail of ours stays until it is delivered, and is not given out twice.
    OutgoingMail,
    /// Bytes are those that were kept.
    Bytes,
    /// Nothing that was accepted or confirmed is deleted.
    Swept,
    /// A sound store is not shut.
    Shut,
    /// What a row and its calls say is what happened.
    Rows,
    /// Starts of a rendering that somebody settled are not counted.
    RenderingStarts,
    /// Limits are held against what was used.
    Usage,
    /// The store opens, writes and reads.
    Works,
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

/// How a fax ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Delivered,
    Failed,
    Uncertain,
    Cancelled,
}

impl End {
    pub fn name(self) -> &'static str {
        match self {
            End::Delivered => "delivered",
            End::Failed => "failed",
            End::Uncertain => "uncertain",
            End::Cancelled => "cancelled",
        }
    }

    pub fn from_name(name: &str) -> Option<End> {
        use End::*;
        [Delivered, Failed, Uncertain, Cancelled]
            .into_iter()
            .find(|end| end.name() == name)
    }
}

/// What a fax does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Rendering,
    Waiting,
    Calling,
    Ended(End),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Rendering => "rendering",
            State::Waiting => "ready",
            State::Calling => "calling",
            State::Ended(end) => end.name(),
        })
    }
}

/// An attempt that is over.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub outcome: &'static str,
    /// It counts against the limits.
    pub counts: bool,
}

/// One recipient of an accepted mail. `mono` times never go back: they are the sum of all steps forward of the clock.
#[derive(Debug, Clone)]
pub struct Fax {
    pub message: String,
    pub text: u64,
    pub number: String,
    pub cover: bool,
    pub deadline: Option<i64>,
    pub not_before: Option<i64>,
    /// `not_before`, by the clock that never goes back, where the clock has not been set so far.
    pub not_before_mono: Option<i64>,
    pub may_be_told_of_delay: bool,
    pub state: State,
    pub held: bool,
    pub cancelling: bool,
    pub pages: u32,
    pub confirmed: u32,
    /// Of these, in the call under way.
    pub confirmed_now: u32,
    pub leaving: bool,
    pub attempts: Vec<Attempt>,
    pub accepted: i64,
    /// Mono: since when it could be dialled, as far as people and pages are concerned.
    pub could_go_since: i64,
    /// Mono: when its first attempt began.
    pub first_attempt: Option<i64>,
    /// Mono: no attempt before.
    pub earliest: i64,
    /// Mono.
    pub ended: Option<i64>,
}

impl Fax {
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }
}

/// What is known of a number.
#[derive(Debug, Clone, Default)]
struct Number {
    last: &'static str,
    in_a_row: u32,
    /// Mono: not called before.
    ready: i64,
}

/// An outgoing mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mail {
    Waiting,
    Sending,
    Delivered,
    Refused,
}

impl Mail {
    pub fn name(self) -> &'static str {
        match self {
            Mail::Waiting => "waiting",
            Mail::Sending => "sending",
            Mail::Delivered => "delivered",
            Mail::Refused => "failed",
        }
    }
}

/// Kind, subject and recipient.
pub type MailKey = (String, String, String);

/// How a call ended for one fax.
#[derive(Debug, Clone, Copy)]
pub struct CallEnd {
    pub outcome: &'static str,
    pub answered: bool,
    pub cut_off: bool,
}

/// What has to become of a fax after a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Ends(End),
    /// Again, not before so many seconds.
    Again(i64),
}

/// Everything promised so far.
#[derive(Default)]
pub struct Promises {
    /// The clock on the wall.
    pub wall: i64,
    /// All its steps forward.
    pub mono: i64,
    /// It was set at least once.
    pub clock_was_set: bool,
    pub faxes: BTreeMap<String, Fax>,
    /// Those of each mail that is reported as one.
    pub one_report: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, Number>,
    pub mails: BTreeMap<MailKey, Mail>,
    /// Calls begun, by day and account.
    pub used: BTreeMap<(String, String), u32>,
    pub broken: Vec<Broken>,
}

impl Promises {
    /// Nothing has been promised so far.
    pub fn since(now: i64) -> Promises {
        Promises {
            wall: now,
            mono: now,
            ..Promises::default()
        }
    }

    pub fn breaks(&mut self, promise: Promise, how: impl Into<String>) {
        let how = how.into();
        self.broken.push(Broken { promise, how });
    }

    fn check(&mut self, holds: bool, promise: Promise, how: impl FnOnce() -> String) {
        if !holds {
            self.breaks(promise, how());
        }
    }

    pub fn passes(&mut self, millis: i64) {
        self.wall += millis;
        self.mono += millis.max(0);
    }

    pub fn is_set(&mut self, millis: i64) {
        self.passes(millis);
        self.clock_was_set = true;
    }

    pub fn fax(&mut self, id: &str) -> &mut Fax {
        self.faxes.get_mut(id).expect("the driver names faxes only")
    }

    /// The pages of a fax are there.
    pub fn rendered(&mut self, id: &str, pages: u32) {
        let mono = self.mono;
        let fax = self.fax(id);
        fax.pages = pages + u32::from(fax.cover);
        if fax.state == State::Rendering {
            fax.state = State::Waiting;
            fax.could_go_since = mono;
        }
    }

    /// A fax was given out to be dialled; `beside` it are those that share its call.
    pub fn claimed(&mut self, id: &str, beside: &[String], confirmed: u32, pages: u32) {
        let (wall, mono) = (self.wall, self.mono);
        let Some(fax) = self.faxes.get(id).cloned() else {
            return self.breaks(Promise::NotDue, format!("{id} is no fax"));
        };
        let number = self.numbers.get(&fax.number).cloned().unwrap_or_default();
        let due = fax.state == State::Waiting && !fax.held;
        self.check(due, Promise::NotDue, || format!("{id} is dialled: {fax:?}"));
        let asked = fax.not_before.is_none_or(|at| at <= wall);
        self.check(asked, Promise::NotDue, || {
            format!("{id} is dialled at {wall}, before the time that was asked for: {fax:?}")
        });
        let in_time = fax.deadline.is_none_or(|at| wall < at);
        self.check(in_time, Promise::Late, || {
            format!("{id} is dialled at {wall}, after its deadline: {fax:?}")
        });
        self.check(mono >= fax.earliest, Promise::TooSoon, || {
            format!(
                "{id} is dialled {} ms too soon: {fax:?}",
                fax.earliest - mono
            )
        });
        self.check(mono >= number.ready, Promise::TooSoon, || {
            let early = number.ready - mono;
            format!("{} is called {early} ms too soon: {number:?}", fax.number)
        });
        let mut others = self.faxes.iter();
        let twice = others.find(|(other, it)| {
            let same = it.state == State::Calling && it.number == fax.number;
            same && *other != id && !beside.contains(other)
        });
        let twice = twice.map(|(other, _)| other.clone());
        self.check(twice.is_none(), Promise::TwiceAtATime, || {
            format!("{} is called for {id} and {twice:?}", fax.number)
        });
        self.check(confirmed == fax.confirmed, Promise::Resent, || {
            format!("{id} goes on behind page {confirmed}: {fax:?}")
        });
        self.check(pages == fax.pages, Promise::Rows, || {
            format!("{id} has {pages} pages: {fax:?}")
        });
        let fax = self.fax(id);
        fax.state = State::Calling;
        fax.confirmed_now = 0;
        fax.leaving = false;
        fax.first_attempt.get_or_insert(mono);
    }

    pub fn confirmed(&mut self, id: &str) {
        let fax = self.fax(id);
        fax.confirmed += 1;
        fax.confirmed_now += 1;
    }

    /// It shared a call that did not come to it.
    pub fn put_back(&mut self, id: &str) {
        let fax = self.fax(id);
        fax.state = State::Waiting;
        if fax.attempts.is_empty() {
            fax.first_attempt = None;
        }
        if fax.cancelling {
            self.ends(id, End::Cancelled);
        }
    }

    /// A call ended for a fax; the store says what follows, or a look at its row does.
    pub fn call_ended(&mut self, id: &str, how: CallEnd, says: Option<End>) {
        let after = self.after(id, how);
        let (wall, mono) = (self.wall, self.mono);
        let fax = self.faxes[id].clone();
        match (after, says) {
            (After::Ends(right), Some(end)) => {
                self.check(right == end, Promise::RightEnd, || {
                    format!("{id} is {}, and should be {}", end.name(), right.name())
                });
            }
            (After::Ends(End::Failed), None) => {
                self.breaks(Promise::GivesUp, format!("{id} is tried again: {fax:?}"));
            }
            (After::Ends(end), None) => {
                let how = format!("{id} is tried again, and is {}: {fax:?}", end.name());
                self.breaks(Promise::Resent, how);
            }
            (After::Again(delay), Some(End::Failed)) => {
                let next = delay * 1000 + 1000;
                let began = fax.first_attempt.unwrap_or(mono);
                let may = match fax.deadline {
                    Some(at) => wall + next >= at,
                    None => mono + next >= began + rules::GIVE_UP_SECONDS * 1000,
                };
                self.check(may, Promise::FailedTooEarly, || {
                    format!("{id} failed after {how:?}, at {wall}, mono {mono}: {fax:?}")
                });
            }
            (After::Again(_), Some(end)) => {
                let how = format!("{id} is {} after {how:?}: {fax:?}", end.name());
                self.breaks(Promise::RightEnd, how);
            }
            (After::Again(_), None) => {}
        }
        match (says, after) {
            (Some(end), _) => self.ends(id, end),
            (None, After::Again(delay)) => self.waits(id, delay),
            (None, After::Ends(_)) => self.waits(id, 0),
        }
    }

    fn waits(&mut self, id: &str, seconds: i64) {
        let earliest = self.mono + seconds * 1000;
        let fax = self.fax(id);
        fax.state = State::Waiting;
        fax.leaving = false;
        fax.earliest = earliest;
    }

    /// What the facts and the rules say, and the number's back-off.
    fn after(&mut self, id: &str, how: CallEnd) -> After {
        let fax = &self.faxes[id];
        let all = fax.confirmed >= fax.pages;
        let outcome = match how.outcome {
            "delivered" if !all => "protocol_error",
            outcome => outcome,
        };
        let number = fax.number.clone();
        let of_number = self.number_heard(&number, outcome, how);
        let rule = rules::of(outcome);
        let counts = how.answered || rule.is_none_or(|rule| rule.counts_unanswered);
        let fax = self.fax(id);
        let attempt = |outcome| Attempt { outcome, counts };
        fax.attempts.push(attempt(how.outcome));
        if all {
            return After::Ends(End::Delivered);
        }
        let doubt = fax.leaving && !rules::says_no(outcome);
        if doubt || outcome == "uncertain" {
            return After::Ends(End::Uncertain);
        }
        if outcome == "cancelled" || fax.cancelling {
            return After::Ends(End::Cancelled);
        }
        let Some(rule) = rule else {
            return After::Ends(End::Failed);
        };
        let counting = || fax.attempts.iter().filter(|attempt| attempt.counts);
        let alike = |attempt: &&Attempt| rules::alike(attempt.outcome, outcome);
        let like_this = match outcome == how.outcome && counting().count() < rules::MOST_TRIES {
            true => counting().filter(alike).count(),
            false => counting().count(),
        };
        if like_this >= rule.attempts {
            return After::Ends(End::Failed);
        }
        let same = |attempt: &&Attempt| attempt.outcome == outcome;
        let in_a_row = fax.attempts.iter().rev().take_while(same).count();
        After::Again(rule.delay(of_number.unwrap_or(in_a_row as u32).max(1)))
    }

    fn number_heard(&mut self, number: &str, outcome: &'static str, how: CallEnd) -> Option<u32> {
        let mono = self.mono;
        let row = self.numbers.entry(number.to_owned()).or_default();
        let Some(rule) = rules::of(outcome).filter(|rule| rule.of_number) else {
            // Of a call that was cut off nobody knows.
            if how.answered && !how.cut_off {
                *row = Number::default();
            }
            return None;
        };
        let engaged = |outcome| matches!(outcome, "busy" | "congestion");
        let (last, ours) = (row.last, outcome);
        let lawful = engaged(last) && row.in_a_row > 0 && row.in_a_row.is_multiple_of(15);
        let had_an_hour =
            lawful || rules::of(last).is_some_and(|rule| rule.delay(row.in_a_row.max(1)) >= 3600);
        let by_turns =
            (last == "no_answer" && engaged(ours)) || (engaged(last) && ours == "no_answer");
        row.in_a_row = if last == ours || (engaged(last) && engaged(ours)) {
            row.in_a_row + 1
        } else {
            1
        };
        row.last = outcome;
        let least = if by_turns && !had_an_hour { 3600 } else { 0 };
        row.ready = mono + rule.delay(row.in_a_row).max(least) * 1000;
        Some(row.in_a_row)
    }

    /// What every start forgets: back-offs that were over a day ago.
    pub fn forgets(&mut self) {
        let long_ago = self.mono - 86_400_000;
        self.numbers.retain(|_, row| row.ready >= long_ago);
    }

    pub fn retried_by_order(&mut self, id: &str) {
        let mono = self.mono;
        let fax = self.fax(id);
        (fax.held, fax.not_before, fax.not_before_mono) = (false, None, None);
        (fax.earliest, fax.could_go_since) = (0, mono);
        let number = fax.number.clone();
        self.numbers.remove(&number);
    }

    pub fn released(&mut self, id: &str) {
        let mono = self.mono;
        let fax = self.fax(id);
        (fax.held, fax.could_go_since) = (false, mono);
    }

    /// The store ended a fax by itself: its time must be over.
    pub fn ended_by_time(&mut self, id: &str, end: End) {
        let (wall, mono, was_set) = (self.wall, self.mono, self.clock_was_set);
        let fax = self.faxes[id].clone();
        let late = fax.deadline.is_some_and(|at| at <= wall);
        let asked = fax.not_before_mono.filter(|_| !was_set).unwrap_or(0);
        let since = fax.first_attempt.unwrap_or(fax.could_go_since.max(asked));
        let waits = fax.state == State::Waiting && !fax.held && fax.deadline.is_none();
        let old = waits && mono >= since + rules::GIVE_UP_SECONDS * 1000;
        self.check(late || old, Promise::FailedTooEarly, || {
            format!(
                "{id} ended as {} at {wall}, mono {mono}: {fax:?}",
                end.name()
            )
        });
        let right = end == End::Failed && fax.state != State::Calling;
        self.check(right, Promise::RightEnd, || {
            format!("{id} ended as {} at {wall}: {fax:?}", end.name())
        });
        self.ends(id, end);
    }

    /// A fax is over: its report is owed.
    pub fn ends(&mut self, id: &str, end: End) {
        let mono = self.mono;
        let fax = self.fax(id);
        let twice = fax.is_over();
        fax.state = State::Ended(end);
        fax.ended = Some(mono);
        let message = fax.message.clone();
        self.check(!twice, Promise::RightEnd, || format!("{id} ended twice"));
        let owed = match self.one_report.get(&message) {
            None => ("receipt", id.to_owned()),
            Some(all) if all.iter().all(|fax| self.faxes[fax].is_over()) => ("broadcast", message),
            Some(_) => return,
        };
        self.owes_mail(owed.0, &owed.1, super::SENDER);
    }

    pub fn owes_mail(&mut self, kind: &str, subject: &str, recipient: &str) {
        let key = (kind.to_owned(), subject.to_owned(), recipient.to_owned());
        self.mails.entry(key).or_insert(Mail::Waiting);
    }

    /// A mail was given out to be delivered.
    pub fn mail_claimed(&mut self, key: &MailKey) {
        let stands = self.mails.get(key).copied();
        let is_delay = key.0 == "delay" && stands.is_none();
        let right = stands == Some(Mail::Waiting) || is_delay;
        self.check(right, Promise::OutgoingMail, || {
            format!("{key:?} is given out, and is {stands:?}")
        });
        self.mails.insert(key.clone(), Mail::Sending);
    }

    /// A mail came again, and the answer for one recipient was that `fax` is queued already; `mates` are the faxes of its
    /// earlier copies.
    pub fn called_duplicate(&mut self, fax: &str, text: u64, number: &str, mates: &[String]) {
        let mono = self.mono;
        let Some(it) = self.faxes.get(fax).cloned() else {
            return self.breaks(Promise::Swallowed, format!("{fax} is no fax"));
        };
        let equal = it.text == text && it.number == number;
        let gave_up = |mate: &String| match &self.faxes[mate] {
            Fax {
                state: State::Ended(end),
                ..
            } => *end != End::Delivered,
            fax => fax.cancelling,
        };
        let explained = match it.state {
            State::Ended(End::Delivered) => {
                let since = mono - it.ended.unwrap_or(mono);
                // By the wall clock, which is all that a row has: a step back lengthens it.
                let is_recent = since <= rules::LOST_REPLY_SECONDS * 1000 || self.clock_was_set;
                is_recent || mates.iter().any(gave_up)
            }
            State::Ended(_) => false,
            _ => true,
        };
        self.check(equal && explained, Promise::Swallowed, || {
            format!("a mail to {number} is answered with {fax}: {it:?}")
        });
    }

    /// How many faxes are over.
    pub fn over(&self) -> usize {
        self.faxes.values().filter(|fax| fax.is_over()).count()
    }

    /// A mail came again, and a recipient got a new fax beside `others`, the live ones that are equal.
    pub fn called_new(&mut self, fax: &str, others: &BTreeSet<String>) {
        let known = |id: &&String| self.mono - self.faxes[*id].accepted < rules::KNOWN_MILLIS;
        let equal: Vec<&String> = others.iter().filter(known).collect();
        let how = format!("{fax} is new beside {equal:?}");
        let holds = equal.is_empty();
        self.check(holds, Promise::AcceptedTwice, || how);
    }
}

impl Rule {
    /// Seconds after so many calls in a row that ended so.
    fn delay(&self, in_a_row: u32) -> i64 {
        let last = self.delays.len() - 1;
        self.delays[(in_a_row as usize - 1).min(last)]
    }
}
