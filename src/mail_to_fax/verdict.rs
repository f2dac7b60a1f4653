//! The verdicts at MAIL and at RCPT: who may send, and what an address means.
//!
//! The From of a mail never opens anything: what does is the network it comes from, a password, the word of an upstream
//! about the domain of its envelope sender, or the proof that its author's domain gives (`stranger`).

use std::net::IpAddr;

use super::recipient::number_to_dial;
use super::wishes::Wishes;
use crate::config::door::fits;
use crate::config::{Config, Sender, Upstream, dialplan};
use crate::context::{Context, now};
use crate::letter::may_be_written;
use crate::proto::authres::AuthenticationResults;
use crate::proto::smtp::{Mail, RcptOptions, Refusal};
use crate::queue::Millis;

/// What opens the door to a mail.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// Its client's network.
    Network,
    /// A password.
    User(String),
    /// What an upstream says about it, once its header is here.
    Upstream(Upstream),
    /// What DNS says about its author's domain, once the mail is here.
    Dmarc,
}

/// A recipient that was found good.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// As the client wrote it.
    pub(super) address: String,
    /// What to dial.
    pub(super) number: String,
    /// Its sub-address (T.33).
    pub(super) sub_address: Option<String>,
    /// Its name in the phone book, for people.
    pub(super) name: Option<String>,
    /// The address the mail was first sent to (RFC 3461 4.2).
    pub(super) orcpt: Option<String>,
    /// What address, MAIL and RCPT ask for.
    pub(super) wishes: Wishes,
    /// What holds where nobody asks.
    pub(super) defaults: Wishes,
    /// It is the postmaster, and nothing is dialled.
    pub(super) is_postmaster: bool,
}

/// The verdict on a mail by its sender.
pub(super) fn on_sender(config: &Config, client: IpAddr, mail: &Mail) -> Result<Way, Refusal> {
    let sender = &mail.sender;
    can_be_told(sender)?;
    let way = way_in(config, client, mail)?;
    match &way {
        Way::Network => {}
        Way::User(name) => {
            let user = config.users.iter().find(|user| user.name == *name);
            let own = user.is_some_and(|user| user.senders.iter().any(|it| fits(it, sender)));
            if !own {
                let text = format!("{name} may not send as {sender}");
                return Err(Refusal::new(553, "5.7.1", text));
            }
        }
        Way::Upstream(_) | Way::Dmarc if config.sender(sender).verified => {}
        // Somebody of the house, perhaps, who is under way.
        Way::Dmarc if !config.users.is_empty() => return Err(log_in_first(mail)),
        Way::Upstream(_) | Way::Dmarc => {
            let text = format!("{sender} may not send faxes from outside");
            return Err(Refusal::new(550, "5.7.1", text));
        }
    }
    let asked = Wishes::of_mail(&mail.options, now_exactly());
    let days = config.smtp.max_hold_days;
    let times = asked.times(now_exactly(), &config.time_zone(), days);
    times.map_err(|bad| Refusal::new(501, "5.5.4", bad.to_string()))?;
    Ok(way)
}

/// What may open the door. An upstream vouches for what others sent, so its network alone opens nothing.
fn way_in(config: &Config, client: IpAddr, mail: &Mail) -> Result<Way, Refusal> {
    if let Some(user) = &mail.user {
        return Ok(Way::User(user.clone()));
    }
    if let Some(upstream) = config.upstream(client) {
        return Ok(Way::Upstream(upstream.clone()));
    }
    if config.smtp.clients.iter().any(|it| it.contains(&client)) {
        return Ok(Way::Network);
    }
    match config.smtp.dmarc {
        true => Ok(Way::Dmarc),
        false => Err(log_in_first(mail)),
    }
}

/// RFC 4954 6.
fn log_in_first(mail: &Mail) -> Refusal {
    let text = match mail.tls {
        true => "log in first (AUTH)",
        false => "log in first (STARTTLS, then AUTH)",
    };
    Refusal::new(530, "5.7.0", text)
}

/// Every fax ends with a receipt, so there must be somebody to get it: an address that our own letters can go to. One beyond
/// ASCII (RFC 6531) is taken where its client says SMTPUTF8, as MAIL has to; the relay has to offer that, too, or the
/// postmaster gets the receipt.
pub(super) fn can_be_told(sender: &str) -> Result<(), Refusal> {
    let is_address = may_be_written(sender) && sender.parse::<lettre::Address>().is_ok();
    is_address.then_some(()).ok_or_else(|| {
        let text = format!("\"{sender}\" cannot be written to, and the receipt has to go there");
        Refusal::new(550, "5.1.7", text)
    })
}

