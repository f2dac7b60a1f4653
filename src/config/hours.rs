//! When nobody may be rung: quiet hours of the site, and the hours of recipients.

use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::dialplan::{self, BadPattern, Pattern};
use super::numbers::Numbering;
use super::{Config, local_time};

/// `[[hours]]`: when certain numbers may be rung.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoursOf {
    /// Patterns of the numbers.
    pub numbers: Vec<String>,
    /// When their calls may begin: `mon-fri 08:00-18:00`.
    pub open: Vec<String>,
    /// Time zone of these hours; empty: the site's.
    pub time_zone: String,
}

/// Some hours of some days of the week: `mon-fri 08:00-18:00`, `22:00-07:00` (every day, into the next).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Of the days on which it begins, Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: i64,
    /// Minutes since that midnight: past 1440 it ends on the next day.
    to: i64,
}

/// It is not hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not hours; write \"22:00-07:00\", or with days \"mon-fri 08:00-18:00\", \"sat,sun 00:00-24:00\""
)]
pub struct BadSpan(String);

const DAY_MINUTES: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Span, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let mut words = text.split_whitespace().rev();
        let (from, to) = words
            .next()
            .and_then(|times| times.split_once('-'))
            .ok_or_else(bad)?;
        let (from, to) = (minutes(from).ok_or_else(bad)?, minutes(to).ok_or_else(bad)?);
        let days = match (words.next(), words.next()) {
            (None, _) => [true; 7],
            (Some(named), None) => days(&named.to_lowercase()).ok_or_else(bad)?,
            _ => return Err(bad()),
        };
        if from == to || from >= DAY_MINUTES {
            return Err(bad());
        }
        let to = if to > from { to } else { to + DAY_MINUTES };
        Ok(Span { days, from, to })
    }
}

/// "07:30", "24:00".
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

