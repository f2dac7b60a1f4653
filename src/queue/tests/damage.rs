//! A store that was damaged on purpose is known for it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use super::*;

/// A store with a fax that waits; closed, its log written back into its file.
async fn closed(state: &Path) -> (NewMessage, u64) {
    let store = Store::open(state).unwrap();
    let mail = message(&["5551234567", "5557654321"]);
    store.blobs().keep(&mail.text_key, b"mail").unwrap();
    store.accept(mail.clone(), NOW).await.unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    drop(store);
    let size = File::open(state.join("queue.db"))
        .unwrap()
        .metadata()
        .unwrap()
        .len();
    (mail, size)
}

/// What is found when it is opened and looked at.
async fn found(state: &Path) -> Option<String> {
    match Store::open(state) {
        Err(e) => Some(e.to_string()),
        Ok(store) => {
            let examined = store.examine().await;
            store.damage().or(examined.err().map(|e| e.to_string()))
        }
    }
}

#[tokio::test]
async fn a_sound_store_is_not_suspected() {
    let state = tempfile::tempdir().unwrap();
    closed(state.path()).await;
    assert_eq!(found(state.path()).await, None);
}

/// A copy of a store as `kill -9` leaves it.
async fn killed(state: &Path) {
    let live = tempfile::tempdir().unwrap();
    let (mail, _) = closed(live.path()).await;
    let store = Store::open(live.path()).unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    let another = NewMessage {
        id: format!("{}x", mail.id),
        ..message(&["5550000001"])
    };
    store.blobs().keep(&another.text_key, b"another").unwrap();
    store.accept(another, NOW).await.unwrap();
    for name in ["queue.db", "queue.db-wal", "queue.db-shm"] {
        std::fs::copy(live.path().join(name), state.join(name)).unwrap();
    }
    std::fs::create_dir(state.join("blobs")).unwrap();
    std::fs::write(state.join("turn"), "").unwrap();
}

fn noise(state: &Path) {
    let database = state.join("queue.db");
    let size = std::fs::metadata(&database).unwrap().len();
    let file = OpenOptions::new().write(true).open(database).unwrap();
    for page in 1..size / 4096 {
        file.write_all_at(&[0xA5; 50], page * 4096).unwrap();
    }
}

fn contradiction(state: &Path) {
    let db = rusqlite::Connection::open(state.join("queue.db")).unwrap();
    let keep_the_log = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    db.set_db_config(keep_the_log, true).unwrap();
    db.execute("UPDATE faxes SET confirmed = 9, leaving = 1", [])
        .unwrap();
}

#[tokio::test]
async fn what_is_damaged_is_left_as_it_was_by_whoever_opens_it() {
    let octets = |state: &Path| {
        ["queue.db", "queue.db-wal"].map(|name| std::fs::read(state.join(name)).unwrap())
    };
    for damage in [noise, contradiction] {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path()).await;
        damage(folder.path());
        let before = octets(folder.path());
        assert!(before[1].len() > 4096, "there is a log");
        for _ in 0..2 {
            if let Ok(store) = Store::open(folder.path()) {
                let begun = store.begin(&policy(), since_boot(), NOW).await;
                assert!(begun.is_err());
            }
            assert!(octets(folder.path()) == before, "by the daemon");
            if let Ok(store) = Store::open_beside(folder.path()) {
                assert!(store.examine_unless_served().await.is_err());
                let _ = store.check().await;
                let _ = store.waiting_faxes(10).await;
            }
            assert!(octets(folder.path()) == before, "by a command");
        }
    }
}

#[tokio::test]
async fn pages_of_noise_in_the_file_are_found() {
    let state = tempfile::tempdir().unwrap();
    let (_, size) = closed(state.path()).await;
    let file = OpenOptions::new()
        .write(true)
        .open(state.path().join("queue.db"))
        .unwrap();
    // Every page but the first, which names the rest.
    for page in 1..size / 4096 {
        file.write_all_at(&[0xA5; 64], page * 4096).unwrap();
    }
    let found = found(state.path()).await.expect("it is damaged");
    assert!(
        found.contains("damaged") || found.contains("malformed"),
        "{found}"
    );
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_found() {
    let state = tempfile::tempdir().unwrap();
    let (_, size) = closed(state.path()).await;
    let file = OpenOptions::new()
        .write(true)
        .open(state.path().join("queue.db"))
        .unwrap();
    file.set_len(size / 2 / 4096 * 4096).unwrap();
    assert!(found(state.path()).await.is_some());
}

#[tokio::test]
async fn a_mail_whose_text_is_gone_is_found_before_it_is_needed() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    Blobs::open(state.path())
        .unwrap()
        .remove(&mail.text_key)
        .unwrap();
    let found = found(state.path()).await.expect("it is missing");
    assert!(found.contains(&mail.text_key), "{found}");
}

