//! `postfax check`: what is wrong, and what would happen.

mod orphans;
mod rights;
mod risks;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::table::print;
use super::wait_for;
use crate::config::numbers::Numbering;
use crate::config::{Config, Converter, Route, Trunk, dialplan};
use crate::context::{letterhead, now};
use crate::mail_to_fax::cover::template;
use crate::mail_to_fax::{receipt, recipient};
use crate::net::trunk::{self, Trunks};
use crate::pages::pdfium;
use crate::pages::text::scripts;
use crate::queue::{Store, StoreError, Violation};
use crate::worker::host::Children;
use crate::worker::sandbox;
use Finding::{Fine, Note, Wrong};

/// Arguments of `postfax check`.
#[derive(clap::Args)]
pub struct Args {
    /// Say what would become of a mail to this address, such as 5551234567@fax.local
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    /// Of a mail by this sender, who may dial what others may not (sender.allow)
    #[arg(long, value_name = "SENDER", requires = "address")]
    from: Option<String>,
}

/// One line of what was found.
enum Finding {
    /// As it should be.
    Fine(String),
    /// It works, and the admin should know.
    Note(String),
    /// It will not work.
    Wrong(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fine(what) => write!(f, "   ok  {what}"),
            Note(what) => write!(f, " note  {what}"),
            Wrong(what) => write!(f, "WRONG  {what}"),
        }
    }
}

