//! Whether the pages of a call get on: a far end can keep a call alive for as long as it may last, and send next to
//! nothing in it, or ask for the same frames again and again.

use std::time::{Duration, Instant};

/// A page gets on at the rate that is asked for within each such span: as long as some commands with all their repeats.
const SPAN: Duration = Duration::from_secs(60);

/// Watches one call.
#[derive(Debug)]
pub(super) struct Headway {
    /// Bits a second; 0: as slow as it likes.
    least: u32,
    /// Where the page was when the span began, once pages go.
    mark: Option<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    since: Instant,
    pages: u32,
    octets: u64,
}

impl Headway {
    pub(super) fn new(least: u32) -> Headway {
        Headway { least, mark: None }
    }

    /// Nothing could come in for so long, for want of us.
    pub(super) fn excuse(&mut self, deaf: Duration) {
        if let Some(mark) = &mut self.mark {
            mark.since += deaf;
        }
    }

    /// The pages that are confirmed, and the octets of page data so far, repeats left out. True when that is too little
    /// for the time it took. A page that was confirmed is headway enough: short ones take their time in commands.
    pub(super) fn is_lost(&mut self, pages: u32, octets: u64, now: Instant) -> bool {
        let here = Mark {
            since: now,
            pages,
            octets,
        };
        let mark = *self.mark.get_or_insert(here);
        if mark.pages != pages {
            self.mark = Some(here);
            return false;
        }
        if now.duration_since(mark.since) < SPAN {
            return false;
        }
        self.mark = Some(here);
        let bits = octets.saturating_sub(mark.octets) * 8;
        bits < u64::from(self.least) * SPAN.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second in which a call is lost that carries so many octets a second, and confirms a page every so often.
    fn lost(least: u32, octets: u64, page_every: u64) -> Option<u64> {
        let began = Instant::now();
        let mut headway = Headway::new(least);
        (0..1800).find(|&second| {
            let now = began + Duration::from_secs(second);
            headway.is_lost((second / page_every) as u32, second * octets, now)
        })
    }

    #[test]
    fn slow_page_is_lost_after_a_minute_and_one_in_time_never() {
        assert_eq!(lost(600, 74, 10_000), Some(60));
        assert_eq!(lost(600, 75, 10_000), None);
        assert_eq!(lost(600, 0, 10_000), Some(60));
        assert_eq!(lost(0, 0, 10_000), None, "switched off");
    }

    #[test]
    fn blank_pages_that_are_mostly_commands_are_headway() {
        assert_eq!(lost(600, 20, 50), None);
    }

    #[test]
    fn page_that_stands_still_in_its_middle_is_lost_too() {
        let began = Instant::now();
        let mut headway = Headway::new(600);
        let lost = (0..600).find(|&second| {
            let octets = u64::min(second, 90) * 1800;
            headway.is_lost(0, octets, began + Duration::from_secs(second))
        });
        assert_eq!(lost, Some(180));
    }
}
