//! Which faxes a command is about: by name, or by what they have in common.

use anyhow::bail;
use clap::builder::PossibleValuesParser;

use super::table::tame;
use crate::config::Config;
use crate::config::numbers::Numbering;
use crate::queue::{Store, Wanted};

/// The states that a fax may be in, and names for several of them.
const STATES: [&str; 10] = [
    "waiting",
    "rendering",
    "ready",
    "calling",
    "held",
    "over",
    "delivered",
    "failed",
    "uncertain",
    "cancelled",
];

/// Filters over the faxes to send.
#[derive(clap::Args, Default)]
pub struct Filters {
    /// Faxes to this number, in any of its forms
    #[arg(long, value_name = "NUMBER")]
    pub number: Option<String>,
    /// Faxes of this envelope sender or account
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// Faxes in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    pub state: Option<String>,
}

impl Filters {
    /// Whether any is set.
    pub fn is_set(&self) -> bool {
        self.number.is_some() || self.sender.is_some() || self.state.is_some()
    }

    /// As the store asks for them.
    ///
    /// # Errors
    /// Where the configuration's numbers cannot be read.
    pub fn wanted(&self, config: &Config) -> anyhow::Result<Wanted> {
        let numbers = Numbering::of(config)?;
        Ok(Wanted {
            number: self.number.as_ref().map(|it| numbers.canonical(it)),
            sender: self.sender.clone(),
            state: self.state.clone(),
        })
    }
}

/// Faxes by name or by filter.
#[derive(clap::Args)]
pub struct Selection {
    /// The faxes, as `postfax queue` names them
    #[arg(value_name = "ID", required_unless_present_any = ["number", "sender", "state"])]
    ids: Vec<String>,
    #[command(flatten)]
    filters: Filters,
}

/// More than this many at a time is most likely not meant.
const MOST: u32 = 100_000;

impl Selection {
    /// Their names.
    ///
    /// # Errors
    /// As the store says; where both ways are used; where no fax fits.
    pub async fn ids(&self, store: &Store, config: &Config) -> anyhow::Result<Vec<String>> {
        if !self.filters.is_set() {
            return Ok(self.ids.clone());
        }
        if !self.ids.is_empty() {
            bail!("name faxes, or filter them with --number, --sender and --state; not both");
        }
        let fit = store.ids_that_fit(self.filters.wanted(config)?, MOST);
        let ids = fit.await?;
        if ids.is_empty() {
            let number = self.filters.number.as_deref().unwrap_or_default();
            bail!("no fax fits{}", spaced(&tame(number, 40)));
        }
        Ok(ids)
    }
}

fn spaced(word: &str) -> String {
    match word {
        "" => String::new(),
        word => format!(" {word}"),
    }
}
