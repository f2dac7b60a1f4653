//! Messages that come: which call or transaction they belong to, and what the others are answered.

use std::time::Instant;

use super::body::sdp_of;
use super::call::{Call, Stage};
use super::called::Called;
use super::clients::User;
use super::core::{ALLOW, SUPPORTED};
use super::reliable::REL;
use super::session::is_too_short;
use super::words::{LONGEST_NAME, plain};
use super::{CallId, Endpoint, IncomingInvite, Output};
use crate::proto::sip::check::{self, Abilities};
use crate::proto::sip::dialog::Dialog;
use crate::proto::sip::{Flow, Message, Method, Name, Start, Uri, first_look};

/// What we serve outside of calls.
const OUTSIDE: Abilities<'static> = Abilities {
    methods: &[
        Method::Invite,
        Method::Ack,
        Method::Cancel,
        Method::Bye,
        Method::Options,
        Method::Update,
    ],
    extensions: &[SUPPORTED, REL],
    bodies: &["application/sdp"],
};

/// What we serve within one: these do no harm, and some peers hang up where they are refused.
const INSIDE: Abilities<'static> = Abilities {
    methods: &[
        Method::Invite,
        Method::Ack,
        Method::Cancel,
        Method::Bye,
        Method::Options,
        Method::Update,
        Method::Info,
        Method::Notify,
        Method::Refer,
        Method::Prack,
    ],
    ..OUTSIDE
};

impl Endpoint {
    /// A message came. Of one that is not `trusted`, only what belongs to a call or transaction of ours is looked at;
    /// the rest meets silence, and is not even parsed.
    pub fn handle_message(&mut self, octets: &[u8], from: &Flow, trusted: bool, now: Instant) {
        if !trusted && !self.is_ours(octets) {
            return;
        }
        let message = match Message::parse(octets) {
            Ok(message) => message,
            Err(malformed) => {
                if let Some(reply) = malformed.reply.filter(|_| trusted) {
                    let request = reply.clone();
                    self.core.refuse(&request, from, reply);
                }
                return;
            }
        };
        match message.start {
            Start::Response { .. } => self.on_response(message, now),
            Start::Request { .. } => self.on_request(message, from, trusted, now),
        }
    }

    /// Whether there is a call or request by this Call-ID.
    fn is_ours(&self, octets: &[u8]) -> bool {
        first_look(octets).is_some_and(|look| self.call_ids.contains_key(look.call_id))
    }

    // ---- responses ----

    fn on_response(&mut self, response: Message, now: Instant) {
        if check::response(&response).is_err() {
            return;
        }
        match self.core.handle_response(&response, now) {
            Some((User::Call(id), key)) => {
                self.with(id, |call, core| {
                    call.handle_response(core, key, &response, now);
                });
            }
            Some((User::Request(id), key)) => {
                let done = self.requests.get_mut(&id).is_some_and(|request| {
                    request.handle_response(&mut self.core, key, response, now)
                });
                if done {
                    self.forget_request(id);
                }
            }
            Some((User::Nobody, _)) => {}
            None => self.on_stray(&response, now),
        }
    }

    /// RFC 3261 13.2.2.4: a 2xx may come when its transaction is gone.
    fn on_stray(&mut self, response: &Message, now: Instant) {
        let invited = response
            .cseq()
            .is_some_and(|cseq| cseq.method == Method::Invite);
        if !invited || !matches!(response.code(), Some(200..300)) {
            return;
        }
        let from = response.from();
        let tag = from.as_ref().and_then(|from| from.tag());
        if let Some(id) = tag.and_then(|tag| self.tags.get(tag).copied()) {
            self.with(id, |call, core| {
                if call.call_id == response.call_id() {
                    call.handle_stray(core, response, now);
                }
            });
        }
    }

    // ---- requests ----

    fn on_request(&mut self, mut request: Message, from: &Flow, trusted: bool, now: Instant) {
        request.stamp(from.remote);
        let call = self.call_of(&request);
        let to = request.to();
        let inside = to.as_ref().and_then(|to| to.tag()).is_some();
        if !trusted && call.is_none() && !self.is_cancel_of_ours(&request) {
            return;
        }
        if self.core.absorb(&request, now) {
            return self.on_repeated(&request);
        }
        let abilities = if inside { INSIDE } else { OUTSIDE };
        if let Err(malformed) = check::request(&request, &abilities) {
            if let Some(reply) = malformed.reply {
                self.core.refuse(&request, from, reply);
            }
            return;
        }
        let method = request.method().cloned().unwrap_or(Method::Options);
        match (method, call) {
            (Method::Cancel, _) => self.on_cancel(&request, from, now),
            (Method::Ack, Some(id)) => {
                self.with(id, |call, core| call.handle_ack(core, &request, now));
            }
            (Method::Ack, None) => {}
            (_, Some(id)) => {
                let key = self.core.open(request.clone(), from, id);
                self.with(id, |call, core| {
                    call.handle_request(core, key, &request, from, now);
                });
            }
            (Method::Invite, None) if !inside => self.on_invite(request, from),
            (Method::Options, None) => self.on_options(&request, from),
            // RFC 3261 12.2.2, 15.1.2.
            (_, None) => self.refuse(&request, from, 481),
        }
    }

