//! A call that we place, until it is answered (RFC 3261 13.2).

use std::time::{Duration, Instant};

use super::acks::Acks;
use super::auth::Auth;
use super::body::sdp_of;
use super::call::Stage;
use super::clients::{ClientKey, Unanswered, User};
use super::core::{ALLOW, Core, SUPPORTED};
use super::ended::Ended;
use super::reliable::{REL, Reliable, Taken};
use super::servers::{Answer, ServerKey};
use super::session::Session;
use super::words::{plain, q850_of, reason_of};
use super::{CallId, Invite, NoResponse, SipCommand, SipEvent};
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::session_timer::{MIN_SE, SessionExpires};
use crate::proto::sip::transaction::PATIENCE;
use crate::proto::sip::{Message, Method, Name, NameAddr, SipUri, Uri};

/// A cancelled INVITE without a final response counts as ended after this for its user; we listen on for 64*T1
/// (RFC 3261 9.1).
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);
/// Early dialogs whose descriptions are remembered.
const MOST_FORKS: usize = 16;
/// Requests that came before the 200 they stand behind.
const MOST_HELD: usize = 4;
/// How often a 422 is answered with a longer interval.
const MOST_INTERVALS: u8 = 3;

#[derive(Debug)]
pub(super) struct Calling {
    id: CallId,
    invite: Invite,
    /// The INVITE as it was sent last, without its `Via`.
    request: Message,
    key: ClientKey,
    auth: Auth,
    /// The shortest interval that everybody on the way agrees to (RFC 4028 7.4).
    min_se: Duration,
    intervals: u8,
    /// Descriptions of 18x by the tag of their fork.
    early: Vec<(String, Vec<u8>)>,
    reliable: Reliable,
    heard: bool,
    cancel: Cancel,
    /// When we wait no longer: for a first sign, or for the end of a cancelled call.
    give_up_at: Option<Instant>,
    /// Requests that overtook the 200.
    held: Vec<ServerKey>,
}

/// RFC 3261 9.1: a CANCEL may not leave before a provisional response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    Wanted,
    Sent,
}

impl Calling {
    /// Sends the INVITE.
    pub fn new(
        core: &mut Core,
        id: CallId,
        invite: Invite,
        call_id: &str,
        tag: &str,
        now: Instant,
    ) -> Calling {
        let request = first_invite(core, &invite, call_id, tag);
        let key = core.send(request.clone(), &invite.flow, User::Call(id), PATIENCE, now);
        Calling {
            id,
            auth: Auth::new(invite.credentials.clone()),
            give_up_at: Some(now + invite.silence),
            invite,
            request,
            key,
            min_se: MIN_SE,
            intervals: 0,
            early: Vec::new(),
            reliable: Reliable::default(),
            heard: false,
            cancel: Cancel::No,
            held: Vec::new(),
        }
    }

    pub fn handle_response(
        &mut self,
        core: &mut Core,
        key: ClientKey,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        if key != self.key {
            let of = (key, response);
            self.reliable
                .handle_response(core, self.id, &mut self.auth, of, now);
            return None;
        }
        let code = response.code()?;
        match code {
            100..200 => {
                self.on_provisional(core, code, response, now);
                None
            }
            200..300 => self.on_answer(core, response, now),
            401 | 407 if self.cancel == Cancel::No => self.on_challenge(core, response, now),
            421 if self.cancel == Cancel::No => self.on_extension_required(core, response, now),
            422 if self.cancel == Cancel::No => self.on_interval_too_small(core, response, now),
            _ => Some(self.on_refusal(core, response, now)),
        }
    }

