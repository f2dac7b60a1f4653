//! The books, by what others know: the clerk who has a `250` for each mail, the far ends' machines, the mailboxes. The
//! daemon's store is not asked. Nothing is read here; `evidence` does that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Milliseconds of the true time.
pub type Millis = i64;

/// A page by what is on it: which one, of how many. `None`: of no mail.
pub type Page = Option<(u32, u32)>;

/// What is at a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behind {
    /// A machine that takes every page.
    #[default]
    Machine,
    /// One that never confirms the last page.
    SilentAtTheEnd,
    /// Nobody: each fax fails at its first call.
    NotInService,
    /// A busy line: each fax fails at its second call, [`BUSY_DELAY`] after the first.
    Busy,
}

/// How long a busy number is left alone.
pub const BUSY_DELAY: Millis = 2 * 3_600_000;

/// A mail that got its `250`, once for each of its recipients.
#[derive(Debug, Clone, Default)]
pub struct Accepted {
    /// Word in its subject that no other has.
    pub tag: String,
    /// The number it goes to; no other goes there that has as many pages.
    pub number: String,
    /// Its pages.
    pub pages: u32,
    /// What is there.
    pub behind: Behind,
    /// When the first `250` came.
    pub at: Millis,
    /// How long after that its sender wants no call any more.
    pub deadline: Option<Millis>,
    /// Its cancellation was asked for, and was said to be taken.
    pub cancelled: bool,
    /// How often it was sent again after a mail said that its fax had not arrived.
    pub again: usize,
    /// How often it is not known whether it was taken.
    pub unknown: usize,
}

/// A call that a machine took.
#[derive(Debug, Clone)]
pub struct Call {
    /// The number it was to.
    pub number: String,
    /// The pages it confirmed, in their order.
    pub confirmed: Vec<Page>,
    /// When it kept the last of them, just before its confirmation left.
    pub kept: Millis,
    /// When it ended.
    pub ended: Millis,
}

/// What a mail says of a fax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Every page arrived.
    Delivered,
    /// It did not arrive.
    Failed,
    /// Somebody has cancelled it.
    Cancelled,
    /// Nobody knows.
    Perhaps,
    /// It still waits: no final word.
    Waits,
}

/// A mail about a fax to send.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its `Message-ID`.
    pub id: String,
    /// The subject of the mail that it is about.
    pub subject: String,
    /// All it says.
    pub text: String,
    /// What it says.
    pub says: Says,
    /// The postmaster has it, because the relay refused it.
    pub to_postmaster: bool,
}

/// A call that a machine placed.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The number it had, which no other had.
    pub caller: String,
    /// The pages that we confirmed to it.
    pub confirmed: u32,
    /// The pages that it had.
    pub pages: u32,
}

/// A mail with a received fax.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its `Message-ID`.
    pub id: String,
    /// The caller.
    pub caller: String,
    /// Its pages.
    pub pages: Vec<Page>,
    /// The postmaster has it, because the relay refused it.
    pub to_postmaster: bool,
}

/// All that others know.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// By the clerk.
    pub accepted: Vec<Accepted>,
    /// Mails that were refused for good, and why. None of them should be.
    pub refused: Vec<String>,
    /// By the machines.
    pub calls: Vec<Call>,
    /// By the mailboxes.
    pub reports: Vec<Report>,
    /// By the machines.
    pub placed: Vec<Placed>,
    /// By the mailboxes.
    pub arrived: Vec<Arrived>,
    /// When the daemon was killed.
    pub kills: Vec<Millis>,
    /// From when until when its disk took nothing, or its pages were away.
    pub full: Vec<(Millis, Millis)>,
    /// From when until when the daemon stood still, the processes of its calls, or both; whether the latter.
    pub frozen: Vec<(Millis, Millis, bool)>,
    /// When the machine was off, and for how long in addition to the true time.
    pub off: Vec<(Millis, Millis)>,
    /// The calls that the carrier was asked for: when, and to which number.
    pub dialled: Vec<(Millis, String)>,
    /// Mails and pages that are gone after a start with an older database, or that `postfax check` does not list then.
    pub swept: Vec<String>,
}

/// How long a confirmation is on its way at most: V.21 preamble and frame take 1.5 s, the note of it an fsync.
const ON_ITS_WAY: Millis = 5_000;

