//! Reading `config.toml`: every error says where, what and what to do.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use super::dialplan;
use super::{Config, Converter, Route};

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, and the line where it is known: `config.toml:12`.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

pub(super) fn file(path: &Path) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let read = std::fs::read_to_string(path).map_err(|e| ConfigError {
        place: name.clone(),
        what: match e.kind() {
            ErrorKind::NotFound => "there is no such file; copy config.toml.example there, or name another file with --config".into(),
            ErrorKind::PermissionDenied => "permission denied; run this as root or as the user of the gateway (sudo -u postfax postfax ...)".into(),
            _ => format!("cannot be read: {e}"),
        },
    })?;
    text(&read, &name)
}

pub(super) fn text(text: &str, name: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|e| {
        let line = e
            .span()
            .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        ConfigError {
            place: place(name, line),
            what: explained(e.message(), line.and_then(|n| key_on(text, n))),
        }
    })?;
    match first_contradiction(&config) {
        None => Ok(config),
        Some((key, what)) => Err(ConfigError {
            place: place(name, line_of(text, key)),
            what: format!("{key}: {what}"),
        }),
    }
}

fn place(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}

/// The line that sets `section.key`, if the text does.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, key) = key.rsplit_once('.').unwrap_or(("", key));
    let mut here = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            here = line.trim_matches(|c| c == '[' || c == ']').to_owned();
        } else if here == section
            && line
                .split('=')
                .next()
                .is_some_and(|name| name.trim() == key)
        {
            return Some(number + 1);
        }
    }
    None
}

/// The key that line number `line` sets, if it sets one.
fn key_on(text: &str, line: usize) -> Option<&str> {
    Some(text.lines().nth(line - 1)?.split_once('=')?.0.trim())
}

/// A message of the TOML reader in words for a person, with the key it is about.
fn explained(message: &str, key: Option<&str>) -> String {
    if message.starts_with("unknown field") {
        return with_nearest_name(message);
    }
    let integers = ["u8", "u16", "u32", "u64", "usize"];
    let mut words = message.to_owned();
    for integer in integers {
        words = words.replace(&format!("expected {integer}"), "expected a whole number");
    }
    key.map_or_else(|| words.clone(), |key| format!("{key}: {words}"))
}

/// "unknown field `max_page`, expected one of `max_pages`, ..." with the nearest of them.
fn with_nearest_name(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else {
        return message.to_owned();
    };
    let nearest = quoted
        .max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)));
    match nearest {
        Some(name) if strsim::jaro_winkler(wrong, name) > 0.7 => {
            format!("there is no key `{wrong}`; did you mean `{name}`?")
        }
        _ => format!("there is no key `{wrong}` here; see config.toml.example for those there are"),
    }
}

/// What the types cannot say. The first thing that is wrong, by its key.
fn first_contradiction(config: &Config) -> Option<(&'static str, String)> {
    let checks: [(&'static str, Option<String>); 13] = [
        (
            "smtp.domains",
            config
                .smtp
                .domains
                .is_empty()
                .then(|| "name at least one domain, such as \"fax.local\"".into()),
        ),
        (
            "smtp.max_size",
            (config.smtp.max_size < 10_000).then(|| "must be at least 10000 octets".into()),
        ),
        ("smtp.tls_key", half_a_pair(config)),
        (
            "dialing.allow",
            dialplan::Plan::new(&config.dialing.allow, &config.dialing.deny)
                .err()
                .map(|e| e.to_string()),
        ),
        ("fax.station_id", bad_station_id(&config.fax.station_id)),
        (
            "fax.max_pages",
            (config.fax.max_pages == 0).then(|| "must be at least 1".into()),
        ),
        ("fax.max_bit_rate", bad_bit_rate(config.fax.max_bit_rate)),
        ("time_zone", unknown_zone(&config.time_zone)),
        ("trunk.server", bad_host_and_port(&config.trunk.server)),
        ("trunk.advertise", bad_advertise(config)),
        ("trunk.media_ports", bad_ports(config.trunk.media_ports)),
        (
            "trunk.redundancy",
            (config.trunk.redundancy > 7).then(|| "at most 7".into()),
        ),
        (
            "mail.relay",
            if config.mail.maildir.is_some() {
                None
            } else {
                bad_host_and_port(&config.mail.relay)
            },
        ),
    ];
    checks
        .into_iter()
        .find_map(|(key, wrong)| wrong.map(|what| (key, what)))
        .or_else(|| {
            let wrong = config.converters.iter().find_map(bad_converter);
            wrong.map(|what| ("converter.command", what))
        })
        .or_else(|| {
            config
                .routes
                .iter()
                .find_map(bad_route)
                .map(|what| ("route.number", what))
        })
}

fn half_a_pair(config: &Config) -> Option<String> {
    (config.smtp.tls_certificate.is_some() != config.smtp.tls_key.is_some())
        .then(|| "smtp.tls_certificate and smtp.tls_key go together: set both or none".into())
}

/// T.30 5.3.6.2.4: twenty characters, digits, plus and space.
fn bad_station_id(id: &str) -> Option<String> {
    let fits = id.len() <= 20
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'+' || b == b' ');
    (!fits).then(|| {
        format!("\"{id}\" must be at most 20 characters: digits, + and space (T.30 allows no more)")
    })
}

fn bad_bit_rate(rate: u32) -> Option<String> {
    (![4800, 9600, 14400].contains(&rate)).then(|| format!("{rate} is none of 14400, 9600, 4800"))
}

fn unknown_zone(name: &str) -> Option<String> {
    (!name.is_empty() && jiff::tz::TimeZone::get(name).is_err()).then(|| {
        format!(
            "\"{name}\" is no known time zone; write it like \"Europe/Berlin\", or leave it empty"
        )
    })
}

