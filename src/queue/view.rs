//! What the page and the commands show. Reading only.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::duplicates::{FurtherRecipient, from_json};
use super::report::said_from_json;
use super::{Millis, Result, Store};
use crate::call::outcome::FarSaid;

/// How much there is of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Faxes whose pages are not made yet.
    pub rendering: u64,
    /// Faxes that could be dialled now.
    pub ready: u64,
    /// Faxes that wait for their next try.
    pub retrying: u64,
    /// Faxes in a call.
    pub calling: u64,
    /// Mails that their next hop has not taken.
    pub mails_waiting: u64,
    /// Mails that no next hop will take, and that the postmaster has not got instead.
    pub mails_failed: u64,
    /// Faxes delivered since the given time.
    pub delivered: u64,
    /// Faxes that ended in any other way since then.
    pub not_delivered: u64,
    /// Faxes received since then, with at least one page.
    pub received: u64,
}

/// Which faxes are wanted; what is left out does not matter.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// To this number, in canonical form.
    pub number: Option<String>,
    /// Of this envelope sender or account.
    pub sender: Option<String>,
    /// In this state, or `waiting`, `held`, `over`; else those that are not over.
    pub state: Option<String>,
}

/// A fax with what it needs to be understood.
#[derive(Debug, Clone, Serialize)]
pub struct FaxRow {
    /// Its identifier.
    pub id: String,
    /// Its message.
    pub message: String,
    /// Envelope sender of the mail.
    pub sender: String,
    /// Subject of the mail.
    pub subject: String,
    /// The address as the sender wrote it.
    pub recipient: String,
    /// The other recipients of the mail whose fax it is.
    pub further: Vec<FurtherRecipient>,
    /// What is dialled.
    pub number: String,
    /// The sub-address sent with it (T.33).
    pub sub_address: Option<String>,
    /// `rendering`, `ready`, `calling`, `delivered`, `failed`, `uncertain` or `cancelled`.
    pub state: String,
    /// When its mail was accepted.
    pub created_at: Millis,
    /// When it is due.
    pub next_try_at: Millis,
    /// -9 to 9, higher first.
    pub priority: i32,
    /// Whose limits it counts against.
    pub account: String,
    /// Asked to leave then.
    pub not_before: Option<Millis>,
    /// The only trunk it may take.
    pub bound_to: Option<String>,
    /// When its number has rested, where it rests.
    pub rests_until: Option<Millis>,
    /// Attempts that count.
    pub tries: u32,
    /// Pages confirmed.
    pub confirmed: u32,
    /// Pages in all, the cover counted, once rendered.
    pub page_count: Option<u32>,
    /// Name of the last or final outcome.
    pub outcome: Option<String>,
    /// Its cause in detail.
    pub detail: String,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// Blob key of its pages, once rendered.
    #[serde(skip)]
    pub pages_key: Option<String>,
    /// File name of the part that could not be rendered.
    pub failed_part: Option<String>,
    /// Why not, in half a sentence.
    pub failure: Option<String>,
    /// Its name in the phone book.
    pub name: Option<String>,
    /// Project or billing code, as written.
    pub billing: Option<String>,
    /// `standard`, `fine` or `superfine`.
    pub resolution: String,
    /// A cover page goes before it.
    pub cover: bool,
    /// Somebody holds it back.
    pub held: bool,
    /// When it is given up, where its sender said so.
    pub give_up_at: Option<Millis>,
    /// Else `fax.give_up_hours` after that, as far as is known now; what it cannot be dialled for is added.
    pub give_up_from: Millis,
    /// Calls so far.
    pub calls: u32,
    /// Seconds of the last call, from answer to its end.
    pub seconds: Option<f64>,
}

#[cfg(test)]
impl FaxRow {
    /// A fax whose mail came at `at`, for tests to change.
    pub(crate) fn example(id: &str, state: &str, at: Millis) -> FaxRow {
        FaxRow {
            id: id.into(),
            message: "1m7m".into(),
            sender: "clerk@example.com".into(),
            subject: "Letter".into(),
            recipient: "5551234567@fax.local".into(),
            further: Vec::new(),
            number: "5551234567".into(),
            sub_address: None,
            state: state.into(),
            created_at: at,
            next_try_at: at,
            priority: 0,
            account: "clerk@example.com".into(),
            not_before: None,
            bound_to: None,
            rests_until: None,
            tries: 0,
            confirmed: 0,
            page_count: None,
            outcome: None,
            detail: String::new(),
            ended_at: None,
            pages_key: None,
            failed_part: None,
            failure: None,
            name: None,
            billing: None,
            resolution: "fine".into(),
            cover: false,
            held: false,
            give_up_at: None,
            give_up_from: at,
            calls: 0,
            seconds: None,
        }
    }
}

