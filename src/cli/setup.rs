//! The link of the first start, by which somebody becomes the first admin, and `tillcast setup`, which prints another.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use crate::auth::setup_code;
use crate::cli::address::from_elsewhere;
use crate::cli::privileges::within;
use crate::cli::terminal::{explain, print};
use crate::config::Config;
use crate::store::{self, Console};

/// Prints a link; earlier ones work no more. Creates the shop if there is none.
pub(super) fn run(config: &Config) -> Result<(), String> {
    print(&within(&config.data_dir, |data_dir| {
        let file = store::database_file(data_dir);
        let is_new = !file.exists();
        let code = new_code(data_dir, true)?.ok_or(
            "the shop has an admin already, who adds further users; `tillcast user passwd NAME` sets a new password",
        )?;
        let made = format!("new shop created: {}\n", file.display());
        let line = line(config, &config.listen, &code);
        Ok(if is_new { made + &line } else { line })
    })?)
}

/// Prints a link to standard error, if the shop of a server at these addresses has no admin.
pub(super) fn at_start(config: &Config, addresses: &[SocketAddr]) -> Result<(), String> {
    let Some(code) = new_code(&config.data_dir, false)? else { return Ok(()) };
    let line = line(config, addresses, &code);
    if let Err(error) = io::stderr().write_all(line.as_bytes()) {
        tracing::warn!(%error, "the link of the first start was not printed; `tillcast setup` prints another");
    }
    Ok(())
}

/// A new code, which is stored; `None` if the shop has an admin.
fn new_code(data_dir: &Path, alone: bool) -> Result<Option<String>, String> {
    let store = Console::open(data_dir).map_err(|error| error.to_string())?;
    if store.has_active_admin().map_err(explain)? {
        return Ok(None);
    }
    let (code, hash) = setup_code().ok_or("the system gives no random bytes")?;
    store.add_setup_code(hash, alone).map_err(explain)?;
    Ok(Some(code.0))
}

/// The line with the link. Its host is an address: many a telephone cannot look up a name of the local network.
fn line(config: &Config, addresses: &[SocketAddr], code: &str) -> String {
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    format!("first start: {scheme}://{}/setup#{code}\n", from_elsewhere(config, addresses))
}
