//! Against a mail server scripted by hand: for every line of ours it has one reply, or none.

mod tls;

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;
use crate::net::delivery::{OutgoingMail, Target, deliver};

/// What the server answers; the first entry whose beginning fits the line is taken. `""` stands for the greeting,
/// `"."` for the end of the message, and an empty reply for silence.
type Script = &'static [(&'static str, &'static str)];

const FRIENDLY: Script = &[
    ("", "220 mail.law.example ESMTP"),
    ("EHLO", "250-mail.law.example\r\n250 8BITMIME"),
    ("MAIL", "250 2.1.0 Ok"),
    ("RCPT", "250 2.1.5 Ok"),
    ("DATA", "354 go ahead"),
    (".", "250 2.0.0 Ok: queued as 4F1"),
    ("QUIT", "221 2.0.0 Bye"),
];

/// A server on loopback and everything it was told, line by line.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Plays [`FRIENDLY`], but with `except` where that has a reply of its own.
    async fn playing(except: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let mut in_message = false;
            let mut said = String::new();
            loop {
                if !in_message || said == "." {
                    let reply = reply_to(&said, except);
                    in_message = reply.starts_with("354");
                    if reply == "hang up" {
                        return;
                    }
                    if !reply.is_empty() {
                        write
                            .write_all(format!("{reply}\r\n").as_bytes())
                            .await
                            .unwrap();
                    }
                }
                match lines.next_line().await {
                    Ok(Some(line)) => said = line,
                    _ => return,
                }
                log.lock().await.push(said.clone());
            }
        });
        Server { port, heard }
    }

    fn relay(&self) -> Relay {
        let short = Duration::from_millis(300);
        Relay {
            host: "127.0.0.1".into(),
            port: self.port,
            tls: Tls::None,
            authorities: None,
            login: None,
            hello: "fax.law.example".into(),
            patience: Patience {
                connect: short,
                command: short,
                message: short,
                quit: short,
            },
        }
    }

    async fn heard(&self) -> Vec<String> {
        self.heard.lock().await.clone()
    }
}

fn reply_to(said: &str, except: Script) -> &'static str {
    let fits = |(line, _): &&(&str, &str)| match *line {
        "" => said.is_empty(),
        line => said.starts_with(line),
    };
    let found = except.iter().find(fits).or(FRIENDLY.iter().find(fits));
    found.map_or("500 what?", |(_, reply)| reply)
}

fn receipt() -> OutgoingMail {
    OutgoingMail {
        id: "17".into(),
        queued_at: 1_795_000_000_000,
        from: None,
        to: vec!["anna.lee@law.example".into()],
        bytes: b"Subject: Fax delivered\r\n\r\n.hidden\r\nbare\n.\r\nend\r\n".to_vec(),
    }
}

async fn outcome(except: Script) -> Result<Delivered, Failure> {
    let server = Server::playing(except).await;
    deliver(&receipt(), &Target::Relay(server.relay())).await
}

#[tokio::test]
async fn relay_takes_the_mail_whole_with_a_null_return_path() {
    let server = Server::playing(&[]).await;
    let delivered = deliver(&receipt(), &Target::Relay(server.relay()))
        .await
        .unwrap();
    assert_eq!(delivered.reply, "250 2.0.0 Ok: queued as 4F1");
    let expected = [
        "EHLO fax.law.example",
        "MAIL FROM:<>",
        "RCPT TO:<anna.lee@law.example>",
        "DATA",
        "Subject: Fax delivered",
        "",
        "..hidden",
        "bare",
        "..",
        "end",
        ".",
        "QUIT",
    ];
    assert_eq!(server.heard().await, expected);
}

#[tokio::test]
async fn relay_says_451() {
    let failure = outcome(&[("RCPT", "451 4.7.1 Greylisted, come back later")])
        .await
        .unwrap_err();
    assert!(!failure.permanent);
    assert!(
        failure
            .reply
            .ends_with("said at RCPT TO: 451 4.7.1 Greylisted, come back later"),
        "{failure}"
    );
}

