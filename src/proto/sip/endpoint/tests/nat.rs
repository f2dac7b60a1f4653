//! Behind NAT, with nobody to say where we are reached (RFC 3581).

use super::*;

/// Where we are, and where the far end sees us.
const INSIDE: &str = "10.0.0.5:5060";
const OUTSIDE: &str = "198.51.100.77";

fn behind_nat(learns_address: bool) -> Script {
    Script::with(EndpointConfig {
        addresses: vec![LocalAddress {
            transport: Transport::Udp,
            bound: INSIDE.parse().unwrap(),
            advertised: INSIDE.parse().unwrap(),
        }],
        learns_address,
        ..config()
    })
}

fn options(far: &Flow) -> OutOfDialog {
    OutOfDialog {
        method: "OPTIONS".into(),
        flow: far.clone(),
        uri: "sip:trunk.example".into(),
        to: "sip:trunk.example".into(),
        from: "sip:office.example".into(),
        contact: None,
        headers: Vec::new(),
        credentials: None,
        call_id: None,
        cseq: 1,
        patience: Duration::from_secs(4),
    }
}

/// The far end answers OPTIONS, and says in its Via where it saw us.
fn seen(script: &mut Script, at: &str, port: u16) {
    let far = script.far.clone();
    script.request(options(&far));
    let sent = script.expect("OPTIONS ");
    assert!(header(&sent, "Via").starts_with("SIP/2.0/UDP 10.0.0.5:5060;"));
    let stamped = sent.replace(";rport", &format!(";received={at};rport={port}"));
    script.turn_to(&stamped);
    script.respond("200 OK", "", "");
    script.response().unwrap();
}

fn contact(script: &mut Script) -> String {
    let far = script.far.clone();
    script.invite(invite(far));
    header(&script.expect("INVITE "), "Contact")
}

#[test]
fn contact_is_where_the_far_end_sees_us() {
    let mut script = behind_nat(true);
    assert_eq!(contact(&mut script), "<sip:5559876543@10.0.0.5:5060>");
    seen(&mut script, OUTSIDE, 40_123);
    assert_eq!(contact(&mut script), "<sip:5559876543@198.51.100.77:40123>");
    // The router was started again.
    seen(&mut script, OUTSIDE, 51_000);
    assert_eq!(contact(&mut script), "<sip:5559876543@198.51.100.77:51000>");
    // Calls of the same far end, too.
    script.say(&incoming_invite("", SDP));
    script.expect("SIP/2.0 100 ");
    let (call, _) = script.incoming();
    script.command(call, SipCommand::Accept(SDP.into()));
    let answer = script.expect("SIP/2.0 200 ");
    assert_eq!(
        header(&answer, "Contact"),
        "<sip:5559876543@198.51.100.77:51000>"
    );
}

#[test]
fn another_far_end_is_told_what_it_sees_itself() {
    let mut script = behind_nat(true);
    seen(&mut script, OUTSIDE, 40_123);
    script.far = Flow::udp("203.0.113.99:5060".parse().unwrap());
    assert_eq!(contact(&mut script), "<sip:5559876543@10.0.0.5:5060>");
}

#[test]
fn what_helps_nobody_is_not_taken() {
    for (at, port) in [
        ("10.9.9.9", 40_123),
        ("127.0.0.1", 5060),
        ("0.0.0.0", 5060),
        (OUTSIDE, 0),
        ("2001:db8::1", 5060),
        ("100.64.3.4", 5060),
        ("nonsense", 5060),
    ] {
        let mut script = behind_nat(true);
        seen(&mut script, at, port);
        let contact = contact(&mut script);
        assert_eq!(contact, "<sip:5559876543@10.0.0.5:5060>", "{at}:{port}");
    }
}

#[test]
fn who_says_what_to_advertise_is_believed() {
    let mut script = behind_nat(false);
    seen(&mut script, OUTSIDE, 40_123);
    assert_eq!(contact(&mut script), "<sip:5559876543@10.0.0.5:5060>");
    // A public address of ours, which a proxy in front of the far end does not see.
    let mut script = Script::new();
    let far = script.far.clone();
    script.request(options(&far));
    let sent = script.expect("OPTIONS ");
    script.turn_to(&sent.replace(";rport", ";received=203.0.113.200;rport=9"));
    script.respond("200 OK", "", "");
    assert_eq!(contact(&mut script), format!("<sip:5559876543@{OURS}>"));
}
