//! What a sender may ask for: in the address (`12025550123+fine+at1800@fax.local`), with MAIL and RCPT, in fields of the
//! header (`X-Fax-Resolution: fine`), all read here into one form (pure).

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::config::local_time;
use crate::pages::Resolution;
use crate::pages::document::UnreadablePage;
use crate::proto::smtp::{DeliverBy, Hold, MailOptions, Notify, RcptOptions};

/// The options of an address, for the sentence that refuses another one.
const OPTIONS: &str = "standard, fine, superfine, cover, nocover, at1800 (a time), p5 (a priority from -9 to 9), code-4711 (a billing \
     code) and sub-6377 (a sub-address)";

/// The fields of a header.
const FIELDS: [&str; 10] = [
    "X-Fax-Resolution",
    "X-Fax-Cover",
    "X-Fax-At",
    "X-Fax-Until",
    "X-Fax-Priority",
    "X-Fax-Notify",
    "X-Fax-Code",
    "X-Fax-Notes",
    "X-Fax-Language",
    "X-Fax-Unreadable",
];

/// Characters of a billing code and of notes at most.
const MAX_CODE: usize = 32;
const MAX_NOTES: usize = 2000;

/// How much alike a mistyped name and a known one are.
const ALIKE: f64 = 0.8;

/// What is asked for. Nothing: as somebody else says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Resolution of the pages.
    pub resolution: Option<Resolution>,
    /// With a cover page, or without.
    pub cover: Option<bool>,
    /// Not before that.
    pub at: Option<When>,
    /// Not after that.
    pub until: Option<When>,
    /// When its sender wants to hear that it still waits.
    pub tell_late: Option<When>,
    /// From -9 to 9, higher first.
    pub priority: Option<i8>,
    /// Project or billing code.
    pub code: Option<String>,
    /// Whom or what the far end gives the pages to (SUB).
    pub sub_address: Option<String>,
    /// What the sender wants to be told.
    pub notify: Option<Notify>,
    /// For the cover page.
    pub notes: Option<String>,
    /// Of the receipts.
    pub language: Option<String>,
    /// What becomes of it where a page cannot be drawn.
    pub unreadable: Option<UnreadablePage>,
}

/// A point of time as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The next time that the clock shows this.
    Clock(Time),
    /// Then, by the clock of the site.
    Local(DateTime),
    /// Then.
    Exactly(Timestamp),
}

/// When a fax may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Not before that.
    pub not_before: Option<Timestamp>,
    /// Not after that.
    pub give_up: Option<Timestamp>,
    /// When its sender is told that it still waits.
    pub tell_delay: Option<Timestamp>,
}

