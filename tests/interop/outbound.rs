//! A mail goes out as a fax to Asterisk.

use postfax::config::Config;
use postfax::config::trunk::{Listen, Reinvite, Transport};
use postfax::pages::{Resolution, sample, tiff};

use crate::asterisk::{Asterisk, Fax, TLS};
use crate::harness::nat::{INSIDE, Nat, OUTSIDE, Ports, Side, ip};
use crate::harness::{OURS, Site, wait_for, wait_until};
use crate::ours::{our_side, subscriber, trunk};
use crate::pages::{assert_same, in_foreign_tiff};
use crate::report::Case;
use crate::sheets::Kind;

/// A fax of one page takes some 30 s from its mail on, and twice that where eight go at a time on two cores.
const A_FAX: u64 = 150;

/// The cases; `extensions.conf` has the numbers.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case(
            "out-t38",
            "T.38 with redundancy, they re-INVITE",
            |_, far| delivered(far, "5552110001", |_| {}, "T38"),
        ),
        case("out-letter", "two dense pages", |_, far| {
            let pdf = sample::demo_document();
            send(far, "5552110002", |_| {}, &pdf).delivered("T38")
        }),
        // What make bench-calls sends between two of ours: as a fax TIFF, it goes as it is.
        case("out-28kb", "a letter of 28 KB, we re-INVITE", |_, far| {
            let us = |config: &mut Config| trunk(config).reinvite_out = Reinvite::Us;
            let letter = Kind::Letter.page(Resolution::Fine);
            send(far, "5552110011", us, &tiff::write(&[letter])).delivered("T38")
        }),
        case("out-us", "T.38, we re-INVITE", |_, far| {
            let us = |config: &mut Config| trunk(config).reinvite_out = Reinvite::Us;
            delivered(far, "5552110003", us, "T38")
        }),
        case("out-fec", "T.38 with FEC", |_, far| {
            delivered(far, "5552111001", |_| {}, "T38")
        }),
        case("out-noec", "T.38 without error correction", |_, far| {
            delivered(far, "5552112001", |_| {}, "T38")
        }),
        case("out-audio", "a far end in audio only", |_, far| {
            delivered(far, "5552113001", |_| {}, "audio")
        }),
        case("out-488", "488 to our re-INVITE, then audio", |_, far| {
            let us = |config: &mut Config| trunk(config).reinvite_out = Reinvite::Us;
            delivered(far, "5552113002", us, "audio")
        }),
        case("out-never", "we refuse their re-INVITE: audio", |_, far| {
            let never = |config: &mut Config| trunk(config).reinvite_out = Reinvite::Never;
            delivered(far, "5552114001", never, "audio")
        }),
        case(
            "out-beside",
            "T.38 beside audio in the first offer",
            |_, far| {
                let beside =
                    |config: &mut Config| trunk(config).reinvite_out = Reinvite::T38BesideAudio;
                delivered(far, "5552110004", beside, "T38")
            },
        ),
        case(
            "out-first",
            "T.38 alone in the first offer, 488, again in audio",
            |_, far| {
                let first = |config: &mut Config| trunk(config).reinvite_out = Reinvite::T38First;
                delivered(far, "5552110005", first, "T38")
            },
        ),
        case(
            "out-digest",
            "a trunk that asks for a password",
            |_, far| delivered(far, "5552110006", subscriber, "T38"),
        ),
        case("out-digest-tcp", "the same over TCP", |_, far| {
            let tcp = |config: &mut Config| {
                subscriber(config);
                trunk(config).transport = Transport::Tcp;
            };
            delivered(far, "5552110007", tcp, "T38")
        }),
        case("out-digest-tls", "the same over TLS", |_, far| {
            let authority = far.home().join("etc/certificate.pem");
            let tls = |config: &mut Config| {
                subscriber(config);
                trunk(config).transport = Transport::Tls;
                trunk(config).server = vec![TLS.into()];
                config.sip.tls_ca = Some(authority);
            };
            delivered(far, "5552110008", tls, "T38")
        }),
        case(
            "out-wrong-password",
            "a password that is wrong",
            |_, far| {
                let wrong = |config: &mut Config| {
                    subscriber(config);
                    trunk(config).password = "not this".into();
                };
                let pdf = sample::numbered_pages(1);
                send(far, "5552110009", wrong, &pdf).not_delivered("not_authorized")
            },
        ),
        case("out-no-ecm", "no ECM at the far end", |_, far| {
            delivered(far, "5552115001", |_| {}, "T38")
        }),
        case("out-v29", "9600 bit/s at the most", |_, far| {
            delivered(far, "5552116001", |_| {}, "T38")
        }),
        case("out-slow", "rings for 5 s", |_, far| {
            delivered(far, "5552117001", |_| {}, "T38")
        }),
        case(
            "out-nat",
            "from behind a router that changes ports",
            |_, far| {
                let nat = Nat::before_us(Ports::Changed).expect("root may");
                let inside = |config: &mut Config| {
                    trunk(config).server = vec![format!("{OUTSIDE}:5080")];
                    config.sip.listen = vec![Listen::udp((ip(INSIDE), 5060).into())];
                };
                let pdf = sample::numbered_pages(1);
                let sent = nat.on(Side::Inside, || send(far, "5552122001", inside, &pdf));
                sent.delivered("T38")
            },
        ),
        case("out-cut", "hangs up in the middle of a page", |_, far| {
            let pdf = sample::demo_document();
            send(far, "5552118001", |_| {}, &pdf).not_delivered("far_end_hung_up")
        }),
        case("out-busy", "486", |_, far| {
            not_delivered(far, "5552119001", "busy")
        }),
        case("out-no-answer", "rings until we give up", |_, far| {
            not_delivered(far, "5552120001", "no_answer")
        }),
        case("out-voice", "somebody else answers", |_, far| {
            not_delivered(far, "5552121001", "no_fax")
        }),
    ]
}

