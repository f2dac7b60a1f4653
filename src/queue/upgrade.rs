//! Numbered upgrades of the store: step n brings version n to n + 1. `schema.sql` is always the newest whole.

use rusqlite::Connection;

use super::{Result, StoreError};

/// The version that `schema.sql` describes.
const NEWEST: i64 = 9;

/// Steps from version 1 on.
const STEPS: &[&str] = &[
    include_str!("upgrade/1-to-2.sql"),
    include_str!("upgrade/2-to-3.sql"),
    include_str!("upgrade/3-to-4.sql"),
    include_str!("upgrade/4-to-5.sql"),
    include_str!("upgrade/5-to-6.sql"),
    include_str!("upgrade/6-to-7.sql"),
    include_str!("upgrade/7-to-8.sql"),
    include_str!("upgrade/8-to-9.sql"),
];

/// Makes the tables in a new file, or brings an older file to the newest version, in one transaction.
///
/// # Errors
/// [`StoreError::TooNew`] for a file of a later version; else what the database says.
pub fn to_newest(connection: &mut Connection) -> Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        0 => transaction.execute_batch(include_str!("schema.sql"))?,
        1..=NEWEST => {
            for step in &STEPS[found as usize - 1..] {
                transaction.execute_batch(step)?;
            }
        }
        _ => {
            return Err(StoreError::TooNew {
                found,
                known: NEWEST,
            });
        }
    }
    // Only what changed is written: a command that looks at the queue does so on a full disk, too.
    if found != NEWEST {
        transaction.pragma_update(None, "user_version", NEWEST)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Whether the file is of the newest version, for those who may not change it.
///
/// # Errors
/// [`StoreError::TooOld`], [`StoreError::TooNew`]; else what the database says.
pub fn is_newest(connection: &Connection) -> Result<()> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        NEWEST => Ok(()),
        ..NEWEST => Err(StoreError::TooOld(found)),
        _ => Err(StoreError::TooNew {
            found,
            known: NEWEST,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_step() {
        assert_eq!(STEPS.len() as i64, NEWEST - 1);
    }

    /// Every table and index with its columns, in no order of theirs: an upgrade adds them at the end.
    fn shape(db: &Connection) -> Vec<String> {
        let sql = "SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name, '') || ' ' || coalesce(c.type, '')
                          || ' ' || coalesce(c.\"notnull\", '') || ' ' || coalesce(c.dflt_value, '')
                   FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c
                   WHERE m.name NOT LIKE 'sqlite_%' ORDER BY 1";
        let mut rows = db.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn a_store_of_version_1_keeps_its_rows_and_gets_the_newest_shape() {
        let mut old = Connection::open_in_memory().unwrap();
        old.execute_batch(include_str!("upgrade/version1.sql"))
            .unwrap();
        old.execute_batch(
            "INSERT INTO messages (id, accepted_at, client, sender, manifest, size, text_key)
             VALUES ('m', 1, '127.0.0.1', 'clerk@example.com', '[]', 9, 'm-m');
             INSERT INTO documents (id, message, resolution, state, next_try_at) VALUES ('d', 'm', 'fine', 'waiting', 1);
             INSERT INTO faxes (id, message, document, recipient, number, state, created_at, next_try_at)
             VALUES ('f', 'm', 'd', '5551234567@fax.local', '5551234567', 'ready', 1, 1);
             INSERT INTO attempts (fax, started_at, first_page, header, outcome, far_ident, seconds)
             VALUES ('f', 1, 1, '{}', 'busy', '+1 202 555 0123', 2.5);
             INSERT INTO received (id, started_at, called, caller, recipients, ended_at)
             VALUES ('r', 1, '5559876543', '5551234567', '[]', 2);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        to_newest(&mut old).unwrap();
        let mut new = Connection::open_in_memory().unwrap();
        to_newest(&mut new).unwrap();
        assert_eq!(shape(&old), shape(&new));
        let row: (String, String, String, Option<String>) = old
            .query_row(
                "SELECT f.number, a.outcome, a.trunk, f.sub_address FROM faxes f JOIN attempts a ON a.fax = f.id",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .unwrap();
        assert_eq!(
            row,
            ("5551234567".into(), "busy".into(), String::new(), None)
        );
        is_newest(&old).unwrap();
    }

    #[test]
    fn opening_it_again_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let mut first = Connection::open(&path).unwrap();
        to_newest(&mut first).unwrap();
        let version = |db: &Connection| -> i64 {
            db.query_row("PRAGMA data_version", [], |row| row.get(0))
                .unwrap()
        };
        let before = version(&first);
        to_newest(&mut Connection::open(&path).unwrap()).unwrap();
        assert_eq!(version(&first), before);
    }

    #[test]
    fn opens_its_own_file_again_and_refuses_a_newer_one() {
        let mut db = Connection::open_in_memory().unwrap();
        to_newest(&mut db).unwrap();
        to_newest(&mut db).unwrap();
        db.pragma_update(None, "user_version", NEWEST + 1).unwrap();
        assert!(matches!(to_newest(&mut db), Err(StoreError::TooNew { .. })));
    }
}