#[tokio::test]
async fn relay_says_550_to_the_recipient_and_554_to_the_message() {
    let failure = outcome(&[("RCPT", "550 5.1.1 no such user")])
        .await
        .unwrap_err();
    assert!(failure.permanent);
    assert!(
        failure.reply.contains("550 5.1.1 no such user"),
        "{failure}"
    );

    let failure = outcome(&[(".", "554-5.6.0 looks like\r\n554 5.6.0 spam")])
        .await
        .unwrap_err();
    assert!(failure.permanent);
    assert!(
        failure.reply.contains("554 5.6.0 looks like spam"),
        "{failure}"
    );
}

#[tokio::test]
async fn what_is_between_the_relay_and_its_admin_is_never_final() {
    let cases: [Script; 5] = [
        &[("", "554 no service for you")],
        &[
            ("EHLO", "502 5.5.1 not here"),
            ("HELO", "502 5.5.1 nor this"),
        ],
        &[("MAIL", "530 5.7.0 Must issue a STARTTLS command first")],
        &[("MAIL", "530 5.7.0 Authentication required")],
        &[("RCPT", "552 5.5.3 too many recipients")],
    ];
    for case in cases {
        let failure = outcome(case).await.unwrap_err();
        assert!(!failure.permanent, "{failure}");
    }
}

#[tokio::test]
async fn relay_hangs_at_every_place_and_is_left_in_time() {
    let cases: [(Script, &str); 6] = [
        (&[("", "")], "connecting"),
        (&[("EHLO", "")], "connecting"),
        (&[("MAIL", "")], "MAIL FROM"),
        (&[("RCPT", "")], "RCPT TO"),
        (&[("DATA", "")], "DATA"),
        (&[(".", "")], "the message"),
    ];
    for (case, stage) in cases {
        let failure = tokio::time::timeout(Duration::from_secs(5), outcome(case))
            .await
            .expect("left in time")
            .unwrap_err();
        assert!(!failure.permanent);
        let expected = format!("did not answer ({stage}) within 0.3 s");
        assert!(failure.reply.ends_with(&expected), "{failure}");
    }
}

#[tokio::test]
async fn relay_that_hangs_at_the_farewell_has_the_mail() {
    for farewell in ["", "hang up", "421 busy"] {
        let script: Script = match farewell {
            "" => &[("QUIT", "")],
            "hang up" => &[("QUIT", "hang up")],
            _ => &[("QUIT", "421 busy")],
        };
        assert!(outcome(script).await.is_ok(), "QUIT answered {farewell:?}");
    }
}

#[tokio::test]
async fn relay_that_hangs_up_after_the_message_may_not_have_it() {
    let failure = outcome(&[(".", "hang up")]).await.unwrap_err();
    assert!(!failure.permanent, "{failure}");
}

#[tokio::test]
async fn one_recipient_refused_refuses_the_mail_for_all() {
    let server = Server::playing(&[("RCPT TO:<nobody", "550 5.1.1 no such user")]).await;
    let mut mail = receipt();
    mail.to.push("nobody@law.example".into());
    let failure = deliver(&mail, &Target::Relay(server.relay()))
        .await
        .unwrap_err();
    assert!(failure.permanent);
    assert!(!server.heard().await.contains(&"DATA".to_string()));
}

#[tokio::test]
async fn nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let mut relay = Server::playing(&[]).await.relay();
    relay.port = port;
    let failure = deliver(&receipt(), &Target::Relay(relay))
        .await
        .unwrap_err();
    assert!(!failure.permanent);
    assert!(failure.reply.contains("Connection refused"), "{failure}");
    assert!(failure.reply.contains(&port.to_string()), "{failure}");
}

