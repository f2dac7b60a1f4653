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
async fn a_blob_that_a_kill_left_without_its_row_is_swept_and_no_other() {
    let state = tempfile::tempdir().unwrap();
    let (mail, _) = closed(state.path()).await;
    let blobs = Blobs::open(state.path()).unwrap();
    blobs.keep("m-orphan", b"nobody was told yes").unwrap();
    let store = Store::open(state.path()).unwrap();
    assert_eq!(store.blobs().keys().unwrap(), [mail.text_key]);
    assert_eq!(store.check().await.unwrap(), []);
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
