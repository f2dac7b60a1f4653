//! The invariants of the store, proved by query. `postfax check` runs them.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::Connection;

use super::{Blobs, Store, seal, small};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What should be true.
    pub invariant: &'static str,
    /// The rows where it is not.
    pub rows: Vec<String>,
}

/// Each query names the rows that break the rule before it.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "a fax that is over has exactly one receipt, unless its mail is reported as one",
        "SELECT f.id FROM faxes f JOIN messages m ON m.id = f.message
         WHERE f.ended_at IS NOT NULL AND m.open_faxes IS NULL AND
           (SELECT count(*) FROM outgoing o WHERE o.kind = 'receipt' AND o.subject_of = f.id) <> 1",
    ),
    (
        "a mail that is reported as one knows how many of its faxes are not over",
        "SELECT m.id FROM messages m WHERE m.open_faxes IS NOT NULL AND m.open_faxes <>
           (SELECT count(*) FROM faxes f WHERE f.message = m.id AND f.ended_at IS NULL)",
    ),
    (
        "a mail that is reported as one has its report when its last fax is over, and not before",
        "SELECT m.id FROM messages m WHERE m.open_faxes IS NOT NULL AND (m.open_faxes = 0) <>
           EXISTS (SELECT 1 FROM outgoing o WHERE o.kind = 'broadcast' AND o.subject_of = m.id)",
    ),
    (
        "a fax that is not over has no receipt",
        "SELECT f.id FROM faxes f WHERE f.ended_at IS NULL AND
           EXISTS (SELECT 1 FROM outgoing o WHERE o.kind = 'receipt' AND o.subject_of = f.id)",
    ),
    (
        "no more pages are confirmed than there are, and a delivered fax has all of them",
        "SELECT f.id FROM faxes f JOIN documents d ON d.id = f.document
         WHERE f.confirmed > ifnull(d.page_count + ifnull(f.cover, 0), 0)
            OR (f.state = 'delivered' AND f.confirmed <> d.page_count + ifnull(f.cover, 0))",
    ),
    (
        "a cover page is kept before anything of its fax is sent",
        "SELECT f.id FROM faxes f WHERE f.cover = 1 AND f.cover_key IS NULL AND f.confirmed > 0",
    ),
    (
        "the pages confirmed in the calls of a fax add up",
        "SELECT f.id FROM faxes f WHERE f.confirmed <>
           (SELECT ifnull(sum(a.pages), 0) FROM attempts a WHERE a.fax = f.id)",
    ),
    (
        "a fax to be dialled has its pages",
        "SELECT f.id FROM faxes f JOIN documents d ON d.id = f.document
         WHERE f.state IN ('ready', 'calling') AND d.state <> 'rendered'",
    ),
    (
        "a fax in a call has exactly one open attempt, any other none",
        "SELECT f.id FROM faxes f WHERE (f.state = 'calling') <>
           ((SELECT count(*) FROM attempts a WHERE a.fax = f.id AND a.ended_at IS NULL) = 1)",
    ),
    (
        "a received fax that is over and has pages has a mail",
        "SELECT r.id FROM received r WHERE r.ended_at IS NOT NULL
           AND EXISTS (SELECT 1 FROM received_pages WHERE received = r.id)
           AND NOT EXISTS (SELECT 1 FROM outgoing o WHERE o.kind = 'received_fax' AND o.subject_of = r.id)",
    ),
    (
        "what is held, over or still being made stands in no line",
        "SELECT id FROM faxes WHERE turn IS NOT NULL AND state <> 'calling' AND (held = 1 OR state <> 'ready')",
    ),
    (
        "a fax that counts against an account has a mail that does",
        "SELECT f.id FROM faxes f JOIN messages m ON m.id = f.message WHERE f.account <> '' AND m.account = ''",
    ),
    (
        "NOTIFY is never, or any of success, failure and delay",
        "SELECT id FROM faxes WHERE notify NOT BETWEEN 0 AND 7
         UNION SELECT fax FROM further_recipients WHERE notify NOT BETWEEN 0 AND 7",
    ),
    (
        "a cover page that is kept is one that was asked for",
        "SELECT id FROM faxes WHERE cover_key IS NOT NULL AND ifnull(cover, 0) = 0",
    ),
    (
        "a row names every small blob",
        "SELECT key FROM small_blobs EXCEPT SELECT text_key FROM messages EXCEPT SELECT pages_key FROM documents
         EXCEPT SELECT preview_key FROM documents",
    ),
    (
        "a message has a fax",
        "SELECT m.id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM faxes f WHERE f.message = m.id)",
    ),
];

