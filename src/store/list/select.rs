//! The statements of a list, and the page that one of them fills.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::domain::{Cell, EntityKind, Reject, Row};
use crate::limits::PAGE_BYTES_MAX;
use crate::store::error::failed;
use crate::store::list::filter::Filter;
use crate::store::list::query::Query;
use crate::store::rows;

/// A query for one page, with its values.
pub(super) struct Select {
    pub(super) kind: EntityKind,
    pub(super) ascending: bool,
    pub(super) sql: String,
    /// The length of `sql` up to the end of the conditions that an index answers.
    pub(super) indexed: usize,
    pub(super) values: Vec<Cell>,
}

impl Select {
    pub(super) fn new(kind: EntityKind, ascending: bool) -> Self {
        let sql = format!("{} WHERE 1", rows::select(kind));
        Self { kind, ascending, indexed: sql.len(), sql, values: Vec::new() }
    }

    /// Adds the condition of a filter on this column.
    pub(super) fn filter(&mut self, filter: &Filter, column: &str) {
        let (sql, values) = filter.sql(column);
        self.sql.extend([" AND ", &*sql]);
        self.values.extend_from_slice(values);
    }

    pub(super) fn condition(&mut self, column: &str, is: &str, value: Cell) {
        self.sql.extend([" AND ", column, is]);
        self.values.push(value);
    }

    /// Adds conditions for all filters but the leading one; a `+` keeps SQLite from preferring
    /// their indexes.
    pub(super) fn conditions(&mut self, query: &Query, leading: Option<usize>) {
        for (at, filter) in query.filters.iter().enumerate() {
            if leading != Some(at) {
                self.filter(filter, &format!("+{}", filter.field.name));
            }
        }
        if let Some(since) = query.updated_since {
            self.condition("+updated_at", " >= ?", Cell::Int(since));
        }
    }

    pub(super) fn sort(&mut self, limit: i64) {
        self.sql.push_str(if self.ascending {
            " ORDER BY id LIMIT ?"
        } else {
            " ORDER BY id DESC LIMIT ?"
        });
        self.values.push(Cell::Int(limit));
    }

    /// Whether every row that the index finds matches the query.
    pub(super) fn is_found_by_index_alone(&self) -> bool {
        self.indexed == self.sql.len()
    }

    /// The last id that a page looks at if it looks at so many rows; `None` if there are fewer.
    pub(super) fn last_looked_at(
        &self,
        conn: &Connection,
        rows_max: i64,
    ) -> Result<Option<i64>, Reject> {
        let select = self.scan(rows_max);
        let mut statement = conn.prepare_cached(&select.sql).map_err(failed)?;
        let values = params_from_iter(select.values.iter().map(rows::Bound));
        statement.query_row(values, |row| row.get(0)).optional().map_err(failed)
    }

    /// The query of `last_looked_at`: only the conditions that the index answers.
    pub(super) fn scan(&self, rows_max: i64) -> Self {
        let columns = rows::select(self.kind).len();
        let marks = self.sql[columns..self.indexed].matches('?').count();
        let mut scan = Self {
            sql: format!(
                "SELECT id FROM {}{}",
                self.kind.schema().plural,
                &self.sql[columns..self.indexed]
            ),
            values: self.values[..marks].to_vec(),
            ..*self
        };
        scan.sort(1);
        scan.sql.push_str(" OFFSET ?");
        scan.values.push(Cell::Int(rows_max - 1));
        scan
    }

    /// The page, which ends after `limit` rows or with the last id that it looks at.
    pub(super) fn page(
        mut self,
        conn: &Connection,
        limit: usize,
        last: Option<i64>,
    ) -> Result<(Vec<Row>, Option<i64>), Reject> {
        self.within(last);
        // One row more than the limit tells whether there are more.
        self.sort(i64::try_from(limit + 1).unwrap_or(i64::MAX));
        let mut statement = conn.prepare_cached(&self.sql).map_err(failed)?;
        let values = params_from_iter(self.values.iter().map(rows::Bound));
        let mut found = statement.query(values).map_err(failed)?;
        let mut page = Page::new(limit);
        while let Some(row) = found.next().map_err(failed)? {
            if !page.push(rows::read(self.kind, row).map_err(failed)?) {
                return Ok(page.full());
            }
        }
        Ok((page.rows, last))
    }

    /// Bounds the page by the last id that it looks at.
    pub(super) fn within(&mut self, last: Option<i64>) {
        if let Some(id) = last {
            self.condition("id", if self.ascending { " <= ?" } else { " >= ?" }, Cell::Int(id));
        }
    }
}

/// The rows of a page while they are collected.
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    bytes: usize,
    limit: usize,
}

impl Page {
    pub(super) fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), bytes: 0, limit }
    }

    /// Adds a row; returns false if the page is full without it.
    pub(super) fn push(&mut self, row: Row) -> bool {
        let fits = self.rows.len() < self.limit && self.bytes < PAGE_BYTES_MAX;
        if fits {
            self.bytes += rows::size(&row);
            self.rows.push(row);
        }
        fits
    }

    /// The page and the id of its last row, after which there may be more.
    pub(super) fn full(self) -> (Vec<Row>, Option<i64>) {
        let next = self.rows.last().map(|row| row.id);
        (self.rows, next)
    }
}
