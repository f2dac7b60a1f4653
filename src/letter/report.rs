//! What machines are told of a mail's fate: the fields of `message/delivery-status` (RFC 3464), and how much of the
//! mail goes back with them (RFC 3461 4.3).

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A report about a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Our host name.
    pub reporting_mta: String,
    /// ENVID of the mail, decoded (RFC 3464 2.2.1).
    pub envelope_id: Option<String>,
    /// When the mail arrived here.
    pub arrived: Timestamp,
    /// Each recipient that the report is about; at least one (RFC 3464 2.1).
    pub recipients: Vec<Recipient>,
    /// What goes back of the mail.
    pub returned: Option<Returned>,
    /// Zone of the dates.
    pub zone: TimeZone,
}

/// What became of one recipient (RFC 3464 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// ORCPT, decoded: `rfc822;anna@example.com`.
    pub original: Option<String>,
    /// The address to which the mail came.
    pub address: String,
    /// What was done.
    pub action: Action,
    /// Enhanced status code (RFC 3463).
    pub status: String,
    /// Why, behind `x-fax;`.
    pub diagnostic: Option<String>,
    /// When it was tried last.
    pub last_attempt: Option<Timestamp>,
    /// Until when it is tried.
    pub retry_until: Option<Timestamp>,
    /// Our name for it.
    pub log_id: String,
}

/// What was done (RFC 3464 2.3.3). `relayed` and `expanded` do not apply to a fax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Every page was confirmed.
    Delivered,
    /// Nothing will be tried any more.
    Failed,
    /// It still waits.
    Delayed,
}

/// What goes back of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// Its header (`text/rfc822-headers`, RFC 6522 4).
    Headers(Vec<u8>),
    /// All of it.
    Whole(Vec<u8>),
}

/// RFC 5322 2.1.1: characters of a line at most.
const LONGEST_LINE: usize = 998;

impl Returned {
    /// The header of a mail: ASCII, CRLF, lines of a legal length, whatever was in it.
    pub fn headers_of(mail: &[u8]) -> Returned {
        let mut out = Vec::new();
        for line in mail.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let clean = line.iter().take(LONGEST_LINE).map(|b| match b {
                b'\t' | b' '..=b'~' => *b,
                _ => b'?',
            });
            out.extend(clean);
            out.extend(b"\r\n");
        }
        Returned::Headers(out)
    }

    /// All of a mail, where it can travel as it is (RFC 2046 5.2.1: 7bit or 8bit); else its header.
    pub fn whole(mail: Vec<u8>) -> Returned {
        let travels = mail.split(|b| *b == b'\n').all(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.len() <= LONGEST_LINE && !line.iter().any(|b| matches!(b, 0 | b'\r'))
        });
        match travels {
            true => Returned::Whole(mail),
            false => Returned::headers_of(&mail),
        }
    }

    pub(super) fn is_seven_bit(&self) -> bool {
        match self {
            Returned::Headers(octets) | Returned::Whole(octets) => octets.is_ascii(),
        }
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Delivered => "delivered",
            Action::Failed => "failed",
            Action::Delayed => "delayed",
        }
    }
}

impl Report {
    /// The fields, ASCII, CRLF: those of the mail, a blank line, then each recipient's (RFC 3464 2.1).
    pub fn fields(&self) -> String {
        let mut out = String::new();
        if let Some(id) = &self.envelope_id {
            field(&mut out, "Original-Envelope-Id", &printable(id));
        }
        let mta = format!("dns; {}", printable(&self.reporting_mta));
        field(&mut out, "Reporting-MTA", &mta);
        field(&mut out, "Arrival-Date", &self.date(self.arrived));
        for recipient in &self.recipients {
            out.push_str("\r\n");
            self.recipient(&mut out, recipient);
        }
        out
    }

    fn recipient(&self, out: &mut String, it: &Recipient) {
        if let Some(original) = it.original.as_deref().and_then(|it| it.split_once(';')) {
            let original = typed(original.0, original.1.trim());
            field(out, "Original-Recipient", &original);
        }
        field(out, "Final-Recipient", &typed("rfc822", &it.address));
        field(out, "Action", it.action.name());
        field(out, "Status", &it.status);
        if let Some(why) = &it.diagnostic {
            field(
                out,
                "Diagnostic-Code",
                &format!("x-fax; {}", printable(why)),
            );
        }
        if let Some(at) = it.last_attempt {
            field(out, "Last-Attempt-Date", &self.date(at));
        }
        field(out, "Final-Log-ID", &printable(&it.log_id));
        if let Some(until) = it.retry_until {
            field(out, "Will-Retry-Until", &self.date(until));
        }
    }

    /// RFC 5322 3.3.
    fn date(&self, time: Timestamp) -> String {
        let time = time.to_zoned(self.zone.clone());
        time.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
    }
}

/// An address with its type. RFC 6533 3: one beyond ASCII is of the type utf-8, and what is special stands as `\x{FC}`.
fn typed(kind: &str, address: &str) -> String {
    if address.is_ascii() {
        return format!("{}; {}", printable(kind), printable(address));
    }
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\');
    let written = address.chars().take(100).map(|c| match plain(c) {
        true => c.to_string(),
        false => format!("\\x{{{:X}}}", u32::from(c)),
    });
    format!("utf-8; {}", written.collect::<String>())
}

/// One field, folded where it is long (RFC 5322 2.2.3).
fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        if column + 1 + word.len() > 76 && column > name.len() + 1 {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
}

/// Strangers' words as printable ASCII, as far as a line takes them.
fn printable(text: &str) -> String {
    let clean = |c: char| match c {
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().take(400).map(clean).collect()
}

#[cfg(test)]
mod tests;
