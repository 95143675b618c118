//! The query of a request: the parameters of a route, and the values that a client gave. All mistakes are
//! named at once.

use form_urlencoded::parse;

use crate::domain::check::one_of;
use crate::domain::{Code, EntityKind, FieldError, Violation, timestamp};
use crate::http::problem::Problem;
use crate::limits::{IDS_MAX, PAGE_DEFAULT, PAGE_MAX};

/// One parameter of a query.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The values that it may have.
    pub value: ParameterValue,
    /// One sentence for the API document.
    pub about: &'static str,
}

/// The values that a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParameterValue {
    /// A page's length, 1 to `PAGE_MAX`.
    Limit,
    /// A whole number, 0 or more.
    Number,
    /// One of the words of a named schema.
    Word(&'static str),
    /// An RFC 3339 time.
    Time,
    /// At most `IDS_MAX` ids, separated by commas.
    Ids,
}

/// The parameters that a query may hold.
#[derive(Clone, Copy)]
pub(super) enum Query {
    /// Any: links to a page often add parameters of their own.
    Ignored,
    /// These parameters.
    Parameters(&'static [Parameter]),
    /// Those of a list: the common ones, and a filter for each filterable field of the kind.
    List,
}

/// The length of a page.
pub(super) const LIMIT: Parameter = Parameter {
    name: "limit",
    value: ParameterValue::Limit,
    about: "The largest number of entries on the page.",
};
/// The position after which a page begins.
pub(super) const AFTER: Parameter = Parameter {
    name: "after",
    value: ParameterValue::Number,
    about: "Entries after this one: the `next` of the page before.",
};

/// The order of a list.
pub(super) const ORDER: Parameter = Parameter {
    name: "order",
    value: ParameterValue::Word("SortOrder"),
    about: "`asc` is oldest first, `desc` newest first.",
};

/// The parameters of every list of entities, beside the filters of its kind.
pub(super) static LIST_PARAMETERS: [Parameter; 5] = [
    LIMIT,
    AFTER,
    ORDER,
    Parameter {
        name: "updated_since",
        value: ParameterValue::Time,
        about: "Only what was changed at this time or later.",
    },
    Parameter {
        name: "ids",
        value: ParameterValue::Ids,
        about: "The entities with these ids, in this order, instead of a page. Those that do not exist, or do \
                not pass the other filters, are left out. `next` is the first id that did not fit.",
    },
];

/// The parameters that a client gave, each of them known and given once.
#[derive(Default)]
pub(super) struct QueryReader {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl QueryReader {
    /// Parses a request's query.
    pub(super) fn new(raw: &str, query: Query, kind: Option<EntityKind>) -> Self {
        let mut reader = Self::default();
        if matches!(query, Query::Ignored) {
            return reader;
        }
        for (name, value) in parse(raw.as_bytes()) {
            if !names(query, kind).any(|known| known == name) {
                let known: Vec<&str> = names(query, kind).collect();
                let message = match &known[..] {
                    [] => "is not a parameter here; there are none".to_owned(),
                    known => format!("is not a parameter here; allowed: {}", known.join(", ")),
                };
                reader.errors.push(FieldError::new(name, Code::UnknownParameter, message));
            } else if reader.value(&name).is_some() {
                reader.errors.push(FieldError::new(name, Code::GivenTwice, "is given twice"));
            } else {
                reader.pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        reader
    }

    /// Reads a parameter; `None` if it is absent or wrong.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match read(self.value(name)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.errors.push(wrong.at(name));
                None
            }
        }
    }

    /// Reads a whole number that is at least `least`.
    pub(super) fn number(&mut self, name: &str, least: i64) -> Option<i64> {
        self.read(name, |text| parse_number(text, least, i64::MAX))
    }

    /// Reads the length of a page.
    pub(super) fn limit(&mut self) -> usize {
        let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
        let limit = self.read("limit", |text| parse_number(text, 1, most));
        limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT)
    }

    /// Reads whether the oldest entries come first; `None` if the client does not say.
    pub(super) fn ascending(&mut self) -> Option<bool> {
        self.read("order", |text| match text {
            "asc" => Ok(true),
            "desc" => Ok(false),
            _ => Err(one_of(["asc", "desc"])),
        })
    }

    /// Reads a time, in milliseconds since 1970.
    pub(super) fn time(&mut self, name: &str) -> Option<i64> {
        self.read(name, |text| {
            let message = "must be an RFC 3339 time, such as 2026-01-25T10:30:00Z";
            timestamp::parse(text).ok_or_else(|| Violation::new(Code::BadFormat, message))
        })
    }

    /// Returns all mistakes as one problem, if there are any.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The names that a query of this route may have.
fn names(query: Query, kind: Option<EntityKind>) -> impl Iterator<Item = &'static str> {
    let (parameters, filters): (&[Parameter], _) = match query {
        Query::Ignored => (&[], None),
        Query::Parameters(parameters) => (parameters, None),
        Query::List => (&LIST_PARAMETERS, kind),
    };
    let filters = filters.into_iter().flat_map(|kind| kind.schema().filters());
    let filters = filters.map(|(field, _)| field.name);
    parameters.iter().map(|parameter| parameter.name).chain(filters)
}

/// Reads a whole number from `least` to `most`.
pub(super) fn parse_number(text: &str, least: i64, most: i64) -> Result<i64, Violation> {
    let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        let range = match most {
            i64::MAX => format!("from {least} up"),
            _ => format!("from {least} to {most}"),
        };
        Violation::new(Code::BadFormat, format!("must be a whole number {range}"))
    })
}

/// Reads ids that are separated by commas. A number that is too large for an id is left out, like an id that
/// does not exist.
pub(super) fn parse_ids(text: &str) -> Result<Vec<i64>, Violation> {
    let ids: Vec<&str> = text.split(',').collect();
    if ids.len() > IDS_MAX {
        let message = format!("must have at most {IDS_MAX} ids");
        return Err(Violation::new(Code::TooLong, message));
    }
    let is_huge = |id: &&str| id.len() > 18 && id.bytes().all(|byte| byte.is_ascii_digit());
    let ids = ids.into_iter().filter(|id| !is_huge(id));
    ids.map(|id| parse_number(id, 1, i64::MAX)).collect()
}