    /// A request that came before. For an INVITE with a 2xx this is the user's (RFC 6026 7.1): the 2xx is lost or late,
    /// and leaves again without waiting for its timer.
    fn on_repeated(&mut self, request: &Message) {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if let Some(id) = self.core.accepted_by(request) {
            self.with(id, |call, core| call.repeat_answer(core, number));
        }
    }

    /// The call that a request belongs to, by its tags (RFC 3261 12.2.2).
    fn call_of(&self, request: &Message) -> Option<CallId> {
        let to = request.to()?;
        let id = *self.tags.get(to.tag()?)?;
        let from = request.from()?;
        let call = self.calls.get(&id)?;
        call.is_of(request.call_id(), from.tag()).then_some(id)
    }

    fn is_cancel_of_ours(&self, request: &Message) -> bool {
        request.method() == Some(&Method::Cancel) && self.core.cancelled_by(request).is_some()
    }

    fn refuse(&mut self, request: &Message, from: &Flow, code: u16) {
        let refusal = Message::refusal_to(request, code, "");
        self.core.refuse(request, from, refusal);
    }

    /// RFC 3261 9.2.
    fn on_cancel(&mut self, request: &Message, from: &Flow, now: Instant) {
        let Some((key, id, pending)) = self.core.cancelled_by(request) else {
            return self.refuse(request, from, 481);
        };
        self.refuse(request, from, 200);
        if pending {
            self.with(id, |call, core| {
                call.handle_cancel(core, key, request, now);
            });
        }
    }

    /// RFC 3261 11.2.
    fn on_options(&mut self, request: &Message, from: &Flow) {
        let mut answer = Message::refusal_to(request, 200, "");
        answer.headers.push(Name::Allow, ALLOW);
        answer.headers.push(Name::Accept, "application/sdp");
        answer.headers.push(Name::Supported, SUPPORTED);
        self.core.refuse(request, from, answer);
    }

    /// A new call.
    fn on_invite(&mut self, request: Message, from: &Flow) {
        if self.is_merged(&request) {
            return self.refuse(&request, from, 482);
        }
        if is_too_short(&request, self.core.config.min_session) {
            let mut answer = Message::refusal_to(&request, 422, "");
            let seconds = self.core.config.min_session.as_secs().to_string();
            answer.headers.push(Name::MinSe, seconds);
            return self.core.refuse(&request, from, answer);
        }
        if self.live_calls() >= self.core.config.max_calls {
            let mut answer = Message::refusal_to(&request, 503, "");
            answer.headers.push(Name::RetryAfter, "10");
            return self.core.refuse(&request, from, answer);
        }
        let tag = self.core.tag();
        let user = request.uri().and_then(|uri| Uri::parse(uri).ok());
        let user = user.and_then(|uri| uri.number()).unwrap_or_default();
        let contact = self.core.contact(from, &user);
        let Some(dialog) = Dialog::of_request(&request, &tag, contact, from) else {
            return self.refuse(&request, from, 400);
        };
        let id = self.next_call();
        let incoming = describe(&request, from);
        let key = self.core.open(request.clone(), from, id);
        let offer = incoming.offer.clone();
        let call_id = request.call_id().to_owned();
        let mut invite = request;
        invite.body.clear();
        let stage = Stage::Called(Box::new(Called {
            id,
            key,
            dialog,
            invite,
            offer,
        }));
        self.keep(Call {
            id,
            call_id,
            tag,
            stage,
        });
        let incoming = Output::Incoming(id, Box::new(incoming));
        self.core.out.push_back(incoming);
    }

    /// RFC 3261 8.2.2.2: the same request came another way before.
    fn is_merged(&self, request: &Message) -> bool {
        let from = request.from();
        let tag = from.as_ref().and_then(|from| from.tag());
        let mut calls = self.calls.values();
        self.call_ids.contains_key(request.call_id().as_bytes())
            && calls.any(|call| match &call.stage {
                Stage::Called(called) => {
                    called.dialog.is_of(request.call_id(), tag)
                        && called.invite.cseq() == request.cseq()
                }
                _ => false,
            })
    }
}

/// What an INVITE says of its call.
fn describe(request: &Message, from: &Flow) -> IncomingInvite {
    let uri = request.uri().unwrap_or_default().to_owned();
    let called = Uri::parse(&uri).ok().and_then(|uri| uri.number());
    let caller = request.from();
    let number = caller.as_ref().and_then(|caller| caller.uri.number());
    let display = caller.and_then(|caller| caller.display);
    let headers = request.headers.iter();
    IncomingInvite {
        called: plain(&called.unwrap_or_default(), LONGEST_NAME),
        caller: plain(&number.unwrap_or_default(), LONGEST_NAME),
        caller_display: display
            .map(|name| plain(name.trim(), LONGEST_NAME))
            .filter(|name| !name.is_empty()),
        call_id: request.call_id().to_owned(),
        source: from.clone(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        offer: sdp_of(request),
        uri,
    }
}
