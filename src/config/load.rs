//! Reading `config.toml`: every error says where, what and what to do.

mod door;
#[cfg(test)]
mod tests;
mod trunks;

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::dialplan;
use super::hours::{HoursOf, Span};
use super::{Config, Converter, Route, Smtp};

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
    let error = |line, what| ConfigError {
        place: place(name, line),
        what,
    };
    let mut config: Config = toml::from_str(text).map_err(|e| {
        if let Some((line, what)) = former_trunk(text) {
            return error(Some(line), what);
        }
        let line = e
            .span()
            .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        error(line, explained(e.message(), text, line))
    })?;
    for trunk in &mut config.trunks {
        if trunk.name.is_empty() {
            trunk.name = trunk.server.first().cloned().unwrap_or_default();
        }
    }
    match first_contradiction(&config) {
        None => Ok(config),
        Some((key, what)) => Err(error(line_of(text, &key), format!("{key}: {what}"))),
    }
}

/// The keys that were in `[trunk]` when there was one trunk only.
const MOVED_TO_SIP: [&str; 4] = ["listen", "advertise", "media_ports", "drain_seconds"];

/// The line of a `[trunk]` from the time when there was one trunk only, and what to write instead.
fn former_trunk(text: &str) -> Option<(usize, String)> {
    let line = 1 + text.lines().position(|line| bare(line) == "[trunk]")?;
    let moved: Vec<&str> = MOVED_TO_SIP
        .into_iter()
        .filter(|key| line_of(text, &Key::new("trunk", key)).is_some_and(|at| at > line))
        .collect();
    let moved = match moved.as_slice() {
        [] => String::new(),
        moved => format!("; move {} to [sip]", moved.join(", ")),
    };
    let what = format!(
        "there may be several trunks now: write [[trunk]] instead of [trunk]{moved} \
         (channels over all trunks are in [sip], too)"
    );
    Some((line, what))
}

/// A line without its remark and the space around.
fn bare(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// A key of the file: `smtp.max_size`, or `server` of the second `[[trunk]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    section: &'static str,
    /// Which of the sections by this name, from 0.
    nth: usize,
    name: &'static str,
}

impl Key {
    fn new(section: &'static str, name: &'static str) -> Key {
        Key::nth(section, 0, name)
    }

    fn nth(section: &'static str, nth: usize, name: &'static str) -> Key {
        Key { section, nth, name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.section {
            "" => f.write_str(self.name),
            section if self.name.is_empty() => f.write_str(section),
            section => write!(f, "{section}.{}", self.name),
        }
    }
}

fn place(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}

/// The line that sets a key, if the text does; else the one where its section begins.
fn line_of(text: &str, key: &Key) -> Option<usize> {
    let (mut here, mut begins) = (key.section.is_empty(), None);
    let mut seen = 0;
    for (number, line) in text.lines().enumerate() {
        let line = bare(line);
        if line.starts_with('[') {
            let section = line.trim_matches(['[', ']', ' ']);
            if section.split_once('.') == Some((key.section, key.name)) {
                return Some(number + 1);
            }
            here = section == key.section && seen == key.nth;
            seen += usize::from(section == key.section);
            begins = begins.or(here.then_some(number + 1));
        } else if here
            && line
                .split('=')
                .next()
                .is_some_and(|name| name.trim() == key.name)
        {
            return Some(number + 1);
        }
    }
    begins
}

/// The section that line number `line` stands in.
fn section_of(text: &str, line: usize) -> &str {
    let above = text.lines().take(line).map(bare);
    let header = above.filter(|line| line.starts_with('[')).last();
    header.unwrap_or_default().trim_matches(['[', ']', ' '])
}

/// The key that line number `line` sets, if it sets one.
fn key_on(text: &str, line: usize) -> Option<&str> {
    Some(text.lines().nth(line - 1)?.split_once('=')?.0.trim())
}

/// Whether what a key is set to may not be read in an error: errors end up in logs and tickets.
fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "secret" | "token")
}

/// A message of the TOML reader in words for a person, with the key it is about.
fn explained(message: &str, text: &str, line: Option<usize>) -> String {
    if message.starts_with("unknown field") {
        let section = line.map_or("", |line| section_of(text, line));
        return with_nearest_name(message, section);
    }
    let key = line.and_then(|line| key_on(text, line));
    if key.is_some_and(is_secret) {
        return format!(
            "{}: must be a text in double quotes (what stands there is not repeated here)",
            key.unwrap_or_default()
        );
    }
    let integers = ["u8", "u16", "u32", "u64", "usize"];
    let mut words = message.to_owned();
    for integer in integers {
        words = words.replace(&format!("expected {integer}"), "expected a whole number");
    }
    key.map_or_else(|| words.clone(), |key| format!("{key}: {words}"))
}

