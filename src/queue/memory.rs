//! What a call teaches about its number, and what that changes about the next one. Pure.
//!
//! | what a call to the number ended in | the next one |
//! |---|---|
//! | T.38 silent, or T.38 that could not be agreed | begins in audio, and refuses T.38 |
//! | two calls in a row that negotiated nothing in T.38 | the same |
//! | refused in audio, because the far end wanted T.38 | goes by T.38 again |
//! | a page refused (RTN), or two calls in a row that broke on the line | at most 9600 bit/s, then without ECM, then 4800 |
//! | delivered | as before; what worked is written down |
//!
//! A call that nobody answered teaches nothing, nor does one that broke when we stood still in it. A lesson ends with its days: a far end that was mended is tried anew.

use serde::{Deserialize, Serialize};

use super::Millis;
use crate::call::outcome::{CallReport, Outcome};

/// What is remembered of a number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Memory {
    /// The number in canonical form.
    pub number: String,
    /// How its next call begins; `None`: as the trunk is set.
    pub begin: Option<Begin>,
    /// The fastest modem to use, bit/s; `None`: as is set.
    pub max_bit_rate: Option<u32>,
    /// `Some(false)`: without error correction; `None`: as is set.
    pub ecm: Option<bool>,
    /// What taught these three, in words; empty where they say nothing.
    pub why: String,
    /// How the last call that taught something ended.
    pub outcome: Outcome,
    /// Calls in a row that broke on the line.
    pub in_a_row: u32,
    /// How pages went through last.
    pub worked: Option<Worked>,
    /// When it was learned.
    pub learned_at: Millis,
    /// When it is forgotten.
    pub expires_at: Millis,
}

/// How a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// As the trunk is set, audio having been refused.
    T38,
    /// In audio: T.38 is neither asked for nor taken.
    Audio,
}

impl Begin {
    /// The name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Begin::T38 => "t38",
            Begin::Audio => "audio",
        }
    }

    /// What is stored under `name`.
    pub fn from_name(name: &str) -> Option<Begin> {
        [Begin::T38, Begin::Audio]
            .into_iter()
            .find(|begin| begin.name() == name)
    }
}

/// How a fax went through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worked {
    /// When.
    pub at: Millis,
    /// By T.38; false: audio.
    pub t38: bool,
    /// bit/s.
    pub bit_rate: u32,
    /// With error correction.
    pub ecm: bool,
    /// The far end's identification.
    pub ident: Option<String>,
}

/// How a call was placed, and when: what its end is to be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// In audio from the first, T.38 being refused.
    pub audio_only: bool,
    /// The fastest modem it might use, bit/s.
    pub max_bit_rate: u32,
    /// With error correction where the far end has it.
    pub ecm: bool,
}

