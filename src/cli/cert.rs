//! `tillcast cert`: a certificate for a shop without a domain.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::auth::hosts::machine_names;
use crate::cli::privileges::{is_foreign, within};
use crate::cli::terminal::{print, program};
use crate::config::Config;
use crate::tls::{self, Files, Issued};

/// The folder of the authority that root makes.
const ROOTS: &str = "/etc/tillcast/ca";

/// Issues a certificate for this machine, also under the name of `--mdns` and under `more` names; says
/// what to do with it.
pub(super) fn run(
    config: &Config,
    to: Option<&Path>,
    authority: Option<&Path>,
    more: Vec<String>,
) -> Result<(), String> {
    let (folder, below) = to.map_or((config.data_dir.as_path(), Some("tls")), |dir| (dir, None));
    // The files are named in full: the server may be started elsewhere.
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let target = |folder: &Path| below.map_or(folder.to_owned(), |name| folder.join(name));
    let folder = absolute(folder)?;
    let authority = match authority {
        Some(authority) => absolute(authority)?,
        // Never with a server that is not root's: whoever takes that over would sign for every till.
        None if geteuid().is_root() && (to.is_none() || is_foreign(&folder)?) => {
            PathBuf::from(ROOTS)
        }
        None => target(&folder),
    };
    tls::check_no_other(&target(&folder), &authority)?;
    let mut required = more;
    required.extend(config.mdns.as_ref().map(|name| format!("{name}.local")));
    let mut own = own_names()?;
    own.retain(|name| !required.contains(name));
    let issued = tls::issue(&authority, geteuid().as_raw(), &required, &own)?;
    let write = |folder: &Path| {
        let files = issued.write(&target(folder))?;
        Ok(explained(config, &issued, &files, required, own))
    };
    print(&within(&folder, write)?)
}

/// The result, and what to do with it.
fn explained(
    config: &Config,
    issued: &Issued,
    files: &Files,
    required: Vec<String>,
    mut own: Vec<String>,
) -> String {
    own.retain(|name| !issued.left_out.contains(name));
    let authority = issued.authority.display();
    let trust = if issued.authority_kept {
        format!("Tills that trust {authority} already need nothing new.")
    } else {
        trust_once(&issued.authority, config, &own)
    };
    let left_out = |name: &String| {
        format!("It is not for {name}, a name of this machine that the authority cannot sign.\n")
    };
    let left_out: String = issued.left_out.iter().map(left_out).collect();
    let names = [required, own].concat().join(", ");
    let (program, Files { cert, key }) = (program(), files);
    let (cert, key) = (cert.display(), key.display());
    format!(
        "{cert}\nis a certificate for {names}.\n{left_out}\n\
         1. {trust}\n\n\
         2. Start the server with it:\n     \
         {program} serve --tls-cert {cert} --tls-key {key}\n   \
         A server that already uses it loads the new one at SIGHUP (systemctl reload tillcast).\n\n\
         3. It is valid for two years and three months; the server's log warns a month before the end.\n   \
         Run this command again then, or when a name or an address has changed.\n"
    )
}

/// The advice for a new authority.
fn trust_once(authority: &Path, config: &Config, own: &[String]) -> String {
    let is_reachable = |name: &&String| {
        name.parse().is_ok_and(|address: IpAddr| address.is_ipv4() && !address.is_loopback())
    };
    let host = own.iter().find(is_reachable).map_or("localhost", String::as_str);
    let port = config.listen.first().map_or(0, SocketAddr::port);
    let authority = authority.display();
    format!(
        "Let each till, tablet and display trust the new authority, once. Import\n     {authority}\n   \
         there as a certificate authority, in the system or the browser. With this certificate, the\n   \
         server also serves it, at http://{host}:{port}/ca.pem.\n   \
         Keep ca-key.pem beside it secret, and a copy of it in a safe place.\n   \
         The authority can sign later certificates for all local names and private addresses, but for\n   \
         no other names than those above. If one is missing, such as shop.example, remove ca.pem and\n   \
         ca-key.pem now, and add --name shop.example: later, every till would have to import a new\n   \
         authority."
    )
}

/// The names of this machine, and its addresses in its own network.
fn own_names() -> Result<Vec<String>, String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(machine_names());
    let interfaces = if_addrs::get_if_addrs()
        .map_err(|error| format!("the addresses of this machine cannot be listed: {error}"))?;
    let private = interfaces.iter().map(if_addrs::Interface::ip).filter(is_private);
    names.extend(private.map(|address| address.to_string()));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Whether an address is private. A public one may later belong to another machine, so it needs --name.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}
