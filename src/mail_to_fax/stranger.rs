//! Mail from an address that nobody here vouches for (`smtp.dmarc`): who may send it, and what it may ask.
//!
//! The domain of the author in From has to stand behind it (DMARC), author and envelope sender have to be of one
//! `[[sender]]` with `verified`, for the one is proven and the other pays and is told. What a signature alone proves is a
//! text, not who hands it in: such a mail goes only to those whom the signed header names, and asks for nothing that is not
//! signed; or whoever once got a mail of a partner could fax it to the world in the partner's name.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::verdict::Recipient;
use crate::config::Config;
use crate::context::Context;
use crate::net::dmarc::letter::Letter;
use crate::net::dmarc::{Covered, Origin, Proof, Prover, Unproven};
use crate::proto::smtp::{Mail, Refusal};
use crate::queue::Kept;

/// Asks who stands behind such mail. DNS is not asked, and no name server needed, before there is one.
#[derive(Default)]
pub(super) struct Strangers {
    prover: Mutex<Option<(Vec<SocketAddr>, Arc<Prover>)>>,
}

impl Strangers {
    /// What opens the door to a mail with this text, in words.
    pub(super) async fn opens(
        &self,
        context: &Context,
        client: IpAddr,
        mail: &Mail,
        recipients: &[Recipient],
        text: Kept,
    ) -> Result<String, Refusal> {
        let config = context.config();
        let letter = context.reader.read(text, Letter::read).await;
        let letter = letter.map_err(super::intake::our_trouble)?;
        let letter = letter.map_err(|bad| {
            let text = format!("it cannot be known who sent this mail: {bad}");
            Refusal::new(550, "5.6.0", text)
        })?;
        of_one_house(&config, &letter.from, &mail.sender)?;
        let prover = self.prover(&config)?;
        let origin = Origin {
            client,
            helo: &mail.helo,
            hostname: &config.hostname(),
            sender: &mail.sender,
        };
        let proof = prover.prove(&letter, origin).await.map_err(|unproven| {
            let results = unproven.results();
            tracing::info!(%client, sender = mail.sender, from = letter.from, results, "not proven");
            refusal(&letter.from, unproven)
        })?;
        let Proof { results, only } = proof;
        tracing::info!(%client, sender = mail.sender, from = letter.from, results, "proven");
        if let Some(covered) = only {
            within(&covered, recipients)?;
        }
        Ok(results)
    }

    fn prover(&self, config: &Config) -> Result<Arc<Prover>, Refusal> {
        let servers = &config.smtp.name_servers;
        let mut prover = self.prover.lock().unwrap_or_else(PoisonError::into_inner);
        match &*prover {
            Some((own, prover)) if own == servers => Ok(prover.clone()),
            _ => {
                let new = Prover::new(servers).map(Arc::new);
                let new = new.map_err(|e| {
                    tracing::error!("smtp.dmarc: no name server can be asked: {e}");
                    dns_is_silent()
                })?;
                *prover = Some((servers.clone(), new.clone()));
                Ok(new)
            }
        }
    }
}

/// Whether author and envelope sender may send, and on one account.
fn of_one_house(config: &Config, author: &str, sender: &str) -> Result<(), Refusal> {
    let section = |address: &str| {
        let mut all = config.senders.iter();
        all.position(|section| section.is_about(address))
    };
    let (of_author, of_sender) = (config.sender(author), config.sender(sender));
    let same_account = !of_author.account.is_empty() && of_author.account == of_sender.account;
    if !of_author.verified {
        let text = format!("{author} (From) may not send faxes from outside");
        return Err(Refusal::new(550, "5.7.1", text));
    }
    if section(author) != section(sender) && !same_account {
        let text = format!(
            "the mail is from {author} (From), and sent by {sender}, who is somebody else here"
        );
        return Err(Refusal::new(550, "5.7.1", text));
    }
    Ok(())
}

