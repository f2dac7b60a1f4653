//! Calls that come in.

use super::*;

#[test]
fn a_call_is_described_answered_and_ended_by_the_caller() {
    let mut script = Script::new();
    let extra = "Diversion: <sip:+1999@far.example>;reason=unconditional\r\n";
    script.say(&incoming_invite(extra, SDP));
    let trying = script.expect("SIP/2.0 100 ");
    assert!(!trying.contains("To: <sip:5559876543@198.51.100.10:5060>;tag"));
    let (call, incoming) = script.incoming();
    assert_eq!(
        (&incoming.called[..], &incoming.caller[..]),
        ("5559876543", "+1202")
    );
    assert_eq!(incoming.caller_display.as_deref(), Some("Far"));
    assert_eq!(incoming.offer, SDP.as_bytes());
    assert_eq!(incoming.source, script.far);
    let diversion = incoming
        .headers
        .iter()
        .find(|(name, _)| name == "Diversion");
    assert!(diversion.is_some_and(|(_, value)| value.contains("+1999")));
    script.command(call, SipCommand::Ringing);
    let ringing = script.expect("SIP/2.0 180 ");
    script.command(call, SipCommand::Accept(SDP.into()));
    let answer = script.expect("SIP/2.0 200 ");
    assert_eq!(header(&ringing, "To"), header(&answer, "To"));
    assert_eq!(
        header(&answer, "Contact"),
        format!("<sip:5559876543@{OURS}>")
    );
    assert!(answer.ends_with(SDP));
    let dialog = their_dialog(&answer);
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
    script.in_dialog(&dialog, "BYE", "Reason: Q.850;cause=16\r\n", "");
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(Some("Q.850;cause=16".into())));
    script.expect_silence();
    script.forgotten();
}

#[test]
fn the_200_is_repeated_until_its_ack() {
    let mut script = Script::new();
    let (_, dialog) = script.taken_unacked("");
    script.pass(4900);
    assert_eq!(script.skip_sent(), 3, "at 0.5, 1.5 and 3.5 s");
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
    script.pass(10_000);
    script.expect_silence();
}

#[test]
fn an_invite_that_comes_again_gets_the_200_again() {
    let mut script = Script::new();
    let (_, dialog) = script.taken_unacked("");
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 200 ");
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
    script.say(&incoming_invite("", SDP));
    script.expect_silence();
}

#[test]
fn an_ack_with_the_branch_of_its_invite_counts() {
    let mut script = Script::new();
    let (_, dialog) = script.taken_unacked("");
    let ack = incoming_invite("", "").replace("INVITE", "ACK").replace(
        &format!("To: <sip:5559876543@{OURS}>"),
        &format!("To: {}", dialog.ours),
    );
    script.say(&ack);
    assert_eq!(script.event(), SipEvent::Confirmed(None));
}

#[test]
fn no_ack_ever_comes() {
    let mut script = Script::new();
    script.taken_unacked("");
    script.pass(4_999);
    script.skip_sent();
    script.pass(1);
    assert!(matches!(script.event(), SipEvent::Bye(Some(_))));
    script.expect("BYE ");
    // Its Contact may be somebody who never called.
    script.pass(30_000);
    assert_eq!(script.skip_sent(), 3, "at 0.5, 1.5 and 3.5 s");
    script.forgotten();
}

/// Whoever answers our re-INVITE has heard our 200; its own re-INVITE gets all the time of RFC 3261.
#[test]
fn no_ack_ever_comes_to_the_200_of_a_reinvite() {
    let mut script = Script::new();
    let (call, dialog) = script.taken_unacked("");
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
    script.in_dialog(&dialog, "INVITE", "", SDP);
    assert_eq!(script.event(), SipEvent::Reinvite(SDP.into()));
    let (code, sdp) = (200, Some(SDP.into()));
    script.command(call, SipCommand::AnswerReinvite { code, sdp });
    script.pass(31_999);
    script.expect_no_event();
    script.skip_sent();
    script.pass(1);
    assert!(matches!(script.event(), SipEvent::Bye(Some(_))));
}

#[test]
fn early_bye_before_the_ack() {
    let mut script = Script::new();
    let (_, dialog) = script.taken_unacked("");
    script.in_dialog(&dialog, "BYE", "", "");
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(None));
    script.pass(20_000);
    script.expect_silence();
    script.forgotten();
}

