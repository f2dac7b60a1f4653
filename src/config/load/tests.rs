use super::*;
use crate::config::numbers::Numbering;
use crate::config::{Contact, Domain, Machine, Sender, Trunk, Upstream, User};

fn error(text: &str) -> String {
    Config::parse(text, "config.toml").unwrap_err().to_string()
}

/// The example with every commented key in force: `#key = value` begins a key, `# ` a remark.
fn example_uncommented() -> String {
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    include_str!("../../../config.toml.example")
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_example_states_every_key_and_its_default() {
    let mut stated = Config::parse(&example_uncommented(), "config.toml.example").unwrap();
    // Sections that there may be any number of are shown with an example's values.
    assert_eq!(stated.routes.len(), 2, "the example shows two routes");
    stated.routes.clear();
    assert_eq!(stated.converters.len(), 1, "the example shows a converter");
    stated.converters.clear();
    assert_eq!(stated.senders.len(), 1, "the example shows a sender");
    stated.senders.clear();
    assert_eq!(stated.hours.len(), 1, "the example shows hours");
    stated.hours.clear();
    assert_eq!(stated.domains.len(), 1, "the example shows a domain");
    stated.domains.clear();
    assert_eq!(stated.phone_book.len(), 1, "the example shows a contact");
    stated.phone_book.clear();
    assert_eq!(stated.users.len(), 1, "the example shows a user");
    stated.users.clear();
    assert_eq!(stated.upstreams.len(), 1, "the example shows an upstream");
    stated.upstreams.clear();
    assert_eq!(stated.machines.len(), 1, "the example shows a machine");
    stated.machines.clear();
    let trunk = stated.trunks.pop().expect("the example shows a trunk");
    assert_eq!(trunk.server.len(), 2);
    assert_eq!(
        trunk,
        Trunk {
            name: trunk.server[0].clone(),
            server: trunk.server.clone(),
            ..Trunk::default()
        }
    );
    // Keys without a default are shown with an example's value.
    let shown = [
        &mut stated.smtp.tls_certificate,
        &mut stated.smtp.tls_key,
        &mut stated.sip.tls_certificate,
        &mut stated.sip.tls_key,
        &mut stated.sip.tls_ca,
        &mut stated.mail.maildir,
        &mut stated.mail.tls_ca,
        &mut stated.receipts.templates,
        &mut stated.renderer.pdfium,
        &mut stated.fax.header_font,
        &mut stated.cover.template,
    ];
    for option in shown {
        assert!(
            option.take().is_some(),
            "an optional key is missing in the example"
        );
    }
    assert!(stated.sip.advertise.take().is_some());
    assert_eq!(stated, Config::default());
    every_key_is_written();
}

fn every_key_is_written() {
    let mut whole = Config::default();
    whole.trunks.push(Trunk::default());
    whole.senders.push(Sender {
        resolution: Some(crate::pages::Resolution::Fine),
        cover: Some(true),
        body: Some(crate::config::Body::Auto),
        language: Some(crate::pages::cover::Language::En),
        tell_delivered: Some(crate::config::TellDelivered::Mail),
        ..Sender::default()
    });
    whole.domains.push(Domain {
        resolution: Some(crate::pages::Resolution::Fine),
        cover: Some(true),
        ..Domain::default()
    });
    whole.phone_book.push(Contact {
        resolution: Some(crate::pages::Resolution::Fine),
        cover: Some(true),
        ..Contact::default()
    });
    whole.users.push(User::default());
    whole.upstreams.push(Upstream::default());
    whole.machines.push(Machine::default());
    let every_key = toml::Table::try_from(whole).unwrap();
    let written: toml::Table = toml::from_str(&example_uncommented()).unwrap();
    for (section, value) in &every_key {
        let (keys, written) = match (value, &written[section]) {
            (toml::Value::Table(keys), written) => (keys, written),
            (toml::Value::Array(all), written) if !all.is_empty() => {
                (all[0].as_table().unwrap(), &written[0])
            }
            _ => continue,
        };
        for key in keys.keys() {
            assert!(
                written.get(key).is_some(),
                "{section}.{key} is not in config.toml.example"
            );
        }
    }
}

#[test]
fn the_example_as_it_stands_is_the_default() {
    let as_it_stands =
        Config::parse(include_str!("../../../config.toml.example"), "example").unwrap();
    assert_eq!(as_it_stands, Config::default());
}

#[test]
fn a_mistyped_key_is_named_with_its_line_and_the_nearest() {
    let said = error("hostname = \"fax\"\n\n[fax]\nmax_page = 3\n");
    assert_eq!(
        said,
        "config.toml:4: there is no key `max_page`; did you mean `max_pages`?"
    );
}

#[test]
fn a_sender_may_have_a_choice_of_its_own_about_the_text() {
    use crate::config::Body;
    let text = "[fax]\nbody = \"always\"\n[[sender]]\nmatch = \"*@b.example\"\nbody = \"never\"\n";
    let config = Config::parse(text, "config.toml").unwrap();
    assert_eq!(config.body_for("jane@b.example"), Body::Never);
    assert_eq!(config.body_for("jane@c.example"), Body::Always);
    assert_eq!(Config::default().body_for("jane@b.example"), Body::Auto);
}

#[test]
fn a_mistyped_section_is_named() {
    assert_eq!(
        error("[trnk]\n"),
        "config.toml:1: there is no key `trnk`; did you mean `trunk`?"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_line() {
    let said = error("[smtp]\nmax_size = \"big\"\n");
    assert_eq!(
        said,
        "config.toml:2: max_size: invalid type: string \"big\", expected a whole number"
    );
}

#[test]
fn no_error_repeats_a_password() {
    for value in [
        "4711",
        "\"4711",
        "[\"4711\"]",
        "'4711'4711",
        "4711.5",
        "\"4711 by telephone\"",
    ] {
        for section in [
            "[[trunk]]\nserver = \"a\"",
            "[mail]",
            "[inbound]",
            "[[machine]]\nnumber = \"2025550123\"",
        ] {
            let text = format!("{section}\npassword = {value}\n");
            if let Err(e) = Config::parse(&text, "config.toml") {
                let said = e.to_string();
                assert!(
                    said.contains("password") && !said.contains("4711"),
                    "{said}"
                );
            }
        }
    }
    let said = error("[mail]\npassword = 4711\n");
    assert!(
        said.starts_with("config.toml:2: password: must be a text in double quotes"),
        "{said}"
    );
}

#[test]
fn contradictions_are_found_with_their_line() {
    for (text, expected) in [
        (
            "[fax]\nstation_id = \"call me\"\n",
            "config.toml:2: fax.station_id: \"call me\" must be",
        ),
        (
            "[fax]\n\nmax_bit_rate = 33600\n",
            "config.toml:3: fax.max_bit_rate: 33600 is none of",
        ),
        (
            "[inbound]\npassword = \"open sesame\"\n",
            "config.toml:2: inbound.password: must be",
        ),
        (
            "[[machine]]\nnumber = \"5551234567\"\npassword = \"123456789012345678901\"\n",
            "config.toml:3: machine.password: must be",
        ),
        (
            "time_zone = \"Mars\"\n",
            "config.toml:1: time_zone: \"Mars\" is no known time zone",
        ),
        (
            "[[trunk]]\nserver = \"a b\"\n",
            "config.toml:2: trunk.server: \"a b\" must be a host or host:port",
        ),
        (
            "[[trunk]]\nname = \"a\"\n",
            "config.toml:1: trunk.server: name the",
        ),
        (
            "[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\n",
            "config.toml:1: sip.advertise: sip.listen is udp:0.0.0.0:5060; say with",
        ),
        (
            "[sip]\nlisten = [\"0.0.0.0:5060\"]\n",
            "config.toml:2: listen: \"0.0.0.0:5060\" must be transport:address:port",
        ),
        (
            "[sip]\nlisten = [\"tls:127.0.0.1:5061\"]\n",
            "config.toml:2: sip.listen: tls:127.0.0.1:5061 needs sip.tls_certificate",
        ),
        (
            "[[trunk]]\nserver = \"a\"\n[[trunk]]\nserver = \"a\"\n",
            "config.toml:1: trunk.name: there are two trunks \"a\"",
        ),
        (
            "[[trunk]]\nserver = \"a\"\n[[trunk]]\nserver = \"b\"\nregister = true\n",
            "config.toml:5: trunk.register: a registration needs `username`",
        ),
        (
            "[[trunk]]\nserver = \"a\"\nprefixes = [\"1212\"]\n",
            "config.toml:3: trunk.prefixes: \"1212\" must be the beginning of a number in E.164",
        ),
        (
            "[[trunk]]\nserver = \"a\"\nnumber_format = \"e.164\"\n",
            "config.toml:3: number_format: unknown variant `e.164`, expected one of",
        ),
        (
            "[[trunk]]\nserver = \"a\"\nsession_expires = 60\n",
            "config.toml:3: trunk.session_expires: 60 must be at least 90",
        ),
        (
            "[[sender]]\nmatch = \"sales\"\n",
            "config.toml:2: sender.match: \"sales\" must be a mail address",
        ),
        (
            "[[domain]]\nname = \"a\"\ncountry = \"Germany\"\n",
            "config.toml:3: domain.country: \"Germany\" is no country",
        ),
        (
            "[[phone_book]]\nname = \"42\"\nnumber = \"1\"\n",
            "config.toml:2: phone_book.name: \"42\" must be letters",
        ),
        (
            "[[phone_book]]\nname = \"a\"\nnumber = \"1\"\n[[phone_book]]\nname = \"A\"\nnumber = \"1\"\n",
            "config.toml:2: phone_book.name: there are two of the name \"a\"",
        ),
        (
            "[[phone_book]]\nname = \"a\"\nnumber = \"ask\"\n",
            "config.toml:3: phone_book.number: \"ask\" is not a fax number",
        ),
        (
            "[[user]]\nname = \"a\"\n",
            "config.toml:2: user.name: passwords are taken under TLS only",
        ),
        (
            "[smtp]\ntls_certificate = \"a\"\ntls_key = \"b\"\n[[user]]\nname = \"a\"\npassword = \"secret\"\n",
            "config.toml:6: user.password: must be what `postfax hash-password` writes",
        ),
        (
            "[smtp]\ndmarc = true\n",
            "config.toml:2: smtp.dmarc: say who may send from anywhere",
        ),
        (
            "[[upstream]]\nauthserv_id = \"mx\"\n",
            "config.toml:1: upstream.clients: name the addresses",
        ),
        (
            "[smtp]\nlmtp = [\"run/lmtp\"]\n",
            "config.toml:2: lmtp: \"run/lmtp\" must be address:port",
        ),
        (
            "[dialing]\ncountry = \"United States\"\n",
            "config.toml:2: dialing.country: \"United States\" is no country",
        ),
        (
            "[smtp]\ntls_key = \"key.pem\"\n",
            "config.toml:2: smtp.tls_key: smtp.tls_certificate and",
        ),
        (
            "[[converter]]\ntypes = [\"a/b\"]\ncommand = [\"soffice\", \"{input}\"]\n",
            "config.toml:3: converter.command: \"soffice\" must be an absolute path",
        ),
        (
            "[[converter]]\ntypes = [\"a/b\"]\ncommand = [\"/usr/bin/soffice\"]\n",
            "config.toml:3: converter.command: /usr/bin/soffice is not handed the document",
        ),
        (
            "[[route]]\nnumber = \"5551234567\"\n",
            "needs `to` or `maildir`",
        ),
        (
            "[[route]]\nnumber = \"1\"\nto = [\"office\"]\n",
            "\"office\" in the route of \"1\" is no mail address",
        ),
        (
            "[dialing]\nallow = [\"NXX?\"]\n",
            "config.toml:2: dialing.allow",
        ),
    ] {
        assert!(
            error(text).contains(expected),
            "{} does not say {expected}",
            error(text)
        );
    }
}

#[test]
fn one_line_makes_a_trunk_named_after_its_server() {
    for text in [
        "[[trunk]]\nserver = \"sip.example.com\"\n",
        "[[trunk]]\nserver = [\"sip.example.com\"]\n",
    ] {
        let config = Config::parse(text, "config.toml").unwrap();
        assert_eq!(config.trunks, [Trunk::to("sip.example.com")]);
    }
    assert!(Config::default().trunks.is_empty());
}

#[test]
fn a_file_from_the_time_of_one_trunk_is_told_what_to_write() {
    let said = error(
        "[fax]\n[trunk] # our carrier\nserver = \"a:5060\"\nadvertise = \"192.0.2.1\"\nchannels = 4\n",
    );
    assert!(
        said.starts_with("config.toml:2: there may be several trunks now"),
        "{said}"
    );
    assert!(
        said.contains("[[trunk]]") && said.contains("; move advertise to [sip] ("),
        "{said}"
    );
    let said = error("[[trunk]]\nserver = \"a\"\ndrain_seconds = 4\n");
    assert_eq!(
        said,
        "config.toml:3: there is no key `drain_seconds` in [[trunk]]; it stands in [sip]"
    );
}

#[test]
fn servers_come_as_names_and_addresses() {
    use crate::config::trunk::Server;
    for (written, host, port) in [
        ("sip.example.com", "sip.example.com", None),
        ("sip.example.com:5080", "sip.example.com", Some(5080)),
        ("192.0.2.1:5060", "192.0.2.1", Some(5060)),
        ("[2001:db8::1]:5060", "2001:db8::1", Some(5060)),
        ("2001:db8::1", "2001:db8::1", None),
    ] {
        let server: Server = written.parse().unwrap();
        assert_eq!((server.host.as_str(), server.port), (host, port));
    }
    for bad in [
        "", ":5060", "a:b", "a:70000", "sip:a", "a b", "[a]:1", "a;b", "u@h",
    ] {
        assert!(bad.parse::<Server>().is_err(), "{bad}");
    }
}

#[test]
fn a_sender_has_a_number_of_his_own_then_the_trunks_then_ours() {
    let text = "[fax]\nstation_id = \"+1 555 987 6543\"\nname = \"Office\"\n[[sender]]\n\
                match = \"*@Sales.example.com\"\ncaller_id = \"5550001111\"\nname = \"Sales\"\n\
                [[trunk]]\nserver = \"a\"\n[[trunk]]\nserver = \"b\"\ncaller_id = \"5552223333\"\n";
    let config = Config::parse(text, "config.toml").unwrap();
    let number = |address, nth: usize| {
        let trunk = &config.trunks[nth];
        config.caller_id(&config.sender(address), trunk)
    };
    assert_eq!(number("x@sales.EXAMPLE.com", 1), "5550001111");
    assert_eq!(number("x@example.com", 0), "+1 555 987 6543");
    assert_eq!(number("x@example.com", 1), "5552223333");
    let sales = config.sender("x@sales.example.com");
    assert_eq!(
        (&*sales.name, &*sales.station_id),
        ("Sales", "+1 555 987 6543")
    );
    assert_eq!(config.sender("x@notsales.example.com").name, "Office");
}

#[test]
fn a_route_is_found_by_its_digits_then_by_the_star() {
    let text = "[[route]]\nnumber = \"+1 555 987 6543\"\nto = [\"a@example.com\"]\n\
                [[route]]\nnumber = \"*\"\nmaildir = \"/var/mail/fax\"\n";
    let config = Config::parse(text, "config.toml").unwrap();
    let numbers = Numbering::of(&config).unwrap();
    assert_eq!(
        config.route("+15559876543", &numbers).unwrap().recipients(),
        ["a@example.com"]
    );
    assert_eq!(
        config.route("999", &numbers).unwrap().recipients(),
        ["maildir:/var/mail/fax"]
    );
    assert!(Config::default().route("5559876543", &numbers).is_none());
}

#[test]
fn a_from_with_a_name_is_taken_apart() {
    let from = |written: &str| {
        let text = format!("hostname = \"fax.example.com\"\n[mail]\nfrom = '{written}'\n");
        Config::parse(&text, "config.toml")
    };
    for (written, line, address, postmaster) in [
        (
            "",
            "Postfax <fax-gateway@fax.example.com>",
            "fax-gateway@fax.example.com",
            "postmaster@fax.example.com",
        ),
        (
            "fax@office.example",
            "Postfax <fax@office.example>",
            "fax@office.example",
            "postmaster@office.example",
        ),
        (
            "Fax office <fax@office.example>",
            "Fax office <fax@office.example>",
            "fax@office.example",
            "postmaster@office.example",
        ),
        (
            "\"Smith, Roe & Partners\" <fax@office.example>",
            "\"Smith, Roe & Partners\" <fax@office.example>",
            "fax@office.example",
            "postmaster@office.example",
        ),
    ] {
        let config = from(written).unwrap();
        assert_eq!(config.from_line(), line);
        assert_eq!(config.mail_from(), address);
        assert_eq!(config.postmaster(), postmaster);
    }
    for bad in [
        "Fax office",
        "fax@",
        "Fax <fax@office.example",
        "a@b.example, c@d.example",
        "fax office@example.com",
    ] {
        let refused = from(bad).unwrap_err().to_string();
        assert!(
            refused.starts_with("config.toml:3: mail.from: "),
            "{bad}: {refused}"
        );
    }
}
