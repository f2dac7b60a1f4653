//! Several faxes in one call: EOM behind each but the last.

use super::*;

/// Two faxes, of two pages and of one.
const TWO_FAXES: &[u32] = &[2, 1];

fn three_pages() -> [FaxPage; 3] {
    [page(60, 500), page(61, 300), page(62, 400)]
}

fn shared(medium: Medium, ecm: bool, pages: &[FaxPage]) -> Pair {
    let terms = Terms {
        ecm,
        documents: TWO_FAXES,
        ..Terms::default()
    };
    Pair::over(medium, pages, Weather::default(), terms)
}

const EVERY_WAY: [(Medium, bool); 4] = [
    (RED3, true),
    (RED3, false),
    (Medium::Audio(Law::A), true),
    (Medium::Audio(Law::Mu), false),
];

#[test]
fn two_faxes_go_in_one_call_pel_for_pel() {
    let pages = three_pages();
    for (medium, ecm) in EVERY_WAY {
        let mut pair = shared(medium, ecm, &pages);
        pair.run();
        assert_eq!(pair.outcomes(), [Outcome::Delivered; 2]);
        assert_same(&pages, &pair.received.borrow());
        let log = pair.log();
        assert_eq!(
            log,
            [
                "page 1 kept",
                "page 1 confirmed",
                "end of page 2 leaving",
                "page 2 kept",
                "page 2 confirmed",
                "end of page 3 leaving",
                "last page 3 kept",
                "page 3 confirmed",
            ]
        );
        assert_eq!(pair.sides[0].links.len(), 2, "DIS and DCS before each fax");
    }
}
