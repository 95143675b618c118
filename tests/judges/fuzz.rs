//! Guards the parsers of untrusted bytes: runs the functions of the fuzz targets (`fuzz/properties`) with
//! the stable compiler on a fixed number of generated inputs.

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

use crate::common::{SEED_VARIABLE, seed};
use fastrand::Rng;
use std::iter::repeat_with;

const INPUTS: usize = 100_000;
/// Each of these has up to 12 frames of some kilobytes.
const FRAMES: usize = 20_000;
/// Each of these has up to 12 words, some of which open 128 pairings.
const PAIRINGS: usize = 5_000;
/// Each of these copies and opens three files.
const DATABASES: usize = 200;

/// Runs a property on bytes that consist of these words with a little damage.
fn check(property: fn(&[u8]), words: &[&[u8]]) {
    check_times(INPUTS, property, words);
}

fn check_times(inputs: usize, property: fn(&[u8]), words: &[&[u8]]) {
    let seed = seed();
    eprintln!("the same inputs again: {SEED_VARIABLE}={seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..inputs {
        let count = rng.usize(..12);
        let mut bytes: Vec<u8> = repeat_with(|| rng.choice(words).copied().unwrap_or_default())
            .take(count)
            .flatten()
            .copied()
            .collect();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..=bytes.len());
            match rng.u8(..4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, rng.u8(..)),
                _ if at < bytes.len() => bytes[at] = rng.u8(..),
                _ => {}
            }
        }
        property(&bytes);
    }
}

/// Frames with the mask 0, so that they contain the words unchanged.
#[test]
fn messages() {
    check(
        properties::messages::hold,
        &[
            b"\x81\x8f\0\0\0\0{\"type\":\"ping\"}",
            b"\x01\x87\0\0\0\0{\"type\"",
            b"\x00\x82\0\0\0\0:1",
            b"\x80\x81\0\0\0\0}",
            b"\x80\x80\0\0\0\0",
            b"\x81\xb1\0\0\0\0{\"type\":\"subscribe\",\"channel\":\"order_changes\"    }",
            b"\x81\x82\0\0\0\0\xc3\xbc",
            b"\x01\x81\0\0\0\0\xc3",
            b"\x80\x81\0\0\0\0\xbc",
            b"\x82\x82\0\0\0\0\x00\xff",
            b"\x89\x84\0\0\0\0ping",
            b"\x8a\x80\0\0\0\0",
            b"\x88\x82\0\0\0\0\x03\xe8",
            b"\x81\xfe\x10\x01\0\0\0\0",
            b"\x81\xff\0\0\0\0\0\0\x10\0\0\0\0\0",
        ],
    );
}

/// A frame's first byte, its mask, its payload's length, how often that repeats, and the payload.
#[test]
fn frames() {
    let words: [&[u8]; 16] = [
        b"\x81\x01\x02\x00{}",
        b"\x01\x07\x03\x00{\xe2\x82",
        b"\x00\x70\x00\x00",
        b"\x80\x09\x02\x00\xac}",
        b"\x01\x5a\x04\x3fwxyz",
        b"\x00\x5a\x10\x7f0123456789abcdef",
        b"\x82\xa5\x10\xff0123456789abcdef",
        b"\x02\xa5\x01\x80b",
        b"\x89\x11\x04\x00ping",
        b"\x89\x12\x05\x18pings",
        b"\x89\x12\x06\x14pings!",
        b"\x8a\x13\x01\x40p",
        b"\x88\x14\x02\x00\x03\xe8",
        b"\x88\x15\x05\x00\x0f\xa0bye",
        b"\x88\x16\x00\x00",
        b"\x81\xff\x01\x00x",
    ];
    check_times(FRAMES, properties::frames::hold, &words);
}

#[test]
fn bodies() {
    let words: [&str; 41] = [
        "{\"$serde_json::private::Number\":\"1e\"}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ",",
        ":",
        ":",
        "null",
        "true",
        "0",
        "5.25",
        "1e2",
        "-1",
        "0.001",
        "99999999999999999999",
        "\"\"",
        "\"USD\"",
        "\"KWD\"",
        "\"pending\"",
        "\"payment\"",
        "\"ana@example.com\"",
        "\"\\u0000\"",
        "\"items\"",
        "\"total\"",
        "\"currency\"",
        "\"status\"",
        "\"name\"",
        "\"sku\"",
        "\"price\"",
        "\"stock\"",
        "\"email\"",
        "\"order_id\"",
        "\"amount\"",
        "{\"items\":[{\"product_id\":1,\"quantity\":2}]",
        "{\"total\":5.25",
        "{\"name\":\"Tea\",\"sku\":\"T-1\",\"price\":2.5",
        "{\"order_id\":1,\"type\":\"refund\",\"status\":\"completed\",\"amount\":1",
        ",\"notes\":null",
        ",\"currency\":\"JPY\"",
    ];
    check(properties::bodies::hold, &words.map(str::as_bytes));
}

