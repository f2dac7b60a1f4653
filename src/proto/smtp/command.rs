//! One clean command line to a command, or to the reply that says what is wrong with it.

use std::borrow::Cow;

use smtp_proto::{Error, Request};

use super::parameters::{self, MailOptions, RcptOptions};
use super::reply::Reply;

/// What a client may ask of us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo {
        host: String,
    },
    Helo {
        host: String,
    },
    Lhlo {
        host: String,
    },
    Mail {
        sender: String,
        options: MailOptions,
    },
    Rcpt {
        recipient: String,
        options: RcptOptions,
    },
    Data,
    Bdat {
        size: u64,
        last: bool,
    },
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
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

impl From<Reply> for BadCommand {
    fn from(reply: Reply) -> BadCommand {
        BadCommand {
            reply,
            fatal: false,
        }
    }
}

/// Reads one line, which comes without its CRLF. `auth`: whether AUTH is offered.
///
/// # Errors
/// The reply to say, for everything that is not a command we know in a form we know.
pub(super) fn parse(line: &[u8], auth: bool) -> Result<Command, BadCommand> {
    let line = &*greeting_in_ascii(line);
    let text = printable(line)?;
    if speaks_http(text) {
        return Err(fatal(
            500,
            "5.5.2",
            "this is a mail server, not a web server",
        ));
    }
    match text
        .split(' ')
        .next()
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("BDAT") => return bdat(text),
        Some("AUTH") => return Ok(login(text)?),
        _ => {}
    }
    if let Some(greeting) = greeting(text) {
        return Ok(greeting);
    }
    let (command, parameters) = split_parameters(text);
    let command = &*with_quotes(command);
    let wire = [command.as_bytes(), b"\r\n"].concat();
    let request = Request::parse(&mut wire.iter()).map_err(syntax_error)?;
    if takes_no_argument(&request) && text.trim().len() > request.name().len() {
        let name = request.name();
        return Err(bad(501, "5.5.4", format!("{name} takes no parameters")));
    }
    Ok(match request {
        Request::Mail { from } => mail(from.address.into(), parameters, auth)?,
        // RFC 5321 4.5.1: the only address that needs no domain; the parser makes nothing of it.
        Request::Rcpt { to } if to.address.is_empty() && names_postmaster(command) => {
            rcpt("postmaster".to_owned(), parameters)?
        }
        Request::Rcpt { to } => rcpt(to.address.into(), parameters)?,
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

/// EHLO, HELO and LHLO with whatever a client calls itself: printers write their model, a name with spaces or nothing at all,
/// and RFC 5321 4.1.4 lets nobody be refused for it.
fn greeting(text: &str) -> Option<Command> {
    let text = text.trim_end();
    let (verb, host) = text.split_once(' ').unwrap_or((text, ""));
    let host = host.trim().to_owned();
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => Some(Command::Ehlo { host }),
        "HELO" => Some(Command::Helo { host }),
        "LHLO" => Some(Command::Lhlo { host }),
        _ => None,
    }
}

/// In a greeting, what is not printable ASCII becomes a question mark: its name is for the log alone.
fn greeting_in_ascii(line: &[u8]) -> Cow<'_, [u8]> {
    let verb = line.get(..5).unwrap_or_default().to_ascii_uppercase();
    if !matches!(verb.as_slice(), b"EHLO " | b"HELO " | b"LHLO ") {
        return Cow::Borrowed(line);
    }
    let printable = |octet: &u8| match octet {
        b' '..=b'~' => *octet,
        _ => b'?',
    };
    Cow::Owned(line.iter().map(printable).collect())
}

/// `RCPT TO:<(212) 555-1234@fax.local>`: people type numbers so, and copiers send what was typed. The local part should
/// stand in quotes then (RFC 5321 4.1.2), and is given them; whether it is a number is for the verdict to say.
fn with_quotes(command: &str) -> Cow<'_, str> {
    let is_rcpt = command
        .get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case("RCPT"));
    let path = command.split_once('<').and_then(|(before, path)| {
        let (local, domain) = path.strip_suffix('>')?.split_once('@')?;
        Some((before, local, domain))
    });
    let Some((before, local, domain)) = path.filter(|_| is_rcpt) else {
        return Cow::Borrowed(command);
    };
    let has_digit = local.bytes().any(|b| b.is_ascii_digit());
    let is_odd = local.contains([' ', '(', ')', ',', ';', ':', '[', ']']) || local.contains("..");
    match has_digit && is_odd && !local.contains(['"', '\\', '<', '>']) && !domain.contains('@') {
        true => Cow::Owned(format!("{before}<\"{local}\"@{domain}>")),
        false => Cow::Borrowed(command),
    }
}

