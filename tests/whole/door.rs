//! What may be asked for at the front door, through the real socket: in the address, behind MAIL and RCPT, in the header,
//! in chunks, over LMTP, with a password. What was asked for has to be what the queue then holds.

use std::net::{IpAddr, Ipv4Addr};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postfax::config::{Config, Contact, Domain, Sender, Socket, Upstream, User};
use postfax::queue::FaxRow;

use crate::harness::smtp::{Client, Reply};
use crate::harness::{CLERK, Site, seed, wait_for};

const NOT_IN_SERVICE: &str = "5551230006";
const BUSY: &str = "5551230001";

/// A site that takes mail and rings nobody.
fn quiet(change: impl FnOnce(&mut Config)) -> Site {
    let mut site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
        change(config);
    });
    site.start();
    site
}

/// A letter with these lines in its header.
fn letter(fields: &str) -> Vec<u8> {
    format!("From: {CLERK}\r\nSubject: pens\r\n{fields}\r\nTwelve pens, please, by Monday.\r\n")
        .into()
}

/// A mail with these parameters behind MAIL; the last reply counts, which may be that of MAIL or RCPT.
fn send(site: &Site, mail: &str, to: &str, fields: &str) -> Reply {
    let mut client = site.smtp();
    for line in [
        format!("MAIL FROM:<{CLERK}> {mail}"),
        format!("RCPT TO:<{to}>"),
    ] {
        let reply = client.say(&line);
        if reply.code != 250 {
            return reply;
        }
    }
    client.expect("DATA", 354);
    client.data(&letter(fields))
}

/// The fax that a mail became, by the id in its `250`.
fn taken(site: &Site, reply: &Reply) -> FaxRow {
    assert_eq!(reply.code, 250, "{reply:?}");
    let mut faxes = site.faxes().into_iter();
    let fax = faxes.find(|fax| reply.text.contains(&fax.id));
    fax.unwrap_or_else(|| panic!("no fax: {reply:?}"))
}

/// Seconds from the acceptance of a fax to a time of it.
fn seconds(fax: &FaxRow, then: Option<postfax::queue::Millis>) -> i64 {
    (then.expect("there is a time").0 - fax.created_at.0 + 500) / 1000
}

fn site_with_names() -> Site {
    quiet(|config| {
        config.phone_book = vec![
            Contact {
                name: "dr-smith".into(),
                number: "+1 (202) 555-0123".into(),
                sub_address: "6377".into(),
                ..Contact::default()
            },
            Contact {
                name: "Müller".into(),
                number: "+12025550124".into(),
                ..Contact::default()
            },
        ];
        config.domains = vec![Domain {
            name: "dc.fax.local".into(),
            area: "202".into(),
            cover: Some(true),
            resolution: Some(postfax::pages::Resolution::Standard),
            ..Domain::default()
        }];
        config.senders = vec![Sender {
            pattern: "abroad@example.com".into(),
            allow: vec!["+44.".into()],
            ..Sender::default()
        }];
    })
}