/// The blobs that rows name.
pub(super) const ALL: &str =
    "SELECT text_key FROM messages UNION SELECT pages_key FROM documents UNION SELECT preview_key FROM documents
     UNION SELECT cover_key FROM faxes UNION SELECT g4_key FROM received_pages UNION SELECT preview_key FROM received";

/// Those that unfinished work needs.
pub(super) const UNFINISHED: &str =
    "SELECT text_key FROM messages m JOIN documents d ON d.message = m.id AND d.state IN ('waiting', 'rendering')
     UNION SELECT pages_key FROM documents d JOIN faxes f ON f.document = d.id AND f.state IN ('ready', 'calling')
     UNION SELECT cover_key FROM faxes WHERE state IN ('ready', 'calling')
     UNION SELECT g4_key FROM received_pages p JOIN outgoing o
           ON o.subject_of = p.received AND o.kind = 'received_fax' AND o.state IN ('waiting', 'sending')";

/// A blob without a row that is younger may be waiting for one.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// What a query says of blobs, as names.
pub(super) fn named_blobs(db: &Connection, query: &str) -> rusqlite::Result<HashSet<String>> {
    let mut keys = db.prepare(query)?;
    let keys = keys.query_map([], |row| row.get::<_, Option<String>>(0))?;
    keys.filter_map(Result::transpose).collect()
}

/// The blobs of a query that are neither in the folder nor in the database.
pub(super) fn missing_blobs(
    db: &Connection,
    blobs: &Blobs,
    query: &str,
) -> rusqlite::Result<Vec<String>> {
    let named = named_blobs(db, &format!("{query} EXCEPT SELECT key FROM small_blobs"))?;
    let mut missing: Vec<String> = named
        .into_iter()
        .filter(|key| !blobs.path(key).exists())
        .collect();
    missing.sort();
    Ok(missing)
}

/// The blobs of a query whose octets are not those that were kept, in files or in rows.
pub(super) fn altered_blobs(
    db: &Connection,
    blobs: &Blobs,
    query: &str,
) -> rusqlite::Result<Vec<String>> {
    let named = named_blobs(db, &format!("{query} EXCEPT SELECT key FROM small_blobs"))?;
    let mut altered: Vec<String> = named
        .into_iter()
        .filter(|key| seal::is_broken(&blobs.path(key)))
        .collect();
    altered.extend(small::altered(db, query)?);
    altered.sort();
    Ok(altered)
}

/// The invariants that do not hold.
pub(super) fn broken_rules(db: &Connection) -> rusqlite::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for (invariant, query) in INVARIANTS {
        let mut rows = db.prepare(query)?;
        let rows = rows.query_map([], |row| row.get(0))?;
        let rows: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        if !rows.is_empty() {
            violations.push(Violation { invariant, rows });
        }
    }
    Ok(violations)
}

impl Store {
    /// Proves the invariants and the soundness of the file; an empty answer means that all hold.
    ///
    /// # Errors
    /// As the database says.
    pub async fn check(&self) -> super::Result<Vec<Violation>> {
        let blobs = self.blobs().clone();
        self.read_afresh(move |db| {
            let mut violations = Vec::new();
            let sound: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if sound != "ok" {
                violations.push(Violation { invariant: "the database file is sound", rows: vec![sound] });
            }
            violations.extend(broken_rules(db)?);
            let missing = missing_blobs(db, &blobs, ALL)?;
            if !missing.is_empty() {
                violations.push(Violation { invariant: "every blob that a row names is there", rows: missing });
            }
            // All that was ever kept would take long.
            let altered = altered_blobs(db, &blobs, UNFINISHED)?;
            if !altered.is_empty() {
                let invariant = "a blob that is still needed holds the octets that were kept";
                violations.push(Violation { invariant, rows: altered });
            }
            let named = named_blobs(db, ALL)?;
            let orphans = blobs.older_than(AN_HOUR).unwrap_or_default().into_iter();
            let orphans: Vec<String> = orphans.filter(|key| !named.contains(key)).collect();
            if !orphans.is_empty() {
                let invariant = "a row names every blob that is there (the next start of the daemon removes others)";
                violations.push(Violation { invariant, rows: orphans });
            }
            Ok(violations)
        })
        .await
    }
}
