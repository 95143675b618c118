//! `tillcast demo`: a shop in a temporary folder, with simulated sales.
//!
//! All sales go through the HTTP API of the running server, like those of a real till.

mod assistant;
mod login;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::address::reachable;
use crate::cli::logging;
use crate::cli::serve::{end, runtime, settings};
use crate::cli::terminal::{print, program};
use crate::config::Config;
use crate::domain::Role;
use crate::server::Server;

use assistant::Assistant;
use login::Login;

/// How long the assistant waits after a broken connection.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Serves a temporary shop with `rate` actions per second, until a signal.
pub(super) fn run(config: &Config, rate: f64) -> Result<(), String> {
    let log = logging::start(config);
    let dir = tempfile::Builder::new().prefix("tillcast-demo-").tempdir();
    let dir = dir.map_err(|error| format!("{}: {error}", env::temp_dir().display()))?;
    let config = Config { data_dir: dir.path().to_owned(), ..config.clone() };
    let logins = login::create(&config)?;
    let runtime = runtime(config.workers)?;
    let served = runtime.block_on(async {
        let opened = Server::open(&settings(&config), Vec::new(), Arc::default())?;
        let address = opened.addresses.first().copied().map(reachable);
        let address = address.ok_or("there is no address to listen on")?;
        let data_dir = config.data_dir.clone();
        tokio::spawn(log.maintain(config.clone(), None));
        let sales = tokio::spawn(simulate(address, rate, logins, data_dir));
        let served = opened.run().await;
        sales.abort();
        served
    });
    end(runtime, served)
}

/// Prints the welcome once a login works, then sells; starts again after each broken connection.
async fn simulate(address: SocketAddr, rate: f64, logins: Vec<Login>, data_dir: PathBuf) {
    let mut is_welcome_due = true;
    loop {
        let sold = async {
            let staff = logins.iter().find(|login| login.role == Role::Staff).ok_or("no staff")?;
            if is_welcome_due {
                // The reader gets a session of its own, which a logout may end.
                let reader = Assistant::log_in(address, staff).await?;
                print(&welcome(address, rate, &logins, &data_dir, reader.cookie()))?;
                is_welcome_due = false;
            }
            assistant::run(Assistant::log_in(address, staff).await?, rate).await
        };
        if let Err(why) = sold.await {
            tracing::warn!(why, "the demo's shop assistant starts again");
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

fn welcome(
    address: SocketAddr,
    rate: f64,
    logins: &[Login],
    data_dir: &Path,
    cookie: &str,
) -> String {
    let row = |login: &Login| format!("  {:<8} {}\n", login.role.name(), login.password.0);
    let users: String = logins.iter().map(row).collect();
    let staff = logins.iter().find(|login| login.role == Role::Staff);
    let password = staff.map_or("", |staff| &staff.password.0);
    let (program, data_dir) = (program(), data_dir.display());
    format!(
        "A demo shop is open at http://{address}, with {rate} actions per second.\n\
         Its data is in {data_dir} and is removed when this program ends (Ctrl-C).\n\n\
         Users and their passwords:\n{users}\n\
         Watch every change, in another terminal:\n\
         \x20 {program} events --follow --data-dir {data_dir}\n\n\
         Log in, and read the newest events and orders:\n\
         \x20 curl -c jar -H 'content-type: application/json' http://{address}/api/auth/login \\\n\
         \x20      -d '{{\"username\":\"staff\",\"password\":\"{password}\"}}'\n\
         \x20 curl -b jar 'http://{address}/api/events?order=desc&limit=3'\n\
         \x20 curl -b jar 'http://{address}/api/orders?limit=3'\n\n\
         Listen on the WebSocket, as a display does:\n\
         \x20 npx wscat -c ws://{address}/ws -H 'Cookie: {cookie}' -w -1 \\\n\
         \x20      -x '{{\"type\":\"subscribe\",\"channel\":\"order_changes\"}}'\n\n"
    )
}
