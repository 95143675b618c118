//! Guards the bytes that a browser loads: pages that a slow Wi-Fi takes seconds for.

use super::common::{Client, Server};
use std::collections::BTreeMap;

const ALL_MAX: usize = 90 * 1024;
const PAGE_MAX: usize = 45 * 1024;
const CLIENT_MAX: usize = 10 * 1024;

const PAGES: [&str; 10] =
    ["/", "/admin", "/board", "/docs", "/kiosk", "/numbers", "/pair", "/pick", "/sell", "/setup"];

/// The compressed bytes of a file and of all that it refers to, by their paths.
fn add(client: &Client, path: &str, sizes: &mut BTreeMap<String, usize>) {
    let compressed = client.get_with(path, &[("accept-encoding", "gzip")]).expect(200);
    assert_eq!(compressed.header("content-encoding"), "gzip", "{path}");
    sizes.insert(path.to_owned(), compressed.body.len());
    let text = client.get(path).expect(200).text();
    for reference in text.split(['"', '\'']).filter(|part| part.starts_with("/assets/")) {
        if !sizes.contains_key(reference) {
            add(client, reference, sizes);
        }
    }
}

#[test]
fn the_pages_are_small() {
    let server = Server::start();
    let client = server.anonymous();
    let mut all = BTreeMap::new();
    for page in PAGES {
        let mut parts = BTreeMap::new();
        add(&client, page, &mut parts);
        let size: usize = parts.values().sum();
        assert!(parts.len() > 3 && size <= PAGE_MAX, "{page}: {size} bytes, {parts:#?}");
        all.extend(parts);
    }
    let size: usize = all.values().sum();
    let client = all.iter().find(|(path, _)| path.starts_with("/assets/client."));
    let (_, client) = client.expect("the pages use the client");
    assert!(*client <= CLIENT_MAX, "client.js has {client} bytes");
    assert!(size <= ALL_MAX, "{all:#?}");
}
