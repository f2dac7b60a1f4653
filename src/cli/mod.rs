//! The commands, one file each.

mod adopt;
mod carrier;
mod check;
mod demo;
mod hash_password;
mod order;
mod queue;
mod render;
mod run;
mod select;
mod show;
mod table;
mod to_pdf;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// A fax gateway for mail: a mail to 5551234567@fax.local becomes a fax, and a fax that comes in becomes a mail.
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, after_help = TOUR)]
struct Arguments {
    /// For all but demo, carrier, render and to-pdf; config.toml.example explains every key
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        default_value = "/etc/postfax/config.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// What there is, for who types `postfax` and nothing else. Each paragraph is one line: it is wrapped for the
/// terminal.
const TOUR: &str = "\
Mail to fax: the text of a mail and what is attached to it (PDF, TIFF, pictures, text; Office files by a converter) \
are faxed to each recipient's number, with the date, your name and your number on top of every page, \
behind a cover page where the site, the sender or the mail wants one ([cover]). Who may submit, what may be dialled and how many pages is decided before the mail is \
accepted. A busy or silent number is tried again, behind the last page that was confirmed; in the end the sender \
gets one mail that says what became of it.

Behind the number, or in a field of the header, the sender may ask for more: 5551234567+fine+cover+at1800@fax.local, \
or X-Fax-Resolution: fine, X-Fax-Cover: yes; please call back, X-Fax-At: 18:00 (README.md has all of them). A cover \
page goes before each fax where the site ([cover]) or the sender wants one; names of a phone book stand for numbers.

Mail servers hand mails in by SMTP or LMTP ([smtp]) and may ask for DSN, FUTURERELEASE, DELIVERBY and MT-PRIORITY; people \
and machines with a password by AUTH under TLS ([[user]]); partners where DKIM, SPF and DMARC prove them ([[upstream]], \
smtp.dmarc). Receipts, also as reports for machines, are in English or German, by templates of your own if you like \
([receipts]); faxes have priorities, hours, limits and rules of what is tried again ([queue], [[hours]], [[sender]], [retry]).

Fax to mail: a call to one of your numbers is answered, and its pages are delivered as a PDF, by a mail server or \
into a Maildir. No page is confirmed to the far end before it is on disk.

The line is a SIP trunk or a PBX: T.38, or audio where there is no T.38; error correction, up to 14400 bit/s. \
Whatever strangers send is read in child processes behind walls.

While it runs: http://127.0.0.1:8025/ shows the queue and the calls (status.previews: the first page of each fax, too), /status.json the same for scripts, /healthz \
for a monitor. SIGHUP reads the configuration again. SIGTERM lets the calls end; a second one cuts them off.

To begin: postfax demo. Then copy config.toml.example, and try it with postfax carrier and postfax check.
Exit codes: 0 done, 1 not done (the reason is on standard error), 2 the arguments make no sense.
Environment: POSTFAX_PDFIUM names libpdfium.so, RUST_LOG the amount of logging (info, debug).";

const QUEUE: &str = "\
Examples:
  postfax queue                                    what waits, and why
  postfax queue --ended 20                         also the last 20 faxes sent and received
  postfax queue --number 2025550123 --state over   what became of the faxes to a number
  postfax queue --sender jane@example.com --json   one sender's, for a script";

const CANCEL: &str = "\
Examples:
  postfax cancel 1m7xa9q0c2f3k
  postfax cancel --sender jane@example.com         everything of hers that waits or is in a call

Exit code 1 where a fax was over already or is not there.";

const RETRY: &str = "\
Examples:
  postfax retry 1m7xa9q0c2f3k                      now, and not when its number has rested
  postfax retry --state ready --number 2025550123
  postfax retry 1m8b2c4d6e8f0                      a received fax whose mail was refused: it is mailed again

Exit code 1 where it is in a call, or over with no mail left to send.";

const HOLD: &str = "\
Examples:
  postfax hold 1m7xa9q0c2f3k
  postfax hold --number 2025550123                 everything that waits for a number

A call in progress goes on. `postfax queue --state held` lists what is held, `postfax release` lets it go.";

const RELEASE: &str = "\
Examples:
  postfax release 1m7xa9q0c2f3k
  postfax release --state held                     everything that is held";

const MOVE: &str = "\
Examples:
  postfax move --trunk backup 1m7xa9q0c2f3k        over this trunk and no other
  postfax move --trunk backup --state ready        everything that waits
  postfax move --any-trunk --state ready           as the trunks are set again";

const ADOPT: &str = "\
A mail that was accepted, or a page that was confirmed, is never deleted because the database does not know it: after a \
crash, or when an older queue.db was put back, it waits in the folder orphans of the state folder for 30 days. \
`postfax check` lists what is there.

A mail goes through the rules for a new one (numbers, permissions, documents), but for who may send: it had got its 250. \
Hold times, deadlines and priorities that the mail server asked for are not known any more; what the mail itself asks for \
counts anew. It may have been faxed before the database was lost: look into the log of those days first, for it is faxed \
(again) now. Received pages are mailed to those they came for.

Examples:
  postfax adopt m-1m7xa9q0c2f3k
  postfax adopt m-1m7xa9q0c2f3k --to 2025550123 --from jane@example.com    its envelope is not known
  postfax adopt p1-1m7xa9q0c2f3k                   all pages of that call, to those they came for
  postfax adopt p1-1m7xa9q0c2f3k --to office@example.com";

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C
    Run,
    /// Say what is wrong with the configuration and the queue, and what would become of a mail
    Check(check::Args),
    /// List the faxes that wait, the mails that nobody took, and the faxes that are over
    #[command(after_help = QUEUE)]
    Queue(queue::Args),
    /// Tell all about one fax: its parts, its calls, its mails; or what is remembered of a number
    Show(show::Args),
    /// End faxes that wait or are in a call; their senders are told
    #[command(after_help = CANCEL)]
    Cancel(order::Args),
    /// Try faxes now, whatever they wait for; or the mails about them that nobody took
    #[command(after_help = RETRY)]
    Retry(order::Args),
    /// Hold faxes back until they are released
    #[command(after_help = HOLD)]
    Hold(order::Args),
    /// Let faxes go that were held
    #[command(after_help = RELEASE)]
    Release(order::Args),
    /// Bind faxes to one trunk, or free them again
    #[command(after_help = MOVE)]
    Move(order::MoveArgs),
    /// Take a mail or received pages back in that the database does not know any more
    #[command(after_help = ADOPT)]
    Adopt(adopt::Args),
    /// Show both journeys on this machine: no trunk, no root, no configuration
    Demo(demo::Args),
    /// Be a carrier with fax machines behind it, to try a configuration without paying for calls
    Carrier(carrier::Args),
    /// Make of a password what a `[[user]]` in the configuration has instead of it
    HashPassword,
    /// Make fax pages of a document, as a TIFF: what the far end would see
    Render(render::Args),
    /// Wrap the pages of a fax TIFF in a PDF, without loss
    ToPdf(to_pdf::Args),
    /// Be a child of the daemon
    #[command(hide = true, subcommand)]
    Worker(Worker),
}

