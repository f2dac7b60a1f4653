//! AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN, under TLS only.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::reply::{Refusal, Reply};
use super::{Output, Session, State, Waiting};

/// Logins that may fail in one session.
const MAX_LOGINS: usize = 3;

/// Who wants to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login {{ user: {:?} }}", self.user)
    }
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum LoginStep {
    /// The message of PLAIN.
    Plain,
    /// The name, in LOGIN.
    User,
    /// The password, in LOGIN.
    Password { user: String },
}

impl<R> Session<R> {
    /// RFC 4954 4: passwords are not asked for in plaintext.
    pub(super) fn offers_auth(&self) -> bool {
        self.config.auth_available && self.tls
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        if let Some(reply) = self.no_login_now(mechanism) {
            return self.fail(reply);
        }
        let step = match mechanism {
            "PLAIN" => LoginStep::Plain,
            _ => LoginStep::User,
        };
        match initial {
            None => self.challenge(step),
            // RFC 4954 4: an empty initial response is a single "=".
            Some("=") => self.answered(step, Vec::new()),
            Some(initial) => self.decoded(step, initial.as_bytes()),
        }
    }

    fn no_login_now(&self, mechanism: &str) -> Option<Reply> {
        let no = |code, status, text: &str| Some(Reply::new(code, status, text));
        if !self.config.auth_available {
            return no(
                502,
                "5.5.1",
                "AUTH is not offered here: access is by network address",
            );
        }
        if !self.tls {
            return no(
                538,
                "5.7.11",
                "passwords are taken under TLS only: STARTTLS",
            );
        }
        if self.helo.is_none() {
            return no(503, "5.5.1", "say EHLO first");
        }
        if self.user.is_some() || self.transaction.is_some() {
            return no(503, "5.5.1", "log in once, and before MAIL");
        }
        match mechanism {
            "PLAIN" | "LOGIN" => None,
            _ => no(504, "5.5.4", "only AUTH PLAIN and AUTH LOGIN are offered"),
        }
    }

    fn challenge(&mut self, step: LoginStep) {
        let words = match &step {
            LoginStep::Plain => String::new(),
            LoginStep::User => STANDARD.encode("Username:"),
            LoginStep::Password { .. } => STANDARD.encode("Password:"),
        };
        self.state = State::Login(step);
        self.say(Reply::bare(334, vec![words]));
    }

    /// A line behind a challenge.
    pub(super) fn login_answer(&mut self, line: &[u8]) {
        let State::Login(step) = std::mem::replace(&mut self.state, State::Command) else {
            unreachable!("only called while an answer is awaited");
        };
        if line == b"*" {
            return self.fail(Reply::new(501, "5.7.0", "the login was given up"));
        }
        self.decoded(step, line);
    }

    fn decoded(&mut self, step: LoginStep, line: &[u8]) {
        match STANDARD.decode(line) {
            Ok(octets) => self.answered(step, octets),
            Err(_) => self.unreadable(),
        }
    }

    fn answered(&mut self, step: LoginStep, octets: Vec<u8>) {
        let Ok(text) = String::from_utf8(octets) else {
            return self.unreadable();
        };
        match step {
            LoginStep::Plain => match plain(&text) {
                Some(login) => self.ask(login),
                None => self.unreadable(),
            },
            LoginStep::User => self.challenge(LoginStep::Password { user: text }),
            LoginStep::Password { user } => self.ask(Login {
                user,
                password: text,
            }),
        }
    }

    fn ask(&mut self, login: Login) {
        let user = login.user.clone();
        self.output.push_back(Output::Login(login));
        self.state = State::Waiting(Waiting::Login { user });
    }

    fn unreadable(&mut self) {
        let text = "the answer to AUTH cannot be read (RFC 4616)";
        self.fail(Reply::new(501, "5.5.2", text));
    }

    pub(super) fn end_login(&mut self, user: String, verdict: Result<(), Refusal>) {
        match verdict {
            Ok(()) => {
                self.user = Some(user);
                self.say(Reply::new(235, "2.7.0", "welcome"));
            }
            Err(refusal) => {
                self.logins += 1;
                self.fail(refusal.into());
                if self.logins >= MAX_LOGINS && !matches!(self.state, State::Closed) {
                    self.close_with(Reply::new(421, "4.7.0", "too many logins that failed"));
                }
            }
        }
    }
}

/// RFC 4616 2: `[authzid] NUL authcid NUL passwd`; nobody here acts for another.
fn plain(message: &str) -> Option<Login> {
    let mut parts = message.split('\0');
    let (authorize, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && !user.is_empty();
    (is_whole && (authorize.is_empty() || authorize == user)).then(|| Login {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}
