//! QR codes (ISO/IEC 18004) as SVG. No other module uses qrcodegen.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use crate::limits::QR_VERSION_MAX;

/// The light modules that a code needs around it (section 6.3.8).
const QUIET_ZONE: i32 = 4;

/// A text as a QR code, dark on light whatever the page's colours are, because many readers do not see an inverted
/// one. `None` if the text is longer than a code of `QR_VERSION_MAX` holds.
pub fn svg(text: &str) -> Option<String> {
    let segments = [QrSegment::make_bytes(text.as_bytes())];
    let (least, most) = (Version::new(1), Version::new(QR_VERSION_MAX));
    // Medium: a screen has no dirt, and a smaller code is read from further away.
    let level = QrCodeEcc::Medium;
    let code = QrCode::encode_segments_advanced(&segments, level, least, most, None, false).ok()?;
    let size = code.size();
    let whole = size + 2 * QUIET_ZONE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{whole}v{whole}H0z\"/><path d=\""
    );
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let end = (x..size).find(|x| !code.get_module(*x, y)).unwrap_or(size);
            if end > x {
                let (left, top, width) = (x + QUIET_ZONE, y + QUIET_ZONE, end - x);
                let written = write!(svg, "M{left} {top}h{width}v1h-{width}z");
                debug_assert!(written.is_ok(), "a String takes every text");
            }
            x = end + 1;
        }
    }
    svg.push_str("\"/></svg>\n");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert!(svg(&"a".repeat(412)).is_some());
        assert_eq!(svg(&"a".repeat(413)), None);
    }
}
