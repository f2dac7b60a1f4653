//! What a stranger, or a broken program, may throw at the mail door.

use std::net::SocketAddr;

use anyhow::ensure;
use postfax::pages::sample;

use crate::mail::{Client, at_once, with_pdf};

/// One kind of bad input.
pub struct Attack {
    /// In the `RESULT` line.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// Throws it, and checks what is answered.
    pub launch: fn(SocketAddr) -> anyhow::Result<()>,
}

/// Connections at once: as many as one address may have.
const CLIENTS: usize = 20;

/// All of them, in the order they are thrown.
pub const ATTACKS: [Attack; 4] = [
    Attack {
        name: "oversize",
        what: "100 MB over SIZE from 20 connections at once",
        launch: oversize,
    },
    Attack {
        name: "recipients",
        what: "1,000 recipients from 20 connections at once",
        launch: recipients,
    },
    Attack {
        name: "long_lines",
        what: "lines of 1 MB, as commands and as text, from 20 connections at once",
        launch: long_lines,
    },
    Attack {
        name: "large_mails",
        what: "20 good mails of 25 MB at once",
        launch: large_mails,
    },
];

fn oversize(gateway: SocketAddr) -> anyhow::Result<()> {
    let line = [b"A".repeat(998), b"\r\n".to_vec()].concat();
    let chunk = line.repeat(1000);
    at_once(CLIENTS, |client| {
        let mut connection = Client::connect(gateway)?;
        connection.begin(&format!("555400{client:04}"))?;
        for _ in 0..100 {
            connection.write(&chunk)?;
        }
        expect("552 5.3.4 ", &connection.say(".")?)
    })
}

fn recipients(gateway: SocketAddr) -> anyhow::Result<()> {
    at_once(CLIENTS, |client| {
        let mut connection = Client::connect(gateway)?;
        connection.say("MAIL FROM:<clerk@example.com>")?;
        let all: String = (0..1000)
            .map(|n| format!("RCPT TO:<55550{client:02}{n:03}@fax.local>\r\n"))
            .collect();
        connection.write(all.as_bytes())?;
        for n in 0..1000 {
            let wanted = if n < 100 { "250 2.1.5 " } else { "452 4.5.3 " };
            expect(wanted, &connection.reply()?)?;
        }
        Ok(())
    })
}

fn long_lines(gateway: SocketAddr) -> anyhow::Result<()> {
    let line = "A".repeat(1_000_000);
    at_once(CLIENTS, |client| {
        let mut connection = Client::connect(gateway)?;
        expect("500 5.5.2 ", &connection.say(&line)?)?;
        connection.begin(&format!("555600{client:04}"))?;
        expect("554 5.6.0 ", &connection.say(&format!("{line}\r\n."))?)
    })
}

fn large_mails(gateway: SocketAddr) -> anyhow::Result<()> {
    let text = with_pdf(padded(sample::demo_document(), 18_000_000));
    at_once(CLIENTS, |client| {
        Client::connect(gateway)?.submit(&format!("555700{client:04}"), &text)?;
        Ok(())
    })
}

fn expect(wanted: &str, reply: &str) -> anyhow::Result<()> {
    ensure!(reply.starts_with(wanted), "{wanted}expected, {reply} said");
    Ok(())
}

/// A PDF with so many octets of remarks behind it, and its ending once more behind them (ISO 32000-1 7.5.5: readers
/// look for `startxref` from the end).
fn padded(mut pdf: Vec<u8>, octets: usize) -> Vec<u8> {
    let mark = b"startxref";
    let at = pdf.windows(mark.len()).rposition(|window| window == mark);
    let ending = pdf[at.expect("a PDF ends with it")..].to_vec();
    let remark = [b"%".to_vec(), b"x".repeat(78), b"\n".to_vec()].concat();
    pdf.push(b'\n');
    pdf.extend(remark.repeat(octets / remark.len()));
    pdf.extend(ending);
    pdf
}
