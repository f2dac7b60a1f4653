//! Two endpoints of ours against each other, and far ends scripted by hand over a raw socket: text in, text out,
//! nothing of our own serializers in between.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::*;

/// A call to place over UDP, with nothing out of the ordinary in it.
#[derive(Debug, Clone)]
pub struct InviteRequest {
    /// Where to send it.
    pub target: SocketAddr,
    /// The host part of the called URI, where it is not `target`.
    pub domain: Option<String>,
    /// The called number.
    pub to_user: String,
    /// The calling number.
    pub from_user: String,
    /// The caller's name.
    pub from_display: Option<String>,
    /// The session description.
    pub offer: Vec<u8>,
}

impl From<InviteRequest> for Invite {
    fn from(request: InviteRequest) -> Invite {
        let domain = request.domain;
        let domain = domain.unwrap_or_else(|| request.target.to_string());
        let uri = crate::proto::sip::SipUri::new(&request.to_user, &domain);
        let uri = uri.map_or_else(|_| format!("sip:{}", request.target), |uri| uri.to_string());
        Invite {
            flow: Flow::udp(request.target),
            to: uri.clone(),
            uri,
            from: Party {
                display: request.from_display,
                user: request.from_user,
                host: String::new(),
            },
            contact_user: String::new(),
            headers: Vec::new(),
            credentials: None,
            session_expires: None,
            silence: Duration::ZERO,
            offer: request.offer,
        }
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
const T38: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 9 udptl t38\r\n";

async fn endpoint() -> (SipEndpoint, mpsc::Receiver<IncomingCall>) {
    let loopback = "127.0.0.0/8".parse().unwrap();
    let config = SipConfig {
        silence: Duration::from_millis(700),
        ..SipConfig::new("127.0.0.1:0".parse().unwrap(), vec![loopback])
    };
    SipEndpoint::bind(config).await.unwrap()
}

fn request(target: SocketAddr) -> InviteRequest {
    InviteRequest {
        target,
        domain: None,
        to_user: "5551234567".into(),
        from_user: "5559876543".into(),
        from_display: Some("Office".into()),
        offer: SDP.into(),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), what)
        .await
        .expect("in time")
}

async fn next(call: &mut SipCall) -> SipEvent {
    soon(call.next()).await.expect("an event")
}

async fn forgotten(endpoint: &SipEndpoint) {
    let mut holds = None;
    for _ in 0..200 {
        holds = endpoint.holds().await;
        let held = holds.expect("it runs");
        if endpoint.calls() == 0 && held.calls == 0 && held.hanging_up == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} calls leak: {holds:?}", endpoint.calls());
}

fn failed(code: u16, reason: &str, q850: Option<u16>) -> SipEvent {
    SipEvent::Failed {
        code,
        reason: reason.to_owned(),
        q850,
        contacts: Vec::new(),
        retry_after: None,
    }
}

/// A far end scripted by hand.
struct Script {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The last request of the peer that we read, whose headers our responses repeat.
    request: String,
    cseq: u32,
}

impl Script {
    async fn new() -> Script {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = socket.local_addr().unwrap();
        Script {
            socket,
            peer,
            request: String::new(),
            cseq: 100,
        }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The next message whose first line begins with `start`; retransmissions of others are skipped.
    async fn expect(&mut self, start: &str) -> String {
        let mut seen = Vec::new();
        let wait = async {
            let mut buf = vec![0; 65536];
            loop {
                let (len, from) = self.socket.recv_from(&mut buf).await.unwrap();
                let text = String::from_utf8_lossy(&buf[..len]).into_owned();
                self.peer = from;
                if text.starts_with(start) {
                    return text;
                }
                seen.push(text.lines().next().unwrap_or("").to_owned());
            }
        };
        let found = timeout(Duration::from_secs(5), wait).await;
        let text = found.unwrap_or_else(|_| panic!("no {start:?}, only {seen:?}"));
        if !text.starts_with("SIP/2.0") {
            self.request.clone_from(&text);
        }
        text
    }

    async fn say(&self, text: &str) {
        self.socket
            .send_to(text.as_bytes(), self.peer)
            .await
            .unwrap();
    }

    /// Answers the last request; our tag goes on `To` where it has none.
    async fn respond(&self, status: &str, extra: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in self.request.lines().take_while(|l| !l.is_empty()) {
            let name = line.split(':').next().unwrap_or("");
            match name {
                "Via" | "From" | "Call-ID" | "CSeq" => text.push_str(&format!("{line}\r\n")),
                "To" if line.contains("tag=") => text.push_str(&format!("{line}\r\n")),
                "To" => text.push_str(&format!("{line};tag=far\r\n")),
                _ => {}
            }
        }
        let contact = self.address();
        let length = body.len();
        text.push_str(&format!(
            "Contact: <sip:far@{contact}>\r\n{extra}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        self.say(&text).await;
    }

    fn header(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let line = self.request.lines().find(|l| l.starts_with(&start));
        line.unwrap()[start.len()..].to_owned()
    }

    /// A request within the dialog that the peer's INVITE (kept in `invite`) made.
    async fn in_dialog(&mut self, invite: &FarDialog, method: &str, extra: &str, body: &str) {
        self.cseq += 1;
        let (me, cseq, length) = (self.address(), self.cseq, body.len());
        let FarDialog {
            from,
            to,
            call_id,
            contact,
        } = invite;
        self.say(&format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\n\
             From: {to};tag=far\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:far@{me}>\r\n{extra}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// What the peer's INVITE says of its dialog.
    fn dialog(&self) -> FarDialog {
        let contact = self.header("Contact");
        FarDialog {
            from: self.header("From"),
            to: self.header("To"),
            call_id: self.header("Call-ID"),
            contact: contact.trim_matches(['<', '>']).to_owned(),
        }
    }
}

/// A dialog as the far end writes it: its own side in `to`, ours in `from`.
struct FarDialog {
    from: String,
    to: String,
    call_id: String,
    contact: String,
}

#[tokio::test]
async fn a_call_between_two_of_ours_switches_both_ways_and_ends() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut call = ours.invite(request(theirs.contact()));
    let mut incoming = soon(calls.recv()).await.unwrap();
    assert_eq!(
        (&incoming.called[..], &incoming.caller[..]),
        ("5551234567", "5559876543")
    );
    assert_eq!(incoming.caller_display.as_deref(), Some("Office"));
    assert_eq!(incoming.source, ours.contact());
    assert_eq!(incoming.offer, SDP.as_bytes());

    incoming.call.send(SipCommand::Ringing);
    assert_eq!(next(&mut call).await, SipEvent::Progress(180));
    incoming.call.send(SipCommand::Accept(SDP.into()));
    assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
    assert_eq!(next(&mut incoming.call).await, SipEvent::Confirmed(None));

    for _ in 0..2 {
        switch(&mut call, &mut incoming.call).await;
        switch(&mut incoming.call, &mut call).await;
    }
    call.send(SipCommand::Bye("done".into()));
    let SipEvent::Bye(Some(reason)) = next(&mut incoming.call).await else {
        panic!("a BYE with its reason");
    };
    assert!(
        reason.contains("cause=16") && reason.contains("done"),
        "{reason}"
    );
    assert_eq!(soon(incoming.call.next()).await, None);
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

async fn switch(from: &mut SipCall, to: &mut SipCall) {
    from.send(SipCommand::Reinvite(T38.into()));
    assert_eq!(next(to).await, SipEvent::Reinvite(T38.into()));
    to.send(SipCommand::AnswerReinvite {
        code: 200,
        sdp: Some(T38.into()),
    });
    assert_eq!(next(from).await, SipEvent::ReinviteAnswered(Ok(T38.into())));
}

#[tokio::test]
async fn the_called_side_hangs_up() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut call = ours.invite(request(theirs.contact()));
    let mut incoming = soon(calls.recv()).await.unwrap();
    incoming.call.send(SipCommand::Accept(SDP.into()));
    assert_eq!(next(&mut incoming.call).await, SipEvent::Confirmed(None));
    incoming.call.send(SipCommand::Bye("enough".into()));
    assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
    assert!(matches!(next(&mut call).await, SipEvent::Bye(Some(_))));
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

#[tokio::test]
async fn reject_busy() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut call = ours.invite(request(theirs.contact()));
    let incoming = soon(calls.recv()).await.unwrap();
    incoming.call.send(SipCommand::Reject(486));
    assert_eq!(next(&mut call).await, failed(486, "Busy Here", None));
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

#[tokio::test]
async fn a_call_that_nobody_answers_is_cancelled() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut call = ours.invite(request(theirs.contact()));
    let mut incoming = soon(calls.recv()).await.unwrap();
    incoming.call.send(SipCommand::Ringing);
    assert_eq!(next(&mut call).await, SipEvent::Progress(180));
    call.send(SipCommand::Cancel);
    assert!(matches!(
        next(&mut call).await,
        SipEvent::Failed { code: 487, .. }
    ));
    assert!(matches!(next(&mut incoming.call).await, SipEvent::Bye(_)));
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

#[tokio::test]
async fn dropped_calls_hang_up_on_both_sides() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut call = ours.invite(request(theirs.contact()));
    drop(soon(calls.recv()).await.unwrap());
    assert!(matches!(
        next(&mut call).await,
        SipEvent::Failed { code: 480, .. }
    ));

    let call = ours.invite(request(theirs.contact()));
    let mut incoming = soon(calls.recv()).await.unwrap();
    incoming.call.send(SipCommand::Accept(SDP.into()));
    assert_eq!(next(&mut incoming.call).await, SipEvent::Confirmed(None));
    drop(call);
    assert!(matches!(next(&mut incoming.call).await, SipEvent::Bye(_)));
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

#[tokio::test]
async fn busy_486() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    let invite = far.expect("INVITE sip:5551234567@").await;
    assert!(
        !invite.to_lowercase().contains("restsend"),
        "no vendor in it: {invite}"
    );
    far.respond(
        "486 Occupied",
        "Reason: Q.850;cause=17;text=\"User busy\"\r\n",
        "",
    )
    .await;
    far.expect("ACK ").await;
    assert_eq!(next(&mut call).await, failed(486, "Occupied", Some(17)));
    forgotten(&ours).await;
}

#[tokio::test]
async fn the_trunk_is_dead() {
    let (ours, _calls) = endpoint().await;
    let far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    let event = timeout(Duration::from_secs(2), call.next())
        .await
        .expect("not 32 s");
    assert!(matches!(event, Some(SipEvent::TrunkDown(_))), "{event:?}");
    forgotten(&ours).await;
}

#[tokio::test]
async fn never_answers() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    far.expect("INVITE ").await;
    far.respond("100 Trying", "", "").await;
    far.respond("180 Ringing", "", "").await;
    assert_eq!(next(&mut call).await, SipEvent::Progress(180));
    tokio::time::sleep(Duration::from_millis(900)).await;
    call.send(SipCommand::Cancel);
    let invite = far.request.clone();
    far.expect("CANCEL ").await;
    far.respond("200 OK", "", "").await;
    far.request = invite;
    far.respond("487 Request Terminated", "", "").await;
    far.expect("ACK ").await;
    assert!(matches!(
        next(&mut call).await,
        SipEvent::Failed { code: 487, .. }
    ));
    forgotten(&ours).await;
}

#[tokio::test]
async fn cancel_crosses_200() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    far.expect("INVITE ").await;
    far.respond("180 Ringing", "", "").await;
    assert_eq!(next(&mut call).await, SipEvent::Progress(180));
    call.send(SipCommand::Cancel);
    let invite = far.request.clone();
    far.expect("CANCEL ").await;
    far.respond("200 OK", "", "").await;
    far.request = invite;
    far.respond("200 OK", "", SDP).await;
    far.expect("ACK ").await;
    far.expect("BYE ").await;
    far.respond("200 OK", "", "").await;
    assert!(matches!(
        next(&mut call).await,
        SipEvent::Failed { code: 487, .. }
    ));
    forgotten(&ours).await;
}

#[tokio::test]
async fn the_description_comes_in_the_183_only() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    far.expect("INVITE ").await;
    far.respond("183 Session Progress", "", SDP).await;
    far.respond("200 OK", "", "").await;
    far.expect("ACK ").await;
    assert_eq!(next(&mut call).await, SipEvent::Progress(183));
    assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
}

/// Dials and is answered; the far end's script stands behind the ACK.
async fn answered(ours: &SipEndpoint) -> (SipCall, Script, FarDialog) {
    let mut far = Script::new().await;
    let mut call = ours.invite(request(far.address()));
    far.expect("INVITE ").await;
    let dialog = far.dialog();
    far.respond("200 OK", "", SDP).await;
    far.expect("ACK ").await;
    assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
    (call, far, dialog)
}

#[tokio::test]
async fn answers_then_reinvites() {
    let (ours, _calls) = endpoint().await;
    let (mut call, mut far, dialog) = answered(&ours).await;
    far.in_dialog(&dialog, "INVITE", "", T38).await;
    assert_eq!(next(&mut call).await, SipEvent::Reinvite(T38.into()));
    call.send(SipCommand::AnswerReinvite {
        code: 200,
        sdp: Some(T38.into()),
    });
    let answer = far.expect("SIP/2.0 200").await;
    assert!(
        answer.contains("CSeq: 101 INVITE") && answer.ends_with(T38),
        "{answer}"
    );
    far.cseq -= 1;
    far.in_dialog(&dialog, "ACK", "", "").await;
    far.in_dialog(&dialog, "BYE", "Reason: Q.850;cause=16\r\n", "")
        .await;
    far.expect("SIP/2.0 200").await;
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(next(&mut call).await, SipEvent::Bye(reason));
    forgotten(&ours).await;
}

#[tokio::test]
async fn refuses_t38_with_488() {
    let (ours, _calls) = endpoint().await;
    let (mut call, mut far, _) = answered(&ours).await;
    call.send(SipCommand::Reinvite(T38.into()));
    let reinvite = far.expect("INVITE sip:far@").await;
    assert!(reinvite.contains("Content-Type: application/sdp") && reinvite.ends_with(T38));
    far.respond("488 Not Acceptable Here", "", "").await;
    far.expect("ACK ").await;
    assert_eq!(next(&mut call).await, SipEvent::ReinviteAnswered(Err(488)));
    call.send(SipCommand::Bye("no T.38".into()));
    far.expect("BYE ").await;
    far.respond("200 OK", "", "").await;
    forgotten(&ours).await;
}

#[tokio::test]
async fn bye_during_reinvite() {
    let (ours, _calls) = endpoint().await;
    let (mut call, mut far, dialog) = answered(&ours).await;
    call.send(SipCommand::Reinvite(T38.into()));
    far.expect("INVITE sip:far@").await;
    let reinvite = far.request.clone();
    far.in_dialog(&dialog, "BYE", "", "").await;
    far.expect("SIP/2.0 200").await;
    assert_eq!(next(&mut call).await, SipEvent::Bye(None));
    far.request = reinvite;
    far.respond("487 Request Terminated", "", "").await;
    forgotten(&ours).await;
}

#[tokio::test]
async fn both_hang_up_and_theirs_comes_late() {
    let (ours, _calls) = endpoint().await;
    let (call, mut far, dialog) = answered(&ours).await;
    call.send(SipCommand::Bye("done".into()));
    far.expect("BYE ").await;
    far.respond("200 OK", "", "").await;
    forgotten(&ours).await;
    far.in_dialog(&dialog, "BYE", "", "").await;
    let answer = far.expect("SIP/2.0 ").await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}

#[tokio::test]
async fn bye_while_their_reinvite_waits_for_our_answer() {
    let (ours, _calls) = endpoint().await;
    let (mut call, mut far, dialog) = answered(&ours).await;
    far.in_dialog(&dialog, "INVITE", "", SDP).await;
    assert_eq!(next(&mut call).await, SipEvent::Reinvite(SDP.into()));
    far.in_dialog(&dialog, "BYE", "", "").await;
    assert_eq!(next(&mut call).await, SipEvent::Bye(None));
    far.expect("SIP/2.0 487").await;
    forgotten(&ours).await;
}

/// An INVITE of a caller scripted by hand, and what its dialog is once it is answered.
async fn invite_by_hand(far: &Script, ours: &SipEndpoint, extra: &str) -> String {
    let (me, us, length) = (far.address(), ours.contact(), SDP.len());
    format!(
        "INVITE sip:5559876543@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKi{length}\r\nMax-Forwards: 70\r\n\
         From: \"Far\" <sip:%2B1202@{me}>;tag=far\r\nTo: <sip:5559876543@{us}>\r\nCall-ID: by-hand@{me}\r\n\
         CSeq: 100 INVITE\r\nContact: <sip:far@{me}>\r\n{extra}Content-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{SDP}"
    )
}

#[tokio::test]
async fn the_reinvite_right_behind_the_ack() {
    let (ours, mut calls) = endpoint().await;
    for round in 0..20 {
        let mut far = Script::new().await;
        far.peer = ours.contact();
        far.say(&invite_by_hand(&far, &ours, "").await).await;
        let mut incoming = soon(calls.recv()).await.unwrap();
        assert_eq!(incoming.caller, "+1202");
        incoming.call.send(SipCommand::Accept(SDP.into()));
        let answer = far.expect("SIP/2.0 200").await;
        let line = |name: &str| {
            let line = answer.lines().find(|l| l.starts_with(name)).unwrap();
            line[name.len() + 2..].to_owned()
        };
        let dialog = FarDialog {
            from: line("To"),
            to: line("From").replace(";tag=far", ""),
            call_id: line("Call-ID"),
            contact: line("Contact").trim_matches(['<', '>']).to_owned(),
        };
        far.cseq = 99;
        far.in_dialog(&dialog, "ACK", "", "").await;
        far.in_dialog(&dialog, "INVITE", "", T38).await;
        assert_eq!(
            next(&mut incoming.call).await,
            SipEvent::Confirmed(None),
            "{round}"
        );
        assert_eq!(
            next(&mut incoming.call).await,
            SipEvent::Reinvite(T38.into())
        );
        incoming.call.send(SipCommand::AnswerReinvite {
            code: 488,
            sdp: None,
        });
        far.expect("SIP/2.0 488").await;
        far.cseq -= 1;
        far.in_dialog(&dialog, "ACK", "", "").await;
        far.in_dialog(&dialog, "BYE", "", "").await;
        far.expect("SIP/2.0 200").await;
    }
    forgotten(&ours).await;
}

/// The stack registers a dialog that we placed only a moment after its ACK.
#[tokio::test(flavor = "multi_thread")]
async fn the_reinvite_right_behind_the_200() {
    let (ours, _calls) = endpoint().await;
    for _ in 0..50 {
        let mut far = Script::new().await;
        let mut call = ours.invite(request(far.address()));
        far.expect("INVITE ").await;
        let dialog = far.dialog();
        far.respond("200 OK", "", SDP).await;
        far.in_dialog(&dialog, "INVITE", "", T38).await;
        assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
        assert_eq!(next(&mut call).await, SipEvent::Reinvite(T38.into()));
        call.send(SipCommand::AnswerReinvite {
            code: 488,
            sdp: None,
        });
        far.expect("SIP/2.0 488").await;
    }
}

#[tokio::test]
async fn insists_on_an_extension() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    far.peer = ours.contact();
    far.say(&invite_by_hand(&far, &ours, "Require: foo\r\n").await)
        .await;
    let answer = far.expect("SIP/2.0 420").await;
    assert!(answer.contains("Unsupported: foo"), "{answer}");
}

#[tokio::test]
async fn strangers_meet_silence() {
    let config = SipConfig::new(
        "127.0.0.1:0".parse().unwrap(),
        vec!["192.0.2.0/24".parse().unwrap()],
    );
    let (ours, mut calls) = SipEndpoint::bind(config).await.unwrap();
    let mut far = Script::new().await;
    far.peer = ours.contact();
    far.say(&invite_by_hand(&far, &ours, "").await).await;
    let options = invite_by_hand(&far, &ours, "")
        .await
        .replace("INVITE", "OPTIONS");
    far.say(&options).await;
    far.say(&options.replace("OPTIONS", "BREW")).await;
    // A tag in the To makes it look like a call that is under way; there is none.
    for method in ["INVITE", "BYE", "UPDATE"] {
        let guess = invite_by_hand(&far, &ours, "").await;
        let guess = guess
            .replace("INVITE", method)
            .replace("branch=z9hG4bKi", &format!("branch=z9hG4bK{method}"))
            .replace("\r\nCall-ID:", ";tag=guessed\r\nCall-ID:");
        far.say(&guess).await;
    }
    let wait = timeout(Duration::from_millis(400), far.expect("SIP/2.0")).await;
    assert!(wait.is_err(), "{wait:?}");
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn other_methods_are_answered() {
    let (ours, _calls) = endpoint().await;
    for (method, status) in [
        ("OPTIONS", "200"),
        ("REGISTER", "405"),
        ("BREW", "501"),
        ("BYE", "481"),
    ] {
        let mut far = Script::new().await;
        far.peer = ours.contact();
        let text = invite_by_hand(&far, &ours, "")
            .await
            .replace("INVITE", method);
        far.say(&text).await;
        let answer = far.expect(&format!("SIP/2.0 {status}")).await;
        assert!(
            status == "501" || status == "481" || answer.contains("Allow: INVITE"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_request_for_a_call_that_nobody_knows() {
    let (ours, _calls) = endpoint().await;
    let mut far = Script::new().await;
    far.peer = ours.contact();
    let contact = format!("sip:x@{}", ours.contact());
    let stray = FarDialog {
        from: "<sip:x@h>;tag=gone".into(),
        to: "<sip:y@h>".into(),
        call_id: "stray@h".into(),
        contact,
    };
    far.in_dialog(&stray, "BYE", "", "").await;
    far.expect("SIP/2.0 481").await;
}

#[tokio::test]
async fn two_calls_over_tcp_and_udp_on_one_endpoint() {
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = SipConfig {
        listen: vec![(Transport::Udp, loopback), (Transport::Tcp, loopback)],
        ..SipConfig::new(loopback, vec!["127.0.0.0/8".parse().unwrap()])
    };
    let (ours, _) = endpoint().await;
    let (theirs, mut calls) = SipEndpoint::bind(config).await.unwrap();
    for (at, transport) in [(0, Transport::Udp), (1, Transport::Tcp)] {
        let target = theirs.addresses()[at].advertised;
        let mut invite = Invite::from(request(target));
        invite.flow.transport = transport;
        let mut call = ours.invite(invite);
        let mut incoming = soon(calls.recv()).await.unwrap();
        assert_eq!(incoming.flow.transport, transport);
        incoming.call.send(SipCommand::Accept(SDP.into()));
        assert_eq!(next(&mut call).await, SipEvent::Answered(SDP.into()));
        assert_eq!(next(&mut incoming.call).await, SipEvent::Confirmed(None));
        switch(&mut incoming.call, &mut call).await;
        incoming.call.send(SipCommand::Bye("enough".into()));
        assert!(matches!(next(&mut call).await, SipEvent::Bye(Some(_))));
    }
    forgotten(&ours).await;
    forgotten(&theirs).await;
}

#[tokio::test]
async fn a_trunk_that_refuses_connections_is_down_at_once() {
    let (ours, _calls) = endpoint().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut invite = Invite::from(request(closed.local_addr().unwrap()));
    drop(closed);
    invite.flow.transport = Transport::Tcp;
    let mut call = ours.invite(invite);
    let event = timeout(Duration::from_millis(500), call.next()).await;
    let Ok(Some(SipEvent::TrunkDown(why))) = event else {
        panic!("{event:?}");
    };
    assert!(why.contains("refused"), "{why}");
    forgotten(&ours).await;
}

#[tokio::test]
async fn options_of_ours_are_answered_or_time_out() {
    let ((ours, _), (theirs, _calls)) = (endpoint().await, endpoint().await);
    let options = |target| OutOfDialog {
        method: "OPTIONS".into(),
        flow: Flow::udp(target),
        uri: format!("sip:{target}"),
        to: format!("sip:{target}"),
        from: format!("sip:{}", ours.contact()),
        contact: None,
        headers: Vec::new(),
        credentials: None,
        call_id: None,
        cseq: 1,
        patience: Duration::from_millis(300),
    };
    let answer = soon(ours.request(options(theirs.contact()))).await;
    assert_eq!(answer.unwrap().code(), Some(200));
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let answer = soon(ours.request(options(silent))).await;
    assert_eq!(answer, Err(NoResponse::Silence));
}

#[tokio::test]
async fn a_trunk_is_let_in_while_we_run() {
    let config = SipConfig::new("127.0.0.1:0".parse().unwrap(), Vec::new());
    let (ours, mut calls) = SipEndpoint::bind(config).await.unwrap();
    let mut far = Script::new().await;
    far.peer = ours.contact();
    let text = invite_by_hand(&far, &ours, "").await;
    far.say(&text).await;
    let wait = timeout(Duration::from_millis(200), far.expect("SIP/2.0")).await;
    assert!(wait.is_err(), "{wait:?}");
    ours.set_allowed(vec!["127.0.0.0/8".parse().unwrap()]);
    ours.holds().await;
    far.say(&text).await;
    far.expect("SIP/2.0 100").await;
    assert_eq!(soon(calls.recv()).await.unwrap().caller, "+1202");
}

#[tokio::test]
async fn a_message_of_thirty_kilobytes_over_udp() {
    let ((ours, _), (theirs, mut calls)) = (endpoint().await, endpoint().await);
    let mut invite = Invite::from(request(theirs.contact()));
    invite.headers.push(("X-Long".into(), "x".repeat(30_000)));
    let _call = ours.invite(invite);
    let incoming = soon(calls.recv()).await.unwrap();
    let long = incoming.headers.iter().find(|(name, _)| name == "X-Long");
    assert_eq!(long.map(|(_, value)| value.len()), Some(30_000));
}

#[tokio::test]
async fn the_program_ends_and_every_bye_is_answered_before() {
    let (ours, _calls) = endpoint().await;
    let (call, mut far, _) = answered(&ours).await;
    drop(call);
    let bye = async {
        far.expect("BYE ").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        far.respond("200 OK", "", "").await;
        std::time::Instant::now()
    };
    let farewell = async {
        ours.farewell(Duration::from_secs(3)).await;
        std::time::Instant::now()
    };
    let (answered, done) = tokio::join!(bye, farewell);
    assert!(done >= answered && done - answered < Duration::from_secs(1));
}

/// What 1,000 forged INVITEs a second cost: `cargo test --release --lib forged -- --ignored --nocapture` says it in
/// CPU time.
#[test]
#[ignore = "a figure, not a test"]
fn forged_invites() {
    use crate::proto::sip::endpoint::{Endpoint, EndpointConfig};
    let mut endpoint = Endpoint::new(EndpointConfig {
        addresses: Vec::new(),
        learns_address: false,
        user_agent: "x".into(),
        min_session: Duration::from_secs(90),
        max_calls: 1000,
        seed: [1; 32],
    });
    let from = Flow::udp("192.0.2.66:5060".parse().unwrap());
    let now = std::time::Instant::now();
    let rounds = 200_000;
    for call in 0..rounds {
        let text = format!(
            "INVITE sip:900442037691880@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:100@192.0.2.1>;tag={call}\r\nTo: <sip:900442037691880@192.0.2.1>\r\n\
             Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:100@192.0.2.66>\r\n\r\n{SDP}"
        );
        endpoint.handle_message(text.as_bytes(), &from, false, now);
    }
    let each = now.elapsed() / rounds;
    println!("a forged INVITE costs {each:?}, the text of it included");
    assert!(endpoint.poll().is_none() && endpoint.next_timeout().is_none());
}
