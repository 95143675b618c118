//! Keeps an error that repeats itself from filling the log.

use std::time::Instant;

use crate::limits::REPEATED_ERROR_INTERVAL;

/// Admits a text once, and again after `REPEATED_ERROR_INTERVAL` if it stays the same.
#[derive(Default)]
pub(super) struct RepeatFilter(Option<(String, Instant)>);

impl RepeatFilter {
    /// Whether the text differs from the last one, or that one was logged long ago.
    pub(super) fn admits(&mut self, text: &str, now: Instant) -> bool {
        let repeats =
            |(last, at): &(String, Instant)| last == text && now - *at < REPEATED_ERROR_INTERVAL;
        let admitted = !self.0.as_ref().is_some_and(repeats);
        if admitted {
            self.0 = Some((text.to_owned(), now));
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_repeated_error_is_admitted_once_a_minute() {
        let (mut filter, begun) = (RepeatFilter::default(), Instant::now());
        let mut admits = |text, second| filter.admits(text, begun + Duration::from_secs(second));
        assert!(admits("no disk", 0));
        assert!(!admits("no disk", 1));
        assert!(admits("no space", 2));
        assert!(!admits("no space", 61));
        assert!(admits("no space", 62));
    }
}
