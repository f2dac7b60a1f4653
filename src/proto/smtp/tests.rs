//! Whole sessions, in every kind of pieces.

use super::*;

/// A driver in memory: accepts recipients whose local part has digits only.
struct Driver {
    session: Session<String>,
    replies: String,
    /// Text being stored.
    text: Option<Vec<u8>>,
    messages: Vec<(Envelope<String>, Vec<u8>)>,
    closed: bool,
}

impl Driver {
    fn new(config: SessionConfig) -> Driver {
        let mut driver = Driver {
            session: Session::new(config),
            replies: String::new(),
            text: None,
            messages: Vec::new(),
            closed: false,
        };
        driver.drain();
        driver
    }

    fn feed(&mut self, mut input: &[u8]) {
        while !input.is_empty() && !self.closed {
            let used = self.session.handle(input);
            input = &input[used..];
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Reply(reply) => self.replies += &String::from_utf8(reply).unwrap(),
                Output::Recipient { recipient, .. } => {
                    let number = recipient.split('@').next().unwrap_or_default().to_string();
                    self.session
                        .verdict(if number.bytes().all(|b| b.is_ascii_digit()) {
                            Ok(number)
                        } else {
                            Err(Refusal::new(550, "5.1.1", "that is not a number"))
                        });
                }
                Output::OpenText => {
                    self.text = Some(Vec::new());
                    self.session.text_opened(Ok(()));
                }
                Output::Text(text) => self.text.as_mut().unwrap().extend(text),
                Output::DropText => self.text = None,
                Output::Login(login) => {
                    let verdict = match login.password.as_str() {
                        "right" => Ok(()),
                        _ => Err(Refusal::new(535, "5.7.8", "name or password is wrong")),
                    };
                    self.session.logged_in(verdict);
                }
                Output::Sender(mail) => {
                    let verdict = match mail.sender.starts_with("stranger@") {
                        true => Err(Refusal::new(550, "5.7.1", "nobody knows you")),
                        false => Ok(()),
                    };
                    self.session.sender_verdict(verdict);
                }
                Output::Message(envelope) => {
                    let to = envelope.recipients.iter();
                    let taken = Taken {
                        text: "taken".to_string(),
                        each: to.map(|to| format!("taken for {to}")).collect(),
                    };
                    self.messages.push((envelope, self.text.take().unwrap()));
                    self.session.accepted(Ok(taken));
                }
                Output::StartTls => self.session.tls_started(),
                Output::Close => self.closed = true,
            }
        }
    }

    /// The codes of the replies, one per reply.
    fn codes(&self) -> Vec<u16> {
        self.replies
            .lines()
            .filter(|line| line.as_bytes()[3] == b' ')
            .map(|line| line[..3].parse().unwrap())
            .collect()
    }
}

fn config() -> SessionConfig {
    SessionConfig {
        hostname: "gw.example".to_string(),
        max_size: 10_000,
        max_line: 2_000,
        max_recipients: 3,
        tls_available: true,
        auth_available: true,
        max_hold: 3600,
        hold_until: "2026-11-24T18:00:00Z".to_string(),
        ..SessionConfig::default()
    }
}

fn run(input: &str) -> Driver {
    let mut driver = Driver::new(config());
    driver.feed(input.as_bytes());
    driver
}

const BEGIN: &str =
    "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<1@gw.example>\r\nDATA\r\n";

#[test]
fn a_mail_goes_through() {
    let driver = run(&format!("{BEGIN}Subject: x\r\n\r\n..hi\r\n.\r\nQUIT\r\n"));
    assert_eq!(driver.codes(), [220, 250, 250, 250, 354, 250, 221]);
    let (envelope, text) = &driver.messages[0];
    assert_eq!(envelope.mail.sender, "a@b.example");
    assert_eq!(envelope.recipients, ["1"]);
    assert_eq!(envelope.mail.helo, "c.example");
    assert_eq!(text, b"Subject: x\r\n\r\n.hi\r\n");
    assert!(driver.closed);
}

