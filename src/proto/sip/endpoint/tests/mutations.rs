//! Mutated messages against a live endpoint: no panic, no growth.

use super::*;

/// A whole call both ways, every message of which is mutated, by this seed.
fn run(seed: u64, rounds: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut script = Script::with(EndpointConfig {
        seed: seed_of(seed),
        ..config()
    });
    let flow = Flow::udp(FAR.parse().unwrap());
    let mut calls = Vec::new();
    let mut corpus = corpus();
    for round in 0..rounds {
        if round % 40 == 0 {
            calls.push(script.invite(Invite {
                session_expires: Some(Duration::from_secs(90)),
                ..invite(flow.clone())
            }));
        }
        let mut octets = rng.choice(&corpus).unwrap().clone();
        for _ in 0..rng.usize(0..4) {
            mutate(&mut octets, &mut rng);
        }
        script.say_from(&octets, &flow, rng.u8(..) > 20);
        for (_, text) in script.sent.drain(..) {
            if corpus.len() < 400 {
                corpus.push(echo(&text));
            }
        }
        for output in script.events.drain(..) {
            if let Output::Incoming(id, _) | Output::Call(id, _) = output {
                calls.push(id);
            }
        }
        if let Some(call) = rng.choice(&calls) {
            let command = any_command(&mut rng);
            script.endpoint.command(*call, command, script.now);
            script.drain();
        }
        script.pass(rng.u64(0..300));
        calls.truncate(60);
        assert!(script.endpoint.calls.len() < 1000, "seed {seed}");
        assert!(script.endpoint.core.servers.len() < 2000, "seed {seed}");
    }
    script.pass(200_000);
    // Whatever is left is a call that its user has not ended.
    let now = script.now;
    let left: Vec<CallId> = script.endpoint.calls.keys().copied().collect();
    for call in left {
        script
            .endpoint
            .command(call, SipCommand::Bye("end".into()), now);
    }
    script.drain();
    script.forgotten();
}

fn any_command(rng: &mut fastrand::Rng) -> SipCommand {
    match rng.u8(..9) {
        0 => SipCommand::Ringing,
        1 | 2 => SipCommand::Accept(SDP.into()),
        3 => SipCommand::Reject(rng.u16(..)),
        4 => SipCommand::Cancel,
        5 => SipCommand::Reinvite(T38.into()),
        6 => SipCommand::AnswerReinvite {
            code: rng.u16(..),
            sdp: rng.bool().then(|| T38.into()),
        },
        7 => SipCommand::Progress(SDP.into()),
        _ if rng.u8(..) < 60 => SipCommand::Bye("enough".into()),
        _ => SipCommand::Ringing,
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let methods = [
        "INVITE", "BYE", "UPDATE", "OPTIONS", "ACK", "CANCEL", "PRACK",
    ];
    let texts = methods.map(|method| {
        incoming_invite("Session-Expires: 90\r\nSupported: timer\r\n", SDP)
            .replace("INVITE", method)
    });
    texts.map(String::into_bytes).to_vec()
}

/// What we sent, as the far end might send it back: an answer to our request, a request after our answer.
fn echo(text: &str) -> Vec<u8> {
    if text.starts_with("SIP/2.0") {
        let dialog = their_dialog_or(text);
        return dialog.into_bytes();
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let lines = text.lines().skip(1).take_while(|line| !line.is_empty());
    let head: String = lines
        .map(
            |line| match line.starts_with("To: ") && !line.contains("tag=") {
                true => format!("{line};tag=far\r\n"),
                false => format!("{line}\r\n"),
            },
        )
        .collect();
    format!("SIP/2.0 200 OK\r\n{head}\r\n{body}").into_bytes()
}

fn their_dialog_or(text: &str) -> String {
    let line = |name: &str| {
        let start = format!("{name}: ");
        let line = text.lines().find(|line| line.starts_with(&start));
        line.map_or(String::new(), |line| line[start.len()..].to_owned())
    };
    format!(
        "INVITE sip:x@{OURS} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bK{}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {} INVITE\r\nContact: <sip:far@{FAR}>\r\nContent-Type: application/sdp\r\n\r\n{T38}",
        text.len(),
        line("From"),
        line("To"),
        line("Call-ID"),
        100 + text.len(),
    )
}

fn mutate(octets: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    if octets.is_empty() {
        return;
    }
    let at = rng.usize(..octets.len());
    match rng.u8(..6) {
        0 => octets[at] = rng.u8(..),
        1 => octets.truncate(at),
        2 => {
            octets.remove(at);
        }
        3 => octets.insert(at, *rng.choice(b"\r\n;,<>\"@: 0z\xff").unwrap()),
        4 => {
            // A number becomes another one.
            for octet in octets[at..]
                .iter_mut()
                .filter(|o| o.is_ascii_digit())
                .take(1)
            {
                *octet = b'0' + rng.u8(..10);
            }
        }
        _ => {
            // One method or code becomes another one.
            let text = String::from_utf8_lossy(octets).into_owned();
            let words = [
                "INVITE",
                "BYE",
                "ACK",
                "CANCEL",
                "UPDATE",
                "200 OK",
                "180 Ringing",
                "487 X",
                "401 X",
                "422 X",
            ];
            let (from, to) = (rng.choice(words).unwrap(), rng.choice(words).unwrap());
            *octets = text.replace(from, to).into_bytes();
        }
    }
}

#[test]
fn no_mutation_of_a_call_stops_an_endpoint_or_stays_in_it() {
    for seed in 0..30 {
        run(seed, 400);
    }
}

#[test]
fn junk_is_swallowed() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut script = Script::new();
    for _ in 0..5000 {
        let len = rng.usize(0..200);
        let junk: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        script.say_octets(&junk);
    }
    script.expect_silence();
    script.expect_no_event();
}
