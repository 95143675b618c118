//! The pages for people, as `build.rs` has compressed them.

/// A page, or a part of one.
#[derive(Debug)]
pub struct Asset {
    /// The path in its address.
    pub path: &'static str,
    /// The ending of its source file, such as `html`.
    pub kind: &'static str,
    /// Whether the path changes with the content, so that a browser may keep it for ever.
    pub is_named_by_content: bool,
    /// The content, compressed with gzip.
    pub gzip: &'static [u8],
}

/// All of them.
pub const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The asset at this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