/// How long after a kill a machine knows at the latest that nobody is there.
const NOTICED: Millis = 60_000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Neither did all pages arrive, nor was anybody told.
    Lost,
    /// A page came again whose confirmation no kill can have cut off, or the last page.
    Doubled,
    /// Nobody was told how it ended.
    Unreported,
    /// Two different final words.
    ToldTwice,
    /// The final word is not what the machine saw.
    Untrue,
    /// "Perhaps", and no kill explains why.
    Unexplained,
    /// A good mail was refused for good.
    Refused,
    /// A page that nobody sent.
    Garbled,
    /// "Not delivered", and nothing but the gateway's own trouble explains why.
    FailedTooEarly,
    /// A mail that was sent again after its fax had failed, and nobody was told how that ended.
    Swallowed,
    /// Accepted, and removed by a start with an older database.
    Swept,
    /// A call after the sender's deadline.
    Late,
    /// A call before the delay was over that the one before brought.
    TooSoon,
    /// A page that came again though only the daemon stood still.
    Resent,
}

/// What became of everything.
#[derive(Debug, Default)]
pub struct Books {
    /// Recipients of mails that got their `250`.
    pub accepted: usize,
    /// Of these, how many got all pages.
    pub delivered: usize,
    /// Pages that came again because a kill cut off their confirmation.
    pub in_the_air: usize,
    /// Recipients of whom nobody can know, as a kill or a silent machine left them.
    pub uncertain: usize,
    /// Faxes received, pages of which were confirmed.
    pub received: usize,
    /// What is wrong, with names.
    pub faults: BTreeMap<Fault, Vec<String>>,
}

impl Evidence {
    /// The final words about a recipient; a mail that the relay got twice counts once.
    fn final_words(&self, mail: &Accepted) -> Vec<&Report> {
        let mut seen = BTreeSet::new();
        let about = self.reports.iter().filter(|report| {
            report.says != Says::Waits
                && report.subject.contains(&mail.tag)
                && report.text.contains(&mail.number)
        });
        about.filter(|report| seen.insert(&report.id)).collect()
    }

    /// Recipients about whom nobody has been told the end.
    pub fn untold(&self) -> usize {
        self.accepted
            .iter()
            .filter(|mail| self.is_untold(mail))
            .count()
    }

    /// Whether nobody has been told the end of a mail, or of its second sending.
    pub fn is_untold(&self, mail: &Accepted) -> bool {
        self.final_words(mail).len() <= mail.again
    }

    /// Callers whose confirmed pages are in no mailbox.
    pub fn missing(&self) -> usize {
        let missing = |call: &&Placed| {
            call.confirmed > 0 && !self.arrived.iter().any(|mail| mail.caller == call.caller)
        };
        self.placed.iter().filter(missing).count()
    }

    /// Whether a kill, or a full disk with a kill behind it, came between a page's confirmation and the note of it.
    fn was_cut_off(&self, kept: Millis) -> bool {
        let air = kept..kept + ON_ITS_WAY;
        self.kills.iter().any(|kill| air.contains(kill))
            || self
                .full
                .iter()
                .any(|(from, to)| (from - ON_ITS_WAY..*to).contains(&kept))
    }

    /// Whether the process of a call stood still when a page's confirmation came.
    fn was_deaf(&self, kept: Millis) -> bool {
        let mut calls = self.frozen.iter().filter(|(_, _, calls)| *calls);
        calls.any(|(from, to, _)| (from - ON_ITS_WAY..*to).contains(&kept))
    }

    /// Whether the daemon stood still then.
    fn was_frozen(&self, kept: Millis) -> bool {
        let mut frozen = self.frozen.iter();
        frozen.any(|(from, to, _)| (from - ON_ITS_WAY..to + ON_ITS_WAY).contains(&kept))
    }

    /// What the daemon's clock says to be between two moments.
    fn between(&self, from: Millis, to: Millis) -> Millis {
        let off = self.off.iter().filter(|(at, _)| (from..to).contains(at));
        to - from + off.map(|(_, long)| long).sum::<Millis>()
    }

    /// The calls to a number that the carrier was asked for.
    fn dialled_to<'a>(&'a self, number: &'a str) -> impl Iterator<Item = Millis> + 'a {
        let to_it = self.dialled.iter().filter(move |(_, to)| to == number);
        to_it.map(|(at, _)| *at)
    }

    /// Whether a page is one of another mail to the same number.
    fn is_of_another(&self, mail: &Accepted, page: Page) -> bool {
        let sent_there = |of| {
            let mut others = self.accepted.iter();
            others.any(|other| other.number == mail.number && other.pages == of)
        };
        page.is_some_and(|(_, of)| of != mail.pages && sent_there(of))
    }

