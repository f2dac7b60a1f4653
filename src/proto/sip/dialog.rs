//! What both ends of a call know of each other (RFC 3261 12).

use std::net::{IpAddr, SocketAddr};

use super::flow::is_private;
use super::{Flow, Message, Method, Name, NameAddr, Transport, Uri};

/// One dialog.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
    /// `From` of our requests, with its tag.
    local: String,
    /// `To` of our requests, with its tag.
    remote: String,
    /// The number of our last request.
    pub local_seq: u32,
    /// The number of the far end's last request.
    remote_seq: Option<u32>,
    /// Where its requests go at last: the far end's `Contact`.
    target: String,
    /// Where they go through.
    routes: Vec<String>,
    /// Our `Contact`, whole.
    pub contact: String,
    /// The way of the message that made the dialog.
    flow: Flow,
}

/// A request whose number is not above the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfOrder;

impl Dialog {
    /// Of our INVITE and a response to it that has a tag (RFC 3261 12.1.2). `None`: it has none.
    pub fn of_response(invite: &Message, response: &Message, flow: &Flow) -> Option<Dialog> {
        let remote_tag = response.to()?.tag()?.to_owned();
        let mut routes: Vec<String> = values(response, Name::RecordRoute);
        routes.reverse();
        let target = target_of(response).or_else(|| invite.uri().map(str::to_owned))?;
        Some(Dialog {
            call_id: invite.call_id().to_owned(),
            local_tag: invite.from()?.tag()?.to_owned(),
            remote_tag,
            local: invite.headers.get(Name::From)?.to_owned(),
            remote: response.headers.get(Name::To)?.to_owned(),
            local_seq: invite.cseq()?.number,
            remote_seq: None,
            target,
            routes,
            contact: invite.headers.get(Name::Contact)?.to_owned(),
            flow: flow.clone(),
        })
    }

    /// Of an INVITE that came (RFC 3261 12.1.1).
    pub fn of_request(
        invite: &Message,
        local_tag: &str,
        contact: String,
        flow: &Flow,
    ) -> Option<Dialog> {
        let from = invite.from()?;
        let to = invite.to()?;
        Some(Dialog {
            call_id: invite.call_id().to_owned(),
            local_tag: local_tag.to_owned(),
            // RFC 3261 12.1.1: a client of RFC 2543 has no tag.
            remote_tag: from.tag().unwrap_or_default().to_owned(),
            local: to.with_tag(local_tag).to_string(),
            remote: invite.headers.get(Name::From)?.to_owned(),
            local_seq: 0,
            remote_seq: Some(invite.cseq()?.number),
            target: target_of(invite).unwrap_or_else(|| from.uri.to_string()),
            routes: values(invite, Name::RecordRoute),
            contact,
            flow: flow.clone(),
        })
    }

    /// A request within it, with the next number (RFC 3261 12.2.1.1).
    pub fn request(&mut self, method: Method) -> Message {
        self.local_seq += 1;
        self.numbered(method, self.local_seq)
    }

    /// The ACK to a 2xx bears the number of its INVITE (RFC 3261 13.2.2.4).
    pub fn ack(&self, invite: &Message) -> Message {
        let number = invite.cseq().map_or(self.local_seq, |cseq| cseq.number);
        let mut ack = self.numbered(Method::Ack, number);
        ack.headers.copy(Name::Authorization, &invite.headers);
        ack.headers.copy(Name::ProxyAuthorization, &invite.headers);
        ack
    }

    fn numbered(&self, method: Method, number: u32) -> Message {
        let name = method.to_string();
        let (uri, routes) = self.way();
        let mut request = Message::request(method, uri);
        for route in routes {
            request.headers.push(Name::Route, route);
        }
        request.headers.push(Name::MaxForwards, "70");
        request.headers.push(Name::From, self.local.as_str());
        request.headers.push(Name::To, self.remote.as_str());
        request.headers.push(Name::CallId, self.call_id.as_str());
        request.headers.push(Name::CSeq, format!("{number} {name}"));
        request
    }

    /// Request-URI and `Route` (RFC 3261 12.2.1.1): a first hop without `lr` is a strict router, which wants to find
    /// itself in the Request-URI, and the target behind all others.
    fn way(&self) -> (String, Vec<String>) {
        let first = self.routes.first().map(|route| NameAddr::parse(route));
        let Some(Ok(first)) = first else {
            return (self.target.clone(), self.routes.clone());
        };
        if is_loose(&first.uri) {
            return (self.target.clone(), self.routes.clone());
        }
        let mut routes = self.routes[1..].to_vec();
        routes.push(format!("<{}>", self.target));
        (first.uri.to_string(), routes)
    }

    /// Where a request goes: to the first route, else to the target. A name is not looked up: it stands for the flow
    /// that the dialog began on.
    pub fn next_hop(&self) -> Flow {
        let route = self.routes.first();
        let route = route.and_then(|route| NameAddr::parse(route).ok());
        let uri = match route {
            Some(route) => Some(route.uri),
            None => Uri::parse(&self.target).ok(),
        };
        let remote = uri.as_ref().and_then(|uri| self.remote_of(uri));
        Flow {
            remote: remote.unwrap_or(self.flow.remote),
            ..self.flow.clone()
        }
    }

