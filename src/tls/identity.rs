//! The server's certificate and private key: loaded, checked against each other, reloaded.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fs, io};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, UnbufferedServerConnection};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};

use crate::limits::CERTIFICATE_WARNING;
use crate::sync;
use crate::tls::connection::TlsConnection;

/// The paths of the certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, followed by its intermediates.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The certificate and private key that new connections use.
#[derive(Debug)]
pub struct Identity {
    files: Files,
    loaded: RwLock<Loaded>,
}

/// The contents of the files when they were last loaded.
#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificate: Arc<CertificateDer<'static>>,
    /// The certificate of the authority, PEM, if it is the shop's own.
    authority: Option<Arc<str>>,
}

impl Identity {
    /// Loads the files.
    ///
    /// # Errors
    /// One sentence for each wrong file, which names the file.
    pub fn load(files: &Files) -> Result<Self, Vec<String>> {
        Ok(Self { files: files.clone(), loaded: RwLock::new(read(files)?) })
    }

    /// Loads the files again, for connections from now on; returns the warnings.
    ///
    /// # Errors
    /// One sentence for each wrong file; then the old certificate and key stay in use.
    pub fn reload(&self) -> Result<Vec<String>, Vec<String>> {
        let loaded = read(&self.files)?;
        *sync::write(&self.loaded) = loaded;
        Ok(self.warnings())
    }

    /// The server's side of a new connection.
    pub fn accept(&self) -> Result<TlsConnection, Error> {
        UnbufferedServerConnection::new(self.loaded().config).map(TlsConnection::new)
    }

    /// The certificate of the authority, PEM, if the server's own was issued by `tillcast cert`: clients
    /// must trust it first.
    pub fn authority(&self) -> Option<Arc<str>> {
        self.loaded().authority
    }

    /// Whether clients accept the certificate for this name.
    pub fn covers(&self, name: &str) -> bool {
        let certificate = self.loaded().certificate;
        let parsed = ParsedCertificate::try_from(&*certificate).ok();
        let name = ServerName::try_from(name).ok();
        parsed.zip(name).is_some_and(|(certificate, name)| {
            rustls::client::verify_server_name(&certificate, &name).is_ok()
        })
    }

    fn loaded(&self) -> Loaded {
        sync::read(&self.loaded).clone()
    }

    /// Warnings for the operator about the files, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.key_warning().into_iter().chain(self.expiry_warning()).collect()
    }

    /// A warning if other users of this machine have access to the key.
    pub fn key_warning(&self) -> Option<String> {
        let key = &self.files.key;
        let exposed = fs::metadata(key).is_ok_and(|key| key.mode() & 0o077 != 0);
        let key = key.display();
        exposed.then(|| format!("{key}: others than its owner may read this key; chmod 600 {key}"))
    }

    /// A warning if the certificate has expired, or will within `CERTIFICATE_WARNING`.
    pub fn expiry_warning(&self) -> Option<String> {
        let cert = self.files.cert.display();
        let left = self.not_after()?.as_secs().checked_sub(UnixTime::now().as_secs());
        match left.map(Duration::from_secs) {
            None => Some(format!("{cert}: the certificate has expired, clients refuse it")),
            Some(left) if left < CERTIFICATE_WARNING => {
                let days = left.as_secs() / (24 * 60 * 60);
                Some(format!("{cert}: the certificate expires in {days} days"))
            }
            Some(_) => None,
        }
    }

    /// Whether the certificate has expired, so that clients reject it.
    pub fn has_expired(&self) -> bool {
        self.not_after().is_some_and(|not_after| not_after < UnixTime::now())
    }

    fn not_after(&self) -> Option<UnixTime> {
        not_after(&CertificateDer::from_pem_file(&self.files.cert).ok()?)
    }
}

/// The end of a certificate's validity. webpki has no getter for it, but its error for a later moment
/// contains it.
pub(super) fn not_after(cert: &CertificateDer) -> Option<UnixTime> {
    let cert = ParsedCertificate::try_from(cert).ok()?;
    let never = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    match verify(&cert, &RootCertStore::empty(), never) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after)
        }
        _ => None,
    }
}

/// Checks a certificate as a client that trusts these roots would, except for its name.
pub(super) fn verify(
    cert: &ParsedCertificate,
    roots: &RootCertStore,
    now: UnixTime,
) -> Result<(), Error> {
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    rustls::client::verify_server_cert_signed_by_trust_anchor(cert, roots, &[], now, algorithms)
}

/// The certificate in `ca.pem` beside the server's, if it is the one that signed it. Only that section of
/// the file is returned, whatever else the file holds.
fn own_authority(cert_file: &Path, cert: &CertificateDer) -> Option<Arc<str>> {
    let text = fs::read_to_string(cert_file.with_file_name("ca.pem")).ok()?;
    let start = text.find("-----BEGIN CERTIFICATE-----")?;
    let (section, _) = text[start..].split_once("-----END CERTIFICATE-----")?;
    let section = format!("{section}-----END CERTIFICATE-----\n");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(section.as_bytes()).ok()?).ok()?;
    let cert = ParsedCertificate::try_from(cert).ok()?;
    verify(&cert, &roots, UnixTime::now()).is_ok().then(|| section.into())
}

fn read(files: &Files) -> Result<Loaded, Vec<String>> {
    let Files { cert, key } = files;
    let certs = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let certs = match certs {
        Ok(certs) if Vec::is_empty(&certs) => Err(no_certificate(cert)),
        certs => certs.map_err(|error| pem_error(cert, &error)),
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            file_error(key, "there is no private key in it (PEM, without a password)")
        }
        error => pem_error(key, &error),
    });
    let (certs, private) = match (certs, private) {
        (Ok(certs), Ok(private)) => (certs, private),
        (certs, private) => return Err(certs.err().into_iter().chain(private.err()).collect()),
    };
    let Some(certificate) = certs.first().cloned().map(Arc::new) else {
        return Err(vec![no_certificate(cert)]);
    };
    let authority = own_authority(cert, &certificate);
    config(certs, private).map(|config| Loaded { config, certificate, authority }).map_err(
        |error| {
            vec![match error {
                Error::InconsistentKeys(_) => file_error(
                    key,
                    format!("this is not the key of the certificate in {}", cert.display()),
                ),
                Error::InvalidCertificate(error) => {
                    file_error(cert, format!("no valid certificate: {error}"))
                }
                error => file_error(key, format!("the key cannot be used: {error}")),
            }]
        },
    )
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
    // Tickets: clients that return bring the state of their session, so that a reconnect storm costs
    // no signatures, and the server keeps no state for clients that never return.
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn no_certificate(file: &Path) -> String {
    file_error(file, "there is no certificate in it (PEM)")
}

fn pem_error(file: &Path, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            file_error(file, "there is no such file")
        }
        pem::Error::Io(error) => file_error(file, format!("cannot be read: {error}")),
        _ => file_error(file, "this is damaged PEM"),
    }
}

fn file_error(file: &Path, what: impl Display) -> String {
    format!("{}: {what}", file.display())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    /// The warnings about a certificate that expires after this time.
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
    fn warns_before_the_certificate_expires() {
        assert_eq!(warnings(Duration::days(31)), [""; 0]);
        for (left, said) in
            [(Duration::hours(60), "expires in 2 days"), (Duration::hours(-1), "has expired")]
        {
            let told = warnings(left);
            assert!(matches!(&told[..], [one] if one.contains(said)), "{told:?}");
        }
    }
}