#[test]
fn announces_what_it_honours_and_nothing_else() {
    let driver = run("EHLO c.example\r\n");
    let lines: Vec<&str> = driver.replies.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "250-gw.example",
            "250-PIPELINING",
            "250-SIZE 10000",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-CHUNKING",
            "250-DSN",
            "250-DELIVERBY",
            "250-MT-PRIORITY",
            "250-ENHANCEDSTATUSCODES",
            "250-FUTURERELEASE 3600 2026-11-24T18:00:00Z",
            "250 STARTTLS",
        ]
    );
}

#[test]
fn a_100_mb_mail_is_refused_at_mail_when_declared() {
    let driver = run("EHLO c\r\nMAIL FROM:<a@b.example> SIZE=104857600\r\n");
    assert!(
        driver
            .replies
            .ends_with("552 5.3.4 the message has 104.9 MB, and at most 10 KB is taken here\r\n")
    );
}

#[test]
fn an_undeclared_large_mail_is_refused_at_its_end_and_the_session_goes_on() {
    let line = "x".repeat(78) + "\r\n";
    let driver = run(&format!("{BEGIN}{}.\r\nNOOP\r\n", line.repeat(1000)));
    assert_eq!(driver.codes()[5..], [552, 250]);
    assert!(driver.messages.is_empty() && driver.text.is_none());
}

#[test]
fn a_line_of_1_mb_is_refused_with_its_limit() {
    let driver = run(&format!("{BEGIN}{}\r\n.\r\n", "x".repeat(1 << 20)));
    assert!(driver.replies.ends_with(
        "554 5.6.0 the message has a line of more than 2000 octets; attach documents in base64\r\n"
    ));
}

#[test]
fn a_nul_is_refused() {
    let driver = run(&format!("{BEGIN}a\0b\r\n.\r\n"));
    assert!(
        driver.replies.ends_with(
            "554 5.6.0 the message has a NUL octet in it; attach documents in base64\r\n"
        )
    );
}

#[test]
fn a_thousand_recipients_get_their_sentence_and_the_first_ones_their_fax() {
    let mut driver = Driver::new(SessionConfig {
        max_recipients: 100,
        ..config()
    });
    driver.feed(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    for number in 0..1000 {
        driver.feed(format!("RCPT TO:<{number}@gw.example>\r\n").as_bytes());
    }
    driver.feed(b"DATA\r\n.\r\n");
    assert_eq!(driver.messages[0].0.recipients.len(), 100);
    let over = driver.codes().iter().filter(|&&c| c == 452).count();
    assert_eq!(over, 900);
    driver.feed(b"MAIL FROM:<a@b.example>\r\n");
    for _ in 0..1001 {
        driver.feed(b"RCPT TO:<x@gw.example>\r\n");
    }
    assert!(driver.closed && driver.codes().last() == Some(&421));
}

#[test]
fn a_smuggled_mail_is_refused_and_never_becomes_a_second_one() {
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r.\n",
        "\n.\r",
        "\r\n\0.\r\n",
    ];
    let second = "MAIL FROM:<x@y.example>\r\nRCPT TO:<2@gw.example>\r\nDATA\r\nsecond\r\n.\r\n";
    for end in ends {
        let driver = run(&format!("{BEGIN}first{end}{second}"));
        assert!(driver.messages.is_empty(), "{end:?} smuggled a mail");
        let code = *driver.codes().last().unwrap();
        assert!(code == 550 || code == 554, "{end:?} got {code}");
    }
}

#[test]
fn a_bare_line_end_in_a_command_ends_the_session() {
    for input in ["NOOP\nQUIT\r\n", "NO\rOP\r\n"] {
        let driver = run(input);
        assert_eq!(driver.codes(), [220, 500]);
        assert!(driver.closed);
    }
}

