//! HTTP requests of careless, broken and hostile programs.

use super::words::{FIELDS, NUMBERS, PLURALS, WEIRD, WORDS, text};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use serde_json::Value;
use std::fmt::{self, Write as _};

/// A well-formed request (RFC 9112). However senseless it is, it gets a whole reply, and the connection
/// stays.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl fmt::Debug for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.bytes("the session").escape_ascii())
    }
}

impl Asked {
    /// The request as it is sent, with this session.
    pub(crate) fn bytes(&self, cookie: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: shop\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            // A request has at most one of these, and a hostile one may be it.
            let value = if *name == "Cookie" && value.is_empty() { cookie } else { value };
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let body = self.body.as_deref().unwrap_or_default();
        let mut bytes = head.into_bytes();
        if self.chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(97) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else if self.body.is_some() {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(body);
        } else {
            bytes.extend(b"\r\n");
        }
        bytes
    }
}

/// A valid or invalid value of a field, as JSON text.
fn value() -> impl Strategy<Value = String> {
    let line = (1..5_u8, text(&NUMBERS)).prop_map(|(product, quantity)| {
        format!(r#"[{{"product_id":{product},"quantity":{quantity}}}]"#)
    });
    let odd = ["null", "true", "[]", "{}", "[1]", "[null]", r#"[{"a":1}]"#];
    prop_oneof![
        5 => text(&NUMBERS),
        5 => text(&WORDS).prop_map(|word| Value::from(word).to_string()),
        1 => any::<String>().prop_map(|word| Value::from(word).to_string()),
        1 => (0..3_000_usize).prop_map(|length| Value::from("ü".repeat(length)).to_string()),
        3 => line,
        1 => select(odd.to_vec()).prop_map(ToOwned::to_owned),
        1 => (0..300_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ]
}

/// Some fields of some entities, with valid or invalid values.
fn object() -> BoxedStrategy<Vec<u8>> {
    let names = prop_oneof![20 => text(&FIELDS), 1 => any::<String>()];
    let members = vec((names, value()), 0..8);
    let object = members.prop_map(|members| {
        let member = |(name, value): (String, String)| format!("{}:{value}", Value::from(name));
        let members: Vec<String> = members.into_iter().map(member).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    object.boxed()
}

/// A body: valid, nearly valid, with one byte changed or the end cut off, any bytes, or none.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let valid = [
        r#"{"total":5.25,"currency":"USD"}"#,
        r#"{"items":[{"product_id":1,"quantity":1}]}"#,
        r#"{"order_id":1,"type":"payment","status":"completed","amount":0.01}"#,
        r#"{"order_id":1,"status":"shipped"}"#,
        r#"{"stock":100000}"#,
        r#"{"notes":null}"#,
        r#"{"username":"eva","password":"long enough 1","role":"kiosk"}"#,
    ];
    let damage = (object(), any::<Index>(), any::<u8>(), any::<bool>());
    let damaged = damage.prop_map(|(mut body, at, byte, cut)| {
        let at = at.index(body.len());
        if cut {
            body.truncate(at);
        } else {
            body[at] = byte;
        }
        body
    });
    prop_oneof![
        6 => object(),
        4 => select(valid.to_vec()).prop_map(|body| body.as_bytes().to_vec()),
        2 => damaged,
        1 => vec(any::<u8>(), 0..600),
        1 => Just(Vec::new()),
    ]
}

/// Percent-encodes the characters that a target may not have (RFC 3986); encoded ones stay.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%*+'/".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}

fn target() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        8 => (1..12_u8).prop_map(|id| id.to_string()),
        2 => text(&WEIRD),
    ];
    let entity =
        (text(&PLURALS), id).prop_map(|(plural, id)| format!("/api/{plural}/{}", encoded(&id)));
    // The admin and the staff of the test have the ids 1 and 2, and have to stay.
    let user = (3..9_u8).prop_map(|id| format!("/api/users/{id}"));
    let names = [
        "limit",
        "after",
        "order",
        "status",
        "customer_id",
        "order_id",
        "sku",
        "updated_since",
        "channel",
        "email",
        "colour",
    ];
    let values = prop_oneof![
        text(&WEIRD),
        text(&WORDS),
        text(&NUMBERS),
        Just("2026-01-25T10:30:00.000Z".to_owned()),
        Just("order_changes".to_owned())
    ];
    let pair = (select(names.to_vec()), values);
    let query = vec(pair, 0..4).prop_map(|pairs| {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        pairs.join("&")
    });
    let lists = prop_oneof![
        6 => text(&PLURALS).prop_map(|plural| format!("/api/{plural}")),
        1 => Just("/api/users".to_owned()),
        2 => Just("/api/events".to_owned()),
    ];
    let list = (lists, query).prop_map(|(list, query)| format!("{list}?{query}"));
    let others = [
        "/",
        "/ws",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api",
        "/api/auth/me",
        "/openapi.json",
        "/asyncapi.json",
        "/api/orders/1/items",
        "//api//orders",
        "/api/../api/orders",
        "/favicon.ico",
    ];
    prop_oneof![
        6 => entity,
        1 => user,
        5 => list,
        2 => text(&PLURALS).prop_map(|plural| format!("/api/{plural}")),
        1 => select(others.to_vec()).prop_map(ToOwned::to_owned),
        1 => "/[a-zA-Z0-9._~%/?&=;:@!$'()*+,-]{0,60}",
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let cookie = prop_oneof![
        30 => Just(String::new()),
        1 => Just("tillcast_session=".to_owned()),
        1 => "tillcast_session=[0-9a-f]{64}",
        1 => "[ -~]{0,80}",
    ];
    let media = prop_oneof![
        12 => Just("application/json".to_owned()),
        2 => Just("application/merge-patch+json; charset=utf-8".to_owned()),
        1 => "[ -~]{0,40}",
    ];
    let tags = prop_oneof![
        (0..40_u8).prop_map(|seq| format!("\"{seq}\"")),
        Just("*".to_owned()),
        "[ -~]{0,40}"
    ];
    let keys = prop_oneof!["[a-c]", "[ -~]{0,140}"];
    let optional = prop_oneof![
        (Just("If-Match"), tags.clone()),
        (Just("If-None-Match"), tags),
        (Just("Idempotency-Key"), keys),
        (Just("Origin"), prop_oneof![Just("http://shop".to_owned()), "[!-~]{0,40}"]),
        (Just("Sec-Fetch-Site"), "[a-z-]{0,20}"),
        (Just("Accept"), "[ -~]{0,40}"),
        (Just("Range"), "bytes=[0-9-]{0,9}"),
        (Just("X-Forwarded-For"), "[ -~]{0,40}"),
        (Just("Content-Encoding"), "[a-z]{0,9}"),
    ];
    (cookie, media, vec(optional, 0..3)).prop_map(|(cookie, media, optional)| {
        [vec![("Cookie", cookie), ("Content-Type", media)], optional].concat()
    })
}

/// A well-formed request.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let method = prop_oneof![
        6 => Just("GET".to_owned()),
        8 => Just("POST".to_owned()),
        6 => Just("PATCH".to_owned()),
        3 => Just("DELETE".to_owned()),
        2 => Just("HEAD".to_owned()),
        1 => Just("PUT".to_owned()),
        1 => Just("OPTIONS".to_owned()),
        1 => "[A-Z]{1,12}".prop_filter("a tunnel is no request", |method| method != "CONNECT"),
    ];
    let body = proptest::option::weighted(0.7, body());
    (method, target(), headers(), body, proptest::bool::weighted(0.1)).prop_map(
        |(method, target, headers, body, chunked)| {
            let chunked = chunked && body.is_some();
            Asked { method, target, headers, body, chunked }
        },
    )
}

