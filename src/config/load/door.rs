//! What may be wrong with `[[domain]]`, `[[phone_book]]`, `[[user]]` and `[[upstream]]`.

use argon2::password_hash::phc::PasswordHash;

use super::trunks::bad_match;
use super::{Key, bad_pattern, unknown_country};
use crate::config::Config;
use crate::config::door::{Contact, Domain, Upstream, User};

type Checks<const N: usize> = [(&'static str, Option<String>); N];

/// The first thing that is wrong, by its key.
pub(super) fn contradiction(config: &Config) -> Option<(Key, String)> {
    let no_tls = config.smtp.tls_certificate.is_none();
    first("domain", &config.domains, in_domain)
        .or_else(|| {
            first("phone_book", &config.phone_book, |it| {
                in_contact(config, it)
            })
        })
        .or_else(|| first("user", &config.users, |it| in_user(it, no_tls)))
        .or_else(|| first("upstream", &config.upstreams, in_upstream))
}

fn first<T, const N: usize>(
    section: &'static str,
    all: &[T],
    checks: impl Fn(&T) -> Checks<N>,
) -> Option<(Key, String)> {
    let all = all.iter().map(checks).enumerate();
    all.flat_map(|(nth, checks)| checks.map(|(name, wrong)| (nth, name, wrong)))
        .find_map(|(nth, name, wrong)| Some((Key::nth(section, nth, name), wrong?)))
}

fn in_domain(domain: &Domain) -> Checks<4> {
    let named = Some(&domain.country).filter(|country| !country.is_empty());
    let area_is_digits = domain.area.bytes().all(|b| b.is_ascii_digit());
    [
        (
            "name",
            domain.name.is_empty().then(|| "name the domain".into()),
        ),
        (
            "country",
            named.and_then(|country| unknown_country(country)),
        ),
        (
            "area",
            (!area_is_digits).then(|| format!("\"{}\" must be digits", domain.area)),
        ),
        ("allow", bad_pattern(&domain.allow)),
    ]
}

fn in_contact(config: &Config, contact: &Contact) -> Checks<3> {
    [
        ("name", bad_name(config, &contact.name)),
        ("number", bad_number(&contact.number)),
        ("sub_address", bad_sub_address(&contact.sub_address)),
    ]
}

/// A name must not be taken for a number, nor its end for an option.
fn bad_name(config: &Config, name: &str) -> Option<String> {
    let has_letter = name.chars().any(char::is_alphabetic);
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !has_letter || !name.chars().all(fits) {
        let what = "must be letters, digits, - . and _, with at least one letter";
        return Some(format!("\"{name}\" {what}"));
    }
    let is_same = |other: &&Contact| other.name.to_lowercase() == name.to_lowercase();
    let namesakes = config.phone_book.iter().filter(is_same).count();
    (namesakes > 1).then(|| format!("there are two of the name \"{name}\""))
}

fn bad_number(number: &str) -> Option<String> {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let decorated = number.strip_prefix('+').unwrap_or(number);
    let fits = |c: char| c.is_ascii_digit() || " -.()".contains(c);
    let is_number = (1..=20).contains(&digits) && decorated.chars().all(fits);
    (!is_number).then(|| format!("\"{number}\" is not a fax number; write it as +12025550123"))
}

fn bad_sub_address(digits: &str) -> Option<String> {
    let fits = digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    (!fits).then(|| format!("\"{digits}\" must be at most 20 digits"))
}

fn in_user(user: &User, no_tls: bool) -> Checks<3> {
    let nobody = user.senders.is_empty();
    [
        (
            "name",
            match user.name.is_empty() {
                true => Some("name the user".into()),
                false if no_tls => Some(
                    "passwords are taken under TLS only: set smtp.tls_certificate and smtp.tls_key"
                        .into(),
                ),
                false => None,
            },
        ),
        ("password", bad_hash(&user.password)),
        (
            "senders",
            match nobody {
                true => {
                    Some("name the addresses that they send from, such as \"*@example.com\"".into())
                }
                false => user.senders.iter().find_map(|it| bad_match(it)),
            },
        ),
    ]
}

fn bad_hash(hash: &str) -> Option<String> {
    let is_argon2 = hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok();
    (!is_argon2)
        .then(|| "must be what `postfax hash-password` writes, not the password itself".into())
}

fn in_upstream(upstream: &Upstream) -> Checks<2> {
    [
        (
            "authserv_id",
            upstream.authserv_id.is_empty().then(|| {
                "name it as it stands in its Authentication-Results, such as \"mx.example.com\""
                    .into()
            }),
        ),
        (
            "clients",
            upstream
                .clients
                .is_empty()
                .then(|| "name the addresses that its mails come from".into()),
        ),
    ]
}
