//! SMTP smuggling (VU#302671): a mail that hides a second one behind something that others take for its end. Every
//! spelling of that end, over real sockets, in every cut into packets: no second mail may come of it, and the first is
//! refused, so that what two servers read differently is taken by neither.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Settings;
use super::tests::{Running, start};

/// Up to the text.
const BEGIN: &str = "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<5551234567@fax.local>\r\n";

/// The mail that is smuggled, up to the end of its text.
const SECOND: &str =
    "MAIL FROM:<x@y.example>\r\nRCPT TO:<5557654321@fax.local>\r\nDATA\r\nSubject: second\r\n\r\n";

/// What somebody may take for the end of a text, and RFC 5321 does not: every CRLF of CRLF.CRLF as CR, LF, nothing, with a
/// NUL, or doubled.
fn false_ends() -> Vec<String> {
    let line_ends = [
        "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\n\n", "\r\r", "\0\r\n", "\r\0\n", "\r\n\0", "\n\0",
    ];
    let mut ends = Vec::new();
    for before in line_ends {
        for after in line_ends {
            let end = format!("{before}.{after}");
            // With CRLF on both sides, whatever stands around them, it is the end.
            if !end.contains("\r\n.\r\n") {
                ends.push(end);
            }
        }
    }
    ends
}

/// Sends the pieces in packets of their own, and hears what is said until the server is silent or hangs up.
async fn conversation(running: &Running, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _ = stream.write_all(b"\r\n.\r\nQUIT\r\n").await;
    let mut said = Vec::new();
    let heard = timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
    heard.expect("the server hangs up after QUIT").ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn no_false_end_of_a_text_makes_a_second_mail() {
    let running = start(Settings::default()).await;
    for end in false_ends() {
        let head = format!("{BEGIN}DATA\r\nSubject: first\r\n\r\nfirst");
        let whole = format!("{head}{end}{SECOND}second");
        let at = head.len();
        // In one packet, cut before the end, inside of it, and behind it.
        let cuts = [at, at + 1, at + end.len() - 1, at + end.len()];
        for cut in cuts {
            let (one, other) = whole.as_bytes().split_at(cut);
            let said = conversation(&running, &[one, other]).await;
            let refused = said.contains("\r\n550 5.5.2 ") || said.contains("\r\n554 5.6.0 ");
            assert!(refused, "{end:?} cut at {cut}: {said}");
            assert!(!said.contains("250 2.0.0"), "{end:?} cut at {cut}: {said}");
        }
    }
    assert_eq!(running.mails(), 0);
}

#[tokio::test]
async fn an_end_of_data_inside_of_a_chunk_is_text() {
    let running = start(Settings::default()).await;
    // CRLF.CRLF is no end in BDAT; the true end makes one mail with all of it inside.
    let text = format!("Subject: first\r\n\r\nfirst\r\n.\r\n{SECOND}");
    for cut in [0, text.len() / 2, text.find(".\r\n").unwrap() + 1] {
        let before = running.mails();
        let (one, other) = text.split_at(cut);
        let chunks = format!(
            "{BEGIN}BDAT {}\r\n{one}BDAT {} LAST\r\n{other}QUIT\r\n",
            one.len(),
            other.len()
        );
        conversation(&running, &[chunks.as_bytes()]).await;
        assert_eq!(running.mails(), before + 1);
        assert_eq!(running.last_text(), text.as_bytes());
    }
    let before = running.mails();
    for end in false_ends() {
        let text = format!("Subject: first\r\n\r\nfirst{end}{SECOND}");
        let chunk = format!("{BEGIN}BDAT {} LAST\r\n{text}QUIT\r\n", text.len());
        let said = conversation(&running, &[chunk.as_bytes()]).await;
        assert!(!said.contains("250 2.0.0"), "{end:?}: {said}");
    }
    assert_eq!(running.mails(), before);
}

#[tokio::test]
async fn a_chunk_that_lies_about_its_length_ends_the_session_or_is_refused() {
    let running = start(Settings::default()).await;
    // Shorter than its text: what is left over is read as commands, and none of it is one.
    let text = "Subject: first\r\n\r\nfirst\r\n";
    let short = format!("{BEGIN}BDAT 10 LAST\r\n{text}");
    let said = conversation(&running, &[short.as_bytes()]).await;
    assert_eq!(running.mails(), 1, "{said}");
    assert_eq!(running.last_text(), b"Subject: f\r\n");
    // Longer: the mail that follows is swallowed, and none is taken.
    let long = format!("{BEGIN}BDAT 99999 LAST\r\n{text}{SECOND}");
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(long.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(running.mails(), 1, "{said}");
}
