//! Guards the reason why Tillcast speaks this protocol: the example client of the public document
//! (`example_client.js`, its text unchanged) runs in a real browser against the real server.

use crate::common::{PATIENCE, Server, order, product};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use ureq::Agent;

/// From `const ws = new WebSocket(` to the end of `onclose`, as the document has it.
const EXAMPLE: &str = include_str!("example_client.js");

/// Records what the example says and does. It has no sign of its own that it is subscribed, so
/// the frames that its socket receives are recorded, too.
const RECORDER: &str = r"
    window.logged = [];
    window.invalidated = [];
    window.received = [];
    console.log = (...words) => window.logged.push(words);
    console.error = (...words) => window.logged.push(['error', ...words.map(String)]);
    window.invalidateQueries = (key) => window.invalidated.push(key);
    const Original = window.WebSocket;
    window.WebSocket = class extends Original {
        constructor(url) {
            super(url);
            this.addEventListener('message', (event) => window.received.push(event.data));
        }
    };
";

/// Logs in as the page would and hands the answer back.
const LOGIN: &str = r"
    const [credentials, done] = arguments;
    const headers = { 'content-type': 'application/json' };
    fetch('/api/auth/login', { method: 'POST', headers, body: JSON.stringify(credentials) })
        .then(async (answer) => done([answer.status, await answer.text()]))
        .catch((error) => done([0, String(error)]));
";

#[test]
fn the_example_client_of_the_public_document_runs_unchanged() {
    let mut server = Server::start();
    let admin = server.admin();
    let product = product(&admin, 29.99, 10);
    let browser = Browser::start(server.address().port());
    // The document says port 3000; the browser finds the free port behind it. The server's own page has
    // the policy that holds for a line typed into its console, too.
    browser.command("url", &json!({"url": "http://localhost:3000/"}));
    let credentials = json!({"username": "admin", "password": server.admin_password()});
    let login = browser.run("async", LOGIN, &json!([credentials]));
    assert_eq!(login[0], 200, "{login}");

    browser.run("sync", RECORDER, &json!([]));
    browser.run("sync", EXAMPLE, &json!([]));
    browser.wait_until("window.received.some((text) => text.includes('\"subscribed\"'))");
    let order = order(&admin, product, 3);
    browser.wait_until("window.invalidated.length > 0");

    let logged = browser.run("sync", "return window.logged", &json!([]));
    let expected = json!({
        "id": order["id"], "order_number": order["order_number"], "status": "pending",
        "payment_status": "pending", "total": 89.97, "customer_id": null, "currency": "USD",
    });
    assert_eq!(logged, json!([["Connected"], ["Event:", "order:created", expected]]));
    let invalidated = browser.run("sync", "return window.invalidated", &json!([]));
    assert_eq!(invalidated, json!([["orders"]]));

    assert_eq!(server.stop(), Some(0));
    browser.wait_until("window.logged.at(-1)[0].startsWith('Disconnected')");
}

/// A headless Chromium behind chromedriver, spoken to in the words of W3C `WebDriver`.
struct Browser {
    driver: Child,
    agent: Agent,
    /// The address of the session.
    session: String,
    profile: TempDir,
}

impl Browser {
    /// A browser that finds the server on `localhost:3000`.
    fn start(server_port: u16) -> Self {
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

    /// Runs JavaScript in the page; `async` code hands its result to its last argument.
    fn run(&self, kind: &str, script: &str, arguments: &Value) -> Value {
        let body = json!({"script": script, "args": arguments});
        self.command(&format!("execute/{kind}"), &body)
    }

    /// Waits until a JavaScript condition holds. The example gives no sign to wait for, so the
    /// page looks again and again; the script's own time limit ends it.
    fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const look = () => ({condition}) ? done(true) : setTimeout(look, 10);
             look();"
        );
        self.run("async", &script, &json!([]));
    }

    fn command(&self, command: &str, body: &Value) -> Value {
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
        // Where it did not, it is in the driver's process group still.
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
        .expect("chromedriver is there; tests/run installs it (Debian: chromium-driver)");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // It must be able to go on writing.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.unwrap_or_else(|| panic!("chromedriver named no port")))
}
