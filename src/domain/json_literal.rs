//! JSON values written as JSON, for the documents that describe the API.

use serde_json::{Map, Value};

/// As `serde_json::json!`, for values that are moved. The documents have some thousand members; that macro takes a
/// copy of each value, and inserts each on its own, which is three times the code.
macro_rules! json {
    ({ $($members:tt)* }) => {
        $crate::domain::json_literal::object(&mut $crate::domain::json_literal::members!([] $($members)*))
    };
    ([ $($values:tt)* ]) => {
        $crate::domain::json_literal::array(&mut $crate::domain::json_literal::values!([] $($values)*))
    };
    ($value:expr) => { ::serde_json::Value::from($value) };
}

/// Names and values as an array. A value that begins with a brace or a bracket is JSON itself.
macro_rules! members {
    ([$($done:tt)*]) => { [$($done)*] };
    ([$($done:tt)*] $name:tt: {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::domain::json_literal::members!(
            [$($done)* ($name, $crate::domain::json_literal::json!({$($inner)*})),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $name:tt: [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $crate::domain::json_literal::members!(
            [$($done)* ($name, $crate::domain::json_literal::json!([$($inner)*])),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $name:tt: $value:expr $(, $($rest:tt)*)?) => {
        $crate::domain::json_literal::members!(
            [$($done)* ($name, ::serde_json::Value::from($value)),] $($($rest)*)?
        )
    };
}

/// Values as an array.
macro_rules! values {
    ([$($done:tt)*]) => { [$($done)*] };
    ([$($done:tt)*] {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $crate::domain::json_literal::values!(
            [$($done)* $crate::domain::json_literal::json!({$($inner)*}),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::domain::json_literal::values!(
            [$($done)* ::serde_json::Value::from($value),] $($($rest)*)?
        )
    };
}

pub(crate) use {json, members, values};

/// An object; the values are taken out of the slice.
pub(crate) fn object(members: &mut [(&str, Value)]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert((*name).to_owned(), value.take());
    }
    Value::Object(object)
}

/// An array; the values are taken out of the slice.
pub(crate) fn array(values: &mut [Value]) -> Value {
    Value::Array(values.iter_mut().map(Value::take).collect())
}

#[cfg(test)]
mod tests {
    /// The other macro is the judge.
    #[test]
    fn a_literal_is_the_same_value_as_with_serde_json() {
        let (name, words) = ("media", ["a", "b"]);
        let ours = super::json!({
            "type": "object", name: {"schema": {}}, "enum": words, "maximum": 10 / 2,
            "list": [], "mixed": [1, {"a": true}, "b", words.len()],
        });
        let theirs = serde_json::json!({
            "type": "object", name: {"schema": {}}, "enum": words, "maximum": 10 / 2,
            "list": [], "mixed": [1, {"a": true}, "b", words.len()],
        });
        assert_eq!(ours, theirs);
    }
}
