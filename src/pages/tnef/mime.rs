//! A message as a MIME entity: its text, then its attachments, as they are.

use super::{Attachment, Content, Message};

/// The entity, its header included.
pub(super) fn entity(message: &Message) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    if let Some(body) = &message.body {
        let kind = if body.html { "html" } else { "plain" };
        let charset = body.charset.map(|name| format!("; charset={name}"));
        let head = format!(
            "Content-Type: text/{kind}{}\r\nContent-Transfer-Encoding: binary\r\n\r\n",
            charset.unwrap_or_default()
        );
        parts.push([head.as_bytes(), &body.octets].concat());
    }
    parts.extend(message.attachments.iter().filter_map(part));
    if parts.is_empty() {
        return b"Content-Type: text/plain\r\n\r\n".to_vec();
    }
    let boundary = boundary(&parts);
    let mut out =
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(&part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

fn part(attachment: &Attachment) -> Option<Vec<u8>> {
    let name = attachment.name.as_ref().or(attachment.title.as_ref());
    let mut head = String::new();
    let (media_type, content) = match &attachment.content {
        Content::Missing => return None,
        Content::Message(message) => {
            let mut mail = String::new();
            for (field, value) in [("From", &message.sender), ("Subject", &message.subject)] {
                if let Some(value) = value {
                    mail += &format!("{field}: {}\r\n", encoded_word(value));
                }
            }
            let content = [mail.into_bytes(), entity(message)].concat();
            ("message/rfc822", content)
        }
        Content::File(octets) => {
            let declared = attachment
                .media_type
                .as_deref()
                .filter(|it| is_media_type(it));
            (
                declared.unwrap_or("application/octet-stream"),
                octets.clone(),
            )
        }
    };
    head += &format!("Content-Type: {media_type}\r\nContent-Transfer-Encoding: binary\r\n");
    let id = attachment
        .content_id
        .as_deref()
        .map(|id| id.trim_matches(['<', '>']));
    let id = id.filter(|id| !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_graphic()));
    let disposition = if id.is_some() { "inline" } else { "attachment" };
    head += &format!("Content-Disposition: {disposition}");
    if let Some(name) = name {
        head += &format!("; filename*=utf-8''{}", percent_encoded(name));
    }
    head += "\r\n";
    if let Some(id) = id {
        head += &format!("Content-ID: <{id}>\r\n");
    }
    head += "\r\n";
    Some([head.into_bytes(), content].concat())
}

/// One that no part has in it.
fn boundary(parts: &[Vec<u8>]) -> String {
    let is_in = |boundary: &str| {
        let mark = format!("--{boundary}");
        let mark = mark.as_bytes();
        parts
            .iter()
            .any(|part| part.windows(mark.len()).any(|window| window == mark))
    };
    let mut number = 0u64;
    loop {
        let boundary = format!("tnef-{number}");
        if !is_in(&boundary) {
            return boundary;
        }
        // Who has put the first into it has put others into it.
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
    }
}

fn is_media_type(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b".+-_".contains(&octet))
    };
    // One that has parts would have them in a way of its own.
    !text.starts_with("multipart")
        && text
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// RFC 2231 4.
fn percent_encoded(name: &str) -> String {
    let short: String = name.chars().take(200).collect();
    short
        .bytes()
        .map(|octet| match octet {
            octet if octet.is_ascii_alphanumeric() || b"._-".contains(&octet) => {
                char::from(octet).to_string()
            }
            octet => format!("%{octet:02X}"),
        })
        .collect()
}

/// RFC 2047, in Q.
fn encoded_word(text: &str) -> String {
    let words: Vec<char> = text.chars().take(250).collect();
    let words = words.chunks(10).map(|chunk| {
        let chunk: String = chunk.iter().collect();
        let octets: String = chunk.bytes().map(|octet| format!("={octet:02X}")).collect();
        format!("=?utf-8?Q?{octets}?=")
    });
    words.collect::<Vec<_>>().join(" ")
}