/// One call for a fax.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRow {
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The page it began with.
    pub first_page: u32,
    /// The header line on its pages.
    pub header: String,
    /// Name of its outcome.
    pub outcome: Option<String>,
    /// The cause in detail.
    pub detail: String,
    /// Pages confirmed in it.
    pub pages: u32,
    /// Final SIP status of the INVITE.
    pub sip_code: Option<u16>,
    /// Q.850 cause.
    pub q850: Option<u16>,
    /// Station identification of the far end.
    pub far_ident: Option<String>,
    /// What the far end says of its machine (DIS, NSF).
    pub far_said: Option<Box<FarSaid>>,
    /// The trunk that it went over, or that refused it last.
    pub trunk: String,
    /// Where the last INVITE went.
    pub target: String,
    /// The other faxes that went in the same call.
    pub shared_with: Vec<String>,
    /// What the memory of the number changed about it, in words.
    pub chosen: String,
    /// bit/s.
    pub bit_rate: u32,
    /// Error correction mode.
    pub ecm: bool,
    /// By T.38; false: audio.
    pub t38: bool,
    /// Coding of the pages.
    pub compression: String,
    /// Seconds from answer to the end.
    pub seconds: f64,
    /// Octets on the wire.
    pub wire_bytes: u64,
}

/// The mail a fax came from.
#[derive(Debug, Clone, Serialize)]
pub struct MessageRow {
    /// The address of the client that it came from.
    pub client: String,
    /// What opened the door to it.
    pub via: String,
    /// `Message-ID`.
    pub message_id: Option<String>,
    /// `References`.
    pub references: Option<String>,
    /// JSON: every MIME part.
    pub manifest: String,
    /// Blob key of its text.
    #[serde(skip)]
    pub text_key: String,
}

/// A fax that came in.
#[derive(Debug, Clone, Serialize)]
pub struct ReceivedRow {
    /// Its identifier.
    pub id: String,
    /// When the call was answered.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The number of ours that was dialled.
    pub called: String,
    /// The caller as the trunk says it.
    pub caller: String,
    /// The caller's name as the trunk says it.
    pub caller_name: Option<String>,
    /// The trunk that it came over.
    pub trunk: String,
    /// The sub-address that the caller sent (SUB).
    pub sub_address: Option<String>,
    /// Name of its outcome.
    pub outcome: Option<String>,
    /// The cause in detail.
    pub detail: String,
    /// Station identification of the far end.
    pub far_ident: Option<String>,
    /// What the far end says of its machine.
    pub far_said: Option<Box<FarSaid>>,
    /// Pages stored.
    pub pages: u32,
    /// Seconds from answer to the end.
    pub seconds: f64,
    /// Octets on the wire.
    pub wire_bytes: u64,
    /// State of its mail: `waiting`, `sending`, `delivered`, `failed`; none without pages.
    pub mail: Option<String>,
}

/// A mail the gateway writes.
#[derive(Debug, Clone, Serialize)]
pub struct OutgoingRow {
    /// Its identifier.
    pub id: String,
    /// What kind of thing it is about, as [`super::MailKind::name`] has it.
    pub kind: String,
    /// The fax it is about.
    pub subject_of: String,
    /// Where it goes.
    pub recipient: String,
    /// `waiting`, `sending`, `delivered` or `failed`.
    pub state: String,
    /// When it was queued.
    pub created_at: Millis,
    /// When it is due.
    pub next_try_at: Millis,
    /// Tries that began.
    pub tries: u32,
    /// What the next hop said last.
    pub reply: String,
}

pub(super) const FAX: &str =
    "SELECT f.id, f.message, m.sender, m.subject, f.recipient, f.number, f.state, f.created_at,
    f.next_try_at, f.tries, f.confirmed, d.page_count + ifnull(f.cover, 0), f.outcome, f.detail, f.ended_at, d.pages_key, d.failed_part, d.failure,
    (SELECT count(*) FROM attempts a WHERE a.fax = f.id),
    (SELECT seconds FROM attempts a WHERE a.fax = f.id ORDER BY id DESC LIMIT 1), f.sub_address, f.name, f.held,
    f.give_up_at, f.priority, f.account, f.not_before, f.trunk, (SELECT until FROM rests r WHERE r.number = f.number),
    f.billing, d.resolution, ifnull(f.cover, 0),
    (SELECT json_group_array(json_object('recipient', r.recipient, 'name', r.name, 'billing', r.billing,
            'orcpt', r.orcpt, 'notify', r.notify)) FROM further_recipients r WHERE r.fax = f.id),
    ifnull(f.give_up_from, f.next_try_at)
    FROM faxes f JOIN messages m ON m.id = f.message JOIN documents d ON d.id = f.document ";

