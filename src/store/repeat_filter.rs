//! What is wrong with the disk, said once, and again after a while if it stays.

use std::time::Instant;

use crate::limits::REPEATED_ERROR_INTERVAL;

/// What was complained about last, and when.
#[derive(Default)]
pub(super) struct RepeatFilter(Option<(String, Instant)>);

impl RepeatFilter {
    /// It is news, or was said long ago.
    pub(super) fn is_due(&mut self, text: &str, now: Instant) -> bool {
        let said =
            |(said, at): &(String, Instant)| said == text && now - *at < REPEATED_ERROR_INTERVAL;
        let due = !self.0.as_ref().is_some_and(said);
        if due {
            self.0 = Some((text.to_owned(), now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_complaint_is_repeated_once_a_minute() {
        let (mut complaint, begun) = (RepeatFilter::default(), Instant::now());
        let mut said = |text, second| complaint.is_due(text, begun + Duration::from_secs(second));
        assert!(said("no disk", 0));
        assert!(!said("no disk", 1));
        assert!(said("no room", 2));
        assert!(!said("no room", 61));
        assert!(said("no room", 62));
    }
}
