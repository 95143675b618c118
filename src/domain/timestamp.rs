//! Times as milliseconds since 1970 in UTC, and their RFC 3339 text with milliseconds.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Appends `2026-01-25T10:30:00.000Z`. An order needs four of them, so they are filled into a pattern.
pub fn write(out: &mut String, ms: i64) {
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000));
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let (year, ms) = (year.unsigned_abs(), ms.rem_euclid(1000).unsigned_abs());
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (at, number) in [
        (0, (year / 100).into()),
        (2, (year % 100).into()),
        (5, u8::from(month).into()),
        (8, day.into()),
        (11, hour.into()),
        (14, minute.into()),
        (17, second.into()),
        (20, ms / 10),
        (21, ms % 100),
    ] {
        (text[at], text[at + 1]) = (digit(number / 10), digit(number));
    }
    out.push_str(&String::from_utf8_lossy(&text));
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

/// `2026-01-25T10:30:00.000Z` as a new string.
pub fn text(ms: i64) -> String {
    let mut out = String::with_capacity(24);
    write(&mut out, ms);
    out
}

/// Parses an RFC 3339 time with any offset; returns milliseconds since 1970, UTC. A time whose year in UTC has no
/// four digits has no text, and is refused.
pub fn parse(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    if !(0..=9999).contains(&time.year()) {
        return None;
    }
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_always_written() {
        assert_eq!(text(1_769_337_000_000), "2026-01-25T10:30:00.000Z");
        assert_eq!(text(4_102_444_799_007), "2099-12-31T23:59:59.007Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(text(i64::MAX), "1970-01-01T00:00:00.807Z", "out of range");
    }

    #[test]
    fn offsets_are_read() {
        assert_eq!(parse("2026-01-25T11:30:00.5+01:00"), Some(1_769_337_000_500));
        assert_eq!(parse("2026-01-25"), None);
        for edge in ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(parse(edge).map(super::text).as_deref(), Some(edge));
        }
        assert_eq!(parse("0000-01-01T00:30:00+01:00"), None);
        assert_eq!(parse("9999-12-31T23:30:00-01:00"), None);
    }
}