#[tokio::test]
async fn a_mail_whose_text_was_altered_is_found_before_it_is_needed() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    let blobs = Blobs::open(state.path()).unwrap();
    std::fs::write(blobs.path(&mail.text_key), b"Mail").unwrap();
    if blobs.read(&mail.text_key).is_ok() {
        // A file system without extended attributes.
        return;
    }
    let found = found(state.path()).await.expect("one octet is another");
    assert!(
        found.contains(&mail.text_key) && found.contains("altered"),
        "{found}"
    );
    let store = Store::open_beside(state.path()).unwrap();
    let broken = store.check().await.unwrap();
    assert_eq!(broken[0].rows, [mail.text_key]);
}

#[tokio::test]
async fn a_preview_that_was_altered_is_a_note_and_stops_nothing() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store.blobs().keep("v-1", &[7; 90_000]).unwrap();
    drop(store);
    let db = Connection::open(state.path().join("queue.db")).unwrap();
    db.execute("UPDATE documents SET preview_key = 'v-1'", [])
        .unwrap();
    drop(db);
    let store = Store::open(state.path()).unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    if alter(&store, "v-1").is_none() {
        return;
    }
    assert!(store.preview(&fax.id).await.is_err());
    assert_eq!(store.damage(), None);
    assert!(store.notes()[0].contains("v-1"), "{:?}", store.notes());
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);
    assert!(store.notes()[0].contains("v-1"), "it is still so");
    assert_eq!(store.check().await.unwrap(), []);
    let noted = store.check_expectations().await.unwrap();
    assert_eq!(noted[0].rows, ["v-1"]);
    store.blobs().remove("v-1").unwrap();
    store.blobs().keep("v-1", &[7; 90_000]).unwrap();
    store.examine().await.unwrap();
    assert_eq!(store.notes(), Vec::<String>::new());
}

/// Changes one byte of a file of the store; none: its file system has no extended attributes.
fn alter(store: &Store, key: &str) -> Option<()> {
    let path = store.blobs().path(key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    store.blobs().read(key).is_err().then_some(())
}

#[tokio::test]
async fn a_waiting_mail_that_is_read_altered_is_damage_and_wakes_the_examiner() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    let store = Store::open(state.path()).unwrap();
    if alter(&store, &mail.text_key).is_none() {
        return;
    }
    let examiner = store.clone();
    let woken = tokio::spawn(async move { examiner.suspected().await });
    assert!(store.octets(&mail.text_key).await.is_err());
    assert!(
        store
            .damage()
            .is_some_and(|what| what.contains(&mail.text_key))
    );
    let woken = tokio::time::timeout(Duration::from_secs(5), woken).await;
    woken.expect("it looks at once").unwrap();
}

#[tokio::test]
async fn received_pages_are_needed_while_the_call_goes_on_and_until_their_mail_is_out() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let id = received(&store, 1).await;
    let key = format!("p1-{id}");
    if alter(&store, &key).is_none() {
        return;
    }
    store.examine().await.unwrap();
    assert!(
        store.damage().is_some_and(|what| what.contains(&key)),
        "it is in a call"
    );
    alter_back(&store, &key);
    store
        .end_received(&id, report(Outcome::Delivered, 1), NOW)
        .await
        .unwrap();
    let mail = store.claim_mail(NOW).await.unwrap().unwrap();
    store.mail_delivered(&mail.id, "250 ok", NOW).await.unwrap();
    alter(&store, &key);
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);
    assert!(store.received_fax(&id).await.is_err());
    assert_eq!(store.damage(), None, "its mail was delivered");
    assert!(store.notes()[0].contains(&key));
}

