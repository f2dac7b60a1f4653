//! Where the listener ends and the journey begins.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::proto::smtp::{Envelope, Login, Mail, RcptOptions, Refusal, Taken};

/// The journey, as the listener sees it.
pub trait Intake: Send + Sync + 'static {
    /// What a verdict makes of a recipient: the number to dial.
    type Recipient: Send + Sync + 'static;

    /// Whether a name and a password are good.
    ///
    /// # Errors
    /// The refusal to say.
    fn login(
        &self,
        client: IpAddr,
        login: Login,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The verdict on a mail by its sender: whether it may come in at all, and whether what is asked of it can be
    /// done. Quick, and without side effects.
    ///
    /// # Errors
    /// The refusal to say.
    fn sender(&self, client: IpAddr, mail: &Mail) -> Result<(), Refusal>;

    /// The verdict on one recipient. Quick, and without side effects.
    ///
    /// # Errors
    /// The refusal to say.
    fn recipient(
        &self,
        client: IpAddr,
        mail: &Mail,
        recipient: &str,
        options: RcptOptions,
    ) -> impl Future<Output = Result<Self::Recipient, Refusal>> + Send;

    /// A new spool file for the text of a message that is not [`SHORT`]; see [`Spool::create`]. May block.
    ///
    /// # Errors
    /// When it cannot be made: the client is told to try again later.
    fn spool(&self) -> io::Result<Spool>;

    /// Takes a message over. `Ok` promises that it is durable: everything is fsynced and in the queue. A spool file is
    /// gone when `message` is dropped unless it was kept.
    ///
    /// # Errors
    /// The refusal to say; the message stays the client's.
    fn accept(
        &self,
        message: Message<Self::Recipient>,
    ) -> impl Future<Output = Result<Taken, Refusal>> + Send;
}

/// A message as it came in.
#[derive(Debug)]
pub struct Message<R> {
    /// The address it came from.
    pub client: IpAddr,
    /// Sender and recipients.
    pub envelope: Envelope<R>,
    /// Its text: lines end with CRLF, dot-stuffing is undone.
    pub text: Text,
}

/// Octets of a text that is not written to a file: most mails are letters, and a file costs more than they do.
pub const SHORT: usize = 64 * 1024;

/// The text of a message.
#[derive(Debug)]
pub enum Text {
    /// In memory: [`SHORT`] octets at most.
    Short(Arc<Vec<u8>>),
    /// In a file, which is complete but not fsynced.
    Long(Spool),
}

impl Text {
    /// Octets in it.
    ///
    /// # Errors
    /// As the file system says.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Text::Short(octets) => Ok(octets.len() as u64),
            Text::Long(spool) => Ok(spool.file().metadata()?.len()),
        }
    }
}

/// A file for the text of one long message. It is unlinked on drop unless it was kept.
#[derive(Debug)]
pub struct Spool {
    file: Option<File>,
    path: PathBuf,
}

impl Spool {
    /// Creates a file of a new name in `folder`, for nobody else to read.
    ///
    /// # Errors
    /// When the file system says so.
    pub fn create(folder: &Path) -> io::Result<Spool> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join(format!("{:016x}.incoming", fastrand::u64(..)));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Spool {
            file: Some(file),
            path,
        })
    }

    /// The open file; its position is at the end of the text.
    pub fn file(&self) -> &File {
        self.file
            .as_ref()
            .expect("a spool has its file until it is kept")
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands the file over: it is no longer unlinked.
    pub fn keep(mut self) -> (File, PathBuf) {
        let file = self
            .file
            .take()
            .expect("a spool has its file until it is kept");
        (file, std::mem::take(&mut self.path))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a spool file");
        }
    }
}
