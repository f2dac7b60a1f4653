//! An endpoint in virtual time against far ends that are scripted by hand: text in, text out, nothing of our own
//! serializers in between.

#[cfg(test)]
mod called;
#[cfg(test)]
mod calling;
#[cfg(test)]
mod in_call;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod nat;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod reliable;
#[cfg(test)]
mod session_timers;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::*;
use crate::proto::sip::Transport;
use crate::proto::sip::random::seed_of;

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
pub(super) const T38: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=image 9 udptl t38\r\n";

/// Where we are bound, and how others reach us.
const BOUND: &str = "0.0.0.0:5060";
pub(super) const OURS: &str = "198.51.100.10:5060";
/// The far end.
pub(super) const FAR: &str = "203.0.113.5:5070";

pub(super) fn config() -> EndpointConfig {
    let address = |transport| LocalAddress {
        transport,
        bound: BOUND.parse().unwrap(),
        advertised: OURS.parse().unwrap(),
    };
    EndpointConfig {
        addresses: [Transport::Udp, Transport::Tcp, Transport::Tls]
            .map(address)
            .to_vec(),
        learns_address: true,
        user_agent: "Postfax/test".to_owned(),
        min_session: Duration::from_secs(90),
        max_calls: 100,
        seed: seed_of(7),
    }
}

pub(super) fn invite(flow: Flow) -> Invite {
    Invite {
        flow,
        uri: "sip:+12025550123@trunk.example;user=phone".into(),
        to: "sip:+12025550123@trunk.example".into(),
        from: Party {
            display: Some("Office".into()),
            user: "5559876543".into(),
            host: "office.example".into(),
        },
        contact_user: String::new(),
        headers: vec![(
            "P-Asserted-Identity".into(),
            "<sip:5559876543@office.example>".into(),
        )],
        credentials: None,
        session_expires: None,
        silence: Duration::from_secs(3),
        offer: SDP.into(),
    }
}

/// Our endpoint, and what it did.
pub(super) struct Script {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub far: Flow,
    sent: VecDeque<(Flow, String)>,
    events: VecDeque<Output>,
    /// The calls of which nothing more will be said.
    pub over: Vec<CallId>,
    /// The last request of ours that was expected: what responses repeat.
    request: String,
    cseq: u32,
}

impl Script {
    pub fn new() -> Script {
        Script::with(config())
    }

