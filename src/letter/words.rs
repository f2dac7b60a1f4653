//! How numbers, spans and times read in each language.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::wording::one_line;
use crate::call::outcome::FarEnd;
use crate::pages::cover::Language;

/// "1 page", "2 Seiten".
pub fn pages(n: u32, language: Language) -> String {
    let (one, many) = match language {
        Language::En => ("page", "pages"),
        Language::De => ("Seite", "Seiten"),
    };
    counted(u64::from(n), one, many)
}

/// "48 seconds", "2 minutes 5 seconds", "1 Stunde 1 Minute".
pub fn seconds(seconds: f64, language: Language) -> String {
    let units = match language {
        Language::En => [
            ("hour", "hours"),
            ("minute", "minutes"),
            ("second", "seconds"),
        ],
        Language::De => [
            ("Stunde", "Stunden"),
            ("Minute", "Minuten"),
            ("Sekunde", "Sekunden"),
        ],
    };
    let total = seconds.max(0.0).round() as u64;
    let amounts = [total / 3600, total / 60 % 60, total % 60];
    // The two largest units; nothing is said of seconds once there are hours.
    let first = amounts.iter().position(|n| *n > 0).unwrap_or(2);
    let words: Vec<String> = (first..3.min(first + 2))
        .filter(|unit| *unit == first || amounts[*unit] > 0)
        .map(|unit| counted(amounts[unit], units[unit].0, units[unit].1))
        .collect();
    words.join(" ")
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The months in German.
pub(super) const MONATE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// "21 November 2026 at 10:15 (CET)", "21. November 2026 um 10:15 Uhr (MEZ)".
pub fn when(time: Timestamp, zone: &TimeZone, language: Language) -> String {
    let time = time.to_zoned(zone.clone());
    match language {
        Language::En => time.strftime("%-d %B %Y at %H:%M (%Z)").to_string(),
        Language::De => {
            let month = MONATE[time.month() as usize - 1];
            let zone = match time.strftime("%Z").to_string() {
                zone if zone == "CET" => "MEZ".to_owned(),
                zone if zone == "CEST" => "MESZ".to_owned(),
                zone => zone,
            };
            let (day, rest) = (time.day(), time.strftime("%Y um %H:%M Uhr"));
            format!("{day}. {month} {rest} ({zone})")
        }
    }
}

/// "21 Nov 2026 10:15:02", "21.11.2026 10:15:02".
pub fn clock(time: Timestamp, zone: &TimeZone, language: Language) -> String {
    let time = time.to_zoned(zone.clone());
    let form = match language {
        Language::En => "%-d %b %Y %H:%M:%S",
        Language::De => "%d.%m.%Y %H:%M:%S",
    };
    time.strftime(form).to_string()
}

/// "T.38, 14400 bit/s, T.6, with error correction"; `None` where T.30 never agreed on a speed.
pub fn line(far_end: &FarEnd, language: Language) -> Option<String> {
    if far_end.bit_rate == 0 {
        return None;
    }
    let (audio, correction) = match (language, far_end.ecm) {
        (Language::En, true) => ("audio", "with error correction"),
        (Language::En, false) => ("audio", "without error correction"),
        (Language::De, true) => ("Sprachkanal", "mit Fehlerkorrektur"),
        (Language::De, false) => ("Sprachkanal", "ohne Fehlerkorrektur"),
    };
    let way = if far_end.t38 { "T.38" } else { audio };
    let coding = match one_line(&far_end.compression, 20) {
        coding if coding.is_empty() => coding,
        coding => format!(", {coding}"),
    };
    let speed = far_end.bit_rate;
    Some(format!("{way}, {speed} bit/s{coding}, {correction}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{De, En};

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!(
            (pages(1, En), pages(1, De)),
            ("1 page".into(), "1 Seite".into())
        );
        assert_eq!(
            (pages(0, En), pages(0, De)),
            ("0 pages".into(), "0 Seiten".into())
        );
        for (n, english, german) in [
            (0.2, "0 seconds", "0 Sekunden"),
            (1.4, "1 second", "1 Sekunde"),
            (59.4, "59 seconds", "59 Sekunden"),
            (59.6, "1 minute", "1 Minute"),
            (125.0, "2 minutes 5 seconds", "2 Minuten 5 Sekunden"),
            (3600.0, "1 hour", "1 Stunde"),
            (3661.0, "1 hour 1 minute", "1 Stunde 1 Minute"),
            (-3.0, "0 seconds", "0 Sekunden"),
            (f64::NAN, "0 seconds", "0 Sekunden"),
        ] {
            assert_eq!(
                (seconds(n, En).as_str(), seconds(n, De).as_str()),
                (english, german)
            );
        }
    }

    #[test]
    fn times_are_told_in_the_readers_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let winter = "2026-11-21T09:15:02Z".parse().unwrap();
        assert_eq!(when(winter, &zone, En), "21 November 2026 at 10:15 (CET)");
        assert_eq!(
            when(winter, &zone, De),
            "21. November 2026 um 10:15 Uhr (MEZ)"
        );
        let summer = "2026-07-01T22:30:00Z".parse().unwrap();
        assert_eq!(when(summer, &zone, En), "2 July 2026 at 00:30 (CEST)");
        assert_eq!(when(summer, &zone, De), "2. Juli 2026 um 00:30 Uhr (MESZ)");
        assert_eq!(clock(winter, &zone, En), "21 Nov 2026 10:15:02");
        assert_eq!(clock(winter, &zone, De), "21.11.2026 10:15:02");
    }
}
