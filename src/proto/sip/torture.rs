//! RFC 4475: each message with the answer that the RFC asks for, and what becomes of them when octets are lost, doubled
//! and changed on the way.

mod messages;

use super::check::{self, Abilities};
use super::*;
use messages::{ALL, Torture};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expect {
    /// It is read, and served or taken as a response.
    Fine,
    /// It is read, and then answered so.
    Refused(u16),
    /// It cannot be read, and is answered so.
    Broken(u16),
    /// It is thrown away.
    Dropped,
}

const METHODS: [Method; 6] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Update,
];

const OURS: Abilities<'_> = Abilities {
    methods: &METHODS,
    extensions: &["timer"],
    bodies: &["application/sdp"],
};

fn judge(octets: &[u8]) -> (Expect, Option<Message>) {
    let message = match Message::parse(octets) {
        Ok(message) => message,
        Err(Malformed { reply, .. }) => {
            let code = reply.as_ref().and_then(Message::code);
            return (code.map_or(Expect::Dropped, Expect::Broken), reply);
        }
    };
    if message.code().is_some() {
        let fine = check::response(&message).is_ok();
        return (if fine { Expect::Fine } else { Expect::Dropped }, None);
    }
    match check::request(&message, &OURS) {
        Ok(()) => (Expect::Fine, None),
        Err(Malformed { reply, .. }) => {
            let code = reply.as_ref().and_then(Message::code);
            (code.map_or(Expect::Dropped, Expect::Refused), reply)
        }
    }
}

fn octets(name: &str) -> Vec<u8> {
    let named = ALL.iter().find(|torture| torture.name == name);
    named.unwrap_or_else(|| panic!("{name}")).octets()
}

fn read(name: &str) -> Message {
    Message::parse(&octets(name)).unwrap_or_else(|broken| panic!("{name}: {broken}"))
}

#[test]
fn every_message_gets_the_answer_of_the_rfc() {
    let judged = |torture: &Torture| {
        let (found, _) = judge(&torture.octets());
        (found != torture.expect).then_some((torture.section, torture.name, torture.expect, found))
    };
    let wrong: Vec<_> = ALL.iter().filter_map(judged).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ALL.len(), 49);
}

