//! Facts to an RFC 5322 mail. lettre encodes (RFC 2045, 2047, 2231) and folds; we decide what may stand in a header.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder};

pub use super::body::{Attachment, Picture};
use super::body::{Body, Tree};
use super::report::Report;
use super::wording::one_line;
use super::{Letter, LetterError, Letterhead, may_be_written};

/// A letter before it is one.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Recipients.
    pub to: &'a [String],
    /// In plain words; encoded here.
    pub subject: String,
    /// The text, lines end with LF.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// A picture that the HTML shows.
    pub picture: Option<Picture<'a>>,
    /// What machines are told (RFC 3464).
    pub report: Option<&'a Report>,
    /// The Date line; in UTC.
    pub date: Timestamp,
    /// The left side of the Message-ID; whatever does not belong there becomes a dot.
    pub message_id: String,
    /// The mail that this one answers, if it has a Message-ID.
    pub thread: Thread<'a>,
    /// Whether it answers a mail or reports something new.
    pub auto_submitted: AutoSubmitted,
    /// Whether it carries a fax: `Message-Context: fax-message` (RFC 3458 3).
    pub fax_message: bool,
    /// What hangs on it.
    pub attachment: Option<Attachment<'a>>,
    /// Whether somebody is told when it cannot be delivered. RFC 3834 3.3, RFC 3464 2: a response and a report have
    /// the null return path. A received fax is neither; if it bounces, somebody must know.
    pub bounces: bool,
}

/// What tells a mail program where the letter belongs (RFC 5322 3.6.4): header values as they came in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Thread<'a> {
    /// Message-ID of the mail that is answered.
    pub message_id: Option<&'a str>,
    /// Its References.
    pub references: Option<&'a str>,
}

/// RFC 3834 5: why nobody should answer this letter automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoSubmitted {
    /// It answers a mail.
    Replied,
    /// It does not.
    Generated,
}

impl Draft<'_> {
    /// The finished letter.
    ///
    /// # Errors
    /// [`LetterError`] for addresses and names that cannot stand in a header.
    pub fn write(self, head: &Letterhead) -> Result<Letter, LetterError> {
        let message_id = message_id(&self.message_id, &head.hostname)?;
        let from = mailbox(&head.from)?;
        let to = self
            .to
            .iter()
            .map(|to| address(to))
            .collect::<Result<Vec<_>, _>>()?;
        let envelope = Envelope::new(None, to.clone()).map_err(|_| LetterError::NoRecipient)?;

        let return_path = self.bounces.then(|| from.email.to_string());
        let body = Body {
            text: self.text,
            html: self.html,
            picture: self.picture,
            report: self.report,
            attachment: self.attachment,
        };
        let tree = body.tree(&message_id);

        let mut builder = Message::builder()
            .envelope(envelope)
            .date(no_earlier_than_unix(self.date))
            .from(from)
            .subject(one_line(&self.subject, 200))
            .message_id(Some(message_id.clone()))
            .header(self.auto_submitted);
        // A letter without one is better than none.
        if let Some(Ok(reply_to)) = head.reply_to.as_deref().map(address) {
            builder = builder.reply_to(Mailbox::new(None, reply_to));
        }
        for to in to {
            builder = builder.to(Mailbox::new(None, to));
        }
        builder = in_thread(builder, self.thread);
        if self.fax_message {
            builder = builder.header(MessageContext);
        }
        let message = match tree {
            Tree::Leaf(part) => builder.singlepart(part),
            Tree::Branch(parts) => builder.multipart(parts),
        };
        let message = message.expect("From, Date and envelope are set");
        Ok(Letter {
            message_id,
            from: return_path,
            to: self.to.to_vec(),
            bytes: message.formatted(),
        })
    }
}

/// `<left@hostname>` (RFC 5322 3.6.4).
fn message_id(left: &str, hostname: &str) -> Result<String, LetterError> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if hostname.is_empty() || !hostname.chars().all(in_name) {
        return Err(LetterError::Hostname(hostname.to_string()));
    }
    let left: String = left
        .chars()
        .map(|c| if in_name(c) { c } else { '.' })
        .collect();
    Ok(format!("<{left}@{hostname}>"))
}

