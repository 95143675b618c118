//! TLS (RFC 8446) without sockets: certificates, and connections that map bytes to bytes. No other
//! module uses rustls or rcgen.

mod authority;
mod connection;
mod identity;
mod names;

pub use authority::{Issued, check_no_other, issue};
pub use connection::TlsConnection;
pub use identity::{Files, Identity};

/// A connection whose handshake is over, for the tests of other modules.
#[cfg(test)]
pub(crate) fn connection_for_tests() -> TlsConnection {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::Arc;

    let folder = tempfile::tempdir().unwrap();
    let owner = std::fs::metadata(folder.path()).unwrap().uid();
    let issued = issue(folder.path(), owner, &["shop.local".to_owned()], &[]).unwrap();
    let files = issued.write(folder.path()).unwrap();
    let mut connection = Identity::load(&files).unwrap().accept().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(issued.authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("shop.local").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        let (mut sent, mut text, mut out) = (Vec::new(), Vec::new(), Vec::new());
        client.write_tls(&mut sent).unwrap();
        connection.receive(&sent, &mut text, &mut out).unwrap();
        client.read_tls(&mut &out[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    connection
}
