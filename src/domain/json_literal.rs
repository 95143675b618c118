//! JSON values written as JSON, for the documents that describe the API.

use serde_json::{Map, Value};

/// As `serde_json::json!`, for values that are moved, in a fraction of the code. The documents have some thousand
/// members, and that macro makes code for each. Here a literal is one text in the program, in which `#` stands for a
/// value that is not written out.
macro_rules! json {
    ($($tokens:tt)+) => {
        $crate::domain::json_literal::pieces!(value [] [] [] $($tokens)+ ;)
    };
}

/// Takes the tokens apart: what comes next, the groups around it, the text so far, and the values for its `#`. A
/// group's end becomes a semicolon, because an expression may be followed by one. The text may have a comma before it.
macro_rules! pieces {
    (value [$($in:tt)*] [$($text:tt)*] [$($values:tt)*] {$($inner:tt)*} $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            member [{} $($in)*] [$($text)* "{",] [$($values)*] $($inner)* ; $($rest)*
        )
    };
    (value [$($in:tt)*] [$($text:tt)*] [$($values:tt)*] [$($inner:tt)*] $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            item [[] $($in)*] [$($text)* "[",] [$($values)*] $($inner)* ; $($rest)*
        )
    };
    (value $in:tt [$($text:tt)*] $values:tt $literal:literal , $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            end $in [$($text)* stringify!($literal),] $values , $($rest)*
        )
    };
    (value $in:tt [$($text:tt)*] $values:tt $literal:literal ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            end $in [$($text)* stringify!($literal),] $values ; $($rest)*
        )
    };
    (value $in:tt [$($text:tt)*] [$($values:tt)*] $value:expr , $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            end $in [$($text)* "#",] [$($values)* ::serde_json::Value::from($value),] , $($rest)*
        )
    };
    (value $in:tt [$($text:tt)*] [$($values:tt)*] $value:expr ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            end $in [$($text)* "#",] [$($values)* ::serde_json::Value::from($value),] ; $($rest)*
        )
    };

    (end [{} $($in:tt)*] [$($text:tt)*] $values:tt , $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(member [{} $($in)*] [$($text)* ",",] $values $($rest)*)
    };
    (end [[] $($in:tt)*] [$($text:tt)*] $values:tt , $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(item [[] $($in)*] [$($text)* ",",] $values $($rest)*)
    };
    (end [{} $($in:tt)*] [$($text:tt)*] $values:tt ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(end [$($in)*] [$($text)* "}",] $values $($rest)*)
    };
    (end [[] $($in:tt)*] [$($text:tt)*] $values:tt ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(end [$($in)*] [$($text)* "]",] $values $($rest)*)
    };
    (end [] [$($text:tt)*] [$($values:tt)*] ;) => {
        $crate::domain::json_literal::read(concat!($($text)*), &mut [$($values)*])
    };

    (member $in:tt $text:tt $values:tt ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(end $in $text $values ; $($rest)*)
    };
    (member $in:tt [$($text:tt)*] $values:tt $name:literal : $literal:literal , $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            member $in [$($text)* stringify!($name), ":", stringify!($literal), ",",] $values $($rest)*
        )
    };
    (member $in:tt [$($text:tt)*] $values:tt $name:literal : $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(value $in [$($text)* stringify!($name), ":",] $values $($rest)*)
    };
    (member $in:tt [$($text:tt)*] [$($values:tt)*] $name:ident : $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(
            value $in [$($text)* "#:",] [$($values)* ::serde_json::Value::from($name),] $($rest)*
        )
    };

    (item $in:tt $text:tt $values:tt ; $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(end $in $text $values ; $($rest)*)
    };
    (item $in:tt $text:tt $values:tt $($rest:tt)*) => {
        $crate::domain::json_literal::pieces!(value $in $text $values $($rest)*)
    };
}

pub(crate) use {json, pieces};

/// The value that `pieces!` wrote. The text was checked by the compiler, so nothing in it is refused.
pub(crate) fn read(text: &'static str, values: &mut [Value]) -> Value {
    Literal { text, values: values.iter_mut() }.value()
}

/// The rest, which is still to be read.
struct Literal<'v> {
    text: &'static str,
    values: std::slice::IterMut<'v, Value>,
}

impl Literal<'_> {
    fn value(&mut self) -> Value {
        if self.skip("{") {
            return self.object();
        }
        if self.skip("[") {
            return self.array();
        }
        if self.skip("#") {
            return self.values.next().map_or(Value::Null, Value::take);
        }
        if self.skip("\"") {
            return self.string().into();
        }
        let end = self.text.find([',', ']', '}']).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        serde_json::from_str(word).unwrap_or_default()
    }

    fn object(&mut self) -> Value {
        let mut members = Map::new();
        while !self.skip("}") {
            let Value::String(name) = self.value() else { break };
            self.skip(":");
            let value = self.value();
            members.insert(name, value);
            self.skip(",");
        }
        members.into()
    }

    fn array(&mut self) -> Value {
        let mut items = Vec::new();
        while !self.skip("]") && !self.text.is_empty() {
            items.push(self.value());
            self.skip(",");
        }
        items.into()
    }

    /// A string of Rust up to its closing quote. It has no escapes but those of a character for itself, and of a line
    /// break with the white space after it.
    fn string(&mut self) -> String {
        let mut string = String::new();
        while let Some(at) = self.text.find(['"', '\\']) {
            let (before, rest) = self.text.split_at(at);
            string.push_str(before);
            self.text = rest;
            if self.skip("\"") {
                break;
            }
            self.skip("\\");
            if self.text.starts_with('\n') {
                self.text = self.text.trim_start();
            } else if let Some(escaped) = self.text.chars().next() {
                debug_assert!(!escaped.is_alphanumeric(), "an escape that only the compiler knows");
                string.push(escaped);
                self.skip(&self.text[..escaped.len_utf8()]);
            }
        }
        string
    }

    /// Whether the text begins with this, which is skipped.
    fn skip(&mut self, expected: &str) -> bool {
        let rest = self.text.strip_prefix(expected);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    /// The other macro is the judge.
    #[test]
    fn a_literal_is_the_same_value_as_with_serde_json() {
        let (name, words) = ("media", ["a", "b"]);
        let ours = super::json!({
            "type": "object", name: {"schema": {}}, "enum": words, "maximum": 10 / 2, "minimum": -1,
            "list": [], "mixed": [1, {"a": true}, "b", words.len()],
            "text": "a \"quoted\" \\ line, \
                     [continued] {in} another: #", "last": 1.5,
        });
        let theirs = serde_json::json!({
            "type": "object", name: {"schema": {}}, "enum": words, "maximum": 10 / 2, "minimum": -1,
            "list": [], "mixed": [1, {"a": true}, "b", words.len()],
            "text": "a \"quoted\" \\ line, \
                     [continued] {in} another: #", "last": 1.5,
        });
        assert_eq!(ours, theirs);
        assert_eq!(super::json!("text"), "text");
        assert_eq!(super::json!(words.len()), 2);
        assert_eq!(super::json!([words.len(),]), serde_json::json!([2]));
    }
}
