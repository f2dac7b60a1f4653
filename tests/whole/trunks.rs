//! Carriers with more than one server, and carriers that want to be asked, registered with, or left alone. The far
//! ends are written by hand: datagrams in, datagrams out.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postfax::config::Config;
use postfax::config::trunk::{CalledNumber, NumberFormat, Reinvite};
use postfax::pages::sample;

use crate::harness::{CLERK, OURS, Site, mails, wait_for, wait_until};

/// The carrier's machine with a busy line: a call to it is over at once.
const BUSY: &str = "5551230001";

/// A far end: what it heard and when, and what it says to each request.
struct FarEnd {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
    stop: Arc<AtomicBool>,
}

impl FarEnd {
    /// At an address; `answer` gives status line and more headers, or silence.
    fn at(
        address: SocketAddr,
        answer: impl Fn(&str) -> Option<&'static str> + Send + 'static,
    ) -> FarEnd {
        FarEnd::saying(address, move |request| answer(request).map(str::to_owned))
    }

    fn saying(
        address: SocketAddr,
        answer: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> FarEnd {
        let socket = UdpSocket::bind(address).expect("an address of loopback");
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).expect("a timeout");
        let (heard, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let far_end = FarEnd {
            address,
            heard: Arc::clone(&heard),
            stop: stop.clone(),
        };
        std::thread::spawn(move || {
            let mut datagram = [0; 65_536];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut datagram) else {
                    continue;
                };
                let request = String::from_utf8_lossy(&datagram[..length]).into_owned();
                if let Some(status) = answer(&request) {
                    let _ = socket.send_to(response(&request, &status).as_bytes(), from);
                }
                heard.lock().unwrap().push((Instant::now(), request));
            }
        });
        far_end
    }

    /// The requests of one method, without those that were sent again.
    fn heard(&self, method: &str) -> Vec<(Instant, String)> {
        let mut seen = std::collections::HashSet::new();
        let heard = self.heard.lock().unwrap();
        let ours = heard
            .iter()
            .filter(|(_, request)| request.starts_with(method));
        ours.filter(|(_, request)| seen.insert(header(request, "Via").to_owned()))
            .cloned()
            .collect()
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A response as another implementation would write it.
fn response(request: &str, status: &str) -> String {
    let (status, more) = status.split_once('|').unwrap_or((status, ""));
    let more: String = more
        .split('|')
        .filter(|it| !it.is_empty())
        .map(|it| format!("{it}\r\n"))
        .collect();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=far\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: 0\r\n\r\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let mut lines = request.lines();
    let line = lines.find(|line| {
        line.split(':')
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case(name))
    });
    line.map_or("", |line| line[name.len() + 1..].trim())
}

/// A site whose trunk names another server before the carrier, and does not ask anybody how it is.
fn behind(server: impl Fn(&Site) -> SocketAddr, change: impl FnOnce(&mut Config)) -> Site {
    let mut site = Site::prepared(|config| {
        config.trunks[0].options_seconds = 0;
        change(config);
    });
    let first = server(&site).to_string();
    site.config.trunks[0].server.insert(0, first);
    site.start_carrier();
    site.start();
    site
}

/// Sends a page to the busy machine; its only attempt, and the seconds until it was dialled there.
fn dialled_busy(site: &Site) -> (postfax::queue::AttemptRow, f64) {
    let begun = Instant::now();
    site.submit(&[BUSY], &[sample::numbered_pages(1)]);
    wait_until("the carrier is called", 20, || site.dialled(BUSY) > 0);
    let seconds = begun.elapsed().as_secs_f64();
    let attempt = wait_for("the attempt is over", 10, || {
        site.attempts(&site.fax().id)
            .into_iter()
            .find(|it| it.ended_at.is_some())
    });
    (attempt, seconds)
}

