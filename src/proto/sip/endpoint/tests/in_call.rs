//! Calls that are answered.

use super::*;

#[test]
fn answers_then_reinvites() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
    script.command(call, accept(T38));
    let answer = script.expect("SIP/2.0 200 ");
    assert!(
        answer.contains("CSeq: 101 INVITE") && answer.ends_with(T38),
        "{answer}"
    );
    script.pass(600);
    assert_eq!(script.expect("SIP/2.0 200 "), answer, "no ACK yet");
    script.in_dialog_numbered(&dialog, "ACK", 101, "", "");
    script.pass(5000);
    script.expect_silence();
    script.in_dialog(&dialog, "BYE", "Reason: Q.850;cause=16\r\n", "");
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(Some("Q.850;cause=16".into())));
    script.forgotten();
}

/// Theirs crossed our 100 and our 200, or both were lost.
#[test]
fn a_repeated_reinvite_gets_the_200_again_and_never_the_100() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog_numbered(&dialog, "INVITE", 101, "", T38);
    script.expect("SIP/2.0 100 ");
    script.in_dialog_numbered(&dialog, "INVITE", 101, "", T38);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
    script.command(call, accept(T38));
    let answer = script.expect("SIP/2.0 200 ");
    for _ in 0..3 {
        script.in_dialog_numbered(&dialog, "INVITE", 101, "", T38);
        assert_eq!(script.expect("SIP/2.0 200 "), answer);
    }
    script.in_dialog_numbered(&dialog, "ACK", 101, "", "");
    script.in_dialog_numbered(&dialog, "INVITE", 101, "", T38);
    script.expect_silence();
    script.expect_no_event();
}

fn accept(sdp: &str) -> SipCommand {
    SipCommand::AnswerReinvite {
        code: 200,
        sdp: Some(sdp.into()),
    }
}

#[test]
fn we_switch_and_the_far_end_moves_its_contact() {
    let mut script = Script::new();
    let (call, _) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    let text = script.expect(&format!("INVITE sip:far@{FAR} "));
    assert_eq!(header(&text, "CSeq"), "2 INVITE");
    assert!(text.ends_with(T38));
    script.respond_as("", "100 Trying", "", "");
    let moved = "Contact: <sip:moved@203.0.113.5:5099>\r\n";
    let request = script.keep_request();
    let answer = format!(
        "SIP/2.0 200 OK\r\n{}{moved}Content-Type: application/sdp\r\n\r\n{T38}",
        copied(&request)
    );
    script.say(&answer);
    let (to, ack) = script.expect_to("ACK sip:moved@203.0.113.5:5099 ");
    assert_eq!(to.remote.to_string(), "203.0.113.5:5099");
    assert_eq!(header(&ack, "CSeq"), "2 ACK");
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Ok(T38.into())));
    script.say(&answer);
    script.expect("ACK ");
    script.expect_no_event();
}

/// The lines of a request that a response repeats.
fn copied(request: &str) -> String {
    let names = ["Via", "From", "To", "Call-ID", "CSeq"];
    let lines = request
        .lines()
        .filter(|line| names.contains(&line.split(':').next().unwrap_or("")));
    lines.map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn refuses_t38_with_488() {
    let mut script = Script::new();
    let (call, _) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect("INVITE ");
    script.respond("488 Not Acceptable Here", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Err(488)));
    script.command(call, SipCommand::Bye("no T.38".into()));
    script.expect("BYE ");
    script.respond("200 OK", "", "");
    script.forgotten();
}

#[test]
fn glare_491_both_ways() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    let ours = script.expect("INVITE ");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.expect("SIP/2.0 491 ");
    script.in_dialog_numbered(&dialog, "ACK", 101, "", "");
    script.turn_to(&ours);
    script.respond("491 Request Pending", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Err(491)));
    script.expect_no_event();
    // Both may try again.
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect("INVITE ");
}

#[test]
fn theirs_is_first_and_ours_is_not_even_sent() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect_silence();
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Err(491)));
}