#[test]
fn an_address_says_what_its_writer_means() {
    let site = site_with_names();
    let plain = ("+12025550123", None, None, "fine", false);
    let sub = ("+12025550123", Some("6377"), None, "fine", false);
    for (address, expected) in [
        ("FAX=+12025550123/T33S=6377@fax.local", sub),
        ("\"FAX=+12025550123/T33S=6377\"@fax.local", sub),
        ("/FAX=+12025550123/T33S=6377/@fax.local", sub),
        ("12025550123/T33S=6377@fax.local", sub),
        ("dr-smith@fax.local", sub),
        ("+12025550123@fax.local", plain),
        ("\"+1 (202) 555-0123\"@fax.local", plain),
        (
            "12025550123+standard+cover+code-ACME.7@fax.local",
            ("+12025550123", None, Some("ACME.7"), "standard", true),
        ),
        (
            "FAX=+12025550123/T33S=6377+superfine@fax.local",
            ("+12025550123", Some("6377"), None, "superfine", false),
        ),
        (
            "5550123@dc.fax.local",
            ("+12025550123", None, None, "standard", true),
        ),
        (
            "5550123+fine+nocover@dc.fax.local",
            ("+12025550123", None, None, "fine", false),
        ),
    ] {
        let fax = taken(&site, &send(&site, "", address, ""));
        let (number, sub_address, code, resolution, cover) = expected;
        assert!(number.ends_with(&fax.number), "{address}: {}", fax.number);
        assert_eq!(fax.sub_address.as_deref(), sub_address, "{address}");
        assert_eq!(fax.billing.as_deref(), code, "{address}");
        assert_eq!(
            (fax.resolution.as_str(), fax.cover),
            (resolution, cover),
            "{address}"
        );
    }
    let fax = taken(
        &site,
        &send(&site, "", "12025550123+p7+at1800@fax.local", ""),
    );
    let at = jiff::Timestamp::from_millisecond(fax.not_before.expect("a time").0).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!((at.hour(), at.minute(), fax.priority), (18, 0, 7));
    site.check();
}

#[test]
fn every_refused_address_has_its_code_and_its_sentence() {
    let site = site_with_names();
    for (address, said) in [
        (
            "dr-smiht@fax.local",
            "550 5.1.1 \"dr-smiht\" is neither a fax number nor in the phone book; did you mean \"dr-smith\"?",
        ),
        (
            "muller@fax.local",
            "550 5.1.1 \"muller\" is neither a fax number nor in the phone book; did you mean +12025550124?",
        ),
        (
            "12025550123+fine+standard@fax.local",
            "550 5.1.3 \"+standard\" contradicts or repeats another option of the address",
        ),
        (
            "12025550123+at2500@fax.local",
            "550 5.1.3 the address: \"+at2500\" must be a time of the day, such as +at1800",
        ),
        (
            "12025550123+project@fax.local",
            "550 5.1.3 \"+project\" is no option of an address; there are ",
        ),
        (
            "FAX=+12025550123/T33S=63x@fax.local",
            "550 5.1.3 the sub-address \"63x\" must be 1 to 20 digits",
        ),
        (
            "+442079460000@fax.local",
            "550 5.7.1 destination +442079460000 is not allowed here",
        ),
    ] {
        let reply = send(&site, "", address, "");
        let reply = format!("{} {}", reply.code, reply.text);
        assert!(reply.starts_with(said), "{address}: {reply}");
    }
    // Who may, may; and a name beyond ASCII is for those who can write it.
    let mut client = site.smtp();
    client.expect("MAIL FROM:<abroad@example.com> SMTPUTF8", 250);
    client.expect("RCPT TO:<+442079460000@fax.local>", 250);
    client.expect("RCPT TO:<Müller@fax.local>", 250);
    let reply = client.say("RCPT TO:<Müler@fax.local>");
    assert!(
        reply.text.ends_with("did you mean \"Müller\"?"),
        "{reply:?}"
    );
}