#[test]
fn the_first_server_is_dead() {
    let site = behind(|site| site.address(5081), |_| {});
    let dead = FarEnd::at(site.address(5081), |_| None);
    let (attempt, seconds) = dialled_busy(&site);
    assert!((2.9..8.0).contains(&seconds), "{seconds} s");
    assert_eq!(
        attempt.outcome.as_deref(),
        Some("busy"),
        "{}",
        attempt.detail
    );
    let tried = format!("udp:{}: no response", dead.address);
    assert!(attempt.detail.contains(&tried), "{}", attempt.detail);
    assert!(attempt.detail.contains("; then 486"), "{}", attempt.detail);
    assert_eq!(attempt.target, format!("udp:{}", site.address(5070)));
    assert_eq!(dead.heard("INVITE").len(), 1);
    // The next call does not lose these seconds again.
    site.submit(&["5551240001"], &[sample::numbered_pages(1)]);
    wait_until("the carrier is called", 20, || {
        site.dialled("5551240001") > 0
    });
    assert_eq!(dead.heard("INVITE").len(), 1);
}

/// RFC 2852: the deadline was still ahead when the fax was claimed, and is over when the next server's turn comes.
#[test]
fn no_invite_leaves_for_the_second_server_once_the_deadline_has_passed() {
    let slow = |config: &mut Config| config.trunks[0].silence_seconds = 14;
    let site = behind(|site| site.address(5081), slow);
    let dead = FarEnd::at(site.address(5081), |_| None);
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}> BY=12;R"), 250);
    client.expect(&format!("RCPT TO:<{BUSY}@fax.local>"), 250);
    client.expect("DATA", 354);
    let mail = mails::with_pdfs(&[BUSY], &[sample::numbered_pages(1)]);
    assert_eq!(client.data(&mail).code, 250);
    wait_until("it is over", 60, || site.fax().ended_at.is_some());
    let fax = site.fax();
    let end = (fax.state.as_str(), fax.outcome.as_deref(), fax.calls);
    assert_eq!(end, ("failed", Some("expired"), 1));
    assert_eq!(dead.heard("INVITE").len(), 1, "it was claimed in time");
    assert_eq!(site.dialled(BUSY), 0);
    site.check();
}

#[test]
fn the_first_server_says_503_and_asks_for_rest() {
    let site = behind(|site| site.address(5081), |_| {});
    let full = FarEnd::at(site.address(5081), |request| {
        request
            .starts_with("INVITE")
            .then_some("503 Service Unavailable|Retry-After: 60")
    });
    let (attempt, seconds) = dialled_busy(&site);
    assert!(seconds < 3.0, "{seconds} s");
    assert!(
        attempt.detail.contains("503 Service Unavailable; then 486"),
        "{}",
        attempt.detail
    );
    site.submit(&["5551240001"], &[sample::numbered_pages(1)]);
    wait_until("the carrier is called", 20, || {
        site.dialled("5551240001") > 0
    });
    assert_eq!(
        full.heard("INVITE").len(),
        1,
        "it had asked to be left alone"
    );
}

/// The second INVITE of the attempt, in audio, fares as a first one would.
#[test]
fn the_server_that_refused_t38_first_fails_at_the_audio() {
    let failures = [
        Some("503 Service Unavailable"),
        Some("408 Request Timeout"),
        None,
    ];
    for failure in failures {
        let site = behind(
            |site| site.address(5081),
            |config| config.trunks[0].reinvite_out = Reinvite::T38First,
        );
        let fails = FarEnd::at(site.address(5081), move |request| {
            let in_audio = request.contains("m=audio");
            match request.starts_with("INVITE") {
                true if in_audio => failure,
                true => Some("488 Not Acceptable Here"),
                false => None,
            }
        });
        let (attempt, seconds) = dialled_busy(&site);
        assert!(seconds < 8.0, "{seconds} s");
        assert_eq!(attempt.outcome.as_deref(), Some("busy"), "{failure:?}");
        assert!(attempt.detail.contains("; then 486"), "{}", attempt.detail);
        assert_eq!(fails.heard("INVITE").len(), 2, "{failure:?}");
    }
}