/// What a signature alone opens.
fn within(covered: &Covered, recipients: &[Recipient]) -> Result<(), Refusal> {
    let bare = |address: &str| address.replace('"', "").to_lowercase();
    let named = |to: &&Recipient| {
        let mut named = covered.addressed.iter();
        named.any(|address| bare(address) == bare(&to.address))
    };
    if let Some(other) = recipients.iter().find(|to| !named(to)) {
        let text = format!(
            "a signature alone proves this mail (SPF does not), so it goes only to those in its signed To and Cc; {} is not there",
            other.address
        );
        return Err(Refusal::new(550, "5.7.1", text));
    }
    let mut unsigned = covered.unsigned.iter();
    match unsigned.find(|name| name.starts_with("x-fax-")) {
        None => Ok(()),
        Some(name) => {
            let text = format!(
                "a signature alone proves this mail (SPF does not), and its field {name} is not signed"
            );
            Err(Refusal::new(550, "5.7.1", text))
        }
    }
}

fn refusal(author: &str, unproven: Unproven) -> Refusal {
    match unproven {
        Unproven::Later(_) => dns_is_silent(),
        // RFC 7372 3.3: several checks failed.
        Unproven::Never { why, .. } => {
            let text = format!("nothing proves that this mail is from {author} (DMARC): {why}");
            Refusal::new(550, "5.7.26", text)
        }
    }
}

/// RFC 3463 3.5: directory server failure.
fn dns_is_silent() -> Refusal {
    let text = "who sent this mail cannot be checked now, for DNS does not answer; try again later";
    Refusal::new(451, "4.4.3", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail_to_fax::wishes::Wishes;

    const SITE: &str = r#"
        [smtp]
        dmarc = true
        [[sender]]
        match = "jane@bank.example"
        verified = true
        [[sender]]
        match = "*@partner.example"
        verified = true
        account = "partner"
        [[sender]]
        match = "*@bounces.partner.example"
        verified = true
        account = "partner"
        [[sender]]
        match = "*@example.com"
    "#;

    #[test]
    fn who_pays_is_who_wrote() {
        let config = Config::parse(SITE, "config.toml").unwrap();
        for (author, sender, fits) in [
            ("a@partner.example", "b@partner.example", true),
            ("a@partner.example", "x-17@bounces.partner.example", true),
            ("jane@bank.example", "jane@bank.example", true),
            ("joe@bank.example", "jane@bank.example", false),
            ("jane@bank.example", "a@partner.example", false),
            ("a@partner.example", "jane@bank.example", false),
            ("a@example.com", "a@example.com", false),
            ("a@evil.example", "a@partner.example", false),
        ] {
            let verdict = of_one_house(&config, author, sender);
            assert_eq!(verdict.is_ok(), fits, "{author} {sender}: {verdict:?}");
        }
    }

    #[test]
    fn a_signed_mail_goes_where_it_was_meant_to() {
        let to = |address: &str| Recipient {
            address: address.into(),
            number: "+12025550123".into(),
            sub_address: None,
            name: None,
            orcpt: None,
            wishes: Wishes::default(),
            defaults: Wishes::default(),
            is_postmaster: false,
        };
        let covered = |addressed: &[&str], unsigned: &[&str]| Covered {
            addressed: addressed.iter().map(|it| (*it).to_owned()).collect(),
            unsigned: unsigned.iter().map(|it| (*it).to_owned()).collect(),
        };
        let named = ["12025550123@fax.local", "\"fax=+1202/t33s=1\"@fax.local"];
        let (one, other) = (
            to("12025550123@FAX.local"),
            to("FAX=+1202/T33S=1@fax.local"),
        );
        let signed = covered(&named, &["received"]);
        assert!(within(&signed, &[one.clone(), other]).is_ok());
        let hidden = to("12025550199@fax.local");
        assert!(within(&signed, &[one.clone(), hidden]).is_err());
        let options = to("12025550123+at1800@fax.local");
        assert!(within(&signed, &[options]).is_err());
        assert!(within(&covered(&named, &["x-fax-notes"]), &[one]).is_err());
    }
}
