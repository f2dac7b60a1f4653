//! Calls that we place.

use super::*;

fn far() -> Flow {
    Flow::udp(FAR.parse().unwrap())
}

#[test]
fn what_an_invite_says() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let (to, text) =
        script.expect_to("INVITE sip:+12025550123@trunk.example;user=phone SIP/2.0\r\n");
    assert_eq!(to, far());
    assert!(header(&text, "Via").starts_with(&format!("SIP/2.0/UDP {OURS};branch=z9hG4bK")));
    assert!(header(&text, "Via").ends_with(";rport"));
    assert!(header(&text, "From").starts_with("\"Office\" <sip:5559876543@office.example>;tag="));
    assert_eq!(header(&text, "To"), "<sip:+12025550123@trunk.example>");
    // An advertised address other than the one that is bound.
    assert_eq!(header(&text, "Contact"), format!("<sip:5559876543@{OURS}>"));
    assert!(!text.contains("0.0.0.0"));
    assert_eq!(
        header(&text, "P-Asserted-Identity"),
        "<sip:5559876543@office.example>"
    );
    assert_eq!(header(&text, "Supported"), "timer");
    assert!(!text.contains("Session-Expires"), "none was asked for");
    assert!(text.ends_with(SDP));
}

#[test]
fn over_tcp_the_contact_says_so_and_nothing_is_repeated() {
    let mut script = Script::new();
    let flow = Flow {
        transport: Transport::Tcp,
        ..far()
    };
    script.invite(Invite {
        silence: Duration::from_secs(60),
        ..invite(flow)
    });
    let text = script.expect("INVITE ");
    assert!(header(&text, "Via").starts_with("SIP/2.0/TCP "));
    assert!(header(&text, "Contact").ends_with(";transport=tcp>"));
    script.pass(31_000);
    script.expect_silence();
    script.pass(2000);
    assert!(matches!(script.event(), SipEvent::TrunkDown(_)));
    script.forgotten();
}

#[test]
fn the_trunk_is_dead() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.pass(2999);
    assert_eq!(script.skip_sent(), 3, "at 0, 0.5 and 1.5 s");
    script.expect_no_event();
    script.pass(1);
    let SipEvent::TrunkDown(why) = script.event() else {
        panic!("silence");
    };
    assert_eq!(why, "no response to INVITE within 3 s");
    script.pass(60_000);
    script.expect_silence();
    script.forgotten();
}

#[test]
fn icmp_says_that_nobody_listens() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    let now = script.now;
    script
        .endpoint
        .handle_unreachable(&far(), "connection refused", now);
    script.drain();
    assert_eq!(
        script.event(),
        SipEvent::TrunkDown("connection refused".into())
    );
    script.forgotten();
}

#[test]
fn a_200_long_after_we_gave_up_is_acknowledged_and_ended() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    script.pass(3000);
    assert!(matches!(script.event(), SipEvent::TrunkDown(_)));
    script.skip_sent();
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    script.expect("BYE ");
    script.respond("200 OK", "", "");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn a_180_after_we_gave_up_is_cancelled() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    script.pass(3000);
    script.event();
    script.skip_sent();
    script.respond("180 Ringing", "", "");
    let invite = script.keep_request();
    script.expect("CANCEL ");
    script.respond("200 OK", "", "");
    script.turn_to(&invite);
    script.respond("487 Request Terminated", "", "");
    script.expect("ACK ");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn busy_with_a_cause() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    let extra =
        "Reason: SIP;cause=486, Q.850;cause=17;text=\"User busy\"\r\nRetry-After: 30 (lunch)\r\n";
    script.respond("486 Occupied", extra, "");
    let ack = script.expect("ACK sip:+12025550123@trunk.example;user=phone ");
    assert!(header(&ack, "To").ends_with(";tag=far"));
    let event = SipEvent::Failed {
        code: 486,
        reason: "Occupied".into(),
        q850: Some(17),
        contacts: Vec::new(),
        retry_after: Some(30),
    };
    assert_eq!(script.event(), event);
    // The ACK was lost.
    let invite = script.keep_request();
    script.turn_to(&invite.replace("ACK", "INVITE"));
    script.respond("486 Occupied", "", "");
    script.expect("ACK ");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn moved_302_is_told_and_not_followed() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    let extra = "Contact: \"b\" <sip:second@b.example>;q=0.4, <sip:first@a.example>;q=0.9\r\n";
    script.respond("302 Moved Temporarily", extra, "");
    script.expect("ACK ");
    script.expect_silence();
    let SipEvent::Failed {
        code: 302,
        contacts,
        ..
    } = script.event()
    else {
        panic!("302");
    };
    let own = format!("sip:far@{FAR}");
    assert_eq!(
        contacts,
        [&own[..], "sip:first@a.example", "sip:second@b.example"]
    );
}

