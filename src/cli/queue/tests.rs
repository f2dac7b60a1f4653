use super::*;
use crate::queue::Millis;

const NOON: Millis = Millis(1_795_262_400_000);

fn fax(id: &str, state: &str) -> FaxRow {
    FaxRow {
        next_try_at: NOON.plus_seconds(120),
        tries: 1,
        page_count: Some(4),
        calls: 1,
        ..FaxRow::example(id, state, NOON)
    }
}

fn received() -> ReceivedRow {
    ReceivedRow {
        id: "1m7r".into(),
        started_at: NOON,
        ended_at: Some(NOON.plus_seconds(20)),
        called: "5559876543".into(),
        caller: "+12025550123".into(),
        outcome: Some("delivered".into()),
        detail: String::new(),
        caller_name: None,
        trunk: "carrier".into(),
        sub_address: None,
        far_ident: None,
        far_said: None,
        pages: 1,
        seconds: 17.0,
        wire_bytes: 33_000,
        mail: Some("waiting".into()),
    }
}

fn mail() -> OutgoingRow {
    OutgoingRow {
        id: "1m7r-0".into(),
        kind: "received_fax".into(),
        subject_of: "1m7r".into(),
        recipient: "office@example.com".into(),
        state: "waiting".into(),
        created_at: NOON,
        next_try_at: NOON.plus_seconds(60),
        tries: 1,
        reply: "451 4.7.1 greylisted".into(),
    }
}

fn text(listing: &Listing) -> String {
    listing.text(&TimeZone::UTC, NOON)
}

#[test]
fn everything_has_its_table() {
    let busy = FaxRow {
        outcome: Some("busy".into()),
        detail: "486 Busy Here".into(),
        ..fax("1m7a", "ready")
    };
    let calling = FaxRow {
        confirmed: 2,
        ..fax("1m7b", "calling")
    };
    let held = FaxRow {
        held: true,
        ..fax("1m7d", "ready")
    };
    let due = FaxRow {
        next_try_at: NOON,
        outcome: Some("no_answer".into()),
        ..fax("1m7e", "ready")
    };
    let unreadable = FaxRow {
        page_count: None,
        calls: 0,
        detail: "letter.pdf: it is empty (0 bytes)".into(),
        ended_at: Some(NOON),
        ..fax("1m7c", "failed")
    };
    let listing = Listing {
        is_cut: false,
        waiting: vec![busy, calling, held, due],
        ended: vec![unreadable],
        received: vec![received()],
        mails: vec![mail()],
    };
    let expected = "\
ID    NUMBER      STATE    PAGES  CALLS  NEXT TRY             SENDER             WHY
1m7a  5551234567  ready    0/4    1      2026-11-21 12:02:00  clerk@example.com  the number was busy (486 Busy Here)
1m7b  5551234567  calling  2/4    1      now                  clerk@example.com
1m7d  5551234567  held     0/4    1      when released        clerk@example.com  held until released
1m7e  5551234567  ready    0/4    1      now                  clerk@example.com  nobody answered; waits for its turn and a free channel

Mails that their next hop has not taken:
ABOUT  KIND  TO                  STATE    TRIES  NEXT TRY             REPLY
1m7r   fax   office@example.com  waiting  1      2026-11-21 12:01:00  451 4.7.1 greylisted

Sent:
ID    NUMBER      STATE   PAGES  CALLS  ENDED                SENDER             CAUSE
1m7c  5551234567  failed  -      0      2026-11-21 12:00:00  clerk@example.com  letter.pdf: it is empty (0 bytes)

Received:
ID    FROM          TO          PAGES  MAIL     BEGAN                CAUSE
1m7r  +12025550123  5559876543  1      waiting  2026-11-21 12:00:00  every page was confirmed
";
    assert_eq!(text(&listing), expected);
}

#[test]
fn an_empty_queue_says_so() {
    let listing = Listing {
        is_cut: false,
        waiting: Vec::new(),
        ended: Vec::new(),
        received: Vec::new(),
        mails: Vec::new(),
    };
    assert_eq!(text(&listing), "No fax waits.\n");
}

#[test]
fn a_list_that_is_cut_says_so() {
    let mut waiting = vec![fax("1m7a", "ready"); MOST as usize + 1];
    let listing = Listing {
        is_cut: cut(&mut waiting),
        waiting,
        ended: Vec::new(),
        received: Vec::new(),
        mails: Vec::new(),
    };
    assert_eq!(listing.waiting.len(), 1000);
    let text = text(&listing);
    assert!(text.contains("more than these 1000"), "{text}");
    assert_eq!(listing.into_json()["more"], true);
}

#[test]
fn a_call_in_progress_has_no_cause_yet() {
    let now = ReceivedRow {
        ended_at: None,
        outcome: None,
        mail: None,
        ..received()
    };
    let rows = received_rows(&[now], &TimeZone::UTC);
    assert_eq!(rows[1][4..], ["-", "2026-11-21 12:00:00", "in the call"]);
}
