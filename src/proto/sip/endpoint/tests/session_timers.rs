//! RFC 4028 in both roles.

use super::*;

fn timed() -> Invite {
    Invite {
        session_expires: Some(Duration::from_secs(1800)),
        ..invite(Flow::udp(FAR.parse().unwrap()))
    }
}

const WE_REFRESH: &str = "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n";
const THEY_REFRESH: &str = "Session-Expires: 1800;refresher=uas\r\nSupported: timer\r\n";

#[test]
fn we_refresh_with_update_for_an_hour() {
    let mut script = Script::new();
    let (_, _) = script.answered_with(timed(), &format!("{WE_REFRESH}Allow: INVITE, UPDATE\r\n"));
    for round in 0..4 {
        script.pass(899_000);
        script.expect_silence();
        script.pass(1000);
        let update = script.expect("UPDATE ");
        assert_eq!(header(&update, "CSeq"), format!("{} UPDATE", round + 2));
        assert_eq!(header(&update, "Session-Expires"), "1800;refresher=uac");
        assert!(update.ends_with("Content-Length: 0\r\n\r\n"), "no offer");
        script.respond("200 OK", WE_REFRESH, "");
    }
    script.expect_no_event();
}

#[test]
fn without_update_we_refresh_with_the_same_description() {
    let mut script = Script::new();
    script.answered_with(timed(), WE_REFRESH);
    script.pass(900_000);
    let refresh = script.expect("INVITE ");
    assert!(refresh.ends_with(SDP), "o= as it was");
    script.respond("200 OK", WE_REFRESH, SDP);
    script.expect("ACK ");
    script.expect_no_event();
    script.pass(900_000);
    script.expect("INVITE ");
}

#[test]
fn it_says_that_it_knows_update_and_does_not() {
    let mut script = Script::new();
    script.answered_with(timed(), &format!("{WE_REFRESH}Allow: UPDATE\r\n"));
    script.pass(900_000);
    script.expect("UPDATE ");
    script.respond("405 Method Not Allowed", "", "");
    script.expect("INVITE ");
}

#[test]
fn the_refresh_is_challenged_and_wants_a_longer_interval() {
    let mut script = Script::new();
    script.answered_with(timed(), &format!("{WE_REFRESH}Allow: UPDATE\r\n"));
    script.pass(900_000);
    script.expect("UPDATE ");
    script.respond("422 Session Interval Too Small", "Min-SE: 3600\r\n", "");
    let again = script.expect("UPDATE ");
    assert_eq!(header(&again, "Session-Expires"), "3600;refresher=uac");
    script.respond("200 OK", "Session-Expires: 3600;refresher=uac\r\n", "");
    script.pass(1_799_000);
    script.expect_silence();
    script.pass(1000);
    script.expect("UPDATE ");
}

#[test]
fn a_far_end_that_refuses_to_be_refreshed_is_alive() {
    let mut script = Script::new();
    script.answered_with(timed(), &format!("{WE_REFRESH}Allow: UPDATE\r\n"));
    for _ in 0..4 {
        script.pass(900_000);
        script.expect("UPDATE ");
        script.respond("488 Not Acceptable Here", "", "");
    }
    script.expect_no_event();
}

#[test]
fn a_far_end_that_is_gone_is_noticed_by_our_refresh() {
    let mut script = Script::new();
    script.answered_with(timed(), &format!("{WE_REFRESH}Allow: UPDATE\r\n"));
    script.pass(1_800_000);
    assert_eq!(
        script.event(),
        SipEvent::Bye(Some("the session timer expired".into()))
    );
    assert!(script.sent.iter().any(|(_, text)| text.starts_with("BYE ")));
    script.forgotten();
}

#[test]
fn they_refresh_and_then_they_do_not() {
    let mut script = Script::new();
    let (_, dialog) = script.answered_with(timed(), THEY_REFRESH);
    script.pass(900_000);
    // The same description again: our user need not know.
    script.in_dialog(
        &dialog,
        "INVITE",
        "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
        SDP,
    );
    script.expect("SIP/2.0 100 ");
    let answer = script.expect("SIP/2.0 200 ");
    assert!(answer.ends_with(SDP));
    assert_eq!(header(&answer, "Session-Expires"), "1800;refresher=uac");
    assert_eq!(header(&answer, "Require"), "timer");
    script.in_dialog_numbered(&dialog, "ACK", 101, "", "");
    script.expect_no_event();
    script.pass(1_767_000);
    script.expect_no_event();
    script.pass(1000);
    assert_eq!(
        script.event(),
        SipEvent::Bye(Some("the session timer expired".into()))
    );
    script.expect("BYE ");
}

