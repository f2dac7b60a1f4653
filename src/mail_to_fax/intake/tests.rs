//! The front door without its sockets: what is taken over, and once only.

use super::*;
use crate::config::Config;
use crate::pages::header::HeaderFont;
use crate::queue::Store;
use crate::worker::host::Children;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn door(state: &std::path::Path) -> FrontDoor {
    let context = Context::new(
        Config::default(),
        Store::open(state).unwrap(),
        Children::new(None, 60),
        HeaderFont::builtin(),
    );
    FrontDoor::new(Arc::new(context.unwrap()))
}

fn to(number: &str) -> Recipient {
    Recipient {
        address: format!("{number}@fax.local"),
        number: number.to_owned(),
        sub_address: None,
        name: None,
        orcpt: None,
        wishes: Wishes::default(),
        defaults: Wishes::default(),
        is_postmaster: false,
    }
}

/// A mail that was found good, without its message id where that is empty.
fn good(message_id: &str, recipients: Vec<Recipient>, text: &str) -> Good {
    Good {
        mail: from("clerk@example.com"),
        client: HERE,
        via: "network".into(),
        recipients,
        forward_to: None,
        wishes: Wishes::default(),
        text: Text::Short(Arc::new(text.into())),
        contents: Opened {
            subject: Some("Lease".into()),
            message_id: Some(message_id.to_owned()).filter(|id| !id.is_empty()),
            references: None,
            fields: vec![],
            documents: vec![],
            parts: vec![],
        },
    }
}

fn from(sender: &str) -> Mail {
    Mail {
        sender: sender.into(),
        ..Mail::default()
    }
}

async fn keep(door: &FrontDoor, good: Good) -> Taken {
    match door.keep(good).await {
        Ok((reply, _)) => reply,
        Err(KeepError::Store(e)) => panic!("{e}"),
        Err(KeepError::Refused(refusal)) => panic!("{refusal}"),
    }
}

/// Hands a mail in that was found good; says how many faxes wait then.
async fn hand_in(door: &FrontDoor, message_id: &str, numbers: &[&str], text: &str) -> usize {
    let recipients = numbers.iter().map(|number| to(number)).collect();
    keep(door, good(message_id, recipients, text)).await;
    let waiting = door.context.store.waiting_faxes(100).await.unwrap();
    assert_eq!(door.context.store.check().await.unwrap(), []);
    waiting.len()
}

#[tokio::test]
async fn a_number_named_twice_gets_one_fax() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let numbers = ["5551234567", "5557654321", "5551234567"];
    assert_eq!(hand_in(&door, "1@a", &numbers, "a lease").await, 2);
}

#[tokio::test]
async fn a_mail_whose_250_was_lost_is_not_faxed_twice() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let number = ["5551234567"];
    assert_eq!(hand_in(&door, "1@a", &number, "a lease").await, 1);
    assert_eq!(hand_in(&door, "1@a", &number, "a lease").await, 1);
    let both = ["5551234567", "5557654321"];
    assert_eq!(
        hand_in(&door, "1@a", &both, "a lease").await,
        2,
        "only the new one"
    );
    assert_eq!(
        hand_in(&door, "1@a", &number, "another").await,
        3,
        "other octets"
    );
    let by_another_way = "Received: from b by c\r\na lease";
    assert_eq!(hand_in(&door, "1@a", &number, by_another_way).await, 3);
    assert_eq!(
        hand_in(&door, "2@a", &number, "a lease").await,
        4,
        "meant again"
    );
    assert_eq!(hand_in(&door, "", &number, "a lease").await, 5);
    assert_eq!(
        hand_in(&door, "", &number, "a lease").await,
        6,
        "nothing to know it by"
    );
    let left = std::fs::read_dir(door.context.store.blobs().incoming()).unwrap();
    assert_eq!(left.count(), 0);
}

/// A text in a file, as long ones are.
fn long(door: &FrontDoor, text: &str) -> Text {
    use std::io::Write;
    let spool = door.spool().unwrap();
    spool.file().write_all(text.as_bytes()).unwrap();
    Text::Long(spool)
}

/// The texts that are kept in files.
fn kept_texts(door: &FrontDoor) -> Vec<Vec<u8>> {
    let blobs = door.context.store.blobs();
    let mut keys = blobs.keys().unwrap();
    keys.sort();
    keys.iter().map(|key| blobs.read(key).unwrap()).collect()
}

#[tokio::test]
async fn two_mails_that_draw_one_identifier_keep_both_texts() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    for text in ["a lease", "an invoice"] {
        let blobs = door.context.store.blobs().clone();
        let Text::Long(spool) = long(&door, text) else {
            unreachable!()
        };
        fastrand::seed(1);
        keep_text(&blobs, &spool.keep().1, Millis(1_795_000_000_000)).unwrap();
    }
    let mut texts = kept_texts(&door);
    texts.sort();
    assert_eq!(texts, [b"a lease".as_slice(), b"an invoice".as_slice()]);
}