/// In-Reply-To and References (RFC 5322 3.6.4): the old References, then the old Message-ID.
fn in_thread(builder: MessageBuilder, thread: Thread<'_>) -> MessageBuilder {
    let parent = thread.message_id.and_then(|id| message_ids(id).pop());
    let Some(parent) = parent else { return builder };
    let mut references = thread.references.map(message_ids).unwrap_or_default();
    references.retain(|id| *id != parent);
    // The first and the last ones matter to mail programs; a thread of years does not need to grow for ever.
    let surplus = references.len().saturating_sub(20);
    if surplus > 0 {
        references.drain(1..=surplus);
    }
    references.push(parent);
    builder
        .in_reply_to(parent.to_string())
        .references(references.join(" "))
}

/// The well-formed message ids in a header value that a stranger wrote: `<`, visible ASCII, `>`. Others are dropped.
fn message_ids(value: &str) -> Vec<&str> {
    let is_id = |word: &&str| {
        let inner = word.strip_prefix('<').and_then(|w| w.strip_suffix('>'));
        word.len() <= 250
            && inner.is_some_and(|inner| {
                inner.contains('@')
                    && inner
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
            })
    };
    value.split_ascii_whitespace().filter(is_id).collect()
}

/// An address that can stand in a command and in a header.
fn address(text: &str) -> Result<Address, LetterError> {
    let refuse = || LetterError::Recipient(text.to_string());
    if !may_be_written(text) {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

fn mailbox(text: &str) -> Result<Mailbox, LetterError> {
    let refuse = || LetterError::From(text.to_string());
    if text.chars().any(char::is_control) {
        return Err(refuse());
    }
    let mailbox: Mailbox = text.parse().map_err(|_| refuse())?;
    address(mailbox.email.as_ref()).map_err(|_| refuse())?;
    Ok(mailbox)
}

/// lettre's Date begins in 1970 and panics before; a clock that is off must not stop the post.
fn no_earlier_than_unix(date: Timestamp) -> SystemTime {
    SystemTime::from(date.max(Timestamp::UNIX_EPOCH))
}

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(value: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        match value {
            "auto-replied" => Ok(AutoSubmitted::Replied),
            "auto-generated" => Ok(AutoSubmitted::Generated),
            other => Err(other.into()),
        }
    }

    fn display(&self) -> HeaderValue {
        let value = match self {
            AutoSubmitted::Replied => "auto-replied",
            AutoSubmitted::Generated => "auto-generated",
        };
        HeaderValue::new(Self::name(), value.to_string())
    }
}

/// `Message-Context: fax-message` (RFC 3458 3): unified inboxes show the letter as a fax.
#[derive(Clone)]
struct MessageContext;

impl Header for MessageContext {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Message-Context")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(MessageContext)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "fax-message".to_string())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use mail_parser::MessageParser;

    use super::*;
    use crate::letter::templates::Templates;
    use crate::pages::cover::Language;

    fn head() -> Letterhead {
        Letterhead {
            from: "Postfax <postmaster@fax.law.example>".into(),
            reply_to: Some("postmaster@law.example".into()),
            hostname: "fax.law.example".into(),
            zone: TimeZone::UTC,
            templates: Templates::default(),
            language: Language::En,
        }
    }

    fn draft(to: &[String]) -> Draft<'_> {
        Draft {
            to,
            subject: "Fax delivered: x".into(),
            text: "Your fax was delivered.\n".into(),
            html: None,
            picture: None,
            report: None,
            date: Timestamp::UNIX_EPOCH,
            message_id: "receipt.17".into(),
            thread: Thread::default(),
            auto_submitted: AutoSubmitted::Replied,
            fax_message: false,
            attachment: None,
            bounces: false,
        }
    }

    fn anna() -> Vec<String> {
        vec!["anna.lee@law.example".to_string()]
    }

    /// The names of the header lines, which nothing a stranger writes may add to.
    fn header_names(letter: &Letter) -> Vec<String> {
        let text = String::from_utf8(letter.bytes.clone()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        let lines = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']));
        lines
            .map(|line| line.split(':').next().unwrap().to_string())
            .collect()
    }

    #[test]
    fn no_subject_and_no_thread_adds_a_header() {
        let to = anna();
        let plain = header_names(&draft(&to).write(&head()).unwrap());
        let hostile = [
            "x\r\nBcc: all@law.example",
            "x\nBcc: all@law.example",
            "x\r\n\r\n<html>",
            "x\rBcc: a@b.example",
            "x\0y\x0b\x0c\u{85}\u{2028}Bcc: a@b.example",
            &"long ".repeat(500),
            &"ü\r\n ".repeat(300),
        ];
        for subject in hostile {
            let mut letter = draft(&to);
            letter.subject = subject.to_string();
            letter.thread = Thread {
                message_id: Some(subject),
                references: Some(subject),
            };
            let letter = letter.write(&head()).unwrap();
            assert_eq!(header_names(&letter), plain, "{subject:?}");
            assert!(letter.bytes.is_ascii());
            let long = letter.bytes.split(|&b| b == b'\n').find(|l| l.len() > 999);
            assert!(long.is_none(), "RFC 5322 2.1.1: a line of 998 at most");
        }
    }

    #[test]
    fn mutated_strings_never_add_a_header() {
        let to = anna();
        let mut random = fastrand::Rng::with_seed(7);
        let plain = header_names(&draft(&to).write(&head()).unwrap());
        let alphabet: Vec<char> = "aé€😀 \t\r\n\0<>@:;,\"=?_\\\u{7f}\u{2029}"
            .chars()
            .collect();
        for _ in 0..3000 {
            let length = random.usize(..90);
            let word: String = (0..length)
                .map(|_| alphabet[random.usize(..alphabet.len())])
                .collect();
            let mut letter = draft(&to);
            letter.subject = word.clone();
            letter.message_id = word.clone();
            letter.thread.references = Some(&word);
            let letter = letter.write(&head()).unwrap();
            assert_eq!(header_names(&letter), plain, "{word:?}");

            let recipients = vec![word.clone()];
            if let Ok(letter) = draft(&recipients).write(&head()) {
                assert_eq!(header_names(&letter), plain, "{word:?}");
            }
        }
    }

    #[test]
    fn a_subject_in_any_script_comes_back_as_it_was() {
        let to = anna();
        for subject in [
            "Fax: Zürich, 3 Müller",
            "ファックス 送信済み",
            "Факс доставлен: договор аренды №7 от пятницы",
        ] {
            let mut letter = draft(&to);
            letter.subject = subject.to_string();
            let letter = letter.write(&head()).unwrap();
            let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
            assert_eq!(parsed.subject(), Some(subject));
        }
    }

    #[test]
    fn the_thread_is_kept_and_grows_by_one() {
        let to = anna();
        let mut letter = draft(&to);
        letter.thread = Thread {
            message_id: Some(" <c@law.example> "),
            references: Some("<a@law.example>\r\n <b@law.example> garbage <no-at> <c@law.example>"),
        };
        let letter = letter.write(&head()).unwrap();
        let text = String::from_utf8(letter.bytes).unwrap();
        assert!(
            text.contains("\r\nIn-Reply-To: <c@law.example>\r\n"),
            "{text}"
        );
        assert!(
            text.replace("\r\n ", " ")
                .contains("\r\nReferences: <a@law.example> <b@law.example> <c@law.example>\r\n"),
            "{text}"
        );
    }

    #[test]
    fn an_endless_thread_keeps_its_first_and_its_last() {
        let to = anna();
        let many: String = (0..500).map(|n| format!("<{n}@law.example> ")).collect();
        let mut letter = draft(&to);
        letter.thread = Thread {
            message_id: Some("<parent@law.example>"),
            references: Some(&many),
        };
        let letter = letter.write(&head()).unwrap();
        let text = String::from_utf8(letter.bytes).unwrap();
        let kept = text.matches("@law.example>").count();
        assert!(kept < 30, "{kept} ids");
        for wanted in ["<0@law", "<499@law", "<parent@law"] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn bad_addresses_and_names_are_refused() {
        for bad in [
            "",
            "anna",
            "anna@law.example\r\nBcc: b@c.example",
            "ännä\u{2028}@law.example",
            "a b@c.example",
        ] {
            let to = vec![bad.to_string()];
            let refused = draft(&to).write(&head()).unwrap_err();
            assert_eq!(refused, LetterError::Recipient(bad.into()));
        }
        assert_eq!(
            draft(&[]).write(&head()).unwrap_err(),
            LetterError::NoRecipient
        );
        let to = anna();
        for bad in [
            "Postfax",
            "Postfax\r\nX: y <a@b.example>",
            "Postfax <a@b.example>\n",
        ] {
            let head = Letterhead {
                from: bad.into(),
                ..head()
            };
            assert!(
                matches!(draft(&to).write(&head), Err(LetterError::From(_))),
                "{bad:?}"
            );
        }
        for bad in ["", "fax law", "fax>\r\nX: y"] {
            let head = Letterhead {
                hostname: bad.into(),
                ..head()
            };
            assert!(matches!(
                draft(&to).write(&head),
                Err(LetterError::Hostname(_))
            ));
        }
    }
}