/// "unknown field `max_page`, expected one of `max_pages`, ..." with the nearest of them.
fn with_nearest_name(message: &str, section: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else {
        return message.to_owned();
    };
    if section == "trunk" && MOVED_TO_SIP.contains(&wrong) {
        return format!("there is no key `{wrong}` in [[trunk]]; it stands in [sip]");
    }
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
fn first_contradiction(config: &Config) -> Option<(Key, String)> {
    let (smtp, fax) = (&config.smtp, &config.fax);
    let relay = config.mail.maildir.is_none().then_some(&config.mail.relay);
    let checks = [
        ("smtp", "domains", no_domain(&smtp.domains)),
        ("smtp", "max_size", too_small(smtp.max_size)),
        ("smtp", "dmarc", nobody_verified(config)),
        (
            "smtp",
            "tls_key",
            half_a_pair("smtp", &smtp.tls_certificate, &smtp.tls_key),
        ),
        (
            "dialing",
            "country",
            unknown_country(&config.dialing.country),
        ),
        ("dialing", "allow", bad_pattern(&config.dialing.allow)),
        ("dialing", "deny", bad_pattern(&config.dialing.deny)),
        ("fax", "station_id", bad_station_id(&fax.station_id)),
        ("fax", "max_pages", zero(fax.max_pages)),
        ("fax", "max_bit_rate", bad_bit_rate(fax.max_bit_rate)),
        ("fax", "call_seconds", too_short(fax.call_seconds)),
        (
            "fax",
            "call_seconds_per_page",
            too_short(fax.call_seconds_per_page),
        ),
        ("", "time_zone", unknown_zone(&config.time_zone)),
        ("inbound", "blocked", bad_pattern(&config.inbound.blocked)),
        ("mail", "from", no_from(&config.mail.from)),
        ("mail", "postmaster", no_address(&config.mail.postmaster)),
        ("receipts", "copy_to", no_address(&config.receipts.copy_to)),
        ("smtp", "listen_tls", tls_without_files(smtp)),
        ("smtp", "bare_lf", anybody(&smtp.bare_lf)),
        ("queue", "quiet_hours", bad_spans(&config.queue.quiet_hours)),
        (
            "queue",
            "share_calls",
            bad_pattern(&config.queue.share_calls),
        ),
        ("queue", "share_faxes", zero(config.queue.share_faxes)),
        ("queue", "share_pages", zero(config.queue.share_pages)),
        ("ocr", "command", bad_command(&config.ocr.command)),
        (
            "inbound",
            "password",
            bad_password(&config.inbound.password),
        ),
        ("mail", "relay", relay.and_then(|it| bad_host_and_port(it))),
    ];
    checks
        .into_iter()
        .find_map(|(section, name, wrong)| Some((Key::new(section, name), wrong?)))
        .or_else(|| bad_retry(config))
        .or_else(|| door::contradiction(config))
        .or_else(|| trunks::contradiction(config))
        .or_else(|| first_bad(&config.converters, "converter", "command", bad_converter))
        .or_else(|| first_bad(&config.routes, "route", "number", bad_route))
        .or_else(|| first_bad(&config.hours, "hours", "open", bad_hours))
        .or_else(|| {
            first_bad(&config.machines, "machine", "password", |machine| {
                bad_password(&machine.password)
            })
        })
}

/// T.30 5.3.6.2: twenty digits; a keypad has # and * too.
fn bad_password(password: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_digit() || "#*".contains(c);
    (password.len() > 20 || !password.chars().all(fits))
        .then(|| "must be at most 20 of digits, # and *".into())
}

/// The first of several sections that is wrong.
fn first_bad<T>(
    all: &[T],
    section: &'static str,
    name: &'static str,
    wrong: impl Fn(&T) -> Option<String>,
) -> Option<(Key, String)> {
    let found = all.iter().map(wrong).enumerate();
    found
        .filter_map(|(nth, wrong)| Some((Key::nth(section, nth, name), wrong?)))
        .next()
}

/// The outcome whose delays or attempts cannot be meant, or are against the law.
fn bad_retry(config: &Config) -> Option<(Key, String)> {
    let (outcome, wrong) = config.retry.contradiction()?;
    Some((Key::new("retry", outcome), wrong))
}

fn no_domain(domains: &[String]) -> Option<String> {
    domains
        .is_empty()
        .then(|| "name at least one domain, such as \"fax.local\"".into())
}

fn nobody_verified(config: &Config) -> Option<String> {
    let nobody = config.smtp.dmarc && !config.senders.iter().any(|sender| sender.verified);
    nobody.then(|| {
        "say who may send from anywhere: a [[sender]] with match = \"*@partner.example\" and verified = true".into()
    })
}

fn too_small(size: u64) -> Option<String> {
    (size < 10_000).then(|| "must be at least 10000 octets".into())
}

fn zero(n: u32) -> Option<String> {
    (n == 0).then(|| "must be at least 1".into())
}

fn bad_pattern(patterns: &[String]) -> Option<String> {
    let read = |pattern: &String| pattern.parse::<dialplan::Pattern>().err();
    patterns.iter().find_map(read).map(|e| e.to_string())
}

fn bad_spans(written: &[String]) -> Option<String> {
    let read = |text: &String| text.parse::<Span>().err();
    written.iter().find_map(read).map(|e| e.to_string())
}

fn bad_hours(hours: &HoursOf) -> Option<String> {
    if hours.open.is_empty() || hours.numbers.is_empty() {
        return Some("say for which `numbers`, and when they are `open`".into());
    }
    bad_spans(&hours.open)
        .or_else(|| bad_pattern(&hours.numbers))
        .or_else(|| unknown_zone(&hours.time_zone))
}

fn half_a_pair(
    section: &str,
    certificate: &Option<PathBuf>,
    key: &Option<PathBuf>,
) -> Option<String> {
    (certificate.is_some() != key.is_some()).then(|| {
        format!("{section}.tls_certificate and {section}.tls_key go together: set both or none")
    })
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

fn unknown_country(code: &str) -> Option<String> {
    let known = code.parse::<phonenumber::country::Id>().is_ok();
    (!known).then(|| format!("\"{code}\" is no country; write two capital letters, such as \"US\""))
}

fn too_short(seconds: u32) -> Option<String> {
    let short = "at least 60: even a short call to a slow machine needs them";
    (seconds < 60).then(|| short.into())
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

fn no_address(address: &str) -> Option<String> {
    let bad = !address.is_empty() && address.parse::<lettre::Address>().is_err();
    bad.then(|| format!("\"{address}\" is no mail address"))
}

/// An address, or a name and an address: `"Fax office" <fax@example.com>`.
fn no_from(from: &str) -> Option<String> {
    let is_one = |mailbox: lettre::message::Mailbox| may_be_written(mailbox.email.as_ref());
    let is_from = !from.chars().any(char::is_control) && from.parse().is_ok_and(is_one);
    (!from.is_empty() && !is_from).then(|| {
        format!(
            "\"{from}\" is no mail address; write fax@example.com, or with a name \"Fax office <fax@example.com>\""
        )
    })
}

fn may_be_written(address: &str) -> bool {
    !address.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn tls_without_files(smtp: &Smtp) -> Option<String> {
    let missing = !smtp.listen_tls.is_empty() && smtp.tls_certificate.is_none();
    missing.then(|| "takes smtp.tls_certificate and smtp.tls_key".into())
}

/// RFC 5321 2.3.8, VU#302671: whose lines end with LF alone can hide one mail in another.
fn anybody(networks: &[IpNet]) -> Option<String> {
    let all = networks.iter().find(|network| network.prefix_len() == 0)?;
    Some(format!(
        "{all} is everybody; name the copiers, and no mail server that takes mail from others"
    ))
}

fn bad_host_and_port(place: &str) -> Option<String> {
    let fits = place.is_empty()
        || place
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    (!fits).then(|| format!("\"{place}\" must be host:port, such as \"sip.example.com:5060\""))
}

fn bad_ports([first, last]: [u16; 2]) -> Option<String> {
    let fits = (first, last) == (0, 0) || (first >= 1024 && last > first && last - first >= 3);
    (!fits).then(|| {
        format!("[{first}, {last}] must be a range of at least four ports above 1023, or [0, 0]")
    })
}

fn bad_converter(converter: &Converter) -> Option<String> {
    bad_command(&converter.command).or_else(|| {
        let program = &converter.command[0];
        let none = converter.types.is_empty();
        none.then(|| format!("the converter {program} needs `types`"))
    })
}

fn bad_command(command: &[String]) -> Option<String> {
    let Some(program) = command.first() else {
        return Some("name the program and its arguments".into());
    };
    if !Path::new(program).is_absolute() {
        return Some(format!(
            "\"{program}\" must be an absolute path, such as \"/usr/bin/soffice\""
        ));
    }
    let is_handed = command.iter().any(|word| word.contains("{input}"));
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