#[test]
fn the_first_server_says_404_and_is_believed() {
    let site = behind(|site| site.address(5081), |_| {});
    let _knows = FarEnd::at(site.address(5081), |request| {
        request.starts_with("INVITE").then_some("404 Not Found")
    });
    site.submit(&[BUSY], &[sample::numbered_pages(1)]);
    wait_until("the receipt", 20, || site.receipts().len() == 1);
    let attempt = &site.attempts(&site.fax().id)[0];
    assert_eq!(
        attempt.outcome.as_deref(),
        Some("not_in_service"),
        "{}",
        attempt.detail
    );
    assert_eq!(site.dialled(BUSY), 0, "it was tried elsewhere");
}

#[test]
fn a_redirection_is_not_followed_unless_told_and_never_to_a_stranger() {
    for (follow, to, followed) in [(false, 5070, false), (true, 5070, true), (true, 0, false)] {
        let site = behind(
            |site| site.address(5081),
            |config| config.trunks[0].follow_redirects = follow,
        );
        let contact = match to {
            0 => format!("302 Moved|Contact: <sip:{BUSY}@192.0.2.77:5060>"),
            port => format!("302 Moved|Contact: <sip:{BUSY}@{}>", site.address(port)),
        };
        let _elsewhere = FarEnd::saying(site.address(5081), move |request| {
            request.starts_with("INVITE").then(|| contact.clone())
        });
        site.submit(&[BUSY], &[sample::numbered_pages(1)]);
        let attempt = wait_for("the attempt is over", 20, || {
            let fax = site.faxes().pop()?;
            site.attempts(&fax.id)
                .into_iter()
                .find(|it| it.ended_at.is_some())
        });
        assert_eq!(site.dialled(BUSY) > 0, followed, "{}", attempt.detail);
        let outcome = if followed { "busy" } else { "refused" };
        assert_eq!(
            attempt.outcome.as_deref(),
            Some(outcome),
            "{}",
            attempt.detail
        );
    }
}

#[test]
fn a_trunk_by_prefix_gets_the_number_in_its_own_form() {
    let mut site = Site::prepared(|config| {
        let mut local = config.trunks[0].clone();
        local.name = "local".into();
        local.prefixes = vec!["+1212".into()];
        local.number_format = NumberFormat::International;
        local.prepend = "7".into();
        local.caller_id = "+1 202 555 0123".into();
        config.trunks.push(local);
    });
    site.config.trunks[1].server = vec![site.address(5081).to_string()];
    let local = FarEnd::at(site.address(5081), |request| match request {
        it if it.starts_with("INVITE") => Some("486 Busy Here"),
        it if it.starts_with("OPTIONS") => Some("200 OK"),
        _ => None,
    });
    site.start_carrier();
    site.start();
    site.submit(&["2125550199"], &[sample::numbered_pages(1)]);
    wait_until("the call", 20, || !local.heard("INVITE").is_empty());
    let (_, invite) = local.heard("INVITE").remove(0);
    let wanted = format!("INVITE sip:712125550199@{} SIP/2.0", site.address(5081));
    assert_eq!(invite.lines().next(), Some(&*wanted));
    assert!(
        header(&invite, "From").contains("sip:12025550123@"),
        "{invite}"
    );
    let fax = wait_for("the attempt is over", 10, || {
        Some(site.fax()).filter(|fax| fax.outcome.is_some())
    });
    assert_eq!(fax.number, "+12125550199");
    assert_eq!(site.attempts(&fax.id)[0].trunk, "local");
}

