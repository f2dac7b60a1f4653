//! kamailio and rtpengine: a proxy that turns our T.38 into the G.711 of a line that has nothing else. The modems in
//! between are rtpengine's.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use postfax::config::Config;
use postfax::config::trunk::Reinvite;
use postfax::pages::sample;

use crate::asterisk::{Asterisk, Sending};
use crate::harness::wait_until;
use crate::inbound::receive;
use crate::lab::{Lab, copy_files};
use crate::ours::trunk;
use crate::outbound::send;
use crate::report::Case;

/// Where kamailio takes calls.
const PROXY: &str = "127.255.2.1:5060";

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case(
            "gateway-out",
            "T.38 to rtpengine, audio behind it",
            |_, far| {
                Gateway::running(far);
                let sent = send(far, "5552113009", proxied, &sample::numbered_pages(1));
                sent.delivered_over("audio", true)
            },
        ),
        case(
            "gateway-in",
            "audio to rtpengine, T.38 to us",
            |case, far| {
                Gateway::running(far);
                let how = Sending {
                    endpoint: "proxied",
                    options: "F",
                    ecm: true,
                };
                receive(case, far, how, proxied, 1, "audio")
            },
        ),
    ]
}

fn proxied(config: &mut Config) {
    let trunk = trunk(config);
    trunk.server = vec![PROXY.into()];
    trunk.reinvite_out = Reinvite::Us;
}

/// Both programs.
struct Gateway {
    _processes: Mutex<Vec<Child>>,
}

impl Gateway {
    fn running(far: &Asterisk) -> &'static Gateway {
        static RUNNING: OnceLock<Gateway> = OnceLock::new();
        RUNNING.get_or_init(|| Gateway::start(far.lab()))
    }

    fn start(lab: &Lab) -> Gateway {
        let tmp = lab.root("tools").join("tmp");
        copy_files("kamailio", &tmp);
        let _ = std::fs::remove_file(tmp.join("kamailio.pid"));
        let engine = started(
            lab.command("tools", "rtpengine").args([
                // Without the kernel's help.
                "--table=-1",
                "--interface=127.255.2.2",
                "--listen-ng=127.255.2.2:2223",
                "--port-min=34000",
                "--port-max=34999",
                "--foreground",
                "--log-stderr",
                "--log-level=6",
            ]),
            &tmp.join("rtpengine.log"),
        );
        let proxy = started(
            lab.command("tools", "kamailio").args([
                "-DD",
                "-E",
                "-f",
                "/tmp/kamailio.cfg",
                "-P",
                "/tmp/kamailio.pid",
            ]),
            &tmp.join("kamailio.log"),
        );
        wait_until("kamailio is up", 20, || tmp.join("kamailio.pid").exists());
        Gateway {
            _processes: Mutex::new(vec![engine, proxy]),
        }
    }
}

fn started(command: &mut Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("a folder of ours");
    let second = log.try_clone().expect("a descriptor");
    let started = command.stdout(Stdio::from(log)).stderr(Stdio::from(second));
    started.spawn().expect("chroot(8) is there")
}