fn names_postmaster(command: &str) -> bool {
    let path = command.split_once('<').map_or("", |(_, path)| path);
    path.trim_end_matches('>')
        .trim()
        .eq_ignore_ascii_case("postmaster")
}

/// No control characters (RFC 5321 4.1.2), and beyond ASCII only in the addresses of MAIL and RCPT (RFC 6531 3.3).
fn printable(line: &[u8]) -> Result<&str, BadCommand> {
    let text = std::str::from_utf8(line).ok();
    let takes_address = |text: &str| {
        let verb = text.get(..4).unwrap_or_default();
        verb.eq_ignore_ascii_case("MAIL") || verb.eq_ignore_ascii_case("RCPT")
    };
    text.filter(|text| !text.chars().any(char::is_control))
        .filter(|text| text.is_ascii() || takes_address(text))
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

/// A command with its path, and the parameters behind it.
fn split_parameters(line: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in line.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return line.split_at(at + 1),
            _ => {}
        }
    }
    (line, "")
}

fn takes_no_argument<T>(request: &Request<T>) -> bool {
    matches!(
        request,
        Request::Data | Request::Rset | Request::Quit | Request::StartTls
    )
}

fn mail(sender: String, parameters: &str, auth: bool) -> Result<Command, BadCommand> {
    let options = parameters::mail(behind_path(parameters)?, auth)?;
    if sender.is_empty() {
        return Err(bad(
            550,
            "5.1.7",
            "a fax needs somebody to report to: give a full sender address (a bounce, which comes from <>, is not faxed)",
        ));
    }
    // RFC 6531 3.5: an address beyond ASCII takes the parameter.
    if !sender.is_ascii() && !options.utf8 {
        let text = "a sender address that is not ASCII takes the parameter SMTPUTF8";
        return Err(bad(553, "5.6.7", text));
    }
    Ok(Command::Mail { sender, options })
}

fn rcpt(recipient: String, parameters: &str) -> Result<Command, BadCommand> {
    let options = parameters::rcpt(behind_path(parameters)?)?;
    if recipient.is_empty() {
        return Err(bad(
            550,
            "5.1.1",
            "there is no mailbox here, only fax numbers: write to NUMBER@DOMAIN",
        ));
    }
    Ok(Command::Rcpt { recipient, options })
}

fn behind_path(parameters: &str) -> Result<&str, BadCommand> {
    let stands_apart = parameters.is_empty() || parameters.starts_with(' ');
    stands_apart.then_some(parameters).ok_or_else(|| {
        bad(
            501,
            "5.5.4",
            "a space stands between address and parameters",
        )
    })
}

/// RFC 3030 2: what follows is so many octets of text. Where that cannot be read, nobody knows what follows.
fn bdat(line: &str) -> Result<Command, BadCommand> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let (size, last) = match words[1..] {
        [size] => (size, false),
        [size, last] if last.eq_ignore_ascii_case("LAST") => (size, true),
        _ => ("", false),
    };
    let is_number = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
    match size.parse() {
        Ok(size) if is_number => Ok(Command::Bdat { size, last }),
        _ => Err(fatal(
            501,
            "5.5.4",
            "the command's form is: BDAT octets [LAST]; closing the connection",
        )),
    }
}

/// RFC 4954 4.
fn login(line: &str) -> Result<Command, Reply> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let (mechanism, initial) = match words[1..] {
        [mechanism] => (mechanism, None),
        [mechanism, initial] => (mechanism, Some(initial.to_owned())),
        _ => {
            let text = "the command's form is: AUTH mechanism [initial-response]";
            return Err(Reply::new(501, "5.5.4", text));
        }
    };
    Ok(Command::Auth {
        mechanism: mechanism.to_ascii_uppercase(),
        initial,
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
        _ => bad(501, "5.5.2", "the command cannot be read"),
    }
}

fn not_offered<T>(request: &Request<T>) -> BadCommand {
    let name = request.name();
    bad(502, "5.5.1", format!("{name} is not offered here"))
}

