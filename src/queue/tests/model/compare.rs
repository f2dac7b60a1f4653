//! The rows of the store beside the promises.

use std::collections::BTreeMap;

use super::promises::{End, MailKey, Promise};
use super::world::World;

/// A row of a fax: state, pages confirmed, attempts that began, held.
type FaxRow = (String, u32, usize, bool);

impl World {
    /// Faxes that the store has ended by itself.
    pub async fn notice_ends(&mut self) {
        let ended = self.store.read(|db| {
            db.prepare_cached("SELECT id, state FROM faxes WHERE ended_at IS NOT NULL ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        });
        let ended: Option<Vec<(String, String)>> = {
            let ended = ended.await;
            self.works("a look at what ended", ended)
        };
        for (id, state) in ended.unwrap_or_default() {
            let is_news = self
                .promises
                .faxes
                .get(&id)
                .is_some_and(|fax| !fax.is_over());
            if let (true, Some(end)) = (is_news, End::from_name(&state)) {
                self.promises.ended_by_time(&id, end);
                self.note(format!("{id} ended by itself: {state}"));
            }
        }
    }

    /// Every row, and the rules of `postfax check`.
    pub async fn compare(&mut self) {
        self.compare_faxes().await;
        self.compare_mails().await;
        self.compare_usage().await;
        let violations = self.store.check().await;
        for violation in self.works("check", violations).unwrap_or_default() {
            self.promises
                .breaks(Promise::Rows, format!("{violation:?}"));
        }
        self.count("compare");
    }

    async fn compare_faxes(&mut self) {
        let rows = self.store.read(|db| {
            db.prepare_cached(
                "SELECT id, state, confirmed, (SELECT count(*) FROM attempts a WHERE a.fax = f.id), held FROM faxes f",
            )?
            .query_map([], |row| {
                let fax = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((row.get(0)?, fax))
            })?
            .collect()
        });
        let rows: Option<BTreeMap<String, FaxRow>> = {
            let rows = rows.await;
            self.works("a look at all faxes", rows)
        };
        let Some(rows) = rows else {
            return;
        };
        for (id, fax) in self.promises.faxes.clone() {
            let Some((state, confirmed, attempts, held)) = rows.get(&id) else {
                let how = format!("{id} is gone: {fax:?}");
                self.promises.breaks(Promise::Swept, how);
                continue;
            };
            let calling = usize::from(fax.state == super::promises::State::Calling);
            let began = fax.attempts.len() + calling;
            if *state != fax.state.to_string() || *attempts != began || *held != fax.held {
                let how =
                    format!("{id} is {state}, has {attempts} attempts, held: {held}; {fax:?}");
                self.promises.breaks(Promise::Rows, how);
            }
            if *confirmed != fax.confirmed {
                let how = format!("{confirmed} pages of {id} are known to be confirmed: {fax:?}");
                self.promises.breaks(Promise::Resent, how);
            }
        }
        if let Some(id) = rows
            .keys()
            .find(|id| !self.promises.faxes.contains_key(*id))
        {
            let how = format!("{id} is a fax that nobody sent");
            self.promises.breaks(Promise::Rows, how);
        }
    }

    async fn compare_mails(&mut self) {
        let rows = self.store.read(|db| {
            db.prepare_cached("SELECT kind, subject_of, recipient, state FROM outgoing")?
                .query_map([], |row| {
                    Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
                })?
                .collect()
        });
        let rows: Option<Vec<(MailKey, String)>> = {
            let rows = rows.await;
            self.works("a look at all mails", rows)
        };
        let mut rest = self.promises.mails.clone();
        for (key, state) in rows.unwrap_or_default() {
            let right = match rest.remove(&key) {
                Some(mail) => state == mail.name(),
                None => state == "waiting" && self.may_be_told_of_delay(&key),
            };
            if !right {
                let stands = self.promises.mails.get(&key);
                let how = format!("{key:?} is {state}, and should be {stands:?}");
                self.promises.breaks(Promise::Report, how);
            }
        }
        for (key, mail) in rest {
            let how = format!("{key:?} should be {mail:?}, and is not there");
            self.promises.breaks(Promise::Report, how);
        }
    }

    fn may_be_told_of_delay(&self, (kind, subject, _): &MailKey) -> bool {
        let mut faxes = self.promises.faxes.iter();
        let about = |id: &String, message: &String| id == subject || message == subject;
        kind == "delay"
            && faxes.any(|(id, fax)| about(id, &fax.message) && fax.may_be_told_of_delay)
    }

    async fn compare_usage(&mut self) {
        for ((day, account), calls) in self.promises.used.clone() {
            let used = self.store.used_by_account(&day, &account).await;
            let used = self.works("used_by_account", used).unwrap_or_default();
            if used.calls != calls {
                let how = format!("{account} began {calls} calls on {day}, not {}", used.calls);
                self.promises.breaks(Promise::Usage, how);
            }
        }
        let trunks = self.store.used_by_trunks(&self.day()).await;
        self.works("used_by_trunks", trunks);
    }
}
