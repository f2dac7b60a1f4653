//! The program under test as a process, its standard error in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::{wait_for, wait_until};

/// The binary that cargo built for this test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_postfax");

/// A running process; it ends with this.
pub struct Process {
    child: Child,
    log: Log,
}

impl Process {
    /// Starts the program; what it says goes to `log`.
    pub fn start(arguments: &[&str], log: &Path, environment: &[(&str, String)]) -> Process {
        let file = File::create(log).expect("the folder can be written");
        let second = file.try_clone().expect("a descriptor");
        let child = Command::new(PROGRAM)
            .args(arguments)
            .env("NO_COLOR", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            .spawn()
            .expect("the program starts");
        let log = Log(log.to_owned());
        Process { child, log }
    }

    /// Waits until it says this.
    pub fn wait_for_line(&self, text: &str, seconds: u64) {
        let what = format!("{} says {text:?}", self.log.0.display());
        wait_until(&what, seconds, || {
            let said = self.log.text();
            // Its last words, at once, instead of a long wait.
            assert!(!said.contains("postfax: "), "it did not start: {said}");
            said.contains(text)
        });
    }

    /// Whether it has ended.
    #[allow(dead_code)] // Only `make hostile` asks.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    #[allow(dead_code)] // As above.
    /// Whether it runs: a process that ended and was not waited for is none.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its children: one for each document, and the nursery of the calls.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// The nursery of the calls.
    pub fn nursery(&self) -> u32 {
        let is_nursery = |id: &u32| {
            let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            arguments.ends_with(b"worker\0nursery\0")
        };
        let nursery = self.children().into_iter().rev().find(is_nursery);
        nursery.expect("it has a nursery")
    }

    /// The processes of its calls.
    pub fn calls(&self) -> Vec<u32> {
        let children = self.children().into_iter();
        children.flat_map(children_of).collect()
    }

    /// Memory in KB as the kernel counts it: `VmRSS`, `VmHWM` (at most so far), `RssAnon` (without files).
    pub fn memory_kb(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the process runs");
        let line = status.lines().find(|line| line.starts_with(figure));
        let line = line.expect("the kernel says it");
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("a number")
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        send_signal(self.id(), name);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }

    /// Waits for its end; true: with success.
    pub fn ended(mut self, seconds: u64) -> bool {
        let what = format!("the end of the process of {}", self.log.0.display());
        let status: ExitStatus = wait_for(&what, seconds, || {
            self.child.try_wait().expect("it is ours")
        });
        status.success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to a process that this test started, or to a child of it.
pub fn send_signal(id: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &id.to_string()])
        .status();
    assert!(
        sent.expect("kill(1) is there").success(),
        "kill -s {name} {id}"
    );
}

/// What a process said.
pub struct Log(pub PathBuf);

impl Log {
    /// All of it.
    pub fn text(&self) -> String {
        let octets = std::fs::read(&self.0).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// How often it said this.
    pub fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }
}

fn children_of(id: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            let ids = list.split_whitespace().map(str::parse);
            ids.flatten().collect::<Vec<u32>>()
        })
        .collect()
}
