//! Conversations in virtual time.

use super::*;

const HELLO: &str = "250-mail.example\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";

fn config() -> ClientConfig {
    let seconds = Duration::from_secs;
    ClientConfig {
        protocol: Protocol::Smtp,
        hello: "fax.example".into(),
        starttls: StartTls::Never,
        login: None,
        timeouts: ClientTimeouts {
            open: seconds(60),
            command: seconds(300),
            message: seconds(600),
            quit: seconds(2),
        },
    }
}

fn message(to: &[&str], partial: bool) -> OutgoingMessage {
    OutgoingMessage {
        from: None,
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        text: b"Subject: x\r\n\r\n.dot\r\n".to_vec(),
        partial,
    }
}

/// A client and the time.
struct Talk {
    client: Client,
    now: Instant,
}

/// What a client does, for tests to compare.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Said(String),
    StartTls,
    Ready,
    /// Per recipient: the reply, or the error in words.
    Sent(Vec<Result<String, String>>),
    Failed(String),
    Close,
}

fn said(line: &str) -> Did {
    Did::Said(format!("{line}\r\n"))
}

fn failed(words: &str) -> Did {
    Did::Failed(words.to_owned())
}

impl Talk {
    fn of(config: ClientConfig) -> Talk {
        let now = Instant::now();
        Talk {
            client: Client::new(config, now),
            now,
        }
    }

    fn polled(&mut self) -> Vec<Did> {
        let outputs = std::iter::from_fn(|| self.client.poll());
        let did = outputs.map(|output| match output {
            ClientOutput::Write(bytes) => Did::Said(String::from_utf8(bytes).unwrap()),
            ClientOutput::StartTls => Did::StartTls,
            ClientOutput::Ready => Did::Ready,
            ClientOutput::Sent(outcome) => {
                let words = |each: Result<ServerReply, ClientError>| {
                    each.map(|reply| reply.to_string())
                        .map_err(|error| error.to_string())
                };
                Did::Sent(outcome.into_iter().map(words).collect())
            }
            ClientOutput::Failed(error) => Did::Failed(error.to_string()),
            ClientOutput::Close => Did::Close,
        });
        did.collect()
    }

    fn hears(&mut self, bytes: &str) -> Vec<Did> {
        self.client.handle(bytes.as_bytes(), self.now);
        self.polled()
    }

    fn sends(&mut self, message: OutgoingMessage) -> Vec<Did> {
        self.client.send(message, self.now);
        self.polled()
    }

    fn waits(&mut self, time: Duration) -> Vec<Did> {
        self.now += time;
        self.client.handle_timeout(self.now);
        self.polled()
    }

    /// A client that is ready.
    fn ready(config: ClientConfig) -> Talk {
        let hello = match config.protocol {
            Protocol::Smtp => "EHLO fax.example",
            Protocol::Lmtp => "LHLO fax.example",
        };
        let mut talk = Talk::of(config);
        assert_eq!(talk.hears("220 mail.example\r\n"), [said(hello)]);
        assert_eq!(talk.hears(HELLO), [Did::Ready]);
        talk
    }
}

#[test]
fn two_messages_go_over_one_connection() {
    let mut talk = Talk::ready(config());
    for _ in 0..2 {
        let did = talk.sends(message(&["a@b.example"], false));
        assert_eq!(did, [said("MAIL FROM:<> SIZE=20")]);
        assert_eq!(talk.hears("250 ok\r\n"), [said("RCPT TO:<a@b.example>")]);
        assert_eq!(talk.hears("250 ok\r\n"), [said("DATA")]);
        let text = "Subject: x\r\n\r\n..dot\r\n.";
        assert_eq!(talk.hears("354 go on\r\n"), [said(text)]);
        let taken = Did::Sent(vec![Ok("250 2.0.0 queued".into())]);
        assert_eq!(talk.hears("250 2.0.0 queued\r\n"), [taken]);
    }
    talk.client.quit(talk.now);
    assert_eq!(talk.polled(), [said("QUIT")]);
    assert_eq!(talk.hears("221 bye\r\n"), [Did::Close]);
}

#[test]
fn what_is_behind_the_220_to_starttls_ends_the_connection() {
    for injected in [
        "250 ok\r\n",
        "250-mail.example\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n",
        "\r\n",
        "x",
        "2",
    ] {
        for starttls in [StartTls::IfOffered, StartTls::Required] {
            let mut talk = Talk::of(ClientConfig {
                starttls,
                ..config()
            });
            talk.hears("220 mail.example\r\n");
            let did = talk.hears("250-mail.example\r\n250 STARTTLS\r\n");
            assert_eq!(did, [said("STARTTLS")]);
            let words =
                "does not keep to SMTP at connecting: there are bytes behind its 220 to STARTTLS";
            let did = talk.hears(&format!("220 go on\r\n{injected}"));
            assert_eq!(did, [failed(words), Did::Close], "{injected:?}");
        }
    }
}

