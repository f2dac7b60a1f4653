//! Whom an INVITE calls and who calls, as the trunk says it.

use crate::config::trunk::CalledNumber;
use crate::proto::sip::{Headers, Name, NameAddr, Uri};

/// Characters of a number at most.
const LONGEST: usize = 64;

/// The numbers of a call that came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The number that was dialled.
    pub called: String,
    /// The caller's; empty where it was withheld.
    pub caller: String,
    /// The caller's as the trunk vouches for it, withheld or not; for blocking only.
    pub identity: String,
}

/// Reads them from the Request-URI and the headers. Where the header that the trunk is said to use is missing, nothing
/// was diverted, and the Request-URI counts.
pub fn numbers(uri: &str, headers: &[(String, String)], from: CalledNumber) -> Numbers {
    let mut typed = Headers::new();
    for (name, value) in headers {
        typed.push_other(name, value.as_str());
    }
    let identity = identity(&typed);
    Numbers {
        called: called(uri, &typed, from),
        caller: match is_withheld(&typed) {
            true => String::new(),
            false => identity.clone(),
        },
        identity,
    }
}

fn called(uri: &str, headers: &Headers, from: CalledNumber) -> String {
    let named = match from {
        CalledNumber::RequestUri => None,
        CalledNumber::To => headers.get(Name::To).and_then(user_of),
        // RFC 5806 4.1: the newest diversion stands first, so whom the caller dialled stands last.
        CalledNumber::Diversion => headers.all(Name::Diversion).last().and_then(user_of),
        // RFC 7044 5: the entries stand in the order in which they came about.
        CalledNumber::HistoryInfo => headers.all(Name::HistoryInfo).next().and_then(user_of),
    };
    let dialled = || Uri::parse(uri).ok().and_then(|uri| uri.number());
    plain(named.or_else(dialled))
}

/// RFC 3325 9.1: the trunk's word counts more than the caller's own.
fn identity(headers: &Headers) -> String {
    let mut asserted = headers
        .all(Name::PAssertedIdentity)
        .chain(headers.all(Name::RemotePartyId));
    let asserted = asserted.find_map(user_of);
    let from = || headers.get(Name::From).and_then(user_of);
    let user = asserted.or_else(from);
    plain(user.filter(|user| !is_nobody(user)))
}

/// RFC 3323 4.2, RFC 3325 9.3, and what older switches write.
fn is_withheld(headers: &Headers) -> bool {
    let privacy = headers.get(Name::Privacy).unwrap_or("");
    let asks = privacy
        .split(';')
        .any(|word| ["id", "user", "header"].contains(&word.trim().to_ascii_lowercase().as_str()));
    let from = headers
        .get(Name::From)
        .and_then(|from| NameAddr::parse(from).ok());
    let hidden = from.is_some_and(|from| match from.uri.sip() {
        Some(uri) => uri.host.eq_ignore_ascii_case("anonymous.invalid"),
        None => false,
    });
    let mut parties = headers.all(Name::RemotePartyId);
    let full = parties.any(|party| {
        NameAddr::parse(party).is_ok_and(|party| {
            let privacy = party.params.get("privacy").unwrap_or("off");
            !privacy.eq_ignore_ascii_case("off")
        })
    });
    asks || hidden || full
}

fn is_nobody(user: &str) -> bool {
    let names = [
        "anonymous",
        "unavailable",
        "restricted",
        "unknown",
        "private",
    ];
    names.contains(&user.to_ascii_lowercase().as_str())
}

/// The number in a `name-addr`; `None` where there is none.
fn user_of(value: &str) -> Option<String> {
    let user = NameAddr::parse(value).ok()?.uri.number()?;
    (!user.is_empty()).then_some(user)
}