impl Memory {
    /// What it changes about the next call, in words, for the attempt's row; `None`: nothing.
    pub fn choice(&self) -> Option<String> {
        let speed = self
            .max_bit_rate
            .map(|rate| format!("at most {rate} bit/s"));
        let parts = [
            (self.begin == Some(Begin::Audio)).then(|| "audio".to_owned()),
            speed,
            (self.ecm == Some(false)).then(|| "no error correction".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{}, because {}", parts.join(", "), self.why))
    }
}

/// The kinds of trouble that teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// T.38 does not work with this number.
    NoT38,
    /// T.38 was agreed, and T.30 got nowhere in it.
    T38Mute,
    /// The far end wanted T.38, and was refused.
    WantsT38,
    /// The line does not carry what was sent on it.
    Line,
    /// The far end could not read a page.
    BadPage,
}

fn trouble(report: &CallReport, placed: Placed) -> Option<Trouble> {
    use Outcome::*;
    if report.stalled {
        return None;
    }
    let far = &report.far_end;
    let negotiated = far.bit_rate > 0;
    match report.outcome {
        T38Silent => Some(Trouble::NoT38),
        T38Failed if placed.audio_only => Some(Trouble::WantsT38),
        T38Failed => Some(Trouble::NoT38),
        PageRefused => Some(Trouble::BadPage),
        TrainingFailed => Some(Trouble::Line),
        ProtocolError | FarEndSilent | FarEndHungUp if negotiated => Some(Trouble::Line),
        ProtocolError | FarEndSilent | FarEndHungUp | NoFax if far.t38 => Some(Trouble::T38Mute),
        _ => None,
    }
}

/// What is known of the number after this call; `None`: the call taught nothing new.
pub fn learn(
    before: Option<Memory>,
    number: &str,
    report: &CallReport,
    placed: Placed,
    days: u32,
    now: Millis,
) -> Option<Memory> {
    let expires_at = now.plus_seconds(u64::from(days) * 86_400);
    let known = before.unwrap_or_else(|| Memory {
        number: number.to_owned(),
        begin: None,
        max_bit_rate: None,
        ecm: None,
        why: String::new(),
        outcome: report.outcome,
        in_a_row: 0,
        worked: None,
        learned_at: now,
        expires_at,
    });
    if report.outcome == Outcome::Delivered {
        return Some(delivered(known, report, expires_at, now));
    }
    let trouble = trouble(report, placed)?;
    let taught = Memory {
        outcome: report.outcome,
        in_a_row: known.in_a_row + 1,
        ..known
    };
    let lesson = lesson(&taught, trouble, report, placed);
    Some(match lesson {
        None => taught,
        Some((why, change)) => Memory {
            begin: change.begin,
            max_bit_rate: change.max_bit_rate,
            ecm: change.ecm,
            why,
            learned_at: now,
            expires_at,
            ..taught
        },
    })
}

/// What worked is noted. A lesson keeps its day of expiry, or it would never be put to the test again.
fn delivered(known: Memory, report: &CallReport, expires_at: Millis, now: Millis) -> Memory {
    let far = &report.far_end;
    let lessons = known.begin.is_some() || known.max_bit_rate.is_some() || known.ecm.is_some();
    Memory {
        outcome: Outcome::Delivered,
        in_a_row: 0,
        worked: Some(Worked {
            at: now,
            t38: far.t38,
            bit_rate: far.bit_rate,
            ecm: far.ecm,
            ident: far.ident.clone(),
        }),
        learned_at: if lessons { known.learned_at } else { now },
        expires_at: if lessons {
            known.expires_at
        } else {
            expires_at
        },
        ..known
    }
}

/// The three things that a lesson may change.
#[derive(Debug, Clone, Copy)]
struct Change {
    begin: Option<Begin>,
    max_bit_rate: Option<u32>,
    ecm: Option<bool>,
}

fn lesson(
    known: &Memory,
    trouble: Trouble,
    report: &CallReport,
    placed: Placed,
) -> Option<(String, Change)> {
    let now = Change {
        begin: known.begin,
        max_bit_rate: known.max_bit_rate,
        ecm: known.ecm,
    };
    let begin = |begin| Change {
        begin: Some(begin),
        ..now
    };
    match trouble {
        Trouble::NoT38 => Some((report.outcome.in_words().to_owned(), begin(Begin::Audio))),
        Trouble::T38Mute if known.in_a_row >= 2 => {
            let why = "twice nothing was agreed in T.38".to_owned();
            Some((why, begin(Begin::Audio)))
        }
        Trouble::WantsT38 => {
            let why = "the far end wants T.38 and hangs up without".to_owned();
            Some((why, begin(Begin::T38)))
        }
        Trouble::BadPage => easier(now, report, placed),
        Trouble::Line if known.in_a_row >= 2 => easier(now, report, placed),
        Trouble::T38Mute | Trouble::Line => None,
    }
}

/// One step down: 9600 bit/s, then no error correction, then 4800, then, in T.38, audio at full speed.
fn easier(now: Change, report: &CallReport, placed: Placed) -> Option<(String, Change)> {
    let far = &report.far_end;
    let speed = match far.bit_rate {
        0 => placed.max_bit_rate,
        rate => rate.min(placed.max_bit_rate),
    };
    let with_ecm = placed.ecm && (far.ecm || far.bit_rate == 0);
    let how = if with_ecm {
        " with error correction"
    } else {
        ""
    };
    let why = format!(
        "at {speed} bit/s{how} {}",
        match report.outcome {
            Outcome::PageRefused => "the far end did not accept a page",
            Outcome::TrainingFailed => "no speed could be agreed",
            _ => "the calls broke",
        }
    );
    let step = |change| Some((why.clone(), change));
    if speed > 9600 {
        step(Change {
            max_bit_rate: Some(9600),
            ..now
        })
    } else if with_ecm && report.outcome != Outcome::TrainingFailed {
        step(Change {
            ecm: Some(false),
            ..now
        })
    } else if speed > 4800 {
        step(Change {
            max_bit_rate: Some(4800),
            ..now
        })
    } else if far.t38 && !placed.audio_only {
        step(Change {
            begin: Some(Begin::Audio),
            max_bit_rate: None,
            ecm: None,
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::outcome::FarEnd;

    const NOW: Millis = Millis(1_795_000_000_000);
    const DAY: u64 = 86_400;
    const PLACED: Placed = Placed {
        audio_only: false,
        max_bit_rate: 14400,
        ecm: true,
    };

    fn report(outcome: Outcome, far_end: FarEnd) -> CallReport {
        CallReport {
            far_end,
            seconds: 30.0,
            ..CallReport::never_placed(outcome, String::new())
        }
    }

    fn t38(bit_rate: u32) -> FarEnd {
        FarEnd {
            bit_rate,
            ecm: bit_rate > 0,
            t38: true,
            ..FarEnd::default()
        }
    }

    /// What the number's memory is after these calls, each placed as the memory before it says.
    fn after(calls: &[(Outcome, FarEnd)]) -> Option<Memory> {
        calls
            .iter()
            .fold(None, |known: Option<Memory>, (outcome, far)| {
                let placed = known.as_ref().map_or(PLACED, |known| Placed {
                    audio_only: known.begin == Some(Begin::Audio),
                    max_bit_rate: known.max_bit_rate.unwrap_or(14400),
                    ecm: known.ecm.unwrap_or(true),
                });
                let report = report(*outcome, far.clone());
                learn(known.clone(), "+12025550123", &report, placed, 30, NOW).or(known)
            })
    }

    #[test]
    fn t38_that_fell_silent_is_not_tried_again() {
        let known = after(&[(Outcome::T38Silent, t38(0))]).unwrap();
        assert_eq!(known.begin, Some(Begin::Audio));
        assert_eq!(known.expires_at, NOW.plus_seconds(30 * DAY));
        assert_eq!(
            known.choice().unwrap(),
            "audio, because fax over IP (T.38) was agreed, and then nothing came from the far end"
        );
    }

    #[test]
    fn a_far_end_that_wants_t38_and_nothing_else_gets_it() {
        let calls = [
            (Outcome::T38Silent, t38(0)),
            (Outcome::T38Failed, FarEnd::default()),
        ];
        let known = after(&calls).unwrap();
        assert_eq!((known.begin, known.choice()), (Some(Begin::T38), None));
    }

    #[test]
    fn negotiation_that_fails_in_t38_twice_goes_to_audio() {
        let once = (Outcome::ProtocolError, t38(0));
        assert_eq!(after(std::slice::from_ref(&once)).unwrap().begin, None);
        let twice = after(&[once.clone(), once]).unwrap();
        assert_eq!(twice.begin, Some(Begin::Audio));
    }

    #[test]
    fn a_bad_line_is_given_less_and_less() {
        let broken = |rate| (Outcome::FarEndSilent, t38(rate));
        let one = after(&[broken(14400)]).unwrap();
        assert_eq!(one.choice(), None, "once is chance");
        let two = after(&[broken(14400), broken(14400)]).unwrap();
        assert_eq!((two.max_bit_rate, two.ecm), (Some(9600), None));
        assert_eq!(
            two.choice().unwrap(),
            "at most 9600 bit/s, because at 14400 bit/s with error correction the calls broke"
        );
        let mut calls = vec![broken(14400), broken(14400), broken(9600)];
        let three = after(&calls).unwrap();
        assert_eq!((three.max_bit_rate, three.ecm), (Some(9600), Some(false)));
        let no_ecm = |rate| {
            let far = FarEnd {
                ecm: false,
                ..t38(rate)
            };
            (Outcome::FarEndSilent, far)
        };
        calls.push(no_ecm(9600));
        let four = after(&calls).unwrap();
        assert_eq!((four.max_bit_rate, four.ecm), (Some(4800), Some(false)));
        calls.push(no_ecm(4800));
        let five = after(&calls).unwrap();
        assert_eq!(
            (five.begin, five.max_bit_rate, five.ecm),
            (Some(Begin::Audio), None, None)
        );
    }

    #[test]
    fn a_page_that_was_refused_goes_slower_at_once() {
        let known = after(&[(Outcome::PageRefused, t38(14400))]).unwrap();
        assert_eq!(known.max_bit_rate, Some(9600));
    }

    #[test]
    fn training_that_fails_has_nothing_to_do_with_error_correction() {
        let failed = (Outcome::TrainingFailed, t38(0));
        let calls = vec![failed.clone(); 3];
        let known = after(&calls).unwrap();
        assert_eq!((known.max_bit_rate, known.ecm), (Some(4800), None));
    }

    #[test]
    fn what_worked_is_noted_and_a_lesson_keeps_its_day() {
        let known = after(&[(Outcome::T38Silent, t38(0))]).unwrap();
        let later = NOW.plus_seconds(10 * DAY);
        let far = FarEnd {
            ident: Some("+1 202 555 0123".into()),
            bit_rate: 14400,
            ecm: true,
            ..FarEnd::default()
        };
        let placed = Placed {
            audio_only: true,
            ..PLACED
        };
        let sent = report(Outcome::Delivered, far);
        let known = learn(Some(known), "+12025550123", &sent, placed, 30, later).unwrap();
        assert_eq!(known.begin, Some(Begin::Audio));
        assert_eq!(known.expires_at, NOW.plus_seconds(30 * DAY));
        let worked = known.worked.unwrap();
        assert_eq!(
            (worked.t38, worked.bit_rate, worked.at),
            (false, 14400, later)
        );
    }

    #[test]
    fn success_forgives_single_failures() {
        let broken = (Outcome::FarEndSilent, t38(14400));
        let calls = [broken.clone(), (Outcome::Delivered, t38(14400)), broken];
        assert_eq!(after(&calls).unwrap().max_bit_rate, None);
    }

    #[test]
    fn a_call_that_broke_while_we_stood_still_teaches_nothing() {
        let stalled = CallReport {
            stalled: true,
            ..report(Outcome::T38Silent, t38(14400))
        };
        assert_eq!(learn(None, "1", &stalled, PLACED, 30, NOW), None);
        let own = report(Outcome::T38Silent, t38(14400));
        assert!(learn(None, "1", &own, PLACED, 30, NOW).is_some());
    }

    #[test]
    fn calls_that_reached_no_fax_teach_nothing() {
        for outcome in [
            Outcome::Busy,
            Outcome::NoAnswer,
            Outcome::TrunkDown,
            Outcome::NotInService,
            Outcome::NoFax,
            Outcome::VoiceAnswered,
            Outcome::Cancelled,
            Outcome::ChildCrashed,
            Outcome::StorageFailed,
            Outcome::NoPages,
            Outcome::GatewayStalled,
        ] {
            assert_eq!(after(&[(outcome, FarEnd::default())]), None, "{outcome}");
        }
    }
}
