//! `tillcast cert`: a certificate for a shop without a domain.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::cli::terminal::print;
use crate::config::Config;
use crate::tls::{self, Files};

/// Makes a certificate for this machine, under the name that it is announced with as well, and for
/// more names; says what to do with it.
pub(super) fn run(config: &Config, to: Option<PathBuf>, more: Vec<String>) -> Result<(), String> {
    let dir = to.unwrap_or_else(|| config.data_dir.join("tls"));
    // The files are named in full: the server may be started elsewhere.
    let dir = std::path::absolute(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut names = more;
    names.extend(own_names()?);
    names.extend(config.mdns.as_ref().map(|name| format!("{name}.local")));
    names.sort();
    names.dedup();
    let issued = tls::issue(&dir, &names)?;
    let Files { cert, key } = &issued.files;
    let (cert, key, authority) = (cert.display(), key.display(), issued.authority.display());
    let first = if issued.authority_kept {
        format!("1. The tills that trust {authority}\n   already need nothing new.")
    } else {
        format!(
            "1. On each till and display, import\n     {authority}\n   as a certificate authority \
             (in the browser or the system; once, for this one stays).\n   Never give away \
             ca-key.pem: keep a copy of it where only you are."
        )
    };
    print(&format!(
        "{cert}\nis a certificate for {}.\n\n{first}\n\
         2. Start the server with it:\n     \
         tillcast --tls-cert {cert} --tls-key {key}\n   \
         A server that already runs with it reads it again at SIGHUP (pkill -HUP tillcast).\n\
         3. It lives for two years and three months; the server warns a month before.\n   \
         Run this command again then, or when a name or an address has changed.\n",
        names.join(", ")
    ))
}

/// What this machine is called, and where it is found in its own network.
fn own_names() -> Result<Vec<String>, String> {
    let mut names = vec!["localhost".to_owned()];
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy().to_ascii_lowercase();
    let label = host.split('.').next().unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if is_name(label) && label != "localhost" {
        names.extend([label.to_owned(), format!("{label}.local")]);
    }
    if host.split('.').all(is_name) {
        names.push(host);
    }
    let interfaces = if_addrs::get_if_addrs()
        .map_err(|error| format!("the addresses of this machine: {error}"))?;
    let private = interfaces.iter().map(if_addrs::Interface::ip).filter(is_private);
    names.extend(private.map(|address| address.to_string()));
    Ok(names)
}

/// An address that stays in the shop. Others change hands, and must be asked for by --name.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}