    /// Whether a kill ended a call, or somebody who stood still.
    fn was_killed(&self, call: &Call) -> bool {
        let noticed = call.ended - NOTICED..call.ended + 1_000;
        let mut frozen = self.frozen.iter();
        self.kills.iter().any(|kill| noticed.contains(kill))
            || frozen.any(|(from, to, _)| *from < noticed.end && noticed.start < *to)
    }
}

impl Books {
    /// Balances them, recipient by recipient and caller by caller.
    pub fn balance(evidence: &Evidence) -> Books {
        let mut books = Books {
            accepted: evidence.accepted.len(),
            ..Books::default()
        };
        for mail in &evidence.accepted {
            books.enter(evidence, mail);
        }
        for call in evidence.placed.iter().filter(|call| call.confirmed > 0) {
            books.enter_received(evidence, call);
        }
        for mail in &evidence.refused {
            books.fault(Fault::Refused, mail.clone());
        }
        for key in &evidence.swept {
            books.fault(Fault::Swept, key.clone());
        }
        for mail in &evidence.arrived {
            if mail.pages.contains(&None) {
                books.fault(Fault::Garbled, format!("a page from {}", mail.caller));
            }
        }
        books
    }

    fn enter(&mut self, evidence: &Evidence, mail: &Accepted) {
        let name = || format!("{} to {}", mail.tag, mail.number);
        let calls = evidence
            .calls
            .iter()
            .filter(|call| call.number == mail.number);
        let calls: Vec<&Call> = calls.collect();
        let mut got: BTreeMap<Page, &Call> = BTreeMap::new();
        // One that was sent again brings every page again.
        let mut again: BTreeMap<Page, usize> = BTreeMap::new();
        for call in &calls {
            let own = call.confirmed.iter();
            for page in own.filter(|page| !evidence.is_of_another(mail, **page)) {
                let before = got.insert(*page, call);
                let is_last = *page == Some((mail.pages, mail.pages));
                match before {
                    _ if page.is_none_or(|(_, of)| of != mail.pages) => {
                        self.fault(Fault::Garbled, name());
                    }
                    None => {}
                    Some(before) if !is_last && evidence.was_cut_off(before.kept) => {
                        self.in_the_air += 1;
                    }
                    Some(before) if !is_last && evidence.was_deaf(before.kept) => {
                        self.in_the_air += 1;
                    }
                    Some(before) => {
                        let again = again.entry(*page).or_default();
                        *again += 1;
                        if *again > mail.again {
                            let fault = match evidence.was_frozen(before.kept) {
                                true => Fault::Resent,
                                false => Fault::Doubled,
                            };
                            self.fault(fault, format!("{page:?} of {}", name()));
                        }
                    }
                }
            }
        }
        let all = (1..=mail.pages).all(|page| got.contains_key(&Some((page, mail.pages))));
        self.delivered += usize::from(all);
        let told = evidence.final_words(mail);
        self.enter_words(&told, all, mail, name);
        self.enter_times(evidence, &told, mail, name);
        if told.iter().any(|report| report.says == Says::Perhaps) {
            self.uncertain += 1;
            let is_alone = evidence
                .accepted
                .iter()
                .filter(|other| other.number == mail.number)
                .count()
                == 1;
            // Where others go to the same number, a later call may have been for them.
            let killed = match is_alone {
                true => calls.last().is_some_and(|call| evidence.was_killed(call)),
                false => calls.iter().any(|call| evidence.was_killed(call)),
            };
            if !killed && mail.behind != Behind::SilentAtTheEnd {
                self.fault(Fault::Unexplained, name());
            }
        }
    }

    fn enter_words(
        &mut self,
        told: &[&Report],
        arrived: bool,
        mail: &Accepted,
        name: impl Fn() -> String,
    ) {
        if told.is_empty() {
            self.fault(Fault::Unreported, name());
            if !arrived {
                self.fault(Fault::Lost, name());
            }
        } else if told.len() <= mail.again {
            self.fault(Fault::Swallowed, name());
        }
        // The relay may take one, lose its yes, and refuse it when it comes again: then the postmaster has it, too.
        for to_postmaster in [false, true] {
            let of_kind = told
                .iter()
                .filter(|report| report.to_postmaster == to_postmaster);
            if of_kind.count() > 1 + mail.again + mail.unknown {
                self.fault(Fault::ToldTwice, name());
            }
        }
        let said = |says| told.iter().any(|report| report.says == says);
        let is_true = |report: &&Report| match report.says {
            Says::Delivered => arrived,
            // It may have arrived when it was sent again.
            Says::Failed => !arrived || said(Says::Delivered),
            Says::Perhaps | Says::Waits => true,
            Says::Cancelled => mail.cancelled,
        };
        if !told.iter().all(is_true) {
            self.fault(Fault::Untrue, name());
        }
    }

