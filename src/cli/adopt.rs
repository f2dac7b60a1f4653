//! `postfax adopt`: a mail or received pages that no row names are taken back into the queue.

use std::process::ExitCode;
use std::sync::Arc;

use super::table::{counted, print};
use super::wait_for;
use crate::config::Config;
use crate::context::Context;
use crate::fax_to_mail::adopt::{adopt, pages_of};
use crate::mail_to_fax::intake::FrontDoor;
use crate::pages::header::HeaderFont;
use crate::pages::pdfium;
use crate::queue::{Addressee, Envelope, Origin, Orphan, OrphanKind, Store};
use crate::worker::host::Children;

/// Arguments of `postfax adopt`.
#[derive(clap::Args)]
pub struct Args {
    /// The mail (m-...) or any page (p1-...) of a received fax, as `postfax check` lists it
    #[arg(value_name = "KEY")]
    key: String,
    /// Of a mail: the number or address to fax it to, in place of its recipients. Of received pages: the mail address, the
    /// maildir:PATH, or the number of yours that was called, whose route counts. Several: once for each
    #[arg(long, value_name = "RECIPIENT")]
    to: Vec<String>,
    /// Of a mail: the address that gets the receipts, in place of its envelope sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
}

/// Takes it back in.
pub fn run(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    super::run::log("warn");
    let text = wait_for(async {
        let store = Store::open_beside(&config.state_dir)?;
        store.examine_unless_served().await?;
        let orphans = store.orphans().await?;
        let found = orphans.iter().find(|orphan| orphan.key == args.key);
        let Some(orphan) = found else {
            anyhow::bail!(
                "there is no orphan {}; `postfax check` lists them",
                args.key
            );
        };
        match orphan.kind {
            OrphanKind::Mail => adopt_mail(orphan, &args, store, config).await,
            OrphanKind::ReceivedPage => {
                let pages = pages_of(&orphan.key, &orphans);
                let id = adopt(&store, &pages, &args.to, &config).await?;
                let pages = counted(pages.len() as u32, "page");
                Ok(format!("{pages} taken in again as the received fax {id}\n"))
            }
            kind => anyhow::bail!(
                "{} ({}) is made again from its mail; take in the mail (m-...)",
                args.key,
                kind.in_words()
            ),
        }
    })??;
    print(&text);
    Ok(ExitCode::SUCCESS)
}

async fn adopt_mail(
    orphan: &Orphan,
    args: &Args,
    store: Store,
    config: Config,
) -> anyhow::Result<String> {
    let envelope = envelope(orphan, args, &config)?;
    let library = pdfium::locate(config.renderer.pdfium.as_deref())?;
    let children = Children::new(Some(library), config.renderer.seconds);
    let context = Context::new(config, store, children, HeaderFont::builtin())?;
    let door = FrontDoor::new(Arc::new(context));
    let faxes = door.adopt(orphan, envelope).await?;
    let lines = faxes
        .iter()
        .map(|fax| format!("taken in again as fax {fax}\n"));
    Ok(lines.collect())
}

/// Its envelope, as far as it is known, with what the administrator says.
fn envelope(orphan: &Orphan, args: &Args, config: &Config) -> anyhow::Result<Envelope> {
    let mut envelope = match &orphan.origin {
        Some(Origin::Mail(envelope)) => envelope.clone(),
        _ => Envelope::default(),
    };
    if let Some(sender) = &args.from {
        envelope.sender.clone_from(sender);
    }
    if !args.to.is_empty() {
        let addressee = |to: &String| Addressee {
            address: address(to, config),
            ..Addressee::default()
        };
        envelope.recipients = args.to.iter().map(addressee).collect();
        envelope.omitted = 0;
    }
    if envelope.sender.is_empty() {
        anyhow::bail!("its envelope sender is not known: name who gets the receipts (--from)");
    }
    if envelope.recipients.is_empty() {
        anyhow::bail!("its recipients are not known: name the numbers to fax it to (--to)");
    }
    if envelope.omitted > 0 {
        anyhow::bail!(
            "{} of its recipients are not known; name all that are to get it (--to, once for each). Known are {}",
            envelope.omitted,
            envelope
                .recipients
                .iter()
                .map(|it| it.address.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    Ok(envelope)
}

/// A number is an address in the first domain of the site.
fn address(to: &str, config: &Config) -> String {
    match (to.contains('@'), config.smtp.domains.first()) {
        (false, Some(domain)) => format!("{to}@{domain}"),
        _ => to.to_owned(),
    }
}
