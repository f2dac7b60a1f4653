//! A site: a folder, a configuration, the daemon, a carrier with its fax machines. What the tests know of it they know
//! from outside: mails, the store's public face, the carrier's own log.

pub mod border;
pub mod dns;
pub mod mails;
pub mod nat;
pub mod process;
pub mod relay;
pub mod smtp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use postfax::carrier::CallRecord;
use postfax::config::trunk::Listen;
use postfax::config::{Config, Route, Trunk};
use postfax::mail_to_fax::stamp::Stamp;
use postfax::pages::bitmap::Bitmap;
use postfax::pages::header::HeaderFont;
use postfax::queue::{AttemptRow, FaxRow, OutgoingRow, ReceivedRow, Store};
use tempfile::TempDir;

use mails::Mail;
use process::{Log, Process};

/// The gateway's own number, and who writes mails.
pub const OURS: &str = "5559876543";
pub const CLERK: &str = "clerk@example.com";

/// A fax machine with nothing wrong.
pub const HEALTHY: &str = "5551234567";

/// A call of two pages takes some 40 s; a loaded machine may take twice as long.
pub const A_CALL: u64 = 120;

/// A site of its own: nothing is shared with other tests but the machine.
pub struct Site {
    /// What the daemon is told at its next start or reload.
    pub config: Config,
    address: IpAddr,
    daemon: Option<Process>,
    carrier: Option<Process>,
    starts: u32,
    environment: Vec<(&'static str, String)>,
    /// Last: it goes when those who write into it are gone.
    folder: TempDir,
}

impl Site {
    /// A running site with the default configuration.
    pub fn new() -> Site {
        Site::with(|_| {})
    }

    /// A running site, its configuration changed first.
    pub fn with(change: impl FnOnce(&mut Config)) -> Site {
        let mut site = Site::prepared(change);
        site.start_carrier();
        site.start();
        site
    }

    /// A site where nothing runs yet.
    pub fn prepared(change: impl FnOnce(&mut Config)) -> Site {
        let folder = tempfile::Builder::new().prefix("postfax-test-").tempdir();
        let folder = folder.expect("a temporary folder");
        let address = own_address();
        let mut config = configuration(folder.path(), address);
        change(&mut config);
        Site {
            config,
            folder,
            address,
            daemon: None,
            carrier: None,
            starts: 0,
            environment: Vec::new(),
        }
    }

    /// Sets an environment variable for the next starts of the daemon.
    pub fn set_env(&mut self, name: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
    }

    // ---- processes ----

    /// Starts the daemon, on whatever state there is, and waits until it listens.
    pub fn start(&mut self) {
        self.launch();
        self.daemon().wait_for_line("calls are taken on", 20);
    }

    /// Starts the daemon on a queue that cannot be opened, and waits until it says so at its doors.
    pub fn start_shut(&mut self) {
        self.launch();
        self.daemon().wait_for_line("mail is refused on", 20);
    }

    /// Starts the daemon and waits for nothing.
    pub fn launch(&mut self) {
        self.write_config();
        self.starts += 1;
        let log = self.path(&format!("daemon-{}.log", self.starts));
        let config = self.config_file();
        let arguments = ["run", "--config", config.to_str().expect("a plain path")];
        self.daemon = Some(Process::start(&arguments, &log, &self.environment));
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.daemon.take().expect("the daemon runs").kill();
    }

    /// SIGTERM; the daemon has not ended yet when this returns.
    pub fn terminate(&self) {
        self.daemon().signal("TERM");
    }

    /// Waits for the end of the daemon that was told to stop; true: it ended with success.
    pub fn ended(&mut self, seconds: u64) -> bool {
        let daemon = self.daemon.take().expect("the daemon runs");
        daemon.ended(seconds)
    }

    /// SIGTERM, and a clean end.
    pub fn stop(&mut self) {
        self.terminate();
        assert!(self.ended(30), "the daemon ended with a failure");
    }

    /// SIGHUP, with the configuration as it is now.
    pub fn reload(&self) {
        self.write_config();
        let before = self.log().count("settings reloaded");
        self.daemon().signal("HUP");
        wait_until("the daemon has reloaded", 5, || {
            self.log().count("settings reloaded") > before
        });
    }

    /// Starts the simulated carrier.
    pub fn start_carrier(&mut self) {
        let carrier = self.carrier_command(5070, &[]);
        carrier.wait_for_line("a simulated carrier listens", 20);
        self.carrier = Some(carrier);
    }

    /// `kill -9` for the carrier.
    pub fn kill_carrier(&mut self) {
        self.carrier.take().expect("the carrier runs").kill();
    }

