//! The tests' expectations of responses: problems that a program can read, amounts digit by digit,
//! and the event log of a change.

use super::{Answer, Client};
use serde_json::{Value, json};
use tillcast::domain::Code;

/// Words of the implementation that no client may read. A problem is text for people, so plain
/// `select` or `table` may be in it; words that only a program writes may not.
const INSIDES: [&str; 13] = [
    "sqlite",
    "rusqlite",
    "select ",
    "insert into",
    "constraint",
    "foreign key",
    "datatype",
    "panicked",
    "backtrace",
    "src/",
    ".rs:",
    "<html",
    "<!doctype",
];

impl Answer {
    /// The body of an RFC 9457 problem with this status: complete, and without details of the
    /// implementation.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let content_type = self.header("content-type");
        assert!(
            content_type.starts_with("application/problem+json"),
            "{status} with content type {content_type:?}: {}",
            self.text()
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        let code = problem["code"].as_str().unwrap_or_default();
        assert!(Code::ALL.iter().any(|known| known.name() == code), "unknown code in {problem}");
        assert_eq!(problem["type"], format!("/docs/problems#{code}"), "{problem}");
        for member in ["title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {member} in {problem}");
        }
        let text = self.text().to_lowercase();
        for inside in INSIDES {
            assert!(!text.contains(inside), "{inside:?} in {}", self.text());
        }
        problem
    }

    /// The fields that a `422` names, sorted; each must come with a message.
    #[track_caller]
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let mut fields: Vec<String> = errors
            .iter()
            .map(|error| {
                let message = error["message"].as_str().unwrap_or_default();
                assert!(!message.is_empty(), "no message in {error}");
                assert!(error["code"].is_string(), "no code in {error}");
                error["field"].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        fields.sort();
        fields
    }

    /// Fails unless this is a `422` that names exactly these fields, in any order.
    #[track_caller]
    pub(crate) fn expect_wrong(&self, fields: &[&str]) {
        let mut expected = fields.to_vec();
        expected.sort_unstable();
        assert_eq!(self.wrong_fields(), expected, "{}", self.text());
    }
}

/// An amount with its digits as written: `amount("10.50")` is not `10.5` to a test that compares
/// digits.
pub(crate) fn amount(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap()
}

/// The newest `seq` of the event log.
#[track_caller]
pub(crate) fn head(client: &Client) -> u64 {
    let page = client.get("/api/events?limit=1").expect(200).json();
    page["head"].as_u64().unwrap()
}

/// Every event after `seq`, exactly as the log has it; a gap fails the test.
#[track_caller]
pub(crate) fn log_after(client: &Client, seq: u64) -> Vec<String> {
    let (mut events, mut after) = (Vec::new(), seq);
    let head = loop {
        let path = format!("/api/events?after={after}&limit=200");
        let answer = client.get(&path).expect(200);
        events.extend(split_page(&answer.text()));
        let page = answer.json();
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break page["head"].as_u64().unwrap(),
        }
    };
    assert_eq!(events.len() as u64, head - seq, "events from {seq} to {head}");
    for (expected, event) in (seq + 1..).zip(&events) {
        let seq = format!(r#","seq":{expected}}}"#);
        assert!(event.ends_with(&seq), "expected seq {expected}: {event}");
    }
    events
}

/// Every event after `seq`, parsed as JSON.
#[track_caller]
pub(crate) fn events_after(client: &Client, seq: u64) -> Vec<Value> {
    let events = log_after(client, seq);
    let read = |event: &String| serde_json::from_str(event).unwrap();
    events.iter().map(read).collect()
}

/// The events after `seq` in short form: `[["order:created"],["product:updated",{"stock":7}]]`.
#[track_caller]
pub(crate) fn happened(client: &Client, seq: u64) -> Value {
    let events = events_after(client, seq);
    let told = |event: &Value| match &event["data"]["changed_fields"] {
        Value::Null => json!([event["event"]]),
        changed => json!([event["event"], changed]),
    };
    events.iter().map(told).collect()
}

/// The texts of the entries of a page of the log. A quote inside a text is escaped in JSON, so no
/// client's text contains the separator between two entries.
fn split_page(page: &str) -> Vec<String> {
    const SEAM: &str = r#"},{"event":"#;
    let start = page.find(r#"[{"event":"#).map(|at| at + 2);
    let end = page.rfind("}]").filter(|end| start <= Some(*end));
    match (start, end) {
        (Some(start), Some(end)) => page[start..end]
            .split(SEAM)
            .enumerate()
            .map(|(at, inner)| match at {
                0 => format!("{{{inner}}}"),
                _ => format!(r#"{{"event":{inner}}}"#),
            })
            .collect(),
        _ => Vec::new(),
    }
}
