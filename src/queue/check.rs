//! The invariants of the store, proved by query. `postfax check` runs them.

use std::collections::HashSet;

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
        "a cover page that is kept is one that was asked for",
        "SELECT id FROM faxes WHERE cover_key IS NOT NULL AND ifnull(cover, 0) = 0",
    ),
    (
        "a message has a fax, or is for the postmaster",
        "SELECT m.id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM faxes f WHERE f.message = m.id)
           AND NOT EXISTS (SELECT 1 FROM outgoing o WHERE o.kind = 'forwarded' AND o.subject_of = m.id)",
    ),
];

/// As [`INVARIANTS`], of what no mail and no page depends on: a clock that was set, or something that is kept for people
/// only, is no reason to stop.
const EXPECTATIONS: &[(&str, &str)] = &[
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
        "no number rests for longer than a day",
        "SELECT number FROM rests WHERE until > (SELECT max(ifnull(started_at, 0)) FROM attempts) + 2 * 86400000",
    ),
    (
        "a row names every small blob (the next start of the daemon moves others to the folder orphans)",
        "SELECT key FROM small_blobs EXCEPT SELECT text_key FROM messages EXCEPT SELECT pages_key FROM documents
         EXCEPT SELECT preview_key FROM documents EXCEPT SELECT cover_key FROM faxes
         EXCEPT SELECT preview_key FROM received",
    ),
];

/// The blobs that rows name.
pub(super) const ALL: &str =
    "SELECT text_key FROM messages UNION SELECT pages_key FROM documents UNION SELECT preview_key FROM documents
     UNION SELECT cover_key FROM faxes UNION SELECT g4_key FROM received_pages UNION SELECT preview_key FROM received";

/// Those that unfinished work needs.
pub(super) const UNFINISHED: &str =
    "SELECT text_key FROM messages m JOIN documents d ON d.message = m.id AND d.state IN ('waiting', 'rendering')
     UNION SELECT text_key FROM messages m JOIN outgoing o
           ON o.subject_of = m.id AND o.kind = 'forwarded' AND o.state IN ('waiting', 'sending')
     UNION SELECT text_key FROM messages m JOIN outgoing o ON o.subject_of = m.id AND o.kind = 'forwarded'
           JOIN outgoing back ON back.subject_of = o.id AND back.kind = 'returned' AND back.state IN ('waiting', 'sending')
     UNION SELECT pages_key FROM documents d JOIN faxes f ON f.document = d.id AND f.state IN ('ready', 'calling')
     UNION SELECT cover_key FROM faxes WHERE state IN ('ready', 'calling')
     UNION SELECT g4_key FROM received_pages p JOIN received r ON r.id = p.received AND r.ended_at IS NULL
     UNION SELECT g4_key FROM received_pages p JOIN outgoing o
           ON o.subject_of = p.received AND o.kind = 'received_fax' AND o.state IN ('waiting', 'sending')
     UNION SELECT g4_key FROM received_pages p JOIN outgoing o ON o.subject_of = p.received AND o.kind = 'received_fax'
           JOIN outgoing back ON back.subject_of = o.id AND back.kind = 'returned' AND back.state IN ('waiting', 'sending')";

/// Bytes of files that nothing needs any more of which `postfax check` looks whether they were altered, the newest first:
/// all that was ever kept would take long.
const LOOKED_THROUGH: u64 = 1 << 30;

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

/// Those of the altered blobs of a query that are files, among its newest.
fn altered_files_of_late(
    db: &Connection,
    blobs: &Blobs,
    query: &str,
) -> rusqlite::Result<Vec<String>> {
    let named = named_blobs(db, &format!("{query} EXCEPT SELECT key FROM small_blobs"))?;
    let mut named: Vec<String> = named.into_iter().collect();
    // Identifiers, behind the dash, grow with time.
    named.sort_by(|a, b| age_of(b).cmp(age_of(a)));
    let mut left = LOOKED_THROUGH;
    let mut altered = Vec::new();
    for key in named {
        let path = blobs.path(&key);
        left = left.saturating_sub(path.metadata().map_or(0, |file| file.len()));
        if left == 0 {
            break;
        }
        if seal::is_broken(&path) {
            altered.push(key);
        }
    }
    Ok(altered)
}

/// What a key is ordered by.
fn age_of(key: &str) -> &str {
    key.split_once('-').map_or(key, |(_, id)| id)
}

/// The invariants that do not hold.
pub(super) fn broken_rules(db: &Connection) -> rusqlite::Result<Vec<Violation>> {
    broken(db, INVARIANTS)
}

/// What was expected and is not so, and is no damage.
pub(super) fn broken_expectations(db: &Connection) -> rusqlite::Result<Vec<Violation>> {
    broken(db, EXPECTATIONS)
}

fn broken(db: &Connection, rules: &[(&'static str, &str)]) -> rusqlite::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for (invariant, query) in rules {
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
                violations.push(Violation {
                    invariant: "the database file is sound",
                    rows: vec![sound],
                });
            }
            violations.extend(broken_rules(db)?);
            let missing = missing_blobs(db, &blobs, UNFINISHED)?;
            if !missing.is_empty() {
                let invariant = "every blob that is still needed is there";
                violations.push(Violation {
                    invariant,
                    rows: missing,
                });
            }
            let altered = altered_blobs(db, &blobs, UNFINISHED)?;
            if !altered.is_empty() {
                let invariant = "a blob that is still needed holds the octets that were kept";
                violations.push(Violation {
                    invariant,
                    rows: altered,
                });
            }
            Ok(violations)
        })
        .await
    }

    /// What is not as it should be and costs no mail and no page: nothing stops for it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn check_expectations(&self) -> super::Result<Vec<Violation>> {
        let blobs = self.blobs().clone();
        self.read_afresh(move |db| {
            let mut violations = broken_expectations(db)?;
            let over = format!("SELECT * FROM ({ALL}) EXCEPT SELECT * FROM ({UNFINISHED})");
            let missing = missing_blobs(db, &blobs, &over)?;
            if !missing.is_empty() {
                let invariant = "every mail, page and preview of what is over is there";
                violations.push(Violation {
                    invariant,
                    rows: missing,
                });
            }
            let mut altered = altered_files_of_late(db, &blobs, &over)?;
            altered.extend(small::altered(db, &over)?);
            if !altered.is_empty() {
                altered.sort();
                let invariant =
                    "a mail, page or preview of what is over holds the octets that were kept";
                violations.push(Violation {
                    invariant,
                    rows: altered,
                });
            }
            Ok(violations)
        })
        .await
    }
}
