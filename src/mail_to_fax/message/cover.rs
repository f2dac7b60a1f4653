//! What a mail says of its cover page: the field `X-Fax-Cover`, and who writes to whom.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderName, MessagePart};

use super::mime::Entity;
use super::{BadMessage, one_line};

/// `X-Fax-Cover: yes; please call back`.
const FIELD: &str = "X-Fax-Cover";
/// Characters of the longest note.
const MOST: usize = 2000;

/// What the field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverWish {
    /// Whether there is to be one.
    pub wanted: bool,
    /// What stands on it beside; empty: nothing.
    pub notes: String,
}

/// Reads the field, if it is there.
///
/// # Errors
/// [`BadMessage::CoverWish`] where it says neither yes nor no.
pub(super) fn wish(header: &MessagePart<'_>) -> Result<Option<CoverWish>, BadMessage> {
    let fields = header.headers.iter().rev();
    let is_ours = |name: &HeaderName<'_>| name.as_str().eq_ignore_ascii_case(FIELD);
    let Some(field) = fields.into_iter().find(|field| is_ours(&field.name)) else {
        return Ok(None);
    };
    let said = decoded(field.value.as_text().unwrap_or_default());
    let (word, notes) = said.split_once(';').unwrap_or((&said, ""));
    let wanted = match word.trim().to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => true,
        "no" | "off" | "false" | "0" => false,
        other => return Err(BadMessage::CoverWish(one_line(other))),
    };
    let notes = notes.trim().chars().take(MOST).collect();
    Ok(Some(CoverWish { wanted, notes }))
}

/// RFC 2047: letters beyond ASCII.
fn decoded(raw: &str) -> String {
    let line = format!("{}\r\n", raw.trim());
    let value = MessageStream::new(line.as_bytes()).parse_unstructured();
    value.as_text().unwrap_or_default().to_owned()
}

/// Who writes to whom, for people to read; empty where nobody is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// The name of the author.
    pub author: String,
    /// The author's mail address.
    pub author_mail: String,
    /// The name that goes with the recipient's address in `To` or `Cc`.
    pub addressee: String,
}

/// Looks up who writes to `recipient` in the header of a mail, whose text `raw` begins.
pub fn people(raw: &[u8], recipient: &str) -> People {
    let Ok(entity) = Entity::read(raw) else {
        return People::default();
    };
    let header = &entity.header;
    let author = addresses(header, HeaderName::From)
        .next()
        .unwrap_or_default();
    let mut readers = addresses(header, HeaderName::To).chain(addresses(header, HeaderName::Cc));
    let reader = readers.find(|(_, address)| address.eq_ignore_ascii_case(recipient));
    let (author, author_mail) = author;
    People {
        author,
        author_mail,
        addressee: reader.map(|(name, _)| name).unwrap_or_default(),
    }
}

/// The names and the addresses of a field. A name without a letter is a number once more.
fn addresses<'h>(
    header: &'h MessagePart<'_>,
    name: HeaderName<'static>,
) -> impl Iterator<Item = (String, String)> + 'h {
    let fields = &header.headers;
    let field = fields.iter().rev().find(|field| field.name == name);
    let value = field.and_then(|field| field.value.as_address());
    let all = value.into_iter().flat_map(Address::iter);
    all.map(|one| {
        let text = |text: &Option<Cow<'_, str>>| one_line(text.as_deref().unwrap_or_default());
        let name = Some(text(&one.name)).filter(|name| name.chars().any(char::is_alphabetic));
        (name.unwrap_or_default(), text(&one.address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: &str) -> Result<Option<CoverWish>, BadMessage> {
        let raw = format!("Subject: x\r\n{field}\r\n\r\ntext\r\n");
        wish(&Entity::read(raw.as_bytes()).unwrap().header)
    }

    #[test]
    fn a_cover_page_is_asked_for_with_notes_or_without() {
        let wanted = |wanted, notes: &str| {
            let notes = notes.to_owned();
            Ok(Some(CoverWish { wanted, notes }))
        };
        assert_eq!(said("X-Fax-Cover: yes"), wanted(true, ""));
        assert_eq!(said("x-fax-cover: NO"), wanted(false, ""));
        assert_eq!(
            said("X-Fax-Cover: yes; Please call back; today"),
            wanted(true, "Please call back; today")
        );
        assert_eq!(
            said("X-Fax-Cover: yes;\r\n =?utf-8?q?R=C3=BCckruf_erbeten?="),
            wanted(true, "R\u{fc}ckruf erbeten")
        );
        assert_eq!(said("X-Other: yes"), Ok(None));
        assert_eq!(
            said("X-Fax-Cover: perhaps"),
            Err(BadMessage::CoverWish("perhaps".into()))
        );
        assert!(said("X-Fax-Cover:").is_err());
    }

    #[test]
    fn the_names_of_both_ends_come_from_the_header() {
        let raw = "From: =?utf-8?q?J=C3=BCrgen_Doe?= <jd@example.com>\r\n\
                   To: Nobody <1@fax.local>,\r\n \"Jane Roe, Lawyer\" <+12125550123@FAX.local>\r\n\
                   Cc: \"+1 212 555 0199\" <12125550199@fax.local>\r\n\r\ntext";
        let people = |recipient| people(raw.as_bytes(), recipient);
        assert_eq!(
            people("+12125550123@fax.local").addressee,
            "Jane Roe, Lawyer"
        );
        assert_eq!(people("12125550199@fax.local").addressee, "");
        assert_eq!(people("5@fax.local").addressee, "");
        let author = people("5@fax.local");
        assert_eq!(author.author, "J\u{fc}rgen Doe");
        assert_eq!(author.author_mail, "jd@example.com");
        assert_eq!(super::people(b"", "x"), People::default());
    }

    #[test]
    fn mutated_headers_never_panic() {
        let good = b"From: A <a@b>\r\nTo: =?utf-8?q?=C3=BC?= <1@c>, d:e;\r\nX-Fax-Cover: yes; =?utf-8?b?w7w=?=\r\n\r\n";
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..5000 {
            let mut bad = good.to_vec();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bad.len());
                bad[at] = rng.u8(..);
            }
            let _ = people(&bad, "1@c");
            let _ = wish(&Entity::read(&bad).unwrap().header);
        }
    }
}
