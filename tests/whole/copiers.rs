//! Copiers that scan to mail: what they write for addresses, how they speak SMTP and TLS, what they send; and the receipts
//! that their users get. No call is placed here but where a test says so.

use std::net::{IpAddr, Ipv4Addr, TcpStream};

use postfax::config::{Config, Sender};
use postfax::pages::bitmap::Bitmap;
use postfax::pages::{FaxPage, g4, sample, tiff};

use crate::harness::relay::{Mood, Relay};
use crate::harness::smtp::{Client, Reply};
use crate::harness::{CLERK, Site, mails, seed, wait_for, wait_until};

/// A number that makes a receipt without a call.
const NOT_IN_SERVICE: &str = "5551230006";

/// An address of a copier.
const COPIER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// A site that dials nothing.
fn quiet(change: impl FnOnce(&mut Config)) -> Site {
    let mut site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
        change(config);
    });
    site.start();
    site
}

/// Gives a site a certificate, which is returned, and starts it.
fn with_certificate(mut site: Site) -> (Site, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = made.cert.pem();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| site.path(name));
    std::fs::write(&certificate, &pem).expect("the folder can be written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the folder can be written");
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, own).expect("it is ours");
    (site.config.smtp.tls_certificate, site.config.smtp.tls_key) = (Some(certificate), Some(key));
    site.start();
    (site, pem)
}

fn letter() -> Vec<u8> {
    format!("From: {CLERK}\r\nSubject: pens\r\n\r\nTwelve pens, please, by Monday.\r\n").into()
}

/// A session from the address of a copier.
fn from_copier(site: &Site) -> Client {
    let mut client = Client::connect_from(COPIER, site.config.smtp.listen[0]);
    assert_eq!(client.reply().code, 220);
    client
}

fn numbers(site: &Site) -> Vec<String> {
    let faxes = site.faxes();
    faxes.into_iter().map(|fax| fax.number).collect()
}

#[test]
fn addresses_as_copiers_and_exchange_write_them_are_taken_over_the_wire() {
    let site = quiet(|_| {});
    for address in [
        "/name=John%20Doe/fax=2125551234",
        "/NAME=J%F6rg/FAX=+1-212-555-1234/",
        "IMCEAFAX-John+20Doe+40+2B1+20+28212+29+20555-1234",
        "\"(212) 555-1234\"",
        "(212) 555-1234",
        "212..555..1234",
        "FAX=+12125551234/ATTN=John.Doe",
    ] {
        let before = site.faxes().len();
        let mut client = site.smtp();
        client.send(CLERK, &[format!("{address}@fax.local")], &letter());
        client.expect("QUIT", 221);
        let faxes = numbers(&site);
        // One that is queued for the very same pages is joined.
        assert!(faxes.len() >= before, "{address}");
        assert!(
            faxes.iter().all(|number| number == "+12125551234"),
            "{address}: {faxes:?}"
        );
    }
    site.check();
}

/// One number as people, copiers and Exchange write it.
fn spelled(rng: &mut fastrand::Rng) -> String {
    let separator = ["", "-", ".", " ", " - "][rng.usize(..5)];
    let code = ["", "1", "+1"][rng.usize(..3)];
    let area = ["212", "(212)"][rng.usize(..2)];
    let before = if code.is_empty() { "" } else { separator };
    let number = format!("{code}{before}{area}{separator}555{separator}1234");
    let escaped = |text: &str, sign: char| -> String {
        let escape = |b: u8| match b.is_ascii_alphanumeric() {
            true => char::from(b).to_string(),
            false => format!("{sign}{b:02X}"),
        };
        text.bytes().map(escape).collect()
    };
    let name = ["Jane Roe", "R. O'Neil", "A/B", "J\u{f6}rg"][rng.usize(..4)];
    let (fax, who) = (
        ["fax", "FAX", "Fax"][rng.usize(..3)],
        ["name", "NAME", "attn"][rng.usize(..3)],
    );
    match rng.u8(..7) {
        0 => format!("\"{number}\""),
        1 => number,
        2 => format!(
            "/{who}={}/{fax}={}/",
            escaped(name, '%'),
            escaped(&number, '%')
        ),
        3 => format!(
            "/{fax}={}/{who}={}",
            escaped(&number, '%'),
            escaped(name, '%')
        ),
        4 => format!("\"{fax}={number}\""),
        5 => format!("IMCEAFAX-{}", escaped(&format!("{name}@{number}"), '+')),
        _ => format!("imceafax-{}", escaped(&number, '+')),
    }
}