fn alter_back(store: &Store, key: &str) {
    let path = store.blobs().path(key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

/// A call that brought so many pages and goes on.
async fn received(store: &Store, pages: u32) -> String {
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: None,
        trunk: "carrier".into(),
        recipients: vec!["office@example.com".into()],
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    for page in 1..=pages {
        let data = FaxPage {
            width: 1728,
            height: 8,
            x_dpi: 204,
            y_dpi: 196,
            g4: crate::pages::g4::encode(&crate::pages::bitmap::Bitmap::new(1728, 8).unwrap()),
        };
        store
            .page_received(&id, page, page == pages, 0, data)
            .await
            .unwrap();
    }
    id
}

#[tokio::test]
async fn a_number_that_rests_for_long_is_no_damage() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    // The clock went forward by four days in the middle of the call.
    let later = NOW.plus_seconds(4 * DAY);
    let (busy, policy) = (report(Outcome::Busy, 0), policy());
    let settled = store.settle_attempt(&fax.id, fax.attempt, busy, &policy, later);
    settled.await.unwrap();
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);
    assert_eq!(store.check().await.unwrap(), []);
    let noted = store.check_expectations().await.unwrap();
    assert_eq!(noted[0].rows, ["5551234567"], "{noted:?}");
    assert!(store.notes()[0].contains("rests"), "{:?}", store.notes());
}

#[tokio::test]
async fn a_stray_file_in_the_folder_of_blobs_shuts_nobody_out() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    std::fs::write(state.path().join("blobs/notes.txt"), b"stray").unwrap();
    std::fs::create_dir(state.path().join("blobs/lost+found")).unwrap();
    std::fs::create_dir(state.path().join("incoming/stray")).unwrap();
    assert_eq!(found(state.path()).await, None);
    let store = Store::open(state.path()).unwrap();
    assert_eq!(store.blobs().keys().unwrap(), [mail.text_key]);
    assert_eq!(store.check().await.unwrap(), []);
    assert!(state.path().join("blobs/notes.txt").exists());
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_replaced_by_an_empty_one() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    let file = state.path().join("queue.db");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(
        Store::open(state.path()),
        Err(StoreError::Lost(_))
    ));
    File::create(&file).unwrap();
    assert!(matches!(
        Store::open(state.path()),
        Err(StoreError::Lost(_))
    ));
    assert!(matches!(
        Store::open_beside(state.path()),
        Err(StoreError::Lost(_))
    ));
    std::fs::write(&file, kept).unwrap();
    let store = Store::open(state.path()).unwrap();
    assert_eq!(store.blobs().keys().unwrap(), [mail.text_key]);
}

#[tokio::test]
async fn a_header_of_noise_is_found() {
    let state = tempfile::tempdir().unwrap();
    closed(state.path()).await;
    let file = OpenOptions::new()
        .write(true)
        .open(state.path().join("queue.db"))
        .unwrap();
    file.write_all_at(&[0xA5; 64], 0).unwrap();
    let found = found(state.path()).await.expect("it is damaged");
    assert!(found.contains("not a database"), "{found}");
}

#[tokio::test]
async fn a_row_that_contradicts_another_is_found() {
    let state = tempfile::tempdir().unwrap();
    closed(state.path()).await;
    let db = Connection::open(state.path().join("queue.db")).unwrap();
    db.execute(
        "UPDATE faxes SET confirmed = 9 WHERE number = '5551234567'",
        [],
    )
    .unwrap();
    drop(db);
    let found = found(state.path()).await.expect("nine pages of none");
    assert!(
        found.contains("no more pages are confirmed than there are"),
        "{found}"
    );
}

#[tokio::test]
async fn what_is_put_back_is_no_damage_any_more_but_what_sqlite_found_stays() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    let store = Store::open(state.path()).unwrap();
    store.blobs().remove(&mail.text_key).unwrap();
    store.examine().await.unwrap();
    assert!(store.damage().is_some());
    store.blobs().keep(&mail.text_key, b"mail").unwrap();
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);

    let corrupt = || rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let read = store.read(move |_| -> rusqlite::Result<()> {
        Err(rusqlite::Error::SqliteFailure(corrupt(), None))
    });
    assert!(read.await.is_err());
    store.examine().await.unwrap();
    assert!(store.damage().is_some(), "nobody knows what else is wrong");
}

/// The files of a store as `kill -9` would leave them now.
fn image(state: &Path) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    ["queue.db", "queue.db-wal"].map(|name| {
        // By another process: with a file that we close, our locks on it would go.
        let mut copy = std::process::Command::new("cp");
        copy.arg(state.join(name))
            .arg(folder.path())
            .output()
            .unwrap();
        std::fs::read(folder.path().join(name)).unwrap_or_default()
    })
}

/// What is found where these two files lie beside each other.
fn found_in(database: &[u8], log: &[u8]) -> Option<String> {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("queue.db"), database).unwrap();
    if !log.is_empty() {
        std::fs::write(state.path().join("queue.db-wal"), log).unwrap();
    }
    let db = connect(&state.path().join("queue.db"), OpenFlags::default());
    let found = db.and_then(|db| Ok(super::health::unsound(&db)?));
    found.unwrap_or_else(|e| Some(e.to_string()))
}

