//! The one thread that holds whole mails in memory, where they are large.
//!
//! The allocator keeps what a thread has freed for that thread: mails of 30 MB read on any thread that happens to be
//! free would leave their size in each of them. On one thread they leave it once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use crate::queue::Kept;

type Work = Box<dyn FnOnce() + Send>;

/// Handle to the thread, which ends with it.
pub struct Reader(Sender<Work>);

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start() -> io::Result<Reader> {
        let (work, inbox) = channel();
        std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || work_on(&inbox))?;
        Ok(Reader(work))
    }

    /// Reads a mail and takes it apart with `open`, behind what waits already; a small one at once, where we are.
    ///
    /// # Errors
    /// As the file system says; `Other` where `open` panicked, which is our bug.
    pub async fn read<T: Send + 'static>(
        &self,
        mail: Kept,
        open: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> io::Result<T> {
        let panicked = || io::Error::other("the mail could not be taken apart");
        if let Kept::Row(text) = &mail {
            return catch_unwind(AssertUnwindSafe(|| open(text))).map_err(|_| panicked());
        }
        let (answer, answered) = oneshot::channel();
        let work = move || {
            let _ = answer.send(mail.read().map(|text| open(&text)));
        };
        self.0.send(Box::new(work)).map_err(|_| panicked())?;
        answered.await.map_err(|_| panicked())?
    }
}

fn work_on(inbox: &Receiver<Work>) {
    while let Ok(work) = inbox.recv() {
        // One mail's panic must not cost the others their reader; it has been logged by the hook.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_mail_that_makes_it_panic_is_the_only_one_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        std::fs::write(&path, b"text").unwrap();
        let mail = || Kept::File(path.clone());
        let reader = Reader::start().unwrap();
        let (bad, good) = tokio::join!(
            reader.read(mail(), |_| -> usize { panic!("as scripted") }),
            reader.read(mail(), <[u8]>::len),
        );
        assert!(bad.is_err());
        assert_eq!(good.unwrap(), 4);
        let small = Kept::Row(Arc::new(b"text".to_vec()));
        let bad = reader.read(small.clone(), |_| -> usize { panic!("as scripted") });
        assert!(bad.await.is_err());
        assert_eq!(reader.read(small, <[u8]>::len).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_mail_that_is_not_there_is_named() {
        let reader = Reader::start().unwrap();
        let missing = reader
            .read(Kept::File("/nowhere/mail".into()), <[u8]>::len)
            .await;
        assert!(
            missing
                .unwrap_err()
                .to_string()
                .contains("/nowhere/mail: No such file")
        );
    }
}
