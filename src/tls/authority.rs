//! A shop's own certificate authority. It is created once and kept, so that each till imports it once,
//! while the server's certificate is reissued whenever its names change or it expires.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
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
    /// The optional names that the authority cannot sign.
    pub left_out: Vec<String>,
}

/// How far the clocks of tills may lag behind.
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
/// the folder has none. Optional names are left out where an older authority cannot sign them.
///
/// # Errors
/// A sentence for the operator.
pub fn issue(dir: &Path, required: &[String], optional: &[String]) -> Result<Issued, String> {
    let now = OffsetDateTime::now_utc();
    if now.year() < 2026 {
        return Err(format!(
            "the clock says {}; set it first, because certificates have dates",
            now.date()
        ));
    }
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let sans = |names: &[String]| {
        let params = CertificateParams::new(names).map_err(|error| format!("names: {error}"));
        params.map(|params| params.subject_alt_names)
    };
    let (required, optional) = (sans(required)?, sans(optional)?);
    let (file, key_file) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    let authority_kept = match (file.exists(), key_file.exists()) {
        (true, true) => true,
        (false, false) => false,
        (has_file, _) => {
            let (found, missing) = if has_file { (&file, &key_file) } else { (&key_file, &file) };
            let (found, missing) = (found.display(), missing.display());
            return Err(format!(
                "{missing} is missing; put it back, or remove {found} to begin with a new \
                 authority, which every till must then import"
            ));
        }
    };
    if !authority_kept {
        create_authority(&file, &key_file, &[&required[..], &optional].concat(), now)?;
    }
    let key = read(&key_file)?;
    let key =
        KeyPair::from_pem(&key).map_err(|error| format!("{}: {error}", key_file.display()))?;
    let cert = CertificateDer::from_pem_file(&file)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let issuer = Issuer::new(authority_params(&key), key);
    let authority = Authority { cert, issuer, now };
    let files = Files { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    let (mut sans, left_out): (Vec<_>, Vec<_>) =
        optional.into_iter().partition(|san| authority.accepts(san));
    sans.extend(required);
    let (cert, key) = authority.certificate(&sans).map_err(|why| why.explained(dir))?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.cert, &cert.pem(), 0o644)?;
    let left_out = left_out.iter().map(name).collect();
    Ok(Issued { files, authority: file, authority_kept, left_out })
}

/// Creates the authority. It can sign only local names and `sans`, so that a stolen key cannot impersonate a
/// bank.
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

/// Local names and networks, and `sans`.
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

/// A name or an address as it was given.
fn name(san: &SanType) -> String {
    match san {
        SanType::DnsName(name) => name.to_string(),
        SanType::IpAddress(address) => address.to_string(),
        _ => format!("{san:?}"),
    }
}

/// The reason why there is no certificate.
enum Refusal {
    Failed(rcgen::Error),
    /// The authority cannot sign any.
    Unfit(rustls::Error),
    /// It was not created for these names.
    Names(Vec<String>),
}

impl Refusal {
    /// A sentence for the operator.
    fn explained(self, dir: &Path) -> String {
        let file = dir.join("ca.pem");
        let (file, dir) = (file.display(), dir.display());
        let anew = format!(
            "remove ca.pem and ca-key.pem from {dir} to begin with a new authority, which every till must \
             then import"
        );
        match self {
            Self::Failed(error) => format!("the certificate could not be made: {error}"),
            Self::Unfit(error) => {
                format!("{file}: has expired, or does not fit its key ({error}); {anew}")
            }
            Self::Names(names) => format!(
                "{file}: cannot sign {}. Beside local names and private addresses, it signs only the names \
                 of the first `tillcast cert`. Leave those out, or {anew}",
                names.join(", ")
            ),
        }
    }
}

/// An authority that signs certificates at a point of time.
struct Authority<'a> {
    cert: CertificateDer<'static>,
    issuer: Issuer<'a, KeyPair>,
    now: OffsetDateTime,
}

impl Authority<'_> {
    /// A certificate for the server with its key, verified as a client would.
    fn certificate(&self, sans: &[SanType]) -> Result<(Certificate, KeyPair), Refusal> {
        let signed = self.sign(sans).map_err(Refusal::Failed)?;
        let Err(error) = self.verify(&signed.0) else { return Ok(signed) };
        let refused: Vec<_> = sans.iter().filter(|san| !self.accepts(san)).map(name).collect();
        let is_unfit = refused.is_empty() || refused.len() == sans.len();
        Err(if is_unfit { Refusal::Unfit(error) } else { Refusal::Names(refused) })
    }

    /// Whether a certificate for this name alone would be valid.
    fn accepts(&self, san: &SanType) -> bool {
        self.sign(std::slice::from_ref(san)).is_ok_and(|(cert, _)| self.verify(&cert).is_ok())
    }

    fn sign(&self, sans: &[SanType]) -> Result<(Certificate, KeyPair), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.not_before = self.now - BACKDATED;
        params.not_after = self.now + CERTIFICATE_LIFETIME;
        let end = not_after(&self.cert).and_then(|end| i64::try_from(end.as_secs()).ok());
        if let Some(Ok(end)) = end.map(OffsetDateTime::from_unix_timestamp) {
            params.not_after = params.not_after.min(end);
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Tillcast server");
        params.subject_alt_names = sans.to_vec();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    fn verify(&self, cert: &Certificate) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.cert.clone())?;
        verify(&ParsedCertificate::try_from(cert.der())?, &roots, UnixTime::now())
    }
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