fn delivered(far: &Asterisk, number: &str, change: impl FnOnce(&mut Config), mode: &str) -> String {
    send(far, number, change, &sample::numbered_pages(1)).delivered(mode)
}

fn not_delivered(far: &Asterisk, number: &str, outcome: &str) -> String {
    let briefly = |config: &mut Config| trunk(config).ring_seconds = 12;
    send(far, number, briefly, &sample::numbered_pages(1)).not_delivered(outcome)
}

/// A fax that a mail asked for.
pub struct Sent<'a> {
    far: &'a Asterisk,
    /// Our side.
    pub site: Site,
    number: String,
    pdf: Vec<u8>,
}

/// Starts our side and hands it a mail.
pub fn send<'a>(
    far: &'a Asterisk,
    number: &str,
    change: impl FnOnce(&mut Config),
    pdf: &[u8],
) -> Sent<'a> {
    let mut site = our_side(change);
    site.start();
    site.submit(&[number], &[pdf.to_vec()]);
    Sent {
        far,
        site,
        number: number.to_owned(),
        pdf: pdf.to_vec(),
    }
}

impl Sent<'_> {
    /// Both sides say that it arrived, in this mode, at the first call; and so do the pages.
    fn delivered(self, mode: &str) -> String {
        self.delivered_over(mode, mode == "T38")
    }

    /// The same, where a gateway makes another mode of ours.
    pub fn delivered_over(self, mode: &str, t38: bool) -> String {
        let call = self.first_call();
        let told = format!("{:?} {}", call.outcome, call.detail);
        assert_eq!(call.outcome.as_deref(), Some("delivered"), "{told}");
        let fax: Fax = self.far.fax(&self.number, 30);
        assert_eq!(fax.status, "SUCCESS", "{}", fax.error);
        // A subscriber is known by another number, but his machine has the same name.
        assert_eq!(fax.remote, OURS);
        assert_eq!((fax.mode.as_str(), call.t38), (mode, t38), "{fax:?}");
        assert_eq!(fax.pages, call.pages);
        let arrived = in_foreign_tiff(self.far.lab(), &self.far.received(&self.number));
        assert_same(&self.site.stamped(&self.pdf, &self.number, &call), &arrived);
        format!(
            "{} {}{} {}, {} pages, {:.1} s",
            fax.mode,
            fax.rate,
            if call.ecm { " ECM" } else { "" },
            call.compression,
            call.pages,
            call.seconds
        )
    }

    /// The first call ended like this.
    fn not_delivered(self, outcome: &str) -> String {
        let call = self.first_call();
        let told = format!("{:?}: {}", call.outcome, call.detail);
        assert_eq!(call.outcome.as_deref(), Some(outcome), "{told}");
        wait_until("the call's process ends", 10, || {
            self.site.daemon().calls().is_empty()
        });
        format!("{outcome} ({}), {:.1} s", call.detail, call.seconds)
    }

    /// How the first call ended.
    pub fn first_call(&self) -> postfax::queue::AttemptRow {
        wait_for("the first call is over", A_FAX, || {
            let fax = self.site.faxes().into_iter().next()?;
            let first = self.site.attempts(&fax.id).into_iter().next()?;
            first.ended_at.is_some().then_some(first)
        })
    }
}