#[test]
fn a_trunk_that_takes_one_call_a_second_gets_one_and_no_fax_fails() {
    let mut site = Site::prepared(|config| {
        config.trunks[0].calls_per_second = 1.0;
        config.trunks[0].options_seconds = 0;
    });
    site.config.trunks[0].server = vec![site.address(5081).to_string()];
    let slow = FarEnd::at(site.address(5081), |request| {
        request.starts_with("INVITE").then_some("486 Busy Here")
    });
    site.start();
    let numbers = ["5551240001", "5551240002", "5551240003", "5551240004"];
    site.submit(&numbers, &[sample::numbered_pages(1)]);
    wait_until("four calls", 20, || slow.heard("INVITE").len() == 4);
    let calls = slow.heard("INVITE");
    for pair in calls.windows(2) {
        let pause = pair[1].0.duration_since(pair[0].0);
        assert!(pause > Duration::from_millis(700), "{pause:?}");
    }
    assert!(calls[3].0.duration_since(calls[0].0) < Duration::from_secs(8));
    assert!(
        site.faxes()
            .iter()
            .all(|fax| fax.outcome.as_deref() != Some("trunk_down"))
    );
}

#[test]
fn a_registrar_is_told_who_we_are_and_at_the_end_that_we_go() {
    let mut site = Site::prepared(|config| {
        let trunk = &mut config.trunks[0];
        trunk.register = true;
        (trunk.username, trunk.password) = ("7001".into(), "secret".into());
    });
    site.config.trunks[0].server = vec![site.address(5081).to_string()];
    let registrar = FarEnd::at(site.address(5081), |request| match request {
        it if it.starts_with("OPTIONS") => Some("200 OK"),
        it if !it.starts_with("REGISTER") => None,
        it if it.contains("Authorization: Digest") => Some("200 OK|Expires: 120"),
        _ => Some(
            "401 Unauthorized|WWW-Authenticate: Digest realm=\"a\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"",
        ),
    });
    site.start();
    wait_until("it is registered", 20, || {
        site.status()["trunks"][0]["registration"]["until"].is_string()
    });
    let (_, register) = registrar.heard("REGISTER").pop().unwrap();
    assert!(
        header(&register, "Authorization").contains("username=\"7001\""),
        "{register}"
    );
    assert!(header(&register, "To").contains("sip:7001@"), "{register}");
    assert!(!site.log().text().contains("secret"));
    site.stop();
    let last = registrar.heard("REGISTER").pop().unwrap().1;
    assert_eq!(header(&last, "Expires"), "0", "{last}");
}

#[test]
fn a_wrong_password_is_told_on_the_page() {
    let mut site = Site::prepared(|config| {
        let trunk = &mut config.trunks[0];
        trunk.register = true;
        (trunk.username, trunk.password) = ("7001".into(), "wrong".into());
    });
    site.config.trunks[0].server = vec![site.address(5081).to_string()];
    let _registrar = FarEnd::at(site.address(5081), |request| {
        request.starts_with("REGISTER").then_some(
            "401 Unauthorized|WWW-Authenticate: Digest realm=\"a\", nonce=\"n1\", algorithm=MD5",
        )
    });
    site.start();
    wait_until("it is told", 20, || {
        site.status()["trunks"][0]["detail"]
            .to_string()
            .contains("wrong username or password")
    });
    assert_eq!(site.status()["trunks"][0]["state"], "down");
}

#[test]
fn a_server_that_stops_answering_options_is_down_before_anybody_calls() {
    let alive = Arc::new(AtomicBool::new(true));
    let mut site = Site::prepared(|config| config.trunks[0].options_seconds = 1);
    site.config.trunks[0].server = vec![site.address(5081).to_string()];
    let answers = alive.clone();
    let _server = FarEnd::at(site.address(5081), move |_| {
        // Whoever refuses OPTIONS is alive.
        answers
            .load(Ordering::Relaxed)
            .then_some("405 Method Not Allowed")
    });
    site.start();
    let state = |site: &Site| site.status()["trunks"][0]["state"].clone();
    wait_until("it is up", 20, || state(&site) == "up");
    alive.store(false, Ordering::Relaxed);
    wait_until("it is down", 20, || state(&site) == "down");
    alive.store(true, Ordering::Relaxed);
    wait_until("it is up again", 20, || state(&site) == "up");
}

