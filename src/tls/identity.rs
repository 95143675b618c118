//! The certificate and the key of the server: read, checked against each other, read again.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fs, io};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, UnbufferedServerConnection};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};

use super::Session;
use crate::limits::CERTIFICATE_WARNING;

/// Where the certificate and its key are, both PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, then those that lead to one that clients know.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What the server proves itself with.
#[derive(Debug)]
pub struct Identity {
    files: Files,
    config: RwLock<Arc<ServerConfig>>,
}

impl Identity {
    /// Reads the files. The errors are sentences that name the file that is wrong.
    pub fn load(files: &Files) -> Result<Self, Vec<String>> {
        let config = RwLock::new(read(files)?);
        Ok(Self { files: files.clone(), config })
    }

    /// Reads the files again, for all sessions from now on; returns the warnings. Where the files
    /// are wrong, all stays.
    pub fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let config = read(&self.files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(self.warnings())
    }

    /// A session for a new connection.
    pub fn session(&self) -> Result<Session, Error> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Session { connection, incoming: Vec::new(), closed: false, failed: None })
    }

    /// What the shopkeeper should know about the files, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.open_key().into_iter().chain(self.ending()).collect()
    }

    /// Others can read the key.
    pub fn open_key(&self) -> Option<String> {
        let key = &self.files.key;
        let open = fs::metadata(key).is_ok_and(|key| key.mode() & 0o077 != 0);
        let key = key.display();
        open.then(|| format!("{key}: others than its owner may read this key; chmod 600 {key}"))
    }

    /// The certificate ends soon, or has ended.
    pub fn ending(&self) -> Option<String> {
        let cert = self.files.cert.display();
        let left = self.end()?.as_secs().checked_sub(UnixTime::now().as_secs());
        match left.map(Duration::from_secs) {
            None => Some(format!("{cert}: the certificate has expired, clients refuse it")),
            Some(left) if left < CERTIFICATE_WARNING => {
                let days = left.as_secs() / (24 * 60 * 60);
                Some(format!("{cert}: the certificate expires in {days} days"))
            }
            Some(_) => None,
        }
    }

    /// Clients refuse the certificate.
    pub fn has_expired(&self) -> bool {
        self.end().is_some_and(|end| end < UnixTime::now())
    }

    fn end(&self) -> Option<UnixTime> {
        end_of(&CertificateDer::from_pem_file(&self.files.cert).ok()?)
    }
}

/// The last moment of a certificate, which webpki tells when it is asked about a moment after it.
pub(super) fn end_of(cert: &CertificateDer) -> Option<UnixTime> {
    let cert = ParsedCertificate::try_from(cert).ok()?;
    let never = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    match verify(&cert, &RootCertStore::empty(), never) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after)
        }
        _ => None,
    }
}

/// Whether clients that trust these roots accept the certificate, but for its name.
pub(super) fn verify(
    cert: &ParsedCertificate,
    roots: &RootCertStore,
    now: UnixTime,
) -> Result<(), Error> {
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    rustls::client::verify_server_cert_signed_by_trust_anchor(cert, roots, &[], now, algorithms)
}

fn read(files: &Files) -> Result<Arc<ServerConfig>, Vec<String>> {
    let Files { cert, key } = files;
    let certs = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let certs = match certs {
        Ok(certs) if Vec::is_empty(&certs) => {
            Err(wrong(cert, "there is no certificate in it (PEM)"))
        }
        certs => certs.map_err(|error| unreadable(cert, &error)),
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            wrong(key, "there is no private key in it (PEM, without a password)")
        }
        error => unreadable(key, &error),
    });
    let (certs, private) = match (certs, private) {
        (Ok(certs), Ok(private)) => (certs, private),
        (certs, private) => return Err(certs.err().into_iter().chain(private.err()).collect()),
    };
    config(certs, private).map_err(|error| {
        vec![match error {
            Error::InconsistentKeys(_) => {
                wrong(key, format!("this is not the key of the certificate in {}", cert.display()))
            }
            Error::InvalidCertificate(error) => {
                wrong(cert, format!("no valid certificate: {error}"))
            }
            error => wrong(key, format!("the key cannot be used: {error}")),
        }]
    })
}

fn config(
    certs: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certs, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Who comes back brings what it takes to go on: a thousand that do cost no signatures, and
    // nothing is kept here for those who do not.
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn unreadable(file: &Path, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            wrong(file, "there is no such file")
        }
        pem::Error::Io(error) => wrong(file, format!("cannot be read: {error}")),
        _ => wrong(file, "this is damaged PEM"),
    }
}

fn wrong(file: &Path, what: impl Display) -> String {
    format!("{}: {what}", file.display())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    /// What is said about a certificate that lives for so long from now on.
    fn warnings(left: Duration) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let secret = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["shop.local".to_owned()]).unwrap();
        params.not_after = OffsetDateTime::now_utc() + left;
        fs::write(&cert, params.self_signed(&secret).unwrap().pem()).unwrap();
        drop(tempfile::NamedTempFile::new_in(&folder).unwrap().persist(&key).unwrap());
        fs::write(&key, secret.serialize_pem()).unwrap();
        Identity::load(&Files { cert, key }).unwrap().warnings()
    }

    #[test]
    fn a_certificate_that_ends_soon_is_told() {
        assert_eq!(warnings(Duration::days(31)), [""; 0]);
        for (left, said) in
            [(Duration::hours(60), "expires in 2 days"), (Duration::hours(-1), "has expired")]
        {
            let told = warnings(left);
            assert!(matches!(&told[..], [one] if one.contains(said)), "{told:?}");
        }
    }
}
