//! Mail from anywhere on the net (`smtp.dmarc`): forged, changed, sent again; and that of partners, which is taken.
//!
//! The name server and the signatures are written by hand, from RFC 1035, 6376 and 8463; one mail is that of RFC 8463.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postfax::config::{Config, Sender};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use sha2::{Digest, Sha256};

use crate::harness::Site;
use crate::harness::dns::{self, Says};
use crate::harness::smtp::Reply;

const TO: &str = "5551234567@fax.local";

/// Signs as RFC 8463 says, over canonicalisation "simple": octets as they are.
struct Signer(KeyPair);

impl Signer {
    fn new() -> Signer {
        Signer(KeyPair::generate_for(&PKCS_ED25519).expect("a key"))
    }

    /// As it stands at `selector._domainkey.domain`.
    fn record(&self) -> Says {
        let key = STANDARD.encode(self.0.public_key_raw());
        Says::Txt(format!("v=DKIM1; k=ed25519; p={key}"))
    }

    /// The mail with a signature of `domain` over the fields named, in their order. `more` are further tags.
    fn sign(&self, domain: &str, covered: &str, more: &str, mail: &str) -> String {
        self.sign_by("s1", domain, covered, more, mail)
    }

    fn sign_by(
        &self,
        selector: &str,
        domain: &str,
        covered: &str,
        more: &str,
        mail: &str,
    ) -> String {
        let (header, body) = mail.split_once("\r\n\r\n").expect("a mail");
        // RFC 6376 3.4.5: so many octets of the body.
        let length = more
            .split("l=")
            .nth(1)
            .map(|it| it.parse().expect("a length"));
        let hash = STANDARD.encode(Sha256::digest(&body[..length.unwrap_or(body.len())]));
        let own = format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d={domain}; s={selector}; h={covered}; bh={hash}; {more}; b="
        );
        let field = |name: &str| {
            let is_it = |line: &&str| line.to_lowercase().starts_with(&format!("{name}:"));
            header.split("\r\n").find(is_it)
        };
        let mut signed: String = covered
            .split(':')
            .filter_map(field)
            .map(|line| format!("{line}\r\n"))
            .collect();
        signed.push_str(&own);
        let signature = self.0.sign(&Sha256::digest(&signed)).expect("a signature");
        format!("{own}{}\r\n{mail}", STANDARD.encode(signature))
    }
}

/// A mail from somebody at a domain to the fax.
fn mail(from: &str) -> String {
    format!(
        "From: Jane <{from}>\r\nTo: {TO}\r\nSubject: an order\r\nMessage-ID: <{}@x>\r\n\r\nTwelve pens, please.\r\n",
        fastrand::u64(..)
    )
}

const COVERED: &str = "from:to:subject";

