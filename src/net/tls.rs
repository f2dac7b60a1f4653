//! TLS for listeners and clients: certificates, keys and authorities from their files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, not readable, or not what it should be.
    #[error("cannot read a {what} from {}: {cause}", path.display())]
    File {
        /// "certificate", "private key" or "authority's certificate".
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
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates("certificate", &files.certificate)?;
    let key = read("private key", &files.key, PrivateKeyDer::from_pem_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Makes a connector that trusts the authorities of the system and those in `authorities`.
///
/// # Errors
/// When the file cannot be read. A system without authorities is none: then only the file's count.
pub(super) fn connector(authorities: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(self::authorities(authorities)?);
    with_roots(roots)
}

fn with_roots(roots: RootCertStore) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Makes a connector for the relay: it trusts, beside those of [`connector`], the authorities that browsers trust, for a
/// machine that has none of its own.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn connector_to_relay(authorities: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(self::authorities(authorities)?);
    with_roots(roots)
}

/// Makes a connector that takes any certificate: for opportunistic TLS (RFC 7435), which proves nothing.
///
/// # Errors
/// None that a configuration could cause.
pub(super) fn connector_to_anybody() -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Does not ask whose a certificate is, only whether the other end has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How long the system's authorities are taken to be what they were: there are hundreds in a file or in a folder each, and
/// every mail needs them.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// The certificates of the system's authorities, and those in the file `own`, which is read each time.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn authorities(own: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut all = of_the_system();
    if let Some(path) = own {
        all.extend(certificates("authority's certificate", path)?);
    }
    Ok(all)
}

fn of_the_system() -> Vec<CertificateDer<'static>> {
    static KNOWN: Mutex<Option<(Instant, Vec<CertificateDer<'static>>)>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Some((since, all)) if since.elapsed() < KNOWN_FOR => all.clone(),
        _ => {
            let all = rustls_native_certs::load_native_certs().certs;
            // None at all may be a store that is just being written.
            *known = (!all.is_empty()).then(|| (Instant::now(), all.clone()));
            all
        }
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    read(what, path, |path| {
        let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
        if chain.is_empty() {
            return Err(pem::Error::NoItemsFound);
        }
        Ok(chain)
    })
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
