//! The daemon's side of the nursery: asks for processes, and hears how they end.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, pidfd_send_signal, setrlimit};
use tokio::io::Interest;
use tokio::net::{UnixStream, unix::pipe};
use tokio::process::Child;
use tokio::sync::oneshot;

use super::super::nursery::{Birth, FromNursery, receive, send};
use super::{Children, complaints};

/// The nursery that takes requests, while there is one.
#[derive(Debug, Default)]
pub(super) struct Nurseries(tokio::sync::Mutex<Option<Arc<Nursery>>>);

impl Drop for Nurseries {
    fn drop(&mut self) {
        if let Some(nursery) = self.0.get_mut().take() {
            nursery.close();
        }
    }
}

impl Children {
    /// Starts the nursery of the calls, where it does not run yet. To be done before strangers are listened to; a call
    /// that finds none starts one itself.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn open_nursery(&self) -> io::Result<()> {
        self.nursery().await.map(|_| ())
    }

    async fn nursery(&self) -> io::Result<Arc<Nursery>> {
        let mut current = self.nurseries.0.lock().await;
        if let Some(nursery) = &*current {
            if !nursery.spent.load(Relaxed) {
                return Ok(nursery.clone());
            }
            nursery.close();
        }
        raise_descriptors();
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let mut command = self.command("nursery");
        // A nursery that was dropped still buries its last children.
        command
            .stdin(theirs)
            .stdout(Stdio::null())
            .kill_on_drop(false);
        let process = Children::spawn(command, "nursery")?;
        let nursery = Arc::new(Nursery::new(ours)?);
        tokio::spawn(listen(nursery.clone(), process));
        Ok(current.insert(nursery).clone())
    }

    /// A new process for one call, with its control channel.
    pub(super) async fn infant(&self, control: OwnedFd) -> io::Result<Infant> {
        let (said, complains) = io::pipe()?;
        let complains = OwnedFd::from(complains);
        let hand_over = [control.as_fd(), complains.as_fd()];
        // A nursery that died since its last call was not missed: one more is asked.
        let infant = match self.nursery().await?.bear(&hand_over).await {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.nursery().await?.bear(&hand_over).await
            }
            born => born,
        }?;
        let said = pipe::Receiver::from_owned_fd(said.into())?;
        tokio::spawn(complaints::log("call", infant.pid, said));
        Ok(infant)
    }
}

/// A call takes three descriptors here and one in the nursery, and the usual limit of 1024 is there for programs that
/// use select(2). What the system allows at most is a limit all the same.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(e) = setrlimit(Resource::Nofile, most) {
        tracing::debug!("the limit of descriptors stays: {e}");
    }
}

/// A nursery that was started.
#[derive(Debug)]
struct Nursery {
    /// Of letters; tokio only says when there are some.
    socket: UnixStream,
    /// It gets no more requests: it is gone, or one of its children crashed and may have given away what all of them
    /// share (see [`super::super::nursery`]).
    spent: AtomicBool,
    births: AtomicU64,
    awaited: Mutex<HashMap<u64, Awaited>>,
}

/// Who waits for news of one process.
#[derive(Debug)]
struct Awaited {
    born: Option<oneshot::Sender<io::Result<(u32, OwnedFd)>>>,
    died: oneshot::Sender<ExitStatus>,
}

