//! A headless Chromium behind chromedriver, driven by W3C `WebDriver`.

use crate::common::PATIENCE;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use ureq::Agent;

/// A browser with its driver; dropping it ends both.
pub(crate) struct Browser {
    driver: Child,
    agent: Agent,
    /// The address of the session.
    session: String,
    profile: TempDir,
}

impl Browser {
    /// A browser that finds the server on `localhost:3000`.
    pub(crate) fn start(server_port: u16) -> Self {
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(6 * PATIENCE))
            .build();
        let address = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { driver, agent: config.new_agent(), session: address, profile };
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-background-networking".to_owned(),
            format!("--host-resolver-rules=MAP localhost:3000 127.0.0.1:{server_port}"),
            format!("--user-data-dir={}", browser.profile.path().display()),
        ];
        let capabilities = json!({
            "timeouts": {"script": PATIENCE.as_secs() * 1000},
            "goog:chromeOptions": {"args": arguments},
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": capabilities}});
        let session = browser.post("", &capabilities);
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Runs JavaScript in the page; `async` code passes its result to its last argument.
    pub(crate) fn run(&self, kind: &str, script: &str, arguments: &Value) -> Value {
        let body = json!({"script": script, "args": arguments});
        self.command(&format!("execute/{kind}"), &body)
    }

    /// Waits until a JavaScript condition holds. The example has no event to wait for, so the page polls,
    /// until the time limit of the script.
    pub(crate) fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => ({condition}) ? done(true) : setTimeout(look, 10);
             look();"
        );
        self.run("async", &script, &json!([]));
    }

    pub(crate) fn command(&self, command: &str, body: &Value) -> Value {
        self.post(&format!("/{command}"), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session));
        let request = request.header("content-type", "application/json");
        let mut answer = request.send(body.to_string()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.status().is_success(), "{path}: {text}");
        value["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser.
        let ended = self.agent.delete(&self.session).call();
        if let Err(error) = ended {
            eprintln!("the browser did not end: {error}");
        }
        // If that failed, the browser is still in the driver's process group.
        kill_process_group(Pid::from_child(&self.driver), Signal::KILL).expect("it can be killed");
        self.driver.wait().expect("chromedriver can be waited for");
    }
}

/// Starts chromedriver on a free port, which it names on its first lines.
fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromedriver is there; tests/setup installs it (Debian: chromium-driver)");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // It must be able to continue writing.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.unwrap_or_else(|| panic!("chromedriver named no port")))
}
