//! Random tokens and one-time passwords, and the hashes that are stored instead of tokens and requests.
//! No other file uses getrandom or sha2.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::Secret;
use crate::store::TokenHash;

/// Bytes of a token: 256 bits cannot be guessed.
const BYTES: usize = 32;

/// A new token, as 64 hexadecimal digits; `None` if the system has no randomness.
pub(super) fn generate() -> Option<Secret> {
    random::<BYTES>().map(|bytes| Secret(hex(&bytes)))
}

/// Random bytes; `None` if the system has no randomness.
pub(super) fn random<const COUNT: usize>() -> Option<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A new token for a device, and what is stored of it; `None` if the system has no randomness.
pub fn device_token() -> Option<(Secret, TokenHash)> {
    let token = generate()?;
    let hash = hash(&token);
    Some((token, hash))
}

/// Parses a token; `None` if the bytes are not one.
pub(super) fn parse(bytes: &[u8]) -> Option<Secret> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if bytes.len() != 2 * BYTES || !bytes.iter().all(is_digit) {
        return None;
    }
    str::from_utf8(bytes).ok().map(|token| Secret(token.to_owned()))
}

/// The hash that is stored and looked up instead of a token.
pub(super) fn hash(token: &Secret) -> TokenHash {
    TokenHash(Sha256::digest(token.0.as_bytes()).into())
}

/// A readable one-time password of 96 random bits; `None` if the system has no randomness.
pub fn one_time_password() -> Option<Secret> {
    let groups: Vec<String> = random::<12>()?.chunks(3).map(hex).collect();
    Some(Secret(groups.join("-")))
}

/// SHA-256 of a request, which tells a repeat from another request.
pub fn hash_request(path: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let written = write!(out, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes every text");
        out
    })
}
