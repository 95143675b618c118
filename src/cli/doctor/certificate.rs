//! Checks whether clients accept the certificate and its key, if there are any.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::process::geteuid;

use crate::cli::address::is_in_the_clear;
use crate::cli::doctor::finding::{Finding, bad, ok, unreadable, warn};
use crate::cli::privileges::open_file;
use crate::config::Config;
use crate::tls::{Files, Identity};

/// How to renew a certificate.
const RENEW: &str = "`tillcast cert` issues a new one, and `systemctl reload tillcast` loads it";

/// Checks files outside of the data directory. Root opens each once, by a way on which no other user's link leads it,
/// and reads what it has opened.
pub(super) fn check_outside(config: &Config) -> Vec<Finding> {
    if !geteuid().is_root() {
        return check(config);
    }
    let open = |path: &Option<PathBuf>| path.as_deref().map(open_file).transpose();
    let (cert, key) = match (open(&config.tls_cert), open(&config.tls_key)) {
        (Ok(cert), Ok(key)) => (cert, key),
        (cert, key) => {
            let wrong = cert.err().into_iter().chain(key.err());
            return wrong.map(|wrong| bad(format!("{wrong}; {RENEW}"))).collect();
        }
    };
    let path = |file: &File| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let (tls_cert, tls_key) = (cert.as_ref().map(path), key.as_ref().map(path));
    let names = [(&tls_cert, &config.tls_cert), (&tls_key, &config.tls_key)];
    let reword = |text: String| {
        names.iter().fold(text, |text, names| match names {
            (Some(path), Some(name)) => {
                text.replace(&*path.to_string_lossy(), &name.to_string_lossy())
            }
            _ => text,
        })
    };
    let opened = Config { tls_cert: tls_cert.clone(), tls_key: tls_key.clone(), ..config.clone() };
    let findings = check(&opened).into_iter();
    findings.map(|finding| Finding { text: reword(finding.text), ..finding }).collect()
}

/// Checks the files that the settings name.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let Some((cert, key)) = config.tls_cert.clone().zip(config.tls_key.clone()) else {
        if is_in_the_clear(config, &config.listen) {
            return vec![warn(
                "none is configured, so that passwords and sessions cross the network in the clear; `tillcast cert` \
                 issues one, and a proxy that speaks TLS is named by --trusted-proxy",
            )];
        }
        return vec![ok("none is configured; clients come over plain HTTP")];
    };
    let hidden = [&cert, &key].into_iter().find_map(|file| {
        let error = File::open(file).err()?;
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        denied.then(|| unreadable(file, &error))
    });
    if let Some(hidden) = hidden {
        return vec![hidden];
    }
    let name = cert.display().to_string();
    match Identity::load(&Files { cert, key }) {
        Err(wrong) => wrong.into_iter().map(|wrong| bad(format!("{wrong}; {RENEW}"))).collect(),
        Ok(identity) => {
            let open = identity.key_warning().map(warn);
            let judge = if identity.has_expired() { bad } else { warn };
            let ending =
                identity.expiry_warning().map(|ending| judge(format!("{ending}; {RENEW}")));
            let found: Vec<_> = open.into_iter().chain(ending).collect();
            if found.is_empty() {
                vec![ok(format!("{name}: valid, and the key belongs to it"))]
            } else {
                found
            }
        }
    }
}
