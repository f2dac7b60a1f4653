//! Small mails and pages, which lie in the database.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;

fn small(recipients: &[&str], text: &str) -> NewMessage {
    NewMessage {
        small_text: Some(Arc::new(text.into())),
        size: text.len() as u64,
        ..message(recipients)
    }
}

async fn pages(store: &Store, id: &str, octets: usize) -> Drawn {
    let new = store.new_octets(format!("d-{id}"), vec![7; octets]);
    Drawn {
        pages: new.await.unwrap(),
        page_count: 1,
        ..Drawn::default()
    }
}

#[tokio::test]
async fn a_small_mail_is_one_commit_and_no_file() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mail = small(&["5551234567"], "a letter");
    let key = mail.text_key.clone();
    store.accept(mail, NOW).await.unwrap();
    assert_eq!(store.blobs().keys().unwrap(), Vec::<String>::new());
    let store = crash_and_recover(state.path(), store).await;
    assert_eq!(*store.octets(&key).await.unwrap(), b"a letter");
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);
}

#[tokio::test]
async fn pages_are_found_on_either_side_of_small() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    for (octets, files) in [(SMALL, 0), (SMALL + 1, 1)] {
        store
            .accept(small(&["5551234567"], "a letter"), NOW)
            .await
            .unwrap();
        let document = store.claim_document(NOW).await.unwrap().expect("it waits");
        let drawn = pages(&store, &document.id, octets).await;
        let key = drawn.pages.key.clone();
        store
            .document_rendered(&document.id, drawn, NOW)
            .await
            .unwrap();
        assert_eq!(store.octets(&key).await.unwrap().len(), octets);
        assert_eq!(store.blobs().keys().unwrap().len(), files, "{octets}");
    }
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn octets_that_nobody_names_and_names_without_octets_are_found() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mail = small(&["5551234567"], "a letter");
    let key = mail.text_key.clone();
    store.accept(mail, NOW).await.unwrap();
    let spoil = "UPDATE small_blobs SET key = 'nobody'";
    store.write(|db| db.execute(spoil, [])).await.unwrap();
    let mut found = store.check().await.unwrap();
    assert_eq!(found[0].rows, [key.as_str()]);
    found.extend(store.check_expectations().await.unwrap());
    let rows: Vec<&String> = found.iter().flat_map(|it| &it.rows).collect();
    assert!(
        rows.contains(&&key) && rows.contains(&&"nobody".to_owned()),
        "{found:?}"
    );
    store.examine().await.unwrap();
    assert!(store.damage().is_some());
}

#[tokio::test]
async fn one_octet_of_a_row_that_is_another_is_found_when_it_is_read_and_before() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mail = small(&["5551234567"], "a letter");
    let key = mail.text_key.clone();
    store.accept(mail, NOW).await.unwrap();
    let spoil = "UPDATE small_blobs SET octets = CAST('a better' AS BLOB)";
    store.write(|db| db.execute(spoil, [])).await.unwrap();
    let why = store.octets(&key).await.unwrap_err().to_string();
    assert!(why.contains(&key) && why.contains("not those"), "{why}");
    assert!(store.damage().is_some(), "nothing more is taken in");
    let broken = store.check().await.unwrap();
    assert_eq!(broken[0].rows, [key.as_str()]);
    let mend = "UPDATE small_blobs SET octets = CAST('a letter' AS BLOB)";
    store.write(|db| db.execute(mend, [])).await.unwrap();
    store.examine().await.unwrap();
    assert_eq!(store.damage(), None);
    store.write(|db| db.execute(spoil, [])).await.unwrap();
    store.examine().await.unwrap();
    let damage = store.damage().expect("found before it is needed");
    assert!(damage.contains(&key), "{damage}");
}

#[tokio::test]
async fn a_row_that_an_older_version_kept_is_believed() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let mail = small(&["5551234567"], "a letter");
    let key = mail.text_key.clone();
    store.accept(mail, NOW).await.unwrap();
    let age = "UPDATE small_blobs SET sha256 = NULL";
    store.write(|db| db.execute(age, [])).await.unwrap();
    assert_eq!(*store.octets(&key).await.unwrap(), b"a letter");
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_broadcast_in_pieces_is_no_mail_that_comes_again() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let take = async |numbers: &[&str]| {
        let mail = Arc::new(small(numbers, "to all"));
        let found = store
            .accept_unless_duplicate(mail, vec![], HashSet::new(), Millis(0), NOW)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|candidate| candidate.number)
            .collect::<Vec<_>>()
    };
    assert!(take(&["5550000001", "5550000002"]).await.is_empty());
    assert!(
        take(&["5550000003", "5550000004"]).await.is_empty(),
        "the next piece"
    );
    assert_eq!(take(&["5550000004", "5550000005"]).await, ["5550000004"]);
    assert_eq!(store.waiting_faxes(10).await.unwrap().len(), 4);
}