#[test]
fn a_second_reinvite_while_the_first_waits_gets_500() {
    let mut script = Script::new();
    let (_, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.in_dialog(&dialog, "INVITE", "", SDP);
    script.expect("SIP/2.0 100 ");
    let answer = script.expect("SIP/2.0 500 ");
    assert!(header(&answer, "Retry-After").parse::<u32>().unwrap() <= 10);
}

#[test]
fn the_reinvite_right_behind_the_ack() {
    let mut script = Script::new();
    let (_, dialog) = script.taken("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}

#[test]
fn the_reinvite_overtakes_the_ack() {
    let mut script = Script::new();
    let (call, dialog) = script.taken_unacked("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Confirmed(None));
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    script.expect_no_event();
    script.command(call, accept(T38));
    script.expect("SIP/2.0 200 ");
}

#[test]
fn the_reinvite_overtakes_the_ack_that_has_the_answer() {
    let mut script = Script::new();
    script.say(&incoming_invite("", ""));
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Accept(SDP.into()));
    let dialog = their_dialog(&script.expect("SIP/2.0 200 "));
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.expect_no_event();
    script.in_dialog_numbered(&dialog, "ACK", 100, "", SDP);
    assert_eq!(script.event(), SipEvent::Confirmed(Some(SDP.into())));
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}

#[test]
fn the_reinvite_overtakes_the_200() {
    let mut script = Script::new();
    script.invite(invite(Flow::udp(FAR.parse().unwrap())));
    let sent = script.expect("INVITE ");
    let dialog = FarDialog {
        ours: header(&sent, "From"),
        theirs: format!("{};tag=far", header(&sent, "To")),
        call_id: header(&sent, "Call-ID"),
        contact: format!("sip:x@{OURS}"),
    };
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.expect_no_event();
    script.turn_to(&sent);
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::Answered(SDP.into()));
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}

#[test]
fn a_reinvite_without_sdp_gets_our_offer_and_answers_in_the_ack() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", "");
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(Vec::new()));
    script.command(call, accept(SDP));
    assert!(script.expect("SIP/2.0 200 ").ends_with(SDP));
    script.in_dialog_numbered(&dialog, "ACK", 101, "", T38);
    assert_eq!(script.event(), SipEvent::Confirmed(Some(T38.into())));
}

#[test]
fn hold_and_resume() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    for line in ["a=sendonly\r\n", "a=sendrecv\r\n"] {
        let offer = format!("{SDP}{line}");
        script.in_dialog(&dialog, "INVITE", "", &offer);
        script.expect("SIP/2.0 100 ");
        assert_eq!(script.event(), SipEvent::Reinvite(offer.into()));
        script.command(call, accept(SDP));
        script.expect("SIP/2.0 200 ");
        let cseq = script.cseq;
        script.in_dialog_numbered(&dialog, "ACK", cseq, "", "");
    }
    script.expect_no_event();
}

#[test]
fn update_with_and_without_an_offer() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "UPDATE", "", "");
    assert!(script.expect("SIP/2.0 200 ").contains("CSeq: 101 UPDATE"));
    script.expect_no_event();
    script.in_dialog(&dialog, "UPDATE", "", T38);
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
    script.command(call, accept(T38));
    let answer = script.expect("SIP/2.0 200 ");
    assert!(answer.contains("CSeq: 102 UPDATE") && answer.ends_with(T38));
    script.pass(5000);
    script.expect_silence();
}

#[test]
fn their_reinvite_is_cancelled() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.event();
    let cancel = format!(
        "CANCEL {} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bKINVITE101\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: 101 CANCEL\r\nContent-Length: 0\r\n\r\n",
        dialog.contact, dialog.theirs, dialog.ours, dialog.call_id
    );
    script.say(&cancel);
    script.expect("SIP/2.0 200 ");
    script.expect("SIP/2.0 487 ");
    script.command(call, accept(T38));
    script.expect_silence();
}

#[test]
fn an_unanswered_reinvite_is_408_and_cancelled() {
    let mut script = Script::new();
    let (call, _) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    let ours = script.expect("INVITE ");
    script.respond_as("", "100 Trying", "", "");
    script.pass(10_000);
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Err(408)));
    script.expect("CANCEL ");
    script.turn_to(&ours);
    script.respond("487 Request Terminated", "", "");
    script.expect("ACK ");
    script.expect_no_event();
}

#[test]
fn a_reinvite_accepted_after_it_was_given_up_ends_the_call() {
    let mut script = Script::new();
    let (call, _) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    let ours = script.expect("INVITE ");
    script.pass(10_000);
    script.event();
    script.skip_sent();
    script.turn_to(&ours);
    script.respond("200 OK", "", T38);
    script.expect("ACK ");
    script.expect("BYE ");
    assert!(matches!(script.event(), SipEvent::Bye(Some(_))));
    script.respond("200 OK", "", "");
    script.forgotten();
}

