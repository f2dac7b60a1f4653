//! What no row names: nothing that was told yes for is deleted, whatever became of the database.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::*;
use crate::pages::bitmap::Bitmap;
use crate::pages::g4;

/// The keys of what is in `orphans`.
async fn aside(store: &Store) -> Vec<String> {
    let orphans = store.orphans().await.unwrap().into_iter();
    orphans
        .filter(|it| it.orphaned_at.is_some())
        .map(|it| it.key)
        .collect()
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis() as i64
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

/// A mail in a file, accepted.
async fn accepted(store: &Store) -> NewMessage {
    let mail = message(&["5551234567"]);
    store.blobs().keep(&mail.text_key, b"mail").unwrap();
    store.accept(mail.clone(), NOW).await.unwrap();
    mail
}

fn page(rows: u32) -> FaxPage {
    FaxPage {
        width: 1728,
        height: rows,
        x_dpi: 204,
        y_dpi: 98,
        g4: g4::encode(&Bitmap::new(1728, rows).unwrap()),
    }
}

/// A call whose two pages were confirmed; it ended with its last page.
async fn received(store: &Store) -> String {
    let new = NewReceived {
        called: "5559876543".into(),
        caller: "5551234567".into(),
        caller_name: Some("A caller".into()),
        trunk: "carrier".into(),
        recipients: vec!["office@example.com".into()],
    };
    let id = store.begin_received(new, NOW).await.unwrap();
    store
        .page_received(&id, 1, false, 0, page(1100))
        .await
        .unwrap();
    store
        .page_received(&id, 2, true, 3, page(1100))
        .await
        .unwrap();
    store
        .end_received(&id, report(Outcome::Delivered, 2), NOW)
        .await
        .unwrap();
    id
}

async fn begun(state: &Path) -> Store {
    let store = Store::open(state).unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    store
}

#[tokio::test]
async fn what_a_kill_left_without_its_row_is_set_aside_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mail = accepted(&store).await;
    store
        .blobs()
        .keep("m-orphan", b"nobody was told yes")
        .unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(90 * DAY);
    let file = File::options()
        .write(true)
        .open(store.blobs().path("m-orphan"));
    file.unwrap().set_modified(long_ago).unwrap();
    drop(store);
    let store = begun(state.path()).await;
    assert_eq!(store.blobs().keys().unwrap(), [mail.text_key]);
    assert_eq!(store.check().await.unwrap(), []);
    let orphan = store.orphans().await.unwrap().remove(0);
    assert_eq!(
        (orphan.key.as_str(), orphan.kind),
        ("m-orphan", OrphanKind::Mail)
    );
    assert_eq!(fs::read(&orphan.path).unwrap(), b"nobody was told yes");
    let days = |at: Millis| (now_millis() - at.0) / 86_400_000;
    assert_eq!(days(orphan.written_at), 90, "it keeps its age");
    assert_eq!(days(orphan.orphaned_at.unwrap()), 0, "its days begin now");
    assert_eq!(
        store.expired_orphans(Millis(now_millis())).await.unwrap(),
        Vec::<String>::new()
    );
    // The next start finds it where it is.
    drop(store);
    assert_eq!(aside(&begun(state.path()).await).await, ["m-orphan"]);
}

#[tokio::test]
async fn an_older_database_deletes_nothing_and_the_newer_one_finds_all_of_it_again() {
    let state = tempfile::tempdir().unwrap();
    let database = state.path().join("queue.db");
    let store = begun(state.path()).await;
    let before = accepted(&store).await;
    drop(store);
    let older = fs::read(&database).unwrap();
    let store = begun(state.path()).await;
    let (mail, fax) = (accepted(&store).await, received(&store).await);
    drop(store);
    let newer = fs::read(&database).unwrap();

    fs::write(&database, older).unwrap();
    let store = begun(state.path()).await;
    let lost = sorted(vec![
        mail.text_key.clone(),
        format!("p1-{fax}"),
        format!("p2-{fax}"),
    ]);
    assert_eq!(sorted(aside(&store).await), lost);
    assert_eq!(store.blobs().keys().unwrap(), [before.text_key.as_str()]);
    assert_eq!(store.check().await.unwrap(), []);
    drop(store);

    fs::write(&database, newer).unwrap();
    let store = begun(state.path()).await;
    assert_eq!(aside(&store).await, Vec::<String>::new());
    assert_eq!(store.blobs().keys().unwrap().len(), 4);
    assert_eq!(
        store.received_fax(&fax).await.unwrap().unwrap().pages.len(),
        2
    );
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_store_is_not_changed_before_it_was_examined() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = calling(&store, &["5551234567"]).await;
    store
        .blobs()
        .keep("m-orphan", b"perhaps all that is left")
        .unwrap();
    let growing = store.blobs().incoming().join("growing");
    fs::write(&growing, b"half").unwrap();
    drop(store);
    let db = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
    let contradiction = "UPDATE faxes SET confirmed = 9, leaving = 1";
    db.execute(contradiction, []).unwrap();
    drop(db);
    let store = Store::open(state.path()).unwrap();
    let began = store.begin(&policy(), since_boot(), NOW).await;
    assert!(matches!(began, Err(StoreError::Damaged(_))), "{began:?}");
    assert_eq!(store.fax(&fax.id).await.unwrap().unwrap().state, "calling");
    assert!(store.blobs().path("m-orphan").exists());
    assert!(growing.exists());
    drop(store);
    // Mended, it goes on where it was.
    let db = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
    db.execute("UPDATE faxes SET confirmed = 0, leaving = 0", [])
        .unwrap();
    drop(db);
    let store = begun(state.path()).await;
    assert_eq!(store.fax(&fax.id).await.unwrap().unwrap().state, "ready");
    assert_eq!(aside(&store).await, ["m-orphan"]);
    assert!(!growing.exists());
}

