//! Postfix as Debian packages it, with a configuration and a queue of its own on the same disk; needs root.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    folder: tempfile::TempDir,
    smtp: SocketAddr,
}

impl Postfix {
    /// Starts `smtpd` and what it needs; what it takes is discarded behind the queue.
    pub fn start() -> anyhow::Result<Postfix> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let smtp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let postfix = Postfix { folder, smtp };
        postfix.configure()?;
        postfix.command("start")?;
        let began = Instant::now();
        while TcpStream::connect(smtp).is_err() {
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "postfix does not listen"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(postfix)
    }

    /// Where it takes mail.
    pub fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) -> anyhow::Result<()> {
        for folder in ["etc", "spool", "data"] {
            fs::create_dir(self.path(folder))?;
        }
        let owner = Command::new("chown")
            .arg("postfix")
            .arg(self.path("data"))
            .status()?;
        ensure!(owner.success(), "there is no user postfix");
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {spool}\ndata_directory = {data}\n\
             myhostname = fax.local\nmydestination =\ninet_interfaces = loopback-only\n\
             mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             default_transport = discard:\nmaillog_file = {log}\nmaillog_file_prefixes = {folder}\n\
             alias_maps =\nlocal_recipient_maps =\nsmtpd_client_connection_rate_limit = 0\nsmtpd_client_connection_count_limit = 0\n",
            spool = self.path("spool").display(),
            data = self.path("data").display(),
            log = self.path("log").display(),
            folder = self.folder.path().display(),
        );
        let services = "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
             tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
             defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nflush unix n - n 1000? 0 flush\n\
             proxymap unix - - n - - proxymap\nerror unix - - n - - error\nretry unix - - n - - error\n\
             discard unix - - n - - discard\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n\
             postlog unix-dgram n - n - 1 postlogd\n";
        let listener = format!("{} inet n - n - - smtpd\n", self.smtp);
        fs::write(self.path("etc/main.cf"), main)?;
        fs::write(self.path("etc/master.cf"), format!("{listener}{services}"))?;
        Ok(())
    }

    fn command(&self, verb: &str) -> anyhow::Result<()> {
        let done = Command::new("postfix")
            .arg("-c")
            .arg(self.path("etc"))
            .arg(verb)
            .stdin(Stdio::null())
            .output()
            .context("postfix (Debian package postfix)")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "postfix {verb}: {said}");
        Ok(())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("stop");
    }
}
