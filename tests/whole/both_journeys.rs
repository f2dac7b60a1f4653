//! Nothing goes wrong.

use postfax::pages::sample;

use crate::harness::{A_CALL, HEALTHY, Site, wait_until};

#[test]
fn a_mail_becomes_a_fax() {
    let site = Site::new();
    site.submit(&[HEALTHY], &[sample::numbered_pages(1)]);
    wait_until("the receipt", A_CALL, || site.receipts().len() == 1);
    assert_eq!(site.fax().state, "delivered");
    site.check();
}