/// Whether an upstream opens the door to a mail with these fields in its header; in words, by what.
///
/// RFC 8601 5: an upstream puts its own word on top. So the topmost Authentication-Results decides, whoever it is of and
/// however it reads: those below it anybody may have written.
pub(super) fn on_word_of(
    upstream: &Upstream,
    sender: &str,
    fields: &[(String, String)],
) -> Result<String, Refusal> {
    let id = &upstream.authserv_id;
    let no = |text: String| Err(Refusal::new(550, "5.7.1", text));
    let is_results = |name: &str| name.eq_ignore_ascii_case("Authentication-Results");
    let mut results = fields.iter().filter(|(name, _)| is_results(name));
    let Some((_, topmost)) = results.next() else {
        return no(format!("{id} does not say who sent this mail"));
    };
    let Some(own) = AuthenticationResults::read(topmost) else {
        return no("the topmost Authentication-Results of this mail cannot be read".to_owned());
    };
    if !own.authserv_id.eq_ignore_ascii_case(id) {
        return no(format!(
            "the topmost Authentication-Results of this mail is not of {id}"
        ));
    }
    let domain = sender.rsplit('@').next().unwrap_or_default().to_lowercase();
    match own.proven_domains().contains(&domain) {
        true => Ok(format!("upstream {id}")),
        false => no(format!(
            "{id} does not say that this mail comes from {domain}"
        )),
    }
}

/// The verdict on a recipient.
pub(super) async fn on_recipient(
    context: &Context,
    mail: &Mail,
    address: &str,
    options: RcptOptions,
) -> Result<Recipient, Refusal> {
    let (config, numbers) = (context.config(), context.numbering());
    let sender = config.sender(&mail.sender);
    if is_postmaster(&config, address) {
        postmaster_takes_more(context, &sender.account_of(&mail.sender)).await?;
        return Ok(Recipient {
            address: address.to_owned(),
            number: String::new(),
            sub_address: None,
            name: None,
            orcpt: options.orcpt,
            wishes: Wishes::default(),
            defaults: Wishes::default(),
            is_postmaster: true,
        });
    }
    let permitted = dialplan::patterns(&sender.allow).unwrap_or_default();
    let to = number_to_dial(address, &config, &numbers, &permitted)?;
    let trunks = &context.trunks;
    if !trunks.is_empty() && !trunks.carries(&numbers.for_prefixes(&to.number)) {
        let text = format!("no trunk of ours leads to {}", to.number);
        return Err(Refusal::new(550, "5.7.1", text));
    }
    has_minutes_left(context, &sender, &mail.sender).await?;
    let mut defaults = Wishes {
        resolution: to.domain.resolution.or(sender.resolution),
        cover: to.domain.cover.or(sender.cover),
        ..Wishes::default()
    };
    if let Some(contact) = &to.contact {
        defaults.resolution = contact.resolution.or(defaults.resolution);
        defaults.cover = contact.cover.or(defaults.cover);
    }
    let asked = Wishes::of_mail(&mail.options, now_exactly());
    let wishes = to.wishes.or(&Wishes::of_rcpt(&options)).or(&asked);
    let days = config.smtp.max_hold_days;
    let times = wishes.times(now_exactly(), &config.time_zone(), days);
    times.map_err(|bad| Refusal::new(550, "5.1.3", bad.to_string()))?;
    Ok(Recipient {
        address: address.to_owned(),
        number: to.number,
        sub_address: to.sub_address,
        name: to.contact.map(|contact| contact.shown().to_owned()),
        orcpt: options.orcpt,
        wishes,
        defaults,
        is_postmaster: false,
    })
}

/// RFC 5321 4.5.1: `postmaster` alone, or at one of our domains.
pub(super) fn is_postmaster(config: &Config, address: &str) -> bool {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    local.eq_ignore_ascii_case("postmaster")
        && (domain.is_empty() || config.domain(domain).is_some())
}

/// Mails to the postmaster that are taken in an hour: of one account, and in all. Whoever may send faxes may write to the
/// postmaster, and nobody else; a machine that has gone wild fills no mailbox.
const TO_POSTMASTER: (u64, u64) = (20, 60);

/// Whether there is a postmaster, and so many mails were not passed on lately.
pub(super) async fn postmaster_takes_more(context: &Context, account: &str) -> Result<(), Refusal> {
    let config = context.config();
    if config.postmaster_is_here() {
        let text = format!(
            "the postmaster of this gateway ({}) has no mailbox; its administrator has to set mail.postmaster",
            config.postmaster()
        );
        return Err(Refusal::new(550, "5.1.1", text));
    }
    let an_hour_ago = Millis(now().0 - 3_600_000);
    let taken = context.store.forwarded_since(an_hour_ago, account).await;
    let (in_all, own) = taken.map_err(super::intake::not_kept)?;
    match own < TO_POSTMASTER.0 && in_all < TO_POSTMASTER.1 {
        true => Ok(()),
        false => {
            let text =
                "the postmaster has got too many mails from here within an hour; try again later";
            Err(Refusal::new(451, "4.7.1", text))
        }
    }
}

