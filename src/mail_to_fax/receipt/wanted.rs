//! What a sender wants to hear of a fax (RFC 3461 4.1), and what is told to nobody.

use super::Kind;
use crate::config::TellDelivered;
use crate::proto::smtp::Notify;
use crate::queue::Millis;

/// What a sender wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// That it was delivered.
    pub success: bool,
    /// That it was not, or that nobody knows.
    pub failure: bool,
    /// That it takes long.
    pub delay: bool,
    /// It asked, or its account did: it gets reports for machines even of a delivery.
    pub by_dsn: bool,
}

impl Wanted {
    /// By NOTIFY as the queue keeps it (0 never, else 1 success + 2 failure + 4 delay); where the sender used none,
    /// failures and delays, and deliveries as the account's setting says.
    pub fn of(notify: Option<u8>, deliveries: TellDelivered) -> Wanted {
        match notify {
            Some(bits) => Wanted {
                success: bits & 1 != 0,
                failure: bits & 2 != 0,
                delay: bits & 4 != 0,
                by_dsn: true,
            },
            None => Wanted {
                success: deliveries != TellDelivered::Asked,
                failure: true,
                delay: true,
                by_dsn: deliveries == TellDelivered::Report,
            },
        }
    }

    /// Whether it wants to hear of this.
    pub fn wants(self, kind: Kind) -> bool {
        match kind {
            Kind::Delivered => self.success,
            Kind::Failed | Kind::Uncertain | Kind::Cancelled => self.failure,
            Kind::Delayed => self.delay,
        }
    }
}

/// When the sender of a fax hears that it still waits: so many hours after it might have left. `None`: never, because
/// nobody wants to know, or for 0 hours.
pub fn tell_delay_at(
    hours: u64,
    notify: Option<Notify>,
    not_before: Option<Millis>,
    now: Millis,
) -> Option<Millis> {
    let wanted = notify.is_none_or(|notify| notify.delay);
    let from = not_before.map_or(now, |at| at.max(now));
    (hours > 0 && wanted).then(|| from.plus_seconds(hours * 3600))
}

/// What the mail of a fax says of itself that forbids, or limits, an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// Nothing.
    None,
    /// A program wrote it (`Auto-Submitted: auto-generated`): it is told what it asked for, and of failures.
    Program,
    /// It is an answer or a report itself (RFC 3464 2, RFC 3834 2): nobody is told anything.
    Report,
}

/// Reads the header of the mail (RFC 3834 5, RFC 6522 3, RFC 8098 3).
pub fn reserve_of(header: &[u8]) -> Reserve {
    let header = String::from_utf8_lossy(header).to_ascii_lowercase();
    // RFC 5322 2.2.3: a line that begins with white space goes on with the one before.
    let unfolded = header
        .replace("\r\n", "\n")
        .replace("\n ", " ")
        .replace("\n\t", " ");
    let mut reserve = Reserve::None;
    for line in unfolded.lines().take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "auto-submitted" if value.starts_with("auto-replied") => return Reserve::Report,
            "auto-submitted" if value.starts_with("auto-") => reserve = Reserve::Program,
            "content-type" if value.starts_with("multipart/report") => return Reserve::Report,
            _ => {}
        }
    }
    reserve
}

#[cfg(test)]
mod tests {
    use super::*;
    use TellDelivered::{Asked, Mail, Report};

    #[test]
    fn notify_never_is_obeyed_and_without_notify_the_setting_counts() {
        let all = [
            Kind::Delivered,
            Kind::Failed,
            Kind::Delayed,
            Kind::Uncertain,
            Kind::Cancelled,
        ];
        let told = |wanted: Wanted| all.map(|kind| wanted.wants(kind));
        let never = [false; 5];
        for (notify, deliveries, expected) in [
            (Some(0), Report, never),
            (Some(1), Asked, [true, false, false, false, false]),
            (Some(2), Report, [false, true, false, true, true]),
            (Some(4), Mail, [false, false, true, false, false]),
            (Some(7), Asked, [true; 5]),
            (None, Mail, [true; 5]),
            (None, Report, [true; 5]),
            (None, Asked, [false, true, true, true, true]),
        ] {
            assert_eq!(told(Wanted::of(notify, deliveries)), expected, "{notify:?}");
        }
        // Reports for machines only where somebody asked for them.
        assert!(Wanted::of(Some(1), Asked).by_dsn && Wanted::of(None, Report).by_dsn);
        assert!(!Wanted::of(None, Mail).by_dsn);
    }

    #[test]
    fn a_delay_is_told_of_after_the_time_for_which_it_was_asked() {
        let (now, hour) = (Millis(1_000), Millis(3_601_000));
        let no = Notify::from_bits(3);
        assert_eq!(tell_delay_at(1, None, None, now), Some(hour));
        assert_eq!(
            tell_delay_at(1, Some(Notify::from_bits(4)), Some(Millis(0)), now),
            Some(hour)
        );
        assert_eq!(
            tell_delay_at(1, None, Some(hour), now),
            Some(Millis(7_201_000))
        );
        assert_eq!(tell_delay_at(1, Some(no), None, now), None);
        assert_eq!(tell_delay_at(0, None, None, now), None);
    }

    #[test]
    fn a_report_and_an_answer_are_known_by_their_header() {
        for (header, expected) in [
            (
                "Subject: x\r\n\r\nAuto-Submitted: auto-replied\r\n",
                Reserve::None,
            ),
            (
                "AUTO-submitted:\r\n Auto-Replied; x=y\r\n\r\n",
                Reserve::Report,
            ),
            ("Auto-Submitted: auto-generated\r\n\r\n", Reserve::Program),
            ("Auto-Submitted: no\r\n\r\n", Reserve::None),
            (
                "Auto-Submitted: auto-generated\r\nContent-Type: Multipart/Report;\r\n report-type=x\r\n\r\n",
                Reserve::Report,
            ),
            ("\u{fffd}garbage\r\n", Reserve::None),
            ("", Reserve::None),
        ] {
            assert_eq!(reserve_of(header.as_bytes()), expected, "{header:?}");
        }
    }
}