#[test]
fn an_answer_goes_where_the_request_came_from() {
    for torture in ALL {
        let (_, Some(reply)) = judge(&torture.octets()) else {
            continue;
        };
        let text = String::from_utf8(reply.encode()).expect("it is text");
        assert!(text.starts_with("SIP/2.0 "), "{text}");
        assert!(text.contains("\r\nVia: SIP"), "{}: {text}", torture.name);
        assert!(text.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{text}");
        // Twice the same request, twice the same tag.
        assert_eq!(judge(&torture.octets()).1, Some(reply), "{}", torture.name);
    }
    let told = |name: &str, field| {
        let (_, reply) = judge(&octets(name));
        reply.and_then(|reply| reply.headers.get(field).map(str::to_owned))
    };
    assert_eq!(
        told("bext01", Name::Unsupported).as_deref(),
        Some("nothingSupportsThis")
    );
    assert_eq!(
        told("invut", Name::Accept).as_deref(),
        Some("application/sdp")
    );
    assert_eq!(told("escnull", Name::Allow).as_deref(), Some("INVITE"));
    let to = told("bext01", Name::To).expect("it is there");
    assert!(to.starts_with("sip:j_user@example.com;tag="), "{to}");
}

#[test]
fn an_ack_is_never_answered() {
    for torture in ALL {
        let text = String::from_utf8(torture.octets()).expect("it is text");
        let Some((method, rest)) = text
            .split_once(' ')
            .filter(|(method, _)| *method != "SIP/2.0")
        else {
            continue;
        };
        let ack = format!("ACK {rest}").replace(&format!(" {method}\r\n"), " ACK\r\n");
        let (found, reply) = judge(ack.as_bytes());
        assert!(reply.is_none(), "{}: {found:?}", torture.name);
    }
}

#[test]
fn a_tortuous_invite_means_what_it_says() {
    let invite = read("wsinv");
    assert_eq!(
        invite.uri(),
        Some("sip:vivekg@chair-dnrc.example.com;unknownparam")
    );
    let from = invite.from().expect("it is there");
    assert_eq!(
        (from.display.as_deref(), from.tag()),
        (Some("J Rosenberg \\\""), Some("98asjd8"))
    );
    assert_eq!(invite.to().expect("it is there").tag(), Some("1918181833n"));
    assert_eq!(invite.cseq().expect("it is there").number, 9);
    assert_eq!(invite.headers.get(Name::MaxForwards), Some("0068"));
    assert_eq!(invite.headers.get(Name::Subject), None);
    assert_eq!(
        invite.headers.get_other("newfangledheader"),
        Some("newfangled value continued newfangled value")
    );
    let vias = invite
        .headers
        .all(Name::Via)
        .map(|via| Via::parse(via).expect("checked").host);
    assert_eq!(
        vias.collect::<Vec<_>>(),
        ["192.0.2.2", "spindle.example.com", "192.168.255.111"]
    );
    let contact = invite.contact().expect("it is there");
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert_eq!(contact.params.get("q"), Some("0.33"));
    assert_eq!(part(&invite, "application/sdp"), Some(&invite.body[..]));
}

#[test]
fn unusual_characters_mean_what_they_say() {
    let intmeth = read("intmeth");
    let to = intmeth.to().expect("it is there");
    assert_eq!(
        to.display.as_deref(),
        Some("BEL:\u{7} NUL:\u{0} DEL:\u{7f}")
    );
    let from = intmeth.from().expect("it is there");
    assert_eq!(
        from.params
            .unquoted("fromParam''~+*_!.-%")
            .map(|value| value.chars().count()),
        Some(10)
    );
    assert_eq!(
        read("esc01")
            .from()
            .and_then(|from| from.uri.number())
            .as_deref(),
        Some("I have spaces")
    );
    assert_eq!(
        read("escnull")
            .to()
            .and_then(|to| to.uri.number())
            .as_deref(),
        Some("null-\0-null")
    );
    assert_eq!(read("escnull").headers.all(Name::Contact).count(), 2);
    // The escape in a name of a header is none: two contacts, not three.
    assert_eq!(read("esc02").headers.all(Name::Contact).count(), 2);
    let uri = Uri::parse(read("semiuri").uri().expect("a request")).expect("checked");
    assert_eq!(uri.number().as_deref(), Some("user"));
    assert_eq!(read("longreq").headers.all(Name::Via).count(), 34);
}

#[test]
fn what_is_behind_the_body_is_not_read() {
    assert!(read("dblreq").body.is_empty());
    assert_eq!(
        read("mpart01").body,
        octets("mpart01").split_off(octets("mpart01").len() - read("mpart01").body.len())
    );
    assert_eq!(part(&read("mpart01"), "text/plain"), Some(&b"Hello"[..]));
    assert!(
        read("inv2543").body.ends_with(b"LPC\r\n"),
        "no Content-Length"
    );
}

#[test]
fn reason_phrases() {
    let reason = |name: &str| match read(name).start {
        Start::Response { reason, .. } => reason,
        Start::Request { .. } => panic!("{name} is a request"),
    };
    assert!(reason("unreason").starts_with("= 2**3 * 5**2 \u{43d}\u{43e}"));
    assert_eq!(reason("noreason"), "");
}

// ---- on a stream ----

/// What a stream does with it: as in a datagram, but the next message begins behind the body.
#[test]
fn a_stream_in_pieces_gives_the_same_messages() {
    let fits = |torture: &&Torture| {
        !matches!(
            torture.name,
            "clerr" | "ncl" | "mcl01" | "dblreq" | "inv2543"
        )
    };
    let fine: Vec<Vec<u8>> = ALL.iter().filter(fits).map(Torture::octets).collect();
    let stream = fine.join(&b"\r\n\r\n"[..]);
    for size in [1, 7, 1000, stream.len()] {
        let mut framer = StreamFramer::new();
        let mut found = Vec::new();
        let mut pings = 0;
        for piece in stream.chunks(size) {
            framer.handle_octets(piece);
            while let Some(framed) = framer.poll().expect("it is cut rightly") {
                match framed {
                    Framed::Message(message) => found.push(message),
                    Framed::Ping => pings += 1,
                }
            }
        }
        assert_eq!(found, fine, "in pieces of {size}");
        assert_eq!(pings, fine.len() - 1);
        assert!(framer.is_idle());
    }
}

#[test]
fn a_stream_whose_messages_cannot_be_told_apart_is_answered_and_ends() {
    for (name, code) in [
        ("ncl", Some(400)),
        ("mcl01", Some(400)),
        ("inv2543", Some(400)),
    ] {
        let mut framer = StreamFramer::new();
        framer.handle_octets(&octets(name));
        let broken = framer.poll().expect_err(name);
        assert_eq!(broken.reply.and_then(|reply| reply.code()), code, "{name}");
        framer.handle_octets(&octets("lwsdisp"));
        assert_eq!(framer.poll(), Ok(None), "{name}");
    }
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let mut framer = StreamFramer::new();
        framer.handle_octets(text.as_bytes());
        assert_eq!(framer.poll().expect_err(text).reply, None);
    }
}