    pub fn with(config: EndpointConfig) -> Script {
        Script {
            endpoint: Endpoint::new(config),
            now: Instant::now(),
            far: Flow::udp(FAR.parse().unwrap()),
            sent: VecDeque::new(),
            events: VecDeque::new(),
            over: Vec::new(),
            request: String::new(),
            cseq: 100,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Transmit { to, octets } => {
                    let text = octets.iter().copied().map(char::from).collect();
                    self.sent.push_back((to, text));
                }
                Output::Over(call) => self.over.push(call),
                other => self.events.push_back(other),
            }
        }
    }

    /// Lets time go by.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.endpoint.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// The far end sends this.
    pub fn say(&mut self, text: &str) {
        self.say_octets(text.as_bytes());
    }

    pub fn say_octets(&mut self, octets: &[u8]) {
        let far = self.far.clone();
        self.say_from(octets, &far, true);
    }

    pub fn say_from(&mut self, octets: &[u8], from: &Flow, trusted: bool) {
        self.endpoint
            .handle_message(octets, from, trusted, self.now);
        self.drain();
    }

    pub fn command(&mut self, call: CallId, command: SipCommand) {
        self.endpoint.command(call, command, self.now);
        self.drain();
    }

    pub fn invite(&mut self, invite: Invite) -> CallId {
        let call = self.endpoint.invite(invite, self.now);
        self.drain();
        call
    }

    pub fn request(&mut self, request: OutOfDialog) -> RequestId {
        let id = self.endpoint.request(request, self.now);
        self.drain();
        id
    }

    /// The next message that we sent; it begins like this.
    pub fn expect(&mut self, start: &str) -> String {
        self.expect_to(start).1
    }

    /// And where it went.
    pub fn expect_to(&mut self, start: &str) -> (Flow, String) {
        let (flow, text) = self
            .sent
            .pop_front()
            .unwrap_or_else(|| panic!("nothing was sent instead of {start:?}"));
        assert!(text.starts_with(start), "not {start:?} but {text}");
        if !text.starts_with("SIP/2.0") {
            self.request.clone_from(&text);
        }
        (flow, text)
    }

    pub fn expect_silence(&mut self) {
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }

    /// Drops what was sent so far.
    pub fn skip_sent(&mut self) -> usize {
        let count = self.sent.len();
        self.sent.clear();
        count
    }

    /// The next event of any call.
    pub fn event(&mut self) -> SipEvent {
        match self.events.pop_front() {
            Some(Output::Call(_, event)) => event,
            other => panic!("no event of a call: {other:?}"),
        }
    }

    pub fn expect_no_event(&mut self) {
        assert!(self.events.is_empty(), "{:?}", self.events);
    }

    pub fn incoming(&mut self) -> (CallId, IncomingInvite) {
        match self.events.pop_front() {
            Some(Output::Incoming(id, invite)) => (id, *invite),
            other => panic!("no call came in: {other:?}"),
        }
    }

    pub fn response(&mut self) -> Result<Box<Message>, NoResponse> {
        match self.events.pop_front() {
            Some(Output::Response(_, response)) => response,
            other => panic!("no response: {other:?}"),
        }
    }

    /// Answers the request that was expected last, from the fork `tag`.
    pub fn respond_as(&mut self, tag: &str, status: &str, extra: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in self.request.lines().take_while(|l| !l.is_empty()) {
            match line.split(':').next().unwrap_or("") {
                "Via" | "From" | "Call-ID" | "CSeq" => text.push_str(&format!("{line}\r\n")),
                "To" if line.contains("tag=") || tag.is_empty() => {
                    text.push_str(&format!("{line}\r\n"));
                }
                "To" => text.push_str(&format!("{line};tag={tag}\r\n")),
                _ => {}
            }
        }
        text.push_str(&format!("Contact: <sip:far@{FAR}>\r\n{extra}"));
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.say(&text);
    }

    pub fn respond(&mut self, status: &str, extra: &str, body: &str) {
        self.respond_as("far", status, extra, body);
    }

    /// What the request expected last was, to answer it later.
    pub fn keep_request(&self) -> String {
        self.request.clone()
    }

    pub fn turn_to(&mut self, request: &str) {
        self.request = request.to_owned();
    }

    /// A request of the far end within a call.
    pub fn in_dialog(&mut self, dialog: &FarDialog, method: &str, extra: &str, body: &str) {
        self.cseq += 1;
        let cseq = self.cseq;
        self.in_dialog_numbered(dialog, method, cseq, extra, body);
    }

    pub fn in_dialog_numbered(
        &mut self,
        dialog: &FarDialog,
        method: &str,
        cseq: u32,
        extra: &str,
        body: &str,
    ) {
        let FarDialog {
            ours,
            theirs,
            call_id,
            contact,
        } = dialog;
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: {theirs}\r\nTo: {ours}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:far@{FAR}>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.say(&text);
    }

    /// A call of ours that the far end answered; its ACK has been seen.
    pub fn answered(&mut self, extra: &str) -> (CallId, FarDialog) {
        self.answered_with(invite(Flow::udp(FAR.parse().unwrap())), extra)
    }

    pub fn answered_with(&mut self, invite: Invite, extra: &str) -> (CallId, FarDialog) {
        let call = self.invite(invite);
        let text = self.expect("INVITE ");
        let dialog = FarDialog {
            ours: header(&text, "From"),
            theirs: format!("{};tag=far", header(&text, "To")),
            call_id: header(&text, "Call-ID"),
            contact: header(&text, "Contact").trim_matches(['<', '>']).to_owned(),
        };
        self.respond("200 OK", extra, SDP);
        self.expect("ACK ");
        assert_eq!(self.event(), SipEvent::Answered(SDP.into()));
        (call, dialog)
    }

    /// A call of the far end that we answered; the ACK has come.
    pub fn taken(&mut self, extra: &str) -> (CallId, FarDialog) {
        let (call, dialog) = self.taken_unacked(extra);
        self.in_dialog_numbered(&dialog, "ACK", 100, "", "");
        assert_eq!(self.event(), SipEvent::Confirmed(None));
        (call, dialog)
    }

    /// The same, but the ACK is still to come.
    pub fn taken_unacked(&mut self, extra: &str) -> (CallId, FarDialog) {
        self.say(&incoming_invite(extra, SDP));
        self.expect("SIP/2.0 100 ");
        let (call, _) = self.incoming();
        self.command(call, SipCommand::Accept(SDP.into()));
        let answer = self.expect("SIP/2.0 200 ");
        (call, their_dialog(&answer))
    }

    /// Nothing of any call is left once the last straggler is too late.
    pub fn forgotten(&mut self) {
        self.pass(100_000);
        let nothing = Holds {
            calls: 0,
            ended: 0,
            hanging_up: 0,
            transactions: 0,
            requests: 0,
        };
        assert_eq!(self.endpoint.holds(), nothing);
        assert_eq!(self.endpoint.next_timeout(), None);
        assert!(self.endpoint.tags.is_empty() && self.endpoint.call_ids.is_empty());
        assert!(self.endpoint.core.names.is_empty());
    }
}

/// A dialog as the far end writes it.
pub(super) struct FarDialog {
    pub ours: String,
    pub theirs: String,
    pub call_id: String,
    pub contact: String,
}

/// The dialog that our answer to an INVITE makes.
pub(super) fn their_dialog(answer: &str) -> FarDialog {
    FarDialog {
        ours: header(answer, "To"),
        theirs: header(answer, "From"),
        call_id: header(answer, "Call-ID"),
        contact: header(answer, "Contact")
            .trim_matches(['<', '>'])
            .to_owned(),
    }
}

/// The value of a header line.
pub(super) fn header(text: &str, name: &str) -> String {
    let start = format!("{name}: ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line[start.len()..].to_owned()
}

/// An INVITE as a caller writes it.
pub(super) fn incoming_invite(extra: &str, body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "INVITE sip:5559876543@{OURS} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bKinvite;rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Far\" <sip:%2B1202@far.example>;tag=far\r\nTo: <sip:5559876543@{OURS}>\r\n\
         Call-ID: by-hand@far.example\r\nCSeq: 100 INVITE\r\nContact: <sip:far@{FAR}>\r\n{extra}{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) fn failed(code: u16, reason: &str) -> SipEvent {
    SipEvent::Failed {
        code,
        reason: reason.to_owned(),
        q850: None,
        contacts: Vec::new(),
        retry_after: None,
    }
}
