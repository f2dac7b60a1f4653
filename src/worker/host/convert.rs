//! A document in the hands of a converter.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::convert::NOT_NOW;
use super::super::stall::timeout;
use super::super::wire::DocumentRefusal;
use super::bounds::{self, Bounds};
use super::cgroup::ConverterGroup;
use super::document::{FROM_OUTSIDE, RenderFailure, killed};
use super::{Children, how_it_ended};

/// What a converter has to leave behind.
const OUTPUT: &str = "document.pdf";
/// Octets of the largest PDF that is taken from one.
const MOST: u64 = 128 << 20;

/// How a document is converted.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The program and its arguments; `{input}` in them is the document's file name.
    pub command: Vec<String>,
    /// The ending of that name.
    pub extension: String,
    /// Seconds it may take.
    pub seconds: u64,
    /// Megabytes that one of its processes may have.
    pub memory_mb: u64,
    /// What they may take together.
    pub bounds: Bounds,
}

impl Children {
    /// Has a converter make a PDF of a document.
    ///
    /// # Errors
    /// [`RenderFailure`], whose refusals are half sentences for the sender.
    pub async fn convert(
        &self,
        conversion: &Conversion,
        document: &[u8],
    ) -> Result<Vec<u8>, RenderFailure> {
        let place = self.conversions.acquire().await;
        let _place = place.expect("nobody closes it");
        match self.run_on(conversion, document, OUTPUT).await? {
            Some(pdf) => Ok(pdf),
            None => Err(DocumentRefusal::ConverterFailed("it made no PDF of it".to_owned()).into()),
        }
    }

    /// Has a program read a document and leave `output`; `None` where it left nothing by that name.
    pub(super) async fn run_on(
        &self,
        conversion: &Conversion,
        document: &[u8],
        output: &str,
    ) -> Result<Option<Vec<u8>>, RenderFailure> {
        let folder = Folder::new().map_err(RenderFailure::NotStarted)?;
        let input = format!("document.{}", conversion.extension);
        tokio::fs::write(folder.0.join(&input), document)
            .await
            .map_err(RenderFailure::NotStarted)?;
        let converted = self.run_converter(conversion, &folder.0, &input).await;
        let path = folder.0.join(output);
        if (converted.is_err() || !path.exists()) && is_full(&folder.0) {
            // Whatever it says: that is the cause.
            return Err(RenderFailure::NotStarted(ErrorKind::StorageFull.into()));
        }
        converted?;
        let taken = tokio::task::spawn_blocking(move || {
            let taken = take(&path);
            drop(folder);
            taken
        });
        match taken.await.map_err(io::Error::other).flatten() {
            Ok(octets) => Ok(Some(octets)),
            Err(e) => {
                tracing::warn!("{} left no {output}: {e}", conversion.command[0]);
                Ok(None)
            }
        }
    }

    async fn run_converter(
        &self,
        conversion: &Conversion,
        folder: &Path,
        input: &str,
    ) -> Result<(), RenderFailure> {
        let seconds = conversion.seconds;
        let limits = self
            .control_group(conversion)
            .map_err(RenderFailure::NotStarted)?;
        let mut command = self.command("convert");
        if let Some(limits) = &limits {
            command.arg("--control-group").arg(limits.path());
        }
        command
            .arg("--folder")
            .arg(folder)
            .args(["--memory-mb", &conversion.memory_mb.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args([
                "--folder-mb",
                &conversion.bounds.folder_mb.to_string(),
                "--",
            ])
            .args(
                conversion
                    .command
                    .iter()
                    .map(|word| word.replace("{input}", input)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut child = Children::spawn(command, "convert").map_err(RenderFailure::NotStarted)?;
        let failed = |how: String| Err(DocumentRefusal::ConverterFailed(how).into());
        let id = child.id().and_then(|id| Pid::from_raw(id as i32));
        let group = Group(id.expect("it was not waited for"));
        let limit = Duration::from_secs(seconds);
        let exceeded = bounds::exceeded(group.0, folder, conversion.bounds);
        let ended = tokio::select! {
            ended = timeout(limit, child.wait()) => ended.ok(),
            how = exceeded => return failed(how),
        };
        let met = limits
            .as_ref()
            .and_then(|limits| limits.exceeded(conversion.bounds.processes));
        if let (Some(how), false) = (met, matches!(&ended, Some(Ok(status)) if status.success())) {
            return failed(how);
        }
        match ended {
            None => failed(format!("it took longer than {seconds} s")),
            Some(Err(e)) => Err(RenderFailure::NotStarted(e)),
            Some(Ok(status)) if status.success() => Ok(()),
            Some(Ok(status)) if status.code() == Some(NOT_NOW.into()) => {
                let how = how_it_ended(status);
                Err(RenderFailure::NotStarted(io::Error::other(how)))
            }
            Some(Ok(status)) => match signal_of(status) {
                Some(signal) if FROM_OUTSIDE.contains(&signal) => Err(killed(signal)),
                _ => failed(format!("it {}", how_it_ended(status))),
            },
        }
    }
}

impl Children {
    fn control_group(&self, conversion: &Conversion) -> io::Result<Option<ConverterGroup>> {
        /// `memory_mb` is that of one process; an office has a few, and one of them large.
        const IN_ALL: u64 = 2;
        let Some(service) = &self.service_group else {
            return Ok(None);
        };
        let memory_mb = conversion.memory_mb.saturating_mul(IN_ALL);
        service
            .make(conversion.bounds.processes, memory_mb)
            .map(Some)
    }
}

/// The signal that ended a converter; a shell says of its program that it was this (128 and the number).
fn signal_of(status: ExitStatus) -> Option<i32> {
    let of_its_program = || status.code()?.checked_sub(128).filter(|signal| *signal > 0);
    status.signal().or_else(of_its_program)
}

/// Whether there is no room in a folder for what a converter has to write: less than a megabyte.
fn is_full(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < 1 << 20)
}

/// The processes of one converter. None leaves the group: the filter does not let it.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// A folder for one conversion, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let name = format!(
            "postfax-convert-{}-{:016x}",
            std::process::id(),
            fastrand::u64(..)
        );
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The file that a converter left, if it is one: a link could lead into our own files.
fn take(path: &Path) -> io::Result<Vec<u8>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let data = file.metadata()?;
    if !data.is_file() || data.len() > MOST {
        return Err(io::Error::other("no file, or too large"));
    }
    let mut octets = Vec::new();
    file.take(MOST).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_into_our_files_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("queue.db");
        std::fs::write(&secret, "faxes of others").unwrap();
        let link = folder.path().join(OUTPUT);
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert!(take(&link).is_err());
        assert!(take(&folder.path().join("missing")).is_err());
        assert!(take(folder.path()).is_err());
        assert_eq!(take(&secret).unwrap(), b"faxes of others");
    }
}
