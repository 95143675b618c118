//! The pages for people, as `build.rs` has compressed them.

use miniz_oxide::inflate::decompress_to_vec;

/// Bytes of the header and of the trailer around the compressed data: RFC 1952.
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

/// A page, or a part of one.
#[derive(Debug)]
pub struct Asset {
    /// The paths in its addresses: one that changes with the content, or one that stays, or both.
    pub paths: &'static [&'static str],
    /// The ending of its source file, such as `html`.
    pub kind: &'static str,
    /// The content, compressed with gzip.
    pub gzip: &'static [u8],
}

/// All of them.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The asset at this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.paths.contains(&path))
}

impl Asset {
    /// The checksum of the content (CRC-32), which begins the trailer.
    pub fn checksum(&self) -> u32 {
        let trailer =
            self.gzip.last_chunk::<GZIP_TRAILER>().and_then(|trailer| trailer.first_chunk());
        trailer.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// The content for a client that does not take gzip: at most `PAGE_BYTES_MAX`, made for this client.
    pub fn plain(&self) -> Vec<u8> {
        // RFC 1952; the build writes no optional part.
        let deflated = &self.gzip[GZIP_HEADER..self.gzip.len() - GZIP_TRAILER];
        // The program holds what its own build compressed, so this cannot fail.
        decompress_to_vec(deflated).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAGE_BYTES_MAX;

    #[test]
    fn every_asset_is_whole_without_its_compression() {
        for asset in ASSETS {
            let (plain, length) = (asset.plain(), asset.gzip.last_chunk().unwrap());
            assert_eq!(plain.len(), u32::from_le_bytes(*length) as usize, "{:?}", asset.paths);
            // While it is made, it has up to twice its room.
            assert!((1..PAGE_BYTES_MAX).contains(&plain.len()), "{:?}", asset.paths);
            assert!(std::str::from_utf8(&plain).is_ok(), "{:?}", asset.paths);
        }
    }
}
