//! A cancel beside the daemon, in the moment between the claim of a fax and the display of its call: whoever looks for
//! the calls to be ended then finds none.

use std::sync::Arc;
use std::time::Instant;

use postfax::context::{Context, now};
use postfax::gateway;
use postfax::mail_to_fax::dial::{self, Found};
use postfax::net::line::{Line, LineConfig};
use postfax::net::sip::{SipConfig, SipEndpoint};
use postfax::pages::header::HeaderFont;
use postfax::pages::sample;
use postfax::queue::FaxRow;
use postfax::worker::host::Children;

use crate::harness::process::PROGRAM;
use crate::harness::{HEALTHY, Site, wait_until};

/// A site where so many faxes of one page wait for one number, and nothing runs but the carrier.
fn waiting(count: usize) -> Site {
    let mut site = Site::prepared(|config| config.queue.share_calls = vec!["(|+).".into()]);
    let trunks = std::mem::take(&mut site.config.trunks);
    site.start_carrier();
    site.start();
    for n in 1..=count {
        site.submit(&[HEALTHY], &[sample::numbered_pages(n as u32)]);
        wait_until("it waits", 30, || {
            let ready = |fax: &&FaxRow| fax.state == "ready";
            site.faxes().iter().filter(ready).count() == n
        });
    }
    site.stop();
    site.config.trunks = trunks;
    site
}

/// Claims what there is to dial, cancels one of the faxes, and dials.
async fn dial_after_a_cancel_of(site: &Site, fax: String) {
    let config = site.config.clone();
    let store = gateway::custody(&config).await.unwrap();
    let mut children = Children::new(None, 60);
    children.program = PROGRAM.into();
    let context = Context::new(config, store, children.clone(), HeaderFont::builtin()).unwrap();
    let context = Arc::new(context);
    for trunk in context.trunks.iter() {
        assert!(trunk.look_up(Instant::now()).await.is_empty());
    }
    let address = context.config().sip.listen[0].address;
    let sip = SipConfig::new(address, context.trunks.peers());
    let (endpoint, _calls) = SipEndpoint::bind(sip).await.unwrap();
    let line = LineConfig {
        bind: address.ip(),
        advertised: address.ip(),
        media_ports: (0, 0),
        incoming: postfax::call::policy::CallPolicy::incoming(),
    };
    let line = Line::new(endpoint, children, line);
    let Found::Fax(dialling) = dial::claim(&context).await.unwrap() else {
        panic!("a fax is due");
    };
    context.store.cancel(&fax, now()).await.unwrap();
    let asked = context.store.cancelling().await.unwrap();
    assert_eq!(asked, std::slice::from_ref(&fax));
    // As the gateway does when it notices: the call is not there yet.
    context.live.cancel(&fax);
    dial::dial(&context, &line, *dialling).await;
}

fn run(site: &Site, nth: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fax = site.faxes()[nth].id.clone();
    runtime.block_on(dial_after_a_cancel_of(site, fax));
}

fn states(site: &Site) -> Vec<String> {
    site.faxes().into_iter().map(|fax| fax.state).collect()
}

#[test]
fn between_the_claim_and_the_call_nobody_is_rung() {
    let site = waiting(1);
    run(&site, 0);
    assert_eq!(states(&site), ["cancelled"]);
    assert_eq!(site.dialled(HEALTHY), 0);
    site.check();
}

#[test]
fn first_of_a_shared_call_leaves_the_others_in_the_line() {
    let site = waiting(2);
    run(&site, 0);
    assert_eq!(states(&site), ["cancelled", "ready"]);
    assert_eq!(site.dialled(HEALTHY), 0);
    assert!(site.attempts(&site.faxes()[1].id).is_empty());
}

#[test]
fn another_of_a_shared_call_is_left_out_of_it() {
    let site = waiting(3);
    run(&site, 1);
    assert_eq!(states(&site), ["delivered", "cancelled", "delivered"]);
    assert_eq!(site.dialled(HEALTHY), 1);
    assert!(site.attempts(&site.faxes()[1].id).is_empty());
    site.check();
}