/// What is asked for cannot be understood or done; [`std::fmt::Display`] is the sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// Behind a `+` in the address.
    #[error("\"+{0}\" is no option of an address; there are {OPTIONS}")]
    Option(String),
    /// Two behind a `+` speak of the same.
    #[error("\"+{0}\" contradicts or repeats another option of the address")]
    Contradiction(String),
    /// A field of the header that is nearly one of ours.
    #[error("the field {0} is not known; did you mean {1}?")]
    Field(String, &'static str),
    /// Its value.
    #[error("{field}: \"{value}\" must be {form}")]
    Value {
        /// The field or the option.
        field: String,
        /// As it was written.
        value: String,
        /// What could stand there.
        form: &'static str,
    },
    /// It stands there twice.
    #[error("the field {0} stands in the header twice")]
    Twice(&'static str),
    /// Too far ahead.
    #[error("the fax is to wait until {0}, and at most {1} days are allowed here")]
    TooLate(String, u32),
    /// Behind us.
    #[error("the fax is wanted by {0}, and that is over")]
    Over(String),
    /// It never may.
    #[error("the fax is to wait until {0}, and to be given up before that")]
    Never(String),
}

impl Wishes {
    /// These, and where they say nothing, the others.
    pub fn or(self, other: &Wishes) -> Wishes {
        let other = other.clone();
        Wishes {
            resolution: self.resolution.or(other.resolution),
            cover: self.cover.or(other.cover),
            at: self.at.or(other.at),
            until: self.until.or(other.until),
            tell_late: self.tell_late.or(other.tell_late),
            priority: self.priority.or(other.priority),
            code: self.code.or(other.code),
            sub_address: self.sub_address.or(other.sub_address),
            notify: self.notify.or(other.notify),
            notes: self.notes.or(other.notes),
            language: self.language.or(other.language),
            unreadable: self.unreadable.or(other.unreadable),
        }
    }

    /// Takes in one option of an address, such as `fine`.
    ///
    /// # Errors
    /// Where it is none, or stands there for the second time.
    pub fn option(&mut self, written: &str) -> Result<(), BadWish> {
        let unknown = || BadWish::Option(written.to_owned());
        let word = written.to_ascii_lowercase();
        let behind = |prefix: &str| {
            let rest = word.strip_prefix(prefix)?;
            Some(rest.strip_prefix('-').unwrap_or(rest))
        };
        match word.as_str() {
            "cover" => once(&mut self.cover, true),
            "nocover" => once(&mut self.cover, false),
            resolution if resolution.parse::<Resolution>().is_ok() => once(
                &mut self.resolution,
                resolution.parse().map_err(|_| unknown())?,
            ),
            _ => {
                if let Some(code) = behind("code").filter(|code| is_code(code)) {
                    // A code keeps its capitals.
                    once(
                        &mut self.code,
                        written[written.len() - code.len()..].to_owned(),
                    )
                } else if let Some(digits) = behind("sub").and_then(sub_address) {
                    once(&mut self.sub_address, digits)
                } else if let Some(when) = behind("at").and_then(When::read) {
                    once(&mut self.at, when)
                } else if behind("at").is_some_and(|time| time.starts_with(is_digit)) {
                    return Err(BadWish::Value {
                        field: "the address".to_owned(),
                        value: format!("+{written}"),
                        form: "a time of the day, such as +at1800",
                    });
                } else {
                    let priority = word.strip_prefix('p').and_then(priority);
                    once(&mut self.priority, priority.ok_or_else(unknown)?)
                }
            }
        }
        .then_some(())
        .ok_or_else(|| BadWish::Contradiction(written.to_owned()))
    }

    /// What the fields of a header ask for; those that are not about us may be among them.
    ///
    /// # Errors
    /// The first field that cannot be read.
    pub fn of_header<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Wishes, BadWish> {
        let mut wishes = Wishes::default();
        for (name, value) in fields {
            if let Some(field) = known(name)? {
                wishes.field(field, value.trim())?;
            }
        }
        Ok(wishes)
    }

    fn field(&mut self, field: &'static str, value: &str) -> Result<(), BadWish> {
        let bad = |form| BadWish::Value {
            field: field.to_owned(),
            value: one_paragraph(value).chars().take(80).collect(),
            form,
        };
        let lower = value.to_ascii_lowercase();
        let fresh = match field {
            "X-Fax-Resolution" => {
                let resolution = lower.parse();
                let resolution = resolution.map_err(|_| bad("standard, fine or superfine"))?;
                once(&mut self.resolution, resolution)
            }
            "X-Fax-Cover" => return self.cover_field(value),
            "X-Fax-At" | "X-Fax-Until" => {
                let when = When::read(value);
                let when = when.ok_or_else(|| bad("a time, such as 18:00 or 2026-11-24 18:00"))?;
                match field {
                    "X-Fax-At" => once(&mut self.at, when),
                    _ => once(&mut self.until, when),
                }
            }
            "X-Fax-Priority" => {
                let priority = priority(&lower);
                let form = "a number from -9 to 9, or urgent, normal or low";
                once(&mut self.priority, priority.ok_or_else(|| bad(form))?)
            }
            "X-Fax-Notify" => {
                let notify = notify(&lower);
                let form = "never, or some of success, failure and delay";
                once(&mut self.notify, notify.ok_or_else(|| bad(form))?)
            }
            "X-Fax-Code" if is_code(value) => once(&mut self.code, value.to_owned()),
            "X-Fax-Code" => return Err(bad("at most 32 letters, digits, - . and _")),
            "X-Fax-Language" => {
                let language = language(&lower).ok_or_else(|| bad("en or de"))?;
                once(&mut self.language, language)
            }
            "X-Fax-Unreadable" => {
                let unreadable = match lower.as_str() {
                    "refuse" => UnreadablePage::Refuse,
                    "skip" => UnreadablePage::Skip,
                    _ => return Err(bad("refuse or skip")),
                };
                once(&mut self.unreadable, unreadable)
            }
            _ => once(&mut self.notes, one_paragraph(value)),
        };
        fresh.then_some(()).ok_or(BadWish::Twice(field))
    }

    /// `yes; please call back`: what stands behind the semicolon goes onto the page.
    fn cover_field(&mut self, value: &str) -> Result<(), BadWish> {
        let (word, notes) = value.split_once(';').unwrap_or((value, ""));
        let cover = yes_or_no(&word.trim().to_ascii_lowercase());
        let cover = cover.ok_or_else(|| BadWish::Value {
            field: "X-Fax-Cover".to_owned(),
            value: one_paragraph(word.trim()).chars().take(80).collect(),
            form: "yes or no, with notes for the page behind a semicolon",
        })?;
        let notes = one_paragraph(notes.trim());
        if !notes.is_empty() {
            self.notes.get_or_insert(notes);
        }
        let fresh = once(&mut self.cover, cover);
        fresh.then_some(()).ok_or(BadWish::Twice("X-Fax-Cover"))
    }

    /// What MAIL asks for all recipients (RFC 4865, 2852, 6710).
    pub fn of_mail(options: &MailOptions, now: Timestamp) -> Wishes {
        let by = |by: DeliverBy| When::Exactly(later(now, i64::from(by.seconds)));
        let (back, late) = match options.by {
            Some(it) if it.or_return => (Some(by(it)), None),
            it => (None, it.map(by)),
        };
        Wishes {
            at: options.hold.map(|hold| match hold {
                Hold::For(seconds) => When::Exactly(later(now, i64::from(seconds))),
                Hold::Until(then) => When::Exactly(then),
            }),
            until: back,
            tell_late: late,
            priority: options.priority,
            ..Wishes::default()
        }
    }

    /// What RCPT asks for one (RFC 3461).
    pub fn of_rcpt(options: &RcptOptions) -> Wishes {
        Wishes {
            notify: options.notify,
            ..Wishes::default()
        }
    }

    /// When the fax may leave; it may be put off for so many days.
    ///
    /// # Errors
    /// Where it never may.
    pub fn times(&self, now: Timestamp, zone: &TimeZone, days: u32) -> Result<Times, BadWish> {
        let at = |when: Option<When>| when.map(|when| when.after(now, zone));
        // What was to wait for a time that is over need not wait.
        let not_before = at(self.at).filter(|then| *then > now);
        let give_up = at(self.until);
        let latest = later(now, i64::from(days) * 86_400);
        match (not_before, give_up) {
            (Some(then), _) if then > latest => Err(BadWish::TooLate(said(then, zone), days)),
            (_, Some(end)) if end <= now => Err(BadWish::Over(said(end, zone))),
            (Some(then), Some(end)) if end <= then => Err(BadWish::Never(said(then, zone))),
            _ => Ok(Times {
                not_before,
                give_up,
                tell_delay: at(self.tell_late).map(|then| then.max(now)),
            }),
        }
    }
}

impl When {
    /// `1800`, `18:00`, `2026-11-24 18:00`, with a zone or without.
    fn read(written: &str) -> Option<When> {
        let is_clock = |text: &str| text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
        let clock = match is_clock(written) {
            true => format!("{}:{}", &written[..2], &written[2..]),
            false => written.to_owned(),
        };
        // jiff reads a bare hour, too: nobody means 20:00 by "20".
        let clock = clock.parse::<Time>().ok().filter(|_| clock.contains(':'));
        let exactly = || written.parse::<Timestamp>().ok().map(When::Exactly);
        let local = || {
            let has_clock = written.len() > "2026-11-24".len();
            let local = written.parse::<DateTime>().ok().filter(|_| has_clock);
            local.map(When::Local)
        };
        let clock = clock.filter(|_| written.len() <= "18:00:00".len());
        clock.map(When::Clock).or_else(exactly).or_else(local)
    }

    /// The point of time that is meant. Of a time that the clocks show twice it is the one that is still to come, the
    /// first of them before the second.
    fn after(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            When::Exactly(then) => then,
            When::Local(local) => {
                let moments = local_time::moments(local, zone);
                let ahead = moments.iter().find(|then| **then > now);
                *ahead.or(moments.last()).unwrap_or(&now)
            }
            When::Clock(time) => local_time::next(time, now, zone).unwrap_or(now),
        }
    }
}

