//! What an INVITE to a trunk says: whom it calls and who we are (RFC 3261 8.1.1, 3323, 3325), as the trunk wants it.

use std::time::Duration;

use super::Seat;
use super::lookup::transport as transport_of;
use crate::config;
use crate::config::trunk::{CallerHeader, Server};
use crate::proto::sip::endpoint::{Credentials, Invite, Party};
use crate::proto::sip::flow::{Flow, Transport};
use crate::proto::sip::{escape_user, quote};

/// Who calls whom, in the trunk's formats.
#[derive(Debug, Clone, Default)]
pub struct Parties {
    /// The number to dial.
    pub called: String,
    /// Our number; empty where we have none.
    pub caller: String,
    /// Our name.
    pub name: Option<String>,
}

/// The INVITE, its offer still missing.
pub fn invite(seat: &Seat, parties: &Parties) -> Invite {
    let trunk = &seat.trunk.config;
    let uri = format!(
        "sip:{}@{}{}",
        escape_user(&parties.called),
        domain(trunk, &seat.server),
        transport(trunk)
    );
    let (from, headers) = identity(trunk, &seat.server, parties);
    Invite {
        flow: flow(seat),
        to: uri.clone(),
        uri,
        from,
        contact_user: match trunk.username.as_str() {
            "" => parties.caller.clone(),
            user => user.to_owned(),
        },
        headers,
        credentials: credentials(trunk),
        session_expires: Some(trunk.session_expires)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
        silence: Duration::from_secs(trunk.silence_seconds.into()),
        offer: Vec::new(),
    }
}

/// The way to a server.
pub fn flow(seat: &Seat) -> Flow {
    let transport = transport_of(&seat.trunk.config);
    Flow {
        transport,
        name: seat.name.clone().filter(|_| transport == Transport::Tls),
        ..Flow::udp(seat.address)
    }
}

/// For 401 and 407.
pub fn credentials(trunk: &config::Trunk) -> Option<Credentials> {
    (!trunk.username.is_empty()).then(|| Credentials {
        username: trunk.digest_user().to_owned(),
        password: trunk.password.clone(),
    })
}

/// The host part of the trunk's URIs: its domain, or the server as the file names it.
pub fn domain(trunk: &config::Trunk, server: &str) -> String {
    match trunk.domain.as_str() {
        "" => server
            .parse()
            .map_or_else(|_| server.to_owned(), |server: Server| server.to_string()),
        domain => domain.to_owned(),
    }
}

fn transport(trunk: &config::Trunk) -> &'static str {
    match trunk.transport {
        config::trunk::Transport::Udp => "",
        config::trunk::Transport::Tcp => ";transport=tcp",
        config::trunk::Transport::Tls => ";transport=tls",
    }
}

/// `From`, and the headers beside it that say who calls.
fn identity(
    trunk: &config::Trunk,
    server: &str,
    parties: &Parties,
) -> (Party, Vec<(String, String)>) {
    let known = !trunk.username.is_empty() || !trunk.domain.is_empty();
    let host = if known {
        domain(trunk, server)
    } else {
        String::new()
    };
    let asserted_host = domain(trunk, server);
    let name = parties.name.as_deref().map(display).unwrap_or_default();
    let asserted = format!(
        "{name}<sip:{}@{asserted_host}>",
        escape_user(&parties.caller)
    );
    let mut headers = Vec::new();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    let has_caller = !parties.caller.is_empty();
    match trunk.caller_header {
        CallerHeader::Rpid if has_caller => {
            let privacy = if trunk.withhold_caller { "full" } else { "off" };
            add(
                "Remote-Party-ID",
                format!("{asserted};party=calling;privacy={privacy};screen=no"),
            );
        }
        CallerHeader::Pai if has_caller => add("P-Asserted-Identity", asserted),
        // RFC 3325 9.1: the trunk still has to know whom it bills.
        CallerHeader::From if has_caller && trunk.withhold_caller => {
            add("P-Asserted-Identity", asserted);
        }
        _ => {}
    }
    if trunk.withhold_caller {
        // RFC 3323 4.1.1.3
        add("Privacy", "id".to_owned());
        let anonymous = Party {
            display: Some("Anonymous".to_owned()),
            user: "anonymous".to_owned(),
            host: "anonymous.invalid".to_owned(),
        };
        return (anonymous, headers);
    }
    let from_user = match trunk.caller_header {
        CallerHeader::Pai if !trunk.username.is_empty() => &trunk.username,
        _ => &parties.caller,
    };
    let from = Party {
        display: parties.name.clone(),
        user: from_user.clone(),
        host,
    };
    (from, headers)
}

