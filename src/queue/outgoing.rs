//! Every mail the gateway writes, until the next hop has taken it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{LEASE_SECONDS, Millis, Result, Store, id};

/// What a mail of ours is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A fax that ended.
    Receipt,
    /// A fax that still waits, or the faxes of a mail that is reported as one.
    Delay,
    /// The faxes of a mail that is reported as one: all ended.
    Broadcast,
    /// A mail of ours that its next hop refused for good; goes to the postmaster.
    Returned,
    /// A fax that came in.
    ReceivedFax,
    /// A mail about a fax once more, to somebody who keeps them.
    Copy,
    /// A mail that came in for the postmaster.
    Forwarded,
}

impl MailKind {
    /// As its column has it.
    pub fn name(self) -> &'static str {
        match self {
            MailKind::Receipt => "receipt",
            MailKind::Delay => "delay",
            MailKind::Broadcast => "broadcast",
            MailKind::Returned => "returned",
            MailKind::ReceivedFax => "received_fax",
            MailKind::Copy => "copy",
            MailKind::Forwarded => "forwarded",
        }
    }

    /// What its column says.
    pub fn from_name(name: &str) -> MailKind {
        use MailKind::*;
        [Receipt, Delay, Broadcast, Returned, Copy, Forwarded]
            .into_iter()
            .find(|kind| kind.name() == name)
            .unwrap_or(ReceivedFax)
    }
}

