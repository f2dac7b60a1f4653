//! Why a server did not take a message over.

use std::fmt;
use std::time::Duration;

use super::server_reply::ServerReply;

/// Why a message, or the connection it should go over, failed. Read it behind the name of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A reply that is not the one that was hoped for.
    #[error("said at {stage}: {reply}")]
    Refused {
        /// Where.
        stage: Stage,
        /// What it said.
        reply: ServerReply,
    },
    /// No reply in time.
    #[error("did not answer ({stage}) within {} s", timeout.as_secs_f64())]
    Timeout {
        /// Where.
        stage: Stage,
        /// How long it had.
        timeout: Duration,
    },
    /// The connection broke.
    #[error("was lost at {stage}: {cause}")]
    Lost {
        /// Where.
        stage: Stage,
        /// What the system says.
        cause: String,
    },
    /// Bytes that are no reply, or a reply to nothing.
    #[error("does not keep to SMTP at {stage}: {reason}")]
    Protocol {
        /// Where.
        stage: Stage,
        /// In what way.
        reason: &'static str,
    },
    /// An extension that the configuration asks for.
    #[error("does not offer {0}")]
    NotOffered(&'static str),
    /// RFC 6531 3.1.8: a server that does not offer SMTPUTF8 is not given such a mail.
    #[error("does not offer SMTPUTF8, which an address beyond ASCII takes")]
    NoUtf8,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Greeting, EHLO, STARTTLS.
    Opening,
    /// AUTH.
    Auth,
    /// MAIL, and RSET before it.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The text and its final dot.
    Message,
    /// QUIT.
    Quit,
}

impl ClientError {
    /// Whether asking again will not help (RFC 5321 4.2.1). What is between server and admin says nothing of the mail
    /// (a 554 greeting, RFC 5321 3.1; a 535 for a wrong password): it is never permanent.
    pub fn is_permanent(&self) -> bool {
        match self {
            ClientError::NoUtf8 => true,
            ClientError::Refused { stage, reply } => is_final(*stage, reply.code),
            _ => false,
        }
    }

    /// Whether this says nothing of the message but that the server cannot be used at the moment.
    pub fn is_before_mail(&self) -> bool {
        match self {
            ClientError::NotOffered(_) => true,
            ClientError::Refused { stage, .. }
            | ClientError::Timeout { stage, .. }
            | ClientError::Lost { stage, .. }
            | ClientError::Protocol { stage, .. } => {
                matches!(stage, Stage::Opening | Stage::Auth)
            }
            ClientError::NoUtf8 => false,
        }
    }
}

fn is_final(stage: Stage, code: u16) -> bool {
    match (stage, code) {
        (Stage::Opening | Stage::Auth | Stage::Quit, _) => false,
        // RFC 4954 6, RFC 3207 4: it wants a login or TLS, which the admin can give it.
        (_, 530 | 534 | 535 | 538) => false,
        // RFC 5321 4.5.3.1.10: 552 at RCPT means too many recipients, and is 452 in truth.
        (Stage::Rcpt, 552) => false,
        _ => (500..600).contains(&code),
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Opening => "connecting",
            Stage::Auth => "AUTH",
            Stage::Mail => "MAIL FROM",
            Stage::Rcpt => "RCPT TO",
            Stage::Data => "DATA",
            Stage::Message => "the message",
            Stage::Quit => "QUIT",
        })
    }
}