    /// Connections are kept (RFC 5923); datagrams go where the URI says, unless nobody can be reached there.
    fn remote_of(&self, uri: &Uri) -> Option<SocketAddr> {
        let uri = uri.sip()?;
        if self.flow.transport != Transport::Udp {
            return None;
        }
        let ip: IpAddr = uri
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()?;
        // A far end behind NAT names the address that it has inside.
        let behind_nat = is_private(ip) && !is_private(self.flow.remote.ip());
        let useless = ip.is_unspecified() || ip.is_ipv4() != self.flow.remote.is_ipv4();
        let port = uri.port.unwrap_or(Transport::Udp.default_port());
        (!behind_nat && !useless && port != 0).then(|| SocketAddr::new(ip, port))
    }

    /// A request of the far end: its number must be above the last one (RFC 3261 12.2.2).
    pub fn take_number(&mut self, request: &Message) -> Result<(), OutOfOrder> {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if self.remote_seq.is_some_and(|last| number <= last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(number);
        Ok(())
    }

    /// A re-INVITE or UPDATE, or the 2xx to one of ours, may name another target (RFC 3261 12.2).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = target_of(message) {
            self.target = target;
        }
    }

    /// A request of the far end came this way: a connection that it opened anew is the one that lives.
    pub fn refresh_way(&mut self, from: &Flow) {
        if from.transport == self.flow.transport && from.transport.is_reliable() {
            self.flow.remote = from.remote;
        }
    }

    /// Whether a message of the far end belongs here, by `its` tag: the one in its `From`.
    pub fn is_of(&self, call_id: &str, its: Option<&str>) -> bool {
        self.call_id == call_id && self.remote_tag == its.unwrap_or_default()
    }
}

fn is_loose(uri: &Uri) -> bool {
    uri.sip().is_some_and(|uri| uri.params.has("lr"))
}

fn values(message: &Message, name: Name) -> Vec<String> {
    message.headers.all(name).map(str::to_owned).collect()
}

fn target_of(message: &Message) -> Option<String> {
    let contact = message.contact()?;
    contact.uri.sip()?;
    Some(contact.uri.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = "198.51.100.1:5060";

    fn dialog(record_route: &str, contact: &str) -> Dialog {
        let text = format!(
            "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:2@b>;tag=far\r\nt: <sip:1@a>\r\n\
             i: x\r\nCSeq: 7 INVITE\r\nm: {contact}\r\n{record_route}\r\n"
        );
        let invite = Message::parse(text.as_bytes()).expect("it is fine");
        let flow = Flow::udp(FLOW.parse().expect("an address"));
        Dialog::of_request(&invite, "ours", "<sip:1@a>".into(), &flow).expect("it has all")
    }

    fn first_lines(record_route: &str, contact: &str) -> (String, Vec<String>, String) {
        let mut dialog = dialog(record_route, contact);
        let bye = dialog.request(Method::Bye);
        (
            bye.uri().unwrap_or_default().to_owned(),
            values(&bye, Name::Route),
            dialog.next_hop().remote.to_string(),
        )
    }

    #[test]
    fn without_routes_it_goes_to_the_contact() {
        let (uri, routes, hop) = first_lines("", "<sip:far@198.51.100.9:5070>");
        assert_eq!(
            (&uri[..], &hop[..]),
            ("sip:far@198.51.100.9:5070", "198.51.100.9:5070")
        );
        assert!(routes.is_empty());
    }

    #[test]
    fn loose_routers_are_passed_in_order() {
        let record = "Record-Route: <sip:198.51.100.2;lr>, <sip:p2.example;lr>\r\n";
        let (uri, routes, hop) = first_lines(record, "<sip:far@c>");
        assert_eq!((&uri[..], &hop[..]), ("sip:far@c", "198.51.100.2:5060"));
        assert_eq!(routes, ["<sip:198.51.100.2;lr>", "<sip:p2.example;lr>"]);
    }

    #[test]
    fn a_strict_router_finds_itself_in_the_request_uri() {
        let record = "Record-Route: <sip:198.51.100.2>, <sip:p2.example;lr>\r\n";
        let (uri, routes, hop) = first_lines(record, "<sip:far@c>");
        assert_eq!(
            (&uri[..], &hop[..]),
            ("sip:198.51.100.2", "198.51.100.2:5060")
        );
        assert_eq!(routes, ["<sip:p2.example;lr>", "<sip:far@c>"]);
    }

    #[test]
    fn a_contact_behind_nat_or_by_name_is_reached_the_way_it_came() {
        for contact in [
            "<sip:far@10.0.0.7>",
            "<sip:far@pbx.example>",
            "<sip:far@0.0.0.0>",
            "<sip:far@[2001:db8::1]>",
        ] {
            let (_, _, hop) = first_lines("", contact);
            assert_eq!(hop, FLOW, "{contact}");
        }
    }

    #[test]
    fn numbers_only_grow() {
        let mut dialog = dialog("", "<sip:far@c>");
        let numbered = |number: u32| {
            let text = format!(
                "BYE sip:1@a SIP/2.0\r\nv: SIP/2.0/UDP a\r\nf: <sip:2@b>\r\nt: <sip:1@a>\r\ni: x\r\n\
                 CSeq: {number} BYE\r\n\r\n"
            );
            Message::parse(text.as_bytes()).expect("it is fine")
        };
        assert_eq!(dialog.take_number(&numbered(7)), Err(OutOfOrder));
        assert_eq!(dialog.take_number(&numbered(4000)), Ok(()));
        assert_eq!(dialog.take_number(&numbered(3999)), Err(OutOfOrder));
    }
}
