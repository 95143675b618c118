//! A blocking HTTP client that keeps a session cookie and returns a response with any status.

use super::{PATIENCE, Socket};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Request};

/// The largest body that a test reads.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One user's view of the server: keep-alive connections and perhaps a session.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    address: SocketAddr,
    cookie: Option<String>,
}

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// `cookie` is the pair as sent: `tillcast_session_PORT=...`.
    pub(crate) fn new(address: SocketAddr, cookie: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(3 * PATIENCE))
            .allow_non_standard_methods(true)
            .build();
        Self { agent: config.new_agent(), address, cookie }
    }

    /// A client of the same address with a new session.
    pub(crate) fn login(&self, username: &str, password: &str) -> Self {
        let answer = self.try_login(username, password).expect(200);
        Self { cookie: Some(answer.session_cookie()), ..self.clone() }
    }

    /// The response to a login, whatever its status.
    pub(crate) fn try_login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/auth/login", &json!({"username": username, "password": password}))
    }

    /// A client of the same address with this cookie pair, or none.
    pub(crate) fn with_cookie(&self, cookie: Option<&str>) -> Self {
        Self { cookie: cookie.map(ToOwned::to_owned), ..self.clone() }
    }

    /// A client with the same session at another address of the shop, whose cookie has another port
    /// in its name.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        let token = self.cookie().map(|pair| pair.split_once('=').unwrap().1);
        let pair = token.map(|token| format!("tillcast_session_{}={token}", address.port()));
        Self::new(address, pair)
    }

    /// The same session with a connection pool of its own.
    pub(crate) fn separate(&self) -> Self {
        Self::new(self.address, self.cookie.clone())
    }

    /// The cookie pair, `tillcast_session_PORT=...`.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[])
    }

    pub(crate) fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.json("POST", path, body, headers)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.patch_with(path, body, &[])
    }

    pub(crate) fn patch_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.json("PATCH", path, body, headers)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, &[], None)
    }

    pub(crate) fn delete_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("DELETE", path, headers, None)
    }

    fn json(&self, method: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.request(method, path, &all, Some(body.to_string().as_bytes()))
    }

    /// Any request, with exactly these headers beside `Host`, the length and the cookie.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(BODY_BYTES_MAX).read_to_vec();
        let body = body.unwrap_or_else(|error| panic!("body of {method} {path}: {error}"));
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// The value of this metric, such as `connections`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> usize {
        let text = self.get("/metrics").expect(200).text();
        let name = format!("tillcast_{name} ");
        let number = text.lines().find_map(|line| line.strip_prefix(&name));
        number.unwrap_or_else(|| panic!("no {name}in {text}")).parse().unwrap()
    }

    /// Waits until the server reports that it is ready.
    pub(crate) fn wait_until_ready(&self) {
        let begun = Instant::now();
        while self.get("/readyz").status != 200 {
            assert!(begun.elapsed() < PATIENCE, "it does not recover");
        }
    }

    /// A WebSocket of this session, past its `connected` message.
    pub(crate) fn ws(&self) -> Socket {
        let mut socket = self.upgrade(&[]).expect("the server upgrades");
        let connected = socket.recv();
        assert_eq!(connected["type"], "connected", "{connected}");
        socket
    }

    /// Shakes hands for a WebSocket with these headers besides the cookie; returns the response if
    /// the server refuses.
    pub(crate) fn upgrade(&self, headers: &[(&str, &str)]) -> Result<Socket, Box<Answer>> {
        Socket::connect(self.address, self.cookie(), headers)
    }
}

impl Answer {
    /// Fails unless the response has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn status_is_one_of(&self, statuses: &[u16]) {
        assert!(statuses.contains(&self.status), "{}: {}", self.status, self.text());
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty if the header is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `id` of the entity in the body.
    #[track_caller]
    pub(crate) fn id(&self) -> i64 {
        self.json()["id"].as_i64().unwrap_or_else(|| panic!("no id in {}", self.text()))
    }

    /// The cookie pair of `Set-Cookie`, without its attributes.
    #[track_caller]
    pub(crate) fn session_cookie(&self) -> String {
        let pair = self.header("set-cookie").split(';').next().unwrap_or_default();
        let name = pair.strip_prefix("__Host-").unwrap_or(pair);
        assert!(name.starts_with("tillcast_session"), "no session in {:?}", self.headers);
        pair.to_owned()
    }
}