#[tokio::test]
async fn the_text_of_a_mail_whose_commit_failed_is_left_for_the_row_may_come_back() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let db = rusqlite::Connection::open(state.path().join("queue.db")).unwrap();
    db.execute_batch(
        "CREATE TRIGGER refused BEFORE INSERT ON faxes BEGIN SELECT RAISE(ABORT, 'as scripted'); END",
    )
    .unwrap();
    let mut refused = good("1@a", vec![to("5551234567")], "");
    refused.text = long(&door, "a lease");
    assert!(matches!(
        door.keep(refused).await,
        Err(KeepError::Store(StoreError::Database(_)))
    ));
    assert_eq!(kept_texts(&door), [b"a lease"]);
    db.execute_batch("DROP TRIGGER refused").unwrap();
    // What is known to be a copy goes.
    for _ in 0..2 {
        let mut taken = good("2@a", vec![to("5551234567")], "");
        taken.text = long(&door, "an invoice");
        keep(&door, taken).await;
    }
    assert_eq!(kept_texts(&door).len(), 2);
}

#[tokio::test]
async fn a_folder_for_mails_that_come_in_is_made_again() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    std::fs::remove_dir(door.context.store.blobs().incoming()).unwrap();
    std::fs::remove_dir(state.path().join("blobs")).unwrap();
    let mut taken = good("1@a", vec![to("5551234567")], "");
    taken.text = long(&door, "a lease");
    keep(&door, taken).await;
    assert_eq!(kept_texts(&door), [b"a lease"]);
}

#[tokio::test]
async fn two_copies_at_once_beside_an_older_mail_that_looks_alike_are_one_fax() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let mail = |text| good("1@a", vec![to("5551234567")], text);
    keep(&door, mail("an older text")).await;
    let (one, other) = tokio::join!(keep(&door, mail("a lease")), keep(&door, mail("a lease")));
    let waiting = door.context.store.waiting_faxes(100).await.unwrap();
    assert_eq!(waiting.len(), 2, "{one:?} {other:?}");
}

#[tokio::test]
async fn an_address_that_comes_in_a_transaction_of_its_own_shares_the_fax_and_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let alias = |name: &str| Recipient {
        orcpt: Some(format!("rfc822;{name}@example.com")),
        ..to("5551234567")
    };
    let send = async |name| {
        keep(&door, good("1@a", vec![alias(name)], "a lease"))
            .await
            .text
    };
    let first = send("anna").await;
    let id = first.strip_prefix("fax queued as ").unwrap();
    let already = format!("the same fax is queued as {id} already");
    assert_eq!(send("bob").await, already);
    assert_eq!(
        (send("bob").await, send("anna").await),
        (already.clone(), already)
    );
    let store = &door.context.store;
    let fax = store.fax(id).await.unwrap().unwrap();
    let further: Vec<_> = fax.further.iter().map(|it| it.orcpt.as_deref()).collect();
    assert_eq!(further, [Some("rfc822;bob@example.com")], "once");
    // When it is over, it can be shared no more.
    store.cancel(id, now()).await.unwrap();
    assert!(send("carol").await.starts_with("fax queued as "));
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_fax_that_ends_while_it_is_being_shared_is_not_shared() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    keep(&door, good("1@a", vec![to("5551234567")], "a lease")).await;
    let store = &door.context.store;
    let fax = store.waiting_faxes(1).await.unwrap().remove(0);
    let good = good("1@a", vec![], "a lease");
    let envelope = envelope(&good, &[], now());
    let message = door.new_message(good, envelope, now());
    let message = Arc::new(message.await.unwrap());
    let seen = HashSet::from([store.message(&fax.message).await.unwrap().unwrap().text_key]);
    let joins = vec![crate::queue::Join {
        fax: fax.id.clone(),
        number: fax.number.clone(),
        recipient: crate::queue::FurtherRecipient {
            recipient: "5551234567+code-7@fax.local".into(),
            ..Default::default()
        },
        tell_delay_at: None,
    }];
    let join = async || {
        let (joins, seen, since) = (joins.clone(), seen.clone(), Millis(0));
        let found = store.accept_unless_duplicate(message.clone(), joins, seen, since, now());
        found.await.unwrap()
    };
    assert_eq!(join().await, []);
    store.cancel(&fax.id, now()).await.unwrap();
    assert_eq!(join().await[0].fax, fax.id, "it is told, and not changed");
    let further = store.fax(&fax.id).await.unwrap().unwrap().further;
    assert_eq!(further.len(), 1);
}

