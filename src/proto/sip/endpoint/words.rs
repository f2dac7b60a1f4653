//! Words of strangers, for logs, pages and mails; and ours, for headers.

use crate::proto::sip::{Message, Name};

/// Characters of a number or name at most.
pub(super) const LONGEST_NAME: usize = 64;

/// Without control characters, and no longer than `limit`.
pub(super) fn plain(words: &str, limit: usize) -> String {
    let visible = words.chars().filter(|c| !c.is_control());
    visible.take(limit).collect()
}

/// The values of the `Reason` headers (RFC 3326).
pub(super) fn reason_of(message: &Message) -> Option<String> {
    let reasons: Vec<&str> = message.headers.all(Name::Reason).collect();
    (!reasons.is_empty()).then(|| plain(&reasons.join(", "), 200))
}

/// The Q.850 cause among them.
pub(super) fn q850_of(message: &Message) -> Option<u16> {
    let mut reasons = message.headers.all(Name::Reason);
    reasons.find_map(|reason| {
        let mut parts = reason.split(';').map(str::trim);
        let protocol = parts.next()?;
        let cause = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then_some(value)
        });
        protocol
            .eq_ignore_ascii_case("Q.850")
            .then(|| cause?.trim().parse().ok())?
    })
}

/// Our `Reason` for a call that is over: Q.850 16, normal clearing, and why in words.
pub(super) fn normal_clearing(why: &str) -> String {
    let text: String = why
        .chars()
        .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\'))
        .collect();
    format!("Q.850;cause=16;text=\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q850_of_reason(value: &str) -> Option<u16> {
        let bye = format!(
            "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
             To: <sip:a@b>;tag=2\r\nCall-ID: 3\r\nCSeq: 4 BYE\r\nReason: {value}\r\n\r\n"
        );
        q850_of(&Message::parse(bye.as_bytes()).expect("it is a BYE"))
    }

    #[test]
    fn reads_the_cause_among_others() {
        let value = "SIP;cause=486;text=\"Busy\", q.850 ; cause = 17 ;text=\"User busy\"";
        assert_eq!(q850_of_reason(value), Some(17));
        assert_eq!(q850_of_reason("Q.850;text=\"x\""), None);
        assert_eq!(q850_of_reason("Q.850;cause=many"), None);
        assert_eq!(q850_of_reason("SIP;cause=200"), None);
        assert_eq!(q850_of_reason(""), None);
    }
}
