//! What a user agent checks before it serves a request (RFC 3261 8.2), and the answer to one that fails.

use super::{Malformed, Message, Method, Name, Start, Uri, Why, part};

/// What we serve.
#[derive(Debug, Clone, Copy)]
pub struct Abilities<'a> {
    /// The methods, for `Allow`.
    pub methods: &'a [Method],
    /// The option tags, for `Supported`.
    pub extensions: &'a [&'a str],
    /// The types of bodies, for `Accept`.
    pub bodies: &'a [&'a str],
}

/// Checks a request that [`Message::parse`] let through, in the order of RFC 3261 8.2.
///
/// # Errors
/// Why not, and the response: 405, 501, 400, 416, 420, 415, 406. None for an ACK.
pub fn request(request: &Message, abilities: &Abilities) -> Result<(), Malformed> {
    let Start::Request { method, uri } = &request.start else {
        return Ok(());
    };
    served(request, method, abilities)?;
    own_words(request, method)?;
    // RFC 3261 8.2.2.3: neither asks for anything more.
    if matches!(method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    scheme(request, uri)?;
    required(request, abilities)?;
    // The bodies of all others are not looked at.
    if matches!(method, Method::Invite | Method::Update) {
        readable(request, abilities)?;
        acceptable(request, abilities)?;
    }
    Ok(())
}

/// Checks a response that [`Message::parse`] let through.
///
/// # Errors
/// RFC 3261 8.1.3.3: more than one `Via` means that it went astray.
pub fn response(response: &Message) -> Result<(), Why> {
    match response.headers.all(Name::Via).count() {
        1 => Ok(()),
        _ => Err(Why::Count(Name::Via, true)),
    }
}

/// RFC 3261 8.2.1: 405 for a method that we know; 501 for one that nobody does, whatever its CSeq (RFC 4475 3.1.2.18).
fn served(request: &Message, method: &Method, abilities: &Abilities) -> Result<(), Malformed> {
    if abilities.methods.contains(method) {
        return Ok(());
    }
    let code = if matches!(method, Method::Other(_)) {
        501
    } else {
        405
    };
    let methods: Vec<&str> = abilities.methods.iter().map(Method::as_str).collect();
    refuse(request, code, Some((Name::Allow, methods.join(", "))))
}

/// The message says the same in both places, and its branch says something.
fn own_words(request: &Message, method: &Method) -> Result<(), Malformed> {
    // RFC 3261 8.1.1.5.
    let same = request.cseq().is_some_and(|cseq| cseq.method == *method);
    // RFC 4475 3.2.1.
    let nameless = request.top_via().is_some_and(|via| via.has_empty_branch());
    if same && !nameless {
        Ok(())
    } else {
        refuse(request, 400, None)
    }
}

/// RFC 3261 8.2.2.1.
fn scheme(request: &Message, uri: &str) -> Result<(), Malformed> {
    match Uri::parse(uri) {
        Ok(Uri::Sip(_) | Uri::Tel(_)) => Ok(()),
        _ => refuse(request, 416, None),
    }
}

/// RFC 3261 8.2.2.3.
fn required(request: &Message, abilities: &Abilities) -> Result<(), Malformed> {
    let known = |tag: &&str| {
        abilities
            .extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(tag))
    };
    let unknown: Vec<&str> = request
        .headers
        .all(Name::Require)
        .filter(|tag| !known(tag))
        .collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => refuse(request, 420, Some((Name::Unsupported, unknown.join(", ")))),
    }
}

/// RFC 3261 8.2.3.
fn readable(request: &Message, abilities: &Abilities) -> Result<(), Malformed> {
    if request.body.is_empty() || is_optional(request) {
        return Ok(());
    }
    let mut encodings = request.headers.all(Name::ContentEncoding);
    if encodings.any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return refuse(
            request,
            415,
            Some((Name::AcceptEncoding, "identity".to_owned())),
        );
    }
    match abilities
        .bodies
        .iter()
        .any(|kind| part(request, kind).is_some())
    {
        true => Ok(()),
        false => refuse(
            request,
            415,
            Some((Name::Accept, abilities.bodies.join(", "))),
        ),
    }
}

fn is_optional(request: &Message) -> bool {
    let disposition = request
        .headers
        .get(Name::ContentDisposition)
        .unwrap_or_default();
    disposition
        .to_ascii_lowercase()
        .replace(' ', "")
        .contains("handling=optional")
}

/// RFC 4475 3.3.15: who cannot read our answer gets 406.
fn acceptable(request: &Message, abilities: &Abilities) -> Result<(), Malformed> {
    let mut accepted = request.headers.all(Name::Accept).peekable();
    if accepted.peek().is_none() {
        return Ok(());
    }
    let fits = |range: &str| {
        let range = range
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let whole = |kind: &&str| {
            range
                .strip_suffix("/*")
                .is_some_and(|main| kind.starts_with(&format!("{main}/")))
        };
        range == "*/*"
            || abilities
                .bodies
                .iter()
                .any(|kind| range == *kind || whole(kind))
    };
    if accepted.any(fits) {
        Ok(())
    } else {
        refuse(request, 406, None)
    }
}

fn refuse(request: &Message, code: u16, told: Option<(Name, String)>) -> Result<(), Malformed> {
    Err(Malformed::refused(request, code, told))
}