    /// A machine of a second carrier at the same address faxes a TIFF to one of our numbers.
    pub fn fax_in(&self, tiff: &Path, to: &str) -> Process {
        let file = tiff.to_str().expect("a plain path");
        self.carrier_command(5071, &["--send", file, "--to", to])
    }

    fn carrier_command(&self, port: u16, more: &[&str]) -> Process {
        let listen = SocketAddr::new(self.address, port).to_string();
        let gateway = self.config.sip.listen[0].address.to_string();
        let folder = self.path(&format!("machines-{port}"));
        let folder = folder.to_str().expect("a plain path");
        let mut arguments = vec!["carrier", "--listen", &listen, "--gateway", &gateway];
        arguments.extend(["--folder", folder]);
        arguments.extend(more);
        Process::start(&arguments, &self.path(&format!("carrier-{port}.log")), &[])
    }

    /// Runs a command beside the daemon (`check`, `queue`, `cancel`) to its end.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        std::process::Command::new(process::PROGRAM)
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .output()
            .expect("the command starts")
    }

    /// The daemon's process.
    pub fn daemon(&self) -> &Process {
        self.daemon.as_ref().expect("the daemon runs")
    }

    /// What the daemon has said since its last start.
    pub fn log(&self) -> Log {
        Log(self.path(&format!("daemon-{}.log", self.starts)))
    }

    // ---- where things are ----