#[tokio::test]
async fn required_starttls_that_is_not_offered_sends_nothing() {
    let server = Server::playing(&[]).await;
    let mut relay = server.relay();
    relay.tls = Tls::RequiredStartTls;
    let failure = deliver(&receipt(), &Target::Relay(relay))
        .await
        .unwrap_err();
    assert!(!failure.permanent);
    assert!(failure.reply.contains("STARTTLS"), "{failure}");
    let heard = server.heard().await;
    assert!(!heard.iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_wrong_password_does_not_bounce_the_mail() {
    const SCRIPT: Script = &[
        ("EHLO", "250-mail.law.example\r\n250 AUTH PLAIN LOGIN"),
        ("AUTH", "535 5.7.8 Authentication failed"),
    ];
    let server = Server::playing(SCRIPT).await;
    let mut relay = server.relay();
    relay.login = Some(Login {
        user: "fax".into(),
        password: "secret".into(),
    });
    let failure = deliver(&receipt(), &Target::Relay(relay))
        .await
        .unwrap_err();
    assert!(!failure.permanent);
    assert!(failure.reply.contains("535 5.7.8"), "{failure}");
}

#[test]
fn a_password_is_not_sent_in_the_open_nor_shown() {
    let mut relay = Relay {
        authorities: None,
        host: "mail.law.example".into(),
        port: 587,
        tls: Tls::StartTls,
        login: Some(Login {
            user: "fax".into(),
            password: "secret".into(),
        }),
        hello: "fax.law.example".into(),
        patience: Patience::default(),
    };
    assert!(relay.login_is_unsafe().is_some());
    relay.tls = Tls::RequiredStartTls;
    assert!(relay.login_is_unsafe().is_none());
    (relay.tls, relay.host) = (Tls::None, "::1".into());
    assert!(relay.login_is_unsafe().is_none());
    assert_eq!(relay.to_string(), "relay [::1]:587");
    assert!(!format!("{relay:?}").contains("secret"));
}

#[tokio::test]
async fn starttls_that_is_offered_and_then_fails_is_not_followed_by_plain_text() {
    const REFUSED: Script = &[
        ("EHLO", "250-mail.law.example\r\n250 STARTTLS"),
        ("STARTTLS", "454 4.7.0 TLS not available"),
    ];
    const BROKEN: Script = &[
        ("EHLO", "250-mail.law.example\r\n250 STARTTLS"),
        ("STARTTLS", "220 go ahead\r\nthis is not TLS"),
    ];
    for script in [REFUSED, BROKEN] {
        for tls in [Tls::StartTls, Tls::RequiredStartTls] {
            let server = Server::playing(script).await;
            let mut relay = server.relay();
            relay.tls = tls;
            let failure = deliver(&receipt(), &Target::Relay(relay))
                .await
                .unwrap_err();
            assert!(!failure.permanent, "{failure}");
            let heard = server.heard().await;
            assert!(!heard.iter().any(|line| line.starts_with("MAIL")));
        }
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_takes_a_relay_with_smtputf8() {
    let to = "j\u{fc}rgen@ex\u{e4}mple.example";
    let mail = OutgoingMail {
        to: vec![to.into()],
        bytes: format!("To: {to}\r\nSubject: x\r\n\r\ntext\r\n").into_bytes(),
        ..receipt()
    };
    let server = Server::playing(&[(
        "EHLO",
        "250-mail.law.example\r\n250-8BITMIME\r\n250 SMTPUTF8",
    )])
    .await;
    deliver(&mail, &Target::Relay(server.relay()))
        .await
        .unwrap();
    let heard = server.heard().await;
    assert_eq!(heard[1], "MAIL FROM:<> BODY=8BITMIME SMTPUTF8");
    assert_eq!(heard[2], format!("RCPT TO:<{to}>"));

    let unable = Server::playing(&[]).await;
    let failure = deliver(&mail, &Target::Relay(unable.relay()))
        .await
        .unwrap_err();
    assert!(failure.permanent, "the postmaster gets it");
    assert!(
        failure.reply.contains("does not offer SMTPUTF8"),
        "{failure}"
    );
}