#[tokio::test]
async fn a_sender_who_cannot_be_told_is_refused_before_he_sends() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let verdict = |sender| door.sender(HERE, &from(sender));
    for (sender, status) in [("nobody", "5.1.7"), ("j\u{2028}@a.example", "5.1.7")] {
        assert_eq!(verdict(sender).unwrap_err().status, status, "{sender}");
    }
    for sender in [
        "clerk@example.com",
        "root@localhost",
        "a+b@mail.example",
        "j\u{fc}rgen@ex\u{e4}mple.example",
    ] {
        assert!(verdict(sender).is_ok(), "{sender}");
    }
}

#[tokio::test]
async fn each_recipient_of_a_mail_that_comes_again_hears_which_fax_is_theirs() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let both = || vec![to("5551234567"), to("5557654321")];
    let first = keep(&door, good("1@a", both(), "a lease")).await;
    let again = keep(&door, good("1@a", both(), "a lease")).await;
    for (said, later) in first.each.iter().zip(&again.each) {
        let id = said.strip_prefix("fax queued as ").expect("it is new");
        assert_eq!(*later, format!("the same fax is queued as {id} already"));
    }
    let more = vec![to("5551234567"), to("5550001111")];
    let more = keep(&door, good("1@a", more, "a lease")).await;
    assert!(more.each[0].ends_with("already") && more.each[1].starts_with("fax queued as "));
}

#[tokio::test]
async fn what_was_asked_for_is_on_disk_with_each_fax() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let mut fine = to("5551234567");
    fine.wishes.option("standard").unwrap();
    fine.wishes.option("p7").unwrap();
    let mut good = good("1@a", vec![fine, to("5557654321")], "a lease");
    let fields = [("X-Fax-Resolution", "superfine"), ("X-Fax-Priority", "-3")];
    good.wishes = Wishes::of_header(fields).unwrap();
    let asked = |fax: &NewFax| (fax.resolution, fax.priority);
    let faxes: Vec<_> = good
        .recipients
        .iter()
        .map(|to| door.new_fax("1".into(), to, "a@b", &good.wishes).unwrap())
        .collect();
    use crate::pages::Resolution;
    assert_eq!(asked(&faxes[0]), (Resolution::Standard, 7));
    assert_eq!(asked(&faxes[1]), (Resolution::Superfine, -3));
    keep(&door, good).await;
    let mut documents = 0;
    while door
        .context
        .store
        .claim_document(now())
        .await
        .unwrap()
        .is_some()
    {
        documents += 1;
    }
    assert_eq!(documents, 2, "one a resolution");
}

#[tokio::test]
async fn a_sender_over_todays_minutes_is_told_so() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let text = "[[sender]]\nmatch = \"clerk@example.com\"\nminutes_per_day = 1\n";
    door.context
        .reload(Config::parse(text, "config.toml").unwrap());
    let verdict = async || {
        let to = "5551234567@fax.local";
        let mail = from("clerk@example.com");
        let verdict = door.recipient(HERE, &mail, to, RcptOptions::default());
        verdict.await.map_err(|refusal| refusal.to_string()).err()
    };
    assert_eq!(verdict().await, None);
    hand_in(&door, "1@a", &["5551234567"], "a lease").await;
    called_for(&door, 61.0).await;
    assert_eq!(
        verdict().await.as_deref(),
        Some("550 5.7.1 clerk@example.com has used up today's 1 minutes; try again tomorrow")
    );
}

/// One call of so many seconds for the fax that waits.
async fn called_for(door: &FrontDoor, seconds: f64) {
    use crate::call::outcome::{CallReport, Outcome};
    use crate::queue::{Choice, Drawn, DueFax, NewOctets};
    let store = &door.context.store;
    let document = store.claim_document(now()).await.unwrap().unwrap();
    store.blobs().keep("pages", b"tiff").unwrap();
    let drawn = Drawn {
        pages: NewOctets::blob("pages"),
        page_count: 1,
        ..Drawn::default()
    };
    let rendered = store.document_rendered(&document.id, drawn, now());
    rendered.await.unwrap();
    let policy = door.context.config().retry_policy();
    let choose = |_: &DueFax| Choice::Take(String::new(), ());
    let claimed = store.claim_fax(choose, policy.day(now().0), now()).await;
    let (fax, ()) = claimed.unwrap().unwrap();
    let report = CallReport {
        seconds,
        ..CallReport::never_placed(Outcome::Busy, String::new())
    };
    let settled = store.settle_attempt(&fax.id, fax.attempt, report, &policy, now());
    settled.await.unwrap();
}

