//! Faxes of earlier mails that a mail may repeat, and the recipients that share a fax.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::messages::{insert, resolution};
use super::{Millis, NewMessage, Result, Store};
use crate::pages::Resolution;

/// A recipient whose fax another recipient of the mail has, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherRecipient {
    /// The address as the sender wrote it.
    pub recipient: String,
    /// Its name in the phone book; none: a number was written.
    pub name: Option<String>,
    /// Project or billing code, as written.
    pub billing: Option<String>,
    /// ORCPT (RFC 3461 4.2), decoded: `rfc822;...`.
    pub orcpt: Option<String>,
    /// NOTIFY (RFC 3461 4.1): 0 never, else 1 success + 2 failure + 4 delay.
    pub notify: Option<u8>,
}

/// A recipient about to share a fax that was accepted earlier and has not ended.
#[derive(Debug, Clone)]
pub struct Join {
    /// The fax.
    pub fax: String,
    /// Its number.
    pub number: String,
    /// Who shares it.
    pub recipient: FurtherRecipient,
    /// When its sender is told that it still waits; none: never.
    pub tell_delay_at: Option<Millis>,
}

/// How a fax stands, as far as a second sending of its mail is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits, or is in a call.
    Open,
    /// It was delivered, then.
    Delivered(Millis),
    /// It failed, is uncertain, or was cancelled, then; or its call is being cancelled.
    GivenUp(Millis),
}

/// A fax of an earlier mail that may be the same as one that comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateCandidate {
    /// Blob key of its mail's text.
    pub text_key: String,
    /// Its identifier.
    pub fax: String,
    /// What is dialled.
    pub number: String,
    /// The sub-address to send with it (T.33).
    pub sub_address: Option<String>,
    /// Resolution of its pages.
    pub resolution: Resolution,
    /// A cover page goes before it.
    pub cover: bool,
    /// How it stands.
    pub standing: Standing,
    /// Everybody whose fax it is; at least one.
    pub recipients: Vec<FurtherRecipient>,
}

impl Store {
    /// As [`Store::accept`], and adds recipients to faxes of earlier mails, unless there are faxes that the mail may
    /// repeat: of mails accepted since `since` with its Message-ID and sender and about its size, to a number of its own
    /// or of `joins`, whose text is not in `seen`. Then nothing is accepted, and they are the answer; so is a fax of
    /// `joins` that has ended. Without a Message-ID two mails that are alike may be meant as two. A mail without faxes of
    /// its own is not stored.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn accept_unless_duplicate(
        &self,
        message: Arc<NewMessage>,
        joins: Vec<Join>,
        seen: HashSet<String>,
        since: Millis,
        now: Millis,
    ) -> Result<Vec<DuplicateCandidate>> {
        self.write(move |db| {
            let mut found = candidates(db, &message, &joins, since)?;
            found.retain(|it| !seen.contains(&it.text_key) || is_closed_join(it, &joins));
            if found.is_empty() {
                if !message.faxes.is_empty() || message.forward_to.is_some() {
                    insert(db, &message, now)?;
                }
                for join in &joins {
                    add_to_fax(db, join)?;
                }
            }
            Ok(found)
        })
        .await
    }
}

fn is_closed_join(candidate: &DuplicateCandidate, joins: &[Join]) -> bool {
    candidate.standing != Standing::Open && joins.iter().any(|join| join.fax == candidate.fax)
}

/// Octets of header that a second way may add to a mail, or spare it.
const TRACE_OCTETS: u64 = 16_384;