/// Faxes to number ?1, of sender ?2, in state ?3.
const FIT: &str = "WHERE (?1 IS NULL OR f.number = ?1)
    AND (?2 IS NULL OR f.account = ?2
         OR f.message IN (SELECT id FROM messages WHERE lower(sender) = lower(?2)))
    AND CASE ifnull(?3, 'waiting')
        WHEN 'waiting' THEN f.ended_at IS NULL
        WHEN 'held' THEN f.held = 1 AND f.ended_at IS NULL
        WHEN 'over' THEN f.ended_at IS NOT NULL
        ELSE f.state = ?3 END";

/// Those that are not over before the others.
const IN_ORDER: &str =
    "ORDER BY f.ended_at IS NOT NULL, iif(f.ended_at IS NULL, f.next_try_at, -f.ended_at), f.id";

fn fit(wanted: &Wanted, limit: u32) -> impl rusqlite::Params {
    let Wanted {
        number,
        sender,
        state,
    } = wanted.clone();
    (number, sender, state, limit)
}

/// A mail that its next hop refused for good, and the postmaster got instead.
const HANDED_OVER: &str = "state = 'failed' AND EXISTS (SELECT 1 FROM outgoing r
    WHERE r.kind = 'returned' AND r.subject_of = outgoing.id AND r.state = 'delivered')";

const OUTGOING: &str = "SELECT id, kind, subject_of, recipient, state, created_at, next_try_at, tries, reply FROM outgoing ";

