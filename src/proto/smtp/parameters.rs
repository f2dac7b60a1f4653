//! The parameters behind MAIL and RCPT, each as its standard writes it, and nothing that was not announced.

use jiff::Timestamp;

use super::dsn::{Notify, Ret};
use super::reply::Reply;

/// Octets of a decoded ENVID, and of an ORCPT, at most (RFC 3461 4.4, 4.2).
const MAX_ENVELOPE_ID: usize = 100;
const MAX_ORCPT: usize = 500;

/// What a client says of a mail beside its sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailOptions {
    /// Octets of the text, as the client counts them (RFC 1870); 0: it does not say.
    pub size: u64,
    /// Whether addresses and header may be UTF-8 (RFC 6531).
    pub utf8: bool,
    /// How much of the mail comes back with a failure (RFC 3461 4.3).
    pub ret: Option<Ret>,
    /// Its envelope identifier (RFC 3461 4.4), decoded.
    pub envelope_id: Option<String>,
    /// Not sent before that (RFC 4865).
    pub hold: Option<Hold>,
    /// Wanted by then (RFC 2852).
    pub by: Option<DeliverBy>,
    /// From -9 to 9, higher first (RFC 6710).
    pub priority: Option<i8>,
}

/// How long a mail is held (RFC 4865 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// So many seconds.
    For(u32),
    /// Until then.
    Until(Timestamp),
}

/// By when a mail is wanted (RFC 2852 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    /// Seconds from now; may be past where its sender only wants to be told.
    pub seconds: i32,
    /// Whether it comes back then (`R`), or its sender is told that it is late (`N`).
    pub or_return: bool,
}

/// What a client says of a recipient beside the address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RcptOptions {
    /// The address the mail was first sent to (RFC 3461 4.2), decoded: `rfc822;...`.
    pub orcpt: Option<String>,
    /// What its sender wants to be told (RFC 3461 4.1).
    pub notify: Option<Notify>,
}

/// Reads what stands behind the path of MAIL. `auth`: whether AUTH is offered.
///
/// # Errors
/// The reply to the first that cannot be honoured.
pub(super) fn mail(written: &str, auth: bool) -> Result<MailOptions, Reply> {
    let mut options = MailOptions::default();
    for (keyword, value) in pairs(written)? {
        match keyword.as_str() {
            "SIZE" => options.size = size(&keyword, value)?,
            "BODY" => body(value)?,
            "SMTPUTF8" => options.utf8 = nothing(&keyword, value)?,
            "RET" => options.ret = Some(ret(value)?),
            "ENVID" => options.envelope_id = Some(envelope_id(&keyword, value)?),
            "HOLDFOR" | "HOLDUNTIL" if options.hold.is_some() => {
                return Err(bad("HOLDFOR and HOLDUNTIL exclude each other"));
            }
            "HOLDFOR" => options.hold = Some(hold_for(&keyword, value)?),
            "HOLDUNTIL" => options.hold = Some(hold_until(&keyword, value)?),
            "BY" => options.by = Some(deliver_by(value)?),
            "MT-PRIORITY" => options.priority = Some(priority(&keyword, value)?),
            // RFC 4954 5: who submitted it elsewhere. Nobody here believes it.
            "AUTH" if auth => drop(xtext(&keyword, value)?),
            _ => return Err(not_offered("MAIL", &keyword)),
        }
    }
    Ok(options)
}

/// Reads what stands behind the path of RCPT.
///
/// # Errors
/// The reply to the first that cannot be honoured.
pub(super) fn rcpt(written: &str) -> Result<RcptOptions, Reply> {
    let mut options = RcptOptions::default();
    for (keyword, value) in pairs(written)? {
        match keyword.as_str() {
            "NOTIFY" => options.notify = Some(notify(value)?),
            "ORCPT" => options.orcpt = Some(orcpt(&keyword, value)?),
            _ => return Err(not_offered("RCPT", &keyword)),
        }
    }
    Ok(options)
}

/// RFC 5321 4.1.2: `keyword` or `keyword=value`, each once.
fn pairs(written: &str) -> Result<Vec<(String, Option<&str>)>, Reply> {
    let mut pairs: Vec<(String, Option<&str>)> = Vec::new();
    for word in written.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let keyword = keyword.to_ascii_uppercase();
        if pairs.iter().any(|(other, _)| *other == keyword) {
            return Err(bad(format!("{keyword} is given twice")));
        }
        pairs.push((keyword, value));
    }
    Ok(pairs)
}

// RFC 5321 4.1.1.11: a parameter of an extension that was not announced is refused, not ignored.
fn not_offered(command: &str, keyword: &str) -> Reply {
    let text = format!("{command} takes no parameter {keyword} here");
    Reply::new(555, "5.5.4", text)
}

fn bad(text: impl Into<String>) -> Reply {
    Reply::new(501, "5.5.4", text)
}

fn nothing(keyword: &str, value: Option<&str>) -> Result<bool, Reply> {
    match value {
        None => Ok(true),
        Some(_) => Err(bad(format!("{keyword} takes no value"))),
    }
}

