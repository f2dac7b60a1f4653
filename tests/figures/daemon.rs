//! The daemon under measurement: the release binary, with a state folder and ports of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::mail::Client;

/// A start that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// In which the kernel counts CPU time for /proc (USER_HZ).
const TICKS_A_SECOND: f64 = 100.0;

/// A configuration in a folder that goes with it.
pub struct Site {
    folder: tempfile::TempDir,
    smtp: SocketAddr,
    /// Where it takes calls.
    pub sip: SocketAddr,
    /// Where its page is.
    pub status: SocketAddr,
}

impl Site {
    /// Free ports of loopback, and calls to `trunk`.
    pub fn new(trunk: SocketAddr) -> anyhow::Result<Site> {
        Site::taking(trunk, 100)
    }

    /// The same, where a mail may have so many recipients.
    pub fn taking(trunk: SocketAddr, max_recipients: usize) -> anyhow::Result<Site> {
        let folder = tempfile::tempdir()?;
        let (smtp, status) = (free_tcp()?, free_tcp()?);
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = format!(
            "state_dir = \"{folder}/state\"\nhostname = \"fax.local\"\n\
             [smtp]\nlisten = [\"{smtp}\"]\nmax_recipients = {max_recipients}\n\
             [fax]\nname = \"Figures\"\nstation_id = \"5559876543\"\n\
             [sip]\nlisten = [\"udp:{sip}\"]\n[[trunk]]\nserver = \"{trunk}\"\n\
             [mail]\nmaildir = \"{folder}/Maildir\"\n\
             [status]\nlisten = \"{status}\"\n",
            folder = folder.path().display(),
        );
        fs::write(folder.path().join("config.toml"), config)?;
        Ok(Site {
            folder,
            smtp,
            sip,
            status,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

fn free_tcp() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A running daemon; killed when dropped, as a power cut would.
pub struct Daemon {
    process: Child,
    /// Where it takes mail.
    pub smtp: SocketAddr,
}

/// Its memory, kilobytes.
pub struct Memory {
    /// Resident now.
    pub rss_kb: u64,
    /// Resident at most, since the start or [`Daemon::forget_peak`].
    pub peak_kb: u64,
}

impl Daemon {
    /// Starts it, and says how long it took to greet a client.
    pub fn start(site: &Site) -> anyhow::Result<(Daemon, Duration)> {
        let folder = site.folder.path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))?;
        let began = Instant::now();
        let process = Command::new(env!("CARGO_BIN_EXE_postfax"))
            .arg("--config")
            .arg(folder.join("config.toml"))
            .arg("run")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut daemon = Daemon {
            process,
            smtp: site.smtp,
        };
        while Client::connect(site.smtp).is_err() {
            if daemon.process.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                bail!(
                    "the daemon did not start:\n{}",
                    fs::read_to_string(folder.join("log"))?
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((daemon, began.elapsed()))
    }

    /// What the kernel says of its memory.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let kilobytes = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_ascii_whitespace().next());
            Ok(number.context("no such line in /proc")?.parse()?)
        };
        Ok(Memory {
            rss_kb: kilobytes("VmRSS:")?,
            peak_kb: kilobytes("VmHWM:")?,
        })
    }

    /// What it has used of a core since its start, without its children.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // proc_pid_stat(5): fields 14 and 15, counted from behind the name, which may hold anything.
        let (_, fields) = stat.rsplit_once(") ").context("no name in /proc")?;
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
        Ok(ticks as f64 / TICKS_A_SECOND)
    }

    /// Lets the peak begin anew (proc(5), `clear_refs`).
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(fs::write(
            format!("/proc/{}/clear_refs", self.process.id()),
            "5",
        )?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