#[test]
fn early_bye_before_the_answer() {
    let mut script = Script::new();
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Ringing);
    let dialog = their_dialog(&script.expect("SIP/2.0 180 "));
    script.in_dialog(&dialog, "BYE", "", "");
    assert!(script.expect("SIP/2.0 200 ").contains("101 BYE"));
    assert!(script.expect("SIP/2.0 487 ").contains("100 INVITE"));
    assert_eq!(script.event(), SipEvent::Bye(None));
    script.forgotten();
}

#[test]
fn we_hang_up_before_the_ack_and_wait_for_it() {
    let mut script = Script::new();
    let (call, dialog) = script.taken_unacked("");
    script.command(call, SipCommand::Bye("done".into()));
    script.expect_silence();
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    let bye = script.expect("BYE ");
    assert_eq!(header(&bye, "Reason"), "Q.850;cause=16;text=\"done\"");
    script.expect_no_event();
    script.respond("200 OK", "", "");
    script.forgotten();
}

#[test]
fn late_sdp_our_offer_is_in_the_200_and_theirs_in_the_ack() {
    let mut script = Script::new();
    script.say(&incoming_invite("", ""));
    script.expect("SIP/2.0 100 ");
    let (call, incoming) = script.incoming();
    assert!(incoming.offer.is_empty());
    script.command(call, SipCommand::Accept(T38.into()));
    let answer = script.expect("SIP/2.0 200 ");
    assert!(answer.ends_with(T38));
    script.in_dialog_numbered(&their_dialog(&answer), "ACK", 100, "", SDP);
    assert_eq!(script.event(), SipEvent::Confirmed(Some(SDP.into())));
}

#[test]
fn cancelled_while_it_rings() {
    let mut script = Script::new();
    let text = incoming_invite("", SDP);
    script.say(&text);
    script.expect("SIP/2.0 100 ");
    script.incoming();
    let cancel = incoming_invite("Reason: SIP;cause=200;text=\"elsewhere\"\r\n", "")
        .replace("INVITE", "CANCEL");
    script.say(&cancel);
    assert!(script.expect("SIP/2.0 200 ").contains("100 CANCEL"));
    assert!(script.expect("SIP/2.0 487 ").contains("100 INVITE"));
    assert!(matches!(script.event(), SipEvent::Bye(Some(why)) if why.contains("elsewhere")));
    // Both again: they were lost.
    script.say(&cancel);
    script.expect("SIP/2.0 200 ");
    script.say(&text);
    let refusal = script.expect("SIP/2.0 487 ");
    script.say(&text.replace("INVITE", "ACK").replace(
        &format!("To: <sip:5559876543@{OURS}>"),
        &format!("To: {}", header(&refusal, "To")),
    ));
    script.pass(10_000);
    script.expect_silence();
    script.forgotten();
}

#[test]
fn cancel_crosses_our_200() {
    let mut script = Script::new();
    let (_, dialog) = script.taken_unacked("");
    script.say(&incoming_invite("", "").replace("INVITE", "CANCEL"));
    assert!(script.expect("SIP/2.0 200 ").contains("100 CANCEL"));
    script.expect_silence();
    script.expect_no_event();
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
}

#[test]
fn a_cancel_for_nothing_gets_481() {
    let mut script = Script::new();
    script.say(&incoming_invite("", "").replace("INVITE", "CANCEL"));
    script.expect("SIP/2.0 481 ");
    script.forgotten();
}

#[test]
fn refused_as_busy_until_the_ack_comes() {
    let mut script = Script::new();
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Reject(486));
    script.expect("SIP/2.0 486 Busy Here");
    script.pass(4000);
    assert_eq!(script.skip_sent(), 3);
    script.forgotten();
}

#[test]
fn the_same_invite_again_gets_the_same_answer_and_is_no_second_call() {
    let mut script = Script::new();
    let text = incoming_invite("", SDP);
    script.say(&text);
    script.say(&text);
    script.expect("SIP/2.0 100 ");
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.expect_no_event();
    script.command(call, SipCommand::Ringing);
    let ringing = script.expect("SIP/2.0 180 ");
    script.say(&text);
    assert_eq!(script.expect("SIP/2.0 180 "), ringing);
}