#[tokio::test]
async fn bytes_in_the_database_that_no_row_names_become_a_file() {
    let state = tempfile::tempdir().unwrap();
    drop(Store::open(state.path()).unwrap());
    let db = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
    let insert = "INSERT INTO small_blobs (key, octets) VALUES ('m-small', x'6d61696c')";
    db.execute(insert, []).unwrap();
    drop(db);
    let store = begun(state.path()).await;
    assert_eq!(store.damage(), None);
    let orphan = store.orphans().await.unwrap().remove(0);
    assert_eq!(fs::read(&orphan.path).unwrap(), b"mail");
    assert_eq!(store.check_expectations().await.unwrap(), []);
    assert_eq!(orphan.key, "m-small");
}

#[tokio::test]
async fn orphans_are_deleted_after_thirty_days_and_not_what_a_row_names_again() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.blobs().keep("m-orphan", b"mail").unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    let now = Millis(now_millis());
    let expired = async |days| {
        store
            .expired_orphans(now.plus_seconds(days * DAY))
            .await
            .unwrap()
    };
    assert_eq!(expired(29).await, Vec::<String>::new());
    assert_eq!(expired(31).await, ["m-orphan"]);
    let keys = || ["m-orphan".to_owned()].into();
    let later = now.plus_seconds(31 * DAY);
    assert_eq!(store.delete_expired_orphans(keys(), now).await.unwrap(), 0);
    let mail = NewMessage {
        text_key: "m-orphan".into(),
        ..message(&["5551234567"])
    };
    store.accept(mail, NOW).await.unwrap();
    assert_eq!(
        store.delete_expired_orphans(keys(), later).await.unwrap(),
        0
    );
    assert!(state.path().join("orphans/m-orphan").exists());
    let db = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off; UPDATE messages SET text_key = 'm-other'")
        .unwrap();
    assert_eq!(
        store.delete_expired_orphans(keys(), later).await.unwrap(),
        1
    );
    assert!(!state.path().join("orphans/m-orphan").exists());
}

#[tokio::test]
async fn an_adoption_that_was_cut_off_is_an_orphan_as_before() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.blobs().keep("m-orphan", b"mail").unwrap();
    store.begin(&policy(), since_boot(), NOW).await.unwrap();
    let orphan = store.orphans().await.unwrap().remove(0);
    store.place_orphan(&orphan).await.unwrap();
    drop(store);
    let store = begun(state.path()).await;
    assert_eq!(store.orphans().await.unwrap().len(), 1);
    store.place_orphan(&orphan).await.unwrap();
    let mail = NewMessage {
        text_key: "m-orphan".into(),
        ..message(&["5551234567"])
    };
    store.accept(mail, NOW).await.unwrap();
    // Cut off before the orphan is gone.
    drop(store);
    let store = begun(state.path()).await;
    assert_eq!(store.orphans().await.unwrap(), []);
    assert_eq!(store.blobs().read("m-orphan").unwrap(), b"mail");
    assert!(!state.path().join("orphans/m-orphan").exists());
}

#[tokio::test]
async fn pages_carry_what_it_takes_to_take_them_in_again() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fax = received(&store).await;
    let origin = Origin::read(&store.blobs().path(&format!("p2-{fax}")));
    let Some(Origin::Page(page)) = origin else {
        assert_eq!(origin, None, "a file system without attributes");
        return;
    };
    assert_eq!(
        (page.page, page.last, page.lost, page.height),
        (2, true, 3, 1100)
    );
    assert_eq!(
        (page.caller.as_str(), page.called.as_str()),
        ("5551234567", "5559876543")
    );
    assert_eq!(
        (page.started_at, page.recipients),
        (NOW.0, vec!["office@example.com".to_owned()])
    );
    assert_eq!(
        store.blobs().read(&format!("p2-{fax}")).unwrap(),
        self::page(1100).g4
    );
}
