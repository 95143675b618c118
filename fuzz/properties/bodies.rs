//! Bodies of requests.

use serde_json::Value;
use tillcast::domain::input::Purpose;
use tillcast::domain::json::{self, JsonError};
use tillcast::domain::{EntityKind, Input, Reject, Row};

/// A body is a valid entity, or the error names every wrong field once.
pub(crate) fn hold(bytes: &[u8]) {
    let body = json::parse(bytes);
    match (&body, serde_json::from_slice::<Value>(bytes)) {
        // An object with this key passes for a number there.
        (Ok(body), _) if body.to_string().contains("$serde_json::private::Number") => {}
        (Ok(body), Ok(other)) => assert_eq!(*body, other),
        (Ok(_), Err(error)) => assert!(bytes.starts_with(b"\xef\xbb\xbf"), "{error}"),
        (Err(JsonError::Syntax { .. }), Ok(other)) => panic!("not read: {other}"),
        (Err(_), _) => {}
    }
    let Ok(Value::Object(body)) = body else {
        return;
    };
    for kind in EntityKind::ALL {
        for purpose in [Purpose::Create("USD"), Purpose::Patch] {
            let input = Input::read(kind, purpose, body.clone());
            match input.and_then(|input| input.apply_to(&mut Row::blank_in(kind, "USD"))) {
                Ok(()) => {}
                Err(Reject::Invalid(errors)) => {
                    assert!(!errors.is_empty());
                    for (at, error) in errors.iter().enumerate() {
                        assert!(!error.message.is_empty());
                        let again = errors[..at].iter().any(|other| other.field == error.field);
                        assert!(!again, "{errors:?}");
                    }
                }
                Err(other) => assert!(matches!(other, Reject::Conflict(..)), "{other:?}"),
            }
        }
    }
}
