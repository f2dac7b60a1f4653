//! OPTIONS and REGISTER of ours.

use super::*;

fn register() -> OutOfDialog {
    OutOfDialog {
        method: "REGISTER".into(),
        flow: Flow::udp(FAR.parse().unwrap()),
        uri: "sip:trunk.example".into(),
        to: "sip:office@trunk.example".into(),
        from: "sip:office@trunk.example".into(),
        contact: Some(format!("<sip:office@{OURS}>;expires=300")),
        headers: Vec::new(),
        credentials: Some(Credentials {
            username: "office".into(),
            password: "secret".into(),
        }),
        call_id: Some("series".into()),
        cseq: 7,
        patience: Duration::from_secs(5),
    }
}

#[test]
fn register_with_digest_in_a_series() {
    let mut script = Script::new();
    script.request(register());
    let text = script.expect("REGISTER sip:trunk.example SIP/2.0");
    assert_eq!(header(&text, "Call-ID"), "series");
    assert_eq!(header(&text, "CSeq"), "7 REGISTER");
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5\r\n";
    script.respond("401 Unauthorized", challenge, "");
    let text = script.expect("REGISTER ");
    assert_eq!(header(&text, "CSeq"), "8 REGISTER");
    assert!(header(&text, "Authorization").contains("uri=\"sip:trunk.example\""));
    script.respond("200 OK", "", "");
    let response = script.response().expect("an answer");
    assert_eq!(response.code(), Some(200));
    assert_eq!(response.cseq().map(|cseq| cseq.number), Some(8));
    script.forgotten();
}

#[test]
fn the_password_is_wrong() {
    let mut script = Script::new();
    script.request(register());
    for _ in 0..2 {
        script.expect("REGISTER ");
        let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
        script.respond("401 Unauthorized", challenge, "");
    }
    let response = script.response().expect("an answer");
    assert_eq!(response.code(), Some(401));
    script.forgotten();
}

#[test]
fn nobody_answers_options() {
    let mut script = Script::new();
    script.request(OutOfDialog {
        method: "OPTIONS".into(),
        contact: None,
        call_id: None,
        ..register()
    });
    script.pass(4999);
    script.expect_no_event();
    script.pass(1);
    assert_eq!(script.response(), Err(NoResponse::Silence));
    script.forgotten();
}

#[test]
fn the_connection_is_refused() {
    let mut script = Script::new();
    let flow = Flow {
        transport: Transport::Tls,
        ..Flow::udp(FAR.parse().unwrap())
    };
    script.request(OutOfDialog {
        flow: flow.clone(),
        ..register()
    });
    let now = script.now;
    script
        .endpoint
        .handle_unreachable(&flow, "certificate expired", now);
    script.drain();
    assert_eq!(
        script.response(),
        Err(NoResponse::Unreachable("certificate expired".into()))
    );
    script.forgotten();
}

#[test]
fn responses_to_nothing_of_ours_are_dropped() {
    let mut script = Script::new();
    script.request(register());
    let text = script.expect("REGISTER ");
    for forged in [
        text.replace("series", "other"),
        text.replace("7 REGISTER", "9 REGISTER"),
        text.replace("branch=z9hG4bK", "branch=z9hG4bK0"),
    ] {
        script.turn_to(&forged);
        script.respond("200 OK", "", "");
    }
    script.expect_no_event();
}
