//! Over a real socket, spoken to by hand.

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::snapshot::*;
use super::*;
use crate::call::outcome::Outcome;

/// Tells the same every time.
struct Still(Snapshot);

impl Source for Still {
    async fn snapshot(&self) -> Snapshot {
        self.0.clone()
    }

    async fn preview(&self, fax: &str) -> Option<Vec<u8>> {
        (fax == "17").then(|| b"PNG".to_vec())
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A gateway with nothing to do.
fn idle() -> Snapshot {
    Snapshot {
        version: "0.1.0".into(),
        hostname: "fax.law.example".into(),
        now: time("2026-11-21T09:15:50Z"),
        uptime_seconds: 12_000,
        channels: 12,
        line_calls: 3,
        ..Snapshot::default()
    }
}

fn out_call() -> Call {
    Call {
        fax: "21".into(),
        direction: Direction::Out,
        number: Some("5551234567".into()),
        station: Some("+1 555 123 4567".into()),
        phase: Phase::Transferring,
        page: 2,
        pages: Some(5),
        percent: Call::percent_of(2, Some(5), 14_000, Some(25_700)),
        page_bytes: 14_000,
        bit_rate: Some(14_400),
        seconds: 38,
    }
}

fn in_call() -> Call {
    Call {
        fax: "9".into(),
        direction: Direction::In,
        number: Some("+15559876543".into()),
        station: Some("CLINIC WEST".into()),
        phase: Phase::Transferring,
        page: 1,
        pages: None,
        percent: None,
        page_bytes: 11_800,
        bit_rate: Some(9_600),
        seconds: 21,
    }
}

fn waiting(
    fax: &str,
    number: &str,
    next_try: Option<&str>,
    outcome: Option<Outcome>,
    detail: &str,
) -> WaitingFax {
    WaitingFax {
        told: told(),
        fax: fax.into(),
        number: number.into(),
        sender: "anna.lee@law.example".into(),
        pages: next_try.map(|_| 3),
        attempts: u32::from(outcome.is_some()) * 2,
        next_try: next_try.map(time),
        waits_for: if next_try.is_some() { "retry" } else { "pages" },
        why: match next_try {
            Some(_) => "".into(),
            None => "its <b>pages</b> are being made".into(),
        },
        outcome,
        detail: detail.into(),
    }
}

fn told() -> Told {
    Told {
        first: "Your fax <b> was told.".into(),
        next: "Please <i> do.".into(),
    }
}

fn sent(number: &str, outcome: Outcome, detail: &str, confirmed: u32, ended: &str) -> SentFax {
    SentFax {
        told: told(),
        fax: "17".into(),
        number: number.into(),
        sender: "anna.lee@law.example".into(),
        outcome: Some(outcome),
        detail: detail.into(),
        pages: 2,
        confirmed,
        seconds: u64::from(confirmed) * 24,
        attempts: 1 + u32::from(number.ends_with('7')),
        ended: time(ended),
        preview: (confirmed > 0).then(|| "/preview/17.png".into()),
    }
}

fn received(
    from: Option<&str>,
    outcome: Outcome,
    pages: u32,
    handed_over: bool,
    ended: &str,
) -> ReceivedFax {
    ReceivedFax {
        refused: false,
        fax: "9".into(),
        from: from.map(String::from),
        station: from.map(|_| "CLINIC WEST".into()),
        to: "+15551230000".into(),
        sub_address: from.map(|_| "6377".into()),
        outcome,
        detail: String::new(),
        pages,
        seconds: 52,
        ended: time(ended),
        handed_over,
        preview: None,
    }
}

/// A gateway on a busy day, with one of everything.
fn busy() -> Snapshot {
    Snapshot {
        problems: vec!["The trunk pbx does not respond: no reply for 32 s.".into()],
        channels: 12,
        line_calls: 3,
        trunks: vec![
            Trunk {
                name: "carrier".into(),
                address: "sip.carrier.example:5060".into(),
                state: TrunkState::Up,
                detail: "answered OPTIONS with 200 OK".into(),
                since: Some(time("2026-11-21T06:02:00Z")),
                calls: 3,
                max_calls: 10,
                transport: "udp",
                calls_per_second: 5.0,
                refused: 2,
                registration: None,
                targets: vec![],
            },
            Trunk {
                name: "pbx".into(),
                address: "192.0.2.17:5060".into(),
                state: TrunkState::Down,
                detail: "no reply for 32 s".into(),
                since: Some(time("2026-11-21T09:12:00Z")),
                calls: 0,
                max_calls: 4,
                transport: "udp",
                calls_per_second: 5.0,
                refused: 2,
                registration: None,
                targets: vec![],
            },
        ],
        queue: Queue {
            rendering: 1,
            ready: 2,
            retrying: 11,
            calling: 2,
            mails: 1,
            delivered_today: 128,
            failed_today: 3,
            received_today: 41,
        },
        calls: vec![
            out_call(),
            in_call(),
            Call {
                number: Some("+442079460000".into()),
                station: None,
                phase: Phase::Ringing,
                page: 0,
                percent: Some(0),
                bit_rate: None,
                seconds: 6,
                ..out_call()
            },
        ],
        waiting: vec![
            waiting("22", "5550001111", None, None, ""),
            waiting("23", "5550002222", Some("2026-11-21T09:15:50Z"), None, ""),
            waiting(
                "18",
                "5550003333",
                Some("2026-11-21T09:19:30Z"),
                Some(Outcome::Busy),
                "486 Busy Here",
            ),
            waiting(
                "14",
                "+4989123456",
                Some("2026-11-21T10:45:00Z"),
                Some(Outcome::NoFax),
                "T1 ran out after 35 s",
            ),
        ],
        sent: vec![
            sent(
                "5551234567",
                Outcome::Delivered,
                "",
                2,
                "2026-11-21T09:14:12Z",
            ),
            sent(
                "5551230009",
                Outcome::Uncertain,
                "silence after the last EOP",
                1,
                "2026-11-21T09:02:40Z",
            ),
            sent(
                "5550404040",
                Outcome::NotInService,
                "404 Not Found",
                0,
                "2026-11-21T08:47:05Z",
            ),
            sent(
                "5551110000",
                Outcome::Cancelled,
                "by anna.lee@law.example",
                0,
                "2026-11-21T08:31:00Z",
            ),
            sent(
                "5551119999",
                Outcome::FarEndHungUp,
                "DCN after MCF of page 1",
                1,
                "2026-11-20T16:20:00Z",
            ),
        ],
        received: vec![
            received(
                Some("+15559876543"),
                Outcome::Delivered,
                2,
                true,
                "2026-11-21T09:11:31Z",
            ),
            received(None, Outcome::Delivered, 14, false, "2026-11-21T09:09:02Z"),
            received(
                Some("+15559870000"),
                Outcome::FarEndSilent,
                3,
                true,
                "2026-11-21T08:15:00Z",
            ),
        ],
        mails: vec![WaitingMail {
            id: "33".into(),
            to: "front.desk@law.example".into(),
            subject: "Fax from an unknown number, 14 pages".into(),
            since: time("2026-11-21T09:09:03Z"),
            attempts: 3,
            next_try: Some(time("2026-11-21T09:17:00Z")),
            reply:
                "relay mail.law.example:25 said at MAIL FROM: 451 4.3.0 Temporary lookup failure"
                    .into(),
        }],
        ..idle()
    }
}

struct Served {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<io::Result<()>>,
}

async fn served<S: Source>(source: S) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = Site {
        names: vec!["fax.law.example".into()],
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
    };
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(serve(listener, site, Arc::new(source), shutdown.clone()));
    Served {
        address,
        shutdown,
        ended,
    }
}

impl Served {
    /// The whole answer to a request with these header lines, `\r\n` between and behind them.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn ask(&self, line: &str) -> String {
        self.raw(&format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
        .await
    }
}

/// Writes the page where `POSTFAX_KEEP_PAGES` says, for a look at it in a browser.
fn keep_to_look_at(name: &str, answer: &str) {
    if let Some(folder) = std::env::var_os("POSTFAX_KEEP_PAGES") {
        let html = answer.split("\r\n\r\n").nth(1).unwrap();
        let html = html.replace("/style.css?v=0.1.0", "style.css");
        std::fs::write(std::path::Path::new(&folder).join(name), html).unwrap();
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[tokio::test]
async fn the_page_tells_everything_that_is_known() {
    let page = served(Still(busy())).await.ask("GET /").await;
    assert_eq!(status(&page), "200");
    keep_to_look_at("busy.html", &page);
    for fact in [
        "<title>(!) 3 calls, 14 waiting · Postfax</title>",
        "content=\"5\"",
        "up 3 h 20 min",
        "version 0.1.0",
        "answered OPTIONS with 200 OK",
        "for 3 h 13 min",
        "value=\"30\"",
        "page 2 of 5",
        "14400 bit/s",
        "11.5 KB",
        "in 3 min",
        "the next 4 of 14",
        "the number was busy",
        "404 Not Found",
        "20 Nov 17:20",
        "1 of 2",
        "withheld",
        "not mailed yet",
        "451 4.3.0 Temporary lookup failure",
    ] {
        assert!(page.contains(fact), "{fact} is missing in\n{page}");
    }
    let elsewhere = page.matches("http://").count() + page.matches("https://").count();
    assert_eq!(elsewhere, 0, "nothing is loaded from elsewhere");
    assert!(!page.contains("style=") && !page.contains("<script"));
}

#[tokio::test]
async fn an_idle_gateway_has_a_page_too() {
    let page = served(Still(idle())).await.ask("GET /").await;
    assert_eq!(status(&page), "200");
    keep_to_look_at("idle.html", &page);
    for fact in [
        "No trunk is configured",
        "The lines are quiet",
        "Nothing waits",
        "0 calls",
    ] {
        assert!(page.contains(fact), "{fact}");
    }
}

#[tokio::test]
async fn strangers_words_are_escaped_wherever_they_stand() {
    const EVIL: &str = "<script>alert('1')</script>\"&";
    let evil = || EVIL.to_string();
    let mut snapshot = busy();
    snapshot.hostname = evil();
    snapshot.version = evil();
    snapshot.problems = vec![evil()];
    for call in &mut snapshot.calls {
        (call.number, call.station) = (Some(evil()), Some(evil()));
    }
    for trunk in &mut snapshot.trunks {
        (trunk.name, trunk.address, trunk.detail) = (evil(), evil(), evil());
    }
    for fax in &mut snapshot.waiting {
        (fax.number, fax.sender, fax.detail) = (evil(), evil(), evil());
    }
    for fax in &mut snapshot.sent {
        (fax.number, fax.sender, fax.detail) = (evil(), evil(), evil());
    }
    for fax in &mut snapshot.received {
        (fax.from, fax.station, fax.to) = (Some(evil()), Some(evil()), evil());
        fax.detail = evil();
    }
    for mail in &mut snapshot.mails {
        (mail.to, mail.subject, mail.reply) = (evil(), evil(), evil());
    }
    let page = served(Still(snapshot)).await.ask("GET /").await;
    assert_eq!(status(&page), "200");
    assert!(page.matches("&lt;script&gt;").count() > 30);
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("</script"), "{page}");
}

#[tokio::test]
async fn status_json_says_the_same_under_stable_names() {
    let answer = served(Still(busy())).await.ask("GET /status.json").await;
    assert!(answer.contains("content-type: application/json"));
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["now"], "2026-11-21T09:15:50Z");
    assert_eq!(json["trunks"][1]["state"], "down");
    assert_eq!(json["calls"][0]["phase"], "transferring");
    assert_eq!(json["calls"][0]["percent"], 30);
    assert_eq!(json["calls"][1]["direction"], "in");
    assert_eq!(json["waiting"][2]["outcome"], "busy");
    assert_eq!(json["sent"][2]["outcome"], "not_in_service");
    assert_eq!(json["received"][1]["from"], serde_json::Value::Null);
    assert_eq!(json["mails"][0]["attempts"], 3);
    assert_eq!(json["queue"]["delivered_today"], 128);
}

#[tokio::test]
async fn healthz_is_ok_or_says_why_not() {
    let answer = served(Still(idle())).await.ask("GET /healthz").await;
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\nok\n"));

    let mut sick = idle();
    sick.problems = vec!["the trunk carrier does not respond".into()];
    let answer = served(Still(sick)).await.ask("GET /healthz").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.ends_with("\r\n\r\nthe trunk carrier does not respond\n"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_kind() {
    let served = served(Still(idle())).await;
    let answer = served.ask("GET /wp-login.php").await;
    assert_eq!(status(&answer), "404");
    assert!(answer.contains("There is nothing here."));
    let answer = served.ask("GET /no.json").await;
    assert_eq!(status(&answer), "404");
    assert!(answer.contains("{\"error\":\"There is nothing here."));
    for line in ["POST /", "DELETE /status.json", "TRACE /healthz"] {
        let answer = served.ask(line).await;
        assert_eq!(status(&answer), "405", "{line}");
        assert!(answer.contains("allow: GET,HEAD"), "{answer}");
    }
    let answer = served.ask("HEAD /").await;
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body");
}

#[tokio::test]
async fn a_name_that_was_rebound_to_us_reads_nothing() {
    let served = served(Still(busy())).await;
    for (host, code) in [
        ("localhost", "200"),
        ("127.0.0.1:8025", "200"),
        ("[::1]:8025", "200"),
        ("FAX.law.example", "200"),
        ("evil.example", "421"),
        ("localhost.evil.example:8025", "421"),
        ("", "421"),
    ] {
        for path in ["/", "/status.json", "/style.css", "/nothing"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = served.raw(&request).await;
            let expected = if code == "200" && path == "/nothing" {
                "404"
            } else {
                code
            };
            assert_eq!(status(&answer), expected, "{host} {path}");
            assert!(code == "200" || !answer.contains("555"), "{answer}");
        }
    }
    let two =
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&served.raw(two).await), "400");
    let none = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&served.raw(none).await), "400");
    let absolute =
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&served.raw(absolute).await), "421");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let served = served(Still(idle())).await;
    for line in [
        "GET /",
        "GET /status.json",
        "GET /style.css",
        "GET /nothing",
        "POST /",
    ] {
        let answer = served.ask(line).await;
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self';",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(header), "{line}: {header}");
        }
        let cached = answer.contains("cache-control: max-age");
        assert_eq!(cached, line.contains("css"), "{line}");
        assert_eq!(
            !cached,
            answer.contains("cache-control: no-store"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_keeps_its_connection_does_not_hold_the_stop() {
    let served = served(Still(idle())).await;
    let mut half_asked = TcpStream::connect(served.address).await.unwrap();
    half_asked.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.shutdown.cancel();
    let stopped = tokio::time::timeout(FAREWELL * 3, served.ended).await;
    assert!(stopped.expect("stopped in time").unwrap().is_ok());
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_said_so() {
    struct Mute;
    impl Source for Mute {
        async fn snapshot(&self) -> Snapshot {
            std::future::pending().await
        }

        async fn preview(&self, _: &str) -> Option<Vec<u8>> {
            std::future::pending().await
        }
    }
    let answer = served(Mute).await.ask("GET /healthz").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("did not tell its state in time"));
}

#[tokio::test]
async fn first_pages_are_shown_where_there_are_any_and_to_our_own_names_only() {
    let site = served(Still(busy())).await;
    let page = site.ask("GET /").await;
    assert!(
        page.contains("<img src=\"&#x2f;preview&#x2f;17.png\""),
        "{page}"
    );
    assert!(page.contains("img-src 'self'"));
    let picture = site.ask("GET /preview/17.png").await;
    assert_eq!(status(&picture), "200");
    assert!(picture.contains("content-type: image/png") && picture.contains("no-store"));
    for nothing in [
        "/preview/18.png",
        "/preview/17",
        "/preview/",
        "/preview/..%2fqueue.db.png",
    ] {
        assert_eq!(
            status(&site.ask(&format!("GET {nothing}")).await),
            "404",
            "{nothing}"
        );
    }
    let plain = served(Still(idle())).await.ask("GET /").await;
    assert!(!plain.contains("<img"));
}