#[test]
fn they_refresh_with_update() {
    let mut script = Script::new();
    let (_, dialog) = script.answered_with(timed(), THEY_REFRESH);
    for _ in 0..4 {
        script.pass(900_000);
        script.in_dialog(
            &dialog,
            "UPDATE",
            "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
            "",
        );
        assert_eq!(
            header(&script.expect("SIP/2.0 200 "), "Session-Expires"),
            "1800;refresher=uac"
        );
    }
    script.expect_no_event();
}

#[test]
fn called_we_take_the_refresh_upon_us() {
    let mut script = Script::new();
    let extra = "Supported: timer\r\nSession-Expires: 600\r\nAllow: INVITE, UPDATE\r\n";
    let (_, _) = script.taken(extra);
    script.pass(300_000);
    let update = script.expect("UPDATE ");
    assert_eq!(header(&update, "Session-Expires"), "600;refresher=uac");
}

#[test]
fn called_by_one_that_does_not_know_timers() {
    let mut script = Script::new();
    // A proxy asks for it.
    let (call, dialog) = script.taken_unacked("Session-Expires: 600\r\n");
    script.in_dialog_numbered(&dialog, "ACK", 100, "", "");
    script.pass(300_000);
    let refresh = script.expect("INVITE ");
    assert!(refresh.ends_with(SDP));
    script.respond("200 OK", "", SDP);
    script.expect("ACK ");
    let _ = call;
}

#[test]
fn too_short_422() {
    let mut script = Script::new();
    script.say(&incoming_invite(
        "Supported: timer\r\nSession-Expires: 30\r\n",
        SDP,
    ));
    assert_eq!(header(&script.expect("SIP/2.0 422 "), "Min-SE"), "90");
    script.expect_no_event();
}

#[test]
fn without_a_word_of_it_there_is_no_timer() {
    let mut script = Script::new();
    script.answered_with(timed(), "");
    script.pass(10_000_000);
    script.expect_silence();
    script.expect_no_event();
}

#[test]
fn their_t38_crosses_our_refresh_and_only_waits_for_it() {
    let mut script = Script::new();
    let (_, dialog) = script.answered_with(timed(), WE_REFRESH);
    script.pass(900_000);
    let refresh = script.expect("INVITE ");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    script.expect_silence();
    script.turn_to(&refresh);
    script.respond("491 Request Pending", "", "");
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}

#[test]
fn their_t38_crosses_our_update_and_nothing_waits() {
    let mut script = Script::new();
    let (_, dialog) = script.answered_with(timed(), &format!("{WE_REFRESH}Allow: UPDATE\r\n"));
    script.pass(900_000);
    script.expect("UPDATE ");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.expect("SIP/2.0 100 ");
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}

#[test]
fn our_t38_waits_for_our_refresh() {
    let mut script = Script::new();
    let (call, _) = script.answered_with(timed(), WE_REFRESH);
    script.pass(900_000);
    script.expect("INVITE ");
    script.command(call, SipCommand::Reinvite(T38.into()));
    script.expect_silence();
    script.respond("200 OK", WE_REFRESH, SDP);
    script.expect("ACK ");
    assert!(script.expect("INVITE ").ends_with(T38));
    script.respond("200 OK", WE_REFRESH, T38);
    script.expect("ACK ");
    assert_eq!(script.event(), SipEvent::ReinviteAnswered(Ok(T38.into())));
    script.expect_no_event();
}

#[test]
fn an_interval_of_nothing_does_not_end_the_call() {
    let mut script = Script::new();
    script.answered_with(timed(), "Session-Expires: 0;refresher=uas\r\n");
    script.pass(59_000);
    script.expect_no_event();
}

#[test]
fn their_t38_does_not_wait_for_a_refresh_that_nobody_answers() {
    let mut script = Script::new();
    let (_, dialog) = script.answered_with(timed(), WE_REFRESH);
    script.pass(900_000);
    script.expect("INVITE ");
    script.in_dialog(&dialog, "INVITE", "", T38);
    script.pass(9_999);
    script.expect_no_event();
    script.pass(1);
    assert_eq!(script.event(), SipEvent::Reinvite(T38.into()));
}
