//! A shop's own certificate authority. It is created once and kept, so that each till imports it once,
//! while the server's certificate is reissued whenever its names change or it expires.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use time::OffsetDateTime;

use crate::limits::{AUTHORITY_LIFETIME, CERTIFICATE_LIFETIME};
use crate::tls::identity::{Files, not_after, verify};

/// An issued certificate.
#[derive(Debug)]
pub struct Issued {
    /// The certificate and its key.
    pub files: Files,
    /// The authority's certificate, which the tills import.
    pub authority: PathBuf,
    /// Whether the authority existed before.
    pub authority_kept: bool,
}

/// How far the clocks of tills may be behind.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);
/// Domains that no public web site has (RFC 6761, 6762, 8375, and ICANN's `internal`).
const LOCAL_NAMES: [&str; 5] = ["local", "localhost", "lan", "home.arpa", "internal"];
/// IPv4 networks that no public web site has (RFC 1918, 3927, 6890).
const LOCAL_V4: [(Ipv4Addr, u8); 5] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
];
/// IPv6 networks that no public web site has (RFC 4193, 4291).
const LOCAL_V6: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), (Ipv6Addr::LOCALHOST, 128)];

/// Issues a certificate for these names and addresses into a folder, and first creates an authority if
/// the folder has none.
///
/// # Errors
/// A sentence for the operator.
pub fn issue(dir: &Path, names: &[String]) -> Result<Issued, String> {
    let now = OffsetDateTime::now_utc();
    if now.year() < 2026 {
        return Err(format!(
            "the clock says {}; set it first, for certificates have dates",
            now.date()
        ));
    }
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let sans = CertificateParams::new(names).map_err(|error| format!("names: {error}"))?;
    let sans = sans.subject_alt_names;
    let (file, key_file) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    let authority_kept = match (file.exists(), key_file.exists()) {
        (true, true) => true,
        (false, false) => false,
        (has_file, _) => {
            let (found, missing) = if has_file { (&file, &key_file) } else { (&key_file, &file) };
            let (found, missing) = (found.display(), missing.display());
            return Err(format!(
                "{missing} is missing; put it back, or remove {found} to begin with a new \
                 authority, which every till must then trust anew"
            ));
        }
    };
    if !authority_kept {
        create_authority(&file, &key_file, &sans, now)?;
    }
    let key = read(&key_file)?;
    let key =
        KeyPair::from_pem(&key).map_err(|error| format!("{}: {error}", key_file.display()))?;
    let cert = CertificateDer::from_pem_file(&file)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let files = Files { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    sign_certificate(&files, (&file, &cert), key, sans, now)?;
    Ok(Issued { files, authority: file, authority_kept })
}

/// Creates the authority. It can sign only local names and those asked for: a stolen key cannot
/// impersonate a bank.
fn create_authority(
    file: &Path,
    key_file: &Path,
    sans: &[SanType],
    now: OffsetDateTime,
) -> Result<(), String> {
    let failed = |error| format!("the authority could not be made: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = authority_params(&key);
    params.not_before = now - BACKDATED;
    params.not_after = now + AUTHORITY_LIFETIME;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted_subtrees(sans),
        excluded_subtrees: Vec::new(),
    });
    let cert = params.self_signed(&key).map_err(failed)?;
    write(key_file, &key.serialize_pem(), 0o600)?;
    write(file, &cert.pem(), 0o644)
}

/// The parameters that the authority has in every signature. Its name holds the key's id, which tells
/// it from the authorities of other shops.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let id = params.key_identifier(key);
    let id = id.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Tillcast shop authority {id:08x}"));
    params
}

/// Local names and networks, and the names and addresses asked for.
fn permitted_subtrees(sans: &[SanType]) -> Vec<GeneralSubtree> {
    let names = LOCAL_NAMES.map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let v4 = LOCAL_V4.map(|(address, bits)| CidrSubnet::from_addr_prefix(address.into(), bits));
    let v6 = LOCAL_V6.map(|(address, bits)| CidrSubnet::from_addr_prefix(address.into(), bits));
    let local = names.into_iter().chain(v4.into_iter().chain(v6).map(GeneralSubtree::IpAddress));
    let asked = sans.iter().filter_map(|san| match san {
        SanType::DnsName(name) => Some(GeneralSubtree::DnsName(name.to_string())),
        SanType::IpAddress(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, bits)))
        }
        _ => None,
    });
    local.chain(asked).collect()
}

/// Signs a certificate for the server, and verifies it as a client would before it is written.
fn sign_certificate(
    files: &Files,
    (file, authority_cert): (&Path, &CertificateDer),
    authority_key: KeyPair,
    sans: Vec<SanType>,
    now: OffsetDateTime,
) -> Result<(), String> {
    let failed = |error| format!("the certificate could not be made: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.not_before = now - BACKDATED;
    params.not_after = now + CERTIFICATE_LIFETIME;
    let end = not_after(authority_cert).and_then(|end| i64::try_from(end.as_secs()).ok());
    if let Some(Ok(end)) = end.map(OffsetDateTime::from_unix_timestamp) {
        params.not_after = params.not_after.min(end);
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Tillcast server");
    params.subject_alt_names = sans;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(authority_params(&authority_key), authority_key);
    let cert = params.signed_by(&key, &issuer).map_err(failed)?;
    let mut roots = RootCertStore::empty();
    let accepted = roots
        .add(authority_cert.clone())
        .and_then(|()| verify(&ParsedCertificate::try_from(cert.der())?, &roots, UnixTime::now()));
    accepted.map_err(|error| {
        let dir = file.parent().unwrap_or(file).display();
        format!(
            "the authority in {} cannot sign this: {error}. Remove ca.pem and ca-key.pem from \
             {dir} to begin with a new one, which every till must then trust anew",
            file.display()
        )
    })?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.cert, &cert.pem(), 0o644)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Replaces a file atomically: a server that reads it meanwhile finds the old text or the new one.
fn write(file: &Path, text: &str, mode: u32) -> Result<(), String> {
    let written = || -> io::Result<()> {
        let dir = file.parent().unwrap_or(Path::new("."));
        // A temporary file is private from its creation.
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(Permissions::from_mode(mode))?;
        new.as_file().sync_all()?;
        new.persist(file)?;
        Ok(())
    };
    written().map_err(|error| format!("{}: {error}", file.display()))
}
