//! Greeting, EHLO, STARTTLS and AUTH.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::session::{Login, Protocol};
use super::{Client, ClientError, ClientOutput, ServerReply, StartTls, State};

/// What the server offers (RFC 5321 4.1.1.1), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offers {
    pub(super) starttls: bool,
    pub(super) size: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    plain: bool,
    login: bool,
}

/// What is to be said next in AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginReply {
    /// Nothing: the initial response of PLAIN is all (RFC 4616 2).
    Nothing,
    /// The name, in LOGIN.
    User,
    /// The password, in LOGIN.
    Password,
}

impl Offers {
    /// From the lines behind the first of a reply to EHLO.
    fn read(reply: &ServerReply) -> Offers {
        let mut offers = Offers::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // "AUTH=PLAIN" is how it was written before RFC 2554.
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default() {
                "STARTTLS" => offers.starttls = true,
                "SIZE" => offers.size = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "AUTH" => {
                    for mechanism in words {
                        offers.plain |= mechanism == "PLAIN";
                        offers.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

impl Client {
    /// The handshake is done: everything learned before it is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self, now: Instant) {
        debug_assert_eq!(self.state, State::Handshake);
        self.tls = true;
        self.offers = Offers::default();
        self.hello(now);
    }

    pub(super) fn on_greeting(&mut self, reply: ServerReply, now: Instant) {
        match reply.code {
            220 => self.hello(now),
            _ => self.refused(reply),
        }
    }

    fn hello(&mut self, now: Instant) {
        let command = match self.config.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let command = format!("{command} {}", self.config.hello);
        self.ask(&command, State::Ehlo, now);
    }

    pub(super) fn on_hello(&mut self, reply: ServerReply, now: Instant) {
        if reply.is_positive() {
            if self.state == State::Ehlo {
                self.offers = Offers::read(&reply);
            }
            return self.secure(now);
        }
        // RFC 5321 3.2: a server of RFC 821 says 5yz to EHLO. LMTP has no HELO (RFC 2033 4.1).
        let is_old = (500..600).contains(&reply.code) && self.config.protocol == Protocol::Smtp;
        if is_old && self.state == State::Ehlo && !self.tls {
            let command = format!("HELO {}", self.config.hello);
            return self.ask(&command, State::Helo, now);
        }
        self.refused(reply);
    }

    /// Under TLS as configured; then a login.
    fn secure(&mut self, now: Instant) {
        match self.config.starttls {
            _ if self.tls => self.log_in(now),
            StartTls::Required if !self.offers.starttls => {
                self.not_opened(ClientError::NotOffered("STARTTLS"));
            }
            StartTls::Required | StartTls::IfOffered if self.offers.starttls => {
                self.ask("STARTTLS", State::StartTls, now);
            }
            _ => self.log_in(now),
        }
    }

    /// Whatever is here behind the `220` came in plain text, from whoever sits between us and the server. It is not
    /// dropped but ends the connection: an honest server says nothing before the handshake.
    pub(super) fn on_starttls(&mut self, reply: ServerReply) {
        if reply.code != 220 {
            return self.refused(reply);
        }
        if !self.reader.is_empty() {
            return self.broken("there are bytes behind its 220 to STARTTLS");
        }
        self.state = State::Handshake;
        self.output.push_back(ClientOutput::StartTls);
    }

    fn log_in(&mut self, now: Instant) {
        let Some(Login { user, password }) = &self.config.login else {
            return self.ready();
        };
        if self.offers.plain {
            let message = STANDARD.encode(format!("\0{user}\0{password}"));
            let command = format!("AUTH PLAIN {message}");
            self.ask(&command, State::Auth(LoginReply::Nothing), now);
        } else if self.offers.login {
            self.ask("AUTH LOGIN", State::Auth(LoginReply::User), now);
        } else {
            self.not_opened(ClientError::NotOffered("AUTH PLAIN or LOGIN"));
        }
    }

    pub(super) fn on_auth(&mut self, step: LoginReply, reply: ServerReply, now: Instant) {
        let login = self.config.login.clone();
        let login = login.expect("only who has a login logs in");
        match (step, reply.code) {
            // Behind all that was asked for, or earlier: in LOGIN some take the name for enough.
            (_, 235) => self.ready(),
            (LoginReply::User, 334) => {
                let next = State::Auth(LoginReply::Password);
                self.ask(&STANDARD.encode(login.user), next, now);
            }
            (LoginReply::Password, 334) => {
                let next = State::Auth(LoginReply::Nothing);
                self.ask(&STANDARD.encode(login.password), next, now);
            }
            _ => self.refused(reply),
        }
    }
}