// ---- calls that come in ----

fn invite(number: &str, from: &str, more: &str) -> String {
    let id = fastrand::u64(..);
    format!(
        "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5099;branch=z9hG4bK{id:x};rport\r\n\
         From: {from};tag=a{id:x}\r\nTo: <sip:{number}@127.0.0.1>\r\nCall-ID: {id:x}@127.0.0.1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:100@127.0.0.1:5099>\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The final status of a call from an address of the carrier.
fn called(site: &Site, invite: &str) -> String {
    let socket = UdpSocket::bind((site.address(0).ip(), 0)).expect("an address of loopback");
    let patience = Some(Duration::from_secs(5));
    socket.set_read_timeout(patience).expect("a timeout");
    let gateway = site.config.sip.listen[0].address;
    socket
        .send_to(invite.as_bytes(), gateway)
        .expect("loopback takes it");
    let mut datagram = [0; 8192];
    loop {
        let (length, _) = socket.recv_from(&mut datagram).expect("an answer");
        let response = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let status = response.lines().next().unwrap_or_default().to_owned();
        if !status.starts_with("SIP/2.0 1") {
            return status["SIP/2.0 ".len()..]
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
        }
    }
}

#[test]
fn unwanted_callers_are_refused_before_the_answer_and_counted() {
    let site = Site::with(|config| {
        config.inbound.refuse_anonymous = true;
        config.inbound.blocked = vec!["202555XXXX".into()];
        config.trunks[0].called_number_from = CalledNumber::Diversion;
    });
    let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    assert_eq!(called(&site, &invite(OURS, anonymous, "")), "603");
    let somebody = "<sip:+15551234567@carrier.example>";
    assert_eq!(
        called(&site, &invite(OURS, somebody, "Privacy: id\r\n")),
        "603"
    );
    for blocked in ["<sip:+12025550123@a>", "<sip:2025550123@a>"] {
        assert_eq!(
            called(&site, &invite(OURS, blocked, "")),
            "603",
            "{blocked}"
        );
    }
    let diverted = "Diversion: <sip:5550000000@a>;reason=unconditional\r\n";
    assert_eq!(called(&site, &invite(OURS, somebody, diverted)), "404");
    assert_eq!(site.status()["trunks"][0]["refused"], 5);
    // The channel of the last one is given back a moment behind its answer.
    wait_until("every channel is free", 5, || {
        site.status()["trunks"][0]["calls"] == 0
    });
    // Two withheld numbers are one line, and so are two forms of one number.
    assert!(
        site.log().count("call refused") <= 4,
        "{}",
        site.log().text()
    );
    assert_eq!(site.received().len(), 0);
}

#[test]
fn the_trunk_with_one_channel_is_busy_for_the_second_caller() {
    let site = Site::with(|config| config.trunks[0].channels = 1);
    site.submit(&["5551230002"], &[sample::numbered_pages(1)]);
    wait_until("our own call rings", 20, || {
        site.status()["trunks"][0]["calls"] == 1
    });
    let somebody = "<sip:+15551234567@carrier.example>";
    assert_eq!(called(&site, &invite(OURS, somebody, "")), "486");
}

#[test]
fn who_calls_while_the_last_calls_end_is_sent_elsewhere() {
    let mut site = Site::with(|config| config.sip.drain_seconds = 60);
    site.submit(&["5551230002"], &[sample::numbered_pages(1)]);
    wait_until("our own call rings", 20, || {
        site.status()["trunks"][0]["calls"] == 1
    });
    site.terminate();
    wait_until("the daemon is stopping", 5, || {
        site.log().count("calls in progress get up to 60 s") == 1
    });
    let somebody = "<sip:+15551234567@carrier.example>";
    assert_eq!(called(&site, &invite(OURS, somebody, "")), "480");
    site.kill();
}