    fn on_provisional(&mut self, core: &mut Core, code: u16, response: &Message, now: Instant) {
        if !self.heard {
            self.heard = true;
            self.give_up_at = None;
        }
        if self.cancel == Cancel::Wanted {
            self.send_cancel(core, now);
        }
        if code == 100 {
            return;
        }
        let invite = (&self.request, &self.invite.flow);
        let taken = self
            .reliable
            .take(core, self.id, invite, &mut self.auth, response, now);
        if taken == Taken::Passed {
            return;
        }
        let sdp = sdp_of(response);
        let to = response.to();
        let tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default();
        if !sdp.is_empty() && self.early.len() < MOST_FORKS {
            self.early.retain(|(fork, _)| fork != tag);
            self.early.push((tag.to_owned(), sdp));
        }
        core.say(self.id, SipEvent::Progress(code));
    }

    fn on_answer(&mut self, core: &mut Core, response: &Message, now: Instant) -> Option<Stage> {
        // A 2xx without a tag makes no dialog (RFC 3261 12.1); it is no answer.
        let mut dialog = Dialog::of_response(&self.request, response, &self.invite.flow)?;
        dialog.local_seq = dialog.local_seq.max(self.reliable.last_number());
        let mut acks = Acks::default();
        let flow = dialog.next_hop();
        acks.send(core, response, dialog.ack(&self.request), &flow);
        let body = sdp_of(response);
        let answer = match body.is_empty() {
            true => self.early_answer(&dialog.remote_tag),
            false => body,
        };
        let mut session = Session::answered(
            self.id,
            dialog,
            &self.request,
            response,
            self.auth.clone(),
            acks,
        );
        session.agree(self.invite.offer.clone(), answer.clone());
        session.start_timer_as_uac(response, self.min_se, now);
        session.hold(std::mem::take(&mut self.held));
        if self.cancel != Cancel::No {
            // RFC 3261 9.1: the 200 crossed our CANCEL.
            core.say(self.id, terminated());
            return Some(session.hang_up(core, "cancelled", now));
        }
        core.say(self.id, SipEvent::Answered(answer));
        Some(Stage::Up(Box::new(session)))
    }

    /// What the 183 of this fork said, for a 200 without a description; else what any said.
    fn early_answer(&mut self, tag: &str) -> Vec<u8> {
        let own = self.early.iter().position(|(fork, _)| fork == tag);
        let at = own.or(self.early.len().checked_sub(1));
        at.map(|at| self.early.swap_remove(at).1)
            .unwrap_or_default()
    }

    fn on_challenge(&mut self, core: &mut Core, response: &Message, now: Instant) -> Option<Stage> {
        let mut request = self.request.clone();
        if !self.auth.answer(&mut request, response, &mut core.random) {
            return Some(self.on_refusal(core, response, now));
        }
        self.send_again(core, request, now);
        None
    }

    /// RFC 3261 21.4.15: the far end insists on PRACK. It is not offered to others, for a fax has no use for it: what
    /// counts of an 18x is said again in the 200, and a PRACK that gets lost costs the call.
    fn on_extension_required(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let offered = self.request.headers.lists(Name::Supported, REL);
        let mut required = response.headers.all(Name::Require).peekable();
        let all_known = required.peek().is_some() && required.all(tag_is_known);
        if offered || !all_known {
            return Some(self.on_refusal(core, response, now));
        }
        let mut request = self.request.clone();
        let supported = format!("{SUPPORTED}, {REL}");
        request.headers.set(Name::Supported, supported);
        self.send_again(core, request, now);
        None
    }

    /// RFC 4028 7.4.
    fn on_interval_too_small(
        &mut self,
        core: &mut Core,
        response: &Message,
        now: Instant,
    ) -> Option<Stage> {
        let min_se = response.seconds(Name::MinSe).map(u64::from);
        let min_se = min_se.map(Duration::from_secs);
        self.intervals += 1;
        let Some(min_se) = min_se.filter(|_| self.intervals <= MOST_INTERVALS) else {
            return Some(self.on_refusal(core, response, now));
        };
        self.min_se = self.min_se.max(min_se);
        let wanted = self.invite.session_expires.unwrap_or(self.min_se);
        let mut request = self.request.clone();
        ask_for_session(
            &mut request,
            Some(wanted.max(self.min_se)),
            self.min_se,
            None,
        );
        self.send_again(core, request, now);
        None
    }

