//! Settings that work and cost money, secrets or peace: each is the admin's to choose, and said.

use std::net::{IpAddr, Ipv4Addr};

use super::Finding::{self, Note, Wrong};
use crate::call::outcome::Outcome;
use crate::config::numbers::Numbering;
use crate::config::{Config, RelayTls, Uncertain, dialplan};
use crate::mail_to_fax::recipient;
use crate::net::tls::{TlsFiles, acceptor};

/// Networks of more addresses than this are no office: 65,536, and for IPv6 a /48.
const WIDEST: (u8, u8) = (16, 48);

/// Numbers that cost, and what they are.
const DEAR: [(&str, &str); 3] = [
    ("+19005551234", "premium numbers"),
    ("+442079460000", "numbers abroad"),
    ("+8821612345678", "satellite telephones"),
];

/// All of them.
pub(super) fn all(config: &Config) -> Vec<Finding> {
    let mut found = certificates(config);
    found.extend(door(config));
    found.extend(money(config));
    found.extend(phone_book(config));
    found.extend(shared_calls(config));
    found.extend(redials(config));
    found.extend(mails(config));
    found.extend(page(config));
    found
}

/// A certificate that cannot be read keeps the daemon from starting.
fn certificates(config: &Config) -> Vec<Finding> {
    let (smtp, sip) = (&config.smtp, &config.sip);
    let pairs = [
        ("smtp", &smtp.tls_certificate, &smtp.tls_key),
        ("sip", &sip.tls_certificate, &sip.tls_key),
    ];
    let pairs = pairs.into_iter().filter_map(|(section, certificate, key)| {
        let (certificate, key) = (certificate.clone()?, key.clone()?);
        Some((section, TlsFiles { certificate, key }))
    });
    pairs
        .filter_map(|(section, files)| Some((section, acceptor(&files).err()?)))
        .map(|(section, e)| Wrong(format!("the certificate of [{section}]: {e}")))
        .collect()
}

fn door(config: &Config) -> Vec<Finding> {
    let is_wide = |network: &&ipnet::IpNet| {
        let widest = match network.addr() {
            IpAddr::V4(_) => WIDEST.0,
            IpAddr::V6(_) => WIDEST.1,
        };
        let is_own = network.addr().is_loopback();
        !is_own && network.prefix_len() != 0 && network.prefix_len() < widest
    };
    let wide = config.smtp.clients.iter().filter(is_wide);
    let mut found: Vec<Finding> = wide
        .map(|network| {
            Note(format!(
                "smtp.clients has {network}: everybody in so large a network may send faxes at your cost"
            ))
        })
        .collect();
    let verified = config.senders.iter().any(|sender| sender.verified);
    if !config.upstreams.is_empty() && !verified {
        let what = "there is an [[upstream]], and no [[sender]] has verified = true: it opens the door to nobody";
        found.push(Note(what.into()));
    }
    let over_folder = config
        .smtp
        .lmtp
        .iter()
        .any(|it| matches!(it, crate::config::Socket::Path(_)));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if over_folder && !config.smtp.clients.iter().any(|it| it.contains(&here)) {
        let what = "smtp.lmtp has a socket in a folder, whose clients come as 127.0.0.1, and smtp.clients has it not: they are refused";
        found.push(Note(what.into()));
    }
    found
}

fn money(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Ok(numbers) = Numbering::of(config) {
        for (number, what) in DEAR {
            if numbers.to_dial(number).is_ok() {
                found.push(Note(format!(
                    "everybody who may send may dial {what}, such as {number} (dialing.allow, dialing.deny)"
                )));
            }
        }
    }
    for sender in config
        .senders
        .iter()
        .filter(|sender| !sender.allow.is_empty())
    {
        found.push(Note(format!(
            "{} may dial {}, whatever [dialing] denies",
            sender.pattern,
            sender.allow.join(", ")
        )));
    }
    if config.queue.uncertain == Uncertain::Resend {
        let what = "queue.uncertain = \"resend\": a fax that may have arrived is sent again, and may arrive twice";
        found.push(Note(what.into()));
    }
    found
}

/// Names that lead to numbers which nobody may dial, and names that not every mail program can write.
fn phone_book(config: &Config) -> Vec<Finding> {
    let Ok(numbers) = Numbering::of(config) else {
        return Vec::new();
    };
    let permitted = config.senders.iter().flat_map(|sender| {
        let own = dialplan::patterns(&sender.allow);
        own.unwrap_or_default()
    });
    let permitted: Vec<_> = permitted.collect();
    let mut found = Vec::new();
    for contact in &config.phone_book {
        let (name, number) = (&contact.name, &contact.number);
        if let Ok(bare) = recipient::number(number)
            && let Err(refused) = numbers.to_dial_with(&bare, &permitted)
        {
            found.push(Note(format!(
                "the phone book's {name} is of no use: {refused}"
            )));
        }
        if !name.is_ascii() {
            found.push(Note(format!(
                "the phone book's {name} can be written only by mail programs and servers with SMTPUTF8; for others add \
                 a second entry with a plain name"
            )));
        }
    }
    found
}