#[test]
fn what_mail_asks_for_is_kept_with_the_fax() {
    let site = quiet(|_| {});
    let ask = |mail: &str| send(&site, mail, "2025550123@fax.local", "");
    let held = taken(&site, &ask("HOLDFOR=3600"));
    assert_eq!(seconds(&held, held.not_before), 3600);
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let until = taken(&site, &ask(&format!("HOLDUNTIL={in_an_hour:.0}")));
    assert!((3590..=3601).contains(&seconds(&until, until.not_before)));
    let by = taken(&site, &ask("BY=7200;R MT-PRIORITY=-4"));
    assert_eq!((seconds(&by, by.give_up_at), by.priority), (7200, -4));
    let told = taken(&site, &ask("BY=60;N"));
    assert_eq!((told.give_up_at, told.not_before), (None, None));
    for (asked, said) in [
        ("HOLDFOR=99999999", "501 5.5.4 the fax is to wait until "),
        ("HOLDFOR=60 BY=30;R", "501 5.5.4 the fax is to wait until "),
        ("BY=0;R", "501 5.5.4 BY=0;R is over already"),
        ("MT-PRIORITY=10", "501 5.5.4 MT-PRIORITY=10 must be "),
        ("SIZE=99999999", "552 5.3.4 the message has 100 MB"),
        ("BODY=BINARYMIME", "555 5.6.3 "),
        ("RET=SOME", "501 5.5.4 RET=SOME must be FULL or HDRS"),
        ("X=1", "555 5.5.4 MAIL takes no parameter X here"),
    ] {
        let reply = ask(asked);
        let reply = format!("{} {}", reply.code, reply.text);
        assert!(reply.starts_with(said), "{asked}: {reply}");
    }
    assert_eq!(site.faxes().len(), 4);
    site.check();
}

#[test]
fn a_fax_leaves_when_its_time_has_come_and_is_given_up_when_it_is_over() {
    let site = Site::new();
    let later = taken(
        &site,
        &send(
            &site,
            "HOLDFOR=4",
            &format!("{NOT_IN_SERVICE}@fax.local"),
            "",
        ),
    );
    let given_up = send(&site, "BY=5;R", &format!("{BUSY}@fax.local"), "");
    let given_up = taken(&site, &given_up);
    for fax in [&later, &given_up] {
        let ended = wait_for("it is over", 40, || {
            let row = site.fax_to(&fax.number);
            row.ended_at.is_some().then_some(row)
        });
        assert_eq!(ended.state, "failed");
        assert_eq!(ended.calls, 1);
    }
    let [attempt] = &site.attempts(&later.id)[..] else {
        panic!("one call");
    };
    assert!(attempt.started_at.0 >= later.not_before.expect("held").0);
    // The next try would come too late, so it is not waited for.
    let ended = site.fax_to(BUSY).ended_at.expect("it is over");
    assert!(ended.0 < given_up.created_at.0 + 15_000);
    site.check();
}

