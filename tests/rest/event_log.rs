//! Guards the event log over REST: a page that skips an event, a role that reads another's channel,
//! a `seq` that is given out twice after old events were pruned.

use crate::common::{
    Client, PATIENCE, Server, cheap_events, customer, head, log_after, order, outside_order, pay,
    product, shipment,
};
use serde_json::{Value, json};
use std::time::Instant;

const CHANNELS: [&str; 5] = [
    "order_changes",
    "product_changes",
    "customer_changes",
    "shipment_changes",
    "transaction_changes",
];

fn page(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/events?{query}")).expect(200).json()
}

fn seqs(page: &Value) -> Vec<u64> {
    let events = page["data"].as_array().unwrap();
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

/// Reads the `seq` of all events of one channel, or of all channels, page by page.
fn walk(client: &Client, filter: &str, limit: usize) -> Vec<u64> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = page(client, &format!("limit={limit}&after={after}{filter}"));
        let more = seqs(&page);
        assert!(more.len() <= limit);
        found.extend(more);
        let Some(next) = page["next"].as_u64() else {
            return found;
        };
        assert!(next > after, "next {next} after {after}");
        after = next;
    }
}

/// Causes an event on every channel.
fn some_life(admin: &Client) {
    customer(admin);
    let tea = product(admin, 2.5, 100);
    for _ in 0..3 {
        let sold = order(admin, tea, 1)["id"].as_i64().unwrap();
        shipment(admin, sold);
        pay(admin, sold, 2.5);
    }
}

/// Reads the log's bounds until they are as wanted.
#[track_caller]
fn wait_for(client: &Client, wanted: impl Fn(u64, u64) -> bool) -> (u64, u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = page(client, "limit=1");
        let (oldest, head) = (page["oldest"].as_u64().unwrap(), page["head"].as_u64().unwrap());
        if wanted(oldest, head) {
            return (oldest, head);
        }
        assert!(Instant::now() < deadline, "the log reaches from {oldest} to {head}");
    }
}

#[test]
fn an_empty_log_has_an_empty_page() {
    let server = Server::start();
    let admin = server.admin();
    let answer = admin.get("/api/events").expect(200);
    let page = answer.json();
    assert_eq!(page["data"], json!([]));
    assert_eq!(page["head"], 0);
    assert_eq!(page["next"], json!(null));
    let keys: Vec<&String> = page.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "head", "log", "next", "oldest"]);
}

#[test]
fn pages_go_from_the_oldest_to_the_head() {
    let server = Server::start();
    let admin = server.admin();
    some_life(&admin);
    let all = page(&admin, "limit=200");
    let head = all["head"].as_u64().unwrap();
    let every: Vec<u64> = (1..=head).collect();
    assert_eq!(seqs(&all), every);
    assert_eq!((&all["next"], &all["oldest"]), (&json!(null), &json!(1)));
    for limit in [1, 3, 7] {
        assert_eq!(walk(&admin, "", limit), every);
    }
    let first = page(&admin, "limit=3");
    assert_eq!((seqs(&first), &first["next"]), (vec![1, 2, 3], &json!(3)));
    assert_eq!((&first["oldest"], &first["head"]), (&json!(1), &json!(head)));
    let rest = page(&admin, &format!("after={}", head - 2));
    assert_eq!((seqs(&rest), &rest["next"]), (vec![head - 1, head], &json!(null)));
    let end = page(&admin, &format!("after={head}"));
    assert_eq!((seqs(&end), &end["next"]), (vec![], &json!(null)));
}

#[test]
fn a_channel_is_a_part_of_the_log_in_its_order() {
    let server = Server::start();
    let admin = server.admin();
    some_life(&admin);
    let mut together = Vec::new();
    for channel in CHANNELS {
        let noun = channel.strip_suffix("_changes").unwrap();
        let of_channel = page(&admin, &format!("channel={channel}&limit=200"));
        for event in of_channel["data"].as_array().unwrap() {
            let name = event["event"].as_str().unwrap();
            assert_eq!(name.split(':').next(), Some(noun));
        }
        let seqs = seqs(&of_channel);
        assert!(!seqs.is_empty() && seqs.is_sorted());
        for limit in [1, 2] {
            assert_eq!(walk(&admin, &format!("&channel={channel}"), limit), seqs);
        }
        together.extend(seqs);
    }
    together.sort_unstable();
    assert_eq!(together, (1..=head(&admin)).collect::<Vec<u64>>());
}

#[test]
fn the_log_holds_what_the_sockets_got_byte_for_byte() {
    let server = Server::start();
    let admin = server.admin();
    let mut socket = admin.ws();
    for channel in CHANNELS {
        socket.subscribe(channel);
    }
    some_life(&admin);
    let strange = json!({"name": "Grün \"},{\"event\":\"\u{1f375}", "sku": "}]", "price": 1});
    admin.post("/api/products", &strange).expect(201);
    for logged in log_after(&admin, 0) {
        assert_eq!(socket.recv_text(), logged);
    }
}