impl Nursery {
    fn new(socket: OwnedFd) -> io::Result<Nursery> {
        let socket = StdUnixStream::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Nursery {
            socket: UnixStream::from_std(socket)?,
            spent: AtomicBool::new(false),
            births: AtomicU64::new(0),
            awaited: Mutex::default(),
        })
    }

    /// One more process.
    ///
    /// # Errors
    /// `BrokenPipe` when the nursery is gone; else why it could not.
    async fn bear(&self, hand_over: &[BorrowedFd<'_>]) -> io::Result<Infant> {
        let birth = self.births.fetch_add(1, Relaxed);
        let ((born, is_born), (died, has_died)) = (oneshot::channel(), oneshot::channel());
        let awaited = Awaited {
            born: Some(born),
            died,
        };
        self.awaited().insert(birth, awaited);
        if self.spent.load(Relaxed) {
            self.lose(birth);
        } else {
            let ask = || send(&self.socket, &Birth { birth }, hand_over);
            let asked = self.socket.async_io(Interest::WRITABLE, ask).await;
            asked.inspect_err(|_| self.lose(birth))?;
        }
        let (pid, handle) = is_born.await.map_err(|_| io::ErrorKind::BrokenPipe)??;
        Ok(Infant {
            pid,
            handle,
            has_died,
            gone: false,
        })
    }

    /// What it said. `None` when it is gone.
    async fn next(&self) -> io::Result<Option<(FromNursery, Vec<OwnedFd>)>> {
        let next = || receive(&self.socket);
        self.socket.async_io(Interest::READABLE, next).await
    }

    fn heard(&self, news: FromNursery, handle: Option<OwnedFd>) {
        let mut awaited = self.awaited();
        match news {
            FromNursery::Born { birth, pid } => {
                let waits = awaited.get_mut(&birth).and_then(|a| a.born.take());
                if let (Some(waits), Some(handle)) = (waits, handle)
                    && let Err(Ok((_, handle))) = waits.send(Ok((pid, handle)))
                {
                    // Whoever asked for it has given up.
                    let _ = pidfd_send_signal(handle, Signal::KILL);
                }
            }
            FromNursery::NotBorn { birth, why } => {
                let waits = awaited.remove(&birth).and_then(|a| a.born);
                waits.map(|waits| waits.send(Err(io::Error::other(why))));
            }
            FromNursery::Died {
                birth,
                signal,
                code,
            } => {
                let crashed = |s| !matches!(s, libc::SIGKILL | libc::SIGXCPU | libc::SIGTERM);
                if signal.is_some_and(crashed) {
                    self.spent.store(true, Relaxed);
                }
                let waits = awaited.remove(&birth).map(|a| a.died);
                waits.map(|waits| waits.send(status(signal, code)));
            }
        }
    }

    /// It gets no more requests, buries its children, and ends.
    fn close(&self) {
        self.spent.store(true, Relaxed);
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    fn lose(&self, birth: u64) {
        self.awaited().remove(&birth);
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Awaited>> {
        self.awaited.lock().expect("nobody panics while holding it")
    }
}

/// Hands on what the nursery says, to its end.
async fn listen(nursery: Arc<Nursery>, mut process: Child) {
    loop {
        match nursery.next().await {
            Ok(Some((news, handles))) => nursery.heard(news, handles.into_iter().next()),
            Ok(None) => break,
            Err(e) => {
                tracing::error!("the nursery of the calls says nonsense: {e}");
                let _ = process.start_kill();
                break;
            }
        }
    }
    let unexpected = !nursery.spent.swap(true, Relaxed);
    // Whoever still waits hears that there will be no answer.
    nursery.awaited().clear();
    let ended = process.wait().await;
    if unexpected {
        let how = ended.map_or_else(|e| e.to_string(), super::how_it_ended);
        tracing::error!("the nursery of the calls {how}; the next call gets a new one");
    }
}

/// As wait(2) tells it.
fn status(signal: Option<i32>, code: Option<i32>) -> ExitStatus {
    ExitStatus::from_raw(signal.unwrap_or_else(|| code.unwrap_or_default() << 8))
}

/// The process of one call. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Infant {
    pub pid: u32,
    handle: OwnedFd,
    has_died: oneshot::Receiver<ExitStatus>,
    gone: bool,
}

impl Infant {
    /// Any process, and by whom its end is told.
    #[cfg(test)]
    pub fn adopted(process: &std::process::Child) -> (Infant, oneshot::Sender<ExitStatus>) {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let (died, has_died) = oneshot::channel();
        let infant = Infant {
            pid: process.id(),
            handle: pidfd_open(Pid::from_child(process), PidfdFlags::empty()).unwrap(),
            has_died,
            gone: false,
        };
        (infant, died)
    }

    /// How it ended; `None` when its nursery did not live to tell. Cancel-safe, until it has answered.
    pub async fn wait(&mut self) -> Option<ExitStatus> {
        let status = (&mut self.has_died).await.ok();
        self.gone = status.is_some();
        status
    }

    /// Kills it, if it has not ended.
    pub fn kill(&mut self) {
        if !self.gone {
            // One that has ended meanwhile does not mind.
            let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        }
    }
}

impl Drop for Infant {
    fn drop(&mut self) {
        self.kill();
    }
}
