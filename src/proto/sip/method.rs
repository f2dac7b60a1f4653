//! Request methods.

use std::fmt;

use super::text::is_token;

/// A method; names are case-sensitive (RFC 3261 7.1), so `invite` is one that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 13.
    Invite,
    /// RFC 3261 13, 17.1.1.3.
    Ack,
    /// RFC 3261 15.
    Bye,
    /// RFC 3261 9.
    Cancel,
    /// RFC 3261 11.
    Options,
    /// RFC 3261 10.
    Register,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Notify,
    /// RFC 6665.
    Subscribe,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// Any other token.
    Other(Extension),
}

/// The name of a method that we do not know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extension(Box<str>);

const KNOWN: [(Method, &str); 14] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Bye, "BYE"),
    (Method::Cancel, "CANCEL"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Update, "UPDATE"),
    (Method::Prack, "PRACK"),
    (Method::Info, "INFO"),
    (Method::Refer, "REFER"),
    (Method::Notify, "NOTIFY"),
    (Method::Subscribe, "SUBSCRIBE"),
    (Method::Message, "MESSAGE"),
    (Method::Publish, "PUBLISH"),
];

impl Method {
    /// The method of this name; `None` where it is no token.
    pub fn parse(name: &str) -> Option<Method> {
        if let Some((method, _)) = KNOWN.iter().find(|(_, known)| *known == name) {
            return Some(method.clone());
        }
        is_token(name).then(|| Method::Other(Extension(name.into())))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        if let Method::Other(name) = self {
            return &name.0;
        }
        let known = KNOWN.iter().find(|(method, _)| method == self);
        known.map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_case_invite_is_no_invite() {
        let method = Method::parse("invite").expect("it is a token");
        assert_ne!(method, Method::Invite);
        assert_eq!(method.as_str(), "invite");
    }

    #[test]
    fn every_known_name_reads_back() {
        for (method, name) in &KNOWN {
            assert_eq!(Method::parse(name).as_ref(), Some(method));
            assert_eq!(method.to_string(), *name);
        }
    }

    #[test]
    fn a_line_end_is_in_no_method() {
        for name in [
            "",
            "IN VITE",
            "INVITE\r\n",
            "INVITE:",
            "<INVITE>",
            "INVIT\u{c9}",
        ] {
            assert_eq!(Method::parse(name), None, "{name:?}");
        }
    }
}
