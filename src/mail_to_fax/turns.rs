//! Whose turn it is: whether a fax that stands first in line may be dialled now, and over what.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::Timestamp;

use super::share::{Kind, room};
use super::stamp::{Continued, Stamp};
use crate::config::hours::Hours;
use crate::config::numbers::Numbering;
use crate::config::{self, Config};
use crate::context::{Context, now};
use crate::net::trunk::{NotNow, Reservation, Trunks};
use crate::pages::header::HeaderLine;
use crate::queue::usage::Used;
use crate::queue::{Choice, ClaimedFax, DueFax, Room, StoreError};

/// What a fax out of its hours is looked at again after, whatever the hours say: clocks jump, and settings change.
const LOOK_AGAIN: u64 = 3600;

/// Everything that decides whose turn it is.
pub(super) struct Turns {
    config: Arc<Config>,
    numbers: Arc<Numbering>,
    hours: Arc<Hours>,
    trunks: Trunks,
    /// What the trunks with a limit for the day have used of it.
    used: Vec<(String, Used)>,
    /// When a trunk that asked for rest, or takes few calls a second, will take one.
    then: Arc<Mutex<Option<Instant>>>,
}

impl Turns {
    /// By the settings in force; `then` is told when a trunk will be ready.
    pub(super) async fn of(
        context: &Context,
        day: &str,
        then: Arc<Mutex<Option<Instant>>>,
    ) -> Result<Turns, StoreError> {
        let has_limit =
            |trunk: &config::Trunk| trunk.calls_per_day > 0 || trunk.minutes_per_day > 0;
        let limited = context.trunks.iter().any(|trunk| has_limit(&trunk.config));
        Ok(Turns {
            config: context.config(),
            numbers: context.numbering(),
            hours: context.hours(),
            trunks: context.trunks.clone(),
            used: match limited {
                true => context.store.used_by_trunks(day).await?,
                false => Vec::new(),
            },
            then,
        })
    }

    /// The verdict on one fax: its header line and its place, or why not now. No place, where no trunk carries its
    /// number any more: that is found out by its attempt.
    pub(super) fn choose(&self, due: &DueFax) -> Choice<Option<Reservation>> {
        let sender = self.config.sender(&due.sender);
        let at_once = match (sender.channels, due.in_calls) {
            (0, _) => false,
            (_, None) => return Choice::CountCalls,
            (most, Some(calls)) => calls >= most,
        };
        if at_once || self.has_used_up(due) {
            return Choice::NotThisAccount;
        }
        if let Some(opens) = self
            .hours
            .opens(&due.number, &self.numbers, Timestamp::now())
        {
            let at = now().plus_seconds(LOOK_AGAIN);
            return Choice::NotBefore(at.min(crate::queue::Millis(opens.as_millisecond())));
        }
        let may_take = |trunk: &config::Trunk| {
            due.trunk.as_ref().is_none_or(|only| *only == trunk.name) && !self.is_spent(trunk)
        };
        let number = self.numbers.for_prefixes(&due.number);
        match self.trunks.reserve(&number, may_take) {
            Ok(place) => Choice::Take(self.stamp(due).to_json(), Some(place)),
            Err(NotNow::NoTrunk)
                if self
                    .used
                    .iter()
                    .any(|(trunk, _)| self.is_spent_by_name(trunk)) =>
            {
                Choice::NotNow
            }
            Err(NotNow::NoTrunk) => Choice::Take(self.stamp(due).to_json(), None),
            Err(NotNow::Busy) => Choice::NotNow,
            Err(NotNow::Until(at)) => {
                let mut then = self.then.lock().expect("nobody panics while holding it");
                *then = Some(then.map_or(at, |sooner| sooner.min(at)));
                Choice::NotNow
            }
        }
    }

    /// What the call of this fax has room for beside it; `None`: to its number, every fax goes by itself.
    pub(super) fn room_beside(&self, first: &ClaimedFax) -> Option<Room> {
        let shares = self.numbers.shares_calls(&first.number);
        shares
            .then(|| room(&self.config, first))
            .filter(|room| room.faxes > 0 && room.pages > 0)
    }

    /// The header line of a fax that goes in the call of faxes of this kind; `None`: it does not.
    pub(super) fn join(&self, kind: &Kind, due: &DueFax) -> Option<String> {
        let joins = Kind::of_due(&self.config, due) == *kind && !self.has_used_up(due);
        joins.then(|| self.stamp(due).to_json())
    }

    /// What faxes have to be like to go in the call of this one.
    pub(super) fn kind(&self, first: &ClaimedFax) -> Kind {
        Kind::of(&self.config, first)
    }

    fn has_used_up(&self, due: &DueFax) -> bool {
        let sender = self.config.sender(&due.sender);
        is_used_up(due.used, sender.calls_per_day, sender.minutes_per_day)
    }

    /// Whether a trunk has carried what it may on a day.
    fn is_spent(&self, trunk: &config::Trunk) -> bool {
        let used = self.used.iter().find(|(name, _)| *name == trunk.name);
        used.is_some_and(|(_, used)| is_used_up(*used, trunk.calls_per_day, trunk.minutes_per_day))
    }

    fn is_spent_by_name(&self, name: &str) -> bool {
        let mut trunks = self.trunks.iter();
        trunks.any(|trunk| trunk.config.name == name && self.is_spent(&trunk.config))
    }

    fn stamp(&self, due: &DueFax) -> Stamp {
        let sender = self.config.sender(&due.sender);
        let zone = self.config.time_zone();
        Stamp {
            date: HeaderLine::date(&Timestamp::now().to_zoned(zone.clone())),
            name: sender.name,
            number: sender.station_id,
            continued: due.confirmed.map(|(pages, at)| {
                let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
                Continued::of(pages, &at.to_zoned(zone))
            }),
        }
    }
}

/// Whether a day's calls or minutes are used up; 0 is no limit.
fn is_used_up(used: Used, calls: u32, minutes: u32) -> bool {
    (calls > 0 && used.calls >= calls) || (minutes > 0 && used.seconds >= f64::from(minutes) * 60.0)
}
