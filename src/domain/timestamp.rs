//! Times as milliseconds since 1970 in UTC, and their RFC 3339 text with milliseconds.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::decimal::write_integer;

/// Appends `2026-01-25T10:30:00.000Z`.
pub fn write(out: &mut String, ms: i64) {
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000));
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let mut part = |number, width, after| {
        write_integer(out, number, width);
        out.push(after);
    };
    part(year.into(), 4, '-');
    part(u8::from(month).into(), 2, '-');
    part(day.into(), 2, 'T');
    part(hour.into(), 2, ':');
    part(minute.into(), 2, ':');
    part(second.into(), 2, '.');
    part(ms.rem_euclid(1000), 3, 'Z');
}

/// `2026-01-25T10:30:00.000Z` as a new string.
pub fn text(ms: i64) -> String {
    let mut out = String::with_capacity(24);
    write(&mut out, ms);
    out
}

/// Parses an RFC 3339 time with any offset; returns milliseconds since 1970, UTC.
pub fn parse(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_always_written() {
        assert_eq!(text(1_769_337_000_000), "2026-01-25T10:30:00.000Z");
        assert_eq!(text(4_102_444_799_007), "2099-12-31T23:59:59.007Z");
    }

    #[test]
    fn offsets_are_read() {
        assert_eq!(parse("2026-01-25T11:30:00.5+01:00"), Some(1_769_337_000_500));
        assert_eq!(parse("2026-01-25"), None);
    }
}
