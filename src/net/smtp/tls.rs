//! Certificate and key from their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::settings::TlsFiles;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, not readable, or not what it should be.
    #[error("cannot read a {what} from {}: {cause}", path.display())]
    File {
        /// "certificate" or "private key".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The key is not the certificate's, or of a kind that is not supported.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Reads the files and makes an acceptor of them: TLS 1.2 and 1.3.
///
/// # Errors
/// When a file cannot be read, or the two do not belong together.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = read("certificate", &files.certificate, |path| {
        let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
        if chain.is_empty() {
            return Err(pem::Error::NoItemsFound);
        }
        Ok(chain)
    })?;
    let key = read("private key", &files.key, PrivateKeyDer::from_pem_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read<'p, T>(
    what: &'static str,
    path: &'p Path,
    reader: impl FnOnce(&'p Path) -> Result<T, pem::Error>,
) -> Result<T, TlsError> {
    reader(path).map_err(|error| TlsError::File {
        what,
        path: path.to_path_buf(),
        cause: match error {
            pem::Error::Io(error) => error.to_string(),
            pem::Error::NoItemsFound => "there is none in it (PEM is expected)".to_string(),
            other => other.to_string(),
        },
    })
}