#[test]
fn fifty_spellings_of_one_number_are_taken_over_the_wire() {
    let site = quiet(|_| {});
    let mut rng = seed("fifty_spellings_of_one_number_are_taken_over_the_wire");
    let mut client = site.smtp();
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    for _ in 0..50 {
        client.expect(&format!("RCPT TO:<{}@fax.local>", spelled(&mut rng)), 250);
    }
    client.expect("DATA", 354);
    let reply = client.data(&letter());
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(site.fax().number, "+12125551234", "one number, one fax");
    site.check();
}

#[test]
fn old_machines_are_offered_no_starttls_and_others_are() {
    let site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
        config.smtp.no_starttls = vec!["127.0.0.77/32".parse().expect("a network")];
    });
    let (site, _) = with_certificate(site);
    let offered = site.smtp().expect("EHLO clerk", 250).text;
    assert!(offered.contains("STARTTLS"), "{offered}");
    let mut copier = from_copier(&site);
    let offered = copier.expect("EHLO copier", 250).text;
    assert!(!offered.contains("STARTTLS"), "{offered}");
    copier.expect("STARTTLS", 502);
    copier.send(CLERK, &["2125551234@fax.local".to_owned()], &letter());
}

#[test]
fn tls_from_the_first_octet_has_its_own_port() {
    let mut site = Site::prepared(|config| {
        config.queue.quiet_hours = vec!["00:00-24:00".into()];
    });
    let address = site.address(2465);
    site.config.smtp.listen_tls = vec![address];
    let (site, pem) = with_certificate(site);
    let stream = TcpStream::connect(address).expect("the port listens");
    let mut client = Client::over(stream).in_tls(&pem);
    assert_eq!(client.reply().code, 220);
    let offered = client.expect("EHLO copier", 250).text;
    assert!(!offered.contains("STARTTLS"), "{offered}");
    client.send(CLERK, &["2125551234@fax.local".to_owned()], &letter());
    client.expect("QUIT", 221);
    assert_eq!(site.faxes().len(), 1);
    // Without TLS nothing is to be had there.
    let mut plain = Client::over(TcpStream::connect(address).expect("it listens"));
    plain.write(b"EHLO copier\r\n").expect("it reads");
    assert_ne!(plain.reply().code, 220);
    wait_until("the log says why", 10, || site.log().count("TLS: ") > 0);
    site.check();
}

#[test]
fn a_hello_of_tls_on_the_plain_port_gets_a_sentence() {
    let (site, _) = with_certificate(Site::prepared(|_| {}));
    for hello in [
        // TLS 1.0, and SSL 2.0 with a hello for 3.0 in it.
        &[0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x0A, 0x03][..],
        &[0x80, 0x2E, 0x01, 0x03, 0x00, 0x00, 0x15, 0x0A],
    ] {
        let mut client = from_copier(&site);
        client.write(hello).expect("it reads");
        let reply = client.reply();
        assert_eq!(reply.code, 500, "{reply:?}");
        assert!(
            reply.text.contains("SMTP begins without TLS on this port"),
            "{reply:?}"
        );
        assert_eq!(client.reply().code, 0, "and hangs up");
    }
    assert_eq!(
        site.log().count("smtp.listen_tls"),
        2,
        "the admin reads it, too"
    );
    // Later octets of that value are a bad command, and no hello.
    let mut client = site.smtp();
    client.write(b"\x16\x03\x01\r\n").expect("it reads");
    assert_eq!(client.reply().code, 500);
    client.expect("NOOP", 250);
}