    /// A file or folder of this site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An address of this site alone; every port of it is free but those of the daemon and the carrier.
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    fn config_file(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Writes the configuration as it is now.
    pub fn write_config(&self) {
        let text = toml::to_string(&self.config).expect("a configuration serialises");
        std::fs::write(self.config_file(), text).expect("the folder can be written");
    }

    // ---- mail ----

    /// A session at the daemon's SMTP port, behind its EHLO.
    pub fn smtp(&self) -> smtp::Client {
        let mut client = smtp::Client::connect(self.config.smtp.listen[0]);
        client.expect("EHLO clerk.example.com", 250);
        client
    }

    /// Submits one mail with these PDFs to these numbers; it must be accepted.
    pub fn submit(&self, numbers: &[&str], pdfs: &[Vec<u8>]) {
        let (mail, recipients) = (mails::with_pdfs(numbers, pdfs), mails::addresses(numbers));
        self.smtp().send(CLERK, &recipients, &mail);
    }

    /// The receipts in the clerk's Maildir.
    pub fn receipts(&self) -> Vec<Mail> {
        mails::in_maildir(&self.path("Maildir-clerk"))
    }

    /// The faxes in the office's Maildir.
    pub fn office(&self) -> Vec<Mail> {
        mails::in_maildir(&self.path("Maildir-office"))
    }

    // ---- pages ----

    /// What `postfax render` makes of a PDF: the pages without header lines.
    pub fn rendered(&self, pdf: &[u8]) -> PathBuf {
        let (input, output) = (self.path("in.pdf"), self.path("rendered.tiff"));
        std::fs::write(&input, pdf).expect("the folder can be written");
        let (from, to) = (input.to_str(), output.to_str());
        let done = self.command(&["render", from.expect("plain"), to.expect("plain")]);
        assert!(done.status.success(), "postfax render: {done:?}");
        output
    }

    /// The pages of a PDF with the header lines of one attempt, from its first page on.
    pub fn stamped(&self, pdf: &[u8], number: &str, attempt: &AttemptRow) -> Vec<Bitmap> {
        let pages = mails::pages_in(&self.rendered(pdf));
        let stamp: Stamp = serde_json::from_str(&attempt.header).expect("a header line");
        let font = HeaderFont::builtin();
        let stamped = stamp.on(&pages, attempt.first_page, number, &font);
        mails::pictures(&stamped.expect("pages of our own"))
    }

    /// Waits until the machine has confirmed page 1 of the only fax, and page 2 is not over yet.
    pub fn wait_for_page_2(&self) {
        wait_until("page 1 is confirmed", A_CALL, || self.fax().confirmed == 1);
        assert_eq!(self.fax().state, "calling");
    }

    // ---- the far end's log ----

    /// Every call that a fax machine of the carrier took and that is over, in the machine's view.
    pub fn machine_calls(&self) -> Vec<CallRecord> {
        let log = std::fs::read_to_string(self.path("machines-5070/calls.jsonl"));
        log.unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of calls.jsonl"))
            .collect()
    }

    /// How often a number was dialled, whatever became of it.
    pub fn dialled(&self, number: &str) -> usize {
        let called = format!("called=\"{number}\"");
        let log = self.carrier_log().text();
        let begun = |line: &&str| line.contains("a call for") && line.contains(&called);
        log.lines().filter(begun).count()
    }

    /// What the carrier says.
    pub fn carrier_log(&self) -> Log {
        Log(self.path("carrier-5070.log"))
    }

    /// The carrier's process.
    pub fn carrier(&self) -> &Process {
        self.carrier.as_ref().expect("the carrier runs")
    }

    // ---- the page ----

    /// `GET /status.json`.
    pub fn status(&self) -> serde_json::Value {
        use std::io::{Read, Write};
        let address = self.config.status.listen.expect("there is a page");
        let mut stream = std::net::TcpStream::connect(address).expect("the page listens");
        // HTTP/1.0: no chunks.
        let request = format!("GET /status.json HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).expect("JSON")
    }

    // ---- the store, read beside the daemon ----

    /// Looks into the store as a command beside the daemon does.
    pub fn store<T>(&self, look: impl AsyncFnOnce(&Store) -> postfax::queue::Result<T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let store = Store::open_beside(&self.config.state_dir).expect("the store opens");
        let seen = runtime.block_on(look(&store));
        seen.expect("the store can be read")
    }

    /// Every fax to send, in the order of acceptance.
    pub fn faxes(&self) -> Vec<FaxRow> {
        let mut faxes = self.store(async |store| {
            let mut all = store.waiting_faxes(1000).await?;
            all.extend(store.ended_faxes(1000).await?);
            Ok(all)
        });
        faxes.sort_by(|a, b| a.id.cmp(&b.id));
        // One that ended between the two looks is in both.
        faxes.dedup_by(|a, b| a.id == b.id);
        faxes
    }

    /// The only fax to send.
    pub fn fax(&self) -> FaxRow {
        let mut faxes = self.faxes();
        assert_eq!(faxes.len(), 1, "one fax was expected");
        faxes.remove(0)
    }

    /// The fax to a number.
    pub fn fax_to(&self, number: &str) -> FaxRow {
        let mut faxes = self.faxes();
        faxes.retain(|fax| fax.number == number);
        assert_eq!(faxes.len(), 1, "one fax to {number} was expected");
        faxes.remove(0)
    }

    /// The calls of a fax.
    pub fn attempts(&self, fax: &str) -> Vec<AttemptRow> {
        self.store(async |store| store.attempts(fax).await)
    }

    /// The mails about a fax.
    pub fn mails_about(&self, fax: &str) -> Vec<OutgoingRow> {
        self.store(async |store| store.mails_about(fax).await)
    }

    /// Every fax received, the newest first.
    pub fn received(&self) -> Vec<ReceivedRow> {
        self.store(async |store| store.received(1000).await)
    }

    /// `postfax check` finds nothing wrong in the store.
    pub fn check(&self) {
        let checked = self.command(&["check"]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "postfax check:\n{said}");
        assert!(said.contains("is sound"), "postfax check:\n{said}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        (self.daemon, self.carrier) = (None, None);
        let mut logs: Vec<PathBuf> = std::fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
            .collect();
        logs.sort();
        for log in logs {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            eprintln!("---- {}\n{said}", log.display());
        }
    }
}

/// What a test draws its values from. The seed is printed; `POSTFAX_TEST_SEED` sets it, to draw the same again.
#[allow(dead_code)] // Not every bench with this harness draws.
pub fn seed(test: &str) -> fastrand::Rng {
    let given = std::env::var("POSTFAX_TEST_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{test}: POSTFAX_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Waits until something can be seen; panics with `what` when the seconds are over.
pub fn wait_for<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something is true.
pub fn wait_until(what: &str, seconds: u64, mut look: impl FnMut() -> bool) {
    wait_for(what, seconds, || look().then_some(()));
}

/// A loopback address that no other test on this machine uses: its ports are ours, without asking.
fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    assert_ne!(number, 255, "too many sites for one run");
    Ipv4Addr::new(127, high, low, number).into()
}

fn configuration(folder: &Path, address: IpAddr) -> Config {
    let mut config = Config {
        state_dir: folder.join("state"),
        hostname: "fax.local".into(),
        time_zone: "UTC".into(),
        ..Config::default()
    };
    config.smtp.listen = vec![SocketAddr::new(address, 2525)];
    config.fax.name = "Postfax test".into();
    config.fax.station_id = OURS.into();
    config.trunks = vec![Trunk::to(SocketAddr::new(address, 5070))];
    config.sip.listen = vec![Listen::udp(SocketAddr::new(address, 5060))];
    config.sip.drain_seconds = 0;
    config.mail.maildir = Some(folder.join("Maildir-clerk"));
    config.status.listen = Some(SocketAddr::new(address, 8025));
    config.routes = vec![Route {
        number: OURS.into(),
        to: Vec::new(),
        maildir: Some(folder.join("Maildir-office")),
        ocr: false,
    }];
    config
}
