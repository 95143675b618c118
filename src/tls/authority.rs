//! A shop's own certificate authority. It is created once and kept, so that each till imports it once,
//! while the server's certificate is reissued whenever its names change or it expires.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use time::OffsetDateTime;

use crate::limits::{AUTHORITY_LIFETIME, CERTIFICATE_LIFETIME};
use crate::tls::identity::{Files, not_after, verify};
use crate::tls::names;

/// An issued certificate, which is not written yet.
#[derive(Debug)]
pub struct Issued {
    cert: String,
    key: String,
    /// The authority's certificate as PEM.
    authority_cert: String,
    /// The file of the authority's certificate, which the tills import.
    pub authority: PathBuf,
    /// Whether the authority existed before.
    pub authority_kept: bool,
    /// The optional names that the authority cannot sign.
    pub left_out: Vec<String>,
}

impl Issued {
    /// Writes the certificate and its key into a folder, and beside them the authority's certificate, which
    /// the server gives to tills. The authority's key stays where it is.
    pub fn write(&self, dir: &Path) -> Result<Files, String> {
        make_private(dir)?;
        let files = Files { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
        write(&files.key, &self.key, 0o600)?;
        write(&files.cert, &self.cert, 0o644)?;
        write(&dir.join("ca.pem"), &self.authority_cert, 0o644)?;
        Ok(files)
    }
}

/// Refuses to begin with a new authority where one of an earlier time lies beside the certificate.
pub fn check_no_other(dir: &Path, authority: &Path) -> Result<(), String> {
    let key = dir.join("ca-key.pem");
    if dir == authority || fs::symlink_metadata(&key).is_err() {
        return Ok(());
    }
    let (key, dir, authority) = (key.display(), dir.display(), authority.display());
    Err(format!(
        "{key}: an authority lies with the server, which must not have its key. If you trust everybody who \
         could read it, keep it: move ca.pem and ca-key.pem from {dir} to {authority}, with root as their \
         owner. Else remove both, to begin with a new authority, which every till must then import"
    ))
}

/// How far the clocks of tills may lag behind.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);
/// Issues a certificate for these names and addresses with the authority of a folder, and first creates an
/// authority if the folder has none. Optional names are left out where an older authority cannot sign them.
/// An authority is refused if it is not the caller's (a user's id) alone, or could sign more names.
///
/// # Errors
/// A sentence for the operator.
pub fn issue(
    dir: &Path,
    caller: u32,
    required: &[String],
    optional: &[String],
) -> Result<Issued, String> {
    let now = OffsetDateTime::now_utc();
    if now.year() < 2026 {
        return Err(format!(
            "the clock says {}; set it first, because certificates have dates",
            now.date()
        ));
    }
    required.iter().try_for_each(|name| names::check(name))?;
    make_private(dir)?;
    check_own(dir, caller, 0o022)?;
    let asked = [required, optional].concat();
    let sans = |names: &[String]| {
        let params = CertificateParams::new(names).map_err(|error| format!("names: {error}"));
        params.map(|params| params.subject_alt_names)
    };
    let (required, optional) = (sans(required)?, sans(optional)?);
    let (file, key_file) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    let authority_kept = exists(&file, &key_file)?;
    if !authority_kept {
        create_authority(&file, &key_file, &[&required[..], &optional].concat(), now)?;
    }
    check_own(&file, caller, 0o022)?;
    check_own(&key_file, caller, 0o077)?;
    let key = read(&key_file)?;
    let key =
        KeyPair::from_pem(&key).map_err(|error| format!("{}: {error}", key_file.display()))?;
    let authority_cert = read(&file)?;
    let cert = CertificateDer::from_pem_slice(authority_cert.as_bytes())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    refuse_excess(&file, &names::excess(&cert, &asked))?;
    let issuer = Issuer::new(authority_params(&key), key);
    let authority = Authority { cert, issuer, now };
    let (mut sans, left_out): (Vec<_>, Vec<_>) =
        optional.into_iter().partition(|san| authority.accepts(san));
    sans.extend(required);
    let (cert, key) = authority.certificate(&sans).map_err(|why| why.explained(dir))?;
    let left_out = left_out.iter().map(name).collect();
    let (cert, key) = (cert.pem(), key.serialize_pem());
    Ok(Issued { cert, key, authority_cert, authority: file, authority_kept, left_out })
}

/// Whether the authority exists, with its certificate and its key.
fn exists(file: &Path, key_file: &Path) -> Result<bool, String> {
    let (found, missing) = match (file.exists(), key_file.exists()) {
        (has_file, has_key) if has_file == has_key => return Ok(has_file),
        (true, _) => (file, key_file),
        (false, _) => (key_file, file),
    };
    let (found, missing) = (found.display(), missing.display());
    Err(format!(
        "{missing} is missing; put it back, or remove {found} to begin with a new authority, which every \
         till must then import"
    ))
}

/// Refuses a file or a folder of the authority that another user owns, or in which others have these rights:
/// a key that they could have exchanged signs for every till that trusts it.
fn check_own(path: &Path, caller: u32, others: u32) -> Result<(), String> {
    let name = path.display();
    let found = fs::symlink_metadata(path).map_err(|error| format!("{name}: {error}"))?;
    let (owner, mode) = (found.uid(), found.mode());
    if found.is_symlink() {
        Err(format!("{name}: is a link; an authority has no links"))
    } else if owner != caller {
        Err(format!(
            "{name}: belongs to user {owner}, not to you, so that the authority is not yours alone; remove \
             ca.pem and ca-key.pem to begin with a new one, or give another folder with --ca"
        ))
    } else if mode & others != 0 {
        let right = if others == 0o077 { "go-rwx" } else { "go-w" };
        Err(format!(
            "{name}: others had rights in the authority; if you trust them, chmod {right} {name}, else \
             remove ca.pem and ca-key.pem to begin with a new one"
        ))
    } else {
        Ok(())
    }
}

fn refuse_excess(file: &Path, excess: &[String]) -> Result<(), String> {
    if excess.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}: can also sign for {}. Give each of these as --name if it is meant; else remove ca.pem and \
         ca-key.pem to begin with a new authority, which every till must then import",
        file.display(),
        excess.join(", ")
    ))
}

/// Makes a folder for its owner alone, in folders as usual; one that exists stays as it is.
fn make_private(dir: &Path) -> Result<(), String> {
    let above = dir.parent().map_or(Ok(()), fs::create_dir_all);
    let made = above.and_then(|()| fs::DirBuilder::new().recursive(true).mode(0o700).create(dir));
    made.map_err(|error| format!("{}: {error}", dir.display()))
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
        permitted_subtrees: names::permitted_subtrees(sans),
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
