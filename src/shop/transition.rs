//! The rejection of a status that cannot follow the present one.

use crate::domain::{Code, Reject, Row};

/// The rejection of a change of status that skips or reverses one.
pub(super) fn status_skipped(row: &Row, from: &str, to: &str, next: &[&str]) -> Reject {
    let noun = row.kind.schema().noun;
    let ways = match next {
        [] => "this status is final".to_owned(),
        next => format!("it can become {}", next.join(", ")),
    };
    let text = format!("this {noun} is {from} and cannot become {to}; {ways}");
    Reject::conflict(Code::StatusSkipped, text)
}
