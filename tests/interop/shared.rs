//! Two mails go out as two faxes in one call: EOM between them (T.30 5.3.6.1.6).

use crate::asterisk::{Asterisk, Fax};
use crate::harness::{Site, wait_for, wait_until};
use crate::ours::our_side;
use crate::pages::{assert_same, in_foreign_tiff};
use crate::report::Case;
use postfax::config::Config;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::sample;

/// Two faxes of three pages.
const TWO_FAXES: u64 = 240;

/// The cases; `extensions.conf` has the numbers.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case("out-shared", "two faxes in one call, T.38", |_, far| {
            share(far, "5552110021", |_| {}, "T38")
        }),
        case(
            "out-shared-no-ecm",
            "the same without error correction",
            |_, far| share(far, "5552115021", |_| {}, "T38"),
        ),
        case("out-shared-audio", "the same in audio", |_, far| {
            share(far, "5552113021", |_| {}, "audio")
        }),
    ]
}

/// Both sides say that both arrived, in one call; and so do the pages, in their order.
fn share(far: &Asterisk, number: &str, change: impl FnOnce(&mut Config), mode: &str) -> String {
    let pdfs = [sample::numbered_pages(1), sample::demo_document()];
    let mut site = our_side(|config| {
        config.queue.share_calls = vec!["(|+).".into()];
        change(config);
    });
    let trunks = std::mem::take(&mut site.config.trunks);
    site.start();
    for (n, pdf) in (1..).zip(&pdfs) {
        site.submit(&[number], std::slice::from_ref(pdf));
        let waits = |site: &Site| site.faxes().iter().filter(|it| it.state == "ready").count();
        wait_until("it waits", 60, || waits(&site) == n);
    }
    site.stop();
    site.config.trunks = trunks;
    site.start();
    let calls = wait_for("both faxes had a call", TWO_FAXES, || {
        let faxes = site.faxes().into_iter();
        let firsts = faxes.map(|fax| site.attempts(&fax.id).into_iter().next());
        let calls: Vec<_> = firsts.flatten().collect();
        let over = calls.iter().filter(|call| call.ended_at.is_some()).count();
        (over == pdfs.len()).then_some(calls)
    });
    let told: Vec<_> = calls.iter().map(|it| (&it.outcome, &it.detail)).collect();
    let delivered = |it: &postfax::queue::AttemptRow| it.outcome.as_deref() == Some("delivered");
    assert!(calls.iter().all(delivered), "{told:?}");
    assert!(calls.iter().all(|call| call.shared_with.len() == 1));
    let fax: Fax = far.fax(number, 30);
    assert_eq!(fax.status, "SUCCESS", "{}", fax.error);
    assert_eq!((fax.mode.as_str(), fax.pages), (mode, 3), "{fax:?}");
    let sent: Vec<Bitmap> = pdfs
        .iter()
        .zip(&calls)
        .flat_map(|(pdf, call)| site.stamped(pdf, number, call))
        .collect();
    let arrived = in_foreign_tiff(far.lab(), &far.received(number));
    assert_same(&sent, &arrived);
    let seconds: f64 = calls.iter().map(|call| call.seconds).sum();
    format!(
        "{} {}{}, 1 and 2 pages in {seconds:.1} s",
        fax.mode,
        fax.rate,
        if calls[0].ecm { " ECM" } else { "" },
    )
}
