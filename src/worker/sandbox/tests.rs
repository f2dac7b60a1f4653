//! Every wall is run into: this test program starts itself again, puts up the walls and tries what is forbidden.
//!
//! The children here are the ignored tests below; without the variable that names their part they do nothing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{self, Pid, PidfdFlags, Resource, Rlimit};

use super::{Limits, calls, enter_call, enter_render, files, limit, memory, program};
use crate::pages::pdfium::{FONT_DIRS, Renderer};

/// Names the part that a child plays.
const PART: &str = "POSTFAX_TEST_PART";
/// A file of the state folder.
const SECRET: &str = "POSTFAX_TEST_SECRET";

/// Runs an ignored test of this file in a process of its own.
fn child(part: &str, secret: &Path) -> (ExitStatus, String) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args([
            "worker::sandbox::tests::inside",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(PART, part)
        .env(SECRET, secret)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

/// What one kind of child is tried with.
fn try_walls(part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("queue.db");
    fs::write(&secret, "faxes of others").unwrap();
    let (status, said) = child(part, &secret);
    assert!(status.success() && said.contains("1 passed"), "{said}");
    let open = said.lines().filter(|line| line.starts_with("OPEN"));
    assert_eq!(open.collect::<Vec<_>>(), [""; 0], "{said}");
    assert!(said.matches("refused").count() >= 19, "{said}");
}

#[test]
fn call_child_runs_into_every_wall() {
    try_walls("call");
}

#[test]
fn renderer_runs_into_every_wall() {
    try_walls("render");
}

#[test]
fn converter_runs_into_every_wall_and_reads_what_is_installed() {
    try_walls("convert");
}

#[test]
fn one_large_request_is_deadly_and_not_a_hole_in_the_page() {
    let (status, said) = child("large request", Path::new(""));
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{said}");
}

#[test]
fn many_small_requests_show_in_the_gauge_before_they_fail() {
    let (status, said) = child("small requests", Path::new(""));
    assert!(status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn call_that_wants_too_much_memory_ends() {
    let (status, said) = child("call memory", Path::new(""));
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{said}");
}

#[test]
fn endless_loop_ends_with_its_cpu_time() {
    let (status, said) = child("spin", Path::new(""));
    assert_eq!(status.signal(), Some(libc::SIGXCPU), "{said}");
}

#[test]
fn calls_that_reach_other_processes_or_more_rights_are_on_no_list() {
    let never = [
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept4,
        libc::SYS_setsockopt,
        libc::SYS_sendmsg,
        libc::SYS_ioctl,
        libc::SYS_fcntl,
        libc::SYS_prctl,
        libc::SYS_prlimit64,
        libc::SYS_memfd_create,
        libc::SYS_pkey_mprotect,
        libc::SYS_io_uring_setup,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_chroot,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
    ];
    for sockets in [true, false] {
        let allowed = calls::allowed(sockets).unwrap();
        assert!(never.iter().all(|call| !allowed.contains_key(call)));
    }
}

#[test]
fn a_program_gets_no_call_that_reaches_other_processes_or_unguarded_files() {
    let never = [
        libc::SYS_ptrace,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_pidfd_open,
        libc::SYS_setpriority,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_ioprio_set,
        libc::SYS_setxattr,
        libc::SYS_fsetxattr,
        libc::SYS_fchmodat2,
        libc::SYS_connect,
        libc::SYS_sendmmsg,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_memfd_create,
        libc::SYS_io_uring_setup,
        libc::SYS_execveat,
    ];
    let allowed = program::allowed().unwrap();
    let found = never.iter().find(|call| allowed.contains_key(call));
    assert_eq!(found, None);
    // Nor a number that no list knows yet.
    assert!(allowed.keys().all(|call| *call < 500));
}

#[test]
fn this_kernel_has_landlock() {
    // Where this fails, the tests above prove nothing about files.
    assert!(files::enforced());
}

// ---- the children ----

#[test]
#[ignore = "a child of the tests above"]
fn inside() {
    match std::env::var(PART).as_deref() {
        Ok("call") => inside_a_call(),
        Ok("render") => inside_a_renderer(),
        Ok("convert") => inside_a_converter(),
        Ok("large request") => {
            enter_render(&[]).unwrap();
            drop(Vec::<u8>::with_capacity(memory::MOST as usize + 1));
        }
        Ok("small requests") => small_requests(),
        Ok("call memory") => {
            enter_call().unwrap();
            drop(Vec::<u8>::with_capacity(2 * Limits::CALL.memory as usize));
        }
        Ok("spin") => {
            let little = Limits {
                cpu_seconds: 1,
                ..Limits::CALL
            };
            limit(little, memory::address_space().unwrap()).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
        _ => {}
    }
}

/// Requests like those of PDFium, which goes on without the memory.
fn small_requests() {
    let gauge = enter_render(&[]).unwrap();
    assert!(!gauge.exceeded());
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut more = || {
        let mut picture = Vec::new();
        picture
            .try_reserve_exact(50 << 20)
            .map(|()| kept.push(picture))
    };
    assert!((0..4).all(|_| more().is_ok()));
    assert!(!gauge.exceeded(), "200 MB are allowed");
    while more().is_ok() {}
    drop(kept);
    assert!(gauge.exceeded(), "it has to remember");
}

fn inside_a_call() {
    let [ours, theirs] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    let far = theirs.local_addr().unwrap();
    let memory_file = File::from(memfd_create("pages", MemfdFlags::CLOEXEC).unwrap());
    let forbidden = Forbidden::prepare();
    enter_call().unwrap();
    forbidden.try_all();

    // What a call lives on: its sockets, and its memory file by name, as SpanDSP opens it.
    ours.send_to(b"UDPTL", far).unwrap();
    assert_eq!(theirs.recv_from(&mut [0; 9]).unwrap().0, 5);
    let path = format!("/proc/self/fd/{}", memory_file.as_raw_fd());
    let mut again = File::options()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    again.write_all(b"TIFF").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"TIFF");
    std::thread::sleep(Duration::from_millis(1));
}

fn inside_a_renderer() {
    let fonts = tempfile::tempdir().unwrap();
    let font = fonts.path().join("a.ttf");
    fs::write(&font, "glyphs").unwrap();
    let folders: Vec<PathBuf> = FONT_DIRS.iter().map(PathBuf::from).collect();
    let folders = [folders, vec![fonts.path().to_owned()]].concat();
    let forbidden = Forbidden::prepare();
    enter_render(&folders).unwrap();
    forbidden.try_all();
    report("write to a font", File::options().write(true).open(&font));
    report("create a font", File::create(fonts.path().join("b.ttf")));

    // What PDFium does with fonts.
    assert_eq!(fs::read(&font).unwrap(), b"glyphs");
    assert_eq!(fs::read_dir(fonts.path()).unwrap().count(), 1);
}

fn inside_a_converter() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("document.pdf");
    let forbidden = Forbidden::prepare();
    let before = fs::metadata(&forbidden.secret).unwrap();
    let limits = Limits {
        memory: 256 << 20,
        cpu_seconds: 60,
        file_size: 1 << 20,
    };
    super::enter_convert(folder.path(), limits).unwrap();
    forbidden.try_files();
    forbidden.try_parent();
    forbidden.try_parent_by_program();
    forbidden.try_local_sockets();
    // These are answered with success, and not made.
    for command in ["chmod 777", "chown 1:1", "touch -d 2001-01-01"] {
        let mut words = command
            .split(' ')
            .map(std::ffi::OsStr::new)
            .collect::<Vec<_>>();
        words.push(forbidden.secret.as_os_str());
        let _ = Command::new(words[0]).args(&words[1..]).output();
    }
    let after = fs::metadata(&forbidden.secret).unwrap();
    let known = |data: &fs::Metadata| (data.mode(), data.uid(), data.gid(), data.mtime());
    assert_eq!(known(&after), known(&before));
    report("connect by TCP", TcpStream::connect(forbidden.address));
    report("a new UDP socket", UdpSocket::bind("127.0.0.1:0"));
    report("our configuration", fs::read("/etc/shadow"));
    report("another's folder", fs::read_dir("/tmp"));
    report("leave the group", owned(process::setsid()));
    fs::write(&own, "#!/bin/true").unwrap();
    report("run what it wrote", Command::new(&own).spawn());

    // What a converter lives on.
    assert!(fs::read_dir("/usr/share").unwrap().count() > 0);
    assert_eq!(fs::read(&own).unwrap(), b"#!/bin/true");
    let said = Command::new("/bin/sh")
        .args(["-c", "echo converted"])
        .output();
    assert_eq!(said.unwrap().stdout, b"converted\n");
}

fn report<T>(what: &str, tried: io::Result<T>) {
    match tried {
        Ok(_) => println!("OPEN: {what}"),
        Err(e) => println!("refused: {what} ({e})"),
    }
}

fn owned<T>(tried: rustix::io::Result<T>) -> io::Result<T> {
    tried.map_err(Into::into)
}

/// What must be there before the walls, so that nothing but the walls stands in the way.
struct Forbidden {
    secret: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
    unconnected: UdpSocket,
    library: File,
    parent: Pid,
}

impl Forbidden {
    fn prepare() -> Forbidden {
        let library = crate::pages::pdfium::testing::library();
        let mut copy = File::from(memfd_create("library", MemfdFlags::CLOEXEC).unwrap());
        copy.write_all(&fs::read(library).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let forbidden = Forbidden {
            secret: std::env::var_os(SECRET).unwrap().into(),
            address: listener.local_addr().unwrap(),
            listener,
            unconnected: UdpSocket::bind("127.0.0.1:0").unwrap(),
            library: copy,
            parent: rustix::process::getppid().unwrap(),
        };
        assert!(fs::read(&forbidden.secret).is_ok());
        forbidden
    }

    fn try_all(&self) {
        self.try_files();
        self.try_everyday_things();
        self.try_network();
        self.try_processes();
        self.try_code();
    }

    fn try_files(&self) {
        report("read the state folder", fs::read(&self.secret));
        report(
            "write there",
            File::options().append(true).open(&self.secret),
        );
        report("delete there", fs::remove_file(&self.secret));
        report(
            "rename there",
            fs::rename(&self.secret, "/tmp/postfax-renamed"),
        );
        report("create a file", File::create("/tmp/postfax-was-here"));
        report("make a folder", fs::create_dir("/tmp/postfax-was-here"));
        report(
            "make a link",
            std::os::unix::fs::symlink("/", "/tmp/postfax-link"),
        );
        report("list /", fs::read_dir("/"));
        report("list /proc", fs::read_dir("/proc"));
        report("its own binary", File::open("/proc/self/exe"));
    }

    /// What a whole program may.
    fn try_everyday_things(&self) {
        report("read /etc/passwd", fs::read("/etc/passwd"));
        report("change folder", std::env::set_current_dir("/tmp"));
    }

    fn try_network(&self) {
        report("connect by TCP", TcpStream::connect(self.address));
        report("listen", TcpListener::bind("127.0.0.1:0"));
        report("accept", self.listener.accept());
        report("a new UDP socket", UdpSocket::bind("127.0.0.1:0"));
        report(
            "connect an old UDP socket",
            self.unconnected.connect(self.address),
        );
        report("a unix socket", std::os::unix::net::UnixStream::pair());
    }

    fn try_processes(&self) {
        let hard = Rlimit {
            current: Some(1 << 20),
            maximum: Some(1 << 20),
        };
        report("run a program", Command::new("/bin/true").spawn());
        report(
            "become a program",
            Err::<(), _>(Command::new("/bin/true").exec()),
        );
        report("a thread", std::thread::Builder::new().spawn(|| ()));
        report(
            "its own limits",
            owned(process::setrlimit(Resource::Core, hard)),
        );
        report(
            "the parent's limits",
            owned(process::prlimit(Some(self.parent), Resource::Core, hard)),
        );
        self.try_parent();
    }

    fn try_parent(&self) {
        let (parent, pid) = (self.parent, self.parent.as_raw_pid());
        report(
            "signal the parent",
            owned(process::test_kill_process(parent)),
        );
        report(
            "the parent's memory",
            File::open(format!("/proc/{pid}/mem")),
        );
        report(
            "the parent's descriptors",
            fs::read_dir(format!("/proc/{pid}/fd")),
        );
        report(
            "the parent's environment",
            fs::read(format!("/proc/{pid}/environ")),
        );
        report(
            "a handle on the parent",
            owned(process::pidfd_open(parent, PidfdFlags::empty())),
        );
    }

    /// What programs that are installed everywhere do to another process.
    fn try_parent_by_program(&self) {
        let pid = self.parent.as_raw_pid().to_string();
        for command in [
            "prlimit --core=0 --pid",
            "renice -n 5 -p",
            "taskset -p 1",
            "ionice -c 3 -p",
            "chrt -b -p 0",
            "kill -0",
            "unshare -U true",
        ] {
            let mut words = command.split(' ');
            let program = words.next().unwrap();
            let done = Command::new(program).args(words).arg(&pid).output();
            match done {
                Ok(done) if done.status.success() => println!("OPEN: {command}"),
                Ok(_) => println!("refused: {command}"),
                Err(e) => panic!("{program}: {e}"),
            }
        }
        let name = "user.postfax-test";
        let set = rustix::fs::setxattr(&self.secret, name, b"1", rustix::fs::XattrFlags::empty());
        report("an attribute of a file", owned(set));
    }

    /// Sockets that could send to any other with a name.
    fn try_local_sockets(&self) {
        use std::os::unix::net::{UnixDatagram, UnixStream};
        report("a Unix datagram socket", UnixDatagram::unbound());
        report("a pair of them", UnixDatagram::pair());
        report(
            "connect to a Unix socket",
            UnixStream::connect(&self.secret),
        );
        UnixStream::pair().expect("streams between its own processes");
    }

    fn try_code(&self) {
        // Code that it wrote itself into its own memory.
        let path = format!("/proc/self/fd/{}", self.library.as_raw_fd());
        let readable = File::open(&path).and_then(|mut file| file.read(&mut [0; 4]));
        assert_eq!(readable.unwrap(), 4);
        let loaded = Renderer::load(Path::new(&path)).map_err(io::Error::other);
        report("run code of its own", loaded.map(|_| ()));
        report(
            "a new memory file",
            owned(memfd_create("x", MemfdFlags::empty())),
        );
        report(
            "control a descriptor",
            owned(rustix::io::ioctl_fionread(&self.unconnected)),
        );
    }
}
