//! Guards the last request of a session: begun while the session lived, it must change nothing once the session
//! has ended, whether it waited for its body or for the writer.

use crate::common::{
    Client, PATIENCE, Raw, Server, customer, head, json_request, order, outside_order, password_of,
    product, shipment, transaction, unique,
};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

const NEW_PASSWORD: &str = "quite another one";

/// A request that changes something. Without a body, it waits only for the writer.
struct Request {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

/// A user who may do everything, with two sessions and a request of each kind.
struct Leaver {
    name: String,
    path: String,
    client: Client,
    elsewhere: Client,
}

impl Leaver {
    fn new(server: &Server, boss: &Client) -> Self {
        let name = unique("leaver");
        let body = json!({"username": name, "password": password_of(&name), "role": "admin"});
        let path = boss.post("/api/users", &body).expect(201).header("location").to_owned();
        let login = || server.anonymous().login(&name, &password_of(&name));
        let (client, elsewhere) = (login(), login());
        Self { name, path, client, elsewhere }
    }

    fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    /// Every request that changes something, on rows that allow the change.
    fn requests(&self, boss: &Client) -> Vec<Request> {
        let (tea, ana, sale) = (product(boss, 2.5, 9), customer(boss), outside_order(boss, 9.0));
        let colleague = json!({
            "username": unique("colleague"), "password": NEW_PASSWORD, "role": "staff",
        });
        let colleague = boss.post("/api/users", &colleague).expect(201).id();
        let ghost = json!({"username": unique("ghost"), "password": NEW_PASSWORD, "role": "admin"});
        let password = json!({
            "current_password": password_of(&self.name), "new_password": NEW_PASSWORD,
        });
        let creations = [
            ("/api/orders", json!({"items": [{"product_id": tea, "quantity": 1}]})),
            ("/api/products", json!({"name": "Tea", "sku": unique("TEA"), "price": 1})),
            (
                "/api/customers",
                json!({"email": "x@example.com", "first_name": "X", "last_name": "Y"}),
            ),
            ("/api/shipments", json!({"order_id": sale})),
            ("/api/transactions", json!({"order_id": sale, "type": "payment", "amount": 1})),
            ("/api/users", ghost),
            ("/api/auth/password", password),
        ];
        let creations = creations.map(|(path, body)| ("POST", path.to_owned(), Some(body)));
        let parcel = shipment(boss, sale);
        let money = transaction(boss, sale, "payment", "pending", 1.0);
        let free = [("orders", outside_order(boss, 1.0)), ("products", product(boss, 1.0, 1))];
        let free = free.into_iter().chain([
            ("customers", customer(boss)),
            ("shipments", shipment(boss, sale)),
            ("transactions", transaction(boss, sale, "payment", "pending", 1.0)),
            ("users", colleague),
        ]);
        let removals = free.map(|(kind, id)| ("DELETE", format!("/api/{kind}/{id}"), None));
        let patches = [
            ("orders", sale, json!({"notes": "mine"})),
            ("products", tea, json!({"price": 0.01})),
            ("customers", ana, json!({"first_name": "Eve"})),
            ("shipments", parcel, json!({"status": "shipped"})),
            ("transactions", money, json!({"status": "failed"})),
            ("users", colleague, json!({"role": "admin"})),
        ];
        let patches =
            patches.map(|(kind, id, body)| ("PATCH", format!("/api/{kind}/{id}"), Some(body)));
        let erasure = ("POST", format!("/api/customers/{ana}/erase"), None);
        let all = creations.into_iter().chain(patches).chain(removals).chain([erasure]);
        all.map(|(method, path, body)| Request { method, path, body }).collect()
    }

    /// Sends a request without the second half of its body; returns once the server waits for that half.
    fn begin<'r>(&self, server: &Server, request: &'r Request) -> Begun<'r> {
        let body = request.body.as_ref().unwrap().to_string();
        let half = body.len() / 2;
        // What has come of a body decides how long the rest may take.
        let body = " ".repeat(PADDING) + &body;
        let headers = format!("Idempotency-Key: {}\r\nExpect: 100-continue\r\n", self.name);
        let whole =
            json_request(request.method, &request.path, self.client.cookie(), &headers, &body);
        let (first, rest) = whole.split_at(whole.len() - half);
        let mut raw = Raw::connect(server.address()).unwrap();
        raw.send(first).unwrap();
        assert_eq!(raw.answer(false).unwrap().unwrap().status, 100, "{}", request.path);
        Begun { request, raw, rest: rest.to_vec() }
    }
}

/// Blanks before the JSON of a body: with them it may take 5 s.
const PADDING: usize = 3 * 1024;

/// A request whose head and half of whose body have arrived.
struct Begun<'r> {
    request: &'r Request,
    raw: Raw,
    rest: Vec<u8>,
}

