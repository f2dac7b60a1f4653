//! Times of day, by the clock of a time zone: the only place where one is made a point of time (pure).
//!
//! When clocks go back, an hour is shown twice; when they go forward, one is left out, and the moment of the change
//! stands for every time in it: the clock shows a later time from then on.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The moments at which the clock of `zone` shows `local`, or, where it is left out, passes it: one, or two in their
/// order. None beyond the years that there are.
pub fn moments(local: DateTime, zone: &TimeZone) -> Vec<Timestamp> {
    let by = |offset: jiff::tz::Offset| offset.to_timestamp(local).ok();
    let found = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => [by(offset), None],
        AmbiguousOffset::Fold { before, after } => [by(before), by(after)],
        AmbiguousOffset::Gap { after, .. } => {
            let change = by(after).and_then(|then| zone.following(then).next());
            [change.map(|change| change.timestamp()), None]
        }
    };
    found.into_iter().flatten().collect()
}

/// The first moment behind `now` at which the clock shows `time`, or passes it.
pub fn next(time: Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = zone.to_datetime(now).date();
    let days = (-1..=2).filter_map(|n| today.checked_add(n.days()).ok());
    let moments = days.flat_map(|day| moments(day.to_datetime(time), zone));
    moments.filter(|then| *then > now).min()
}

/// The moments at which the clocks of `zone` are changed, behind `from` and before `until`.
pub fn changes(zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let changes = zone.following(from).map(|change| change.timestamp());
    changes.take_while(|at| *at < until).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone, a time that is shown twice with its moments, and one that is left out with the moment of the change.
    type Night = (
        &'static str,
        (&'static str, [&'static str; 2]),
        (&'static str, &'static str),
    );

    /// Changes of an hour at two, of one at midnight, and of half an hour; in both hemispheres.
    const NIGHTS: [Night; 6] = [
        (
            "Europe/Berlin",
            (
                "2026-10-25T02:30",
                ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
            ),
            ("2026-03-29T02:30", "2026-03-29T01:00:00Z"),
        ),
        (
            "America/New_York",
            (
                "2026-11-01T01:30",
                ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
            ),
            ("2026-03-08T02:30", "2026-03-08T07:00:00Z"),
        ),
        (
            "America/St_Johns",
            (
                "2026-11-01T01:30",
                ["2026-11-01T04:00:00Z", "2026-11-01T05:00:00Z"],
            ),
            ("2026-03-08T02:30", "2026-03-08T05:30:00Z"),
        ),
        (
            "Australia/Lord_Howe",
            (
                "2026-04-05T01:45",
                ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
            ),
            ("2026-10-04T02:15", "2026-10-03T15:30:00Z"),
        ),
        (
            "Pacific/Chatham",
            (
                "2026-04-05T03:15",
                ["2026-04-04T13:30:00Z", "2026-04-04T14:30:00Z"],
            ),
            ("2026-09-27T03:15", "2026-09-26T14:00:00Z"),
        ),
        (
            "Africa/Cairo",
            (
                "2026-10-29T23:30",
                ["2026-10-29T20:30:00Z", "2026-10-29T21:30:00Z"],
            ),
            ("2026-04-24T00:00", "2026-04-23T22:00:00Z"),
        ),
    ];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_that_is_shown_twice_has_two_moments_and_one_that_is_left_out_that_of_the_change() {
        for (name, (twice, both), (never, change)) in NIGHTS {
            let zone = TimeZone::get(name).unwrap();
            let found = moments(twice.parse().unwrap(), &zone);
            assert_eq!(found, both.map(at), "{name}: {twice}");
            let found = moments(never.parse().unwrap(), &zone);
            assert_eq!(found, [at(change)], "{name}: {never}");
            let day = moments("2026-01-15T12:00".parse().unwrap(), &zone);
            assert_eq!(day.len(), 1, "{name}");
        }
    }

    /// Minute by minute through both nights, against the definition: the clock is read.
    #[test]
    fn the_next_time_is_the_first_minute_in_which_the_clock_shows_or_has_passed_it() {
        for (name, (twice, both), (never, change)) in NIGHTS {
            let zone = TimeZone::get(name).unwrap();
            let time = |text: &str| text.parse::<DateTime>().unwrap().time();
            for (time, around) in [(time(twice), both[0]), (time(never), change)] {
                let begin = at(around) - 3.hours();
                let mut now = begin;
                while now < begin + 6.hours() {
                    let next = next(time, now, &zone).unwrap();
                    let mut minute = now + 1.minute();
                    while !shows(&zone, minute, time) {
                        minute += 1.minute();
                    }
                    assert_eq!(next, minute, "{name}: {time} behind {now}");
                    now += 7.minutes();
                    // The search goes by whole minutes, as all these times are.
                }
            }
        }
    }

    /// Whether the clock shows this minute, or has leapt over it since the minute before.
    fn shows(zone: &TimeZone, at: Timestamp, time: Time) -> bool {
        let (before, now) = (zone.to_datetime(at - 1.minute()), zone.to_datetime(at));
        let day = [before.date(), now.date()];
        let leapt = day
            .into_iter()
            .any(|day| before < day.to_datetime(time) && day.to_datetime(time) < now);
        now.time() == time || leapt
    }
}
