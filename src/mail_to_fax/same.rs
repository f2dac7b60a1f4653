//! Whether two mails are one that came twice, the second time by another way perhaps, which left its marks on it. Pure.

/// What servers add on the way (RFC 5321 4.4, 6376, 7208, 8601, and habit).
const TRACE: [&str; 8] = [
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "x-received",
    "dkim-signature",
    "received-spf",
    "authentication-results",
];
/// How the names begin of what else they add: RFC 8617, and filters.
const TRACE_FAMILIES: [&str; 3] = ["arc-", "x-spam-", "x-virus-"];

/// Whether both have the same body, octet for octet, and the same header but for what servers add to it.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (halves(one), halves(other));
    one.1 == other.1 && written(one.0) == written(other.0)
}

/// The header, and the empty line with what stands behind it.
fn halves(mail: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in mail.split_inclusive(|octet| *octet == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        end += line.len();
    }
    mail.split_at(end)
}

/// The fields that whoever wrote the mail gave it, each with its folded lines.
fn written(header: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut fields: Vec<Vec<&[u8]>> = Vec::new();
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        // RFC 5322 2.2.3: a line that begins with white space goes on with the one before.
        match fields.last_mut() {
            Some(field) if line.starts_with(b" ") || line.starts_with(b"\t") => field.push(line),
            _ => fields.push(vec![line]),
        }
    }
    fields.retain(|field| !is_trace(field[0]));
    fields
}

fn is_trace(line: &[u8]) -> bool {
    let name = line
        .split(|octet| *octet == b':')
        .next()
        .unwrap_or_default();
    let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
    let mut families = TRACE_FAMILIES.iter();
    TRACE.contains(&name.as_str()) || families.any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "From: a@b.example\r\nSubject: the\r\n lease\r\n\r\nIt is signed.\r\n";

    fn same(one: &str, other: &str) -> bool {
        is_same(one.as_bytes(), other.as_bytes())
    }

    #[test]
    fn another_way_makes_no_other_mail() {
        let way = "Return-Path: <a@b.example>\r\nReceived: from x by y\r\n\twith ESMTP; now\r\nDKIM-Signature: v=1;\r\n t=2\r\n";
        assert!(same(LEASE, &format!("{way}{LEASE}")));
        assert!(same(
            &format!("ARC-Seal: i=1\r\nX-Spam-Level: *\r\n{LEASE}"),
            LEASE
        ));
        assert!(same("", "") && same("no header", "no header"));
    }

    #[test]
    fn another_word_does() {
        for (here, there) in [
            ("signed", "Signed"),
            ("the\r\n lease", "the\r\n rent"),
            ("From: a@", "From: c@"),
            ("\r\n\r\nIt", "\r\nX-Fax-Cover: yes\r\n\r\nIt"),
        ] {
            assert!(!same(LEASE, &LEASE.replace(here, there)), "{there}");
        }
        // What stands behind the header is text, whatever it looks like.
        assert!(!same(LEASE, &format!("{LEASE}Received: x\r\n")));
    }
}
