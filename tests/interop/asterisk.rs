//! Asterisk, as Debian packages it. What it does with a call is told in `asterisk/extensions.conf`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::harness::{wait_for, wait_until};
use crate::lab::{Lab, copy_files};

/// Where it takes calls.
pub const SIP: &str = "127.255.0.1:5060";

/// Where it takes them over TLS.
pub const TLS: &str = "127.255.0.1:5061";

/// Its own folder, seen from inside.
const INSIDE: &str = "/srv/interop";

/// A running Asterisk.
pub struct Asterisk {
    lab: &'static Lab,
    process: Child,
}

/// How it fares with T.38 in a call that it places.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The endpoint: `redundancy`, `fec`, `noec` or `audio`.
    pub endpoint: &'a str,
    /// Of `SendFAX`: `z` re-INVITEs itself, `F` stays in audio, `f` may fall back to it.
    pub options: &'a str,
    /// Error correction mode.
    pub ecm: bool,
}

/// What it says of a fax.
#[derive(Debug, Clone)]
pub struct Fax {
    /// `SUCCESS`.
    pub status: String,
    /// Pages.
    pub pages: u32,
    /// bit/s.
    pub rate: String,
    /// `T38` or `audio`.
    pub mode: String,
    /// What we said our name is.
    pub remote: String,
    /// What went wrong.
    pub error: String,
}

impl Asterisk {
    /// Writes its settings anew and starts it.
    pub fn start(lab: &'static Lab) -> Asterisk {
        let home = home(lab);
        let _ = std::fs::remove_dir_all(&home);
        for folder in ["lib", "db", "run", "log", "faxes", "tmp", "spool/outgoing"] {
            std::fs::create_dir_all(home.join(folder)).expect("the folder can be made");
        }
        copy_files("asterisk", &home.join("etc"));
        write_certificate(&home.join("etc"));
        let log = File::create(home.join("log/said")).expect("the folder can be written");
        let process = lab
            .command("asterisk", "/usr/sbin/asterisk")
            .args(["-f", "-C", "/srv/interop/etc/asterisk.conf"])
            .stderr(log.try_clone().expect("a descriptor"))
            .stdout(Stdio::from(log))
            .spawn()
            .expect("chroot(8) is there");
        let asterisk = Asterisk { lab, process };
        wait_until("Asterisk is up", 60, || {
            asterisk
                .command_line("core waitfullybooted")
                .contains("fully booted")
        });
        asterisk
    }

    /// Where its files are.
    pub fn home(&self) -> PathBuf {
        home(self.lab)
    }

    /// The folders it runs in.
    pub fn lab(&self) -> &'static Lab {
        self.lab
    }

    /// Says something at its console.
    pub fn command_line(&self, words: &str) -> String {
        let done = self
            .lab
            .command("asterisk", "/usr/sbin/asterisk")
            .args(["-C", "/srv/interop/etc/asterisk.conf", "-rx", words])
            .output();
        let done = done.expect("chroot(8) is there");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Faxes a TIFF to a number of a gateway, under a name by which its end is known.
    pub fn send(&self, case: &str, tiff: &Path, to: (&str, SocketAddr), how: Sending) {
        let file = format!("{INSIDE}/tmp/{case}.tif");
        std::fs::copy(tiff, self.home().join(format!("tmp/{case}.tif"))).expect("it is a TIFF");
        let (number, gateway) = to;
        let channel = format!("PJSIP/{}/sip:{number}@{gateway}", how.endpoint);
        self.call(case, &channel, &file, how);
    }

    /// Faxes a TIFF to where a subscriber has registered.
    pub fn send_to_subscriber(&self, case: &str, tiff: &Path, subscriber: &str, how: Sending) {
        let file = format!("{INSIDE}/tmp/{case}.tif");
        std::fs::copy(tiff, self.home().join(format!("tmp/{case}.tif"))).expect("it is a TIFF");
        self.call(case, &format!("PJSIP/{subscriber}"), &file, how);
    }

    /// A file moved into the spool is a call: half a file never is.
    fn call(&self, case: &str, channel: &str, file: &str, how: Sending) {
        let ecm = if how.ecm { "yes" } else { "no" };
        let text = format!(
            "Channel: {channel}\nContext: send\nExtension: s\nPriority: 1\nWaitTime: 45\nMaxRetries: 0\n\
             CallerID: <5552100000>\nSetVar: FROM=5552100000\nSetVar: CASE={case}\nSetVar: PAGES={file}\n\
             SetVar: OPTIONS={}\nSetVar: ECM={ecm}\n",
            how.options
        );
        let half = self.home().join(format!("tmp/{case}.call"));
        std::fs::write(&half, text).expect("the folder can be written");
        let whole = self.home().join(format!("spool/outgoing/{case}.call"));
        std::fs::rename(half, whole).expect("one file system");
    }

    /// Waits for the end of a fax: `which` is the number that it received at, or the name it sent under.
    pub fn fax(&self, which: &str, seconds: u64) -> Fax {
        let what = format!("Asterisk is done with {which}");
        wait_for(&what, seconds, || self.fax_if_ended(which))
    }

    fn fax_if_ended(&self, which: &str) -> Option<Fax> {
        let log = std::fs::read(self.home().join("log/messages")).ok()?;
        let log = String::from_utf8_lossy(&log);
        let calls = log.lines().filter_map(|line| line.split_once("CALL|"));
        let mut fields = calls.map(|(_, call)| call.split('|').collect::<Vec<_>>());
        let mine = fields.rfind(|fields| fields.get(1) == Some(&which))?;
        let field = |n: usize| mine.get(n).copied().unwrap_or_default().to_owned();
        Some(Fax {
            status: field(2),
            pages: field(3).parse().unwrap_or(0),
            rate: field(4),
            mode: field(5),
            remote: field(6),
            error: [field(7), field(8)].join(" "),
        })
    }

    /// The pages that it received at a number.
    pub fn received(&self, number: &str) -> PathBuf {
        self.home().join(format!("faxes/{number}.tif"))
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn home(lab: &Lab) -> PathBuf {
    lab.root("asterisk").join(&INSIDE[1..])
}

fn write_certificate(folder: &Path) {
    let names = vec![
        "127.255.0.1".to_owned(),
        "asterisk.interop.example".to_owned(),
    ];
    let made = rcgen::generate_simple_self_signed(names).expect("two names");
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("a folder of ours");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())
        .expect("a folder of ours");
}