/// What a sender may spend is counted by the day of the site, over the calls that were made.
async fn has_minutes_left(
    context: &Context,
    sender: &Sender,
    address: &str,
) -> Result<(), Refusal> {
    if sender.minutes_per_day == 0 {
        return Ok(());
    }
    let account = sender.account_of(address);
    let today = context.config().retry_policy().day(now().0);
    let used = context.store.used_by_account(&today, &account).await;
    let used = used.map_err(super::intake::not_kept)?;
    if used.seconds < f64::from(sender.minutes_per_day) * 60.0 {
        return Ok(());
    }
    let text = format!(
        "{account} has used up today's {} minutes; try again tomorrow",
        sender.minutes_per_day
    );
    Err(Refusal::new(550, "5.7.1", text))
}

/// The time by the wall clock.
pub(super) fn now_exactly() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(now().0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::smtp::{Hold, MailOptions};

    const SITE: &str = r#"
        [smtp]
        clients = ["192.0.2.0/28"]
        tls_certificate = "cert.pem"
        tls_key = "key.pem"
        [[upstream]]
        authserv_id = "mx.example.com"
        clients = ["192.0.2.8/32"]
        [[user]]
        name = "scanner"
        password = "$argon2id$v=19$m=64,t=1,p=1$bm9ib2R5IGlzIGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        senders = ["scanner@example.com"]
        [[sender]]
        match = "*@partner.example"
        verified = true
    "#;

    const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const UPSTREAM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
    const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn verdict(client: IpAddr, user: Option<&str>, sender: &str) -> Result<Way, Refusal> {
        let config = Config::parse(SITE, "config.toml").unwrap();
        let mail = Mail {
            sender: sender.into(),
            user: user.map(str::to_owned),
            ..Mail::default()
        };
        on_sender(&config, client, &mail)
    }

    fn status(verdict: Result<Way, Refusal>) -> (u16, &'static str) {
        verdict.map_or_else(|refusal| (refusal.code, refusal.status), |_| (250, "2.1.0"))
    }

    #[test]
    fn nobody_unknown_sends() {
        for (client, user, sender, expected) in [
            (INSIDE, None, "clerk@example.com", (250, "2.1.0")),
            (OUTSIDE, None, "clerk@example.com", (530, "5.7.0")),
            (OUTSIDE, None, "a@partner.example", (530, "5.7.0")),
            (
                OUTSIDE,
                Some("scanner"),
                "scanner@example.com",
                (250, "2.1.0"),
            ),
            (OUTSIDE, Some("scanner"), "boss@example.com", (553, "5.7.1")),
            (INSIDE, Some("scanner"), "boss@example.com", (553, "5.7.1")),
            (OUTSIDE, Some("gone"), "scanner@example.com", (553, "5.7.1")),
            (UPSTREAM, None, "a@partner.example", (250, "2.1.0")),
            (UPSTREAM, None, "clerk@example.com", (550, "5.7.1")),
            (INSIDE, None, "nobody", (550, "5.1.7")),
        ] {
            assert_eq!(
                status(verdict(client, user, sender)),
                expected,
                "{client} {user:?} {sender}"
            );
        }
    }

    #[test]
    fn an_upstream_is_believed_and_nobody_in_its_name() {
        let Ok(Way::Upstream(upstream)) = verdict(UPSTREAM, None, "a@partner.example") else {
            panic!("it comes from an upstream");
        };
        let opens = |fields: &[&str]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|value| ("authentication-results".to_owned(), (*value).to_owned()))
                .collect();
            on_word_of(&upstream, "a@Partner.example", &fields).is_ok()
        };
        assert!(opens(&[
            "mx.example.com; dmarc=pass header.from=partner.example"
        ]));
        assert!(opens(&[
            "MX.example.com; spf=pass smtp.mailfrom=\"a b\"@partner.example",
            "other.example; none"
        ]));
        for fields in [
            &[][..],
            &["mx.evil.example; dkim=pass header.d=partner.example"],
            &["mx.example.com; dkim=pass header.d=evil.example"],
            &["mx.example.com; dkim=fail header.d=partner.example"],
            &["mx.example.com; dkim=pass header.d=evil.partner.example"],
            &[
                "mx.example.com; none",
                "mx.example.com; dkim=pass header.d=partner.example",
            ],
            &[
                "other.example; none",
                "mx.example.com; dkim=pass header.d=partner.example",
            ],
            &["", "mx.example.com; dkim=pass header.d=partner.example"],
            &[
                "mx.example.com; spf=fail smtp.mailfrom=\"x@evil.example",
                "mx.example.com; dkim=pass header.d=partner.example",
            ],
        ] {
            assert!(!opens(fields), "{fields:?}");
        }
    }

    #[test]
    fn a_mail_is_not_held_for_longer_than_the_site_allows() {
        let config = Config::parse(SITE, "config.toml").unwrap();
        let held = |seconds| {
            let options = MailOptions {
                hold: Some(Hold::For(seconds)),
                ..MailOptions::default()
            };
            let sender = "clerk@example.com".into();
            let mail = Mail {
                sender,
                options,
                ..Mail::default()
            };
            status(on_sender(&config, INSIDE, &mail))
        };
        assert_eq!(held(30 * 86_400 - 10), (250, "2.1.0"));
        assert_eq!(held(30 * 86_400 + 10), (501, "5.5.4"));
    }
}