/// A name in front of an address, and the space behind it.
fn display(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).collect();
    quote(&clean) + " "
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Trunk;
    use super::*;
    use crate::config::Config;

    fn invite_with(rules: &str) -> Invite {
        let text = format!("[[trunk]]\nserver = \"sip.example.com\"\n{rules}");
        let config = Config::parse(&text, "config.toml").unwrap();
        let seat = Seat {
            trunk: Arc::new(Trunk::new(config.trunks[0].clone(), 8)),
            server: config.trunks[0].server[0].clone(),
            address: "192.0.2.1:5060".parse().unwrap(),
            name: Some("sip.example.com".into()),
        };
        let parties = Parties {
            called: "+442079460018".into(),
            caller: "+12025550123".into(),
            name: Some("Dr. \"Who\"".into()),
        };
        invite(&seat, &parties)
    }

    fn header<'a>(invite: &'a Invite, name: &str) -> Option<&'a str> {
        let mut headers = invite.headers.iter();
        headers
            .find(|(it, _)| it == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_trunk_by_address_sees_our_number_at_our_address() {
        let invite = invite_with("");
        assert_eq!(invite.uri, "sip:+442079460018@sip.example.com");
        assert_eq!(invite.to, invite.uri);
        assert_eq!(
            (invite.from.user.as_str(), invite.from.host.as_str()),
            ("+12025550123", "")
        );
        assert_eq!(invite.headers, []);
        assert_eq!(invite.credentials, None);
        assert_eq!(invite.silence, Duration::from_secs(3));
    }

    #[test]
    fn an_account_stands_in_from_and_the_number_in_the_assertion() {
        let invite = invite_with(
            "username = \"acc7\"\npassword = \"x\"\ndomain = \"pbx.example.com\"\ncaller_header = \"pai\"\n",
        );
        assert_eq!(invite.uri, "sip:+442079460018@pbx.example.com");
        assert_eq!(
            (invite.from.user.as_str(), invite.from.host.as_str()),
            ("acc7", "pbx.example.com")
        );
        assert_eq!(
            header(&invite, "P-Asserted-Identity"),
            Some("\"Dr. \\\"Who\\\"\" <sip:+12025550123@pbx.example.com>")
        );
        assert_eq!(invite.contact_user, "acc7");
        assert_eq!(invite.credentials.unwrap().username, "acc7");
    }

    #[test]
    fn a_withheld_number_goes_to_the_trunk_and_no_farther() {
        let invite = invite_with("withhold_caller = true\n");
        assert_eq!(invite.from.user, "anonymous");
        assert_eq!(invite.from.host, "anonymous.invalid");
        assert_eq!(header(&invite, "Privacy"), Some("id"));
        assert!(
            header(&invite, "P-Asserted-Identity")
                .unwrap()
                .contains("+12025550123")
        );
        let old = invite_with("withhold_caller = true\ncaller_header = \"rpid\"\n");
        assert!(
            header(&old, "Remote-Party-ID")
                .unwrap()
                .contains("privacy=full")
        );
    }

    #[test]
    fn over_tls_the_certificate_must_bear_the_name_of_the_file() {
        let invite = invite_with("transport = \"tls\"\n");
        assert_eq!(invite.flow.name.as_deref(), Some("sip.example.com"));
        assert_eq!(
            invite.uri,
            "sip:+442079460018@sip.example.com;transport=tls"
        );
    }

    #[test]
    fn odd_digits_stay_one_uri() {
        assert_eq!(escape_user("1202*55#1"), "1202*55%231");
        assert_eq!(escape_user("a@b;c\r\n"), "a%40b%3Bc%0D%0A");
    }
}