#[test]
fn cancel_waits_for_a_provisional() {
    let mut script = Script::new();
    let call = script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.command(call, SipCommand::Cancel);
    script.expect_silence();
    script.respond_as("", "100 Trying", "", "");
    let cancel = script.expect("CANCEL sip:+12025550123@trunk.example;user=phone ");
    assert_eq!(header(&cancel, "Via"), header(&sent, "Via"));
    assert_eq!(header(&cancel, "CSeq"), "1 CANCEL");
    script.respond("200 OK", "", "");
    script.turn_to(&sent);
    script.respond("487 Request Terminated", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), failed(487, "Request Terminated"));
    script.forgotten();
}

#[test]
fn a_cancelled_call_that_nobody_ends_ends() {
    let mut script = Script::new();
    let call = script.invite(invite(far()));
    script.expect("INVITE ");
    script.respond("180 Ringing", "", "");
    assert_eq!(script.event(), SipEvent::Progress(180));
    script.command(call, SipCommand::Cancel);
    script.pass(5000);
    assert_eq!(script.event(), failed(487, "Request Terminated"));
    script.forgotten();
}

#[test]
fn cancel_crosses_200() {
    let mut script = Script::new();
    let call = script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("180 Ringing", "", "");
    script.event();
    script.command(call, SipCommand::Cancel);
    script.expect("CANCEL ");
    script.turn_to(&sent);
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    let bye = script.expect(&format!("BYE sip:far@{FAR} "));
    assert_eq!(header(&bye, "CSeq"), "2 BYE");
    script.respond("200 OK", "", "");
    assert_eq!(script.event(), failed(487, "Request Terminated"));
    script.forgotten();
}

#[test]
fn forked_18x_and_a_200_from_each() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    let theirs = SDP.replace("m=audio 9", "m=audio 7");
    script.respond_as("one", "183 Session Progress", "", SDP);
    script.respond_as("two", "183 Session Progress", "", &theirs);
    assert_eq!(script.event(), SipEvent::Progress(183));
    assert_eq!(script.event(), SipEvent::Progress(183));
    script.respond_as("two", "200 OK", "", "");
    let ack = script.expect("ACK ");
    assert!(header(&ack, "To").ends_with("tag=two"));
    // The 183 of this fork, not of the other one.
    assert_eq!(script.event(), SipEvent::Answered(theirs.into()));
    script.turn_to(&sent);
    script.respond_as("one", "200 OK", "", SDP);
    assert!(header(&script.expect("ACK "), "To").ends_with("tag=one"));
    assert!(header(&script.expect("BYE "), "To").ends_with("tag=one"));
    script.respond("200 OK", "", "");
    // The first again: its ACK was lost.
    script.turn_to(&sent);
    script.respond_as("two", "200 OK", "", "");
    assert!(header(&script.expect("ACK "), "To").ends_with("tag=two"));
    script.expect_silence();
    script.expect_no_event();
}

#[test]
fn the_200_comes_again_when_its_transaction_is_long_forgotten() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("200 OK", "", SDP);
    let ack = script.expect("ACK ");
    script.pass(40_000);
    script.turn_to(&sent);
    script.respond("200 OK", "", SDP);
    assert_eq!(script.expect("ACK "), ack);
}

