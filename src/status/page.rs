//! Snapshot to HTML.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::snapshot::Snapshot;
use crate::call::outcome::Outcome;

/// The template with its filters.
pub(super) struct Page {
    templates: Environment<'static>,
}

impl Page {
    /// A page whose times are told in `zone`.
    pub(super) fn new(zone: TimeZone) -> Page {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let tidy = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        templates.set_syntax(tidy.expect("the default delimiters"));
        templates.add_filter("clock", move |time: &str, now: &str| {
            Ok::<_, Error>(clock(parse(time)?, parse(now)?, &zone))
        });
        templates.add_filter("until", |time: &str, now: &str| {
            Ok::<_, Error>(until(parse(time)?, parse(now)?))
        });
        templates.add_filter("since", |time: &str, now: &str| {
            let seconds = parse(now)?.as_second() - parse(time)?.as_second();
            Ok::<_, Error>(span(seconds.max(0) as u64))
        });
        templates.add_filter("span", span);
        templates.add_filter("timer", timer);
        templates.add_filter("words", |outcome: &str| {
            Outcome::from_name(outcome).map_or("", Outcome::in_words)
        });
        templates.add_filter("s", |n: u64| if n == 1 { "" } else { "s" });
        // The ".html" of the name turns escaping on.
        templates
            .add_template("page.html", include_str!("page.html"))
            .expect("a compiled-in template is well-formed");
        Page { templates }
    }

    /// The page for this moment.
    pub(super) fn render(&self, snapshot: &Snapshot) -> Result<String, Error> {
        let facts = Value::from(Serde(snapshot));
        self.templates.get_template("page.html")?.render(facts)
    }
}

fn parse(time: &str) -> Result<Timestamp, Error> {
    time.parse()
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("{time:?}: {e}")))
}

/// "10:15:02" today, "20 Nov 10:15" on other days.
fn clock(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (time, now) = (time.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = match time.date() == now.date() {
        true => "%H:%M:%S",
        false => "%-d %b %H:%M",
    };
    time.strftime(form).to_string()
}

/// "in 4 min", "now".
fn until(time: Timestamp, now: Timestamp) -> String {
    match time.as_second() - now.as_second() {
        ..=0 => "now".to_string(),
        seconds => format!("in {}", span(seconds as u64)),
    }
}

/// A span of seconds in its two largest units: "42 s", "4 min", "3 h 20 min", "12 d 4 h".
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

/// Seconds of a call: "0:48", "12:05".
fn timer(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_say_the_day_only_where_it_is_another() {
        let zone = TimeZone::posix("CET-1").unwrap();
        let now = "2026-11-21T09:15:02Z".parse().unwrap();
        assert_eq!(clock(now, now, &zone), "10:15:02");
        let late = "2026-11-20T22:59:59Z".parse().unwrap();
        assert_eq!(clock(late, now, &zone), "20 Nov 23:59");
        let midnight = "2026-11-20T23:00:00Z".parse().unwrap();
        assert_eq!(clock(midnight, now, &zone), "00:00:00");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (12_000, "3 h 20 min"),
            (1_051_200, "12 d 4 h"),
        ] {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(timer(725), "12:05");
    }
}
