//! Which pages make a document, where several go in one call: behind each but the last goes an EOM instead of an EOP, and
//! both sides begin anew with DIS (T.30 5.3.6.1.6).

/// How often a page that ends a document may be refused (RTN), and is sent again.
const REFUSALS: u32 = 2;

/// The documents of one call. Pages are counted over the whole call, from 1.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The last page of each document; none: a single one, however long.
    ends: Vec<u32>,
    /// The last page whose end has left, or is about to.
    left: u32,
    /// Whether another document may follow that page.
    goes_on: bool,
    /// How often the page under way was refused.
    refusals: u32,
}

/// Pages to send, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pages {
    pub first: u32,
    /// `None`: to the end of the file.
    pub last: Option<u32>,
}

impl Plan {
    /// Of documents with so many pages each.
    pub(super) fn of(documents: &[u32]) -> Plan {
        let ends = documents.iter().scan(0, |end, pages| {
            *end += pages;
            Some(*end)
        });
        Plan {
            ends: ends.collect(),
            ..Plan::default()
        }
    }

    /// Whether another document stands behind this page.
    pub(super) fn has_more_behind(&self, page: u32) -> bool {
        self.ends.last().is_some_and(|end| page < *end)
    }

    /// The pages before the document that is under way, so many pages being through.
    pub(super) fn begun_behind(&self, through: u32) -> u32 {
        let before = self.ends.iter().rev().find(|end| **end <= through);
        before.copied().unwrap_or(0)
    }

    /// Whether the end of this page was let out.
    pub(super) fn has_left(&self, page: u32) -> bool {
        self.left == page
    }

    /// The end of this page may leave, and the next document behind it or none.
    pub(super) fn leaves(&mut self, page: u32, goes_on: bool) {
        (self.left, self.goes_on) = (page, goes_on);
    }

    /// Whether the document under way is not the last of the call, as was decided when its end left.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// The far end refused the page under way.
    pub(super) fn refused(&mut self) {
        self.refusals += 1;
    }

    /// A page is through.
    pub(super) fn confirmed(&mut self) {
        self.refusals = 0;
    }

    /// What goes out once both sides have begun anew, so many pages being through: the rest of the document that is under
    /// way, or the next one. `None`: a page that was refused too often, so nothing.
    pub(super) fn next(&self, through: u32) -> Option<Pages> {
        if self.refusals > REFUSALS {
            return None;
        }
        let end = self.ends.iter().find(|end| **end > through);
        Some(Pages {
            first: through,
            last: end.map(|end| end - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(first: u32, last: u32) -> Option<Pages> {
        let last = Some(last);
        Some(Pages { first, last })
    }

    #[test]
    fn each_document_goes_to_its_own_end() {
        let plan = Plan::of(&[2, 1, 3]);
        let next: Vec<_> = (0..6).map(|through| plan.next(through)).collect();
        let [a, b, c] = [pages(0, 1), pages(2, 2), pages(3, 5)];
        assert_eq!(next, [a, pages(1, 1), b, c, pages(4, 5), pages(5, 5)]);
        let more: Vec<_> = (1..=6).map(|page| plan.has_more_behind(page)).collect();
        assert_eq!(more, [true, true, true, true, true, false]);
    }

    #[test]
    fn without_a_plan_the_file_goes_to_its_end() {
        let plan = Plan::of(&[]);
        let all = Pages {
            first: 0,
            last: None,
        };
        assert_eq!(plan.next(0), Some(all));
        assert!(!plan.has_more_behind(1));
    }

    #[test]
    fn page_that_is_refused_too_often_is_not_sent_again() {
        let mut plan = Plan::of(&[1, 1]);
        for _ in 0..REFUSALS {
            plan.refused();
            assert_eq!(plan.next(0), pages(0, 0));
        }
        plan.refused();
        assert_eq!(plan.next(0), None);
        plan.confirmed();
        assert_eq!(plan.next(1), pages(1, 1));
    }
}