fn some<'a>(keyword: &str, value: Option<&'a str>) -> Result<&'a str, Reply> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| bad(format!("{keyword} needs a value")))
}

fn digits(keyword: &str, value: Option<&str>, most: usize) -> Result<u64, Reply> {
    let value = some(keyword, value)?;
    let fits = value.len() <= most && value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|_| fits);
    number.ok_or_else(|| {
        bad(format!(
            "{keyword}={value} must be a number of at most {most} digits"
        ))
    })
}

/// RFC 1870 6.1: up to twenty digits; what is more than we can count is too large in any case.
fn size(keyword: &str, value: Option<&str>) -> Result<u64, Reply> {
    let written = some(keyword, value)?;
    if !written.bytes().all(|b| b.is_ascii_digit()) || written.len() > 20 {
        return Err(bad(format!("SIZE={written} must be a number of octets")));
    }
    Ok(written.parse().unwrap_or(u64::MAX))
}

/// RFC 6152; BINARYMIME (RFC 3030) is not announced: nobody needs it for a fax.
fn body(value: Option<&str>) -> Result<(), Reply> {
    match some("BODY", value)?.to_ascii_uppercase().as_str() {
        "7BIT" | "8BITMIME" => Ok(()),
        other => Err(Reply::new(
            555,
            "5.6.3",
            format!("BODY={other} is not offered here, only 7BIT and 8BITMIME"),
        )),
    }
}

fn ret(value: Option<&str>) -> Result<Ret, Reply> {
    match some("RET", value)?.to_ascii_uppercase().as_str() {
        "FULL" => Ok(Ret::Full),
        "HDRS" => Ok(Ret::Headers),
        other => Err(bad(format!("RET={other} must be FULL or HDRS"))),
    }
}

/// RFC 3461 4: every octet stands for itself, but for `+XX`.
fn xtext(keyword: &str, value: Option<&str>) -> Result<String, Reply> {
    let written = some(keyword, value)?;
    let unreadable = || bad(format!("{keyword}={written} is not xtext (RFC 3461 4)"));
    let mut octets = Vec::new();
    let mut rest = written.bytes();
    while let Some(octet) = rest.next() {
        let hex = |octet: Option<u8>| octet.and_then(|o| char::from(o).to_digit(16));
        octets.push(match octet {
            b'+' => match (hex(rest.next()), hex(rest.next())) {
                (Some(high), Some(low)) => (high << 4 | low) as u8,
                _ => return Err(unreadable()),
            },
            b'=' => return Err(unreadable()),
            other => other,
        });
    }
    String::from_utf8(octets).map_err(|_| unreadable())
}

/// RFC 3461 4.4: printable, so that it can stand in the report as it came.
fn envelope_id(keyword: &str, value: Option<&str>) -> Result<String, Reply> {
    let id = xtext(keyword, value)?;
    let fits = id.len() <= MAX_ENVELOPE_ID && id.bytes().all(|b| matches!(b, b' '..=b'~'));
    fits.then_some(id).ok_or_else(|| {
        bad(format!(
            "{keyword} must be at most {MAX_ENVELOPE_ID} printable characters"
        ))
    })
}

/// RFC 3461 4.2: `type;address`.
fn orcpt(keyword: &str, value: Option<&str>) -> Result<String, Reply> {
    let address = xtext(keyword, value)?;
    let has_type = address
        .split_once(';')
        .is_some_and(|(kind, address)| !kind.is_empty() && !address.is_empty());
    let fits =
        has_type && address.len() <= MAX_ORCPT && !address.chars().any(|c: char| c.is_control());
    fits.then_some(address).ok_or_else(|| {
        bad("ORCPT must be a type and an address, such as rfc822;12025550123@fax.example")
    })
}

fn notify(value: Option<&str>) -> Result<Notify, Reply> {
    let written = some("NOTIFY", value)?.to_ascii_uppercase();
    // RFC 3461 4.1: NEVER stands alone.
    if written == "NEVER" {
        return Ok(Notify::default());
    }
    let mut notify = Notify::default();
    for word in written.split(',') {
        match word {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => {
                return Err(bad(format!(
                    "NOTIFY={written} must be NEVER, or some of SUCCESS, FAILURE and DELAY"
                )));
            }
        }
    }
    Ok(notify)
}

fn hold_for(keyword: &str, value: Option<&str>) -> Result<Hold, Reply> {
    // RFC 4865 4: one to nine digits.
    let seconds = digits(keyword, value, 9)?;
    Ok(Hold::For(u32::try_from(seconds).unwrap_or(u32::MAX)))
}

fn hold_until(keyword: &str, value: Option<&str>) -> Result<Hold, Reply> {
    let written = some(keyword, value)?;
    // RFC 4865 4: a date-time of RFC 3339, with its zone.
    let until = written.parse::<Timestamp>();
    until.map(Hold::Until).map_err(|_| {
        bad(format!(
            "HOLDUNTIL={written} must be a time such as 2026-11-24T18:00:00Z"
        ))
    })
}