/// A mail that is ours to compose and deliver.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// Its identifier: the same at every try, so that the next hop can notice a second copy.
    pub id: String,
    /// What kind of thing it is about.
    pub kind: MailKind,
    /// What it is about: a fax, a message, a received fax, another mail of ours; of a mail to the postmaster that mail.
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
        self.claim_one(now, false).await
    }

    /// As [`Store::claim_mail`], of those mails whose recipient is a folder.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_mail_for_folder(&self, now: Millis) -> Result<Option<ClaimedMail>> {
        self.claim_one(now, true).await
    }

    async fn claim_one(&self, now: Millis, to_folder: bool) -> Result<Option<ClaimedMail>> {
        let owner = self.owner();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE outgoing SET state = 'sending', tries = tries + 1, owner = ?1, lease_until = ?2
                 WHERE id = (SELECT id FROM outgoing WHERE state = 'waiting' AND next_try_at <= ?3
                                AND (NOT ?4 OR recipient LIKE 'maildir:%')
                             ORDER BY next_try_at, id LIMIT 1)
                 RETURNING id, kind, subject_of, recipient, created_at, tries",
            )?
            .query_row(params![owner, now.plus_seconds(LEASE_SECONDS).0, now.0, to_folder], |row| {
                Ok(ClaimedMail {
                    id: row.get(0)?,
                    kind: MailKind::from_name(&row.get::<_, String>(1)?),
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

    /// The next hop will never take the mail; it stays here and is shown. The postmaster, where there is one to be
    /// told, gets it in the same transaction: once, and nobody is told when he does not get it either.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mail_refused(
        &self,
        mail: &str,
        reply: &str,
        postmaster: Option<&str>,
        now: Millis,
    ) -> Result<()> {
        let (mail, reply) = (mail.to_owned(), reply.to_owned());
        let postmaster = postmaster.map(str::to_owned);
        self.write(move |db| {
            end_mail(db, &mail, "failed", &reply, now)?;
            let Some(postmaster) = postmaster else {
                return Ok(());
            };
            db.prepare_cached(
                "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
                 SELECT id || '-returned', 'returned', id, ?2, ?3, 'waiting', ?3 FROM outgoing
                 WHERE id = ?1 AND kind <> 'returned' AND recipient <> ?2
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![mail, postmaster, now.0])?;
            Ok(())
        })
        .await
    }

    /// Queues a copy of a mail about a fax; once.
    ///
    /// # Errors
    /// As the database says.
    pub async fn copy_mail(&self, mail: &str, to: &str, now: Millis) -> Result<()> {
        let (mail, to) = (mail.to_owned(), to.to_owned());
        self.write(move |db| {
            db.prepare_cached(
                "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
                 SELECT id || '-copy', 'copy', id, ?2, ?3, 'waiting', ?3 FROM outgoing
                 WHERE id = ?1 AND kind IN ('receipt', 'delay', 'broadcast') AND recipient <> ?2
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![mail, to, now.0])?;
            Ok(())
        })
        .await
    }

    /// How many mails to the postmaster were taken since then: in all, and of one account.
    ///
    /// # Errors
    /// As the database says.
    pub async fn forwarded_since(&self, since: Millis, account: &str) -> Result<(u64, u64)> {
        let account = account.to_owned();
        self.read(move |db| {
            // Identifiers grow with time: only the newest rows are looked at.
            db.prepare_cached(
                "SELECT count(*), ifnull(sum(m.account = ?3), 0) FROM outgoing o JOIN messages m ON m.id = o.subject_of
                 WHERE o.kind = 'forwarded' AND o.subject_of >= ?1 AND o.created_at > ?2",
            )?
            .query_row(params![id::least(since), since.0, account], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .await
    }

    /// Queues a mail to the sender of each fax that waits for longer than it was to be told of; one mail for those of a
    /// mail that is reported as one. Once for each. Returns of how many faxes, a thousand at most; then call again.
    ///
    /// # Errors
    /// As the database says.
    pub async fn tell_delays(&self, now: Millis) -> Result<usize> {
        let waits = self.read(move |db| {
            let any = "SELECT 1 FROM faxes WHERE tell_delay_at <= ?1 AND ended_at IS NULL";
            db.prepare(any)?.exists([now.0])
        });
        // Looking costs nobody anything; a transaction of the writer does.
        match waits.await? {
            true => self.write(move |db| tell_delays(db, now)).await,
            false => Ok(0),
        }
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
        self.write(move |db| end_mail(db, &mail, state, &reply, now))
            .await
    }
}

fn end_mail(
    db: &Connection,
    mail: &str,
    state: &str,
    reply: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE outgoing SET state = ?2, reply = ?3, ended_at = ?4, owner = NULL, lease_until = NULL
         WHERE id = ?1",
    )?
    .execute(params![mail, state, reply, now.0])?;
    Ok(())
}

/// A mail is for the postmaster: it is passed on.
pub(super) fn forward(
    db: &Connection,
    message: &str,
    postmaster: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
         VALUES (?1 || '-forwarded', 'forwarded', ?1, ?2, ?3, 'waiting', ?3)",
    )?
    .execute(params![message, postmaster, now.0])?;
    Ok(())
}

/// From now on the faxes of this mail are reported in one.
pub(super) fn report_as_one(db: &Connection, message: &str, faxes: usize) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE messages SET open_faxes = ?2 WHERE id = ?1")?
        .execute(params![message, faxes as i64])?;
    Ok(())
}

/// A fax has ended: its receipt is born, or, where its mail is reported as one, that report once it was the last.
pub(super) fn fax_ended(db: &Connection, fax: &str, now: Millis) -> rusqlite::Result<()> {
    let counted = db
        .prepare_cached(
            "UPDATE messages SET open_faxes = open_faxes - 1
             WHERE id = (SELECT message FROM faxes WHERE id = ?1) AND open_faxes IS NOT NULL
             RETURNING open_faxes",
        )?
        .query_row([fax], |row| row.get::<_, i64>(0))
        .optional()?;
    let born = match counted {
        None => {
            "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
             SELECT f.id, 'receipt', f.id, m.sender, ?2, 'waiting', ?2
             FROM faxes f JOIN messages m ON m.id = f.message WHERE f.id = ?1"
        }
        Some(0) => {
            "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
             SELECT m.id || '-all', 'broadcast', m.id, m.sender, ?2, 'waiting', ?2
             FROM faxes f JOIN messages m ON m.id = f.message WHERE f.id = ?1"
        }
        Some(_) => return Ok(()),
    };
    db.prepare_cached(born)?.execute(params![fax, now.0])?;
    Ok(())
}

fn tell_delays(db: &Connection, now: Millis) -> rusqlite::Result<usize> {
    let due = "(SELECT id FROM faxes WHERE tell_delay_at <= ?1 AND ended_at IS NULL ORDER BY tell_delay_at LIMIT 1000)";
    let new =
        "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)";
    let from = format!("FROM faxes f JOIN messages m ON m.id = f.message WHERE f.id IN {due}");
    for insert in [
        format!(
            "{new} SELECT f.id || '-delay', 'delay', f.id, m.sender, ?1, 'waiting', ?1 {from}
             AND m.open_faxes IS NULL ON CONFLICT DO NOTHING"
        ),
        format!(
            "{new} SELECT DISTINCT m.id || '-delay', 'delay', m.id, m.sender, ?1, 'waiting', ?1 {from}
             AND m.open_faxes IS NOT NULL ON CONFLICT DO NOTHING"
        ),
    ] {
        db.execute(&insert, [now.0])?;
    }
    let told = format!("UPDATE faxes SET tell_delay_at = NULL WHERE id IN {due}");
    db.execute(&told, [now.0])
}
