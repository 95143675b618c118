//! The part of JSON Schema (draft 2020-12) that the API documents use. An unknown keyword fails the test, so
//! that nothing goes unchecked.

use serde_json::Value;

/// Keywords without an effect on validity.
const REMARKS: [&str; 6] =
    ["description", "default", "format", "title", "examples", "x-enumDescriptions"];

/// Resolves references within a document.
#[track_caller]
pub(crate) fn resolved<'doc>(document: &'doc Value, mut schema: &'doc Value) -> &'doc Value {
    while let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        schema = document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
    }
    schema
}

/// Fails unless the value is valid.
#[track_caller]
pub(crate) fn check(document: &Value, schema: &Value, value: &Value) {
    if let Err(wrong) = validate(document, schema, value) {
        panic!("{wrong}");
    }
}

/// Validates a value; the error says what is wrong.
fn validate(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolved(document, schema);
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let valid = match keyword.as_str() {
            "type" => types(rule).iter().any(|name| is_of_type(name, value)),
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "exclusiveMinimum" => {
                value.as_f64().is_none_or(|number| number > rule.as_f64().unwrap())
            }
            "minLength" => length(value).is_none_or(|length| length >= rule.as_u64().unwrap()),
            "maxLength" => length(value).is_none_or(|length| length <= rule.as_u64().unwrap()),
            "minItems" => {
                items(value).is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
            }
            "maxItems" => {
                items(value).is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap())
            }
            "uniqueItems" => items(value).is_none_or(|items| {
                let mut earlier = items.iter().enumerate();
                earlier.all(|(at, item)| !items[..at].contains(item))
            }),
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                !value.is_object() || names.into_iter().all(|name| value.get(name).is_some())
            }
            "items" => {
                for item in items(value).into_iter().flatten() {
                    validate(document, rule, item)?;
                }
                true
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        validate(document, rule, member)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
                rule != &Value::Bool(false)
                    || value.as_object().is_none_or(|members| members.keys().all(is_known))
            }
            "oneOf" => {
                let variants = rule.as_array().unwrap().iter();
                variants.filter(|one| validate(document, one, value).is_ok()).count() == 1
            }
            // Schemathesis tests the values that it forbids.
            "pattern" => true,
            "minProperties" => value
                .as_object()
                .is_none_or(|members| members.len() as u64 >= rule.as_u64().unwrap()),
            keyword => {
                assert!(REMARKS.contains(&keyword), "{keyword} is not known to this test");
                true
            }
        };
        if !valid {
            return Err(format!("{keyword} {rule} does not allow {value}"));
        }
    }
    Ok(())
}

fn types(rule: &Value) -> Vec<&str> {
    match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn items(value: &Value) -> Option<&Vec<Value>> {
    value.as_array()
}
