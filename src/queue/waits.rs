//! What a fax waits for, as far as the books tell: one answer for the page and for the commands.

use super::Millis;
use super::view::FaxRow;

/// Why a fax that is not over is in no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// It does not: it is in a call.
    InCall,
    /// For its pages, which are being made.
    Pages,
    /// Until `postfax release`.
    Held,
    /// Until the time that its sender asked for.
    Asked(Millis),
    /// Until its number has had the rest that an earlier call to it brought.
    Rest(Millis),
    /// Until the delay after its last attempt is over.
    Retry(Millis),
    /// Until the hours in which its number may be rung.
    Hours(Millis),
    /// Its time has come: for its turn, and a free channel on this trunk, or on any.
    Line(Option<String>),
}

impl FaxRow {
    /// What it waits for at `now`.
    pub fn waits(&self, now: Millis) -> Waits {
        let at = self.next_try_at;
        match self.state.as_str() {
            "rendering" => Waits::Pages,
            "ready" if self.held => Waits::Held,
            "ready" => match self.rests_until {
                // A rest that its own last call brought is its delay.
                Some(rested) if rested > now.max(at) => Waits::Rest(rested),
                _ if at <= now => Waits::Line(self.bound_to.clone()),
                _ if self.not_before == Some(at) => Waits::Asked(at),
                _ if self.outcome.is_some() => Waits::Retry(at),
                _ => Waits::Hours(at),
            },
            _ => Waits::InCall,
        }
    }
}

impl Waits {
    /// Its name for scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Waits::InCall => "in_call",
            Waits::Pages => "pages",
            Waits::Held => "held",
            Waits::Asked(_) => "asked",
            Waits::Rest(_) => "rest",
            Waits::Retry(_) => "retry",
            Waits::Hours(_) => "hours",
            Waits::Line(_) => "line",
        }
    }

    /// When that is over, where it is known.
    pub fn until(&self) -> Option<Millis> {
        match self {
            Waits::Asked(at) | Waits::Rest(at) | Waits::Retry(at) | Waits::Hours(at) => Some(*at),
            Waits::InCall | Waits::Pages | Waits::Held | Waits::Line(_) => None,
        }
    }

    /// Half a sentence for an admin; empty in a call, and between attempts, which the last cause explains.
    pub fn in_words(&self) -> String {
        match self {
            Waits::InCall | Waits::Retry(_) => "".into(),
            Waits::Pages => "its pages are being made".into(),
            Waits::Held => "held until released".into(),
            Waits::Asked(_) => "its sender asked for that time".into(),
            Waits::Rest(_) => "the number rests after the calls before".into(),
            Waits::Hours(_) => "these are not the hours to ring it".into(),
            Waits::Line(None) => "waits for its turn and a free channel".into(),
            Waits::Line(Some(trunk)) => {
                format!("waits for its turn and a free channel of {trunk}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = Millis(1_795_262_400_000);

    fn row(change: impl FnOnce(&mut FaxRow)) -> Waits {
        let mut fax = FaxRow {
            next_try_at: NOON.plus_seconds(120),
            ..FaxRow::example("1m7a", "ready", NOON)
        };
        change(&mut fax);
        fax.waits(NOON)
    }

    #[test]
    fn each_wait_has_its_cause() {
        let later = NOON.plus_seconds(120);
        assert_eq!(row(|fax| fax.state = "rendering".into()), Waits::Pages);
        assert_eq!(row(|fax| fax.state = "calling".into()), Waits::InCall);
        assert_eq!(row(|fax| fax.held = true), Waits::Held);
        assert_eq!(row(|_| ()), Waits::Hours(later));
        assert_eq!(row(|fax| fax.not_before = Some(later)), Waits::Asked(later));
        assert_eq!(
            row(|fax| fax.outcome = Some("busy".into())),
            Waits::Retry(later)
        );
        assert_eq!(row(|fax| fax.next_try_at = NOON), Waits::Line(None));
    }

    #[test]
    fn a_number_that_rests_longer_than_the_fax_is_what_holds_it_up() {
        let rested = NOON.plus_seconds(600);
        assert_eq!(
            row(|fax| fax.rests_until = Some(rested)),
            Waits::Rest(rested)
        );
        let rested_before = NOON.plus_seconds(60);
        let waits = row(|fax| fax.rests_until = Some(rested_before));
        assert_eq!(waits, Waits::Hours(NOON.plus_seconds(120)));
    }

    #[test]
    fn a_fax_that_is_due_names_the_trunk_it_is_bound_to() {
        let waits = row(|fax| {
            fax.next_try_at = NOON;
            fax.bound_to = Some("dear".into());
        });
        assert_eq!(
            waits.in_words(),
            "waits for its turn and a free channel of dear"
        );
        assert_eq!(waits.until(), None);
    }
}