fn bad_host_and_port(place: &str) -> Option<String> {
    let fits = place.is_empty()
        || place
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    (!fits).then(|| format!("\"{place}\" must be host:port, such as \"sip.example.com:5060\""))
}

fn bad_advertise(config: &Config) -> Option<String> {
    (config.trunk.listen.ip().is_unspecified() && config.trunk.advertise.is_none()).then(|| {
        format!(
            "trunk.listen is {}; say with trunk.advertise which address the carrier reaches",
            config.trunk.listen
        )
    })
}

fn bad_ports([first, last]: [u16; 2]) -> Option<String> {
    let fits = (first, last) == (0, 0) || (first >= 1024 && last > first && last - first >= 3);
    (!fits).then(|| {
        format!("[{first}, {last}] must be a range of at least four ports above 1023, or [0, 0]")
    })
}

fn bad_converter(converter: &Converter) -> Option<String> {
    let Some(program) = converter.command.first() else {
        return Some("name the program and its arguments".into());
    };
    if converter.types.is_empty() {
        return Some(format!("the converter {program} needs `types`"));
    }
    if !Path::new(program).is_absolute() {
        return Some(format!(
            "\"{program}\" must be an absolute path, such as \"/usr/bin/soffice\""
        ));
    }
    let is_handed = converter
        .command
        .iter()
        .any(|word| word.contains("{input}"));
    (!is_handed).then(|| {
        format!("{program} is not handed the document: write {{input}} where its name goes")
    })
}

fn bad_route(route: &Route) -> Option<String> {
    if route.to.is_empty() && route.maildir.is_none() {
        return Some(format!(
            "the route of \"{}\" needs `to` or `maildir`",
            route.number
        ));
    }
    let bad = route
        .to
        .iter()
        .find(|address| address.parse::<lettre::Address>().is_err())?;
    Some(format!(
        "\"{bad}\" in the route of \"{}\" is no mail address",
        route.number
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, "config.toml").unwrap_err().to_string()
    }

    /// The example with every commented key in force: `#key = value` begins a key, `# ` a remark.
    fn example_uncommented() -> String {
        let is_key =
            |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        include_str!("../../config.toml.example")
            .lines()
            .map(|line| if is_key(line) { &line[1..] } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_example_states_every_key_and_its_default() {
        let mut stated = Config::parse(&example_uncommented(), "config.toml.example").unwrap();
        assert_eq!(stated.routes.len(), 2, "the example shows two routes");
        stated.routes.clear();
        assert_eq!(stated.converters.len(), 1, "and one converter");
        stated.converters.clear();
        // Keys without a default are shown with an example's value.
        let shown = [
            &mut stated.smtp.tls_certificate,
            &mut stated.smtp.tls_key,
            &mut stated.mail.maildir,
        ];
        for option in shown
            .into_iter()
            .chain([&mut stated.renderer.pdfium, &mut stated.fax.header_font])
        {
            assert!(
                option.take().is_some(),
                "an optional key is missing in the example"
            );
        }
        assert!(stated.trunk.advertise.take().is_some());
        assert_eq!(stated, Config::default());
        let every_key = toml::Table::try_from(Config::default()).unwrap();
        let written: toml::Table = toml::from_str(&example_uncommented()).unwrap();
        for (section, value) in &every_key {
            let toml::Value::Table(keys) = value else {
                assert!(written.contains_key(section), "{section}");
                continue;
            };
            for key in keys.keys() {
                assert!(
                    written[section].get(key).is_some(),
                    "{section}.{key} is not in config.toml.example"
                );
            }
        }
    }

    #[test]
    fn the_example_as_it_stands_is_the_default() {
        let as_it_stands =
            Config::parse(include_str!("../../config.toml.example"), "example").unwrap();
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
                "time_zone = \"Mars\"\n",
                "config.toml:1: time_zone: \"Mars\" is no known time zone",
            ),
            (
                "[trunk]\nserver = \"carrier\"\n",
                "config.toml:2: trunk.server: \"carrier\" must be host:port",
            ),
            ("[trunk]\nlisten = \"0.0.0.0:5060\"\n", "trunk.advertise"),
            (
                "[smtp]\ntls_key = \"key.pem\"\n",
                "config.toml:2: smtp.tls_key: smtp.tls_certificate and",
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
                "[[converter]]\ntypes = [\"a/b\"]\ncommand = [\"soffice\", \"{input}\"]\n",
                "config.toml:3: converter.command: \"soffice\" must be an absolute path",
            ),
            (
                "[[converter]]\ntypes = [\"a/b\"]\ncommand = [\"/usr/bin/soffice\"]\n",
                "config.toml:3: converter.command: /usr/bin/soffice is not handed the document",
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
    fn the_caller_id_is_the_station_id_without_its_spaces() {
        let text = "[fax]\nstation_id = \"+1 555 987 6543\"\n";
        assert_eq!(
            Config::parse(text, "config.toml").unwrap().caller_id(),
            "+15559876543"
        );
    }

    #[test]
    fn a_route_is_found_by_its_digits_then_by_the_star() {
        let text = "[[route]]\nnumber = \"+1 555 987 6543\"\nto = [\"a@example.com\"]\n\
                    [[route]]\nnumber = \"*\"\nmaildir = \"/var/mail/fax\"\n";
        let config = Config::parse(text, "config.toml").unwrap();
        assert_eq!(
            config.route("+15559876543").unwrap().recipients(),
            ["a@example.com"]
        );
        assert_eq!(
            config.route("999").unwrap().recipients(),
            ["maildir:/var/mail/fax"]
        );
        assert!(Config::default().route("5559876543").is_none());
    }
}