#[test]
fn whatever_a_machine_calls_itself_it_may_send() {
    let site = quiet(|_| {});
    for (nth, hello) in [
        &b"HELO KMBIZHUB"[..],
        b"EHLO office printer (2nd floor)",
        b"EHLO 192.168.0.7",
        b"HELO",
        b"EHLO B\xfcro_Kopierer",
        b"EHLO [::1",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = from_copier(&site);
        client.write(&[hello, b"\r\n"].concat()).expect("it reads");
        let reply = client.reply();
        assert_eq!(
            reply.code,
            250,
            "{}: {reply:?}",
            String::from_utf8_lossy(hello)
        );
        client.send(CLERK, &[format!("212555123{nth}@fax.local")], &letter());
        // It hangs up without QUIT.
    }
    assert_eq!(site.faxes().len(), 6);
}

/// A whole session with LF alone; the last reply.
fn with_line_feeds(client: &mut Client, number: &str, end: &str) -> Reply {
    for (line, code) in [
        ("HELO copier", 250),
        (&format!("MAIL FROM:<{CLERK}>"), 250),
        (&format!("RCPT TO:<{number}@fax.local>"), 250),
        ("DATA", 354),
    ] {
        client
            .write(format!("{line}\n").as_bytes())
            .expect("it reads");
        let reply = client.reply();
        assert_eq!(reply.code, code, "{line}: {reply:?}");
    }
    let text = format!(
        "From: {CLERK}\nSubject: pens\n\nTwelve pens, please, by Monday.\n..\nThirteen would do.\n{end}"
    );
    client.write(text.as_bytes()).expect("it reads");
    client.reply()
}

#[test]
fn line_feeds_alone_are_taken_from_listed_machines_only() {
    let site = quiet(|config| {
        config.smtp.bare_lf = vec!["127.0.0.77/32".parse().expect("a network")];
    });
    let reply = with_line_feeds(&mut from_copier(&site), "2125551234", ".\n");
    assert_eq!(reply.code, 250, "{reply:?}");
    // A program that knows CRLF ends its text with it: nothing else in it is an end, so that no mail hides another.
    let mut client = from_copier(&site);
    client.expect("EHLO copier", 250);
    client.expect(&format!("MAIL FROM:<{CLERK}>"), 250);
    client.expect("RCPT TO:<2125551235@fax.local>", 250);
    client.expect("DATA", 354);
    let smuggled = format!(
        "Subject: a\n\nTwelve pens, please, by Monday.\n.\nMAIL FROM:<{CLERK}>\nRCPT TO:<2125559999@fax.local>\nDATA\n.\r\nTwo.\r\n.\r\n"
    );
    client.write(smuggled.as_bytes()).expect("it reads");
    assert_eq!(client.reply().code, 250);
    client.expect("NOOP", 250);
    let mut taken = numbers(&site);
    taken.sort();
    assert_eq!(taken, ["+12125551234", "+12125551235"]);
    // Who is not listed is refused at the first such line, and hung up on.
    let mut other = Client::connect(site.config.smtp.listen[0]);
    other.write(b"HELO copier\n").expect("it reads");
    assert_eq!(other.reply().code, 500);
    assert_eq!(other.reply().code, 0);
    site.check();
}

#[test]
fn a_read_receipt_that_a_copier_asks_for_is_a_report_of_the_delivery() {
    let site = quiet(|config| {
        config.senders = vec![Sender {
            pattern: "copier@example.com".into(),
            mdn: true,
            ..Sender::default()
        }];
    });
    let mail = |subject: &str| {
        format!(
            "Subject: {subject}\r\nDisposition-Notification-To: <someone@elsewhere.example>\r\n\r\nTwelve pens, please, by Monday.\r\n"
        )
    };
    let notify = |number: &str| {
        let fax = site.fax_to(number).id;
        let told = site.store(async |store| store.told_fax(&fax).await);
        told.expect("it is there").notify
    };
    let mut client = site.smtp();
    client.send(
        "copier@example.com",
        &["2125551234@fax.local".into()],
        mail("a").as_bytes(),
    );
    client.send(
        CLERK,
        &["2125551235@fax.local".into()],
        mail("b").as_bytes(),
    );
    client.expect("MAIL FROM:<copier@example.com>", 250);
    client.expect("RCPT TO:<2125551236@fax.local> NOTIFY=NEVER", 250);
    client.expect("DATA", 354);
    assert_eq!(client.data(mail("c").as_bytes()).code, 250);
    assert_eq!(notify("+12125551234"), Some(7));
    assert_eq!(notify("+12125551235"), None);
    assert_eq!(notify("+12125551236"), Some(0));
}

