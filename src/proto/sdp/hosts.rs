//! Host names in c= lines (RFC 8866 5.7 allows them): found here, looked up by who has a name server.

use std::net::IpAddr;

/// Names that are looked up for one description at most; more is mischief.
const MOST: usize = 4;

/// The host names in the c= lines, each once. One below `.invalid` (RFC 2606) is no name but a hold.
pub fn host_names(body: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(body).split(['\n', '\r']) {
        if let Some(name) = host(line).filter(|name| is_name(name) && !is_hold(name))
            && !names.iter().any(|known| known == name)
            && names.len() < MOST
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// The description with these names replaced by their addresses.
pub fn with_addresses(body: &[u8], found: &[(String, IpAddr)]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let lines = text.split_inclusive('\n').map(|line| {
        let known = host(line).and_then(|name| found.iter().find(|(known, _)| known == name));
        match known {
            Some((_, IpAddr::V4(ip))) => format!("c=IN IP4 {ip}\r\n"),
            Some((_, IpAddr::V6(ip))) => format!("c=IN IP6 {ip}\r\n"),
            None => line.to_owned(),
        }
    });
    lines.collect::<String>().into_bytes()
}

/// What stands in the place of the address, without a time to live.
fn host(line: &str) -> Option<&str> {
    let mut words = line.trim().strip_prefix("c=")?.split_ascii_whitespace();
    let address = words.nth(2)?;
    address.split('/').next()
}

fn is_name(host: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.parse::<IpAddr>().is_err()
        && (1..=253).contains(&host.len())
        && host.chars().all(letters)
        // "256.1.1.1" is a broken address.
        && host.chars().any(|c| c.is_ascii_alphabetic())
}

/// RFC 6157 and RFC 8839 write "nowhere" as a name that cannot be.
pub(super) fn is_hold(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "invalid" || host.ends_with(".invalid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sdp;

    const NAMED: &str = "v=0\r\no=gw 1 1 IN IP4 media.example.net\r\ns=-\r\nc=IN IP4 media.example.net\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0\r\nc=IN IP4 media.example.net/127\r\nm=image 4002 udptl t38\r\nc=IN IP6 fax.example.net\r\n";

    #[test]
    fn names_are_found_once_and_replaced_in_c_lines_only() {
        assert_eq!(
            host_names(NAMED.as_bytes()),
            ["media.example.net", "fax.example.net"]
        );
        let found = [
            ("media.example.net".to_owned(), "192.0.2.7".parse().unwrap()),
            ("fax.example.net".to_owned(), "2001:db8::1".parse().unwrap()),
        ];
        let body = with_addresses(NAMED.as_bytes(), &found);
        let session = sdp::read(&body).unwrap();
        assert_eq!(
            session.audio().unwrap().remote,
            "192.0.2.7:4000".parse().unwrap()
        );
        assert_eq!(
            session.t38().unwrap().remote,
            "[2001:db8::1]:4002".parse().unwrap()
        );
        assert!(String::from_utf8_lossy(&body).contains("o=gw 1 1 IN IP4 media.example.net"));
    }

    #[test]
    fn addresses_holds_and_nonsense_are_not_looked_up() {
        for line in [
            "c=IN IP4 192.0.2.1",
            "c=IN IP6 ::1",
            "c=IN IP4 256.1.1.1",
            "c=IN IP6 x.invalid",
            "c=IN IP4 a;b",
            "c=IN IP4",
            "c=",
        ] {
            assert_eq!(host_names(line.as_bytes()), Vec::<String>::new(), "{line}");
        }
        let many: String = (0..100)
            .map(|n| format!("c=IN IP4 h{n}.example\r\n"))
            .collect();
        assert_eq!(host_names(many.as_bytes()).len(), MOST);
    }

    #[test]
    fn a_name_that_cannot_be_is_a_hold() {
        let held = "v=0\r\nc=IN IP6 nowhere.invalid\r\nm=audio 9 RTP/AVP 0\r\n";
        let session = sdp::read(held.as_bytes()).unwrap();
        assert!(session.audio().unwrap().on_hold());
    }

    #[test]
    fn mutated_descriptions_never_panic_and_ask_for_few_names() {
        let mut rng = fastrand::Rng::with_seed(8866);
        for _ in 0..20_000 {
            let mut body = NAMED.as_bytes().to_vec();
            for _ in 0..rng.usize(1..8) {
                let at = rng.usize(0..body.len());
                body[at] = rng.u8(..);
            }
            let names = host_names(&body);
            assert!(names.len() <= MOST);
            let found: Vec<_> = names
                .into_iter()
                .map(|name| (name, "192.0.2.7".parse().unwrap()))
                .collect();
            let _ = sdp::read(&with_addresses(&body, &found));
        }
    }
}
