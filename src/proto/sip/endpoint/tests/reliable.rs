//! Reliable provisional responses (RFC 3262).

use super::*;

fn far() -> Flow {
    Flow::udp(FAR.parse().unwrap())
}

fn reliable(rseq: u32) -> String {
    format!("Require: 100rel\r\nRSeq: {rseq}\r\n")
}

#[test]
fn a_reliable_183_gets_its_prack_and_the_bye_a_higher_number() {
    let mut script = Script::new();
    let call = script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("183 Session Progress", &reliable(4711), SDP);
    let prack = script.expect(&format!("PRACK sip:far@{FAR} SIP/2.0\r\n"));
    assert_eq!(header(&prack, "RAck"), "4711 1 INVITE");
    assert_eq!(header(&prack, "CSeq"), "2 PRACK");
    assert!(header(&prack, "To").ends_with(";tag=far"));
    assert_eq!(script.event(), SipEvent::Progress(183));
    script.respond("200 OK", "", "");
    script.turn_to(&sent);
    // RFC 3262 5: the answer was in the 183.
    script.respond("200 OK", "", "");
    assert_eq!(header(&script.expect("ACK "), "CSeq"), "1 ACK");
    assert_eq!(script.event(), SipEvent::Answered(SDP.into()));
    script.command(call, SipCommand::Bye("done".into()));
    assert_eq!(header(&script.expect("BYE "), "CSeq"), "3 BYE");
    script.respond("200 OK", "", "");
    script.forgotten();
}

#[test]
fn what_comes_again_or_out_of_order_gets_no_prack() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("180 Ringing", &reliable(7), "");
    script.expect("PRACK ");
    assert_eq!(script.event(), SipEvent::Progress(180));
    script.respond("200 OK", "", "");
    script.turn_to(&sent);
    for rseq in [7, 9, 6, 0] {
        script.respond("183 Session Progress", &reliable(rseq), SDP);
        script.expect_silence();
        script.expect_no_event();
    }
    script.respond("183 Session Progress", &reliable(8), SDP);
    let prack = script.expect("PRACK ");
    assert_eq!(header(&prack, "RAck"), "8 1 INVITE");
    assert_eq!(header(&prack, "CSeq"), "3 PRACK");
    assert_eq!(script.event(), SipEvent::Progress(183));
}

#[test]
fn a_lost_prack_leaves_again() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    script.respond("180 Ringing", &reliable(1), "");
    let prack = script.expect("PRACK ");
    script.pass(600);
    assert_eq!(script.expect("PRACK "), prack);
}

#[test]
fn each_fork_counts_for_itself() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    for (tag, rseq) in [("one", 100), ("two", 5)] {
        script.turn_to(&sent);
        script.respond_as(tag, "180 Ringing", &reliable(rseq), "");
        let prack = script.expect("PRACK ");
        assert!(header(&prack, "To").ends_with(&format!(";tag={tag}")));
        assert_eq!(header(&prack, "RAck"), format!("{rseq} 1 INVITE"));
        assert_eq!(header(&prack, "CSeq"), "2 PRACK");
    }
}

#[test]
fn a_number_without_require_is_a_plain_180() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    script.respond("180 Ringing", "RSeq: 3\r\nSupported: 100rel\r\n", "");
    assert_eq!(script.event(), SipEvent::Progress(180));
    script.respond("180 Ringing", "Require: 100rel\r\n", "");
    assert_eq!(script.event(), SipEvent::Progress(180));
    script.expect_silence();
}

#[test]
fn a_far_end_that_insists_421_gets_what_it_wants_and_no_loop() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let first = script.expect("INVITE ");
    assert_eq!(header(&first, "Supported"), "timer");
    for attempt in 2..4 {
        script.respond("421 Extension Required", "Require: 100rel\r\n", "");
        script.expect("ACK ");
        if attempt == 2 {
            let again = script.expect("INVITE ");
            assert_eq!(header(&again, "Supported"), "timer, 100rel");
            assert_eq!(header(&again, "CSeq"), "2 INVITE");
            assert_eq!(header(&again, "Call-ID"), header(&first, "Call-ID"));
        }
    }
    script.expect_silence();
    assert_eq!(script.event(), failed(421, "Extension Required"));
    script.forgotten();
}

#[test]
fn an_extension_that_nobody_has_is_a_refusal() {
    let mut script = Script::new();
    script.invite(invite(far()));
    script.expect("INVITE ");
    let extra = "Require: 100rel, precondition\r\n";
    script.respond("421 Extension Required", extra, "");
    script.expect("ACK ");
    script.expect_silence();
    assert_eq!(script.event(), failed(421, "Extension Required"));
}

#[test]
fn prack_answers_a_challenge() {
    let mut script = Script::new();
    script.invite(Invite {
        credentials: Some(Credentials {
            username: "office".into(),
            password: "secret".into(),
        }),
        ..invite(far())
    });
    script.expect("INVITE ");
    script.respond("180 Ringing", &reliable(1), "");
    script.expect("PRACK ");
    let challenge = "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", algorithm=MD5\r\n";
    script.respond("407 Proxy Authentication Required", challenge, "");
    let again = script.expect("PRACK ");
    assert_eq!(header(&again, "CSeq"), "3 PRACK");
    assert_eq!(header(&again, "RAck"), "1 1 INVITE");
    assert!(header(&again, "Proxy-Authorization").contains("nonce=\"n1\""));
}

/// Busy behind a reliable 180: the 200 to its PRACK comes last, and is no answer to the call.
#[test]
fn the_refusal_overtakes_the_answer_to_prack() {
    let mut script = Script::new();
    script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("180 Ringing", &reliable(1), "");
    script.expect("PRACK ");
    script.event();
    let prack = script.keep_request();
    script.turn_to(&sent);
    script.respond("486 Busy Here", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), failed(486, "Busy Here"));
    script.turn_to(&prack);
    script.respond("200 OK", "", "");
    script.expect_silence();
    script.forgotten();
}

#[test]
fn a_late_200_is_ended_with_a_number_above_that_of_prack() {
    let mut script = Script::new();
    let call = script.invite(invite(far()));
    let sent = script.expect("INVITE ");
    script.respond("180 Ringing", &reliable(1), "");
    script.expect("PRACK ");
    script.event();
    script.respond("200 OK", "", "");
    script.command(call, SipCommand::Cancel);
    script.pass(5000);
    script.event();
    script.skip_sent();
    script.turn_to(&sent);
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    assert_eq!(header(&script.expect("BYE "), "CSeq"), "3 BYE");
}

/// A caller that requires 100rel hears nothing but 100 before the 200: what it did not ask for would break its rules.
#[test]
fn a_caller_that_insists_is_answered_without_180() {
    let mut script = Script::new();
    script.say(&incoming_invite("Require: 100rel\r\n", SDP));
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Ringing);
    script.command(call, SipCommand::Progress(SDP.into()));
    script.expect_silence();
    script.command(call, SipCommand::Accept(SDP.into()));
    let answer = script.expect("SIP/2.0 200 ");
    let dialog = their_dialog(&answer);
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
}

#[test]
fn a_prack_for_nothing_gets_481() {
    let mut script = Script::new();
    let (_, dialog) = script.taken("");
    script.in_dialog(&dialog, "PRACK", "RAck: 1 100 INVITE\r\n", "");
    script.expect("SIP/2.0 481 ");
    script.expect_no_event();
}