#[test]
fn what_was_offered_before_tls_is_forgotten() {
    let mut talk = Talk::of(ClientConfig {
        starttls: StartTls::Required,
        login: Some(Login {
            user: "fax".into(),
            password: "secret".into(),
        }),
        ..config()
    });
    talk.hears("220 mail.example\r\n");
    talk.hears("250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
    assert_eq!(talk.hears("220 go on\r\n"), [Did::StartTls]);
    talk.client.tls_started(talk.now);
    assert_eq!(talk.polled(), [said("EHLO fax.example")]);
    let did = talk.hears("250 mail.example\r\n");
    assert_eq!(did, [failed("does not offer AUTH PLAIN or LOGIN")]);
}

#[test]
fn a_reply_before_its_command_answers_nothing() {
    // At each step the next reply is there already, which would shift all that follow.
    let steps = [
        "220 mail.example\r\n",
        HELLO,
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go on\r\n",
    ];
    for early in 0..steps.len() {
        let mut talk = Talk::of(config());
        let mut last = Vec::new();
        for (step, reply) in steps.iter().enumerate() {
            let reply = match step == early {
                true => format!("{reply}250 2.0.0 queued\r\n"),
                false => (*reply).to_owned(),
            };
            last = talk.hears(&reply);
            if last == [Did::Ready] {
                last = talk.sends(message(&["a@b.example"], false));
            }
            if step == early {
                break;
            }
        }
        let words = |did: &Did| format!("{did:?}").contains("it replied before it was asked");
        assert!(last.iter().any(words), "{early}: {last:?}");
        assert_eq!(last.last(), Some(&Did::Close), "{early}");
        assert_eq!(talk.hears("250 2.0.0 queued\r\n"), []);
    }
}

#[test]
fn only_354_asks_for_the_text_and_only_2yz_takes_it() {
    for (data, end, taken) in [
        ("354 go on", "250 ok", true),
        ("354 go on", "200 ok", true),
        ("354 go on", "354 go on", false),
        ("354 go on", "451 later", false),
        ("250 ok", "250 ok", false),
        ("334 go on", "250 ok", false),
    ] {
        let mut talk = Talk::ready(config());
        talk.sends(message(&["a@b.example"], false));
        talk.hears("250 ok\r\n");
        talk.hears("250 ok\r\n");
        let mut did = talk.hears(&format!("{data}\r\n"));
        if data.starts_with("354") {
            did = talk.hears(&format!("{end}\r\n"));
        }
        let [Did::Sent(outcome)] = did.as_slice() else {
            panic!("{did:?}");
        };
        assert_eq!(outcome[0].is_ok(), taken, "{data} {end}");
    }
}

#[test]
fn lmtp_has_a_reply_for_each_recipient() {
    let mut talk = Talk::ready(ClientConfig {
        protocol: Protocol::Lmtp,
        ..config()
    });
    talk.sends(message(&["a@x", "b@x", "c@x", "d@x"], true));
    talk.hears("250 ok\r\n");
    talk.hears("250 ok\r\n");
    talk.hears("550 no such user\r\n");
    talk.hears("250 ok\r\n");
    assert_eq!(talk.hears("250 ok\r\n"), [said("DATA")]);
    talk.hears("354 go on\r\n");
    assert_eq!(talk.hears("250 a has it\r\n"), []);
    let did = talk.hears("452 c is full\r\n250 d has it\r\n");
    let outcome = vec![
        Ok("250 a has it".into()),
        Err("said at RCPT TO: 550 no such user".into()),
        Err("said at the message: 452 c is full".into()),
        Ok("250 d has it".into()),
    ];
    assert_eq!(did, [Did::Sent(outcome)]);
}

#[test]
fn what_lmtp_has_taken_before_the_connection_breaks_is_taken() {
    let mut talk = Talk::ready(ClientConfig {
        protocol: Protocol::Lmtp,
        ..config()
    });
    talk.sends(message(&["a@x", "b@x"], true));
    for reply in ["250 ok", "250 ok", "250 ok", "354 go on", "250 a has it"] {
        talk.hears(&format!("{reply}\r\n"));
    }
    talk.client.connection_lost("it hung up");
    let outcome = vec![
        Ok("250 a has it".into()),
        Err("was lost at the message: it hung up".into()),
    ];
    assert_eq!(talk.polled(), [Did::Sent(outcome), Did::Close]);
}

#[test]
fn a_refused_recipient_refuses_the_mail_for_all_unless_asked_otherwise() {
    let both = ["a@x", "b@x"];
    let mut talk = Talk::ready(config());
    talk.sends(message(&both, false));
    talk.hears("250 ok\r\n");
    talk.hears("250 ok\r\n");
    let words = || Err("said at RCPT TO: 550 no".into());
    let did = talk.hears("550 no\r\n");
    assert_eq!(did, [Did::Sent(vec![words(), words()])]);
    // The next message begins with a clean slate.
    assert_eq!(talk.sends(message(&both, true)), [said("RSET")]);
    assert_eq!(talk.hears("250 ok\r\n"), [said("MAIL FROM:<> SIZE=20")]);
    talk.hears("250 ok\r\n");
    talk.hears("550 no\r\n");
    assert_eq!(talk.hears("250 ok\r\n"), [said("DATA")]);
    talk.hears("354 go on\r\n");
    let outcome = vec![words(), Ok("250 queued".into())];
    assert_eq!(talk.hears("250 queued\r\n"), [Did::Sent(outcome)]);
    // Where all are refused there is no text.
    talk.sends(message(&both, true));
    talk.hears("250 ok\r\n");
    talk.hears("550 no\r\n");
    let did = talk.hears("550 no\r\n");
    assert_eq!(did, [Did::Sent(vec![words(), words()])]);
}

#[test]
fn every_wait_has_an_end() {
    let stages = [
        ("", "connecting", 60.0),
        ("220 mail.example\r\n", "connecting", 60.0),
        (HELLO, "MAIL FROM", 300.0),
        ("250 ok\r\n", "RCPT TO", 300.0),
        ("250 ok\r\n", "DATA", 300.0),
        ("354 go on\r\n", "the message", 600.0),
    ];
    for silent in 0..stages.len() {
        let mut talk = Talk::of(config());
        for (reply, _, _) in &stages[..=silent] {
            if talk.hears(reply) == [Did::Ready] {
                talk.sends(message(&["a@b.example"], false));
            }
        }
        let (_, stage, seconds) = stages[silent];
        let just_before = Duration::from_secs_f64(seconds - 0.001);
        assert_eq!(talk.waits(just_before), [], "{stage}");
        let did = talk.waits(Duration::from_millis(1));
        let words = format!("did not answer ({stage}) within {seconds} s");
        let expected = match stage {
            "connecting" => Did::Failed(words),
            _ => Did::Sent(vec![Err(words)]),
        };
        assert_eq!(did, [expected, Did::Close]);
    }
}

#[test]
fn a_reply_in_drops_does_not_buy_time() {
    let mut talk = Talk::ready(config());
    talk.sends(message(&["a@b.example"], false));
    for _ in 0..299 {
        assert_eq!(talk.waits(Duration::from_secs(1)), []);
        talk.hears("250-x\r\n");
    }
    assert!(!talk.waits(Duration::from_secs(1)).is_empty());
}

#[test]
fn a_server_of_rfc_821_is_greeted_with_helo() {
    let mut talk = Talk::of(config());
    talk.hears("220 mail.example\r\n");
    let did = talk.hears("500 what?\r\n");
    assert_eq!(did, [said("HELO fax.example")]);
    assert_eq!(talk.hears("250 mail.example\r\n"), [Did::Ready]);
    let did = talk.sends(message(&["a@b.example"], false));
    assert_eq!(did, [said("MAIL FROM:<>")]);

    let mut talk = Talk::of(ClientConfig {
        starttls: StartTls::Required,
        ..config()
    });
    talk.hears("220 mail.example\r\n");
    talk.hears("500 what?\r\n");
    let did = talk.hears("250 mail.example\r\n");
    assert_eq!(did, [failed("does not offer STARTTLS")]);
}

#[test]
fn auth_login_answers_both_challenges() {
    let mut talk = Talk::of(ClientConfig {
        login: Some(Login {
            user: "fax".into(),
            password: "secret".into(),
        }),
        ..config()
    });
    talk.hears("220 mail.example\r\n");
    let did = talk.hears("250-mail.example\r\n250 AUTH CRAM-MD5 LOGIN\r\n");
    assert_eq!(did, [said("AUTH LOGIN")]);
    assert_eq!(talk.hears("334 VXNlcm5hbWU6\r\n"), [said("ZmF4")]);
    assert_eq!(talk.hears("334 UGFzc3dvcmQ6\r\n"), [said("c2VjcmV0")]);
    assert_eq!(talk.hears("235 welcome\r\n"), [Did::Ready]);
}

#[test]
fn only_what_is_said_of_the_mail_is_final() {
    let reply = |stage, code| ClientError::Refused {
        stage,
        reply: ServerReply {
            code,
            lines: Vec::new(),
        },
    };
    for (stage, code, permanent) in [
        (Stage::Opening, 554, false),
        (Stage::Auth, 535, false),
        (Stage::Mail, 530, false),
        (Stage::Mail, 552, true),
        (Stage::Rcpt, 552, false),
        (Stage::Rcpt, 550, true),
        (Stage::Rcpt, 450, false),
        (Stage::Data, 554, true),
        (Stage::Message, 554, true),
        (Stage::Message, 451, false),
        (Stage::Message, 354, false),
    ] {
        let error = reply(stage, code);
        assert_eq!(error.is_permanent(), permanent, "{error}");
    }
}