/// Faxes of earlier mails that may be the same, to the numbers of this one alone: a broadcast may come in hundreds of
/// pieces with one Message-ID.
fn candidates(
    db: &Connection,
    message: &NewMessage,
    joins: &[Join],
    since: Millis,
) -> rusqlite::Result<Vec<DuplicateCandidate>> {
    let mail = format!(
        "message_id = ?1 AND sender = ?2 AND size BETWEEN ?3 - {TRACE_OCTETS} AND ?3 + {TRACE_OCTETS} AND accepted_at >= ?4"
    );
    let known = params![message.message_id, message.sender, message.size, since.0];
    let any = format!("SELECT 1 FROM messages WHERE {mail}");
    let mut candidates = Vec::new();
    if !db.prepare_cached(&any)?.exists(known)? {
        return Ok(candidates);
    }
    let mut look = db.prepare_cached(&format!(
        "SELECT f.id, (SELECT text_key FROM messages m WHERE m.id = f.message), f.number, f.sub_address, d.resolution,
                ifnull(f.cover, 0), f.state, f.cancelling, f.ended_at, f.recipient, f.name, f.billing, f.orcpt, f.notify
         FROM faxes f INDEXED BY faxes_by_number JOIN documents d ON d.id = f.document
         WHERE f.number = ?5 AND EXISTS (SELECT 1 FROM messages m WHERE m.id = f.message AND {mail})"
    ))?;
    let own = message.faxes.iter().map(|fax| &fax.number);
    let numbers: HashSet<&String> = own.chain(joins.iter().map(|join| &join.number)).collect();
    for number in numbers {
        let theirs = params![
            message.message_id,
            message.sender,
            message.size,
            since.0,
            number
        ];
        for found in look.query_map(theirs, candidate)? {
            let mut found = found?;
            found.recipients.extend(further(db, &found.fax)?);
            candidates.push(found);
        }
    }
    Ok(candidates)
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<DuplicateCandidate> {
    let state: String = row.get(6)?;
    let (cancelling, ended): (bool, Option<i64>) = (row.get(7)?, row.get(8)?);
    let ended = ended.map(Millis);
    let standing = match (state.as_str(), ended) {
        ("delivered", Some(at)) => Standing::Delivered(at),
        (_, Some(at)) => Standing::GivenUp(at),
        (_, None) if cancelling => Standing::GivenUp(Millis(i64::MAX)),
        (_, None) => Standing::Open,
    };
    Ok(DuplicateCandidate {
        fax: row.get(0)?,
        text_key: row.get(1)?,
        number: row.get(2)?,
        sub_address: row.get(3)?,
        resolution: resolution(&row.get::<_, String>(4)?),
        cover: row.get(5)?,
        standing,
        recipients: vec![FurtherRecipient {
            recipient: row.get(9)?,
            name: row.get(10)?,
            billing: row.get(11)?,
            orcpt: row.get(12)?,
            notify: row.get(13)?,
        }],
    })
}

fn further(db: &Connection, fax: &str) -> rusqlite::Result<Vec<FurtherRecipient>> {
    db.prepare_cached(
        "SELECT recipient, name, billing, orcpt, notify FROM further_recipients WHERE fax = ?1 ORDER BY place",
    )?
    .query_map([fax], |row| {
        Ok(FurtherRecipient {
            recipient: row.get(0)?,
            name: row.get(1)?,
            billing: row.get(2)?,
            orcpt: row.get(3)?,
            notify: row.get(4)?,
        })
    })?
    .collect()
}

/// One more recipient of a fax.
pub(super) fn insert_further(
    db: &Connection,
    fax: &str,
    it: &FurtherRecipient,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO further_recipients (fax, place, recipient, name, billing, orcpt, notify)
         SELECT ?1, 1 + ifnull(max(place), 0), ?2, ?3, ?4, ?5, ?6 FROM further_recipients WHERE fax = ?1",
    )?
    .execute(params![
        fax,
        it.recipient,
        it.name,
        it.billing,
        it.orcpt,
        it.notify
    ])?;
    Ok(())
}

/// The fax is known to be open. The earliest notice of a delay is the one that all of its recipients get.
fn add_to_fax(db: &Connection, join: &Join) -> rusqlite::Result<()> {
    insert_further(db, &join.fax, &join.recipient)?;
    if let Some(at) = join.tell_delay_at {
        db.prepare_cached(
            "UPDATE faxes SET tell_delay_at = min(ifnull(tell_delay_at, ?2), ?2) WHERE id = ?1",
        )?
        .execute(params![join.fax, at.0])?;
    }
    Ok(())
}

/// The further recipients of a fax, from the JSON that the query of a [`super::FaxRow`] makes of their rows.
pub(super) fn from_json(column: usize, json: &str) -> rusqlite::Result<Vec<FurtherRecipient>> {
    serde_json::from_str(json).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}
