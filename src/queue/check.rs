//! The invariants of the store, proved by query. `postfax check` runs them.

use super::{Result, Store};

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
        "a message has a fax",
        "SELECT m.id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM faxes f WHERE f.message = m.id)",
    ),
];

impl Store {
    /// Proves the invariants and the soundness of the file; an empty answer means that all hold.
    ///
    /// # Errors
    /// As the database says.
    pub async fn check(&self) -> Result<Vec<Violation>> {
        let blobs = self.blobs().clone();
        self.read(move |db| {
            let mut violations = Vec::new();
            let sound: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if sound != "ok" {
                violations.push(Violation { invariant: "the database file is sound", rows: vec![sound] });
            }
            for (invariant, query) in INVARIANTS {
                let rows: Vec<String> =
                    db.prepare(query)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
                if !rows.is_empty() {
                    violations.push(Violation { invariant, rows });
                }
            }
            let named: Vec<String> = db
                .prepare(
                    "SELECT text_key FROM messages UNION SELECT pages_key FROM documents WHERE pages_key IS NOT NULL
                     UNION SELECT preview_key FROM documents WHERE preview_key IS NOT NULL
                     UNION SELECT cover_key FROM faxes WHERE cover_key IS NOT NULL
                     UNION SELECT g4_key FROM received_pages
                     UNION SELECT preview_key FROM received WHERE preview_key IS NOT NULL",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let kept: std::collections::HashSet<String> = blobs.keys().unwrap_or_default().into_iter().collect();
            let missing: Vec<String> = named.into_iter().filter(|key| !kept.contains(key)).collect();
            if !missing.is_empty() {
                violations.push(Violation { invariant: "every blob that a row names is there", rows: missing });
            }
            Ok(violations)
        })
        .await
    }
}