#[test]
fn cookies() {
    let token = "0123456789abcdef".repeat(4);
    let words = [
        "tillcast_session=",
        "=",
        ";",
        "; ",
        " ",
        ",",
        "\"",
        "theme=dark",
        "%",
        &token,
        &token,
        &token[..63],
    ];
    check(properties::cookies::hold, &words.map(str::as_bytes));
}

#[test]
fn money() {
    let words = ["0", "1", "9", "25", "000", ".", "-", "e", "E", "+", "99999999999", "e-3", "e400"];
    check(properties::money::hold, &words.map(str::as_bytes));
}

/// Opened, found, claimed, settled and asked for, and codes as they are typed.
#[test]
fn pairing() {
    let all = |operation: u8, seconds: u8| -> Vec<u8> {
        (0..=127).flat_map(|number| [operation, number, number, seconds]).collect()
    };
    let (open, claim, store) = (all(0, 0), all(3, 1), all(4, 0));
    let slow = all(1, 5);
    let words: [&[u8]; 18] = [
        &open,
        &claim,
        &store,
        &slow,
        b"\x00\x00\x00\x00",
        b"\x01\x00\x01\x00",
        b"\x00\x09\x02\x01",
        b"\x02\x01\x00\x00",
        b"\x02\x41\x01\x00",
        b"\x02\x81\xff\x05",
        b"\x02\x81\xff\x05\x02\x81\xff\x05",
        b"\x03\x01\x00\x00",
        b"\x03\xc2\x01\x00",
        b"\x03\xc0\x02\x3c",
        b"\x04\x00\x00\x00",
        b"\x04\x01\x01\x00",
        b"\x05\x00\x00\xff",
        b"\x05\x00\x01\x20",
    ];
    check_times(PAIRINGS, properties::pairing::hold, &words);
    let words = ["BCDF", "-", "GHJK", "wxz", " ", "bcdfghjk", "A", "\u{212a}", "\u{e9}"];
    check(properties::pairing::codes_hold, &words.map(str::as_bytes));
}

#[test]
fn cursors() {
    let words: [&[u8]; 8] = [
        b"\x00\x10",
        b"\x01\x40",
        b"\x42\x50",
        b"\x80\x00",
        b"\x81\x00",
        b"\xc0\x30",
        b"\xc0\x60",
        b"\xc0\xff",
    ];
    check(properties::cursors::hold, &words);
}

/// A role, four products, and lines of an order.
#[test]
fn sales() {
    let words: [&[u8]; 11] = [
        b"\x00",
        b"\x01\x05\x02\x04\xff\x03\x00\x04\x40\x09\x00\x05\x10\x02\x01\x06\x20",
        b"\x02\x07\x00\x04\xff\xff\x0a\x04\xff\x00\x00\x04\x01\x01\x01\x04\x01",
        b"\x02\x07\x00\xfc\xff\x01\x00\xf8\xff\x02\x00\xf8\xff\x03\x00\xf8\xff",
        // A hundred pieces of the first cost as much as an order can.
        b"\x00\x0a\x0a\x04\xff\x01\x00\x04\xff\x00\x00\x04\x01\x01\x01\x04\x01",
        b"\x00\x0a\x01",
        b"\x00\x01\x00",
        b"\x01\x02\x00",
        b"\x02\x03\x01",
        b"\x03\x01\x02",
        b"\x00\xff\x03",
    ];
    check(properties::sales::hold, &words);
}

#[test]
fn hosts() {
    let words = [
        "127.0.0.1",
        "[::1]",
        "[",
        "]",
        "::",
        ".",
        ":",
        "80",
        "443",
        "localhost",
        "LocalHost",
        "shop.example",
        "example",
        "attacker",
        "@",
        "/",
        "\nhttp://",
        "\nhttps://",
        "%",
        "1",
    ];
    check(properties::hosts::hold, &words.map(str::as_bytes));
}

/// Places in the header, in the schema and in other pages.
#[test]
fn databases() {
    let words: [&[u8]; 8] = [
        b"\x00\x00\x10\x00\x01",
        b"\x00\x00\x1c\xff\xff",
        b"\x00\x00\x64\x0d\x00",
        b"\x00\x00\x6c\xff\xff",
        b"\x00\x10\x00\x0d\xff",
        b"\x00\x20\x03\x00\x05",
        b"\x01\x00\x05\x7f\xff",
        b"\x00\x8f\x80\x00\x01",
    ];
    check_times(DATABASES, properties::databases::hold, &words);
}