/// A way to lose a right.
type End = (&'static str, fn(&Server, &Client, &Leaver));

const ENDS: &[End] = &[
    ("logout", |_, _, leaver| {
        leaver.client.post("/api/auth/logout", &json!({})).expect(204);
    }),
    ("disabled", |_, boss, leaver| {
        boss.patch(&leaver.path, &json!({"disabled": true})).expect(200);
    }),
    ("deleted", |_, boss, leaver| {
        boss.delete(&leaver.path).expect(204);
    }),
    ("role", |_, boss, leaver| {
        boss.patch(&leaver.path, &json!({"role": "display"})).expect(200);
    }),
    ("password reset", |_, boss, leaver| {
        boss.patch(&leaver.path, &json!({"password": NEW_PASSWORD})).expect(200);
    }),
    ("password elsewhere", |_, _, leaver| {
        let body = json!({
            "current_password": password_of(&leaver.name), "new_password": NEW_PASSWORD,
        });
        leaver.elsewhere.post("/api/auth/password", &body).expect(204);
    }),
];

/// The ways that come from another process.
const CONSOLE_ENDS: &[End] = &[
    ("console: disabled", |server, _, leaver| {
        assert!(server.cli(&["user", "disable", &leaver.name], "").status.success());
    }),
    ("console: password", |server, _, leaver| {
        assert!(server.cli(&["user", "passwd", &leaver.name], NEW_PASSWORD).status.success());
    }),
];

/// The status of a request that came too late. With a narrower role, only what that role may not do is
/// forbidden. A new password can only be set by a living session.
fn refusal(end: &str, request: &Request) -> u16 {
    if end == "role" && request.path != "/api/auth/password" { 403 } else { 401 }
}

/// Everything that a request could leave behind: events, users with their passwords, stored responses, and
/// entries of the audit trail, without those of logins.
fn traces(server: &Server) -> Vec<String> {
    let database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    let sql = "
        SELECT 'event ' || seq FROM events
        UNION ALL SELECT username || role || password_hash || disabled FROM users
        UNION ALL SELECT 'response ' || key FROM responses
        UNION ALL SELECT 'audit ' || id || ' ' || action FROM audit WHERE action <= 3";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_request_whose_body_comes_after_the_end_does_nothing() {
    let server = Server::start();
    let boss = server.admin();
    for (end, make_end) in ENDS.iter().chain(CONSOLE_ENDS) {
        let leaver = Leaver::new(&server, &boss);
        let requests = leaver.requests(&boss);
        let with_body = requests.iter().filter(|request| request.body.is_some());
        let begun: Vec<_> = with_body.map(|request| leaver.begin(&server, request)).collect();
        make_end(&server, &boss, &leaver);
        let before = traces(&server);
        for Begun { request, mut raw, rest } in begun {
            raw.send(&rest).unwrap();
            let answer = raw.answer(false).unwrap().unwrap();
            let what = format!("{end}: {} {}: {}", request.method, request.path, answer.text());
            assert_eq!(answer.status, refusal(end, request), "{what}");
            let code = answer.problem(answer.status)["code"].clone();
            match (answer.status, &*request.path) {
                (403, _) => assert_eq!(code, "role_not_allowed", "{what}"),
                // The console's new password is seen at once, the end of the session perhaps later.
                (_, "/api/auth/password") if end.starts_with("console") => {}
                _ => assert_eq!(code, "session_ended", "{what}"),
            }
        }
        assert_eq!(traces(&server), before, "{end}");
    }
}

/// The end and the requests are commands of one transaction.
#[test]
fn a_request_that_waits_behind_the_end_does_nothing() {
    let server = Server::start();
    let boss = server.admin();
    let tea = product(&boss, 2.5, 1_000);
    let mut database = Connection::open(server.data_dir().join("tillcast.db")).unwrap();
    for (end, make_end) in ENDS {
        let leaver = Leaver::new(&server, &boss);
        // A hash takes its time before the writer's queue, and no program may hold the database for long.
        let mut requests = leaver.requests(&boss);
        requests.retain(|request| {
            let body = request.body.as_ref().map_or(String::new(), Value::to_string);
            !body.contains("password")
        });
        let entries = |boss: &Client| {
            let page = boss.get(&format!("/api/audit?limit=200&user_id={}", leaver.id()));
            let page = page.expect(200).json();
            let entries = page["data"].as_array().unwrap().iter();
            entries.filter(|entry| entry["entity"] != "session").count()
        };
        // The logins' own entries, which the trail stores a moment later, would be counted among what waits.
        assert_eq!(entries(&boss), 0);
        let events = head(&boss);
        // Another program locks the database for a moment: one sale waits for it, and everything else for the sale.
        let held = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let rounds = boss.metric("writer_rounds_total");
        std::thread::scope(|scope| {
            let sale = scope.spawn(|| order(&boss.separate(), tea, 1));
            // The writer has taken the sale; the tick that wakes an idle writer waits, and no other comes.
            waits(&boss, 1, rounds, &sale);
            let ends = scope.spawn(|| make_end(&server, &boss.separate(), &leaver));
            waits(&boss, 2, rounds, &ends);
            let late: Vec<_> = requests
                .iter()
                .map(|request| {
                    let body = request.body.as_ref().map_or(String::new(), Value::to_string);
                    let cookie = leaver.client.cookie();
                    let key = format!("Idempotency-Key: {}\r\n", leaver.name);
                    let mut raw = Raw::connect(server.address()).unwrap();
                    let bytes = json_request(request.method, &request.path, cookie, &key, &body);
                    raw.send(&bytes).unwrap();
                    (request, raw)
                })
                .collect();
            waits(&boss, 2 + requests.len(), rounds, &ends);
            held.rollback().unwrap();
            for (request, mut raw) in late {
                let answer = raw.answer(false).unwrap().unwrap();
                let what = format!("{end}: {} {}: {}", request.method, request.path, answer.text());
                assert_eq!(answer.status, refusal(end, request), "{what}");
            }
            sale.join().unwrap();
            ends.join().unwrap();
        });
        assert_eq!(head(&boss), events + 2, "{end}: the sale has two events");
        let own = usize::from(*end == "password elsewhere");
        assert_eq!(entries(&boss), own, "{end}");
        let sql = "SELECT count(*) FROM responses WHERE key = ?";
        let kept: i64 = database.query_row(sql, [&leaver.name], |row| row.get(0)).unwrap();
        assert_eq!(kept, 0, "{end}");
    }
}

/// Waits until `count` commands wait for the writer, which has begun more than `rounds` and is blocked in the last.
#[track_caller]
fn waits<T>(client: &Client, count: usize, rounds: usize, running: &ScopedJoinHandle<'_, T>) {
    let deadline = Instant::now() + PATIENCE;
    let state = || ["write_queue", "writer_rounds_total"].map(|name| client.metric(name));
    let (mut before, mut same) = (state(), 0);
    while same < 10 || before[0] != count || before[1] <= rounds {
        let now = state();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        assert!(!running.is_finished(), "it did not wait: {now:?}");
        assert!(Instant::now() < deadline, "{now:?}");
    }
}

/// Half a body may wait two seconds for the rest; the session ends before.
#[test]
fn a_request_whose_session_expires_under_way_does_nothing() {
    for lifetime in ["--session-max", "--session-idle"] {
        let server = Server::with_users(&[], &[lifetime, "1s"]);
        let client = server.admin();
        let before = traces(&server);
        let (name, path, elsewhere) =
            ("admin".to_owned(), "/api/users/1".to_owned(), client.clone());
        let leaver = Leaver { name, path, client, elsewhere };
        let ghost = json!({"username": "ghost", "password": NEW_PASSWORD, "role": "admin"});
        let tea = json!({"name": "Tea", "sku": "T-1", "price": 1});
        let requests = [("/api/users", ghost), ("/api/products", tea)].map(|(path, body)| {
            Request { method: "POST", path: path.to_owned(), body: Some(body) }
        });
        let begun = requests.each_ref().map(|request| leaver.begin(&server, request));
        let deadline = Instant::now() + PATIENCE;
        while server.anonymous().metric("sessions") > 0 {
            assert!(Instant::now() < deadline, "it does not expire");
        }
        for Begun { request, mut raw, rest } in begun {
            raw.send(&rest).unwrap();
            let answer = raw.answer(false).unwrap().unwrap();
            assert_eq!(
                answer.problem(401)["code"],
                "session_ended",
                "{lifetime}: {}",
                request.path
            );
        }
        assert_eq!(traces(&server), before, "{lifetime}");
    }
}

/// Reads without a pause; returns the code with which that ended.
fn read_until_refused(client: &Client, path: &str) -> Value {
    loop {
        let answer = client.get(path);
        answer.status_is_one_of(&[200, 401, 429, 503]);
        if answer.status == 401 {
            return answer.problem(401)["code"].clone();
        }
    }
}

/// A read that is under way when its session ends shows nothing: it had a session when it came, and is
/// refused all the same.
#[test]
fn a_read_under_way_when_its_session_ends_shows_nothing() {
    const READERS: usize = 6;
    const ROUNDS: usize = 50;
    const PATHS: [&str; 4] = ["/api/orders", "/api/events", "/api/audit", "/api/users"];
    let server = Server::with(&["--profile", "tiny"]); // two pages at once, so that most reads wait
    let boss = server.admin();
    for _ in 0..50 {
        let long = json!({"total": 1, "notes": "🫖".repeat(2_000)});
        boss.post("/api/orders", &long).expect(201);
    }
    for path in PATHS {
        let is_refused_under_way = |_| {
            let leaver = Leaver::new(&server, &boss);
            std::thread::scope(|scope| {
                let read = || read_until_refused(&leaver.client.separate(), path);
                let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
                leaver.client.get("/api/auth/me").expect(200);
                boss.patch(&leaver.path, &json!({"disabled": true})).expect(200);
                let codes = readers.into_iter().map(|reader| reader.join().unwrap());
                codes.filter(|code| code == "session_ended").count() > 0
            })
        };
        assert!((0..ROUNDS).any(is_refused_under_way), "{path} is read whenever the session ends");
    }
}
