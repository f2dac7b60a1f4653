//! A machine within the machine: namespaces of its own, and the folders of the far ends in it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Set within the namespaces.
const INSIDE: &str = "POSTFAX_INTEROP_INSIDE";

/// Whether this process runs in namespaces of its own.
pub fn is_ours() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Fetches what is missing, and runs this program again within namespaces of its own; whatever is left over there
/// when it ends is killed.
pub fn run_again_inside() -> ExitCode {
    let installed = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interop/install.sh"
    ))
    .status()
    .expect("install.sh is there");
    if !installed.success() {
        return ExitCode::FAILURE;
    }
    let error = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        // A shell as process 1: Ctrl-C ends what it runs, and so itself.
        .args(["sh", "-c", "ip link set lo up; \"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe().expect("it has a path"))
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "0")
        .exec();
    eprintln!("interop: no namespaces can be had here: {error}");
    ExitCode::FAILURE
}

/// Where the far ends live.
pub struct Lab {
    folder: PathBuf,
}

impl Lab {
    /// Gives the folders what programs expect of a system, with terminals of their own.
    pub fn prepare() -> Lab {
        let folder = std::env::var_os("POSTFAX_INTEROP");
        let folder = folder.unwrap_or_else(|| "/var/tmp/postfax-interop".into());
        let lab = Lab {
            folder: folder.into(),
        };
        for root in ["asterisk", "tools"] {
            let within = |place: &str| lab.root(root).join(place);
            mount(&["--rbind", "/proc"], &within("proc"));
            mount(&["--rbind", "/sys"], &within("sys"));
            mount(&["-t", "tmpfs", "tmpfs"], &within("dev"));
            for device in ["null", "zero", "random", "urandom", "full"] {
                let node = within("dev").join(device);
                std::fs::write(&node, "").expect("a file system of ours");
                mount(&["--bind", &format!("/dev/{device}")], &node);
            }
            for folder in ["dev/pts", "dev/shm"] {
                std::fs::create_dir(within(folder)).expect("a file system of ours");
            }
            let terminals = ["-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts"];
            mount(&terminals, &within("dev/pts"));
            std::os::unix::fs::symlink("pts/ptmx", within("dev/ptmx")).expect("a new name");
        }
        lab
    }

    /// The folder of `asterisk` or `tools`.
    pub fn root(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command of that folder.
    pub fn command(&self, root: &str, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command
            .arg(self.root(root))
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs a tool to its end on files that both sides see; says what it printed, or panics with its complaints.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let done = self.command("tools", program).args(arguments).output();
        let done = done.expect("chroot(8) is there");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{program} {arguments:?}: {complaints}{said}"
        );
        said
    }
}

fn mount(what: &[&str], on: &Path) {
    let done = Command::new("mount").args(what).arg(on).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "mount {what:?} {}",
        on.display()
    );
}

/// Copies our files of `tests/interop/NAME` into a folder.
pub fn copy_files(name: &str, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop")
        .join(name);
    std::fs::create_dir_all(to).expect("the folder can be made");
    for file in std::fs::read_dir(&from).expect("it is part of the sources") {
        let file = file.expect("it can be read").path();
        let name = file.file_name().expect("a file has a name");
        std::fs::copy(&file, to.join(name)).expect("the folder can be written");
    }
}
