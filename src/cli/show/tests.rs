use super::*;
use crate::queue::Millis;

const NOON: Millis = Millis(1_795_262_400_000);

fn fax() -> FaxRow {
    FaxRow {
        subject: "Letter\u{1b}[2J".into(),
        recipient: "555-123-4567@fax.local".into(),
        confirmed: 1,
        page_count: Some(1),
        outcome: Some("delivered".into()),
        ended_at: Some(NOON.plus_seconds(30)),
        calls: 1,
        seconds: Some(18.1),
        billing: Some("4711".into()),
        cover: true,
        ..FaxRow::example("1m7a", "delivered", NOON)
    }
}

fn message() -> MessageRow {
    let faxed = Part {
        name: "letter.pdf".into(),
        fate: Fate::Faxed { pages: 1 },
    };
    let skipped = Part {
        name: "text/plain".into(),
        fate: Fate::Skipped {
            why: "text of the mail".into(),
        },
    };
    MessageRow {
        client: "192.0.2.1".into(),
        via: "network".into(),
        message_id: None,
        references: None,
        manifest: serde_json::to_string(&[skipped, faxed]).unwrap(),
        text_key: "m".into(),
    }
}

fn attempt() -> AttemptRow {
    AttemptRow {
        started_at: NOON.plus_seconds(1),
        ended_at: Some(NOON.plus_seconds(30)),
        first_page: 1,
        header: r#"{"date":"21 Nov 2026 12:00 UTC","name":"Clinic","number":"+1 555 987 6543"}"#
            .into(),
        outcome: Some("delivered".into()),
        detail: String::new(),
        pages: 1,
        sip_code: Some(200),
        q850: None,
        far_ident: Some("5551234567".into()),
        far_said: None,
        trunk: "carrier".into(),
        target: String::new(),
        chosen: String::new(),
        shared_with: Vec::new(),
        bit_rate: 14400,
        ecm: true,
        t38: true,
        compression: "T.6".into(),
        seconds: 18.1,
        wire_bytes: 33_300,
    }
}

fn receipt() -> OutgoingRow {
    OutgoingRow {
        id: "1m7a".into(),
        kind: "receipt".into(),
        subject_of: "1m7a".into(),
        recipient: "clerk@example.com".into(),
        state: "delivered".into(),
        created_at: NOON.plus_seconds(30),
        next_try_at: NOON,
        tries: 1,
        reply: "250 2.0.0 Ok: queued as 4XYZ".into(),
    }
}

fn text(fax: FaxRow, attempts: Vec<AttemptRow>, mails: Vec<OutgoingRow>) -> String {
    let sent = Sent {
        fax,
        message: Some(message()),
        attempts,
        mails,
        told: (
            "Your fax was not delivered.".into(),
            "Please send it again.".into(),
        ),
    };
    Found::Sent(Box::new(sent)).text(&TimeZone::UTC)
}

#[test]
fn a_delivered_fax_from_its_mail_to_its_receipt() {
    let expected = "\
fax         1m7a
in short    Your fax was not delivered.
what to do  Please send it again.
to          5551234567 (555-123-4567@fax.local)
from        clerk@example.com
subject     Letter [2J
let in by   network (192.0.2.1)
accepted    2026-11-21 12:00:00
state       delivered
pages       1 of 1 confirmed
ended       2026-11-21 12:00:30
project     4711
looks       fine, behind a cover page
cause       every page was confirmed
part        text/plain: skipped, text of the mail
part        letter.pdf: 1 page

call 1
began       2026-11-21 12:00:01
first page  1
header      21 Nov 2026 12:00 UTC  Clinic  +1 555 987 6543
trunk       carrier
ended       2026-11-21 12:00:30
cause       every page was confirmed
pages       1 confirmed
SIP         200
far end     5551234567
line        T.38, 14400 bit/s, T.6, ECM
seconds     18.1
wire        33.3 KB

MAIL     TO                 STATE      TRIES  QUEUED               REPLY
receipt  clerk@example.com  delivered  1      2026-11-21 12:00:30  250 2.0.0 Ok: queued as 4XYZ
";
    assert_eq!(text(fax(), vec![attempt()], vec![receipt()]), expected);
}

#[test]
fn a_call_that_nobody_answered_took_no_seconds() {
    let busy = AttemptRow {
        outcome: Some("busy".into()),
        detail: "486 Busy Here".into(),
        pages: 0,
        sip_code: Some(486),
        q850: Some(17),
        bit_rate: 0,
        seconds: 0.0,
        wire_bytes: 0,
        ..attempt()
    };
    let text = text(fax(), vec![busy], Vec::new());
    let end = "\
cause       the number was busy (486 Busy Here)
pages       0 confirmed
SIP         486, Q.850 cause 17
";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_document_that_cannot_be_drawn_has_its_whole_reason() {
    let why = "it takes more than 256 MB of memory to draw; please send it with smaller pictures, scanned at 300 dpi for instance";
    let failed = FaxRow {
        state: "failed".into(),
        page_count: None,
        outcome: None,
        detail: format!("scan.pdf: {why}"),
        ..fax()
    };
    let text = text(failed, Vec::new(), Vec::new());
    assert!(text.contains("pages       none could be made\n"), "{text}");
    assert!(text.contains(why), "{text}");
}

#[test]
fn what_memory_chose_and_what_the_machine_there_said() {
    let row = FaxRow {
        sub_address: Some("6377".into()),
        ..fax()
    };
    let chosen = AttemptRow {
        chosen: "audio, because T.38 fell silent".into(),
        shared_with: vec!["3kq7x1m2n5p8r".into()],
        target: "udp:198.51.100.7:5060".into(),
        far_said: Some(Box::new(FarSaid {
            make: Some("Ricoh".into()),
            bit_rate: 14400,
            resolutions: vec!["standard".into(), "fine".into()],
            paper: vec!["A4".into()],
            ecm: true,
            t6: true,
            ..FarSaid::default()
        })),
        ..attempt()
    };
    let text = text(row, vec![chosen], Vec::new());
    for line in [
        "sub-address 6377",
        "in one call with 3kq7x1m2n5p8r",
        "by memory   audio, because T.38 fell silent",
        "trunk       carrier, udp:198.51.100.7:5060",
        "its machine Ricoh, up to 14400 bit/s, standard, fine, A4, ECM, T.6",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&text).contains(&squeezed(line)), "{line}\n{text}");
    }
}

#[test]
fn the_memory_of_a_number() {
    use crate::call::outcome::Outcome;
    use crate::queue::memory::{Begin, Memory, Worked};
    let memory = Memory {
        number: "+12025550123".into(),
        begin: Some(Begin::Audio),
        max_bit_rate: Some(9600),
        ecm: None,
        why: "fax over IP (T.38) was agreed, and then nothing came from the far end".into(),
        outcome: Outcome::Delivered,
        in_a_row: 0,
        worked: Some(Worked {
            at: NOON,
            t38: false,
            bit_rate: 9600,
            ecm: true,
            ident: Some("CLINIC WEST".into()),
        }),
        learned_at: NOON,
        expires_at: NOON.plus_seconds(30 * 86_400),
    };
    let expected = "\
number      +12025550123
next call   in audio; T.38 is not used
speed       at most 9600 bit/s
because     fax over IP (T.38) was agreed, and then nothing came from the far end
last call   every page was confirmed
worked      audio, 9600 bit/s, ECM, 2026-11-21 12:00:00
far end     CLINIC WEST
learned     2026-11-21 12:00:00
forgotten   2026-12-21 12:00:00
";
    assert_eq!(number::text(&memory, &TimeZone::UTC), expected);
}