    /// The same call, the next number (RFC 3261 8.1.3.5).
    fn send_again(&mut self, core: &mut Core, mut request: Message, now: Instant) {
        let number = request.cseq().map_or(1, |cseq| cseq.number) + 1;
        request.headers.set(Name::CSeq, format!("{number} INVITE"));
        self.request = request.clone();
        self.reliable = Reliable::default();
        self.key = core.send(
            request,
            &self.invite.flow,
            User::Call(self.id),
            PATIENCE,
            now,
        );
        self.heard = false;
        self.give_up_at = Some(now + self.invite.silence);
    }

    fn on_refusal(&mut self, core: &mut Core, response: &Message, now: Instant) -> Stage {
        core.say(self.id, refusal(response));
        self.end(core, now)
    }

    pub fn handle_unanswered(
        &mut self,
        core: &mut Core,
        what: &Unanswered,
        now: Instant,
    ) -> Option<Stage> {
        if what.key != self.key {
            return None;
        }
        let why = match &what.why {
            NoResponse::Silence => "no final response to INVITE within 32 s".to_owned(),
            NoResponse::Unreachable(why) => why.clone(),
        };
        core.say(self.id, SipEvent::TrunkDown(why));
        Some(self.end(core, now))
    }

    pub fn handle_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Message,
        now: Instant,
    ) -> Option<Stage> {
        match request.method() {
            // The 200 before it was lost or overtaken.
            Some(Method::Bye) => {
                core.respond(key, Answer::new(200, ""), now);
                core.say(self.id, SipEvent::Bye(reason_of(request)));
                Some(self.end(core, now))
            }
            Some(Method::Invite) if self.held.len() < MOST_HELD => {
                self.held.push(key);
                None
            }
            _ => {
                let later = Answer::new(500, "").with(Name::RetryAfter, "1");
                core.respond(key, later, now);
                None
            }
        }
    }

    pub fn handle_command(
        &mut self,
        core: &mut Core,
        command: SipCommand,
        now: Instant,
    ) -> Option<Stage> {
        let wanted = matches!(command, SipCommand::Cancel | SipCommand::Bye(_));
        if wanted && self.cancel == Cancel::No {
            self.cancel = Cancel::Wanted;
            if self.heard {
                self.send_cancel(core, now);
            }
        }
        None
    }

    fn send_cancel(&mut self, core: &mut Core, now: Instant) {
        self.cancel = Cancel::Sent;
        self.give_up_at = Some(now + CANCEL_PATIENCE);
        core.cancel(self.key, None, now);
    }

    pub fn handle_timeout(&mut self, core: &mut Core, now: Instant) -> Option<Stage> {
        self.give_up_at.take_if(|at| *at <= now)?;
        let event = if self.heard {
            terminated()
        } else {
            let seconds = self.invite.silence.as_secs_f32();
            SipEvent::TrunkDown(format!("no response to INVITE within {seconds} s"))
        };
        core.say(self.id, event);
        Some(self.end(core, now))
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.give_up_at
    }

    /// Over for its user; a 200 that comes late is answered with ACK and BYE.
    fn end(&mut self, core: &mut Core, now: Instant) -> Stage {
        core.give_up(self.key, now);
        for key in self.held.drain(..) {
            core.respond(key, Answer::new(481, ""), now);
        }
        let request = std::mem::replace(&mut self.request, Message::request(Method::Invite, ""));
        let flow = self.invite.flow.clone();
        let mut ended = Ended::new(self.id, self.auth.clone(), now);
        let numbers = self.reliable.last_number();
        ended.expect_late(request, self.key, flow);
        ended.number_from(numbers);
        Stage::Ended(Box::new(ended))
    }
}