fn deliver_by(value: Option<&str>) -> Result<DeliverBy, Reply> {
    let written = some("BY", value)?;
    let unreadable = || {
        bad(format!(
            "BY={written} must be seconds and R or N, such as 7200;R"
        ))
    };
    let (seconds, mode) = written.split_once(';').ok_or_else(unreadable)?;
    let count = seconds.trim_start_matches(['+', '-']);
    let fits = (1..=9).contains(&count.len()) && seconds.len() <= count.len() + 1;
    let seconds: i32 = seconds
        .parse()
        .ok()
        .filter(|_| fits)
        .ok_or_else(unreadable)?;
    let or_return = match mode.to_ascii_uppercase().as_str() {
        "R" | "RT" => true,
        "N" | "NT" => false,
        _ => return Err(unreadable()),
    };
    // RFC 2852 4: what is to come back in time has to have some.
    if or_return && seconds <= 0 {
        return Err(bad(format!("BY={written} is over already")));
    }
    Ok(DeliverBy { seconds, or_return })
}

fn priority(keyword: &str, value: Option<&str>) -> Result<i8, Reply> {
    let written = some(keyword, value)?;
    let number = written.parse::<i8>().ok();
    number
        .filter(|number| (-9..=9).contains(number) && !written.starts_with('+'))
        .ok_or_else(|| {
            bad(format!(
                "MT-PRIORITY={written} must be a number from -9 to 9"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_read_as_its_standard_writes_it() {
        let written = "SIZE=12345 BODY=8BITMIME RET=hdrs ENVID=QQ+2B314+20159 HOLDFOR=3600 BY=7200;R MT-PRIORITY=-4 \
                       SMTPUTF8 AUTH=e+3Dmc2@example.com";
        assert_eq!(
            mail(written, true),
            Ok(MailOptions {
                size: 12345,
                utf8: true,
                ret: Some(Ret::Headers),
                envelope_id: Some("QQ+314 159".into()),
                hold: Some(Hold::For(3600)),
                by: Some(DeliverBy {
                    seconds: 7200,
                    or_return: true
                }),
                priority: Some(-4),
            })
        );
        let until = mail("HOLDUNTIL=2026-11-24T18:00:00+01:00", false).unwrap();
        let then = "2026-11-24T17:00:00Z".parse().unwrap();
        assert_eq!(until.hold, Some(Hold::Until(then)));
        let to = rcpt("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.example").unwrap();
        assert_eq!(to.orcpt.as_deref(), Some("rfc822;a+b@c.example"));
        assert_eq!(to.notify.map(Notify::bits), Some(5));
        assert_eq!(
            rcpt("notify=never").unwrap().notify,
            Some(Notify::default())
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_and_named() {
        for written in [
            "SIZE=",
            "SIZE=-1",
            "SIZE=many",
            "SIZE=1 SIZE=2",
            "BODY",
            "RET=SOME",
            "ENVID=a+2",
            "ENVID=a+0D+0Ab",
            "ENVID=a=b",
            "HOLDFOR=1 HOLDUNTIL=2026-11-24T18:00:00Z",
            "HOLDFOR=1234567890",
            "HOLDUNTIL=tomorrow",
            "HOLDUNTIL=2026-11-24T18:00:00",
            "BY=120",
            "BY=0;R",
            "BY=--1;N",
            "BY=1;X",
            "BY=1234567890;R",
            "MT-PRIORITY=10",
            "MT-PRIORITY=high",
            "SMTPUTF8=yes",
        ] {
            let reply = mail(written, true).expect_err(written);
            assert_eq!(reply.code(), 501, "{written}");
        }
        for written in [
            "NOTIFY=",
            "NOTIFY=NEVER,SUCCESS",
            "ORCPT=rfc822",
            "ORCPT=;a",
        ] {
            assert_eq!(rcpt(written).expect_err(written).code(), 501, "{written}");
        }
        for written in [
            "BODY=BINARYMIME",
            "AUTH=<>",
            "X-FOO=BAR",
            "MTRK=a:1",
            "REQUIRETLS",
        ] {
            assert_eq!(
                mail(written, false).expect_err(written).code(),
                555,
                "{written}"
            );
        }
        assert_eq!(rcpt("RRVS=2026-11-24T18:00:00Z").unwrap_err().code(), 555);
    }

    #[test]
    fn mutated_parameters_never_panic() {
        let mut rng = fastrand::Rng::with_seed(3461);
        let seeds = [
            "SIZE=1 RET=FULL ENVID=a+2Bb HOLDUNTIL=2026-11-24T18:00:00Z BY=-120;NT MT-PRIORITY=-9",
            "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;a+C3+A9@b.example",
        ];
        for _ in 0..20_000 {
            let mut line: Vec<char> = rng.choice(seeds).unwrap().chars().collect();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..line.len());
                match rng.u8(..3) {
                    0 => line[at] = rng.char(' '..'\u{ff}'),
                    1 if line.len() > 1 => drop(line.remove(at)),
                    _ => line.insert(at, rng.char(' '..'~')),
                }
            }
            let line: String = line.into_iter().collect();
            let _ = (mail(&line, true), rcpt(&line));
        }
    }
}
