//! Hands one finished mail to its next hop: the office's relay, or a Maildir.
//!
//! Takes over nothing: until [`deliver`] says `Ok`, the mail belongs to the queue, and what it says is the next
//! hop's own word (the 250 after DATA; the file in `new/`, its folder synced). A delivery that was cut off may be
//! repeated: a Maildir notices the mail it already has; a relay may get it twice, under the same Message-ID.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;

use super::maildir;
use super::relay::{self, Relay};
use crate::letter::may_be_written;
use crate::worker::stall::timeout;

/// A mail as the queue keeps it: ready to go, not to be changed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Our own id of it, the same at every try; names the file in a Maildir, with `queued_at`.
    pub id: String,
    /// When it was queued, milliseconds since 1970; the same at every try.
    pub queued_at: i64,
    /// Return path; `None` is the null one, `<>`, of reports (RFC 3834 3.3).
    pub from: Option<String>,
    /// Recipients, at least one. One that is refused refuses the mail for all: keep one mail a recipient.
    pub to: Vec<String>,
    /// Headers and body (RFC 5322).
    pub bytes: Vec<u8>,
}

/// Where mails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By SMTP to this server.
    Relay(Relay),
    /// As a file into this Maildir, which is made if it is missing (its parent folder is not).
    Maildir(PathBuf),
}

/// The next hop has the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What it said: "250 2.0.0 Ok: queued as 4F1", "stored as /var/mail/fax/new/17-...".
    pub reply: String,
}

/// The next hop did not take the mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reply}")]
pub struct Failure {
    /// True: asking again will not help (5yz for this mail, RFC 5321 4.2.1). False: try later.
    pub permanent: bool,
    /// True: it failed before the mail was named, so that any other mail to this next hop fails, too.
    pub unreachable: bool,
    /// What it said, or what went wrong on the way there, with the name of the place.
    pub reply: String,
}

impl Failure {
    /// A failure that a later try may cure.
    pub(super) fn temporary(reply: impl Into<String>) -> Failure {
        Failure {
            permanent: false,
            unreachable: false,
            reply: reply.into(),
        }
    }

    /// A failure of the next hop itself, whatever the mail.
    pub(super) fn unreachable(reply: impl Into<String>) -> Failure {
        Failure {
            unreachable: true,
            ..Failure::temporary(reply)
        }
    }

    /// A failure that no later try will cure.
    pub(super) fn permanent(reply: impl Into<String>) -> Failure {
        Failure {
            permanent: true,
            unreachable: false,
            reply: reply.into(),
        }
    }
}

/// How long a disk may take to store one mail: a network share that hangs must not hold the queue.
const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// Hands `mail` to `target` and waits for its word.
///
/// # Errors
/// [`Failure`], with the words of the next hop. Trouble with a folder, a connection or a login is always
/// temporary: an admin can cure it, and the mail is still there when it is.
pub async fn deliver(mail: &OutgoingMail, target: &Target) -> Result<Delivered, Failure> {
    let envelope = envelope(mail)?;
    match target {
        Target::Relay(relay) => relay::send(&envelope, &mail.bytes, relay).await,
        Target::Maildir(folder) => {
            let (id, queued_at) = (mail.id.clone(), mail.queued_at);
            let (bytes, folder) = (mail.bytes.clone(), folder.clone());
            let place = folder.display().to_string();
            let store = tokio::task::spawn_blocking(move || {
                maildir::store(&folder, (&id, queued_at), &envelope, &bytes)
            });
            match timeout(DISK_PATIENCE, store).await {
                Ok(Ok(stored)) => stored,
                Ok(Err(died)) => Err(Failure::temporary(format!("{place}: {died}"))),
                Err(_) => Err(Failure::temporary(format!(
                    "{place}: the disk did not answer within {} s",
                    DISK_PATIENCE.as_secs()
                ))),
            }
        }
    }
}

fn envelope(mail: &OutgoingMail) -> Result<Envelope, Failure> {
    let from = mail.from.as_deref().map(address).transpose()?;
    let to = mail
        .to
        .iter()
        .map(|to| address(to))
        .collect::<Result<_, _>>()?;
    Envelope::new(from, to).map_err(|_| Failure::permanent("the mail has no recipient"))
}

/// An address that is safe to write into a command and a header line.
fn address(text: &str) -> Result<Address, Failure> {
    let refuse = || Failure::permanent(format!("{text:?} is not a mail address"));
    if !may_be_written(text) {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

/// `bytes` with every line end as `end`, bare CR and bare LF included: neither may end a line where ours do not
/// (VU#302671, SMTP smuggling).
pub(super) fn with_line_ends(bytes: &[u8], end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64);
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| b == b'\r' || b == b'\n') {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(end);
        let skip = if rest[at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[at + skip..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bare_line_end_survives() {
        assert_eq!(
            with_line_ends(b"a\r\nb\nc\rd", b"\r\n"),
            b"a\r\nb\r\nc\r\nd"
        );
        assert_eq!(with_line_ends(b"\r\r\n\n", b"\n"), b"\n\n\n");
        assert_eq!(with_line_ends(b"", b"\n"), b"");
    }

    #[test]
    fn an_address_with_a_line_end_or_an_angle_is_refused() {
        for bad in [
            "a@b.example\r\nRCPT TO:<c@d.example>",
            "a@b.example> SIZE=1",
            "a\n@b.example",
            "\"a\r\nb\"@b.example",
            "jürgen\u{85}@b.example",
            "jürgen\u{2028}@b.example",
            "a@b.example\0",
            "nobody",
            "",
        ] {
            let failure = address(bad).expect_err(bad);
            assert!(failure.permanent);
        }
        assert!(address("anna.lee+fax@law.example").is_ok());
        assert!(address("jürgen@exämple.example").is_ok(), "RFC 6531");
    }

    #[tokio::test]
    async fn a_mail_without_recipients_is_refused() {
        let mail = OutgoingMail {
            id: "1".into(),
            queued_at: 1_795_000_000_000,
            from: None,
            to: vec![],
            bytes: b"Subject: x\r\n\r\n".to_vec(),
        };
        let target = Target::Maildir(PathBuf::from("/nonexistent"));
        let failure = deliver(&mail, &target).await.unwrap_err();
        assert!(failure.permanent);
    }
}
