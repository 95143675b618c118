//! The shop as a whole: its name, and the terms on which it sells.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::check::{check_line, one_of, read_currency};
use crate::domain::tax::TaxMode;
use crate::domain::text::normalize;
use crate::domain::{Code, FieldError, Reject, Violation, currency};
use crate::limits::NAME_CHARS_MAX;

/// The terms on which the shop sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShopTerms {
    /// The currency of what names none; it has an exponent.
    pub currency: &'static str,
    /// Whether prices have the tax in them.
    pub tax: TaxMode,
}

/// The shop as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopProfile {
    /// Its name; `None` until it is set.
    pub name: Option<String>,
    /// Its terms.
    pub terms: ShopTerms,
    /// The version, which grows with every change; the `ETag`.
    pub version: i64,
}

/// The fields of a shop that a change sets. A field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopPatch {
    /// A new name.
    pub name: Option<String>,
    /// Another currency, which has an exponent.
    pub currency: Option<&'static str>,
    /// Another tax mode.
    pub tax: Option<TaxMode>,
}

impl ShopProfile {
    /// The shop as JSON.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Shown<'s> {
            name: Option<&'s str>,
            currency: &'static str,
            decimals: u32,
            tax: &'static str,
        }
        let ShopTerms { currency, tax } = self.terms;
        let decimals = currency::exponent(currency).unwrap_or(0);
        let shown = Shown { name: self.name.as_deref(), currency, decimals, tax: tax.word() };
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

impl ShopPatch {
    /// Reads a request's body; the error lists every wrong member.
    pub fn read(body: Map<String, Value>) -> Result<Self, Reject> {
        let (mut patch, mut errors) = (Self::default(), Vec::new());
        for (member, value) in body {
            errors.extend(patch.set(&member, value).err().map(|wrong| wrong.at(member)));
        }
        if errors.is_empty() { Ok(patch) } else { Err(Reject::Invalid(errors)) }
    }

    /// Reads the value of a member of another body; adds each mistake under its path.
    pub fn read_member(name: &str, value: Value, errors: &mut Vec<FieldError>) -> Self {
        let Value::Object(body) = value else {
            errors.push(FieldError::new(name, Code::WrongType, "must be an object"));
            return Self::default();
        };
        match Self::read(body) {
            Ok(patch) => return patch,
            Err(Reject::Invalid(wrong)) => errors.extend(wrong.into_iter().map(|one| {
                FieldError::new(format!("{name}.{}", one.field), one.code, one.message)
            })),
            Err(_) => {}
        }
        Self::default()
    }

    fn set(&mut self, member: &str, value: Value) -> Result<(), Violation> {
        match (member, value) {
            ("name", Value::String(text)) => {
                let name = normalize(text);
                check_line(&name, 1, NAME_CHARS_MAX)?;
                self.name = Some(name);
            }
            ("currency", Value::String(code)) => {
                self.currency = Some(read_currency(&code)?);
            }
            ("tax", Value::String(word)) => {
                let mode = TaxMode::from_word(&word);
                self.tax = Some(mode.ok_or_else(|| one_of(TaxMode::WORDS.iter().copied()))?);
            }
            ("name" | "currency" | "tax", _) => {
                return Err(Violation::new(Code::WrongType, "must be a string"));
            }
            ("decimals", _) => {
                return Err(Violation::new(Code::ReadOnly, "follows from the currency"));
            }
            _ => return Err(Violation::new(Code::UnknownField, "is not a field of the shop")),
        }
        Ok(())
    }
}