/// By the clock of the site.
fn said(then: Timestamp, zone: &TimeZone) -> String {
    let then = then.to_zoned(zone.clone());
    then.strftime("%Y-%m-%d %H:%M (%Z)").to_string()
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    let span = jiff::SignedDuration::from_secs(seconds);
    now.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Fills in what is not there yet; says whether it was not.
fn once<T>(place: &mut Option<T>, value: T) -> bool {
    place.replace(value).is_none()
}

/// The field by this name, if it is one of ours.
fn known(name: &str) -> Result<Option<&'static str>, BadWish> {
    let field = FIELDS
        .into_iter()
        .find(|field| field.eq_ignore_ascii_case(name));
    if field.is_some() || !name.to_ascii_lowercase().starts_with("x-fax-") {
        return Ok(field);
    }
    let likeness = |field: &str| {
        let (one, other) = (field.to_ascii_lowercase(), name.to_ascii_lowercase());
        strsim::normalized_levenshtein(&one, &other)
    };
    // Other gateways' fields are none of our business; one that was mistyped is.
    let nearest = FIELDS.into_iter().find(|field| likeness(field) > ALIKE);
    match nearest {
        Some(field) => Err(BadWish::Field(name.to_owned(), field)),
        None => Ok(None),
    }
}

fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// RFC 6710, and RFC 2156 for the words.
fn priority(word: &str) -> Option<i8> {
    match word {
        "urgent" | "high" => Some(4),
        "normal" => Some(0),
        "low" | "non-urgent" => Some(-4),
        number => number.parse().ok().filter(|it| (-9..=9).contains(it)),
    }
}

