//! What a mail says for its cover page: who writes to whom.

use std::borrow::Cow;
use std::collections::HashMap;

use mail_parser::{Address, HeaderName, MessagePart};

use super::mime::Entity;
use super::one_line;

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

/// The names in `To` and `Cc` by address, in small letters: as [`People::addressee`], of all recipients at once.
pub fn addressees(raw: &[u8]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let Ok(entity) = Entity::read(raw) else {
        return names;
    };
    let header = &entity.header;
    let readers = addresses(header, HeaderName::To).chain(addresses(header, HeaderName::Cc));
    for (name, address) in readers {
        names.entry(address.to_ascii_lowercase()).or_insert(name);
    }
    names
}

/// From, To and Subject of a mail, whose text `raw` begins, for people who look for it; empty where it says none.
pub fn headline(raw: &[u8]) -> [String; 3] {
    let Ok(entity) = Entity::read(raw) else {
        return Default::default();
    };
    let header = &entity.header;
    let written = |name| {
        let addresses = addresses(header, name).map(|(_, address)| address);
        addresses.collect::<Vec<_>>().join(", ")
    };
    let subject = super::text(header, HeaderName::Subject).unwrap_or_default();
    [written(HeaderName::From), written(HeaderName::To), subject]
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
        let names = addressees(raw.as_bytes());
        assert_eq!(names["+12125550123@fax.local"], "Jane Roe, Lawyer");
        assert_eq!(
            (names["12125550199@fax.local"].as_str(), names.len()),
            ("", 3)
        );
    }

    #[test]
    fn mutated_headers_never_panic() {
        let good = b"From: A <a@b>\r\nTo: =?utf-8?q?=C3=BC?= <1@c>, d:e;\r\n\r\n";
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..5000 {
            let mut bad = good.to_vec();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bad.len());
                bad[at] = rng.u8(..);
            }
            let _ = people(&bad, "1@c");
        }
    }
}
