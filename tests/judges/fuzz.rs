//! Guards the parsers of untrusted bytes: runs the functions of the fuzz targets (`fuzz/properties.rs`) with
//! the stable compiler on a fixed number of generated inputs.

#[path = "../../fuzz/properties.rs"]
mod properties;

use crate::common::{SEED_VARIABLE, seed};
use fastrand::Rng;
use std::iter::repeat_with;

const INPUTS: usize = 100_000;

/// Runs a property on bytes that consist of these words with a little damage.
fn check(property: fn(&[u8]), words: &[&[u8]]) {
    let seed = seed();
    eprintln!("the same inputs again: {SEED_VARIABLE}={seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..INPUTS {
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
        properties::messages,
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

#[test]
fn bodies() {
    let words: [&str; 40] = [
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
    check(properties::bodies, &words.map(str::as_bytes));
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
    check(properties::cookies, &words.map(str::as_bytes));
}

#[test]
fn money() {
    let words = ["0", "1", "9", "25", "000", ".", "-", "e", "E", "+", "99999999999", "e-3", "e400"];
    check(properties::money, &words.map(str::as_bytes));
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
    check(properties::cursors, &words);
}