impl Store {
    /// How much there is of everything now, and how much ended since `since`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn counts(&self, now: Millis, since: Millis) -> Result<Counts> {
        self.read(move |db| {
            let count =
                |sql: &str, at: Millis| db.query_row(sql, [at.0], |row| row.get::<_, u64>(0));
            let faxes =
                |rest: &str, at| count(&format!("SELECT count(*) FROM faxes WHERE {rest}"), at);
            let mails = |rest: &str| {
                count(
                    &format!("SELECT count(*) FROM outgoing WHERE {rest} AND ?1"),
                    Millis(1),
                )
            };
            Ok(Counts {
                rendering: faxes("state = 'rendering' AND ?1", now)?,
                ready: faxes("state = 'ready' AND next_try_at <= ?1", now)?,
                retrying: faxes("state = 'ready' AND next_try_at > ?1", now)?,
                calling: faxes("state = 'calling' AND ?1", now)?,
                mails_waiting: mails("state IN ('waiting', 'sending')")?,
                mails_failed: mails(&format!("state = 'failed' AND NOT ({HANDED_OVER})"))?,
                delivered: faxes("ended_at >= ?1 AND state = 'delivered'", since)?,
                not_delivered: faxes("ended_at >= ?1 AND state <> 'delivered'", since)?,
                received: count(
                    "SELECT count(*) FROM received r WHERE ended_at >= ?1
                     AND EXISTS (SELECT 1 FROM received_pages p WHERE p.received = r.id)",
                    since,
                )?,
            })
        })
        .await
    }

    /// Faxes that are not over, the next due first, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn waiting_faxes(&self, limit: u32) -> Result<Vec<FaxRow>> {
        self.read(move |db| {
            // Sorted are keys of the index, not rows: there may be a hundred thousand.
            let sql = format!(
                "{FAX} WHERE f.id IN (SELECT id FROM faxes WHERE state IN ('rendering', 'ready', 'calling')
                                      ORDER BY next_try_at, id LIMIT ?1)
                 ORDER BY f.next_try_at, f.id"
            );
            db.prepare(&sql)?.query_map([limit], fax)?.collect()
        })
        .await
    }

    /// Faxes that fit, those that are not over before the others, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn faxes_that_fit(&self, wanted: Wanted, limit: u32) -> Result<Vec<FaxRow>> {
        self.read(move |db| {
            // Sorted are names, not rows: many more may fit than are wanted.
            let sql = format!(
                "{FAX} WHERE f.id IN (SELECT f.id FROM faxes f {FIT} {IN_ORDER} LIMIT ?4) {IN_ORDER}"
            );
            let mut look = db.prepare(&sql)?;
            look.query_map(fit(&wanted, limit), fax)?.collect()
        })
        .await
    }

    /// The identifiers of [`Store::faxes_that_fit`]: there may be a hundred thousand.
    ///
    /// # Errors
    /// As the database says.
    pub async fn ids_that_fit(&self, wanted: Wanted, limit: u32) -> Result<Vec<String>> {
        self.read(move |db| {
            let mut look = db.prepare(&format!(
                "SELECT f.id FROM faxes f {FIT} {IN_ORDER} LIMIT ?4"
            ))?;
            let ids = look.query_map(fit(&wanted, limit), |row| row.get(0))?;
            ids.collect()
        })
        .await
    }

    /// Faxes that are over, the newest first, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn ended_faxes(&self, limit: u32) -> Result<Vec<FaxRow>> {
        self.read(move |db| {
            let sql = format!(
                "{FAX} WHERE f.ended_at IS NOT NULL ORDER BY f.ended_at DESC, f.id DESC LIMIT ?1"
            );
            db.prepare(&sql)?.query_map([limit], fax)?.collect()
        })
        .await
    }

    /// One fax.
    ///
    /// # Errors
    /// As the database says.
    pub async fn fax(&self, id: &str) -> Result<Option<FaxRow>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.query_row(&format!("{FAX} WHERE f.id = ?1"), [id], fax)
                .optional()
        })
        .await
    }

    /// The calls of one fax, in order.
    ///
    /// # Errors
    /// As the database says.
    pub async fn attempts(&self, fax: &str) -> Result<Vec<AttemptRow>> {
        let fax = fax.to_owned();
        self.read(move |db| {
            db.prepare(
                "SELECT started_at, ended_at, first_page, header, outcome, detail, pages, sip_code, q850, far_ident,
                        bit_rate, ecm, t38, compression, seconds, wire_bytes, far_said, trunk, target, chosen,
                        (SELECT group_concat(b.fax, ' ') FROM attempts b WHERE b.call = attempts.call AND b.id <> attempts.id)
                 FROM attempts WHERE fax = ?1 ORDER BY id",
            )?
            .query_map([fax], attempt)?
            .collect()
        })
        .await
    }

    /// The mail of one fax.
    ///
    /// # Errors
    /// As the database says.
    pub async fn message(&self, id: &str) -> Result<Option<MessageRow>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.query_row(
                "SELECT client, via, message_id, refs, manifest, text_key FROM messages WHERE id = ?1",
                [id],
                |row| {
                    Ok(MessageRow {
                        client: row.get(0)?,
                        via: row.get(1)?,
                        message_id: row.get(2)?,
                        references: row.get(3)?,
                        manifest: row.get(4)?,
                        text_key: row.get(5)?,
                    })
                },
            )
            .optional()
        })
        .await
    }

    /// Faxes that came in, the newest first, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn received(&self, limit: u32) -> Result<Vec<ReceivedRow>> {
        self.read(move |db| received(db, limit, "")).await
    }

    /// One fax that came in.
    ///
    /// # Errors
    /// As the database says.
    pub async fn received_row(&self, id: &str) -> Result<Option<ReceivedRow>> {
        let id = id.to_owned();
        self.read(move |db| Ok(received(db, 1, &id)?.pop())).await
    }

    /// Mails that no next hop has taken, nor the postmaster in its place; the next due first, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn undelivered_mails(&self, limit: u32) -> Result<Vec<OutgoingRow>> {
        self.read(move |db| {
            let sql = format!(
                "{OUTGOING} WHERE id IN (SELECT id FROM outgoing WHERE state IN ('waiting', 'sending', 'failed')
                                         AND NOT ({HANDED_OVER}) ORDER BY next_try_at, id LIMIT ?1)
                 ORDER BY next_try_at, id"
            );
            db.prepare(&sql)?.query_map([limit], outgoing)?.collect()
        })
        .await
    }

    /// One mail that we write.
    ///
    /// # Errors
    /// As the database says.
    pub async fn outgoing(&self, id: &str) -> Result<Option<OutgoingRow>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.query_row(&format!("{OUTGOING} WHERE id = ?1"), [id], outgoing)
                .optional()
        })
        .await
    }

    /// The mails about one fax, those about all faxes of its mail among them.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mails_about(&self, subject_of: &str) -> Result<Vec<OutgoingRow>> {
        let subject_of = subject_of.to_owned();
        self.read(move |db| {
            // With the kinds it goes by the index of UNIQUE.
            db.prepare(&format!(
                "{OUTGOING} WHERE kind IN ('receipt', 'delay', 'broadcast', 'returned', 'received_fax', 'copy')
                 AND subject_of IN (?1, ?1 || '-0', (SELECT message FROM faxes WHERE id = ?1)) ORDER BY id"
            ))?
                .query_map([subject_of], outgoing)?
                .collect()
        })
        .await
    }
}

