//! HylaFAX: a T.30 engine of its own, that speaks to the line through iaxmodem and Asterisk. It hears audio always;
//! what we hear is audio, or T.38 from Asterisk's gateway.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use postfax::pages::sample;

use crate::asterisk::Asterisk;
use crate::harness::mails::{pages_in, pictures};
use crate::harness::{OURS, wait_for, wait_until};
use crate::inbound;
use crate::lab::{Lab, copy_files};
use crate::ours::our_side;
use crate::outbound::send;
use crate::pages::{assert_same, in_foreign_tiff};
use crate::report::Case;

/// One a case: they run side by side.
const MODEMS: usize = 4;

/// A fax, with the modem's rings and HylaFAX's waiting.
const A_FAX: u64 = 180;

/// From the start of the modems until they may be called.
const SETTLING: Duration = Duration::from_secs(20);

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name, what, run| Case { name, what, run };
    vec![
        case("hylafax-in", "HylaFAX calls, in audio", |case, far| {
            receive(case, far, 0, false)
        }),
        case(
            "hylafax-in-t38",
            "HylaFAX calls through Asterisk's T.38 gateway",
            |case, far| receive(case, far, 1, true),
        ),
        case("hylafax-out", "a fax to HylaFAX, in audio", |_, far| {
            deliver(far, 2, "5552130002", false)
        }),
        case(
            "hylafax-out-t38",
            "a fax to HylaFAX through Asterisk's T.38 gateway",
            |_, far| deliver(far, 3, "5552131003", true),
        ),
    ]
}

fn receive(case: &Case, far: &Asterisk, modem: usize, t38: bool) -> String {
    let hylafax = HylaFax::running(far);
    let mut site = our_side(|_| {});
    site.start();
    // Black to its last row: HylaFAX cuts off what is white below.
    let tiff = site.rendered(&sample::framed_page(595.0, 842.0));
    far.command_line(&format!(
        "dialplan set global GATEWAY{modem} {}",
        site.address(5060)
    ));
    let number = format!("{}{modem}{OURS}", u8::from(t38));
    hylafax.send(&tiff, modem, &number);
    let sent = hylafax.call("SEND", modem);
    let ours = site.received();
    let ours = ours
        .first()
        .map(|ours| format!("{:?} {}", ours.outcome, ours.detail));
    assert_eq!(sent.reason, "", "we say {ours:?}");
    wait_until("the mail", 30, || site.office().len() == 1);
    let arrived = inbound::pages_of(case, far, &site.office()[0]);
    assert_same(&pictures(&pages_in(&tiff)), &arrived);
    let ours = &site.received()[0];
    assert_eq!(
        ours.outcome.as_deref(),
        Some("delivered"),
        "{}",
        ours.detail
    );
    format!("{} pages, {:.1} s", ours.pages, ours.seconds)
}

fn deliver(far: &Asterisk, modem: usize, number: &str, t38: bool) -> String {
    let hylafax = HylaFax::running(far);
    let pdf = sample::numbered_pages(1);
    let sent = send(far, number, |_| {}, &pdf);
    let call = sent.first_call();
    let told = format!("{:?} {}", call.outcome, call.detail);
    assert_eq!(call.outcome.as_deref(), Some("delivered"), "{told}");
    assert_eq!(call.t38, t38);
    let received = hylafax.call("RECV", modem);
    assert_eq!(received.reason, "");
    let arrived = in_foreign_tiff(far.lab(), &hylafax.spool.join(&received.file));
    assert_same(&sent.site.stamped(&pdf, number, &call), &arrived);
    format!(
        "{}{} {}, {} pages, {:.1} s",
        call.bit_rate,
        if call.ecm { " ECM" } else { "" },
        call.compression,
        call.pages,
        call.seconds
    )
}

/// The scheduler, its client's door, and for each modem the modem and who watches it.
struct HylaFax {
    lab: &'static Lab,
    spool: PathBuf,
    _processes: Mutex<Vec<Child>>,
}

/// A line of its log.
struct Call {
    /// What arrived.
    file: String,
    /// Why it failed; empty: it did not.
    reason: String,
}