fn zone(signer: &Signer) -> Vec<(&'static str, Says)> {
    let txt = |text: &str| Says::Txt(text.to_owned());
    let (reject, nobody) = (txt("v=DMARC1; p=reject"), txt("v=spf1 -all"));
    vec![
        // Sends from here, signs nothing.
        ("partner.example", txt("v=spf1 ip4:127.0.0.0/8 -all")),
        ("_dmarc.partner.example", reject.clone()),
        ("s1._domainkey.partner.example", signer.record()),
        // Signs, and sends from elsewhere.
        ("signs.example", nobody.clone()),
        ("_dmarc.signs.example", reject.clone()),
        ("s1._domainkey.signs.example", signer.record()),
        (
            "gone._domainkey.signs.example",
            txt("v=DKIM1; k=ed25519; p="),
        ),
        ("slow._domainkey.signs.example", Says::Fails),
        // Asks for nothing to be done about forgeries.
        ("lax.example", nobody.clone()),
        ("_dmarc.lax.example", txt("v=DMARC1; p=none")),
        // Has no policy.
        ("bare.example", txt("v=spf1 ip4:127.0.0.0/8 -all")),
        // Has name servers in trouble.
        ("fails.example", txt("v=spf1 ip4:127.0.0.0/8 -all")),
        ("_dmarc.fails.example", Says::Fails),
        ("spf-fails.example", Says::Fails),
        ("_dmarc.spf-fails.example", reject.clone()),
        ("s1._domainkey.spf-fails.example", signer.record()),
        ("silent.example", Says::Nothing),
        ("_dmarc.silent.example", reject.clone()),
        ("garbage.example", Says::Garbage),
        ("_dmarc.garbage.example", Says::Garbage),
        ("circle.example", txt("v=spf1 include:circle.example -all")),
        ("_dmarc.circle.example", reject),
        // RFC 8463 A.2.
        (
            "brisbane._domainkey.football.example.com",
            txt("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        ),
        ("_dmarc.football.example.com", txt("v=DMARC1; p=none")),
    ]
}

/// A site that nobody is inside of, without a carrier: what it takes waits.
fn site(signer: &Signer) -> Site {
    let mut site = Site::prepared(open);
    let name_server = site.address(5353);
    site.config.smtp.name_servers = vec![name_server];
    dns::serve(name_server, &zone(signer));
    site.start();
    site
}

const PARTNERS: [&str; 11] = [
    "partner.example",
    "signs.example",
    "mail.signs.example",
    "lax.example",
    "bare.example",
    "fails.example",
    "spf-fails.example",
    "silent.example",
    "garbage.example",
    "circle.example",
    "football.example.com",
];

fn open(config: &mut Config) {
    config.smtp.clients.clear();
    config.smtp.dmarc = true;
    let partner = |domain: &str| Sender {
        pattern: format!("*@{domain}"),
        verified: true,
        account: "partners".into(),
        ..Sender::default()
    };
    config.senders = PARTNERS.map(partner).to_vec();
}

/// Hands in a mail, and hears what is said at its end, or where it is turned away.
fn submit(site: &Site, sender: &str, to: &str, mail: &str) -> Reply {
    let mut client = site.smtp();
    for line in [
        format!("MAIL FROM:<{sender}>"),
        format!("RCPT TO:<{to}>"),
        "DATA".into(),
    ] {
        let reply = client.say(&line);
        if reply.code >= 400 {
            return reply;
        }
    }
    client.data(mail.as_bytes())
}

/// One mail, and what is to be said: a code, and a word.
struct Case {
    what: &'static str,
    sender: &'static str,
    to: &'static str,
    mail: String,
    code: u16,
    says: &'static str,
}

#[test]
fn only_what_its_domain_stands_behind_is_taken() {
    let signer = Signer::new();
    let site = site(&signer);
    let cases: Vec<Case> = taken(&signer).into_iter().chain(refused(&signer)).collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let reply = submit(&site, case.sender, case.to, &case.mail);
        let said = format!("{} {}", reply.code, reply.text.replace('\n', " "));
        let unwrapped = reply
            .text
            .replace('\n', " ")
            .replace(&status_of(&reply), "");
        if reply.code != case.code || !unwrapped.contains(case.says) {
            wrong.push(format!("{}: {said}", case.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let faxes = site.faxes();
    assert_eq!(
        faxes.len(),
        cases.iter().filter(|case| case.code == 250).count()
    );
    let shown = site.command(&["show", &faxes[0].id]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    let via =
        "dmarc=pass header.from=partner.example; spf=pass smtp.mailfrom=jane@partner.example (127.";
    assert!(shown.contains(via), "{shown}");
    assert!(!site.log().text().contains("panicked"));
}

/// The enhanced code, which each line of a reply has.
fn status_of(reply: &Reply) -> String {
    let status = reply.text.split(' ').next().unwrap_or_default();
    format!(" {status}")
}

fn taken(signer: &Signer) -> Vec<Case> {
    let case = |what, sender, mail| Case {
        what,
        sender,
        to: TO,
        mail,
        code: 250,
        says: "fax queued",
    };
    let signs = |from: &str, by: &str| signer.sign(by, COVERED, "t=1", &mail(from));
    vec![
        case("SPF", "jane@partner.example", mail("jane@partner.example")),
        case("SPF, and a signature that fails", "jane@partner.example", {
            signs("jane@partner.example", "partner.example").replace("Twelve", "Thirteen")
        }),
        case(
            "DKIM",
            "jane@signs.example",
            signs("jane@signs.example", "signs.example"),
        ),
        case("DKIM of the organisation", "jane@signs.example", {
            signs("jane@mail.signs.example", "signs.example")
        }),
        case(
            "DKIM of two, one of them strangers",
            "jane@signs.example",
            {
                let once = signs("jane@signs.example", "signs.example");
                format!(
                    "DKIM-Signature: v=1; a=rsa-sha256; d=lists.example; s=x; h=from; bh=AAAA; b=AAAA\r\n{once}"
                )
            },
        ),
        case("DKIM, SPF is not to be had", "jane@spf-fails.example", {
            signs("jane@spf-fails.example", "spf-fails.example")
        }),
        case("DKIM, handed on by another server", "jane@signs.example", {
            format!(
                "Received: from x by y\r\n{}",
                signs("jane@signs.example", "signs.example")
            )
        }),
    ]
}

fn refused(signer: &Signer) -> Vec<Case> {
    let jane = "jane@signs.example";
    let case = |what, sender, mail, code, says| Case {
        what,
        sender,
        to: TO,
        mail,
        code,
        says,
    };
    let plain =
        |what, sender: &'static str, code, says| case(what, sender, mail(sender), code, says);
    let signed = signer.sign("signs.example", COVERED, "t=1", &mail(jane));
    let with = |covered: &str, tags: &str| signer.sign("signs.example", covered, tags, &mail(jane));
    let spoilt = |from: &str, to: &str| signed.replace(from, to);
    let by =
        |selector: &str| signer.sign_by(selector, "signs.example", COVERED, "t=1", &mail(jane));
    let mut cases = vec![
        plain(
            "nobody's",
            "a@nowhere.test",
            550,
            "may not send faxes from outside",
        ),
        plain(
            "not signed",
            jane,
            550,
            "no signature (DKIM) that counts; 127.0.0.1 may not send for signs.example",
        ),
        plain(
            "a domain without rules",
            "a@bare.example",
            550,
            "bare.example publishes no DMARC policy",
        ),
        plain(
            "a lax domain",
            "a@lax.example",
            550,
            "may not send for lax.example (SPF)",
        ),
        plain("DNS fails", "a@fails.example", 451, "DNS does not answer"),
        plain(
            "DNS fails for SPF",
            "a@spf-fails.example",
            451,
            "DNS does not answer",
        ),
        plain(
            "DNS is silent",
            "a@silent.example",
            451,
            "DNS does not answer",
        ),
        plain(
            "DNS talks nonsense",
            "a@garbage.example",
            451,
            "DNS does not answer",
        ),
        plain(
            "SPF in a circle",
            "a@circle.example",
            550,
            "the SPF record of circle.example is wrong",
        ),
        case(
            "From is forged",
            "a@partner.example",
            mail(jane),
            550,
            "may send for partner.example (SPF), which is not signs.example",
        ),
        case(
            "From is of nobody",
            "a@partner.example",
            mail("boss@office.test"),
            550,
            "boss@office.test (From) may not send",
        ),
        case(
            "signed by another",
            jane,
            signer.sign("partner.example", COVERED, "t=1", &mail(jane)),
            550,
            "of partner.example is good, and not one of signs.example",
        ),
        case(
            "two From",
            jane,
            format!("From: a@partner.example\r\n{signed}"),
            550,
            "has the field from twice",
        ),
        case(
            "two authors",
            jane,
            mail("a@signs.example>, <b@partner.example"),
            550,
            "From has to be one address",
        ),
        case(
            "the text is changed",
            jane,
            spoilt("Twelve", "Thirteen"),
            550,
            "the text was changed after it was signed",
        ),
        case(
            "the subject is changed",
            jane,
            spoilt("an order", "an offer"),
            550,
            "the header was changed after it was signed",
        ),
        case(
            "another subject on top",
            jane,
            format!("Subject: more\r\n{signed}"),
            550,
            "has the field subject twice",
        ),
        case(
            "another kind of body",
            jane,
            spoilt(
                "Subject",
                "Content-Type: text/html\r\nContent-Type: text/plain\r\nSubject",
            ),
            550,
            "content-type twice",
        ),
        case(
            "text appended",
            jane,
            format!("{}Buy!\r\n", with(COVERED, "l=22")),
            550,
            "leaves a part of the text unsigned (l=)",
        ),
        case(
            "From is not signed",
            jane,
            with("to:subject", "t=1"),
            550,
            "no signature (DKIM) that counts",
        ),
        case(
            "expired",
            jane,
            with(COVERED, "t=1; x=2"),
            550,
            "has expired",
        ),
        case(
            "the key was revoked",
            jane,
            by("gone"),
            550,
            "has a key that was revoked",
        ),
        case(
            "there is no such key",
            jane,
            by("none"),
            550,
            "has no key in DNS",
        ),
        case(
            "the key is not to be had",
            jane,
            by("slow"),
            451,
            "DNS does not answer",
        ),
        case(
            "sent again with notes",
            jane,
            format!("X-Fax-Notes: Pay here\r\n{signed}"),
            550,
            "its field x-fax-notes is not signed",
        ),
        case(
            "To is not signed",
            jane,
            with("from:subject", "t=1"),
            550,
            "only to those in its signed To and Cc",
        ),
        case(
            "RFC 8463",
            "joe@football.example.com",
            RFC_8463.replace('\n', "\r\n"),
            550,
            "in its signed To and Cc; 5551234567@fax.local is not there",
        ),
    ];
    cases.push(Case {
        to: "5551234568@fax.local",
        ..case(
            "sent again to another",
            jane,
            signed,
            550,
            "5551234568@fax.local is not there",
        )
    });
    cases
}

/// RFC 8463 A.3, with the one of its signatures that is over Ed25519.
const RFC_8463: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";
