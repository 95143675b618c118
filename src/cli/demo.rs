//! `tillcast demo`: a shop in a temporary folder, with simulated sales.
//!
//! All sales go through the HTTP API of the running server, like those of a real till.

mod assistant;
mod client;
mod goods;
mod login;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use crate::cli::address::reachable;
use crate::cli::logging;
use crate::cli::serve::{end, runtime, settings};
use crate::cli::terminal::{print, program};
use crate::config::Config;
use crate::domain::Role;
use crate::domain::json_literal::json;
use crate::server::{Server, Settings};

use assistant::Shop;
use client::Client;
use login::Login;

/// How long the shop's people wait after a broken connection.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The pages, and the users that work with them.
const SCREENS: [(&str, &str); 7] = [
    ("sell", "staff at the till"),
    ("board", "kitchen: what to make"),
    ("pick", "picker: what to pack, on a phone"),
    ("numbers", "display: which orders are ready"),
    ("kiosk", "kiosk: customers order by themselves"),
    ("admin", "admin: devices, users, charts of the last hour"),
    ("docs", "for developers, without a login: both interfaces"),
];

/// Serves a temporary shop with `rate` actions per second, until a signal.
pub(super) fn run(config: &Config, rate: f64) -> Result<(), String> {
    let metrics = Arc::default();
    let log = logging::start(config, &metrics);
    let dir = tempfile::Builder::new().prefix("tillcast-demo-").tempdir();
    let dir = dir.map_err(|error| format!("{}: {error}", env::temp_dir().display()))?;
    let config = Config { data_dir: dir.path().to_owned(), ..config.clone() };
    let logins = login::create(&config)?;
    let runtime = runtime(config.workers)?;
    let served = runtime.block_on(async {
        let demo_logins = logins.iter().map(|login| (login.role, login.password.clone())).collect();
        let settings = Settings { demo_logins, ..settings(&config) };
        let opened = Server::open(&settings, Vec::new(), metrics)?;
        let address = opened.addresses.first().copied().map(reachable);
        let address = address.ok_or("there is no address to listen on")?;
        let data_dir = config.data_dir.clone();
        tokio::spawn(log.maintain(config.clone(), None));
        // It ends with the process: its connections break before that.
        thread::spawn(move || simulate(address, rate, &logins, &data_dir));
        opened.run().await
    });
    end(runtime, served)
}

/// Prints the welcome once a login works, then sells; starts again after each broken connection.
fn simulate(address: SocketAddr, rate: f64, logins: &[Login], data_dir: &Path) {
    let mut token = None;
    loop {
        let sold = token.take().map_or_else(|| begin(address, rate, logins, data_dir), Ok);
        let sold = sold.and_then(|device| {
            let shop = Shop::open(address, logins, &device);
            token = Some(device);
            shop?.run(rate)
        });
        if let Err(why) = sold {
            tracing::warn!(why, "the demo's people start again");
        }
        thread::sleep(RETRY_DELAY);
    }
}

/// Prints the welcome, and returns the token of a device.
fn begin(
    address: SocketAddr,
    rate: f64,
    logins: &[Login],
    data_dir: &Path,
) -> Result<String, String> {
    let device = json!({"name": "Market till", "role": Role::Staff.name()});
    let mut admin = Client::log_in(address, login::of_role(logins, Role::Admin)?)?;
    let device = admin.call("POST", "/api/devices", &device)?;
    let token = device["token"].as_str().ok_or("no token came")?;
    // The reader gets a session of its own, which a logout may end.
    let staff = login::of_role(logins, Role::Staff)?;
    let reader = Client::log_in(address, staff)?;
    let text = Welcome { address, rate, logins, staff, data_dir, cookie: reader.cookie(), token };
    print(&text.text())?;
    Ok(token.to_owned())
}

/// The text that a reader needs to try the shop.
struct Welcome<'w> {
    address: SocketAddr,
    rate: f64,
    logins: &'w [Login],
    staff: &'w Login,
    data_dir: &'w Path,
    cookie: &'w str,
    token: &'w str,
}

impl Welcome<'_> {
    fn text(&self) -> String {
        let Self { address, rate, logins, staff, data_dir, cookie, token } = self;
        let row = |login: &Login| format!("  {:<8} {}\n", login.role.name(), login.password.0);
        let users: String = logins.iter().map(row).collect();
        let row = |(path, about): &(&str, &str)| format!("  http://{address}/{path:<8} {about}\n");
        let screens: String = SCREENS.iter().map(row).collect();
        let password = &staff.password.0;
        let (program, data_dir) = (program(), data_dir.display());
        format!(
            "A demo shop is open at http://{address}/ with {rate} actions per second.\n\
         Its data is in {data_dir} and is removed when this program ends (Ctrl-C).\n\n\
         Open it in a browser: a button logs you in as each user. Their passwords:\n{users}\n\
         Screens:\n{screens}\n\
         Watch every change, in another terminal:\n\
         \x20 {program} events --follow --data-dir {data_dir}\n\n\
         Log in, and read the newest events and orders:\n\
         \x20 curl -c jar -H 'content-type: application/json' http://{address}/api/auth/login \\\n\
         \x20      -d '{{\"username\":\"staff\",\"password\":\"{password}\"}}'\n\
         \x20 curl -b jar 'http://{address}/api/events?order=desc&limit=3'\n\
         \x20 curl -b jar 'http://{address}/api/orders?limit=3'\n\n\
         The same as a device, which needs no login:\n\
         \x20 curl -H 'authorization: Bearer {token}' 'http://{address}/api/orders?oversold=true'\n\n\
         Listen on the WebSocket, as a display does:\n\
         \x20 npx wscat -c ws://{address}/ws -H 'Cookie: {cookie}' -w -1 \\\n\
         \x20      -x '{{\"type\":\"subscribe\",\"channel\":\"order_changes\"}}'\n\n"
        )
    }
}