#[test]
fn the_far_end_has_forgotten_the_call_481() {
    let mut script = Script::new();
    let (call, _) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect("INVITE ");
    script.respond("481 Call/Transaction Does Not Exist", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Err(481)));
    assert!(matches!(script.event(), SipEvent::Bye(Some(_))));
    script.expect_silence();
    script.forgotten();
}

#[test]
fn digest_in_the_reinvite() {
    let mut script = Script::new();
    let with = Invite {
        credentials: Some(Credentials {
            username: "office".into(),
            password: "secret".into(),
        }),
        ..invite(Flow::udp(FAR.parse().unwrap()))
    };
    let (call, _) = script.answered_with(with, "");
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect("INVITE ");
    let challenge = "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n";
    script.respond("401 Unauthorized", challenge, "");
    script.expect("ACK ");
    let again = script.expect("INVITE ");
    assert_eq!(header(&again, "CSeq"), "3 INVITE");
    assert!(header(&again, "Authorization").contains("algorithm=SHA-256"));
    script.respond("200 OK", "", T38);
    assert!(script.expect("ACK ").contains("Authorization: Digest"));
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Ok(T38.into())));
}

#[test]
fn bye_during_our_reinvite() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.command(call, SipCommand::Reinvite(T38.into()));
    let ours = script.expect("INVITE ");
    script.in_dialog(&dialog, "BYE", "", "");
    script.expect("SIP/2.0 200 ");
    assert_eq!(script.event(), SipEvent::Bye(None));
    script.turn_to(&ours);
    script.respond("200 OK", "", T38);
    script.expect("ACK ");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn back_to_audio_with_a_bye_right_behind_it() {
    let mut script = Script::new();
    let (_, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", SDP);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(SDP.into()));
    script.in_dialog(&dialog, "BYE", "", "");
    script.expect("SIP/2.0 200 ");
    script.expect("SIP/2.0 487 ");
    assert_eq!(script.event(), SipEvent::Bye(None));
    script.forgotten();
}

#[test]
fn both_hang_up_at_once() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.command(call, SipCommand::Bye("done".into()));
    let bye = script.expect("BYE ");
    script.in_dialog(&dialog, "BYE", "", "");
    script.expect("SIP/2.0 200 ");
    script.turn_to(&bye);
    script.respond("200 OK", "", "");
    script.pass(5000);
    // Late: the answer was lost.
    script.in_dialog(&dialog, "BYE", "", "");
    script.expect("SIP/2.0 200 ");
    script.expect_no_event();
    script.forgotten();
}

#[test]
fn a_number_that_was_there_before_gets_500() {
    let mut script = Script::new();
    let (_, dialog) = script.taken("");
    script.in_dialog_numbered(&dialog, "BYE", 99, "", "");
    script.expect("SIP/2.0 500 ");
    script.expect_no_event();
}

#[test]
fn small_talk_is_answered() {
    let mut script = Script::new();
    let (_, dialog) = script.taken("");
    for (method, status) in [
        ("OPTIONS", "200 "),
        ("INFO", "200 "),
        ("NOTIFY", "200 "),
        ("REFER", "603 "),
        ("MESSAGE", "405 "),
        ("PRACK", "481 "),
        ("BREW", "501 "),
    ] {
        script.in_dialog(&dialog, method, "", "");
        script.expect(&format!("SIP/2.0 {status}"));
    }
    script.expect_no_event();
}

#[test]
fn a_request_for_a_call_that_nobody_knows() {
    let mut script = Script::new();
    let stray = FarDialog {
        ours: "<sip:y@h>;tag=gone".into(),
        theirs: "<sip:x@h>;tag=x".into(),
        call_id: "stray".into(),
        contact: format!("sip:x@{OURS}"),
    };
    for method in ["BYE", "INVITE", "UPDATE", "INFO"] {
        script.in_dialog(&stray, method, "", "");
        script.expect("SIP/2.0 481 ");
    }
    script.in_dialog(&stray, "ACK", "", "");
    script.expect_silence();
}

#[test]
fn ours_waits_until_their_ack_has_come() {
    let mut script = Script::new();
    let (call, dialog) = script.answered("");
    script.in_dialog(&dialog, "INVITE", "", SDP);
    script.event();
    script.command(call, accept(SDP));
    script.skip_sent();
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect_silence();
    script.in_dialog_numbered(&dialog, "ACK", 101, "", "");
    script.expect("INVITE ");
}