/// A mail whose row is lost, in `orphans`, with what was kept beside it.
async fn orphaned(door: &FrontDoor, text: &str, envelope: &Envelope) -> crate::queue::Orphan {
    let store = &door.context.store;
    let blobs = store.blobs();
    let origin = Origin::Mail(envelope.clone());
    blobs
        .keep_with_origin("m-1m7xa9q0c2f3k", text.as_bytes(), &origin)
        .unwrap();
    let policy = door.context.config().retry_policy();
    store
        .begin(&policy, crate::context::clock::since_boot(), now())
        .await
        .unwrap();
    store.orphans().await.unwrap().remove(0)
}

fn lost_envelope(numbers: &[&str]) -> Envelope {
    let addressee = |number: &&str| Addressee {
        address: format!("{number}@fax.local"),
        orcpt: Some("rfc822;first@example.com".into()),
        notify: Some(3),
    };
    Envelope {
        sender: "clerk@example.com".into(),
        envelope_id: Some("QQ314159".into()),
        via: "network".into(),
        client: "192.0.2.1".into(),
        recipients: numbers.iter().map(addressee).collect(),
        ..Envelope::default()
    }
}

const LETTER: &str = "From: clerk@example.com\r\nMessage-ID: <9@a>\r\nSubject: Lease\r\n\r\nDear landlord,\r\n\r\nwe \
    agree to the lease as it stands, and move in on the first of March.\r\n\r\nThe tenants\r\n";

#[tokio::test]
async fn a_mail_whose_row_is_lost_is_taken_in_again_once_under_its_old_identifier() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let envelope = lost_envelope(&["5551234567", "5557654321"]);
    let orphan = orphaned(&door, LETTER, &envelope).await;
    let faxes = door.adopt(&orphan, envelope.clone()).await.unwrap();
    assert_eq!(faxes.len(), 2);
    let store = &door.context.store;
    let message = store
        .message("1m7xa9q0c2f3k")
        .await
        .unwrap()
        .expect("its old identifier");
    assert_eq!(message.client, "192.0.2.1");
    let told = store.told_fax(&faxes[0]).await.unwrap().unwrap();
    assert_eq!(told.orcpt.as_deref(), Some("rfc822;first@example.com"));
    assert!(message.via.contains("adopted; network"), "{}", message.via);
    assert_eq!(store.orphans().await.unwrap(), []);
    assert_eq!(
        *store.octets("m-1m7xa9q0c2f3k").await.unwrap(),
        LETTER.as_bytes()
    );
    assert_eq!(store.check().await.unwrap(), []);
    assert!(
        door.adopt(&orphan, envelope).await.is_err(),
        "it is no orphan any more"
    );
    assert_eq!(store.waiting_faxes(100).await.unwrap().len(), 2);
    assert!(store.blobs().path("m-1m7xa9q0c2f3k").exists());
}

#[tokio::test]
async fn what_a_rule_refuses_and_what_was_sent_again_stays_an_orphan() {
    let state = tempfile::tempdir().unwrap();
    let door = door(state.path());
    let orphan = orphaned(&door, LETTER, &lost_envelope(&[])).await;
    let store = &door.context.store;
    for number in ["911", "nobody"] {
        let refused = door.adopt(&orphan, lost_envelope(&[number])).await;
        assert!(refused.unwrap_err().to_string().contains(number));
    }
    let mut again = good("9@a", vec![to("5551234567")], LETTER);
    again.mail.options.envelope_id = None;
    keep(&door, again).await;
    let refused = door.adopt(&orphan, lost_envelope(&["5551234567"])).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("sent the same mail again"), "{why}");
    assert_eq!(store.orphans().await.unwrap().len(), 1);
    assert_eq!(store.blobs().keys().unwrap(), Vec::<String>::new());
    assert_eq!(store.waiting_faxes(100).await.unwrap().len(), 1);
}

#[test]
fn a_copier_s_read_receipt_is_a_report_of_the_delivery_where_its_section_says_so() {
    let wishes = |mdn: bool, fields: &[&str]| {
        let sender = Sender {
            mdn,
            ..Sender::default()
        };
        let mut opened = Opened::of_heading(message::Heading::default());
        let field = |name: &&str| match name.split_once(": ") {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => ((*name).to_owned(), String::new()),
        };
        opened.fields = fields.iter().map(field).collect();
        let wishes = header_wishes(&sender, &opened).expect("good fields");
        wishes.notify.map(Notify::bits)
    };
    let asked = "disposition-notification-to";
    assert_eq!(wishes(true, &[asked]), Some(7));
    assert_eq!(wishes(true, &[]), None);
    assert_eq!(wishes(false, &[asked]), None);
    // What is said in so many words counts before it.
    assert_eq!(wishes(true, &[asked, "X-Fax-Notify: never"]), Some(0));
}
