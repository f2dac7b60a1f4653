//! The books, by what others know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use postfax::carrier::CallRecord;

use crate::client::Accepted;
use crate::harness::mails::Mail;

/// What became of the mails.
#[derive(Debug, Default)]
pub struct Books {
    accepted: usize,
    delivered: usize,
    /// Neither the pages arrived nor was anybody told.
    lost: Vec<String>,
    /// Pages came twice, without a break in which their confirmation can have been lost.
    doubled: Vec<String>,
    /// Pages that a kill cut off from their confirmation, and that came again.
    in_the_air: u32,
    uncertain: usize,
    /// Nobody was told.
    unreported: Vec<String>,
    /// Told twice, in different mails.
    told_twice: Vec<String>,
    /// Told that it arrived, and it did not.
    untrue: Vec<String>,
}

/// The receipts about a mail, each once: a relay may get one twice when the sender of it is killed before it hears the yes.
fn told<'a>(mail: &Accepted, taken: &'a [(String, Mail)]) -> Vec<&'a Mail> {
    let mut seen = BTreeSet::new();
    let about = taken.iter().map(|(_, receipt)| receipt);
    about
        .filter(|receipt| receipt.subject.contains(&mail.tag) && seen.insert(&receipt.message_id))
        .collect()
}

/// Mails about which nobody has been told.
pub fn untold(accepted: &[Accepted], taken: &[(String, Mail)]) -> usize {
    accepted
        .iter()
        .filter(|mail| told(mail, taken).is_empty())
        .count()
}

impl Books {
    /// Mail by mail.
    pub fn balance(accepted: &[Accepted], calls: &[CallRecord], taken: &[(String, Mail)]) -> Books {
        let mut by_number: BTreeMap<String, Vec<&CallRecord>> = BTreeMap::new();
        for call in calls {
            let digits: String = call.called.chars().filter(char::is_ascii_digit).collect();
            let national = digits.strip_prefix('1').filter(|rest| rest.len() == 10);
            by_number
                .entry(national.unwrap_or(&digits).to_owned())
                .or_default()
                .push(call);
        }
        let mut books = Books {
            accepted: accepted.len(),
            ..Books::default()
        };
        for mail in accepted {
            let calls = by_number.remove(&mail.number).unwrap_or_default();
            books.enter(mail, &calls, &told(mail, taken));
        }
        books
    }

    fn enter(&mut self, mail: &Accepted, calls: &[&CallRecord], told: &[&Mail]) {
        let name = || format!("{} to {}", mail.tag, mail.number);
        let confirmed: u32 = calls.iter().map(|call| call.pages).sum();
        let arrived = confirmed >= mail.pages;
        self.delivered += usize::from(arrived);
        let twice = confirmed.saturating_sub(mail.pages);
        // A call that broke behind a page that was not the last: its confirmation may not have reached us.
        let broken = calls
            .iter()
            .filter(|call| call.pages > 0 && call.pages < mail.pages)
            .count() as u32;
        self.in_the_air += twice.min(broken);
        if twice > broken {
            self.doubled.push(name());
        }
        match told {
            [] if arrived => self.unreported.push(name()),
            [] => {
                self.lost.push(name());
                self.unreported.push(name());
            }
            [receipt] => {
                let says = |words: &str| receipt.subject.contains(words);
                self.uncertain += usize::from(says("perhaps"));
                if says("Fax delivered") && !arrived {
                    self.untrue.push(name());
                }
            }
            _ => self.told_twice.push(name()),
        }
    }

    /// Fails where they do not balance.
    pub fn judge(&self) {
        let wrong = [
            &self.lost,
            &self.doubled,
            &self.unreported,
            &self.told_twice,
            &self.untrue,
        ];
        assert!(
            wrong.iter().all(|names| names.is_empty()),
            "the books do not balance: {self:#?}"
        );
        assert!(self.accepted > 0 && self.delivered > 0, "nothing happened");
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted={} delivered={} lost={} doubled={} in_the_air={} uncertain={} unreported={} told_twice={} untrue={}",
            self.accepted,
            self.delivered,
            self.lost.len(),
            self.doubled.len(),
            self.in_the_air,
            self.uncertain,
            self.unreported.len(),
            self.told_twice.len(),
            self.untrue.len()
        )
    }
}
