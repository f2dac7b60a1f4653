//! Every mail the gateway writes, until the next hop has taken it.

use rusqlite::{OptionalExtension, params};

use super::{LEASE_SECONDS, Millis, Result, Store};

/// A mail that is ours to compose and deliver.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// Its identifier: the same at every try, so that the next hop can notice a second copy.
    pub id: String,
    /// True: a receipt about the fax `subject_of`; false: the received fax `subject_of`.
    pub receipt: bool,
    /// What it is about.
    pub subject_of: String,
    /// Mail address, or the path of a Maildir.
    pub recipient: String,
    /// When it was queued: the `Date` of the mail.
    pub created_at: Millis,
    /// Tries that began, this one included.
    pub tries: u32,
}

impl Store {
    /// Claims the next mail that is due.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_mail(&self, now: Millis) -> Result<Option<ClaimedMail>> {
        let owner = self.owner();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE outgoing SET state = 'sending', tries = tries + 1, owner = ?1, lease_until = ?2
                 WHERE id = (SELECT id FROM outgoing WHERE state = 'waiting' AND next_try_at <= ?3
                             ORDER BY next_try_at, id LIMIT 1)
                 RETURNING id, kind = 'receipt', subject_of, recipient, created_at, tries",
            )?
            .query_row(params![owner, now.plus_seconds(LEASE_SECONDS).0, now.0], |row| {
                Ok(ClaimedMail {
                    id: row.get(0)?,
                    receipt: row.get(1)?,
                    subject_of: row.get(2)?,
                    recipient: row.get(3)?,
                    created_at: Millis(row.get(4)?),
                    tries: row.get(5)?,
                })
            })
            .optional()
        })
        .await
    }

    /// The next hop has taken the mail.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mail_delivered(&self, mail: &str, reply: &str, now: Millis) -> Result<()> {
        self.end_mail(mail, "delivered", reply, now).await
    }

    /// The next hop will never take the mail; it stays here and is shown.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mail_failed(&self, mail: &str, reply: &str, now: Millis) -> Result<()> {
        self.end_mail(mail, "failed", reply, now).await
    }

    /// The next hop did not take the mail now; it is tried again at `at`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mail_deferred(&self, mail: &str, reply: &str, at: Millis) -> Result<()> {
        let (mail, reply) = (mail.to_owned(), reply.to_owned());
        self.write(move |db| {
            db.execute(
                "UPDATE outgoing SET state = 'waiting', reply = ?2, next_try_at = ?3, owner = NULL, lease_until = NULL
                 WHERE id = ?1",
                params![mail, reply, at.0],
            )?;
            Ok(())
        })
        .await
    }

    async fn end_mail(
        &self,
        mail: &str,
        state: &'static str,
        reply: &str,
        now: Millis,
    ) -> Result<()> {
        let (mail, reply) = (mail.to_owned(), reply.to_owned());
        self.write(move |db| {
            db.execute(
                "UPDATE outgoing SET state = ?2, reply = ?3, ended_at = ?4, owner = NULL, lease_until = NULL
                 WHERE id = ?1",
                params![mail, state, reply, now.0],
            )?;
            Ok(())
        })
        .await
    }
}