/// The beginning of a creation, without the header that tells the length of its body.
const POST: &str = "POST /api/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n";

const LENGTHS: [&str; 12] = [
    "-1",
    "+5",
    "5, 6",
    "5,5",
    "0x5",
    "5 5",
    "",
    "18446744073709551616",
    "1e1",
    "4",
    "600",
    "\u{b}5",
];

const CODINGS: [&str; 7] = [
    "chunked",
    "gzip, chunked",
    "chunked, gzip",
    "identity",
    "xchunked",
    "chunked\r\nContent-Length: 5",
    "",
];

const HEADS: [&str; 23] = [
    "GET",
    "GET /",
    "GET / HTTP/0.9",
    "GET / HTTP/2.0",
    "GET / HTTP/1.1 ",
    "get / HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET\t/\tHTTP/1.1",
    "GET http://[::1 HTTP/1.1",
    "GET * HTTP/1.1",
    "CONNECT shop:80 HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET / HTTP/1.1\nHost: shop",
    "GET / HTTP/1.1\r\n Host: shop",
    "GET / HTTP/1.1\r\nHost : shop",
    "GET / HTTP/1.1\r\n: shop",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
    "GET / HTTP/1.0",
    "GET / HTTP/1.1\r\nHost: \u{0}",
    "PRI * HTTP/2.0\r\n\r\nSM",
    "\u{16}\u{3}\u{1}\u{2}",
    "GET /\u{1f375} HTTP/1.1",
    "POST /api/orders HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5",
];

/// A damaged request.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = (asked(), vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6));
    damage.prop_map(|(asked, damages)| {
        let mut bytes = asked.bytes("tillcast_session=none");
        for (at, byte, kind) in damages {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    })
}

/// A head that is too long.
fn long() -> impl Strategy<Value = Vec<u8>> {
    (0..4_u8, 1_000..20_000_usize).prop_map(|(what, length)| {
        let long = "x".repeat(length);
        let head = match what {
            0 => format!("GET /{long} HTTP/1.1\r\nHost: shop\r\n\r\n"),
            1 => format!("GET / HTTP/1.1\r\nHost: shop\r\nX: {long}\r\n\r\n"),
            2 => format!("GET / HTTP/1.1\r\nHost: shop\r\n{long}: x\r\n\r\n"),
            _ => format!("GET / HTTP/1.1\r\nHost: shop\r\n{}\r\n", "X: y\r\n".repeat(length / 100)),
        };
        head.into_bytes()
    })
}

/// Bytes that are no request, or a damaged one.
pub(crate) fn broken() -> impl Strategy<Value = Vec<u8>> {
    let lengths = text(&LENGTHS).prop_map(|length| {
        let body = r#"{"total":1}"#;
        format!("{POST}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    });
    let chunks = (text(&CODINGS), "[0-9a-fA-FxX;=\r\n {}-]{0,60}");
    let chunks = chunks.prop_map(|(coding, chunks)| {
        format!("{POST}Transfer-Encoding: {coding}\r\n\r\n{chunks}").into_bytes()
    });
    let heads = text(&HEADS).prop_map(|head| format!("{head}\r\n\r\n").into_bytes());
    prop_oneof![
        6 => damaged(),
        2 => lengths,
        2 => chunks,
        2 => heads,
        1 => long(),
        2 => vec(any::<u8>(), 0..2_000),
    ]
}