#[test]
fn the_header_asks_for_the_same() {
    let site = quiet(|_| {});
    let ask = |fields: &str| send(&site, "", "2025550123@fax.local", fields);
    let fields = "X-Fax-Resolution: superfine\r\nX-Fax-Cover: yes; ring me\r\nX-Fax-Priority: urgent\r\n\
                  X-Fax-Code: ACME-7\r\nX-Fax-At: 2026-11-01 18:00\r\nX-Fax-Language: de-AT\r\n";
    let fax = taken(&site, &ask(fields));
    assert_eq!(
        (fax.resolution.as_str(), fax.cover, fax.priority),
        ("superfine", true, 4)
    );
    assert_eq!(
        (fax.billing.as_deref(), fax.not_before),
        (Some("ACME-7"), None),
        "that time is over"
    );
    // The address counts before the header, and the header before the site.
    let both = send(&site, "", "2025550123+standard+nocover@fax.local", fields);
    let both = taken(&site, &both);
    assert_eq!(
        (both.resolution.as_str(), both.cover, both.priority),
        ("standard", false, 4)
    );
    for (field, said) in [
        (
            "X-Fax-Resolution: best",
            "554 5.6.0 X-Fax-Resolution: \"best\" must be standard, fine or superfine",
        ),
        (
            "X-Fax-Resolutoin: fine",
            "554 5.6.0 the field X-Fax-Resolutoin is not known; did you mean X-Fax-Resolution?",
        ),
        (
            "X-Fax-Language: fr",
            "554 5.6.0 X-Fax-Language: \"fr\" must be en or de",
        ),
        (
            "X-Fax-At: teatime",
            "554 5.6.0 X-Fax-At: \"teatime\" must be a time",
        ),
        (
            "X-Fax-Until: 2020-01-01 10:00",
            "554 5.6.0 the fax is wanted by 2020-01-01 10:00 (UTC), and that is over",
        ),
    ] {
        let reply = ask(&format!("{field}\r\n"));
        let reply = format!("{} {}", reply.code, reply.text);
        assert!(reply.starts_with(said), "{field}: {reply}");
    }
    let shown = site.command(&["show", &fax.id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("project     ACME-7\n"), "{shown}");
    assert!(
        shown.contains("looks       superfine, behind a cover page\n"),
        "{shown}"
    );
    site.check();
}

#[test]
fn a_mail_in_chunks_is_one_mail_and_comes_once() {
    let site = quiet(|_| {});
    let text = letter("Message-ID: <chunks@example.com>\r\n");
    let (one, other) = text.split_at(30);
    let submit = |client: &mut Client| {
        client.expect(&format!("MAIL FROM:<{CLERK}> SIZE={}", text.len()), 250);
        client.expect("RCPT TO:<2025550123@fax.local>", 250);
        let chunk = |end: &str, text: &[u8]| {
            [format!("BDAT {}{end}\r\n", text.len()).as_bytes(), text].concat()
        };
        client.write(&chunk("", one)).unwrap();
        assert_eq!(client.reply().code, 250);
        client.write(&chunk(" LAST", other)).unwrap();
        client.reply()
    };
    let first = taken(&site, &submit(&mut site.smtp()));
    // Its 250 was lost: it comes again, by another way, with that server's marks on it.
    let mut client = site.smtp();
    let again = submit(&mut client);
    assert_eq!(taken(&site, &again).id, first.id);
    let by_another_way = [b"Received: from b by c; now\r\n", &text[..]].concat();
    let again = client.send(CLERK, &["12025550123@fax.local".into()], &by_another_way);
    assert_eq!(taken(&site, &again).id, first.id);
    assert_eq!(site.fax().id, first.id);
    assert_eq!(site.log().count("the same mail again"), 2);
    site.check();
}

#[test]
fn lmtp_has_a_reply_for_each_recipient() {
    let mut port = None;
    let site = quiet(|config| {
        let mut socket = config.smtp.listen[0];
        socket.set_port(2424);
        config.smtp.lmtp = vec![Socket::Address(socket)];
        port = Some(socket);
    });
    let mut client = Client::connect(port.expect("set"));
    client.expect("EHLO c", 500);
    client.expect("LHLO c", 250);
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    for (recipient, code) in [
        ("2025550123@fax.local", 250),
        ("reception@fax.local", 550),
        ("12025550199+code-7@fax.local", 250),
        ("1-202-555-0123@fax.local", 250),
    ] {
        client.expect(&format!("RCPT TO:<{recipient}>"), code);
    }
    client.expect("DATA", 354);
    let first = client.data(&letter(""));
    let replies = [first, client.reply(), client.reply()];
    let faxes: Vec<FaxRow> = replies[..2].iter().map(|it| taken(&site, it)).collect();
    assert_eq!(faxes[1].billing.as_deref(), Some("7"));
    let again = format!("2.0.0 the same fax is queued as {} already", faxes[0].id);
    assert_eq!((replies[2].code, &replies[2].text), (250, &again));
    assert_eq!(site.faxes().len(), 2);
    client.expect("QUIT", 221);
}

/// A user whose hash is quickly tried.
fn scanner() -> User {
    let params = Params::new(64, 1, 1, None).expect("cheap ones");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    User {
        name: "scanner".into(),
        password: argon2.hash_password(b"right").expect("a hash").to_string(),
        senders: vec!["scanner@example.com".into()],
    }
}

fn plain(password: &str) -> String {
    format!(
        "AUTH PLAIN {}",
        STANDARD.encode(format!("\0scanner\0{password}"))
    )
}

#[test]
fn twenty_wrong_passwords_shut_the_door_for_that_address_alone() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    let mut site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
        config.smtp.clients = vec!["127.0.0.1/32".parse().expect("a network")];
        config.users = vec![scanner()];
    });
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| site.path(name));
    std::fs::write(&certificate, &pem).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (site.config.smtp.tls_certificate, site.config.smtp.tls_key) = (Some(certificate), Some(key));
    site.start();
    let server = site.config.smtp.listen[0];
    let session = |last: u8| {
        let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        // The place of the one before it may take a moment to be free.
        let mut client = wait_for("a place", 10, || {
            let mut client = Client::connect_from(own, server);
            (client.reply().code == 220).then_some(client)
        });
        client.expect("EHLO c", 250);
        client
    };
    let under_tls = |last: u8| {
        let mut client = session(last).under_tls(&pem);
        let offered = client.expect("EHLO c", 250);
        assert!(offered.text.contains("AUTH PLAIN LOGIN"), "{offered:?}");
        client
    };
    // Nobody without a password, and no password in plain text.
    let mut open = session(7);
    open.expect(&plain("right"), 538);
    open.expect("MAIL FROM:<scanner@example.com>", 530);
    drop(open);
    for n in 0..20 {
        let mut client = under_tls(7);
        let wrong = plain(&format!("wrong{n}"));
        assert_eq!(client.say(&wrong).code, 535, "{n}");
        client.expect("QUIT", 221);
    }
    let shut = under_tls(7).say(&plain("right"));
    let text = "4.7.0 too many logins failed; try again in a quarter of an hour";
    assert_eq!((shut.code, shut.text.as_str()), (454, text));
    let mut client = under_tls(8);
    client.expect(&plain("right"), 235);
    client.expect("MAIL FROM:<boss@example.com>", 553);
    let to = ["2025550123@fax.local".to_owned()];
    client.send("scanner@example.com", &to, &letter(""));
    let shown = site.command(&["show", &site.fax().id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("let in by   auth scanner (127.0.0.8)\n"),
        "{shown}"
    );
}

