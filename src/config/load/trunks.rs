//! What may be wrong with `[sip]`, `[[trunk]]` and `[[sender]]`.

use super::{Key, bad_pattern, bad_ports, bad_station_id, half_a_pair};
use crate::config::trunk::{Listen, Reinvite, Server, Transport};
use crate::config::{Config, Sender, Sip, Trunk};

/// The first thing that is wrong, by its key.
pub(super) fn contradiction(config: &Config) -> Option<(Key, String)> {
    let sip = in_sip(config)
        .into_iter()
        .find_map(|(name, wrong)| Some((Key::new("sip", name), wrong?)));
    let trunks = || {
        let all = config.trunks.iter().enumerate();
        all.flat_map(|(nth, trunk)| in_trunk(config, trunk).map(|found| (nth, found)))
            .find_map(|(nth, (name, wrong))| Some((Key::nth("trunk", nth, name), wrong?)))
    };
    let senders = || {
        let all = config.senders.iter().enumerate();
        all.flat_map(|(nth, sender)| in_sender(sender).map(|found| (nth, found)))
            .find_map(|(nth, (name, wrong))| Some((Key::nth("sender", nth, name), wrong?)))
    };
    sip.or_else(trunks).or_else(senders)
}

type Checks<const N: usize> = [(&'static str, Option<String>); N];

fn in_sip(config: &Config) -> Checks<5> {
    let sip = &config.sip;
    [
        ("listen", bad_listen(config)),
        ("advertise", bad_advertise(sip)),
        (
            "tls_key",
            half_a_pair("sip", &sip.tls_certificate, &sip.tls_key),
        ),
        ("media_ports", bad_ports(sip.media_ports)),
        ("channels", zero(sip.channels)),
    ]
}

fn in_trunk(config: &Config, trunk: &Trunk) -> Checks<12> {
    [
        ("server", bad_servers(&trunk.server)),
        ("name", twice(config, &trunk.name)),
        ("transport", no_socket(&config.sip, trunk)),
        ("register", no_credentials(trunk)),
        (
            "prefixes",
            trunk.prefixes.iter().find_map(|p| bad_prefix(p)),
        ),
        ("strip", bad_digits(&trunk.strip)),
        ("prepend", bad_digits(&trunk.prepend)),
        ("calls_per_second", bad_rate(trunk.calls_per_second)),
        ("reinvite_in", no_first_offer(trunk.reinvite_in)),
        (
            "redundancy",
            (trunk.redundancy > 7).then(|| "at most 7".into()),
        ),
        (
            "t38_silence_seconds",
            (trunk.t38_silence_seconds < 4).then(|| "at least 4".into()),
        ),
        ("session_expires", bad_session(trunk.session_expires)),
    ]
}

fn in_sender(sender: &Sender) -> Checks<3> {
    [
        ("allow", bad_pattern(&sender.allow)),
        ("match", bad_match(&sender.pattern)),
        ("station_id", bad_station_id(&sender.station_id)),
    ]
}

fn no_first_offer(reinvite: Reinvite) -> Option<String> {
    matches!(reinvite, Reinvite::T38First | Reinvite::T38BesideAudio).then(|| {
        "the caller makes the first offer; write \"us\", \"them\", \"them_then_us\" or \"never\"".into()
    })
}

fn zero(n: usize) -> Option<String> {
    (n == 0).then(|| "must be at least 1".into())
}

fn bad_listen(config: &Config) -> Option<String> {
    let sip = &config.sip;
    if sip.listen.is_empty() {
        return Some("name at least one socket, such as \"udp:127.0.0.1:5060\"".into());
    }
    let is_tls = |listen: &&Listen| listen.transport == Transport::Tls;
    let tls = sip.listen.iter().find(is_tls)?;
    sip.tls_certificate
        .is_none()
        .then(|| format!("{tls} needs sip.tls_certificate and sip.tls_key"))
}

fn bad_advertise(sip: &Sip) -> Option<String> {
    let vague = sip
        .listen
        .iter()
        .find(|listen| listen.address.ip().is_unspecified())?;
    sip.advertise.is_none().then(|| {
        format!("sip.listen is {vague}; say with sip.advertise which address the carriers reach")
    })
}

fn bad_servers(servers: &[String]) -> Option<String> {
    if servers.is_empty() {
        let what = "name the carrier's or the PBX's SIP server, such as \"sip.example.com\"";
        return Some(what.into());
    }
    let read = |server: &String| server.parse::<Server>().err();
    servers.iter().find_map(read).map(|e| e.to_string())
}

fn twice(config: &Config, name: &str) -> Option<String> {
    let namesakes = config.trunks.iter().filter(|other| other.name == name);
    (namesakes.count() > 1).then(|| format!("there are two trunks \"{name}\"; name them apart"))
}

/// What goes out over UDP leaves from one of our sockets; a connection needs none.
fn no_socket(sip: &Sip, trunk: &Trunk) -> Option<String> {
    let has_udp = sip.listen.iter().any(|it| it.transport == Transport::Udp);
    (trunk.transport == Transport::Udp && !has_udp)
        .then(|| "sip.listen has no udp: socket for it".into())
}

fn no_credentials(trunk: &Trunk) -> Option<String> {
    (trunk.register && trunk.username.is_empty())
        .then(|| "a registration needs `username`, and nearly always `password`".into())
}

fn bad_prefix(prefix: &str) -> Option<String> {
    let digits = prefix.strip_prefix('+').unwrap_or(prefix);
    let fits = prefix.starts_with('+') && digits.bytes().all(|b| b.is_ascii_digit());
    (!fits).then(|| {
        format!("\"{prefix}\" must be the beginning of a number in E.164, such as \"+1212\"")
    })
}

fn bad_digits(digits: &str) -> Option<String> {
    let fits = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+*#".contains(&b));
    (!fits).then(|| format!("\"{digits}\" must be digits, +, * or #"))
}

fn bad_rate(rate: f64) -> Option<String> {
    let fits = rate == 0.0 || (0.01..=1000.0).contains(&rate);
    (!fits).then(|| format!("{rate} must be from 0.01 to 1000, or 0 for no limit"))
}

/// RFC 4028 4: no session interval is below 90 seconds.
fn bad_session(seconds: u32) -> Option<String> {
    (1..90)
        .contains(&seconds)
        .then(|| format!("{seconds} must be at least 90 (RFC 4028), or 0 for none"))
}

pub(super) fn bad_match(pattern: &str) -> Option<String> {
    let fits = pattern.contains('@') && !pattern.get(1..).unwrap_or_default().contains('*');
    (!fits).then(|| {
        format!(
            "\"{pattern}\" must be a mail address, or one with * in front such as \"*@sales.example.com\""
        )
    })
}