/// "mon-fri", "sat,sun", "fri-mon".
fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|known| *known == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        loop {
            days[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

impl Span {
    fn holds(&self, day: Weekday, minute: i64) -> bool {
        let today = day.to_monday_zero_offset() as usize;
        let yesterday = (today + 6) % 7;
        (self.days[today] && (self.from..self.to).contains(&minute))
            || (self.days[yesterday] && (self.from..self.to).contains(&(minute + DAY_MINUTES)))
    }
}

/// The hours of a site and of those it faxes to.
#[derive(Debug, Clone)]
pub struct Hours {
    zone: TimeZone,
    quiet: Vec<Span>,
    recipients: Vec<Recipients>,
}

#[derive(Debug, Clone)]
struct Recipients {
    numbers: Vec<Pattern>,
    open: Vec<Span>,
    zone: TimeZone,
}

/// Days that are looked through for an hour in which nothing stands against a call.
const HORIZON: i64 = 8;

impl Hours {
    /// The hours of a configuration.
    ///
    /// # Errors
    /// The first pattern that cannot be read. Hours that cannot are left out: they were refused with the file.
    pub fn of(config: &Config) -> Result<Hours, BadPattern> {
        let spans = |written: &[String]| {
            written
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect()
        };
        let recipients = |hours: &HoursOf| {
            Ok(Recipients {
                numbers: dialplan::patterns(&hours.numbers)?,
                open: spans(&hours.open),
                zone: match hours.time_zone.as_str() {
                    "" => config.time_zone(),
                    name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
                },
            })
        };
        Ok(Hours {
            zone: config.time_zone(),
            quiet: spans(&config.queue.quiet_hours),
            recipients: config
                .hours
                .iter()
                .map(recipients)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether there are none: every hour is as good as the other.
    pub fn are_none(&self) -> bool {
        self.quiet.is_empty() && self.recipients.is_empty()
    }

    /// When `number` may be rung, if that is not now. Hours that leave no gap within a week count as none.
    pub fn opens(&self, number: &str, numbers: &Numbering, now: Timestamp) -> Option<Timestamp> {
        if self.are_none() {
            return None;
        }
        let mut theirs = self.recipients.iter();
        let theirs = theirs.find(|hours| numbers.is_one_of(number, &hours.numbers));
        let may_ring = |at: Timestamp| {
            !is_within(&self.quiet, at, &self.zone)
                && theirs.is_none_or(|hours| is_within(&hours.open, at, &hours.zone))
        };
        if may_ring(now) {
            return None;
        }
        let mut edges = edges(&self.quiet, now, &self.zone);
        edges.extend(theirs.map_or(Vec::new(), |hours| {
            self::edges(&hours.open, now, &hours.zone)
        }));
        edges.sort_unstable();
        edges.into_iter().find(|at| *at > now && may_ring(*at))
    }
}

fn is_within(spans: &[Span], at: Timestamp, zone: &TimeZone) -> bool {
    let at = at.to_zoned(zone.clone());
    let minute = i64::from(at.hour()) * 60 + i64::from(at.minute());
    spans.iter().any(|span| span.holds(at.weekday(), minute))
}

/// Every moment at which one of the hours begins or ends: by its own time of day, or because the clocks are changed.
fn edges(spans: &[Span], now: Timestamp, zone: &TimeZone) -> Vec<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let days: Vec<Date> = (-1..HORIZON)
        .filter_map(|n| today.checked_add(n.days()).ok())
        .collect();
    let times = spans.iter().flat_map(|span| [span.from, span.to]);
    let mut edges: Vec<Timestamp> = times
        .flat_map(|minutes| days.iter().flat_map(move |day| at(*day, minutes, zone)))
        .collect();
    let end = edges.iter().max().copied().unwrap_or(now);
    edges.extend(local_time::changes(zone, now, end));
    edges
}

fn at(day: Date, minutes: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let (hour, minute) = (minutes % DAY_MINUTES / 60, minutes % 60);
    let day = day.checked_add((minutes / DAY_MINUTES).days());
    let moments = |day: Date| local_time::moments(day.at(hour as i8, minute as i8, 0, 0), zone);
    day.map(moments).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Zoned;

    use super::*;

    fn hours(text: &str) -> (Hours, Numbering) {
        let text = format!("time_zone = \"Europe/Berlin\"\n{text}");
        let config = Config::parse(&text, "config.toml").unwrap();
        (Hours::of(&config).unwrap(), Numbering::of(&config).unwrap())
    }

    fn opens(text: &str, number: &str, now: &str) -> Option<String> {
        let (hours, numbers) = hours(text);
        let now: Zoned = format!("{now}[Europe/Berlin]").parse().unwrap();
        let at = hours.opens(number, &numbers, now.timestamp())?;
        Some(
            at.to_zoned(now.time_zone().clone())
                .strftime("%a %H:%M")
                .to_string(),
        )
    }

    const QUIET: &str = "[queue]\nquiet_hours = [\"22:00-07:00\", \"sun 00:00-24:00\"]\n";
    const NUMBER: &str = "+12025550123";

    #[test]
    fn a_quiet_night_ends_in_the_morning() {
        assert_eq!(opens(QUIET, NUMBER, "2026-11-20T21:59:00"), None);
        let morning = Some("Sat 07:00".to_owned());
        assert_eq!(opens(QUIET, NUMBER, "2026-11-20T22:00:00"), morning);
        assert_eq!(opens(QUIET, NUMBER, "2026-11-21T06:59:00"), morning);
        assert_eq!(opens(QUIET, NUMBER, "2026-11-21T07:00:00"), None);
        // Saturday's night runs into Sunday, which is quiet, and that into Monday's morning.
        let monday = Some("Mon 07:00".to_owned());
        assert_eq!(opens(QUIET, NUMBER, "2026-11-21T23:00:00"), monday);
    }

    #[test]
    fn recipients_have_hours_of_their_own_in_their_own_zone() {
        let text = "[[hours]]\nnumbers = [\"(|1|+1) NXX XXX XXXX\"]\nopen = [\"mon-fri 09:00-17:00\"]\n\
                    time_zone = \"America/New_York\"\n";
        let at = |now| opens(text, NUMBER, now);
        assert_eq!(at("2026-11-20T16:00:00"), None, "ten in the morning there");
        assert_eq!(at("2026-11-20T14:00:00"), Some("Fri 15:00".into()));
        assert_eq!(at("2026-11-20T23:30:00"), Some("Mon 15:00".into()));
        assert_eq!(opens(text, "+442079460018", "2026-11-20T23:30:00"), None);
    }

    #[test]
    fn quiet_hours_that_end_in_the_hour_left_out_end_when_the_clocks_are_changed() {
        let text = "[queue]\nquiet_hours = [\"22:00-02:30\"]\n";
        // On 29 March 2026 there is no 02:30 in Berlin: at three they are over.
        let opens = opens(text, NUMBER, "2026-03-29T01:30:00");
        assert_eq!(opens, Some("Sun 03:00".into()));
    }

    /// What is said of the next opening, minute by minute through both changes, is when it opens.
    #[test]
    fn hours_open_in_the_minute_that_was_named_through_both_changes_of_clocks() {
        for (zone, nights) in [
            ("Europe/Berlin", ["2026-10-25T00:00Z", "2026-03-29T00:00Z"]),
            (
                "America/New_York",
                ["2026-11-01T05:00Z", "2026-03-08T06:00Z"],
            ),
            (
                "America/St_Johns",
                ["2026-11-01T04:00Z", "2026-03-08T05:00Z"],
            ),
            (
                "Australia/Lord_Howe",
                ["2026-04-04T14:30Z", "2026-10-03T15:00Z"],
            ),
            (
                "Pacific/Chatham",
                ["2026-04-04T13:30Z", "2026-09-26T13:30Z"],
            ),
            ("Africa/Cairo", ["2026-10-29T20:30Z", "2026-04-23T21:30Z"]),
        ] {
            for written in [
                "22:00-02:30",
                "22:00-02:40",
                "22:00-01:45",
                "22:00-03:15",
                "20:00-23:30",
                "20:00-00:00",
                "01:10-02:20",
            ] {
                let text =
                    format!("time_zone = \"{zone}\"\n[queue]\nquiet_hours = [\"{written}\"]\n");
                let config = Config::parse(&text, "config.toml").unwrap();
                let (hours, numbers) =
                    (Hours::of(&config).unwrap(), Numbering::of(&config).unwrap());
                let zone = TimeZone::get(zone).unwrap();
                for night in nights {
                    let begin = night.parse::<Timestamp>().unwrap() - 2.hours();
                    for minutes in (0..360).step_by(5) {
                        let now = begin + minutes.minutes();
                        let named = hours.opens(NUMBER, &numbers, now).unwrap_or(now);
                        let is_quiet = |at| is_within(&hours.quiet, at, &zone);
                        let mut open = now;
                        while is_quiet(open) {
                            open += 5.minutes();
                        }
                        assert_eq!(named, open, "{written} at {}", now.to_zoned(zone.clone()));
                    }
                }
            }
        }
    }

    #[test]
    fn hours_without_a_gap_hold_nothing_back_for_ever() {
        let text = "[queue]\nquiet_hours = [\"00:00-24:00\"]\n";
        assert_eq!(opens(text, NUMBER, "2026-11-20T12:00:00"), None);
    }

    #[test]
    fn what_is_no_hours_is_refused() {
        for bad in [
            "",
            "8-18",
            "25:00-26:00",
            "08:00-08:00",
            "noday 08:00-18:00",
            "mon 08:00",
            "a b 08:00-09:00",
            "24:00-08:00",
            "-1:00-08:00",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for good in ["08:00-18:00", "fri-mon 22:00-7:00", "Sat,SUN 00:00-24:00"] {
            assert!(good.parse::<Span>().is_ok(), "{good}");
        }
    }
}