#[test]
fn a_wrong_query_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("after=-1", "after"),
        ("after=x", "after"),
        ("channel=orders", "channel"),
        ("channel=", "channel"),
        ("since=1", "since"),
    ] {
        let answer = admin.get(&format!("/api/events?{query}"));
        assert_eq!(answer.wrong_fields(), [field], "{query}");
    }
    server.anonymous().get("/api/events").problem(401);
}

#[test]
fn a_role_reads_its_channels_only() {
    let server = Server::with_users(&["staff", "kiosk", "display"], &[]);
    let admin = server.admin();
    some_life(&admin);
    for (role, channels) in [
        ("staff", &CHANNELS[..]),
        ("kiosk", &["order_changes", "product_changes"]),
        ("display", &["order_changes", "product_changes", "shipment_changes"]),
    ] {
        let client = server.login(role);
        let mut allowed = Vec::new();
        for channel in CHANNELS {
            let query = format!("channel={channel}&limit=200");
            if channels.contains(&channel) {
                allowed.extend(seqs(&page(&client, &query)));
            } else {
                client.get(&format!("/api/events?{query}")).problem(403);
            }
        }
        allowed.sort_unstable();
        assert_eq!(walk(&client, "", 2), allowed, "{role}");
    }
}

#[test]
fn a_log_that_is_full_loses_its_oldest_events() {
    let mut server = Server::with(&["--event-retention-count", "50"]);
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    cheap_events(&admin, order, 300);
    let (oldest, head) = wait_for(&admin, |oldest, head| head - oldest < 50);
    assert_eq!(head, 301);
    assert_eq!(walk(&admin, "", 20), (oldest..=head).collect::<Vec<u64>>());
    let first = page(&admin, "after=5&limit=2");
    assert_eq!(seqs(&first), [oldest, oldest + 1]);

    server.kill();
    let server = server.again();
    let admin = server.adopt(&admin);
    assert_eq!(crate::common::head(&admin), 301);
    outside_order(&admin, 5.25);
    assert_eq!(crate::common::head(&admin), 302);
}

#[test]
fn a_log_whose_events_expired_keeps_its_head() {
    let mut server = Server::with(&["--event-retention", "1s"]);
    let admin = server.admin();
    let order = outside_order(&admin, 5.25);
    cheap_events(&admin, order, 40);
    // Without writes, only time prunes. The newest event may stay, to keep `seq`.
    let (_, head) = wait_for(&admin, |oldest, head| oldest >= head);
    assert_eq!(head, 41);
    server.kill();
    let mut server = server.again();
    let admin = server.adopt(&admin);
    assert_eq!(crate::common::head(&admin), 41);
    let mut socket = admin.ws();
    assert_eq!(socket.subscribe("order_changes"), 41);
    outside_order(&admin, 5.25);
    assert_eq!(socket.recv_event()["seq"], 42);
    assert_eq!(server.stop(), Some(0));
    let server = server.again();
    let admin = server.adopt(&admin);
    outside_order(&admin, 5.25);
    assert_eq!(crate::common::head(&admin), 43);
}

#[test]
fn the_newest_events_are_read_from_the_end_of_the_log() {
    let server = Server::start();
    let admin = server.admin();
    for _ in 0..5 {
        outside_order(&admin, 5.25);
    }
    customer(&admin);
    let page = |query: &str| {
        let page = admin.get(&format!("/api/events?order=desc&{query}")).expect(200).json();
        let seqs =
            page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_i64().unwrap());
        (seqs.collect::<Vec<_>>(), page["next"].clone())
    };
    assert_eq!(page("limit=2"), (vec![6, 5], json!(5)));
    assert_eq!(page("limit=2&after=5"), (vec![4, 3], json!(3)));
    assert_eq!(page("limit=2&after=3"), (vec![2, 1], json!(null)));
    assert_eq!(page("after=1"), (vec![], json!(null)));
    assert_eq!(page("limit=1&channel=customer_changes"), (vec![6], json!(6)));
    assert_eq!(page("channel=order_changes&limit=3"), (vec![5, 4, 3], json!(3)));
    let [first, second] = ["asc", "desc"]
        .map(|order| admin.get(&format!("/api/events?order={order}")).expect(200).json());
    assert_eq!(first["head"], second["head"]);
    let log = first["log"].as_str().unwrap();
    assert!(log.len() == 12 && log.bytes().all(|byte| byte.is_ascii_hexdigit()), "{log}");
    assert_eq!(second["log"], log);
}