/// RFC 3261 8.1.1, 13.2.1.
fn first_invite(core: &Core, invite: &Invite, call_id: &str, tag: &str) -> Message {
    let ours = core.reached_at(&invite.flow);
    let host = match (&invite.from.host[..], ours.is_ipv6()) {
        ("", false) => ours.ip().to_string(),
        ("", true) => format!("[{}]", ours.ip()),
        (host, _) => host.to_owned(),
    };
    let user = match invite.contact_user.is_empty() {
        true => &invite.from.user,
        false => &invite.contact_user,
    };
    let mut request = Message::request(Method::Invite, invite.uri.as_str());
    let headers = &mut request.headers;
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, from(invite, &host, tag));
    headers.push(Name::To, format!("<{}>", invite.to));
    headers.push(Name::CallId, call_id);
    headers.push(Name::CSeq, "1 INVITE");
    headers.push(Name::Contact, core.contact(&invite.flow, user));
    for (name, value) in &invite.headers {
        headers.push_other(name, value.as_str());
    }
    headers.push(Name::Allow, ALLOW);
    headers.push(Name::Accept, "application/sdp");
    headers.push(Name::Supported, SUPPORTED);
    core.introduce(&mut request);
    ask_for_session(&mut request, invite.session_expires, MIN_SE, None);
    request.with_body("application/sdp", invite.offer.clone())
}

fn from(invite: &Invite, host: &str, tag: &str) -> String {
    let display = invite.from.display.as_deref().map(|name| plain(name, 200));
    let display = display.filter(|name| !name.trim().is_empty());
    match SipUri::new(&invite.from.user, host) {
        Ok(uri) => NameAddr {
            display,
            ..NameAddr::new(Uri::Sip(uri))
        }
        .with_tag(tag)
        .to_string(),
        // A host that is none: RFC 3323 4.1.1.3 has a word for that.
        Err(_) => format!("<sip:anonymous@anonymous.invalid>;tag={tag}"),
    }
}

/// `Session-Expires` and `Min-SE` (RFC 4028 7.1, 7.4).
pub(super) fn ask_for_session(
    request: &mut Message,
    interval: Option<Duration>,
    min_se: Duration,
    uac_refreshes: Option<bool>,
) {
    request.headers.remove(Name::SessionExpires);
    request.headers.remove(Name::MinSe);
    if let Some(interval) = interval {
        let asked = SessionExpires {
            interval: interval.max(min_se),
            uac_refreshes,
        };
        request.headers.push(Name::SessionExpires, asked.text());
        if min_se > MIN_SE {
            let seconds = min_se.as_secs().to_string();
            request.headers.push(Name::MinSe, seconds);
        }
    }
}

fn tag_is_known(tag: &str) -> bool {
    [SUPPORTED, REL]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(tag))
}

fn refusal(response: &Message) -> SipEvent {
    let (code, reason) = match &response.start {
        crate::proto::sip::Start::Response { code, reason } => (*code, reason.as_str()),
        crate::proto::sip::Start::Request { .. } => (0, ""),
    };
    let contacts = match code {
        300..400 => contacts_of(response),
        _ => Vec::new(),
    };
    SipEvent::Failed {
        code,
        reason: plain(reason, 100),
        q850: q850_of(response),
        contacts,
        retry_after: response.seconds(Name::RetryAfter),
    }
}

/// RFC 3261 8.1.3.4: the contacts of a 3xx, best `q` first.
fn contacts_of(response: &Message) -> Vec<String> {
    let all = response.headers.all(Name::Contact);
    let mut contacts: Vec<(f32, String)> = all
        .filter_map(|value| NameAddr::parse(value).ok())
        .map(|contact| {
            let q = contact.params.get("q").and_then(|q| q.parse().ok());
            (q.unwrap_or(1.0), contact.uri.to_string())
        })
        .collect();
    contacts.sort_by(|a, b| b.0.total_cmp(&a.0));
    contacts.into_iter().map(|(_, uri)| uri).take(8).collect()
}

fn terminated() -> SipEvent {
    SipEvent::Failed {
        code: 487,
        reason: "Request Terminated".to_owned(),
        q850: None,
        contacts: Vec::new(),
        retry_after: None,
    }
}
