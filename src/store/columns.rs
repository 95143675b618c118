//! How values of the domain are read from their columns. What this program does not know is an
//! error, never a default: a newer version may have written it.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use crate::domain::Role;

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        Self::named(name).ok_or_else(|| FromSqlError::Other(format!("no role {name}").into()))
    }
}
