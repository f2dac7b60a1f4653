//! Numbered upgrades of the store: step n brings version n to n + 1. `schema.sql` is always the newest whole.

use rusqlite::Connection;

use super::{Result, StoreError};

/// The version that `schema.sql` describes.
const NEWEST: i64 = 1;

/// Steps from version 1 on; the first release needs none.
const STEPS: &[&str] = &[];

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
