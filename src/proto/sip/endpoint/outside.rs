//! Requests outside of calls that we send: OPTIONS, REGISTER.

use std::time::Instant;

use super::auth::Auth;
use super::clients::{ClientKey, User};
use super::core::{ALLOW, Core, SUPPORTED};
use super::{NoResponse, OutOfDialog, Output, RequestId};
use crate::proto::sip::{Flow, Message, Method, Name};

/// One of them, until its final response.
#[derive(Debug)]
pub(super) struct Outside {
    id: RequestId,
    flow: Flow,
    request: Message,
    key: ClientKey,
    auth: Auth,
    patience: std::time::Duration,
    pub call_id: String,
}

impl Outside {
    pub fn new(core: &mut Core, id: RequestId, wanted: OutOfDialog, now: Instant) -> Outside {
        let call_id = match &wanted.call_id {
            Some(call_id) => call_id.clone(),
            None => core.call_id(),
        };
        let request = write(core, &wanted, &call_id);
        let patience = wanted.patience;
        let user = User::Request(id);
        let key = core.send(request.clone(), &wanted.flow, user, patience, now);
        Outside {
            id,
            flow: wanted.flow,
            request,
            key,
            auth: Auth::new(wanted.credentials),
            patience,
            call_id,
        }
    }

    /// `true`: that was the last of it.
    pub fn handle_response(
        &mut self,
        core: &mut Core,
        key: ClientKey,
        response: Message,
        now: Instant,
    ) -> bool {
        if key != self.key || response.code().is_none_or(|code| code < 200) {
            return false;
        }
        let mut request = self.request.clone();
        if !self.auth.answer(&mut request, &response, &mut core.random) {
            let answer = Ok(Box::new(response));
            core.out.push_back(Output::Response(self.id, answer));
            return true;
        }
        let cseq = request.cseq();
        let number = cseq.as_ref().map_or(1, |cseq| cseq.number) + 1;
        let method = cseq.map_or(Method::Options, |cseq| cseq.method);
        request
            .headers
            .set(Name::CSeq, format!("{number} {method}"));
        self.request = request.clone();
        let user = User::Request(self.id);
        self.key = core.send(request, &self.flow, user, self.patience, now);
        false
    }

    /// `true`: that was the last of it.
    pub fn handle_unanswered(&self, core: &mut Core, key: ClientKey, why: NoResponse) -> bool {
        let ours = key == self.key;
        if ours {
            core.out.push_back(Output::Response(self.id, Err(why)));
        }
        ours
    }
}

/// RFC 3261 8.1.1, 10.2.
fn write(core: &mut Core, wanted: &OutOfDialog, call_id: &str) -> Message {
    let method = Method::parse(&wanted.method).unwrap_or(Method::Options);
    let name = method.to_string();
    let tag = core.tag();
    let mut request = Message::request(method, wanted.uri.as_str());
    let headers = &mut request.headers;
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, format!("<{}>;tag={tag}", wanted.from));
    headers.push(Name::To, format!("<{}>", wanted.to));
    headers.push(Name::CallId, call_id);
    headers.push(Name::CSeq, format!("{} {name}", wanted.cseq));
    if let Some(contact) = &wanted.contact {
        headers.push(Name::Contact, contact.as_str());
    }
    for (name, value) in &wanted.headers {
        headers.push_other(name, value.as_str());
    }
    headers.push(Name::Allow, ALLOW);
    headers.push(Name::Accept, "application/sdp");
    headers.push(Name::Supported, SUPPORTED);
    core.introduce(&mut request);
    request
}