#[test]
fn the_bye_overtakes_the_200() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    let dialog = FarDialog {
        ours: header(&sent, "From"),
        theirs: format!("{};tag=far", header(&sent, "To")),
        call_id: header(&sent, "Call-ID"),
        contact: format!("sip:x@{OURS}"),
    };
    script.in_dialog(&dialog, "BYE", "Reason: Q.850;cause=16\r\n", "");
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(Some("Q.850;cause=16".into())));
    script.turn_to(&sent);
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    script.expect("BYE ");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn digest_is_answered_in_the_invite_and_in_the_bye() {
    let mut script = Script::new();
    let call = script.invite(Invite {
        credentials: Some(Credentials {
            username: "office".into(),
            password: "secret".into(),
        }),
        ..invite(far())
    });
    let first = script.expect("INVITE ");
    assert!(!first.contains("Authorization"));
    let challenge =
        "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
    script.respond("407 Proxy Authentication Required", challenge, "");
    script.expect("ACK ");
    let second = script.expect("INVITE ");
    assert_eq!(header(&second, "CSeq"), "2 INVITE");
    assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
    assert_eq!(header(&second, "From"), header(&first, "From"));
    assert_ne!(header(&second, "Via"), header(&first, "Via"));
    let answer = header(&second, "Proxy-Authorization");
    assert!(
        answer.contains("username=\"office\"") && answer.contains("nc=00000001"),
        "{answer}"
    );
    script.respond("200 OK", "", SDP);
    // RFC 3261 22.1: the ACK bears the same.
    assert_eq!(
        header(&script.expect("ACK "), "Proxy-Authorization"),
        answer
    );
    script.event();
    script.command(call, SipCommand::Bye("done".into()));
    let bye = script.expect("BYE ");
    assert!(header(&bye, "Proxy-Authorization").contains("nc=00000002"));
    let challenge =
        "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n2\", stale=true, algorithm=MD5\r\n";
    script.respond("407 Proxy Authentication Required", challenge, "");
    let bye = script.expect("BYE ");
    assert!(header(&bye, "Proxy-Authorization").contains("n2"), "{bye}");
    assert_eq!(header(&bye, "CSeq"), "4 BYE");
    script.respond("200 OK", "", "");
    script.forgotten();
}

#[test]
fn a_wrong_password_is_a_refusal_and_no_loop() {
    let mut script = Script::new();
    script.invite(Invite {
        credentials: Some(Credentials {
            username: "office".into(),
            password: "wrong".into(),
        }),
        ..invite(far())
    });
    for nonce in ["n1", "n2"] {
        script.expect("INVITE ");
        let challenge = format!("WWW-Authenticate: Digest realm=\"trunk\", nonce=\"{nonce}\"\r\n");
        script.respond("401 Unauthorized", &challenge, "");
        script.expect("ACK ");
    }
    script.expect_silence();
    assert_eq!(script.event(), failed(401, "Unauthorized"));
}

#[test]
fn the_far_end_wants_a_longer_session_422() {
    let mut script = Script::new();
    script.invite(Invite {
        session_expires: Some(Duration::from_secs(600)),
        ..invite(far())
    });
    assert_eq!(header(&script.expect("INVITE "), "Session-Expires"), "600");
    script.respond("422 Session Interval Too Small", "Min-SE: 3600\r\n", "");
    script.expect("ACK ");
    let again = script.expect("INVITE ");
    assert_eq!(header(&again, "Session-Expires"), "3600");
    assert_eq!(header(&again, "Min-SE"), "3600");
    assert_eq!(header(&again, "CSeq"), "2 INVITE");
}

#[test]
fn routes_are_followed_and_the_target_is_the_contact() {
    let mut script = Script::new();
    let record = "Record-Route: <sip:p2.example;lr>, <sip:203.0.113.9:5080;lr>\r\n";
    let call = script.invite(invite(far()));
    script.expect("INVITE ");
    script.respond("200 OK", record, SDP);
    let (to, ack) = script.expect_to(&format!("ACK sip:far@{FAR} "));
    assert_eq!(
        to.remote.to_string(),
        "203.0.113.9:5080",
        "the reverse order"
    );
    assert_eq!(header(&ack, "Route"), "<sip:203.0.113.9:5080;lr>");
    script.event();
    script.command(call, SipCommand::Bye("done".into()));
    let (to, _) = script.expect_to("BYE ");
    assert_eq!(to.remote.to_string(), "203.0.113.9:5080");
}
