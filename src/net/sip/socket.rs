//! The UDP socket under the stack: it mends what the stack cannot read, and answers what it would drop.
//!
//! The stack stops at a header that is not UTF-8, discards a body without Content-Length (on UDP the datagram is the
//! length, RFC 3261 18.3), and drops unknown methods and broken requests without a word.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use ipnet::IpNet;
use rsipstack::platform::net::UdpSocket as StackSocket;
use rsipstack::sip::Method;
use tokio::net::UdpSocket;

/// A socket that mends.
pub(super) struct Repairing {
    socket: UdpSocket,
    /// Who gets an answer to a broken request.
    allowed: Vec<IpNet>,
}

impl Repairing {
    pub fn new(socket: UdpSocket, allowed: Vec<IpNet>) -> Repairing {
        Repairing { socket, allowed }
    }

    async fn receive(&self, buf: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (len, from) = self.socket.recv_from(buf).await?;
            match look_at(&buf[..len]) {
                Look::Fine => return Ok((len, from)),
                Look::Mended(mended) if mended.len() <= buf.len() => {
                    buf[..mended.len()].copy_from_slice(&mended);
                    return Ok((mended.len(), from));
                }
                Look::Mended(_) => return Ok((len, from)),
                Look::Answer(answer) => {
                    if super::is_allowed(&self.allowed, from) {
                        let _ = self.socket.send_to(&answer, from).await;
                    }
                }
            }
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = rsipstack::Result<T>> + Send + 'a>>;

/// The trait comes from a macro; these are the signatures that it expands to.
impl StackSocket for Repairing {
    fn recv_from<'a, 'b, 'c>(&'a self, buf: &'b mut [u8]) -> Boxed<'c, (usize, SocketAddr)>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(self.receive(buf))
    }

    fn send_to<'a, 'b, 'c>(&'a self, buf: &'b [u8], addr: SocketAddr) -> Boxed<'c, usize>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async move { Ok(self.socket.send_to(buf, addr).await?) })
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

#[derive(Debug, PartialEq)]
enum Look {
    Fine,
    Mended(Vec<u8>),
    Answer(Vec<u8>),
}

fn look_at(datagram: &[u8]) -> Look {
    let Some(end) = datagram.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Look::Fine;
    };
    if end == 0 {
        // The keep-alive of RFC 5626 3.5.1, which the stack answers.
        return Look::Fine;
    }
    let (head, body) = (&datagram[..end], &datagram[end + 4..]);
    let text = utf8(head);
    if let Some(answer) = refusal(&text, body.len()) {
        return Look::Answer(answer.into_bytes());
    }
    let has_length = header(&text, "Content-Length", "l").is_some();
    if has_length && text.as_bytes() == head {
        return Look::Fine;
    }
    let mut mended = text.into_bytes();
    if !has_length {
        mended.extend_from_slice(format!("\r\nContent-Length: {}", body.len()).as_bytes());
    }
    mended.extend_from_slice(b"\r\n\r\n");
    mended.extend_from_slice(body);
    Look::Mended(mended)
}

/// The header lines as UTF-8; a line that is none is Latin-1, as PBXs write names.
fn utf8(head: &[u8]) -> String {
    let lines: Vec<String> = head
        .split(|octet| *octet == b'\n')
        .map(|line| match std::str::from_utf8(line) {
            Ok(line) => line.to_owned(),
            Err(_) => line.iter().copied().map(char::from).collect(),
        })
        .collect();
    lines.join("\n")
}

/// The first value of a header by its name or compact form (RFC 3261 7.3.3).
fn header<'a>(head: &'a str, name: &str, compact: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        let found = found.trim();
        (found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact))
            .then(|| value.trim())
    })
}

/// The answer to a request that the stack would drop or misread: 501 for an unknown method (RFC 3261 8.2.1), 400 for
/// one without the headers that every request has (8.1.1), or whose body is cut off (18.3). Nothing answers an ACK, a
/// response, or what is not SIP at all.
fn refusal(head: &str, body_len: usize) -> Option<String> {
    let line = head.lines().next()?;
    let mut words = line.split_ascii_whitespace();
    let method = words.next()?;
    if words.nth(1) != Some("SIP/2.0") || method.eq_ignore_ascii_case("ACK") {
        return None;
    }
    let via = header(head, "Via", "v")?;
    let mandatory = [
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "i"),
        ("CSeq", "CSeq"),
    ];
    let values = mandatory.map(|(name, compact)| (name, header(head, name, compact)));
    let status = if method.parse::<Method>().is_err() {
        "501 Not Implemented"
    } else if values.iter().any(|(_, value)| value.is_none()) {
        "400 Missing Header"
    } else if is_cut_off(head, body_len) {
        "400 Bad Content-Length"
    } else {
        return None;
    };
    let mut answer = format!("SIP/2.0 {status}\r\nVia: {via}\r\n");
    for (name, value) in values {
        if let Some(value) = value {
            let tag = match name {
                "To" if !value.contains(";tag=") => ";tag=refused",
                _ => "",
            };
            answer.push_str(&format!("{name}: {value}{tag}\r\n"));
        }
    }
    answer.push_str("Content-Length: 0\r\n\r\n");
    Some(answer)
}

