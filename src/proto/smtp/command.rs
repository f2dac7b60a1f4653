//! One clean command line to a command, or to the reply that says what is wrong with it.

use smtp_proto::{Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MailFrom, RcptTo, Request};

use super::reply::Reply;

/// What a client may ask of us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo { host: String },
    Helo { host: String },
    Mail { sender: String, size: u64 },
    Rcpt { recipient: String },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
}

/// What is said about a line that is no command of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadCommand {
    pub(super) reply: Reply,
    /// What follows the line cannot be trusted to be commands: say the reply and hang up.
    pub(super) fatal: bool,
}

/// Reads one line, which comes without its CRLF.
///
/// # Errors
/// The reply to say, for everything that is not a command we know in a form we know.
pub(super) fn parse(line: &[u8]) -> Result<Command, BadCommand> {
    let text = ascii(line)?;
    if speaks_http(text) {
        return Err(fatal(
            500,
            "5.5.2",
            "this is a mail server, not a web server",
        ));
    }
    let wire = [line, b"\r\n"].concat();
    let request = Request::parse(&mut wire.iter()).map_err(syntax_error)?;
    if takes_no_argument(&request) && text.trim().len() > request.name().len() {
        let name = request.name();
        return Err(bad(501, "5.5.4", format!("{name} takes no parameters")));
    }
    Ok(match request {
        Request::Ehlo { host } => Command::Ehlo { host: host.into() },
        Request::Helo { host } => Command::Helo { host: host.into() },
        Request::Mail { from } => mail(from.into_owned())?,
        Request::Rcpt { to } => rcpt(to.into_owned())?,
        Request::Data => Command::Data,
        Request::Rset => Command::Rset,
        Request::Noop { .. } => Command::Noop,
        Request::Quit => Command::Quit,
        Request::Vrfy { .. } => Command::Vrfy,
        Request::Help { .. } => Command::Help,
        Request::StartTls => Command::StartTls,
        other => return Err(not_offered(&other)),
    })
}

/// Neither SMTPUTF8 nor control characters: RFC 5321 2.3.1, 4.1.2.
fn ascii(line: &[u8]) -> Result<&str, BadCommand> {
    let printable = line.iter().all(|octet| matches!(octet, b' '..=b'~'));
    std::str::from_utf8(line)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| {
            bad(
                500,
                "5.5.2",
                "a command has only printable ASCII characters",
            )
        })
}

/// A web page can make a browser inside the network send us a form with SMTP commands in it; its first line
/// and its header fields give it away.
fn speaks_http(line: &str) -> bool {
    const METHODS: [&str; 9] = [
        "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "PRI",
    ];
    let word = line.split(' ').next().unwrap_or_default();
    METHODS
        .iter()
        .any(|method| word.eq_ignore_ascii_case(method))
        || word.ends_with(':')
}

fn takes_no_argument<T>(request: &Request<T>) -> bool {
    matches!(
        request,
        Request::Data | Request::Rset | Request::Quit | Request::StartTls
    )
}

fn mail(from: MailFrom<String>) -> Result<Command, BadCommand> {
    // RFC 5321 4.1.1.11: a parameter of an extension that was not announced is refused, not ignored.
    let known = MailFrom {
        address: from.address.clone(),
        flags: from.flags & (MAIL_BODY_7BIT | MAIL_BODY_8BITMIME),
        size: from.size,
        ..MailFrom::default()
    };
    if from != known {
        return Err(bad(
            555,
            "5.5.4",
            "of MAIL's parameters only SIZE and BODY=7BIT or 8BITMIME are offered here",
        ));
    }
    if from.address.is_empty() {
        return Err(bad(
            550,
            "5.1.7",
            "a fax needs somebody to report to: give a full sender address (a bounce, which comes from <>, is not faxed)",
        ));
    }
    Ok(Command::Mail {
        sender: from.address,
        size: from.size as u64,
    })
}

fn rcpt(to: RcptTo<String>) -> Result<Command, BadCommand> {
    let known = RcptTo {
        address: to.address.clone(),
        ..RcptTo::default()
    };
    if to != known {
        return Err(bad(
            555,
            "5.5.4",
            "RCPT takes no parameters here (DSN is not offered)",
        ));
    }
    if to.address.is_empty() {
        return Err(bad(
            550,
            "5.1.1",
            "there is no mailbox here, only fax numbers: write to NUMBER@DOMAIN",
        ));
    }
    Ok(Command::Rcpt {
        recipient: to.address,
    })
}

fn syntax_error(error: Error) -> BadCommand {
    match error {
        Error::UnknownCommand => bad(500, "5.5.1", "this command is not known here"),
        Error::InvalidSenderAddress => bad(
            501,
            "5.1.7",
            "the sender address is not of the form <user@domain>",
        ),
        Error::InvalidRecipientAddress => bad(
            501,
            "5.1.3",
            "the recipient address is not of the form <number@domain>",
        ),
        Error::SyntaxError { syntax } => {
            bad(501, "5.5.4", format!("the command's form is: {syntax}"))
        }
        Error::InvalidParameter { param } => {
            bad(501, "5.5.4", format!("the value of {param} cannot be read"))
        }
        Error::UnsupportedParameter { param } => bad(
            555,
            "5.5.4",
            format!("the parameter {param} is not offered here"),
        ),
        Error::NeedsMoreData { .. } | Error::ResponseTooLong | Error::InvalidResponse { .. } => {
            bad(501, "5.5.2", "the command cannot be read")
        }
    }
}

