//! What was found, for the books and for the sender (pure).

use std::fmt::Write as _;
use std::net::IpAddr;

use mail_auth::common::crypto::CryptoError;
use mail_auth::dkim::DkimError;
use mail_auth::{
    DkimOutput, DkimResult, DmarcOutput, DmarcResult, DnsError, Error, SpfOutput, SpfResult,
};

/// Characters of a domain or a selector at most: they are strangers' words.
const MAX_NAME: usize = 253;

/// As the value of an Authentication-Results field has it (RFC 8601 2.2), without the name in front.
pub(super) fn results(
    dmarc: &DmarcOutput,
    dkim: &[DkimOutput<'_>],
    spf: &SpfOutput,
    sender: &str,
) -> String {
    let author = tame(dmarc.domain());
    let mut line = format!("dmarc={} header.from={author}", in_dmarc(&dmarc.result()));
    let _ = write!(
        line,
        "; spf={} smtp.mailfrom={}",
        in_spf(spf.result()),
        tame(sender)
    );
    for one in dkim {
        let _ = write!(line, "; dkim={}", in_dkim(one.result()));
        if let Some(signature) = one.signature() {
            let (domain, selector) = (tame(&signature.d), tame(&signature.s));
            let _ = write!(line, " header.d={domain} header.s={selector}");
        }
    }
    line
}

/// Why DMARC did not pass, half a sentence for the sender.
pub(super) fn reasons(
    dmarc: &DmarcOutput,
    dkim: &[DkimOutput<'_>],
    spf: &SpfOutput,
    client: IpAddr,
) -> String {
    let author = tame(dmarc.domain());
    if dmarc.dmarc_record().is_none() {
        return format!("{author} publishes no DMARC policy");
    }
    let mut all: Vec<String> = dkim.iter().map(|one| of_signature(one, &author)).collect();
    if all.is_empty() {
        all.push("it has no signature (DKIM) that counts".to_owned());
    }
    all.push(of_spf(spf, &author, client));
    all.join("; ")
}

fn of_signature(one: &DkimOutput<'_>, author: &str) -> String {
    let whose = match one.signature() {
        Some(signature) => format!("the signature (DKIM) of {}", tame(&signature.d)),
        None => "a signature (DKIM)".to_owned(),
    };
    match one.result() {
        DkimResult::Pass => format!("{whose} is good, and not one of {author}"),
        DkimResult::None => format!("{whose} says nothing"),
        DkimResult::Neutral(error)
        | DkimResult::Fail(error)
        | DkimResult::PermError(error)
        | DkimResult::TempError(error) => format!("{whose} {}", of_error(error)),
    }
}

fn of_error(error: &Error) -> String {
    let known = match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => {
            "fails: the text was changed after it was signed"
        }
        Error::Crypto(CryptoError::FailedVerification | CryptoError::Library(_)) => {
            "does not fit: the header was changed after it was signed, or the key in DNS is another"
        }
        Error::Dkim(DkimError::SignatureExpired) => "has expired",
        Error::Dkim(DkimError::SignatureLength) => "leaves a part of the text unsigned (l=)",
        Error::Dkim(DkimError::RevokedPublicKey) => "has a key that was revoked",
        Error::Dns(DnsError::RecordNotFound(_)) => "has no key in DNS",
        error => return format!("fails: {error}"),
    };
    known.to_owned()
}

fn of_spf(spf: &SpfOutput, author: &str, client: IpAddr) -> String {
    let domain = tame(spf.domain());
    match spf.result() {
        SpfResult::Pass => format!("{client} may send for {domain} (SPF), which is not {author}"),
        SpfResult::Fail | SpfResult::SoftFail => {
            format!("{client} may not send for {domain} (SPF)")
        }
        SpfResult::Neutral | SpfResult::None => {
            format!("{domain} does not say whether {client} may send for it (SPF)")
        }
        SpfResult::PermError => format!("the SPF record of {domain} is wrong"),
        SpfResult::TempError => format!("the SPF record of {domain} cannot be had now"),
    }
}

fn in_dmarc(result: &DmarcResult) -> &'static str {
    match result {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) => "fail",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::None => "none",
    }
}

fn in_dkim(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::Fail(_) => "fail",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

fn in_spf(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

/// A name that somebody else wrote, fit to stand between others.
fn tame(name: &str) -> String {
    let fits = |c: char| {
        if c.is_alphanumeric() || "-._@+".contains(c) {
            c
        } else {
            '?'
        }
    };
    name.chars().take(MAX_NAME).map(fits).collect()
}