#[test]
fn a_stream_is_not_kept_without_limit() {
    let endless = b"X-Endless: x\r\n".repeat(10_000);
    let mut framer = StreamFramer::new();
    framer.handle_octets(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n");
    framer.handle_octets(&endless);
    let broken = framer.poll().expect_err("too long");
    assert_eq!(broken.reply.and_then(|reply| reply.code()), Some(513));
    let large = String::from_utf8(octets("lwsdisp"))
        .expect("text")
        .replace("l: 0", "l: 99999999");
    let mut framer = StreamFramer::new();
    framer.handle_octets(large.as_bytes());
    let broken = framer.poll().expect_err("too long");
    assert_eq!(broken.reply.and_then(|reply| reply.code()), Some(513));
}

#[test]
fn an_answer_to_our_ping_is_no_message() {
    let mut framer = StreamFramer::new();
    framer.handle_octets(b"\r\n");
    assert_eq!(framer.poll(), Ok(None));
    framer.handle_octets(&octets("lwsdisp"));
    assert_eq!(framer.poll(), Ok(Some(Framed::Message(octets("lwsdisp")))));
}

// ---- strangers' octets ----

#[test]
fn a_stray_line_end_hides_no_header() {
    for stray in ["\n", "\r", "\n\r"] {
        let text = format!(
            "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:1@a>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nSubject: x{stray}P-Asserted-Identity: <sip:+1@trusted>\r\n\r\n"
        );
        assert_eq!(judge(text.as_bytes()).0, Expect::Broken(400), "{stray:?}");
    }
}

#[test]
fn too_many_headers_cost_nothing() {
    let line = b"Via: SIP/2.0/UDP a\r\n";
    let message = [
        b"INVITE sip:1@a SIP/2.0\r\n",
        &line.repeat(3000)[..],
        b"\r\n",
    ]
    .concat();
    let (found, reply) = judge(&message);
    assert_eq!(found, Expect::Broken(513));
    assert!(reply.expect("answered").headers.len() <= MAX_FIELDS);
}

/// Mutations of each message.
const ROUNDS: usize = 100;

/// One to four changes: octets changed, lost, doubled, moved, or a piece of another message.
fn mutate(octets: &mut Vec<u8>, random: &mut fastrand::Rng) {
    const SHARP: &[u8] = b"\r\n\t ;,:<>\"\\/=@?%\0\xff\xe4[]-9";
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..octets.len().max(1));
        let to = (at + random.usize(0..40)).min(octets.len());
        match random.u8(0..20) {
            _ if octets.is_empty() => octets.push(random.u8(..)),
            0..4 => octets[at] = random.u8(..),
            4..10 => octets[at] = *random.choice(SHARP).expect("not empty"),
            10..14 => octets.insert(at, *random.choice(SHARP).expect("not empty")),
            14 => drop(octets.drain(at..to)),
            15 => {
                let piece = octets[at..to].to_vec();
                let there = random.usize(0..=octets.len());
                octets.splice(there..there, piece);
            }
            16 => octets.truncate(at),
            _ => {
                let other = ALL[random.usize(0..ALL.len())].octets();
                let from = random.usize(0..other.len());
                let piece = &other[from..(from + 60).min(other.len())];
                octets.splice(at..to, piece.iter().copied());
            }
        }
    }
}

fn without_length(message: &Message) -> Message {
    let mut message = message.clone();
    message.headers.remove(Name::ContentLength);
    message
}

/// Everything that looks into a message.
fn look_into(octets: &[u8]) -> Option<Message> {
    let _ = first_look(octets);
    let (_, reply) = judge(octets);
    if let Some(reply) = reply {
        let written = reply.encode();
        assert!(first_look(&written).is_none_or(|look| look.method.is_none()));
    }
    let mut framer = StreamFramer::new();
    framer.handle_octets(octets);
    while let Ok(Some(_)) = framer.poll() {}
    let message = Message::parse(octets).ok()?;
    let _ = (
        part(&message, "application/sdp"),
        digest::challenges(&message),
        message.contact(),
    );
    let mut stamped = message.clone();
    stamped.stamp("192.0.2.9:5060".parse().expect("an address"));
    Message::parse(&stamped.encode()).expect("a stamp breaks nothing");
    for (_, value) in message.headers.iter() {
        let _ = (
            NameAddr::parse(value),
            Uri::parse(value),
            Via::parse(value),
            Params::parse(value),
        );
    }
    Some(message)
}

#[test]
fn no_mutation_panics_and_what_is_written_reads_the_same() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut read = 0;
    for torture in ALL {
        for _ in 0..ROUNDS {
            let mut octets = torture.octets();
            mutate(&mut octets, &mut random);
            let Some(message) = look_into(&octets) else {
                continue;
            };
            read += 1;
            let again = Message::parse(&message.encode());
            let again = again
                .unwrap_or_else(|why| panic!("seed {seed} {}: {why}\n{octets:?}", torture.name));
            assert_eq!(
                without_length(&message),
                without_length(&again),
                "seed {seed}"
            );
        }
    }
    assert!(
        read > 200,
        "only {read} could be read: the mutations are too coarse to prove anything"
    );
}

#[test]
fn what_is_read_is_written_again() {
    for torture in ALL {
        if let Ok(message) = Message::parse(&torture.octets()) {
            let again = Message::parse(&message.encode()).expect("it reads");
            assert_eq!(
                without_length(&message),
                without_length(&again),
                "{}",
                torture.name
            );
        }
    }
}