    /// No call comes too late or too soon, and nothing is given up before its time.
    fn enter_times(
        &mut self,
        evidence: &Evidence,
        told: &[&Report],
        mail: &Accepted,
        name: impl Fn() -> String,
    ) {
        let calls: Vec<Millis> = evidence.dialled_to(&mail.number).collect();
        // Another sending has another deadline.
        if let Some(deadline) = mail.deadline.filter(|_| mail.again == 0) {
            let is_late = |at: &&Millis| evidence.between(mail.at, **at) > deadline + ON_ITS_WAY;
            if calls.iter().any(|at| is_late(&at)) {
                self.fault(Fault::Late, name());
            }
        }
        if mail.behind == Behind::Busy && mail.again == 0 {
            for pair in calls.windows(2) {
                // A call that a kill or a freeze ended was not busy.
                let cut_off = evidence.was_cut_off(pair[0]) || evidence.was_frozen(pair[0]);
                if !cut_off && evidence.between(pair[0], pair[1]) < BUSY_DELAY - ON_ITS_WAY {
                    self.fault(Fault::TooSoon, name());
                }
            }
        }
        let failed = told.iter().find(|report| report.says == Says::Failed);
        let had_its_calls = match mail.behind {
            Behind::Machine | Behind::SilentAtTheEnd => false,
            Behind::NotInService => !calls.is_empty(),
            Behind::Busy => calls.len() > 1,
        };
        if let Some(failed) = failed
            && !had_its_calls
            && mail.deadline.is_none()
        {
            self.fault(
                Fault::FailedTooEarly,
                format!("{}: {}", name(), failed.text),
            );
        }
    }

    fn enter_received(&mut self, evidence: &Evidence, call: &Placed) {
        self.received += 1;
        let name = || format!("the fax from {}", call.caller);
        let mails = evidence
            .arrived
            .iter()
            .filter(|mail| mail.caller == call.caller);
        let mails: Vec<&Arrived> = mails.collect();
        let all: Vec<Page> = (1..=call.pages)
            .map(|page| Some((page, call.pages)))
            .collect();
        let has_all = |mail: &&Arrived| {
            mail.pages.len() >= call.confirmed as usize && all.starts_with(&mail.pages)
        };
        if !mails.iter().any(has_all) {
            self.fault(Fault::Lost, name());
        }
        for to_postmaster in [false, true] {
            let of_kind = mails
                .iter()
                .filter(|mail| mail.to_postmaster == to_postmaster);
            let ids: BTreeSet<&str> = of_kind.map(|mail| mail.id.as_str()).collect();
            if ids.len() > 1 {
                self.fault(Fault::Doubled, name());
            }
        }
    }

    fn fault(&mut self, fault: Fault, name: String) {
        self.faults.entry(fault).or_default().push(name);
    }

    /// How often.
    pub fn count(&self, fault: Fault) -> usize {
        self.faults.get(&fault).map_or(0, Vec::len)
    }

    /// Fails where they do not balance.
    pub fn judge(&self) {
        assert!(
            self.faults.is_empty(),
            "the books do not balance: {:#?}",
            self.faults
        );
        assert!(self.accepted > 0 && self.delivered > 0, "nothing happened");
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted={} lost={} doubled={} uncertain={} unreported={} delivered={} received={} in_the_air={} \
             failed_too_early={} swallowed={} swept={} late={} resent={}",
            self.accepted,
            self.count(Fault::Lost),
            self.count(Fault::Doubled),
            self.uncertain,
            self.count(Fault::Unreported),
            self.delivered,
            self.received,
            self.in_the_air,
            self.count(Fault::FailedTooEarly),
            self.count(Fault::Swallowed),
            self.count(Fault::Swept),
            self.count(Fault::Late),
            self.count(Fault::Resent),
        )?;
        let others = [
            Fault::ToldTwice,
            Fault::Untrue,
            Fault::Unexplained,
            Fault::Refused,
            Fault::Garbled,
            Fault::TooSoon,
        ];
        for fault in others.into_iter().filter(|fault| self.count(*fault) > 0) {
            write!(f, " {fault:?}={}", self.count(fault))?;
        }
        Ok(())
    }
}