fn bad(code: u16, status: &'static str, text: impl Into<String>) -> BadCommand {
    Reply::new(code, status, text).into()
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
        parse(line.as_bytes(), false).map_or_else(|bad| bad.reply.code(), |_| 250)
    }

    fn recipient(line: &str) -> String {
        match parse(line.as_bytes(), false) {
            Ok(Command::Rcpt { recipient, .. }) => recipient,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_what_mailers_send() {
        let Ok(Command::Mail { sender, options }) =
            parse(b"mail from:<a@b.example> SIZE=12345 BODY=8BITMIME", false)
        else {
            panic!("no MAIL");
        };
        assert_eq!((sender.as_str(), options.size), ("a@b.example", 12345));
        assert_eq!(
            recipient("RCPT TO:<\"+1 (202) 555-0123\"@gw.example>"),
            "+1 (202) 555-0123@gw.example"
        );
        assert_eq!(
            recipient("RCPT TO:</FAX=+12025550123/T33S=6377/@gw.example> NOTIFY=NEVER"),
            "/FAX=+12025550123/T33S=6377/@gw.example"
        );
        assert_eq!(
            recipient("RCPT TO:<\"a>b\\\"\"@gw.example>"),
            "a>b\"@gw.example"
        );
        assert_eq!(
            recipient("RCPT TO:<m\u{fc}ller@gw.example>"),
            "m\u{fc}ller@gw.example"
        );
        assert_eq!(parse(b"NOOP hello", false), Ok(Command::Noop));
        assert_eq!(parse(b"quit ", false), Ok(Command::Quit));
        let chunk = |line: &str| parse(line.as_bytes(), false);
        assert_eq!(
            chunk("bdat 12 last"),
            Ok(Command::Bdat {
                size: 12,
                last: true
            })
        );
        assert_eq!(
            chunk("BDAT 0"),
            Ok(Command::Bdat {
                size: 0,
                last: false
            })
        );
    }

    #[test]
    fn a_greeting_is_never_judged() {
        for (line, host) in [
            (&b"EHLO"[..], ""),
            (b"helo ", ""),
            (b"HELO KMBIZHUB", "KMBIZHUB"),
            (b"EHLO office printer 2", "office printer 2"),
            (b"EHLO 10.0.0.7", "10.0.0.7"),
            (b"HELO [::1", "[::1"),
            (b"HELO B\xfcro\t_x", "B?ro?_x"),
            ("EHLO Büro".as_bytes(), "B??ro"),
        ] {
            match parse(line, false) {
                Ok(Command::Ehlo { host: said } | Command::Helo { host: said }) => {
                    assert_eq!(said, host);
                }
                other => panic!("{line:?}: {other:?}"),
            }
        }
        assert_eq!(code("HELOx"), 500);
    }

    #[test]
    fn a_number_as_people_type_it_needs_no_quotes() {
        for (line, expected) in [
            (
                "RCPT TO:<(212) 555-1234@gw.example>",
                "(212) 555-1234@gw.example",
            ),
            (
                "RCPT TO:<\"(212) 555-1234\"@gw.example>",
                "(212) 555-1234@gw.example",
            ),
            (
                "rcpt to:<212..555..1234@gw.example> NOTIFY=NEVER",
                "212..555..1234@gw.example",
            ),
            (
                "RCPT TO:<2125551234,,42@gw.example>",
                "2125551234,,42@gw.example",
            ),
            (
                "RCPT TO:<@x,@y:2125551234@gw.example>",
                "2125551234@gw.example",
            ),
            ("RCPT TO:<Postmaster>", "postmaster"),
            ("RCPT TO:<postmaster@gw.example>", "postmaster@gw.example"),
        ] {
            assert_eq!(recipient(line), expected, "{line}");
        }
        for line in [
            "RCPT TO:<a b@gw.example>",
            "RCPT TO:<1 2@a@b>",
            "RCPT TO:<>",
        ] {
            assert!(code(line) >= 500, "{line}");
        }
    }

    #[test]
    fn a_chunk_whose_size_cannot_be_read_ends_the_session() {
        for line in [
            "BDAT",
            "BDAT x",
            "BDAT +5",
            "BDAT -1",
            "BDAT 5 FIRST",
            "BDAT 5 LAST now",
            "BDAT 99999999999999999999",
        ] {
            let bad = parse(line.as_bytes(), false).expect_err(line);
            assert!(bad.fatal && bad.reply.code() == 501, "{line}");
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
            ("RCPT TO:<1@gw.example", 501),
            ("DATA now", 501),
            ("STARTTLS please", 501),
            ("AUTH", 501),
            ("AUTH PLAIN a b", 501),
            ("EXPN list", 502),
            ("RCPT TO:<1@gw.example>NOTIFY=NEVER", 501),
            ("RCPT TO:<1@gw.example> ORCPT", 501),
            ("MAIL FROM:<\u{e9}@b.example>", 553),
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
            let _ = parse(&line, true);
        }
    }
}
