//! `postfax cancel ID`.

use std::process::ExitCode;

use super::wait_for;
use crate::config::Config;
use crate::queue::Store;

/// Arguments of `postfax cancel`.
#[derive(clap::Args)]
pub struct Args {
    /// The faxes, as `postfax queue` names them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// Asks for each fax to be cancelled; the daemon sees it within a second.
pub fn run(args: Args, config: &Config) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&config.state_dir)?;
    let mut all = true;
    for id in &args.ids {
        match wait_for(cancel(&store, id))?? {
            Answer::Cancelled => println!("{id}: cancelled; its sender is told"),
            Answer::InCall => {
                println!("{id}: its call is being ended; its sender is told how far it got")
            }
            Answer::No(why) => {
                eprintln!("{id}: {why}");
                all = false;
            }
        }
    }
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

enum Answer {
    Cancelled,
    InCall,
    No(String),
}

async fn cancel(store: &Store, id: &str) -> crate::queue::Result<Answer> {
    let Some(before) = store.fax(id).await? else {
        return Ok(Answer::No(
            "there is no such fax; `postfax queue` lists those there are".into(),
        ));
    };
    if !store.cancel(id, crate::context::now()).await? {
        return Ok(Answer::No(format!("it is over already: {}", before.state)));
    }
    Ok(if before.state == "calling" {
        Answer::InCall
    } else {
        Answer::Cancelled
    })
}
