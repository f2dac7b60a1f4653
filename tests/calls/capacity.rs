//! Calls at a time, both ends ours: SIP, the T.38 switch and media over real sockets of loopback.
//!
//! One side is `postfax carrier`, whose machines receive; the other is the same code in a process of this program,
//! whose machines send. Both count in what they cost: the daemon, its nursery, and every process of a call.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use postfax::call::outcome::Outcome;
use postfax::carrier::CallRecord;
use postfax::pages::{FaxPage, Resolution, tiff};

use crate::far_side::{OVER, Orders, READY};
use crate::figures::Figures;
use crate::pages::Kind;

/// Calls at a time in T.38, and in audio.
const STEPS: &[usize] = &[10, 50, 100, 200, 400, 600, 800];
const AUDIO_STEPS: &[usize] = &[10, 50, 100, 200, 400];

/// A machine with T.38, and one without.
const T38_MACHINE: &str = "5551234567";
const AUDIO_MACHINE: &str = "5551230005";

/// After the last call has begun, before memory is looked at: all of them have their terminals by then.
const SETTLED: Duration = Duration::from_secs(3);
/// Processes of calls that are looked at on each side: reading each would cost what is measured.
const SAMPLE: usize = 25;

/// Calls at a time.
pub struct Step {
    /// How many.
    pub calls: usize,
    /// Whether the line has no T.38.
    pub audio: bool,
    /// Time from the first to the last.
    pub ramp: Duration,
}

/// What a step came to.
pub struct Taken {
    /// Calls in which both sides say that every page arrived.
    pub clean: usize,
    /// The others, by what the sender says of them.
    pub failures: BTreeMap<String, usize>,
    /// CPU seconds for a call, sender and receiver.
    pub cpu: [f64; 2],
    /// What of that both daemons took, in the mean.
    pub daemon_cpu: f64,
    /// Megabytes for a call and side: processes of calls, nursery, and what the daemon has.
    pub megabytes: f64,
    /// Of 100 wakings of the processes, those that came more than 20 ms late.
    pub late: f64,
    /// Seconds from answer to end, in the middle.
    pub median_seconds: f64,
}

/// Runs all steps.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let page = Kind::Letter.page(Resolution::Fine);
    let ramp = Duration::from_secs(crate::setting("RAMP", 20)?);
    let media = [
        ("t38", false, "STEPS", STEPS),
        ("audio", true, "AUDIO_STEPS", AUDIO_STEPS),
    ];
    for (name, audio, setting, steps) in media {
        println!(
            "Calls at a time over {}, a page of {:.1} KB, begun over {} s; both ends on {} cores:",
            if audio { "audio" } else { "T.38" },
            page.g4.len() as f64 / 1024.0,
            ramp.as_secs(),
            std::thread::available_parallelism()?,
        );
        println!(
            "{:>6}{:>8}{:>14}{:>14}{:>14}{:>10}{:>8}{:>10}  failures",
            "calls",
            "clean",
            "CPU s sender",
            "CPU s recvr",
            "daemon's part",
            "MB/call",
            "late %",
            "seconds"
        );
        let mut best: Option<(usize, Taken)> = None;
        for calls in crate::steps(setting, steps)? {
            let taken = run(&Step { calls, audio, ramp }, &page)?;
            println!(
                "{calls:>6}{:>8}{:>14.4}{:>14.4}{:>14.4}{:>10.2}{:>8.2}{:>10.1}  {:?}",
                taken.clean,
                taken.cpu[0],
                taken.cpu[1],
                taken.daemon_cpu,
                taken.megabytes,
                taken.late,
                taken.median_seconds,
                taken.failures
            );
            if taken.clean == calls {
                best = Some((calls, taken));
            }
        }
        if let Some((calls, taken)) = best {
            let cpu = (taken.cpu[0] + taken.cpu[1]) / 2.0;
            figures.note(&format!("{name}_clean"), calls);
            figures.note(&format!("{name}_cpu_s"), format_args!("{cpu:.3}"));
            if !audio {
                figures.note("mb_per_call", format_args!("{:.2}", taken.megabytes));
            }
        }
        println!();
    }
    Ok(())
}

