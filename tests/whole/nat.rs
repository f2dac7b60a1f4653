//! The gateway behind a masquerading router, the carrier outside. `make nat`; without root there is nothing to see here.

use std::path::PathBuf;

use postfax::config::trunk::Listen;
use postfax::config::{Config, Trunk};
use postfax::pages::sample;

use crate::harness::mails::{pages_in, pictures};
use crate::harness::nat::{INSIDE, Nat, OUTSIDE, Ports, ROUTER, Side, ip};
use crate::harness::process::Process;
use crate::harness::{A_CALL, HEALTHY, OURS, Site, wait_until};

/// One fax out, and the machine that took it whole faxes it back to us.
#[test]
fn t38_goes_both_ways_through_a_router_that_masquerades() {
    let Some(nat) = router(Ports::Kept) else {
        return;
    };
    let site = nat.on(Side::Inside, || {
        let mut site = Site::prepared(behind_the_router);
        site.start();
        site
    });
    let fax_back = ["--fax-back", OURS];
    let _carrier = nat.on(Side::Outside, || carrier(&site, &fax_back));
    let pdf = sample::numbered_pages(1);
    nat.on(Side::Inside, || {
        site.submit(&[HEALTHY], std::slice::from_ref(&pdf))
    });
    wait_until("a receipt", A_CALL, || site.receipts().len() == 1);
    wait_until("the fax back", A_CALL, || site.office().len() == 1);

    let fax = site.fax_to(HEALTHY);
    let attempt = &site.attempts(&fax.id)[0];
    assert_eq!(fax.state, "delivered", "{}", attempt.detail);
    assert!(attempt.t38, "the first call went in audio");
    let calls = site.machine_calls();
    let tiff: PathBuf = calls[0].tiff.clone().expect("the machine has pages");
    let sent = site.stamped(&pdf, HEALTHY, attempt);
    assert!(pictures(&pages_in(&tiff)) == sent, "other pages went out");
    assert!(site.office()[0].pictures() == sent, "other pages came back");
    site.check();
}

/// The carrier knows only the router's address; its own is the only one that we take calls from.
fn behind_the_router(config: &mut Config) {
    config.trunks = vec![Trunk::to(format!("{OUTSIDE}:5070"))];
    config.sip.listen = vec![Listen::udp((ip(INSIDE), 5060).into())];
    config.sip.advertise = Some(ip(ROUTER));
}

fn carrier(site: &Site, more: &[&str]) -> Process {
    let folder = site.path("machines-5070");
    let (listen, gateway) = (format!("{OUTSIDE}:5070"), format!("{ROUTER}:5060"));
    let mut arguments = vec!["carrier", "--listen", &listen, "--gateway", &gateway];
    arguments.extend(["--client", "203.0.113.0/24", "--folder"]);
    arguments.push(folder.to_str().expect("a plain path"));
    arguments.extend(more);
    let carrier = Process::start(&arguments, &site.path("carrier-5070.log"), &[]);
    carrier.wait_for_line("a simulated carrier listens", 20);
    carrier
}

/// Nothing where there may be no namespaces: on a developer's machine, and in most containers.
fn router(ports: Ports) -> Option<Nat> {
    match Nat::new(ports) {
        Ok(nat) => Some(nat),
        Err(why) => {
            eprintln!("skipped: no router can be made of network namespaces here ({why})");
            assert!(
                std::env::var_os("POSTFAX_NAT").is_none(),
                "make nat needs root, iproute2 and nftables: {why}"
            );
            None
        }
    }
}
