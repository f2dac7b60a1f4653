//! The daemon's side of the children: starts them, talks to them, notices how they end.

mod bounds;
mod call;
pub(super) mod cgroup;
mod complaints;
mod convert;
mod document;
mod frames;
mod nursery;
mod ocr;
mod waiting;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::mishaps::Mishaps;
pub use bounds::Bounds;
pub use call::{CallChild, ChildEvent, Stalled};
pub use cgroup::ServiceGroup;
pub use convert::Conversion;
pub use document::{RenderFailure, Rendered};
pub use ocr::TextReader;

/// How children are started.
#[derive(Debug, Clone)]
pub struct Children {
    /// The program; `/proc/self/exe` survives an upgrade of the binary on disk.
    pub program: PathBuf,
    /// The libpdfium.so for renderers.
    pub pdfium: Option<PathBuf>,
    /// Seconds one document may take, wall clock.
    pub render_seconds: u64,
    /// For tests: what the next children are told to suffer.
    pub mishaps: Arc<Mishaps>,
    /// Where converters get control groups, if the service manager delegated one.
    pub service_group: Option<Arc<ServiceGroup>>,
    /// Converters may be large: few at a time.
    conversions: Arc<Semaphore>,
    /// So with received pages whose text is read, which nobody waits for.
    readers: Arc<Semaphore>,
    /// A broadcast that begins wants many cover pages at once.
    covers: Arc<Semaphore>,
    nurseries: Arc<nursery::Nurseries>,
}

/// Converters, pages whose text is read, and cover pages, at a time.
const CONVERSIONS: usize = 2;
const READERS: usize = 1;
const COVERS: usize = 2;

impl Children {
    /// Children of this very program.
    pub fn new(pdfium: Option<PathBuf>, render_seconds: u64) -> Children {
        Children {
            program: "/proc/self/exe".into(),
            pdfium,
            render_seconds,
            mishaps: Arc::default(),
            service_group: None,
            conversions: Arc::new(Semaphore::new(CONVERSIONS)),
            readers: Arc::new(Semaphore::new(READERS)),
            covers: Arc::new(Semaphore::new(COVERS)),
            nurseries: Arc::default(),
        }
    }

    /// The command that starts one child: it knows nothing of where and by whom the daemon was started.
    fn command(&self, kind: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["worker", kind])
            .env_clear()
            .current_dir("/")
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the daemon, which lets calls end.
            .process_group(0)
            .kill_on_drop(true);
        // A program that finds its shared libraries there does not start without.
        if let Some(folders) = std::env::var_os(LIBRARY_PATH) {
            command.env(LIBRARY_PATH, folders);
        }
        command
    }

    /// Starts a child whose complaints go into our log.
    fn spawn(mut command: Command, kind: &'static str) -> std::io::Result<Child> {
        let mut child = command.spawn()?;
        let (said, id) = (child.stderr.take(), child.id());
        let said = said.expect("standard error is piped");
        tokio::spawn(complaints::log(kind, id.unwrap_or_default(), said));
        Ok(child)
    }
}

const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

fn how_it_ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGXCPU), _) => "used up its CPU time".to_owned(),
        (Some(signal), _) => format!("crashed (signal {signal})"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}