#[test]
fn a_merged_request_gets_482() {
    let mut script = Script::new();
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 100 ");
    script.incoming();
    script.say(&incoming_invite("", SDP).replace("z9hG4bKinvite", "z9hG4bKother"));
    script.expect("SIP/2.0 482 ");
    script.expect_no_event();
}

#[test]
fn insists_on_an_extension() {
    let mut script = Script::new();
    script.say(&incoming_invite("Require: precondition, timer\r\n", SDP));
    let answer = script.expect("SIP/2.0 420 ");
    assert_eq!(header(&answer, "Unsupported"), "precondition");
    script.expect_no_event();
    script.say(&incoming_invite("Require: timer\r\n", SDP));
    script.expect("SIP/2.0 100 ");
}

#[test]
fn other_bodies_and_methods() {
    let mut script = Script::new();
    let text = incoming_invite("", SDP);
    for (text, status, named) in [
        (
            text.replace("application/sdp", "text/plain"),
            "415 ",
            "Accept: application/sdp",
        ),
        (
            text.replace("INVITE", "REGISTER"),
            "405 ",
            "Allow: INVITE, ACK",
        ),
        (text.replace("INVITE", "BREW"), "501 ", "Allow: INVITE, ACK"),
        (text.replace("INVITE", "BYE"), "481 ", "CSeq: 100 BYE"),
        (
            text.replace("INVITE", "OPTIONS"),
            "200 ",
            "Supported: timer",
        ),
        (text.replace("CSeq: 100", "CSeq: abc"), "400 ", "From: "),
        (
            text.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
            "505 ",
            "Via: ",
        ),
    ] {
        script.say(&text);
        let answer = script.expect(&format!("SIP/2.0 {status}"));
        assert!(answer.contains(named), "{answer}");
        assert!(header(&answer, "To").contains(";tag="), "{answer}");
    }
    script.expect_no_event();
    assert_eq!(
        script.endpoint.holds().transactions,
        0,
        "refusals are not remembered"
    );
}

#[test]
fn an_sdp_among_other_parts() {
    let mut script = Script::new();
    let body = format!(
        "--b\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
    );
    let text = incoming_invite("", &body).replace(
        "application/sdp\r\nContent-Length",
        "multipart/mixed;boundary=b\r\nContent-Length",
    );
    script.say(&text);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.incoming().1.offer, SDP.as_bytes());
}

#[test]
fn missing_content_length_and_latin_1() {
    let mut script = Script::new();
    let text = incoming_invite("", SDP);
    let length = format!("Content-Length: {}\r\n", SDP.len());
    let (head, body) = text.split_once(&length).unwrap();
    let mut octets = head.replace("\"Far\"", "\"B#ro\"").into_bytes();
    let at = octets.iter().position(|octet| *octet == b'#').unwrap();
    octets[at] = 0xfc;
    octets.extend_from_slice(body.as_bytes());
    script.say_octets(&octets);
    // It gets its own octets back.
    let trying = script.expect("SIP/2.0 100 ");
    assert!(header(&trying, "From").starts_with("\"B\u{fc}ro\""));
    let (_, incoming) = script.incoming();
    assert_eq!(incoming.caller_display.as_deref(), Some("B\u{fc}ro"));
    assert_eq!(incoming.offer, SDP.as_bytes());
}

#[test]
fn compact_headers() {
    let mut script = Script::new();
    let mut text = incoming_invite("Supported: timer\r\nSession-Expires: 600\r\n", SDP);
    for (long, compact) in [
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "i"),
        ("Contact", "m"),
        ("Content-Type", "c"),
        ("Content-Length", "l"),
        ("Supported", "k"),
        ("Session-Expires", "x"),
    ] {
        text = text.replace(&format!("\r\n{long}: "), &format!("\r\n{compact}: "));
    }
    script.say(&text);
    script.expect("SIP/2.0 100 ");
    let (call, incoming) = script.incoming();
    assert_eq!(incoming.caller, "+1202");
    script.command(call, SipCommand::Accept(SDP.into()));
    let answer = script.expect("SIP/2.0 200 ");
    assert_eq!(header(&answer, "Session-Expires"), "600;refresher=uas");
}

