//! A headless Chromium behind chromedriver, driven through `WebDriver` and, where that has no command, through
//! the browser's own protocol (CDP).
//!
//! It opens the server by a name that is not `localhost`, as a shop's devices do: a browser withholds much from a
//! page over plain HTTP there. What a page writes to the console, a violation of its policy among it, fails the test.
//! A test that fails leaves a picture in `target/screens`.
#![allow(dead_code, reason = "each test program uses its own part of this")]

#[path = "browser/circumstances.rs"]
mod circumstances;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/inspection.rs"]
mod inspection;

use crate::common::{Client, PATIENCE, Server};
use driver::{Driver, Seat, Vendor, capabilities, profile};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The name under which the browser knows the server. The tests' servers know it, too.
const NAME: &str = "shop";
/// The name in the server's certificate.
pub(crate) const SECURE_NAME: &str = "shop.local";
/// The text of an element as a person sees it, its lines as one.
const PLAIN: &str = "((element) => element.innerText.replace(/\\s+/g, ' ').trim())";
/// Whether a person sees an element. The text of one that is not drawn can be read all the same.
const SEEN: &str =
    "((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))";
const LOOK_EVERY_MS: u64 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(LOOK_EVERY_MS);
/// The longest that a page looks before it has to answer, so that one which stands still is noticed.
const LOOK_FOR_MS: u64 = 500;

/// A screen that a page is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    width: u32,
    height: u32,
    is_touched: bool,
}

pub(crate) const PHONE: Screen =
    Screen { name: "phone", width: 360, height: 640, is_touched: true };
pub(crate) const TABLET: Screen =
    Screen { name: "tablet", width: 1024, height: 768, is_touched: true };
pub(crate) const MONITOR: Screen =
    Screen { name: "monitor", width: 1920, height: 1080, is_touched: false };

/// A browser with its driver and its profile; dropping it ends both.
pub(crate) struct Browser {
    runtime: Runtime,
    client: fantoccini::Client,
    driver: Driver,
    setup: Arc<Setup>,
    _seat: Seat,
}

/// All that a browser has again after a restart.
struct Setup {
    /// The address of the pages.
    base: String,
    screen: Screen,
    profile: TempDir,
    flags: Vec<String>,
}

impl Browser {
    /// A browser with a new profile, on a monitor, without a login.
    pub(crate) fn of(server: &Server) -> Self {
        Self::on(server, MONITOR)
    }

    pub(crate) fn on(server: &Server, screen: Screen) -> Self {
        Self::with(server, screen, &[])
    }

    /// Like `on`, with more flags of Chromium, such as `--accept-lang=de`.
    pub(crate) fn with(server: &Server, screen: Screen, flags: &[&str]) -> Self {
        Self::at("http", NAME, server.address(), screen, flags, profile())
    }

    /// A browser that finds a server behind another address.
    pub(crate) fn behind(proxy: SocketAddr) -> Self {
        Self::at("http", NAME, proxy, MONITOR, &[], profile())
    }

    /// A browser that comes over TLS, and trusts the authority in this file.
    pub(crate) fn trusting(authority: &Path, server: &Server) -> Self {
        let profile = profile();
        let folder = profile.path().join(".pki/nssdb");
        fs::create_dir_all(&folder).unwrap();
        let base = format!("sql:{}", folder.display());
        let authority = authority.to_str().unwrap();
        for arguments in
            [&["-N", "--empty-password"][..], &["-A", "-n", "shop", "-t", "C,,", "-i", authority]]
        {
            let status = Command::new("certutil").args(arguments).args(["-d", &base]).status();
            let status = status.expect("certutil is there; tests/setup installs it");
            assert!(status.success(), "certutil {arguments:?}");
        }
        Self::at("https", SECURE_NAME, server.address(), MONITOR, &[], profile)
    }

    fn at(
        scheme: &str,
        name: &str,
        address: SocketAddr,
        screen: Screen,
        flags: &[&str],
        profile: TempDir,
    ) -> Self {
        let base = format!("{scheme}://{name}:{}", address.port());
        let rule = format!("--host-resolver-rules=MAP {name} 127.0.0.1");
        let flags = flags.iter().copied().chain([rule.as_str()]).map(str::to_owned).collect();
        Self::start(Arc::new(Setup { base, screen, profile, flags }))
    }