/// What `queue.share_calls` means for whoever stands beside the machine.
fn shared_calls(config: &Config) -> Option<Finding> {
    let queue = &config.queue;
    let numbers = queue.share_calls.join(", ");
    let what = format!(
        "several faxes to one number share a call where the number fits {numbers} (queue.share_calls), at most {} of them \
         with {} pages: some machines print or store such a call as one document, so name only numbers of which you know \
         how theirs does it",
        queue.share_faxes, queue.share_pages
    );
    (!numbers.is_empty()).then_some(Note(what))
}

/// 47 CFR 68.318(b)(4). Delays that (b)(1) forbids are refused with the file.
fn redials(config: &Config) -> Vec<Finding> {
    let no_machine = [Outcome::NoFax, Outcome::VoiceAnswered];
    let too_many = no_machine.into_iter().filter(|outcome| {
        let rule = config.retry.of(*outcome);
        rule.is_some_and(|rule| rule.attempts > 2)
    });
    too_many
        .map(|outcome| {
            Note(format!(
                "[retry] {outcome}: more than one further call to a number where something answered that is no fax \
                 machine, which the law of the US forbids (47 CFR 68.318(b)(4))"
            ))
        })
        .collect()
}

fn mails(config: &Config) -> Option<Finding> {
    let mail = &config.mail;
    let in_plain = matches!(mail.tls, RelayTls::None | RelayTls::Opportunistic);
    (mail.maildir.is_none() && !mail.username.is_empty() && in_plain).then(|| {
        Note(format!(
            "the password for {} may travel in plain text: set mail.tls to \"starttls\" or \"implicit\"",
            mail.relay
        ))
    })
}

fn page(config: &Config) -> Option<Finding> {
    let address = config.status.listen?;
    let with = match config.status.previews {
        true => "numbers, subjects and first pages",
        false => "numbers and subjects",
    };
    (!address.ip().is_loopback()).then(|| {
        Note(format!(
            "the page on {address} asks for no password: whoever reaches it reads {with}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let config = Config::parse(text, "config.toml").unwrap();
        all(&config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_risk_nothing() {
        assert_eq!(said(""), Vec::<String>::new());
        let office = "[smtp]\nclients = [\"192.168.0.0/16\", \"127.0.0.0/8\", \"fd00:1:2::/48\"]\n[mail]\nusername = \"fax\"\n\
                      password = \"x\"\ntls = \"starttls\"";
        assert_eq!(said(office), Vec::<String>::new());
    }

    #[test]
    fn every_risk_is_said() {
        for (text, word) in [
            (
                "[smtp]\nclients = [\"10.0.0.0/8\"]",
                "10.0.0.0/8: everybody",
            ),
            (
                "[[upstream]]\nauthserv_id = \"mx\"\nclients = [\"192.0.2.1/32\"]",
                "opens the door to nobody",
            ),
            (
                "[smtp]\nclients = [\"192.0.2.1/32\"]\nlmtp = [\"unix:/run/postfax/lmtp\"]",
                "they are refused",
            ),
            (
                "[smtp]\ntls_certificate = \"/nowhere/cert.pem\"\ntls_key = \"/nowhere/key.pem\"",
                "WRONG  the certificate of [smtp]: ",
            ),
            (
                "[dialing]\nallow = [\"(|+).\"]\ndeny = []",
                "premium numbers",
            ),
            ("[dialing]\nallow = [\"+44.\"]", "numbers abroad"),
            (
                "[[sender]]\nmatch = \"boss@a.example\"\nallow = [\"+44.\"]",
                "boss@a.example may dial +44.",
            ),
            ("[queue]\nuncertain = \"resend\"", "may arrive twice"),
            (
                "[[phone_book]]\nname = \"tokyo\"\nnumber = \"+81 3-1234-5678\"",
                "tokyo is of no use",
            ),
            (
                "[[phone_book]]\nname = \"Müller\"\nnumber = \"2025550123\"",
                "Müller can be written only",
            ),
            (
                "[retry]\nno_fax = { attempts = 3 }",
                "no_fax: more than one further call",
            ),
            (
                "[mail]\nusername = \"fax\"\npassword = \"x\"",
                "may travel in plain text",
            ),
            (
                "[status]\nlisten = \"0.0.0.0:8025\"",
                "asks for no password",
            ),
        ] {
            let said = said(text);
            assert!(
                said.iter().any(|line| line.contains(word)),
                "{text}: {said:?}"
            );
        }
    }
}