#[test]
fn commands_out_of_order_get_503_and_refused_recipients_554() {
    let driver = run(
        "MAIL FROM:<a@b.example>\r\nRCPT TO:<1@gw.example>\r\nDATA\r\nEHLO c\r\nDATA\r\n\
         MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@gw.example>\r\nDATA\r\n",
    );
    assert_eq!(
        driver.codes(),
        [220, 503, 503, 503, 250, 503, 250, 503, 550, 554]
    );
}

#[test]
fn twenty_errors_are_enough() {
    let driver = run(&"FOO\r\n".repeat(100));
    assert_eq!(driver.codes().len(), 1 + 20 + 1);
    assert_eq!(driver.codes().last(), Some(&421));
    assert!(driver.closed);
}

#[test]
fn endless_noops_are_ended() {
    let driver = run(&"NOOP\r\n".repeat(20_000));
    assert_eq!(driver.codes().len(), 1 + 10_000 + 1);
    assert!(driver.closed);
}

#[test]
fn a_broadcast_has_as_many_recipients_as_the_site_allows() {
    let mut driver = Driver::new(SessionConfig {
        max_recipients: 15_000,
        ..config()
    });
    driver.feed(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    for number in 0..15_000 {
        driver.feed(format!("RCPT TO:<{number}@gw.example>\r\n").as_bytes());
    }
    driver.feed(b"DATA\r\n.\r\n");
    assert_eq!(driver.messages[0].0.recipients.len(), 15_000);
}

#[test]
fn what_was_pipelined_behind_starttls_is_thrown_away() {
    // RFC 3207 6, CVE-2011-0411: plaintext must not be carried into the protected session.
    let mut driver = Driver::new(config());
    driver.feed(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    let input = b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@b.example>\r\nEHL";
    let used = driver.session.handle(input);
    assert_eq!(used, "STARTTLS\r\n".len());
    let outputs: Vec<_> = std::iter::from_fn(|| driver.session.poll()).collect();
    assert_eq!(outputs.last(), Some(&Output::StartTls));
    assert_eq!(driver.session.handle(&input[used..]), input.len() - used);
    assert_eq!(driver.session.poll(), None);
    driver.session.tls_started();
    driver.feed(b"RCPT TO:<1@gw.example>\r\nMAIL FROM:<a@b.example>\r\nEHLO c\r\nSTARTTLS\r\n");
    assert_eq!(driver.codes()[3..], [503, 503, 250, 502]);
    assert!(
        driver
            .replies
            .ends_with("250 AUTH PLAIN LOGIN\r\n502 5.5.1 STARTTLS is not offered now\r\n")
    );
}

#[test]
fn a_full_disk_is_said_at_data_or_at_the_end_of_the_text() {
    let full = || Refusal::new(452, "4.3.1", "the disk is full");
    let mut session: Session<()> = Session::new(config());
    let say = |session: &mut Session<()>, mut input: &[u8]| {
        let mut said = Vec::new();
        loop {
            while let Some(output) = session.poll() {
                match output {
                    Output::Sender(_) => session.sender_verdict(Ok(())),
                    Output::Recipient { .. } => session.verdict(Ok(())),
                    Output::Reply(reply) => said = reply,
                    Output::Text(_) => session.fail_text(full()),
                    Output::OpenText | Output::Message(_) => return Err(()),
                    _ => {}
                }
            }
            match session.handle(input) {
                0 => return Ok(String::from_utf8(said).unwrap()),
                used => input = &input[used..],
            }
        }
    };
    assert_eq!(say(&mut session, BEGIN.as_bytes()), Err(()));
    session.text_opened(Err(full()));
    let again = &BEGIN["EHLO c.example\r\n".len()..];
    assert_eq!(say(&mut session, again.as_bytes()), Err(()));
    session.text_opened(Ok(()));
    let said = say(&mut session, b"one\r\ntwo\r\n.\r\n").unwrap();
    assert_eq!(said, "452 4.3.1 the disk is full\r\n");
}

#[test]
fn any_pieces_give_the_same_outcome() {
    let mut rng = fastrand::Rng::with_seed(5321);
    let whole = format!(
        "{BEGIN}Subject: x\r\n\r\n..hi\r\n.\r\nRSET\r\nVRFY x\r\nHELP\r\nMAIL FROM:<a@b.example> SIZE=5\r\n\
         RCPT TO:<2@gw.example>\r\nRCPT TO:<no@gw.example>\r\nDATA\r\na\r\n.b\r\n.\r\n\
         MAIL FROM:<a@b.example>\r\nRCPT TO:<3@gw.example>\r\nBDAT 5\r\na\r\n.\rBDAT 4 LAST\r\n\n.\r\nBDAT 3\r\nabc\
         AUTH PLAIN AGEAYg==\r\nSTARTTLS\r\nQUIT\r\n"
    );
    for _ in 0..2_000 {
        let mut input = whole.clone().into_bytes();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..input.len());
            match rng.u8(..4) {
                0 => input[at] = rng.u8(..),
                1 => drop(input.remove(at)),
                2 => input.insert(at, *rng.choice(b"\r\n.\0 <>@").unwrap()),
                _ => input.truncate(at + 1),
            }
        }
        // Behind STARTTLS the outcome rightly depends on what has arrived; leave that part out.
        if let Some(at) = input
            .windows(8)
            .position(|w| w.eq_ignore_ascii_case(b"STARTTLS"))
        {
            input.truncate(at);
        }
        let mut one = Driver::new(config());
        one.feed(&input);
        let mut other = Driver::new(config());
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rng.usize(1..=rest.len().min(40)));
            other.feed(piece);
            rest = tail;
        }
        assert_eq!(one.replies, other.replies);
        assert_eq!(one.messages, other.messages);
        assert_eq!(one.closed, other.closed);
    }
}

