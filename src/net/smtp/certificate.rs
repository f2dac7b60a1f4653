//! The certificate of STARTTLS, read again when its files change: it is renewed every few weeks by a program that knows
//! nothing of us.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;

use crate::net::tls::{self, TlsError, TlsFiles};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A certificate and its key.
pub(super) struct Certificate {
    files: TlsFiles,
    state: Mutex<State>,
}

struct State {
    acceptor: TlsAcceptor,
    /// What the files looked like when they were read last, whatever came of it.
    seen: Look,
    looked: Instant,
}

/// Enough of two files to know that they have changed.
type Look = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// The one that does not work.
    pub(super) fn read(files: &TlsFiles) -> Result<Certificate, TlsError> {
        let seen = look(files);
        let state = State {
            acceptor: tls::acceptor(files)?,
            seen,
            looked: Instant::now(),
        };
        Ok(Certificate {
            files: files.clone(),
            state: Mutex::new(state),
        })
    }

    pub(super) fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// What shakes hands with the certificate in force: that of the files now, or the last one that worked.
    pub(super) fn current(&self) -> TlsAcceptor {
        let mut state = self.lock();
        if state.looked.elapsed() >= LOOK {
            state.look_again(&self.files);
        }
        state.acceptor.clone()
    }

    /// Looks at the files now.
    pub(super) fn look_again(&self) {
        self.lock().look_again(&self.files);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look_again(&mut self, files: &TlsFiles) {
        self.looked = Instant::now();
        let seen = look(files);
        if seen == self.seen {
            return;
        }
        // Where only one of the two is new so far they do not fit; the other one changes the look again.
        self.seen = seen;
        match tls::acceptor(files) {
            Ok(acceptor) => {
                self.acceptor = acceptor;
                tracing::info!("the certificate of SMTP was read again");
            }
            Err(error) => {
                tracing::error!("the certificate of SMTP stays what it was: {error}");
            }
        }
    }
}

fn look(files: &TlsFiles) -> Look {
    let look = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [look(&files.certificate), look(&files.key)]
}
