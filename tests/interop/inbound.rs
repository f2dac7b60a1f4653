//! Asterisk faxes to us, and it arrives as a mail.

use postfax::config::Config;
use postfax::config::trunk::Reinvite;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::sample;

use crate::asterisk::{Asterisk, Sending};
use crate::harness::mails::{Mail, pages_in, pictures};
use crate::harness::{OURS, Site, wait_until};
use crate::ours::{SUBSCRIBER, our_side, subscriber, trunk};
use crate::pages::{assert_same, in_our_pdf};
use crate::report::Case;

const A_FAX: u64 = 150;

/// T.38 as Asterisk speaks it by default, begun by us.
const USUAL: Sending = Sending {
    endpoint: "redundancy",
    options: "",
    ecm: true,
};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case(
            "in-t38",
            "T.38 with redundancy, we re-INVITE",
            |case, far| receive(case, far, USUAL, |_| {}, 1, "T38"),
        ),
        case("in-letter", "two dense pages", |case, far| {
            receive(case, far, USUAL, |_| {}, 2, "T38")
        }),
        case("in-them", "they re-INVITE", |case, far| {
            let how = Sending {
                options: "z",
                ..USUAL
            };
            receive(case, far, how, them, 1, "T38")
        }),
        case("in-fec", "T.38 with FEC", |case, far| {
            let how = Sending {
                endpoint: "fec",
                ..USUAL
            };
            receive(case, far, how, |_| {}, 1, "T38")
        }),
        case("in-noec", "T.38 without error correction", |case, far| {
            let how = Sending {
                endpoint: "noec",
                ..USUAL
            };
            receive(case, far, how, |_| {}, 1, "T38")
        }),
        case("in-audio", "a far end in audio only", |case, far| {
            let how = Sending {
                endpoint: "audio",
                options: "F",
                ..USUAL
            };
            receive(case, far, how, |_| {}, 1, "audio")
        }),
        case(
            "in-never",
            "we refuse their re-INVITE: audio",
            |case, far| {
                let how = Sending {
                    options: "zf",
                    ..USUAL
                };
                let never = |config: &mut Config| trunk(config).reinvite_in = Reinvite::Never;
                receive(case, far, how, never, 1, "audio")
            },
        ),
        case(
            "in-registered",
            "they call where we have registered",
            in_registered,
        ),
        case("in-no-ecm", "no ECM at the far end", |case, far| {
            let how = Sending {
                ecm: false,
                ..USUAL
            };
            receive(case, far, how, |_| {}, 1, "T38")
        }),
    ]
}

fn them(config: &mut Config) {
    trunk(config).reinvite_in = Reinvite::Them;
}

/// They send so many pages; the mail has the same.
pub fn receive(
    case: &Case,
    far: &Asterisk,
    how: Sending,
    change: impl FnOnce(&mut Config),
    pages: usize,
    mode: &str,
) -> String {
    let mut site = our_side(change);
    site.start();
    let pdf = match pages {
        1 => sample::numbered_pages(1),
        _ => sample::demo_document(),
    };
    let tiff = site.rendered(&pdf);
    far.send(case.name, &tiff, (OURS, site.address(5060)), how);
    arrived(case, far, &site, &tiff, mode)
}

/// Nothing but the registration tells them where we are.
fn in_registered(case: &Case, far: &Asterisk) -> String {
    let mut site = our_side(|config| {
        subscriber(config);
        trunk(config).register = true;
        config.routes[0].number = "*".into();
    });
    site.start();
    wait_until("we have registered", 20, || {
        far.command_line("pjsip show contacts")
            .contains(&site.address(5060).to_string())
    });
    let tiff = site.rendered(&sample::numbered_pages(1));
    far.send_to_subscriber(case.name, &tiff, SUBSCRIBER, USUAL);
    arrived(case, far, &site, &tiff, "T38")
}

/// Both sides say that it arrived in this mode, and so do the pages in the office's mail.
fn arrived(case: &Case, far: &Asterisk, site: &Site, tiff: &std::path::Path, mode: &str) -> String {
    let fax = far.fax(case.name, A_FAX);
    let received = site.received();
    let ours = received
        .first()
        .map(|ours| format!("{:?} {}", ours.outcome, ours.detail));
    assert_eq!(fax.status, "SUCCESS", "{fax:?}; we say {ours:?}");
    assert_eq!(fax.mode, mode, "{fax:?}");
    wait_until("the mail", 30, || site.office().len() == 1);
    let arrived = pages_of(case, far, &site.office()[0]);
    assert_same(&pictures(&pages_in(tiff)), &arrived);
    let ours = &site.received()[0];
    assert_eq!(
        ours.outcome.as_deref(),
        Some("delivered"),
        "{}",
        ours.detail
    );
    format!(
        "{} {}, {} pages, {:.1} s",
        fax.mode, fax.rate, fax.pages, ours.seconds
    )
}

/// The pages in a mail of ours.
pub fn pages_of(case: &Case, far: &Asterisk, mail: &Mail) -> Vec<Bitmap> {
    let pdf = mail.pdf.as_ref().expect("the mail has its pages");
    in_our_pdf(far.lab(), case.name, pdf)
}