#[derive(Subcommand)]
enum Worker {
    /// Fork a process for each call
    Nursery,
    /// Read one document
    Render {
        /// The libpdfium.so to load
        #[arg(long)]
        pdfium: Option<PathBuf>,
    },
    /// Be a converter
    Convert(crate::worker::convert::Args),
}

const FIRST_AFTER_STDERR: i32 = 3;

/// Reads the arguments and runs the command: 0 for success, 1 for failure, 2 for arguments that make no sense.
pub fn main() -> ExitCode {
    // Descriptors that a careless shell or supervisor left open to us are not for our children.
    close_fds::CloseFdsBuilder::new().cloexecfrom(FIRST_AFTER_STDERR);
    let arguments = Arguments::parse();
    let config = || Config::load(&arguments.config).map_err(anyhow::Error::from);
    let done = match arguments.command {
        Command::Run => config().and_then(|config| run::run(arguments.config.clone(), config)),
        Command::Check(args) => {
            config().and_then(|config| check::run(args, &arguments.config, &config))
        }
        Command::Queue(args) => config().and_then(|config| queue::run(args, &config)),
        Command::Show(args) => config().and_then(|config| show::run(args, &config)),
        Command::Cancel(args) => config().and_then(|config| order::cancel(args, &config)),
        Command::Retry(args) => config().and_then(|config| order::retry(args, &config)),
        Command::Hold(args) => config().and_then(|config| order::hold(args, &config)),
        Command::Release(args) => config().and_then(|config| order::release(args, &config)),
        Command::Move(args) => config().and_then(|config| order::move_to(args, &config)),
        Command::Adopt(args) => config().and_then(|config| adopt::run(args, config)),
        Command::Demo(args) => demo::run(args),
        Command::Carrier(args) => carrier::run(args),
        Command::HashPassword => hash_password::run(),
        Command::Render(args) => render::run(args).map(|()| ExitCode::SUCCESS),
        Command::ToPdf(args) => to_pdf::run(args).map(|()| ExitCode::SUCCESS),
        Command::Worker(Worker::Convert(args)) => return crate::worker::convert::run(&args),
        Command::Worker(Worker::Nursery) => return crate::worker::nursery::run(),
        Command::Worker(Worker::Render { pdfium }) => {
            return crate::worker::render::run(pdfium.as_deref());
        }
    };
    done.unwrap_or_else(|e| {
        eprintln!("postfax: {}", in_one_line(&e));
        ExitCode::FAILURE
    })
}

/// An error and its causes, each said once: many errors repeat their cause themselves.
fn in_one_line(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .fold(error.to_string(), |said, cause| {
            let cause = cause.to_string();
            match said.contains(&cause) {
                true => said,
                false => format!("{said}: {cause}"),
            }
        })
}

/// Runs something asynchronous for a command that is not the daemon.
fn wait_for<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_contradict_nobody_and_the_help_fits_a_screen_of_100_columns() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
        for told in [
            "SIGHUP",
            "/healthz",
            "POSTFAX_PDFIUM",
            "postfax demo",
            "T.38",
            "X-Fax-Cover",
        ] {
            assert!(help.contains(told), "{told}");
        }
        assert!(!help.contains("worker"), "that one is for ourselves");
    }

    #[test]
    fn an_error_that_repeats_its_cause_is_said_once() {
        let cause = std::io::Error::other("disk on fire");
        let error = anyhow::Error::from(cause).context("the queue failed: disk on fire");
        let error = error.context("nothing was sent");
        assert_eq!(
            in_one_line(&error),
            "nothing was sent: the queue failed: disk on fire"
        );
    }
}
