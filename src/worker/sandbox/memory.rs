//! How much memory a document may take, and how nobody is deceived about it.
//!
//! A limit at which allocations fail is not enough: PDFium leaves out a picture that it gets no memory for and draws
//! the rest, and the fax would go out with a hole in it. So nothing may fail quietly:
//!
//! 1. The daemon looks at each renderer every few milliseconds, and ends one that has more than [`MOST`].
//! 2. A single request for more than [`MOST`] is not refused but deadly (SIGSYS).
//! 3. Address space ends at twice [`MOST`]. Who was refused anything there had more than [`MOST`] before, which the
//!    kernel remembers as the peak and the child's [`Gauge`] sees before it hands out the page.
//!
//! Over a corpus of 44 real PDFs the renderer has 17 to 46 MB (PDFium and the program are 16 of them), two documents
//! with enormous bitmaps have 88 and 229 MB. An A3 scan in colour at 600 dpi is 209 MB; one of
//! six pages at 300 dpi had 323 MB at its peak.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::pages::DocumentRefusal;

/// Octets of memory that a renderer may have. With what may come in between two looks it stays below 430 MB.
pub const MOST: u64 = 384 << 20;

/// From one look of the daemon to the next, at least...
const LOOK: Duration = Duration::from_millis(10);
/// ... and octets that a process can come by in a millisecond.
const FASTEST: u64 = 8 << 20;

/// What a sender reads whose document takes more.
pub fn refusal() -> DocumentRefusal {
    let limit_mb = MOST >> 20;
    DocumentRefusal::TooMuchMemory { limit_mb }
}

/// Returns when the process `id` has more than [`MOST`]; never, when it has not or has ended.
pub async fn watch(id: u32) {
    // Held open: to look for it anew costs more than to read it, and another process may have its number by then.
    if let Ok(status) = File::open(format!("/proc/{id}/status")) {
        while let Ok(octets) = read(&status, "VmRSS:") {
            if octets > MOST {
                return;
            }
            tokio::time::sleep(until_next_look(octets)).await;
        }
    }
    std::future::pending().await
}

/// The further from [`MOST`], the later.
fn until_next_look(octets: u64) -> Duration {
    let ms = MOST.saturating_sub(octets) / FASTEST;
    LOOK.max(Duration::from_millis(ms))
}

/// Octets of address space that this process has had at most.
pub fn address_space() -> io::Result<u64> {
    read(&File::open("/proc/self/status")?, PEAK)
}

/// Tells from inside whether the process went past [`MOST`] at any time since the gauge was made.
#[derive(Debug)]
pub struct Gauge {
    /// Opened before the walls: behind them it could not be.
    status: File,
    most: u64,
}

impl Gauge {
    /// Counts from now on.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn new() -> io::Result<Gauge> {
        let status = File::open("/proc/self/status")?;
        let most = read(&status, PEAK)? + MOST;
        Ok(Gauge { status, most })
    }

    /// Whether it did. A gauge that cannot be read says yes.
    pub fn exceeded(&self) -> bool {
        read(&self.status, PEAK).map_or(true, |peak| peak > self.most)
    }
}

/// The line of proc_pid_status(5) that has the largest address space so far.
const PEAK: &str = "VmPeak:";

/// Octets of one line of an open `/proc/*/status`.
fn read(status: &File, name: &str) -> io::Result<u64> {
    let mut text = [0; 4096];
    let len = status.read_at(&mut text, 0)?;
    figure(&String::from_utf8_lossy(&text[..len]), name)
}

/// Octets of one line of proc_pid_status(5), such as `VmPeak:     9216 kB`.
fn figure(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kb = line.and_then(|line| line.strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kb.ok_or(io::ErrorKind::InvalidData)? << 10)
}