/// A stranger's words for logs and mails: no control characters, not too many.
fn plain(user: Option<String>) -> String {
    let user = user.unwrap_or_default();
    user.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: CalledNumber, headers: &[(&str, &str)]) -> Numbers {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<_> = headers.iter().map(owned).collect();
        numbers("sip:+12125550100@192.0.2.9:5060;user=phone", &headers, from)
    }

    const DIVERTED: &[(&str, &str)] = &[
        ("To", "\"Fax\" <sip:2125550101@carrier.example>"),
        (
            "Diversion",
            "<sip:+12125550103@a>;reason=unconditional, <sip:+12125550102@b>;reason=no-answer",
        ),
        (
            "History-Info",
            "<sip:+12125550104@a>;index=1,<sip:+12125550100@b?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
        ),
        ("From", "<sip:+12025550123@carrier.example>;tag=1"),
    ];

    #[test]
    fn the_called_number_is_where_the_trunk_writes_it() {
        for (from, number) in [
            (CalledNumber::RequestUri, "+12125550100"),
            (CalledNumber::To, "2125550101"),
            (CalledNumber::Diversion, "+12125550102"),
            (CalledNumber::HistoryInfo, "+12125550104"),
        ] {
            assert_eq!(read(from, DIVERTED).called, number, "{from:?}");
        }
    }

    #[test]
    fn a_call_that_was_not_diverted_has_its_number_in_the_request() {
        for from in [CalledNumber::Diversion, CalledNumber::HistoryInfo] {
            assert_eq!(read(from, &[]).called, "+12125550100");
        }
        assert_eq!(
            read(CalledNumber::To, &[("To", "<sip:carrier.example>")]).called,
            "+12125550100"
        );
    }

    #[test]
    fn the_carriers_word_on_the_caller_counts_more_than_the_callers() {
        let spoofed = [
            ("From", "<sip:911@x>;tag=1"),
            (
                "P-Asserted-Identity",
                "\"A\" <sip:+12025550123@c>, <tel:+12025550199>",
            ),
        ];
        assert_eq!(
            read(CalledNumber::RequestUri, &spoofed).caller,
            "+12025550123"
        );
        let tel = [("From", "<tel:+1-202-555-0123>;tag=1")];
        assert_eq!(read(CalledNumber::RequestUri, &tel).caller, "+12025550123");
    }

    #[test]
    fn a_withheld_number_is_not_told_and_still_known_for_blocking() {
        for headers in [
            &[(
                "From",
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
            )][..],
            &[("From", "<sip:anonymous@carrier.example>;tag=1")],
            &[("From", "<sip:carrier.example>;tag=1")],
            &[
                ("From", "<sip:+12025550123@c>;tag=1"),
                ("Privacy", "id;critical"),
            ],
            &[
                ("From", "<sip:Anonymous@x>;tag=1"),
                (
                    "Remote-Party-ID",
                    "<sip:+12025550123@c>;party=calling;privacy=full",
                ),
            ],
            &[],
        ] {
            assert_eq!(
                read(CalledNumber::RequestUri, headers).caller,
                "",
                "{headers:?}"
            );
        }
        let vouched = [
            (
                "From",
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
            ),
            ("P-Asserted-Identity", "<sip:+12025550123@c>"),
            ("Privacy", "id"),
        ];
        let read = read(CalledNumber::RequestUri, &vouched);
        assert_eq!((&*read.caller, &*read.identity), ("", "+12025550123"));
    }

    #[test]
    fn what_strangers_write_never_panics() {
        let mut rng = fastrand::Rng::with_seed(7044);
        let letters: Vec<char> = "<>\";,=@:sip+12%\u{e9}\u{7} index?".chars().collect();
        for _ in 0..20_000 {
            let value: String = (0..rng.usize(..40))
                .map(|_| *rng.choice(&letters).unwrap())
                .collect();
            let name = *rng
                .choice(["From", "To", "Diversion", "History-Info", "Privacy"].iter())
                .unwrap();
            let headers = [(name.to_owned(), value.clone())];
            let read = numbers(&value, &headers, CalledNumber::HistoryInfo);
            assert!(!read.called.contains('\u{7}'));
        }
    }
}