// ---- T.37 ----

/// A sheet with a frame of bars a tenth from its edges, and the rows of its G3 or G4 page.
fn sheet(width: u32, height: u32, x_dpi: u32, y_dpi: u32) -> FaxPage {
    let mut bitmap = Bitmap::new(width, height).expect("a sheet");
    let (left, right) = (width / 10, width - width / 10);
    let (top, bottom) = (height / 10, height - height / 10);
    let (across, along) = (width / 80, height / 80);
    for y in top..bottom {
        let is_bar = y < top + along || y >= bottom - along;
        match is_bar {
            true => bitmap.blacken(y, &[left, right]),
            false => bitmap.blacken(y, &[left, left + across, right - across, right]),
        }
    }
    FaxPage {
        width,
        height,
        x_dpi,
        y_dpi,
        g4: g4::encode(&bitmap),
    }
}

/// RFC 2301 and T.4 annex: A4, B4 and A3 in every resolution of fax machines; the frame has to be where it was.
#[test]
fn sheets_of_every_size_and_resolution_of_internet_fax_are_faxed() {
    let site = quiet(|_| {});
    // Millimetres across and along.
    let sheets = [
        ("A4", 1728, 297.0),
        ("B4", 2048, 364.0),
        ("A3", 2432, 420.0),
    ];
    for (name, width, long) in sheets {
        for (x_dpi, y_dpi) in [
            (204, 98),
            (204, 196),
            (204, 391),
            (200, 200),
            (300, 300),
            (408, 391),
            (400, 400),
        ] {
            let width = match x_dpi {
                300 => width * 3 / 2,
                400.. => width * 2,
                _ => width,
            };
            let height = (long / 25.4 * f64::from(y_dpi)) as u32;
            let octets = tiff::write(&[sheet(width, height, x_dpi, y_dpi)]);
            let pages = mails::pages_in(&site.rendered(&octets));
            assert_eq!(pages.len(), 1, "{name} {x_dpi}x{y_dpi}");
            let page = &mails::pictures(&pages)[0];
            assert_eq!(page.width(), 1728, "{name} {x_dpi}x{y_dpi}");
            let rows = |y: u32| (0..1728).any(|x| page.get(x, y));
            let columns = |x: u32| (0..page.height()).any(|y| page.get(x, y));
            let ink = |of: &dyn Fn(u32) -> bool, end: u32| {
                let first = (0..end).find(|at| of(*at)).expect("ink");
                let last = (0..end).rev().find(|at| of(*at)).expect("ink");
                (first, last - first)
            };
            let (left, across) = ink(&columns, 1728);
            let (_, along) = ink(&rows, page.height());
            // The frame as it was, in inches; it fills eight tenths of the sheet. 200 dots count as 204 (RFC 2301).
            let (x, y) = (
                f64::from(across) / 204.0,
                f64::from(along) / f64::from(pages[0].y_dpi),
            );
            let shape = (y / x) / (long / 25.4 / (f64::from(width) / f64::from(x_dpi)));
            assert!(
                (0.95..1.05).contains(&shape),
                "{name} {x_dpi}x{y_dpi}: shape {shape}"
            );
            assert!(
                x > 6.0 && left > 100 && left + across < 1640,
                "{name} {x_dpi}x{y_dpi}: {x} inches from {left}"
            );
            // Bars stay bars: nothing of them is lost in the making.
            let middle = page.height() / 2;
            let black = (0..1728).filter(|x| page.get(*x, middle)).count();
            assert!(
                (20..120).contains(&black),
                "{name} {x_dpi}x{y_dpi}: {black} in the middle"
            );
        }
    }
}