/// Runs one step.
pub fn run(step: &Step, page: &FaxPage) -> anyhow::Result<Taken> {
    let folder = tempfile::tempdir()?;
    let (ours, theirs) = (folder.path().join("sender"), folder.path().join("receiver"));
    for folder in [&ours, &theirs] {
        fs::create_dir(folder)?;
    }
    fs::write(
        ours.join("pages.tiff"),
        tiff::write(std::slice::from_ref(page)),
    )?;
    let (receiver, target) = Side::receiver(&theirs)?;
    let mut sender = Side::sender(step, target, &ours)?;
    let before = [sender.cpu()?, receiver.cpu()?];
    std::thread::sleep(step.ramp + SETTLED);
    let memory = sender.memory()? + receiver.memory()?;
    sender.wait_for(OVER)?;
    // The receivers' last words.
    std::thread::sleep(Duration::from_secs(2));
    let after = [sender.cpu()?, receiver.cpu()?];
    let of_a_call = |total: f64| total / step.calls as f64;
    let [sent, received] = [records(&ours)?, records(&theirs)?];
    let late = [&ours, &theirs].map(|folder| punctuality(folder));
    drop((sender, receiver));
    let mut seconds: Vec<f64> = sent.iter().map(|call| call.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let mut failures = BTreeMap::new();
    for call in sent
        .iter()
        .filter(|call| call.outcome != Outcome::Delivered)
    {
        *failures.entry(call.outcome.name().to_owned()).or_default() += 1;
    }
    let delivered = |calls: &[CallRecord]| {
        let delivered = calls
            .iter()
            .filter(|call| call.outcome == Outcome::Delivered);
        delivered.count()
    };
    let (beats, late) = (late[0].0 + late[1].0, late[0].1 + late[1].1);
    Ok(Taken {
        clean: delivered(&sent).min(delivered(&received)),
        failures,
        cpu: [0, 1].map(|side| of_a_call(after[side].all() - before[side].all())),
        daemon_cpu: [0, 1]
            .map(|side| of_a_call(after[side].daemon - before[side].daemon) / 2.0)
            .iter()
            .sum(),
        megabytes: of_a_call(memory) / 2.0,
        late: 100.0 * late as f64 / beats.max(1) as f64,
        median_seconds: seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
    })
}

fn records(folder: &Path) -> anyhow::Result<Vec<CallRecord>> {
    let text = fs::read_to_string(folder.join("calls.jsonl")).unwrap_or_default();
    let records = text.lines().map(serde_json::from_str);
    records.collect::<Result<_, _>>().context("calls.jsonl")
}

/// How often the processes woke up, and how often of these late, as the daemon tells at debug.
fn punctuality(folder: &Path) -> (u64, u64) {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let number = |line: &str, name: &str| -> u64 {
        let said = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name));
        said.and_then(|n| n.parse().ok()).unwrap_or_default()
    };
    log.lines()
        .filter(|line| line.contains("the child is done"))
        .map(|line| (number(line, "beats="), number(line, "late=")))
        .fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1))
}

/// One side: a daemon, its nursery, its calls.
struct Side {
    daemon: Child,
    says: BufReader<ChildStdout>,
    /// Closed, the sender ends.
    _hears: ChildStdin,
}

impl Side {
    fn receiver(folder: &Path) -> anyhow::Result<(Side, SocketAddr)> {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_postfax"));
        command.args(["carrier", "--listen", &address.to_string(), "--folder"]);
        command.arg(folder);
        let mut side = Side::start(command, folder)?;
        side.wait_for("listens on")?;
        Ok((side, address))
    }

    fn sender(step: &Step, target: SocketAddr, folder: &Path) -> anyhow::Result<Side> {
        let orders = Orders {
            target,
            number: if step.audio {
                AUDIO_MACHINE
            } else {
                T38_MACHINE
            },
            calls: step.calls,
            ramp: step.ramp,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(orders.arguments()).arg(folder);
        let mut side = Side::start(command, folder)?;
        side.wait_for(READY)?;
        Ok(side)
    }

    fn start(mut command: Command, folder: &Path) -> anyhow::Result<Side> {
        let mut daemon = command
            .env("RUST_LOG", "warn,postfax::net::line=debug")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log"))?)
            .spawn()?;
        Ok(Side {
            says: BufReader::new(daemon.stdout.take().expect("it is piped")),
            _hears: daemon.stdin.take().expect("it is piped"),
            daemon,
        })
    }

    fn wait_for(&mut self, what: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            let read = self.says.read_line(&mut line)?;
            anyhow::ensure!(read > 0, "a side ended before it said {what:?}");
        }
        Ok(())
    }

    /// Seconds of CPU so far: its own, its nursery's, and those of all calls that are over.
    fn cpu(&self) -> anyhow::Result<Cpu> {
        let calls: anyhow::Result<Vec<f64>> =
            children(self.daemon.id()).into_iter().map(cpu).collect();
        Ok(Cpu {
            daemon: cpu(self.daemon.id())?,
            calls: calls?.iter().sum(),
        })
    }

    /// Megabytes, each page of memory that is shared divided among those who share it (PSS).
    fn memory(&self) -> anyhow::Result<f64> {
        let mut total = memory(self.daemon.id())?;
        for nursery in children(self.daemon.id()) {
            total += memory(nursery)?;
            let calls = children(nursery);
            let sample: Vec<f64> = calls
                .iter()
                .take(SAMPLE)
                .flat_map(|id| memory(*id))
                .collect();
            let mean = sample.iter().sum::<f64>() / sample.len().max(1) as f64;
            total += mean * calls.len() as f64;
        }
        Ok(total)
    }
}

/// Seconds of CPU.
#[derive(Clone, Copy)]
struct Cpu {
    daemon: f64,
    calls: f64,
}

impl Cpu {
    fn all(self) -> f64 {
        self.daemon + self.calls
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// User and system seconds of a process and of its children that it has waited for (proc(5), `stat`).
fn cpu(id: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, behind_name) = stat.rsplit_once(')').context("stat has no name")?;
    let ticks = behind_name.split_whitespace().skip(11).take(4);
    let ticks: u64 = ticks.flat_map(str::parse::<u64>).sum();
    // USER_HZ is 100 wherever Linux runs.
    Ok(ticks as f64 / 100.0)
}

fn memory(id: u32) -> anyhow::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("no Pss")?.parse::<f64>()? / 1024.0)
}

fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.flat_map(|task| fs::read_to_string(task.path().join("children")));
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .flat_map(str::parse)
                .collect::<Vec<u32>>()
        })
        .collect()
}