/// How many mails a file holds without its log.
fn mails_in(database: &[u8]) -> i64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), database).unwrap();
    let uri = format!("file:{}?immutable=1", file.path().display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = rusqlite::Connection::open_with_flags(uri, flags).unwrap();
    db.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))
        .unwrap()
}

/// A copy as a backup makes it: one file that holds all of it.
fn backup(state: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let db = rusqlite::Connection::open(state.join("queue.db")).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
    std::fs::read(copy).unwrap()
}

#[tokio::test]
async fn a_copy_of_the_database_beside_the_log_of_another_is_damage() {
    let state = tempfile::tempdir().unwrap();
    closed(state.path()).await;
    let (mut images, mut backups, mut mails) = (Vec::new(), Vec::new(), 1);
    for round in 0..6 {
        let store = Store::open(state.path()).unwrap();
        store.begin(&policy(), since_boot(), NOW).await.unwrap();
        for n in 0..2 + round % 3 {
            later(&store, &format!("m{round}x{n}")).await;
            mails += 1;
            images.push((mails, image(state.path())));
            backups.push(backup(state.path()));
            if (round + n) % 4 == 1 {
                let beside = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
                let mode = ["PASSIVE", "TRUNCATE"][n % 2];
                let checkpoint = format!("PRAGMA wal_checkpoint({mode})");
                beside.query_row(&checkpoint, [], |_| Ok(())).unwrap();
                images.push((mails, image(state.path())));
                backups.push(backup(state.path()));
            }
        }
    }
    for (mails, [database, log]) in &images {
        assert_eq!(found_in(database, log), None, "killed behind mail {mails}");
    }
    let log_of = |log: &[u8]| log.get(16..24).map(<[u8]>::to_vec);
    let mut mixed = 0;
    for (i, (_, [database, log])) in images.iter().enumerate() {
        for (_, [_, other]) in &images {
            if log_of(log) != log_of(other) && !other.is_empty() {
                mixed += 1;
                // One that holds no fewer mails than the log goes on from, and no more than it knows, does no harm.
                let held = mails_in(database);
                let mut of_other = images
                    .iter()
                    .filter(|(_, [_, log])| log_of(log) == log_of(other));
                let is_same =
                    of_other.any(|(mails, [file, _])| (mails_in(file)..=*mails).contains(&held));
                assert!(is_same || found_in(database, other).is_some(), "file {i}");
            }
        }
        for (j, copy) in backups.iter().enumerate() {
            if !log.is_empty() && mails_in(copy) < mails_in(database) {
                mixed += 1;
                assert!(found_in(copy, log).is_some(), "copy {j}, log {i}");
            }
        }
    }
    assert!(mixed > 100, "{mixed}");
}

async fn later(store: &Store, id: &str) {
    let mail = NewMessage {
        id: id.into(),
        ..message(&["5550000001"])
    };
    store.blobs().keep(&mail.text_key, id.as_bytes()).unwrap();
    store.accept(mail, NOW).await.unwrap();
}

#[tokio::test]
async fn an_older_database_beside_the_log_is_left_alone_by_the_start() {
    let state = tempfile::tempdir().unwrap();
    closed(state.path()).await;
    let older = std::fs::read(state.path().join("queue.db")).unwrap();
    let killed = tempfile::tempdir().unwrap();
    {
        let store = Store::open(state.path()).unwrap();
        store.begin(&policy(), since_boot(), NOW).await.unwrap();
        later(&store, "m1").await;
        drop(store);
        let store = Store::open(state.path()).unwrap();
        store.begin(&policy(), since_boot(), NOW).await.unwrap();
        later(&store, "m2").await;
        for name in ["queue.db-wal", "queue.db-shm"] {
            std::fs::copy(state.path().join(name), killed.path().join(name)).unwrap();
        }
        std::fs::create_dir(killed.path().join("blobs")).unwrap();
    }
    std::fs::write(killed.path().join("queue.db"), &older).unwrap();
    let log = std::fs::read(killed.path().join("queue.db-wal")).unwrap();
    let found = found(killed.path()).await.unwrap();
    assert!(found.contains("queue.db-wal beside it"), "{found}");
    assert_eq!(
        std::fs::read(killed.path().join("queue.db")).unwrap(),
        older
    );
    assert_eq!(
        std::fs::read(killed.path().join("queue.db-wal")).unwrap(),
        log
    );
}