// ---- BDAT ----

/// Up to the first chunk.
const CHUNKED: &str = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<1@gw.example>\r\n";

#[test]
fn a_mail_in_chunks_is_put_together_and_dots_in_it_are_dots() {
    let driver = run(&format!(
        "{CHUNKED}BDAT 14\r\nSubject: x\r\n\r\nBDAT 8\r\n.\r\n..\r\n\rBDAT 0\r\nBDAT 2 LAST\r\n\nxNOOP\r\n"
    ));
    assert_eq!(
        driver.codes(),
        [220, 250, 250, 250, 250, 250, 250, 250, 250]
    );
    assert_eq!(
        driver.messages[0].1,
        b"Subject: x\r\n\r\n.\r\n..\r\n\r\nx\r\n"
    );
}

#[test]
fn an_empty_last_chunk_ends_the_mail() {
    let driver = run(&format!("{CHUNKED}BDAT 3\r\na\r\nBDAT 0 LAST\r\n"));
    assert_eq!(driver.codes()[4..], [250, 250]);
    assert_eq!(driver.messages[0].1, b"a\r\n");
}

#[test]
fn bdat_and_data_are_not_mixed() {
    let driver = run(&format!(
        "{CHUNKED}BDAT 3\r\na\r\nDATA\r\nRCPT TO:<2@gw.example>\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nNOOP\r\n"
    ));
    assert_eq!(driver.codes()[4..], [250, 503, 503, 503, 250, 250]);
    assert!(driver.messages.is_empty() && driver.text.is_none());
    // Behind RSET, behind LAST and without a mail the octets are still text.
    for input in [
        "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n".to_owned(),
        "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@gw.example>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n"
            .to_owned(),
        format!("{CHUNKED}BDAT 3\r\na\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
        format!("{CHUNKED}BDAT 3 LAST\r\na\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
    ] {
        let driver = run(&input);
        let codes = driver.codes();
        assert!(
            matches!(codes[codes.len() - 2..], [503 | 554, 250]),
            "{input:?}: {codes:?}"
        );
        assert!(!driver.closed);
    }
}

#[test]
fn a_chunked_mail_over_the_limit_is_refused_and_a_chunk_without_measure_ends_the_session() {
    let chunk = format!(
        "BDAT 9002\r\n{}",
        format!("{}\r\n", "x".repeat(1498)).repeat(6) + "ab"
    );
    let driver = run(&format!("{CHUNKED}{chunk}{chunk}BDAT 2 LAST\r\nzzNOOP\r\n"));
    assert_eq!(driver.codes()[4..], [250, 552, 503, 250]);
    assert!(driver.messages.is_empty());
    let driver = run(&format!("{CHUNKED}BDAT 1000000\r\nQUIT\r\n"));
    assert_eq!(driver.codes()[4..], [552]);
    assert!(driver.closed);
}

#[test]
fn bare_line_ends_in_chunks_are_refused_wherever_the_chunks_end() {
    for text in ["a\n.\r\nb", "a\r.\r\n", "a\r\n.\rb", "a\0b\r\n"] {
        for at in 0..=text.len() {
            let (one, other) = text.split_at(at);
            let driver = run(&format!(
                "{CHUNKED}BDAT {}\r\n{one}BDAT {} LAST\r\n{other}NOOP\r\n",
                one.len(),
                other.len()
            ));
            assert!(driver.messages.is_empty(), "{text:?} at {at}");
            // Behind a line end that is none nobody knows what is text and what a command.
            let ends = !text.contains('\0');
            assert_eq!(driver.closed, ends, "{text:?} at {at}");
            let last = if ends { 550 } else { 250 };
            assert_eq!(driver.codes().last(), Some(&last), "{text:?} at {at}");
        }
    }
}

// ---- AUTH ----

fn under_tls() -> Driver {
    let mut driver = Driver::new(config());
    driver.feed(b"EHLO c\r\nSTARTTLS\r\n");
    driver.feed(b"EHLO c\r\n");
    driver.replies.clear();
    driver
}

/// user, `right` or `wrong`, as PLAIN and in the pieces of LOGIN.
const RIGHT: &str = "AHVzZXIAcmlnaHQ=";
const WRONG: &str = "AHVzZXIAd3Jvbmc=";

#[test]
fn a_password_is_taken_under_tls_only() {
    let driver = run(&format!("EHLO c\r\nAUTH PLAIN {RIGHT}\r\n"));
    assert_eq!(driver.codes(), [220, 250, 538]);
    let mut without = Driver::new(SessionConfig {
        auth_available: false,
        ..config()
    });
    without.feed(format!("EHLO c\r\nAUTH PLAIN {RIGHT}\r\n").as_bytes());
    assert_eq!(without.codes(), [220, 250, 502]);
}

#[test]
fn who_logs_in_is_on_the_envelope() {
    for login in [
        format!("AUTH PLAIN {RIGHT}\r\n"),
        format!("auth plain\r\n{RIGHT}\r\n"),
        "AUTH LOGIN\r\ndXNlcg==\r\ncmlnaHQ=\r\n".to_owned(),
        "AUTH LOGIN dXNlcg==\r\ncmlnaHQ=\r\n".to_owned(),
    ] {
        let mut driver = under_tls();
        driver.feed(login.as_bytes());
        assert_eq!(driver.codes().last(), Some(&235), "{login}");
        driver.feed(b"MAIL FROM:<a@b.example> AUTH=<>\r\nRCPT TO:<1@gw.example>\r\nDATA\r\n.\r\n");
        assert_eq!(driver.messages[0].0.mail.user.as_deref(), Some("user"));
        driver.feed(format!("AUTH PLAIN {RIGHT}\r\n").as_bytes());
        assert_eq!(driver.codes().last(), Some(&503), "twice");
    }
}

#[test]
fn a_login_that_fails_says_so_and_three_end_the_session() {
    let mut driver = under_tls();
    driver.feed(b"AUTH PLAIN\r\n*\r\nAUTH PLAIN !\r\nAUTH PLAIN =\r\nAUTH CRAM-MD5\r\nAUTH PLAIN YgB1c2VyAHJpZ2h0\r\n");
    assert_eq!(driver.codes(), [334, 501, 501, 501, 504, 501]);
    for _ in 0..3 {
        assert!(!driver.closed);
        driver.feed(format!("AUTH PLAIN {WRONG}\r\n").as_bytes());
    }
    assert_eq!(driver.codes()[6..], [535, 535, 535, 421]);
    assert!(driver.closed);
}

#[test]
fn a_password_is_never_shown() {
    let login = Login {
        user: "user".into(),
        password: "secret".into(),
    };
    assert!(!format!("{login:?} {:?}", Output::<()>::Login(login.clone())).contains("secret"));
}

// ---- what a mail may ask for ----

#[test]
fn what_mail_and_rcpt_ask_for_is_on_the_envelope() {
    let driver = run(
        "EHLO c\r\nMAIL FROM:<a@b.example> RET=FULL ENVID=x BY=60;N\r\nRCPT TO:<1@gw.example> NOTIFY=NEVER\r\nDATA\r\n.\r\n",
    );
    let options = &driver.messages[0].0.mail.options;
    assert_eq!(
        (options.ret, options.envelope_id.as_deref()),
        (Some(Ret::Full), Some("x"))
    );
}

#[test]
fn a_sender_who_is_refused_has_no_mail_begun() {
    let driver = run(
        "EHLO c\r\nMAIL FROM:<stranger@b.example>\r\nRCPT TO:<1@gw.example>\r\nMAIL FROM:<a@b.example>\r\n",
    );
    assert_eq!(driver.codes()[2..], [550, 503, 250]);
}

#[test]
fn addresses_beyond_ascii_take_smtputf8() {
    let plain = run("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<m\u{fc}ller@gw.example>\r\n");
    assert_eq!(plain.codes()[3..], [553]);
    let utf8 = run(
        "EHLO c\r\nMAIL FROM:<j\u{f6}@b.example> SMTPUTF8\r\nRCPT TO:<m\u{fc}ller@gw.example>\r\n",
    );
    assert_eq!(utf8.codes()[2..], [250, 550], "judged as a name");
}

// ---- LMTP ----

fn lmtp(input: &str) -> Driver {
    let mut driver = Driver::new(SessionConfig {
        protocol: Protocol::Lmtp,
        ..config()
    });
    driver.feed(input.as_bytes());
    driver
}

const THREE: &str = "LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<1@gw.example>\r\nRCPT TO:<x@gw.example>\r\n\
                     RCPT TO:<2@gw.example>\r\n";

#[test]
fn lmtp_says_a_reply_for_each_recipient_it_took() {
    for text in ["DATA\r\nhi\r\n.\r\n", "BDAT 4 LAST\r\nhi\r\n"] {
        let driver = lmtp(&format!("{THREE}{text}NOOP\r\n"));
        assert!(
            driver
                .replies
                .ends_with("250 2.0.0 taken for 1\r\n250 2.0.0 taken for 2\r\n250 2.0.0 ok\r\n"),
            "{}",
            driver.replies
        );
    }
    // Refused at its end: each hears it.
    let driver = lmtp(&format!("{THREE}DATA\r\na\0\r\n.\r\nNOOP\r\n"));
    assert_eq!(driver.codes()[7..], [554, 554, 250]);
    let driver = lmtp(&format!("{THREE}BDAT 2\r\na\0BDAT 2 LAST\r\n\r\n"));
    assert_eq!(driver.codes()[6..], [554, 503]);
}

#[test]
fn lmtp_and_smtp_are_not_taken_for_each_other() {
    assert_eq!(
        lmtp("EHLO c\r\nHELO c\r\nMAIL FROM:<a@b.example>\r\n").codes(),
        [220, 500, 500, 503]
    );
    assert_eq!(run("LHLO c\r\n").codes(), [220, 500]);
    // RFC 2033 4.2: no text where nobody gets it.
    let driver = lmtp("LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@gw.example>\r\nDATA\r\n");
    assert_eq!(driver.codes()[3..], [550, 503]);
}