    /// A browser that finds the server on `localhost:3000`, the address in the documents.
    pub(crate) fn at_the_documents_address(server_port: u16) -> Self {
        let rule = format!("--host-resolver-rules=MAP localhost:3000 127.0.0.1:{server_port}");
        let base = "http://localhost:3000".to_owned();
        Self::start(Arc::new(Setup {
            base,
            screen: MONITOR,
            profile: profile(),
            flags: vec![rule],
        }))
    }

    fn start(setup: Arc<Setup>) -> Self {
        let seat = Seat::take();
        let driver = Driver::start(setup.profile.path());
        // All runs on this thread, which may be in a network of its own.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&setup));
        let address = format!("http://127.0.0.1:{}", driver.port);
        let client = runtime.block_on(builder.connect(&address)).expect("the browser starts");
        let browser = Self { runtime, client, driver, setup, _seat: seat };
        browser.show_on(browser.setup.screen);
        browser
    }

    /// Ends all its processes at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.driver.kill();
    }

    /// A new browser with the profile of this one, which it kills if that has not happened.
    pub(crate) fn again(mut self) -> Self {
        self.kill();
        Self::start(Arc::clone(&self.setup))
    }

    /// Gives it the session of this client.
    pub(crate) fn log_in(&self, client: &Client) {
        let (name, value) =
            client.cookie().and_then(|pair| pair.split_once('=')).expect("a session");
        let cookie = json!({
            "name": name, "value": value, "url": self.setup.base, "httpOnly": true, "sameSite": "Strict",
        });
        self.cdp("Network.setCookie", &cookie);
    }

    /// Opens a page by its path and waits until it is loaded.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) {
        self.wait(self.client.goto(&format!("{}{path}", self.setup.base)));
    }

    /// The same where there may be no page; returns whether there is one.
    pub(crate) fn try_open(&self, path: &str) -> bool {
        let address = format!("{}{path}", self.setup.base);
        self.runtime.block_on(self.client.goto(&address)).is_ok()
    }

    /// The address of the server's pages, without a path.
    pub(crate) fn base(&self) -> &str {
        &self.setup.base
    }

    /// The path and what follows it.
    #[track_caller]
    pub(crate) fn path(&self) -> String {
        let url = self.wait(self.client.current_url());
        url.as_str().replacen(&self.setup.base, "", 1)
    }

    /// Runs the body of a JavaScript function in the page, and returns its result. It waits for a promise.
    #[track_caller]
    pub(crate) fn run(&self, body: &str, arguments: &[Value]) -> Value {
        self.wait(self.client.execute(body, arguments.to_vec()))
    }

    /// The same, for a browser that may be killed meanwhile.
    pub(crate) fn try_run(&self, body: &str, arguments: &[Value]) -> Option<Value> {
        self.runtime.block_on(self.client.execute(body, arguments.to_vec())).ok()
    }

    /// The process group of the browser and its driver.
    pub(crate) fn group(&self) -> Pid {
        Pid::from_child(&self.driver.process)
    }

    /// Waits until a JavaScript condition, with `await` or without, holds; the page may change meanwhile.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: &str) {
        // The page looks by itself: each question from outside takes three processes. Its own clock may stand still.
        let body = format!(
            "const holds = async () => {{ try {{ return !!({condition}); }} catch {{ return false; }} }};
            const next = (timer) => new Promise((resolve) => {{ timer.onabort = () => resolve(timer); }});
            return (async () => {{
                for (const end = performance.now() + {LOOK_FOR_MS}; performance.now() < end;) {{
                    if (await holds()) return true;
                    await next(AbortSignal.timeout({LOOK_EVERY_MS}));
                }}
                return holds();
            }})();"
        );
        let begun = Instant::now();
        let holds = async {
            loop {
                let look = self.client.execute(&body, Vec::new()).await;
                if let Ok(Value::Bool(true)) = look {
                    return true;
                }
                if begun.elapsed() > PATIENCE {
                    return false;
                }
                if look.is_err() {
                    tokio::time::sleep(LOOK_EVERY).await; // a page that is about to be replaced
                }
            }
        };
        let holds = self.runtime.block_on(holds);
        assert!(holds, "not: {condition}\n{}", self.shown());
    }

    /// Waits until the first such element is seen.
    #[track_caller]
    pub(crate) fn wait_for(&self, selector: &str) {
        self.wait_until(&format!("{SEEN}(document.querySelector({}))", json!(selector)));
    }

    /// Waits until the first such element is seen, and its text, its lines as one, contains this.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, selector: &str, text: &str) {
        let place = format!("document.querySelector({})", json!(selector));
        let text = json!(text);
        self.wait_until(&format!("{SEEN}({place}) && {PLAIN}({place}).includes({text})"));
    }

    /// The texts of all such elements that can be seen.
    #[track_caller]
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let all = "[...document.querySelectorAll(arguments[0])]";
        let texts =
            self.run(&format!("return {all}.filter({SEEN}).map({PLAIN})"), &[json!(selector)]);
        serde_json::from_value(texts).unwrap()
    }

    /// Presses the pointer on the first such element, which has to be there and in sight.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.click_at(Locator::Css(selector));
    }

    /// Presses a button by a part of its text.
    #[track_caller]
    pub(crate) fn press(&self, text: &str) {
        self.click_at(Locator::XPath(&format!("//button[contains(., '{text}')]")));
    }

    /// Types into a field, after what is in it.
    #[track_caller]
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let field = self.wait(self.found(Locator::Css(selector)));
        self.wait(field.send_keys(text));
    }

    /// A command of Chromium's own protocol, such as `Network.emulateNetworkConditions`.
    #[track_caller]
    pub(crate) fn cdp(&self, method: &str, parameters: &Value) -> Value {
        self.vendor("goog/cdp/execute", json!({"cmd": method, "params": parameters}))
    }

    /// Runs JavaScript beside the page: it sees the page's document but none of its variables, and the page's
    /// policy is not asked. Returns the value of the last expression, after its promise.
    #[track_caller]
    pub(crate) fn run_beside(&self, script: &str) -> Value {
        let frame = self.cdp("Page.getFrameTree", &json!({}))["frameTree"]["frame"]["id"].take();
        let world =
            self.cdp("Page.createIsolatedWorld", &json!({"frameId": frame, "worldName": "test"}));
        let asked = json!({
            "expression": script, "contextId": world["executionContextId"], "awaitPromise": true,
            "returnByValue": true,
        });
        let mut told = self.cdp("Runtime.evaluate", &asked);
        assert!(told["exceptionDetails"].is_null(), "{}", told["exceptionDetails"]);
        told["result"]["value"].take()
    }

    /// A page that changes may have replaced or covered the element meanwhile, so it is looked for again.
    #[track_caller]
    fn click_at(&self, place: Locator<'_>) {
        let begun = Instant::now();
        let click = async {
            loop {
                let clicked = async { self.client.find(place).await?.click().await }.await;
                if clicked.is_ok() || begun.elapsed() > PATIENCE {
                    return clicked;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.wait(click);
    }

    /// Waits for such an element.
    fn found<'a>(
        &'a self,
        place: Locator<'a>,
    ) -> impl Future<Output = Result<Element, CmdError>> + 'a {
        self.client.wait().at_most(PATIENCE).every(LOOK_EVERY).for_element(place)
    }

    #[track_caller]
    fn vendor(&self, path: &'static str, body: Value) -> Value {
        self.wait(self.client.issue_cmd(Vendor { path, body }))
    }

    #[track_caller]
    fn wait<T>(&self, command: impl Future<Output = Result<T, CmdError>>) -> T {
        let limited = async { tokio::time::timeout(2 * PATIENCE, command).await };
        let answer = self.runtime.block_on(limited).expect("the browser answers");
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.shown()))
    }

    /// The address and the text of the page, for the message of a failure.
    fn shown(&self) -> String {
        let body = "return location.href + '\\n' + document.body.innerText".to_owned();
        let shown = self.runtime.block_on(self.client.execute(&body, Vec::new()));
        shown.map_or_else(|error| error.to_string(), |text| text.as_str().unwrap_or("").to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.driver.has_ended {
            return;
        }
        if thread::panicking() {
            // A second panic would end the program.
            if let Ok(png) = self.runtime.block_on(self.client.screenshot()) {
                let test = thread::current().name().unwrap_or_default().replace("::", "-");
                drop(inspection::save(&format!("failed-{test}"), &png));
            }
            return;
        }
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "the console has {complaints:#?}");
    }
}