/// Unlike NOTIFY, which programs write: a person who asks for one thing does not mean to be left in the dark about a fax
/// that failed.
fn notify(words: &str) -> Option<Notify> {
    if words == "never" {
        return Some(Notify::default());
    }
    let mut notify = Notify {
        failure: true,
        ..Notify::default()
    };
    for word in words.split(',') {
        match word.trim() {
            "success" => notify.success = true,
            "delay" => notify.delay = true,
            "failure" => {}
            _ => return None,
        }
    }
    Some(notify)
}

/// T.30 5.3.6.1.3: twenty digits.
fn sub_address(digits: &str) -> Option<String> {
    let fits = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.to_owned())
}

fn is_code(code: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(fits)
}

/// The language that receipts are written in for who wants this one (RFC 5646 2.1): `de-AT` is `de`.
fn language(tag: &str) -> Option<String> {
    let name = tag.split('-').next().unwrap_or_default();
    matches!(name, "en" | "de").then(|| name.to_owned())
}

fn one_paragraph(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.take(MAX_NOTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(written: &str) -> Result<Wishes, BadWish> {
        let mut wishes = Wishes::default();
        for option in written.split('+') {
            wishes.option(option)?;
        }
        Ok(wishes)
    }

    fn now() -> Timestamp {
        "2026-11-24T15:30:00Z".parse().unwrap()
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn leaves(written: &str) -> Result<String, BadWish> {
        let header = Wishes::of_header([("X-Fax-At", written)])?;
        let times = header.times(now(), &berlin(), 30)?;
        Ok(times
            .not_before
            .map(|it| it.to_string())
            .unwrap_or_default())
    }

    #[test]
    fn a_person_can_type_options() {
        let wishes = options("fine+nocover+p5+code-AB.47_11+sub-6377+at1800").unwrap();
        assert_eq!(wishes.resolution, Some(Resolution::Fine));
        assert_eq!(wishes.cover, Some(false));
        assert_eq!(wishes.priority, Some(5));
        assert_eq!(wishes.code.as_deref(), Some("AB.47_11"));
        assert_eq!(wishes.sub_address.as_deref(), Some("6377"));
        assert_eq!(wishes.at, Some(When::Clock("18:00".parse().unwrap())));
        assert_eq!(options("p-9").unwrap().priority, Some(-9));
        assert_eq!(options("COVER").unwrap().cover, Some(true));
        assert_eq!(options("code4711").unwrap().code.as_deref(), Some("4711"));
    }

    #[test]
    fn an_option_that_is_none_is_named() {
        for written in [
            "",
            "tag",
            "p10",
            "p",
            "at",
            "code-",
            "code-a b",
            "subx",
            "sub",
            "sub-123456789012345678901",
            "c\u{f6}de-1",
        ] {
            let bad = options(written).expect_err(written).to_string();
            assert!(
                bad.contains("is no option of an address; there are standard"),
                "{written}: {bad}"
            );
        }
        for written in ["at25", "at2500", "at18", "at-6pm"] {
            let bad = options(written).expect_err(written).to_string();
            assert!(bad.contains("must be a time of the day"), "{bad}");
        }
        for written in ["fine+superfine", "cover+nocover", "code-1+code-2"] {
            let bad = options(written).expect_err(written).to_string();
            assert!(bad.contains("contradicts or repeats another"), "{bad}");
        }
    }

    #[test]
    fn a_time_is_the_next_one_by_the_clock_of_the_site() {
        for (written, then) in [
            ("18:00", "2026-11-24T17:00:00Z"),
            ("1800", "2026-11-24T17:00:00Z"),
            ("16:30", "2026-11-25T15:30:00Z"),
            ("08:05:10", "2026-11-25T07:05:10Z"),
            ("2026-11-26 08:00", "2026-11-26T07:00:00Z"),
            ("2026-11-26T08:00:00+05:00", "2026-11-26T03:00:00Z"),
            ("2026-11-26T08:00:00Z", "2026-11-26T08:00:00Z"),
            ("2026-11-20 08:00", ""),
        ] {
            assert_eq!(leaves(written).as_deref(), Ok(then), "{written}");
        }
        for written in ["soon", "25:00", "18", "2026-11-26", "24.11.2026 18:00", ""] {
            let bad = leaves(written).expect_err(written).to_string();
            assert_eq!(
                bad,
                format!(
                    "X-Fax-At: \"{written}\" must be a time, such as 18:00 or 2026-11-24 18:00"
                )
            );
        }
    }

    #[test]
    fn an_hour_that_the_clock_leaves_out_or_shows_twice_is_still_a_time() {
        let by = |written: &str, now: &str| {
            let when = When::read(written).unwrap();
            when.after(now.parse().unwrap(), &berlin()).to_string()
        };
        // There is no 02:30; at three it is past.
        for written in ["02:30", "2026-03-29 02:30"] {
            let then = by(written, "2026-03-28T23:30:00Z");
            assert_eq!(then, "2026-03-29T01:00:00Z", "{written}");
        }
        for written in ["02:30", "0230", "2026-10-25 02:30"] {
            let then = by(written, "2026-10-24T23:30:00Z");
            assert_eq!(then, "2026-10-25T00:30:00Z", "{written}");
            // At 02:45 in summer time it is 02:30 once more in 45 minutes.
            let then = by(written, "2026-10-25T00:45:00Z");
            assert_eq!(then, "2026-10-25T01:30:00Z", "{written}");
        }
        assert_eq!(by("02:30", "2026-10-25T01:45:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_can_never_be_done_is_refused() {
        let times = |fields: &[(&str, &str)]| {
            let wishes = Wishes::of_header(fields.iter().copied()).unwrap();
            wishes
                .times(now(), &berlin(), 3)
                .map_err(|bad| bad.to_string())
        };
        let late = times(&[("X-Fax-At", "2026-11-28 18:00")]).unwrap_err();
        assert!(
            late.ends_with("and at most 3 days are allowed here"),
            "{late}"
        );
        let over = times(&[("X-Fax-Until", "2026-11-24T15:00:00Z")]).unwrap_err();
        let expected = "the fax is wanted by 2026-11-24 16:00 (CET), and that is over";
        assert_eq!(over, expected);
        let never = times(&[("X-Fax-At", "18:00"), ("X-Fax-Until", "17:30")]).unwrap_err();
        assert!(never.ends_with("to be given up before that"), "{never}");
        assert!(times(&[("X-Fax-At", "18:00"), ("X-Fax-Until", "20:00")]).is_ok());
    }

    #[test]
    fn a_header_says_the_same_as_an_address() {
        let wishes = Wishes::of_header([
            ("x-fax-resolution", " Superfine "),
            ("X-Fax-Cover", "yes"),
            ("X-Fax-Priority", "urgent"),
            ("X-Fax-Notify", "Success"),
            ("X-Fax-Code", "4711"),
            ("X-Fax-Notes", "please call\tback"),
            ("X-Fax-Language", "de-AT"),
            ("X-Fax-Unreadable", "Skip"),
            ("X-Faxed-By", "somebody else"),
            ("X-Fax-Serial-Number", "of another machine"),
            ("Subject", "x"),
        ])
        .unwrap();
        assert_eq!(
            wishes,
            Wishes {
                resolution: Some(Resolution::Superfine),
                cover: Some(true),
                priority: Some(4),
                // Who wants to hear of success wants to hear of failure.
                notify: Some(Notify::from_bits(3)),
                code: Some("4711".into()),
                notes: Some("please call back".into()),
                language: Some("de".into()),
                unreadable: Some(UnreadablePage::Skip),
                ..Wishes::default()
            }
        );
    }

    #[test]
    fn notes_for_the_cover_may_stand_with_the_wish_for_one() {
        let read = |value| Wishes::of_header([("X-Fax-Cover", value)]);
        let wishes = read("yes; Please call back; today").unwrap();
        assert_eq!(wishes.notes.as_deref(), Some("Please call back; today"));
        assert_eq!(
            (wishes.cover, read("NO").unwrap().cover),
            (Some(true), Some(false))
        );
        assert!(read("").is_err() && read("perhaps; x").is_err());
    }

    #[test]
    fn a_bad_field_is_named_with_what_could_stand_there() {
        for (name, value, said) in [
            (
                "X-Fax-Resolution",
                "best",
                "X-Fax-Resolution: \"best\" must be standard, fine or superfine",
            ),
            (
                "X-Fax-Cover",
                "maybe",
                "X-Fax-Cover: \"maybe\" must be yes or no",
            ),
            ("X-Fax-Priority", "11", "must be a number from -9 to 9"),
            (
                "X-Fax-Notify",
                "success, never",
                "must be never, or some of",
            ),
            ("X-Fax-Code", "a b", "must be at most 32 letters"),
            ("X-Fax-Language", "Deutsch bitte", "must be en or de"),
            ("X-Fax-Unreadable", "perhaps", "must be refuse or skip"),
            (
                "X-Fax-Resoluton",
                "fine",
                "the field X-Fax-Resoluton is not known; did you mean X-Fax-Resolution?",
            ),
        ] {
            let bad = Wishes::of_header([(name, value)]).unwrap_err().to_string();
            assert!(bad.contains(said), "{bad}");
        }
        let twice = Wishes::of_header([("X-Fax-Cover", "yes"), ("x-fax-cover", "no")]);
        assert_eq!(twice, Err(BadWish::Twice("X-Fax-Cover")));
    }

    #[test]
    fn what_is_nearer_to_the_recipient_counts() {
        let address = options("fine").unwrap();
        let header = Wishes::of_header([("X-Fax-Resolution", "standard"), ("X-Fax-Cover", "no")]);
        let both = address.or(&header.unwrap());
        assert_eq!(
            (both.resolution, both.cover),
            (Some(Resolution::Fine), Some(false))
        );
    }

    #[test]
    fn mail_asks_in_seconds_from_now() {
        let options = |by| MailOptions {
            hold: Some(Hold::For(60)),
            by: Some(by),
            priority: Some(3),
            ..MailOptions::default()
        };
        let by = |seconds, or_return| DeliverBy { seconds, or_return };
        let times = |by| Wishes::of_mail(&options(by), now()).times(now(), &berlin(), 1);
        let then = |text: &str| Some(text.parse().unwrap());
        let back = times(by(3600, true)).unwrap();
        assert_eq!(back.not_before, then("2026-11-24T15:31:00Z"));
        assert_eq!(
            (back.give_up, back.tell_delay),
            (then("2026-11-24T16:30:00Z"), None)
        );
        let late = times(by(-5, false)).unwrap();
        assert_eq!((late.give_up, late.tell_delay), (None, Some(now())));
        assert!(times(by(30, true)).is_err(), "back before it may leave");
    }

    #[test]
    fn mutated_wishes_never_panic() {
        let mut rng = fastrand::Rng::with_seed(3192);
        let seeds = [
            "at1800",
            "2026-11-26T08:00:00+05:00",
            "code-4711",
            "sub-63",
            "p-5",
            "success, delay",
        ];
        for _ in 0..20_000 {
            let mut text: Vec<char> = rng.choice(seeds).unwrap().chars().collect();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..text.len());
                match rng.u8(..3) {
                    0 => text[at] = rng.char('\0'..'\u{300}'),
                    1 if text.len() > 1 => drop(text.remove(at)),
                    _ => text.insert(at, rng.char(' '..'~')),
                }
            }
            let text: String = text.into_iter().collect();
            let _ = Wishes::default().option(&text);
            for field in FIELDS {
                if let Ok(wishes) = Wishes::of_header([(field, text.as_str())]) {
                    let _ = wishes.times(now(), &berlin(), 30);
                }
            }
        }
    }
}