#[test]
fn received_and_rport() {
    let mut script = Script::new();
    script.far = Flow::udp("198.18.0.1:40000".parse().unwrap());
    script.say(&incoming_invite("", SDP));
    let (to, answer) = script.expect_to("SIP/2.0 100 ");
    assert_eq!(to.remote.to_string(), "198.18.0.1:40000");
    let via = header(&answer, "Via");
    assert!(
        via.contains("rport=40000") && via.contains("received=198.18.0.1"),
        "{via}"
    );

    // Without rport: the source's address, and the port that the peer names (RFC 3261 18.2.2).
    let text = incoming_invite("", SDP)
        .replace(";rport", "")
        .replace("z9hG4bKinvite", "z9hG4bK2")
        .replace("by-hand", "2");
    script.say(&text);
    let (to, answer) = script.expect_to("SIP/2.0 100 ");
    assert_eq!(to.remote.to_string(), "198.18.0.1:5070");
    assert!(header(&answer, "Via").contains("received=198.18.0.1"));
}

#[test]
fn a_caller_behind_nat_is_reached_the_way_it_came() {
    let mut script = Script::new();
    script.far = Flow::udp("198.18.0.1:40000".parse().unwrap());
    let text =
        incoming_invite("", SDP).replace(&format!("<sip:far@{FAR}>"), "<sip:far@10.0.0.7:5060>");
    script.say(&text);
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Accept(SDP.into()));
    let dialog = their_dialog(&script.expect("SIP/2.0 200 "));
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    script.command(call, SipCommand::Bye("done".into()));
    let (to, _) = script.expect_to("BYE sip:far@10.0.0.7:5060 ");
    assert_eq!(to.remote.to_string(), "198.18.0.1:40000");
}

#[test]
fn record_routes_are_copied_and_become_our_route() {
    let mut script = Script::new();
    let record = "Record-Route: <sip:203.0.113.77;lr>\r\nRecord-Route: <sip:p2.example;lr>\r\n";
    let (call, dialog) = script.taken_unacked(record);
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    script.command(call, SipCommand::Bye("done".into()));
    let (to, bye) = script.expect_to("BYE ");
    assert_eq!(to.remote.to_string(), "203.0.113.77:5060");
    assert_eq!(header(&bye, "Route"), "<sip:203.0.113.77;lr>");
}

#[test]
fn all_channels_are_taken() {
    let mut script = Script::with(EndpointConfig {
        max_calls: 1,
        ..config()
    });
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 100 ");
    let other = incoming_invite("", SDP)
        .replace("z9hG4bKinvite", "z9hG4bK2")
        .replace("by-hand", "2");
    script.say(&other);
    let answer = script.expect("SIP/2.0 503 ");
    assert_eq!(header(&answer, "Retry-After"), "10");
}

#[test]
fn strangers_meet_silence() {
    let mut script = Script::new();
    let stranger = Flow::udp("192.0.2.66:5060".parse().unwrap());
    let text = incoming_invite("", SDP);
    for text in [
        text.clone(),
        text.replace("INVITE", "OPTIONS"),
        text.replace("INVITE", "BREW"),
        text.replace("CSeq", "C"),
        text.replace("\r\nCall-ID", ";tag=guessed\r\nCall-ID"),
        "SIP/2.0 200 OK\r\n\r\n".to_owned(),
    ] {
        script.say_from(text.as_bytes(), &stranger, false);
    }
    script.expect_silence();
    script.expect_no_event();
    assert_eq!(script.endpoint.next_timeout(), None);
}

#[test]
fn a_call_goes_on_from_an_address_that_may_not_call() {
    let mut script = Script::new();
    let (_, dialog) = script.taken("");
    script.skip_sent();
    let elsewhere = Flow::udp("192.0.2.66:5060".parse().unwrap());
    let bye = |dialog: &FarDialog, from: &str| {
        format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKb\r\nFrom: {from}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: 101 BYE\r\nContent-Length: 0\r\n\r\n",
            dialog.contact, dialog.ours, dialog.call_id
        )
    };
    // The right Call-ID and a guessed tag.
    script.say_from(
        bye(&dialog, "<sip:x@h>;tag=guessed").as_bytes(),
        &elsewhere,
        false,
    );
    script.expect_silence();
    script.say_from(bye(&dialog, &dialog.theirs).as_bytes(), &elsewhere, false);
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(None));
}