#[test]
fn below_the_topmost_authentication_results_nothing_counts() {
    let mut random = seed("below_the_topmost_authentication_results_nothing_counts");
    let site = quiet(|config| {
        config.upstreams = vec![Upstream {
            authserv_id: "mx.example.com".into(),
            clients: vec!["127.0.0.0/8".parse().expect("a network")],
        }];
        config.senders = vec![Sender {
            pattern: "*@partner.example".into(),
            verified: true,
            ..Sender::default()
        }];
    });
    let send = |top: &str, below: &str| {
        let mut client = site.smtp();
        client.expect("MAIL FROM:<jane@partner.example>", 250);
        client.expect("RCPT TO:<12025550123@fax.local>", 250);
        client.expect("DATA", 354);
        let top = format!("Authentication-Results:{top}\r\n{below}");
        client.data(&letter(&top)).code
    };
    let forged =
        "Authentication-Results: mx.example.com; dmarc=pass header.from=partner.example\r\n";
    for draw in 0..50 {
        let word: String = (0..random.usize(1..9))
            .map(|_| random.lowercase())
            .collect();
        let top = match random.u8(..7) {
            0 => format!(" {word}.example; none"),
            1 => String::new(),
            2 => format!(" mx.example.com; spf=fail smtp.mailfrom=\"{word}"),
            3 => format!(" mx.example.com; spf=fail ({word}"),
            4 => format!(" mx.example.com; spf=fail smtp.mailfrom=\"{word};\"@{word}.example"),
            5 => format!(" mx.example.com {word}; none"),
            _ => " mx.example.com; none".to_owned(),
        };
        assert_eq!(send(&top, forged), 550, "{draw}: {top:?}");
    }
    // A local part of the writer's choice makes no field unreadable, and nobody loses a mail by it.
    let good = " mx.example.com; spf=pass smtp.mailfrom=\"a;b (c\"@partner.example";
    assert_eq!(send(good, ""), 250);
}