/// RFC 3261 18.3: the datagram ends before the body does, or the length is no number.
fn is_cut_off(head: &str, body_len: usize) -> bool {
    let declared = header(head, "Content-Length", "l").map(str::parse::<usize>);
    declared.is_some_and(|length| !length.is_ok_and(|length| length <= body_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:2@h>;tag=a\r\n\
        t: <sip:1@h>\r\ni: x@h\r\nCSeq: 1 INVITE\r\n";

    fn mended(datagram: &[u8]) -> Vec<u8> {
        match look_at(datagram) {
            Look::Mended(mended) => mended,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_message_is_left_alone() {
        let good = format!("{INVITE}Content-Length: 3\r\n\r\nv=0");
        assert_eq!(look_at(good.as_bytes()), Look::Fine);
        let compact = format!("{INVITE}l: 3\r\n\r\nv=0");
        assert_eq!(look_at(compact.as_bytes()), Look::Fine);
        assert_eq!(look_at(b"\r\n\r\n"), Look::Fine);
        assert_eq!(look_at(b"jaK"), Look::Fine);
    }

    #[test]
    fn a_latin_1_name_keeps_its_letters_and_the_body_its_octets() {
        let mut datagram = format!("{INVITE}Subject: x").into_bytes();
        datagram.extend_from_slice(b"\xe9\r\nContent-Length: 2\r\n\r\n\xff\xfe");
        let mended = mended(&datagram);
        assert!(mended.windows(3).any(|w| w == "xé".as_bytes()));
        assert!(mended.ends_with(b"\r\n\r\n\xff\xfe"));
    }

    #[test]
    fn a_missing_length_is_the_datagrams() {
        let mended = mended(format!("{INVITE}\r\nv=0").as_bytes());
        assert!(mended.ends_with(b"\r\nContent-Length: 3\r\n\r\nv=0"));
    }

    #[test]
    fn unknown_methods_and_missing_headers_get_an_answer() {
        let answer = |datagram: String| match look_at(datagram.as_bytes()) {
            Look::Answer(answer) => String::from_utf8(answer).unwrap(),
            other => panic!("{other:?}"),
        };
        let unknown = answer(format!("{}\r\n", INVITE.replace("INVITE", "BREW")));
        assert!(unknown.starts_with("SIP/2.0 501 "), "{unknown}");
        assert!(unknown.contains("CSeq: 1 BREW\r\n") && unknown.contains("To: <sip:1@h>;tag="));
        let broken = answer(format!("{}\r\n", INVITE.replace("CSeq: 1 INVITE\r\n", "")));
        assert!(broken.starts_with("SIP/2.0 400 "), "{broken}");
        for length in ["4", "-1", "99999999999999999999", ""] {
            let cut = answer(format!("{INVITE}Content-Length: {length}\r\n\r\nv=0"));
            assert!(cut.starts_with("SIP/2.0 400 Bad Content-Length"), "{cut}");
        }
    }

    #[test]
    fn acks_and_responses_are_never_answered() {
        let ack = format!(
            "{}\r\n",
            INVITE
                .replace("INVITE", "ACK")
                .replace("CSeq: 1 ACK\r\n", "")
        );
        assert!(!matches!(look_at(ack.as_bytes()), Look::Answer(_)));
        let response = format!(
            "{}\r\n",
            INVITE.replace("INVITE sip:1@h SIP/2.0", "SIP/2.0 200 OK")
        );
        assert!(!matches!(look_at(response.as_bytes()), Look::Answer(_)));
    }

    #[test]
    fn mutations_do_not_panic() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..50_000 {
            let mut datagram = format!("{INVITE}Content-Length: 3\r\n\r\nv=0").into_bytes();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(0..datagram.len());
                match rng.bool() {
                    true => datagram[at] = rng.u8(..),
                    false => datagram.truncate(at + 1),
                }
            }
            look_at(&datagram);
        }
    }
}
