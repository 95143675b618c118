//! The processes of a browser: chromedriver and Chromium, and the right to have them.

use super::Setup;
use crate::common::PATIENCE;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::thread;
use tempfile::TempDir;
use url::Url;

/// The options of Chromium for a test: quiet, alone, and with all that the console gets.
pub(super) fn capabilities(setup: &Setup) -> Capabilities {
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--disable-component-update",
        "--disable-background-networking",
        "--accept-lang=en",
    ];
    let profile = format!("--user-data-dir={}", setup.profile.path().display());
    let arguments = quiet.into_iter().chain([profile.as_str()]);
    let arguments: Vec<&str> = arguments.chain(setup.flags.iter().map(String::as_str)).collect();
    let capabilities = json!({
        "timeouts": {"script": PATIENCE.as_millis()},
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": arguments},
    });
    serde_json::from_value(capabilities).unwrap()
}

pub(super) fn profile() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A command that W3C `WebDriver` does not have.
#[derive(Debug)]
pub(super) struct Vendor {
    pub(super) path: &'static str,
    pub(super) body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A chromedriver and, in its process group, its browser.
pub(super) struct Driver {
    pub(super) process: Child,
    pub(super) port: u16,
    pub(super) has_ended: bool,
}

impl Driver {
    /// Starts it on a free port, which it names on its first lines. The browser finds the authorities that it trusts in
    /// its home.
    pub(super) fn start(home: &Path) -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is there; tests/setup installs it (Debian: chromium-driver)");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        // It must be able to continue writing.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port: port.expect("chromedriver names its port"), has_ended: false }
    }

    pub(super) fn kill(&mut self) {
        if !std::mem::replace(&mut self.has_ended, true) {
            kill_process_group(Pid::from_child(&self.process), Signal::KILL)
                .expect("it can be killed");
            self.process.wait().expect("chromedriver can be waited for");
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The right of a test to have browsers: they take much memory and processor, so few tests have some at once. A
/// test that has one may have more, so that two tests cannot wait for each other.
pub(super) struct Seat;

static FREE: Mutex<Option<usize>> = Mutex::new(None);
static FREED: Condvar = Condvar::new();

thread_local! {
    static BROWSERS: Cell<usize> = const { Cell::new(0) };
}

impl Seat {
    pub(super) fn take() -> Self {
        if BROWSERS.replace(BROWSERS.get() + 1) == 0 {
            let mut free = FREE.lock().unwrap();
            free.get_or_insert_with(|| 2 * thread::available_parallelism().map_or(1, usize::from));
            let mut free = FREED.wait_while(free, |free| *free == Some(0)).unwrap();
            *free = free.map(|seats| seats - 1);
        }
        Self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        BROWSERS.set(BROWSERS.get() - 1);
        if BROWSERS.get() == 0 {
            let mut free = FREE.lock().unwrap();
            *free = free.map(|seats| seats + 1);
            FREED.notify_one();
        }
    }
}