impl HylaFax {
    /// Started by the first who needs it.
    fn running(far: &Asterisk) -> &'static HylaFax {
        static RUNNING: OnceLock<HylaFax> = OnceLock::new();
        RUNNING.get_or_init(|| HylaFax::start(far.lab()))
    }

    fn start(lab: &'static Lab) -> HylaFax {
        let root = lab.root("tools");
        let spool = root.join("var/spool/hylafax");
        clear(&root, &spool);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/hylafax");
        copy_files("hylafax", &spool.join("etc"));
        for file in ["setup.cache", "setup.modem", "typerules", "pagesizes"] {
            let from = root.join("etc/hylafax").join(file);
            std::fs::copy(from, spool.join("etc").join(file)).expect("the package has it");
        }
        std::fs::write(spool.join("etc/hosts.hfaxd"), "localhost\n127.0.0.1\n").expect("ours");
        lab.tool("chown", &["-R", "uucp:uucp", "/var/spool/hylafax/etc"]);
        lab.tool("chmod", &["600", "/var/spool/hylafax/etc/hosts.hfaxd"]);
        std::fs::create_dir_all(root.join("var/log/iaxmodem")).expect("ours");
        let mut processes = Vec::new();
        let mut start = |program: &str, arguments: &[&str]| {
            let log = std::fs::File::create(root.join(format!("tmp/{}.log", processes.len())));
            let log = log.expect("a folder of ours");
            let mut command = lab.command("tools", program);
            command
                .args(arguments)
                .stderr(log.try_clone().expect("a descriptor"));
            processes.push(
                command
                    .stdout(Stdio::from(log))
                    .spawn()
                    .expect("chroot(8) is there"),
            );
        };
        for modem in 0..MODEMS {
            let name = format!("ttyIAX{modem}");
            let filled = |file: &str, to: PathBuf| {
                let text = std::fs::read_to_string(here.join(file)).expect("part of the sources");
                std::fs::write(to, text.replace("{n}", &modem.to_string())).expect("ours");
            };
            std::fs::create_dir_all(root.join("etc/iaxmodem")).expect("ours");
            filled("iaxmodem", root.join("etc/iaxmodem").join(&name));
            filled("modem", spool.join(format!("etc/config.{name}")));
            start("iaxmodem", &[&name]);
        }
        start("/usr/sbin/faxq", &["-D"]);
        wait_until("the scheduler is up", 10, || spool.join("FIFO").exists());
        start("/usr/sbin/hfaxd", &["-d", "-i", "4559"]);
        for modem in 0..MODEMS {
            wait_until("the modems are there", 10, || {
                root.join(format!("dev/ttyIAX{modem}")).is_symlink()
            });
            start("/usr/sbin/faxgetty", &[&format!("ttyIAX{modem}")]);
        }
        // A modem that has just been put on-hook is busy for a while.
        std::thread::sleep(SETTLING);
        let hylafax = HylaFax {
            lab,
            spool,
            _processes: Mutex::new(processes),
        };
        wait_until("the modems are ready", 60, || {
            let said = lab.tool("faxstat", &["-h", "localhost"]);
            said.matches("Running and idle").count() == MODEMS
        });
        hylafax
    }

    /// Through its scheduler.
    fn send(&self, tiff: &Path, modem: usize, number: &str) {
        let name = format!("tmp/hylafax-{modem}.tif");
        std::fs::copy(tiff, self.lab.root("tools").join(&name)).expect("it is a TIFF");
        let at = format!("ttyIAX{modem}@localhost");
        let inside = format!("/{name}");
        let arguments = [
            "-n",
            "-m",
            "-h",
            &at,
            "-o",
            "root",
            "-f",
            "root@localhost",
            "-d",
            number,
            &inside,
        ];
        self.lab.tool("sendfax", &arguments);
    }

    /// Waits for the line about the call of a modem.
    fn call(&self, direction: &str, modem: usize) -> Call {
        let modem = format!("ttyIAX{modem}");
        let what = format!("HylaFAX is done: {direction} {modem}");
        wait_for(&what, A_FAX, || {
            let log = std::fs::read_to_string(self.spool.join("log/xferfaxlog")).ok()?;
            let mut calls = log.lines().map(|line| line.split('\t').collect::<Vec<_>>());
            let call = calls.find(|fields| {
                fields.get(1) == Some(&direction) && fields.get(3) == Some(&&*modem)
            })?;
            let field = |n: usize| call.get(n).unwrap_or(&"").trim_matches('"').to_owned();
            Some(Call {
                file: field(4),
                reason: field(13),
            })
        })
    }
}

/// What an earlier run left.
fn clear(root: &Path, spool: &Path) {
    let folders = ["sendq", "doneq", "docq", "recvq", "log", "status", "info"];
    for folder in folders.map(|name| spool.join(name)) {
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(file.path());
        }
    }
    for folder in [spool.to_owned(), root.join("run/lock")] {
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("FIFO") || name.starts_with("LCK") {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }
}
