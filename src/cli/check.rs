//! `postfax check`: what is wrong, and what would happen.

use std::path::Path;
use std::process::ExitCode;

use super::wait_for;
use crate::config::Config;
use crate::config::dialplan;
use crate::mail_to_fax::recipient;
use crate::pages::pdfium;
use crate::queue::Store;

/// Arguments of `postfax check`.
#[derive(clap::Args)]
pub struct Args {
    /// Say what would become of a mail to this address, such as 5551234567@fax.local
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
}

/// Checks the configuration, the library, the folders and the store.
pub fn run(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let mut trouble = false;
    let mut say = |wrong: bool, what: String| {
        println!("{} {what}", if wrong { "WRONG " } else { "  ok  " });
        trouble |= wrong;
    };
    say(false, "the configuration can be read".into());
    match pdfium::locate(config.renderer.pdfium.as_deref()) {
        Ok(path) => say(
            false,
            format!("documents are rendered with {}", path.display()),
        ),
        Err(e) => say(true, e.to_string()),
    }
    for (wrong, what) in mail_ways(&config).into_iter().chain(line_ways(&config)) {
        say(wrong, what);
    }
    for (wrong, what) in wait_for(store(&config.state_dir))? {
        say(wrong, what);
    }
    if let Some(address) = &args.address {
        println!("\n{}", verdict(&config, address));
    }
    Ok(if trouble {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn mail_ways(config: &Config) -> Vec<(bool, String)> {
    let smtp = &config.smtp;
    let listen: Vec<_> = smtp.listen.iter().map(ToString::to_string).collect();
    let clients: Vec<_> = smtp.clients.iter().map(ToString::to_string).collect();
    let open = smtp.clients.iter().any(|network| network.prefix_len() == 0);
    let out = match &config.mail.maildir {
        Some(folder) => format!("our mails go into the Maildir {}", folder.display()),
        None => format!("our mails go to the relay {}", config.mail.relay),
    };
    vec![
        (
            false,
            format!(
                "mail for {} is taken on {}",
                smtp.domains.join(", "),
                listen.join(", ")
            ),
        ),
        (
            open,
            match open {
                false => format!("{} may submit mail", clients.join(", ")),
                true => {
                    "anybody may submit mail and so spend your money: narrow smtp.clients".into()
                }
            },
        ),
        (false, out),
    ]
}

fn line_ways(config: &Config) -> Vec<(bool, String)> {
    let trunk = &config.trunk;
    let mut ways = vec![match trunk.server.as_str() {
        "" => (
            false,
            "no trunk.server is set: faxes to send will wait".into(),
        ),
        server => (
            false,
            format!(
                "faxes are dialled through {server}, {} at a time",
                trunk.channels
            ),
        ),
    }];
    if config.fax.station_id.is_empty() || config.fax.name.is_empty() {
        let what = "set fax.name and fax.station_id: they stand on every page, and the law of many countries wants them";
        ways.push((false, what.into()));
    }
    if config.routes.is_empty() {
        ways.push((false, "no [[route]] is set: no call is answered".into()));
    }
    for route in &config.routes {
        ways.push((
            false,
            format!(
                "faxes to {} go to {}",
                route.number,
                route.recipients().join(", ")
            ),
        ));
    }
    ways
}

async fn store(state: &Path) -> Vec<(bool, String)> {
    if !state.join("queue.db").exists() {
        return vec![(false, format!("{} holds no queue yet", state.display()))];
    }
    let checked = match Store::open_beside(state) {
        Ok(store) => store.check().await,
        Err(e) => Err(e),
    };
    match checked {
        Err(e) => vec![(true, e.to_string())],
        Ok(violations) if violations.is_empty() => {
            vec![(false, format!("the queue in {} is sound", state.display()))]
        }
        Ok(violations) => violations
            .into_iter()
            .map(|v| {
                (
                    true,
                    format!(
                        "the queue breaks its rule that {}: {}",
                        v.invariant,
                        v.rows.join(", ")
                    ),
                )
            })
            .collect(),
    }
}

/// What the front door would say to this recipient.
fn verdict(config: &Config, address: &str) -> String {
    let plan = match dialplan::Plan::new(&config.dialing.allow, &config.dialing.deny) {
        Ok(plan) => plan,
        Err(e) => return e.to_string(),
    };
    match recipient::number_to_dial(address, &config.smtp.domains, &plan) {
        Ok(number) => format!("{address}: would be faxed to {number}"),
        Err(refusal) => format!("{address}: would be refused: {refusal}"),
    }
}
