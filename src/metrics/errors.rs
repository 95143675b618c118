//! The newest warnings and errors of the log, for an admin who has no shell on the board.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use crate::limits::{ERROR_BYTES_MAX, ERRORS_KEPT};
use crate::sync;

/// The newest warnings and errors, each text once.
#[derive(Debug)]
pub struct Errors(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    /// Oldest first.
    errors: VecDeque<LoggedError>,
    /// The number of all that there were.
    count: u64,
}

/// A warning or an error, and how often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedError {
    /// Later ones have higher ids; a repeat gets another.
    pub id: u64,
    /// Milliseconds since 1970, UTC, when it came last.
    pub at: i64,
    /// Whether it is an error, not a warning.
    pub is_error: bool,
    /// The message with its fields.
    pub text: Box<str>,
    /// How often it came.
    pub count: u64,
}

impl Errors {
    /// None yet, and room for all that are kept.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Kept { errors: VecDeque::with_capacity(ERRORS_KEPT), count: 0 }))
    }

    /// Adds a line, or counts it if it is kept already, so that one that is repeated leaves room for others.
    pub fn push(&self, at: i64, is_error: bool, line: Line) {
        let text = line.text.into_boxed_str();
        let mut kept = sync::lock(&self.0);
        kept.count += 1;
        let same = |one: &LoggedError| one.text == text && one.is_error == is_error;
        let before = kept.errors.iter().position(same).and_then(|at| kept.errors.remove(at));
        if kept.errors.len() == ERRORS_KEPT {
            kept.errors.pop_front();
        }
        let (id, count) = (kept.count, before.map_or(1, |one| one.count + 1));
        kept.errors.push_back(LoggedError { id, at, is_error, text, count });
    }

    /// All that are kept, newest first.
    pub fn newest(&self) -> Vec<LoggedError> {
        sync::lock(&self.0).errors.iter().rev().cloned().collect()
    }
}

/// The text of a line, of which only the first `ERROR_BYTES_MAX` bytes are kept.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    is_cut: bool,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.is_cut { 0 } else { ERROR_BYTES_MAX.saturating_sub(self.text.len()) };
        let mut ends = (0..=room.min(text.len())).rev();
        let end = ends.find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&text[..end]);
        self.is_cut |= end < text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.write_str(text).unwrap();
        line
    }

    fn texts(errors: &Errors) -> Vec<(String, u64)> {
        errors.newest().into_iter().map(|one| (one.text.into(), one.count)).collect()
    }

    #[test]
    fn the_newest_are_kept_and_repeats_are_counted() {
        let errors = Errors::new();
        for number in 0..ERRORS_KEPT + 5 {
            errors.push(0, true, line(&format!("error {number}")));
            errors.push(1, false, line("the disk is slow"));
            errors.push(2, true, line("the disk is slow"));
        }
        let kept = texts(&errors);
        assert_eq!(kept.len(), ERRORS_KEPT);
        let slow = ("the disk is slow".to_owned(), 55);
        assert_eq!(kept[..2], [slow.clone(), slow]);
        assert_eq!((&*kept[2].0, &*kept[49].0), ("error 54", "error 7"));
        let [last, before, ..] = &errors.newest()[..] else { panic!("{kept:?}") };
        assert_eq!((last.id, last.at, last.is_error), (165, 2, true));
        assert_eq!((before.id, before.at, before.is_error), (164, 1, false));
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        let errors = Errors::new();
        let mut long = line(&format!("{}\u{20ac}\u{20ac}", "x".repeat(ERROR_BYTES_MAX - 4)));
        long.write_str("y").unwrap();
        errors.push(0, true, long);
        let text = &errors.newest()[0].text;
        assert_eq!((text.len(), text.ends_with("x\u{20ac}")), (ERROR_BYTES_MAX - 1, true));
        let cut = line(&"x".repeat(2 * ERROR_BYTES_MAX));
        assert_eq!(cut.text, "x".repeat(ERROR_BYTES_MAX));
    }
}