fn not_offered<T>(request: &Request<T>) -> BadCommand {
    let name = request.name();
    match request {
        Request::Auth { .. } => bad(
            502,
            "5.5.1",
            "AUTH is not offered here: access is by network address",
        ),
        // What follows BDAT is text, and would be read as commands.
        Request::Bdat { .. } => fatal(502, "5.5.1", "BDAT is not offered here; use DATA"),
        _ => bad(502, "5.5.1", format!("{name} is not offered here")),
    }
}

fn bad(code: u16, status: &'static str, text: impl Into<String>) -> BadCommand {
    BadCommand {
        reply: Reply::new(code, status, text),
        fatal: false,
    }
}

fn fatal(code: u16, status: &'static str, text: &str) -> BadCommand {
    BadCommand {
        fatal: true,
        ..bad(code, status, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).map_or_else(|bad| bad.reply.code(), |_| 250)
    }

    #[test]
    fn reads_what_mailers_send() {
        assert_eq!(
            parse(b"mail from:<a@b.example> SIZE=12345 BODY=8BITMIME"),
            Ok(Command::Mail {
                sender: "a@b.example".into(),
                size: 12345
            })
        );
        assert_eq!(
            parse(b"RCPT TO:<\"+1 (202) 555-0123\"@gw.example>"),
            Ok(Command::Rcpt {
                recipient: "+1 (202) 555-0123@gw.example".into()
            })
        );
        assert_eq!(
            parse(b"RCPT TO:</FAX=+12025550123/T33S=6377/@gw.example>"),
            Ok(Command::Rcpt {
                recipient: "/FAX=+12025550123/T33S=6377/@gw.example".into()
            })
        );
        assert_eq!(parse(b"NOOP hello"), Ok(Command::Noop));
        assert_eq!(parse(b"quit "), Ok(Command::Quit));
    }

    #[test]
    fn refuses_parameters_that_were_not_announced() {
        for line in [
            "MAIL FROM:<a@b.example> RET=HDRS",
            "MAIL FROM:<a@b.example> ENVID=x",
            "MAIL FROM:<a@b.example> SMTPUTF8",
            "MAIL FROM:<a@b.example> BODY=BINARYMIME",
            "MAIL FROM:<a@b.example> AUTH=<>",
            "MAIL FROM:<a@b.example> X-FOO=BAR",
            "RCPT TO:<1@b.example> NOTIFY=SUCCESS",
            "RCPT TO:<1@b.example> ORCPT=rfc822;1@b.example",
        ] {
            assert_eq!(code(line), 555, "{line}");
        }
    }

    #[test]
    fn every_bad_line_has_its_code() {
        for (line, expected) in [
            ("", 500),
            ("FOO", 500),
            ("MAIL", 501),
            ("MAIL FROM:a@b.example", 501),
            ("MAIL FROM:<a@@b.example>", 501),
            ("MAIL FROM:<a@b.example> SIZE=many", 501),
            ("MAIL FROM:<>", 550),
            ("RCPT TO:<>", 550),
            ("RCPT TO:<postmaster>", 550),
            ("RCPT TO:<1@gw.example", 501),
            ("DATA now", 501),
            ("STARTTLS please", 501),
            ("EHLO", 501),
            ("AUTH PLAIN AGEAYg==", 502),
            ("EXPN list", 502),
            ("BDAT 5 LAST", 502),
            ("RCPT TO:<\u{e9}@gw.example>", 500),
            ("NOOP \0", 500),
            ("POST / HTTP/1.1", 500),
            ("Host: 127.0.0.1:2525", 500),
        ] {
            assert_eq!(code(line), expected, "{line:?}");
        }
    }

    #[test]
    fn mutated_lines_never_panic() {
        let mut rng = fastrand::Rng::with_seed(0x5321);
        let seeds: [&[u8]; 5] = [
            b"MAIL FROM:<\"a b\\\"c\"@b.example> SIZE=123 BODY=8BITMIME",
            b"RCPT TO:<@x,@y:\"+1 202\"@gw.example> NOTIFY=SUCCESS,DELAY",
            b"BDAT 123 LAST",
            b"AUTH SCRAM-SHA-256-PLUS abc=",
            b"MAIL FROM:<a@b> HOLDUNTIL=2026-01-01T00:00:00Z BY=120;R MTRK=a:1",
        ];
        for _ in 0..20_000 {
            let mut line = seeds[rng.usize(..seeds.len())].to_vec();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..line.len());
                match rng.u8(..3) {
                    0 => line[at] = rng.u8(b' '..=b'~'),
                    1 if line.len() > 1 => drop(line.remove(at)),
                    _ => line.insert(at, rng.u8(b' '..=b'~')),
                }
            }
            let _ = parse(&line);
        }
    }
}