pub(super) fn fax(row: &Row<'_>) -> rusqlite::Result<FaxRow> {
    Ok(FaxRow {
        id: row.get(0)?,
        message: row.get(1)?,
        sender: row.get(2)?,
        subject: row.get(3)?,
        recipient: row.get(4)?,
        number: row.get(5)?,
        state: row.get(6)?,
        created_at: Millis(row.get(7)?),
        next_try_at: Millis(row.get(8)?),
        tries: row.get(9)?,
        confirmed: row.get(10)?,
        page_count: row.get(11)?,
        outcome: row.get(12)?,
        detail: row.get(13)?,
        ended_at: row.get::<_, Option<i64>>(14)?.map(Millis),
        pages_key: row.get(15)?,
        failed_part: row.get(16)?,
        failure: row.get(17)?,
        calls: row.get(18)?,
        seconds: row.get(19)?,
        sub_address: row.get(20)?,
        name: row.get(21)?,
        held: row.get(22)?,
        give_up_at: row.get::<_, Option<i64>>(23)?.map(Millis),
        priority: row.get(24)?,
        account: row.get(25)?,
        not_before: row.get::<_, Option<i64>>(26)?.map(Millis),
        bound_to: row.get(27)?,
        rests_until: row.get::<_, Option<i64>>(28)?.map(Millis),
        billing: row.get(29)?,
        resolution: row.get(30)?,
        cover: row.get(31)?,
        further: from_json(32, &row.get::<_, String>(32)?)?,
        give_up_from: Millis(row.get(33)?),
    })
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    Ok(AttemptRow {
        started_at: Millis(row.get(0)?),
        ended_at: row.get::<_, Option<i64>>(1)?.map(Millis),
        first_page: row.get(2)?,
        header: row.get(3)?,
        outcome: row.get(4)?,
        detail: row.get(5)?,
        pages: row.get(6)?,
        sip_code: row.get(7)?,
        q850: row.get(8)?,
        far_ident: row.get(9)?,
        bit_rate: row.get(10)?,
        ecm: row.get(11)?,
        t38: row.get(12)?,
        compression: row.get(13)?,
        seconds: row.get(14)?,
        wire_bytes: row.get(15)?,
        far_said: said_from_json(row.get(16)?),
        trunk: row.get(17)?,
        target: row.get(18)?,
        chosen: row.get(19)?,
        shared_with: row
            .get::<_, Option<String>>(20)?
            .map_or(Vec::new(), |faxes| {
                faxes.split(' ').map(str::to_owned).collect()
            }),
    })
}

/// The received fax `id`, or, where that is empty, all.
fn received(db: &Connection, limit: u32, id: &str) -> rusqlite::Result<Vec<ReceivedRow>> {
    db.prepare(
        "SELECT r.id, r.started_at, r.ended_at, r.called, r.caller, r.outcome, r.detail, r.far_ident,
                (SELECT count(*) FROM received_pages p WHERE p.received = r.id), r.seconds, r.wire_bytes,
                (SELECT state FROM outgoing o WHERE o.kind = 'received_fax' AND o.subject_of = r.id
                 ORDER BY ended_at IS NOT NULL, state = 'delivered' LIMIT 1),
                r.caller_name, r.trunk, r.sub_address, r.far_said
         FROM received r WHERE ?2 IN ('', r.id) ORDER BY r.id DESC LIMIT ?1",
    )?
    .query_map(rusqlite::params![limit, id], |row| {
        Ok(ReceivedRow {
            id: row.get(0)?,
            started_at: Millis(row.get(1)?),
            ended_at: row.get::<_, Option<i64>>(2)?.map(Millis),
            called: row.get(3)?,
            caller: row.get(4)?,
            outcome: row.get(5)?,
            detail: row.get(6)?,
            far_ident: row.get(7)?,
            pages: row.get(8)?,
            seconds: row.get(9)?,
            wire_bytes: row.get(10)?,
            mail: row.get(11)?,
            caller_name: row.get(12)?,
            trunk: row.get(13)?,
            sub_address: row.get(14)?,
            far_said: said_from_json(row.get(15)?),
        })
    })?
    .collect()
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<OutgoingRow> {
    Ok(OutgoingRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        subject_of: row.get(2)?,
        recipient: row.get(3)?,
        state: row.get(4)?,
        created_at: Millis(row.get(5)?),
        next_try_at: Millis(row.get(6)?),
        tries: row.get(7)?,
        reply: row.get(8)?,
    })
}
