//! `postfax cancel | hold | release | retry | move`: orders about faxes, given to the store while the daemon runs.

use std::process::ExitCode;

use super::select::Selection;
use super::table::print;
use super::wait_for;
use crate::config::Config;
use crate::context::now;
use crate::queue::{Ordered, Result, Store};

/// Arguments of `postfax cancel`, `hold`, `release` and `retry`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    faxes: Selection,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Arguments of `postfax move`.
#[derive(clap::Args)]
pub struct MoveArgs {
    /// The only trunk they may take from now on, by its name in the configuration
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "any_trunk",
        conflicts_with = "any_trunk"
    )]
    trunk: Option<String>,
    /// Let them take any trunk again
    #[arg(long)]
    any_trunk: bool,
    #[command(flatten)]
    args: Args,
}

/// What is ordered.
#[derive(Clone)]
enum Order {
    Cancel,
    Hold,
    Release,
    Retry,
    Move(Option<String>),
}

/// Asks for each fax to be cancelled; the daemon sees it within a second.
pub fn cancel(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    give(&Order::Cancel, &args, config)
}

/// Holds faxes back.
pub fn hold(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    give(&Order::Hold, &args, config)
}

/// Lets go what was held.
pub fn release(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    give(&Order::Release, &args, config)
}

/// Has faxes, or the mails about them, tried at once.
pub fn retry(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    give(&Order::Retry, &args, config)
}

/// Binds faxes to a trunk.
pub fn move_to(args: MoveArgs, config: &Config) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.trunk
        && !config.trunks.iter().any(|trunk| trunk.name == *name)
    {
        let names: Vec<&str> = config.trunks.iter().map(|it| it.name.as_str()).collect();
        anyhow::bail!("there is no trunk {name}; there are {}", names.join(", "));
    }
    give(&Order::Move(args.trunk), &args.args, config)
}

/// Orders that are given together, so that they share a commit, and the daemon gets its turn behind it.
const AT_A_TIME: usize = 250;

/// What became of the order about one fax.
struct Told {
    done: bool,
    words: String,
}

fn give(order: &Order, args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    let told = wait_for(async {
        store.examine_unless_served().await?;
        let mut told = Vec::new();
        for ids in args.faxes.ids(&store, config).await?.chunks(AT_A_TIME) {
            let some = together(order, &store, ids).await?;
            if !args.json {
                // Ten thousand take a while.
                tell(&some);
            }
            told.extend(some);
        }
        anyhow::Ok(told)
    })??;
    if args.json {
        let rows = told
            .iter()
            .map(|(id, told)| serde_json::json!({"id": id, "done": told.done, "said": told.words}));
        print(&format!("{}\n", serde_json::Value::from_iter(rows)));
    }
    Ok(match told.iter().all(|(_, told)| told.done) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Gives the order about each of these.
async fn together(
    order: &Order,
    store: &Store,
    ids: &[String],
) -> anyhow::Result<Vec<(String, Told)>> {
    let given = ids.iter().map(|id| {
        let (order, store, id) = (order.clone(), store.clone(), id.clone());
        tokio::spawn(async move { Ok((one(&order, &store, &id).await?, id)) })
    });
    let mut told = Vec::new();
    for given in given.collect::<Vec<_>>() {
        let (answer, id) = given.await.map_err(anyhow::Error::from).flatten()?;
        told.push((id, answer));
    }
    Ok(told)
}

fn tell(told: &[(String, Told)]) {
    let line = |(id, told): &&(String, Told)| format!("{id}: {}\n", told.words);
    let (done, not): (Vec<_>, Vec<_>) = told.iter().partition(|(_, told)| told.done);
    print(&done.iter().map(line).collect::<String>());
    eprint!("{}", not.iter().map(line).collect::<String>());
}

async fn one(order: &Order, store: &Store, id: &str) -> Result<Told> {
    let ordered = match order {
        Order::Cancel => store.cancel(id, now()).await?,
        Order::Hold => store.hold(id).await?,
        Order::Release => store.let_go(id, now()).await?,
        Order::Move(trunk) => store.move_to(id, trunk.as_deref()).await?,
        Order::Retry => match store.retry_now(id, now()).await? {
            // What is over may have left a mail that nobody took.
            Ordered::Over(_) | Ordered::Unknown
                if store.retry_mails_about(id, now()).await? > 0 =>
            {
                return Ok(said(true, "the mail about it is tried again now"));
            }
            ordered => ordered,
        },
    };
    Ok(in_words(order, ordered))
}

fn said(done: bool, words: impl Into<String>) -> Told {
    let words = words.into();
    Told { done, words }
}

fn in_words(order: &Order, ordered: Ordered) -> Told {
    use Ordered::{Already, Done, InCall, Over, Unknown};
    match (order, ordered) {
        (_, Unknown) => said(
            false,
            "there is no such fax; `postfax queue` lists those there are",
        ),
        (Order::Retry, Over(state)) => said(
            false,
            format!(
                "it is over already: {state}; its sender was told, and may send the mail again"
            ),
        ),
        (_, Over(state)) => said(false, format!("it is over already: {state}")),
        (Order::Cancel, InCall) => said(
            true,
            "its call is being ended; its sender is told how far it got",
        ),
        (Order::Cancel, _) => said(true, "cancelled; its sender is told"),
        (Order::Hold, Done) => said(true, "held until `postfax release`"),
        (Order::Hold, InCall) => said(
            true,
            "its call goes on; if it has to be tried again, it is held",
        ),
        (Order::Hold, Already) => said(true, "it was held before"),
        (Order::Release, Already) => said(false, "nobody holds it"),
        (Order::Release, _) => said(true, "released"),
        (Order::Retry, InCall) => said(false, "it is in a call now"),
        (Order::Retry, _) => said(true, "it is tried as soon as there is a channel"),
        (Order::Move(Some(trunk)), InCall) => said(
            true,
            format!("its call goes on; from then on it takes {trunk} only"),
        ),
        (Order::Move(Some(trunk)), _) => said(true, format!("it takes {trunk} only")),
        (Order::Move(None), _) => said(true, "it takes any trunk that leads there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_a_sentence_and_failures_say_what_to_do() {
        let orders = [
            Order::Cancel,
            Order::Hold,
            Order::Release,
            Order::Retry,
            Order::Move(None),
            Order::Move(Some("b".into())),
        ];
        for order in &orders {
            for ordered in [
                Ordered::Done,
                Ordered::InCall,
                Ordered::Already,
                Ordered::Over("failed".into()),
                Ordered::Unknown,
            ] {
                let over = matches!(ordered, Ordered::Over(_) | Ordered::Unknown);
                let told = in_words(order, ordered);
                assert!(!told.words.is_empty());
                assert!(!over || !told.done);
            }
        }
        let over = in_words(&Order::Retry, Ordered::Over("failed".into()));
        assert!(over.words.contains("send the mail again"), "{}", over.words);
    }
}
