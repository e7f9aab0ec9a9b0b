//! The host's certificate and its key: two PEM files, looked at again while the host serves, since certificates are
//! renewed every few weeks and nobody should have to restart for it.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file}: {reason}")]
    Unread { file: String, reason: std::io::Error },
    #[error("{file} holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate { file: String },
    #[error("{file} holds no private key in PEM form (`-----BEGIN PRIVATE KEY-----`), or one behind a pass phrase")]
    NoKey { file: String },
    #[error("{file} is no PEM: {reason}")]
    NoPem { file: String, reason: pem::Error },
    #[error("the key in {key_file} is not that of the first certificate in {certificate_file}")]
    Mismatch { certificate_file: String, key_file: String },
    #[error("{certificate_file} and {key_file} cannot be used: {reason}")]
    Unusable { certificate_file: String, key_file: String, reason: rustls::Error },
}

/// What tells that a file is another one: when it was written, and its length.
type Mark = [Option<(SystemTime, u64)>; 2];

/// The certificate that is served now.
#[derive(Debug)]
pub(crate) struct Certificates {
    certificate_file: PathBuf,
    key_file: PathBuf,
    /// What the files were before they were first read.
    first: Mark,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// # Errors
    /// Which file is not what it has to be, and how.
    pub(crate) fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let first = mark(certificate_file, key_file);
        let current = RwLock::new(Arc::new(certified(certificate_file, key_file)?));
        Ok(Self { certificate_file: certificate_file.to_owned(), key_file: key_file.to_owned(), first, current })
    }

    /// Takes new files as they come, for ever. Files that are no good are told of once, and the certificate before
    /// them goes on.
    pub(super) async fn keep_new(self: Arc<Self>) {
        let mut seen = self.first;
        loop {
            let found = self.mark();
            if found != seen {
                seen = found;
                match self.renew() {
                    Ok(true) => tracing::info!("another certificate is served from now on"),
                    Ok(false) => {}
                    Err(reason) => tracing::warn!(%reason, "the certificate that is there goes on being served"),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn mark(&self) -> Mark {
        mark(&self.certificate_file, &self.key_file)
    }

    /// Reads the files again; whether there is another certificate now.
    fn renew(&self) -> Result<bool, TlsError> {
        let new = certified(&self.certificate_file, &self.key_file)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = current.cert != new.cert;
        *current = Arc::new(new);
        Ok(is_other)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn mark(certificate_file: &Path, key_file: &Path) -> Mark {
    [certificate_file, key_file].map(|file| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn certified(certificate_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let shown = |file: &Path| file.display().to_string();
    let read = |file: &Path| std::fs::read(file).map_err(|reason| TlsError::Unread { file: shown(file), reason });
    let no_pem = |reason| TlsError::NoPem { file: shown(certificate_file), reason };
    let text = read(certificate_file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(no_pem)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { file: shown(certificate_file) });
    }
    let key =
        PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(key_file)?)).map_err(|reason| match reason {
            pem::Error::NoItemsFound => TlsError::NoKey { file: shown(key_file) },
            reason => TlsError::NoPem { file: shown(key_file), reason },
        })?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|reason| {
        let (certificate_file, key_file) = (shown(certificate_file), shown(key_file));
        match reason {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate_file, key_file },
            reason => TlsError::Unusable { certificate_file, key_file, reason },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        _folder: tempfile::TempDir,
        certificate: PathBuf,
        key: PathBuf,
    }

    fn files() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let files =
            Files { certificate: folder.path().join("c.pem"), key: folder.path().join("k.pem"), _folder: folder };
        files.issue();
        files
    }

    impl Files {
        fn issue(&self) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&self.certificate, made.cert.pem()).unwrap();
            std::fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
        }

        fn read(&self) -> Result<Certificates, String> {
            Certificates::read(&self.certificate, &self.key).map_err(|e| e.to_string())
        }
    }

    #[test]
    fn another_certificate_takes_the_place_of_the_first_and_a_bad_one_does_not() {
        let files = files();
        let certificates = files.read().unwrap();
        let served = || certificates.current.read().unwrap().cert.clone();
        let first = served();
        assert!(!certificates.renew().unwrap());
        let before = certificates.mark();
        files.issue();
        assert_ne!(certificates.mark(), before);
        assert!(certificates.renew().unwrap());
        let second = served();
        assert_ne!(second, first);

        std::fs::write(&files.key, "x").unwrap();
        assert!(matches!(certificates.renew(), Err(TlsError::NoKey { .. })));
        assert_eq!(served(), second);
    }

    #[test]
    fn what_is_wrong_names_its_file() {
        let files = files();
        let other = super::tests::files();
        let error = |certificate: &Path, key: &Path| Certificates::read(certificate, key).unwrap_err().to_string();
        assert!(error(&files.certificate, &other.key).contains("is not that of the first certificate"));
        // The two are easily mistaken for each other.
        assert!(error(&files.key, &files.certificate).contains("k.pem holds no certificate"));
        assert!(error(&files.certificate, &files.certificate).contains("c.pem holds no private key"));
        let missing = files.certificate.with_extension("missing");
        assert!(error(&missing, &files.key).contains("c.missing: "));
        std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n").unwrap();
        assert!(error(&files.certificate, &files.key).contains("c.pem is no PEM"));
        std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(error(&files.certificate, &files.key).contains("cannot be used"));
    }
}