/// Checks the configuration at `path`, the library, the walls around the children, the folders and the store.
pub fn run(args: Args, path: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let mut findings = vec![
        Fine("the configuration can be read".into()),
        library(config),
    ];
    findings.push(walls());
    findings.extend(fonts());
    findings.extend(config.converters.iter().map(converter));
    findings.extend(wait_for(cover_page(config))?);
    findings.extend(text_reader(config));
    findings.extend(mail_ways(config));
    findings.extend(templates(config));
    findings.extend(line_ways(config));
    findings.extend(risks::all(config));
    findings.extend(rights::all(path, config));
    findings.extend(wait_for(store(config))?);
    let mut wrong = findings.iter().any(|found| matches!(found, Wrong(_)));
    let mut text: String = findings.iter().map(|found| format!("{found}\n")).collect();
    if let Some(address) = &args.address {
        let (accepted, verdict) = verdict(config, address, args.from.as_deref());
        text += &format!("\n{verdict}\n");
        wrong |= !accepted;
    }
    print(&text);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn library(config: &Config) -> Finding {
    match pdfium::locate(config.renderer.pdfium.as_deref()) {
        Ok(path) => Fine(format!("documents are drawn with {}", path.display())),
        Err(e) => Wrong(e.to_string()),
    }
}

/// Letters of texts that would come out as boxes.
fn fonts() -> Vec<Finding> {
    let lacking = scripts::without_font().into_iter();
    let told = lacking.map(|(package, names)| {
        Note(format!(
            "no font here has the letters of {}: texts in them are refused, or show boxes; where they are faxed, install \
             Debian's package {package}",
            names.join(", ")
        ))
    });
    told.collect()
}

fn walls() -> Finding {
    match sandbox::files_are_fenced() {
        true => Fine("documents and calls are kept behind walls: landlock, seccomp, limits".into()),
        false => Note(
            "this kernel has no landlock: documents and calls are kept from files by their owner only, \
             and behind seccomp and limits"
                .into(),
        ),
    }
}

fn converter(converter: &Converter) -> Finding {
    let (program, types) = (&converter.command[0], converter.types.join(", "));
    match Path::new(program).is_file() {
        true => Fine(format!("{program} makes PDF of {types}")),
        false => Wrong(format!(
            "there is no {program}, which is to make PDF of {types}; install it, or remove its [[converter]]"
        )),
    }
}

fn text_reader(config: &Config) -> Option<Finding> {
    let wanted = config.routes.iter().any(|route| route.ocr);
    let program = &config.ocr.command[0];
    wanted.then(|| match Path::new(program).is_file() {
        true => Fine(format!("{program} reads the text of received pages")),
        false => Wrong(format!(
            "there is no {program}, which is to read the text of received pages; install tesseract-ocr, or take \
             ocr = true out of the [[route]]"
        )),
    })
}

async fn cover_page(config: &Config) -> Option<Finding> {
    let path = config.cover.template.as_deref()?.display();
    let library = pdfium::locate(config.renderer.pdfium.as_deref()).ok()?;
    let children = Children::new(Some(library), config.renderer.seconds);
    Some(match template::try_out(config, &children).await {
        Ok(()) => Fine(format!("cover pages are made of {path}")),
        Err(e) => Wrong(format!(
            "cover.template {path}: {e}; until it is mended, faxes carry the page that comes with postfax"
        )),
    })
}

fn mail_ways(config: &Config) -> Vec<Finding> {
    let smtp = &config.smtp;
    let open = smtp.clients.iter().any(|network| network.prefix_len() == 0);
    let mut domains = smtp.domains.clone();
    domains.extend(config.domains.iter().map(|domain| domain.name.clone()));
    domains.sort();
    domains.dedup();
    let lmtp = match smtp.lmtp.is_empty() {
        true => String::new(),
        false => format!(", LMTP on {}", listed(&smtp.lmtp)),
    };
    vec![
        Fine(format!(
            "mail for {} is taken on {}{lmtp}",
            domains.join(", "),
            listed(&smtp.listen)
        )),
        match config.postmaster_is_here() {
            false => Fine(format!(
                "what is written to postmaster at these domains goes to {}",
                config.postmaster()
            )),
            true => Note(format!(
                "the postmaster, {}, is an address at this gateway and no mailbox: set mail.postmaster to that of a person",
                config.postmaster()
            )),
        },
        match open {
            false => Fine(format!("{} may submit mail", listed(&smtp.clients))),
            true => {
                Wrong("anybody may submit mail and so spend your money: narrow smtp.clients".into())
            }
        },
        Fine(others(config)),
        Fine(match &config.mail.maildir {
            Some(folder) => format!("our mails go into the Maildir {}", folder.display()),
            None => format!("our mails go to the relay {}", config.mail.relay),
        }),
        Fine(format!(
            "what a mail server refuses goes to {}",
            config.postmaster()
        )),
    ]
}

/// Who may send beside the networks.
fn others(config: &Config) -> String {
    let mut ways = Vec::new();
    if !config.users.is_empty() {
        let names = config.users.iter().map(|user| user.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        ways.push(format!("with a password, from anywhere: {names}"));
    }
    let verified = verified(config);
    for upstream in config.upstreams.iter().filter(|_| !verified.is_empty()) {
        let id = &upstream.authserv_id;
        ways.push(format!("on the word of {id}: {verified}"));
    }
    if config.smtp.dmarc && !verified.is_empty() {
        ways.push(format!("from anywhere, where DMARC proves it: {verified}"));
    }
    match ways.is_empty() {
        true => "nobody else may".to_owned(),
        false => format!("and so may, {}; nobody else", ways.join("; ")),
    }
}

/// Those who may send from outside.
fn verified(config: &Config) -> String {
    let senders = config.senders.iter().filter(|sender| sender.verified);
    let patterns: Vec<&str> = senders.map(|sender| sender.pattern.as_str()).collect();
    patterns.join(", ")
}

/// The templates of the site, tried with every kind of mail.
fn templates(config: &Config) -> Vec<Finding> {
    let receipts = &config.receipts;
    let place = match &receipts.templates {
        Some(folder) => format!("the templates in {}", folder.display()),
        None if receipts.subject.is_empty() => return Vec::new(),
        None => "the template in receipts.subject".to_owned(),
    };
    let broken = match crate::context::templates::read(config) {
        Ok(templates) => receipt::broken_templates(&templates, &letterhead(config)),
        Err(what) => return vec![Wrong(what)],
    };
    let what = |what: String| Wrong(format!("the template {}: ours is used instead", what));
    match broken.is_empty() {
        true => vec![Fine(format!("mails are written by {place}"))],
        false => broken.into_iter().map(what).collect(),
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

fn line_ways(config: &Config) -> Vec<Finding> {
    let mut ways: Vec<Finding> = config
        .trunks
        .iter()
        .map(|trunk| trunk_way(config, trunk))
        .collect();
    if ways.is_empty() {
        let what = "no [[trunk]] is set: faxes to send will wait";
        ways.push(Note(what.into()));
    }
    if config.fax.station_id.is_empty() || config.fax.name.is_empty() {
        let what = "set fax.name and fax.station_id: they stand on every page, and the law of many countries wants them";
        ways.push(Note(what.into()));
    }
    if config.routes.is_empty() {
        ways.push(Note("no [[route]] is set: no call is answered".into()));
    }
    let route = |route: &Route| {
        let to = route.recipients().join(", ");
        Fine(format!("faxes to {} go to {to}", route.number))
    };
    ways.extend(config.routes.iter().map(route));
    ways
}

/// Numbers of the kind that most people dial, in their countries.
const EXAMPLE: &str = "+12025550123";

fn trunk_way(config: &Config, trunk: &Trunk) -> Finding {
    let carries = match trunk.prefixes.as_slice() {
        [] => "every number".to_owned(),
        prefixes => format!("numbers in {}", prefixes.join(", ")),
    };
    let knows_us = match trunk.register {
        true => format!("registered as {}", trunk.username),
        false => "by our address".to_owned(),
    };
    let dialled = match Numbering::of(config).map(|it| it.called(EXAMPLE, None, trunk)) {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(e)) => return Wrong(format!("trunk {}: {e}", trunk.name)),
        Err(e) => return Wrong(e.to_string()),
    };
    Fine(format!(
        "trunk {} ({} over {}, {knows_us}) carries {carries} with priority {}; for {EXAMPLE} it is given {dialled}",
        trunk.name,
        trunk.server.join(", "),
        trunk.transport.name(),
        trunk.priority,
    ))
}

async fn store(config: &Config) -> Vec<Finding> {
    let state = &config.state_dir;
    let opened = match Store::open_beside(state) {
        Err(StoreError::NoQueue(_)) => {
            let what = format!(
                "{} holds no queue yet; `postfax run` makes it",
                state.display()
            );
            return vec![Note(what)];
        }
        opened => opened,
    };
    match opened {
        Err(e) => vec![Wrong(e.to_string())],
        Ok(store) => examined(&store, config).await,
    }
}

async fn examined(store: &Store, config: &Config) -> Vec<Finding> {
    let broken = |found: &Violation| {
        let rows = found.rows.join(", ");
        format!("the queue breaks its rule that {}: {rows}", found.invariant)
    };
    let mut findings = match store.check().await {
        Err(e) => return vec![Wrong(e.to_string())],
        Ok(found) if found.is_empty() => {
            let state = config.state_dir.display();
            vec![Fine(format!("the queue in {state} is sound"))]
        }
        Ok(found) => found.iter().map(|found| Wrong(broken(found))).collect(),
    };
    match store.check_expectations().await {
        Err(e) => findings.push(Wrong(e.to_string())),
        Ok(found) => {
            let note = |found| Note(format!("{}; nothing depends on it", broken(found)));
            findings.extend(found.iter().map(note));
        }
    }
    match store.orphans().await {
        Err(e) => findings.push(Wrong(e.to_string())),
        Ok(orphans) => findings.extend(orphans::notes(&orphans, now(), &config.time_zone())),
    }
    findings
}

/// Whether a trunk leads to a number, and which, by their order.
fn way(config: &Config, numbers: &Numbering, number: &str) -> (bool, String) {
    if config.trunks.is_empty() {
        return (true, "once there is a [[trunk]]".to_owned());
    }
    let trunks = Trunks::of(config).leading_to(&numbers.for_prefixes(number));
    let over = |trunk: &Arc<trunk::Trunk>| {
        let trunk = &trunk.config;
        let dialled = numbers.called(number, None, trunk);
        let dialled = dialled.unwrap_or_else(|e| e.to_string());
        format!("over {} as {dialled}", trunk.name)
    };
    let ways: Vec<String> = trunks.iter().map(over).collect();
    match ways.is_empty() {
        true => (false, "but no trunk leads there".to_owned()),
        false => (true, ways.join(", else ")),
    }
}

/// Whether the front door would take this recipient, and what it would say.
fn verdict(config: &Config, address: &str, sender: Option<&str>) -> (bool, String) {
    let numbers = match Numbering::of(config) {
        Ok(numbers) => numbers,
        Err(e) => return (false, e.to_string()),
    };
    let allow = sender.map(|sender| config.sender(sender).allow);
    let permitted = dialplan::patterns(&allow.unwrap_or_default()).unwrap_or_default();
    match recipient::number_to_dial(address, config, &numbers, &permitted) {
        Ok(to) => {
            let within = |sub_address| format!(", sub-address {sub_address}");
            let within = to.sub_address.map_or(String::new(), within);
            let number = to.number;
            let (leads, way) = way(config, &numbers, &number);
            let text = format!("{address}: would be faxed to {number}{within}, {way}");
            (leads, text)
        }
        Err(refusal) => (false, format!("{address}: would be refused: {refusal}")),
    }
}