#[test]
fn a_mail_of_internet_fax_is_taken() {
    let site = quiet(|_| {});
    let octets = tiff::write(&[
        sheet(2432, 800, 204, 196),
        sheet(2048, 800, 204, 196),
        sheet(3456, 1600, 408, 391),
    ]);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("base64"))
        .collect();
    for (number, content_type) in [
        ("2125551231", "image/tiff; application=faxbw"),
        ("2125551232", "image/tiff-fx"),
        (
            "2125551233",
            "application/octet-stream; name=\"SCAN0001.TIF\"",
        ),
    ] {
        let mail = format!(
            "From: {CLERK}\r\nSubject: FAX\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
             --x\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--x--\r\n",
            lines.join("\r\n")
        );
        site.smtp()
            .send(CLERK, &[format!("{number}@fax.local")], mail.as_bytes());
    }
    wait_until("their pages", 300, || {
        let faxes = site.faxes();
        faxes.iter().all(|fax| fax.page_count == Some(3))
    });
    assert_eq!(site.faxes().len(), 3);
}

// ---- what their users hear ----

fn office(change: impl FnOnce(&mut Config)) -> (Site, Relay) {
    let mut site = Site::prepared(|config| {
        config.mail.maildir = None;
        config.mail.postmaster = "postmaster@office.example".into();
        change(config);
    });
    site.config.mail.relay = site.address(2526).to_string();
    let relay = Relay::start(site.address(2526), Mood::Takes);
    site.start_carrier();
    site.start();
    (site, relay)
}

#[test]
fn a_receipt_goes_out_with_a_name_and_a_way_to_answer_and_a_copy() {
    let (site, relay) = office(|config| {
        config.mail.from = "Fax office <fax@office.example>".into();
        config.receipts.copy_to = "archive@office.example".into();
        config.receipts.subject = "[fax {{ fax.kind }}] {{ fax.title }}".into();
        config.receipts.picture = false;
    });
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("receipt and copy", 60, || relay.taken().len() == 2);
    let to: Vec<String> = relay.taken().into_iter().map(|(to, _)| to).collect();
    assert!(
        to.iter().any(|to| to.contains(&format!("<{CLERK}>"))),
        "{to:?}"
    );
    assert!(
        to.iter().any(|to| to.contains("<archive@office.example>")),
        "{to:?}"
    );
    for (from, octets) in relay.came() {
        assert!(from.starts_with("MAIL FROM:<>"), "{from}");
        for line in [
            "From: \"Fax office\" <fax@office.example>",
            "Reply-To: postmaster@office.example",
            "To: clerk@example.com",
            // A failure says so, whatever the template is.
            "Subject: Fax NOT delivered: Letter of intent",
        ] {
            assert!(octets.contains(line), "{line}\n{octets}");
        }
        assert!(!octets.contains("image/png"), "the first page is in it");
    }
    wait_until("the queue knows", 10, || {
        let mails = site.mails_about(&site.fax().id);
        mails.len() == 2 && mails.iter().all(|mail| mail.state == "delivered")
    });
    site.check();
}

#[test]
fn the_picture_is_in_the_receipts_of_those_who_want_it() {
    let (site, relay) = office(|config| {
        config.receipts.picture = false;
        config.senders = vec![Sender {
            pattern: CLERK.into(),
            picture: Some(true),
            ..Sender::default()
        }];
    });
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    let octets = wait_for("the receipt", 60, || relay.came().pop()).1;
    assert!(octets.contains("image/png"), "{octets}");
}

#[test]
fn a_copy_is_written_once_whatever_happens_to_the_receipt() {
    let (mut site, relay) = office(|config| {
        config.receipts.copy_to = "archive@office.example".into();
    });
    relay.set_mood(Mood::SaysLater);
    site.submit(&[NOT_IN_SERVICE], &[sample::numbered_pages(1)]);
    wait_until("two tries in vain", 60, || relay.refused() >= 2);
    site.kill();
    site.start();
    relay.set_mood(Mood::Takes);
    wait_until("both are delivered", 60, || {
        let mails = site.mails_about(&site.fax().id);
        mails.len() == 2 && mails.iter().all(|mail| mail.state == "delivered")
    });
    assert_eq!(relay.taken().len(), 2);
    site.check();
}
